#!/bin/bash
# SPDX-License-Identifier: MIT
# Every way to make a file times every way to write it, on each kind of store, in keys/ and in transactions:
# file_ops does the same at random on a mount and in an ordinary directory, and all must agree, also after close,
# after a new mount and in the store. Steps are counted, so that a run takes about ten seconds a store; with
# STOREFS_TEST_SCALE=full an hour each. STOREFS_TEST_SEED repeats a run, and a round that failed.
# stage: gcc coverage
. "$srcdir/tests/mount/lib.sh"
seed=${STOREFS_TEST_SEED:-20261130}
echo "seed $seed"

# play NAME URI STEPS [OPTION…]: in the background; what it says is in $TMPDIR/NAME.log.
play() {
    local name=$1 uri=$2 amount=(-n "$3")
    shift 3
    [ "${STOREFS_TEST_SCALE-}" = full ] && amount=(-t 3600)
    mkdir "$TMPDIR/$name.plain"
    up "$uri" "$TMPDIR/$name"
    (
        trap - EXIT
        "$builddir/tests/mount/file_ops" -s "$seed" "${amount[@]}" -u "$uri" "$@" "$TMPDIR/$name" \
            "$TMPDIR/$name.plain"
    ) > "$TMPDIR/$name.log" 2>&1 &
    pids[$name]=$!
}

# done_with NAME URI: it must have found no difference, and the store is in order.
done_with() {
    checks=$((checks + 1))
    wait "${pids[$1]}" || fail "$1 differs from an ordinary directory"
    echo "$1: $(cat "$TMPDIR/$1.log")"
    down "$TMPDIR/$1"
    works "$STOREFS" fsck "$2"
    rm -rf "$TMPDIR/$1.plain"
}

declare -A pids
# A store in memory keeps what it has over a new mount in its snapshot. One in JSON is written whole by each commit:
# large values would take long. Directories have no transactions.
sqlite=sqlite:$TMPDIR/store.sqlite dir=dir:$TMPDIR/store.dir
json=json:$TMPDIR/store.json memory="memory:?snapshot=$TMPDIR/snapshot"
small=(-m 3)
[ "${STOREFS_TEST_SCALE-}" = full ] && small=()

play sqlite "$sqlite" 3000 -x
play memory "$memory" 3000 -x
done_with sqlite "$sqlite"
done_with memory "$memory"
play dir "$dir" 1500
play json "$json" 2000 -x "${small[@]}"
done_with dir "$dir"
done_with json "$json"
finish
