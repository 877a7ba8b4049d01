#!/bin/sh
# SPDX-License-Identifier: MIT
# On a mount of gocryptfs, an append right after a hard link is made goes to a wrong place, for
# good.
#
# Expected: link(2) changes no byte of a file and not its size; O_APPEND writes at the end.
# Seen: for a second after "ln a b" both names have the size of the encrypted file, 50 bytes more.
#   An append in that second leaves 50 zero bytes before the new text. The file stays so, after a
#   remount too.
# Cause: the reply to LINK carries the attributes of the encrypted file; the kernel believes them
#   while they are fresh, and an append begins at the size that it believes. (2.3.2 reports the
#   right size.)
. "$(dirname "$0")/lib.sh"
debs gocryptfs=2.3-1+b4
cd "$tmp"
mkdir cipher
echo passphrase > passfile
gocryptfs -q -init -scryptn 10 -passfile passfile cipher > /dev/null 2>&1
start() { mount_with gocryptfs -q -fg -passfile passfile cipher mnt 2> log; }

start
printf 'line 1\n' > mnt/a
# Within the second that the attributes are fresh, also where the machine is slow.
for number in 1 2 3 4 5; do
    ln mnt/a "mnt/link$number"
    size=$(stat -c %s mnt/a)
    printf 'line 2\n' >> mnt/a
    [ "$size" = 7 ] || break
    printf 'line 1\n' > mnt/a
done
unmount
rmdir mnt
start
text=$(tr '\0' . < mnt/a)
unmount

seen 'size after ln, of a file of 7 bytes' 57 "$size"
seen 'content after an append and a remount, with . for a zero byte' 'line 1
..................................................line 2' "$text"
