#!/bin/sh
# The REPL: forms over several lines, errors that do not end it, (gc) and (heap-stats).
# usage: repl.sh PATH-OF-lisp
set -u
program=$1
expected=$(printf '%s\n' 3 144 '(1 . 2)' '"a\"b"' '("caught" "car: not a pair:")' 5 '#t' 7)
got=$(
	"$program" 2> /dev/null << 'END'
(+ 1 2)
(define (square x)
  ; a comment with a ( in it
  (* x x))
(square 12)
(cons 1
      2)
"a\"b"
(car 5)
(try (car 5) (lambda (thrown) (list "caught" (car thrown))))
(gc)
(length (filter number? (map cdr (filter (lambda (figure) (memq (car figure) '(cycles pauses used-bytes live-bytes pins)))
                                         (heap-stats)))))
(> (cdr (assq 'cycles (heap-stats))) 0)
(nobody-knows-this) (print "not reached")
(+ 3 4)
END
)
[ "$got" = "$expected" ] || {
	printf 'expected:\n%s\ngot:\n%s\n' "$expected" "$got"
	exit 1
}
