#!/bin/sh
# SPDX-License-Identifier: MIT
# A dump with an empty value, or an empty key, ends gdbm_load: all records after it are lost.
#
# Expected: gdbm_dump writes what gdbm_load of the same version restores; empty items are valid.
# Seen: gdbm_dump exits with 0, gdbm_load calls the dump malformed. It leaves a database that holds
#   the records before the empty item only. The other format, gdbm_dump -H binary, refuses to write
#   it.
# Cause: an empty item has a line with its length and no line of data. The reader takes lines of
#   lengths that follow each other as one header, and so holds the length of the empty item against
#   the next item's data.
. "$(dirname "$0")/lib.sh"
debs gdbmtool=1.23-3 libgdbm6=1.23-3
cd "$tmp"

printf '%s\n' 'store user/1 Ada' 'store user/2 ""' 'store user/3 Grace' 'store user/4 Edsger' |
    gdbmtool -n full.gdbm
dumped=0
gdbm_dump full.gdbm full.dump || dumped=$?
loaded=0
gdbm_load full.dump loaded.gdbm 2> message || loaded=$?
binary=0
gdbm_dump -H binary full.gdbm binary.dump 2> binary.message || binary=$?

seen 'records, in the order of their hashes' 'user/4 Edsger
user/3 Grace
user/2 
user/1 Ada' "$(echo list | gdbmtool -r full.gdbm)"
seen 'exit status of gdbm_dump' 0 "$dumped"
seen 'records that the dump counts' '#:count=4' "$(grep count full.dump)"
seen 'exit status of gdbm_load' 1 "$loaded"
seen 'message of gdbm_load' 'Malformed data' "$(grep -o 'Malformed data' message)"
seen 'records loaded' 'user/4 Edsger
user/3 Grace' "$(echo list | gdbmtool -r loaded.gdbm)"
seen 'exit status of gdbm_dump -H binary' 1 "$binary"
