#!/bin/bash
# SPDX-License-Identifier: MIT
# keys/ behaves like an ordinary directory: random operations give the same results, errors, bytes,
# listings and attributes in both; what is written below directories that are renamed all the time is
# all there; and two mounts of one store lose nothing of each other's. It is so, too, where the kernel hears late of
# what changed. Far longer with STOREFS_TEST_SCALE=full. STOREFS_TEST_SEED repeats a run.
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

# same_as_plain MOUNT STORE STEPS: below keys/ and in an ordinary directory.
same_as_plain() {
    rm -rf "$TMPDIR/plain"
    mkdir "$TMPDIR/plain"
    "$1" "$2" "$mnt"
    checks=$((checks + 1))
    "$builddir/tests/mount/random_ops" "$mnt/keys" "$TMPDIR/plain" "$3" "$seed" ||
        fail "$2 differs from an ordinary directory, seed $seed"
    down "$mnt"
}

# late STORE DIR: mounts where the kernel hears late of what changed.
late() {
    [ -e "$TMPDIR/late_notices.so" ] || works $CC -D_GNU_SOURCE -O2 -shared -fPIC -o "$TMPDIR/late_notices.so" \
        "$srcdir/tests/mount/late_notices.c" -ldl
    ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}verify_asan_link_order=0 LATE_NOTICES_MS=100 \
        LD_PRELOAD=$TMPDIR/late_notices.so up "$@"
}

same_as_plain up memory: "$steps"
same_as_plain up "sqlite:$TMPDIR/random.sqlite" "$steps"
same_as_plain late "sqlite:$TMPDIR/late.sqlite" $((steps / 2))

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
down "$mnt"
late "$store" "$mnt"
works python3 "$srcdir/tests/mount/mapped_at_once.py" "$mnt/keys" "$other/keys"
down "$other"
down "$mnt"
works "$STOREFS" fsck "$store"
finish
