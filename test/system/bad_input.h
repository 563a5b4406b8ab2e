/* test/system/bad_input.h: every exported function, called wrongly.
 *
 * BAD(function, name, death, statement)	one way to call `function` wrongly
 *   death: NULL: the statement returns, and EXPECTs a status or NULL; or a part of the message with which a debug
 *          build ends (release builds leave such rows out)
 *   statement: what `it` has (struct bad_input) is at hand, in a process of its own if it dies
 * FINE(function, why)			there is no wrong way
 *
 * The gate bad_input_table fails when an exported function has no row here. */
/* clang-format off */

#define NO_THREAD "has not attached"
#define NO_HEAP "is no heap"
#define BLOCKED_OUT "is in a blocking region"
#define THREADS(function, ...)                                           \
	BAD(function, a NULL thread, NO_THREAD, {                        \
		struct plx_thread *thread = NULL;                        \
		(void)(__VA_ARGS__);                                     \
	})                                                               \
	BAD(function, a detached thread, NO_THREAD, {                    \
		struct plx_thread *thread = it->detached;                \
		(void)(__VA_ARGS__);                                     \
	})                                                               \
	BAD(function, the thread of another one, NO_THREAD, {            \
		struct plx_thread *thread = it->foreign;                 \
		(void)(__VA_ARGS__);                                     \
	})                                                               \
	BAD(function, a blocked thread, BLOCKED_OUT, {                   \
		struct plx_thread *thread = it->thread;                  \
		plx_block_enter(thread);                                 \
		(void)(__VA_ARGS__);                                     \
	})
#define HEAPS(function, ...)                                             \
	BAD(function, a NULL heap, NO_HEAP, {                            \
		struct plx_heap *heap = NULL;                            \
		(void)(__VA_ARGS__);                                     \
	})                                                               \
	BAD(function, a destroyed heap, NO_HEAP, {                       \
		struct plx_heap *heap = it->destroyed;                   \
		(void)(__VA_ARGS__);                                     \
	})                                                               \
	BAD(function, memory that is no heap, NO_HEAP, {                 \
		struct plx_heap *heap = (struct plx_heap *)it->memory;   \
		(void)(__VA_ARGS__);                                     \
	})

/* base.h */
FINE(plx_version, "takes nothing")
BAD(plx_status_name, numbers that are no status, NULL, {
	EXPECT(strcmp(plx_status_name((enum plx_status)99), "unknown") == 0);
	EXPECT(strcmp(plx_status_name((enum plx_status)-1), "unknown") == 0);
})

/* heap.h */
BAD(plx_config_init, NULL, "is NULL", plx_config_init(NULL))
BAD(plx_config_set, names and values, NULL, {
	static const char *const bad[][2] = {
		{"", ""}, {"GC_", "1"}, {"gc_log", "1"}, {"GC_LOG", ""}, {"GC_LOG", "-1"},
		{"GC_LOG", "99999999999999999999999"}, {"GC_LOG", " 1"}, {"GC_LOG", "1 "},
		{"GC_HEAP_MAX", "-1"}, {"GC_HEAP_MAX", "17179869184T"}, {"GC_HEAP_MAX", "1KK"},
		{"GC_HEAP_MAX", "0x10"}, {"GC_HEAP_MAX", "1"}, {"GC_PLAN", "MINOR"},
		{"GC_REGION_BYTES", "3M"}, {"GC_REGION_BYTES", "65537"}, {"GC_VERIFY", "after,after"},
		{"GC_VERIFY", ","}, {"GC_VERIFY", "4294967296"}, {"GC_TRACE", ""}};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct plx_heap_config config = it->config;
		struct plx_error error = {0};

		EXPECT(plx_config_set(&config, bad[i][0], bad[i][1], &error) == PLX_ERROR_OPTION);
		EXPECT(plx_config_set(&config, bad[i][0], bad[i][1], NULL) == PLX_ERROR_OPTION);
		EXPECT(error.status == PLX_ERROR_OPTION && error.message[0] != '\0');
		EXPECT(memcmp(&config, &it->config, sizeof(config)) == 0);
	}
})
BAD(plx_config_set, names and values of any length, NULL, {
	static char text[1 << 16];
	struct plx_heap_config config = it->config;
	struct plx_error error = {0};

	memset(text, '9', sizeof(text) - 1);
	EXPECT(plx_config_set(&config, text, "1", &error) == PLX_ERROR_OPTION);
	EXPECT(plx_config_set(&config, "GC_LOG", text, &error) == PLX_ERROR_OPTION);
	EXPECT(plx_config_set(&config, "GC_TRACE", text, &error) == PLX_ERROR_OPTION);
	EXPECT(strlen(error.message) < sizeof(error.message));
})
BAD(plx_config_set, a NULL config, "is NULL", plx_config_set(NULL, "GC_LOG", "1", NULL))
BAD(plx_config_set, a NULL name, "is NULL", plx_config_set(&it->config, NULL, "1", NULL))
BAD(plx_config_set, a NULL value, "is NULL", plx_config_set(&it->config, "GC_LOG", NULL, NULL))
BAD(plx_config_from_environment, a NULL config, "is NULL", plx_config_from_environment(NULL, NULL))
BAD(plx_config_from_environment, an unknown name, NULL, {
	struct plx_heap_config config = it->config;

	setenv("GC_NO_SUCH_THING", "1", 1);
	EXPECT(plx_config_from_environment(&config, NULL) == PLX_ERROR_OPTION);
	unsetenv("GC_NO_SUCH_THING");
	EXPECT(memcmp(&config, &it->config, sizeof(config)) == 0);
})
FINE(plx_config_help, "takes nothing")
BAD(plx_heap_create, nowhere to put it, "is NULL", plx_heap_create(&it->config, NULL, NULL))
BAD(plx_heap_create, a config that was never set, NULL, {
	struct plx_heap_config config;
	struct plx_heap *heap = it->heap;
	struct plx_error error = {0};

	memset(&config, 0xff, sizeof(config));
	EXPECT(plx_heap_create(&config, &heap, &error) == PLX_ERROR_OPTION && heap == NULL);
	EXPECT(error.message[0] != '\0');
	EXPECT(plx_heap_create(&config, &heap, NULL) == PLX_ERROR_OPTION && heap == NULL);
})
BAD(plx_heap_create, each field out of its range, NULL, {
	static const uint64_t values[] = {UINT64_MAX, UINT64_MAX / 2, UINT64_C(1) << 45, 12345, 7, 1};
	uint64_t *fields = (uint64_t *)(void *)&it->config;

	/* Whatever a field holds: a heap that works, or an error that says why. */
	for (size_t i = 0; i < 8; i++)
		for (size_t k = 0; k < sizeof(values) / sizeof(values[0]); k++) {
			struct plx_error error = {0};
			struct plx_heap *heap = NULL;
			uint64_t kept = fields[i];
			enum plx_status status;

			fields[i] = values[k];
			status = plx_heap_create(&it->config, &heap, &error);
			fields[i] = kept;
			EXPECT((status == PLX_OK) == (heap != NULL));
			EXPECT(status == PLX_OK || error.message[0] != '\0');
			if (heap != NULL)
				EXPECT(plx_heap_destroy(heap) == PLX_OK);
		}
})
HEAPS(plx_heap_destroy, plx_heap_destroy(heap))
BAD(plx_heap_destroy, with a thread attached, NULL, EXPECT(plx_heap_destroy(it->heap) == PLX_ERROR_MISUSE))
HEAPS(plx_heap_plan, plx_heap_plan(heap))
HEAPS(plx_heap_delivery, plx_heap_delivery(heap))
HEAPS(plx_heap_plan_reason, plx_heap_plan_reason(heap))
HEAPS(plx_heap_scans_stacks, plx_heap_scans_stacks(heap))
BAD(plx_plan_name, a number that is no plan, NULL, EXPECT(strcmp(plx_plan_name((enum plx_plan)9), "unknown") == 0))
BAD(plx_delivery_name, a number that is none, NULL, EXPECT(strcmp(plx_delivery_name((enum plx_delivery)-1), "unknown") == 0))
THREADS(plx_collect, (plx_collect(thread), 0))
HEAPS(plx_heap_collect, (plx_heap_collect(heap), 0))
HEAPS(plx_heap_trim, (plx_heap_trim(heap), 0))
HEAPS(plx_heap_set_oom_handler, (plx_heap_set_oom_handler(heap, NULL, NULL), 0))
HEAPS(plx_heap_contains, plx_heap_contains(heap, it))
BAD(plx_heap_contains, any address at all, NULL, {
	EXPECT(!plx_heap_contains(it->heap, NULL) && !plx_heap_contains(it->heap, it));
	EXPECT(!plx_heap_contains(it->heap, (void *)UINTPTR_MAX));
	EXPECT(!plx_heap_contains(it->other, it->handle->ref));
})
HEAPS(plx_heap_stats, (plx_heap_stats(heap, &(struct plx_stats){0}), 0))
BAD(plx_heap_stats, nowhere to put them, "is NULL", plx_heap_stats(it->heap, NULL))
HEAPS(plx_heap_distribution, (plx_heap_distribution(heap, PLX_DISTRIBUTION_PAUSE_NS, &it->histogram), 0))
BAD(plx_heap_distribution, a number that is none, "no such distribution",
    plx_heap_distribution(it->heap, PLX_DISTRIBUTION_COUNT, &it->histogram))
BAD(plx_heap_distribution, nowhere to put it, "is NULL", plx_heap_distribution(it->heap, PLX_DISTRIBUTION_PAUSE_NS, NULL))
BAD(plx_capabilities_describe, buffers of any size, NULL, {
	char text[64];

	memset(text, 'x', sizeof(text));
	plx_capabilities_describe(text, 0);
	EXPECT(text[0] == 'x');
	plx_capabilities_describe(text, 1);
	EXPECT(text[0] == '\0' && text[1] == 'x');
	plx_capabilities_describe(text, 10);
	EXPECT(strlen(text) <= 9 && text[10] == 'x');
})

/* thread.h */
HEAPS(plx_thread_attach, plx_thread_attach(heap, &it->spare, NULL))
BAD(plx_thread_attach, nowhere to put it, "is NULL", plx_thread_attach(it->other, NULL, NULL))
BAD(plx_thread_attach, twice, NULL, {
	struct plx_error error = {0};

	EXPECT(plx_thread_attach(it->heap, &it->spare, &error) == PLX_ERROR_MISUSE && it->spare == NULL);
	EXPECT(plx_thread_attach(it->heap, &it->spare, NULL) == PLX_ERROR_MISUSE);
	EXPECT(strstr(error.message, "attached") != NULL);
})
THREADS(plx_thread_detach, (plx_thread_detach(thread), 0))
BAD(plx_thread_detach, twice, NO_THREAD, {
	plx_thread_detach(it->thread);
	plx_thread_detach(it->thread);
})
THREADS(plx_poll_slow, (plx_poll_slow(thread), 0))
THREADS(plx_block_enter, (plx_block_enter(thread), 0))
BAD(plx_thread_is_running, a NULL thread, NO_THREAD, plx_thread_is_running(NULL))
BAD(plx_thread_is_running, the thread of another one, NO_THREAD, plx_thread_is_running(it->foreign))
BAD(plx_block_exit, a NULL thread, NO_THREAD, plx_block_exit(NULL))
BAD(plx_block_exit, a detached thread, NO_THREAD, plx_block_exit(it->detached))
BAD(plx_block_exit, the thread of another one, NO_THREAD, plx_block_exit(it->foreign))
BAD(plx_block_exit, without an entry, "is in no blocking region", plx_block_exit(it->thread))

/* layout.h */
HEAPS(plx_layout_fixed, plx_layout_fixed(heap, 16, NULL, 0, NULL))
HEAPS(plx_layout_references, plx_layout_references(heap, NULL))
HEAPS(plx_layout_bytes, plx_layout_bytes(heap, NULL))
HEAPS(plx_layout_trailing, plx_layout_trailing(heap, 16, NULL, 0, 8, false, NULL))
HEAPS(plx_layout_custom, plx_layout_custom(heap, custom_size, custom_trace, NULL, NULL))
BAD(plx_layout_fixed, sizes and offsets, NULL, {
	static const size_t sizes[] = {0, 1, 7, SIZE_MAX, SIZE_MAX - 7, SIZE_MAX / 2, UINT32_MAX};
	static const size_t offsets[] = {0, 1, 7, 9, 16, 24, SIZE_MAX, SIZE_MAX - 7, SIZE_MAX / 2 + 1};
	struct plx_error error;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		EXPECT(plx_layout_fixed(it->heap, sizes[i], NULL, 0, NULL) == NULL);
	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		error = (struct plx_error){0};
		EXPECT(plx_layout_fixed(it->heap, 16, &offsets[i], 1, &error) == NULL);
		EXPECT(error.status == PLX_ERROR_MISUSE && error.message[0] != '\0');
	}
	EXPECT(plx_layout_fixed(it->heap, 16, NULL, 1, &error) == NULL);
	EXPECT(plx_layout_fixed(it->heap, 16, NULL, SIZE_MAX, NULL) == NULL);
})
BAD(plx_layout_trailing, sizes of elements, NULL, {
	static const size_t sizes[] = {0, SIZE_MAX, UINT32_MAX, SIZE_MAX / 2};
	struct plx_error error = {0};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		EXPECT(plx_layout_trailing(it->heap, 16, NULL, 0, sizes[i], false, &error) == NULL);
	EXPECT(plx_layout_trailing(it->heap, 16, NULL, 0, 4, true, &error) == NULL);
	EXPECT(plx_layout_trailing(it->heap, 12, NULL, 0, 8, true, &error) == NULL);
	EXPECT(plx_layout_trailing(it->heap, SIZE_MAX, NULL, 0, 8, true, NULL) == NULL);
	EXPECT(plx_layout_trailing(it->heap, 16, NULL, 2, 8, false, NULL) == NULL);
	EXPECT(error.status == PLX_ERROR_MISUSE);
})
BAD(plx_layout_custom, without callbacks, NULL, {
	struct plx_error error = {0};

	EXPECT(plx_layout_custom(it->heap, NULL, custom_trace, NULL, &error) == NULL);
	EXPECT(plx_layout_custom(it->heap, custom_size, NULL, NULL, NULL) == NULL);
	EXPECT(error.status == PLX_ERROR_MISUSE);
})
HEAPS(plx_object_layout, plx_object_layout(heap, it))
BAD(plx_object_layout, any address outside of the heap, NULL, {
	EXPECT(plx_object_layout(it->heap, NULL) == NULL && plx_object_layout(it->heap, it) == NULL);
	EXPECT(plx_object_layout(it->heap, (void *)UINTPTR_MAX) == NULL);
	EXPECT(plx_object_layout(it->other, it->handle->ref) == NULL);
})
BAD(plx_slot_visit, a NULL visitor, "is NULL", plx_slot_visit(NULL, it))

/* object.h */
THREADS(plx_alloc_slow, plx_alloc_slow(thread, it->layout, 0))
BAD(plx_alloc_slow, a NULL layout, "is no layout of this heap", plx_alloc_slow(it->thread, NULL, 0))
BAD(plx_alloc_slow, a layout that was never registered, "is no layout of this heap", {
	struct plx_layout layout = *it->layout;

	plx_alloc_slow(it->thread, &layout, 0);
})
BAD(plx_alloc_slow, the layout of another heap, "is no layout of this heap",
    plx_alloc_slow(it->thread, it->other_layout, 0))
BAD(plx_alloc_slow, absurd lengths, NULL, {
	static const uint64_t lengths[] = {UINT64_MAX, UINT64_MAX / 8, PLX_LENGTH_MAX + 1, PLX_LENGTH_MAX,
					   UINT64_C(1) << 40, UINT64_C(1) << 33};
	const struct plx_layout *bytes = plx_layout_bytes(it->heap, NULL);

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		EXPECT(plx_alloc_slow(it->thread, bytes, lengths[i]) == NULL);
})
BAD(plx_alloc_slow, custom sizes that are absurd, NULL, {
	static const uint64_t sizes[] = {0, 1, 7, UINT64_MAX, UINT64_MAX - 3, UINT64_C(1) << 40};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		const struct plx_layout *layout = plx_layout_custom(it->heap, absurd_size, custom_trace,
								    (void *)&sizes[i], NULL);

		EXPECT(layout != NULL && plx_alloc_array(it->thread, layout, 1) == NULL);
	}
})

/* root.h */
THREADS(plx_handle_push_slow, plx_handle_push_slow(thread, NULL))
THREADS(plx_scope_exit, (plx_scope_exit(thread, &(struct plx_scope){0}), 0))
BAD(plx_scope_exit, a NULL scope, "is NULL", plx_scope_exit(it->thread, NULL))
BAD(plx_handle_set_slow, a NULL thread, "is NULL", plx_handle_set_slow(NULL, it->handle, NULL))
BAD(plx_handle_set_slow, a NULL handle, "is NULL", plx_handle_set_slow(it->thread, NULL, NULL))
THREADS(plx_handle_create, plx_handle_create(thread, NULL))
THREADS(plx_handle_release, (plx_handle_release(thread, it->handle), 0))
BAD(plx_handle_release, a NULL handle, "is no handle", plx_handle_release(it->thread, NULL))
BAD(plx_handle_release, a C local, "is no handle", plx_handle_release(it->thread, &(struct plx_handle){0}))
BAD(plx_handle_release, an object, "is no handle", plx_handle_release(it->thread, it->handle->ref))
BAD(plx_handle_release, the handle of another heap, "is no handle", plx_handle_release(it->thread, it->other_handle))
BAD(plx_handle_release, twice, "is released already", {
	plx_handle_release(it->thread, it->handle);
	plx_handle_release(it->thread, it->handle);
})
THREADS(plx_root_range_add, plx_root_range_add(thread, it->slots, 1, NULL))
THREADS(plx_root_range_remove, plx_root_range_remove(thread, it->slots))
THREADS(plx_root_visitor_add, plx_root_visitor_add(thread, visitor, NULL, NULL))
THREADS(plx_root_visitor_remove, plx_root_visitor_remove(thread, visitor, NULL))
BAD(plx_root_range_add, slots that are none, NULL, {
	struct plx_error error = {0};

	EXPECT(plx_root_range_add(it->thread, (char *)it->slots + 1, 1, &error) == PLX_ERROR_MISUSE);
	EXPECT(error.message[0] != '\0');
	EXPECT(plx_root_range_add(it->thread, NULL, 1, &error) == PLX_ERROR_MISUSE);
	EXPECT(plx_root_range_add(it->thread, it->slots, SIZE_MAX, &error) == PLX_ERROR_MISUSE);
	EXPECT(plx_root_range_add(it->thread, it->slots, SIZE_MAX / 8, NULL) == PLX_ERROR_MISUSE);
	EXPECT(plx_root_range_add(it->thread, it->handle->ref, 1, NULL) == PLX_ERROR_MISUSE);
	plx_collect(it->thread);
})
BAD(plx_root_range_remove, what is not there, NULL, {
	EXPECT(plx_root_range_remove(it->thread, it->slots) == PLX_ERROR_MISUSE);
	EXPECT(plx_root_range_remove(it->thread, NULL) == PLX_ERROR_MISUSE);
})
BAD(plx_root_visitor_add, a NULL visitor, NULL, {
	struct plx_error error = {0};

	EXPECT(plx_root_visitor_add(it->thread, NULL, NULL, &error) == PLX_ERROR_MISUSE);
	EXPECT(error.message[0] != '\0');
	plx_collect(it->thread);
})
BAD(plx_root_visitor_remove, what is not there, NULL, {
	EXPECT(plx_root_visitor_remove(it->thread, visitor, NULL) == PLX_ERROR_MISUSE);
	EXPECT(plx_root_visitor_remove(it->thread, NULL, NULL) == PLX_ERROR_MISUSE);
})
BAD(plx_root_visit, a NULL visit, "is NULL", plx_root_visit(NULL, it->slots))

/* barrier.h */
BAD(plx_barrier_slow, a NULL thread, "is NULL", plx_barrier_slow(NULL, it->slots, NULL))
BAD(plx_barrier_slow, a NULL slot, "is NULL", plx_barrier_slow(it->thread, NULL, NULL))
BAD(plx_store_array, a NULL thread, "is NULL", plx_store_array(NULL, it->slots, it->slots, 1))
BAD(plx_store_array, NULL slots, "is NULL", plx_store_array(it->thread, NULL, it->slots, 1))
BAD(plx_store_array, slots that are not aligned, "not aligned",
    plx_store_array(it->thread, (char *)it->slots + 4, it->slots, 1))
BAD(plx_store_array, a count that wraps, "does not fit", plx_store_array(it->thread, it->slots, it->slots, SIZE_MAX / 4))
BAD(plx_store_array, nothing, NULL, plx_store_array(it->thread, NULL, NULL, 0))
BAD(plx_fill_array, a NULL thread, "is NULL", plx_fill_array(NULL, it->slots, NULL, 1))
BAD(plx_fill_array, NULL slots, "is NULL", plx_fill_array(it->thread, NULL, NULL, 1))
BAD(plx_fill_array, slots that are not aligned, "not aligned", plx_fill_array(it->thread, (char *)it->slots + 1, NULL, 1))
BAD(plx_fill_array, a count that wraps, "does not fit", plx_fill_array(it->thread, it->slots, NULL, SIZE_MAX / 4))
BAD(plx_fill_array, nothing, NULL, plx_fill_array(it->thread, NULL, NULL, 0))

/* pin.h */
THREADS(plx_pin, plx_pin(thread, it->handle->ref, "test"))
THREADS(plx_unpin, plx_unpin(thread, it->handle->ref, "test"))
BAD(plx_pin, what is no object, NULL, {
	char *object = it->handle->ref;

	EXPECT(plx_pin(it->thread, NULL, "test") == PLX_ERROR_MISUSE);
	EXPECT(plx_pin(it->thread, it, "test") == PLX_ERROR_MISUSE);
	EXPECT(plx_pin(it->thread, object + 1, "test") == PLX_ERROR_MISUSE);
	EXPECT(plx_pin(it->thread, it->handle, "test") == PLX_ERROR_MISUSE);
	EXPECT(plx_pin(it->thread, it->other_handle->ref, "test") == PLX_ERROR_MISUSE);
	EXPECT(plx_pin(it->thread, object, NULL) == PLX_ERROR_MISUSE);
	EXPECT(plx_pin(it->thread, (void *)UINTPTR_MAX, "test") == PLX_ERROR_MISUSE);
})
BAD(plx_unpin, what is not pinned, NULL, {
	void *object = it->handle->ref;

	EXPECT(plx_unpin(it->thread, NULL, "test") == PLX_ERROR_MISUSE);
	EXPECT(plx_unpin(it->thread, object, NULL) == PLX_ERROR_MISUSE);
	EXPECT(plx_pin(it->thread, object, "test") == PLX_OK);
	EXPECT(plx_unpin(it->thread, object, "other") == PLX_ERROR_MISUSE);
	EXPECT(plx_unpin(it->thread, object, "test") == PLX_OK);
	EXPECT(plx_unpin(it->thread, object, "test") == PLX_ERROR_MISUSE);
})
BAD(plx_pin_scope_enter, a NULL scope, "is NULL", plx_pin_scope_enter(NULL, "test"))
BAD(plx_pin_scoped, a NULL scope, "is NULL", plx_pin_scoped(it->thread, NULL, it->handle->ref))
BAD(plx_pin_scoped, what is no object, NULL, {
	struct plx_pin_scope scope;

	plx_pin_scope_enter(&scope, "test");
	EXPECT(plx_pin_scoped(it->thread, &scope, NULL) == PLX_OK);
	EXPECT(plx_pin_scoped(it->thread, &scope, it) == PLX_ERROR_MISUSE);
	plx_pin_scope_exit(it->thread, &scope);
	plx_pin_scope_exit(it->thread, &scope); /* twice is nothing */
})
BAD(plx_pin_scope_exit, a NULL scope, "is NULL", plx_pin_scope_exit(it->thread, NULL))
HEAPS(plx_pins_each, (plx_pins_each(heap, pin_visit, NULL), 0))
BAD(plx_pins_each, a NULL function, "is NULL", plx_pins_each(it->heap, NULL, NULL))

/* guardian.h */
HEAPS(plx_guardian_create, plx_guardian_create(heap, 0, NULL))
BAD(plx_guardian_create, priorities, NULL, {
	struct plx_error error = {0};

	EXPECT(plx_guardian_create(it->heap, PLX_GUARDIAN_PRIORITIES, &error) == NULL);
	EXPECT(error.status == PLX_ERROR_MISUSE);
	EXPECT(plx_guardian_create(it->heap, UINT_MAX, NULL) == NULL);
})
BAD(plx_guardian_destroy, NULL, "is NULL", plx_guardian_destroy(NULL))
THREADS(plx_guardian_register, plx_guardian_register(thread, it->guardian, it->handle->ref, NULL))
THREADS(plx_guardian_poll, plx_guardian_poll(thread, it->guardian))
THREADS(plx_guardian_wait, plx_guardian_wait(thread, it->guardian, 0))
BAD(plx_guardian_register, what is no object, NULL, {
	struct plx_error error = {0};

	EXPECT(plx_guardian_register(it->thread, it->guardian, NULL, &error) == PLX_ERROR_MISUSE);
	EXPECT(plx_guardian_register(it->thread, it->guardian, it, NULL) == PLX_ERROR_MISUSE);
	EXPECT(plx_guardian_register(it->thread, it->guardian, it->other_handle->ref, NULL) == PLX_ERROR_MISUSE);
	EXPECT(error.message[0] != '\0');
})
BAD(plx_guardian_register, a NULL guardian, "is NULL", plx_guardian_register(it->thread, NULL, it->handle->ref, NULL))
BAD(plx_guardian_poll, a NULL guardian, "is NULL", plx_guardian_poll(it->thread, NULL))
BAD(plx_guardian_wait, a NULL guardian, "is NULL", plx_guardian_wait(it->thread, NULL, 0))
BAD(plx_guardian_wait, times that overflow, NULL, {
	void *object = plx_alloc(it->thread, it->layout);

	EXPECT(plx_guardian_register(it->thread, it->guardian, object, NULL) == PLX_OK);
	plx_collect(it->thread);
	EXPECT(plx_guardian_wait(it->thread, it->guardian, UINT64_MAX));
	EXPECT(plx_guardian_wait(it->thread, it->guardian, UINT64_MAX / 1000000 + 1));
	EXPECT(plx_guardian_poll(it->thread, it->guardian) != NULL);
	EXPECT(!plx_guardian_wait(it->thread, it->guardian, 0));
})

/* identity.h, weak.h */
THREADS(plx_identity_hash, plx_identity_hash(thread, it->handle->ref))
BAD(plx_identity_hash, addresses outside, NULL, {
	EXPECT(plx_identity_hash(it->thread, NULL) != 0 && plx_identity_hash(it->thread, it) != 0);
	EXPECT(plx_identity_hash(it->thread, (void *)UINTPTR_MAX) != 0);
})
THREADS(plx_weak_create, plx_weak_create(thread, NULL))
THREADS(plx_ephemeron_create, plx_ephemeron_create(thread, NULL, NULL))
BAD(plx_weak_create, referents outside, NULL, {
	EXPECT(plx_weak_get(it->thread, plx_weak_create(it->thread, NULL)) == NULL);
	EXPECT(plx_weak_get(it->thread, plx_weak_create(it->thread, it)) == it);
})
BAD(plx_ephemeron_create, keys and values outside, NULL, {
	void *value;

	EXPECT(plx_ephemeron_get(it->thread, plx_ephemeron_create(it->thread, it, it), &value) == it);
	EXPECT(value == it);
})
HEAPS(plx_weak_layout, plx_weak_layout(heap))
HEAPS(plx_ephemeron_layout, plx_ephemeron_layout(heap))
THREADS(plx_weak_get_slow, plx_weak_get_slow(thread, (struct plx_weak *)it->slots))
THREADS(plx_ephemeron_get_slow, plx_ephemeron_get_slow(thread, (struct plx_ephemeron *)it->slots, (void **)it->slots))
BAD(plx_weak_get_slow, NULL, "is NULL", plx_weak_get_slow(it->thread, NULL))
BAD(plx_ephemeron_get_slow, NULL, "is NULL", plx_ephemeron_get_slow(it->thread, NULL, (void **)it->slots))

/* tag.h */
HEAPS(plx_heap_set_tags, plx_heap_set_tags(heap, 0, 0, NULL))
HEAPS(plx_heap_set_classifier, plx_heap_set_classifier(heap, classify, NULL, NULL))
BAD(plx_heap_set_tags, masks and patterns, NULL, {
	struct plx_heap *heap = heap_make(it);
	struct plx_error error = {0};

	EXPECT(plx_heap_set_tags(heap, UINT64_MAX, 0, &error) == PLX_ERROR_MISUSE && error.message[0]);
	EXPECT(plx_heap_set_tags(heap, 7, 8, NULL) == PLX_ERROR_MISUSE);
	EXPECT(plx_heap_set_tags(heap, 0, 1, NULL) == PLX_ERROR_MISUSE);
	EXPECT(plx_heap_set_tags(heap, 8, 8, NULL) == PLX_ERROR_MISUSE);
})
BAD(plx_heap_set_tags, after objects, NULL, {
	struct plx_error error = {0};

	EXPECT(plx_heap_set_tags(it->heap, 7, 1, &error) == PLX_ERROR_MISUSE && error.message[0]);
})
BAD(plx_heap_set_classifier, none and late, NULL, {
	struct plx_heap *heap = heap_make(it);

	EXPECT(plx_heap_set_classifier(heap, NULL, NULL, NULL) == PLX_ERROR_MISUSE);
	EXPECT(plx_heap_set_classifier(it->heap, classify, NULL, NULL) == PLX_ERROR_MISUSE);
})

/* rootstack.h, fixed.h */
THREADS(plx_root_stack_create, plx_root_stack_create(thread, 10, NULL))
BAD(plx_root_stack_create, sizes, NULL, {
	static const size_t sizes[] = {0, SIZE_MAX, SIZE_MAX / 8, SIZE_MAX / 16, (size_t)1 << 40};
	struct plx_error error = {0};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		EXPECT(plx_root_stack_create(it->thread, sizes[i], &error) == NULL && error.message[0]);
})
THREADS(plx_root_stack_destroy, plx_root_stack_destroy(thread, it->stack))
BAD(plx_root_stack_destroy, what is no root stack, NULL, {
	EXPECT(plx_root_stack_destroy(it->thread, NULL) == PLX_ERROR_MISUSE);
	EXPECT(plx_root_stack_destroy(it->thread, (struct plx_root_stack *)it->memory) == PLX_ERROR_MISUSE);
	EXPECT(plx_root_stack_destroy(it->thread, it->stack) == PLX_OK);
	EXPECT(plx_root_stack_destroy(it->thread, it->stack) == PLX_ERROR_MISUSE);
})
THREADS(plx_root_stack_log, (plx_root_stack_log(thread, it->slots, 1), 0))
BAD(plx_root_stack_log, NULL words, "is NULL", plx_root_stack_log(it->thread, NULL, 1))
BAD(plx_root_stack_check, a NULL stack, "is NULL", plx_root_stack_check(it->thread, NULL, 0))
THREADS(plx_alloc_fixed, plx_alloc_fixed(thread, it->layout, 0))
BAD(plx_alloc_fixed, a NULL layout, "is no layout of this heap", plx_alloc_fixed(it->thread, NULL, 0))
BAD(plx_alloc_fixed, absurd lengths, NULL, {
	const struct plx_layout *bytes = plx_layout_bytes(it->heap, NULL);

	EXPECT(plx_alloc_fixed(it->thread, bytes, UINT64_MAX) == NULL);
	EXPECT(plx_alloc_fixed(it->thread, bytes, PLX_LENGTH_MAX) == NULL);
	EXPECT(plx_alloc_fixed(it->thread, bytes, UINT64_C(1) << 33) == NULL);
})

/* nativestack.h, stackmap.h */
THREADS(plx_native_stack_add, plx_native_stack_add(thread, it->memory, sizeof(it->memory), &it->native, NULL))
BAD(plx_native_stack_add, stacks that are none, NULL, {
	struct plx_error error = {0};

	EXPECT(plx_native_stack_add(it->thread, NULL, 65536, &it->native, &error) == PLX_ERROR_MISUSE);
	EXPECT(error.message[0] != '\0' && it->native == NULL);
	EXPECT(plx_native_stack_add(it->thread, it->memory, 0, &it->native, NULL) == PLX_ERROR_MISUSE);
	EXPECT(plx_native_stack_add(it->thread, it->memory, SIZE_MAX, &it->native, NULL) == PLX_ERROR_MISUSE);
})
BAD(plx_native_stack_add, nowhere to put it, "is NULL", plx_native_stack_add(it->thread, it->memory, sizeof(it->memory), NULL, NULL))
THREADS(plx_native_stack_remove, plx_native_stack_remove(thread, (struct plx_native_stack *)it->memory))
BAD(plx_native_stack_remove, NULL, "is NULL", plx_native_stack_remove(it->thread, NULL))
THREADS(plx_native_stack_switch, (plx_native_stack_switch(thread, NULL), 0))
THREADS(plx_native_stack_end, (plx_native_stack_end(thread, NULL), 0))
BAD(plx_native_stack_current, a NULL thread, NO_THREAD, (void)plx_native_stack_current(NULL))
BAD(plx_native_stack_current, the thread of another one, NO_THREAD, (void)plx_native_stack_current(it->foreign))
HEAPS(plx_stackmap_register, plx_stackmap_register(heap, it->memory, 100, &(struct plx_stackmap){0}, NULL))
BAD(plx_stackmap_register, a NULL map, "is NULL", plx_stackmap_register(it->heap, it->memory, 100, NULL, NULL))
BAD(plx_stackmap_register, a heap whose stacks are precise, NULL, {
	struct plx_stackmap map = {0};
	struct plx_error error = {0};

	EXPECT(plx_stackmap_register(it->heap, it->memory, 100, &map, &error) == PLX_ERROR_MISUSE ||
	       error.status == PLX_ERROR_CAPABILITY);
	EXPECT(error.message[0] != '\0');
})
HEAPS(plx_stackmap_unregister, plx_stackmap_unregister(heap, it->memory))
BAD(plx_stackmap_unregister, what is not there, NULL, EXPECT(plx_stackmap_unregister(it->heap, it) == PLX_ERROR_MISUSE))

/* cycle.h, listener.h */
HEAPS(plx_heap_recent_cycles, plx_heap_recent_cycles(heap, NULL, 0))
BAD(plx_heap_recent_cycles, counts, NULL, {
	static struct plx_cycle_summary into[PLX_CYCLES_KEPT];

	EXPECT(plx_heap_recent_cycles(it->heap, NULL, 0) == 0);
	EXPECT(plx_heap_recent_cycles(it->heap, into, UINT32_MAX) <= PLX_CYCLES_KEPT);
})
BAD(plx_heap_recent_cycles, nowhere to put them, "is NULL", plx_heap_recent_cycles(it->heap, NULL, 1))
BAD(plx_cycle_summary_format, buffers of any size, NULL, {
	struct plx_cycle_summary summary = {.cause = "test", .flip = "none"};
	char text[8] = "xxxxxxx";

	EXPECT(plx_cycle_summary_format(&summary, NULL, 0) > 0);
	EXPECT(plx_cycle_summary_format(&summary, text, 1) > 0 && text[0] == '\0' && text[1] == 'x');
})
BAD(plx_cycle_summary_format, a NULL summary, "is NULL", plx_cycle_summary_format(NULL, NULL, 0))
HEAPS(plx_heap_listener_add, plx_heap_listener_add(heap, &it->listener))
HEAPS(plx_heap_listener_remove, plx_heap_listener_remove(heap, &it->listener))
BAD(plx_heap_listener_add, NULL and twice, NULL, {
	EXPECT(plx_heap_listener_add(it->heap, NULL) == PLX_ERROR_MISUSE);
	EXPECT(plx_heap_listener_add(it->heap, &it->listener) == PLX_OK);
	EXPECT(plx_heap_listener_add(it->heap, &it->listener) == PLX_ERROR_MISUSE);
	EXPECT(plx_heap_listener_remove(it->heap, &it->listener) == PLX_OK);
})
BAD(plx_heap_listener_remove, what is not there, NULL, {
	EXPECT(plx_heap_listener_remove(it->heap, &it->listener) == PLX_ERROR_MISUSE);
	EXPECT(plx_heap_listener_remove(it->heap, NULL) == PLX_ERROR_MISUSE);
})

/* clang-format on */
