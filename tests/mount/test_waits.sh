#!/bin/bash
# SPDX-License-Identifier: MIT
# stage: gcc
# Nobody who reads waits for a large operation of somebody else: a huge or sparse or large file, the removal of one that
# is open, the rename of a directory with many keys, a query, an index, an export, a check, a transaction.
. "$srcdir/tests/mount/lib.sh"
keys=10000
[ "${STOREFS_TEST_SCALE-}" != full ] || keys=100000

# wait_beside URI OPERATION…
wait_beside() {
    local uri=$1 mnt=$TMPDIR/mnt.${1%%:*}
    shift
    up "$uri" "$mnt"
    works true
    "$python" "$srcdir/tests/mount/waits.py" "$mnt" "$uri" $keys "$@" || fail "readers of $uri waited"
    down "$mnt"
    same clean "$("$STOREFS" fsck "$uri" 2>&1)" "fsck of $uri"
}
python=python3
seq 0 $((keys - 1)) | sed 's/.*/{"key":"many\/&","value":{"n":&}}/' > "$TMPDIR/many.ndjson"
works "$STOREFS" import "sqlite:$TMPDIR/store" "$TMPDIR/many.ndjson"
echo "sqlite, $keys keys"
wait_beside "sqlite:$TMPDIR/store" "truncate" "sparse" "large value" "unlink open" "rename of a directory" query index \
    fsck transaction
works "$STOREFS" import "json:$TMPDIR/store.json" "$TMPDIR/many.ndjson"
echo "json, $keys keys"
wait_beside "json:$TMPDIR/store.json" "rename of a directory" query
finish
