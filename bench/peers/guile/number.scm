;; bench/peers/guile/number.scm: chance, and numbers of 64 bits that wrap, as bench/gc_pause/random.h has them.
;;
;; An integer above 2^61 is an object in Guile, and would be garbage that no other peer makes. So what the
;; workloads reckon with lies in bytevectors, and these are macros, written so that the compiler can
;; prove that each intermediate result fits 64 bits: then it keeps them in registers, and nothing is
;; allocated. It cannot prove that of a product masked afterwards; hence the halves of 32 bits.
(define-module (number)
  #:use-module (rnrs bytevectors)
  #:export (u64-ref u64-set! u64+ u64+small u64*small u64-join u64-high u64-low u64-small
            mix numbers-make next! below chance? checksum+!
            state-at checksum-at seed-at))

(define-syntax-rule (u64-low x) (logand x #xffffffff))
(define-syntax-rule (u64-high x) (ash x -32))
(define-syntax-rule (u64-join h l) (logior (ash (u64-low h) 32) (u64-low l)))

;; A fixnum as a number of 64 bits: what the compiler knows nothing of is not negative.
(define-syntax-rule (u64-small x) (logand x #xfffffffffffffff))

(define-syntax-rule (u64+ x y)
  (let* ((a x) (b y) (l (+ (u64-low a) (u64-low b))))
    (u64-join (+ (u64-high a) (u64-high b) (u64-high l)) l)))

;; Plus a fixnum below 2^32.
(define-syntax-rule (u64+small x y)
  (let* ((a x) (l (+ (u64-low a) (u64-low y))))
    (u64-join (+ (u64-high a) (u64-high l)) l)))

(define-syntax-rule (u64* x y)
  (let* ((a x) (b y) (l (* (u64-low a) (u64-low b))))
    (u64-join (+ (u64-low (* (u64-high a) (u64-low b)))
                 (u64-low (* (u64-low a) (u64-high b)))
                 (u64-high l))
              l)))

;; Times a fixnum below 2^28: what is masked is a fixnum.
(define-syntax-rule (u64*small x y)
  (let* ((a x) (l (* (u64-low a) y)))
    (u64-join (+ (u64-low (* (u64-high a) y)) (u64-high l)) l)))

(define-syntax-rule (u64-ref words i) (bytevector-u64-native-ref words (ash i 3)))
(define-syntax-rule (u64-set! words i x) (bytevector-u64-native-set! words (ash i 3) x))

(define-syntax-rule (mix x)
  (let* ((a x)
         (b (u64* (logxor a (ash a -30)) #xbf58476d1ce4e5b9))
         (c (u64* (logxor b (ash b -27)) #x94d049bb133111eb)))
    (logxor c (ash c -31))))

;; A thread's own numbers: chance, checksum, and a seed on its way from one procedure to another.
(define-syntax-rule (state-at) 0)
(define-syntax-rule (checksum-at) 1)
(define-syntax-rule (seed-at) 2)

(define (numbers-make seed stream)
  (let ((numbers (make-bytevector 24 0)))
    (u64-set! numbers 0 seed)
    (u64-set! numbers 1 (- #xffffffffffffffff stream))
    (u64-set! numbers 0 (logxor (mix (u64-ref numbers 0)) (mix (u64-ref numbers 1))))
    (u64-set! numbers 1 0)
    numbers))

(define-syntax-rule (next! numbers)
  (let ((state (u64+ (u64-ref numbers (state-at)) #x9e3779b97f4a7c15)))
    (u64-set! numbers (state-at) state)
    (mix state)))

;; Uniform below limit, which is below 2^32.
(define (below numbers limit)
  (u64-high (* (u64-high (next! numbers)) (u64-low limit))))

;; True with probability threshold / 2^32.
(define (chance? numbers threshold)
  (< (u64-high (next! numbers)) threshold))

(define-syntax-rule (checksum+! numbers x)
  (u64-set! numbers (checksum-at) (u64+ (u64-ref numbers (checksum-at)) x)))
