#!/bin/bash
# SPDX-License-Identifier: MIT
# storefs attributes: on stores, plain files and a mount; what it refuses leaves everything as it was; two
# processes that change one posting at the same time.
. "$srcdir/tests/mount/lib.sh"

attributes() {
    "$STOREFS" attributes "$@"
}

lines() {
    paste -sd ' '
}

entities() {
    cat << 'END'
{"id":"e1","type":"document","name":"Report","metadata":{"size":1000,"tags":["a","b"]}}

{"id":"e2","type":"document","metadata":{"size":1e3,"flags":null,"10":1}}
["no entity"]
{"id":"","type":"document"}
{"id":"e3","type":"image","metadata":{"size":"1000","a=b":true}}
END
}

basics() {
    local target=$1
    shift
    entities > "$TMPDIR/entities"
    works attributes "$target" build "$TMPDIR/entities" "$@"
    same "e1 e2" "$(attributes "$target" find type=document | lines)" "equals"
    same "e1 e2" "$(attributes "$target" find size=1000 | lines)" "a number"
    same "e3" "$(attributes "$target" find 'size="1000"' | lines)" "a string"
    same "e1 e2 e3" "$(attributes "$target" find 'size*=00' | lines)" "contains"
    same "e1" "$(attributes "$target" find 'tags^=a,' | lines)" "starts with"
    same "e2" "$(attributes "$target" find flags type=document | lines)" "all"
    same "e2 e3" "$(attributes "$target" find --any flags 'type^=im' | lines)" "any"
    same "e3" "$(attributes "$target" find 'a\=b=true' | lines)" "a name with ="
    same "" "$(attributes "$target" find none=1)" "nothing"
    same "3 7 9 11 3.66667" "$(attributes "$target" | cut -f 2 | lines)" "statistics"
    works attributes "$target" add e4 type undefined
    works attributes "$target" add e4 type null
    works attributes "$target" add e4 type document
    works attributes "$target" add e4 type document
    same "e4" "$(attributes "$target" find type=null)" "null"
    works attributes "$target" remove e4 type document
    same "e1 e2" "$(attributes "$target" find type=document | lines)" "removed"
    works attributes "$target" remove e4 type
    works attributes "$target" remove e3
    works attributes "$target" remove none none none
    same '"document"' "$(attributes "$target" list type)" "values"
    same "type name size tags flags 10" "$(attributes "$target" list | order | lines)" "attributes"
    refuses "the attribute name is missing" attributes "$target" add e '' 1
    refuses "the entity id is missing" attributes "$target" add '' a 1
    refuses "usage: storefs attributes" attributes "$target" add e a
    refuses "usage: storefs attributes" attributes "$target" forget e
    refuses "there is no layout" attributes "$target" --layout heap
    refuses "line 2 is not JSON" attributes "$target" build <(printf '{"id":"x","type":1}\n{"id":')
    same "" "$(attributes "$target" find type=1)" "nothing of a build that failed"
}

# A document that was loaded has the names that are numbers first.
order() {
    local all
    all=$(cat)
    echo "$all" | grep -v '^10$'
    echo 10
}

# What cannot be loaded stays as it is.
bad_files() {
    local file=$TMPDIR/bad.json sentence content
    while IFS='|' read -r code sentence content; do
        printf '%s' "$content" > "$file"
        refuses "$sentence" attributes "$file" add e a 1
        attributes "$file" find a 2> /dev/null
        same "$code" "$?" "exit code of: $sentence"
        same "$content" "$(cat "$file")" "the file after: $sentence"
    done << 'END'
4|is not JSON: line 1, column 1|
4|is not JSON: line 1|{"version":"1.0.0","index":{"type":{"\"doc
5|Invalid data structure|[]
5|Invalid data structure: it has no member "index"|{"version":"1.0.0"}
5|Invalid data structure: its member "index"|{"index":[]}
5|Invalid data structure: what stands for the attribute is no object: 'a'|{"index":{"a":[]}}
5|Invalid data structure: no list of ids is what the index has for 'a:1'|{"index":{"a":{"1":["e",7]}}}
5|Invalid data structure: no list of attributes is what stands for the entity 'e'|{"index":{},"entityAttributes":{"e":1}}
5|of version "2.0.0"|{"version":"2.0.0","index":{},"entityAttributes":{}}
END
    refuses "No such file" attributes "$TMPDIR/none.json" find a
    refuses "there is no key 'none'" attributes "sqlite:$TMPDIR/store" find a --key none
    refuses "a plain file holds a document" attributes "$TMPDIR/new.json" add e a 1 --layout postings
    same no "$([ -e "$TMPDIR/new.json" ] && echo yes || echo no)" "nothing was made"
}

layouts() {
    local store=sqlite:$TMPDIR/layouts before
    entities | attributes "$store" build
    refuses "has the layout document" attributes "$store" add e a 1 --layout postings
    before=$("$STOREFS" get "$store" attributes | jq 'del(.metadata)')
    works attributes "$store" convert postings
    same 1 "$("$STOREFS" get "$store" attributes | grep -c '"layout":"postings"')" "the head"
    same "e1 e2" "$(attributes "$store" find type=document | lines)" "found in postings"
    works attributes "$store" convert document
    same "$before" "$("$STOREFS" get "$store" attributes | jq 'del(.metadata)')" "what came back"
    same attributes "$("$STOREFS" ls "$store")" "nothing is left over"
    "$STOREFS" set "$store" other '{"a":1}'
    refuses "holds no attribute index" attributes "$store" find a --key other
}

# Both add to the same posting all the time.
two_processes() {
    local store=sqlite:$TMPDIR/shared i
    attributes "$store" add first type document --layout postings
    for who in a b; do
        (for i in $(seq 15); do attributes "$store" add "$who$i" type document || exit 1; done) &
    done
    wait -n && wait -n || fail "a change failed"
    same 31 "$(attributes "$store" find type=document | sort -u | wc -l)" "ids of both"
    same "31 1 1 31 1" "$(attributes "$store" | cut -f 2 | lines)" "their number"
}

mounted() {
    local mount=$TMPDIR/mnt
    up memory: "$mount"
    basics "$mount"
    same 1 "$(jq -r '.index.type | length' "$mount/keys/attributes")" "the document in the mount"
    works attributes "$mount/keys/own.json" add e a 1
    same 1 "$(jq -r .metadata.entityCount "$mount/keys/own.json")" "a file in the mount"
    mkdir "$mount/tx/t"
    works attributes "$mount/tx/t" add inside type document
    same "" "$(attributes "$mount" find type=document | grep inside)" "not committed"
    echo > "$mount/tx/t/commit"
    same inside "$(attributes "$mount" find type=document | grep inside)" "committed"
    down "$mount"
    up "sqlite:$TMPDIR/mounted" "$mount"
    works attributes "$mount" add e a 1 --layout postings
    same e "$(attributes "$mount" find a=1)" "postings of a mounted store"
    down "$mount"
}

basics "sqlite:$TMPDIR/store"
basics "json:$TMPDIR/store.js"
basics "sqlite:$TMPDIR/postings" --layout postings
basics "file:$TMPDIR/plain"
same 600 "$(stat -c %a "$TMPDIR/plain")" "the mode of a new file"
basics "$TMPDIR/made/here/index.json"
bad_files
layouts
two_processes
mounted
finish
