#!/bin/bash
# SPDX-License-Identifier: MIT
# Two mounts of one store, and the library beside them: what one closes the other opens, appends from
# both are all there, also to a file that both make, and a name is made only once with O_EXCL.
. "$srcdir/tests/mount/lib.sh"
store=sqlite:$TMPDIR/store.sqlite
a=$TMPDIR/a/keys
b=$TMPDIR/b/keys
up "$store" "$TMPDIR/a"
up "$store" "$TMPDIR/b"

echo one > "$a/k"
same one "$(cat "$b/k")" "a value in the other mount"
for i in $(seq 20); do
    # The same size and then another, right after the other mount has cached the last.
    printf 'same%03d\n' "$i" > "$a/k"
    same "$(printf 'same%03d' "$i")" "$(cat "$b/k")" "a change of the same size"
    printf '%0*d\n' $((i + 8)) "$i" > "$b/k"
    same "$(printf '%0*d' $((i + 8)) "$i")" "$(cat "$a/k")" "a longer value"
done
works "$STOREFS" set "$store" k 'by the library'
same 'by the library' "$(cat "$a/k")" "the library's value in a mount"

append() {
    local i
    for i in $(seq 20); do
        echo "$2$i" >> "$1"
    done
}
for round in $(seq 10); do
    append "$a/log$round" a &
    append "$b/log$round" b &
    wait
    same 40 "$(wc -l < "$a/log$round")" "lines that two mounts appended to a new file"
    same "$(cat "$a/log$round")" "$(cat "$b/log$round")" "the lines seen by both"
done

for round in $(seq 20); do
    (set -C; echo a > "$a/lock$round") 2> /dev/null && echo a >> "$TMPDIR/won$round" &
    (set -C; echo b > "$b/lock$round") 2> /dev/null && echo b >> "$TMPDIR/won$round" &
    wait
    same 1 "$(wc -l < "$TMPDIR/won$round")" "makers of one name with O_EXCL"
    same "$(cat "$TMPDIR/won$round")" "$(cat "$a/lock$round")" "its value"
done

mkdir "$a/d"
echo x > "$b/d/x"
same x "$(cat "$a/d/x")" "a file made by the other mount"
works mv "$a/d" "$a/e"
sleep 1.1
refuses "No such file" ls "$b/d"
same x "$(cat "$b/e/x")" "a directory renamed by the other mount"

mkdir "$TMPDIR/a/tx/t"
echo inside > "$a/../tx/t/keys/k"
echo outside > "$b/k"
refuses "Operation canceled" touch "$TMPDIR/a/tx/t/commit"
same 1 "$(grep -c "'k'" "$TMPDIR/a/tx/t/error")" "the key in the conflict's sentence"
works rmdir "$TMPDIR/a/tx/t"
same outside "$(cat "$a/k")" "after the conflict"
down "$TMPDIR/a"
down "$TMPDIR/b"
works "$STOREFS" fsck "$store"
finish
