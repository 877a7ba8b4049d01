#!/bin/sh
# SPDX-License-Identifier: MIT
# The SQL that sqldiff writes gives other real numbers than those of the database, and none for
# infinity.
#
# Expected: sqldiff's documentation: the output is SQL that changes the first database into the
#   second.
# Seen: a real number has 15 digits in it, too few for many: 0.1 + 0.2 becomes 0.3, and 2^53 loses
#   its last digit. After the SQL has been run, sqldiff finds the same rows different again.
#   Infinity, which a column can hold, is written as the word Inf, which SQL takes for the name of a
#   column.
# Cause: numbers are printed with a fixed count of digits instead of with as many as tell them
#   apart.
. "$(dirname "$0")/lib.sh"
debs sqlite3=3.40.1-2+deb12u2 libsqlite3-0=3.40.1-2+deb12u2 sqlite3-tools=3.40.1-2+deb12u2
cd "$tmp"
table='CREATE TABLE kv(k TEXT PRIMARY KEY, v)'
sqlite3 -bail old.db "$table"
sqlite3 -bail new.db "$table" \
    "INSERT INTO kv VALUES('sum', 0.1 + 0.2), ('large', 9007199254740992.0)"
sqldiff old.db new.db > change.sql
sqlite3 -bail old.db < change.sql
equal='SELECT k, v = 0.1 + 0.2 OR v = 9007199254740992.0 FROM kv ORDER BY k'

seen 'values equal to what was stored, in the new database' 'large|1
sum|1' "$(sqlite3 new.db "$equal")"
seen 'the same, in the old one after the SQL of sqldiff' 'large|0
sum|0' "$(sqlite3 old.db "$equal")"
seen 'what sqldiff writes then' "UPDATE kv SET v=0.3 WHERE rowid=1;
UPDATE kv SET v=9.00719925474099e+15 WHERE rowid=2;" "$(sqldiff old.db new.db)"
sqlite3 -bail new.db "UPDATE kv SET v = 1e999 WHERE k = 'sum'"
status=0
sqldiff old.db new.db | sqlite3 -bail old.db > message 2>&1 || status=$?
seen 'exit status of sqlite3 with infinity' 1 "$status"
seen 'its message' 'no such column: Inf' "$(grep -o 'no such column: Inf' message)"
