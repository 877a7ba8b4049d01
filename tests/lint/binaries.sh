#!/bin/bash
# SPDX-License-Identifier: MIT
# What "make install" installs: the program and the library look for no library outside of the system's
# directories, and are hardened where the compiler could (see configure.ac). Prints a table.
set -u

failures=0
fail() {
    echo "FAIL: $*"
    failures=$((failures + 1))
}

env -u MAKEFLAGS -u MAKELEVEL make -s -C "$builddir" install DESTDIR="$TMPDIR/root" > "$TMPDIR/log" 2>&1 ||
    { cat "$TMPDIR/log"; fail "make install"; }
program=$(find "$TMPDIR/root" -type f -name storefs -perm -u+x | head -n 1)
library=$(find "$TMPDIR/root" -type f -name 'libstorefs.so.*' | head -n 1)
[ -n "$program" ] && [ -n "$library" ] || fail "not installed: ${program:-storefs} ${library:-libstorefs.so}"

# has FILE WHAT PATTERN COMMAND…: whether the command's output has the pattern.
has() {
    local file=$1 what=$2 pattern=$3
    shift 3
    "$@" "$file" 2> /dev/null | grep -E "$pattern" > /dev/null && printf ' %s' "$what" && return 0
    return 1
}

flags=$(sed -n 's/^SFS_HARDEN_FLAGS = //p; s/^SFS_HARDEN_LINK = //p' "$builddir/Makefile" | tr '\n' ' ')
for file in "$program" "$library"; do
    printf '%s:' "${file##*/}"
    has "$file" 'searches a directory of its own' 'R(UN)?PATH' readelf -dW && fail "$file has a path to libraries"
    has "$file" 'executable stack' 'GNU_STACK.*RWE' readelf -lW && fail "$file has an executable stack"
    has "$file" 'text relocations' 'TEXTREL' readelf -dW && fail "$file has text relocations"
    while read -r flag what pattern command; do
        # shellcheck disable=SC2086  # the command is a list of words
        case " $flags " in
        *" $flag "*) has "$file" "$what" "$pattern" $command || fail "$file: no $what, in spite of $flag" ;;
        *) printf ' (no %s)' "$flag" ;;
        esac
    done << 'END'
-fstack-protector-strong stack-protector __stack_chk_fail readelf -sW
-D_FORTIFY_SOURCE=3 fortify __[a-z]+_chk readelf -sW
-fcf-protection control-flow endbr64 objdump -d --no-show-raw-insn
-Wl,-z,relro relro GNU_RELRO readelf -lW
-Wl,-z,now bind-now BIND_NOW readelf -dW
END
    echo
done
has "$program" 'position-independent' 'Type: +DYN' readelf -hW || fail "$program is not position-independent"
ldd "$program" | grep -q libstorefs && fail "$program takes its code from a library that somebody else may replace"
echo "$failures failures"
[ "$failures" -eq 0 ]
