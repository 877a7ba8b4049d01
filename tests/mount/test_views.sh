#!/bin/bash
# SPDX-License-Identifier: MIT
# views/: queries kept by name, on each backend and in several mounts at once.
. "$srcdir/tests/mount/lib.sh"

fill() {
    echo '{"type":"doc","n":1}' > "$1/keys/a"
    echo '{"type":"doc","n":2}' > "$1/keys/b"
    echo '{"type":"tag"}' > "$1/keys/c"
}

use() {
    local mount=$1 views=$1/views name
    works ln -s ../query/by/type/doc/keys "$views/docs"
    works ln -s ../query/by/type/doc/count "$views/how many"
    works ln -s /nowhere "$views/ü"
    same "docs how many ü" "$(ls "$views" | paste -sd ' ')" "the names"
    same "a b" "$(ls "$views/docs/" | paste -sd ' ')" "a view shows what its query finds"
    same 2 "$(cat "$views/how many")" "also one of a file"
    same '{"type":"doc","n":2}' "$(cat "$views/docs/b")" "through a view"
    same "/nowhere" "$(readlink "$views/ü")" "any target"
    same "symbolic link 8" "$(stat -c '%F %s' "$views/ü")" "a link"
    same 3 "$(find "$views" -type l | wc -l)" "find sees links"
    same "$(stat -c %i "$views/docs")" "$(ls -i "$views" | awk '/docs/ { print $1 }')" "its number"
    same "$(stat -c %i "$mount/admin")" "$(ls -Ui "$mount" | awk '/admin/ { print $1 }')" "that of a directory"
    refuses "File exists" ln -sT x "$views/docs"
    works ln -sfn ../query/by/type/tag/keys "$views/docs"
    same c "$(ls "$views/docs/")" "another query of the same name"
    works mv "$views/docs" "$views/tags"
    same "../query/by/type/tag/keys" "$(readlink "$views/tags")" "renamed"
    works ln -s x "$views/docs"
    [ "$(stat -c %i "$views/docs")" != "$(stat -c %i "$views/tags")" ] || fail "two views of one number"
    works rm "$views/docs"
    refuses "No such file" readlink -v "$views/docs"
    works mv -T "$views/ü" "$views/tags"
    same "/nowhere" "$(readlink "$views/tags")" "renamed over another"
    refuses "File exists" python3 -c '
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
if libc.renameat2(-100, os.fsencode(sys.argv[1]), -100, os.fsencode(sys.argv[2]), int(sys.argv[3])):
    sys.exit(os.strerror(ctypes.get_errno()))' "$views/tags" "$views/how many" 1
    works python3 -c '
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
if libc.renameat2(-100, os.fsencode(sys.argv[1]), -100, os.fsencode(sys.argv[2]), int(sys.argv[3])):
    sys.exit(os.strerror(ctypes.get_errno()))' "$views/tags" "$views/how many" 2
    same "/nowhere ../query/by/type/doc/count" "$(readlink "$views/how many" "$views/tags" | paste -sd ' ')" "exchanged"
    works rm "$views/how many"
    same "tags" "$(ls "$views")" "removed"
    refuses "No such file" rm "$views/how many"
    refuses "Operation not permitted" mkdir "$views/x"
    works grep -q 'ln -s' <(tail -n 1 "$mount/admin/errors")
    refuses "Operation not permitted" bash -c 'echo x > "$0"' "$views/x"
    refuses "Not a directory" rmdir "$views/tags"
    refuses "cross-device" python3 -c 'import os, sys; os.rename(*sys.argv[1:])' "$views/tags" "$mount/keys/tags"
    name=$(printf 'n%.0s' $(seq 242))
    works ln -s long "$views/$name"
    works rm "$views/$name"
    refuses "File name too long" ln -s long "${views}/n$name"
    refuses "No such file" stat "$views/n$name"
}

# What a view is to the rest of the store: nothing.
hidden() {
    local mount=$1
    same "a b c" "$(ls -A "$mount/keys" | paste -sd ' ')" "not in keys/"
    same 3 "$(cat "$mount/query/count")" "not in queries"
    same "" "$(getfattr --absolute-names -m - "$mount/keys")" "no attribute of keys/"
    mkdir "$mount/tx/t"
    same "" "$(getfattr --absolute-names -m - "$mount/tx/t/keys")" "nor in a transaction"
    rmdir "$mount/tx/t"
}

for backend in memory json sqlite; do
    echo "--- $backend"
    mount=$TMPDIR/$backend.mnt
    uri="$backend:$TMPDIR/store.$backend"
    [ "$backend" = memory ] && uri="memory:?snapshot=$TMPDIR/store.memory"
    up "$uri" "$mount"
    fill "$mount"
    same "" "$(ls "$mount/views")" "no views at first"
    use "$mount"
    hidden "$mount"
    numbers=$(stat -c %i "$mount" "$mount/views" "$mount/views/tags" "$mount/query/by/type/doc/count")
    works chmod 700 "$mount/keys"
    down "$mount"
    up "$uri" "$mount" -o ro
    same "../query/by/type/doc/count" "$(readlink "$mount/views/tags")" "after a new mount"
    same "$numbers" "$(stat -c %i "$mount" "$mount/views" "$mount/views/tags" "$mount/query/by/type/doc/count")" \
        "the same inode numbers"
    refuses "Read-only" ln -s x "$mount/views/x"
    down "$mount"
    works "$STOREFS" export "$uri" "$TMPDIR/all.ndjson"
    works "$STOREFS" import "sqlite:$TMPDIR/from-$backend" "$TMPDIR/all.ndjson"
    up "sqlite:$TMPDIR/from-$backend" "$mount"
    same 2 "$(cat "$mount/views/tags")" "exported and imported"
    down "$mount"
done

# Two mounts of one store, both changing views at once.
up "sqlite:$TMPDIR/shared" "$TMPDIR/one"
up "sqlite:$TMPDIR/shared" "$TMPDIR/two"
for i in $(seq 20); do ln -s "$i" "$TMPDIR/one/views/one$i" || fail "ln $i"; done &
for i in $(seq 20); do ln -s "$i" "$TMPDIR/two/views/two$i" || fail "ln $i"; done
wait $!
same "40 40" "$(ls "$TMPDIR/one/views" | wc -l) $(ls "$TMPDIR/two/views" | wc -l)" "views of two mounts"
works mv "$TMPDIR/one/views/two7" "$TMPDIR/one/views/seven"
same 7 "$(readlink "$TMPDIR/two/views/seven")" "in the other mount"
works rm "$TMPDIR/two/views/seven"
sleep 1.1
refuses "No such file" stat "$TMPDIR/one/views/seven"
down "$TMPDIR/one"
down "$TMPDIR/two"
finish
