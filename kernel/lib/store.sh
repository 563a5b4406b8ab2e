# shellcheck shell=bash
# store.sh: what came of each job of a suite, so that one which takes hours can be run in pieces. A job that has passed,
# or was skipped, is not run again until its program, its line, the kernel or what all jobs see has changed.
#
# $results/keys has a line for each job, name|key; $results/done/NAME is the key, and then what the guest said.

# Keys of the jobs on standard input; $1 stands for what all of them see.
job_keys()
{
	local job command word texts="$results/texts"
	local -A digests=()

	while read -r word job; do
		digests[${job##*/}]=$word
	done < <(sha256sum "$root"/bin/*)
	rm -rf "$texts"
	mkdir "$texts"
	while IFS='|' read -r job _ command; do
		{
			echo "$1 $command"
			for word in ${command//\"/}; do
				[ -z "${digests[$word]-}" ] || echo "${digests[$word]}  -"
			done
		} > "$texts/$job"
	done
	(cd "$texts" && sha256sum ./*) | sed 's,^\(.\{20\}\)[^ ]*  \./\(.*\),\2|\1,'
	rm -rf "$texts"
}

is_stored()
{
	[ "$(head -n 1 "$results/done/$1" 2> /dev/null)" = "$2" ]
}

# Those of the jobs on standard input that have to be run.
jobs_to_run()
{
	local job rest

	while IFS='|' read -r job rest; do
		if [ "$again" = yes ] || ! is_stored "$job" "$(job_key "$job")"; then
			echo "$job|$rest"
		fi
	done
}

job_key()
{
	awk -F '|' -v job="$1" '$1 == job { print $2 }' "$results/keys"
}

# After a guest: keep what its jobs said; those that failed are not kept.
store_results()
{
	local job code

	mkdir -p "$results/done"
	while read -r job code; do
		rm -f "$results/done/$job"
		case $code in
		0 | 77) ;;
		*) continue ;;
		esac
		{
			job_key "$job"
			tr -d '\r' < "$results/jobs.log" | sed -n '/@guest/p'
			echo "@job $job"
			job_output "$job"
			echo "@done $job $code"
		} > "$results/done/.new"
		mv "$results/done/.new" "$results/done/$job"
	done < <(job_results)
}

# The log of one guest that would have run all of the jobs that have a result.
stored_log()
{
	local job key

	while IFS='|' read -r job key; do
		! is_stored "$job" "$key" || tail -n +2 "$results/done/$job"
	done < "$results/keys"
}
