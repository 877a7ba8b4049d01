#!/bin/sh
# SPDX-License-Identifier: MIT
# A value of an extended attribute that ends in a zero byte loses it between getfattr --dump and
# setfattr --restore.
#
# Expected: the manual of getfattr says that the dump can be given to setfattr --restore. Values
#   that are not text are written in base64, by default.
# Seen: a value of text and one zero byte, as of C programs that store their strings whole, counts
#   as text and is written without the zero byte. The restored value is one byte shorter; nothing is
#   reported. With -e hex or -e base64 the value comes back whole; -e text loses the byte too.
. "$(dirname "$0")/lib.sh"
debs attr=1:2.5.1-4
cd "$tmp"
echo text > file
setfattr -n user.ends -v 0x616200 file || stop "no extended attributes in $tmp"
setfattr -n user.inside -v 0x610062 file

# restored OPTION...: both values in hexadecimal, after a dump with these options is restored.
restored() {
    getfattr "$@" --dump file > dump
    setfattr -x user.ends file
    setfattr -x user.inside file
    setfattr --restore=dump
    getfattr -e hex --dump file | grep '^user' | sort
    setfattr -n user.ends -v 0x616200 file
}

seen 'by default' 'user.ends=0x6162
user.inside=0x610062' "$(restored)"
seen 'with -e text' 'user.ends=0x6162
user.inside=0x610062' "$(restored -e text)"
seen 'with -e hex' 'user.ends=0x616200
user.inside=0x610062' "$(restored -e hex)"
