#!/bin/bash
# SPDX-License-Identifier: MIT
# A store that does not answer: its file lies in another mount, whose daemon is stopped. Who waits for it can be
# interrupted, the rest of the mount goes on, and when it answers again everything is as it was.
. "$srcdir/tests/mount/lib.sh"
lower=$TMPDIR/lower
mnt=$TMPDIR/mnt
up "sqlite:$TMPDIR/lower.sqlite" "$lower"
mkdir "$lower/keys/d"
store=sqlite:$lower/keys/d/store.sqlite
works "$STOREFS" set "$store" small "$(head -c 5000 /dev/zero | tr '\0' x)"
head -c 3000000 /dev/urandom > "$TMPDIR/large"
up "$store" "$mnt"
works cp "$TMPDIR/large" "$mnt/keys/large"
works mkdir "$mnt/keys/dir"
works sh -c "echo 1 > '$mnt/keys/dir/other'"
down "$mnt"
up "$store" "$mnt"
below=$(daemon_of "$lower")

# What the kernel has of the store goes, and is not to be had again.
stop_below() {
    kill -CONT "$below"
    dd of="$lower/keys/d/store.sqlite" oflag=nocache conv=notrunc,fdatasync count=0 2> "$TMPDIR/said"
    halt "$below"
}
stop_below

# gives_up COMMAND…: waits, and ends soon after SIGINT. (Housekeeping may have read the same page just now.)
gives_up() {
    local pid began try
    for try in 1 2 3 4 5; do
        [ "$try" = 1 ] || stop_below
        began=$SECONDS
        "$@" > /dev/null 2>&1 &
        pid=$!
        sleep 0.4
        kill -0 "$pid" 2> /dev/null && break
    done
    checks=$((checks + 1))
    kill -0 "$pid" 2> /dev/null || fail "did not wait: $*"
    kill -INT "$pid"
    (sleep 60; kill -CONT "$below") & # else a failure would be waited for
    local watchdog=$!
    wait "$pid"
    kill -- "-$watchdog"
    checks=$((checks + 1))
    echo "came back after $((SECONDS - began)) s: $*"
    [ $((SECONDS - began)) -le 30 ] || fail "came back only after $((SECONDS - began)) s: $*"
}
set -m # else the shell has its children ignore SIGINT
gives_up cat "$mnt/keys/small"
gives_up stat "$mnt/keys/dir/other"
gives_up cat "$mnt/keys/large"
set +m
same "1" "$(timeout 60 head -n 1 "$mnt/README" | wc -l)" "another file of the mount meanwhile"
works timeout 60 ls "$mnt"
kill -CONT "$below"
works cmp "$TMPDIR/large" "$mnt/keys/large"
same 1 "$(cat "$mnt/keys/dir/other")" "a value afterwards"
works sh -c "echo 2 > '$mnt/keys/dir/other'"
same 5000 "$(stat -c %s "$mnt/keys/small")" "a size afterwards"
down "$mnt"
works "$STOREFS" fsck "$store"
down "$lower"
finish
