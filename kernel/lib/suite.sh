# shellcheck shell=bash
# suite.sh: CTest's cases of a cross-build as jobs of a guest: name|seconds|command, the same programs with the
# same variables and arguments. Corpora of test/fuzz lie in /corpus there.

suite_folders=(test test/fuzz examples)

# What no guest runs, and why: guest/leave-out-arm64.
left_out()
{
	grep -v '^#' "$kernel_dir/guest/leave-out-arm64" | cut -d '|' -f 1 | grep -qxF -e "$1"
}

# A case's command, with what guest/shorter-arm64 adds.
shortened()
{
	local pattern variables arguments

	while IFS='|' read -r pattern variables arguments; do
		# shellcheck disable=SC2254 # a pattern it is
		case $1 in
		$pattern)
			echo "${variables:+$variables }$2${arguments:+ $arguments}"
			return 0
			;;
		esac
	done < <(grep -v '^#' "$kernel_dir/guest/shorter-arm64")
	echo "$2"
}

# All cases as ctest would run them, one a line: label|name|command.
suite_cases()
{
	local folder

	for folder in "${suite_folders[@]}"; do
		cat "$1/$folder/CTestTestfile.cmake"
	done | sed "s/\[=\[//g; s/\]=\]//g; s,\"$top/test/fuzz/corpus,\"/corpus," | awk '
		/^add_test\(/ {
			line = $0
			sub(/^add_test\(/, "", line); sub(/\)$/, "", line)
			name = line; sub(/ .*/, "", name)
			command = substr(line, length(name) + 2)
			sub(/^"[^"]*\/examples\//, "\"example_", command) # a test may have the name of an example
			sub(/^"[^"]*\//, "\"", command)
		}
		/^set_tests_properties\(/ {
			label = $0; sub(/.* LABELS "/, "", label); sub(/".*/, "", label)
			environment = $0; sub(/.* ENVIRONMENT "/, "", environment); sub(/".*/, "", environment)
			gsub(/;/, " ", environment)
			print label "|" name "|" environment " " command
		}'
}

suite_jobs()
{
	local label name command

	suite_cases "$1" | while IFS='|' read -r label name command; do
		case $label in
		unit | system | example) left_out "$name" || echo "$name|$suite_seconds|$(shortened "$name" "$command")" ;;
		esac
	done
}
