#!/bin/bash
# SPDX-License-Identifier: MIT
# lint.pl accepts a clean tree and catches each breach that is put into it, one at a time.
set -eu
tree=$TMPDIR/tree
failed=0

# put FILE: standard input below a proper head, named in a local.mk.
put() {
    mkdir -p "$tree/$(dirname "$1")"
    { printf '/* SPDX-License-Identifier: MIT */\n/* A file of the test tree. */\n'; cat; } > "$tree/$1"
    echo "files += $1" >> "$tree/tests/local.mk"
}

clean_tree() {
    rm -rf "$tree"
    mkdir -p "$tree/tests"
    printf '# SPDX-License-Identifier: MIT\n# Names all files.\n' > "$tree/tests/local.mk"
    put src/include/storefs/error.h < /dev/null
    put src/include/storefs/store.h <<< '#include "storefs/error.h"'
    put src/include/storefs/backend_store.h <<< '#include "storefs/store.h"'
    put src/include/storefs/backend.h <<< '#include "storefs/backend_store.h"'
    put src/util/list.h <<< '#include "storefs/error.h"'
    put src/core/apply.h <<< '#include "util/list.h"'
    put src/query/parse.h <<< '#include "core/apply.h"'
    put backends/one/one.h <<< '#include "storefs/backend.h"'
    put backends/two/two.c <<< '#include "util/list.h"'
    put backends/registry.c <<< '#include "backends/one/one.h"'
    put fs/paths.h <<< '#include "storefs/store.h"'
    put fs/ops.c <<< '#include "fs/paths.h"'
    put tools/main.c <<< '#include <storefs/store.h>'
}

lint() {
    perl "$srcdir/tests/lint/lint.pl" "$tree"
}

# catches WHAT FILE PATTERN: after standard input became FILE, lint complains with PATTERN.
catches() {
    clean_tree
    put "$2"
    expect "$1" "$2:[0-9]*: .*$3"
}

expect() {
    if lint > "$TMPDIR/out"; then
        echo "lint did not fail: $1"
        failed=1
    elif ! grep -q "^$2" "$TMPDIR/out"; then
        echo "lint failed otherwise: $1"
        cat "$TMPDIR/out"
        failed=1
    fi
}

# lines N: N lines of code.
lines() {
    local number
    for ((number = 0; number < $1; number++)); do echo '    work();'; done
}

clean_tree
lint > "$TMPDIR/out" || { cat "$TMPDIR/out"; exit 1; }

catches 'util includes core' src/util/a.c 'may not include' <<< '#include "core/apply.h"'
catches 'util includes another public header' src/util/a.c 'may not include' \
    <<< '#include "storefs/store.h"'
catches 'core includes query' src/core/a.c 'may not include' <<< '#include "query/parse.h"'
catches 'layers include query' src/layers/a.c 'may not include' <<< '#include "query/parse.h"'
catches 'a public header includes core' src/include/storefs/a.h 'may not include' \
    <<< '#include "core/apply.h"'
catches 'a backend includes core' backends/two/a.c 'may not include' <<< '#include "core/apply.h"'
catches 'a backend includes another' backends/two/a.c 'may not include' \
    <<< '#include "backends/one/one.h"'
catches 'fs includes core' fs/a.c 'may not include' <<< '#include "src/core/apply.h"'
catches 'fs includes a backend' fs/a.c 'may not include' <<< '#include "backends/one/one.h"'
catches 'fs includes backend.h' fs/a.c 'may not include' <<< '#include "storefs/backend.h"'
catches 'fs includes a part of backend.h' fs/a.c 'may not include' \
    <<< '#include "storefs/backend_store.h"'
catches 'tools include util' tools/a.c 'may not include' <<< '#include <storefs/backend.h>'
catches 'a way around' fs/a.c 'no such file' <<< '#include "../src/core/apply.h"'
catches 'libfuse in the library' src/core/a.c 'libfuse' <<< '#include <fuse_lowlevel.h>'
catches 'SQLite in the core' src/core/a.c 'its engine' <<< '#include <sqlite3.h>'
catches 'a long file' src/core/a.c 'over 600' < <(lines 599)
catches 'a long function' src/core/a.c 'over 60' < <(echo 'int a(void)'; echo '{'; lines 59; echo '}')
catches 'an open end' fs/a.c 'open end' <<< "/* TO""DO */"
catches 'printing' src/core/a.c 'never prints' <<< 'int a = printf("x");'
catches 'stderr' backends/two/a.c 'never prints' <<< 'fwrite("x", 1, 1, stderr);'
catches 'reading the environment' src/core/a.c 'never prints' <<< 'char *a = getenv("x");'

clean_tree
put src/core/a.h <<< '#include "core/b.h"'
put src/core/b.h <<< '#include "core/a.h"'
expect 'a cycle' 'src/core/.*include each other'

clean_tree
echo 'int a;' > "$tree/fs/paths.h"
expect 'no licence' 'fs/paths.h:1: .*SPDX'

clean_tree
printf '/* SPDX-License-Identifier: MIT */\nint a;\n' > "$tree/fs/paths.h"
expect 'no head comment' 'fs/paths.h:2: no comment'

clean_tree
sed -i '/fs.ops.c/d' "$tree/tests/local.mk"
expect 'an unlisted file' 'fs/ops.c:1: is named in no local.mk'

# Exactly the limits, and words in strings and comments, are no breach.
clean_tree
put src/core/a.c < <(echo 'int a(void)'; echo '{'; lines 58; echo '}'; lines 537)
put src/core/b.c <<< '/* printf( */ const char *b = "exit("; int c = snprintf(0, 0, "");'
lint > "$TMPDIR/out" || { cat "$TMPDIR/out"; failed=1; }
exit "$failed"
