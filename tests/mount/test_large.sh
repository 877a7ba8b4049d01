#!/bin/bash
# SPDX-License-Identifier: MIT
# Large values: written, changed, holed, cut, renamed and unlinked as on an ordinary file system; what is
# open takes bounded memory; kill -9 in the middle leaves the old value or the new one; two mounts lose
# nothing of each other's; transactions too. With STOREFS_TEST_SCALE=full values have 1 and 4 GiB.
# stage: gcc
. "$srcdir/tests/mount/lib.sh"
mib=24 rounds=3 giant=160 limit=130
if [ "${STOREFS_TEST_SCALE-}" = full ]; then
    mib=1024 rounds=40 giant=4096
fi
mnt=$TMPDIR/mnt
# With little for SQLite's own pages, so that what files take shows.
store="sqlite:$TMPDIR/large.sqlite?cache=4M&mmap=0"
plain=$TMPDIR/plain
seed=${STOREFS_TEST_SEED:-$RANDOM}
echo "seed $seed"
mkdir "$plain"

# peak: the most memory that the daemon had, MiB
peak() {
    echo $(($(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$(daemon_of "$mnt")/status") / 1024))
}

bounded() {
    checks=$((checks + 1))
    local most
    most=$(peak)
    echo "$1: the daemon had at most $most MiB"
    [ "$most" -lt "$limit" ] || fail "$1 took $most MiB"
}

sum_of() {
    sha256sum < "$1" | cut -d ' ' -f 1
}

up "$store" "$mnt"
mkdir "$mnt/keys/d"
works python3 "$srcdir/tests/mount/large.py" "$mnt/keys/d" "$plain" "$mib" "$seed" sparse
bounded "random work on $mib MiB"
rm -rf "$plain" "$mnt/keys/d"
down "$mnt"
works "$STOREFS" fsck "$store"

# A giant: written, read, overwritten in the middle, appended to, and kept over a new mount.
up "$store" "$mnt"
head -c "${giant}M" /dev/urandom > "$TMPDIR/giant"
works cp "$TMPDIR/giant" "$mnt/keys/giant"
same "$(sum_of "$TMPDIR/giant")" "$(sum_of "$mnt/keys/giant")" "a giant"
head -c 20M /dev/urandom > "$TMPDIR/piece"
for file in "$TMPDIR/giant" "$mnt/keys/giant"; do
    works dd if="$TMPDIR/piece" of="$file" bs=1M seek=$((giant / 2)) conv=notrunc
    works sh -c "cat '$TMPDIR/piece' >> '$file'"
done
bounded "$giant MiB"
down "$mnt"
up "$store" "$mnt"
same "$(sum_of "$TMPDIR/giant")" "$(sum_of "$mnt/keys/giant")" "a giant after it was changed"

# What is open and unlinked still has its bytes.
exec 5< "$mnt/keys/giant"
works rm "$mnt/keys/giant"
same "$(sum_of "$TMPDIR/giant")" "$(sum_of /dev/fd/5)" "a giant without a name"
exec 5<&-
bounded "unlinking $giant MiB"
down "$mnt"
rm -f "$TMPDIR"/large.sqlite* "$TMPDIR/giant"

# Killed while one value is overwritten, one appended to and one made: each is as before or as after.
up "$store" "$mnt"
head -c 12M /dev/urandom > "$TMPDIR/old"
cp "$TMPDIR/old" "$mnt/keys/over"
cp "$TMPDIR/old" "$mnt/keys/more"
down "$mnt"
cat "$TMPDIR/piece" > "$TMPDIR/new"
cat "$TMPDIR/old" "$TMPDIR/piece" > "$TMPDIR/longer"
old=$(sum_of "$TMPDIR/old") new=$(sum_of "$TMPDIR/new") longer=$(sum_of "$TMPDIR/longer")
for ((round = 1; round <= rounds; round++)); do
    up "$store" "$mnt"
    works cp "$TMPDIR/old" "$mnt/keys/over"
    works cp "$TMPDIR/old" "$mnt/keys/more"
    rm -f "$mnt/keys/made"
    works sync "$mnt/keys/over"
    dd if="$TMPDIR/piece" of="$mnt/keys/over" bs=1M conv=notrunc 2> /dev/null &
    pids=($!)
    cat "$TMPDIR/piece" >> "$mnt/keys/more" 2> /dev/null &
    pids+=($!)
    cp "$TMPDIR/piece" "$mnt/keys/made" 2> /dev/null &
    pids+=($!)
    sleep "0.$((RANDOM % 5))"
    kill -9 "$(daemon_of "$mnt")"
    wait "${pids[@]}"
    up "$store" "$mnt"
    checks=$((checks + 3))
    [[ $(sum_of "$mnt/keys/over") =~ ^($old|$new)$ ]] || fail "round $round: overwritten in part"
    [[ $(sum_of "$mnt/keys/more") =~ ^($old|$longer)$ ]] || fail "round $round: appended in part"
    # cp makes it with O_EXCL: the name is taken at once, by an empty file.
    [ ! -s "$mnt/keys/made" ] || [ "$(sum_of "$mnt/keys/made")" = "$new" ] || fail "round $round: made in part"
    down "$mnt"
done
works "$STOREFS" fsck "$store"

up "$store" "$mnt"
up "$store" "$TMPDIR/other"
works python3 "$srcdir/tests/mount/large_two.py" "$mnt/keys" "$TMPDIR/other/keys"
down "$TMPDIR/other"

# Inside a transaction: unseen outside until its commit.
mkdir "$mnt/tx/t"
works cp "$TMPDIR/longer" "$mnt/tx/t/keys/over"
works dd if="$TMPDIR/piece" of="$mnt/tx/t/keys/more" bs=1M conv=notrunc
before=$(sum_of "$mnt/keys/over")
works touch "$mnt/tx/t/commit"
same "$longer" "$(sum_of "$mnt/keys/over")" "a large value from a transaction"
checks=$((checks + 1))
[ "$before" != "$longer" ] || fail "it was seen before the commit"
cmp -n $((20 << 20)) "$TMPDIR/piece" "$mnt/keys/more" || fail "overwritten in a transaction"
down "$mnt"

# A store that keeps a value in one piece.
mkdir "$plain"
up memory: "$mnt"
works python3 "$srcdir/tests/mount/large.py" "$mnt/keys" "$plain" 13 "$seed"
down "$mnt"
finish
