#!/bin/bash
# SPDX-License-Identifier: MIT
# Every file that a store consists of, or that storefs makes beside it, x what a stranger may have put in its place
# (a link, a pipe, a directory, a file of another program or of another user): no command waits for it or dies of it,
# writes to another file through it, takes it away from another program, or lets its owner read what is stored.
# Prints the table. Run by root, the files of the other user are really his.
# stage: gcc coverage
. "$srcdir/tests/mount/lib.sh"
cd "$TMPDIR" || exit 1
chmod 755 .
stranger=61001
as_stranger() {
    setpriv --reuid $stranger --regid $stranger --clear-groups "$@"
}

stores=(sqlite:D/s json:D/s 'json:D/s?atomic=no' 'memory:?snapshot=D/s' dir:D/s)
files_of() {
    case $1 in
    sqlite:*) echo s s-wal s-shm s-journal ;;
    *atomic=no) echo s ;;
    json:*) echo s s.attrs s.attrs~ s.storefs-lock ;;
    memory:*) echo s s.storefs-lock ;;
    dir:*) echo s/%value s/%value/log s/%value/log.next s/%value/lock ;;
    esac
}
kinds=(symlink dangling hardlink pipe socket directory text empty other database)
[ "$(id -u)" -eq 0 ] || kinds=(symlink dangling hardlink pipe socket directory text empty)

# put KIND PATH
put() {
    case $1 in
    symlink) ln -s ../victim "$2" ;;
    dangling) ln -s ../absent "$2" ;;
    hardlink) ln victim "$2" ;;
    pipe) mkfifo "$2" ;;
    socket) python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$2" ;;
    directory) mkdir "$2" && echo kept > "$2/kept" ;;
    text) cp victim "$2" ;;
    empty) : > "$2" ;;
    other) as_stranger sh -c 'umask 0; : > "$1"' - "$2" ;;
    database) as_stranger sh -c 'umask 0; sqlite3 "$1" "CREATE TABLE t(x); DROP TABLE t; VACUUM"' - "$2" ;;
    esac
}

# run COMMAND…: leaves its code in $code.
run() {
    code=0
    timeout -s KILL 60 "$STOREFS" "$@" > out 2>&1 || code=$?
    checks=$((checks + 1))
    [ "$code" -lt 124 ] || fail "$what: $1 ended with $code: $(tail -n 1 out)"
    [ "$code" -eq 0 ] || [ -s out ] || fail "$what: $1 failed without a word"
}

# case_of STORE FILE KIND new|old
case_of() {
    local uri=${1//D/$4} path=$4/$2 kind=$3 before
    what="$1 with a $kind as $2, $4"
    rm -rf new old victim absent
    printf 'precious\n' > victim
    mkdir -m 1777 "$4"
    if [ "$4" = old ]; then
        "$STOREFS" set "$uri" a 1 > out 2>&1 && "$STOREFS" set "$uri" b -- 2 > out 2>&1 || fail "$what: set: $(cat out)"
        # The store itself stays.
        [ "$2" != s ] && [ "$2" != s/%value ] || return 0
        rm -rf "$path"
    fi
    [ -d "$(dirname "$path")" ] || mkdir -p "$(dirname "$path")"
    put "$kind" "$path" 2> /dev/null || { [[ " other database " == *" $kind "* ]] && return 0; fail "$what: cannot be made"; }
    before=$(find "$path" -printf '%y %s')
    run get "$uri" a
    got=$code
    run set "$uri" topsecret topsecret
    row+=" $got/$code"
    same precious "$(cat victim)" "$what: the other file"
    checks=$((checks + 1))
    [ ! -e absent ] || [ "$2" = s ] || fail "$what: a file was made through the link"
    case $kind in
    directory) [ -e "$path/kept" ] || fail "$what: the directory is gone ($before)" ;;
    other | database)
        as_stranger grep -rqs topsecret "$4" && fail "$what: he reads what is stored"
        ;;
    esac
}

printf '%-34s' 'get/set'
printf ' %s' "${kinds[@]}"
echo
for store in "${stores[@]}"; do
    for file in $(files_of "$store"); do
        for age in new old; do
            row=
            for kind in "${kinds[@]}"; do case_of "$store" "$file" "$kind" $age; done
            printf '%-34s%s\n' "$store $file $age" "$row"
        done
    done
done
rm -rf new old

# Files that a command makes new: nothing is written through what is there, and nobody else's is taken.
"$STOREFS" set plain a topsecret
# made KIND COMMAND…: with D/out as the new file, in a directory where everybody may make files.
made() {
    what="$2 to a $1"
    rm -rf D victim absent
    printf 'precious\n' > victim
    mkdir -m 1777 D
    [ "$1" = absent ] || put "$1" D/out
    case $1 in
    symlink | dangling | pipe | socket) [ "$(id -u)" -ne 0 ] || chown -h $stranger D/out ;;
    esac
    run "${@:2}"
    row+=" $code"
    same precious "$(cat victim)" "$what: the other file"
    checks=$((checks + 1))
    [ ! -e absent ] || fail "$what: a file was made through the link"
    case $1 in
    directory) [ -e D/out/kept ] || fail "$what: the directory is gone" ;;
    other | database) as_stranger grep -rqs topsecret D && fail "$what: he reads what is stored" ;;
    absent) same "0 600" "$code $(stat -c %a D/out)" "$what" ;;
    esac
    same '' "$(find D -mindepth 1 ! -path 'D/out*')" "$what: what is left"
}
while read -r command; do
    row=
    # shellcheck disable=SC2086  # the command is a list of words
    for kind in absent "${kinds[@]}"; do made "$kind" $command; done
    printf '%-34s%s\n' "$command" "$row"
done << 'END'
backup plain D/out
export plain D/out
fsck plain --salvage sqlite:D/out
fsck plain --salvage json:D/out
END
rm -rf D

# The lock files of other programs, as pipenv's, are theirs.
echo '{"a":1}' > s.json
for name in s.json.lock s.lock; do
    echo theirs > $name
    for command in 'get json:s.json a' 'set json:s.json a 2' 'get memory:?snapshot=s.json a'; do
        # shellcheck disable=SC2086  # the command is a list of words
        "$STOREFS" $command > out 2>&1
        same theirs "$(cat $name)" "$name after $command"
    done
done
finish
