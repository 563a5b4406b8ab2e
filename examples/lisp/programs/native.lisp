; Primitives that keep references in C locals (native.c) where the collector looks at C stacks, and the same
; in Lisp where it does not. The results are the same.

(define (tree depth) (if (= depth 0) (list 'leaf) (list depth (tree (- depth 1)) (tree (- depth 1)))))

(define (numbers n) (let loop ((i 0) (l '())) (if (= i n) l (loop (+ i 1) (cons (remainder (* i 7919) 1009) l)))))

(define (sorted? l) (or (null? l) (null? (cdr l)) (and (<= (car l) (cadr l)) (sorted? (cdr l)))))

(define (run scale)
  (let ((original (tree 10)))
    (let loop ((i 0) (copy original))
      (if (= i scale)
          (begin
            (check "a copy of a copy" (equal? copy original) #t)
            (check "but another one" (eq? copy original) #f))
          (let* ((list (numbers 2000)) (sorted (sort-numbers list)))
            (check "sorted" (sorted? sorted) #t)
            (check "all of them" (fold + 0 sorted) (fold + 0 list))
            (check "append" (length (list-append sorted list)) 4000)
            (loop (+ i 1) (tree-copy copy)))))
    scale))
