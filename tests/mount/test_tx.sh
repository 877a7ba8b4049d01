#!/bin/bash
# SPDX-License-Identifier: MIT
# tx/ on each backend: isolation, every way to commit and to roll back, conflicts, what the kernel sees
# afterwards, files that are open when a transaction ends.
. "$srcdir/tests/mount/lib.sh"

listed() {
    ls "$1" | tr '\n' ' ' | sed 's/ $//'
}

begin() {
    works mkdir "$mount/tx/$1"
    tx=$mount/tx/$1
}

gone() {
    checks=$((checks + 1))
    [ ! -e "$mount/tx/$1" ] || fail "tx/$1 is still there"
}

isolation() {
    begin iso
    same "changes commit error fields isolation keys query rollback savepoints status tx" "$(listed "$tx")" "what is in it"
    same "700 600 600 400" "$(stat -c %a "$tx" "$tx/commit" "$tx/rollback" "$tx/status" | tr '\n' ' ' | sed 's/ $//')" \
        "the modes"
    same snapshot "$(cat "$tx/isolation")" "its isolation"
    works grep -qx 'state: active' "$tx/status"
    same "iso" "$(listed "$mount/tx")" "ls tx"
    refuses "File exists" mkdir "$mount/tx/iso"
    refuses "Operation not permitted" bash -c 'echo x > "$0"' "$mount/tx/file"
    echo late > "$keys/late"
    echo other > "$keys/one"
    refuses "No such file" cat "$tx/keys/late"
    same 1 "$(cat "$tx/keys/one")" "a key as it was at the beginning"
    same "dir one two" "$(listed "$tx/keys")" "names as they were"
    same 3 "$(cat "$tx/query/count")" "a query in the snapshot"
    same 4 "$(cat "$mount/query/count")" "and outside"
    echo mine > "$tx/keys/mine"
    same mine "$(cat "$tx/keys/mine")" "its own write"
    same 4 "$(cat "$tx/query/count")" "its own write in a query"
    same ../../../../keys/mine "$(readlink "$tx/query/where/@key = \"mine\"/keys/mine")" \
        "a link in a transaction"
    same mine "$(cat "$tx/query/where/@key = \"mine\"/keys/mine")" "through it"
    refuses "No such file" cat "$keys/mine"
    works rmdir "$tx"
    gone iso
    refuses "No such file" cat "$keys/mine"
    rm "$keys/late"
    echo 1 > "$keys/one"
}

# $1: a command that commits, with $tx
commits_by() {
    begin by
    echo "by $1" > "$tx/keys/two"
    (cd "$mount" && eval "$1") || fail "did not commit: $1"
    checks=$((checks + 1))
    gone by
    same "by $1" "$(cat "$keys/two")" "committed by $1"
}

ways() {
    commits_by 'touch "$tx/commit"'
    commits_by 'echo > "$tx/commit"'
    commits_by 'echo yes >> "$tx/commit"'
    commits_by 'truncate -s 0 "$tx/commit"'
    commits_by ': > "$tx/commit"'
    commits_by "python3 -c 'import pathlib, sys; pathlib.Path(sys.argv[1]).touch()' \"\$tx/commit\""
    commits_by "python3 -c 'import os, sys; os.utime(sys.argv[1])' \"\$tx/commit\""
    commits_by "python3 -c '
import os, sys
fd = os.open(sys.argv[1], os.O_WRONLY)
os.write(fd, b\"1\"); os.write(fd, b\"2\"); os.utime(fd); os.fsync(fd); os.fstat(fd); os.close(fd)' \"\$tx/commit\""
    begin read
    same "" "$(cat "$tx/commit" "$tx/rollback")" "reading commit and rollback"
    works test -d "$tx"
    works touch "$tx/rollback"
    gone read
    begin written
    echo no > "$tx/keys/two"
    echo 1 > "$tx/rollback" || fail "rollback by writing"
    gone written
    refuses "No such file" touch "$tx/commit"
    checks=$((checks + 1))
    [ "$(cat "$keys/two")" != no ] || fail "a rollback changed the store"
}

conflicts() {
    begin conflict
    echo mine > "$tx/keys/one"
    echo new > "$tx/keys/brand-new"
    echo theirs > "$keys/one"
    refuses "Operation canceled" touch "$tx/commit"
    refuses "Operation canceled" bash -c ': > "$0"' "$tx/commit"
    refuses "Operation canceled" bash -c 'echo >> "$0"' "$tx/commit"
    refuses "Errno 125" python3 -c 'import pathlib, sys; pathlib.Path(sys.argv[1]).touch()' "$tx/commit"
    works grep -q "'one'" "$tx/error"
    works grep -q $'^conflict\tone\t' "$tx/error"
    same 0 "$(grep -c brand-new "$tx/error")" "keys that are not in conflict"
    works grep -q '^state: failed' "$tx/status"
    works grep -q 'SFS_E_CONFLICT' "$mount/admin/errors"
    same mine "$(cat "$tx/keys/one")" "it can still be read"
    same theirs "$(cat "$keys/one")" "the first committer wins"
    refuses "No such file" cat "$keys/brand-new"
    works touch "$tx/rollback"
    gone conflict
    begin apart
    echo 1 > "$tx/keys/dir/mine"
    echo 2 > "$keys/dir/theirs"
    works touch "$tx/commit"
    same "in mine theirs" "$(listed "$keys/dir")" "two creates in one directory"
    rm "$keys/dir/mine" "$keys/dir/theirs"
    begin deleted
    rm "$tx/keys/one"
    echo again > "$keys/one"
    refuses "Operation canceled" touch "$tx/commit"
    works rmdir "$tx"
    same again "$(cat "$keys/one")" "a deletion that lost"
}

changes() {
    begin changes
    same "" "$(cat "$tx/changes")" "no changes"
    echo x > "$tx/keys/one"
    rm "$tx/keys/two"
    echo x > "$tx/keys/"$'a\tb\\c\nd'
    mkdir "$tx/keys/sub"
    same 'created	a\x09b\\c\x0ad
changed	one
created directory	sub/
deleted	two' "$(cat "$tx/changes")" "changes"
    works rmdir "$tx"
}

# The kernel has looked at all of keys/ before; the commit must show at once.
caches() {
    mkdir -p "$keys/old/deep" "$keys/swap"
    echo aaaa > "$keys/same-size"
    echo x > "$keys/old/deep/x"
    echo x > "$keys/leaf"
    echo x > "$keys/swap/x"
    cat "$keys/same-size" "$keys/leaf" "$keys/old/deep/x" > "$TMPDIR/seen"
    stat "$keys/new" "$keys/leaf" "$keys/old" > "$TMPDIR/seen" 2>&1
    ls -lR "$keys" > "$TMPDIR/seen"
    begin cache
    echo bbbb > "$tx/keys/same-size"
    mkdir "$tx/keys/new"
    echo 1 > "$tx/keys/new/file"
    rm "$tx/keys/leaf"
    mkdir "$tx/keys/leaf"
    echo 2 > "$tx/keys/leaf/below"
    rm -r "$tx/keys/old"
    mv "$tx/keys/swap" "$tx/keys/swapped"
    ln -s same-size "$tx/keys/link"
    chmod 600 "$tx/keys/two"
    works touch "$tx/commit"
    same bbbb "$(cat "$keys/same-size")" "new bytes of the same size"
    same 1 "$(cat "$keys/new/file")" "a file in a new directory"
    same 2 "$(cat "$keys/leaf/below")" "a file that became a directory"
    refuses "No such file" ls "$keys/old"
    refuses "No such file" ls "$keys/swap"
    same x "$(cat "$keys/swapped/x")" "a renamed directory"
    same bbbb "$(cat "$keys/link")" "a new link"
    same 600 "$(stat -c %a "$keys/two")" "a changed mode"
    same "dir leaf link new one same-size swapped two" "$(listed "$keys")" "the whole listing"
    begin back
    works rm -r "$tx/keys/leaf" "$tx/keys/new" "$tx/keys/swapped" "$tx/keys/link" "$tx/keys/same-size"
    works touch "$tx/commit"
    same "dir one two" "$(listed "$keys")" "all gone again"
}

# More names than are told of one by one.
big() {
    mkdir "$keys/big"
    ls -l "$keys/big" "$keys/one" > "$TMPDIR/seen"
    begin big
    python3 - "$tx" <<'PYTHON'
import os, sys
for i in range(1100):
    with open(os.path.join(sys.argv[1], "keys/big", str(i)), "w") as file:
        file.write(str(i))
PYTHON
    echo changed > "$tx/keys/one"
    works touch "$tx/commit"
    same changed "$(cat "$keys/one")" "a key beside many"
    same 1100 "$(ls "$keys/big" | wc -l)" "many new keys"
    same 1099 "$(cat "$keys/big/1099")" "one of them"
    begin renamed
    works mv "$tx/keys/big" "$tx/keys/bigger"
    works touch "$tx/commit"
    same 1100 "$(ls "$keys/bigger" | wc -l)" "renamed in a transaction"
    rm -r "$keys/bigger"
}

open_files() {
    begin dirty
    exec 5> "$tx/keys/held" 6< "$tx/query/values.ndjson" 7< "$tx/keys"
    echo held >&5
    head -c 5 <&6 > "$TMPDIR/seen"
    works touch "$tx/commit"
    same held "$(cat "$keys/held")" "a dirty open file was committed first"
    refuses "Stale file handle" cat <&6
    refuses "Stale file handle" bash -c 'echo more >&5'
    exec 5>&- 6<&- 7<&-
    same held "$(cat "$keys/held")" "writing on changes nothing"
    begin lost
    exec 5> "$tx/keys/lost"
    echo lost >&5
    works rmdir "$tx"
    refuses "Stale file handle" bash -c 'echo more >&5'
    exec 5>&-
    refuses "No such file" cat "$keys/lost"
    begin again
    exec 5> "$tx/commit"
    works bash -c 'echo >&5'
    gone again
    works mkdir "$tx"
    works bash -c 'echo more >&5'
    exec 5>&-
    works test -d "$tx"
    works rmdir "$tx"
    rm "$keys/held"
    begin reused
    echo first > "$tx/keys/first"
    works rmdir "$tx"
    begin reused
    refuses "No such file" cat "$tx/keys/first"
    works rmdir "$tx"
}

# Two commits at the same time: one of two that change the same key wins, every time.
races() {
    local i a b lost=0
    for i in $(seq 20); do
        mkdir "$mount/tx/a" "$mount/tx/b"
        echo "a$i" > "$mount/tx/a/keys/one"
        echo "b$i" > "$mount/tx/b/keys/one"
        touch "$mount/tx/a/commit" 2>> "$TMPDIR/seen" & a=$!
        touch "$mount/tx/b/commit" 2>> "$TMPDIR/seen" & b=$!
        wait "$a"; a=$?
        wait "$b"; b=$?
        [ $((a + b)) -eq 1 ] || lost=$((lost + 1))
        [ "$(cat "$keys/one")" = "$([ $a -eq 0 ] && echo "a$i" || echo "b$i")" ] || lost=$((lost + 1))
        [ ! -e "$mount/tx/a" ] || rmdir "$mount/tx/a"
        [ ! -e "$mount/tx/b" ] || rmdir "$mount/tx/b"
    done
    same 0 "$lost" "races without exactly one winner"
}

others() {
    [ "$(id -u)" -eq 0 ] || return
    begin mine
    refuses "ermission denied" setpriv --reuid 65534 --regid 65534 --clear-groups ls "$tx"
    refuses "ermission denied" setpriv --reuid 65534 --regid 65534 --clear-groups touch "$tx/commit"
    works rmdir "$tx"
}

for backend in memory json sqlite; do
    echo "--- $backend"
    mount=$TMPDIR/$backend.mnt
    keys=$mount/keys
    case $backend in
    memory) up memory: "$mount" ;;
    *) up "$backend:$TMPDIR/store.$backend" "$mount" ;;
    esac
    mkdir "$keys/dir"
    echo 1 > "$keys/one"
    echo 2 > "$keys/two"
    echo in > "$keys/dir/in"
    isolation
    ways
    conflicts
    changes
    caches
    big
    open_files
    races
    others
    same "" "$(listed "$mount/tx")" "no transaction is left"
    begin left
    echo left > "$tx/keys/left"
    down "$mount"
    if [ $backend != memory ]; then
        up "$backend:$TMPDIR/store.$backend" "$mount"
        refuses "No such file" cat "$keys/left"
        same "" "$(listed "$mount/tx")" "transactions end with the mount"
        down "$mount"
    fi
done
finish
