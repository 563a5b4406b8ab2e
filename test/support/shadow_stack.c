/* test/support/shadow_stack.c: scoped roots on a root stack instead of in handles (--stacks).
 *
 * Between the roots lie other words, so that they spread over many pages. The stack outlives detaching, and is
 * destroyed and made anew now and then. Runs on the attached thread that owns it. */
#include "test/support/shadow_private.h"

#include <stdio.h>
#include <stdlib.h>

#define PADDING 12 /* words between two roots, at the most */
#define SLOTS (SHADOW_SCOPED * (PADDING + 1))

void shadow_stack_open(struct shadow_thread *self)
{
	struct plx_error error = {0};

	if (!self->world->options->stacks)
		return;
	for (int tries = shadow_tries(self->world); self->stack == NULL && tries > 0; tries--)
		self->stack = plx_root_stack_create(self->thread, SLOTS, &error);
	if (self->stack == NULL)
		shadow_fail(self, NULL, "a root stack: %s", error.message);
}

void shadow_stack_close(struct shadow_thread *self)
{
	if (self->stack == NULL)
		return;
	if (plx_root_stack_destroy(self->thread, self->stack) != PLX_OK)
		shadow_fail(self, NULL, "a root stack cannot be destroyed");
	self->stack = NULL;
}

char *shadow_stack_get(const struct shadow_thread *self, size_t root)
{
	return shadow_decode(self->world, self->stack->base[self->stacked[root]]);
}

void shadow_stack_set(struct shadow_thread *self, size_t root, char *object)
{
	plx_root_stack_set(self->thread, self->stack, self->stacked[root],
			   shadow_encode(self, object));
}

static void push(struct shadow_thread *self, void *word)
{
	if (!plx_root_stack_push(self->stack, word))
		shadow_fail(self, NULL, "a root stack is full");
}

void shadow_stack_push(struct shadow_thread *self, size_t root, char *object)
{
	for (size_t n = random_below(&self->random, PADDING + 1); n > 0; n--)
		push(self,
		     self->world->options->tags ? shadow_encode(self, NULL) : (void *)(2 * n + 1));
	self->stacked[root] = (size_t)(self->stack->top - self->stack->base);
	push(self, shadow_encode(self, object));
}

/* Half of the time word by word, looking at each root that comes off. */
void shadow_stack_drop(struct shadow_thread *self, size_t roots_left)
{
	size_t left = roots_left ? self->stacked[roots_left - 1] + 1 : 0;
	size_t root = self->scoped_count;

	if (random_once_in(&self->random, 2))
		plx_root_stack_drop(self->thread, self->stack,
				    (size_t)(self->stack->top - self->stack->base) - left);
	while (self->stack->top > self->stack->base + left) {
		void *word = plx_root_stack_pop(self->thread, self->stack);
		struct shadow_pair pair = {NULL, NULL};

		if (root > 0 && self->stack->top == self->stack->base + self->stacked[root - 1]) {
			pair.object = shadow_decode(self->world, word);
			pair.shadow = self->root_shadows[SHADOW_FIXED_ROOTS + --root];
			if (pair.shadow != NULL)
				shadow_check_identity(self, pair);
		}
	}
	if (left == 0 && random_once_in(&self->random, 4)) {
		shadow_stack_close(self);
		shadow_stack_open(self); /* a safepoint, if memory is short */
	}
}
