# shellcheck shell=bash
# report_arm64.sh: the tables of docs/aarch64.md, from what is stored of every job of every kernel.

page_bytes()
{
	job_output info | sed -n 's/^page size in bytes *//p'
}

# Passed, skipped, not passed yet (not run, or failed): of all jobs.
suite_passed()
{
	job_results | awk -v all="$(wc -l < "$work/results/$kernel/keys")" '
		$2 == 0 { passed++ }
		$2 != 0 { skipped++ }
		END {
			printf "%d passed, %d skipped", passed, skipped
			if (all > passed + skipped) printf ", %d not passed", all - passed - skipped
		}'
}

# A folder for each kernel, as if one guest had run everything that has a result: $work/whole/NAME/jobs.log.
assemble_logs()
{
	local kernel name version plan image results id

	rm -rf "$work/whole"
	for kernel in $(kernel_names); do
		read_kernel "$kernel"
		touch "$results/keys" # which a kernel that was never run has not
		mkdir -p "$work/whole/$kernel"
		stored_log > "$work/whole/$kernel/jobs.log"
	done
}

kernel_rows()
{
	local kernel results

	printf '| name | release | page size | plan taken | jobs | page-level tests passed |\n|---|---|---|---|---|---|\n'
	for kernel in $(kernel_names); do
		results="$work/whole/$kernel"
		printf '| `%s` | %s | %s | %s | %s | %s |\n' "$kernel" "$(release_of | sort -u | xargs)" "$(page_bytes)" \
			"$(plan_taken)" "$(suite_passed)" "$(page_tests_passed)"
	done
}

# kernel, job and exit status of everything, one a line.
all_results()
{
	local kernel results

	for kernel in $(kernel_names); do
		results="$work/whole/$kernel"
		job_results | sed "s/^/$kernel /"
	done
}

# kernel, job and - of what has not passed.
not_passed()
{
	local kernel

	for kernel in $(kernel_names); do
		cut -d '|' -f 1 "$work/results/$kernel/keys" | grep -vxF -f <(results="$work/whole/$kernel" job_results |
			cut -d ' ' -f 1) | sed "s/.*/$kernel & -/" || true
	done
}

# A line for each program, with how many of its cases passed on each kernel.
program_rows()
{
	{ all_results && not_passed; } | sort -k 2 | awk -v names="$(kernel_names | xargs)" '
		{ program = $2; sub(/[.-].*/, "", program) }
		!(program in known) { known[program] = 1; order[++count] = program }
		$3 == "0" { passed[program, $1]++ }
		$3 == "77" { skipped[program, $1]++ }
		$3 == "-" { missing[program, $1]++ }
		END {
			kernels = split(names, kernel, " ")
			line = "| program |"; rule = "|---|"
			for (k = 1; k <= kernels; k++) { line = line " `" kernel[k] "` |"; rule = rule "---|" }
			print line; print rule
			for (i = 1; i <= count; i++) {
				line = "| `" order[i] "` |"
				for (k = 1; k <= kernels; k++) {
					text = passed[order[i], kernel[k]] + 0 " passed"
					if (skipped[order[i], kernel[k]])
						text = text ", " skipped[order[i], kernel[k]] " skipped"
					if (missing[order[i], kernel[k]])
						text = text ", " missing[order[i], kernel[k]] " not passed"
					if (text == "0 passed") text = "-"
					line = line " " text " |"
				}
				print line
			}
		}'
}

# The last words of what was skipped, and cases of unit tests that were, in a program that went on.
skip_rows()
{
	local kernel results job code

	for kernel in $(kernel_names); do
		results="$work/whole/$kernel"
		while read -r job code; do
			[ "$code" != 77 ] || echo "$job|$(job_output "$job" | grep -v '^ *$' | tail -n 1)|$kernel"
			job_output "$job" | sed -n "s/^\[  SKIPPED \] \([a-z]\)/$job: \1/p" | sort -u |
				sed "s/\$/|a case of it|$kernel/"
		done < <(job_results)
	done | awk -F '|' '
		!($1 "|" $2 in kernels) { order[++count] = $1 "|" $2 }
		{ kernels[$1 "|" $2] = kernels[$1 "|" $2] (kernels[$1 "|" $2] ? ", " : "") "`" $3 "`" }
		END {
			print "| skipped | what it said | on |"; print "|---|---|---|"
			for (i = 1; i <= count; i++) {
				split(order[i], part, "|")
				print "| `" part[1] "` | " part[2] " | " kernels[order[i]] " |"
			}
		}'
}

# Between the marks of docs/aarch64.md.
write_arm64_table()
{
	local page="$top/docs/aarch64.md"

	assemble_logs
	{
		sed '/^<!-- table -->$/q' "$page"
		printf '`PLX_TEST_SHARE=%s ./dev kernel arm64`:\n\n' "${PLX_TEST_SHARE:-5}"
		kernel_rows
		printf '\n'
		program_rows
		printf '\n'
		skip_rows
		sed -n '/^<!-- end of table -->$/,$p' "$page"
	} > "$page.new"
	mv "$page.new" "$page"
	say "wrote docs/aarch64.md"
}
