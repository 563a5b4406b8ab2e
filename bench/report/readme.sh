#!/usr/bin/env bash
# usage: readme.sh REPORT [--check|--use FILE]: the figures of README.md, made from one bundle in
# bench/results and from nothing else. Which one, the section's first line says. --check only compares;
# --use changes the bundle.
set -euo pipefail
report=$(readlink -f "$1")
mode=${2-}
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
begin=$(grep -n '^<!-- figures: .* -->$' README.md | cut -d: -f1)
end=$(grep -n '^<!-- end of figures -->$' README.md | cut -d: -f1)
[ -n "$begin" ] && [ -n "$end" ] && [ "$begin" -lt "$end" ] || {
	echo "README.md has no section of figures"
	exit 1
}
file=$(sed -n "${begin}s/^<!-- figures: \(.*\) -->\$/\1/p" README.md)
[ "$mode" != --use ] || file=$3
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

{
	head -n "$((begin - 1))" README.md
	echo "<!-- figures: $file -->"
	if [ "$file" = none ]; then
		echo "How it performs is for your machine to say: \`./dev bench\`."
	else
		"$report" --markdown "$file"
	fi
	tail -n "+$end" README.md
} > "$scratch/README.md"
if [ "$mode" = --check ]; then
	diff -u README.md "$scratch/README.md" || {
		echo "README.md's figures are not those of $file: run bench/report/readme.sh"
		exit 1
	}
else
	cp "$scratch/README.md" README.md
fi
