/* test/fuzz/replay.c: the fuzz targets without a fuzzer: each file named, or each in a folder named, is given to the
 * target once. */
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "test/fuzz/fuzz.h"

#define INPUT_MOST 65536

static unsigned replayed;

static void replay_file(const char *path)
{
	static uint8_t bytes[INPUT_MOST];
	FILE *file = fopen(path, "rbe");
	size_t size;

	CHECK(file != NULL);
	size = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	LLVMFuzzerTestOneInput(bytes, size);
	replayed++;
}

static void replay_folder(const char *folder)
{
	struct dirent **names;
	int count = scandir(folder, &names, NULL, alphasort);
	char path[1024];

	CHECK(count >= 0);
	for (int i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]->d_name);
		if (names[i]->d_name[0] != '.')
			replay_file(path);
		free(names[i]);
	}
	free(names);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		struct stat about;

		CHECK(stat(argv[i], &about) == 0);
		if (S_ISDIR(about.st_mode))
			replay_folder(argv[i]);
		else
			replay_file(argv[i]);
	}
	printf("%u inputs\n", replayed);
	return replayed == 0;
}
