#!/bin/sh
# SPDX-License-Identifier: MIT
# A multigraph that ngraph.tojson writes comes back from ngraph.fromjson with one link between two
# nodes.
#
# Expected: the READMEs of the two packages: one saves a graph of ngraph.graph as JSON, the other
#   loads it. A graph that is made with multigraph may have several links between the same nodes.
# Seen: the JSON has them all; the graph that is loaded has the last one, with its data, and says
#   nothing.
# Cause: the JSON has no word of the option, and the reader makes a graph without it.
. "$(dirname "$0")/lib.sh"
npms ngraph.graph@20.1.2 ngraph.tojson@1.2.0 ngraph.fromjson@3.2.0
cat > "$tmp/npm/graph.cjs" << 'END'
const graph = require('ngraph.graph')({ multigraph: true });
graph.addLink('a', 'b', { type: 'cites' });
graph.addLink('a', 'b', { type: 'refutes' });
graph.addLink('b', 'c', { type: 'cites' });
const text = require('ngraph.tojson')(graph);
const links = [];
require('ngraph.fromjson')(text).forEachLink((link) => {
    links.push([link.fromId, link.toId, link.data.type]);
});
console.log(JSON.parse(text).links.length, JSON.stringify(links));
END

seen 'links in JSON, and those loaded' '3 [["a","b","refutes"],["b","c","cites"]]' \
    "$(cd "$tmp/npm" && node graph.cjs)"
