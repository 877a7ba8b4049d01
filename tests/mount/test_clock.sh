#!/bin/bash
# SPDX-License-Identifier: MIT
# Steps of the wall clock, suspends and a reboot under mounts: no open transaction or file is lost, and file times
# stay right.
# stage: gcc
. "$srcdir/tests/mount/lib.sh"
one=$TMPDIR/one
two=$TMPDIR/two
export CLOCK_FILE=$TMPDIR/clock

# clocks REAL [BOOT [MONOTONIC]]: by so many seconds they are ahead from now on.
clocks() {
    printf '%-63s' "$1 ${2:-0} ${3:-0}" 1<> "$CLOCK_FILE"
}

# with COMMAND…: on the machine whose clocks these are.
with() {
    LD_PRELOAD=$TMPDIR/clock.so "$@"
}

works $CC -D_GNU_SOURCE -O2 -shared -fPIC -o "$TMPDIR/clock.so" "$srcdir/tests/mount/clock.c" -ldl
clocks 0

# begin_large FILE: writes the first part of a large value, and leaves the file open; end_large: the rest.
begin_large() {
    coproc large {
        python3 -c '
import sys
data = open(sys.argv[1], "rb").read()
with open(sys.argv[2], "wb", buffering=0) as file:
    file.write(data[:12000000])
    print("begun", flush=True)
    if sys.stdin.readline() == "":
        sys.exit(1)
    file.write(data[12000000:])
' "$TMPDIR/bytes" "$1"
    }
    writer=$large_PID # unset when it ends
    read -r begun <&"${large[0]}"
    same begun "$begun" "$1"
}
end_large() {
    echo >&"${large[1]}"
    wait "$writer" || fail "could not be written to its end"
}

# step NAME REAL [BOOT]: what is open in both mounts when the clocks are set, and what becomes of it.
step() {
    local name=$1 level
    shift
    clocks 0
    echo before > "$one/keys/seen"
    for level in read-committed snapshot serializable; do
        works mkdir "$one/tx/$level"
        echo "$level" > "$one/tx/$level/isolation"
        echo inside > "$one/tx/$level/keys/$name.$level"
    done
    works mkdir "$two/tx/other"
    echo inside > "$two/tx/other/keys/$name.other"
    same before "$(cat "$two/tx/other/keys/seen")" "a snapshot in the other mount"
    begin_large "$one/keys/$name.large"
    clocks "$@"
    echo after > "$one/keys/seen"
    works with "$STOREFS" fsck --repair "sqlite:$TMPDIR/store"
    same before "$(cat "$two/tx/other/keys/seen")" "$name: the snapshot in the other mount"
    same before "$(cat "$one/tx/snapshot/keys/seen")" "$name: the snapshot"
    same after "$(cat "$two/keys/seen")" "$name: what the other mount shows"
    end_large
    works cmp "$TMPDIR/bytes" "$two/keys/$name.large"
    echo > "$two/tx/other/commit"
    same inside "$(cat "$one/keys/$name.other")" "$name: the other mount's transaction"
    for level in read-committed snapshot serializable; do
        echo more >> "$one/tx/$level/keys/$name.$level"
        echo > "$one/tx/$level/commit"
        same $'inside\nmore' "$(cat "$two/keys/$name.$level")" "$name: a transaction that is $level"
    done
    checks=$((checks + 1))
    [ "$(jq .uptime_seconds "$one/admin/stats.json")" -lt 1000 ] || fail "$name: $(grep uptime "$one/admin/stats.json")"
}

head -c 13000000 /dev/urandom > "$TMPDIR/bytes"
LD_PRELOAD=$TMPDIR/clock.so up "sqlite:$TMPDIR/store" "$one"
LD_PRELOAD=$TMPDIR/clock.so up "sqlite:$TMPDIR/store" "$two"
day=86400
step hour 3600
step hour-back -3600
step day $((day + 60))
step day-back -$day
step years $((3653 * day))
step years-back $((-3653 * day))
step sleep $((2 * day)) $((2 * day))
clocks 0

# A directory that only its keys make shows the time of what is made in it, also when that is earlier than before.
mkdir "$one/keys/made" && : > "$one/keys/made/first"
with "$STOREFS" set "$one" implied/first 1
for directory in made implied; do
    : > "$one/keys/$directory/second"
    stat -c %Y "$one/keys/$directory" > /dev/null
    clocks -$day
    : > "$one/keys/$directory/third"
    late=$(($(date +%s) - day - $(stat -c %Y "$one/keys/$directory")))
    checks=$((checks + 1))
    [ "${late#-}" -lt 100 ] || fail "$directory shows a time that is $late seconds from what it is"
    clocks 0
done

# Times that nanoseconds cannot count are the nearest that they can; all others are kept.
for time in -1 0 2147483647 2147483648 4294967296 9223372035 -9223372035; do
    works touch -d "@$time" "$one/keys/seen"
    same "$time" "$(stat -c %Y "$one/keys/seen")" "a time"
done
works touch -d @99999999999 "$one/keys/seen"
same 9223372035 "$(stat -c %Y "$one/keys/seen")" "a time after 2261"
works touch -d @-99999999999 "$one/keys/seen"
same -9223372035 "$(stat -c %Y "$one/keys/seen")" "a time before 1678"

# The machine stops with all that open, and is started again: another boot, and its clocks begin anew.
down "$two"
clocks 0 0 1000000
LD_PRELOAD=$TMPDIR/clock.so up "sqlite:$TMPDIR/store" "$two"
works mkdir "$two/tx/lost"
echo inside > "$two/tx/lost/keys/lost"
begin_large "$two/keys/large"
same 2 "$(sqlite3 "$TMPDIR/store" 'SELECT (SELECT count(*) > 0 FROM lease) + (SELECT count(*) FROM stage)')" "rows"
down "$one"
kill -9 "$(daemon_of "$two")"
kill -9 "$writer"
wait "$writer"
"$STOREFS" unmount --lazy "$two"
clocks 0
CLOCK_BOOT_ID=00000000-0000-4000-8000-000000000000 LD_PRELOAD=$TMPDIR/clock.so up "sqlite:$TMPDIR/store" "$one"
works cmp "$TMPDIR/bytes" "$one/keys/sleep.large"
refuses "No such file" cat "$one/keys/lost"
refuses "No such file" cat "$one/keys/large"
works "$STOREFS" fsck "sqlite:$TMPDIR/store"
down "$one"
same 0 "$(sqlite3 "$TMPDIR/store" 'SELECT (SELECT count(*) FROM lease) + (SELECT count(*) FROM stage)')" "rows left"
finish
