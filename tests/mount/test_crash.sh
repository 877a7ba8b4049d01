#!/bin/bash
# SPDX-License-Identifier: MIT
# kill -9 of the daemon in the middle of writes: every file whose close had returned is there and whole,
# none is torn, and mounting again needs no manual step. 200 rounds with STOREFS_TEST_SCALE=full.
. "$srcdir/tests/mount/lib.sh"
rounds=6
[ "${STOREFS_TEST_SCALE-}" = full ] && rounds=200
mnt=$TMPDIR/mnt
store=sqlite:$TMPDIR/store.sqlite
tool=$builddir/tests/mount/crash_writer
mkdir -p "$mnt"
acknowledged=0

for ((round = 1; round <= rounds; round++)); do
    up "$store" "$mnt"
    # Two writers; each prints the name of a file after its close returned, and ends when the mount dies.
    "$tool" write "$mnt/keys/w1" "$round" > "$TMPDIR/log1" 2> /dev/null &
    first=$!
    "$tool" write "$mnt/keys/w2" "$round" > "$TMPDIR/log2" 2> /dev/null &
    second=$!
    eventually eval '[ "$(wc -l < "$TMPDIR/log1")" -gt 10 ] && [ "$(wc -l < "$TMPDIR/log2")" -gt 10 ]'
    sleep "0.$((RANDOM % 4))"
    kill -9 "$(daemon_of "$mnt")"
    wait "$first" "$second"
    cat "$TMPDIR/log1" >> "$TMPDIR/all1"
    cat "$TMPDIR/log2" >> "$TMPDIR/all2"
    up "$store" "$mnt"
    for writer in 1 2; do
        checks=$((checks + 1))
        "$tool" check "$mnt/keys/w$writer" < "$TMPDIR/log$writer" || fail "round $round, writer $writer"
        acknowledged=$((acknowledged + $(wc -l < "$TMPDIR/log$writer")))
    done
    down "$mnt"
done

up "$store" "$mnt"
for writer in 1 2; do
    checks=$((checks + 1))
    "$tool" check "$mnt/keys/w$writer" < "$TMPDIR/all$writer" || fail "all rounds, writer $writer"
done
down "$mnt"
works "$STOREFS" fsck "$store"
checks=$((checks + 1))
[ "$acknowledged" -gt $((rounds * 10)) ] || fail "only $acknowledged files were written in $rounds rounds"
echo "$rounds rounds, $acknowledged files acknowledged"
finish
