# shellcheck shell=bash
# suite.sh: CTest's cases of a cross-build as jobs of a guest: name|seconds|command, the same programs with the
# same variables and arguments.

# What no guest runs, and why: guest/leave-out-arm64.
left_out()
{
	grep -v '^#' "$kernel_dir/guest/leave-out-arm64" | cut -d '|' -f 1 | grep -qxF -e "$1"
}

# All cases as ctest would run them, one a line: label|name|command.
suite_cases()
{
	sed 's/\[=\[//g; s/\]=\]//g' "$1/test/CTestTestfile.cmake" | awk '
		/^add_test\(/ {
			line = $0
			sub(/^add_test\(/, "", line); sub(/\)$/, "", line)
			name = line; sub(/ .*/, "", name)
			command = substr(line, length(name) + 2)
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
		unit | system) left_out "$name" || echo "$name|$suite_seconds|$command" ;;
		esac
	done
}
