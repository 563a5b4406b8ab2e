/* test/unit/test_options.c: options: what is accepted, what is refused, and that refusals help. */
#include <parallax/heap.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void refuse(const char *name, const char *value, const char *expected)
{
	struct plx_heap_config config, before;
	struct plx_error error = {.status = PLX_OK};

	plx_config_init(&config);
	before = config;
	assert_int_equal(plx_config_set(&config, name, value, &error), PLX_ERROR_OPTION);
	assert_int_equal(error.status, PLX_ERROR_OPTION);
	assert_memory_equal(&config, &before, sizeof(config));
	if (strstr(error.message, expected) == NULL)
		fail_msg("%s=%s: '%s' does not say '%s'", name, value, error.message, expected);
	assert_int_equal(plx_config_set(&config, name, value, NULL), PLX_ERROR_OPTION);
}

static struct plx_heap_config accept(const char *name, const char *value)
{
	struct plx_heap_config config;
	struct plx_error error = {.message = ""};

	plx_config_init(&config);
	if (plx_config_set(&config, name, value, &error) != PLX_OK)
		fail_msg("%s=%s refused: %s", name, value, error.message);
	return config;
}

static void defaults_are_the_table(void **state)
{
	struct plx_heap_config config;

	(void)state;
	memset(&config, 0xEE, sizeof(config));
	plx_config_init(&config);
#define CHECK_BYTES(field, standard) assert_true(config.field == (standard));
#define CHECK_COUNT CHECK_BYTES
#define CHECK_TRISTATE CHECK_BYTES
#define CHECK_ENUM CHECK_BYTES
#define CHECK_SET CHECK_BYTES
#define CHECK_STRING(field, standard) assert_string_equal(config.field, "");
#define CHECK(field, name, type, standard, ...) CHECK_##type(field, standard)
	PLX_OPTION_TABLE(CHECK)
#undef CHECK
}

static void sizes(void **state)
{
	(void)state;
	assert_int_equal(accept("GC_HEAP_MAX", "0").heap_max_bytes, 0);
	assert_int_equal(accept("GC_HEAP_MAX", "512M").heap_max_bytes, UINT64_C(512) << 20);
	assert_int_equal(accept("GC_HEAP_MAX", "8g").heap_max_bytes, UINT64_C(8) << 30);
	assert_int_equal(accept("GC_HEAP_MAX", "16T").heap_max_bytes, UINT64_C(16) << 40);
	assert_int_equal(accept("GC_HEAP_MAX", "4194304").heap_max_bytes, 4 << 20);
	assert_int_equal(accept("GC_TLAB_BYTES", "8K").tlab_bytes, 8192);
	assert_int_equal(accept("GC_REGION_BYTES", "256K").region_bytes, 256 << 10);
	refuse("GC_HEAP_MAX", "", "empty");
	refuse("GC_HEAP_MAX", "1K", "4M to 16T");
	refuse("GC_HEAP_MAX", "17T", "4M to 16T");
	refuse("GC_HEAP_MAX", "-1", "4M");
	refuse("GC_HEAP_MAX", "+8M", "4M");
	refuse("GC_HEAP_MAX", " 8M", "4M");
	refuse("GC_HEAP_MAX", "8M ", "4M");
	refuse("GC_HEAP_MAX", "8MB", "suffixes K, M, G, T");
	refuse("GC_HEAP_MAX", "M", "4M");
	refuse("GC_HEAP_MAX", "0x100000", "4M");
	refuse("GC_HEAP_MAX", "1.5G", "4M");
	refuse("GC_HEAP_MAX", "99999999999999999999999", "4M");
	refuse("GC_HEAP_MAX", "18446744073709551615T", "4M");
	refuse("GC_REGION_BYTES", "100K", "128K");
	refuse("GC_REGION_BYTES", "32K", "64K");
	refuse("GC_REGION_BYTES", "4M", "2M");
	refuse("GC_TLAB_BYTES", "2M", "0 to 1M");
}

static void counts(void **state)
{
	(void)state;
	assert_int_equal(accept("GC_COMPACT_BUDGET", "100").compact_budget_percent, 100);
	assert_int_equal(accept("GC_SPIN_US", "0").spin_us, 0);
	assert_int_equal(accept("GC_YIELD", "4294967295").yield_seed, UINT32_MAX);
	refuse("GC_COMPACT_BUDGET", "101", "0 to 100 (percent)");
	refuse("GC_COMPACT_BUDGET", "1K", "0 to 100");
	refuse("GC_YIELD", "4294967296", "0 to 4294967295");
	refuse("GC_LOG", "", "empty");
}

static void words(void **state)
{
	(void)state;
	assert_int_equal(accept("GC_PLAN", "auto").plan, PLX_PLAN_AUTO);
	assert_int_equal(accept("GC_PLAN", "minor").plan, PLX_PLAN_MINOR);
	assert_int_equal(accept("GC_PLAN", "copy").plan, PLX_PLAN_COPY);
	assert_int_equal(accept("GC_PLAN", "stw").plan, PLX_PLAN_STW);
	assert_int_equal(accept("GC_UFFD_DELIVERY", "thread").delivery, PLX_DELIVERY_THREAD);
	assert_int_equal(accept("GC_UFFD_DELIVERY", "sigbus").delivery, PLX_DELIVERY_SIGBUS);
	refuse("GC_PLAN", "Minor", "auto|minor|copy|stw");
	refuse("GC_PLAN", "min", "auto|minor|copy|stw");
	refuse("GC_PLAN", "minor|copy", "auto|minor|copy|stw");
	refuse("GC_PLAN", "1", "auto|minor|copy|stw");
	refuse("GC_PLAN", "", "empty");
	refuse("GC_UFFD_DELIVERY", "signal", "auto|thread|sigbus");
}

static void sets(void **state)
{
	(void)state;
	assert_int_equal(accept("GC_VERIFY", "0").verify, 0);
	assert_int_equal(accept("GC_VERIFY", "1").verify, 1);
	assert_int_equal(accept("GC_VERIFY", "before").verify, UINT64_C(1) << 32);
	assert_int_equal(accept("GC_VERIFY", "after,7,mark").verify, UINT64_C(10) << 32 | 7);
	assert_int_equal(accept("GC_VERIFY", "4294967295").verify, UINT32_MAX);
	refuse("GC_VERIFY", "yes", "any of before|mark|flip|after and a number up to 4294967295");
	refuse("GC_VERIFY", "", "empty");
	refuse("GC_VERIFY", "flip,", "any of");
	refuse("GC_VERIFY", ",flip", "any of");
	refuse("GC_VERIFY", "flip,flip", "any of");
	refuse("GC_VERIFY", "1,2", "any of");
	refuse("GC_VERIFY", "4294967296", "any of");
	refuse("GC_VERIFY", "before|mark", "any of");
	refuse("GC_VERIFY", "1x", "any of");
}

static void tristates(void **state)
{
	struct plx_heap_config config;

	(void)state;
	plx_config_init(&config);
	assert_int_equal(config.use_uffd_minor, -1);
	assert_int_equal(accept("GC_USE_UFFD_MINOR", "0").use_uffd_minor, 0);
	assert_int_equal(accept("GC_USE_UFFD_MINOR", "1").use_uffd_minor, 1);
	refuse("GC_USE_UFFD_MINOR", "2", "0|1");
	refuse("GC_USE_UFFD_MINOR", "-1", "0|1");
	refuse("GC_USE_UFFD_MINOR", "", "empty");
}

static void strings(void **state)
{
	char longest[PLX_STRING_BYTES + 1], value[] = "a b=c%p.json";
	struct plx_heap_config config = accept("GC_TRACE", value), other;

	(void)state;
	memset(value, 'x', sizeof(value) - 1);
	assert_string_equal(config.trace, "a b=c%p.json"); /* a copy */
	assert_string_equal(accept("GC_VERIFY_DUMP", "a/b").verify_dump, "a/b");
	other = config;
	assert_int_equal(plx_config_set(&other, "GC_TRACE", "much longer than before", NULL),
			 PLX_OK);
	assert_int_equal(plx_config_set(&other, "GC_TRACE", "a b=c%p.json", NULL), PLX_OK);
	assert_memory_equal(&config, &other, sizeof(config));
	memset(longest, 'y', sizeof(longest));
	longest[PLX_STRING_BYTES - 1] = '\0';
	assert_string_equal(accept("GC_TRACE", longest).trace, longest);
	longest[PLX_STRING_BYTES - 1] = 'y';
	longest[PLX_STRING_BYTES] = '\0';
	refuse("GC_TRACE", longest, "a file of at most 511 bytes");
	refuse("GC_TRACE", "", "empty");
}

static void unknown_names(void **state)
{
	char monster[2000];

	(void)state;
	refuse("GC_HEEP_MAX", "1", "nearest is GC_HEAP_MAX");
	refuse("GC_PLANS", "stw", "nearest is GC_PLAN");
	refuse("gc_delivery", "1", "There is no option gc_delivery");
	refuse("GC_UFFD_MINOR", "1", "nearest is GC_USE_UFFD_MINOR");
	refuse("", "1", "There is no option");
	memset(monster, 'X', sizeof(monster));
	monster[sizeof(monster) - 1] = '\0';
	refuse(monster, "1", "There is no option");
	refuse("GC_PLAN", monster, "auto|minor|copy|stw");
}

static void the_environment(void **state)
{
	struct plx_heap_config config, before;
	struct plx_error error;

	(void)state;
	plx_config_init(&config);
	before = config;
	assert_int_equal(plx_config_from_environment(&config, &error), PLX_OK);
	assert_memory_equal(&config, &before, sizeof(config));
	setenv("GC_HEAP_MAX", "64M", 1);
	setenv("GC_PLAN", "copy", 1);
	setenv("NOT_GC_AT_ALL", "x", 1);
	setenv("GCC_COLORS", "", 1);
	assert_int_equal(plx_config_from_environment(&config, &error), PLX_OK);
	assert_int_equal(config.heap_max_bytes, 64 << 20);
	assert_int_equal(config.plan, PLX_PLAN_COPY);
	before = config;
	setenv("GC_HEAP_MAX", "65M", 1);
	setenv("GC_VERIFI", "1", 1);
	assert_int_equal(plx_config_from_environment(&config, &error), PLX_ERROR_OPTION);
	assert_non_null(strstr(error.message, "nearest is GC_VERIFY"));
	assert_memory_equal(&config, &before, sizeof(config)); /* all or nothing */
	unsetenv("GC_VERIFI");
	setenv("GC_PLAN", "", 1);
	assert_int_equal(plx_config_from_environment(&config, NULL), PLX_ERROR_OPTION);
	unsetenv("GC_PLAN");
	unsetenv("GC_HEAP_MAX");
}

static void help_names_everything(void **state)
{
	const char *help = plx_config_help();

	(void)state;
#define CHECK(field, name, ...) assert_non_null(strstr(help, "  " #name "="));
	PLX_OPTION_TABLE(CHECK)
#undef CHECK
	assert_non_null(strstr(help, "auto|minor|copy|stw"));
	assert_ptr_equal(help, plx_config_help());
}

/* The tests speak for themselves, not for how they were started. */
static int clear_environment(void **state)
{
	(void)state;
#define CLEAR(field, name, ...) unsetenv(#name);
	PLX_OPTION_TABLE(CLEAR)
#undef CLEAR
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_the_table),
		cmocka_unit_test(sizes),
		cmocka_unit_test(counts),
		cmocka_unit_test(words),
		cmocka_unit_test(sets),
		cmocka_unit_test(tristates),
		cmocka_unit_test(strings),
		cmocka_unit_test(unknown_names),
		cmocka_unit_test(the_environment),
		cmocka_unit_test(help_names_everything),
	};

	return cmocka_run_group_tests(tests, clear_environment, NULL);
}
