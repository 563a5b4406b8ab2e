; Vectors, small ones and some larger than a region, which the collector never copies; bulk stores.

(define (fill-with! vector f)
  (let loop ((i 0))
    (when (< i (vector-length vector))
      (vector-set! vector i (f i))
      (loop (+ i 1)))))

(define (vector-sum vector)
  (let loop ((i 0) (sum 0))
    (if (= i (vector-length vector)) sum (loop (+ i 1) (+ sum (car (vector-ref vector i)))))))

(define (grow vector)
  (let ((larger (make-vector (* 2 (vector-length vector)) '(0))))
    (vector-copy! larger 0 vector 0 (vector-length vector))
    larger))

(define (run scale)
  (define size (* 8000 scale))
  (let loop ((i 0) (vector (make-vector 16)) (sum 0))
    (fill-with! vector (lambda (i) (list i)))
    (cond ((< (vector-length vector) size)
           (let* ((larger (grow vector)) (n (vector-length vector)))
             (check "copied" (vector-sum larger) (quotient (* n (- n 1)) 2))
             (loop (+ i 1) larger (+ sum n))))
          (else
           ; move everything up by one, in place, then wipe it
           (vector-copy! vector 1 vector 0 (- (vector-length vector) 1))
           (check "moved" (vector-sum vector)
                  (let ((n (- (vector-length vector) 1))) (quotient (* n (- n 1)) 2)))
           (vector-fill! vector (list 7))
           (check "filled" (vector-sum vector) (* 7 (vector-length vector)))
           (check "no allocation that could never fit"
                  (try (make-vector 1000000000000 0) (lambda (thrown) (car thrown)))
                  "out of memory")
           sum))))
