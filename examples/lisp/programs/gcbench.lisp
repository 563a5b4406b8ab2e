; After the benchmark of J. Ellis, P. Kovac and H. Boehm: a tree that stays, an array that stays, and trees of
; rising depth that do not, made from the root down (stores into old objects) and from the leaves up.

(define (make-node left right) (vector left right 0))

(define (bottom-up depth)
  (if (= depth 0)
      (make-node #f #f)
      (make-node (bottom-up (- depth 1)) (bottom-up (- depth 1)))))

(define (top-down! node depth)
  (when (> depth 0)
    (vector-set! node 0 (make-node #f #f))
    (vector-set! node 1 (make-node #f #f))
    (top-down! (vector-ref node 0) (- depth 1))
    (top-down! (vector-ref node 1) (- depth 1))))

(define (nodes node)
  (if node (+ 1 (nodes (vector-ref node 0)) (nodes (vector-ref node 1))) 0))

(define (trees depth count)
  (repeat count
          (lambda ()
            (let ((root (make-node #f #f)))
              (top-down! root depth)
              (check "from the root" (nodes root) (- (shift 1 (+ depth 1)) 1)))
            (check "from the leaves" (nodes (bottom-up depth)) (- (shift 1 (+ depth 1)) 1)))))

(define (run scale)
  (let* ((deepest (if (< scale 5) 8 12))
         (long-lived (bottom-up deepest))
         (array (make-vector (* 1000 scale) 0)))
    (let fill ((i 0))
      (when (< i (vector-length array))
        (vector-set! array i (* i i))
        (fill (+ i 1))))
    (let loop ((depth 4))
      (when (<= depth deepest)
        (trees depth (+ 1 (quotient (* scale 20) (shift 1 (- depth 4)))))
        (loop (+ depth 2))))
    (check "what stays" (nodes long-lived) (- (shift 1 (+ deepest 1)) 1))
    (check "the array" (vector-ref array 999) 998001)
    (nodes long-lived)))
