; J. Earley's parser ("An efficient context-free parsing algorithm", CACM 1970), as a recogniser that counts
; parses: sets of items in tables, keyed by strings; counting is a second pass over what was found, with
; a memory of its own.

(define grammar
  '((s (s plus s)) (s (s times s)) (s (open s close)) (s (a))))

(define (rules-for symbol) (filter (lambda (rule) (eq? (car rule) symbol)) grammar))
(define (terminal? symbol) (null? (rules-for symbol)))

; An item: rule, dot, origin. Its key says the same as a string.
(define (rule-number rule)
  (let loop ((rules grammar) (n 0)) (if (eq? (car rules) rule) n (loop (cdr rules) (+ n 1)))))
(define (item-key rule dot origin)
  (string-append (number->string (rule-number rule)) "." (number->string dot) "." (number->string origin)))
(define (make-item rule dot origin) (vector rule dot origin))
(define (item-next item)
  (let ((rest (list-tail (cadr (vector-ref item 0)) (vector-ref item 1))))
    (if (null? rest) #f (car rest))))

; A set: a table of keys, and the items as a list that grows at its head while it is worked through.
(define (make-set) (vector (make-table) '() '()))
(define (add! set rule dot origin)
  (let ((key (item-key rule dot origin)))
    (unless (table-ref (vector-ref set 0) key #f)
      (let ((item (make-item rule dot origin)))
        (table-set! (vector-ref set 0) key item)
        (vector-set! set 1 (cons item (vector-ref set 1)))
        (vector-set! set 2 (cons item (vector-ref set 2)))))))

(define (work! sets i input)
  (let ((set (vector-ref sets i)))
    (when (pair? (vector-ref set 2))
      (let* ((item (car (vector-ref set 2))) (next (item-next item)))
        (vector-set! set 2 (cdr (vector-ref set 2)))
        (cond ((not next) (complete! sets i item))
              ((terminal? next)
               (when (and (< i (vector-length input)) (eq? next (vector-ref input i)))
                 (add! (vector-ref sets (+ i 1)) (vector-ref item 0) (+ 1 (vector-ref item 1))
                       (vector-ref item 2))))
              (else (for-each (lambda (rule) (add! set rule 0 i)) (rules-for next)))))
      (work! sets i input))))

(define (complete! sets i item)
  (for-each (lambda (waiting)
              (when (eq? (item-next waiting) (car (vector-ref item 0)))
                (add! (vector-ref sets i) (vector-ref waiting 0) (+ 1 (vector-ref waiting 1))
                      (vector-ref waiting 2))))
            (vector-ref (vector-ref sets (vector-ref item 2)) 1)))

(define (parse input)
  (let ((sets (list->vector (map (lambda (i) (make-set)) (iota (+ 1 (vector-length input)))))))
    (for-each (lambda (rule) (add! (vector-ref sets 0) rule 0 0)) (rules-for 's))
    (for-each (lambda (i) (work! sets i input)) (iota (+ 1 (vector-length input))))
    sets))

; How many parses has `symbol` from i to j? Only for what the sets say is there.
(define (count-parses sets input)
  (define memory (make-table))
  (define (found? rule i j)
    (table-ref (vector-ref (vector-ref sets j) 0) (item-key rule (length (cadr rule)) i) #f))
  (define (parses symbol i j)
    (if (terminal? symbol)
        (if (and (= j (+ i 1)) (eq? symbol (vector-ref input i))) 1 0)
        (let* ((key (string-append (number->string i) "-" (number->string j)))
               (known (table-ref memory key #f)))
          (or known
              (let ((n (fold (lambda (sum rule)
                               (if (found? rule i j) (+ sum (sequences (cadr rule) i j)) sum))
                             0 (rules-for symbol))))
                (table-set! memory key n)
                n)))))
  (define (sequences symbols i j)
    (if (null? (cdr symbols))
        (parses (car symbols) i j)
        (let loop ((k (+ i 1)) (sum 0))
          (if (>= k j)
              sum
              (let ((first (parses (car symbols) i k)))
                (loop (+ k 1) (if (= first 0) sum (+ sum (* first (sequences (cdr symbols) k j))))))))))
  (parses 's 0 (vector-length input)))

; a + a * a + ... with n operators has as many parses as Catalan's nth number.
(define (sentence n)
  (let loop ((n n) (list '(a)))
    (if (= n 0)
        (list->vector list)
        (loop (- n 1) (cons 'a (cons (if (even? n) 'plus 'times) list))))))

(define (run scale)
  (let loop ((i 0) (sum 0))
    (if (= i scale)
        sum
        (let* ((input (sentence 7)) (bad (vector 'a 'plus 'plus 'a)))
          (check "no sentence" (count-parses (parse bad) bad) 0)
          (check "with brackets"
                 (let ((input (vector 'open 'a 'plus 'a 'close 'times 'a)))
                   (count-parses (parse input) input))
                 1)
          (loop (+ i 1) (+ sum (check "parses" (count-parses (parse input) input) 429)))))))
