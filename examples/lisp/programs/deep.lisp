; Recursion a million deep. Each frame holds a pair; at the bottom there is work that makes garbage, for
; several collections; on the way back every frame finds its pair. Compare with shallow.lisp, which does the
; same with the pairs in a list. The stack belongs to the collector and is brought up to date page by page, so
; its depth is no matter for pauses.

(define (churn n)
  (let loop ((n n) (kept '()))
    (cond ((= n 0) (length kept))
          ((= (remainder n 1000) 0) (loop (- n 1) '()))
          (else (loop (- n 1) (cons (list n) kept))))))

(define (descend n work)
  (if (= n 0)
      (begin (work) 0)
      (let* ((pair (cons n 'deep)) (below (descend (- n 1) work)))
        (if (eq? (cdr pair) 'deep) (+ below (car pair)) (throw 'lost)))))

(define (run scale)
  (let ((depth (* 100000 scale)))
    (check "sum" (descend depth (lambda () (churn (* 150000 scale)))) (quotient (* depth (+ depth 1)) 2))))
