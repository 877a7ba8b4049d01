#!/bin/bash
# SPDX-License-Identifier: MIT
# Everything that a store holds comes back from an export: store, export, import, store, with every column of a
# record compared; and what only the mount knows yet is in an export and in a backup of it.
# stage: gcc coverage
. "$srcdir/tests/mount/lib.sh"
cd "$TMPDIR" || exit 1
mnt=$TMPDIR/mnt
store=sqlite:$TMPDIR/store.sqlite
up "$store" "$mnt"
keys=$mnt/keys

# What programs make.
works mkdir -p "$keys/empty" "$keys/dir/sub" "$keys/mode"
works chmod 1700 "$keys/mode"
echo '{"a":1,"b":"x"}' > "$keys/doc"
printf '{"a": 2}' > "$keys/dir/doc"
printf 'plain text' > "$keys/text"
printf '\001\002\003\004' > "$keys/control"
head -c 100000 /dev/urandom > "$keys/random"
head -c 1000000 /dev/zero > "$keys/zeros"
: > "$keys/nothing"
works truncate -s 100M "$keys/hole"
works truncate -s 100M "$keys/sparse"
printf middle | dd of="$keys/sparse" bs=1 seek=50000000 conv=notrunc status=none
printf tail >> "$keys/sparse"
head -c 3000000 /dev/urandom > "$keys/large"
works ln -s ../text "$keys/dir/link"
works mkfifo -m 600 "$keys/fifo"
works setfattr -n user.a -v value "$keys/text"
works setfattr -n user.empty -v "" "$keys/text"
works setfattr -n user.dir -v d "$keys/dir/sub"
works chmod 4751 "$keys/text"
works touch -h -d '1970-01-01 00:00:00.123456789 UTC' "$keys/text" "$keys/dir/link" "$keys/empty"
works touch -a -d '2001-02-03 04:05:06 UTC' "$keys/text"
echo x > "$keys/$(printf 'bytes\377')"
echo x > "$keys/quote\"\\"
works ln -s ../query/by/a/1 "$mnt/views/ones"
if [ "$(id -u)" = 0 ]; then
    works chown 12:34 "$keys/doc" "$keys/dir/sub"
    works chown -h 56:78 "$keys/dir/link"
    works mknod "$keys/null" c 1 3
fi
works "$STOREFS" index "$mnt" add a
works "$STOREFS" index "$mnt" add b,@size
works "$STOREFS" index "$mnt" add @key --unique

# A directory's time of change is written with a later change, or when the mount is asked for its store.
sleep 0.1
echo late > "$keys/dir/sub/late"
late=$(stat -c %.9Y "$keys/dir/sub")
works "$STOREFS" export "$mnt" all.ndjson
works "$STOREFS" backup "$mnt" backup.sqlite

# The columns of a record, each exported or not for a reason; a new one must be put here, and in the lines.
exported='name size kind type type_set mode uid gid device created accessed modified changed xattrs'
reasons='id revision content chunked begun data' # another store has its own; the value is compared below
reasons+=' expires'                               # nothing sets it yet: it is NULL in every row
same "$(printf '%s\n' $exported $reasons | sort)" \
    "$(sqlite3 store.sqlite 'SELECT name FROM pragma_table_info("record")' | sort)" 'columns of a record'
same 0 "$(sqlite3 store.sqlite 'SELECT count(expires) FROM record')" 'records that expire'
# A type that was found is found again, and that of a large value only when it is written whole.
columns="hex(name), size, kind, CASE WHEN type_set OR size < 1048576 THEN type END, type_set, mode, uid, gid, device,
    created, accessed, modified, changed, hex(xattrs)"
records() {
    sqlite3 "$1" "SELECT $columns FROM record ORDER BY name"
    sqlite3 "$1" "SELECT index_name FROM index_definition WHERE ready AND ended IS NULL ORDER BY index_name"
}
values() {
    (cd "$1" && find . -type f -print0 | sort -z | xargs -0 sha256sum)
}
values "$keys" > values
same 1 "$(grep -c ' ./dir/sub/late' values)" 'the list of values'
down "$mnt"
records store.sqlite > records
same "$late" "$(sqlite3 backup.sqlite \
    "SELECT printf('%d.%09d', modified / 1000000000, modified % 1000000000) FROM record WHERE hex(name) = hex('dir/sub/') || '00'")" \
    'time of change of a directory in the backup of a live mount'
records backup.sqlite > backup.records
works cmp records backup.records

works "$STOREFS" import sqlite:copy.sqlite all.ndjson
records copy.sqlite > copy.records
diff records copy.records > differences || fail "records differ after export and import: $(head -5 differences)"
works "$STOREFS" fsck sqlite:copy.sqlite
up "sqlite:$TMPDIR/copy.sqlite" "$mnt"
values "$keys" > copy.values
works cmp values copy.values
same ../query/by/a/1 "$(readlink "$mnt/views/ones")" 'a view'
down "$mnt"
works "$STOREFS" export sqlite:copy.sqlite again.ndjson
works cmp all.ndjson again.ndjson

# Holes and zeros take next to nothing, in the lines and in the store that they are imported into.
size() { grep "^{\"key\":\"$1\"" all.ndjson | wc -c; }
for key in zeros hole sparse; do
    [ "$(size $key)" -lt 400 ] || fail "the line of $key has $(size $key) bytes"
done
[ "$(size random)" -lt 134500 ] || fail "the line of random bytes has $(size random) bytes"
[ "$(size control)" -lt 300 ] || fail 'control characters are escaped'
[ "$(stat -c %s copy.sqlite)" -lt 6000000 ] || fail "the copy has $(stat -c %s copy.sqlite) bytes"

# By way of a store that keeps all in memory, and so has no holes.
grep -v '"__size":104857' all.ndjson > some.ndjson
works "$STOREFS" import json:other.json some.ndjson
works "$STOREFS" export json:other.json other.ndjson
cmp some.ndjson other.ndjson || diff some.ndjson other.ndjson > differences ||
    fail "by way of json: $(cut -c1-200 differences | head -5)"

# Lines of earlier versions, and of other programs.
cat > old.ndjson << 'END'
{"key":"zeros","value":{"__type":"text","__value":"\u0000\u0000\u0000"},"attributes":{"uid":0,"gid":0,"created":"1"}}
{"key":"bytes","value":{"__type":"bytes","__value":"AAAA/w=="}}
{"key":"plain","value":{"a":1}}
END
works "$STOREFS" import sqlite:old.sqlite old.ndjson
same '000000' "$("$STOREFS" get sqlite:old.sqlite zeros | od -An -tx1 | tr -d ' ')" 'zeros of an old line'
same '000000ff' "$("$STOREFS" get sqlite:old.sqlite bytes | od -An -tx1 | tr -d ' ')" 'bytes of an old line'
same '{"a":1}' "$("$STOREFS" get sqlite:old.sqlite plain)" 'a plain line'
finish
