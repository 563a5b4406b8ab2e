/* bench/gc_pause/main.c: what an embedder's program waits for its collector, workload by workload
 * and plan by plan. With --result-fd (which only the driver passes) this process is one run. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "bench/gc_pause/driver.h"
#include "bench/gc_pause/options.h"
#include "bench/gc_pause/result.h"
#include "bench/gc_pause/run.h"

static int send_result(int fd, const struct result *result)
{
	size_t sent = 0;

	while (sent < sizeof(*result)) {
		ssize_t now = write(fd, (const char *)result + sent, sizeof(*result) - sent);

		if (now < 0 && errno == EINTR)
			continue;
		if (now <= 0)
			return 1;
		sent += (size_t)now;
	}
	return 0;
}

int main(int argc, char **argv)
{
	static struct result result;
	struct options options;

	if (!options_parse(&options, argc, argv))
		return 2;
	if (options.help) {
		options_print_help();
		return 0;
	}
	if (options.result_fd < 0)
		return driver_run(&options);
	run_once(&options, &result);
	/* No destructors: what the run leaves is the kernel's to take back. */
	_exit(send_result(options.result_fd, &result));
}
