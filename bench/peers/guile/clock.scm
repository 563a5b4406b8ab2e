;; bench/peers/guile/clock.scm: histograms and the clock of a thread, as parallax/histogram.h and
;; bench/gc_pause/recorder.h have them. Recording allocates nothing; times are fixnums.
(define-module (clock)
  #:use-module (ice-9 format)
  #:use-module (rnrs bytevectors)
  #:use-module (srfi srfi-9)
  #:export (now histogram-make histogram-record! histogram-merge! histogram-arrival histogram-json
            histogram-count recorder-make recorder-operations recorder-begin! recorder-step!
            recorder-more? recorder-resume! recorder-utilisation))

(define (now) (get-internal-real-time)) ; in ns

(define sub-bits 10)
(define sub (ash 1 sub-bits))
(define value-bits 42)
(define buckets (* (+ (- value-bits sub-bits) 1) sub))

(define-record-type histogram
  (%histogram-make count max bucket)
  histogram?
  (count histogram-count set-histogram-count!)
  (max histogram-max set-histogram-max!)
  (bucket histogram-bucket))

(define (histogram-make) (%histogram-make 0 0 (make-bytevector (* 8 buckets) 0)))

(define-syntax-rule (bucket-ref h i) (bytevector-u64-native-ref (histogram-bucket h) (* 8 i)))
(define-syntax-rule (bucket-set! h i n)
  (bytevector-u64-native-set! (histogram-bucket h) (* 8 i) n))

(define (bucket-index value)
  (let ((v (max 0 (min value (- (ash 1 value-bits) 1)))))
    (if (< v (* 2 sub))
        v
        (let ((shift (- (integer-length v) 1 sub-bits)))
          (+ (ash shift sub-bits) (ash v (- shift)))))))

;; The largest value that falls into a bucket.
(define (bucket-value i)
  (if (< i (* 2 sub))
      i
      (let ((shift (- (ash i (- sub-bits)) 1)))
        (- (ash (+ (- i (ash shift sub-bits)) 1) shift) 1))))

(define (histogram-record! h v)
  (let ((i (bucket-index v)))
    (bucket-set! h i (1+ (logand (bucket-ref h i) #xfffffffffffff)))
    (set-histogram-count! h (1+ (histogram-count h)))
    (when (> v (histogram-max h))
      (set-histogram-max! h v))))

(define (histogram-merge! h from)
  (do ((i 0 (1+ i))) ((= i buckets))
    (bucket-set! h i (+ (bucket-ref h i) (bucket-ref from i))))
  (set-histogram-count! h (+ (histogram-count h) (histogram-count from)))
  (set-histogram-max! h (max (histogram-max h) (histogram-max from))))

(define (histogram-arrival h)
  (let ((arrival (histogram-make)))
    (let loop ((i (- buckets 1)) (longer 0))
      (when (>= i 0)
        (let ((width (if (> i 0) (- (bucket-value i) (bucket-value (- i 1))) 1))
              (here (bucket-ref h i)))
          (bucket-set! arrival i (+ (* longer width) (quotient (* here width) 2)))
          (loop (- i 1) (+ longer here)))))
    (set-histogram-count! arrival (histogram-count h))
    (set-histogram-max! arrival (histogram-max h))
    arrival))

(define (histogram-total h)
  (let loop ((i 0) (sum 0))
    (if (< i buckets) (loop (1+ i) (+ sum (bucket-ref h i))) sum)))

(define (histogram-quantile h fraction)
  (let* ((total (histogram-total h))
         (wanted (max 1 (inexact->exact (floor (* fraction total))))))
    (let loop ((i 0) (seen 0))
      (cond ((= total 0) 0)
            ((= i buckets) (histogram-max h))
            ((>= (+ seen (bucket-ref h i)) wanted) (min (bucket-value i) (histogram-max h)))
            (else (loop (1+ i) (+ seen (bucket-ref h i))))))))

(define (histogram-json name h)
  (define (us fraction) (/ (histogram-quantile h fraction) 1e3))
  (format #f "\"~a\":{\"count\":~d,\"p50\":~,3f,\"p90\":~,3f,\"p99\":~,3f,\"p999\":~,3f,\
\"p9999\":~,3f,\"max\":~,3f}"
          name (histogram-count h) (us 0.5) (us 0.9) (us 0.99) (us 0.999) (us 0.9999)
          (/ (histogram-max h) 1e3)))

;; --- the clock of a thread -----------------------------------------------------------------------

(define stalls (ash 1 16))
(define stall-ns 20000)

(define-record-type recorder
  (%recorder-make last deadline target operations stall-count stall)
  recorder?
  (last recorder-last set-recorder-last!)
  (deadline recorder-deadline set-recorder-deadline!)
  (target recorder-target set-recorder-target!)
  (operations recorder-operations)
  (stall-count recorder-stall-count set-recorder-stall-count!)
  (stall recorder-stall)) ; end and length of each, in turn

(define (recorder-make)
  (%recorder-make 0 most-positive-fixnum most-positive-fixnum (histogram-make) 0
                  (make-bytevector (* 16 stalls) 0)))

(define (recorder-begin! r deadline target)
  (set-recorder-deadline! r deadline)
  (set-recorder-target! r target)
  (recorder-resume! r))

(define (recorder-resume! r) (set-recorder-last! r (now)))

(define (recorder-more? r)
  (and (< (histogram-count (recorder-operations r)) (recorder-target r))
       (< (recorder-last r) (recorder-deadline r))))

(define (note-stall! r end length)
  (let ((at (* 16 (logand (recorder-stall-count r) (- stalls 1)))))
    (bytevector-u64-native-set! (recorder-stall r) at end)
    (bytevector-u64-native-set! (recorder-stall r) (+ at 8) length)
    (set-recorder-stall-count! r (1+ (recorder-stall-count r)))))

;; An operation ends here. False when the run is to end.
(define (recorder-step! r)
  (let* ((at (now))
         (length (- at (recorder-last r))))
    (set-recorder-last! r at)
    (histogram-record! (recorder-operations r) length)
    (when (>= length stall-ns)
      (note-stall! r at length))
    (recorder-more? r)))

;; The kept stalls that count as lost time, oldest first, each as #(start end lost-before).
(define (losses r)
  (let* ((median (histogram-quantile (recorder-operations r) 0.5))
         (threshold (max stall-ns (* 10 median)))
         (count (recorder-stall-count r)))
    (let loop ((i (max 0 (- count stalls))) (lost 0) (found '()))
      (if (= i count)
          (list->vector (reverse found))
          (let* ((at (* 16 (logand i (- stalls 1))))
                 (end (bytevector-u64-native-ref (recorder-stall r) at))
                 (length (bytevector-u64-native-ref (recorder-stall r) (+ at 8)))
                 (start (+ (- end length) median)))
            (if (<= length threshold)
                (loop (1+ i) lost found)
                (loop (1+ i) (+ lost (- end start)) (cons (vector start end lost) found))))))))

;; How much time was lost before an instant.
(define (lost-before losses at)
  (let loop ((low 0) (high (vector-length losses)))
    (if (< low high)
        (let ((middle (quotient (+ low high) 2)))
          (if (< (vector-ref (vector-ref losses middle) 0) at)
              (loop (1+ middle) high)
              (loop low middle)))
        (if (= low 0)
            0
            (let ((last (vector-ref losses (- low 1))))
              (- (+ (vector-ref last 2) (min at (vector-ref last 1))) (vector-ref last 0)))))))

;; See recorder_utilisation.
(define (recorder-utilisation r window)
  (let* ((losses (losses r))
         (within (lambda (from) (- (lost-before losses (+ from window)) (lost-before losses from))))
         (worst (let loop ((i 0) (worst 0))
                  (if (= i (vector-length losses))
                      worst
                      (let ((l (vector-ref losses i)))
                        (loop (1+ i) (max worst (within (vector-ref l 0))
                                          (within (- (vector-ref l 1) window)))))))))
    (- 1.0 (/ worst (exact->inexact window)))))
