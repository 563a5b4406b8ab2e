;; bench/peers/guile/work.scm: the four workloads, as bench/gc_pause/work_*.h have them. Each is a procedure
;; of a worker that gives back three more: setup, operate, finish. Payloads are bytevectors, and so objects of
;; their own. What a thread counts lies in variables of its workload; see number.scm for the arithmetic.
(define-module (work)
  #:use-module (clock)
  #:use-module (number)
  #:use-module (rnrs bytevectors)
  #:use-module (run)
  #:use-module (srfi srfi-9)
  #:export (workload-named))

(define (bytevector-words bytes) (ash (bytevector-length bytes) -3))

;; Words from number 1 on as the seed in word `at` says?
(define (words-hold? words at)
  (let loop ((i (1+ at)))
    (or (= i (bytevector-words words))
        (and (= (u64-ref words i) (mix (u64+small (u64-ref words at) i)))
             (loop (1+ i))))))

(define (words-fill! words at seed-words)
  (let ((end (bytevector-words words)))
    (u64-set! words at (u64-ref seed-words (seed-at)))
    (let loop ((i (1+ at)))
      (when (< i end)
        (u64-set! words i (mix (u64+small (u64-ref words at) i)))
        (loop (1+ i))))))

(define (part-of worker total index)
  (part total (run-threads (worker-run worker)) index))

;; --- cache ---------------------------------------------------------------------------------------

(define-record-type entry
  (make-entry link0 link1 payload)
  entry?
  (link0 entry-link0 set-entry-link0!)
  (link1 entry-link1 set-entry-link1!)
  (payload entry-payload)) ; the slot, the seed, words made from it

;; The value in two halves: whole, it would be an object.
(define-record-type temporary
  (make-temporary next high low)
  temporary?
  (next temporary-next)
  (high temporary-high)
  (low temporary-low))

;; seed % 31: 2^32 is 4 modulo 31.
(define (entry-extra-words numbers)
  (let ((seed (u64-ref numbers (seed-at))))
    (remainder (+ (* 4 (u64-high seed)) (u64-low seed)) 31)))

;; A fresh entry of the seed in `numbers`.
(define (entry-of numbers slot)
  (let ((payload (make-bytevector (* 8 (+ 2 (entry-extra-words numbers))))))
    (u64-set! payload 0 (u64-small slot))
    (words-fill! payload 1 numbers)
    (make-entry #f #f payload)))

(define (entry-slot entry) (u64-ref (entry-payload entry) 0))

;; Three temporary objects, linked; what they hold becomes the new seed in `numbers`.
(define (temporaries! numbers)
  (let make ((i 0) (last #f))
    (if (< i 3)
        (let ((value (next! numbers)))
          (make (1+ i) (make-temporary last (u64-high value) (u64-low value))))
        (begin
          (u64-set! numbers (seed-at) 0)
          (let walk ((at last))
            (when at
              (u64-set! numbers (seed-at)
                        (mix (logxor (u64-ref numbers (seed-at))
                                     (u64-join (temporary-high at) (temporary-low at)))))
              (walk (temporary-next at))))))))

(define (cache worker)
  (define run (worker-run worker))
  (define numbers (worker-numbers worker))
  (define recorder (worker-recorder worker))
  (define entries (quotient (run-live run) (+ 24 8 (quotient (+ 16 256) 2))))
  (define begin-slot (part-of worker entries (worker-number worker)))
  (define count (- (part-of worker entries (1+ (worker-number worker))) begin-slot))
  (define table (make-vector count #f)) ; this thread's stretch
  (define step0 (1+ (below numbers (- count 1))))
  (define step1 (1+ (below numbers (- count 1))))
  (define (wrap index) (if (< index count) index (- index count)))
  (define (at index) (vector-ref table (wrap index)))
  (define (link! entry i)
    (set-entry-link0! entry (at (+ i step0)))
    (set-entry-link1! entry (at (+ i step1))))

  (define (setup)
    (do ((i 0 (1+ i))) ((= i count))
      (u64-set! numbers (seed-at) (next! numbers))
      (vector-set! table i (entry-of numbers (+ begin-slot i))))
    (do ((i 0 (1+ i))) ((= i count))
      (link! (vector-ref table i) i)))

  (define (replace index)
    (temporaries! numbers)
    (let ((fresh (entry-of numbers (+ begin-slot index)))
          (old (vector-ref table index)))
      (checksum+! numbers
                  (logxor (u64-ref numbers (seed-at)) (u64-ref (entry-payload old) 1)))
      (link! fresh index)
      (set-entry-link0! (at (- (+ index count) step0)) fresh)
      (set-entry-link1! (at (- (+ index count) step1)) fresh)
      (vector-set! table index fresh)))

  ;; Follow four links from an entry; its sums are gathered in the word of the seed.
  (define (chase index)
    (u64-set! numbers (seed-at) 0)
    (let loop ((i 0) (index index) (entry (vector-ref table index)))
      (if (= i 4)
          (checksum+! numbers (u64-ref numbers (seed-at)))
          (let* ((payload (entry-payload entry))
                 (second? (logtest (ash 1 i) (u64-low (u64-ref payload 1))))
                 (next (wrap (+ index (if second? step1 step0))))
                 (next-entry (if second? (entry-link1 entry) (entry-link0 entry))))
            (sum-into! payload)
            (if (= (entry-slot next-entry) (+ begin-slot next))
                (loop (1+ i) next next-entry)
                (worker-wrong! worker))))))

  ;; sum = sum * 31 + the payload's words
  (define (sum-into! payload)
    (let ((words (bytevector-words payload)))
      (let loop ((i 0) (own 0))
        (if (< i words)
            (loop (1+ i) (u64+ own (u64-ref payload i)))
            (u64-set! numbers (seed-at)
                      (u64+ (u64*small (u64-ref numbers (seed-at)) 31) own))))))

  (define (operate)
    (let ((threshold (inexact->exact (floor (* (run-update-ratio run) 4294967296.0)))))
      (let loop ()
        (let ((index (below numbers count)))
          (if (chance? numbers threshold)
              (replace index)
              (chase index)))
        (when (recorder-step! recorder)
          (loop)))))

  (define (entry-well? entry i)
    (and (= (entry-slot entry) (+ begin-slot i))
         (words-hold? (entry-payload entry) 1)
         (eq? (entry-link0 entry) (at (+ i step0)))
         (eq? (entry-link1 entry) (at (+ i step1)))))

  (define (finish)
    (do ((i 0 (1+ i))) ((= i count))
      (let* ((entry (vector-ref table i))
             (payload (entry-payload entry)))
        (set-worker-live-bytes! worker
                                (+ (worker-live-bytes worker) 24 (bytevector-length payload) 8))
        (unless (entry-well? entry i)
          (worker-wrong! worker))
        (checksum+! numbers (mix (u64+small (u64-ref payload 1) i))))))

  (values setup operate finish))

;; --- trees ---------------------------------------------------------------------------------------

(define-record-type tree
  (make-tree left right)
  tree?
  (left tree-left)
  (right tree-right))

(define (trees worker)
  (define run (worker-run worker))
  (define numbers (worker-numbers worker))
  (define recorder (worker-recorder worker))
  (define most (run-depth run))
  (define long-lived #f)
  (define long-lived-depth 0)
  (define nodes 0) ; made or walked
  (define measuring? #f)
  (define done? #f)

  (define (node!)
    (set! nodes (1+ nodes))
    (when (and (= 0 (logand nodes 127)) measuring? (not (recorder-step! recorder)))
      (set! done? #t)))

  (define (build depth)
    (let* ((left (and (> depth 0) (build (- depth 1))))
           (right (and (> depth 0) (build (- depth 1))))
           (tree (make-tree left right)))
      (node!)
      tree))

  (define (count tree)
    (node!)
    (if (tree-left tree)
        (+ 1 (count (tree-left tree)) (count (tree-right tree)))
        1))

  (define (once depth)
    (let ((count (count (build depth))))
      (unless (= count (- (ash 2 depth) 1))
        (worker-wrong! worker))
      (checksum+! numbers (mix (u64-small (+ count (worker-number worker)))))))

  (define (setup)
    (let ((share (quotient (run-live run) (run-threads run))))
      (while (and (< long-lived-depth 30) (<= (* (ash 4 long-lived-depth) 24) share))
        (set! long-lived-depth (1+ long-lived-depth))))
    (set! long-lived (build long-lived-depth))
    (set! measuring? #t))

  (define (operate)
    (until-done (lambda () done?) most
                (lambda (depth) (ash 1 (- most depth)))
                (lambda (depth i) (once depth))))

  (define (finish)
    (set! measuring? #f)
    (let ((count (count long-lived)))
      (unless (= count (- (ash 2 long-lived-depth) 1))
        (worker-wrong! worker))
      (checksum+! numbers (mix (u64-small count)))
      (set-worker-live-bytes! worker (* 24 count))))

  (values setup operate finish))

;; Passes over the depths 4, 6, ... `most`, each so many `times`; ends after a whole tree.
(define (until-done done? most times once)
  (let pass ()
    (let deeper ((depth 4))
      (when (and (<= depth most) (not (done?)))
        (let ((times (times depth)))
          (let again ((i 0))
            (when (and (< i times) (not (done?)))
              (once depth i)
              (again (1+ i)))))
        (deeper (+ depth 2))))
    (unless (done?)
      (pass))))

;; --- gcbench -------------------------------------------------------------------------------------

(define array-length 500000)

;; C's i and j are halves of one word; here, i is that word.
(define-record-type node
  (make-node left right i)
  node?
  (left node-left set-node-left!)
  (right node-right set-node-right!)
  (i node-i set-node-i!))

;; The nodes that carry the depth they were made at.
(define (node-count node depth)
  (cond ((not (= (node-i node) depth)) 0)
        ((> depth 0)
         (+ 1 (node-count (node-left node) (- depth 1)) (node-count (node-right node) (- depth 1))))
        ((or (node-left node) (node-right node)) 0)
        (else 1)))

(define (gcbench worker)
  (define recorder (worker-recorder worker))
  (define numbers (worker-numbers worker))
  (define most (run-depth (worker-run worker)))
  (define tree #f)
  (define array #f)
  (define nodes 0)
  (define measuring? #f)
  (define done? #f)

  (define (make)
    (set! nodes (1+ nodes))
    (when (and (= 0 (logand nodes 127)) measuring? (not (recorder-step! recorder)))
      (set! done? #t))
    (make-node #f #f 0))

  (define (bottom-up depth)
    (let* ((left (and (> depth 0) (bottom-up (- depth 1))))
           (right (and (> depth 0) (bottom-up (- depth 1))))
           (node (make)))
      (set-node-i! node depth)
      (set-node-left! node left)
      (set-node-right! node right)
      node))

  (define (top-down! root depth)
    (set-node-i! root depth)
    (when (> depth 0)
      (set-node-left! root (make))
      (set-node-right! root (make))
      (top-down! (node-left root) (- depth 1))
      (top-down! (node-right root) (- depth 1))))

  (define (top-down depth)
    (let ((root (make)))
      (top-down! root depth)
      root))

  ;; A deep tree is counted in its lower left part only.
  (define (check root depth)
    (if (> depth 8)
        (check (node-left root) (- depth 1))
        (let ((count (node-count root depth)))
          (unless (= count (- (ash 2 depth) 1))
            (worker-wrong! worker))
          (checksum+! numbers (mix (u64-small (+ count (worker-number worker))))))))

  (define (setup)
    (check (bottom-up (+ most 2)) (+ most 2))
    (set! tree (top-down most))
    (set! array (make-bytevector (* 8 array-length)))
    (do ((i 0 (1+ i))) ((= i array-length))
      (bytevector-ieee-double-native-set! array (* 8 i) (/ 1.0 (1+ i))))
    (set! measuring? #t))

  (define (operate)
    (define (times depth) (ash 1 (- (+ most 2) depth)))
    (until-done (lambda () done?) most
                (lambda (depth) (* 2 (times depth)))
                (lambda (depth i)
                  (check (if (< i (times depth)) (top-down depth) (bottom-up depth)) depth))))

  (define (finish)
    (set! measuring? #f)
    (do ((i 0 (1+ i))) ((= i array-length))
      (unless (= (bytevector-ieee-double-native-ref array (* 8 i)) (/ 1.0 (1+ i)))
        (worker-wrong! worker)))
    (set-worker-live-bytes! worker (+ (* 32 (- (ash 2 most) 1)) (* 8 array-length)))
    (unless (= (node-count tree most) (- (ash 2 most) 1))
      (worker-wrong! worker)))

  (values setup operate finish))

;; --- fragment ------------------------------------------------------------------------------------

(define-record-type item
  (make-item link words)
  item?
  (link item-link set-item-link!)
  (words item-words)) ; the seed, then words made from it

(define (item-bytes item) (+ 16 (bytevector-length (item-words item))))

(define (fragment worker)
  (define run (worker-run worker))
  (define numbers (worker-numbers worker))
  (define recorder (worker-recorder worker))
  (define slots (quotient (quotient (run-live run) (run-threads run)) (+ 16 8 (* 32 8))))
  (define table (make-vector slots #f))

  (define (setup) #t)

  ;; Make an object in an empty slot. Returns its size.
  (define (make! slot words)
    (let ((item (make-item #f (make-bytevector (* 8 words)))))
      (u64-set! numbers (seed-at) (next! numbers))
      (words-fill! (item-words item) 0 numbers)
      (set-item-link! item item)
      (vector-set! table slot item)
      (recorder-step! recorder) ; rounds are always completed
      (item-bytes item)))

  (define (fill)
    (let loop ((i 0) (full 0))
      (if (= i slots)
          full
          (begin
            (vector-set! table i #f)
            (loop (1+ i) (+ full (make! i (1+ (below numbers 64)))))))))

  ;; Three quarters go. Returns what is still held.
  (define (drop full)
    (let loop ((i 0) (held full))
      (cond ((= i slots) held)
            ((= 0 (below numbers 4)) (loop (1+ i) held))
            (else
             (let ((bytes (item-bytes (vector-ref table i))))
               (vector-set! table i #f)
               (loop (1+ i) (- held bytes)))))))

  (define (fill-with-larger full held)
    (let loop ((i 0) (held held))
      (when (and (< i slots) (< held full))
        (if (vector-ref table i)
            (loop (1+ i) held)
            (loop (1+ i) (+ held (make! i (+ 128 (below numbers 128)))))))))

  ;; Steps that all threads have to reach, outside of any operation.
  (define (note set-resident!)
    (alone worker (lambda () (set-resident! run (pss))))
    (recorder-resume! recorder))

  (define (once)
    (let ((full (fill)))
      (note set-run-resident-full!)
      (let ((held (drop full)))
        (alone worker gc)
        (note set-run-resident-before!)
        (fill-with-larger full held)
        (note set-run-resident-after!))))

  ;; Thread 0 decides for all, since rounds have barriers in them.
  (define (operate)
    (once)
    (alone worker (lambda () (set-run-more! run (recorder-more? recorder))))
    (let ((more? (run-more? run)))
      (wait-for-all run)
      (recorder-resume! recorder)
      (when more?
        (operate))))

  (define (finish)
    (do ((i 0 (1+ i))) ((= i slots))
      (let ((item (vector-ref table i)))
        (when item
          (set-worker-live-bytes! worker (+ (worker-live-bytes worker) (item-bytes item)))
          (unless (and (eq? item (item-link item)) (words-hold? (item-words item) 0))
            (worker-wrong! worker))
          (checksum+! numbers (mix (u64+small (u64-ref (item-words item) 0) i)))))))

  (values setup operate finish))

(define (workload-named name)
  (assoc-ref `(("cache" . ,cache) ("trees" . ,trees) ("gcbench" . ,gcbench)
               ("fragment" . ,fragment))
             name))
