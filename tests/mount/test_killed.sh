#!/bin/bash
# SPDX-License-Identifier: MIT
# Daemons of two mounts of one store are killed with SIGKILL, while both mounts are in full use: every call comes
# back, and nothing waits for what is gone. Two minutes with STOREFS_TEST_SCALE=full.
# stage: gcc
. "$srcdir/tests/mount/lib.sh"
seconds=5
[ "${STOREFS_TEST_SCALE-}" = full ] && seconds=120
seed=${STOREFS_TEST_SEED:-$RANDOM}
echo "seed $seed"
store=sqlite:$TMPDIR/store.sqlite
up "$store" "$TMPDIR/a"
up "$store" "$TMPDIR/b"
checks=$((checks + 1))
python3 "$srcdir/tests/mount/killed.py" "$STOREFS" "$store" "$TMPDIR/a" "$TMPDIR/b" "$seconds" "$seed" \
    2> "$TMPDIR/said" || fail "a call hangs: $(tail -n 5 "$TMPDIR/said")"
down "$TMPDIR/a"
down "$TMPDIR/b"
works "$STOREFS" fsck "$store"
finish
