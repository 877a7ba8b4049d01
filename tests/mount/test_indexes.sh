#!/bin/bash
# SPDX-License-Identifier: MIT
# indexes/: made, used, looked at and dropped with mkdir, cat and rmdir; what unique ones refuse.
. "$srcdir/tests/mount/lib.sh"

ROWS=200000

number() {
    jq ".$2" "$1/stats"
}

same_state() {
    [ "$(number "$1" state)" = "\"$2\"" ]
}

basics() {
    local mount=$1 indexes=$1/indexes i
    for i in $(seq 12); do
        echo "{\"type\":\"doc\",\"n\":$i,\"mail\":\"m$i\",\"a\":{\"b\":$i},\"odd/name\":$i}" > "$mount/keys/d$i"
    done
    same "" "$(ls "$indexes")" "none at first"
    works mkdir "$indexes/type" "$indexes/a.b" "$indexes/type,n" "$indexes/unique:mail" "$indexes/\"odd%2Fname\""
    same "\"odd%2Fname\" a.b type type,n unique:mail" "$(ls "$indexes" | LC_ALL=C sort | paste -sd ' ')" "their names"
    same stats "$(ls "$indexes/type")" "what one holds"
    same "directory 755 regular empty file 440" \
        "$(stat -c '%F %a' "$indexes/type" "$indexes/type/stats" | paste -sd ' ')" "kinds"
    same '"ready" false true' \
        "$(number "$indexes/type" state) $(number "$indexes/type" unique) $(number "$indexes/unique:mail" unique)" "stats"
    same "12 0 0 12 12" "$(jq '.entries, .hits, .inexact, .done, .total' "$indexes/type/stats" | paste -sd ' ')" "numbers"
    works grep -q 'index a.b' "$mount/query/by/a.b/2/explain"
    same 1 "$(cat "$mount/query/by/\"odd%2Fname\"/2/count")" "an index on a field with a slash"
    same '"\"odd/name\""' "$(number "$indexes/\"odd%2Fname\"" name)" "its name"
    same 1 "$(number "$indexes/\"odd%2Fname\"" hits)" "hits"
    same 5 "$(jq '.indexes | length' "$mount/admin/stats.json")" "in admin/stats.json"
    refuses "File exists" mkdir "$indexes/type"
    works stat "$indexes/mail"
    refuses "File exists" mkdir "$indexes/unique:type"
    works grep -q "there is an index 'type'" <(tail -n 1 "$mount/admin/errors")
    refuses "Invalid argument" mkdir "$indexes/a["
    works grep -q "column 3" <(tail -n 1 "$mount/admin/errors")
    refuses "File name too long" mkdir "$indexes/$(printf 'n%.0s' $(seq 300))"
    refuses "No such file" stat "$indexes/none"
    refuses "No such file" stat "$indexes/type/none"
    refuses "No such file" rmdir "$indexes/none"
    refuses "Operation not permitted" bash -c 'echo x > "$0"' "$indexes/x"
    refuses "Operation not permitted" bash -c 'echo x > "$0"' "$indexes/type/stats"
    refuses "Is a directory" rm "$indexes/type"
    refuses "Operation not permitted" mv "$indexes/type" "$indexes/n"
    works rmdir "$indexes/type" "$indexes/type,n"
    works mkdir "$indexes/type"
    works rm -rf "$indexes/type"
    refuses "Operation not permitted" mkdir -p "$indexes/type/n"
    same 1 "$(tail -n 1 "$mount/admin/errors" | grep -c 'indexes/a.b')" "what an index in an index is told"
    works rm -r "$indexes/type"
    refuses "No such file" ls "$indexes/type"
    refuses "No such file" stat "$indexes/type"
    works "$STOREFS" index "$mount" add "$(printf 'n%.0s' $(seq 255))"
    mkdir "$mount/tx/t"
    refuses "No such file" stat "$mount/tx/t/indexes"
    refuses "is in a transaction" "$STOREFS" index "$mount/tx/t"
    rmdir "$mount/tx/t"
}

# What no file name can have is not listed, which is said.
long_name() {
    local mount=$TMPDIR/long store=$TMPDIR/long.sqlite field
    field=$(printf 'o%.0s' $(seq 255))
    up "$store" "$mount"
    works "$STOREFS" index "$store" add --unique "$field"
    same "%incomplete" "$(ls "$mount/indexes")" "an index with a long name"
    works grep -q "'storefs index' lists it" "$mount/indexes/%incomplete"
    works "$STOREFS" index "$store" drop "$field"
    same "" "$(ls "$mount/indexes")" "it is gone"
    down "$mount"
}

# A shell does not report the error of close(2); cp does.
store() {
    printf '%s\n' "$1" > "$TMPDIR/value"
    cp "$TMPDIR/value" "$2"
}

unique() {
    local mount=$1
    refuses "File exists" store '{"mail":"m1"}' "$mount/keys/other"
    works grep -q "unique:mail" <(tail -n 1 "$mount/admin/errors")
    works grep -q "'other'" <(tail -n 1 "$mount/admin/errors")
    works grep -q "'d1'" <(tail -n 1 "$mount/admin/errors")
    refuses "No such file" cat "$mount/keys/other"
    refuses "File exists" store '{"mail":"m1"}' "$mount/keys/d2"
    works grep -q "unique:mail" <(getfattr --absolute-names --only-values -n user.storefs.error "$mount/keys/d2")
    same '"m2"' "$(jq .mail "$mount/keys/d2")" "the value that was"
    works store '{"mail":"none"}' "$mount/keys/d2"
    refuses "File exists" mkdir "$mount/indexes/unique:type"
    works grep -q "'d1' and 'd10'" <(tail -n 1 "$mount/admin/errors")
    works mkdir "$mount/keys/new"
    printf '{"mail":"m3"}\n' > "$TMPDIR/value"
    refuses "File exists" cp "$TMPDIR/value" "$mount/keys/new/empty"
    refuses "File exists" cp -p "$TMPDIR/value" "$mount/keys/new/mode"
    refuses "File exists" cp "$TMPDIR/value" "$mount/fields/new/document"
    printf '{"n":13}\n' > "$mount/keys/plain"
    printf m3 > "$TMPDIR/value"
    refuses "File exists" cp "$TMPDIR/value" "$mount/fields/plain/mail"
    # Where others share the store cp has made the name at once; it goes when the file is closed.
    eventually eval '[ -z "$(ls "$mount/keys/new")" ] && ! grep -q mail "$mount/keys/plain"'
    same "" "$(ls -A "$mount/keys/new")" "what a refused copy leaves"
    same '{"n":13}' "$(cat "$mount/keys/plain")" "a document that a refused member was to be in"
    works rmdir "$mount/keys/new"
    checks=$((checks + 1))
    python3 - "$mount" <<'PYTHON' || fail "a refused member that somebody else has made since"
import errno, os, sys
mount = sys.argv[1]
member = os.open(f"{mount}/fields/plain/mail", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
os.write(member, b"m3")
with open(f"{mount}/keys/plain", "w") as file:
    file.write('{"mail":""}')
try:
    os.close(member)
except OSError as problem:
    sys.exit(problem.errno != errno.EEXIST)
sys.exit("it was accepted")
PYTHON
    sleep 0.5
    same '{"mail":""}' "$(cat "$mount/keys/plain")" "what somebody else has made"
    works rm "$mount/keys/plain"
}

command() {
    local mount=$1
    same "a.b	12" "$("$STOREFS" index "$mount" list | grep '^a.b' | cut -f 1,2)" "the list by the command"
    works "$STOREFS" index "$mount" add n
    refuses "there is an index 'n'" "$STOREFS" index "$mount" add n
    refuses "which the index 'unique:type' lets only one key hold" "$STOREFS" index "$mount" add type --unique
    refuses "column 3" "$STOREFS" index "$mount" add 'a['
    works "$STOREFS" index "$mount" add a,mail --unique
    works stat "$mount/indexes/unique:a,mail"
    works "$STOREFS" index "$mount" drop n
    refuses "there is no index 'n'" "$STOREFS" index "$mount" drop n
    refuses "No such file" stat "$mount/indexes/n"
}

# The values of a field are all listed, and at once; a build shows its progress and can be stopped.
large() {
    local mount=$TMPDIR/large seen=0 begun took try count
    python3 - "$ROWS" > "$TMPDIR/large.ndjson" <<'PYTHON'
import sys
for i in range(int(sys.argv[1])):
    last = ',"last":1' if i + 1 == int(sys.argv[1]) else ""
    print('{"key":"d/%06d","value":{"n":%d,"m":%d,"x":"%s"%s}}' % (i, i % 50, i % 20000, "y" * 200, last))
PYTHON
    works "$STOREFS" import "memory:?snapshot=$TMPDIR/large.mem" "$TMPDIR/large.ndjson"
    up "memory:?snapshot=$TMPDIR/large.mem" "$mount"
    same "last m n x" "$(ls "$mount/query/by" | paste -sd ' ')" "the fields of all keys"
    works ls -l "$mount/query/by/m" "$mount/query/by/n" "$mount/query/sum"
    works find "$mount/query" -name no-such-name
    # A sample is looked for a second at the most.
    for try in 1 2 3 4 5 6 7 8 9 10; do
        begun=$(date +%s%N)
        count=$(ls -U "$mount/query/by/m" | wc -l)
        took=$((($(date +%s%N) - begun) / 1000000))
        [ "$count" -ne 10001 ] && [ "$took" -ge 1000 ] || break
    done
    echo "the values of the first keys were listed in $took ms"
    same 10001 "$count" "the values of the first keys"
    same "%incomplete" "$(ls -U "$mount/query/by/m" | tail -n 1)" "and that these are not all"
    same "$mount/query/by/m/%incomplete" "$(compgen -f "$mount/query/by/m/%")" "also to who completes a path"
    works grep -q 'mkdir indexes/FIELD' "$mount/query/by/m/%incomplete"
    same "0 0" "$(cat "$mount/query/by/m/%25incomplete/count" "$mount/query/where/m = \"%25incomplete\"/count" | paste -sd ' ')" \
        "a value of that text"
    same "" "$(tail -n 1 "$mount/admin/errors")" "no errors"
    # On a busy machine it may be built before anybody sees that it is being built.
    for try in 1 2 3 4 5; do
        mkdir "$mount/indexes/m,n,x" &
        while kill -0 $! 2> /dev/null; do
            jq -e '.indexes[] | select(.state == "building" and .done < .total)' "$mount/admin/stats.json" \
                > /dev/null 2>&1 && seen=1
        done
        wait $! || fail "the index was not made"
        until same_state "$mount/indexes/m,n,x" ready; do seen=1; done
        [ "$seen" = 0 ] && [ "$try" -lt 5 ] || break
        rmdir "$mount/indexes/m,n,x"
    done
    same "1 $ROWS" "$seen $(number "$mount/indexes/m,n,x" entries)" "its progress was seen"
    begun=$(date +%s%N)
    same 20000 "$(ls -U "$mount/query/by/m" | wc -l)" "all values are listed"
    took=$((($(date +%s%N) - begun) / 1000000))
    echo "20000 values of $ROWS keys were listed in $took ms"
    works mkdir "$mount/indexes/n"
    until same_state "$mount/indexes/n" ready; do :; done
    begun=$(date +%s%N)
    same 50 "$(ls -U "$mount/query/by/n" | wc -l)" "fifty values are listed"
    took=$((($(date +%s%N) - begun) / 1000000))
    echo "50 values of $ROWS keys were listed in $took ms"
    rmdir "$mount/indexes/n" "$mount/indexes/m,n,x"
    local ended=0
    for try in 1 2 3 4 5; do
        mkdir "$mount/indexes/x,n,m" > /dev/null 2>&1 &
        until jq -e '.indexes[] | select(.state == "building")' "$mount/admin/stats.json" > /dev/null 2>&1 ||
            ! kill -0 $! 2> /dev/null; do :; done
        kill -TERM $! 2> /dev/null
        wait $!
        ended=$?
        [ "$ended" -eq 0 ] || break
        rmdir "$mount/indexes/x,n,m"
    done
    same "143 " "$ended $(ls "$mount/indexes")" "a build that was interrupted leaves no index"
    down "$mount"
}

# An index that takes long: mkdir returns, and its numbers can be read, and all else, while it is made.
building() {
    local store=$TMPDIR/building.sqlite mount=$TMPDIR/building
    python3 -c 'for i in range(50000): print("{\"key\":\"%d\",\"value\":{\"n\":%d,\"m\":%d}}" % (i, i, -i))' \
        > "$TMPDIR/building.ndjson"
    works "$STOREFS" import "sqlite:$store" "$TMPDIR/building.ndjson"
    up "sqlite:$store" "$mount"
    python3 - "$store" "$mount" "$(daemon_of "$mount")" <<'PYTHON' || fail "an index that is being made"
import json, os, resource, signal, sqlite3, sys, threading, time
signal.alarm(240)
store, mount = sys.argv[1:3]
daemon = int(sys.argv[3])
database = sqlite3.connect(store, isolation_level=None, timeout=0)

def stats(name):
    with open(f"{mount}/indexes/{name}/stats") as file:
        return json.load(file)

def is_building():
    return database.execute("SELECT count(*) FROM index_definition WHERE seen > 0 AND ready IS NULL"
                            " AND ended IS NULL").fetchone()[0] > 0

def hold():
    """Takes the lock of the store while some of an index is made, so that its making stands still."""
    if not is_building():
        return False
    try:
        database.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        return False
    if not is_building():
        database.execute("ROLLBACK")
    return database.in_transaction

def make_and_hold(name):
    held = False
    while not held:
        maker = threading.Thread(target=os.mkdir, args=(f"{mount}/indexes/{name}",))
        maker.start()
        while maker.is_alive() and not held:
            held = hold()
        maker.join()
        if not held:
            os.rmdir(f"{mount}/indexes/{name}")
    now = stats(name)
    assert now["state"] == "building" and 0 < now["done"] < now["total"] == 50000, now
    assert os.listdir(f"{mount}/indexes") == [name]
    with open(f"{mount}/keys/7") as file:
        assert file.read() == '{"n":7,"m":-7}'

make_and_hold("n")
database.execute("ROLLBACK")
while stats("n")["state"] != "ready":
    time.sleep(0.02)
assert stats("n")["entries"] == 50000
os.rmdir(f"{mount}/indexes/n")

make_and_hold("m")  # dropped while it is being made
database.execute("ROLLBACK")
os.rmdir(f"{mount}/indexes/m")
assert os.listdir(f"{mount}/indexes") == []

# Whoever made it is not told of a failure by mkdir any more.
make_and_hold("m")
limit = resource.prlimit(daemon, resource.RLIMIT_FSIZE)
resource.prlimit(daemon, resource.RLIMIT_FSIZE, (0, limit[1]))  # as if the disk were full
database.execute("ROLLBACK")
told = []
while not told:
    time.sleep(0.02)
    with open(f"{mount}/admin/errors") as file:
        told = [line for line in map(json.loads, file) if line["path"] == "indexes/m"]
assert told[-1]["operation"] == "mkdir" and store in told[-1]["message"], told
with open(f"{mount}/keys/7") as file:
    assert file.read() == '{"n":7,"m":-7}'
resource.prlimit(daemon, resource.RLIMIT_FSIZE, limit)
while os.listdir(f"{mount}/indexes"):
    time.sleep(0.02)
os.mkdir(f"{mount}/indexes/m")
while stats("m")["state"] != "ready":
    time.sleep(0.02)
PYTHON
    checks=$((checks + 1))
    mkdir "$mount/indexes/n,m"
    down "$mount"
    works grep -q "n,m.*ready" <("$STOREFS" index "sqlite:$store")
}

for backend in memory json sqlite; do
    echo "--- $backend"
    mount=$TMPDIR/$backend.mnt
    uri="$backend:$TMPDIR/store.$backend"
    [ "$backend" = memory ] && uri="memory:?snapshot=$TMPDIR/store.memory"
    up "$uri" "$mount"
    basics "$mount"
    unique "$mount"
    command "$mount"
    down "$mount"
    up "$uri" "$mount" -o ro
    works stat "$mount/indexes/unique:mail"
    refuses "Read-only" mkdir "$mount/indexes/new"
    down "$mount"
done
long_name
large
building
finish
