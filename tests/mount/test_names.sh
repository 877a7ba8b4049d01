#!/bin/bash
# SPDX-License-Identifier: MIT
# Keys and paths are a bijection, also through a mount: random keys (any bytes but NUL, empty parts,
# dots, percent signs, parts of up to 610 bytes, 4,095 bytes in all) put by the library are walked as
# files, and made as files are read by the library. 100,000 keys with STOREFS_TEST_SCALE=full.
. "$srcdir/tests/mount/lib.sh"
tool=$builddir/tests/mount/random_keys
count=5000
[ "${STOREFS_TEST_SCALE-}" = full ] && count=100000
seed=${STOREFS_TEST_SEED:-$RANDOM}
echo "seed $seed"

store=sqlite:$TMPDIR/filled.sqlite
works "$tool" fill "$store" "$count" "$seed"
up "$store" "$TMPDIR/mnt"
checks=$((checks + 1))
"$tool" walk "$store" "$TMPDIR/mnt/keys" || fail "walking what the library put"
down "$TMPDIR/mnt"

store=sqlite:$TMPDIR/made.sqlite
up "$store" "$TMPDIR/mnt"
checks=$((checks + 2))
"$tool" make "$TMPDIR/mnt/keys" "$count" "$seed" || fail "making keys as files"
"$tool" walk "$store" "$TMPDIR/mnt/keys" || fail "walking what was made"
down "$TMPDIR/mnt"
checks=$((checks + 1))
"$tool" verify "$store" || fail "reading by the library what was made"
works "$STOREFS" fsck "$store"
finish
