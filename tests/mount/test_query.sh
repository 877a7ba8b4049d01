#!/bin/bash
# SPDX-License-Identifier: MIT
# query/ on each backend: what is listed, what results hold, links, what a bad query says, and that
# everything that walks a tree comes to an end.
. "$srcdir/tests/mount/lib.sh"

# One line for a list of names.
listed() {
    timeout 20 ls -U "$1" | tr '\n' ' ' | sed 's/ $//'
}

fill() {
    local keys=$1 i
    mkdir "$keys/user"
    for i in 1 2 3 4 5; do
        printf '{"type":"doc","age":%d,"name":"n%d"}' $((i * 10)) "$i" > "$keys/user/$i"
    done
    printf '{"type":"tag","of":"a/b","n":"5"}' > "$keys/tag"
    printf 'plain' > "$keys/text"
    ln -s text "$keys/a-link"
}

listings() {
    local query=$1/query
    same "by where order limit offset select group aggregate" "$(listed "$query")" "ls query"
    same "age n name of type" "$(listed "$query/by")" "the fields"
    same "doc tag" "$(listed "$query/by/type")" "the values of type"
    same "10 20 30 40 50" "$(listed "$query/by/age")" "the values of age"
    same "a%2Fb" "$(listed "$query/by/of")" "a value with a slash"
    same '"5"' "$(listed "$query/by/n")" "a text that looks like a number"
    same "keys values.json values.ndjson values.csv count sum avg min max distinct explain" \
        "$(listed "$query/where/age > 30")" "deeper, results only"
    same "values.json values.ndjson values.csv count sum avg min max distinct explain" \
        "$(listed "$query/limit/3/group/type")" "groups have no keys"
    same "" "$(listed "$query/by/type/doc")" "nothing in what is listed"
    same "" "$(listed "$query/group/type")" "nothing in what is listed"
    same "keys values.json values.ndjson values.csv count sum avg min max distinct explain" \
        "$(listed "$query/by/type/doc/limit/2")" "but in what is not"
    local stage
    for stage in order select group sum avg min max distinct; do
        same "age n name of type" "$(listed "$query/$stage")" "fields for $stage"
        same "age name type" "$(listed "$query/where/age > 30/$stage")" "fields for $stage behind a filter"
    done
    same "count sum(age) avg(age) min(age) max(age) distinct(age)" \
        "$(listed "$query/where/age > 30/select/age/aggregate")" "functions of the fields"
    same "regular empty file" "$(stat -c %F "$query/sum/age")" "a result with an argument"
    same "directory" "$(stat -c %F "$query/sum")" "is in a directory"
    same "40 50" "$(listed "$query/where/age > 30/by/age")" "the values behind a filter"
    same "" "$(listed "$query/where")" "where waits for an expression"
    same "0" "$(stat -c %s "$query/count")" "the size of a result"
    same "regular empty file 440" "$(stat -c '%F %a' "$query/values.json")" "the kind of a result"
    works timeout 60 find "$query" -name no-such-name
    works timeout 60 du -s "$query"
    same "" "$(timeout 60 grep -rl no-such-text "$query")" "grep -r comes to an end"
    same "" "$(timeout 60 find "$query" -type f)" "and so does find, which comes to no result"
}

results() {
    local query=$1/query
    same 7 "$(cat "$query/count")" "all keys, no links and no directories"
    same 5 "$(cat "$query/by/type/doc/count")" "documents of a type"
    same 1 "$(cat "$query/by/of/a%2Fb/count")" "a value with a slash"
    same 0 "$(cat "$query/by/n/5/count")" "the number 5 is not the text"
    same 1 "$(cat "$query/by/n/\"5\"/count")" "the text 5"
    same '{"key":"user/5","value":{"type":"doc","age":50,"name":"n5"}}
{"key":"user/4","value":{"type":"doc","age":40,"name":"n4"}}' \
        "$(cat "$query/where/age >= 30/order/age:desc/limit/2/values.ndjson")" "stages in their order"
    same 1 "$(cat "$query/limit/4/where/age >= 20/count")" "a limit before a filter"
    same 3 "$(cat "$query/where/age >= 20/limit/3/count")" "a limit behind a filter"
    same 2 "$(python3 -c 'import json,sys; print(len(json.load(open(sys.argv[1]))))' \
        "$query/by/type/doc/offset/3/values.json")" "values.json is an array"
    works grep -q . "$query/by/type/doc/explain"
    same 150 "$(cat "$query/by/type/doc/sum/age")" "a sum"
    same "n1 n5" "$(cat "$query/by/type/doc/min/name" "$query/by/type/doc/max/name" | paste -sd ' ')" \
        "the first and the last name"
    same "doc	30" "$(cat "$query/by/type/doc/group/type/avg/age")" "an average of a group"
    same "key,age user/1,10" "$(head -n 2 "$query/by/type/doc/select/age/values.csv" | tr -d '\r' | paste -sd ' ')" \
        "a table"
    same 1 "$(cat "$query/where/@key = \"text\"/count")" "a property"
    same 2 "$(cat "$query/where/name = \"n1\" or $(printf 'age = 20%.0s' 1)$(printf ' or age = 20%.0s' $(seq 30))/count")" \
        "an expression of over 255 bytes"
}

links() {
    local mount=$1 keys
    keys="$mount/query/where/age >= 30/order/age:desc/keys"
    same "user%2F5 user%2F4 user%2F3" "$(listed "$keys")" "links in order"
    same "n5" "$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["name"])' "$keys/user%2F5")" \
        "through a link"
    same "$(readlink "$keys/user%2F5" | tr -d '\n' | wc -c)" "$(stat -c %s "$keys/user%2F5")" \
        "a link's size is its target's length"
    same "3" "$(find "$keys" -type l | wc -l)" "find sees links"
    works stat -L "$keys/user%2F3"
    refuses "No such file" stat "$keys/user%2F1"
    refuses "No such file" stat "$keys/user"
    refuses "No such file" stat "$mount/query/order/age/limit/2/keys/user%2F5"
    works stat "$mount/query/order/age:desc/limit/2/keys/user%2F5"
    refuses "No such file" stat "$mount/query/keys/a-link"
    mkdir "$mount/keys/text.d"
    mv "$mount/keys/tag" "$mount/keys/text.d/x"
    "$STOREFS" set "$mount" text.d directory-too 2>/dev/null ||
        fail "a key that is a directory too cannot be made"
    same "directory-too" "$(cat "$mount/query/where/@key = \"text.d\"/keys/text.d")" \
        "a key that is a directory too"
    works rm "$mount/keys/text.d/%value" "$mount/keys/text.d/x"
    works rmdir "$mount/keys/text.d"
}

refusals() {
    local mount=$1
    refuses "Invalid argument" ls "$mount/query/where/age >= ("
    same 1 "$(grep -c 'column 8' "$mount/admin/errors")" "the sentence names the column"
    works grep -q 'column 8' <(getfattr --absolute-names --only-values -n user.storefs.error "$mount/query/where")
    # Also when the kernel has forgotten the directory.
    { echo 2 > /proc/sys/vm/drop_caches; } 2> /dev/null
    works grep -q 'column 8' <(getfattr --absolute-names --only-values -n user.storefs.error "$mount/query/where")
    refuses "Invalid argument" ls "$mount/query/limit/many"
    refuses "Invalid argument" ls "$mount/query/order/a:up"
    refuses "Invalid argument" ls "$mount/query/by/a["
    refuses "No such file" ls "$mount/query/nothing"
    refuses "No such file" ls "$mount/query/limit/1/nothing"
    refuses "Invalid argument" ls "$mount/query/group/type/keys"
    works grep -q 'group' <(tail -n 1 "$mount/admin/errors")
    refuses "Invalid argument" cat "$mount/query/sum/a["
    refuses "Not a directory" ls "$mount/query/sum/age/x"
    refuses "Not a directory" ls "$mount/query/count/x"
    refuses "Operation not permitted" bash -c 'echo x > "$0"' "$mount/query/count"
    refuses "Operation not permitted" mkdir "$mount/query/x"
    refuses "Operation not permitted" rm "$mount/query/count"
    local long
    long=$(printf '%0200d' 0)
    mkdir -p "$mount/keys/$long"
    echo x > "$mount/keys/$long/$long"
    refuses "File name too long" ls "$mount/query/keys"
    works grep -q 'values.ndjson' <(tail -n 1 "$mount/admin/errors")
    same tag "$(listed "$mount/query/offset/1/limit/1/keys")" "a result without that key"
    works grep -q "$long/$long" "$mount/query/values.ndjson"
    rm -r "${mount:?}/keys/$long"
}

# More rows than one reply holds, and reading backwards.
many() {
    local mount=$1 bytes
    python3 - "$mount" <<'PYTHON'
import os, sys
directory = os.path.join(sys.argv[1], "keys", "many")
os.mkdir(directory)
for i in range(800):
    with open(os.path.join(directory, f"{i:05}"), "w") as file:
        file.write(f'{{"n":{i}}}')
PYTHON
    same 800 "$(timeout 60 ls -f "$mount/query/where/n exists/keys" | grep -c many)" "eight hundred links"
    same "many%2F00799 many%2F00000" \
        "$(timeout 60 ls -U "$mount/query/where/n exists/order/n:desc/keys" | sed -n '1p;$p' | tr '\n' ' ' | sed 's/ $//')" \
        "the first and the last"
    same 800 "$(timeout 60 ls -lU "$mount/query/where/n exists/keys" | grep -c -- '-> .*/keys/many/')" "and where they point"
    bytes=$("$STOREFS" query "$mount" 'where/n exists/values.ndjson' 2>/dev/null | wc -c)
    same "$bytes" "$(wc -c < "$mount/query/where/n exists/values.ndjson")" "the command and the mount agree"
    same 800 "$(dd if="$mount/query/where/n exists/values.ndjson" bs=7000 status=none | wc -l)" "read in pieces"
    same "800 800" "$(python3 - "$mount" <<'PYTHON'
import ctypes, os, sys
# rewinddir: the same result again from one handle
libc = ctypes.CDLL(None, use_errno=True)
libc.opendir.restype = ctypes.c_void_p
libc.readdir.restype = ctypes.c_void_p
for function in (libc.readdir, libc.rewinddir, libc.closedir):
    function.argtypes = [ctypes.c_void_p]
directory = libc.opendir(os.fsencode(os.path.join(sys.argv[1], "query/where/n exists/keys")))
counts = []
for _ in range(2):
    count = 0
    while libc.readdir(directory):
        count += 1
    counts.append(count - 2)
    libc.rewinddir(directory)
libc.closedir(directory)
print(*counts)
PYTHON
)" "a listing read twice"
    rm -r "$mount/keys/many"
}

readme() {
    local mount=$1 backend=$2 name
    works grep -q "Backend $backend" "$mount/README"
    for name in by/FIELD/VALUE where/EXPR order/FIELD values.ndjson tx/NAME admin/errors; do
        works grep -qF "$name" "$mount/README"
    done
    works python3 -c '
import json, sys
stats = json.load(open(sys.argv[1]))
assert stats["backend"] == sys.argv[2], stats
assert stats["keys"] == 7, stats
assert stats["calls"]["apply"]["calls"] > 0, stats' "$mount/admin/stats.json" "$backend"
}

for backend in memory json sqlite; do
    echo "--- $backend"
    mount=$TMPDIR/$backend.mnt
    case $backend in
    memory) up memory: "$mount" ;;
    *) up "$backend:$TMPDIR/store.$backend" "$mount" ;;
    esac
    fill "$mount/keys"
    readme "$mount" "$backend"
    listings "$mount"
    results "$mount"
    refusals "$mount"
    links "$mount"
    many "$mount"
    down "$mount"
done
finish
