#!/bin/sh
# SPDX-License-Identifier: MIT
# SQLite asks the authorizer again each time that a prepared "PRAGMA page_count" or "page_size" is run.
#
# Expected: the documentation of sqlite3_set_authorizer() says that the authorizer is asked while a
#   statement is prepared, and while it is stepped only where a change of the schema has it prepared
#   again. A program may so deny everything once its statements are prepared.
# Seen: nothing changes the schema. A prepared SELECT, and PRAGMA freelist_count and user_version,
#   run on without a question; page_count, page_size and journal_mode ask each time, and fail with
#   "not authorized" as soon as the authorizer denies.
# Cause: these pragmas mark their own statement as expired, so that each run prepares it again.
. "$(dirname "$0")/lib.sh"
debs libsqlite3-0=3.40.1-2+deb12u2 python3.11-minimal=3.11.2-6+deb12u9 \
    libpython3.11-minimal=3.11.2-6+deb12u9 libpython3.11-stdlib=3.11.2-6+deb12u9

# Python keeps a connection's statements: the second call with the same text steps the first one's.
PYTHONHOME=$tmp/root/usr python3.11 - > "$tmp/said" << 'P'
import sqlite3
db = sqlite3.connect(":memory:", isolation_level=None)
db.execute("CREATE TABLE t(x)")
denies, asked = False, 0
def judge(*_):
    global asked
    asked += 1
    return sqlite3.SQLITE_DENY if denies else sqlite3.SQLITE_OK
db.set_authorizer(judge)
for sql in ("SELECT x FROM t", "PRAGMA freelist_count", "PRAGMA user_version",
            "PRAGMA page_count", "PRAGMA page_size", "PRAGMA journal_mode"):
    denies = False
    db.execute(sql).fetchall()
    asked = 0
    db.execute(sql).fetchall()
    again = asked
    denies = True
    try:
        db.execute(sql).fetchall()
        says = "runs"
    except sqlite3.DatabaseError as error:
        says = str(error)
    print(f"{sql}: asked {again} more times; once all is denied: {says}")
P

seen 'statements that were prepared before' 'SELECT x FROM t: asked 0 more times; once all is denied: runs
PRAGMA freelist_count: asked 0 more times; once all is denied: runs
PRAGMA user_version: asked 0 more times; once all is denied: runs
PRAGMA page_count: asked 1 more times; once all is denied: not authorized
PRAGMA page_size: asked 1 more times; once all is denied: not authorized
PRAGMA journal_mode: asked 1 more times; once all is denied: not authorized' "$(cat "$tmp/said")"
