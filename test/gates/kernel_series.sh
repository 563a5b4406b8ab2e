#!/bin/sh
# The patch series in kernel/: numbered without gaps, each patch with a reason and a sign-off, no
# trailing blanks in what it adds. That they apply and build is for `./dev kernel` to find out.
. "$(dirname "$0")/common.sh"

# What stands between the subject and the diffstat.
message_of()
{
	sed -n '1,/^---$/p' "$1" | sed '1,/^$/d;$d'
}

for series in kernel/[0-9]*; do
	number=1
	for patch in "$series"/*.patch; do
		[ -f "$patch" ] || continue
		case $(basename "$patch") in
		$(printf '%04d' "$number")-*) ;;
		*) violation "$patch: expected number $number" ;;
		esac
		number=$((number + 1))
		grep -q '^Subject: ' "$patch" || violation "$patch has no subject"
		[ "$(message_of "$patch" | wc -l)" -ge 6 ] || violation "$patch does not say why"
		message_of "$patch" | grep -q '^Signed-off-by: ' || violation "$patch is not signed off"
		if grep -nE '^\+.*[[:blank:]]$' "$patch"; then
			violation "$patch adds trailing blanks"
		fi
	done
done
finish
