#!/bin/bash
# SPDX-License-Identifier: MIT
# fields/: documents as trees, with everyday programs: what is shown, that a change leaves every other byte of the
# document, names, arrays, what is refused and what the sentence says, transactions, stores of each kind.
. "$srcdir/tests/mount/lib.sh"

listed() {
    timeout 60 ls -U "$1" | tr '\n' ' ' | sed 's/ $//'
}

# is KEY TEXT WHAT: the whole value of a key, byte for byte.
is() {
    checks=$((checks + 1))
    cmp -s <(printf '%s' "$2") "$keys/$1" || fail "$3: '$(cat "$keys/$1")', wanted '$2'"
}

# put KEY TEXT
put() {
    printf '%s' "$2" > "$keys/$1"
}

sentence_of() {
    getfattr --absolute-names --only-values -n user.storefs.error "$1"
}

shown() {
    mkdir "$keys/user"
    put user/1 '{ "name" : "Ada","age":36.50, "tags":["x",{"y":null}],"five":"5", "t":true }
'
    put n ' 5
'
    put text 'plain text'
    printf '\377\0' > "$keys/bytes"
    : > "$keys/empty"
    ln -s user/1 "$keys/link"
    mkfifo "$keys/pipe"
    same "bytes empty link n pipe text user" "$(listed "$fields" | tr ' ' '\n' | sort | tr '\n' ' ' | sed 's/ $//')" \
        "fields/ lists what keys/ lists"
    same "name age tags five t" "$(listed "$fields/user/1")" "members in their order"
    same "1 0" "$(listed "$fields/user/1/tags")" "elements, the last first"
    same "y" "$(listed "$fields/user/1/tags/1")" "an object in an array"
    same 'Ada 36.50 "5" true x null 5' \
        "$(cd "$fields" && cat user/1/name user/1/age user/1/five user/1/t user/1/tags/0 user/1/tags/1/y n | tr '\n' ' ' | sed 's/ $//')" \
        "texts"
    same "regular file 4" "$(stat -c '%F %s' "$fields/user/1/name")" "a member's kind and size"
    same "directory 755" "$(stat -c '%F %a' "$fields/user/1/tags")" "an array's kind and mode"
    same "symbolic link" "$(stat -c %F "$fields/link")" "a link"
    same "Ada" "$(cat "$fields/link/name")" "through a link"
    same "fifo" "$(stat -c %F "$fields/pipe")" "a pipe"
    same "plain text" "$(cat "$fields/text")" "what is not JSON"
    same "444 10" "$(stat -c '%a %s' "$fields/text")" "its mode and size"
    works cmp "$keys/bytes" "$fields/bytes"
    same 0 "$(wc -c < "$fields/empty")" "an empty value"
    same 6 "$(find "$fields/user/1" -type f | wc -l)" "find"
    same "$(find "$fields" | wc -l)" "$(find "$fields" -printf '%i\n' | sort -u | wc -l)" "inode numbers differ"
    same "" "$(comm -12 <(find "$fields" -printf '%i\n' | sort) <(find "$keys" -printf '%i\n' | sort))" \
        "also from those of keys/"
    same "$(stat -c %i "$fields/user/1/tags/1")" "$(ls -Ui "$fields/user/1/tags" | sed -n '1s/ .*//p')" \
        "stat and readdir agree on numbers"
    works chmod 640 "$keys/user/1"
    same "640 750" "$(stat -c %a "$fields/user/1/name" "$fields/user/1/tags" | tr '\n' ' ' | sed 's/ $//')" \
        "modes are the record's"
    same "$(stat -c '%U %Y' "$keys/user/1")" "$(stat -c '%U %Y' "$fields/user/1/age")" "owner and time too"
    works rm "$keys/link" "$keys/pipe"
}

changed() {
    local f=$fields/user/1
    echo 37 > "$f/age"
    is user/1 '{ "name" : "Ada","age":37, "tags":["x",{"y":null}],"five":"5", "t":true }
' "a number"
    same 3 "$(stat -c %s "$f/age")" "its size"
    echo Jo > "$f/name"
    echo '"6"' > "$f/five"
    echo null > "$f/t"
    printf 8 > "$f/tags/1/y"
    is user/1 '{ "name" : "Jo","age":37, "tags":["x",{"y":8}],"five":"6", "t":null }
' "strings and others"
    same "$(wc -c < "$keys/user/1")" "$(stat -c %s "$keys/user/1")" "the size in keys/ at once"
    echo 6 > "$fields/n"
    is n ' 6
' "a document that is a number"
    echo '{"a": [1]}' > "$f/t"
    same "a" "$(listed "$f/t")" "a leaf has become an object"
    same 1 "$(cat "$f/t/a/0")" "and what is in it"
    echo more > "$f/new"
    mkdir "$f/sub"
    : > "$f/sub/nothing"
    works sync "$f/sub/nothing" # what is only made is committed some time after close
    is user/1 '{ "name" : "Jo","age":37, "tags":["x",{"y":8}],"five":"6", "t":{"a": [1]}, "new":"more", "sub":{ "nothing":"" } }
' "new ones look like their neighbours"
    same "" "$(cat "$f/sub/nothing")" "an empty string"
    same 1 "$(stat -c %s "$f/sub/nothing")" "is an empty line"
    works rm "$f/sub/nothing"
    works rmdir "$f/sub"
    works rm -r "$f/t"
    works mv "$f/new" "$f/nick"
    works mv "$f/five" "$f/tags/1/five"
    is user/1 '{ "name" : "Jo","age":37, "tags":["x",{"y":8,"five":"6"}], "nick":"more" }
' "removed and renamed"
    echo less >> "$f/nick"
    same $'more\nless' "$(cat "$f/nick")" "appended"
    truncate -s 2 "$f/nick"
    same mo "$(cat "$f/nick")" "truncated"
    truncate -s 0 "$f/nick"
    same '""' "$(jq -c .nick "$keys/user/1")" "emptied"
    works sed -i s/37/38/ "$f/age"
    works sh -c 'printf "3\n" | dd of="$0" bs=1 conv=notrunc status=none' "$f/age"
    same 3 "$(head -c 1 "$f/age")" "written in the middle"
    echo 40 > "$f/age"
    works touch -d @1000000000 "$f/age"
    same 1000000000 "$(stat -c %Y "$keys/user/1")" "touch sets the record's time"
    works touch "$f/age" "$f/touched"
    works sync "$f/touched"
    same '""' "$(jq -c .touched "$keys/user/1")" "touch makes a string"
    put user/1 '{"x":[1,2,3],"y":{"z":"w"}}'
    same "3" "$(cat "$f/x/2")" "a change in keys/ shows at once"
    works cp -r "$f" "$TMPDIR/copy"
    works diff -r "$f" "$TMPDIR/copy"
    works cp -r "$f/y" "$f/v"
    is user/1 '{"x":[1,2,3],"y":{"z":"w"},"v":{"z":"w"}}' "a subtree copied"
    works cp -r "$TMPDIR/copy" "$fields/again"
    same '{"x":{"0":1,"1":2,"2":3},"y":{"z":"w"}}' "$(jq -cS . "$keys/again")" "a directory becomes an object"
    works rm -r "$fields/again" "$TMPDIR/copy"
    refuses "No such file" stat "$keys/again"
}

# A key with keys below it, new keys, keys that go.
keys_too() {
    mkdir "$keys/a"
    put a/b '{"x":1}'
    "$STOREFS" set "$mount" a '{"b":2}'
    same "%value b" "$(listed "$fields/a" | tr ' ' '\n' | sort | tr '\n' ' ' | sed 's/ $//')" "a document and keys below it"
    same "2 1" "$(cat "$fields/a/%value/b" "$fields/a/b/x" | tr '\n' ' ' | sed 's/ $//')" "are told apart"
    echo 3 > "$fields/a/%value/b"
    is a/%value '{"b":3}' "its own document"
    works rm -r "$fields/a/%value"
    same "b" "$(listed "$keys/a")" "only the key below is left"
    works rm -r "$fields/a"
    refuses "No such file" stat "$keys/a"
    works mkdir "$fields/doc"
    is doc '{}
' "a new document"
    works mkdir -p "$fields/doc/p/q"
    echo 1 > "$fields/doc/p/q/r"
    same '{"p":{"q":{"r":1}}}' "$(jq -c . "$keys/doc")" "mkdir -p"
    refuses "not empty" rmdir "$fields/doc"
    refuses "Is a directory" rm "$fields/doc"
    works rm -r "$fields/doc"
    refuses "No such file" stat "$keys/doc"
    works mkdir "$keys/dir"
    echo '[]' > "$fields/dir/list"
    echo new > "$fields/dir/scalar"
    is dir/scalar '"new"
' "a new key"
    same "600" "$( (umask 077; echo 1 > "$fields/dir/private"); stat -c %a "$keys/dir/private")" "and its mode"
    works rm "$fields/dir/scalar" "$fields/dir/private"
    works rmdir "$fields/dir/list"
    works rmdir "$fields/dir"
    refuses "No such file" stat "$keys/dir"
    works rm "$fields/text"
    refuses "No such file" stat "$keys/text"
    put text 'plain text'
}

names() {
    local f=$fields/names long
    long=$(printf '%0300d' 7)
    put names "{\"a/b\":1,\"\":2,\".\":3,\"..\":4,\"%\":5,\"%value\":6,\"nul\\u0000\":7,\"\\ud800\":8,\"%2F\":9,\"$long\":10,\"${long}x\":{\"y\":11},\"\\u00e9\":12,\"dup\":13,\"dup\":14,\"line\\n\":15}"
    same 13 "$(find "$f" -mindepth 1 -maxdepth 1 -printf x | wc -c)" "so many names"
    same "1 2 3 4 5 6 7 9 12 14" "$(cd "$f" && cat a%2Fb %empty %2E %2E%2E %25 %25value nul%00 %252F é dup | tr '\n' ' ' | sed 's/ $//')" \
        "each under its name"
    same 8 "$(cat "$f/"$'\xed\xa0\x80')" "half a character"
    same "10 11" "$(cat "$f/${long:0:253}%+/${long:253}" "$f/${long:0:253}%+/${long:253}x/y" | tr '\n' ' ' | sed 's/ $//')" \
        "names over 255 bytes"
    same 14 "$(find "$f" -type f -printf x | wc -c)" "find reaches all"
    refuses "No such file" stat "$f/%value"
    refuses "No such file" stat "$f/%2f"
    refuses "Invalid argument" touch "$f/a%b"
    refuses "Invalid argument" mkdir "$f/%empt"
    refuses "File name too long" touch "$f/$long"
    refuses "Invalid argument" touch "$f/${long:0:253}%+/xy"
    works touch "$f/${long:0:253}%+/xyz"
    works sync "$f/${long:0:253}%+/xyz"
    works grep -q "\"${long:0:253}xyz\"" "$keys/names"
    refuses "not empty" rmdir "$f/${long:0:253}%+"
    works rm -r "$f/${long:0:253}%+"
    works rmdir "$f/${long:0:253}%+"
    refuses "Is a directory" rm "$f/${long:0:253}%+"
    echo 1 > "$f/new%2Fname%00"
    works grep -qF '"new/name\u0000":1' "$keys/names"
    echo 15 > "$f/dup"
    works grep -q '"dup":13,"dup":15,' "$keys/names"
    works rm "$f/dup"
    same 0 "$(grep -c dup "$keys/names")" "a name removed is gone, however often it was there"
    works rm -r "$f"
    refuses "No such file" stat "$keys/names"
}

arrays() {
    local f=$fields/array i
    put array '[ 0, 1, 2, [3], 4 ]'
    echo 5 > "$f/5"
    works mkdir "$f/6"
    refuses "Invalid argument" touch "$f/8"
    works grep -q 'no gaps' "$mount/admin/errors"
    refuses "Invalid argument" mkdir "$f/9"
    refuses "Invalid argument" touch "$f/x"
    refuses "Invalid argument" touch "$f/01"
    is array '[ 0, 1, 2, [3], 4, 5, {} ]' "appended"
    works rm "$f/1"
    works mv "$f/3" "$f/2/1"
    is array '[ 0, 2, [3,4], 5, {} ]' "those behind move up"
    works mv "$f/3" "$f/0"
    refuses "not supported" mv "$f/0" "$f/1"
    is array '[ 5, 2, [3,4], {} ]' "moved to the front"
    works rm -r "$f"/2
    works rm -r "$f"
    refuses "No such file" stat "$keys/array"
    python3 -c 'import json,sys; json.dump({"keep": 1, "list": [[i, {"i": str(i)}] for i in range(300)]}, open(sys.argv[1], "w"))' "$keys/array"
    works rm -r "$f/list"
    is array '{"keep": 1}' "a large array removed"
    python3 -c 'import json,sys; json.dump({"keep": 1, "list": list(range(300))}, open(sys.argv[1], "w"))' "$keys/array"
    works python3 -c 'import shutil,sys; shutil.rmtree(sys.argv[1])' "$f/list"
    is array '{"keep": 1}' "and by Python"
    python3 -c 'import json,sys; json.dump({"keep": 1, "list": list(range(300))}, open(sys.argv[1], "w"))' "$keys/array"
    works find "$f/list" -delete
    is array '{"keep": 1}' "and by find"
    rm "$keys/array"
}

refused() {
    local f=$fields/r
    put r '{"a":1,"o":{"x":1},"e":{}}'
    refuses "Operation not permitted" bash -c 'echo x > "$0"' "$fields/text"
    same "the value is not known to be JSON: write to keys/" "$(sentence_of "$fields/text")" "the sentence of a text"
    refuses "Operation not permitted" truncate -s 0 "$fields/text"
    refuses "Invalid argument" python3 -c 'import os,sys; f = os.open(sys.argv[1], os.O_WRONLY); os.write(f, b"\xff"); os.close(f)' "$f/a"
    works grep -q 'not UTF-8' <(sentence_of "$f/a")
    refuses "Operation not permitted" chmod 600 "$f/a"
    works chmod 644 "$f/a"
    refuses "Operation not permitted" chown 1 "$f/a"
    refuses "Operation not permitted" ln -s x "$f/l"
    refuses "Operation not permitted" mkfifo "$f/l"
    refuses "Operation not permitted" ln "$f/a" "$f/l"
    refuses "Operation not permitted" touch "$fields/user"
    refuses "not supported" setfattr -n user.x -v y "$f/a"
    refuses "Not a directory" stat "$f/a/b"
    refuses "No such file" stat "$f/b"
    refuses "No such file" rm "$f/b"
    refuses "No such file" stat "$fields/none/x"
    refuses "File exists" mkdir "$f/a"
    refuses "File exists" mkdir "$fields/r"
    refuses "not empty" rmdir "$f/o"
    refuses "Is a directory" python3 -c 'import os,sys; os.unlink(sys.argv[1])' "$f/e"
    refuses "Not a directory" rmdir "$f/a"
    refuses "not empty" python3 -c 'import os,sys; os.rename(sys.argv[1] + "/e", sys.argv[1] + "/o")' "$f"
    refuses "Invalid argument" python3 -c 'import os,sys; os.rename(sys.argv[1] + "/o", sys.argv[1] + "/o/y")' "$f"
    refuses "cross-device" python3 -c 'import os,sys; os.rename(sys.argv[1], sys.argv[2])' "$f/a" "$fields/user/1/a"
    refuses "Is a directory" bash -c 'echo x > "$0"' "$f/o"
    refuses "No such file" cat "$f/%+"
    is r '{"a":1,"o":{"x":1},"e":{}}' "all that left it as it was"
    works python3 "$srcdir/tests/mount/fields.py" "$fields" "$keys"
    works mv "$f/a" "$fields/user/1/moved"
    is r '{"o":{"x":1},"e":{}}' "moved to another document, by a copy"
    rm "$keys/r"
}

in_transactions() {
    put t '{"a":1,"b":2}'
    mkdir "$mount/tx/t"
    same "b a" "$(listed "$mount/tx/t/fields/t" | sed 's/a b/b a/')" "a document in a transaction"
    echo 5 > "$mount/tx/t/fields/t/a"
    works mkdir "$mount/tx/t/fields/t/c"
    echo 6 > "$mount/tx/t/fields/t/c/d"
    works mv "$mount/tx/t/fields/t/b" "$mount/tx/t/fields/t/c/e"
    same '{"a":5,"c":{"d":6,"e":2}}' "$(cat "$mount/tx/t/keys/t")" "its own changes"
    mkdir "$mount/tx/t/savepoints/s"
    echo 7 > "$mount/tx/t/fields/t/a"
    touch "$mount/tx/t/savepoints/s/rollback"
    same 5 "$(cat "$mount/tx/t/fields/t/a")" "after a rollback to a savepoint"
    echo 8 > "$mount/tx/t/fields/t/a"
    same 8 "$(cat "$mount/tx/t/fields/t/a")" "and a change after it"
    same 1 "$(cat "$fields/t/a")" "nobody else sees them"
    exec 7> "$mount/tx/t/fields/t/open"
    echo 9 >&7
    works touch "$mount/tx/t/commit"
    is t '{"a":8,"c":{"d":6,"e":2},"open":9}' "committed, with a file that was open"
    exec 7>&-
    mkdir "$mount/tx/t"
    echo 5 > "$mount/tx/t/fields/t/a"
    echo 6 > "$fields/t/a"
    refuses "Operation canceled" touch "$mount/tx/t/commit"
    works rmdir "$mount/tx/t"
    rm "$keys/t"
}

for kind in sqlite memory json; do
    mount=$TMPDIR/$kind
    case $kind in
    memory) store=memory: ;;
    *) store=$kind:$TMPDIR/store.$kind ;;
    esac
    up "$store" "$mount"
    keys=$mount/keys
    fields=$mount/fields
    shown
    changed
    keys_too
    names
    arrays
    refused
    in_transactions
    works grep -q 'fields/' "$mount/README"
    down "$mount"
done
finish
