/* test/fuzz/options.c: the parser of options, by both of its doors. An input is lines. Each is NAME=VALUE, as in
 * an environment; "GC_" is put in front of half of them, so that guessing it is not what takes long. What has to hold:
 * a refusal says why, in one piece, and changes nothing; what was accepted is in its range, and is accepted
 * again with the same result; both doors agree. */
#include <parallax/heap.h>

#include <string.h>
#include <unistd.h>

#include "test/fuzz/fuzz.h"

#define LINES_MOST 8
#define LINE_BYTES 700

#define FIELD_BYTES(field, lowest, highest) in_range(config->field, lowest, highest)
#define FIELD_COUNT(field, lowest, highest) in_range(config->field, lowest, highest)
#define FIELD_ENUM(field, lowest, highest) in_range(config->field, lowest, highest)
#define FIELD_SET(field, lowest, highest) in_range(config->field & 0xffffffff, 0, highest)
#define FIELD_TRISTATE(field, lowest, highest) \
	(config->field == -1 || config->field == 0 || config->field == 1)
#define FIELD_STRING(field, lowest, highest) (strnlen(config->field, PLX_STRING_BYTES) <= (highest))
#define FIELD(field, name, type, standard, lowest, highest, ...) \
	CHECK(FIELD_##type(field, lowest, highest));

static bool in_range(uint64_t value, uint64_t lowest, uint64_t highest)
{
	return value >= lowest && value <= highest;
}

static void check_config(const struct plx_heap_config *config)
{
	PLX_OPTION_TABLE(FIELD)
}

static bool is_sentence(const struct plx_error *error)
{
	size_t length = strnlen(error->message, sizeof(error->message));

	return error->status == PLX_ERROR_OPTION && length > 0 && length < sizeof(error->message);
}

static enum plx_status by_name(struct plx_heap_config *config, char *line, char *equals)
{
	struct plx_heap_config before = *config, again;
	struct plx_error error = {0};
	enum plx_status status;

	*equals = '\0';
	status = plx_config_set(config, line, equals + 1, &error);
	CHECK(status == PLX_OK || status == PLX_ERROR_OPTION);
	if (status != PLX_OK) {
		CHECK(is_sentence(&error));
		CHECK(memcmp(&before, config, sizeof(before)) == 0);
	} else {
		check_config(config);
		again = *config;
		CHECK(plx_config_set(&again, line, equals + 1, NULL) == PLX_OK);
		CHECK(memcmp(&again, config, sizeof(again)) == 0);
	}
	*equals = '=';
	return status;
}

/* The same lines as an environment. */
static void by_environment(char **lines, enum plx_status expected,
			   const struct plx_heap_config *by_names)
{
	struct plx_heap_config config, before;
	struct plx_error error = {0};
	char **kept = environ;
	enum plx_status status;

	plx_config_init(&config);
	before = config;
	environ = lines;
	status = plx_config_from_environment(&config, &error);
	environ = kept;
	CHECK(status == expected);
	CHECK(memcmp(&config, status == PLX_OK ? by_names : &before, sizeof(config)) == 0);
	CHECK(status == PLX_OK || is_sentence(&error));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char text[LINES_MOST][LINE_BYTES + 4];
	char *lines[LINES_MOST + 1] = {NULL};
	struct plx_heap_config config;
	enum plx_status all = PLX_OK;
	int count = 0;

	plx_config_init(&config);
	while (size > 0 && count < LINES_MOST) {
		const uint8_t *end = memchr(data, '\n', size);
		size_t length = end != NULL ? (size_t)(end - data) : size;
		size_t kept = length < LINE_BYTES ? length : LINE_BYTES;
		char *line = text[count];
		bool prefix = count % 2 == 0;

		memcpy(line, "GC_", 3);
		memcpy(line + (prefix ? 3 : 0), data, kept);
		line[kept + (prefix ? 3 : 0)] = '\0';
		data += length + (end != NULL);
		size -= length + (end != NULL);
		lines[count] = line;
		/* What does not begin like ours is nobody's in an environment. */
		if (strchr(line, '=') == NULL || strncmp(line, "GC_", 3) != 0)
			continue;
		count++;
		if (all == PLX_OK)
			all = by_name(&config, line, strchr(line, '='));
	}
	lines[count] = NULL;
	by_environment(lines, all, &config);
	return 0;
}
