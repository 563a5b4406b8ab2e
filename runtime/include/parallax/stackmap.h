/* parallax/stackmap.h: stack maps: for a JIT or a compiler that knows where its frames keep references.
 *
 * In a heap with GC_STACKS=ambiguous every word of a native stack may be a reference, and holds what it points
 * to in place. A frame whose return address has a map is *precise* instead: the slots and callee-saved
 * registers that the map lists are strong roots, they are brought up to date when objects move, and nothing
 * else in the frame counts. Frames of both sorts may call each other in any order.
 *
 * Frames are found by unwinding, with libunwind: the code between a safepoint and the mapped frames needs
 * unwind tables (.eh_frame, as compilers make them). Code that is made at run time has either told libunwind of
 * itself (_U_dyn_register), or keeps a frame pointer and says so in its map. Where unwinding comes to an end,
 * all that is further up is ambiguous: slower, never wrong.
 *
 * A function in a frame of which a thread runs on while the collector works is never precise: the one that
 * calls plx_block_enter or plx_native_stack_switch. What registers hold at such a call, or what that function
 * has saved of them, is held in place, too; slots further up are updated.
 *
 * x86-64 only. After "Compiler support for garbage collection in a statically typed language" (Diwan, Moss, Hudson, PLDI 1992), derived pointers included. */
#ifndef PARALLAX_STACKMAP_H
#define PARALLAX_STACKMAP_H

#include <parallax/base.h>
#include <parallax/heap.h>

enum plx_stackmap_place {
	PLX_STACKMAP_SP, /* memory at the stack pointer, as it is after the return, plus `offset` */
	PLX_STACKMAP_FP, /* memory at rbp, as it is after the return, plus `offset` */
	PLX_STACKMAP_REGISTER, /* a callee-saved register: rbx (3), rbp (6), r12 to r15 (12 to 15) */
};

#define PLX_STACKMAP_REFERENCE (-1)
#define PLX_STACKMAP_DERIVED_MAX 16 /* pointers derived from one reference */

/* Something in a frame that the collector has to know. */
struct plx_stackmap_slot {
	uint8_t place; /* enum plx_stackmap_place */
	uint8_t reg;   /* PLX_STACKMAP_REGISTER: its number in DWARF */
	int16_t base; /* PLX_STACKMAP_REFERENCE: a word as in any slot, NULL included. Else a pointer that was
			 * derived from the reference in slot `base`, counted within the site: what is added
			 * to that when its object moves is added to this. It may point anywhere. */
	int32_t offset; /* bytes, a multiple of 8 */
};

/* A call that may come to a safepoint. */
struct plx_stackmap_site {
	uint32_t return_offset; /* of the instruction after the call, from the start of the code */
	uint32_t first, count;	/* its slots */
};

/* For PLX_STACKMAP_FRAME_POINTER: where the code keeps its caller's registers, bytes from rbp. */
struct plx_stackmap_save {
	uint8_t reg; /* rbx (3), r12 to r15 (12 to 15) */
	int32_t offset;
};

/* The code in this range keeps the usual frame at all its sites: the caller's rbp lies at rbp, the return
 * address just above; `saves` lists which other callee-saved registers it has saved, and no others. */
#define PLX_STACKMAP_FRAME_POINTER 1u

struct plx_stackmap {
	const struct plx_stackmap_site *sites; /* by return_offset, ascending */
	uint32_t site_count;
	const struct plx_stackmap_slot *slots;
	uint32_t slot_count;
	const struct plx_stackmap_save *saves; /* NULL without PLX_STACKMAP_FRAME_POINTER */
	uint32_t save_count;
	uint32_t flags;
};

PLX_BEGIN_DECLS

/* `map` describes the code at [code, code + bytes). It is not copied: it has to stay as it is until it is
 * taken back. Return addresses in the range that no site lists are ambiguous. Any thread; takes a short lock; no safepoint.
 * PLX_ERROR_MISUSE with what is wrong with it: heap with precise stacks, a range that overlaps another,
 * sites out of order or range, slots of unknown sorts or registers; PLX_ERROR_CAPABILITY on other
 * machines than x86-64; PLX_ERROR_MEMORY. */
PLX_EXPORT enum plx_status plx_stackmap_register(struct plx_heap *heap, const void *code,
						 size_t bytes, const struct plx_stackmap *map,
						 struct plx_error *error);

/* When none of the code is on any stack any more. PLX_ERROR_MISUSE if nothing is registered for `code`. As above. */
PLX_EXPORT enum plx_status plx_stackmap_unregister(struct plx_heap *heap, const void *code);

PLX_END_DECLS

#endif
