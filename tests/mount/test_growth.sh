#!/bin/bash
# SPDX-License-Identifier: MIT
# What one request costs the daemon does not grow with the directory in which it happens.
# stage: gcc
. "$srcdir/tests/mount/lib.sh"
mnt=$TMPDIR/mnt
small=500
factor=10
[ "${STOREFS_TEST_SCALE-}" = full ] && factor=100
large=$((factor * small))

works $CC -D_GNU_SOURCE -O2 -shared -fPIC -I"$srcdir" -o "$TMPDIR/counted.so" \
    "$srcdir/tests/conformance/counted.c" -ldl
export COUNTED_CALLS=$TMPDIR/calls

# make_store URI SIZE: files in keys/d, as fast as the backend takes them.
make_store() {
    case $1 in
    dir:*)
        store=${1#dir:}
        mkdir "${store%%\?*}"
        works python3 "$srcdir/tests/mount/growth.py" fill "${store%%\?*}/d" "$2"
        ;;
    *)
        seq 0 $(($2 - 1)) | awk '{
            printf "{\"key\":\"d/f%09d\",\"value\":{\"__type\":\"text\",\"__value\":\"value\"}}\n", $1 * 1000
        }' > "$TMPDIR/lines"
        works "$STOREFS" import "$1" "$TMPDIR/lines"
        ;;
    esac
}

# count_requests NAME URI KEYS SIZE
count_requests() {
    make_store "$2" "$4"
    head -c 56 /dev/zero > "$COUNTED_CALLS"
    LD_PRELOAD=$TMPDIR/counted.so up "$2" "$mnt"
    [ "$3" = keys ] || works mkdir "$mnt/${3%/keys}"
    checks=$((checks + 1))
    python3 "$srcdir/tests/mount/growth.py" "$COUNTED_CALLS" "$(daemon_of "$mnt")" "$mnt" "$mnt/$3" "$4" \
        > "$TMPDIR/costs.$1.$4" || fail "$1 with $4 files: a request failed"
    down "$mnt"
}

# grows NAME URI KEYS: in URI @ is a path, KEYS a directory of the mount. Leaves in $TMPDIR/grown the requests that
# cost more in a larger directory.
grows() {
    local size
    for size in $small $large; do
        count_requests "$1" "${2/@/$TMPDIR/$1.$size}" "$3" "$size"
        rm -rf "$TMPDIR/$1.$size"*
    done
    echo "$1, $small and $large files:"
    ! python3 "$srcdir/tests/mount/growth.py" compare "$TMPDIR/costs.$1.$small" "$TMPDIR/costs.$1.$large" $factor $large \
        2> "$TMPDIR/grown"
}

does_not_grow memory 'memory:?snapshot=@' keys
does_not_grow json 'json:@?autosave=0' keys
does_not_grow sqlite 'sqlite:@' keys
does_not_grow sqlite-tx 'sqlite:@' tx/t/keys
does_not_grow dir 'dir:@?fsync=0' keys
finish
