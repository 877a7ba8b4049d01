#!/bin/bash
# SPDX-License-Identifier: MIT
# Tables for spreadsheets: a cell that one of them would run as a formula gets an apostrophe, numbers stay numbers,
# and without the option every byte is as it was.
. "$srcdir/tests/mount/lib.sh"
cd "$TMPDIR" || exit 1

cat > rows.ndjson << 'END'
{"key":"=1+1","value":{"n":-5,"s":"=cmd|' /C calc'!A0"}}
{"key":"b","value":{"n":"-5","s":"-1+2"}}
{"key":"c","value":{"n":-1.5e-3,"s":"@SUM(1,2)"}}
{"key":"d","value":{"n":"+1","s":"\tx"}}
{"key":"e","value":{"n":"-","s":"\r=x"}}
{"key":"f","value":{"n":"","s":"\"=x\" a=b"}}
{"key":"g","value":{"n":"-01","@h":"a, -b"}}
{"key":"h","value":{"n":"-1\n","s":"x\n=y"}}
END
# Lines end in CR LF.
sed -z -e 's/\n/\r\n/g' -e 's/X/\n/g' > plain << 'END'
key,n,s,@h
=1+1,-5,=cmd|' /C calc'!A0,
b,-5,-1+2,
c,-1.5e-3,"@SUM(1,2)",
d,+1,	x,
e,-,"R=x",
f,"","""=x"" a=b",
g,-01,,"a, -b"
h,"-1X","xX=y",
END
sed -z -e 's/\n/\r\n/g' -e 's/X/\n/g' > safe << 'END'
key,n,s,'@h
'=1+1,-5,'=cmd|' /C calc'!A0,
b,-5,'-1+2,
c,-1.5e-3,"'@SUM(1,2)",
d,'+1,'	x,
e,'-,"'R=x",
f,"","""=x"" a=b",
g,'-01,,"a, -b"
h,"'-1X","xX=y",
END
sed -i -e "s/\"R=x\"/\"\r=x\"/" -e "s/\"'R=x\"/\"'\r=x\"/" plain safe
works "$STOREFS" import rows.sqlite rows.ndjson
up rows.sqlite "$PWD/mount"
for target in rows.sqlite mount mount/query; do
    "$STOREFS" query "$target" values.csv > got
    works cmp got plain
    "$STOREFS" query "$target" values.csv --for-spreadsheet > got
    works cmp got safe
done
# What cannot be a number is held back no longer than a cell, at the end of a table too.
number=-$(printf '9%.0s' {1..70000})
printf '{"key":"k","value":{"n":%s,"s":"%s-"}}\n' "$number" "$number" | "$STOREFS" import long.sqlite
same "k,$number,'$number-" "$("$STOREFS" query long.sqlite values.csv --for-spreadsheet | tr -d '\r' | tail -n 1)" "long cells"
for form in count values.ndjson keys ''; do
    refuses "--for-spreadsheet is for a path that ends in 'values.csv'" "$STOREFS" query rows.sqlite "$form" --for-spreadsheet
done
checks=$((checks + 1))
"$STOREFS" query rows.sqlite values.csv --for-spreadsheet > /dev/full 2> said && fail "a full disk takes a table"
works grep -q 'No space left' said
down "$PWD/mount"
finish
