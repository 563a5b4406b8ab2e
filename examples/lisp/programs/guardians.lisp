; Guardians: what nothing else refers to comes back, once for each time it was added. Weak references to it
; hold until it is dropped then. Ports, mutexes and the like are closed by a guardian of the VM's own.

(define (make-file n) (vector 'file n))

(define (add-some! guardian from count weak)
  (let loop ((i from))
    (when (< i (+ from count))
      (let ((file (make-file i)))
        (guardian-add! guardian file)
        (vector-set! weak i (make-weak file)))
      (loop (+ i 1)))))

(define (drain guardian)
  (let loop ((sum 0) (count 0))
    (let ((file (guardian-next guardian)))
      (if file
          (loop (+ sum (vector-ref file 1)) (+ count 1))
          (list count sum)))))

(define (alive weak)
  (fold (lambda (n w) (if (weak-ref w) (+ n 1) n)) 0 (vector->list weak)))

; Objects of a lower priority are asked first, and what they refer to waits for them.
(define (order)
  (define first (make-guardian 0))
  (define second (make-guardian 1))
  (let ((inner (list 'inner)))
    (guardian-add! second inner)
    (guardian-add! first (list 'outer inner)))
  (gc)
  (let ((outer (guardian-next first)))
    (check "outer first" (car outer) 'outer)
    (check "not yet" (guardian-next second) #f)
    (set! outer #f))
  (gc)
  (check "then inner" (car (guardian-next second)) 'inner))

(define (pipes n)
  (let loop ((i 0)) (when (< i n) (pipe) (loop (+ i 1)))))

(define (resources scale)
  (define before (descriptors))
  (repeat scale (lambda () (pipes 20) (gc)))
  (gc)
  (check "nothing stays open" (<= (descriptors) before) #t))

(define (run scale)
  (define guardian (make-guardian))
  (define count (* 50 scale))
  (define weak (make-vector count #f))
  (add-some! guardian 0 count weak)
  (gc)
  (check "weak references hold" (alive weak) count)
  (check "all came back" (drain guardian) (list count (quotient (* count (- count 1)) 2)))
  (gc)
  (check "now they are gone" (alive weak) 0)
  (check "nothing more" (guardian-next guardian) #f)
  (order)
  (resources scale)
  count)
