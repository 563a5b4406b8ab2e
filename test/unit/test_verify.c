/* test/unit/test_verify.c: each check of the verifier (gc/collect/verify.h) is shown a heap that was
 * damaged for it, and has to name what is wrong. In a child process, since the verifier ends it.
 *
 * The heap: a list of pairs from a root range, as many in a handle, a leaf, a large array of
 * references, a pair on a root stack; everything evacuates, so that each place of the cycle has something to look at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <parallax/parallax.h>

#include "gc/collect/collect.h"
#include "gc/collect/fixed.h"
#include "runtime/world.h"
#include "test/support/child.h"

#define PAIRS 3000
#define LARGE_COUNT 60000
#define STACK_SLOTS 40000 /* more than a region */

struct pair {
	struct plx_header header;
	struct pair *next;
	void *other;
	uint64_t value;
};

static struct plx_heap *heap;
static struct plx_thread *thread;
static struct pair *list; /* a root range */
static struct plx_handle *handle;
static struct plx_handle *fixed; /* a fixed pair, that refers to another */
static struct plx_root_stack *stack;
static void (*damage)(struct gc_heap *gc);
static enum gc_verify_place damage_place;
static char text[65536]; /* what the child wrote */

/* --- the heap ----------------------------------------------------------------------------------- */

static void make_pairs(const struct plx_layout *pairs, const struct plx_layout *bytes)
{
	for (uint64_t i = 0; i < PAIRS; i++) {
		struct pair *pair = plx_alloc(thread, pairs);

		pair->value = i;
		pair->next = list;
		list = pair;
		if (i % 3 == 0)
			continue; /* its neighbours are garbage */
		pair = plx_alloc(thread, pairs);
		pair->next = handle->ref;
		plx_handle_set(thread, handle, pair);
		plx_alloc_array(thread, bytes, 40);
	}
}

static void make_heap(const char *verify)
{
	static const size_t offsets[] = {offsetof(struct pair, next), offsetof(struct pair, other)};
	struct plx_heap_config config;
	const struct plx_layout *pairs, *arrays, *bytes;
	void *leaf;

	plx_config_init(&config);
	plx_config_set(&config, "GC_HEAP_MAX", "16M", NULL);
	plx_config_set(&config, "GC_EVACUATE", "all", NULL);
	plx_config_set(&config, "GC_VERIFY", verify, NULL);
	if (getenv("TEST_VERIFY_DUMP"))
		plx_config_set(&config, "GC_VERIFY_DUMP", getenv("TEST_VERIFY_DUMP"), NULL);
	if (plx_heap_create(&config, &heap, NULL) != PLX_OK ||
	    plx_thread_attach(heap, &thread, NULL) != PLX_OK)
		_exit(3);
	pairs = plx_layout_fixed(heap, sizeof(struct pair), offsets, 2, NULL);
	arrays = plx_layout_references(heap, NULL);
	bytes = plx_layout_bytes(heap, NULL);
	handle = plx_handle_create(thread, NULL);
	plx_root_range_add(thread, &list, 1, NULL);
	stack = plx_root_stack_create(thread, STACK_SLOTS, NULL);
	plx_root_stack_push(stack, NULL);
	plx_root_stack_push(stack, plx_alloc(thread, pairs));
	make_pairs(pairs, bytes);
	leaf = plx_alloc_array(thread, bytes, 100);
	PLX_STORE(thread, &list->other, leaf);
	leaf = plx_alloc_array(thread, arrays, LARGE_COUNT);
	PLX_STORE(thread, &list->next->other, leaf);
	fixed = plx_handle_create(thread, plx_alloc_fixed(thread, pairs, 0));
	leaf = plx_alloc_fixed(thread, pairs, 0);
	PLX_STORE(thread, &((struct pair *)fixed->ref)->next, leaf);
}

static void tamper(struct gc_heap *gc, enum gc_verify_place place)
{
	if (place == damage_place)
		damage(gc);
}

static void child(void)
{
	gc_verify_tamper = NULL;
	make_heap("1");
	plx_collect(thread); /* a good cycle first */
	gc_verify_tamper = tamper;
	plx_collect(thread);
	_exit(0);
}

/* The damage done at this place is found, and named with all of these words. */
static void expect(enum gc_verify_place place, void (*how)(struct gc_heap *gc), const char *words[])
{
	int status;

	damage_place = place;
	damage = how;
	status = child_run(child, text, sizeof(text));
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
		fail_msg("not found, instead of %s (status %#x):\n%s", words[2], (unsigned)status,
			 text);
	for (; *words; words++)
		if (!strstr(text, *words))
			fail_msg("`%s` is not in:\n%s", *words, text);
}

#define EXPECT(place, how, ...) \
	expect(GC_VERIFY_##place, how, (const char *[]){"verify [VF-", __VA_ARGS__, NULL})

/* --- damages ------------------------------------------------------------------------------------ */

static struct gc_region *region_of(struct gc_heap *gc, const void *object)
{
	return &gc->regions.table[gc_region_of(&gc->regions, gc_haddr(object))];
}

static uint8_t *bits_of(struct gc_heap *gc, const void *object)
{
	return &gc->regions.bits[gc_region_of(&gc->regions, gc_haddr(object))];
}

/* A pair in the middle of the list, reached by some twenty edges. */
static struct pair *some_pair(void)
{
	struct pair *pair = list;

	for (int i = 0; i < 20; i++)
		pair = pair->next;
	return pair;
}

static void no_damage(struct gc_heap *gc)
{
	(void)gc;
}

static void damage_inside(struct gc_heap *gc)
{
	struct pair *pair = some_pair();

	(void)gc;
	pair->next->value = pair->next->header.word; /* it even looks like an object */
	pair->other = &pair->next->value;
}

static void damage_layout(struct gc_heap *gc)
{
	(void)gc;
	some_pair()->other = &some_pair()->next->next;
}

static void damage_misaligned(struct gc_heap *gc)
{
	(void)gc;
	some_pair()->other = (char *)some_pair()->next + 4;
}

static void damage_size(struct gc_heap *gc)
{
	struct pair *pair = some_pair();

	/* A leaf whose length leads out of its region. */
	(void)gc;
	((struct plx_header *)list->other)->word |= UINT64_C(1) << (PLX_HEADER_LENGTH_SHIFT + 20);
	pair->other = list->other;
}

static void damage_large(struct gc_heap *gc)
{
	(void)gc;
	some_pair()->other = (char *)list->next->other + (1 << 18);
}

static void damage_free(struct gc_heap *gc)
{
	const struct gc_region_range *range = &gc->regions.ranges[GC_RANGE_OBJECTS];

	some_pair()->other =
		(void *)gc_region_start(&gc->regions, range->first + range->high_water).at;
}

/* A region that is to be emptied keeps a reader. */
static void damage_evacuated(struct gc_heap *gc)
{
	some_pair()->other = (void *)gc_region_start(&gc->regions, gc->cycle.evacuated_first[0]).at;
}

static void damage_target(struct gc_heap *gc)
{
	some_pair()->other = (void *)gc_region_start(&gc->regions, gc->cycle.targets[0]).at;
}

static void clear_mark(struct gc_heap *gc, const void *object)
{
	uint64_t index = gc_markbits_index(&gc->markbits, gc_haddr(object));

	gc->markbits.words[index / 64] &= ~(UINT64_C(1) << index % 64);
}

static void damage_mark(struct gc_heap *gc)
{
	struct pair *pair = some_pair();

	region_of(gc, pair)->live_bytes -= sizeof(*pair);
	clear_mark(gc, pair);
}

static void damage_sum(struct gc_heap *gc)
{
	region_of(gc, some_pair())->live_bytes += 8;
}

static void damage_flag(struct gc_heap *gc)
{
	gc->pages.flags[gc_heap_page(gc, gc_haddr(list->next)).n] = 0;
}

/* The handle's page is the only one that is updated in place here: all others move. */
static void damage_dirty(struct gc_heap *gc)
{
	gc->pages.flags[gc_heap_page(gc, gc_haddr(handle)).n] = 0;
}

static void damage_stack_word(struct gc_heap *gc)
{
	(void)gc;
	stack->base[0] = (char *)stack->base[1] + 4;
}

static void damage_stack_mark(struct gc_heap *gc)
{
	region_of(gc, stack->base[1])->live_bytes -= sizeof(struct pair);
	clear_mark(gc, stack->base[1]);
}

static void damage_stack_dirty(struct gc_heap *gc)
{
	gc->pages.flags[gc_heap_page(gc, gc_haddr(stack->base)).n] = 0;
}

static void damage_stack_tail(struct gc_heap *gc)
{
	region_of(gc, stack->base)[1].run = 7;
}

static void damage_stack_top(struct gc_heap *gc)
{
	(void)gc;
	stack->top = stack->limit + 1;
}

static void damage_forward(struct gc_heap *gc)
{
	gc_forward_entry(&gc->forward, gc_haddr(some_pair()))->target += 8;
}

static void damage_forward_far(struct gc_heap *gc)
{
	gc_forward_entry(&gc->forward, gc_haddr(some_pair()))->target = 4096;
}

static void damage_target_short(struct gc_heap *gc)
{
	uintptr_t to = gc_forward_address(&gc->forward, gc_haddr(some_pair())).at;

	region_of(gc, (void *)to)->allocated_bytes += 32;
}

static void damage_page_state(struct gc_heap *gc)
{
	gc->pages.states[gc_heap_page(gc, gc_haddr(list)).n] = GC_PAGE_CLAIMED;
}

static void damage_kept_flag(struct gc_heap *gc)
{
	gc->pages.flags[gc_heap_page(gc, gc_haddr(list)).n] = 1;
}

static void damage_kept_mark(struct gc_heap *gc)
{
	gc_markbits_try_set(&gc->markbits, gc_haddr(list));
}

static void damage_extent(struct gc_heap *gc)
{
	gc->extents.states[gc_heap_extent(gc, gc_haddr(list))] = GC_EXTENT_MOVING;
}

static void damage_armed(struct gc_heap *gc)
{
	gc->armed = 1;
}

static void damage_kind(struct gc_heap *gc)
{
	region_of(gc, list)->kind = GC_REGION_FREE;
}

static void damage_used(struct gc_heap *gc)
{
	gc->regions.used++;
}

static void damage_resident(struct gc_heap *gc)
{
	gc->regions.max_regions = gc->regions.used - 1;
}

static void damage_run(struct gc_heap *gc)
{
	region_of(gc, list->next->other)[1].run = 7;
}

static void damage_current(struct gc_heap *gc)
{
	region_of(gc, list)->current ^= true;
}

static void fixed_start_assign(struct gc_heap *gc, uintptr_t object, bool set)
{
	struct gc_markbits *starts = &gc->fixed->starts;
	uint64_t index = gc_markbits_index(starts, (struct gc_haddr){object});
	uint64_t bit = UINT64_C(1) << index % 64, *word = &starts->words[index / 64];

	*word = set ? *word | bit : *word & ~bit;
}

static void damage_fixed_start(struct gc_heap *gc)
{
	fixed_start_assign(gc, (uintptr_t)fixed->ref, false);
}

static void damage_fixed_inside(struct gc_heap *gc)
{
	struct pair *pair = fixed->ref;

	pair->value = pair->header.word;
	fixed_start_assign(gc, (uintptr_t)&pair->value, true);
}

static void damage_fixed_layout(struct gc_heap *gc)
{
	fixed_start_assign(gc, (uintptr_t)fixed->ref + gc->regions.region_bytes / 2, true);
	*(uint64_t *)((char *)fixed->ref + gc->regions.region_bytes / 2) = 0;
}

static void damage_fixed_pages(struct gc_heap *gc)
{
	uint32_t page = gc_heap_page(gc, gc_haddr(fixed->ref)).n;

	gc->fixed->used_pages[page / 64] &= ~(UINT64_C(1) << page % 64);
}

static void damage_fixed_count(struct gc_heap *gc)
{
	region_of(gc, fixed->ref)->allocated_bytes += gc->view.page_bytes;
}

static void damage_fixed_chain(struct gc_heap *gc)
{
	gc->fixed->first[GC_RANGE_OBJECTS] = GC_REGION_NONE;
}

static void damage_bits(struct gc_heap *gc)
{
	*bits_of(gc, list) = GC_REGION_TARGET;
}

static void damage_barrier(struct gc_heap *gc)
{
	(void)gc;
	thread->barrier ^= GC_BARRIER_FLAG;
}

static void damage_log(struct gc_heap *gc)
{
	struct gc_mutator *mutator = (struct gc_mutator *)thread;

	(void)gc;
	mutator->satb[0] = (uintptr_t)list;
	mutator->satb_count = 1;
}

static void set_tlab(enum plx_space space, const void *start)
{
	thread->tlab[space] =
		(struct plx_tlab){(char *)(uintptr_t)start, (char *)(uintptr_t)start + 16};
}

/* A buffer from before marking: the region is not black. */
static void damage_tlab_stale(struct gc_heap *gc)
{
	(void)gc;
	set_tlab(PLX_SPACE_OBJECTS, some_pair());
}

static void damage_tlab_space(struct gc_heap *gc)
{
	(void)gc;
	set_tlab(PLX_SPACE_LEAVES, some_pair());
}

/* --- tests -------------------------------------------------------------------------------------- */

static void good_heaps_pass(void **state)
{
	(void)state;
	damage_place = GC_VERIFY_BEFORE;
	damage = no_damage;
	assert_int_equal(child_run(child, text, sizeof(text)), 0);
	assert_string_equal(text, "");
}

static void references(void **state)
{
	(void)state;
	EXPECT(BEFORE, damage_inside, "[VF-1]", "inside of another object", "before marking");
	EXPECT(AFTER, damage_inside, "[VF-1]", "inside of another object", "after moving");
	EXPECT(BEFORE, damage_layout, "[VF-1]", "no known layout");
	EXPECT(BEFORE, damage_misaligned, "[VF-1]", "misaligned");
	EXPECT(BEFORE, damage_size, "[VF-1]", "ends at");
	EXPECT(BEFORE, damage_large, "[VF-3]", "holds no objects", "large, not its beginning");
	EXPECT(BEFORE, damage_free, "[VF-3]", "holds no objects");
	EXPECT(AFTER, damage_evacuated, "[VF-3]", "which was evacuated");
	EXPECT(FLIP, damage_target, "[VF-3]", "yet to be filled");
}

static void marking(void **state)
{
	(void)state;
	EXPECT(MARK, damage_mark, "[VF-2]", "unmarked");
	EXPECT(FLIP, damage_mark, "[VF-2]", "unmarked", "at the flip");
	EXPECT(MARK, damage_sum, "[VF-6]", "counted as live");
	EXPECT(MARK, damage_flag, "[VF-4]", "not flagged");
	EXPECT(FLIP, damage_dirty, "[VF-4]", "not dirty");
}

static void root_stacks(void **state)
{
	(void)state;
	EXPECT(BEFORE, damage_stack_word, "[VF-1]", "misaligned", "on a root stack");
	EXPECT(AFTER, damage_stack_word, "[VF-1]", "misaligned", "on a root stack");
	EXPECT(MARK, damage_stack_mark, "[VF-2]", "unmarked", "on a root stack");
	EXPECT(FLIP, damage_stack_dirty, "[VF-4]", "not dirty", "on a root stack");
	EXPECT(BEFORE, damage_stack_tail, "[VF-8]", "no tail of the stack");
	EXPECT(BEFORE, damage_stack_top, "[VF-8]", "does not begin a root stack");
}

static void the_plan(void **state)
{
	(void)state;
	EXPECT(FLIP, damage_forward, "[VF-5]", "would move");
	EXPECT(FLIP, damage_forward_far, "[VF-5]", "would move to");
	EXPECT(FLIP, damage_target_short, "[VF-5]", "nothing moves to");
}

static void side_tables(void **state)
{
	(void)state;
	EXPECT(BEFORE, damage_page_state, "[VF-7]", "is in state 2");
	EXPECT(FLIP, damage_page_state, "[VF-7]", "is in state 2, not 1");
	EXPECT(BEFORE, damage_kept_flag, "[VF-7]", "kept flags");
	EXPECT(BEFORE, damage_kept_mark, "[VF-7]", "kept a mark bit");
	EXPECT(AFTER, damage_extent, "[VF-7]", "extent");
	EXPECT(AFTER, damage_armed, "[VF-7]", "armed");
}

static void regions(void **state)
{
	(void)state;
	EXPECT(BEFORE, damage_kind, "[VF-8]", "in the free maps 0, 0");
	EXPECT(BEFORE, damage_used, "[VF-8]", "are counted");
	EXPECT(AFTER, damage_resident, "[VF-8]", "more than the limit");
	EXPECT(BEFORE, damage_run, "[VF-8]", "no tail");
	EXPECT(BEFORE, damage_current, "[VF-8]", "current");
	EXPECT(BEFORE, damage_bits, "[VF-8]", "has bits 0x20");
}

static void fixed_space(void **state)
{
	(void)state;
	EXPECT(MARK, damage_fixed_start, "[VF-1]", "is inside of another object");
	EXPECT(BEFORE, damage_fixed_inside, "[VF-10]", "is inside of another");
	EXPECT(BEFORE, damage_fixed_layout, "[VF-10]", "of no known layout");
	EXPECT(FLIP, damage_fixed_pages, "[VF-10]", "lies in no extent");
	EXPECT(AFTER, damage_fixed_count, "[VF-10]", "are counted");
	EXPECT(BEFORE, damage_fixed_chain, "[VF-10]", "is in no chain");
}

static void mutators(void **state)
{
	(void)state;
	EXPECT(MARK, damage_barrier, "[VF-9]", "barrier is 0");
	EXPECT(AFTER, damage_barrier, "[VF-9]", "barrier is 2");
	EXPECT(MARK, damage_log, "[VF-9]", "log still holds 1");
	EXPECT(MARK, damage_tlab_stale, "[VF-9]", "from before marking");
	EXPECT(FLIP, damage_tlab_stale, "[VF-9]", "open at the flip");
	EXPECT(BEFORE, damage_tlab_space, "[VF-9]", "does not lie in region");
}

/* `plx_info --dump FILE` with what follows; its output in `text`, its exit status. It lies in the build
 * folder that this test lies in, or, where there is none (kernel/lib/arm64.sh), in PATH. */
static int run_info(const char *file, const char *address)
{
	char self[400], command[1000], *inside;
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
	size_t used = 0, got;
	FILE *pipe_end;

	assert_true(length > 0);
	self[length] = '\0';
	inside = strstr(self, "test/unit/");
	*(inside ? inside : self) = '\0';
	snprintf(command, sizeof(command), "%s%s --dump %s %s 2>&1", self,
		 inside ? "runtime/tools/plx_info" : "plx_info", file, address);
	pipe_end = popen(command, "r");
	assert_non_null(pipe_end);
	while ((got = fread(text + used, 1, sizeof(text) - 1 - used, pipe_end)) > 0)
		used += got;
	text[used] = '\0';
	return WEXITSTATUS(pclose(pipe_end));
}

static void says(const char *word)
{
	if (!strstr(text, word))
		fail_msg("`%s` is not in:\n%s", word, text);
}

/* The list of regions names a fixed one, which begins with an object. */
static void read_dump_fixed(const char *file)
{
	char address[32], *line = strstr(text, ": fixed, bits 0");

	assert_non_null(line);
	while (line[-1] != ' ')
		line--;
	assert_int_equal(sscanf(line, "%31[0-9a-fx]", address), 1);
	assert_int_equal(run_info(file, address), 0);
	says("object 0x");
	says("32 bytes");
	says("+0 ");
}

/* The file is readable, and bad files are refused. */
static void read_dump(const char *file)
{
	char address[32];

	assert_int_equal(sscanf(strstr(text, "value "), "value %31[0-9a-fx]", address), 1);
	assert_int_equal(run_info(file, ""), 0);
	says("no known layout");
	says("small, bits 0x1");
	says("large, bits 0, filled to 480008");
	read_dump_fixed(file);
	assert_int_equal(run_info(file, address), 0);
	says("taken (1)");
	says("32 bytes");
	says("reference  <--");
	says("1 words of the heap hold");
	assert_int_equal(run_info(file, "0x10"), 2);
	assert_int_equal(truncate(file, 100000), 0);
	assert_int_equal(run_info(file, ""), 1);
	says("no whole heap dump");
	assert_int_equal(run_info("/proc/self/exe", ""), 1);
	says("no whole heap dump");
	assert_int_equal(run_info("/dev/null", ""), 1);
}

/* What a failure says beyond its name: the way there, the page, what happened to the region; and the
 * file. */
static void the_report(void **state)
{
	char file[] = "/tmp/plx-test-verify-XXXXXX", magic[8] = "";
	int fd = mkstemp(file);

	(void)state;
	assert_true(fd >= 0);
	setenv("TEST_VERIFY_DUMP", file, 1);
	EXPECT(BEFORE, damage_layout, "reached, from there back to the root, by", "slot at +16 of",
	       "slot at +8 of", "in the program's own memory", "lately, newest first", "taken (1)",
	       "the heap is in /tmp/plx-test-verify-");
	assert_int_equal(read(fd, magic, sizeof(magic)), sizeof(magic));
	assert_memory_equal(magic, "PLXHEAP1", sizeof(magic));
	read_dump(file);
	unlink(file);
	close(fd);
	setenv("TEST_VERIFY_DUMP", "/dev/null/x", 1);
	EXPECT(BEFORE, damage_layout, "GC_VERIFY_DUMP: /dev/null/x: Not a directory");
	unsetenv("TEST_VERIFY_DUMP");
	EXPECT(BEFORE, damage_layout, "GC_VERIFY_DUMP=FILE would have kept");
}

static unsigned looked;

static void count_looks(struct gc_heap *gc, enum gc_verify_place place)
{
	(void)gc;
	looked += ((unsigned)place << 8) + 1;
}

/* Only at the places named, and at every Nth cycle. */
static unsigned looks_of(const char *verify)
{
	looked = 0;
	gc_verify_tamper = count_looks;
	make_heap(verify);
	for (int i = 0; i < 4; i++)
		plx_collect(thread);
	gc_verify_tamper = NULL;
	list = NULL;
	plx_thread_detach(thread);
	assert_int_equal(plx_heap_destroy(heap), PLX_OK);
	return looked;
}

static void places_and_numbers(void **state)
{
	(void)state;
	assert_int_equal(looks_of("0"), 0);
	/* All is in current regions at first: the first cycle moves nothing. */
	assert_int_equal(looks_of("1"), 15 + ((4 * 15 - GC_VERIFY_FLIP) << 8));
	assert_int_equal(looks_of("2"), 7 + ((2 * 15 - GC_VERIFY_FLIP) << 8));
	assert_int_equal(looks_of("before,after"), 8 + (4 * 9 << 8));
	assert_int_equal(looks_of("flip,3"), 1 + (GC_VERIFY_FLIP << 8));
	assert_int_equal(looks_of("mark"), 4 + (4 * GC_VERIFY_MARK << 8));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_heaps_pass),
		cmocka_unit_test(references),
		cmocka_unit_test(marking),
		cmocka_unit_test(the_plan),
		cmocka_unit_test(side_tables),
		cmocka_unit_test(regions),
		cmocka_unit_test(fixed_space),
		cmocka_unit_test(mutators),
		cmocka_unit_test(root_stacks),
		cmocka_unit_test(the_report),
		cmocka_unit_test(places_and_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
