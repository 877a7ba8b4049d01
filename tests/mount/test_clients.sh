#!/bin/bash
# SPDX-License-Identifier: MIT
# 32 processes at once on one mount, each with files of its own, and some that they share. Ten minutes with
# STOREFS_TEST_SCALE=full; what a sanitizer says of the daemon is a failure, too.
. "$srcdir/tests/mount/lib.sh"
seconds=4
[ "${STOREFS_TEST_SCALE-}" = full ] && seconds=600
seed=${STOREFS_TEST_SEED:-$RANDOM}
echo "seed $seed"
for option in ASAN TSAN UBSAN; do
    name=${option}_OPTIONS
    export "$name=${!name-}:log_path=$TMPDIR/said"
done
mnt=$TMPDIR/mnt
store=sqlite:$TMPDIR/store.sqlite
up "$store" "$mnt"
checks=$((checks + 1))
python3 "$srcdir/tests/mount/clients.py" "$mnt" 32 "$seconds" "$seed" || fail "seed $seed: $(tail -n 3 "$mnt/admin/errors")"
down "$mnt"
works "$STOREFS" fsck "$store"
for said in "$TMPDIR"/said.*; do
    [ ! -e "$said" ] || fail "$(head -n 60 "$said")"
done
finish
