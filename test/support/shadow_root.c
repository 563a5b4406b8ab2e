/* test/support/shadow_root.c: the roots of a thread, of all sorts, under one numbering: free handles, a
 * registered range, a root visitor, pinned objects, scoped handles or a root stack. A session may do without those in own
 * memory: then free handles take their places.
 *
 * Runs on the attached thread that owns them, but for the visitor: a collector thread in a pause. */
#include "test/support/shadow_private.h"

#include <stdio.h>
#include <stdlib.h>

#define FIRST_RANGE SHADOW_HANDLES
#define FIRST_VISITED (SHADOW_HANDLES + SHADOW_RANGE)

static void roots_visit(struct plx_root_visit *visit, void *context)
{
	struct shadow_thread *self = context;

	for (size_t i = 0; i < SHADOW_VISITED; i++)
		plx_root_visit(visit, &self->visited[i]);
}

/* Are there roots in own memory? They give each cycle a pause at its start. */
static bool roots_are_own(const struct shadow_thread *self)
{
	const struct shadow_options *options = self->world->options;

	if (options->roots == SHADOW_ROOTS_BY_SEED)
		return options->seed % 2 == 0;
	return options->roots == SHADOW_ROOTS_ALL;
}

static bool root_is_free_handle(const struct shadow_thread *self, size_t root)
{
	return root < SHADOW_HANDLES || (root < SHADOW_FIXED_ROOTS && !roots_are_own(self));
}

static void must(enum plx_status status, const char *what, const char *why)
{
	if (status == PLX_OK)
		return;
	fprintf(stderr, "shadow: %s: %s: %s\n", what, plx_status_name(status), why);
	abort();
}

void shadow_attach(struct shadow_thread *self)
{
	struct plx_error error = {0};
	enum plx_status status = PLX_ERROR_MEMORY;

	for (int tries = shadow_tries(self->world); status != PLX_OK && tries > 0; tries--)
		status = plx_thread_attach(self->world->heap, &self->thread, &error);
	must(status, "attach", error.message);
}

void shadow_roots_open(struct shadow_thread *self)
{
	struct plx_error error = {0};
	enum plx_status status = PLX_ERROR_MEMORY;

	shadow_stack_open(self);
	if (!roots_are_own(self))
		return;
	for (int tries = shadow_tries(self->world); status != PLX_OK && tries > 0; tries--)
		status = plx_root_range_add(self->thread, self->range, SHADOW_RANGE, &error);
	must(status, "range_add", error.message);
	status = PLX_ERROR_MEMORY;
	for (int tries = shadow_tries(self->world); status != PLX_OK && tries > 0; tries--)
		status = plx_root_visitor_add(self->thread, roots_visit, self, &error);
	must(status, "visitor_add", error.message);
}

void shadow_roots_close(struct shadow_thread *self)
{
	while (self->scope_depth > 0)
		shadow_scope_close(self);
	for (size_t i = 0; i < SHADOW_FIXED_ROOTS; i++)
		shadow_root_set(self, i, (struct shadow_pair){NULL, NULL});
	for (size_t i = 0; i < SHADOW_FIXED_ROOTS; i++) {
		if (self->handles[i] != NULL)
			plx_handle_release(self->thread, self->handles[i]);
		self->handles[i] = NULL;
	}
	shadow_stack_close(self);
	if (!roots_are_own(self))
		return;
	must(plx_root_range_remove(self->thread, self->range), "range_remove", "");
	must(plx_root_visitor_remove(self->thread, roots_visit, self), "visitor_remove", "");
}

size_t shadow_root_count(const struct shadow_thread *self)
{
	return SHADOW_FIXED_ROOTS + self->scoped_count;
}

/* Where in its object a local points: at it, into it, or just behind it. */
static size_t local_offset(const struct shadow_thread *self, size_t i)
{
	const struct shadow_object *shadow = self->root_shadows[SHADOW_FIRST_LOCAL + i];

	if (shadow == NULL || i % 3 == 0)
		return 0;
	return i % 3 == 1 ? 5 : sizeof(struct plx_header);
}

static char *local_get(const struct shadow_thread *self, size_t i)
{
	if (self->locals == NULL || self->locals[i] == NULL)
		return NULL;
	return self->locals[i] - local_offset(self, i);
}

/* False: locals do not count, or are to hold nothing. */
static bool local_set(struct shadow_thread *self, size_t i, struct shadow_pair to)
{
	if (self->locals == NULL)
		return false;
	self->locals[i] = to.object ? to.object + local_offset(self, i) : NULL;
	return to.object != NULL;
}

struct shadow_pair shadow_root_get(const struct shadow_thread *self, size_t root)
{
	struct shadow_pair pair = {NULL, self->root_shadows[root]};

	if (root >= SHADOW_FIXED_ROOTS && self->stack)
		pair.object = shadow_stack_get(self, root - SHADOW_FIXED_ROOTS);
	else if (root >= SHADOW_FIXED_ROOTS)
		pair.object = shadow_read(self, &self->scoped[root - SHADOW_FIXED_ROOTS]->ref);
	else if (root >= SHADOW_FIRST_LOCAL)
		pair.object = local_get(self, root - SHADOW_FIRST_LOCAL);
	else if (root >= SHADOW_FIRST_PIN)
		pair.object = shadow_decode(self->world, self->pinned[root - SHADOW_FIRST_PIN]);
	else if (root_is_free_handle(self, root))
		pair.object = self->handles[root] ? shadow_read(self, &self->handles[root]->ref)
						  : NULL;
	else if (root >= FIRST_VISITED)
		pair.object = shadow_decode(self->world, self->visited[root - FIRST_VISITED]);
	else
		pair.object = shadow_decode(self->world, self->range[root - FIRST_RANGE]);
	return pair;
}

/* Half of the time a handle is released and made anew instead of set. */
static void free_handle_set(struct shadow_thread *self, size_t i, void *ref)
{
	if (self->handles[i] != NULL && random_once_in(&self->random, 2)) {
		plx_handle_release(self->thread, self->handles[i]);
		self->handles[i] = NULL;
	}
	if (self->handles[i] != NULL) {
		plx_handle_set(self->thread, self->handles[i], ref);
	} else if (ref != NULL) {
		self->handles[i] = plx_handle_create(self->thread, ref);
		if (self->handles[i] == NULL && !self->world->options->tolerate_null)
			shadow_fail(self, NULL, "plx_handle_create returned NULL");
	}
}

/* Two names, so that one object is pinned by both, and twice by one. False: no memory. */
static bool pin_set(struct shadow_thread *self, size_t i, char *to)
{
	char *object = to ? shadow_encode(self, to) : NULL;
	const char *who = i % 3 ? "shadow" : "shadow, every third";
	char *old = self->pinned[i];

	if (object != NULL && plx_pin(self->thread, object, who) != PLX_OK) {
		if (!self->world->options->tolerate_null)
			shadow_fail(self, NULL, "plx_pin of %p failed", (void *)object);
		object = NULL;
	}
	if (old != NULL && plx_unpin(self->thread, old, who) != PLX_OK)
		shadow_fail(self, NULL, "plx_unpin of %p failed", (void *)old);
	self->pinned[i] = object;
	return object != NULL;
}

void shadow_root_set(struct shadow_thread *self, size_t root, struct shadow_pair to)
{
	self->root_shadows[root] = to.shadow;
	if (root >= SHADOW_FIXED_ROOTS && self->stack) {
		shadow_stack_set(self, root - SHADOW_FIXED_ROOTS, to.object);
	} else if (root >= SHADOW_FIXED_ROOTS) {
		plx_handle_set(self->thread, self->scoped[root - SHADOW_FIXED_ROOTS],
			       shadow_encode(self, to.object));
	} else if (root >= SHADOW_FIRST_LOCAL) {
		if (!local_set(self, root - SHADOW_FIRST_LOCAL, to))
			self->root_shadows[root] = NULL;
	} else if (root >= SHADOW_FIRST_PIN) {
		if (!pin_set(self, root - SHADOW_FIRST_PIN, to.object))
			self->root_shadows[root] = NULL;
	} else if (root_is_free_handle(self, root)) {
		free_handle_set(self, root, shadow_encode(self, to.object));
		if (self->handles[root] == NULL)
			self->root_shadows[root] = NULL; /* no memory for a root page */
	} else if (root >= FIRST_VISITED) {
		self->visited[root - FIRST_VISITED] = shadow_encode(self, to.object);
	} else {
		self->range[root - FIRST_RANGE] = shadow_encode(self, to.object);
	}
}

void shadow_root_describe(size_t root, char *text, size_t size)
{
	if (root >= SHADOW_FIXED_ROOTS)
		snprintf(text, size, "scoped root %zu", root - SHADOW_FIXED_ROOTS);
	else if (root >= SHADOW_FIRST_LOCAL)
		snprintf(text, size, "C local %zu", root - SHADOW_FIRST_LOCAL);
	else if (root >= SHADOW_FIRST_PIN)
		snprintf(text, size, "pin %zu", root - SHADOW_FIRST_PIN);
	else if (root >= FIRST_VISITED)
		snprintf(text, size, "visited root %zu", root - FIRST_VISITED);
	else if (root >= FIRST_RANGE)
		snprintf(text, size, "root range slot %zu", root - FIRST_RANGE);
	else
		snprintf(text, size, "free handle %zu", root);
}

bool shadow_scope_open(struct shadow_thread *self)
{
	if (self->scope_depth == SHADOW_SCOPES)
		return false;
	if (!self->stack)
		plx_scope_enter(self->thread, &self->scopes[self->scope_depth]);
	self->scope_marks[self->scope_depth++] = self->scoped_count;
	return true;
}

void shadow_scope_close(struct shadow_thread *self)
{
	self->scope_depth--;
	if (self->stack)
		shadow_stack_drop(self, self->scope_marks[self->scope_depth]);
	else
		plx_scope_exit(self->thread, &self->scopes[self->scope_depth]);
	self->scoped_count = self->scope_marks[self->scope_depth];
}

/* Only inside a scope. */
bool shadow_scope_push(struct shadow_thread *self, struct shadow_pair what)
{
	struct plx_handle *handle;

	if (self->scope_depth == 0 || self->scoped_count == SHADOW_SCOPED)
		return false;
	if (self->stack) {
		shadow_stack_push(self, self->scoped_count, what.object);
	} else {
		handle = plx_handle_push(self->thread, shadow_encode(self, what.object));
		if (handle == NULL) {
			if (!self->world->options->tolerate_null)
				shadow_fail(self, NULL, "plx_handle_push returned NULL");
			return false;
		}
		self->scoped[self->scoped_count] = handle;
	}
	self->root_shadows[SHADOW_FIXED_ROOTS + self->scoped_count++] = what.shadow;
	return true;
}
