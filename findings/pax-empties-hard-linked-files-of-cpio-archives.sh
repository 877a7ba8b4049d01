#!/bin/sh
# SPDX-License-Identifier: MIT
# pax restores hard-linked files of a cpio archive empty, and exits with 0.
#
# Expected: its manual lists the SVR4 formats of cpio (newc, crc) among those it reads. In them the
#   names of one file share their number, and only one of them, the last, carries the content.
# Seen: pax -r links all names to one file of 0 bytes and reports nothing. cpio -i, which wrote the
#   archive, restores the content.
# Cause: the first name, which has no content yet, makes the file; the name that has the content is
#   linked to it, and the content is skipped.
. "$(dirname "$0")/lib.sh"
debs pax=1:20201030-1 cpio=2.13+dfsg-7.1
cd "$tmp"
mkdir tree by-cpio by-pax
echo 'the content' > tree/a
ln tree/a tree/b
echo 'another' > tree/c

(cd tree && printf 'a\nb\nc\n' | cpio -o -H newc --quiet) > tree.cpio
(cd by-cpio && cpio -i --quiet < ../tree.cpio)
status=0
(cd by-pax && pax -r -f ../tree.cpio) || status=$?

sizes() { (cd "$1" && stat -c '%n: %s bytes, %h links' a b c); }
seen 'restored by cpio' 'a: 12 bytes, 2 links
b: 12 bytes, 2 links
c: 8 bytes, 1 links' "$(sizes by-cpio)"
seen 'exit status of pax' 0 "$status"
seen 'restored by pax' 'a: 0 bytes, 2 links
b: 0 bytes, 2 links
c: 8 bytes, 1 links' "$(sizes by-pax)"
