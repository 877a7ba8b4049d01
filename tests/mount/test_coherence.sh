#!/bin/bash
# SPDX-License-Identifier: MIT
# What one mount changes, or the library, shows at once in what the kernel keeps for another mount of the store:
# attributes, names, listings, pages.
# stage: gcc
. "$srcdir/tests/mount/lib.sh"
rounds=15
[ "${STOREFS_TEST_SCALE-}" = full ] && rounds=500
store=sqlite:$TMPDIR/store.sqlite
up "$store" "$TMPDIR/a"
up "$store" "$TMPDIR/b"
checks=$((checks + 1))
python3 "$srcdir/tests/mount/coherence.py" "$TMPDIR/a/keys" "$TMPDIR/b/keys" "$STOREFS" "$store" "$rounds" ||
    fail "what the kernel keeps is too old"
down "$TMPDIR/a"
down "$TMPDIR/b"
works "$STOREFS" fsck "$store"
finish
