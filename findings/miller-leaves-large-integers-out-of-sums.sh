#!/bin/sh
# SPDX-License-Identifier: MIT
# For Miller an integer from 2^63 on is text: sums and means leave it out, JSON output puts it in
# quotes.
#
# Expected: Miller's reference on arithmetic: a number that is no 64-bit integer but can be read as
#   floating point is floating point. 9223372036854775808 can, and is a valid number in JSON.
# Seen: it is a string, as are integers below -2^63 and 1e309. "cat" changes its type in JSON; sum
#   and mean skip it while count counts it, so they are wrong without a word; sort -nf puts it
#   behind all numbers. 9223372036854775808.0 is taken as it should be.
. "$(dirname "$0")/lib.sh"
debs miller=6.6.0-2+b3
cd "$tmp"
printf '{"n": 1}\n{"n": 9223372036854775808}\n{"n": 2}\n' > values.ndjson
cat > type.mlr << 'END'
$type = typeof($n)
END
printf '{"n": 1}\n{"n": -9223372036854775809}\n{"n": 2}\n' > negative.ndjson

seen 'mlr cat' '{"n": 1}
{"n": "9223372036854775808"}
{"n": 2}' "$(mlr --ijsonl --ojsonl cat values.ndjson)"
seen 'mlr stats1 -a sum,mean,count' '{"n_sum": 3, "n_mean": 1.5, "n_count": 3}' \
    "$(mlr --ijsonl --ojsonl stats1 -a sum,mean,count -f n values.ndjson)"
seen 'mlr sort -nf, with a number below all others' '{"n": 1}
{"n": 2}
{"n": "-9223372036854775809"}' "$(mlr --ijsonl --ojsonl sort -nf n negative.ndjson)"
seen 'type with a fraction' '{"n": 9223372036854775808.0, "type": "float"}' \
    "$(echo '{"n": 9223372036854775808.0}' | mlr --ijsonl --ojsonl put -f type.mlr)"
