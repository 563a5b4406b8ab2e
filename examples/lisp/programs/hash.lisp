; Hash tables by identity: keys move, their hashes do not. Weak tables: entries go with their keys.

(define (node n) (vector n #f))

(define (strong-table scale)
  (let* ((n (* 300 scale)) (keys (map node (iota n))) (table (make-table)))
    (for-each (lambda (key) (table-set! table key (* 2 (vector-ref key 0)))) keys)
    (gc)
    (for-each (lambda (key) (check "found" (table-ref table key #f) (* 2 (vector-ref key 0)))) keys)
    (check "an equal vector is another key" (table-ref table (node 1) 'none) 'none)
    (for-each (lambda (key) (when (even? (vector-ref key 0)) (table-delete! table key))) keys)
    (check "half is left" (table-count table) (quotient n 2))
    (table-count table)))

; Values refer to their keys, and some to the key before: that keeps nothing alive by itself.
(define (weak-table scale)
  (let* ((n (* 100 scale)) (table (make-weak-table)) (kept '()))
    (let loop ((i 0) (before #f))
      (when (< i n)
        (let ((key (node i)))
          (table-set! table key (list key (if (= (remainder i 4) 0) before #f) i))
          (when (= (remainder i 4) 0) (set! kept (cons key kept)))
          (loop (+ i 1) key))))
    (gc)
    ; a kept key keeps its value, and with it the key before
    (check "what is left" (table-count table) (- (* 2 (length kept)) 1))
    (for-each (lambda (key)
                (check "value" (caddr (table-ref table key '(0 0 none))) (vector-ref key 0)))
              kept)
    (length kept)))

(define (run scale)
  (let ((a (node 1)) (before 0))
    (set! before (hash a))
    (let ((sum (+ (strong-table scale) (weak-table scale))))
      (check "the hash stays" (hash a) before)
      sum)))
