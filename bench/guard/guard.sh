#!/bin/sh
# usage: guard.sh PROGRAM BASELINE [renew]
#
# Counts instructions of the collector's hottest paths and compares them with the baseline of this
# compiler. Instructions repeat where times do not. Exit status: 0 all within their tolerance; 1 some path
# needs more; 77 there is nothing to compare (an error where CI is set). With `renew`, the baseline's
# lines of this compiler are replaced.
set -eu

program=$1
baseline=$2
mode=${3:-compare}
compiler=$("$program" --compiler)

cannot_run()
{
	echo "guard: $*"
	[ "${CI:-}" != true ] || exit 1
	exit 77
}

command -v objcopy > /dev/null || cannot_run "objcopy is not installed (it is in binutils)"
command -v valgrind > /dev/null || cannot_run "valgrind is not installed (./dev guard installs it)"
if [ "$mode" != renew ] && ! grep -q "^$compiler " "$baseline"; then
	cannot_run "no baseline for $compiler in bench/guard/baseline.txt: ./dev guard --renew adds one"
fi

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# The options of the caller's environment would change what is counted.
for name in $(env | sed -n 's/^\(GC_[A-Z_]*\)=.*/\1/p'); do
	unset "$name"
done
# Without debug information, for old valgrinds cannot read clang's; names are in the symbol table.
objcopy --strip-debug "$program" "$dir/guard"
valgrind --tool=callgrind --compress-strings=no --compress-pos=no --zero-before=guard_begin \
	--dump-before=guard_end --callgrind-out-file="$dir/out" "$dir/guard" \
	> "$dir/parts" 2> "$dir/errors" || {
	cat "$dir/errors"
	exit 1
}

# Instructions of all calls of the functions $1 in dump $2, with what they call.
inclusive()
{
	awk -v wanted="$1" '
		BEGIN { count = split(wanted, names, "+") }
		/^cfn=/ { found = 0; for (i = 1; i <= count; i++) found = found || $0 == "cfn=" names[i] }
		/^calls=/ { if (found) { getline; sum += $NF } found = 0 }
		END { printf "%.0f\n", sum }' "$dir/out.$2"
}

# METRIC VALUE, one a line.
number=0
while read -r metric units function without; do
	number=$((number + 1))
	sum=$(inclusive "$function" "$number")
	less=0
	[ -z "$without" ] || less=$(inclusive "$without" "$number")
	if [ "$sum" -eq 0 ]; then
		echo "guard: $metric: nothing was counted in $function"
		exit 1
	fi
	echo "$metric $sum $less $units" |
		awk '{ printf "%s %.2f\n", $1, ($2 - $3) / $4 }' >> "$dir/values"
done < "$dir/parts"

if [ "$mode" = renew ]; then
	awk -v compiler="$compiler" '
		FNR == NR { if ($1 == compiler) tolerance[$2] = $4
			    else if ($1 !~ /^#/ || !done) print; next }
		{ kept = $1 in tolerance ? tolerance[$1] : 3
		  printf "%s %s %s %s\n", compiler, $1, $2, kept }' \
		"$baseline" "$dir/values" > "$dir/renewed"
	cat "$dir/renewed" > "$baseline"
	echo "guard: bench/guard/baseline.txt renewed for $compiler; look at the difference and commit it"
fi

awk -v compiler="$compiler" '
	FNR == NR { if ($1 == compiler) { was[$2] = $3; tolerance[$2] = $4 } next }
	FNR == 1 { printf "%-18s %10s %10s %8s %8s  instructions (%s)\n", "", "baseline", "now",
		   "change", "allowed", compiler }
	!($1 in was) { printf "%-18s %10s %10.2f  NOT IN THE BASELINE\n", $1, "-", $2; bad = 1; next }
	{ change = ($2 - was[$1]) / was[$1] * 100
	  verdict = change > tolerance[$1] ? "  MORE" : change < -tolerance[$1] ? "  less: renew" : ""
	  if (change > tolerance[$1]) bad = 1
	  printf "%-18s %10.2f %10.2f %7.1f%% %7.1f%%%s\n", $1, was[$1], $2, change, tolerance[$1], verdict
	  delete was[$1] }
	END { for (metric in was) { printf "%-18s was not counted\n", metric; bad = 1 }
	      if (bad) print "guard: if this is meant, ./dev guard --renew, and say why in the commit"
	      exit bad }' "$baseline" "$dir/values"
