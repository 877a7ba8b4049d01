#!/bin/bash
# SPDX-License-Identifier: MIT
# stage: gcc
# fields/ with many writers: two shells that change different members of one document, from one mount and from two,
# lose nothing; what is open when a mount is told to stop is committed.
. "$srcdir/tests/mount/lib.sh"
store=sqlite:$TMPDIR/store.sqlite
a=$TMPDIR/a
b=$TMPDIR/b
up "$store" "$a"
up "$store" "$b"

write() {
    local i
    for i in $(seq "$3"); do
        echo "$i" > "$1/$2$i" || echo "$2$i" >> "$TMPDIR/lost"
    done
}

# together FIELDS FIELDS COUNT WHAT
together() {
    rm -f "$a/keys/shared"
    mkdir "$a/fields/shared"
    : > "$TMPDIR/lost"
    write "$1/shared" x "$3" &
    write "$2/shared" y "$3" &
    wait
    same "" "$(cat "$TMPDIR/lost")" "$4: writers that failed"
    same "$((2 * $3)) $(($3 * ($3 + 1)))" "$(jq -r '"\(length) \(add)"' "$a/keys/shared")" "$4: members, and their sum"
}
count=100
[ "${STOREFS_TEST_SCALE-}" = full ] && count=500
together "$a/fields" "$a/fields" "$count" "two shells on one mount"
together "$a/fields" "$b/fields" "$count" "two mounts of one store"

# Two mounts append to one member, and only one makes a member with O_EXCL.
append() {
    local i
    for i in $(seq 20); do
        echo "$2$i" >> "$1/shared/log"
    done
}
echo begin > "$a/fields/shared/log"
append "$a/fields" a &
append "$b/fields" b &
wait
same 41 "$(wc -l < "$b/fields/shared/log")" "lines that two mounts appended"
for round in $(seq 10); do
    (set -C; echo a > "$a/fields/shared/lock$round") 2> /dev/null && echo a >> "$TMPDIR/won$round" &
    (set -C; echo b > "$b/fields/shared/lock$round") 2> /dev/null && echo b >> "$TMPDIR/won$round" &
    wait
    same 1 "$(wc -l < "$TMPDIR/won$round")" "makers of one member with O_EXCL"
    same "$(cat "$TMPDIR/won$round")" "$(cat "$a/fields/shared/lock$round")" "its value"
done
echo 1 > "$a/fields/shared/seen"
for i in $(seq 20); do
    echo "$i" > "$b/fields/shared/seen"
    same "$i" "$(cat "$a/fields/shared/seen")" "what the other mount has written shows at once"
done

# A mount that is told to stop commits what was written and not closed.
down "$b"
python3 - "$a/fields/shared/open" "$(daemon_of "$a")" <<'PYTHON' || fail "the writer of a mount that stops"
import os, signal, sys, time
file = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY)
os.write(file, b"kept\n")
os.kill(int(sys.argv[2]), signal.SIGTERM)
for _ in range(600):
    if not os.path.exists(f"/proc/{sys.argv[2]}"):
        break
    time.sleep(0.1)
PYTHON
same '"kept"' "$("$STOREFS" get "$store" shared | jq .open)" "what was open when the mount was told to stop"
finish
