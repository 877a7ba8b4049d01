#!/bin/sh
# SPDX-License-Identifier: MIT
# kchashmgr import removes a record for each line without a tab, and passes over lines with two
# tabs.
#
# Expected: its manual: import takes records from a TSV file. list -pv of the same program writes
#   one.
# Seen: a value with a line break becomes two lines. The second, if it is a key, removes that key's
#   record from the database; a value with a tab is left out. The exit status is 0. With list -px
#   and import -sx, in hexadecimal, every record arrives.
. "$(dirname "$0")/lib.sh"
debs kyotocabinet-utils=1.2.79-2+b1 libkyotocabinet16v5=1.2.79-2+b1 liblzo2-2=2.10-2
cd "$tmp"
kchashmgr create from.kch
kchashmgr set from.kch ada 1
kchashmgr set from.kch note 'ask
ada'
kchashmgr set from.kch table 'a	b'
kchashmgr create text.kch
kchashmgr create hex.kch
status=0
kchashmgr list -pv from.kch | kchashmgr import text.kch > progress || status=$?
kchashmgr list -pv -px from.kch | kchashmgr import -sx hex.kch > progress

count() { kchashmgr list "$1" | grep -c . || :; }
seen 'lines of keys in the source' 3 "$(count from.kch)"
seen 'exit status of import' 0 "$status"
seen 'records imported from text' 'note	ask' "$(kchashmgr list -pv text.kch)"
seen 'keys imported from hexadecimal' 3 "$(count hex.kch)"
