#!/bin/sh
# usage: smoke.sh CHECK_JSON TOOL [ARGUMENTS]: run a benchmark and check the JSON it writes. That its
# figures mean anything is not checked: a test never times.
set -eu

check=$1
shift
json=$(mktemp)
trap 'rm -f "$json"' EXIT
"$@" --json "$json"
"$check" "$json"
