#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs every command that README.md and the man page show, one after another in one shell, and
# compares what they print with the lines "#= …" that follow them.
set -u

work=$TMPDIR/work
mkdir -p "$work/tree/build/quickstart" "$work/home" "$work/man/MOUNT"
ln -s "$STOREFS" "$work/tree/build/quickstart/storefs"
# As in a new shell: README itself finds the command, and says where to mount.
export HOME=$work/home
unset MOUNT
command -v storefs > /dev/null && PATH=/usr/bin:/bin
failures=0
commands=0

fail() {
    echo "FAIL: $*"
    failures=$((failures + 1))
}

end() {
    cd /
    for directory in "${MOUNT-}" "${MOUNT-}.indexed" "$work/man/notes" "$work/man/MOUNT"; do
        storefs status "$directory" > /dev/null 2>&1 && storefs unmount "$directory"
    done
}
trap end EXIT

blocks_of_readme() {
    sed -n '/^```sh$/,/^```$/{/^```/d;p}' "$srcdir/README.md"
}

blocks_of_man() {
    sed -n '/^\.Bd -literal/,/^\.Ed/{/^\./d;p}' "$srcdir/doc/man/storefs.1" | sed 's/\\(dq/"/g'
}

compare() {
    local command=$1 status=$2 expected=$3 got
    got=$(cat "$work/out")
    [ "$status" -eq 0 ] || fail "exit code $status: $command"
    [ -z "$expected" ] || [ "$got" = "$expected" ] ||
        fail "$(printf '%s\n  expected: %s\n  printed:  %s' "$command" "$expected" "$got")"
    [ -n "$expected" ] || [ -z "$got" ] || [ "$quiet" = no ] || fail "printed, but not shown: $command: $got"
}

# Reads commands and "#= …" from standard input; runs them in this shell.
run_all() {
    local line next command= expected= status=0
    while IFS= read -r line <&3 || [ -n "$line" ]; do
        case $line in
        '#= '*) expected+=${expected:+$'\n'}${line#'#= '} ;;
        '') ;;
        *)
            [ -z "$command" ] || compare "$command" "$status" "$expected"
            command=$line expected= commands=$((commands + 1))
            eval "$command" > "$work/out" < /dev/null
            status=$?
            ;;
        esac
    done 3<&0
    [ -z "$command" ] || compare "$command" "$status" "$expected"
}

cd "$work/tree" || exit 1
quiet=yes
run_all < <(blocks_of_readme)
[ "$(ls -A "$work/tree")" = build ] || fail "README's commands left in the source tree: $(ls -A "$work/tree")"
[ "$commands" -ge 30 ] || fail "only $commands commands found in README.md"

cd "$work/man" || exit 1
# The second example of the man page wants a mount with the key "a" in it.
storefs mount memory: MOUNT && storefs set MOUNT a 1 || fail "no mount for the man page"
commands=0 quiet=no
run_all < <(blocks_of_man)
[ "$commands" -ge 6 ] || fail "only $commands commands found in the man page"
[ "$(storefs get MOUNT c)" = 1 ] && [ "$(storefs get MOUNT b)" = 1 ] || fail "the example of exec did not commit"
storefs unmount MOUNT > /dev/null || fail "unmount MOUNT"

# The man page itself is well formed.
warnings=$(MANWIDTH=100 man --warnings -l "$srcdir/doc/man/storefs.1" 2>&1 > /dev/null)
[ -z "$warnings" ] || fail "man: $warnings"

# Every subcommand is in the man page, and no table has a row that the other lacks.
for name in $(storefs --list-commands); do
    grep -q "^\.It Cm $name " "$srcdir/doc/man/storefs.1" || fail "'$name' is not in the man page"
done
# Every error code is in doc/errors.md.
for code in $(sed -n 's/^    \(SFS_E_[A-Z_]*\) = .*/\1/p' "$srcdir/src/include/storefs/error.h"); do
    grep -q "^| .$code. | E[A-Z]* |" "$srcdir/doc/errors.md" || fail "$code is not in doc/errors.md"
done

echo "$failures failures"
[ "$failures" -eq 0 ]
