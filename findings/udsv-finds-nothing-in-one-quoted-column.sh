#!/bin/sh
# SPDX-License-Identifier: MIT
# udsv returns no rows for a CSV file of one column in which any value is quoted.
#
# Expected: its README promises a parser for RFC 4180, in which a file may have one column and any
#   value may be quoted. A list of keys, exported, is such a file.
# Seen: an empty array and no error, whichever row has the quotes; without quotes every row is
#   there. With a second column, the same values are read.
. "$(dirname "$0")/lib.sh"
npms udsv@0.7.3
cat > "$tmp/npm/parse.js" << 'END'
import { inferSchema, initParser } from 'udsv';
for (const text of [
    'key\nuser/1\nuser/2\n',
    'key\nuser/1\n"user/2"\n',
    'key,n\nuser/1,1\n"user/2",2\n',
]) {
    console.log(JSON.stringify(initParser(inferSchema(text)).stringArrs(text)));
}
END

seen 'plain, with a quoted value, with a second column' '[["user/1"],["user/2"]]
[]
[["user/1","1"],["user/2","2"]]' "$(cd "$tmp/npm" && node parse.js)"
