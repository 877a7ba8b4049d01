#!/bin/bash
# SPDX-License-Identifier: MIT
# Random operations on the attribute index, played by the reference in JavaScript and by the library with
# each layout and store: the same results, and the same bytes in every document that is saved.
set -u
play=$builddir/tests/attribute_index/play
scripts=$srcdir/tests/attribute_index
seeds=3 operations=400 failures=0
[ "${STOREFS_TEST_SCALE:-}" = full ] && seeds=200
first=${STOREFS_TEST_SEED:-1}

# compare SEED NAME ARGUMENT...: plays the script and compares all that came of it.
compare() {
    local seed=$1 name=$2
    shift 2
    mkdir -p "$TMPDIR/$seed/$name"
    "$play" "${1}" "$TMPDIR/$seed/$name" "${@:2}" < "$TMPDIR/$seed/script" > "$TMPDIR/$seed/$name.out" || {
        echo "FAIL: seed $seed, $name: the program failed"
        failures=$((failures + 1))
        return
    }
    rm -f "$TMPDIR/$seed/$name/converted"
    if ! cmp "$TMPDIR/$seed/js.out" "$TMPDIR/$seed/$name.out" || ! diff -rq "$TMPDIR/$seed/js" "$TMPDIR/$seed/$name"; then
        echo "FAIL: seed $seed, $name: another result than that of the reference"
        failures=$((failures + 1))
    fi
}

for ((seed = first; seed < first + seeds; seed++)); do
    mkdir -p "$TMPDIR/$seed/js"
    node "$scripts/generate.mjs" "$seed" "$operations" > "$TMPDIR/$seed/script" &&
        node "$scripts/play.mjs" "$TMPDIR/$seed/js" < "$TMPDIR/$seed/script" > "$TMPDIR/$seed/js.out" || {
        echo "FAIL: seed $seed: the reference failed"
        exit 1
    }
    [ -s "$TMPDIR/$seed/js/last" ] || { echo "FAIL: seed $seed: nothing was saved"; exit 1; }
    compare "$seed" file file
    compare "$seed" document document "memory:"
    compare "$seed" postings postings "memory:"
    [ $((seed % 3)) -eq 0 ] || continue
    compare "$seed" sqlite document "sqlite:$TMPDIR/$seed/document.sqlite"
    compare "$seed" sqlite-postings postings "sqlite:$TMPDIR/$seed/postings.sqlite"
    compare "$seed" json-postings postings "json:$TMPDIR/$seed/postings.json"
done
echo "$failures failures"
[ "$failures" -eq 0 ]
