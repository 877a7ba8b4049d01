#!/bin/sh
# SPDX-License-Identifier: MIT
# fast-csv writes values without their zero characters.
#
# Expected: its documentation has options for delimiters, quotes and escapes, and none that changes
#   values; its own parser reads U+0000 like any other character.
# Seen: "a\0b" is written as "ab", with an array, an object and a stream alike. Two keys that differ
#   in it become one. csv-stringify and Papa Parse write the character.
. "$(dirname "$0")/lib.sh"
npms fast-csv@5.0.8
cat > "$tmp/npm/write.cjs" << 'END'
const csv = require('fast-csv');
const parse = (text) => new Promise((done, failed) => {
    const rows = [];
    csv.parseString(text).on('error', failed).on('data', (row) => rows.push(row))
        .on('end', () => done(rows));
});
(async () => {
    console.log(JSON.stringify(await parse('a\0b,"c\0d"\n')));
    console.log(JSON.stringify(await csv.writeToString([['a\0b', 'c\0,d']])));
})();
END

seen 'read, and written' '[["a\u0000b","c\u0000d"]]
"ab,\"c,d\""' "$(cd "$tmp/npm" && node write.cjs)"
