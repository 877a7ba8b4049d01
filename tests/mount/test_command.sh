#!/bin/bash
# SPDX-License-Identifier: MIT
# The storefs command as a user meets it: every subcommand on stores and on mounts, exit codes, messages,
# broken pipes, signals, dead and hung mounts.
. "$srcdir/tests/mount/lib.sh"

work=$TMPDIR/work
store=sqlite:$work/a.sqlite
mnt=$work/mnt
mkdir -p "$work" "$mnt"
cd "$work" || exit 1

fail() {
    local i=0
    while [[ ${FUNCNAME[i]} != test_* ]]; do
        i=$((i + 1))
    done
    echo "FAIL (line ${BASH_LINENO[i - 1]}): $*"
    failures=$((failures + 1))
}

# expect CODE COMMAND…: runs it, output in $out and $err.
expect() {
    local code=$1 got
    shift
    "$@" > "$work/stdout" 2> "$work/stderr"
    got=$?
    out=$(tr -d '\0' < "$work/stdout")
    err=$(cat "$work/stderr")
    checks=$((checks + 1))
    [ "$got" -eq "$code" ] || fail "exit code $got, not $code: $* ($err)"
}

says() {
    checks=$((checks + 1))
    [[ $err == *"$1"* ]] || fail "the message is '$err', without '$1'"
}

end() {
    cd /
    [ -n "${stopped-}" ] && kill -CONT "$stopped" 2> /dev/null
    for directory in "$mnt" "$work/other" "$work/with space"; do
        grep -qF " ${directory// /\\040} " /proc/self/mounts && "$STOREFS" unmount --lazy "$directory"
    done
}
trap end EXIT

kill_daemon() {
    local pid
    pid=$(daemon_of mnt)
    kill -KILL "$pid"
    eventually ended "$pid"
}

# has_read PID: the process has read all that is in the pipe that descriptor 4 writes to, and waits for more.
has_read() {
    python3 -c 'import fcntl, sys, termios
sys.exit(fcntl.ioctl(4, termios.FIONREAD, b"0000") != bytes(4))' && grep -q '^State:[[:space:]]*S' "/proc/$1/status"
}

test_usage() {
    expect 2 "$STOREFS"
    says "a command is missing"
    expect 2 "$STOREFS" frobnicate
    says "there is no command 'frobnicate'; 'storefs --help'"
    local slip option
    for slip in moutn:mount unmont:unmount unmout:unmount qurey:query expotr:export gett:get fskc:fsck; do
        expect 2 "$STOREFS" "${slip%:*}"
        says "did you mean '${slip#*:}'?"
    done
    for slip in a xyz sqlite:x.sqlite "$(printf 'x%.0s' {1..100})"; do
        expect 2 "$STOREFS" "$slip"
        says "'storefs --help' lists them"
    done
    for option in --version -V -v version; do
        expect 0 "$STOREFS" "$option"
        same "storefs $STOREFS_VERSION" "$out" "version"
    done
    expect 2 "$STOREFS" umount
    says "usage: storefs unmount"
    expect 0 "$STOREFS" --help
    local name option help
    for name in $("$STOREFS" --list-commands); do
        [[ $out == *"  $name "* ]] || fail "--help does not list $name"
    done
    for name in $("$STOREFS" --list-commands); do
        expect 0 "$STOREFS" "$name" --help
        help=$out
        expect 0 "$STOREFS" help "$name"
        same "$help" "$out" "help $name"
        [[ $help == "usage: storefs $name "* ]] || fail "$name --help: $help"
        expect 0 "$STOREFS" "$name" -h
        same "$help" "$out" "$name -h"
        case $name in status | query) continue ;; fsck) expect 16 "$STOREFS" "$name" ;; *) expect 2 "$STOREFS" "$name" ;; esac
        says "missing"
    done
    expect 2 "$STOREFS" get --frob x y
    says "unknown option '--frob'"
    expect 2 "$STOREFS" get "$store" a b c
    says "too many arguments"
    expect 6 bash -c '"$1" --help > /dev/full' - "$STOREFS"
}

test_values() {
    expect 1 "$STOREFS" get "$store" a
    expect 0 "$STOREFS" set "$store" a one
    same 600 "$(stat -c %a a.sqlite)" "mode of a new store"
    expect 0 "$STOREFS" get "$store" a
    same one "$out" "get a"
    expect 1 "$STOREFS" get "$store" $'no\e[31mkey'
    says "key 'no"
    [[ $err != *$'\e'* ]] || fail "an escape sequence reached the terminal"
    head -c 3000000 /dev/urandom > big
    expect 0 bash -c '"$1" set "$2" big/one - < big' - "$STOREFS" "$store"
    "$STOREFS" get "$store" big/one | cmp - big || fail "a large value is not what was written"
    printf 'x\0\xff\n' > odd
    expect 0 bash -c '"$1" set "$2" odd < odd' - "$STOREFS" "$store"
    "$STOREFS" get "$store" odd | cmp - odd || fail "a value of odd bytes is not what was written"
    expect 2 "$STOREFS" set "$store" dash -5
    says "'--' goes before words that begin with '-'"
    expect 0 "$STOREFS" set "$store" dash -- -5
    expect 0 "$STOREFS" get "$store" dash
    same -5 "$out" "a value that begins with a dash"
    expect 0 "$STOREFS" set "$store" empty ''
    expect 0 "$STOREFS" get "$store" empty
    same '' "$out" "the empty value"
    expect 0 "$STOREFS" ls "$store"
    same $'a\nbig/one\ndash\nempty\nodd' "$out" "ls"
    expect 0 "$STOREFS" ls -l "$store" big
    [[ $out =~ ^\ +3000000\ \ [0-9-]+\ [0-9:]+\ \ big/one$ ]] || fail "ls -l: $out"
    expect 2 "$STOREFS" get "$store" ''
    says "empty"
    expect 2 "$STOREFS" get "$store" "$(head -c 4096 /dev/zero | tr '\0' k)"
    expect 1 "$STOREFS" get nothing.sqlite a
    [ ! -e nothing.sqlite ] || fail "get made a store"
    expect 5 "$STOREFS" get frob:x a
    says "frob"
    expect 2 "$STOREFS" get "sqlite:a.sqlite?frob=1" a
    says "frob"
    echo "not a store, but a text that is long enough to be mistaken for one" > text
    expect 5 "$STOREFS" get text a
    expect 2 "$STOREFS" get "$work" a
    says "no store is mounted"
    expect 2 "$STOREFS" set memory: a b
    says "would end with this command"
    echo '{"key":"a","value":1}' > one
    expect 2 "$STOREFS" import memory: one
    expect 0 "$STOREFS" set "memory:?snapshot=kept" a b
    expect 0 "$STOREFS" get "memory:?snapshot=kept" a
    same b "$out" "a value in a store that is kept"
}

test_rm() {
    expect 0 "$STOREFS" set "$store" r/1 x
    expect 0 "$STOREFS" set "$store" r/2 x
    expect 1 "$STOREFS" rm "$store" r/1 r/none
    says "r/none"
    expect 0 "$STOREFS" get "$store" r/1
    expect 0 "$STOREFS" rm -f "$store" r/1 r/none
    expect 1 "$STOREFS" get "$store" r/1
    expect 0 "$STOREFS" rm "$store" -r r/
    expect 1 "$STOREFS" rm "$store" -r r/
    expect 0 "$STOREFS" rm "$store" -r r/ --force
    expect 2 "$STOREFS" rm "$store"
    expect 0 "$STOREFS" ls "$store" r/
    same '' "$out" "ls after rm"
}

test_bulk() {
    local i
    for ((i = 1; i <= 3000; i++)); do
        printf '{"key":"n/%04d","value":{"type":"n","i":%d}}\n' $i $i
    done > in.ndjson
    expect 0 "$STOREFS" import sqlite:b.sqlite in.ndjson
    expect 0 "$STOREFS" query sqlite:b.sqlite by/type/n/count
    same 3000 "$out" "imported records"
    expect 0 "$STOREFS" query sqlite:b.sqlite by/type/n/order/i:desc/limit/1
    same '{"key":"n/3000","value":{"type":"n","i":3000}}' "$out" "query"
    expect 0 "$STOREFS" query b.sqlite limit/2/keys
    same $'n/0001\nn/0002' "$out" "query keys"
    expect 2 "$STOREFS" query b.sqlite 'where/i >/count'
    says "column"
    expect 2 "$STOREFS" query b.sqlite frob
    says "frob"
    expect 0 "$STOREFS" query --grammar
    [[ $out == *by/FIELD/VALUE* ]] || fail "--grammar: $out"
    expect 0 "$STOREFS" set b.sqlite bytes < odd
    expect 0 "$STOREFS" export b.sqlite out.ndjson
    same 600 "$(stat -c %a out.ndjson)" "mode of an export"
    same 3001 "$(wc -l < out.ndjson)" "lines of an export"
    expect 0 bash -c '"$1" export b.sqlite - | "$1" import c.sqlite -' - "$STOREFS"
    expect 0 "$STOREFS" export c.sqlite out2.ndjson
    cmp out.ndjson out2.ndjson || fail "an import of an export is another store"
    "$STOREFS" get c.sqlite bytes | cmp - odd || fail "bytes did not survive export and import"
    expect 1 "$STOREFS" export b.sqlite none/out
    expect 1 "$STOREFS" import b.sqlite none
    printf '{"key":"p","value":1}\nnonsense\n{"key":"q","value":1}\n' > bad.ndjson
    expect 2 "$STOREFS" import b.sqlite bad.ndjson
    [[ $err == "bad.ndjson:2: "* ]] || fail "import does not name file and line: $err"
    says "1 record before that was imported"
    expect 2 bash -c '"$1" import b.sqlite < bad.ndjson' - "$STOREFS"
    says "storefs import: line 2: "
    expect 0 "$STOREFS" get b.sqlite p
    expect 1 "$STOREFS" get b.sqlite q
    expect 1 "$STOREFS" import b.sqlite bad.ndjson --keep-going
    says "records imported: 2, lines refused: 1"
    [[ $err == "bad.ndjson:2: "* ]] || fail "import --keep-going does not name file and line: $err"
    expect 0 "$STOREFS" get b.sqlite q
    expect 0 "$STOREFS" backup b.sqlite copy.sqlite
    same 600 "$(stat -c %a copy.sqlite)" "mode of a backup"
    expect 0 "$STOREFS" query copy.sqlite count
    same 3003 "$out" "records in a backup"
    expect 5 "$STOREFS" backup b.sqlite copy.sqlite
    expect 0 "$STOREFS" fsck copy.sqlite
    same clean "$out" "fsck"
    expect 8 "$STOREFS" fsck none.sqlite
    head -c 20000 /dev/zero | tr '\0' '\377' | dd of=copy.sqlite bs=1 seek=8192 conv=notrunc status=none
    expect 4 "$STOREFS" fsck copy.sqlite
}

# A reader that goes away ends us quietly, as SIGPIPE would; a full disk does not.
test_index() {
    local tab=$'\t'
    echo '{"a": {"n": 1, "type": "x"}, "b": {"n": 2, "type": "x"}, "c": {"n": 3}, "t": 1, "u": 2, "v": 3}' > i.json
    expect 0 "$STOREFS" index json:i.json
    same "" "$out" "no indexes"
    expect 0 "$STOREFS" index json:i.json add type,n
    expect 0 "$STOREFS" index json:i.json add n --unique
    expect 5 "$STOREFS" index json:i.json add n
    says "there is an index 'unique:n'"
    expect 0 "$STOREFS" index json:i.json list
    same "type,n${tab}6${tab}ready
unique:n${tab}6${tab}ready" "$(printf '%s\n' "$out" | cut -f 1,2,4)" "list of indexes"
    expect 5 "$STOREFS" set json:i.json d '{"n": 3}'
    says "two keys would hold 3, which the index 'unique:n' lets only one key hold: 'c' and 'd'"
    expect 0 "$STOREFS" query json:i.json by/n/3/explain
    [[ $out == "index unique:n"* ]] || fail "explain does not name the index: $out"
    expect 0 "$STOREFS" fsck json:i.json
    expect 0 "$STOREFS" index json:i.json drop n
    expect 1 "$STOREFS" index json:i.json drop n
    expect 2 "$STOREFS" index json:i.json add n:desc
    says "an index has no direction"
    expect 2 "$STOREFS" index json:i.json drop n --unique
    expect 2 "$STOREFS" index json:i.json add
    expect 2 "$STOREFS" index json:i.json list n
    expect 5 "$STOREFS" index json:i.json add type --unique
    says "lets only one key hold: 'a' and 'b'"
    expect 0 "$STOREFS" index json:i.json
    same type,n "$(printf '%s\n' "$out" | cut -f 1)" "what is left"
}

test_pipes() {
    local command
    for command in "export b.sqlite" "ls b.sqlite" "query b.sqlite" "get a.sqlite big/one"; do
        : > stderr2
        # shellcheck disable=SC2086
        "$STOREFS" $command 2> stderr2 | head -c 1 > /dev/null
        local code=${PIPESTATUS[0]}
        # What fits into the pipe was written before the reader went.
        [ "$code" -eq 141 ] || [ "$code" -eq 0 ] || fail "$command into a closed pipe: exit code $code"
        same '' "$(cat stderr2)" "$command into a closed pipe says"
        expect 6 bash -c '"$1" $2 > /dev/full' - "$STOREFS" "$command"
        says "No space left"
    done
    "$STOREFS" export b.sqlite 2> stderr2 | head -c 1 > /dev/null
    same 141 "${PIPESTATUS[0]}" "export into a closed pipe"
}

test_interrupt() {
    mkfifo fifo
    "$STOREFS" import d.sqlite fifo 2> stderr2 &
    local import=$!
    exec 4> fifo
    echo '{"key":"early","value":1}' >&4
    eventually has_read "$import"
    # A background job of a script ignores SIGINT; SIGTERM stops in the same way.
    kill -TERM $import
    wait $import
    same 143 $? "exit code of an import that was stopped"
    exec 4>&-
    grep -q 'stopped; 1 record was imported and stays' stderr2 || fail "a stopped import says: $(cat stderr2)"
    expect 0 "$STOREFS" get d.sqlite early
}

test_mount() {
    expect 1 "$STOREFS" mount "$store" "$work/none"
    says "no directory '$work/none'; make it with 'mkdir -p"
    expect 2 "$STOREFS" mount "$store" ''
    says "is empty"
    mkdir full && touch full/x
    expect 5 "$STOREFS" mount "$store" full
    says "not empty"
    expect 2 "$STOREFS" mount "$store" "$mnt" -o ro,frob
    says "'frob'"
    expect 2 "$STOREFS" mount "sqlite:a.sqlite?frob=1" "$mnt"
    says "frob"
    expect 1 "$STOREFS" mount -o ro none.sqlite "$mnt"
    [ ! -e none.sqlite ] || fail "a read-only mount made a store"
    expect 2 "$STOREFS" unmount "$mnt"
    says "no store is mounted"
    expect 1 "$STOREFS" status "$mnt"

    expect 0 "$STOREFS" mount a.sqlite mnt
    same '' "$out$err" "mount says"
    [ -f "$mnt/README" ] || fail "the mount does not answer"
    expect 0 "$STOREFS" status mnt
    [[ $out == "$mnt  sqlite:$work/a.sqlite  read-write  alive"* ]] || fail "status: $out"
    # Of all mounts: those of others, which may be ill, decide the exit code too.
    [[ $("$STOREFS" status) == *"$mnt  "*"read-write  alive"* ]] || fail "status of all mounts"
    expect 0 "$STOREFS" status mnt --json
    [[ $out == *'"state":"alive"'* ]] || fail "status --json: $out"
    expect 6 "$STOREFS" mount b.sqlite mnt
    says "already"
}

test_target_mount() {
    expect 0 "$STOREFS" get mnt a
    same one "$out" "get from a mount"
    "$STOREFS" get mnt big/one | cmp - big || fail "a large value is another one in the mount"
    expect 0 "$STOREFS" set mnt/keys new/key/here "from the mount"
    expect 0 "$STOREFS" get "$store" new/key/here
    same "from the mount" "$out" "set in a mount"
    expect 0 bash -c '"$1" set mnt big/two - < big' - "$STOREFS"
    "$STOREFS" get "$store" big/two | cmp - big || fail "a large value set in a mount is another one"
    local key
    for key in new/key . .. 'x//y' 'x/' /x '%value' '%empty' "$(printf 'k%.0s' {1..600})" $'line\nfeed' 'x'; do
        expect 0 "$STOREFS" set mnt "$key" "value of $key"
        expect 0 "$STOREFS" get "$store" "$key"
        same "value of $key" "$out" "key $key through the store"
        expect 0 "$STOREFS" get mnt "$key"
        same "value of $key" "$out" "key $key through the mount"
    done
    "$STOREFS" ls -0 "$store" > ls.store
    "$STOREFS" ls -0 mnt > ls.mount
    cmp ls.store ls.mount || fail "ls of the mount and of the store differ"
    "$STOREFS" ls "$store" x > ls.store
    "$STOREFS" ls mnt x > ls.mount
    cmp ls.store ls.mount || fail "ls with a prefix differs"
    [ -s ls.mount ] || fail "ls with a prefix is empty"
    expect 1 "$STOREFS" rm mnt not/there
    says "not/there"
    expect 0 "$STOREFS" rm mnt new/key -r x
    expect 1 "$STOREFS" get "$store" new/key
    expect 0 "$STOREFS" ls "$store" x
    same '' "$out" "keys below x after rm -r"
    expect 0 "$STOREFS" set mnt q/1 '{"type":"q","n":1}'
    expect 0 "$STOREFS" set mnt q/2 '{"type":"q","n":2}'
    expect 0 "$STOREFS" query mnt by/type/q/count
    same 2 "$out" "count in a mount"
    expect 0 "$STOREFS" query mnt by/type/q/order/n:desc
    same $'{"key":"q/2","value":{"type":"q","n":2}}\n{"key":"q/1","value":{"type":"q","n":1}}' "$out" "query in a mount"
    expect 0 "$STOREFS" query mnt by/type/q/keys
    same $'q/1\nq/2' "$out" "query keys in a mount"
    expect 2 "$STOREFS" query mnt 'where/n >/count'
    says "column"
    expect 0 "$STOREFS" export mnt mounted.ndjson
    expect 0 "$STOREFS" export "$store" direct.ndjson
    cmp mounted.ndjson direct.ndjson || fail "the export of a mount is another one"
    expect 0 "$STOREFS" backup mnt online.sqlite
    expect 0 "$STOREFS" get online.sqlite q/1
    expect 0 "$STOREFS" fsck mnt
}

# However a store is typed, it is shown under one name.
test_names() {
    local uri
    mkdir -p sub
    ln -sfn . link
    for uri in n.sqlite sub/../n.sqlite link/n.sqlite "sqlite:$work/n.sqlite?busy-timeout=1000"; do
        expect 0 "$STOREFS" mount "$uri" mnt
        expect 0 "$STOREFS" status mnt --json
        same "sqlite:$work/n.sqlite" "$(jq -r .store <<< "$out")" "status of $uri"
        expect 0 "$STOREFS" umount mnt
        same "unmounted $mnt; everything is in sqlite:$work/n.sqlite" "$out" "unmount of $uri"
    done
}

# A store can have keys below a key, which no directory of files can: 'set' says what to do.
test_below_a_file() {
    expect 0 "$STOREFS" mount u.sqlite mnt
    expect 0 "$STOREFS" set mnt k 1
    expect 5 "$STOREFS" set mnt k/sub 2
    says "there is a file where 'k/sub' needs the directory 'k' in $mnt: unmount, or name the store by its URI"
    expect 0 "$STOREFS" set u.sqlite k/sub 2
    eventually "$STOREFS" get mnt k/sub # names may be stale for a second
    same 2 "$("$STOREFS" get mnt k/sub)" "a key below a key"
    expect 0 "$STOREFS" get mnt k
    same 1 "$out" "the key above"
    expect 0 "$STOREFS" unmount mnt
}

test_exec() {
    expect 2 "$STOREFS" exec -- true
    expect 125 "$STOREFS" exec --tx "$work" -- true
    expect 125 "$STOREFS" exec --tx a.sqlite -- true
    expect 0 "$STOREFS" exec --tx mnt -- sh -c 'echo 1 > "$STOREFS_KEYS/t1"; echo 2 > "$STOREFS_KEYS/t2"'
    expect 0 "$STOREFS" get mnt t2
    same 2 "$out" "what exec committed"
    expect 9 "$STOREFS" exec --tx mnt -- sh -c 'rm "$STOREFS_KEYS/t1"; exit 9'
    expect 0 "$STOREFS" get mnt t1
    expect 127 "$STOREFS" exec --tx mnt -- no-such-command
    expect 126 "$STOREFS" exec --tx mnt -- "$work"
    expect 3 "$STOREFS" exec --tx mnt -- sh -c 'echo mine > "$STOREFS_KEYS/t1"; echo theirs > mnt/keys/t1'
    says "t1"
    [[ $err == *\\x* ]] && fail "a conflict is told with escapes: $err"
    expect 1 "$STOREFS" ls mnt/tx/none
    says "there is no mnt/tx/none"
    expect 0 "$STOREFS" get mnt t1
    same theirs "$out" "after a conflict"
    expect 0 "$STOREFS" exec --tx mnt --name mine -- sh -c 'test "$STOREFS_TX" -ef mnt/tx/mine'
    expect 125 "$STOREFS" exec --tx mnt --name mine -- "$STOREFS" exec --tx mnt --name mine -- true
    expect 2 "$STOREFS" exec --tx mnt --name a/b -- true
    expect 0 "$STOREFS" exec --tx mnt -- sh -c '"$1" set "$STOREFS_TX" inside 1 && ! "$1" get mnt inside' - "$STOREFS"
    expect 0 "$STOREFS" get mnt inside
    "$STOREFS" exec --tx mnt -- sh -c 'rm "$STOREFS_KEYS/t2"; : > removed; exec sleep 600' &
    local running=$!
    eventually test -e removed
    kill -TERM $running
    wait $running
    same 143 $? "exit code of a command ended by a signal"
    expect 0 "$STOREFS" get mnt t2
    same '' "$(ls mnt/tx)" "transactions left"
}

test_unmount() {
    local pid
    pid=$(daemon_of mnt)
    kill -0 "$pid" || fail "the mount tells no pid"
    sleep 600 < "$mnt/keys/a" &
    local user=$!
    eventually grep -q sleep "/proc/$user/comm"
    expect 6 "$STOREFS" unmount mnt
    says "sleep ($user)"
    [ -f "$mnt/README" ] || fail "a busy mount went away"
    kill $user
    wait $user
    expect 0 "$STOREFS" unmount mnt
    [[ $out == "unmounted $mnt;"* ]] || fail "unmount says: $out"
    # One that has ended and waits for its parent to ask is not there any more.
    grep -qsE '^State:[[:space:]]+[^Z[:space:]]' "/proc/$pid/status" && fail "the process is still there after unmount"
    expect 0 "$STOREFS" get "$store" t1
    [ ! -e a.sqlite-wal ] || same 0 "$(stat -c %s a.sqlite-wal)" "bytes in the log after unmount"

    expect 0 "$STOREFS" mount -o ro a.sqlite mnt
    expect 5 "$STOREFS" set mnt a two
    echo '{"key":"a","value":2}' > one.ndjson
    expect 5 "$STOREFS" import mnt one.ndjson
    says "mounted read-only"
    expect 8 "$STOREFS" fsck mnt --repair
    expect 0 "$STOREFS" fsck mnt
    expect 0 "$STOREFS" get mnt a
    same one "$out" "a value after writes to a read-only mount"
    grep -q '^Writable: no' mnt/README || fail "README of a read-only mount: $(head -3 mnt/README)"
    grep -q '^Transactions: mkdir' mnt/README && fail "README of a read-only mount explains transactions"
    expect 0 "$STOREFS" status mnt
    [[ $out == *read-only* ]] || fail "status of a read-only mount: $out"
    expect 6 bash -c 'cd mnt && "$1" unmount . || exit' - "$STOREFS"
    says "bash ("
    [[ $err == *"storefs ("* ]] && fail "unmount names itself: $err"
    expect 0 "$STOREFS" unmount mnt
    expect 0 "$STOREFS" mount memory: mnt
    expect 5 "$STOREFS" export mnt
    says "storefs query"
    expect 0 "$STOREFS" unmount mnt
    [[ $out == *"is gone"* ]] || fail "unmount of a store in memory says: $out"
}

test_dead() {
    expect 0 "$STOREFS" mount a.sqlite mnt
    kill_daemon
    expect 1 "$STOREFS" status
    [[ $out == *dead*"storefs unmount $mnt"* ]] || fail "status of a dead mount: $out"
    expect 7 "$STOREFS" get mnt a
    says "dead"
    expect 0 "$STOREFS" mount a.sqlite mnt
    says "cleared the dead mount"
    expect 0 "$STOREFS" get mnt a
    kill_daemon
    expect 0 "$STOREFS" unmount mnt
    [[ $out == *dead* ]] || fail "unmount of a dead mount: $out"
    grep -q " $mnt " /proc/self/mounts && fail "a dead mount is still there"

    # One that hangs does not hang us.
    expect 0 "$STOREFS" mount a.sqlite mnt
    stopped=$(daemon_of mnt)
    halt "$stopped"
    expect 1 timeout 60 "$STOREFS" status mnt --json
    [[ $out == *'"state":"silent"'* ]] || fail "status of a hung mount: $out"
    # Other users see it, and it is not theirs.
    if [ "$(id -u)" = 0 ] && setpriv --reuid 65533 --clear-groups "$STOREFS" --version > /dev/null 2>&1; then
        expect 0 timeout 60 setpriv --reuid 65533 --clear-groups "$STOREFS" status
        [[ $out == *"$mnt  "* ]] || fail "status of another user: $out"
    fi
    kill -CONT "$stopped"
    stopped=
    expect 0 "$STOREFS" status mnt
    expect 0 "$STOREFS" unmount mnt
}

test_foreground() {
    "$STOREFS" mount -f a.sqlite mnt 2> stderr2 &
    local mount=$!
    eventually test -f mnt/README
    expect 0 "$STOREFS" get mnt a
    kill -TERM $mount
    wait $mount
    same 0 $? "exit code of a foreground mount ended by SIGTERM"
    grep -q " $mnt " /proc/self/mounts && fail "mounted after the foreground process ended"
    "$STOREFS" mount -f a.sqlite mnt 2> stderr2 &
    mount=$!
    eventually test -f mnt/README
    expect 0 "$STOREFS" unmount mnt
    wait $mount
    same 0 $? "exit code of a foreground mount that was unmounted"
}

# A mount that FUSE refuses: its own line has the reason, and ours points to that.
test_refused_by_fuse() {
    local as=(setpriv --reuid 65533 --regid 65533 --clear-groups)
    { [ "$(id -u)" = 0 ] && "${as[@]}" "$STOREFS" --version > /dev/null 2>&1; } || return
    grep -qs '^user_allow_other' /etc/fuse.conf && return
    mkdir theirs && chown 65533 theirs && chmod 755 "$TMPDIR" "$work"
    expect 5 "${as[@]}" "$STOREFS" mount memory: "$work/theirs" -o allow_other
    # A build that counts lines says that this user cannot write its counts.
    err=$(grep -v '^profiling:' <<< "$err")
    [[ $err == fus*$'\n'"storefs mount: could not mount at $work/theirs: the line before this one says why" ]] ||
        fail "a mount that FUSE refuses says: $err"
}

# As mount(8) calls it, and with a directory whose name has blanks.
test_helper() {
    ln -s "$STOREFS" mount.storefs
    mkdir "with space"
    expect 0 ./mount.storefs a.sqlite "with space" -o rw,noauto,user,nofail,x-systemd.automount
    expect 0 "$STOREFS" get "with space" a
    expect 0 "$STOREFS" status "with space"
    expect 0 "$STOREFS" unmount "with space"
    expect 0 ./mount.storefs a.sqlite "with space" -o rw,noexec,nosuid,nodev,noatime,user
    [[ ,$(findmnt -n -o OPTIONS "$work/with space"), == *,noexec,* ]] || fail "noexec has no effect"
    expect 0 "$STOREFS" unmount "with space"
}

# The mount lets go of the terminal's pipes and of the directory it was started in.
test_daemon() {
    mkdir elsewhere
    expect 0 timeout 60 bash -c 'cd elsewhere && echo "$("$1" mount memory: ../mnt)"' - "$STOREFS"
    same / "$(readlink "/proc/$(daemon_of mnt)/cwd")" "directory of the daemon"
    rmdir elsewhere || fail "elsewhere is not empty"
    expect 0 "$STOREFS" set mnt a 1
    expect 5 "$STOREFS" export mnt
    expect 0 "$STOREFS" unmount mnt --lazy
}

for name in usage values rm bulk index pipes interrupt mount target_mount exec unmount names below_a_file dead foreground refused_by_fuse helper daemon; do
    "test_$name"
done
echo "$checks checks, $failures failures"
[ "$failures" -eq 0 ]
