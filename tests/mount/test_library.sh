#!/bin/bash
# SPDX-License-Identifier: MIT
# The C program in README: it is doc/examples/library.c, it compiles without a warning against the public
# headers and the shared library by the command that README shows, and prints what README says.
# stage: gcc
. "$srcdir/tests/mount/lib.sh"

# The installed places of storefs.pc are put in the build's; all else is taken from it as it is.
pkg-config() {
    PKG_CONFIG_PATH=$builddir/src${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH} command pkg-config \
        --define-variable=libdir="$builddir/.libs" \
        --define-variable=includedir="$srcdir/src/include" "$@"
}

cc() {
    $CC -std=c11 -Wall -Wextra -Wshadow -Wconversion -Werror "$@"
}

# block LANGUAGE: the first block of this language in README.
block() {
    sed -n "/^\`\`\`$1\$/,/^\`\`\`\$/{/^\`\`\`/d;p}" "$srcdir/README.md"
}

example=$srcdir/doc/examples/library.c
cd "$TMPDIR" || exit 1
block c > shown.c
same "$(sed -n '/^#include/,$p' "$example")" "$(cat shown.c)" "README's program and doc/examples/library.c"

cp "$example" library.c
command=$(sed -n '/^cc library\.c /p' "$srcdir/README.md")
same "cc library.c -o library \$(pkg-config --cflags --libs storefs)" "$command" "README's command"
works eval "$command"
# It may be linked to nothing but what it was given.
works grep -q "$builddir/.libs/libstorefs.so" <(LD_LIBRARY_PATH=$builddir/.libs ldd library)

wanted=$(sed -n '/^and prints$/,$p' "$srcdir/README.md" | sed '1,/^```$/d;/^```$/,$d')
same '{"name":"Ada"}' "$wanted" "what README says is printed"
export LD_LIBRARY_PATH=$builddir/.libs
# Twice: the first makes the store, the second opens it.
for round in first second; do
    same "$wanted" "$(./library 2>&1)" "what the program prints, $round run"
done
same 600 "$(stat -c %a library.sqlite)" "mode of the store"
same '{"name":"Ada"}' "$("$STOREFS" get sqlite:library.sqlite user/1)" "the store read by the command"

# A failure is a sentence and an exit code.
rm -f library.sqlite*
mkdir library.sqlite
refuses "library.sqlite" ./library
finish
