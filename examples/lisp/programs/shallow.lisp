; The same live data and the same work as deep.lisp, with nothing on the stack.

(define (churn n)
  (let loop ((n n) (kept '()))
    (cond ((= n 0) (length kept))
          ((= (remainder n 1000) 0) (loop (- n 1) '()))
          (else (loop (- n 1) (cons (list n) kept))))))

(define (pairs n)
  (let loop ((n n) (list '()))
    (if (= n 0) list (loop (- n 1) (cons (cons n 'deep) list)))))

(define (run scale)
  (let* ((depth (* 100000 scale)) (list (pairs depth)))
    (churn (* 150000 scale))
    (check "sum"
           (fold (lambda (sum pair) (+ sum (car pair) (if (eq? (cdr pair) 'deep) 0 1))) 0 list)
           (quotient (* depth (+ depth 1)) 2))))
