#!/bin/bash
# SPDX-License-Identifier: MIT
# keys/ behaves like an ordinary directory: random operations give the same results, errors, bytes,
# listings and attributes in both; what is written below directories that are renamed all the time is
# all there; and two mounts of one store lose nothing of each other's. Far longer with
# STOREFS_TEST_SCALE=full. STOREFS_TEST_SEED repeats a run.
. "$srcdir/tests/mount/lib.sh"
steps=8000
seconds=2
if [ "${STOREFS_TEST_SCALE-}" = full ]; then
    steps=300000
    seconds=60
fi
seed=${STOREFS_TEST_SEED:-$RANDOM}
echo "seed $seed"
mnt=$TMPDIR/mnt
other=$TMPDIR/other

for store in memory: "sqlite:$TMPDIR/random.sqlite"; do
    rm -rf "$TMPDIR/plain"
    mkdir "$TMPDIR/plain"
    up "$store" "$mnt"
    checks=$((checks + 1))
    "$builddir/tests/mount/random_ops" "$mnt/keys" "$TMPDIR/plain" "$steps" "$seed" ||
        fail "$store differs from an ordinary directory, seed $seed"
    down "$mnt"
done

for store in memory: "sqlite:$TMPDIR/storm.sqlite"; do
    up "$store" "$mnt"
    checks=$((checks + 1))
    python3 "$srcdir/tests/mount/storm.py" "$mnt/keys" "$seconds" "$seed" || fail "storm on $store"
    down "$mnt"
done

store=sqlite:$TMPDIR/two.sqlite
up "$store" "$mnt"
up "$store" "$other"
checks=$((checks + 1))
python3 "$srcdir/tests/mount/two_mounts.py" "$mnt/keys" "$other/keys" || fail "two mounts of one store"
down "$other"
down "$mnt"
works "$STOREFS" fsck "$store"
finish
