#!/bin/sh
# usage: usdt_probes.sh LIBRARY FOLDER-OF-SYS/SDT.H
# Built with sys/sdt.h, the library has a probe for each event of the table, and no other.
. "$(dirname "$0")/common.sh"
need_tool readelf
case $2 in
'' | *NOTFOUND) cannot_run "sys/sdt.h was not there when this was built" ;;
esac
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

sed -n 's/^	X(\([a-z_]*\),.*/\1/p' gc/base/event_table.h | sort -u > "$scratch/events"
readelf -n "$1" | grep -A1 'Provider: parallax$' | sed -n 's/^ *Name: //p' | sort -u \
	> "$scratch/probes"
[ -s "$scratch/events" ] || violation "no event found: this gate is broken"
for event in $(comm -23 "$scratch/events" "$scratch/probes"); do
	violation "the event $event has no probe: nobody records it"
done
for probe in $(comm -13 "$scratch/events" "$scratch/probes"); do
	violation "the probe $probe is not in the table of events"
done
finish
