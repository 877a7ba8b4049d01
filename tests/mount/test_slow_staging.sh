#!/bin/bash
# SPDX-License-Identifier: MIT
# While one client writes a large value, which goes to the store in pieces, the others' changes wait
# for a few pieces and not for all of them. The disk is slow, so the pieces can be counted.
# stage: gcc
. "$srcdir/tests/mount/lib.sh"
mnt=$TMPDIR/mnt
export SLOW_DISK_LOG=$TMPDIR/pieces SLOW_DISK_WRITE_MS=25

works $CC -D_GNU_SOURCE -O2 -shared -fPIC -o "$TMPDIR/slow_disk.so" "$srcdir/tests/mount/slow_disk.c" -ldl
: > "$SLOW_DISK_LOG"
LD_PRELOAD=$TMPDIR/slow_disk.so up "sqlite:$TMPDIR/store" "$mnt"

works timeout 120 python3 - "$mnt/keys" "$SLOW_DISK_LOG" << 'END'
import os, subprocess, sys, time
keys, log = sys.argv[1:]
MOST = 5  # pieces of 1 MiB while one change waits; eight are one write's
pieces = lambda: os.stat(log).st_size / 8.3  # the log takes 127 KiB at once

os.mkdir(keys + '/others')
open(keys + '/others/a', 'w').close()
writer = subprocess.Popen(['dd', 'if=/dev/zero', 'of=' + keys + '/large', 'bs=1M', 'count=24', 'status=none'])
while pieces() < 2:
    time.sleep(0.01)
worst, changes = 0, 0
while writer.poll() is None:
    steps = [lambda: os.rename(keys + '/others/a', keys + '/others/b'), lambda: open(keys + '/others/c', 'w').close(),
             lambda: os.rename(keys + '/others/b', keys + '/others/a'), lambda: os.unlink(keys + '/others/c')]
    for step in steps:
        before = pieces()
        step()
        worst, changes = max(worst, pieces() - before), changes + 1
assert writer.returncode == 0
assert os.stat(keys + '/large').st_size == 24 << 20
print('%d changes beside %d pieces, at most %.1f of them while one waited' % (changes, pieces(), worst))
sys.exit(worst > MOST or changes < 4)
END
down "$mnt"
finish
