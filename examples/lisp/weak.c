/* examples/lisp/weak.c: weak references and guardians, as Lisp sees them. Weak tables are in table.c. */
#include "examples/lisp/machine.h"

/* (make-weak x) */
static word prim_make_weak(struct machine *m, word *args, unsigned count)
{
	struct plx_weak *weak = plx_weak_create(m->thread, args[0]);

	(void)count;
	return weak ? (word)weak : lisp_no_memory(m);
}

/* (weak-ref weak): what it refers to, or #f when that is gone. */
static word prim_weak_ref(struct machine *m, word *args, unsigned count)
{
	word referent;

	(void)count;
	if (lisp_kind(m, args[0]) != KIND_WEAK)
		return lisp_fail(m, "weak-ref: not a weak reference:", args[0]);
	referent = plx_weak_get(m->thread, args[0]);
	return referent ? referent : FALSE_WORD;
}

/* (make-guardian priority): 0 is asked first, 6 last; 7 is the VM's own. */
static word prim_make_guardian(struct machine *m, word *args, unsigned count)
{
	struct body *body = resource_body(m, BODY_GUARDIAN);
	unsigned priority = count == 1 ? (unsigned)word_number(args[0]) : 0;

	if (body)
		body->guardian = plx_guardian_create(m->lisp->heap, priority % 7, NULL);
	return resource_make(m, body);
}

static struct plx_guardian *guardian_get(struct machine *m, word w)
{
	struct body *body = resource_get(m, w, BODY_GUARDIAN, "not a guardian:");

	return body ? body->guardian : NULL;
}

/* (guardian-add! guardian x): give x back when nothing else refers to it any more. */
static word prim_guardian_add(struct machine *m, word *args, unsigned count)
{
	struct plx_guardian *guardian = guardian_get(m, args[0]);
	struct plx_error error;

	(void)count;
	if (guardian == NULL)
		return NULL;
	if (!word_is_object(args[1]))
		return lisp_fail(m, "guardian-add!: not an object:", args[1]);
	if (plx_guardian_register(m->thread, guardian, args[1], &error) != PLX_OK)
		return lisp_no_memory(m);
	return NOTHING;
}

/* (guardian-next guardian): something that was given back, or #f. */
static word prim_guardian_next(struct machine *m, word *args, unsigned count)
{
	struct plx_guardian *guardian = guardian_get(m, args[0]);
	word next;

	(void)count;
	if (guardian == NULL)
		return NULL;
	next = plx_guardian_poll(m->thread, guardian);
	return next ? next : FALSE_WORD;
}

/* (guardian-wait guardian milliseconds): is there something? It is a blocking region. */
static word prim_guardian_wait(struct machine *m, word *args, unsigned count)
{
	struct plx_guardian *guardian = guardian_get(m, args[0]);

	(void)count;
	if (guardian == NULL)
		return NULL;
	return word_boolean(plx_guardian_wait(m->thread, guardian, (uint64_t)word_number(args[1])));
}

const struct primitive weak_primitives[] = {
	{"make-weak", prim_make_weak, 1, 1},
	{"weak-ref", prim_weak_ref, 1, 1},
	{"make-guardian", prim_make_guardian, 0, 1},
	{"guardian-add!", prim_guardian_add, 2, 2},
	{"guardian-next", prim_guardian_next, 1, 1},
	{"guardian-wait", prim_guardian_wait, 2, 2},
	{NULL, NULL, 0, 0},
};
