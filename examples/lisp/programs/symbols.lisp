; Symbols are interned weakly: a program that makes them as it runs does not fill the heap, and the same name
; is the same symbol for as long as anybody has it.

(define (name i) (string-append "made-" (number->string i)))

(define (make-some from count)
  (let loop ((i from))
    (when (< i (+ from count))
      (string->symbol (name i))
      (loop (+ i 1)))))

(define (run scale)
  (define count (* 400 scale))
  (define kept (map (lambda (i) (string->symbol (name i))) (iota 50)))
  (define before 0)
  (gc)
  (set! before (symbol-count))
  (make-some 1000 count)
  (gc)
  (check "what nobody has is gone" (symbol-count) before)
  (for-each (lambda (i) (check "the same symbol" (eq? (list-ref kept i) (string->symbol (name i))) #t))
            (iota 50))
  (check "names" (symbol->string (list-ref kept 7)) "made-7")
  ; a symbol with a value stays, and so does its value
  (eval (list 'define (string->symbol "made-by-eval") 42))
  (make-some 100000 count)
  (gc)
  (check "a variable" (eval (string->symbol "made-by-eval")) 42)
  (length kept))
