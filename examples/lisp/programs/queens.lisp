; N queens: all solutions, as lists.

(define (safe? row distance placed)
  (or (null? placed)
      (and (not (= (car placed) row))
           (not (= (car placed) (+ row distance)))
           (not (= (car placed) (- row distance)))
           (safe? row (+ distance 1) (cdr placed)))))

(define (solutions n)
  (define rows (iota n))
  (let extend ((column 0) (placed '()) (found '()))
    (if (= column n)
        (cons placed found)
        (fold (lambda (found row)
                (if (safe? row 1 placed) (extend (+ column 1) (cons row placed) found) found))
              found rows))))

(define (run scale)
  (let loop ((i 0) (sum 0))
    (if (= i scale)
        sum
        (loop (+ i 1)
              (+ sum (check "7 queens" (length (solutions 7)) 40)
                 (if (= (remainder i 5) 4) (check "8 queens" (length (solutions 8)) 92) 0))))))
