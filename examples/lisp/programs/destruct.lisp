; Lists of lists that are changed in place all the time: every set-car! and set-cdr! goes through the store
; barrier, and links old pairs to new ones.

(define (make-row n)
  (let loop ((i 0) (row '())) (if (= i n) row (loop (+ i 1) (cons i row)))))

(define (make-rows n width)
  (if (= n 0) '() (cons (make-row width) (make-rows (- n 1) width))))

(define (last-pair list) (if (pair? (cdr list)) (last-pair (cdr list)) list))

; Cut a list after n elements; returns the rest.
(define (cut! list n)
  (if (= n 1)
      (let ((rest (cdr list))) (set-cdr! list '()) rest)
      (cut! (cdr list) (- n 1))))

; Move the second half of a row to its front.
(define (swap-halves! row n)
  (let* ((half (quotient n 2)) (rest (cut! row half)))
    (set-cdr! (last-pair rest) row)
    rest))

(define (add-fresh! row)
  (when (pair? row)
    (set-car! row (+ (car row) 1))
    (when (pair? (cdr row))
      ; a fresh pair in place of the next one
      (set-cdr! row (cons (car (cdr row)) (cddr row))))
    (add-fresh! (cdr row))))

(define (rotate-rows! rows n)
  (let loop ((rows rows))
    (when (pair? rows)
      (set-car! rows (swap-halves! (car rows) n))
      (add-fresh! (car rows))
      (loop (cdr rows)))))

(define (reverse! list)
  (let loop ((list list) (done '()))
    (if (null? list)
        done
        (let ((rest (cdr list))) (set-cdr! list done) (loop rest list)))))

(define (sum rows) (fold (lambda (s row) (+ s (fold + 0 row))) 0 rows))

(define (run scale)
  (let ((rows (make-rows 40 100)))
    (let loop ((i 0) (rows rows))
      (if (= i (* 5 scale))
          (begin
            (check "sum" (sum rows) (* 40 (+ 4950 (* 100 i))))
            (check "lengths" (fold + 0 (map length rows)) 4000)
            (check "the same numbers"
                   (sort-numbers (car rows))
                   (map (lambda (x) (+ x i)) (iota 100)))
            (sum rows))
          (begin
            (rotate-rows! rows 100)
            (loop (+ i 1) (reverse! rows)))))))
