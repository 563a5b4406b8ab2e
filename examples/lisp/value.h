/* examples/lisp/value.h: what a Lisp value is, and what its objects look like.
 *
 * A value is one word. Its low three bits tell:
 *
 *	000  the address of an object in the heap; a word of all zeroes is "nothing yet", which no
 *	     program ever sees: what a fresh object holds, and a global variable without a value
 *	..1  a whole number of 63 bits (a fixnum)
 *	010  an immediate: nil, true and false, characters, built-in procedures
 *
 * lisp_open tells the collector so (plx_heap_set_tags), and from then on any slot, root or handle may
 * hold any value. */
#ifndef EXAMPLES_LISP_VALUE_H
#define EXAMPLES_LISP_VALUE_H

#include <parallax/parallax.h>

typedef void *word;

#define WORD_TAG_MASK UINT64_C(7)
#define WORD_TAG_OBJECT UINT64_C(0)

enum immediate {
	IMMEDIATE_NIL,
	IMMEDIATE_FALSE,
	IMMEDIATE_TRUE,
	IMMEDIATE_EOF,
	IMMEDIATE_NOTHING,   /* the value of what has none to give */
	IMMEDIATE_CALL,	     /* never seen by programs: see lisp_call_instead */
	IMMEDIATE_CHARACTER, /* its code is above */
	IMMEDIATE_PRIMITIVE, /* its number is above */
};

#define WORD_IMMEDIATE(which, above) ((word)((uintptr_t)(above) << 8 | (uintptr_t)(which) << 3 | 2))
#define NIL WORD_IMMEDIATE(IMMEDIATE_NIL, 0)
#define FALSE_WORD WORD_IMMEDIATE(IMMEDIATE_FALSE, 0)
#define TRUE_WORD WORD_IMMEDIATE(IMMEDIATE_TRUE, 0)
#define EOF_WORD WORD_IMMEDIATE(IMMEDIATE_EOF, 0)
#define NOTHING WORD_IMMEDIATE(IMMEDIATE_NOTHING, 0)

static inline bool word_is_object(word w)
{
	return w != NULL && ((uintptr_t)w & WORD_TAG_MASK) == WORD_TAG_OBJECT;
}

static inline bool word_is_fixnum(word w)
{
	return (uintptr_t)w & 1;
}

static inline word word_fixnum(int64_t number)
{
	return (word)(uintptr_t)((uint64_t)number << 1 | 1);
}

static inline int64_t word_number(word w)
{
	return (int64_t)(uintptr_t)w >> 1;
}

#define FIXNUM_MAX (INT64_MAX >> 1)
#define FIXNUM_MIN (INT64_MIN >> 1)

static inline bool word_is_immediate(word w, enum immediate which)
{
	return ((uintptr_t)w & 0xff) == ((uintptr_t)which << 3 | 2);
}

static inline uintptr_t word_above(word w)
{
	return (uintptr_t)w >> 8;
}

static inline word word_character(unsigned char code)
{
	return WORD_IMMEDIATE(IMMEDIATE_CHARACTER, code);
}

static inline word word_boolean(bool is)
{
	return is ? TRUE_WORD : FALSE_WORD;
}

/* Objects. Every `word` in them is in their layout; nothing else is. */

struct pair {
	struct plx_header header;
	word car, cdr;
};

/* `form` and `inlined` are the compiler's: what the name means to it, 0 for most. */
struct symbol {
	struct plx_header header;
	word value; /* of the global variable; nothing yet: unbound */
	word name;  /* a text */
	uint32_t form, inlined;
};

/* A string of bytes, and bytecode: a leaf. Its length is in the header. */
struct text {
	struct plx_header header;
	char bytes[];
};

struct vector {
	struct plx_header header;
	word slots[];
};

/* A variable that is assigned to lives in one, so that closures share it. */
struct box {
	struct plx_header header;
	word value;
};

/* A compiled procedure, without what it closes over. */
struct code {
	struct plx_header header;
	word bytes;	/* a text: the bytecode */
	word constants; /* a vector */
	word name;	/* a symbol, or nil */
	uint32_t parameters;
	uint32_t rest;	/* 1: the last parameter takes a list of all further arguments */
	uint32_t frame; /* most words of stack it needs */
};

struct closure {
	struct plx_header header;
	word code;
	word captured[];
};

struct table {
	struct plx_header header;
	word buckets; /* a vector of entries, a power of two long */
	uint64_t count;
	uint64_t weak;
};

struct entry {
	struct plx_header header;
	word key; /* in a weak table an ephemeron of key and value */
	word value;
	word next; /* an entry, or nil */
};

/* Something in C memory that belongs to a Lisp object: see resource.c. A leaf. */
struct resource {
	struct plx_header header;
	struct body *body;
};

#endif
