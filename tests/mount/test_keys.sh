#!/bin/bash
# SPDX-License-Identifier: MIT
# keys/ with ordinary shell tools, on each backend: the same bytes, directories and markers, names,
# links, attributes, rename, and what each refusal says.
. "$srcdir/tests/mount/lib.sh"

bytes_and_directories() {
    local keys=$1
    mkdir "$keys/a"
    echo '{"type":"doc","n":1}' > "$keys/a/b"
    same '{"type":"doc","n":1}' "$(cat "$keys/a/b")" "the bytes of a/b"
    same 21 "$(stat -c %s "$keys/a/b")" "the size of a/b"
    echo more >> "$keys/a/b"
    same $'{"type":"doc","n":1}\nmore' "$(cat "$keys/a/b")" "after appending"
    head -c 100000 /dev/urandom > "$TMPDIR/random"
    works cp "$TMPDIR/random" "$keys/a/random"
    works cmp "$TMPDIR/random" "$keys/a/random"
    printf 'XYZ' | dd of="$keys/a/random" bs=1 seek=5000 conv=notrunc status=none
    printf 'XYZ' | dd of="$TMPDIR/random" bs=1 seek=5000 conv=notrunc status=none
    works cmp "$TMPDIR/random" "$keys/a/random"
    truncate -s 777 "$keys/a/random" "$TMPDIR/random"
    works cmp "$TMPDIR/random" "$keys/a/random"
    truncate -s 9000 "$keys/a/random" "$TMPDIR/random"
    works cmp "$TMPDIR/random" "$keys/a/random"
    refuses "Directory not empty" rmdir "$keys/a"
    refuses "File exists" mkdir "$keys/a"
    refuses "Not a directory" mkdir "$keys/a/b/c"
    rm "$keys/a/b" "$keys/a/random"
    same "" "$(ls -A "$keys/a")" "an emptied directory stays"
    works rmdir "$keys/a"
    refuses "No such file" ls "$keys/a"
}

marker_kept() {
    local keys=$1
    mkdir -p "$keys/p/q"
    echo x > "$keys/p/q/only"
    works mv "$keys/p/q/only" "$keys/moved"
    same "q" "$(ls "$keys/p")" "a directory whose last key was renamed away"
    works rm -r "$keys/p" "$keys/moved"
}

renames() {
    local keys=$1
    mkdir -p "$keys/d1/e"
    echo 1 > "$keys/d1/one"
    echo 2 > "$keys/d1/e/two"
    works mv "$keys/d1" "$keys/d2"
    same "e one" "$(ls "$keys/d2" | tr '\n' ' ' | sed 's/ $//')" "a renamed directory"
    same 2 "$(cat "$keys/d2/e/two")" "a file below it"
    refuses "No such file" ls "$keys/d1"
    mkdir "$keys/empty" "$keys/full"
    echo x > "$keys/full/x"
    works mv -T "$keys/d2" "$keys/empty"
    refuses "Directory not empty" mv -T "$keys/empty" "$keys/full"
    echo a > "$keys/f1"
    echo b > "$keys/f2"
    local ino
    ino=$(stat -c %i "$keys/f1")
    works mv "$keys/f1" "$keys/f2"
    same a "$(cat "$keys/f2")" "a file renamed over another"
    same "$ino" "$(stat -c %i "$keys/f2")" "its inode number"
    works rm -r "$keys/empty" "$keys/full" "$keys/f2"
}

open_files() {
    local keys=$1
    echo kept > "$keys/u"
    exec 5< "$keys/u"
    rm "$keys/u"
    same kept "$(cat <&5)" "an open file after its removal"
    exec 5<&-
    exec 6> "$keys/w"
    echo first >&6
    same first "$(cat "$keys/w")" "a reader of this mount before close"
    mv "$keys/w" "$keys/w2"
    echo second >&6
    exec 6>&-
    same $'first\nsecond' "$(cat "$keys/w2")" "a file renamed while it was written"
    rm "$keys/w2"
}

attributes() {
    local keys=$1
    echo x > "$keys/m"
    chmod 4750 "$keys/m"
    same 4750 "$(stat -c %a "$keys/m")" "mode"
    chown 1000:1001 "$keys/m"
    same 1000:1001 "$(stat -c %u:%g "$keys/m")" "owner"
    touch -d '2001-02-03 04:05:06.123456789' "$keys/m"
    same '2001-02-03 04:05:06.123456789' "$(stat -c %y "$keys/m" | cut -d' ' -f1,2)" "mtime"
    works setfattr -n user.colour -v blue "$keys/m"
    same 'user.colour="blue"' "$(getfattr -d "$keys/m" 2> /dev/null | grep colour)" "an extended attribute"
    works setfattr -x user.colour "$keys/m"
    refuses "No such attribute" getfattr -n user.colour "$keys/m"
    works ln -s m "$keys/link"
    same m "$(readlink "$keys/link")" "a symbolic link"
    same x "$(cat "$keys/link")" "through it"
    refuses "Operation not permitted" ln "$keys/m" "$keys/hard"
    works mkfifo "$keys/fifo"
    same "fifo" "$(stat -c %F "$keys/fifo")" "a fifo"
    same 255 "$(stat -f -c %l "$keys")" "the longest name"
    rm "$keys/m" "$keys/link" "$keys/fifo"
}

names() {
    local keys=$1 long name
    mkdir "$keys/n"
    for name in '100%.txt' 'a%20b' '%' '.hidden' '%%' 'x y' $'tab\t' $'nl\n' 'ä' '%25' '%empty' '%dot' '%%value'; do
        echo "=$name=" > "$keys/n/$name"
        same "=$name=" "$(cat "$keys/n/$name")" "the file '$name'"
    done
    same 13 "$(find "$keys/n" -type f -print0 | tr -cd '\0' | wc -c)" "names listed"
    long=$(printf 'l%.0s' $(seq 256))
    refuses "File name too long" touch "$keys/n/$long"
    refuses "Invalid argument" sh -c "echo x > '$keys/%value'"
    works rm -r "$keys/n"
}

errors_kept() {
    local mnt=$1
    refuses "File name too long" touch "$mnt/keys/$(printf 'e%.0s' $(seq 300))"
    refuses "Operation not permitted" ln "$mnt/README" "$mnt/keys/hard"
    same 1 "$(tail -n 1 "$mnt/admin/errors" | grep -c 'symbolic link')" "the last sentence of admin/errors"
    works jq -e -s 'length > 0 and all(.[]; .message and .code and .errno)' "$mnt/admin/errors"
    same 1 "$(getfattr --only-values -n user.storefs.error "$mnt/keys" 2> /dev/null | grep -c 'symbolic link')" \
        "user.storefs.error of keys/"
}

for uri in memory: "json:$TMPDIR/store.json" "sqlite:$TMPDIR/store.sqlite"; do
    echo "== $uri"
    mnt=$TMPDIR/${uri%%:*}
    up "$uri" "$mnt"
    bytes_and_directories "$mnt/keys"
    marker_kept "$mnt/keys"
    renames "$mnt/keys"
    open_files "$mnt/keys"
    attributes "$mnt/keys"
    names "$mnt/keys"
    errors_kept "$mnt"
    same "" "$(ls -A "$mnt/keys")" "all is removed"
    down "$mnt"
done

for scheme in json sqlite; do
    uri=$scheme:$TMPDIR/again.$scheme
    up "$uri" "$TMPDIR/again"
    echo '{"kept": true}' > "$TMPDIR/again/keys/k"
    chmod 600 "$TMPDIR/again/keys/k"
    down "$TMPDIR/again"
    same 600 "$(stat -c %a "$TMPDIR/again.$scheme")" "the mode of the store's file"
    up "$uri" "$TMPDIR/again"
    same '{"kept": true} 600' "$(cat "$TMPDIR/again/keys/k") $(stat -c %a "$TMPDIR/again/keys/k")" "after mounting again"
    down "$TMPDIR/again"
done
finish
