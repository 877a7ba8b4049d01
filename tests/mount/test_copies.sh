#!/bin/bash
# SPDX-License-Identifier: MIT
# Generated files are copied whole by every program: their size is known while they are open.
. "$srcdir/tests/mount/lib.sh"

ROWS=20000

fill() {
    local mount=$1 i
    for i in 1 2 3 4 5; do
        echo "{\"type\":\"$([ "$i" -gt 2 ] && echo a || echo b)\",\"n\":$i}" > "$mount/keys/$i"
    done
    mkdir "$mount/indexes/n" "$mount/tx/t"
    echo '{"n":6}' > "$mount/tx/t/keys/6"
    cat "$mount/query/where/n = (/count" 2> /dev/null # for admin/errors
}

table() {
    local mount=$TMPDIR/table
    up memory: "$mount"
    fill "$mount"
    works python3 "$srcdir/tests/mount/copies.py" "$mount" tx/t "$srcdir/tests/mount/copies.js"
    down "$mount"
}

scans() {
    jq .calls.scan.calls "$1/admin/stats.json"
}

# A result that memory does not hold whole, the handles of one file, and what changes while they are open.
handles() {
    local mount=$TMPDIR/handles before
    python3 - "$ROWS" > "$TMPDIR/rows.ndjson" <<'PYTHON'
import sys
for i in range(int(sys.argv[1])):
    print('{"key":"d/%06d","value":{"n":%d,"x":"%s"}}' % (i, i, "y" * 100))
PYTHON
    works "$STOREFS" import "memory:?snapshot=$TMPDIR/rows.mem" "$TMPDIR/rows.ndjson"
    mkdir "$TMPDIR/temporary"
    TMPDIR=$TMPDIR/temporary up "memory:?snapshot=$TMPDIR/rows.mem" "$mount"
    works python3 - "$mount" "$ROWS" "$TMPDIR/temporary" <<'PYTHON'
import mmap, os, shutil, sys, tempfile, threading
mount, rows, temporary = sys.argv[1], int(sys.argv[2]), sys.argv[3]
large = f"{mount}/query/order/n:desc/values.ndjson"

with open(large, "rb", buffering=0) as file:
    whole = file.readall()
assert whole.count(b"\n") == rows and len(whole) > 2 << 20, len(whole)

# Several threads, one file.
shared = os.open(large, os.O_RDONLY)
found = []
def look(number):
    size = os.fstat(shared).st_size
    at = size * number // 8
    found.append(size == len(whole) and os.pread(shared, 100000, at) == whole[at:at + 100000])
threads = [threading.Thread(target=look, args=(number,)) for number in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert found == [True] * 8, found
assert os.listdir(temporary) == []
assert os.stat(shared).st_blocks * 512 >= len(whole)

# By another name of the descriptor it is the same result; by its name it is another, not made yet.
again = os.open(f"/proc/self/fd/{shared}", os.O_RDONLY)
assert os.fstat(again).st_size == len(whole)
assert os.stat(large).st_size == 0

# What is opened after a change shows it; what was opened before does not; each has its own size.
count = f"{mount}/query/count"
before = os.open(count, os.O_RDONLY)
assert os.fstat(before).st_size == len(f"{rows}\n")
with open(f"{mount}/keys/new", "w") as file:
    file.write('{"n":-1}')
after = os.open(count, os.O_RDONLY)
assert os.read(after, 100) == b"%d\n" % (rows + 1)
assert os.read(before, 100) == b"%d\n" % rows
assert os.fstat(after).st_ino == os.fstat(before).st_ino
small = os.open(f"{mount}/query/by/n/-1/values.ndjson", os.O_RDONLY)
first = os.fstat(small).st_size
os.unlink(f"{mount}/keys/new")
none = os.open(f"{mount}/query/by/n/-1/values.ndjson", os.O_RDONLY)
assert os.fstat(none).st_size == 0 and os.read(none, 10) == b""
assert os.fstat(small).st_size == first == len(os.read(small, 1000)) > 0
assert os.read(small, 10) == b""
assert os.lseek(small, 0, os.SEEK_END) == first

# mmap(2) that would share the pages is refused, not empty.
try:
    assert mmap.mmap(shared, 0, access=mmap.ACCESS_READ)[:] == whole
except OSError:
    pass
for descriptor in (shared, again, before, after, small, none):
    os.close(descriptor)
# After the last close it is made again.
with open(count) as file:
    assert file.read() == f"{rows}\n"
PYTHON
    # Looking at names runs no query, though it is open, and neither does walking.
    before=$(scans "$mount")
    works bash -c 'exec 3< "$0" && ls -l "$0" && test ! -s "$0"' "$mount/query/order/n/values.csv"
    works find "$mount/query" "$mount/admin" -maxdepth 1 -type f
    same "$before" "$(scans "$mount")" "scans of the store"
    rmdir "$TMPDIR/temporary"
    same 1 "$(head -n 1 "$mount/query/values.ndjson" | wc -l)" "a line without a temporary file"
    refuses "No such file" cp "$mount/query/values.ndjson" "$TMPDIR/copy"
    works grep -q "a temporary file in $TMPDIR/temporary" <(tail -n 1 "$mount/admin/errors")
    same "$ROWS" "$(cat "$mount/query/count")" "a small result needs none"
    down "$mount"
}

# Little room for temporary files: what asks for the size fails, what only reads does not, however large the result is.
full() {
    local mount=$TMPDIR/full small=$TMPDIR/small
    mkdir "$small"
    cp "$TMPDIR/rows.mem" "$TMPDIR/rows.copy"
    works mount -t tmpfs -o size=2m none "$small"
    TMPDIR=$small up "memory:?snapshot=$TMPDIR/rows.mem" "$mount"
    refuses "No space left" cat "$mount/query/values.json"
    works grep -q "'storefs query' prints it" <(tail -n 1 "$mount/admin/errors")
    "$STOREFS" query "memory:?snapshot=$TMPDIR/rows.copy" values.json > "$TMPDIR/right"
    "$STOREFS" query "$mount" values.json > "$TMPDIR/copy"
    works cmp "$TMPDIR/right" "$TMPDIR/copy"
    works python3 - "$mount/query/values.json" "$TMPDIR/right" <<'PYTHON'
import os, sys
right = open(sys.argv[2], "rb").read()
assert len(right) > 2 << 20
stream = os.open(sys.argv[1], os.O_RDONLY)
at = 0
while part := os.pread(stream, 50000, at):
    assert part == right[at:at + len(part)], at
    at += len(part)
assert at == len(right)
# A short way back, and to what is in memory; then to what is gone.
assert os.pread(stream, 1000, at - 400000) == right[at - 400000:at - 399000]
assert os.pread(stream, 1000, 5000) == right[5000:6000]
try:
    os.pread(stream, 1000, 400000)
    sys.exit("what is gone was read")
except OSError as error:
    assert error.errno == 95, error
assert os.fstat(stream).st_size == len(right)
PYTHON
    down "$mount"
    umount "$small"
}

table
handles
full
finish
