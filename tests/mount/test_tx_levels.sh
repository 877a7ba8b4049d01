#!/bin/bash
# SPDX-License-Identifier: MIT
# tx/ on each backend: isolation levels and what counts as a read, savepoints, and
# transactions inside others.
. "$srcdir/tests/mount/lib.sh"

listed() {
    ls "$1" | tr '\n' ' ' | sed 's/ $//'
}

# begin NAME [LEVEL]
begin() {
    works mkdir "$mount/tx/$1"
    tx=$mount/tx/$1
    [ $# -lt 2 ] || works bash -c 'echo "$0" > "$1/isolation"' "$2" "$tx"
}

levels() {
    begin level
    same snapshot "$(cat "$tx/isolation")" "the level of a new transaction"
    echo 5 > "$keys/five"
    works bash -c 'printf serializable > "$0"' "$tx/isolation"
    same serializable "$(cat "$tx/isolation")" "the level that was written"
    same 5 "$(cat "$tx/keys/five")" "it began anew with the level"
    refuses "Invalid argument" bash -c 'echo snapshot > "$0"' "$tx/isolation"
    works grep -q "has read or written already" "$mount/admin/errors"
    same serializable "$(cat "$tx/isolation")" "the level stays"
    works rmdir "$tx"
    begin level
    refuses "Invalid argument" bash -c 'echo strict > "$0"' "$tx/isolation"
    works grep -q "'strict' is no isolation level" "$mount/admin/errors"
    same snapshot "$(cat "$tx/isolation")" "after a word that is none"
    works rmdir "$tx"
    begin level read-committed
    same 5 "$(cat "$tx/keys/five")" "read committed"
    echo 6 > "$keys/five"
    same 6 "$(cat "$tx/keys/five")" "read committed sees what was committed since"
    echo 7 > "$keys/late"
    same "dir five late one" "$(listed "$tx/keys")" "and new names"
    echo mine > "$tx/keys/five"
    echo theirs > "$keys/five"
    works touch "$tx/commit"
    same mine "$(cat "$keys/five")" "the later commit stays"
    rm "$keys/five" "$keys/late"
}

# reads LEVEL 0|1 READ CHANGE: whether a change after a read makes the commit of another key a conflict
reads() {
    begin reader "$1"
    (cd "$tx" && eval "$3") > "$TMPDIR/seen" 2>&1
    echo "$3" > "$tx/keys/mark"
    (cd "$keys" && eval "$4") || fail "$4"
    checks=$((checks + 1))
    if touch "$tx/commit" 2> "$TMPDIR/seen"; then
        [ "$2" -eq 0 ] || fail "$1: no conflict of '$3' with '$4'"
    else
        [ "$2" -eq 1 ] || fail "$1: '$3' is in conflict with '$4': $(cat "$tx/error")"
        rmdir "$tx"
    fi
    rm -rf "$keys"/* "$keys/mark"
    mkdir "$keys/dir"
    echo 1 > "$keys/one"
    echo in > "$keys/dir/in"
}

recorded() {
    local level
    for level in snapshot serializable; do
        local hit=0
        [ $level = snapshot ] || hit=1
        reads $level $hit 'cat keys/one' 'echo 2 > one'
        reads $level $hit 'cat keys/none' 'echo 2 > none'
        reads $level $hit 'stat keys/none' 'echo 2 > none'
        reads $level $hit 'stat keys/one' 'echo 2 > one'
        reads $level $hit 'stat keys/one' 'rm one'
        reads $level $hit 'ls keys/dir' 'echo 2 > dir/new'
        reads $level $hit 'ls -f keys/dir' 'rm dir/in'
        reads $level $hit 'cat query/count' 'echo 2 > dir/new'
        reads $level $hit 'cat "query/where/@key = \"new\"/count"' 'echo 2 > new'
        reads $level 0 'cat "query/where/@key = \"other\"/count"' 'echo 2 > new'
        reads $level 0 'cat keys/dir/in' 'echo 2 > dir/new'
        reads $level 0 'cat keys/dir/in' 'echo 2 > dir/a'
        reads $level 0 'cat keys/dir/none' 'echo 2 > dir/a; echo 3 > dir/z'
        reads $level 0 'rm keys/dir/in' 'echo 2 > dir/a; echo 3 > dir/z; echo 4 > dir/in.x'
        reads $level 0 'ls keys/dir' 'echo 2 > one'
        reads $level $hit 'mv keys/one keys/dir/one' 'rm dir/in; rmdir dir; echo > dir'
        # Asked for twice, and changed in between by nobody that may be seen.
        reads $level $hit 'cat keys/none; cat keys/none; ls keys/dir; ls keys/dir' 'echo 2 > dir/x'
    done
    reads read-committed 0 'cat keys/one; ls keys; cat query/count' 'echo 2 > one'
}

# Different files in one directory: both commit, in any order, made or removed.
beside() {
    begin left serializable
    begin right serializable
    echo 1 > "$mount/tx/left/keys/dir/a"
    echo 2 > "$mount/tx/right/keys/dir/b"
    mkdir "$mount/tx/left/keys/dir/sub"
    mkdir "$mount/tx/right/keys/dir/bus"
    works touch "$mount/tx/right/commit"
    works touch "$mount/tx/left/commit"
    same "a b bus in sub" "$(listed "$keys/dir")" "two serializable transactions in one directory"
    begin left serializable
    begin right serializable
    works rm "$mount/tx/left/keys/dir/a"
    works mv "$mount/tx/right/keys/dir/b" "$mount/tx/right/keys/dir/c"
    works touch "$mount/tx/left/commit"
    works touch "$mount/tx/right/commit"
    same "bus c in sub" "$(listed "$keys/dir")" "removed and renamed beside each other"
    # Write skew: each reads what the other writes.
    begin left serializable
    begin right serializable
    cp "$mount/tx/left/keys/one" "$mount/tx/left/keys/dir/in"
    cp "$mount/tx/right/keys/dir/in" "$mount/tx/right/keys/one"
    works touch "$mount/tx/left/commit"
    refuses "Operation canceled" touch "$mount/tx/right/commit"
    works grep -q "'dir/in'" "$mount/tx/right/error"
    works rmdir "$mount/tx/right"
    rm -r "$keys/dir/c" "$keys/dir/bus" "$keys/dir/sub"
    echo in > "$keys/dir/in"
}

savepoints() {
    begin points
    local points=$tx/savepoints
    same "" "$(listed "$points")" "no savepoints"
    echo 1 > "$tx/keys/a"
    works mkdir "$points/z"
    refuses "File exists" mkdir "$points/z"
    refuses "Operation not permitted" bash -c 'echo > "$0"' "$points/file"
    echo 2 > "$tx/keys/a"
    echo new > "$tx/keys/b"
    rm "$tx/keys/one"
    mv "$tx/keys/dir" "$tx/keys/moved"
    exec 5> "$tx/keys/held"
    echo before >&5
    works mkdir "$points/b"
    same "z b" "$(ls -U "$points" | tr '\n' ' ' | sed 's/ $//')" "savepoints in their order"
    same "release rollback" "$(listed "$points/z")" "what is in one"
    echo 333 > "$tx/keys/a"
    echo after >&5
    works touch "$points/b/rollback"
    same "2 before" "$(cat "$tx/keys/a" "$tx/keys/held" | tr '\n' ' ' | sed 's/ $//')" "back to the second"
    same 2 "$(stat -c %s "$tx/keys/a")" "the size, too"
    exec 5>&-
    same before "$(cat "$tx/keys/held")" "closing brings nothing back"
    works test -d "$points/b"
    echo 4 > "$tx/keys/a"
    echo > "$points/z/rollback" || fail "rollback by writing"
    same 1 "$(cat "$tx/keys/a")" "back to the first"
    same "a dir one" "$(listed "$tx/keys")" "names as they were"
    same in "$(cat "$tx/keys/dir/in")" "a directory moved back"
    refuses "No such file" cat "$tx/keys/held"
    refuses "No such file" touch "$points/b/rollback"
    same z "$(listed "$points")" "later savepoints are gone"
    echo 5 > "$tx/keys/a"
    same 5 "$(cat "$tx/keys/a")" "written after a rollback"
    works mkdir "$points/y"
    : > "$points/z/release" || fail "release by opening"
    same "" "$(listed "$points")" "released with those behind it"
    works mkdir "$points/y" "$points/x"
    works rmdir "$points/x"
    same y "$(listed "$points")" "released by rmdir"
    works python3 -c "import pathlib, sys; pathlib.Path(sys.argv[1]).touch()" "$points/y/release"
    works touch "$tx/commit"
    same "5 1" "$(cat "$keys/a" "$keys/one" | tr '\n' ' ' | sed 's/ $//')" "what was left is committed"
    rm "$keys/a"
}

nested() {
    begin outer
    local outer=$tx
    echo 1 > "$tx/keys/a"
    works mkdir "$tx/tx/inner"
    same inner "$(listed "$tx/tx")" "ls tx/NAME/tx"
    tx=$tx/tx/inner
    same "changes commit error fields isolation keys query rollback savepoints status tx" "$(listed "$tx")" \
        "what is in it"
    same 1 "$(cat "$tx/keys/a")" "the parent's write"
    echo 2 > "$tx/keys/a"
    echo in > "$tx/keys/inner"
    same 1 "$(cat "$outer/keys/a")" "the parent does not see it"
    same 4 "$(cat "$tx/query/count")" "a query in it"
    exec 5< "$outer/keys/a"
    same 1 "$(head -c 1 <&5)" "a file of the parent that stays open"
    works touch "$tx/commit"
    same "" "$(listed "$outer/tx")" "the inner one is gone"
    same "2 in" "$(cat "$outer/keys/a" "$outer/keys/inner" | tr '\n' ' ' | sed 's/ $//')" "in the parent"
    exec 5<&-
    refuses "No such file" cat "$keys/a"
    works mkdir "$outer/tx/inner" "$outer/tx/inner/tx/deep"
    echo 3 > "$outer/tx/inner/tx/deep/keys/a"
    works touch "$outer/tx/inner/tx/deep/commit"
    same 3 "$(cat "$outer/tx/inner/keys/a")" "two levels deep"
    works rmdir "$outer/tx/inner"
    same 2 "$(cat "$outer/keys/a")" "rolled back"
    # What the parent changed meanwhile is a conflict.
    works mkdir "$outer/tx/inner"
    echo 4 > "$outer/tx/inner/keys/a"
    echo 5 > "$outer/keys/a"
    refuses "Operation canceled" touch "$outer/tx/inner/commit"
    works grep -q "'a'" "$outer/tx/inner/error"
    works rmdir "$outer/tx/inner"
    works mkdir "$outer/tx/inner"
    refuses "not supported" bash -c 'echo serializable > "$0"' "$outer/tx/inner/isolation"
    works bash -c 'echo read-committed > "$0"' "$outer/tx/inner/isolation"
    works mkdir "$outer/tx/inner/tx/deep"
    exec 5> "$outer/tx/inner/keys/held" 6< "$outer/tx/inner/tx/deep/keys"
    echo held >&5
    works touch "$outer/commit"
    refuses "Stale file handle" bash -c 'echo more >&5'
    exec 5>&- 6<&-
    same "5 in" "$(cat "$keys/a" "$keys/inner" | tr '\n' ' ' | sed 's/ $//')" "the parent is committed"
    refuses "No such file" cat "$keys/held"
    begin outer
    works mkdir "$tx/tx/inner"
    exec 6< "$tx/tx/inner/keys"
    works rmdir "$tx"
    refuses "Stale file handle" ls -l /proc/self/fd/6/
    exec 6<&-
    rm "$keys/a" "$keys/inner"
    begin left
    works mkdir "$tx/tx/inner"
    echo left > "$tx/tx/inner/keys/left"
    exec 6< "$tx/tx/inner/keys"
}

option() {
    mkdir -p "$TMPDIR/option"
    refuses "is no isolation level" "$STOREFS" mount memory: "$TMPDIR/option" -o isolation=chaos
    up memory: "$TMPDIR/option" -o isolation=serializable
    works mkdir "$TMPDIR/option/tx/a"
    same serializable "$(cat "$TMPDIR/option/tx/a/isolation")" "the mount option"
    down "$TMPDIR/option"
}

# Eight shells count up one key: each of 5 rounds is lost by nobody.
retries() {
    local counter=$keys/counter i
    echo 0 > "$counter"
    for i in 1 2 3 4 5 6 7 8; do
        (
            for round in 1 2 3 4 5; do
                "$STOREFS" exec --tx "$mount" --retry 1000 --isolation serializable -- \
                    sh -c 'n=$(cat "$STOREFS_KEYS/counter") && echo $((n + 1)) > "$STOREFS_KEYS/counter"' || exit
            done
        ) >> "$TMPDIR/retries" 2>&1 &
    done
    wait
    same 40 "$(cat "$counter")" "a counter that eight count up"
    same "" "$(cat "$TMPDIR/retries")" "nothing is said of what succeeds in the end"
    echo 0 > "$TMPDIR/tries"
    checks=$((checks + 1))
    "$STOREFS" exec --tx "$mount" --retry 3 -- sh -c '
        echo $(($(cat "$0/tries") + 1)) > "$0/tries"
        cat "$STOREFS_TX/isolation" > "$0/level"
        echo mine > "$STOREFS_KEYS/counter"; echo theirs > "$1"' "$TMPDIR" "$counter" 2> "$TMPDIR/said"
    same 3 $? "the exit code of a conflict at the end"
    same "4 snapshot" "$(cat "$TMPDIR/tries" "$TMPDIR/level" | tr '\n' ' ' | sed 's/ $//')" "tries"
    same 1 "$(grep -c 'not committed' "$TMPDIR/said")" "it is said once"
    refuses "no isolation level" "$STOREFS" exec --tx "$mount" --isolation none -- true
    refuses "takes a number" "$STOREFS" exec --tx "$mount" --retry -1 -- true
    rm "$counter"
}

option
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
    echo in > "$keys/dir/in"
    levels
    recorded
    beside
    savepoints
    retries
    same "" "$(listed "$mount/tx")" "no transaction is left"
    nested
    exec 6<&-
    down "$mount"
done
finish
