#!/bin/sh
# SPDX-License-Identifier: MIT
# sqlite3 -Ax ends at the first symbolic link of an archive that sqlite3 -Ac made, and exits with 0.
#
# Expected: the format of SQLite archives has symbolic links, marked by a size of -1; the function
#   that unpacks says in its source that it returns the content as it is if the size is zero or
#   below.
# Seen: the archive is made and listed without complaint. Extracting writes "error in uncompress()"
#   and stops, so that neither the link nor any file behind it is restored; the status is 0 all the
#   same. A zip archive, made by the same command, keeps the link.
# Cause: the size is put into an unsigned variable, in which -1 is no longer below zero.
. "$(dirname "$0")/lib.sh"
debs sqlite3=3.40.1-2+deb12u2 libsqlite3-0=3.40.1-2+deb12u2
cd "$tmp"
mkdir tree by-sqlar by-zip
echo one > tree/1
ln -s 1 tree/2
echo three > tree/3

made=0
(cd tree && sqlite3 ../tree.sqlar -Ac 1 2 3 && sqlite3 ../tree.zip -Ac 1 2 3) || made=$?
status=0
(cd by-sqlar && sqlite3 ../tree.sqlar -Ax) 2> message || status=$?
(cd by-zip && sqlite3 ../tree.zip -Ax)

seen 'exit status of -Ac' 0 "$made"
seen 'names by -At' '1
2
3' "$(sqlite3 tree.sqlar -At)"
seen 'message of -Ax' 'error in uncompress()' "$(grep -o 'error in uncompress()' message)"
seen 'exit status of -Ax' 0 "$status"
seen 'files restored' 1 "$(ls by-sqlar)"
seen 'files restored from zip' '1
2
3' "$(ls by-zip)"
