#!/bin/sh
# SPDX-License-Identifier: MIT
# No single call of mdb_dump backs up an LMDB environment that holds records and named databases.
#
# Expected: mdb_dump writes a database so that mdb_load can make it again, with -a all subdatabases.
#   LMDB allows records beside the named databases, in the main database.
# Seen: with -a the records of the main database are left out. Without it, a named database is
#   written as if it were a record, with the page numbers of its tree for a value; loaded, it is a
#   plain record, and no record of the named database is left. Every exit status is 0.
# Cause: the names are records of the main database, told from others by a flag that the dump format
#   lacks.
. "$(dirname "$0")/lib.sh"
debs lmdb-utils=0.9.24-1 liblmdb0=0.9.24-1
cd "$tmp"
mkdir mixed all main
records() { printf 'VERSION=3\nformat=print\ntype=btree\nHEADER=END\n %s\n %s\nDATA=END\n' "$@"; }

records alice 1 | mdb_load mixed
records bob 2 | mdb_load -s people mixed
mdb_dump -p -a mixed > all.dump
mdb_dump -p mixed > main.dump
grep -v db_pagesize all.dump | mdb_load all
grep -v db_pagesize main.dump | mdb_load main

seen 'named databases' people "$(mdb_dump -l mixed)"
seen 'keys and values of mdb_dump -a' ' bob
 2' "$(grep '^ ' all.dump)"
seen 'after mdb_dump -a and mdb_load, records in the main database' '' \
    "$(mdb_dump -p all | grep '^ alice' || :)"
seen 'in mdb_dump without -a, records of the named database' '' "$(grep '^ bob' main.dump || :)"
seen 'after mdb_dump and mdb_load, named databases' '' "$(mdb_dump -l main)"
seen 'and what became of the name' ' people' "$(mdb_dump -p main | grep '^ people')"
