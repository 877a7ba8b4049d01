# SPDX-License-Identifier: MIT
# The attribute index beside a reference in JavaScript: programs and scripts of node.
#   attribute_scripts += tests/attribute_index/NAME.sh
attribute_scripts += tests/attribute_index/test_differential.sh tests/attribute_index/test_command.sh
test_helpers += tests/attribute_index/play
tests_attribute_index_play_SOURCES = tests/attribute_index/play.c
EXTRA_DIST += tests/attribute_index/reference.mjs tests/attribute_index/play.mjs tests/attribute_index/generate.mjs
