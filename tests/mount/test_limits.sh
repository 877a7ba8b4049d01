#!/bin/bash
# SPDX-License-Identifier: MIT
# Many files open at once, many keys in one directory, and what the daemon keeps of them: no more than the kernel
# knows. 10,000 open files and 1,000,000 keys with STOREFS_TEST_SCALE=full.
# stage: gcc
. "$srcdir/tests/mount/lib.sh"
counts=(800 5000)
[ "${STOREFS_TEST_SCALE-}" = full ] && counts=(10000 1000000 full)
mnt=$TMPDIR/mnt
store=sqlite:$TMPDIR/store.sqlite
up "$store" "$mnt"
checks=$((checks + 1))
python3 "$srcdir/tests/mount/limits.py" "$mnt" "$STOREFS" "$store" "${counts[@]}" || fail "limits"
down "$mnt"
works "$STOREFS" fsck "$store"
finish
