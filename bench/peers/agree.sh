#!/bin/sh
# usage: agree.sh PEER GC_PAUSE: a little of each workload, by a peer's program and by gc_pause: both must
# hold what was written and come to the same checksums. With more memory than the comparison allows.
set -eu

peer=$1
gc_pause=$2

# Status and checksum of a run of program $1.
outcome()
{
	"$@" --threads 2 --depth 9 --seed 5 --heap 64M --live 2M --json - |
		tr ',' '\n' | sed -n 's/.*"\(status\|checksum\)":"\([^"]*\)".*/\2/p'
}

# fragment: each thread needs an operation, for its rounds have barriers in them.
for work in cache:4000 trees:64 gcbench:64 fragment:2; do
	workload="--workload ${work%:*} --operations ${work#*:}"
	# shellcheck disable=SC2086 # words
	ours=$(outcome "$gc_pause" --quiet --plan none $workload)
	# shellcheck disable=SC2086
	theirs=$(outcome "$peer" $workload)
	if [ "${ours#ok}" = "$ours" ] || [ "$ours" != "$theirs" ]; then
		echo "agree: ${work%:*}: gc_pause" $ours ", ${peer##*/}" $theirs
		exit 1
	fi
done
