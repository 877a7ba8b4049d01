#!/bin/sh
# SPDX-License-Identifier: MIT
# RocksDB's own dump and load, without --hex, do not restore values of several lines: a value ends
# at its first newline, and a line of it that holds an arrow becomes a record of its own.
#
# Expected: what `ldb dump` writes of a database and `ldb load` reads into an empty one is the same
#   records, or a status other than 0. The help of both commands names no such limit.
# Seen: status 0. A document that was stored indented is cut to its first line, and its member
#   "from ==> to" is a new record, with the text before the arrow as its key. At most a warning
#   counts the lines that have no arrow. With --hex on both sides everything comes back.
. "$(dirname "$0")/lib.sh"
debs rocksdb-tools=7.8.3-2 librocksdb7.8=7.8.3-2 libgflags2.2=2.2.2-2 libsnappy1v5=1.1.9-3
cd "$tmp"
document='{
  "from ==> to": 1,
  "left ==> right": 2}'
ldb --db=first --create_if_missing put doc "$document" > put.log
ldb --db=first put plain value > put.log

status=0
ldb --db=first dump > dump.txt
ldb --db=second --create_if_missing load < dump.txt > load.log || status=$?
ldb --db=first dump --hex > dump.hex
ldb --db=third --create_if_missing --hex load < dump.hex > load.log

seen 'status of ldb load' 0 "$status"
seen 'the document before' "$document" "$(ldb --db=first get doc)"
seen 'the document after dump and load' '{' "$(ldb --db=second get doc)"
seen 'records after dump and load' '  "from : to": 1,
  "left : right": 2}
doc : {
plain : value' "$(ldb --db=second scan)"
seen 'the document after dump and load with --hex' "$document" "$(ldb --db=third get doc)"
