#!/bin/bash
# SPDX-License-Identifier: MIT
# Every command given every kind of place in a mount: a table of what each touches, compared with what
# it is seen to touch. A command never touches more than its target.
# stage: gcc coverage
. "$srcdir/tests/mount/lib.sh"

cd "$TMPDIR" || exit 1
# A mount that does not answer ends a command, in ten seconds, which pass while the table is tried.
up memory: "$TMPDIR/stopped"
echo 1 > stopped/keys/a
stopped=$(daemon_of stopped)
halt "$stopped"
waiting=()
for words in "get stopped/keys/a" "ls stopped" "query stopped/query count" "rm stopped/keys --all"; do
    timeout 100 "$STOREFS" $words 2> "said.${words%% *}" &
    waiting+=($!)
done
up "sqlite:$TMPDIR/store.sqlite" "$TMPDIR/M"
checks=$((checks + 1))
python3 "$srcdir/tests/mount/targets.py" "$STOREFS" "$TMPDIR/M" "$TMPDIR/store.sqlite" || fail "the table of targets"
down "$TMPDIR/M"

wait "${waiting[@]}"
kill -CONT "$stopped"
for word in get ls query rm; do
    same 1 "$(grep -c "the mount that holds .*stopped.* does not answer" "said.$word")" "$word of a mount that is stopped"
done
same 1 "$(cat stopped/keys/a)" "the key after rm"
down "$TMPDIR/stopped"

# A mount of keys only: its root is the store, and its directories limit likewise.
up "sqlite:$TMPDIR/store.sqlite" "$TMPDIR/only" -o ro,keys-only
same $'order/1\nuser\nuser/1\nuser/10' "$("$STOREFS" ls only)" "ls of a mount of keys only"
same $'user/1\nuser/10' "$("$STOREFS" ls only/user)" "ls of a directory of it"
same "$(cat only/user/1)" "$("$STOREFS" get only/user/1)" "get of a file of it"
refuses "a mount of keys only" "$STOREFS" query only count
refuses "the target is the keys that begin with 'user/'" "$STOREFS" get only/user order/1
down "$TMPDIR/only"
mkdir -p tree/admin
echo 1 > tree/README
echo 2 > tree/admin/stats.json
ln -s "$TMPDIR/store.sqlite" tree/link
up "dir:$TMPDIR/tree" "$TMPDIR/only" -o ro,keys-only
same $'README\nadmin/stats.json' "$("$STOREFS" ls only)" "keys with names that other mounts have"
refuses "symbolic link in the mount at $TMPDIR/only" "$STOREFS" ls only/link
down "$TMPDIR/only"

# By URI, rm -r '' wants --all, and a prefix does not.
refuses "--all" "$STOREFS" rm store.sqlite -r ''
same 4 "$("$STOREFS" query store.sqlite count)" "keys after a refusal"
works "$STOREFS" rm store.sqlite -r user/
same $'order/1\nuser' "$("$STOREFS" ls store.sqlite)" "keys after rm -r user/"
works "$STOREFS" rm store.sqlite -r '' --all
same '' "$("$STOREFS" ls store.sqlite)" "keys after rm --all"

# Every output of one command is an input of another, whatever the keys: newline, blank, dash, percent,
# not UTF-8, longer than a file name.
keys=(plain dir/under $'new\nline' ' blank ' -dash %25 'per%2Fcent' $'\xff\xfe' "$(printf 'k%.0s' {1..300})/x" "$(printf '/%.0s' {1..200})" back\\slash '"quote"' . ..)
fill() {
    local key
    for key in "${keys[@]}"; do
        "$STOREFS" set "$1" -- "$key" '{"type":"odd"}' || fail "set '$key'"
    done
}
sorted() {
    sort -z "$@" | base64
}
all=$(printf '%s\0' "${keys[@]}" | sorted)
up "sqlite:$TMPDIR/odd.sqlite" "$TMPDIR/O"
for target in "$TMPDIR/O" sqlite:other.sqlite; do
    fill "$target"
    same "$all" "$("$STOREFS" ls "$target" -0 | sorted)" "ls -0 of $target"
    same "$all" "$("$STOREFS" query "$target" by/type/odd/keys -0 | sorted)" "query keys -0 of $target"
    same "$("$STOREFS" ls "$target" | base64)" "$("$STOREFS" query "$target" keys | base64)" "query keys of $target as ls"
    "$STOREFS" ls "$target" -0 | xargs -0 -n 1 "$STOREFS" get "$target" -- > got
    same "${#keys[@]}" "$(grep -o '"type":"odd"' got | wc -l)" "values got by the keys of ls"
    "$STOREFS" query "$target" values.ndjson | "$STOREFS" import sqlite:copy.sqlite
    same "$all" "$("$STOREFS" ls copy.sqlite -0 | sorted)" "import of values.ndjson"
    "$STOREFS" query "$target" by/type/odd/keys -0 | xargs -0 "$STOREFS" rm "$target" --
    same '' "$("$STOREFS" ls "$target")" "rm of the keys of a query"
    "$STOREFS" export copy.sqlite | "$STOREFS" import "$target"
    same "$all" "$("$STOREFS" ls "$target" -0 | sorted)" "import of an export"
    rm copy.sqlite*
    works "$STOREFS" index "$target" add type
    works "$STOREFS" index "$target" add "@key" --unique
    "$STOREFS" index "$target" | cut -f 1 | xargs -n 1 "$STOREFS" index "$target" drop
    same '' "$("$STOREFS" index "$target")" "drop of the listed indexes"
    works "$STOREFS" attributes "$target" add e1 kind 1
    "$STOREFS" attributes "$target" find kind=1 | xargs "$STOREFS" attributes "$target" remove
    same '' "$("$STOREFS" attributes "$target" list)" "remove of the entities that were found"
    refuses "-0 is for" "$STOREFS" query "$target" count -0
done
"$STOREFS" status --json | jq -r .directory | grep "^$TMPDIR/O\$" | xargs "$STOREFS" unmount > /dev/null
grep -q " $TMPDIR/O " /proc/self/mounts && fail "the directory of status was not unmounted"
finish
