; Takeuchi's function, in three ways: with numbers, with lists for numbers, with closures for numbers.
; Calls, and with the second and third one allocation.

(define (tak x y z)
  (if (not (< y x))
      z
      (tak (tak (- x 1) y z) (tak (- y 1) z x) (tak (- z 1) x y))))

(define (count-down n)
  (if (= n 0) '() (cons n (count-down (- n 1)))))

(define (shorter? a b)
  (and (pair? b) (or (null? a) (shorter? (cdr a) (cdr b)))))

(define (tak-lists x y z)
  (if (not (shorter? y x))
      z
      (tak-lists (tak-lists (cdr x) y z) (tak-lists (cdr y) z x) (tak-lists (cdr z) x y))))

(define (promise n) (lambda () n))

(define (tak-closures x y z)
  (if (not (< (y) (x)))
      z
      (tak-closures (tak-closures (promise (- (x) 1)) y z)
                    (tak-closures (promise (- (y) 1)) z x)
                    (tak-closures (promise (- (z) 1)) x y))))

(define (run scale)
  (let loop ((i 0) (sum 0))
    (if (= i scale)
        sum
        (loop (+ i 1)
              (+ sum
                 (check "tak" (tak 14 9 4) 9)
                 (check "lists" (length (tak-lists (count-down 14) (count-down 9) (count-down 4))) 9)
                 (check "closures" ((tak-closures (promise 14) (promise 9) (promise 4))) 9))))))
