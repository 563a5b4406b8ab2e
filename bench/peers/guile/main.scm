;; bench/peers/guile/main.scm: a run of one workload on Guile, whose collector is bdwgc. Takes gc_pause's
;; options and writes a result of gc_pause's form; see docs/benchmarks.md. Guile tells of no pauses, so
;; there is no pause_us.
(define-module (main)
  #:use-module (clock)
  #:use-module (ice-9 format)
  #:use-module (ice-9 match)
  #:use-module (ice-9 threads)
  #:use-module (number)
  #:use-module (run)
  #:use-module (srfi srfi-1)
  #:use-module (system foreign)
  #:use-module (work)
  #:export (main))

(define (die status . message)
  (let ((text (string-append "guile: " (apply format #f message) "\n")))
    (display text (current-error-port))
    (force-output (current-error-port))
    (primitive-_exit status)))

;; --- options -------------------------------------------------------------------------------------

(define (to-number name text)
  (let ((value (string->number text 10)))
    (if (and value (real? value) (>= value 0))
        value
        (die 2 "--~a ~a: expected a number" name text))))

(define (to-count name text)
  (let ((value (to-number name text)))
    (if (exact-integer? value)
        value
        (die 2 "--~a ~a: expected a whole number" name text))))

(define (to-bytes name text)
  (let* ((last (- (string-length text) 1))
         (unit (and (> last 0) (string-index "KMG" (char-upcase (string-ref text last))))))
    (if unit
        (ash (to-count name (substring text 0 last)) (* 10 (1+ unit)))
        (to-count name text))))

(define (to-text name text) text)

;; Name, how it is read, default.
(define options-known
  `(("workload" ,to-text "cache") ("threads" ,to-count 1) ("depth" ,to-count 16)
    ("heap" ,to-bytes ,(ash 1536 20)) ("live" ,to-bytes ,(ash 512 20)) ("operations" ,to-count 0)
    ("seed" ,to-count 1) ("update-ratio" ,to-number 0.5) ("seconds" ,to-number 8)
    ("json" ,to-text "-")))

(define (options-parse words)
  (match words
    (() '())
    ((word value . rest)
     (let* ((name (and (string-prefix? "--" word) (substring word 2)))
            (known (assoc name options-known)))
       (unless known
         (die 2 "~a is not an option" word))
       (acons name ((second known) name value) (options-parse rest))))
    ((word) (die 2 "~a wants a value" word))))

(define (option options name)
  (or (assoc-ref options name) (third (assoc name options-known))))

;; --- the result ----------------------------------------------------------------------------------

(define (total of workers) (fold (lambda (worker sum) (+ (of worker) sum)) 0 workers))

(define (checksum workers)
  (string-pad (number->string (logand (total (lambda (w) (u64-ref (worker-numbers w) 1)) workers)
                                      #xffffffffffffffff)
                              16)
              16 #\0))

(define (utilisation workers window)
  (apply min 1.0 (map (lambda (w) (recorder-utilisation (worker-recorder w) window)) workers)))

(define (all-operations workers)
  (let ((all (histogram-make)))
    (for-each (lambda (w) (histogram-merge! all (recorder-operations (worker-recorder w))))
              workers)
    all))

(define (result run workers)
  (let* ((wrong (total worker-wrong workers))
         (all (all-operations workers))
         (elapsed (/ (- (run-end-ns run) (run-start-ns run)) 1e9)))
    (string-append
     (format #f "{\"tool\":\"gc_pause\",\"runs\":[{\"workload\":\"~a\",\"plan\":\"guile\",\
\"delivery\":\"\",\"status\":\"~a\",\"message\":\"~a\",\"threads\":~d,\"seed\":\"~d\",\
\"heap_bytes\":~d,\"live_bytes\":~d,\"seconds\":~,6f,\"cycles\":~d,\"checksum\":\"~a\",\
\"ops_per_second\":~,6f,"
             (run-name run) (if (= wrong 0) "ok" "wrong")
             (if (= wrong 0) "" (format #f "~d objects did not hold what was written" wrong))
             (run-threads run) (run-seed run) (run-heap run) (total worker-live-bytes workers)
             elapsed (- (run-end-cycles run) (run-start-cycles run)) (checksum workers)
             (/ (histogram-count all) elapsed))
     (histogram-json "op_us" all) ","
     (histogram-json "arrival_us" (histogram-arrival all)) ","
     (histogram-json "hiccup_us" (run-hiccup run))
     (format #f ",\"mmu\":{\"1ms\":~,4f,\"5ms\":~,4f,\"20ms\":~,4f},\"rss_peak_bytes\":~d,\
\"pss_peak_bytes\":~d,"
             (utilisation workers 1000000) (utilisation workers 5000000)
             (utilisation workers 20000000) (status-bytes "VmHWM:") (run-pss-peak run))
     (format #f "\"fragment\":{\"resident_full_bytes\":~d,\"resident_before_bytes\":~d,\
\"resident_after_bytes\":~d},\"cpu_seconds\":~,6f}]}\n"
             (or (run-resident-full run) 0) (or (run-resident-before run) 0)
             (or (run-resident-after run) 0)
             (/ (- (run-end-cpu run) (run-start-cpu run)) 1e9)))))

;; --- the run -------------------------------------------------------------------------------------

;; As the peer bdwgc does; Guile has no procedure for it.
(define limit-heap!
  (pointer->procedure void (dynamic-func "GC_set_max_heap_size" (dynamic-link)) (list size_t)))

;; To say it needs memory too.
(define (die-exhausted)
  (limit-heap! 0)
  (die 1 "out of memory: raise --heap or lower --live"))

(define (start worker workload)
  (call-with-new-thread
   (lambda ()
     (catch #t
       (lambda () (call-with-values (lambda () (workload worker))
                    (lambda (setup operate finish) (worker-body worker setup operate finish))))
       (lambda (key . rest)
         (if (eq? key 'out-of-memory)
             (die-exhausted)
             (die 1 "~a ~s" key rest)))))))

(define (main words)
  (let* ((options (options-parse (cdr words)))
         (get (lambda (name) (option options name)))
         (run (apply run-make (map get '("workload" "threads" "depth" "heap" "live" "operations"
                                         "seed" "update-ratio" "seconds"))))
         (workload (or (workload-named (run-name run)) (die 2 "no workload ~a" (run-name run)))))
    (when (= (run-threads run) 0)
      (die 2 "--threads 0: expected one at least"))
    (limit-heap! (run-heap run))
    (let ((workers (map (lambda (i) (worker-make run i)) (iota (run-threads run)))))
      (for-each join-thread (map (lambda (worker) (start worker workload)) workers))
      ;; A thread that runs out of memory twice ends without its handler.
      (unless (run-end-ns run)
        (die-exhausted))
      (if (string=? (get "json") "-")
          (display (result run workers))
          (call-with-output-file (get "json")
            (lambda (port) (display (result run workers) port)))))))
