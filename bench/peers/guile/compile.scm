;; bench/peers/guile/compile.scm SOURCE OUTPUT LEVEL: compiles one file. Debian's guile-3.0 has no guild; the compiler
;; is in it all the same.
(use-modules (ice-9 match) (system base compile))

(match (command-line)
  ((_ source output level)
   (compile-file source #:output-file output #:optimization-level (string->number level))))
