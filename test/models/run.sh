#!/bin/sh
# usage: run.sh MODEL [VARIANT]
# Check one Spin model, and then, where CI is set, each mutation that its head lists: the model has to hold,
# and every mutation has to be found. A mutation whose line ends in (NAME) belongs to that variant, which is a
# define for the model. Also, each function that the head says it stands for has to exist.
# Ends with 0, 1, or 77 when spin or gcc is missing (an error where CI is set).
set -eu
model=$1
variant=${2-}
top=$(cd "$(dirname "$0")/../.." && pwd)
name=$(basename "$model" .pml)${variant:+ $variant}
for tool in spin gcc; do
	command -v "$tool" > /dev/null && continue
	echo "$0: $tool is not installed"
	[ "${CI-}" = true ] && exit 1
	exit 77
done
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cp "$model" "$scratch/model.pml"
cd "$scratch"

bad=0
for function in $(sed -n '/Stands for:/,/^ \*$/p' model.pml | tr -c 'a-z0-9_/.\n' ' ' |
	grep -oE '(^| )[a-z][a-z0-9]*(_[a-z0-9]+)+( |$)' | sort -u); do
	grep -rqw "$function" "$top/gc" "$top/runtime" && continue
	echo "$name: stands for $function, which does not exist"
	bad=1
done

# usage: search OPTIMISATION DEFINE... ; sets `errors` and `states`
search()
{
	optimisation=$1
	shift
	spin ${variant:+-D$variant} "$@" -a model.pml > spin.out 2>&1 || { cat spin.out; exit 1; }
	gcc "$optimisation" -w -DSAFETY -DMEMLIM=1500 -o pan pan.c
	./pan -m200000 -w21 > pan.out 2>&1 || true
	errors=$(sed -n 's/.*errors: \([0-9]*\).*/\1/p' pan.out)
	states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' pan.out)
	if [ "${errors:-0}" = 0 ] &&
		{ [ -z "$errors" ] || grep -q 'search depth too small\|not completed' pan.out; }; then
		cat pan.out
		echo "$name: the search is not complete"
		exit 1
	fi
}

search -O2
if [ "$errors" != 0 ]; then
	cat pan.out
	./pan -r | tail -n 80
	echo "$name: the model does not hold"
	exit 1
fi
echo "$name: holds, $states states"

[ "${CI-}" = true ] || exit $bad
grep -E '^ \*( MUTATE=| +)[0-9]+  ' model.pml > mutations
while read -r line; do
	number=$(echo "$line" | sed 's/^[^0-9]*\([0-9]*\) .*/\1/')
	owner=$(echo "$line" | sed -n 's/.*(\([A-Z]*\))$/\1/p')
	[ "$owner" = "$variant" ] || continue
	search -O0 -DMUTATE="$number"
	echo "$name: mutation $number: $([ "$errors" = 0 ] && echo NOT FOUND || echo found)"
	[ "$errors" != 0 ] || bad=1
done < mutations
exit $bad
