; Symbolic differentiation by table, then simplification. Small lists, shared structure.

(define derivatives (make-table))

(define (deriv x)
  (if (pair? x)
      ((table-ref derivatives (car x) #f) (cdr x))
      (if (eq? x 'x) 1 0)))

(table-set! derivatives '+ (lambda (args) (cons '+ (map deriv args))))
(table-set! derivatives '- (lambda (args) (cons '- (map deriv args))))
(define (product args) (if (null? (cdr args)) (car args) (cons '* args)))
(table-set! derivatives '*
            (lambda (args)
              (if (null? (cdr args))
                  (deriv (car args))
                  (list '+
                        (cons '* (cons (deriv (car args)) (cdr args)))
                        (list '* (car args) (deriv (product (cdr args))))))))
(table-set! derivatives '/
            (lambda (args)
              (let ((a (car args)) (b (cadr args)))
                (list '- (list '/ (deriv a) b) (list '/ (list '* a (deriv b)) (list '* b b))))))

; Constants in sums, and products with 0 or 1.
(define (simplify x)
  (if (pair? x) (simplify-term (car x) (map simplify (cdr x))) x))

(define (simplify-term op args)
  (cond ((eq? op '+)
         (let* ((constant (fold + 0 (filter number? args)))
                (rest (filter (lambda (a) (not (number? a))) args))
                (all (if (= constant 0) rest (append rest (list constant)))))
           (cond ((null? all) 0) ((null? (cdr all)) (car all)) (else (cons '+ all)))))
        ((eq? op '*)
         (let ((rest (filter (lambda (a) (not (equal? a 1))) args)))
           (cond ((member 0 rest) 0) ((null? rest) 1) ((null? (cdr rest)) (car rest)) (else (cons '* rest)))))
        ((and (eq? op '/) (equal? (car args) 0)) 0)
        (else (cons op args))))

(define (value x at)
  (cond ((number? x) x)
        ((symbol? x) at)
        (else
         (let ((args (map (lambda (a) (value a at)) (cdr x))))
           (cond ((eq? (car x) '+) (fold + 0 args))
                 ((eq? (car x) '*) (fold * 1 args))
                 ((eq? (car x) '-) (- (car args) (cadr args)))
                 (else (quotient (car args) (cadr args))))))))

(define (run scale)
  (let loop ((i 0) (sum 0))
    (if (= i (* 150 scale))
        (check "sum of values" sum (* 150 scale 73))
        (let ((d (simplify (deriv '(+ (* 3 x x) (* 5 x x x) 12 (/ x 1))))))
          (loop (+ i 1) (+ sum (value d 2)))))))
