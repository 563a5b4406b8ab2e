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

static void check_result(const struct json *root, const struct json *result)
{
	static const char *const shape[] = {"heap_bytes", "live_fraction", "dirty_fraction"};

	CHECK_FIELDS(result, measured);
	JSON_EACH(other, json_get(root, "results"))
	{
		bool same = strcmp(json_string(other, "status", ""), "ok") == 0;

		for (size_t i = 0; i < sizeof(shape) / sizeof(shape[0]); i++)
			same = same &&
			       json_number(other, shape[i], 0) == json_number(result, shape[i], 0);
		if (same && strcmp(json_string(other, "checksum", ""),
				   json_string(result, "checksum", "")) != 0)
			check_complain(result, "checksum", "differs from another plan's");
	}
}

void check_compaction(const struct json *root)
{
	bool found = false;

	JSON_EACH(result, json_get(root, "results"))
	{
		const char *status = json_string(result, "status", "");

		CHECK_FIELDS(result, fields);
		if (strcmp(status, "ok") == 0) {
			check_result(root, result);
			found = true;
		} else if (strcmp(status, "unavailable") != 0) {
			check_complain(result, "status", json_string(result, "message", ""));
		}
	}
	if (!found)
		check_complain(root, "results", "holds no run that succeeded");
}
