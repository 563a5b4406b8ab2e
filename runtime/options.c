/* runtime/options.c: options: defaults, parsing, the environment, the help text.
 *
 * Everything comes from parallax/option_table.h; this file adds how each type is read, and the two
 * rules that a range cannot say (RULES below). A value is accepted whole or refused: no blanks, no
 * signs, no empty values, nothing guessed.
 *
 * Who runs here: any thread, before a heap exists. Nothing is shared but constants. */
#include <parallax/heap.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/misuse.h"

enum option_type {
	OPTION_BYTES,
	OPTION_COUNT,
	OPTION_TRISTATE,
	OPTION_ENUM,
	OPTION_SET,
	OPTION_STRING,
};

struct option {
	const char *name;
	enum option_type type;
	size_t offset;		  /* of the field; all but strings are 64 bits wide */
	uint64_t standard;	  /* the default; of a STRING: not used, it is empty */
	uint64_t lowest, highest; /* of a TRISTATE: not used, 0 or 1 is what can be set */
	const char *unit;
};

#define OPTION_ROW(field, name, type, standard, lowest, highest, unit, help) \
	{#name,                                                              \
	 OPTION_##type,                                                      \
	 offsetof(struct plx_heap_config, field),                            \
	 (uint64_t)(int64_t)(standard),                                      \
	 (uint64_t)(int64_t)(lowest),                                        \
	 (uint64_t)(highest),                                                \
	 unit},

static const struct option options[] = {PLX_OPTION_TABLE(OPTION_ROW)};

#define OPTION_COUNT_OF (sizeof(options) / sizeof(*options))

#define OPTION_BYTES_OF(field) sizeof(((struct plx_heap_config *)NULL)->field)
#define OPTION_WIDTH_BYTES 8
#define OPTION_WIDTH_COUNT 8
#define OPTION_WIDTH_TRISTATE 8
#define OPTION_WIDTH_ENUM 8
#define OPTION_WIDTH_SET 8
#define OPTION_WIDTH_STRING PLX_STRING_BYTES
#define OPTION_WIDTH(field, name, type, ...)                          \
	_Static_assert(OPTION_BYTES_OF(field) == OPTION_WIDTH_##type, \
		       "every option field is 64 bits wide, or a string");
PLX_OPTION_TABLE(OPTION_WIDTH)

#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)

static bool option_is_heap_max(uint64_t value)
{
	return value == 0 || value >= 4 * MIB;
}

static bool option_is_region(uint64_t value)
{
	return value == 0 || (value >= 64 * KIB && (value & (value - 1)) == 0);
}

/* What a range cannot say. */
static const struct {
	const char *name;
	bool (*accepts)(uint64_t value);
	const char *accepted;
} RULES[] = {
	{"GC_HEAP_MAX", option_is_heap_max, "0 (choose for me), or 4M to 16T"},
	{"GC_REGION_BYTES", option_is_region, "0 (choose for me), 64K, 128K, 256K, 512K, 1M or 2M"},
};

/* The rule's number for an option, or -1. */
static int option_rule(const struct option *option)
{
	for (size_t i = 0; i < sizeof(RULES) / sizeof(*RULES); i++)
		if (strcmp(RULES[i].name, option->name) == 0)
			return (int)i;
	return -1;
}

static void option_put(struct plx_heap_config *config, const struct option *option, uint64_t value)
{
	memcpy((char *)config + option->offset, &value, sizeof(value));
}

/* The whole field, so that equal configurations are equal byte by byte. */
static void option_put_string(struct plx_heap_config *config, const struct option *option,
			      const char *value)
{
	char *field = (char *)config + option->offset;

	memset(field, 0, PLX_STRING_BYTES);
	memcpy(field, value, strnlen(value, PLX_STRING_BYTES - 1));
}

void plx_config_init(struct plx_heap_config *config)
{
	RT_USE(config, "`config` is NULL");
	for (size_t i = 0; i < OPTION_COUNT_OF; i++) {
		if (options[i].type == OPTION_STRING)
			option_put_string(config, &options[i], "");
		else
			option_put(config, &options[i], options[i].standard);
	}
}

/* Decimal digits into *value; the first character behind them, or NULL if there are none or too
 * many. */
static const char *option_digits(const char *text, uint64_t *value)
{
	if (*text < '0' || *text > '9')
		return NULL;
	for (*value = 0; *text >= '0' && *text <= '9'; text++)
		if (__builtin_mul_overflow(*value, UINT64_C(10), value) ||
		    __builtin_add_overflow(*value, (uint64_t)(*text - '0'), value))
			return NULL;
	return text;
}

static bool option_parse_count(const char *text, uint64_t *value)
{
	const char *end = option_digits(text, value);

	return end != NULL && *end == '\0';
}

static bool option_parse_bytes(const char *text, uint64_t *value)
{
	static const char suffixes[] = "KMGT";
	const char *end = option_digits(text, value), *suffix;
	unsigned shift;

	if (end == NULL)
		return false;
	if (*end == '\0')
		return true;
	suffix = strchr(suffixes, *end >= 'a' && *end <= 'z' ? *end - 'a' + 'A' : *end);
	if (suffix == NULL || end[1] != '\0')
		return false;
	shift = 10 * (unsigned)(suffix - suffixes + 1);
	if (*value > UINT64_MAX >> shift)
		return false;
	*value <<= shift;
	return true;
}

/* The number of a word among `words`, which are separated by '|'. */
static bool option_parse_word(const char *text, size_t length, const char *words, uint64_t *value)
{
	for (*value = 0;; ++*value) {
		size_t word = strcspn(words, "|");

		if (word == length && memcmp(words, text, length) == 0)
			return true;
		if (words[word] == '\0')
			return false;
		words += word + 1;
	}
}

/* Words and a number, separated by commas: each at most once. */
static bool option_parse_set(const struct option *option, const char *text, uint64_t *value)
{
	bool numbered = false;

	for (*value = 0;; text++) {
		size_t length = strcspn(text, ",");
		uint64_t one, bit;

		if (option_digits(text, &one) == text + length) {
			if (numbered || one > option->highest)
				return false;
			numbered = true;
			*value |= one;
		} else {
			if (!option_parse_word(text, length, option->unit, &one))
				return false;
			bit = UINT64_C(1) << (32 + one);
			if (*value & bit)
				return false;
			*value |= bit;
		}
		text += length;
		if (*text == '\0')
			return true;
	}
}

/* A string's value is its length. */
static bool option_parse(const struct option *option, const char *text, uint64_t *value)
{
	int rule = option_rule(option);

	switch (option->type) {
	case OPTION_ENUM:
		return option_parse_word(text, strlen(text), option->unit, value);
	case OPTION_SET:
		return option_parse_set(option, text, value);
	case OPTION_TRISTATE:
		return option_parse_count(text, value) && *value <= 1;
	case OPTION_BYTES:
		if (!option_parse_bytes(text, value))
			return false;
		break;
	case OPTION_COUNT:
		if (!option_parse_count(text, value))
			return false;
		break;
	case OPTION_STRING:
		*value = strlen(text);
		break;
	}
	return *value >= option->lowest && *value <= option->highest &&
	       (rule < 0 || RULES[rule].accepts(*value));
}

/* A byte count with the largest suffix that divides it. */
static void option_write_bytes(uint64_t value, char *text, size_t size)
{
	static const char suffixes[] = "\0KMGT";
	unsigned power = 0;

	while (power < 4 && value != 0 && value % KIB == 0) {
		value /= KIB;
		power++;
	}
	snprintf(text, size, "%llu%.1s", (unsigned long long)value, &suffixes[power]);
}

static void option_write_accepted(const struct option *option, char *text, size_t size)
{
	char lowest[32], highest[32];
	int rule = option_rule(option);

	if (rule >= 0) {
		snprintf(text, size, "%s (bytes; suffixes K, M, G, T)", RULES[rule].accepted);
		return;
	}
	switch (option->type) {
	case OPTION_ENUM:
	case OPTION_TRISTATE:
		snprintf(text, size, "%s", option->unit);
		break;
	case OPTION_SET:
		snprintf(text, size, "any of %s and a number up to %llu, separated by commas",
			 option->unit, (unsigned long long)option->highest);
		break;
	case OPTION_BYTES:
		option_write_bytes(option->lowest, lowest, sizeof(lowest));
		option_write_bytes(option->highest, highest, sizeof(highest));
		snprintf(text, size, "%s to %s (bytes; suffixes K, M, G, T)", lowest, highest);
		break;
	case OPTION_COUNT:
		snprintf(text, size, "%llu to %llu (%s)", (unsigned long long)option->lowest,
			 (unsigned long long)option->highest, option->unit);
		break;
	case OPTION_STRING:
		snprintf(text, size, "a %s of at most %llu bytes", option->unit,
			 (unsigned long long)option->highest);
		break;
	}
}

static enum plx_status option_refuse_value(const struct option *option, const char *value,
					   struct plx_error *error)
{
	char accepted[160];

	if (error == NULL)
		return PLX_ERROR_OPTION;
	option_write_accepted(option, accepted, sizeof(accepted));
	error->status = PLX_ERROR_OPTION;
	if (*value == '\0')
		snprintf(error->message, sizeof(error->message),
			 "%s is set but empty; accepted: %s. Unset it to take the default.",
			 option->name, accepted);
	else
		snprintf(error->message, sizeof(error->message),
			 "%s=%.80s is malformed or out of range; accepted: %s.", option->name,
			 value, accepted);
	return PLX_ERROR_OPTION;
}

#define OPTION_NAME_MOST 64

/* Insertions, deletions and replacements that lead from `from` to `to` (Levenshtein 1966). */
static size_t option_distance(const char *from, const char *to)
{
	size_t row[OPTION_NAME_MOST + 1], length = strnlen(to, OPTION_NAME_MOST);

	for (size_t j = 0; j <= length; j++)
		row[j] = j;
	for (size_t i = 0; from[i] != '\0' && i < OPTION_NAME_MOST; i++) {
		size_t diagonal = row[0];

		row[0] = i + 1;
		for (size_t j = 1; j <= length; j++) {
			size_t best = diagonal + (from[i] != to[j - 1]);

			best = row[j] + 1 < best ? row[j] + 1 : best;
			best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
			diagonal = row[j];
			row[j] = best;
		}
	}
	return row[length];
}

static const struct option *option_nearest(const char *name)
{
	const struct option *nearest = &options[0];
	size_t least = SIZE_MAX;

	for (size_t i = 0; i < OPTION_COUNT_OF; i++) {
		size_t distance = option_distance(name, options[i].name);

		if (distance < least) {
			least = distance;
			nearest = &options[i];
		}
	}
	return nearest;
}

static enum plx_status option_refuse_name(const char *name, size_t length, struct plx_error *error)
{
	char shown[OPTION_NAME_MOST + 1];

	if (error == NULL)
		return PLX_ERROR_OPTION;
	snprintf(shown, sizeof(shown), "%.*s",
		 (int)(length < OPTION_NAME_MOST ? length : OPTION_NAME_MOST), name);
	error->status = PLX_ERROR_OPTION;
	snprintf(error->message, sizeof(error->message),
		 "There is no option %s; the nearest is %s. Names that start with GC_ are this "
		 "library's.",
		 shown, option_nearest(shown)->name);
	return PLX_ERROR_OPTION;
}

static const struct option *option_find(const char *name, size_t length)
{
	for (size_t i = 0; i < OPTION_COUNT_OF; i++)
		if (strlen(options[i].name) == length && memcmp(options[i].name, name, length) == 0)
			return &options[i];
	return NULL;
}

static enum plx_status config_set(struct plx_heap_config *config, const char *name, size_t length,
				  const char *value, struct plx_error *error)
{
	const struct option *option = option_find(name, length);
	uint64_t number = 0;

	if (option == NULL)
		return option_refuse_name(name, length, error);
	if (!option_parse(option, value, &number))
		return option_refuse_value(option, value, error);
	if (option->type == OPTION_STRING)
		option_put_string(config, option, value);
	else
		option_put(config, option, number);
	return PLX_OK;
}

enum plx_status plx_config_set(struct plx_heap_config *config, const char *name, const char *value,
			       struct plx_error *error)
{
	RT_USE(config && name && value, "`config`, `name` or `value` is NULL");
	return config_set(config, name, strlen(name), value, error);
}

enum plx_status plx_config_from_environment(struct plx_heap_config *config, struct plx_error *error)
{
	RT_USE(config, "`config` is NULL");
	struct plx_heap_config changed = *config;

	for (char **variable = environ; variable != NULL && *variable != NULL; variable++) {
		const char *equals = strchr(*variable, '=');
		enum plx_status status;

		if (strncmp(*variable, "GC_", 3) != 0 || equals == NULL)
			continue;
		status = config_set(&changed, *variable, (size_t)(equals - *variable), equals + 1,
				    error);
		if (status != PLX_OK)
			return status;
	}
	*config = changed;
	return PLX_OK;
}

#define HELP_DEFAULT_BYTES(standard) "Default: " #standard "."
#define HELP_DEFAULT_COUNT(standard) "Default: " #standard "."
#define HELP_DEFAULT_TRISTATE(standard) "Default: unset."
#define HELP_DEFAULT_ENUM(standard) "Default: the first."
#define HELP_DEFAULT_SET(standard) "Any of these and a number, separated by commas. Default: none."
#define HELP_DEFAULT_STRING(standard) "Default: unset."
#define HELP_ROW(field, name, type, standard, lowest, highest, unit, help) \
	"  " #name "=" unit "\n      " help " " HELP_DEFAULT_##type(standard) "\n"

/* clang-format off */
static const char options_help[] =
	"Options of the collector, set in the environment. Sizes take the suffixes K, M, G, T.\n"
	PLX_OPTION_TABLE(HELP_ROW);
/* clang-format on */

const char *plx_config_help(void)
{
	return options_help;
}
