#!/bin/bash
# SPDX-License-Identifier: MIT
# What one request in fields/ costs the daemon does not grow with the depth of a document, nor with its width; what a
# change costs grows no faster than they do.
# stage: gcc
. "$srcdir/tests/mount/lib.sh"
mnt=$TMPDIR/mnt
factor=10

works $CC -D_GNU_SOURCE -DCOUNTED_ALLOCATIONS -O2 -shared -fPIC -I"$srcdir" -o "$TMPDIR/counted.so" \
    "$srcdir/tests/conformance/counted.c" -ldl
export COUNTED_CALLS=$TMPDIR/calls

# count_requests DEPTH WIDTH
count_requests() {
    head -c 56 /dev/zero > "$COUNTED_CALLS"
    LD_PRELOAD=$TMPDIR/counted.so up memory: "$mnt"
    python3 -c 'import sys
depth, width = map(int, sys.argv[1:])
inside = "".join(f",\"m{i}\":1" for i in range(width))
print("{\"d\":" * depth + "{\"o\":{}" + inside + "}" + "}" * depth)' "$1" "$2" > "$mnt/keys/doc"
    checks=$((checks + 1))
    python3 "$srcdir/tests/mount/growth.py" members "$COUNTED_CALLS" "$(daemon_of "$mnt")" "$mnt/fields" "$1" "$2" \
        > "$TMPDIR/costs.$1.$2" || fail "depth $1, width $2: a request failed"
    down "$mnt"
}

# grows DEPTH WIDTH DEPTH WIDTH: leaves in $TMPDIR/grown the requests that cost more in the second document.
grows() {
    count_requests "$1" "$2"
    count_requests "$3" "$4"
    echo "depth $1 and $3, width $2 and $4:"
    ! python3 "$srcdir/tests/mount/growth.py" compare "$TMPDIR/costs.$1.$2" "$TMPDIR/costs.$3.$4" $factor 0 \
        2> "$TMPDIR/grown"
}

does_not_grow 400 20 4000 20
does_not_grow 1 1000 1 10000
finish
