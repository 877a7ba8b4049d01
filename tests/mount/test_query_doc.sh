#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs every command that doc/query.md shows, on the records that it shows, and compares what they
# print with the lines "#= …" that follow them ("#! …": what they say on standard error).
set -u

failures=0
commands=0
mkdir -p "$TMPDIR/bin"
ln -s "$STOREFS" "$TMPDIR/bin/storefs"
PATH=$TMPDIR/bin:$PATH
cd "$TMPDIR" || exit 1

block() {
    sed -n "/^\`\`\`$1\$/,/^\`\`\`\$/{/^\`\`\`/d;p}" "$srcdir/doc/query.md"
}

# check: the command that was read last, whose expected lines are complete.
check() {
    [ -n "$command" ] || return 0
    commands=$((commands + 1))
    bash -o pipefail -c "$command" > out 2> err || {
        echo "FAIL: exit code of: $command: $(cat err)"
        failures=$((failures + 1))
    }
    for stream in out err; do
        cmp -s "$stream" "want-$stream" && continue
        # Importing tells of its progress.
        [ "$stream" = err ] && [ ! -s want-err ] && [ "${command#storefs import}" != "$command" ] && continue
        echo "FAIL: $command"
        diff "want-$stream" "$stream"
        failures=$((failures + 1))
    done
}

block json > shop.ndjson
command=
while IFS= read -r line; do
    case $line in
    '#= '*) printf '%s\n' "${line#\#= }" >> want-out ;;
    '#! '*) printf '%s\n' "${line#\#! }" >> want-err ;;
    *)
        check
        command=$line
        : > want-out
        : > want-err
        ;;
    esac
done < <(block sh)
check

[ "$commands" -ge 24 ] || { echo "FAIL: only $commands commands were found"; failures=$((failures + 1)); }
echo "$commands commands, $failures failures"
[ "$failures" -eq 0 ]
