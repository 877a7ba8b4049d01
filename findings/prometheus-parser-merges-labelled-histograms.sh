#!/bin/sh
# SPDX-License-Identifier: MIT
# npm's parse-prometheus-text-format keeps one histogram or summary of each name, without labels,
# count and sum.
#
# Expected: the Prometheus text format: a histogram or summary is a family; each set of labels,
#   beside le or quantile, is a metric of its own, with buckets or quantiles, sum and count. The
#   package's README promises the result of prom2json, which gives one entry for each.
# Seen: one entry with the values of the last metric, which says nothing of its labels; the other
#   metrics, the sums and the counts are gone. Counters and gauges with labels are kept apart, as
#   they should be.
# Cause: all buckets under a name go into one object, whatever their labels; a labelled sum or count
#   goes nowhere.
. "$(dirname "$0")/lib.sh"
npms parse-prometheus-text-format@1.1.1
cat > "$tmp/npm/parse.js" << 'END'
import parse from 'parse-prometheus-text-format';
const buckets = (path, fast, all) => `seconds_bucket{path="${path}",le="1"} ${fast}
seconds_bucket{path="${path}",le="+Inf"} ${all}
seconds_sum{path="${path}"} 3.5
seconds_count{path="${path}"} ${all}
`;
const quantiles = (path, value) => `time{path="${path}",quantile="0.5"} ${value}
time_sum{path="${path}"} 9
time_count{path="${path}"} 9
`;
for (const text of [
    `# TYPE seconds histogram\n${buckets('/a', 1, 2)}${buckets('/b', 30, 40)}`,
    `# TYPE time summary\n${quantiles('/a', 1)}${quantiles('/b', 7)}`,
    '# TYPE hits counter\nhits{path="/a"} 1\nhits{path="/b"} 2\n',
]) {
    console.log(JSON.stringify(parse(text)[0].metrics));
}
END

seen 'two metrics of a histogram, of a summary, of a counter' '[{"buckets":{"1":"30","+Inf":"40"}}]
[{"quantiles":{"0.5":"7"}}]
[{"value":"1","labels":{"path":"/a"}},{"value":"2","labels":{"path":"/b"}}]' \
    "$(cd "$tmp/npm" && node parse.js)"
