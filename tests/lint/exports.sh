#!/bin/bash
# SPDX-License-Identifier: MIT
# The shared library exports exactly what the public headers declare with SFS_API.
set -eu
library=$builddir/.libs/libstorefs.so

# Names that begin with two underscores are the compiler's own (sanitizers, coverage).
nm -D --defined-only "$library" | awk '$3 !~ /^__/ { sub(/@.*/, "", $3); print $3 }' |
    sort -u > "$TMPDIR/exported"
cat "$srcdir"/src/include/storefs/*.h | perl -0777 -ne '
    s{/\*.*?\*/|//[^\n]*|^\s*#[^\n]*(?:\\\n[^\n]*)*}{}gsm;
    print "$1\n" while /\bSFS_API\b[^;{]*?\b(sfs_\w+)\s*[\(;\[]/g' | sort -u > "$TMPDIR/declared"

[ -s "$TMPDIR/exported" ] || { echo "$library exports nothing"; exit 1; }
if ! diff "$TMPDIR/declared" "$TMPDIR/exported" > "$TMPDIR/difference"; then
    sed -n 's/^</declared with SFS_API, but not in the library:/p
            s/^>/exported, but no public header declares it with SFS_API:/p' "$TMPDIR/difference"
    exit 1
fi
echo "$(wc -l < "$TMPDIR/exported") symbols"
