#!/bin/bash
# SPDX-License-Identifier: MIT
# Everyday programs live in keys/: git, tar, rsync, sqlite3, vim, sed -i, make, flock, mmap, cp -a.
. "$srcdir/tests/mount/lib.sh"
mnt=$TMPDIR/mnt
keys=$mnt/keys
up "sqlite:$TMPDIR/store.sqlite" "$mnt"

unset MAKEFLAGS MAKELEVEL MFLAGS
export HOME=$TMPDIR GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org
export GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org

# A repository with some history, made outside.
origin=$TMPDIR/origin
mkdir "$origin"
cp -r "$srcdir/src" "$origin/src"
chmod -R u+w "$origin"
works git -C "$origin" init -q
works git -C "$origin" add -A
works git -C "$origin" commit -q -m one
find "$origin/src" -name '*.c' -exec sed -i '1s/^/\n/' {} +
works git -C "$origin" commit -q -a -m two

works git clone -q "$origin" "$keys/clone"
works git -C "$keys/clone" fsck --strict
same "" "$(git -C "$keys/clone" status --porcelain)" "git status after the clone"
works diff -r --exclude=.git "$origin" "$keys/clone"
echo change >> "$keys/clone/src/core/error.c"
works git -C "$keys/clone" commit -q -a -m three
works git -C "$keys/clone" checkout -q HEAD~1
works git -C "$keys/clone" checkout -q -
works git -C "$keys/clone" gc -q
works git -C "$keys/clone" fsck --strict
same 3 "$(git -C "$keys/clone" rev-list --count HEAD)" "commits in the clone"

# tar: names that other mounts mangle.
tree=$TMPDIR/tree
mkdir -p "$tree/sub/deep"
for name in '100%.txt' 'a%20b' '%' '.hidden' 'with space' 'ümlaut' '%25'; do
    echo "$name" > "$tree/$name"
    echo "$name" > "$tree/sub/deep/$name"
done
ln -s '100%.txt' "$tree/link"
chmod 751 "$tree/sub"
head -c 3000000 /dev/urandom > "$tree/sub/large"
tar -C "$TMPDIR" -cf "$TMPDIR/tree.tar" tree
mkdir "$keys/untar"
works tar -C "$keys/untar" -xf "$TMPDIR/tree.tar"
works diff -r --no-dereference "$tree" "$keys/untar/tree"
same 751 "$(stat -c %a "$keys/untar/tree/sub")" "the mode of a directory from tar"
same "$(stat -c %Y "$tree/sub/large")" "$(stat -c %Y "$keys/untar/tree/sub/large")" "a time from tar"
works tar -C "$keys/untar" -df "$TMPDIR/tree.tar"

# rsync sends nothing the second time.
works rsync -a "$tree/" "$keys/rsynced/"
same "" "$(rsync -a --itemize-changes "$tree/" "$keys/rsynced/")" "what rsync sends the second time"
works diff -r --no-dereference "$tree" "$keys/rsynced"
works cp -a "$keys/rsynced" "$keys/copied"
same "" "$(rsync -a --itemize-changes "$keys/rsynced/" "$keys/copied/")" "what cp -a left to do"

# A database in a value, in WAL mode.
db=$keys/inner.db
same wal "$(sqlite3 "$db" 'PRAGMA journal_mode=wal')" "WAL mode"
works sqlite3 "$db" 'CREATE TABLE t(a INTEGER PRIMARY KEY, b); WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL
    SELECT x + 1 FROM c WHERE x < 5000) INSERT INTO t SELECT x, hex(randomblob(20)) FROM c;'
for i in 1 2 3 4 5; do
    works sqlite3 "$db" "UPDATE t SET b = 'round $i' WHERE a % 5 = $i % 5"
done
same "5000 ok" "$(sqlite3 "$db" 'SELECT count(*) FROM t' 'PRAGMA integrity_check' | tr '\n' ' ' | sed 's/ $//')" \
    "the inner database"

# Editors.
printf 'one\ntwo\n' > "$keys/text"
works sed -i 's/one/ONE/' "$keys/text"
works vim -u NONE -es -c '%s/two/TWO/' -c 'wq' "$keys/text"
same $'ONE\nTWO' "$(cat "$keys/text")" "after sed -i and vim"

# make, flock, mmap.
mkdir "$keys/build"
printf 'out: in\n\tcp in out\n' > "$keys/build/Makefile"
echo source > "$keys/build/in"
works make -s -C "$keys/build"
same "make: 'out' is up to date." "$(make -C "$keys/build" 2>&1 | grep up)" "make the second time"
(
    flock 8
    : > "$TMPDIR/locked"
    exec sleep 600
) 8> "$keys/lock" &
holder=$!
eventually test -e "$TMPDIR/locked"
refuses "" flock -n "$keys/lock" true
kill "$holder"
wait "$holder"
works flock -n "$keys/lock" true
works perl -e 'open my $f, "+<", $ARGV[0] or die; my $n = (stat $f)[7]; sysread($f, my $b, $n) == $n or die;' "$keys/text"
works python3 "$srcdir/tests/mount/mapped.py" "$keys/mapped"
same "mapped!" "$(head -c 7 "$keys/mapped")" "what a shared mapping wrote"

down "$mnt"
up "sqlite:$TMPDIR/store.sqlite" "$mnt"
works git -C "$keys/clone" fsck --strict
works diff -r --no-dereference "$tree" "$keys/copied"
same ok "$(sqlite3 "$db" 'PRAGMA integrity_check')" "the inner database after mounting again"
down "$mnt"
works "$STOREFS" fsck "sqlite:$TMPDIR/store.sqlite"
finish
