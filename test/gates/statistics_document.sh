#!/bin/sh
# docs/tuning.md explains every field of struct plx_stats and every distribution, and no other.
. "$(dirname "$0")/common.sh"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
header=runtime/include/parallax/heap.h

sed -n '/^struct plx_stats {/,/^};/p' "$header" | grep -o 'uint64_t [a-z_]*;' |
	sed 's/uint64_t \(.*\);/\1/' | sort -u > "$scratch/fields"
sed -n '/^## Every statistic/,$p' docs/tuning.md | sed -n 's/^| \(`[^|]*\)|.*/\1/p' |
	grep -o '`[a-z_]*`' | tr -d '`' | sort -u > "$scratch/explained"
[ -s "$scratch/fields" ] || violation "no field found: this gate is broken"
for field in $(comm -23 "$scratch/fields" "$scratch/explained"); do
	violation "docs/tuning.md does not explain $field of struct plx_stats"
done
for word in $(comm -13 "$scratch/fields" "$scratch/explained"); do
	violation "docs/tuning.md explains $word, which struct plx_stats has not"
done
for name in $(grep -o 'PLX_DISTRIBUTION_[A-Z]*_NS' "$header" | sort -u); do
	grep -q "$name" docs/tuning.md || violation "docs/tuning.md does not explain $name"
done
finish
