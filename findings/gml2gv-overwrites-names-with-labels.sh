#!/bin/sh
# SPDX-License-Identifier: MIT
# gml2gv gives a node that has a name and a label the label for both; the name is lost.
#
# Expected: its manual: no attribute is lost; those that have no like in DOT are kept as attributes.
#   Nodes are numbered in GML, so gv2gml writes what a node is called as its attribute name.
# Seen: where a node has a label too, its name is the label after gml2gv, so what gv2gml has written
#   does not come back: keys that stood for nodes are gone, and two nodes with one label cannot be
#   told apart. A node without a label keeps its name. The exit status is 0.
. "$(dirname "$0")/lib.sh"
debs graphviz=2.42.2-7+deb12u1 libcgraph6=2.42.2-7+deb12u1 libcdt5=2.42.2-7+deb12u1
cd "$tmp"
cat > users.gv << 'END'
digraph users { "user/1" [label="Ada"]; "user/2" [label="Ada"]; "user/3"; "user/1" -> "user/3" }
END
gv2gml users.gv > users.gml
status=0
gml2gv users.gml > back.gv || status=$?

seen 'names in GML' '    name "user/1"
    name "user/2"
    name "user/3"' "$(grep name users.gml)"
seen 'exit status of gml2gv' 0 "$status"
seen 'names after gml2gv' 'name="user/3"
name=Ada
name=Ada' "$(grep -o 'name=[^],;]*' back.gv | sort)"
seen 'places that still say user/1' 0 "$(grep -c user/1 back.gv || :)"
