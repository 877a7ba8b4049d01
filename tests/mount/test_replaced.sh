#!/bin/bash
# SPDX-License-Identifier: MIT
# Files and directories that are replaced all the time while others read and list them: replaced.py.
# stage: gcc
. "$srcdir/tests/mount/lib.sh"
seconds=3
[ "${STOREFS_TEST_SCALE-}" != full ] || seconds=60
for uri in memory: "sqlite:$TMPDIR/store"; do
    mnt=$TMPDIR/${uri%%:*}
    up "$uri" "$mnt"
    mkdir "$mnt/keys/top"
    checks=$((checks + 1))
    python3 "$srcdir/tests/mount/replaced.py" "$mnt/keys/top" $seconds || fail "$uri"
    down "$mnt"
done
finish
