#!/bin/bash
# SPDX-License-Identifier: MIT
# stage: gcc
# What each isolation level keeps away, seen from shells: two or three of them on a mount of each backend, and on
# two mounts by two daemons of one sqlite store.
. "$srcdir/tests/mount/lib.sh"

# table NAME URI MOUNT…
table() {
    local name=$1 uri=$2 mount
    shift 2
    for mount in "$@"; do
        up "$uri" "$mount"
    done
    checks=$((checks + 1))
    python3 "$srcdir/tests/mount/anomalies.py" "$name" "$@" || fail "$name does not keep its promise"
    for mount in "$@"; do
        down "$mount"
    done
}

table memory memory: "$TMPDIR/memory"
table json "json:$TMPDIR/store.json" "$TMPDIR/json"
table sqlite "sqlite:$TMPDIR/store.sqlite" "$TMPDIR/sqlite"
table "sqlite, 2 daemons" "sqlite:$TMPDIR/shared.sqlite" "$TMPDIR/left" "$TMPDIR/right"
finish
