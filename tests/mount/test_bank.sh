#!/bin/bash
# SPDX-License-Identifier: MIT
# A bank: 50 accounts, eight processes that move money between them in transactions of a mount whose
# daemon is killed with SIGKILL every second or two; then the same through two daemons on one store, killed in
# turn. The total never changes, at any read inside a transaction and after each recovery, and what was
# acknowledged is there. Two minutes each with STOREFS_TEST_SCALE=full.
# Then: many small files in one transaction, seen by a reader all or not at all, and how fast.
# stage: gcc
. "$srcdir/tests/mount/lib.sh"
seconds=8
files=1000
[ "${STOREFS_TEST_SCALE-}" = full ] && seconds=120 files=10000
bank=$srcdir/tests/mount/bank.py

# tellers MOUNT…: eight, by turns on the mounts
tellers() {
    local i where=("$@")
    for i in 1 2 3 4 5 6 7 8; do
        python3 "$bank" teller "${where[i % $#]}" "$TMPDIR/acknowledged$i" "$seconds" "$i" \
            > "$TMPDIR/teller$i" 2>&1 &
        pids[i]=$!
    done
}

audit() {
    works mkdir "$1/tx/audit"
    same "50000 50" "$(python3 "$bank" total "$1/tx/audit/keys")" "$2"
    works rmdir "$1/tx/audit"
}

# storm STORE MOUNT…: by turns killed and mounted again, until the tellers' time is over.
storm() {
    local store=$1 end=$((SECONDS + seconds)) victim
    shift
    local where=("$@")
    kills=0
    while [ $SECONDS -lt $end ]; do
        sleep "$((seconds > 30 ? 2 : 1))"
        victim=${where[kills % $#]}
        kill -9 "$(daemon_of "$victim")" || fail "the daemon was gone"
        kills=$((kills + 1))
        up "$store" "$victim" 2>> "$TMPDIR/said"
        audit "$victim" "the total after recovery"
    done
}

# bank NAME MOUNT…: on one sqlite store, with a daemon for each of the mounts
bank() {
    local name=$1 store=sqlite:$TMPDIR/$1.sqlite where committed=0 conflicts=0 totals=0 lost=0 i
    shift
    for where in "$@"; do
        up "$store" "$where"
    done
    works python3 "$bank" make "$1/keys"
    tellers "$@"
    storm "$store" "$@"
    for i in 1 2 3 4 5 6 7 8; do
        checks=$((checks + 1))
        wait "${pids[i]}" || fail "teller $i: $(head -n 5 "$TMPDIR/teller$i")"
        read -r a b c d < "$TMPDIR/teller$i"
        committed=$((committed + a)) conflicts=$((conflicts + b)) totals=$((totals + c)) lost=$((lost + d))
        works python3 -c '
import os, sys
there = set(os.listdir(sys.argv[1]))
missing = [mark for mark in open(sys.argv[2]).read().split() if mark not in there]
sys.exit("%d acknowledged commits are missing: %s" % (len(missing), missing[:3]) if missing else 0)' \
            "$1/keys/log" "$TMPDIR/acknowledged$i"
    done
    echo "$name: $seconds s, $committed transfers, $conflicts conflicts, $totals totals, $lost interrupted," \
        "$kills kills"
    checks=$((checks + 1))
    # A busy machine mounts slowly.
    [ $committed -gt $seconds ] && [ $totals -gt 0 ] && [ $kills -gt $((seconds / 60)) ] || fail "the bank did too little"
    for where in "$@"; do
        audit "$where" "the total at the end"
        down "$where"
    done
    works "$STOREFS" fsck "$store"
}

bank one-daemon "$TMPDIR/mnt"
bank two-daemons "$TMPDIR/left" "$TMPDIR/right"

# --- many small files ---

fill='
import os, sys, time
began = time.monotonic()
for i in range(int(sys.argv[2])):
    with open(os.path.join(sys.argv[1], "f%05d" % i), "w") as file:
        file.write("value %d" % i)
if len(sys.argv) > 3:
    os.close(os.open(sys.argv[3], os.O_WRONLY | os.O_TRUNC))
print("%.3f" % (time.monotonic() - began))'
watch='
import os, sys, time
seen = {}
end = time.monotonic() + 100
while time.monotonic() < end:
    count = len(os.listdir(sys.argv[1]))
    seen[count] = seen.get(count, 0) + 1
    open(sys.argv[3], "w").close() # it looks
    if count == int(sys.argv[2]):
        break
print(*sorted(seen), sum(seen.values()))'

# Timed without the reader, which would take the processor; then with it.
many() {
    local mnt=$TMPDIR/many.$1.mnt alone together reader seen
    up "$2" "$mnt"
    mkdir "$mnt/keys/out" "$mnt/keys/timed" "$mnt/keys/in" "$mnt/tx/timed"
    alone=$(python3 -c "$fill" "$mnt/keys/out" "$files")
    together=$(python3 -c "$fill" "$mnt/tx/timed/keys/timed" "$files" "$mnt/tx/timed/commit")
    echo "$1: $files files: each for itself $alone s, in one transaction $together s," \
        "ratio $(python3 -c "print('%.1f' % ($alone / $together))")"
    mkdir "$mnt/tx/many"
    python3 -c "$watch" "$mnt/keys/in" "$files" "$TMPDIR/looks.$1" > "$TMPDIR/watched" &
    reader=$!
    until [ -e "$TMPDIR/looks.$1" ]; do sleep 0.01; done
    works python3 -c "$fill" "$mnt/tx/many/keys/in" "$files" "$mnt/tx/many/commit"
    wait "$reader"
    read -r -a seen < "$TMPDIR/watched"
    same "0 $files" "${seen[0]} ${seen[1]}" "what a reader saw"
    same 3 "${#seen[@]}" "sizes that a reader saw, and how often it looked (${seen[*]})"
    same "$files" "$(ls "$mnt/keys/in" | wc -l)" "files committed"
    same "value 7" "$(cat "$mnt/keys/in/f00007")" "one of them"
    down "$mnt"
}

many memory memory:
many sqlite "sqlite:$TMPDIR/many.sqlite"
files=1000 # each file for itself writes the whole json file
many json "json:$TMPDIR/many.json"
finish
