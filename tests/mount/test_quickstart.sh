#!/bin/bash
# SPDX-License-Identifier: MIT
# tools/quickstart with the built command: what it imports, the commands that it prints, twice.
set -u

demo=$TMPDIR/demo
failures=0

fail() {
    echo "FAIL: $*"
    failures=$((failures + 1))
}
trap '"$STOREFS" status "$demo/mnt" > /dev/null 2>&1 && "$STOREFS" unmount "$demo/mnt"' EXIT

export STOREFS
"$srcdir/tools/quickstart" "$demo" > "$TMPDIR/said" 2>&1 || fail "quickstart: $(cat "$TMPDIR/said")"

# Counts by jq, not by the code under test.
codes=/usr/share/iso-codes/json
all=0
for file in "$codes"/iso_3166-1.json "$codes"/iso_639-3.json "$codes"/iso_4217.json; do
    all=$((all + $(jq '.[] | length' "$file")))
done
[ "$(cat "$demo/mnt/query/count")" -eq "$all" ] || fail "$(cat "$demo/mnt/query/count") documents, not $all"
name=$(jq -r '."3166-1"[] | select(.alpha_2 == "DE") | .name' $codes/iso_3166-1.json)
[ "$(jq -r .name "$demo/mnt/keys/country/DE")" = "$name" ] || fail "country/DE has another name"
[ "$(jq -r .type "$demo/mnt/keys/currency/EUR")" = currency ] || fail "currency/EUR has another type"
[ "$(stat -c %a "$demo/demo.sqlite")" = 600 ] || fail "the store is readable for others"

# No package is listed twice.
twice=$(sed -n 's/^[a-z]* //p' "$srcdir/tools/packages" | sort | uniq -d)
[ -z "$twice" ] || fail "listed twice in tools/packages: $twice"

# Again: nothing changes, and it says so.
"$srcdir/tools/quickstart" "$demo" > "$TMPDIR/again" 2>&1 || fail "again: $(cat "$TMPDIR/again")"
grep -q 'was mounted' "$TMPDIR/again" || fail "the second run does not say that it was mounted"
grep -q 'was there' "$TMPDIR/again" || fail "the second run does not say that the store was there"
[ "$(grep -c fuse.storefs /proc/self/mounts)" -ge 1 ] || fail "not mounted"
[ "$(grep -c " $demo/mnt " /proc/self/mounts)" -eq 1 ] || fail "mounted twice"

# The commands as they are printed: each prints what it promises; the last unmounts.
mapfile -t commands < <(sed -n 's/^  \$ //p' "$TMPDIR/said")
[ "${#commands[@]}" -eq 6 ] || fail "${#commands[@]} commands, not five and unmount"
outputs=()
for command in "${commands[@]}"; do
    output=$(bash -c "$command" 2> "$TMPDIR/error") || fail "$command: $(cat "$TMPDIR/error")"
    outputs+=("$output")
    if [[ $command == *' exec '* ]]; then
        [ "$(jq -r .name "$demo/mnt/keys/country/ZZ")" = Utopia ] || fail "exec did not commit"
    fi
done
[ "$(jq -r .alpha_3 <<< "${outputs[0]}")" = DEU ] || fail "first command: ${outputs[0]}"
grep -qx country <<< "${outputs[1]}" || fail "second command: ${outputs[1]}"
[ "$(jq -r .value.name <<< "${outputs[2]}" | head -n 1)" = Afghanistan ] || fail "third command: ${outputs[2]}"
old=$(jq '[."639-3"[] | select(.name | startswith("Old "))] | length' $codes/iso_639-3.json)
[ "${outputs[3]}" -eq "$old" ] || fail "fourth command: ${outputs[3]}, not $old"
# The line that finds the command, in a new shell.
line=$(grep '^  export PATH=' "$TMPDIR/said") || fail "no line for PATH"
found=$(env -i PATH=/usr/bin:/bin bash -c "$line; command -v storefs")
[ "$found" -ef "$STOREFS" ] || fail "the line for PATH finds '$found'"
grep -q " $demo/mnt " /proc/self/mounts && fail "still mounted at the end"

echo "$failures failures"
[ "$failures" -eq 0 ]
