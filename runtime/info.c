/* runtime/info.c: plx_capabilities_describe: the machine, what the probe found, and what follows
 * from it for a heap created now, under this environment.
 *
 * Who runs here: any thread that may block for a probe. */
#include <parallax/heap.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "gc/os/probe.h"

struct info {
	char *text;
	size_t size, used; /* used < size, the NUL not counted */
};

__attribute__((format(printf, 2, 3))) static void info_add(struct info *info, const char *format,
							   ...)
{
	va_list arguments;
	int wanted;

	va_start(arguments, format);
	wanted = vsnprintf(info->text + info->used, info->size - info->used, format, arguments);
	va_end(arguments);
	if (wanted > 0)
		info->used += (size_t)wanted;
	if (info->used >= info->size)
		info->used = info->size - 1;
}

static void info_machine(struct info *info)
{
	struct utsname name;

	if (uname(&name) == 0)
		info_add(info, "%-44s %s %s %s\n", "kernel", name.sysname, name.release,
			 name.machine);
	info_add(info, "%-44s %ld\n", "CPUs online", sysconf(_SC_NPROCESSORS_ONLN));
	info_add(info, "%-44s %ld\n", "page size in bytes", sysconf(_SC_PAGESIZE));
}

static const char *info_delivery(bool sigbus)
{
	return sigbus ? "sigbus" : "thread";
}

/* A plan of two deliveries: which delivery would be used, or why neither can be. */
struct info_plan {
	const char *name;
	const struct gc_capability *lacks[2]; /* thread, sigbus */
	bool allowed;
	const char *forbidden_by;
};

static bool info_wants(const struct plx_heap_config *config, bool sigbus)
{
	return config->delivery == PLX_DELIVERY_AUTO ||
	       config->delivery == (sigbus ? PLX_DELIVERY_SIGBUS : PLX_DELIVERY_THREAD);
}

/* True if the plan can be had; *sigbus is its delivery. */
static bool info_can(const struct info_plan *plan, const struct plx_heap_config *config,
		     bool *sigbus)
{
	if (!plan->allowed)
		return false;
	for (int delivery = 0; delivery < 2; delivery++) {
		if (plan->lacks[delivery] == NULL && info_wants(config, delivery == 1)) {
			*sigbus = delivery == 1;
			return true;
		}
	}
	return false;
}

static void info_why_not(struct info *info, const struct gc_probe *probe,
			 const struct plx_heap_config *config, const struct info_plan *plan)
{
	char why[512];

	if (!plan->allowed) {
		info_add(info, "not %s: %s\n", plan->name, plan->forbidden_by);
		return;
	}
	for (int delivery = 0; delivery < 2; delivery++) {
		if (plan->lacks[delivery] == NULL || !info_wants(config, delivery == 1))
			continue;
		gc_probe_explain(probe, plan->lacks[delivery], why, sizeof(why));
		info_add(info, "not %s by %s: %s\n", plan->name, info_delivery(delivery == 1), why);
	}
}

static void info_outlook(struct info *info, const struct gc_probe *probe,
			 const struct plx_heap_config *config)
{
	bool demand_minor = config->use_uffd_minor == 1 || config->plan == PLX_PLAN_MINOR;
	bool sigbus = false;
	struct info_plan plans[2] = {
		{"minor",
		 {gc_probe_minor_lacks(probe, false), gc_probe_minor_lacks(probe, true)},
		 config->use_uffd_minor != 0 &&
			 (config->plan == PLX_PLAN_AUTO || config->plan == PLX_PLAN_MINOR),
		 config->use_uffd_minor == 0 ? "GC_USE_UFFD_MINOR=0 forbids it"
					     : "GC_PLAN asks for another"},
		{"copy",
		 {gc_probe_copy_lacks(probe, false), gc_probe_copy_lacks(probe, true)},
		 !demand_minor && (config->plan == PLX_PLAN_AUTO || config->plan == PLX_PLAN_COPY),
		 demand_minor ? "minor is demanded" : "GC_PLAN asks for another"},
	};

	for (int i = 0; i < 2; i++) {
		if (info_can(&plans[i], config, &sigbus)) {
			info_add(info, "plan: %s, delivery %s\n", plans[i].name,
				 info_delivery(sigbus));
			return;
		}
		info_why_not(info, probe, config, &plans[i]);
	}
	if (demand_minor || config->plan == PLX_PLAN_COPY || config->use_uffd_minor == 0)
		info_add(info,
			 "plan: none: what is demanded cannot be had, so creating a heap fails\n");
	else
		info_add(info, "plan: stw (objects move inside the pause)\n");
}

static void info_plan(struct info *info, const struct gc_probe *probe)
{
	struct plx_heap_config config;
	struct plx_error error;

	plx_config_init(&config);
	if (plx_config_from_environment(&config, &error) != PLX_OK) {
		info_add(info, "plan: none: %s\n", error.message);
		return;
	}
	if ((config.use_uffd_minor == 1 &&
	     (config.plan == PLX_PLAN_COPY || config.plan == PLX_PLAN_STW)) ||
	    (config.use_uffd_minor == 0 && config.plan == PLX_PLAN_MINOR)) {
		info_add(info, "plan: none: GC_USE_UFFD_MINOR and GC_PLAN contradict each other\n");
		return;
	}
	if (config.plan == PLX_PLAN_STW) {
		info_add(info, "plan: stw, because GC_PLAN=stw\n");
		return;
	}
	info_outlook(info, probe, &config);
}

void plx_capabilities_describe(char *text, size_t size)
{
	struct info info = {text, size, 0};
	struct gc_probe probe;

	if (size == 0)
		return;
	text[0] = '\0';
	gc_probe_run(&probe);
	info_machine(&info);
	gc_probe_describe(&probe, text + info.used, size - info.used);
	info.used += strlen(text + info.used);
	info_plan(&info, &probe);
}
