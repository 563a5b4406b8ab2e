#!/bin/sh
# usage: options_document.sh PLX_INFO
# docs/options.md is what plx_info makes of the table of options.
. "$(dirname "$0")/common.sh"

"$1" --options-markdown | diff -u docs/options.md - ||
	violation "docs/options.md is out of date: write it with plx_info --options-markdown"
finish
