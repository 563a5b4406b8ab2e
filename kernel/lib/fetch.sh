# shellcheck shell=bash
# fetch.sh: kernels as Debian packages, from suites that this system need not have configured. A
# private apt (own state, cache and list of sources) does it; nothing system-wide changes, and the
# archive's own keyring still decides what is genuine.

# Whoever runs this for another architecture sets these after this file was read.
package_architecture=amd64
package_list=$kernel_dir/config/sources
image_ending='cloud-amd64(-unsigned)?'

archive_keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# URIs of the Debian archives in this system's apt, without a slash at the end.
configured_mirrors()
{
	apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' |
		sed 's,/*$,,' | sort -u
}

# The mirror of an archive, by the end of its URI. A system without the security archive has it
# beside the main one, as a rule.
mirror_of()
{
	local archive=$1 uri

	uri=$(configured_mirrors | grep -E "/$archive\$" | head -n 1 || true)
	[ -n "$uri" ] ||
		uri=$(configured_mirrors | sed -n "s,/debian\$,/$archive,p" | head -n 1)
	[ -n "$uri" ] || fail "apt knows no mirror of the archive $archive: configure one, run apt-get update"
	echo "$uri"
}

# An apt program with its own state, for one archive and suite.
private_apt()
{
	local archive=$1 suite=$2 home="$work/apt/$2"

	shift 2
	if [ ! -e "$home/sources.list" ]; then
		mkdir -p "$home"/{state/lists/partial,cache/archives/partial,parts}
		printf 'deb [signed-by=%s] %s %s main\n' "$archive_keyring" "$(mirror_of "$archive")" \
			"$suite" > "$home/sources.list.new"
		mv "$home/sources.list.new" "$home/sources.list"
	fi
	"$1" -q -o APT::Architecture="$package_architecture" -o APT::Architectures::="$package_architecture" \
		-o Dir::State="$home/state" -o Dir::State::Lists="$home/state/lists" \
		-o Dir::Cache="$home/cache" -o Dir::Etc::SourceList="$home/sources.list" \
		-o Dir::Etc::SourceParts="$home/parts" -o Dir::State::status=/var/lib/dpkg/status \
		-o APT::Sandbox::User=root -o Acquire::Languages=none "${@:2}"
}

# Read an index once in a run.
update_suite()
{
	local archive=$1 suite=$2

	[ -z "$(find "$work/apt/$suite/updated" -mmin -60 2> /dev/null)" ] || return 0
	[ -e "$archive_keyring" ] || fail "no archive keyring: install debian-archive-keyring"
	private_apt "$archive" "$suite" apt-get update > "$work/apt-$suite.log" 2>&1 || {
		cat "$work/apt-$suite.log" >&2
		fail "cannot read the index of $suite"
	}
	touch "$work/apt/$suite/updated"
}

# What the suite has in place of a package that it no longer has: an image of another ABI.
newest_name()
{
	local archive=$1 suite=$2 version=$3

	version=${version%%-*}
	private_apt "$archive" "$suite" apt-cache search --names-only \
		"^linux-(image|binary)-${version//./\\.}[.][.0-9]*[-+][-+0-9a-z~.]*$image_ending\$" |
		cut -d ' ' -f 1 | sort -V | tail -n 1
}

# Print "package version" to fetch, and say so when it is not the preferred one.
choose_package()
{
	local version=$1 package=$2 archive=$3 suite=$4 preferred=$5 available

	available=$(private_apt "$archive" "$suite" apt-cache madison "$package" 2> /dev/null |
		awk '{ print $3 }' | sort -rV)
	if grep -qxF -e "$preferred" <<< "$available"; then
		echo "$package $preferred"
		return 0
	fi
	if [ -z "$available" ]; then
		package=$(newest_name "$archive" "$suite" "$version")
		[ -n "$package" ] || fail "$suite has no kernel $version any more"
		available=$(private_apt "$archive" "$suite" apt-cache madison "$package" |
			awk '{ print $3 }' | sort -rV)
	fi
	[ "$preferred" = - ] || say "$suite no longer has $version at $preferred: taking the newest" >&2
	echo "$package $(head -n 1 <<< "$available")"
}

# Fetch the package of a version and kind (source, image); print the path of the .deb.
fetch_package()
{
	local line package archive suite preferred digest deb chosen dir="$work/packages"

	line=$(grep -E "^$1 $2 " "$package_list") || fail "${package_list##*/} has no $1 $2"
	read -r _ _ package archive suite preferred digest <<< "$line"
	deb="$dir/${package}_$preferred.deb"
	if [ -e "$dir/$1-$2" ] && [ "$(head -n 1 "$dir/$1-$2")" = "$line" ]; then
		tail -n 1 "$dir/$1-$2"
		return 0
	fi
	update_suite "$archive" "$suite"
	chosen=$(choose_package "$1" "$package" "$archive" "$suite" "$preferred")
	[ "$chosen" = "$package $preferred" ] || digest=-
	deb="$dir/${chosen% *}_${chosen#* }.deb"
	if [ ! -e "$deb" ]; then
		say "fetching ${chosen% *} from $suite" >&2
		rm -rf "$dir/partial"
		mkdir -p "$dir/partial"
		(cd "$dir/partial" && private_apt "$archive" "$suite" \
			apt-get download "${chosen% *}=${chosen#* }" >&2) || fail "cannot fetch $chosen"
		mv "$dir/partial"/*.deb "$deb"
	fi
	if [ "$digest" != - ] && ! sha256sum --check --status <<< "$digest  $deb"; then
		rm -f "$deb"
		fail "$chosen is not what ${package_list##*/} pins (sha256)"
	fi
	printf '%s\n%s\n' "$line" "$deb" > "$dir/$1-$2"
	echo "$deb"
}
