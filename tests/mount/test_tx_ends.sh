#!/bin/bash
# SPDX-License-Identifier: MIT
# Transactions that end otherwise than their user wished: conflicts told in full, failed and expired ones that
# refuse every change, descriptors that outlive them, rm -r, killed holders, time limits, other users. And
# two transactions side by side in one directory, through one daemon and through two.
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

gone() {
    checks=$((checks + 1))
    [ ! -e "$mount/tx/$1" ] || fail "tx/$1 is still there"
}

# What programs have written and not closed is there for a transaction that begins inside.
inner_sees() {
    begin outer
    exec 5> "$tx/keys/held"
    echo written >&5
    works mkdir "$tx/tx/inner"
    same written "$(cat "$tx/tx/inner/keys/held")" "an inner transaction sees what is not closed"
    echo more >&5
    same written "$(cat "$tx/tx/inner/keys/held")" "and not what comes later"
    works rmdir "$tx/tx/inner"
    works mkdir "$tx/tx/inner"
    works bash -c 'echo read-committed > "$0"' "$tx/tx/inner/isolation"
    same "written more" "$(tr '\n' ' ' < "$tx/tx/inner/keys/held" | sed 's/ $//')" "begun anew at another level"
    exec 5>&-
    works rmdir "$tx"
}

# Descriptors over a rollback to a savepoint show their own file, or are stale.
undone() {
    begin undone
    local k=$tx/keys
    echo aaa > "$k/a"
    echo bbb > "$k/b"
    mkdir "$k/c" "$k/d"
    echo in-c > "$k/c/x"
    echo keep > "$k/keep"
    echo loose > "$k/loose"
    exec 3< "$k/loose"
    rm "$k/loose"
    works mkdir "$tx/savepoints/s"
    exec 4< "$k/a" 5< "$k/b" 6< "$k/c/x" 7< "$k/c" 8<> "$k/keep"
    rm "$k/b"
    works mv "$k/a" "$k/b"
    works rmdir "$k/d"
    works mv "$k/c" "$k/d"
    echo new > "$k/new"
    exec 9<> "$k/new"
    same aaa "$(cat /proc/self/fd/4)" "a moved file before the rollback"
    works touch "$tx/savepoints/s/rollback"
    refuses "Stale file handle" cat <&4
    refuses "Stale file handle" cat <&5
    refuses "Stale file handle" cat <&6
    refuses "Stale file handle" cat <&9
    refuses "Stale file handle" bash -c 'echo lost >&9'
    refuses "Stale file handle" stat -L /proc/self/fd/9
    refuses "Stale file handle" truncate -s 1 /proc/self/fd/9
    refuses "" ls /proc/self/fd/7/
    same loose "$(cat <&3)" "a file that had no name at the savepoint"
    same keep "$(cat <&8)" "a file that was left alone"
    works bash -c 'echo again >&8'
    exec 3<&- 4<&- 5<&- 6<&- 7<&- 8<&- 9<&-
    same "aaa bbb in-c" "$(cat "$k/a" "$k/b" "$k/c/x" | tr '\n' ' ' | sed 's/ $//')" "what is there again"
    same "" "$(listed "$k/d")" "an empty directory again"
    same "keep again" "$(tr '\n' ' ' < "$k/keep" | sed 's/ $//')" "written through a descriptor afterwards"
    checks=$((checks + 1))
    [ "$(stat -c %i "$k/a")" != "$(stat -c %i "$k/b")" ] || fail "two files with one inode number"
    same "" "$(rm -rf "$tx/savepoints/s" 2>&1)" "what rm -rf of a savepoint says"
    same "" "$(listed "$tx/savepoints")" "which releases it"
    same aaa "$(cat "$k/a")" "and changes nothing"
    refuses "Operation not permitted" rm -f "$tx/changes"
    refuses "Operation not permitted" rmdir "$tx/query"
    # A file that the commit of an inner transaction has replaced.
    exec 4< "$k/a"
    works mkdir "$tx/tx/inner"
    works mv "$tx/tx/inner/keys/b" "$tx/tx/inner/keys/a"
    works touch "$tx/tx/inner/commit"
    refuses "Stale file handle" cat <&4
    same bbb "$(cat "$k/a")" "replaced by the inner transaction"
    exec 4<&-
    works rmdir "$tx"
}

# told LEVEL READ CHANGE WANTED: the line of `error`
told() {
    begin told "$1"
    (cd "$tx" && eval "$2") > "$TMPDIR/seen" 2>&1
    echo mark > "$tx/keys/mark"
    (cd "$keys" && eval "$3")
    refuses "Operation canceled" touch "$tx/commit"
    checks=$((checks + 1))
    grep -qP "$4" "$tx/error" || fail "error has no '$4': $(cat "$tx/error")"
    works rmdir "$tx"
    rm -rf "$keys"/*
    mkdir "$keys/dir"
    echo '{"n":1}' > "$keys/one"
    echo in > "$keys/dir/in"
}

conflicts() {
    told snapshot 'echo x > keys/one' 'echo 2 > one' '^conflict\tone\trevision \d+ then, \d+ now$'
    told serializable 'cat keys/one' 'echo 2 > one' '^read\tone\trevision [1-9]\d* then, [1-9]\d* now$'
    told serializable 'cat keys/none' 'echo 2 > none' '^read\tnone\trevision 0 then, [1-9]\d* now$'
    told serializable 'cat keys/one' 'rm one' '^read\tone\trevision [1-9]\d* then, 0 now$'
    told serializable 'ls keys/dir' 'echo 2 > dir/new' '^listed\tdir/new\trevision 0 then, [1-9]\d* now\tdir/[^\t]*\tdir0$'
    told serializable 'ls keys' 'echo 2 > new' '^listed\tnew\trevision 0 then, [1-9]\d* now\t'
    told serializable 'cat "query/where/n = 7/count"' 'echo "{\"n\":7}" > new' \
        '^queried\tnew\trevision 0 then, [1-9]\d* now\t.*n = 7'
    told serializable 'cat "query/where/n = 1/count"' 'rm one' '^queried\tone\trevision [1-9]\d* then, 0 now\t.*n = 1'
}

# A transaction that cannot be committed any more takes no writes that would be lost.
refused() {
    local sentence="Operation canceled" error=CONFLICT
    begin refused
    exec 5> "$tx/keys/before" 6<> "$tx/keys/one"
    echo mine > "$tx/keys/dir/in"
    echo theirs > "$keys/dir/in"
    refuses "$sentence" touch "$tx/commit"
    refuses "$sentence" bash -c 'echo x >&5'
    refuses "$sentence" bash -c 'echo x > "$0/keys/one"' "$tx"
    refuses "$sentence" bash -c 'echo x >> "$0/keys/one"' "$tx"
    refuses "$sentence" bash -c 'echo x > "$0/keys/made"' "$tx"
    refuses "$sentence" truncate -s 0 "$tx/keys/one"
    refuses "$sentence" bash -c 'truncate -s 0 /dev/fd/6'
    refuses "$sentence" chmod 600 "$tx/keys/one"
    refuses "$sentence" mkdir "$tx/keys/made"
    refuses "$sentence" rm "$tx/keys/one"
    refuses "$sentence" mv "$tx/keys/one" "$tx/keys/two"
    refuses "$sentence" mkdir "$tx/savepoints/s"
    refuses "$sentence" mkdir "$tx/tx/inner"
    works grep -q "\"operation\":\"open\".*$error.*'dir/in'" "$mount/admin/errors"
    works grep -q "\"operation\":\"write\".*$error.*'dir/in'" "$mount/admin/errors"
    works grep -q "\"operation\":\"create\".*$error.*'dir/in'" "$mount/admin/errors"
    works grep -q "'dir/in'" <(python3 -c 'import os, sys
print(os.getxattr(sys.argv[1], "user.storefs.error").decode())' "$tx/keys/one")
    same '{"n":1}' "$(cat "$tx/keys/one")" "it can be read"
    exec 5>&- 6>&-
    works rmdir "$tx"
    echo in > "$keys/dir/in"
}

# Whatever was open, and wherever a program stood, when the transaction ended: no use of it is taken, none
# is another's, and the mount lives on.
outlived() {
    local how
    for how in commit rollback; do
        begin outlived
        echo text > "$tx/keys/f"
        mkdir "$tx/keys/sub"
        echo deep > "$tx/keys/sub/f"
        exec 4< "$tx/keys/f" 5>> "$tx/keys/f" 6< "$tx/keys/sub" 7<> "$tx/keys/sub/f"
        works touch "$tx/$how"
        gone outlived
        refuses "Stale file handle" cat <&4
        refuses "Stale file handle" bash -c 'echo x >&5'
        refuses "Stale file handle" bash -c 'echo x >&7'
        refuses "Stale file handle" truncate -s 0 /dev/fd/7
        refuses "Stale file handle" python3 -c 'import os; os.ftruncate(7, 0)'
        refuses "Stale file handle" python3 -c 'import os; os.listdir(6)'
        refuses "Stale file handle" python3 -c 'import os; os.unlink("f", dir_fd=6)'
        refuses "Stale file handle" python3 -c 'import os; os.rename("f", "g", src_dir_fd=6, dst_dir_fd=6)'
        refuses "Stale file handle" python3 -c 'import os; os.mkdir("d", dir_fd=6)'
        refuses "Stale file handle" python3 -c 'import os; os.open("n", os.O_CREAT | os.O_WRONLY, dir_fd=6)'
        exec 4<&- 5>&- 6<&- 7>&-
        if [ $how = commit ]; then
            same "text deep" "$(cat "$keys/f" "$keys/sub/f" | tr '\n' ' ' | sed 's/ $//')" "what was committed"
            rm -r "$keys/f" "$keys/sub"
        else
            refuses "No such file" cat "$keys/f"
        fi
    done
    # All that takes names away, inside; then committed at once.
    begin names
    local k=$tx/keys
    mkdir -p "$k/p/q" "$k/empty"
    echo 1 > "$k/p/q/one"
    echo 2 > "$k/p/two"
    works mv "$k/p" "$k/moved"
    works rm "$k/moved/two"
    works rmdir "$k/empty"
    echo 12345 > "$k/cut"
    works truncate -s 2 "$k/cut"
    refuses "Directory not empty" rmdir "$k/moved"
    works mv "$k/moved/q/one" "$k/moved/q/uno"
    exec 5> "$k/moved/q/open"
    echo open >&5
    works mv "$k/moved/q" "$k/last"
    works touch "$tx/commit"
    exec 5>&-
    same "1 open" "$(cat "$keys/last/uno" "$keys/last/open" | tr '\n' ' ' | sed 's/ $//')" "renamed and committed"
    same 12 "$(cat "$keys/cut")" "truncated and committed"
    same "" "$(listed "$keys/moved")" "a directory whose entries were moved away stays"
    rm -r "$keys/last" "$keys/moved" "$keys/cut"
}

removed() {
    begin removed
    echo lost > "$tx/keys/lost"
    mkdir "$tx/savepoints/s" "$tx/tx/inner"
    same "" "$(rm -rf "$tx" 2>&1)" "what rm -rf says"
    gone removed
    refuses "No such file" cat "$keys/lost"
    same '{"n":1}' "$(cat "$keys/one")" "rm -rf of a transaction removes no key"
    begin removed
    works python3 -c 'import shutil, sys; shutil.rmtree(sys.argv[1], ignore_errors=True)' "$tx"
    gone removed
    begin held
    exec 5<> "$tx/rollback"
    echo lost > "$tx/keys/lost"
    works test -d "$tx"
    exec 5>&-
    eventually test ! -e "$tx"
    begin held
    exec 5<> "$tx/rollback"
    echo kept > "$tx/keys/kept"
    works touch "$tx/commit"
    exec 5>&-
    same kept "$(cat "$keys/kept")" "committed before the descriptor was closed"
    rm "$keys/kept"
}

killed() {
    local runner
    "$STOREFS" exec --tx "$mount" --name victim -- \
        sh -c 'echo lost > "$STOREFS_KEYS/lost"; echo $$ > "$0/inside"; exec sleep 600' "$TMPDIR" &
    runner=$!
    eventually test -s "$TMPDIR/inside"
    works test -d "$mount/tx/victim"
    kill -9 $runner
    wait $runner 2>> "$TMPDIR/seen"
    eventually test ! -e "$mount/tx/victim"
    refuses "No such file" cat "$keys/lost"
    kill "$(cat "$TMPDIR/inside")"
    rm "$TMPDIR/inside"
    works "$STOREFS" exec --tx "$mount" --name victim -- sh -c 'echo kept > "$STOREFS_KEYS/kept"'
    same kept "$(cat "$keys/kept")" "a command that was not killed"
    rm "$keys/kept"
}

# beside MOUNT MOUNT: two serializable transactions make different files in one directory
beside() {
    local i left right
    for i in 1 2 3 4 5; do
        for m in left right; do
            local where=$1
            [ $m = left ] || where=$2
            (
                mkdir "$where/tx/$m" && echo serializable > "$where/tx/$m/isolation" &&
                    echo "$m" > "$where/tx/$m/keys/dir/$m$i" && touch "$where/tx/$m/commit"
            ) 2>> "$TMPDIR/beside" &
            [ $m = left ] && left=$! || right=$!
        done
        checks=$((checks + 1))
        wait $left && wait $right || fail "different files in one directory: $(cat "$TMPDIR/beside")"
    done
    same 11 "$(ls "$1/keys/dir" | wc -l)" "files that both made, and the one before"
    rm "$1"/keys/dir/left? "$1"/keys/dir/right?
}

limits() {
    local mount=$TMPDIR/limits keys=$TMPDIR/limits/keys
    mkdir -p "$mount"
    refuses "is no time limit" "$STOREFS" mount memory: "$mount" -o tx-timeout=0
    refuses "is no time limit" "$STOREFS" mount memory: "$mount" -o tx-timeout=1m
    refuses "is no time limit" "$STOREFS" mount memory: "$mount" -o tx-timeout=99999999999999999999
    up memory: "$mount" -o tx-timeout=1
    echo 1 > "$keys/one"
    begin late
    exec 5> "$tx/keys/mine"
    echo lost >&5
    sleep 1.3
    refuses "Stale file handle" bash -c 'echo more >&5'
    refuses "Stale file handle" cat "$tx/keys/one"
    refuses "Stale file handle" bash -c 'echo x > "$0/keys/one"' "$tx"
    refuses "Stale file handle" touch "$tx/commit"
    works grep -q "was not used for 1000 ms and has expired" "$tx/error"
    works grep -q "has expired" "$mount/admin/errors"
    exec 5>&-
    works rmdir "$tx"
    refuses "No such file" cat "$keys/mine"
    # Each use begins the time anew, unless the machine stood still for a second.
    local tries uses
    for ((tries = 0; tries < 20; tries++)); do
        begin used
        for ((uses = 0; uses < 4; uses++)); do
            sleep 0.4
            [ "$(cat "$tx/keys/one" 2>> "$TMPDIR/seen")" = 1 ] || break
        done
        touch "$tx/commit" 2>> "$TMPDIR/seen" && break
        rmdir "$tx"
    done
    same 4 "$uses" "uses of a transaction after which it was committed"
    gone used
    down "$mount"
}

# What is open when the mount ends is rolled back.
ends() {
    local store=sqlite:$TMPDIR/ends.sqlite mount=$TMPDIR/ends daemon how
    for how in TERM unmount KILL; do
        up "$store" "$mount"
        begin left
        echo lost > "$tx/keys/lost"
        echo kept > "$mount/keys/kept-$how"
        daemon=$(daemon_of "$mount")
        if [ $how = unmount ]; then
            down "$mount"
        else
            kill -$how "$daemon"
            eventually test ! -e "/proc/$daemon"
            [ $how = TERM ] || fusermount3 -u "$mount"
        fi
        eventually bash -c '! grep -qF " $0 " /proc/self/mounts' "$mount"
    done
    up "$store" "$mount"
    same "kept-KILL kept-TERM kept-unmount" "$(listed "$mount/keys")" "after the ends of mounts"
    same "" "$(listed "$mount/tx")" "no transaction outlives its mount"
    down "$mount"
    works "$STOREFS" fsck "$store"
}

# Two users on a mount for all: neither finds the other's transactions.
users() {
    [ "$(id -u)" -eq 0 ] || { fail "this test runs as root, to become two users"; return; }
    local mount=$TMPDIR/users uid
    up memory: "$mount" -o allow_other
    chmod 777 "$mount/keys"
    as() {
        setpriv --reuid "$1" --regid "$1" --clear-groups "${@:2}"
    }
    for uid in 65532 65533; do
        works as $uid mkdir "$mount/tx/of-$uid"
        works as $uid bash -c 'echo "$1" > "$0/keys/k$1"' "$mount/tx/of-$uid" $uid
    done
    for uid in 65532 65533; do
        local other=$((65532 + 65533 - uid))
        same "of-$uid" "$(as $uid ls "$mount/tx")" "ls tx as one of two users"
        same "$uid 700" "$(as $uid stat -c '%u %a' "$mount/tx/of-$uid")" "its owner and mode"
        refuses "No such file" as $uid ls "$mount/tx/of-$other"
        refuses "No such file" as $uid stat "$mount/tx/of-$other"
        refuses "No such file" as $uid cat "$mount/tx/of-$other/keys/k$other"
        refuses "No such file" as $uid bash -c 'echo > "$0/commit"' "$mount/tx/of-$other"
        refuses "No such file" as $uid rmdir "$mount/tx/of-$other"
        refuses "File exists" as $uid mkdir "$mount/tx/of-$other"
    done
    same "of-65532 of-65533" "$(listed "$mount/tx")" "root sees all"
    works as 65532 touch "$mount/tx/of-65532/commit"
    same 65532 "$(cat "$mount/keys/k65532")" "committed by its owner"
    works rmdir "$mount/tx/of-65533"
    # What shows values and names of keys whatever their modes is the owner's alone.
    chmod 600 "$mount/keys/k65532"
    works as 65532 mkdir "$mount/tx/of-65532"
    for path in query/values.json query/limit/1/keys admin/errors admin/stats.json tx/of-65532/query/values.json; do
        works test -r "$mount/$path"
        refuses "Permission denied" as 65532 bash -c '[ -d "$0" ] && exec ls "$0"; exec cat "$0"' "$mount/$path"
    done
    refuses "Permission denied" as 65533 cat "$mount/keys/k65532" "$mount/fields/k65532"
    works as 65533 cat "$mount/admin/files"
    works as 65532 rmdir "$mount/tx/of-65532"
    down "$mount"
}

limits
ends
users
for backend in memory json sqlite; do
    echo "--- $backend"
    mount=$TMPDIR/$backend.mnt
    keys=$mount/keys
    case $backend in
    memory) up memory: "$mount" ;;
    *) up "$backend:$TMPDIR/store.$backend" "$mount" ;;
    esac
    mkdir "$keys/dir"
    echo '{"n":1}' > "$keys/one"
    echo in > "$keys/dir/in"
    inner_sees
    undone
    conflicts
    refused
    outlived
    removed
    killed
    beside "$mount" "$mount"
    if [ $backend = sqlite ]; then
        up "sqlite:$TMPDIR/store.sqlite" "$TMPDIR/second.mnt"
        beside "$mount" "$TMPDIR/second.mnt"
        down "$TMPDIR/second.mnt"
    fi
    same "" "$(listed "$mount/tx")" "no transaction is left"
    down "$mount"
done
finish
