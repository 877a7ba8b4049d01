#!/bin/sh
# SPDX-License-Identifier: MIT
# An extended attribute whose name has a space, = or % comes back from bsdtar under two names, then
# three.
#
# Expected: bsdtar --xattrs stores extended attributes and restores them under the names they had.
#   Linux allows any byte but zero in a name behind "user.".
# Seen: the restored file has the attribute, and a second one with the name in percent-encoding.
#   Archived and restored once more, it has three. GNU tar restores only the encoded, wrong name.
# Cause: the pax writer stores each attribute under two keywords, both with the name encoded; the
#   reader decodes the name of one of them only.
. "$(dirname "$0")/lib.sh"
debs libarchive-tools=3.6.2-1+deb12u5 libarchive13=3.6.2-1+deb12u5 attr=1:2.5.1-4
cd "$tmp"
mkdir one two three gnu
echo text > one/file
setfattr -n 'user.my key' -v value one/file || stop "no extended attributes in $tmp"

bsdtar --xattrs -cf first.tar -C one file
bsdtar --xattrs -xpf first.tar -C two
bsdtar --xattrs -cf second.tar -C two file
bsdtar --xattrs -xpf second.tar -C three
tar --xattrs -xpf first.tar -C gnu 2> warnings

names() { getfattr "$1/file" | grep '^user' | sort; }
seen 'restored' 'user.my key
user.my%20key' "$(names two)"
seen 'archived and restored once more' 'user.my key
user.my%20key
user.my%2520key' "$(names three)"
seen 'restored by GNU tar' 'user.my%20key' "$(names gnu)"
