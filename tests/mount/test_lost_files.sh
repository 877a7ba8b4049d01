#!/bin/bash
# SPDX-License-Identifier: MIT
# A mounted store loses one of its files: fsync and unmount say so, status and admin/ too, what is in the
# mount can be saved elsewhere, and the mount can be taken away.
# stage: gcc
. "$srcdir/tests/mount/lib.sh"
cd "$TMPDIR" || exit 1

# synced FILE: writes a new file and syncs it.
synced() {
    dd if=/dev/zero of="$1" bs=1000 count=1 conv=fsync status=none
}

# lost URI FILE WORDS: the file of the store goes.
lost() {
    local uri=$1 file=$2 words=$3 m=$TMPDIR/m
    mkdir own
    up "$uri" "$m"
    echo one > "$m/keys/a"
    works synced "$m/keys/b"
    same '' "$(cat "$m/admin/files")" "admin/files of a sound store"
    works "$STOREFS" status "$m"
    $4 "own/$file"
    refuses 'Input/output error' synced "$m/keys/c"
    refuses 'Input/output error' sync "$m/keys/b"
    same "lost: '$TMPDIR/own/$file' was $words" "$(grep -o "^lost: .* was $words" "$m/admin/files")" "admin/files"
    refuses "lost: '$TMPDIR/own/$file'" "$STOREFS" status "$m"
    refuses "\"files\":[\"lost: '$TMPDIR/own/$file'" "$STOREFS" status "$m" --json
    same 1 "$(grep '"operation":"fsync"' "$m/admin/errors" | grep SFS_E_LOST | grep -c "keys/b")" "admin/errors"
    refuses "or none" "$STOREFS" export "$m" beside.ndjson
    refuses "was $words" "$STOREFS" unmount "$m"
    refuses "export dir:$m/keys" "$STOREFS" unmount "$m"
    works "$STOREFS" export "dir:$m/keys" saved.ndjson
    works "$STOREFS" import json:saved.json saved.ndjson
    same one "$("$STOREFS" get json:saved.json a)" 'what was saved of a lost store'
    same 1000 "$("$STOREFS" get json:saved.json b | wc -c)" 'a file that was on disk'
    refuses "not everything is saved: cannot sync $m: " "$STOREFS" unmount "$m" --lazy
    mountpoint -q "$m" && fail 'it is mounted after unmount --lazy'
    rm -rf own away saved.ndjson saved.json*
}

remove() { rm -rf "$1"; }
move() { mv "$1" away; }
replace() { cp "$1" other && mv "$1" away && mv other "$1"; }

lost sqlite:own/store store 'removed while it was open' remove
lost sqlite:own/store store 'moved to ' move
lost sqlite:own/store store 'moved to ' replace
lost sqlite:own/store store-wal 'removed while it was open' remove
lost dir:own/store store/%value/log 'removed while it was open' remove
lost dir:own/store store 'moved to ' move

# Put back, all goes on.
mkdir own
up sqlite:own/store "$TMPDIR/m"
works synced m/keys/a
exec 5> m/keys/held
echo held >&5
mv own moved
refuses 'Input/output error' sync m/keys/held
refuses 'Input/output error' synced m/keys/b
refuses "$TMPDIR/moved/store" "$STOREFS" status "$TMPDIR/m"
mv moved own
works sync m/keys/held
exec 5>&-
same held "$("$STOREFS" get sqlite:own/store held)" 'what a program held through it'
works synced m/keys/b
works "$STOREFS" status "$TMPDIR/m"

# A backup with hard links disturbs nobody, and is seen.
cp -al own backup
works synced m/keys/c
works "$STOREFS" status "$TMPDIR/m"
same 1 "$("$STOREFS" status "$TMPDIR/m" | grep -c 'warning: .*2 names')" 'warnings of a second name'
down "$TMPDIR/m"
refuses '2 names' "$STOREFS" get sqlite:own/store c
refuses '2 names' "$STOREFS" mount sqlite:backup/store m
rm -rf backup
same 1000 "$("$STOREFS" get sqlite:own/store c | wc -c)" 'what was written while there was a second name'
rm -rf own

# What is written whole from memory is written again.
for uri in json:own/store "memory:?snapshot=own/store"; do
    mkdir own
    up "$uri" "$TMPDIR/m"
    echo one > m/keys/a
    works sync m/keys/a
    rm own/store
    same 1 "$("$STOREFS" status "$TMPDIR/m" | grep -c 'warning: .*written again')" "warnings of $uri"
    works sync m/keys/a
    [ -s own/store ] || fail "$uri is not written again by fsync"
    rm own/store
    down "$TMPDIR/m"
    same one "$("$STOREFS" get "$uri" a)" "what was in $uri"
    up "$uri" "$TMPDIR/m"
    echo two > m/keys/a
    works sync m/keys/a
    replace own/store
    touch own/store
    refuses 'Input/output error' sync m/keys/a
    refuses 'another program' "$STOREFS" unmount "$TMPDIR/m"
    refuses 'another program' "$STOREFS" unmount --lazy "$TMPDIR/m"
    rm -rf own away
done
finish
