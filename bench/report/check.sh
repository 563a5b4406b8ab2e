#!/usr/bin/env bash
# usage: check.sh REPORT [RESULT.json...]: draw the results, by default those of sample.json, and open
# the page in a headless browser. Fails on script errors, on a missing figure and on an empty one.
# Skipped (77) where there is no browser; in CI that is a failure. Before that: a bundle of them is the same
# when it is bundled again, and every figure in it is as it was written.
set -euo pipefail
report=$(readlink -f "$1")
shift
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ $# -gt 0 ] || set -- "$here/sample.json"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

"$report" --html "$scratch/report.html" "$@" > "$scratch/table"
! grep -nE '(src|href)="?(https?:)?//' "$scratch/report.html" || {
	echo "the page refers to the network"
	exit 1
}
"$report" --quiet --html - --bundle "$scratch/once" "$@" > /dev/null
"$report" --quiet --html - --bundle "$scratch/twice" "$scratch/once" > /dev/null
cmp "$scratch/once" "$scratch/twice" || {
	echo "a bundle of a bundle is another"
	exit 1
}
# One a line, in their order, spelt alike; of the parts, not of the bundle's own head.
figures()
{
	cat "$@" | sed 's/^.*"parts"://' | grep -oE '[,:[]-?[0-9][0-9.eE+-]*' |
		awk '{printf "%.15g\n", substr($0, 2)}'
}
figures "$@" > "$scratch/given"
figures "$scratch/once" > "$scratch/bundled"
diff "$scratch/given" "$scratch/bundled" > "$scratch/differences" || {
	head -n 10 "$scratch/differences"
	echo "a bundle has other figures than what it was made of"
	exit 1
}
browser=
for candidate in chromium chromium-browser google-chrome; do
	! command -v "$candidate" > /dev/null || browser=$candidate
done
if [ -z "$browser" ]; then
	echo "no browser: install chromium (./dev bench does)"
	[ "${CI-}" != true ] || exit 1
	exit 77
fi
HOME="$scratch" timeout 120 "$browser" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage \
	--user-data-dir="$scratch/profile" --virtual-time-budget=20000 --dump-dom \
	"file://$scratch/report.html" > "$scratch/dom" 2> "$scratch/messages" || {
	tail -n 5 "$scratch/messages"
	exit 1
}
if grep -o '<html[^>]*data-error="[^"]*"' "$scratch/dom"; then
	echo "the page has a script error"
	exit 1
fi
count=$(sed -n 's/.*<html[^>]*data-figures="\([0-9]*\)".*/\1/p' "$scratch/dom")
[ -n "$count" ] || { echo "the page's script did not come to its end"; exit 1; }
[ "$count" -ge 1 ] || { echo "the page has no figure"; exit 1; }
! grep -q 'NaN\|undefined' <(sed 's/<script.*//' "$scratch/dom" | grep -v '^[{}"]' | grep '<svg') || {
	echo "a figure has a number that is none"
	exit 1
}
[ "$(grep -c . "$scratch/table")" -ge 3 ] || { echo "the table is empty"; exit 1; }
echo "$count figures"
