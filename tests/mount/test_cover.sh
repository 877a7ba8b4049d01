#!/bin/bash
# SPDX-License-Identifier: MIT
# A mount over the directory that holds the store, or inside a store that is a directory, is refused before
# anything is mounted or made, whatever the directory is called. Each command has a minute.
# stage: gcc
. "$srcdir/tests/mount/lib.sh"
cd "$TMPDIR" || exit 1

# covered URI DIR [SENTENCE]: is refused, and does not recommend nonempty.
covered() {
    local sentence=${3:-would hide it from its own process} said code
    for options in "" "-o nonempty" "-o ro" "-f -o nonempty"; do
        # shellcheck disable=SC2086
        said=$(timeout 60 "$STOREFS" mount "$1" "$2" $options 2>&1 < /dev/null)
        code=$?
        same 2 "$code" "exit code of a mount of $1 at $2 $options"
        [[ $said == *"$sentence"* ]] || fail "mount $1 $2 $options says: $said"
        [[ $said != *nonempty* ]] || fail "mount $1 $2 $options recommends nonempty: $said"
        grep -qF " $TMPDIR/${2#"$TMPDIR/"} " /proc/self/mounts && fail "it is mounted"
    done
}

mkdir -p top/own/below top/beside
ln -s top/own link
ln -s own/sqlite top/alias
"$STOREFS" set sqlite:top/own/sqlite k v
"$STOREFS" set json:top/own/json k v
"$STOREFS" set "dir:$TMPDIR/top/own/dir" k v
"$STOREFS" set "memory:?snapshot=top/own/memory" k v
mkdir top/own/dir/sub

for uri in sqlite:top/own/sqlite top/own/sqlite "json:$TMPDIR/top/own/json" dir:top/own/dir \
        "memory:?snapshot=top/own/memory" sqlite:link/sqlite sqlite:top/alias sqlite:top/own/../own/sqlite \
        "sqlite:top/own%2fsqlite?cache=1M"; do
    for at in top/own top "$TMPDIR/top/own" link; do
        covered "$uri" "$at"
    done
done
# Nothing is made where it could not be used.
covered sqlite:top/own/none top/own
covered json:top/own/new/none top/own
covered dir:top/own/none/dir top/own
same '' "$(ls -d top/own/none* top/own/new 2>/dev/null)" 'what a refused mount made'
# A store that is a directory.
covered dir:top/own/dir top/own/dir
covered dir:top/own/dir top/own/dir/sub 'which would hold its own mount'
covered dir:link/dir top/own/dir/sub 'which would hold its own mount'
ln -s "$STOREFS" mount.storefs
refuses 'hide it from its own process' timeout 60 ./mount.storefs sqlite:top/own/sqlite top/own -o nonempty,user
# By another way to the same directory.
refuses 'hide it from its own process' unshare -rm timeout 60 bash -c \
    'mount --bind top/own top/beside && "$STOREFS" mount sqlite:top/own/sqlite top/beside -o nonempty'
# Where sorts go.
mkdir -p sorts/tmp
TMPDIR=$PWD/sorts/tmp covered memory: "$PWD/sorts" 'set TMPDIR'

# Beside and below the store's file is no harm, and the store is found through its own mount.
for uri in sqlite:top/own/sqlite json:top/own/json "memory:?snapshot=top/own/memory" dir:top/own/dir; do
    up "$uri" "$TMPDIR/top/own/below"
    echo w > top/own/below/keys/w
    works timeout 60 sync top/own/below/keys/w
    same w "$(timeout 60 cat top/own/below/keys/w)" "a value of $uri mounted beside its file"
    down "$TMPDIR/top/own/below"
done
up sqlite:top/own/sqlite "$TMPDIR/top/beside"
refuses 'is no store' timeout 60 "$STOREFS" get "sqlite:$TMPDIR/top/beside/keys/k" k
# A store in a mount, mounted over another directory of that mount, or over the one that holds it.
mkdir top/beside/keys/in top/beside/keys/at
works timeout 60 "$STOREFS" set json:top/beside/keys/in/store k v
covered "json:top/beside/keys/in/store" "$TMPDIR/top/beside/keys/in"
up json:top/beside/keys/in/store "$TMPDIR/top/beside/keys/at"
same v "$(timeout 60 cat top/beside/keys/at/keys/k)" 'a value of a store in a mount'
down "$TMPDIR/top/beside/keys/at"
down "$TMPDIR/top/beside"
finish
