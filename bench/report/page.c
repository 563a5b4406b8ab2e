/* bench/report/page.c: the page: style, results and scripts in one file, which needs no network. The
 * drawing is done by draw.js and page.js, in the browser. */
#include <string.h>

#include "bench/report/report.h"

/* The files beside this one, as they are. */
#define ASSET(name, file)                                                               \
	__asm__(".section .rodata\n" #name ":\n.incbin \"" PLX_ASSETS file "\"\n" #name \
		"_end:\n.byte 0\n.previous\n");                                         \
	extern const char name[], name##_end[]

ASSET(asset_style, "style.css");
ASSET(asset_draw, "draw.js");
ASSET(asset_page, "page.js");

static void write_asset(FILE *out, const char *from, const char *to)
{
	fwrite(from, 1, (size_t)(to - from), out);
}

/* JSON inside HTML: a `<` can only stand in a string, where it may as well be written so. */
static int write_escaped(const char *text, size_t bytes, void *context)
{
	FILE *out = context;

	for (size_t i = 0; i < bytes; i++) {
		if (text[i] == '<')
			fputs("\\u003c", out);
		else
			fputc(text[i], out);
	}
	return 0;
}

static void write_attribute(FILE *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (strchr("<>&\"", *text) != NULL)
			fprintf(out, "&#%d;", *text);
		else
			fputc(*text, out);
	}
}

void page_write(FILE *out, const struct result_set *sets, size_t count)
{
	fputs("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
	      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
	      "<title>Parallax: the measurements</title>\n<style>\n",
	      out);
	write_asset(out, asset_style, asset_style_end);
	fputs("</style>\n</head>\n<body>\n<main><noscript><p>The figures of this page are drawn by a "
	      "script that is part of it; it loads nothing.</p></noscript></main>\n",
	      out);
	for (size_t i = 0; i < count; i++) {
		fputs("<script type=\"application/json\" data-file=\"", out);
		write_attribute(out, sets[i].name);
		fputs("\">\n", out);
		json_dump_callback(sets[i].root, write_escaped, out, DUMP_FLAGS);
		fputs("\n</script>\n", out);
	}
	fputs("<script>\n", out);
	write_asset(out, asset_draw, asset_draw_end);
	fputs("</script>\n<script>\n", out);
	write_asset(out, asset_page, asset_page_end);
	fputs("</script>\n</body>\n</html>\n", out);
}
