#!/bin/bash
# SPDX-License-Identifier: MIT
# query/ in use: odd and long names, readers that stop early or are interrupted, time limits, temporary
# files, large results, transactions.
. "$srcdir/tests/mount/lib.sh"

ROWS=100000

# Nanoseconds that the daemon of a mount has worked.
worked() {
    cat "/proc/$(daemon_of "$1")"/task/*/schedstat | awk '{ sum += $1 } END { printf "%d", sum }'
}

# The daemon has hardly worked for a while.
rests() {
    local before
    before=$(worked "$1")
    sleep 0.5
    [ $(($(worked "$1") - before)) -lt 20000000 ]
}

names() {
    local mount=$TMPDIR/names value whole cut
    up memory: "$mount"
    whole=$(printf '%0700d' 7)
    cut="${whole:0:250}%+/${whole:250:100}%+/${whole:350}"
    python3 - "$mount" "$whole" <<'PYTHON'
import json, os, sys
values = ["a b", 'say "hi"', "ü/ö", "50%", "%2F", ".", "..", "", "a%+", "x" * 255, sys.argv[2]]
for number, value in enumerate(values):
    with open(f"{sys.argv[1]}/keys/{number}", "w") as file:
        json.dump({"v": value, "odd name/x": number}, file)
PYTHON
    same '%252F %2E %2E%2E %empty %incomplete 50%25 a b a%25+ say "hi" ü%2Fö' \
        "$(ls "$mount/query/by/v" | grep -v xxx | LC_ALL=C sort | paste -sd ' ')" "values as names"
    while IFS= read -r value; do
        same 1 "$(cat "$mount/query/by/v/$value/count")" "the value $value"
    done < <(ls "$mount/query/by/v" | grep -vx '%incomplete')
    echo '{"v":"%incomplete"}' > "$mount/keys/incomplete"
    same "%25incomplete 1" "$(ls "$mount/query/by/v" | grep 25incomplete) $(cat "$mount/query/by/v/%25incomplete/count")" \
        "a value that is that text"
    same "2" "$(ls "$mount/query/by/v" | grep -c incomplete)" "and both are listed"
    rm "$mount/keys/incomplete"
    same '"odd name%2Fx" v' "$(ls "$mount/query/by" | paste -sd ' ')" "fields as names"
    same 1 "$(cat "$mount/query/by/\"odd name%2Fx\"/3/count")" "a field with blank and slash"
    same 'sum("odd name%2Fx")' "$(ls "$mount/query/aggregate" | grep 'sum.*odd')" "in a function"
    same 1 "$(cat "$mount/query/by/v/$whole/count")" "a value of 700 bytes in one name"
    same 1 "$(cat "$mount/query/by/v/$cut/count")" "and in pieces"
    same 10 "$(cat "$mount/query/where/v != %+/\"${whole:0:9}%+/${whole:9}\"/count")" "an expression in pieces"
    same "" "$(ls "$mount/query/by/v/${whole:0:250}%+")" "nothing is listed between the pieces"
    same 1 "$(cat "$mount/query/by/v/a%25+/count")" "a value that ends as a piece does"
    refuses "Invalid argument" ls "$mount/query/where/v = %+/("
    same 1 "$("$STOREFS" query "$mount" "by/v/$(printf '%0700d' 7)/count")" "the command cuts by itself"
    same 0 "$("$STOREFS" query "$mount" "by/v/$(printf '%03000d' 7)/count")" "also what no name can hold"
    refuses "Not a directory" ls "$mount/query/by/v/$cut/count/x"
    python3 - "$mount/query/where" <<'PYTHON' || fail "a query has no end"
import errno, os, sys
at = os.open(sys.argv[1], os.O_RDONLY)
for piece in range(100):
    try:
        at = os.open("a" * 1000 + "%+", os.O_RDONLY, dir_fd=at)
    except OSError as error:
        sys.exit(error.errno != errno.ENAMETOOLONG or piece < 50)
sys.exit(1)
PYTHON
    checks=$((checks + 1))
    works grep -q 'at most 65536 bytes' <(tail -n 1 "$mount/admin/errors")
    down "$mount"
}

large() {
    python3 - "$ROWS" > "$TMPDIR/large.ndjson" <<'PYTHON'
import sys
for i in range(int(sys.argv[1])):
    print('{"key":"d/%06d","value":{"type":"t%d","n":%d,"mail":"u%d@x"}}' % (i, i % 7, i * 7919 % 1000003, i))
PYTHON
    works "$STOREFS" import "memory:?snapshot=$TMPDIR/large.mem" "$TMPDIR/large.ndjson"
}

# A reader that closes early leaves the rest unread.
early() {
    local mount=$1 query="$1/query/where/n exists/values.ndjson" before all first try
    before=$(worked "$mount")
    same "$ROWS" "$(wc -l < "$query")" "all lines"
    all=$(($(worked "$mount") - before))
    for try in 1 2 3; do # the daemon may do something else meanwhile
        before=$(worked "$mount")
        same 1 "$(head -n 1 "$query" | wc -l)" "the first line"
        first=$(($(worked "$mount") - before))
        [ $((first * 4)) -lt "$all" ] && break
    done
    echo "the first line took $first ns of the daemon's time, all took $all ns"
    same 1 "$(cat "$query" | head -n 1 | wc -l)" "of a pipe that is closed"
    [ $((first * 4)) -lt "$all" ] || fail "the first line took $first ns, all took $all ns"
    same 1 "$(grep -c '"n":7919,' "$query")" "grep"
    same 7919 "$(sed -n 2p "$query" | jq .value.n)" "jq"
    cp "$mount/query/by/type/t3/values.json" "$TMPDIR/copy.json"
    same $(((ROWS + 3) / 7)) "$(jq length "$TMPDIR/copy.json")" "cp"
    same "$ROWS" "$(timeout 120 ls -U "$mount/query/order/n/keys" | wc -l)" "links to all keys"
    same "d%2F000000" "$(ls -U "$mount/query/order/n/keys" | head -n 1)" "in order"
}

slow() {
    printf 'order/n/order/mail:desc/%.0s' $(seq 100)
    echo count
}

interrupts() {
    local mount=$1 query before
    query="$1/query/$(slow)"
    SECONDS=0
    timeout -s INT 2 cat "$query" > "$TMPDIR/out" 2>&1
    same "124 0" "$? $(wc -c < "$TMPDIR/out")" "a query that was interrupted"
    [ "$SECONDS" -lt 30 ] || fail "the interruption took $SECONDS seconds"
    before=$(worked "$mount")
    eventually rests "$mount"
    before=$(($(worked "$mount") - before))
    # The whole query takes more than 20 seconds.
    [ "$before" -lt 5000000000 ] || fail "the daemon worked on for $before ns"
    timeout -s INT 1 ls "${query%count}keys" > "$TMPDIR/out" 2>&1
    same "124 0" "$? $(wc -c < "$TMPDIR/out")" "a listing that was interrupted"
    timeout -s INT 1 ls "${query%count}by/n" > "$TMPDIR/out" 2>&1
    same "124 0" "$? $(wc -c < "$TMPDIR/out")" "a completion that was interrupted"
    timeout -s INT 1 stat "${query%count}limit/1/keys/d%2F000000" > "$TMPDIR/out" 2>&1
    same "124" "$?" "a look-up that was interrupted"
    same "" "$(grep CANCELLED "$mount/admin/errors")" "no error for people"
    same "$ROWS True" "$(timeout 100 python3 - "$mount/query/order/n/order/mail/order/type/values.ndjson" <<'PYTHON'
import signal, sys
# Signals that do not end the reader do not end its query.
seen = 0
def count(*_):
    global seen
    seen += 1
signal.signal(signal.SIGALRM, count)
with open(sys.argv[1], "rb", buffering=0) as file:
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    text = file.read(65536)
    while True:
        signal.setitimer(signal.ITIMER_REAL, 0.001)
        more = file.read(65536)
        if not more:
            break
        text += more
print(text.count(b"\n"), seen > 1)
PYTHON
)" "a reader with a timer"
}

limits() {
    local mount=$TMPDIR/limits
    refuses "is no time limit" "$STOREFS" mount memory: "$mount" -o query-timeout=0
    refuses "is no time limit" "$STOREFS" mount memory: "$mount" -o query-timeout=soon
    up "memory:?snapshot=$TMPDIR/large.mem" "$mount" -o query-timeout=1
    works grep -q 'limit of this mount: 1 seconds' "$mount/README"
    refuses "timed out" cat "$mount/query/$(slow)"
    works grep -q 'longer than its limit of 1000 ms' "$mount/admin/errors"
    down "$mount"
    TMPDIR=$TMPDIR/gone up "memory:?snapshot=$TMPDIR/large.mem" "$mount" -o query-timeout=100
    same "$ROWS" "$(cat "$mount/query/count")" "a query within the limit"
    refuses "No such file" cat "$mount/query/limit/5/values.csv"
    works grep -q "$TMPDIR/gone" <(tail -n 1 "$mount/admin/errors")
    mkdir "$TMPDIR/gone"
    same 6 "$(wc -l < "$mount/query/limit/5/values.csv")" "a table, by way of a temporary file"
    same "" "$(ls "$TMPDIR/gone")" "that has no name"
    down "$mount"
}

transactions() {
    local mount=$1 query="$1/tx/t/query" before
    mkdir "$mount/tx/t"
    before=$(cat "$query/sum/n")
    echo '{"type":"new","n":5}' > "$mount/tx/t/keys/own"
    same $((before + 5)) "$(cat "$query/sum/n")" "the sum sees what was written"
    same "$before" "$(cat "$mount/query/sum/n")" "outside it is not seen"
    same "%incomplete t0 t1 t2 t3 t4 t5 t6" "$(ls "$mount/query/by/type" | paste -sd ' ')" "nor listed"
    same "5 5" "$(cat "$query/by/type/new/min/n" "$query/by/type/new/max/n" | paste -sd ' ')" "min and max"
    same "new	5" "$(cat "$query/group/type/avg/n" | head -n 1)" "groups"
    same "new" "$(cat "$query/distinct/type" | head -n 1)" "distinct values"
    same "type,n new,5" "$(cat "$query/by/type/new/select/type,n/values.csv" | tr -d '\r' | cut -d , -f 2- | paste -sd ' ')" "a table"
    same own "$(ls "$query/by/type/new/keys")" "a link"
    same '{"type":"new","n":5}' "$(cat "$query/by/type/new/keys/own")" "that leads to its keys/"
    echo '{"type":"new","n":6}' > "$mount/tx/t/keys/own"
    same "6" "$(cat "$query/by/type/new/max/n")" "nothing is kept"
    rm "$mount/tx/t/keys/own"
    refuses "No such file" stat "$query/by/type/new/keys/own"
    rmdir "$mount/tx/t"
}

names
large
mount=$TMPDIR/large
up "memory:?snapshot=$TMPDIR/large.mem" "$mount"
early "$mount"
interrupts "$mount"
transactions "$mount"
down "$mount"
limits
finish
