#!/bin/bash
# SPDX-License-Identifier: MIT
# What a close commits, and what a refused one leaves: closing.py in keys/ and fields/, on each kind of store.
# 1,000 rounds with STOREFS_TEST_SCALE=full.
. "$srcdir/tests/mount/lib.sh"
rounds=60
[ "${STOREFS_TEST_SCALE-}" = full ] && rounds=1000
mnt=$TMPDIR/mnt

# Prints what the store has of a file, as a transaction that begins now sees it.
cat > "$TMPDIR/committed" <<'E2'
mkdir "$1/tx/look" && cat "$1/tx/look/$2" && echo > "$1/tx/look/rollback"
E2

# closing TREE FILE GOOD BAD
closing() {
    checks=$((checks + 1))
    timeout 300 python3 "$srcdir/tests/mount/closing.py" "$1/$2" "bash '$TMPDIR/committed' '$mnt' '$2'" "$3" "$4" \
        "$rounds" || fail "closing $1/$2"
}

for store in "sqlite:$TMPDIR/s.sqlite" "json:$TMPDIR/s.json" memory:; do
    up "$store" "$mnt"
    mkdir "$mnt/indexes/unique:f"
    printf '{"f":"taken"}' > "$mnt/keys/other"
    closing "$mnt" keys/file '{"f":"mine" }' '{"f":"taken"}'
    printf '{"n":1}' > "$mnt/keys/doc"
    closing "$mnt" fields/doc/f own taken
    down "$mnt"
    [ "$store" = memory: ] || works "$STOREFS" fsck "$store"
done
finish
