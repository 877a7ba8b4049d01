#!/bin/bash
# SPDX-License-Identifier: MIT
# keys/ gives what an ordinary file system gives: errno, attributes and bytes of the same calls in both, as root
# and as other users. What a directory knows of its entries outlives the mount.
. "$srcdir/tests/mount/lib.sh"
mnt=$TMPDIR/mnt
chmod 755 "$TMPDIR"

for store in memory: "sqlite:$TMPDIR/posix.sqlite"; do
    rm -rf "$TMPDIR/plain"
    mkdir "$TMPDIR/plain"
    up "$store" "$mnt" -o allow_other
    checks=$((checks + 1))
    python3 "$srcdir/tests/mount/posix.py" "$mnt/keys" "$TMPDIR/plain" || fail "$store"
    down "$mnt"
done

# Times and link counts of directories are those of before, after a new mount.
looks() {
    (cd "$mnt/keys" && stat -c '%n %h %y %z' . d d/sub)
}
up "$store" "$mnt"
mkdir -p "$mnt/keys/d/sub/a" "$mnt/keys/d/sub/b"
for ((i = 0; i < 100; i++)); do
    mkdir "$mnt/keys/d/d$i"
done
rmdir "$mnt/keys/d/d99"
touch "$mnt/keys/d/sub/f"
sleep 1.1
touch "$mnt/keys/d/sub/g" "$mnt/keys/d/h"
rm "$mnt/keys/d/h"
before=$(looks)
down "$mnt"
up "$store" "$mnt"
same "$before" "$(looks)" "directories after a new mount"
same "102 4" "$(stat -c %h "$mnt/keys/d" "$mnt/keys/d/sub" | paste -sd ' ')" "link counts"
# A directory that only its keys make is not made to stay by the time of a change in it.
works "$STOREFS" set "$store" only/keys value
touch "$mnt/keys/only/other"
works "$STOREFS" set "$store" only/other changed
works sync "$mnt/keys/only"
down "$mnt"
works "$STOREFS" rm "$store" only/keys only/other
up "$store" "$mnt"
checks=$((checks + 1))
[ ! -e "$mnt/keys/only" ] || fail "a directory without keys stays"
# Where there is too much to count, 1 says that it is not known.
for ((i = 0; i < 140; i++)); do
    echo x > "$mnt/keys/d/sub/n$i"
done
same 1 "$(stat -c %h "$mnt/keys/d/sub")" "the link count of a large directory"
down "$mnt"
finish
