# Sourced by the gates: where the tree is, which files belong to it, how to report.
set -eu

top=$(cd "$(dirname "$0")/../.." && pwd)
gate=$(basename "$0" .sh)
found=0
cd "$top"

# Report one violation; the gate goes on and fails at its end.
violation()
{
	echo "$gate: $*"
	found=$((found + 1))
}

finish()
{
	if [ "$found" -ne 0 ]; then
		echo "$gate: $found violation(s)"
		exit 1
	fi
	exit 0
}

# A gate that cannot run is skipped on a developer's machine and fails in CI.
cannot_run()
{
	echo "$gate: $*"
	if [ "${CI:-}" = true ]; then
		exit 1
	fi
	exit 77
}

need_tool()
{
	command -v "$1" > /dev/null || cannot_run "$1 is not installed"
}

# Every file of the tree that is not generated, one a line.
tree_files()
{
	if git rev-parse --is-inside-work-tree > /dev/null 2>&1; then
		git ls-files --cached --others --exclude-standard | while read -r file; do
			[ ! -f "$file" ] || echo "$file"
		done
	else
		find . \( -name .git -o -path ./build \) -prune -o -type f -print | sed 's,^\./,,'
	fi
}

c_files()
{
	tree_files | grep '\.[ch]$'
}
