#!/bin/sh
# SPDX-License-Identifier: MIT
# Every header compiles alone: the public ones with nothing but the public include path, the
# internal ones with the path of their directory.
set -eu
failed=0

# alone NAME FLAG...: a file that includes only NAME compiles.
alone() {
    name=$1
    shift
    printf '#include "%s"\n#include "%s"\nint storefs_header_test;\n' "$name" "$name" > "$TMPDIR/one.c"
    # shellcheck disable=SC2086  # CC and the flags of pkg-config are lists of words
    if ! $CC -std=gnu17 -fsyntax-only -Wall -Wextra -Werror "$@" "$TMPDIR/one.c"; then
        echo "does not compile alone: $name"
        failed=1
    fi
}

cd "$srcdir"
number=0
for header in $(find src backends fs tools -name '*.h' | sort); do
    number=$((number + 1))
    case $header in
    src/include/*) alone "${header#src/include/}" -Isrc/include ;;
    src/*) alone "${header#src/}" -Isrc/include -Isrc $LIBRARY_CFLAGS ;;
    backends/*) alone "$header" -Isrc/include -Isrc -I. $LIBRARY_CFLAGS ;;
    *) alone "$header" -Isrc/include -I. -DFUSE_USE_VERSION=314 -D_FILE_OFFSET_BITS=64 $FUSE_CFLAGS ;;
    esac
done
echo "$number headers"
[ "$number" -gt 0 ] && [ "$failed" -eq 0 ]
