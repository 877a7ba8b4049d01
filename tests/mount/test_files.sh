#!/bin/bash
# SPDX-License-Identifier: MIT
# A program that knows only files (files.js) works in a mount, many processes of it at once: no reader
# sees a torn, an empty or an older file, and all is there after a remount.
# stage: gcc
. "$srcdir/tests/mount/lib.sh"
client=$srcdir/tests/mount/files.js

for store in "sqlite:$TMPDIR/store.sqlite" "json:$TMPDIR/store.json"; do
    mount=$TMPDIR/${store%%:*}
    up "$store" "$mount"
    works node "$client" run "$mount/keys/app"
    shown=$(node "$client" show "$mount/keys/app")
    same 0 $? "the client shows what it wrote"
    same 8 "$(find "$mount/keys/app" -type f | wc -l)" "files, temporary ones too"
    down "$mount"
    same "$(jq -S . <<< "$(sed -n '/^{/,/^}/p' <<< "$shown")" | md5sum)" \
        "$(for writer in 0 1 2; do
            "$STOREFS" get "$store" "app/own/$writer/index.json"
        done | jq -S . | md5sum)" "the documents in the store"
    up "$store" "$mount"
    same "$shown" "$(node "$client" show "$mount/keys/app")" "what is there after a remount"
    down "$mount"
done
finish
