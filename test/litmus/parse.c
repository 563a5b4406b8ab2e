/* test/litmus/parse.c: reads a test; see litmus.h for the form. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/litmus/litmus.h"

struct parser {
	struct litmus_test *test;
	int line;
	char *words[16];
	int count, at;
	const char *wrong;
};

static int name_find(char (*names)[16], int *count, int most, const char *name)
{
	for (int i = 0; i < *count; i++)
		if (!strcmp(names[i], name))
			return i;
	if (*count == most || strlen(name) > 15)
		return -1;
	strcpy(names[*count], name);
	return (*count)++;
}

static int parse_place(struct parser *parser, const char *name)
{
	struct litmus_test *test = parser->test;
	int place = name_find(test->places, &test->place_count, LITMUS_PLACES, name);

	if (place < 0)
		parser->wrong = "too many locations";
	return place;
}

static int parse_register(struct parser *parser, const char *name)
{
	struct litmus_test *test = parser->test;
	int into = name_find(test->registers, &test->register_count, LITMUS_REGISTERS, name);

	if (into < 0)
		parser->wrong = "too many registers";
	return into;
}

static const char *parse_word(struct parser *parser)
{
	if (parser->at < parser->count)
		return parser->words[parser->at++];
	parser->wrong = "a word is missing";
	return "0";
}

static bool parse_next_is(struct parser *parser, const char *word)
{
	if (parser->at == parser->count || strcmp(parser->words[parser->at], word) != 0)
		return false;
	parser->at++;
	return true;
}

static uint64_t parse_value(struct parser *parser, const char *word)
{
	char *end;
	uint64_t value = strtoull(word, &end, 10);

	if (*word == '&')
		return LITMUS_ADDRESS(parse_place(parser, word + 1));
	if (*end || end == word || value >= 100)
		parser->wrong = "no value";
	return value;
}

static bool order_find(const char *word, enum litmus_order *order)
{
	static const char *const names[] = {"relaxed", "acquire", "release", "acq_rel", "seq_cst"};

	for (int i = 0; i < 5; i++)
		if (!strcmp(word, names[i])) {
			*order = (enum litmus_order)i;
			return true;
		}
	return false;
}

/* name=value */
static const char *parse_equation(struct parser *parser, uint64_t *value)
{
	static char name[32];
	const char *word = parse_word(parser), *sign = strchr(word, '=');

	if (!sign || sign - word > 15) {
		parser->wrong = "expected NAME=VALUE";
		return "?";
	}
	memcpy(name, word, (size_t)(sign - word));
	name[sign - word] = 0;
	*value = parse_value(parser, sign + 1);
	return name;
}

static void parse_kind(struct parser *parser, struct litmus_step *step)
{
	static const char *const names[] = {"load", "store", "add",  "or",
					    "swap", "cas",   "lock", "unlock"};
	const char *word = parse_word(parser);

	for (int i = 0; i < 8; i++)
		if (!strcmp(word, names[i])) {
			step->kind = (enum litmus_kind)i;
			return;
		}
	parser->wrong = "no such step";
}

static void parse_operands(struct parser *parser, struct litmus_step *step)
{
	const char *where = parse_word(parser);

	step->place = step->through = -1;
	if (*where == '*')
		step->through = parse_register(parser, where + 1);
	else
		step->place = parse_place(parser, where);
	if (step->kind == LITMUS_CAS)
		step->old = parse_value(parser, parse_word(parser));
	if (step->kind >= LITMUS_STORE && step->kind <= LITMUS_CAS)
		step->value = parse_value(parser, parse_word(parser));
	if (step->kind == LITMUS_LOCK)
		step->value = 1, step->order = LITMUS_ACQUIRE;
	if (step->kind == LITMUS_UNLOCK)
		step->order = LITMUS_RELEASE;
}

static void parse_step(struct parser *parser)
{
	struct litmus_test *test = parser->test;
	struct litmus_step step = {.guard = -1, .into = -1, .thread = test->thread_count - 1};

	if (parse_next_is(parser, "if"))
		step.guard = parse_register(parser, parse_equation(parser, &step.guard_value));
	parse_kind(parser, &step);
	parse_operands(parser, &step);
	if (parser->at < parser->count && order_find(parser->words[parser->at], &step.order))
		parser->at++;
	if (parse_next_is(parser, "->"))
		step.into = parse_register(parser, parse_word(parser));
	if (test->step_count == LITMUS_STEPS || step.thread < 0)
		parser->wrong = "too many steps, or no thread";
	else
		test->steps[test->step_count++] = step;
}

static void parse_never(struct parser *parser)
{
	struct litmus_test *test = parser->test;

	while (parser->at < parser->count && test->never_count < 6 && !parser->wrong) {
		struct litmus_claim *claim = &test->never[test->never_count++];
		const char *name = parse_equation(parser, &claim->value);

		claim->is_place = false;
		for (int i = 0; i < test->place_count; i++)
			if (!strcmp(test->places[i], name))
				claim->is_place = true, claim->which = i;
		if (!claim->is_place)
			claim->which = parse_register(parser, name);
	}
}

static void parse_weaken(struct parser *parser)
{
	struct litmus_test *test = parser->test;
	struct litmus_weak weak = {.step = atoi(parse_word(parser)) - 1};

	if (!order_find(parse_word(parser), &weak.order) || weak.step < 0 ||
	    weak.step >= test->step_count || test->weak_count == 6)
		parser->wrong = "weaken wants a step and an order";
	else
		test->weak[test->weak_count++] = weak;
}

static void parse_init(struct parser *parser)
{
	int place = parse_place(parser, parse_word(parser));
	uint64_t value = parse_value(parser, parse_word(parser));

	if (place >= 0)
		parser->test->init[place] = value;
}

static void parse_line(struct parser *parser, char *line)
{
	struct litmus_test *test = parser->test;
	char *comment = strpbrk(line, "#@"), *rest = NULL;

	if (comment)
		*comment = 0;
	parser->count = parser->at = 0;
	for (char *word = strtok_r(line, " \t\n", &rest); word && parser->count < 16;
	     word = strtok_r(NULL, " \t\n", &rest))
		parser->words[parser->count++] = word;
	if (parser->count == 0)
		return;
	if (parse_next_is(parser, "tag"))
		snprintf(test->tag, sizeof(test->tag), "%s", parse_word(parser));
	else if (parse_next_is(parser, "init"))
		parse_init(parser);
	else if (parse_next_is(parser, "thread"))
		test->thread_count++;
	else if (parse_next_is(parser, "never"))
		parse_never(parser);
	else if (parse_next_is(parser, "weaken"))
		parse_weaken(parser);
	else
		parse_step(parser);
	if (!parser->wrong && parser->at != parser->count)
		parser->wrong = "what follows is not understood";
}

bool litmus_parse(const char *path, struct litmus_test *test)
{
	struct parser parser = {.test = test};
	FILE *file = fopen(path, "r");
	char line[512];

	*test = (struct litmus_test){.path = path};
	if (!file)
		parser.wrong = "cannot be read";
	while (!parser.wrong && fgets(line, sizeof(line), file)) {
		parser.line++;
		parse_line(&parser, line);
	}
	if (file)
		fclose(file);
	if (!parser.wrong && (!test->tag[0] || !test->never_count || !test->weak_count ||
			      test->thread_count > LITMUS_THREADS))
		parser.wrong = "a tag, `never`, `weaken` and up to three threads are needed";
	if (parser.wrong)
		fprintf(stderr, "%s:%d: %s\n", path, parser.line, parser.wrong);
	return !parser.wrong;
}
