; Strings: leaves of all sizes, built, cut, compared, counted; and hash tables with strings as keys.

(define words '("the" "quick" "brown" "fox" "jumps" "over" "a" "lazy" "dog" "and" "sleeps"))

; A text of n words, the same every time.
(define (text n)
  (let loop ((i 0) (parts '()))
    (if (= i n)
        (join-all parts)
        (loop (+ i 1) (cons (list-ref words (remainder (* i (+ i 3)) 11)) parts)))))

; Joining by halves: strings of all lengths come and go.
(define (join-all parts)
  (cond ((null? parts) "")
        ((null? (cdr parts)) (car parts))
        (else (join-all (join-pairs parts)))))
(define (join-pairs parts)
  (if (or (null? parts) (null? (cdr parts)))
      parts
      (cons (string-append (car parts) " " (cadr parts)) (join-pairs (cddr parts)))))

(define (split string)
  (let loop ((at 0) (start 0) (found '()))
    (cond ((= at (string-length string)) (cons (substring string start at) found))
          ((eq? (string-ref string at) #\space)
           (loop (+ at 1) (+ at 1) (cons (substring string start at) found)))
          (else (loop (+ at 1) start found)))))

(define (count-words list)
  (let ((table (make-table)))
    (for-each (lambda (word) (table-set! table word (+ 1 (table-ref table word 0)))) list)
    table))

(define (reverse-string string)
  (let* ((n (string-length string)) (result (make-string n)))
    (let loop ((i 0))
      (when (< i n)
        (string-set! result i (string-ref string (- n i 1)))
        (loop (+ i 1))))
    result))

(define (run scale)
  (let loop ((i 0) (sum 0))
    (if (= i scale)
        sum
        (let* ((made (text 1000)) (list (split made)) (table (count-words list)))
          (check "words" (length list) 1000)
          (check "all are counted" (fold (lambda (n pair) (+ n (cdr pair))) 0 (table->list table)) 1000)
          (check "there and back" (reverse-string (reverse-string made)) made)
          (check "sorted" (car (sort (map (lambda (pair) (car pair)) (table->list table)) string<?)) "a")
          (loop (+ i 1) (+ sum (table-count table) (string-length made)))))))
