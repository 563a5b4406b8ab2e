; Whatever may take long lets the collector in now and then: coming back from a deep recursion, throwing out
; of one, filling and copying long vectors. Under GC_TORTURE=safepoints, which collects whenever a thread polls,
; the number of collections says how often that was.

(define (cycles) (cdr (assq 'cycles (heap-stats))))

(define (during thunk)
  (let* ((before (cycles)) (result (thunk)) (after (cycles)))
    (- after before)))

(define (more-than empty count n what)
  (check what (if (< (- count empty) n) (list 'polled (- count empty) 'times) 'well) 'well))

; Collections from the innermost call on.
(define (descend n) (if (= n 0) (cycles) (let ((bottom (descend (- n 1)))) bottom)))
(define (on-return n)
  (let* ((bottom (descend n)) (after (cycles))) (- after bottom)))

(define (descend-and-throw n) (if (= n 0) (throw (cycles)) (+ 1 (descend-and-throw (- n 1)))))
(define (on-throw n)
  (let* ((bottom (try (descend-and-throw n) (lambda (thrown) thrown))) (after (cycles)))
    (- after bottom)))

(define (run scale)
  (let* ((nothing (during (lambda () '())))
         (n (* 16384 4))
         (text (during (lambda () (make-string (* 8 n)))))
         (vector (make-vector n 'old)))
    (more-than (on-return 1) (on-return 51) 50 "returning")
    (more-than (on-throw 1) (on-throw 201) 3 "throwing")
    (more-than text (during (lambda () (make-vector n 'new))) 3 "making a vector")
    (more-than nothing (during (lambda () (vector-fill! vector 'new))) 3 "filling a vector")
    (vector-set! vector 0 'first)
    (more-than nothing (during (lambda () (vector-copy! vector 1 vector 0 (- n 1)))) 3 "copying upwards")
    (check "first" (vector-ref vector 1) 'first)
    (check "last" (vector-ref vector (- n 1)) 'new)
    (vector-set! vector (- n 1) 'last)
    (more-than nothing (during (lambda () (vector-copy! vector 0 vector 1 (- n 1)))) 3 "copying downwards")
    (check "first again" (vector-ref vector 0) 'first)
    (check "last again" (vector-ref vector (- n 2)) 'last)
    n))
