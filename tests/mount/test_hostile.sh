#!/bin/bash
# SPDX-License-Identifier: MIT
# stage: gcc
# A user who may write in one directory neither takes the daemon's memory nor the other users' time, and reads nothing of theirs. Ten
# minutes with STOREFS_TEST_SCALE=full. The limit is on anonymous memory, looked at each 20 ms: a limit of address
# space or of data counts the stacks of threads and what was reserved and not used, and what is resident counts the
# pages of the store's file, which the kernel drops by itself. Sanitizers need a multiple of the memory: hence the stage.
. "$srcdir/tests/mount/lib.sh"
seconds=3 megabytes=4
[ "${STOREFS_TEST_SCALE-}" = full ] && seconds=300 megabytes=60
mnt=$TMPDIR/mnt
store=sqlite:$TMPDIR/store.sqlite
options=()
[ "$(id -u)" -ne 0 ] || options=(-o allow_other)
chmod 755 "$TMPDIR"
up "$store" "$mnt" "${options[@]}"
checks=$((checks + 1))
python3 "$srcdir/tests/mount/hostile.py" "$mnt" "$seconds" "$megabytes" || fail "hostile clients: $(tail -n 3 "$mnt/admin/errors")"
down "$mnt"
works "$STOREFS" fsck "$store"
finish
