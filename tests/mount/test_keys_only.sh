#!/bin/bash
# SPDX-License-Identifier: MIT
# A mount of the keys alone, which nobody can change: -o ro,keys-only.
. "$srcdir/tests/mount/lib.sh"
mnt=$TMPDIR/mnt

refuses "needs ro" "$STOREFS" mount "sqlite:$TMPDIR/none.sqlite" "$TMPDIR" -o keys-only
mkdir "$TMPDIR/ring"
refuses "io_uring" "$STOREFS" mount "sqlite:$TMPDIR/none.sqlite" "$TMPDIR/ring" -o io_uring

head -c 3000000 /dev/urandom > "$TMPDIR/large"
for backend in sqlite json; do
    store=$backend:$TMPDIR/store.$backend
    printf 'one' | "$STOREFS" set "$store" dir/1 -
    printf 'README' | "$STOREFS" set "$store" README -
    "$STOREFS" set "$store" keys/empty ''
    "$STOREFS" set "$store" large - < "$TMPDIR/large"
    up "$store" "$mnt" -o ro,keys-only
    same "README dir keys large" "$(echo $(ls "$mnt"))" "the names of a $backend mount"
    for _ in 1 2; do
        same "one" "$(cat "$mnt/dir/1")" "a value"
        same "README" "$(cat "$mnt/README")" "a key of that name"
        works cmp "$TMPDIR/large" "$mnt/large"
        same 0 "$(stat -c %s "$mnt/keys/empty")" "the size of an empty value"
        same 2 "$(find "$mnt" -mindepth 2 | wc -l)" "what find finds below"
        refuses "No such file" cat "$mnt/dir/2"
    done
    same "$(md5sum < "$TMPDIR/large")" "$(md5sum < "$mnt/large")" "the large value once more"
    refuses "Read-only file system" sh -c "echo x > '$mnt/dir/1'"
    refuses "Read-only file system" rm "$mnt/dir/1"
    refuses "process" "$STOREFS" set "$store" x y
    same "one" "$(cat "$mnt/dir/1")" "a value after all that"
    works "$STOREFS" status "$mnt"
    down "$mnt"
    works "$STOREFS" set "$store" dir/2 two
    up "$store" "$mnt" -o ro,keys-only
    same "two" "$(cat "$mnt/dir/2")" "what was set in between"
    down "$mnt"
done
finish
