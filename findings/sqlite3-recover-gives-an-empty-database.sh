#!/bin/sh
# SPDX-License-Identifier: MIT
# "sqlite3 damaged.db .recover | sqlite3 new.db" gives an empty database on Debian 12, even from a
# sound one.
#
# Expected: SQLite's documentation names this pipe as the way to save what can be saved from a
#   damaged file; .help of the installed shell lists the command.
# Seen: .recover writes a few settings, then "SQL logic error" and exits with 1. The pipe ends with
#   the status of its last command, 0, and leaves a valid database without tables.
# Cause: .recover reads pages through sqlite_dbpage; Debian builds the library without
#   SQLITE_ENABLE_DBPAGE_VTAB.
. "$(dirname "$0")/lib.sh"
debs sqlite3=3.40.1-2+deb12u2 libsqlite3-0=3.40.1-2+deb12u2
cd "$tmp"
sqlite3 -bail sound.db 'CREATE TABLE kv(k TEXT PRIMARY KEY, v)' "INSERT INTO kv VALUES('a', 'b')"
recover=0
sqlite3 sound.db .recover > recovered.sql 2> message || recover=$?
pipe=0
sqlite3 sound.db .recover 2> /dev/null | sqlite3 new.db || pipe=$?

seen 'integrity of the source' ok "$(sqlite3 sound.db 'PRAGMA integrity_check')"
seen '.help lists it' .recover "$(sqlite3 sound.db .help | grep -o '^\.recover')"
seen 'exit status of .recover' 1 "$recover"
seen 'its message' 'sql error: SQL logic error (1)' "$(cat message)"
seen 'rows in its output' 0 "$(grep -c INSERT recovered.sql || :)"
seen 'exit status of the pipe' 0 "$pipe"
seen 'tables in the new database' 0 "$(sqlite3 new.db 'SELECT count(*) FROM sqlite_schema')"
seen 'table of pages in this build' 'no such table: sqlite_dbpage' \
    "$(sqlite3 sound.db 'SELECT 1 FROM sqlite_dbpage' 2>&1 | grep -o 'no such table: .*')"
