/* examples/lisp/lisp.h: what a program that runs Lisp needs to know of it (main.c, and the benchmark
 * bench/gc_pause). */
#ifndef EXAMPLES_LISP_LISP_H
#define EXAMPLES_LISP_LISP_H

#include <parallax/parallax.h>

struct lisp;	/* one Lisp: a heap, its symbols and global variables, shared by all its threads */
struct machine; /* one thread of it */

/* Turn a heap into a Lisp. Nobody has attached to the heap yet. `stack_slots`: of each thread that Lisp programs
 * start. NULL with the reason in `error`. */
struct lisp *lisp_open(struct plx_heap *heap, size_t stack_slots, struct plx_error *error);

/* For tests: every `every`th allocation of each machine opened from now on collects first, twice. So a reference
 * that somebody kept too long in a C local is stale, rather than by good luck still right. */
void lisp_stress(struct lisp *lisp, unsigned every);

/* Wait for the threads that Lisp programs started, and free everything but the heap. All machines but
 * those threads' are closed. */
void lisp_close(struct lisp *lisp);

/* Attach the calling thread and give it a stack. The first machine to be opened also loads the prelude: so
 * open one before other threads open theirs. */
struct machine *lisp_machine_open(struct lisp *lisp, size_t stack_slots, struct plx_error *error);
void lisp_machine_close(struct machine *machine);

/* Read, compile and run the forms of a file, or of a text in C memory. False after an error, which
 * lisp_print_error shows. With `echo` each value is printed. */
bool lisp_load_file(struct machine *machine, const char *path);
bool lisp_load_text(struct machine *machine, const char *text, size_t bytes, bool echo);
void lisp_print_error(struct machine *machine, const char *where);

/* Call the global procedure `name` with one number; its result has to be a number too. */
bool lisp_call_number(struct machine *machine, const char *name, int64_t argument, int64_t *result);

bool lisp_is_defined(struct machine *machine, const char *name);

/* The thread behind a machine, for polls and blocking regions of the program's own. */
struct plx_thread *lisp_machine_thread(struct machine *machine);

#endif
