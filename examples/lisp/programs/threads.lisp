; Threads: they share a tree that nobody changes, a counter under a mutex, a table under a mutex, and a list
; that grows by compare-exchange.

(define (tree depth)
  (if (= depth 0) (list depth) (list depth (tree (- depth 1)) (tree (- depth 1)))))
(define (tree-sum t)
  (+ (car t) (if (pair? (cdr t)) (+ (tree-sum (cadr t)) (tree-sum (caddr t))) 0)))

(define (push-shared! cell value)
  (let loop ()
    (let ((old (vector-ref cell 0)))
      (unless (vector-cas! cell 0 old (cons value old))
        (loop)))))

(define (worker number rounds shared expected mutex counter table cell)
  (lambda ()
    (random-seed! number)
    (let loop ((i 0))
      (when (< i rounds)
        (check "the shared tree" (tree-sum shared) expected)
        (check "a tree of its own" (tree-sum (tree 6)) (tree-sum-of-depth 6))
        (with-lock mutex
                   (lambda ()
                     (vector-set! counter 0 (+ 1 (vector-ref counter 0)))
                     (let ((key (number->string (random 50))))
                       (table-set! table key (cons number (table-ref table key '()))))))
        (push-shared! cell (+ (* number 100000) i))
        (string->symbol (string-append "shared-" (number->string (random 100))))
        (loop (+ i 1))))
    number))

; 0 at the leaves, depth at the root
(define (tree-sum-of-depth d) (if (= d 0) 0 (+ d (* 2 (tree-sum-of-depth (- d 1))))))

(define (failing)
  (let ((t (thread (lambda () (car 'oops)))))
    (check "what a thread throws" (try (join t) (lambda (thrown) (car thrown))) "car: not a pair:")))

(define (run scale)
  (define threads 3)
  (define rounds (* 20 scale))
  (define shared (tree 8))
  (define mutex (make-mutex))
  (define counter (vector 0))
  (define table (make-table))
  (define cell (vector '()))
  (define started
    (map (lambda (n)
           (thread (worker n rounds shared (tree-sum-of-depth 8) mutex counter table cell)))
         (iota threads)))
  (check "results" (map join started) (iota threads))
  (check "counted" (vector-ref counter 0) (* threads rounds))
  (check "in the table"
         (fold (lambda (n pair) (+ n (length (cdr pair)))) 0 (table->list table))
         (* threads rounds))
  (check "pushed" (length (vector-ref cell 0)) (* threads rounds))
  (for-each (lambda (n)
              (check "in order"
                     (map (lambda (x) (remainder x 100000))
                          (reverse (filter (lambda (x) (= (quotient x 100000) n)) (vector-ref cell 0))))
                     (iota rounds)))
            (iota threads))
  (failing)
  (vector-ref counter 0))
