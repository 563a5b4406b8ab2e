/* runtime/spill.h: functions that begin by storing the registers which calls preserve into a frame of their
 * own, and then call their body with its address as fourth argument.
 *
 * [SP-1] Until the body returns the registers are there and nowhere else: the entry loads them from there
 *        before it returns. So what is changed there is changed in the registers of the caller.
 *
 * In assembly, so that the frame is known exactly: no unwinding is needed to find what is in it. On other
 * machines the compiler is asked to spill, and the body finds the words somewhere above its frame. */
#ifndef RUNTIME_SPILL_H
#define RUNTIME_SPILL_H

#include <stdint.h>

/* The registers that a call preserves on x86-64, in the order in which they are stored. */
enum rt_saved { RT_R15, RT_R14, RT_R13, RT_R12, RT_RBX, RT_RBP, RT_SAVED_COUNT };

/* What lies at the address that the body gets; then comes what is the caller's. */
struct rt_spill {
	uintptr_t registers[RT_SAVED_COUNT];
	uintptr_t return_address;
};

#define RT_SPILL_BODY __attribute__((used, noinline, visibility("hidden")))

#ifdef __x86_64__
/* A function `name` of up to three arguments. `global` makes its name known: RT_SPILL_PUBLIC or HIDDEN. */
#define RT_SPILL_ENTRY(global, name, body)                                                   \
	__asm__(".pushsection .text\n\t.p2align 4\n\t" global(                               \
		name) ".type " name ",@function\n" name ":\n\t.cfi_startproc\n\tendbr64\n\t" \
		      "pushq %rbp\n\t.cfi_def_cfa_offset 16\n\t.cfi_offset %rbp, -16\n\t"    \
		      "pushq %rbx\n\t.cfi_def_cfa_offset 24\n\t.cfi_offset %rbx, -24\n\t"    \
		      "pushq %r12\n\t.cfi_def_cfa_offset 32\n\t.cfi_offset %r12, -32\n\t"    \
		      "pushq %r13\n\t.cfi_def_cfa_offset 40\n\t.cfi_offset %r13, -40\n\t"    \
		      "pushq %r14\n\t.cfi_def_cfa_offset 48\n\t.cfi_offset %r14, -48\n\t"    \
		      "pushq %r15\n\t.cfi_def_cfa_offset 56\n\t.cfi_offset %r15, -56\n\t"    \
		      "movq %rsp, %rcx\n\tsubq $8, %rsp\n\t.cfi_def_cfa_offset 64\n\t"       \
		      "call " body "\n\taddq $8, %rsp\n\t.cfi_def_cfa_offset 56\n\t"         \
		      "popq %r15\n\t.cfi_def_cfa_offset 48\n\t.cfi_restore %r15\n\t"         \
		      "popq %r14\n\t.cfi_def_cfa_offset 40\n\t.cfi_restore %r14\n\t"         \
		      "popq %r13\n\t.cfi_def_cfa_offset 32\n\t.cfi_restore %r13\n\t"         \
		      "popq %r12\n\t.cfi_def_cfa_offset 24\n\t.cfi_restore %r12\n\t"         \
		      "popq %rbx\n\t.cfi_def_cfa_offset 16\n\t.cfi_restore %rbx\n\t"         \
		      "popq %rbp\n\t.cfi_def_cfa_offset 8\n\t.cfi_restore %rbp\n\t"          \
		      "ret\n\t.cfi_endproc\n\t.size " name ", . - " name "\n\t.popsection");
#define RT_SPILL_PUBLIC(name) ".globl " name "\n\t"
#define RT_SPILL_HIDDEN(name) ".globl " name "\n\t.hidden " name "\n\t"
#endif

#endif
