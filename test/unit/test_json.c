/* test/unit/test_json.c: how tests and benchmarks read JSON (bench/common/json.h): strictly, and saying where it
 * is wrong; what lies at a path; and that what is written can be read again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "bench/common/json.h"

static char why[VALUE_WHY_BYTES];

static void reading_is_strict(void **state)
{
	static const char *const good[] = {
		"[]", " {\"a\" : [1, -2.5e+3, true, null, \"x\\n\\u00e9\"]} ", "[0, \"\"]"};
	static const char *const bad[] = {"",		"[",
					  "[1,]",	"{\"a\":1,}",
					  "{a:1}",	"[01]",
					  "[1.]",	"[nul]",
					  "[1 2]",	"[\"\n\"]",
					  "[]]",	"[\"\\x\"]",
					  "[+1]",	"{\"a\"}",
					  "[\"",	"['a']",
					  "0",		"[] []",
					  "[NaN]",	"[1e999]",
					  "[\"\xff\"]", "{\"a\":1,\"a\":1}"};
	json_t *value;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		value = value_parse(good[i], why);
		assert_non_null(value);
		json_decref(value);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		strcpy(why, "");
		assert_null(value_parse(bad[i], why));
		assert_non_null(strstr(why, "line 1, column "));
	}
	assert_null(value_parse("{\n\t\"a\": 1,\n\t\"b\": x\n}", why));
	assert_non_null(strstr(why, "line 3, column 7, byte 18: "));
}

static void what_lies_at_a_path(void **state)
{
	json_t *value = value_parse(
		"{\"a\":{\"b.c\":1,\"b\":{\"c\":2.5}},\"t\":\"text\",\"n\":12,\"list\":[1]}", why);

	(void)state;
	assert_non_null(value);
	assert_true(value_number(value, "a.b.c", 7) == 2.5);
	assert_true(value_number(value, "n", 7) == 12);
	assert_true(value_number(value, "t", 7) == 7);
	assert_true(value_number(value, "a.b", 7) == 7);
	assert_true(value_number(value, "n.a", 7) == 7);
	assert_true(value_number(value, "list.0", 7) == 7);
	assert_true(value_number(NULL, "n", 7) == 7);
	assert_string_equal(value_text(value, "t", "?"), "text");
	assert_string_equal(value_text(value, "n", "?"), "?");
	assert_string_equal(value_text(NULL, "n", "?"), "?");
	assert_null(value_at(value, "a.c"));
	assert_null(value_at(value, "a.b.c.d"));
	assert_true(json_is_object(value_at(value, "a.b")));
	json_decref(value);
}

/* Through a file, as benchmarks do it. */
static void written_and_read(const char *text, const char *expected)
{
	char path[] = "/tmp/plx-json-XXXXXX";
	int descriptor = mkstemp(path);
	FILE *file = fdopen(descriptor, "w");
	json_t *value;

	assert_non_null(file);
	fputs("{\"text\":", file);
	value_put_text(file, text);
	fputs("}", file);
	assert_int_equal(fclose(file), 0);
	value = value_read(path, why);
	unlink(path);
	assert_non_null(value);
	assert_string_equal(value_text(value, "text", ""), expected);
	json_decref(value);
}

static void texts_can_be_read_again(void **state)
{
	static const char *const texts[] = {"", "plain", "\"\\/\b\f\n\r\t\x01\x1f\x7f",
					    "\u00b5s \u20ac"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		written_and_read(texts[i], texts[i]);
	written_and_read("cut \xe2\x82", "cut ??");
}

static void a_file_that_is_not_there(void **state)
{
	(void)state;
	assert_null(value_read("no/such/file.json", why));
	assert_non_null(strstr(why, "No such file or directory"));
	assert_null(strstr(why, "line"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(reading_is_strict),
		cmocka_unit_test(what_lies_at_a_path),
		cmocka_unit_test(texts_can_be_read_again),
		cmocka_unit_test(a_file_that_is_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
