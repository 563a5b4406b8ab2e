/* examples/lisp/resource.c: C memory that belongs to a Lisp object: ports, mutexes, guardians, threads.
 *
 * The Lisp object is a leaf with a C pointer to a `struct body`, which the collector never looks at. When the
 * object dies, the VM's own guardian hands it back, and the body is freed: by whichever thread makes the
 * next resource, or says (gc). The collector's threads never run any of this. */
#include "examples/lisp/machine.h"

#include <stdlib.h>
#include <unistd.h>

struct body *resource_body(struct machine *m, enum body_kind kind)
{
	struct lisp *lisp = m->lisp;
	struct body *body = calloc(1, sizeof(*body));

	if (body == NULL)
		return NULL;
	body->kind = kind;
	pthread_mutex_lock(&lisp->body_lock); /* no safepoint under it */
	body->next = lisp->bodies;
	body->link = &lisp->bodies;
	if (body->next)
		body->next->link = &body->next;
	lisp->bodies = body;
	pthread_mutex_unlock(&lisp->body_lock);
	return body;
}

static void body_close(struct lisp *lisp, struct body *body)
{
	switch (body->kind) {
	case BODY_PORT:
		if (body->descriptor > STDERR_FILENO)
			close(body->descriptor);
		break;
	case BODY_MUTEX:
		pthread_mutex_destroy(&body->mutex);
		break;
	case BODY_GUARDIAN:
		if (body->guardian)
			plx_guardian_destroy(body->guardian);
		break;
	case BODY_TASK:
		if (body->task)
			task_drop(lisp, body->task);
		break;
	}
}

void resource_body_free(struct lisp *lisp, struct body *body)
{
	pthread_mutex_lock(&lisp->body_lock);
	*body->link = body->next;
	if (body->next)
		body->next->link = body->link;
	pthread_mutex_unlock(&lisp->body_lock);
	body_close(lisp, body);
	free(body);
}

/* What was alive to the end. */
void resource_free_all(struct lisp *lisp)
{
	while (lisp->bodies)
		resource_body_free(lisp, lisp->bodies);
}

void resource_reap(struct machine *m)
{
	struct resource *resource;

	while ((resource = plx_guardian_poll(m->thread, m->lisp->resources)) != NULL) {
		struct body *body = resource->body;

		resource->body = NULL;
		resource_body_free(m->lisp, body);
	}
}

word resource_make(struct machine *m, struct body *body)
{
	struct resource *resource;
	struct plx_error error;

	if (body == NULL)
		return lisp_no_memory(m);
	resource_reap(m);
	resource = lisp_make(m, KIND_RESOURCE);
	if (resource == NULL) {
		resource_body_free(m->lisp, body);
		return NULL;
	}
	resource->body = body;
	if (plx_guardian_register(m->thread, m->lisp->resources, resource, &error) == PLX_OK)
		return resource;
	resource->body = NULL;
	resource_body_free(m->lisp, body);
	return lisp_no_memory(m);
}

struct body *resource_get(struct machine *m, word w, enum body_kind kind, const char *who)
{
	struct body *body = NULL;

	if (lisp_kind(m, w) == KIND_RESOURCE)
		body = ((const struct resource *)w)->body;
	if (body && body->kind == kind)
		return body;
	lisp_fail(m, who, w);
	return NULL;
}
