; Term rewriting in the manner of Boyer's theorem prover: a term is simplified from the inside out by
; equations that are found by the head of the term, until none applies; then it is taken apart as a tree of
; if-terms whose tests are assumed true on one side and false on the other. Much garbage, long lists.

(define rules (make-table))

(define (add-rule! left right)
  (table-set! rules (car left) (cons (cons left right) (table-ref rules (car left) '()))))

; Variables of rules are symbols; a term of a rule that is a symbol matches anything, once the same way.
(define (match pattern term bindings)
  (cond ((symbol? pattern)
         (let ((bound (assq pattern bindings)))
           (if bound
               (and (equal? (cdr bound) term) bindings)
               (cons (cons pattern term) bindings))))
        ((pair? pattern)
         (and (pair? term) (eq? (car pattern) (car term)) (match-all (cdr pattern) (cdr term) bindings)))
        (else (and (equal? pattern term) bindings))))

(define (match-all patterns terms bindings)
  (cond ((null? patterns) (and (null? terms) bindings))
        ((null? terms) #f)
        (else (let ((more (match (car patterns) (car terms) bindings)))
                (and more (match-all (cdr patterns) (cdr terms) more))))))

(define (instance pattern bindings)
  (cond ((symbol? pattern) (cdr (assq pattern bindings)))
        ((pair? pattern) (cons (car pattern) (map (lambda (p) (instance p bindings)) (cdr pattern))))
        (else pattern)))

(define (rewrite term)
  (if (pair? term)
      (rewrite-head (cons (car term) (map rewrite (cdr term))) (table-ref rules (car term) '()))
      term))

(define (rewrite-head term candidates)
  (if (null? candidates)
      term
      (let ((bindings (match (caar candidates) term '((none . none)))))
        (if bindings
            (rewrite (instance (cdar candidates) bindings))
            (rewrite-head term (cdr candidates))))))

(define (member-term? x list) (and (pair? list) (or (equal? x (car list)) (member-term? x (cdr list)))))

(define (tautology? term true false)
  (cond ((or (equal? term 1) (member-term? term true)) #t)
        ((or (equal? term 0) (member-term? term false)) #f)
        ((and (pair? term) (eq? (car term) 'if))
         (let ((test (cadr term)))
           (cond ((or (equal? test 1) (member-term? test true)) (tautology? (caddr term) true false))
                 ((or (equal? test 0) (member-term? test false))
                  (tautology? (car (cdr (cddr term))) true false))
                 (else (and (tautology? (caddr term) (cons test true) false)
                            (tautology? (car (cdr (cddr term))) true (cons test false)))))))
        (else #f)))

(define (proved? term) (tautology? (rewrite term) '() '()))

; Logic in terms of if; if-terms with if-terms as tests are turned inside out.
(add-rule! '(and p q) '(if p (if q 1 0) 0))
(add-rule! '(or p q) '(if p 1 (if q 1 0)))
(add-rule! '(not p) '(if p 0 1))
(add-rule! '(implies p q) '(if p (if q 1 0) 1))
(add-rule! '(iff p q) '(and (implies p q) (implies q p)))
(add-rule! '(if (if p q r) x y) '(if p (if q x y) (if r x y)))
(add-rule! '(if 1 x y) 'x)
(add-rule! '(if 0 x y) 'y)
; Lists and numbers, so that there is something to rewrite below.
(add-rule! '(append (append x y) z) '(append x (append y z)))
(add-rule! '(append (nil) x) 'x)
(add-rule! '(reverse (append x y)) '(append (reverse y) (reverse x)))
(add-rule! '(reverse (reverse x)) 'x)
(add-rule! '(length (append x y)) '(plus (length x) (length y)))
(add-rule! '(length (reverse x)) '(length x))
(add-rule! '(plus (plus x y) z) '(plus x (plus y z)))
(add-rule! '(times x (plus y z)) '(plus (times x y) (times x z)))
(add-rule! '(times (plus x y) z) '(plus (times x z) (times y z)))
(add-rule! '(equal x x) '1)

; p implies q, q implies r ... : p implies the last. The atoms are equations about (variable) lists.
(define (atom n) (list 'equal (list 'f (list 'v n)) (list 'length (list 'reverse (list 'append (list 'v n) '(w))))))

(define (chain n last)
  (if (= n last)
      1
      (list 'and (list 'implies (atom n) (atom (+ n 1))) (chain (+ n 1) last))))

(define (theorem n) (list 'implies (chain 0 n) (list 'implies (atom 0) (atom n))))
(define (no-theorem n) (list 'implies (chain 0 n) (list 'implies (atom n) (atom 0))))

(define (run scale)
  (let loop ((i 0))
    (when (< i scale)
      (check "theorem" (proved? (theorem 6)) #t)
      (check "no theorem" (proved? (no-theorem 5)) #f)
      (check "terms"
             (rewrite '(length (reverse (append (append (a) (b)) (reverse (reverse (c)))))))
             '(plus (length (c)) (plus (length (b)) (length (a)))))
      (loop (+ i 1))))
  scale)
