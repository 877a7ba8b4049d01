#!/bin/bash
# SPDX-License-Identifier: MIT
# Bad input and faults: each has its errno and its sentence, and no committed value is lost.
. "$srcdir/tests/mount/lib.sh"
mnt=$TMPDIR/mnt
store=sqlite:$TMPDIR/store.sqlite
up "$store" "$mnt"
echo committed > "$mnt/keys/k"

# said WORD: the last line of admin/errors has it.
said() {
    local line
    line=$(tail -n 1 "$mnt/admin/errors")
    checks=$((checks + 1))
    [[ $line == *"$1"* ]] || fail "admin/errors ends with '$line', without '$1'"
}

echo "-- keys that cannot be"
refuses "empty" "$STOREFS" set "$store" '' x
refuses "4095" "$STOREFS" set "$store" "$(printf 'k%.0s' $(seq 4096))" x
works "$STOREFS" set "$store" "$(printf 'k%.0s' $(seq 4095))" x
works "$STOREFS" rm "$store" "$(printf 'k%.0s' $(seq 4095))"
printf '{"key":"a\\u0000b","value":1}\n' > "$TMPDIR/nul.ndjson"
refuses "nul.ndjson:1: key 'a\\x00b'" "$STOREFS" import "$store" "$TMPDIR/nul.ndjson"
refuses "Invalid argument" sh -c "echo x > '$mnt/keys/%value'"
refuses "Invalid argument" touch "$mnt/keys/$(printf 'p%.0s' $(seq 253))%+/x"
said "cut"

echo "-- queries"
refuses "Invalid argument" cat "$mnt/query/where/n >=/count"
said "column"
refuses "Invalid argument" cat "$mnt/query/limit/many/count"
refuses "No such file" cat "$mnt/query/nonsense/count"

echo "-- transactions"
mkdir "$mnt/tx/t"
refuses "File exists" mkdir "$mnt/tx/t"
checks=$((checks + 1))
python3 - "$mnt/tx/t" << 'PYTHON' || fail "commit of a vanished transaction"
import errno, os, sys
commit = os.open(sys.argv[1] + "/commit", os.O_WRONLY)
os.rmdir(sys.argv[1])
try:
    os.write(commit, b"x")
except OSError as problem:
    sys.exit(0 if problem.errno == errno.ESTALE else problem.strerror)
sys.exit("the write succeeded")
PYTHON
refuses "No such file" touch "$mnt/tx/t/keys/x"

echo "-- a read-only mount"
mkdir "$TMPDIR/ro"
up "$store" "$TMPDIR/ro" -o ro
same committed "$(cat "$TMPDIR/ro/keys/k")" "a value in a read-only mount"
refuses "Read-only file system" sh -c "echo x > '$TMPDIR/ro/keys/k'"
refuses "Read-only file system" mkdir "$TMPDIR/ro/keys/d"
down "$TMPDIR/ro"

echo "-- mounting"
refuses "mkdir" "$STOREFS" mount "$store" "$TMPDIR/absent"
touch "$TMPDIR/file"
refuses "$TMPDIR/file" "$STOREFS" mount "$store" "$TMPDIR/file"
refuses "$mnt" "$STOREFS" mount "$store" "$mnt"
mkdir "$TMPDIR/empty"
refuses "nosuch" "$STOREFS" mount "nosuch:x" "$TMPDIR/empty"
refuses "colour" "$STOREFS" get "$store?colour=red" k
down "$mnt"

echo "-- files that are no stores"
echo "this is a letter" > "$TMPDIR/letter"
refuses "$TMPDIR/letter" "$STOREFS" get "sqlite:$TMPDIR/letter" k
same "this is a letter" "$(cat "$TMPDIR/letter")" "another program's file"
sqlite3 "$TMPDIR/other.sqlite" 'CREATE TABLE mine(x)'
refuses "another program" "$STOREFS" set "sqlite:$TMPDIR/other.sqlite" k v
same mine "$(sqlite3 "$TMPDIR/other.sqlite" .tables)" "another program's database"
cp "$TMPDIR/store.sqlite" "$TMPDIR/newer.sqlite"
sqlite3 "$TMPDIR/newer.sqlite" 'PRAGMA user_version = 999'
refuses "newer" "$STOREFS" get "sqlite:$TMPDIR/newer.sqlite" k
cp "$TMPDIR/store.sqlite" "$TMPDIR/cut.sqlite"
truncate -s 6000 "$TMPDIR/cut.sqlite"
refuses "damaged" "$STOREFS" get "sqlite:$TMPDIR/cut.sqlite" k
refuses "" "$STOREFS" fsck "sqlite:$TMPDIR/cut.sqlite"
echo '{"a": 1, "b": tru' > "$TMPDIR/cut.json"
refuses "$TMPDIR/cut.json" "$STOREFS" get "json:$TMPDIR/cut.json" a
same '{"a": 1, "b": tru' "$(cat "$TMPDIR/cut.json")" "a damaged JSON store"
works "$STOREFS" set "json:$TMPDIR/cut.json?recover=1" c 3
same '{"a": 1, "b": tru' "$(cat "$TMPDIR"/cut.json.corrupt*)" "the damaged file set aside"

echo "-- a second daemon on a json store"
up "json:$TMPDIR/store.json" "$mnt"
mkdir "$TMPDIR/second"
refuses "in use by process" "$STOREFS" mount "json:$TMPDIR/store.json" "$TMPDIR/second"
down "$mnt"

echo "-- a full disk"
mkdir "$TMPDIR/small"
if mount -t tmpfs -o size=48m none "$TMPDIR/small"; then
    up "sqlite:$TMPDIR/small/store.sqlite" "$mnt"
    echo before > "$mnt/keys/before"
    head -c 2000000 /dev/urandom > "$TMPDIR/piece"
    full=
    for i in $(seq 30); do
        cp "$TMPDIR/piece" "$mnt/keys/piece$i" 2> "$TMPDIR/said" || {
            full=$i
            break
        }
    done
    same "No space left on device" "$(grep -o 'No space left on device' "$TMPDIR/said")" "what cp says on a full disk"
    said "space"
    for ((i = 1; i < ${full:-1}; i++)); do
        works cmp "$TMPDIR/piece" "$mnt/keys/piece$i"
    done
    same before "$(cat "$mnt/keys/before")" "what was committed before"
    works rm "$mnt/keys/piece1"
    rm "$mnt"/keys/piece*
    # Small values fill the log as well; whatever fills it, everything can be removed.
    head -c 100000 "$TMPDIR/piece" > "$TMPDIR/small.piece"
    for i in $(seq 1000); do
        cp "$TMPDIR/small.piece" "$mnt/keys/small$i" 2> "$TMPDIR/said" || break
    done
    same "No space left on device" "$(grep -o 'No space left on device' "$TMPDIR/said")" "what cp says at small values"
    # What was refused goes when the last handle is let go, after close has returned: it is listed no more before.
    same "28 True False" "$(python3 - "$mnt/keys" 2>&1 <<'EOF'
import os, sys
for i in range(20):  # there may be room again, once the log has been written back
    name = f"small.more{i}"
    file = os.open(f"{sys.argv[1]}/{name}", os.O_WRONLY | os.O_CREAT)
    os.write(file, bytes(6000000))
    before = name in os.listdir(sys.argv[1])
    try:
        os.close(os.dup(file))
    except OSError as error:
        print(error.errno, before, name in os.listdir(sys.argv[1]))
        break
    os.close(file)
EOF
)" "errno of close, whether the file is listed before it and after it"
    down "$mnt"
    up "sqlite:$TMPDIR/small/store.sqlite" "$mnt"
    works rm -r "$mnt/keys/before" "$mnt"/keys/small*
    same "" "$(ls "$mnt/keys")" "after removing everything on a full disk"
    works cp "$TMPDIR/small.piece" "$mnt/keys/again"
    works cmp "$TMPDIR/small.piece" "$mnt/keys/again"
    down "$mnt"
    works "$STOREFS" fsck "sqlite:$TMPDIR/small/store.sqlite"
    # Where another file takes the last of it, what only reads works, until something is committed.
    rm "$TMPDIR/small/store.sqlite"
    seq 1500 | sed 's/.*/{"key":"doc&","value":{"n":&}}/' > "$TMPDIR/documents"
    works "$STOREFS" import "sqlite:$TMPDIR/small/queries.sqlite" "$TMPDIR/documents"
    up "sqlite:$TMPDIR/small/queries.sqlite" "$mnt"
    cat /dev/zero > "$TMPDIR/small/other" 2> /dev/null
    same 1500 "$(cat "$mnt/query/where/n > 0/count")" "a query on a full disk"
    same '{"key":"doc77","value":{"n":77}}' "$(cat "$mnt/query/by/n/77/values.ndjson")" "its rows"
    refuses "No space left on device" mkdir "$mnt/tx/a"
    said "remove other files"
    exec 3< "$mnt/query/where/n > 0/values.ndjson"
    same "{" "$(head -c 1 <&3)" "what a query begins with"
    truncate -s -200K "$TMPDIR/small/other"
    works rm "$mnt/keys/doc1"
    refuses "Stale file handle" cat <&3
    exec 3<&-
    said "remove other files"
    rm "$TMPDIR/small/other"
    same 1499 "$(cat "$mnt/query/where/n > 0/count")" "a query with room again"
    down "$mnt"
    # So it does beside a transaction, whose lease is shorter than a query's.
    up "sqlite:$TMPDIR/small/queries.sqlite" "$mnt" -o tx-timeout=60
    works cp "$TMPDIR/small.piece" "$mnt/keys/piece"
    works mkdir "$mnt/tx/a"
    cat /dev/zero > "$TMPDIR/small/other" 2> /dev/null
    same 1499 "$(cat "$mnt/query/where/n > 0/count")" "a query beside a transaction on a full disk"
    rm "$TMPDIR/small/other"
    works rmdir "$mnt/tx/a"
    down "$mnt"
    umount "$TMPDIR/small"
else
    fail "this test mounts a small tmpfs: run it as root, or in 'unshare -rm'"
fi

echo "-- the daemon killed, the directory in use"
up "$store" "$mnt"
kill -9 "$(daemon_of "$mnt")"
refuses "connect" ls "$mnt" # "is not connected", and for an instant "connection abort"
refuses "$mnt" "$STOREFS" status "$mnt"
up "$store" "$mnt"
same committed "$(cat "$mnt/keys/k")" "after kill -9 and mounting again"
(
    cd "$mnt/keys" || exit 1
    exec sleep 600
) &
sleeper=$!
eventually grep -q sleep "/proc/$sleeper/comm"
refuses "$sleeper" "$STOREFS" unmount "$mnt"
kill "$sleeper"
wait "$sleeper" 2> /dev/null

echo "-- SIGTERM commits what is open"
exec 7> "$mnt/keys/open"
echo "written, not closed" >&7
kill -TERM "$(daemon_of "$mnt")"
eventually eval '! grep -qF " $mnt " /proc/self/mounts'
exec 7>&-
same "written, not closed" "$("$STOREFS" get "$store" open)" "after SIGTERM"

echo "-- another process holds the store's write lock"
up "sqlite:$TMPDIR/held.sqlite?busy-timeout=30000" "$mnt"
works python3 - "$TMPDIR/held.sqlite" "$mnt/keys" << 'END'
import os, sqlite3, sys, time
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("BEGIN IMMEDIATE")
began = time.monotonic()
files = [open(f"{sys.argv[2]}/held{i}", "w") for i in range(4)]
took = time.monotonic() - began
database.execute("ROLLBACK")
for file in files:
    file.write("value")
    file.close()
print(f"four files were made in {took:.3f} s")
assert took < 20, took # the store waits 30 for each thing it is asked to write
END
same 'value value value value ' "$(cat "$mnt"/keys/held* | sed 's/value/& /g')" "files made meanwhile"
down "$mnt"
finish
