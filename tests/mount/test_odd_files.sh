#!/bin/bash
# SPDX-License-Identifier: MIT
# Stores on file systems that cannot do everything (odd_files.c): each either works, to the last
# byte, or is refused when it is opened, with a sentence that names the file system.
# stage: gcc
. "$srcdir/tests/mount/lib.sh"
odd=$TMPDIR/odd
mnt=$TMPDIR/mnt
mkdir "$TMPDIR/files" "$odd" "$mnt"
head -c 1500000 /dev/urandom > "$TMPDIR/large"
same_bytes() {
    works cmp "$TMPDIR/large" "$1"
}

# odd ANSWER…: another file system, with nothing on it; `other` keeps what is on it.
other() {
    ! grep -qF " $odd " /proc/self/mounts || works fusermount3 -u "$odd"
    works "$builddir/tests/mount/odd_files" "$TMPDIR/files" "$odd" "$@"
}
odd() {
    ! grep -qF " $odd " /proc/self/mounts || works fusermount3 -u "$odd"
    rm -rf "$TMPDIR/files"
    mkdir "$TMPDIR/files"
    other "$@"
}
trap 'take_down; [ "$BASHPID" != "$$" ] || { fusermount3 -uzq "$odd"; umount -l "$TMPDIR/files" 2> /dev/null; }' EXIT

store_of() {
    case $1 in
    memory) echo "memory:?snapshot=$odd/store" ;;
    *) echo "$1:$odd/store" ;;
    esac
}

# A bit of everything; at the end every byte is compared.
load() {
    local store=$1 kind=${1%%:*}
    works "$STOREFS" set "$store" a/b '{"n":1}'
    works sh -c "'$STOREFS' set '$store' large < '$TMPDIR/large'"
    works "$STOREFS" set "$store" a/b '{"n":2}'
    works "$STOREFS" set "$store" gone 1
    works "$STOREFS" rm "$store" gone
    up "$store" "$mnt"
    works sh -c "echo '{\"n\":3}' > '$mnt/keys/c' && mv '$mnt/keys/c' '$mnt/keys/d'"
    works cp "$TMPDIR/large" "$mnt/keys/copy"
    works dd "of=$mnt/keys/synced" conv=fsync,notrunc status=none if="$TMPDIR/large" count=3
    if [ "$kind" != dir ]; then
        works mkdir "$mnt/indexes/n" "$mnt/tx/t"
        works sh -c "echo 4 > '$mnt/tx/t/keys/e' && echo > '$mnt/tx/t/commit'"
    fi
    if [ "$kind" = sqlite ]; then
        works "$STOREFS" set "$store" other '{"n":5}'
        sleep 1.1
        same '{"n":5}' "$(cat "$mnt/keys/other")" "what another process wrote: $store"
    fi
    same 1 "$(cat "$mnt/query/by/n/3/count")" "a query: $store"
    works df "$mnt"
    down "$mnt"
    up "$store" "$mnt"
    same_bytes "$mnt/keys/large"
    same_bytes "$mnt/keys/copy"
    same '{"n":2}' "$(cat "$mnt/keys/a/b")" "a value: $store"
    works test ! -e "$mnt/keys/gone"
    down "$mnt"
    works "$STOREFS" backup "$store" "$odd/saved"
    works "$STOREFS" fsck "$store"
    works "$STOREFS" export "$store" "$TMPDIR/all"
    works "$STOREFS" export "${store/%store/saved}" "$TMPDIR/saved"
    works cmp "$TMPDIR/all" "$TMPDIR/saved"
}

# --- what a store can do without ---
for kind in sqlite json dir memory; do
    odd statfs=zero rename=EINVAL fallocate=ENOSYS xattr=EOPNOTSUPP type=unknown nlink=zero \
        link=EPERM chown=EPERM utimens=EPERM time=coarse fsyncdir=ENOSYS fsync=ENOSYS
    load "$(store_of "$kind")"
done
for kind in json dir memory; do
    odd statfs=EIO direct chmod=EPERM private chown=ENOSYS
    load "$(store_of "$kind")"
done

# --- the room of a mount: as far as it is known ---
room() {
    df --output="$1" "$mnt" | tail -n 1 | tr -d ' '
}
for kind in sqlite json dir memory; do
    odd statfs=zero
    up "$(store_of "$kind")" "$mnt"
    same 0 "$(room size)" "blocks where they are not known ($kind)"
    same 0 "$(room itotal)" "files where they are not known ($kind)"
    down "$mnt"
    odd
    up "$(store_of "$kind")" "$mnt"
    works test "$(room avail)" -gt 0 -a "$(room size)" -gt 0 -a "$(room iavail)" -gt 0
    down "$mnt"
done

# --- a full disk that does not know how full it is ---
head -c 400000 /dev/urandom > "$TMPDIR/value"
for kind in sqlite json; do
    works fusermount3 -u "$odd"
    works mount -t tmpfs -o size=6m none "$TMPDIR/files"
    head -c 1000000 /dev/zero > "$TMPDIR/files/ballast"
    other statfs=zero
    store=$(store_of "$kind")
    count=0
    while [ "$count" -lt 20 ] && "$STOREFS" set "$store" "$count" < "$TMPDIR/value" 2> "$TMPDIR/said"; do
        count=$((count + 1))
    done
    works test "$count" -gt 2 -a "$count" -lt 20
    works grep -qi "no space left" "$TMPDIR/said"
    works rm "$odd/ballast"
    works "$STOREFS" rm "$store" 0
    works sh -c "'$STOREFS' set '$store' 1 < '$TMPDIR/value'"
    for key in $(seq 1 $((count - 1))); do
        works sh -c "'$STOREFS' get '$store' $key | cmp - '$TMPDIR/value'"
    done
    works "$STOREFS" fsck "$store"
    works fusermount3 -u "$odd"
    works umount "$TMPDIR/files"
    odd
done

# --- what it cannot: refused at once, and nothing is made ---
no() {
    local sentence=$1 kinds=$2 kind
    shift 2
    for kind in $kinds; do
        odd "$@"
        refuses "$sentence" timeout 100 "$STOREFS" set "$(store_of "$kind")" key value
        [ "$kind" = dir ] || same "" "$(ls "$odd")" "files of a $kind store that was refused ($*)"
    done
}
all="sqlite json dir memory"
no "has no locks" "$all" lock=ENOLCK
no "has no locks" "sqlite json" lock=ENOSYS
no "has no locks" "sqlite json" lock=EOPNOTSUPP
no "cannot put a file on disk" "$all" fsync=EINVAL
no "dirsync=no" "$all" fsyncdir=EINVAL
no "has no shared memory (mmap)" sqlite direct
no "(FUSE) gives a file no inode number that lasts" "$all" inode=zero
no "(FUSE) gives a file no inode number that lasts" "$all" inode=changing
no "lets every user read it; mount that with umask=077" "$all" chmod=EPERM
no "takes names that differ for the same; use sqlite:" dir case=fold

# --- with the option, where only directories cannot be put on disk ---
for kind in $all; do
    odd fsyncdir=EINVAL
    store=$(store_of "$kind")
    case $kind in memory) store="$store&dirsync=no" ;; *) store="$store?dirsync=no" ;; esac
    works "$STOREFS" set "$store" key value
    same value "$("$STOREFS" get "$store" key)" "a value with dirsync=no ($kind)"
done

# --- stores that have come there from elsewhere ---
for kind in $all; do
    odd
    store=$(store_of "$kind")
    works "$STOREFS" set "$store" key value
    other lock=ENOLCK
    quick=$store
    [ "$kind" != sqlite ] || quick="$store?busy-timeout=100"
    refuses "has no locks" timeout 100 "$STOREFS" set "$quick" key changed
    other fsyncdir=EINVAL
    refuses "dirsync=no" "$STOREFS" set "$store" key changed
    other fsync=EINVAL
    refuses "" "$STOREFS" set "$store" key changed
    if [ "$kind" = sqlite ]; then
        other direct
        refuses "has no shared memory" "$STOREFS" set "$store" key changed
        other inode=zero
        refuses "no inode number" "$STOREFS" get "$store" key
    fi
    other statfs=zero
    same value "$("$STOREFS" get "$store" key)" "a value that nobody could change ($kind)"
done
works fusermount3 -u "$odd"
finish
