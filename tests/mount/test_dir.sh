#!/bin/bash
# SPDX-License-Identifier: MIT
# Stores in directories of files: by the command, mounted, and in keys/ of another mount; with the program
# that knows only files in each.
# stage: gcc
. "$srcdir/tests/mount/lib.sh"
client=$srcdir/tests/mount/files.js
export ROUNDS=3
cd "$TMPDIR" || exit 1
mkdir notes at

# --- the command, and plain files ---
store=dir:notes
works "$STOREFS" set "$store" user/1 '{"name": "Ann", "age": 41}'
works "$STOREFS" set "$store" user/2 '{"name": "Bob", "age": 30}'
works "$STOREFS" set "$store" user text
same '{"name": "Ann", "age": 41}' "$(cat notes/user/1)" "the file of a key"
same text "$(cat 'notes/user/%value')" "the file of a key that is a directory, too"
echo '{"name": "Cyd", "age": 25}' > notes/user/3
same user/1 "$("$STOREFS" query "$store" 'where/age > 40/keys')" "a query"
same 3 "$("$STOREFS" query "$store" 'where/age > 1/count')" "a count, with a file of somebody else"
same "$(printf 'user\nuser/1\nuser/2\nuser/3')" "$("$STOREFS" ls "$store")" "a list"
works "$STOREFS" rm "$store" user/2
refuses "No such file" cat notes/user/2
"$STOREFS" export "$store" > all.ndjson
same 3 "$(wc -l < all.ndjson)" "exported lines"
works "$STOREFS" import dir:copy all.ndjson
same "$(cat all.ndjson)" "$("$STOREFS" export dir:copy)" "an export of what was imported"
works "$STOREFS" backup "$store" saved
same "$(cat all.ndjson)" "$("$STOREFS" export dir:saved)" "an export of the backup"
refuses "exists and is not overwritten" "$STOREFS" backup "$store" saved
works "$STOREFS" fsck "$store"
works "$STOREFS" fsck --repair "$store"
refuses "cannot be 'snapshot'" "$STOREFS" mount "$store" at -o isolation=snapshot
refuses "can have no indexes" "$STOREFS" index "$store" add age
refuses "does not exist" "$STOREFS" get dir:none key

# --- a mount of it: what others do to the files shows ---
up "$store?fsync=0" at
same text "$(cat 'at/keys/user/%value')" "a key in the mount"
echo 'by the mount' > at/keys/m
same 'by the mount' "$(cat notes/m)" "what the mount wrote, as a file"
echo 'by a program' > notes/p
same 'by a program' "$(cat at/keys/p)" "what a program wrote, in the mount"
echo 'once more, longer' > notes/m
sleep 1.1
same 'once more, longer' "$(cat at/keys/m)" "a file that was changed below the mount"
same user/1 "$(cat 'at/query/where/age > 40/keys/'* | sed -n 's/.*Ann.*/user\/1/p')" "a query"
refuses "in use by process" "$STOREFS" get "$store" m
works node "$client" run at/keys/app
down at
works node "$client" show notes/app

# --- in keys/ of a mount: of another store, which is one for other programs all the while ---
for below in sqlite:below.sqlite json:below.json; do
    up "$below" mnt
    store=dir:mnt/keys?fsync=0
    works "$STOREFS" set "$store" a/b '{"n":1}'
    works "$STOREFS" set "$store" a '{"n":2}'
    same '{"n":1}' "$(cat mnt/keys/a/b)" "a key of the inner store, as a file of the outer mount"
    same '{"n":2}' "$("$STOREFS" get "$store" a)" "a key"
    echo '{"n":3}' > mnt/keys/c
    same c "$("$STOREFS" query "$store" by/n/3/keys | tr -d '\n')" "a file that was written in the mount"
    printf '%s\n' '{"key":"i/1","value":[1]}' '{"key":"i/2","value":[2]}' > two.ndjson
    works "$STOREFS" import "$store" two.ndjson
    same "$(printf 'a\na/b\nc\ni/1\ni/2')" "$("$STOREFS" ls "$store")" "a list"
    works "$STOREFS" rm "$store" a/b
    same '{"n":2}' "$(cat mnt/keys/a)" "a key whose directory is gone"
    same 4 "$("$STOREFS" export "$store" | wc -l)" "exported lines"
    refuses "not possible" "$STOREFS" set "$store" %value/x 1
    works "$STOREFS" fsck "$store"
    up "$store" inner
    works node "$client" run inner/keys/app
    shown=$(node "$client" show mnt/keys/app)
    same "$shown" "$(node "$client" show inner/keys/app)" "both mounts"
    down inner
    down mnt
    same '[2]' "$("$STOREFS" get "$below" i/2)" "a key of the store below"
    up "$below" mnt
    same "$(printf 'a\nc\ni/1\ni/2')" "$("$STOREFS" ls "$store" | grep -v ^app)" "a list after a remount"
    same "$shown" "$(node "$client" show mnt/keys/app)" "what the program wrote, after a remount"
    down mnt
done
finish
