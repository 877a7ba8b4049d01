#!/bin/bash
# SPDX-License-Identifier: MIT
# How often durable writes wait for the disk: once each, and several clients' together.
# stage: gcc
. "$srcdir/tests/mount/lib.sh"
each=25
mnt=$TMPDIR/mnt
export SLOW_DISK_LOG=$TMPDIR/syncs SLOW_DISK_MS=20

works $CC -D_GNU_SOURCE -O2 -shared -fPIC -o "$TMPDIR/slow_disk.so" "$srcdir/tests/mount/slow_disk.c" -ldl
: > "$SLOW_DISK_LOG"
LD_PRELOAD=$TMPDIR/slow_disk.so up "sqlite:$TMPDIR/store" "$mnt"

# client NAME: files, each on disk before the next is begun.
client() {
    python3 - "$mnt/$1" "$each" << 'END'
import os, sys
for i in range(int(sys.argv[2])):
    file = os.open(f"{sys.argv[1]}{i}", os.O_WRONLY | os.O_CREAT, 0o644)
    os.write(file, b"value\n")
    os.fsync(file)
    os.close(file)
END
}

# counted COMMAND…: sets `syncs` and `took`, in milliseconds.
counted() {
    local before began
    before=$(stat -c %s "$SLOW_DISK_LOG")
    began=$(date +%s%3N)
    works "$@"
    took=$(($(date +%s%3N) - began))
    syncs=$(($(stat -c %s "$SLOW_DISK_LOG") - before))
}

# at_most NUMBER WHAT
at_most() {
    checks=$((checks + 1))
    [ "$syncs" -le "$1" ] || fail "$2: $syncs syncs, more than $1"
}

# at_least NUMBER WHAT
at_least() {
    checks=$((checks + 1))
    [ "$syncs" -ge "$1" ] || fail "$2: $syncs syncs, less than $1"
}

four() {
    local pids=() pid code=0
    for name in b c d e; do
        client "keys/$name" &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do
        wait "$pid" || code=1
    done
    return "$code"
}

mkdir "$mnt/keys/dir"
counted client keys/dir/a
at_least "$each" "one client"
at_most $((each + each / 5)) "one client" # and a checkpoint now and then
alone=$took
for try in 1 2 3; do # on a busy machine they may run one after the other
    counted four
    [ "$syncs" -gt $((each * 14 / 5)) ] || break
done
at_most $((each * 14 / 5)) "four clients' $((each * 4)) files"
echo "$each files one after the other: $alone ms; four times as many by four clients: $took ms, $syncs syncs"

# What was closed before is not on disk: a sync that finds nothing dirty is no empty word.
echo value > "$mnt/keys/dir/closed"
counted sync "$mnt/keys/dir/closed"
at_least 1 "a file that was closed"

echo '{"a":1}' > "$mnt/keys/document"
counted python3 -c "
import os
file = os.open('$mnt/fields/document/a', os.O_WRONLY)
os.write(file, b'2')
os.fsync(file)
os.close(file)"
same 1 "$syncs" "syncs of a member of a document"
same '{"a":2}' "$(cat "$mnt/keys/document")" "the document"
down "$mnt"

# -o sync and dirsync: each change waits for the disk, of itself; with sync each write, too.
for option in async dirsync sync; do
    LD_PRELOAD=$TMPDIR/slow_disk.so up "sqlite:$TMPDIR/store" "$mnt" -o "$option"
    echo one > "$mnt/keys/first" # a new log has syncs of its own
    wanted=$([ $option = async ] && echo 0 || echo 1)
    for change in "mkdir '$mnt/keys/$option'" "echo one > '$mnt/keys/$option/a'" "ln -s a '$mnt/keys/$option/link'" \
            "mv '$mnt/keys/$option/a' '$mnt/keys/$option/b'" "echo '{\"a\":1}' > '$mnt/keys/document'" \
            "echo 2 > '$mnt/fields/document/a'" "echo 3 > '$mnt/fields/document/new'" \
            "mv '$mnt/fields/document/new' '$mnt/fields/document/moved'" "rm '$mnt/fields/document/moved'" \
            "rm '$mnt/keys/$option/b'"; do
        counted sh -c "$change"
        if [ "$wanted" = 0 ]; then
            at_most 0 "-o $option: $change"
        else
            at_least 1 "-o $option: $change"
        fi
    done
    down "$mnt"
done
LD_PRELOAD=$TMPDIR/slow_disk.so up "sqlite:$TMPDIR/store" "$mnt" -o sync
counted python3 -c "
import os
file = os.open('$mnt/keys/writes', os.O_WRONLY | os.O_CREAT)
before = os.path.getsize('$SLOW_DISK_LOG')
for i in range(5):
    os.write(file, b'value')
assert os.path.getsize('$SLOW_DISK_LOG') >= before + 5, 'writes do not wait for the disk'"
down "$mnt"
finish
