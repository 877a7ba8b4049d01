#!/bin/bash
# SPDX-License-Identifier: MIT
# stage: gcc
# fields/ with large documents: they are listed, looked up in and taken apart in reasonable time; what is too large
# says so.
. "$srcdir/tests/mount/lib.sh"
a=$TMPDIR/a
up "sqlite:$TMPDIR/store.sqlite" "$a"

# 100,000 members in 10 MB, and more elements than rm sorts by inode number.
python3 - "$a/keys/large" <<'PYTHON'
import json, sys
with open(sys.argv[1], "w") as file:
    json.dump({"members": {f"name{i}": "x" * 80 for i in range(100000)}, "list": list(range(12000)), "end": 1}, file)
PYTHON
same 3 "$(ls -U "$a/fields/large" | wc -l)" "a large document"
same 100000 "$(timeout 250 ls -U "$a/fields/large/members" | wc -l)" "its members listed"
same "$(printf '%080d' 0 | tr 0 x)" "$(timeout 250 cat "$a/fields/large/members/name99999")" "its last member"
same 100000 "$(timeout 250 find "$a/fields/large/members" -size -2 -type f -printf x | wc -c)" "each looked up"
same 12000 "$(ls -f "$a/fields/large/list" | grep -c '[0-9]')" "its elements"
before=$(jq -cS .members "$a/keys/large" | md5sum)
echo 2 > "$a/fields/large/end"
same "$before" "$(jq -cS .members "$a/keys/large" | md5sum)" "a change at its end"
python3 - "$a/keys/list" <<'PYTHON'
import json, sys
with open(sys.argv[1], "w") as file:
    json.dump({"list": list(range(11000)), "keep": 1}, file)
PYTHON
works timeout 250 rm -r "$a/fields/list/list"
same '{"keep": 1}' "$(cat "$a/keys/list")" "an array that rm reads in parts"

# Too large for a document: a file to read, and a sentence.
truncate -s 70M "$TMPDIR/big"
printf '[1]' | dd of="$TMPDIR/big" conv=notrunc status=none
tr '\0' ' ' < "$TMPDIR/big" > "$a/keys/big"
same "regular file 73400320" "$(stat -c '%F %s' "$a/fields/big")" "over 64 MiB"
works cmp "$a/keys/big" "$a/fields/big"
refuses "File too large" truncate -s 0 "$a/fields/big"
works rm "$a/fields/big"
python3 -c 'import sys; open(sys.argv[1], "w").write("[" + "1," * 1000000 + "1]")' "$a/keys/wide"
refuses "File too large" ls "$a/fields/wide"
works grep -q 'more than 1000000 members' "$a/admin/errors"
works rm "$a/keys/wide"
finish
