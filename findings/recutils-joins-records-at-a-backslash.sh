#!/bin/sh
# SPDX-License-Identifier: MIT
# csv2rec writes a value that ends in a backslash so that it swallows the records after it.
#
# Expected: csv2rec of recutils makes one record of each line of CSV, with the same values.
# Seen: the value is written as it is. In the rec format a backslash at the end of a line joins it
#   with the next one: the empty line between two records, or the next field, becomes a part of the
#   value, without the backslash. recfix finds nothing wrong, and every exit status is 0.
. "$(dirname "$0")/lib.sh"
debs recutils=1.9-2 librec1=1.9-2
cd "$tmp"
printf '%s\n' 'key,value' "1,C:\temp\\" '2,two' '3,three' > last.csv
printf '%s\n' 'value,key' 'C:\temp\,1' 'two,2' > first.csv
csv2rec last.csv > last.rec
csv2rec first.csv > first.rec

seen 'records, of 3' 2 "$(recsel -c last.rec)"
seen 'where key is 2, in CSV' '"key","value","key_2","value_2"
"1","C:\temp","2","two"' "$(recsel -e 'key = 2' last.rec | rec2csv)"
seen 'with the value in front of the key' '"value","key"
"C:\tempkey: 1",
"two","2"' "$(rec2csv first.rec)"
status=0
recfix --check last.rec || status=$?
seen 'exit status of recfix' 0 "$status"
