#!/bin/bash
# SPDX-License-Identifier: MIT
# What is left of mounts: after an unmount one file without leases and history, and after kill -9 the same
# as soon as anybody opens the store, or in seconds where another mount has it open. The large value that is
# being written lies in the daemon, and goes with it.
. "$srcdir/tests/mount/lib.sh"
file=$TMPDIR/store.sqlite
first=$TMPDIR/first
second=$TMPDIR/second
mkdir -p "$first" "$second"

# Whether there are leases of values, and how many stages.
count() {
    sqlite3 -readonly "$file" "SELECT (SELECT count(*) > 0 FROM lease WHERE contents) || ' ' ||
        (SELECT count(*) FROM stage)"
}

# comes_to WANTED WHAT
comes_to() {
    eventually eval '[ "$(count)" = '"'$1'"' ]'
    same "$1" "$(count)" "$2"
}

# Leaves a transaction open, and a large value half-written by a process that keeps its file open.
occupy() {
    echo 1 > "$1/keys/a"
    mkdir "$1/tx/t"
    same 1 "$(cat "$1/tx/t/keys/a")" "a in the transaction"
    exec {large}> "$1/keys/large"
    head -c 8M /dev/zero >&$large
}

up "sqlite:$file" "$first"
occupy "$first"
same "1 0" "$(count)" "leases of values and stages while they are in use"
rmdir "$first/tx/t"
exec {large}>&-
comes_to "0 0" "after their end"
mkdir "$first/tx/t"
cat "$first/tx/t/keys/a" > "$TMPDIR/out"
down "$first"
same "0 0" "$(count)" "after an unmount with an open transaction"
same 0 "$(sqlite3 "$file" 'SELECT count(*) FROM lease')" "leases of feeds after an unmount"
same 0 "$(sqlite3 "$file" 'SELECT count(*) FROM history')" "rows of history after an unmount"
same store.sqlite "$(cd "$TMPDIR" && ls -d store.sqlite*)" "files of the store"

# Nobody else has it open.
up "sqlite:$file" "$first"
occupy "$first"
kill -9 "$(daemon_of "$first")"
exec {large}>&-
same "1 0" "$(count)" "just after kill -9"
works "$STOREFS" set "sqlite:$file" b 2
same "0 0" "$(count)" "after the next opening"

# Another mount has.
fusermount3 -uz "$first" 2> /dev/null || umount -l "$first"
up "sqlite:$file" "$first"
up "sqlite:$file" "$second"
occupy "$first"
kill -9 "$(daemon_of "$first")"
exec {large}>&-
comes_to "0 0" "while another mount has it open"
same 1 "$(cat "$second/keys/a")" "a in the other mount"
fusermount3 -uz "$first" 2> /dev/null || umount -l "$first"
down "$second"
works "$STOREFS" fsck "sqlite:$file"
finish
