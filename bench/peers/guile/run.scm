;; bench/peers/guile/run.scm: a run and its threads: who waits for whom, and what is watched meanwhile.
;; See bench/gc_pause/work_thread.h and monitor.h, whose order of things it keeps.
(define-module (run)
  #:use-module (clock)
  #:use-module (ice-9 rdelim)
  #:use-module (ice-9 threads)
  #:use-module (number)
  #:use-module (srfi srfi-9)
  #:export (run-make run-name run-threads run-depth run-heap run-live run-operations run-seed
            run-update-ratio run-hiccup run-start-ns run-end-ns run-start-cpu run-end-cpu
            run-start-cycles run-end-cycles run-pss-peak run-resident-full run-resident-before
            run-resident-after set-run-resident-full! set-run-resident-before!
            set-run-resident-after! run-more? set-run-more!
            worker-make worker-run worker-number worker-numbers worker-recorder worker-wrong
            worker-live-bytes set-worker-live-bytes! worker-wrong! worker-body
            alone wait-for-all status-bytes pss part))

(define-record-type run
  (%run-make name threads depth heap live operations seed update-ratio seconds lock all waiting
             round more watching watchers hiccup pss-peak)
  run?
  ;; as asked for
  (name run-name)
  (threads run-threads)
  (depth run-depth)
  (heap run-heap)
  (live run-live)
  (operations run-operations)
  (seed run-seed)
  (update-ratio run-update-ratio)
  (seconds run-seconds)
  ;; the barrier, under lock
  (lock run-lock)
  (all run-all)
  (waiting run-waiting set-run-waiting!)
  (round run-round set-run-round!)
  ;; by thread 0 while all others wait
  (more run-more? set-run-more!)
  (watching run-watching? set-run-watching!)
  (watchers run-watchers set-run-watchers!)
  (start-ns run-start-ns set-run-start-ns!)
  (end-ns run-end-ns set-run-end-ns!)
  (start-cpu run-start-cpu set-run-start-cpu!)
  (end-cpu run-end-cpu set-run-end-cpu!)
  (start-cycles run-start-cycles set-run-start-cycles!)
  (end-cycles run-end-cycles set-run-end-cycles!)
  (resident-full run-resident-full set-run-resident-full!)
  (resident-before run-resident-before set-run-resident-before!)
  (resident-after run-resident-after set-run-resident-after!)
  ;; by the watchers
  (hiccup run-hiccup)
  (pss-peak run-pss-peak set-run-pss-peak!))

(define (run-make name threads depth heap live operations seed update-ratio seconds)
  (%run-make name threads depth heap live operations seed update-ratio seconds (make-mutex)
             (make-condition-variable) 0 0 #f #f '() (histogram-make) 0))

(define-record-type worker
  (%worker-make run number numbers recorder wrong live-bytes)
  worker?
  (run worker-run)
  (number worker-number)
  (numbers worker-numbers)
  (recorder worker-recorder)
  (wrong worker-wrong set-worker-wrong!)
  (live-bytes worker-live-bytes set-worker-live-bytes!))

(define (worker-make run number)
  (%worker-make run number (numbers-make (run-seed run) number) (recorder-make) 0 0))

(define (worker-wrong! worker)
  (set-worker-wrong! worker (1+ (worker-wrong worker))))

(define (part total parts index)
  (+ (* (quotient total parts) index) (quotient (* (remainder total parts) index) parts)))

;; --- waiting -------------------------------------------------------------------------------------

(define (wait-for-all run)
  (with-mutex (run-lock run)
    (set-run-waiting! run (1+ (run-waiting run)))
    (if (= (run-waiting run) (run-threads run))
        (begin
          (set-run-waiting! run 0)
          (set-run-round! run (1+ (run-round run)))
          (broadcast-condition-variable (run-all run)))
        (let ((round (run-round run)))
          (while (= round (run-round run))
            (wait-condition-variable (run-all run) (run-lock run)))))))

;; `call` by thread 0 while all others wait.
(define (alone worker call)
  (wait-for-all (worker-run worker))
  (when (= (worker-number worker) 0)
    (call))
  (wait-for-all (worker-run worker)))

;; --- watching ------------------------------------------------------------------------------------

;; What /proc says behind NAME: in a file of this process, in bytes; 0 if it says nothing.
(define (proc-bytes path name)
  (call-with-input-file path
    (lambda (port)
      (let loop ((line (read-line port)))
        (cond ((eof-object? line) 0)
              ((string-prefix? name line)
               (* 1024 (string->number (car (string-tokenize line char-set:digit)))))
              (else (loop (read-line port))))))))

(define (status-bytes name) (proc-bytes "/proc/self/status" name))
(define (pss) (proc-bytes "/proc/self/smaps_rollup" "Pss:"))

(define (cycles) (assq-ref (gc-stats) 'gc-times))

;; The collector's signals cut a sleep short.
(define (sleep-us us)
  (let ((left (usleep us)))
    (when (> left 0)
      (sleep-us left))))

(define (note-resident! run bytes)
  (set-run-pss-peak! run (max bytes (run-pss-peak run))))

(define (watch-memory run)
  (while (run-watching? run)
    (note-resident! run (+ (status-bytes "RssAnon:") (status-bytes "RssFile:")))
    (sleep-us 100000)))

(define (watch-hiccups run)
  (while (run-watching? run)
    (let ((start (now)))
      (sleep-us 1000)
      (let ((over (- (now) start 1000000)))
        (when (> over 0)
          (histogram-record! (run-hiccup run) over))))))

(define (watch! run)
  (set-run-watching! run #t)
  (set-run-watchers! run (list (call-with-new-thread (lambda () (watch-memory run)))
                               (call-with-new-thread (lambda () (watch-hiccups run)))))
  (set-run-start-cycles! run (cycles))
  (set-run-start-cpu! run (get-internal-run-time))
  (set-run-start-ns! run (now)))

(define (watch-no-more! run)
  (set-run-end-ns! run (now))
  (set-run-end-cpu! run (get-internal-run-time))
  (set-run-end-cycles! run (cycles))
  (set-run-watching! run #f)
  (for-each join-thread (run-watchers run))
  (note-resident! run (pss)))

;; --- a thread ------------------------------------------------------------------------------------

(define (begin-clock! worker)
  (let* ((run (worker-run worker))
         (share (lambda (i) (part (run-operations run) (run-threads run) i)))
         (number (worker-number worker)))
    (if (= (run-operations run) 0)
        (recorder-begin! (worker-recorder worker)
                         (+ (now) (inexact->exact (round (* 1e9 (run-seconds run)))))
                         most-positive-fixnum)
        (recorder-begin! (worker-recorder worker) most-positive-fixnum
                         (- (share (1+ number)) (share number))))))

(define (worker-body worker setup operate finish)
  (setup)
  (alone worker (lambda () (watch! (worker-run worker))))
  (begin-clock! worker)
  (when (recorder-more? (worker-recorder worker))
    (operate))
  (alone worker (lambda () (watch-no-more! (worker-run worker))))
  (finish))
