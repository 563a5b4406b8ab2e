;; bench/peers/guile/check.scm: the arithmetic and the clock make no garbage, whatever compiler they meet:
;; otherwise Guile would be compared with more to collect than the others have.
(define-module (check)
  #:use-module (clock)
  #:use-module (number)
  #:export (main))

(define times 100000)

;; Less than a byte each time; an integer that is an object has 24.
(define (garbage-free? name work)
  (let ((before (assq-ref (gc-stats) 'heap-total-allocated)))
    (work)
    (let ((bytes (- (assq-ref (gc-stats) 'heap-total-allocated) before)))
      (or (< bytes times)
          (begin
            (format #t "check: ~a makes garbage: ~a bytes in ~a times\n" name bytes times)
            #f)))))

(define (main)
  (let* ((numbers (numbers-make 1 0))
         (recorder (recorder-make))
         (chance (lambda ()
                   (do ((i 0 (1+ i))) ((= i times))
                     (below numbers 1000)
                     (chance? numbers 1000)
                     (checksum+! numbers (mix (u64+small (u64-ref numbers (state-at)) i))))))
         (clock (lambda ()
                  (do ((i 0 (1+ i))) ((= i times))
                    (recorder-step! recorder)))))
    (recorder-resume! recorder)
    (let ((well (list (garbage-free? "arithmetic" chance) (garbage-free? "the clock" clock))))
      (exit (not (memq #f well))))))
