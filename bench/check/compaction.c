/* bench/check/compaction.c: the results of bench/compaction. */
#include <string.h>

#include "bench/check/check.h"

static const struct check_field fields[] = {
	{"sweep", CHECK_TEXT},
	{"plan", CHECK_TEXT},
	{"delivery", CHECK_TEXT},
	{"mutator", CHECK_TRUTH},
	{"status", CHECK_TEXT},
	{"message", CHECK_TEXT},
	{"heap_bytes", CHECK_POSITIVE},
	{"live_fraction", CHECK_POSITIVE},
	{"dirty_fraction", CHECK_POSITIVE},
	{"rounds", CHECK_NUMBER},
	{"checksum", CHECK_TEXT},
};

static const struct check_field measured[] = {
	{"rounds", CHECK_POSITIVE},	 {"seconds", CHECK_POSITIVE},
	{"seconds_min", CHECK_POSITIVE}, {"seconds_max", CHECK_POSITIVE},
	{"cpu_seconds", CHECK_NUMBER},	 {"pause_us_max", CHECK_POSITIVE},
	{"minor_faults", CHECK_NUMBER},	 {"pages_allocated", CHECK_NUMBER},
	{"peak_bytes", CHECK_POSITIVE},	 {"evacuated_bytes", CHECK_POSITIVE},
	{"dirty_pages", CHECK_POSITIVE}, {"live_bytes", CHECK_POSITIVE},
	{"mutator_ops", CHECK_NUMBER},
};

static void check_result(const json_t *root, const json_t *result)
{
	static const char *const shape[] = {"heap_bytes", "live_fraction", "dirty_fraction"};

	const json_t *other;
	size_t at;

	CHECK_FIELDS(result, measured);
	json_array_foreach (value_at(root, "results"), at, other) {
		bool same = strcmp(value_text(other, "status", ""), "ok") == 0;

		for (size_t i = 0; i < sizeof(shape) / sizeof(shape[0]); i++)
			same = same && value_number(other, shape[i], 0) ==
					       value_number(result, shape[i], 0);
		if (same && strcmp(value_text(other, "checksum", ""),
				   value_text(result, "checksum", "")) != 0)
			check_complain(result, "checksum", "differs from another plan's");
	}
}

void check_compaction(const json_t *root)
{
	const json_t *result;
	bool found = false;
	size_t at;

	json_array_foreach (value_at(root, "results"), at, result) {
		const char *status = value_text(result, "status", "");

		CHECK_FIELDS(result, fields);
		if (strcmp(status, "ok") == 0) {
			check_result(root, result);
			found = true;
		} else if (strcmp(status, "unavailable") != 0) {
			check_complain(result, "status", value_text(result, "message", ""));
		}
	}
	if (!found)
		check_complain(root, "results", "holds no run that succeeded");
}
