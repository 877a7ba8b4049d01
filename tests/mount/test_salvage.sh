#!/bin/bash
# SPDX-License-Identifier: MIT
# A damaged store as a user meets it: what export writes, with --keep-going and without, and fsck --salvage.
# stage: gcc
set -u

work=$TMPDIR/work
mkdir -p "$work/mnt"
cd "$work" || exit 1
failures=0

fail() {
    echo "FAIL (line ${BASH_LINENO[1]}): $*"
    failures=$((failures + 1))
}

# expect CODE COMMAND…: runs it, output in the files out and err.
expect() {
    local code=$1 got
    shift
    "$@" > out 2> err
    got=$?
    [[ $got -eq $code ]] || fail "exit code $got instead of $code: $* ($(head -c 300 err))"
}

same() {
    [[ $1 == "$2" ]] || fail "'$2' instead of '$1': $3"
}

says() {
    grep -q -e "$1" "${2:-err}" || fail "'$1' is not said: $(head -c 300 "${2:-err}")"
}

# All that a directory holds, its files' bytes and times.
state_of() {
    (cd "$1" && find . -type f -printf '%p %s %T@\n' -exec sha256sum {} + | sort)
}

for ((i = 1; i <= 2000; i++)); do
    printf '{"key":"k%04d","value":{"n":%d,"t":"some text that fills the pages of the table"}}\n' $i $i
done > in.ndjson
mkdir d
"$STOREFS" import sqlite:d/s in.ndjson || exit 1
"$STOREFS" index sqlite:d/s add n > out || exit 1
"$STOREFS" export sqlite:d/s whole.ndjson || exit 1
cp d/s s
pages=$(($(stat -c %s s) / 4096))

# --- a whole store: nothing is different ---
expect 0 "$STOREFS" export --keep-going sqlite:d/s kept.ndjson
cmp whole.ndjson kept.ndjson || fail "with --keep-going the export of a whole store is another one"
expect 0 "$STOREFS" fsck sqlite:d/s --salvage sqlite:whole
same '2000 saved, 0 lost, 0 doubtful' "$(cat out)" "salvage of a whole store"
expect 0 "$STOREFS" fsck sqlite:whole
"$STOREFS" export sqlite:whole kept.ndjson
cmp whole.ndjson kept.ndjson || fail "a salvaged store is another one"
expect 0 "$STOREFS" mount sqlite:d/s mnt
expect 0 "$STOREFS" export --keep-going mnt kept.ndjson
cmp whole.ndjson kept.ndjson || fail "with --keep-going the export of a mount is another one"
expect 0 "$STOREFS" fsck mnt --salvage json:mounted.json
same '2000 saved, 0 lost, 0 doubtful' "$(cat out)" "salvage of a mounted store"
expect 0 "$STOREFS" unmount mnt

# --- one damaged page of each kind: of the records, of their list of names, the head ---
record=$(sqlite3 s "SELECT pageno FROM dbstat WHERE name = 'record' AND pagetype = 'leaf' LIMIT 1 OFFSET 20")
inner=$(sqlite3 s "SELECT pageno FROM dbstat WHERE name = 'record' AND pagetype = 'internal' LIMIT 1")
names=$(sqlite3 s "SELECT pageno FROM dbstat WHERE name LIKE 'sqlite_auto%' AND pagetype = 'leaf' LIMIT 1 OFFSET 5")
for page in "$record" "$inner" "$names" 1 3; do
    rm -rf d new new.json && mkdir d && cp s d/s
    dd if=/dev/zero of=d/s bs=4096 seek=$((page - 1)) count=1 conv=notrunc status=none
    before=$(state_of d)
    code=1 lost=0
    [[ $page == "$record" ]] || code=0
    expect $code "$STOREFS" export --keep-going sqlite:d/s -
    lines=$(grep -c '"key":"k' out)
    lost=$(grep -c "'k[0-9]*' is lost" err)
    same 2000 $((lines + lost)) "page $page of $pages: lines and names of what is lost"
    [[ $page == "$record" || $lost -eq 0 ]] || fail "page $page: $lost records are lost"
    [[ $lost -lt 50 ]] || fail "page $page: $lost records are lost"
    grep -v -x -F -f whole.ndjson out > foreign && fail "page $page: lines that were never written: $(head -n 2 foreign)"
    [[ $code -eq 0 ]] || says "records written: $lines, lost: $lost, doubts: 0"
    expect $((code * 4)) "$STOREFS" fsck sqlite:d/s --salvage sqlite:new
    same "$lines saved, $lost lost, 0 doubtful" "$(tail -n 1 out)" "page $page: salvage"
    same "$lost" "$(grep -c "^'k[0-9]*' is lost" out)" "page $page: names of what is lost"
    same "$before" "$(state_of d)" "page $page: the damaged store"
    expect 0 "$STOREFS" fsck sqlite:new
    expect 0 "$STOREFS" index sqlite:new
    says '^n' out
    expect 0 "$STOREFS" export sqlite:new new.ndjson
    same "$lines" "$(grep -c '^{"key":' new.ndjson)" "page $page: records of the new store"
done

# --- without --keep-going: what comes before the damage, and the way out ---
rm -rf d && mkdir d && cp s d/s
dd if=/dev/zero of=d/s bs=4096 seek=$((record - 1)) count=1 conv=notrunc status=none
expect 4 "$STOREFS" export sqlite:d/s -
says "storefs export --keep-going sqlite:d/s"
says "storefs fsck --salvage NEWSTORE sqlite:d/s"
first=$("$STOREFS" export --keep-going sqlite:d/s - 2>&1 > /dev/null | sed -n "1s/.*'\(k[0-9]*\)' is lost.*/\1/p")
same "$((10#${first#k} - 1))" "$(wc -l < out)" "lines before the first that is lost"
cmp <(head -n "$(wc -l < out)" whole.ndjson) out || fail "what comes before the damage is another"
expect 4 "$STOREFS" export sqlite:d/s none.ndjson
[[ ! -e none.ndjson ]] || fail "half an export is there"
expect 4 "$STOREFS" fsck sqlite:d/s
says "storefs fsck --salvage NEWSTORE sqlite:d/s"

# --- what cannot be a place to save to ---
before=$(state_of d)
expect 8 "$STOREFS" fsck sqlite:d/s --salvage sqlite:new
says "not empty"
expect 8 "$STOREFS" fsck sqlite:d/s --salvage sqlite:d/s
says "not empty"
expect 16 "$STOREFS" fsck sqlite:d/s --salvage sqlite:other --repair
expect 8 "$STOREFS" fsck sqlite:d/s --salvage none:x
expect 8 "$STOREFS" fsck sqlite:none --salvage sqlite:other
expect 8 "$STOREFS" fsck sqlite:d/s --salvage sqlite:none/none
[[ ! -e other ]] || fail "a store was made for nothing"
same "$before" "$(state_of d)" "the damaged store"

# --- a file that is none of ours, and one of which nothing is left ---
head -c 100000 /dev/urandom > noise
expect 5 "$STOREFS" export --keep-going sqlite:noise -
expect 5 "$STOREFS" export --keep-going json:noise -
rm foreign
sqlite3 foreign 'CREATE TABLE record(a, b)'
expect 5 "$STOREFS" export --keep-going sqlite:foreign -

# --- the other stores ---
for uri in json:o.json 'memory:?snapshot=o.mem' dir:o.dir; do
    "$STOREFS" import "$uri" <(head -n 200 in.ndjson) || fail "import into $uri"
    case $uri in
        json:*) file=o.json ;;
        memory:*) file=o.mem ;;
        dir:*) file=o.dir/%value/log ;;
    esac
    dd if=/dev/zero of="$file" bs=1 seek=$(($(stat -c %s "$file") / 2)) count=100 conv=notrunc status=none
    expect 4 "$STOREFS" export "$uri" -
    says "storefs export --keep-going"
    expect 1 "$STOREFS" export --keep-going "$uri" -
    lines=$(grep -c '"key":"k' out)
    [[ $lines -ge 195 ]] || fail "$uri: $lines of 200 lines"
    expect 4 "$STOREFS" fsck "$uri" --salvage "sqlite:saved-${uri%%:*}"
    same "$lines" "$("$STOREFS" query "sqlite:saved-${uri%%:*}" count)" "$uri: saved"
done

# --- lengths that lie at every place ---
# Each could be that of a record which has to be summed up; together they cost a few readings of the file.
lying() {
    rm -rf to to-*
    (ulimit -t 20; exec "$STOREFS" fsck "$1" --salvage sqlite:to > out 2> err)
    code=$?
    [[ $code -lt 8 ]] || fail "$1: ended with $code: $(tail -n 1 err)"
    same 1 "$("$STOREFS" get to first 2>&1)" "$1: the record before the damage"
}
mkdir lying
cd lying || exit 1
"$STOREFS" set dir:d first 1
"$STOREFS" set 'memory:?snapshot=m' first 1
head -c 1048576 /dev/zero | "$STOREFS" set 'memory:?snapshot=m' large -
python3 - << 'P'
with open('d/%value/log', 'ab') as log:
    log.write(b'\0\0\x08\0\0\0\0\0' * 262144 + b'\x10\0\0\0\0\0\0\0' * 262144)
content = open('m', 'rb').read()
at = content.index(b'large')
with open('m', 'wb') as file:
    file.write(content[:-64] + content[at - 200:at + 8] * 8000 + b'\1' * 1048576)
P
lying dir:d
lying 'memory:?snapshot=m'
cd ..

[[ $failures -eq 0 ]] && echo "all is well"
exit $((failures > 0))
