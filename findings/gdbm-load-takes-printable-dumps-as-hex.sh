#!/bin/sh
# SPDX-License-Identifier: MIT
# gdbm_load stores other bytes when it reads what db_dump -p wrote.
#
# Expected: its NEWS file offers a pipe from db_dump to gdbm_load to bring a Berkeley DB database to
#   GDBM. Such a dump says format=print or format=bytevalue (hexadecimal) in its header.
# Seen: the header is skipped, and every item is read as hexadecimal. Items that happen to be made
#   of an even number of hexadecimal digits, as hashes, dates and numbers are, are stored as half as
#   many other bytes. The exit status is 0.
# Cause: the reader of that format only looks for HEADER=END.
. "$(dirname "$0")/lib.sh"
debs gdbmtool=1.23-3 libgdbm6=1.23-3 db5.3-util=5.3.28+dfsg2-1 libdb5.3=5.3.28+dfsg2-1
cd "$tmp"

printf '20240131\ncafe\n20240201\nbeef\n' | db5.3_load -T -t btree dates.db
db5.3_dump -p dates.db > printable.dump
db5.3_dump dates.db > hex.dump
gdbm_load hex.dump hex.gdbm
status=0
gdbm_load printable.dump printable.gdbm || status=$?

seen 'from the hexadecimal dump' '20240131 cafe
20240201 beef' "$(echo list | gdbmtool -r hex.gdbm | sort)"
seen 'exit status with the printable dump' 0 "$status"
seen 'from the printable dump of the same database' ' $\0011 \312\376
 $\002\001 \276\357' "$(echo list | gdbmtool -r printable.gdbm | sort)"
