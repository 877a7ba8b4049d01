#!/bin/bash
# SPDX-License-Identifier: MIT
# What everyday programs seldom do: listing the mount's own directories, special files, removed files
# that are still open, results read from the middle, renames that cannot be.
. "$srcdir/tests/mount/lib.sh"
mount=$TMPDIR/mnt
up "sqlite:$TMPDIR/store.sqlite" "$mount"
cd "$mount" || exit 1

same 'README admin fields indexes keys query tx views ' "$(ls | tr '\n' ' ')" 'the root'
works ls -l admin tx query
works stat README admin/stats.json

# Kinds other than files and directories.
works mkfifo keys/fifo
same fifo "$(stat -c %F keys/fifo)" 'kind of a pipe'
works python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("keys/socket")'
same socket "$(stat -c %F keys/socket)" 'kind of a socket'
works ln -s fifo keys/link
same fifo "$(readlink keys/link)" 'target of a link'
refuses 'File exists' mkfifo keys/fifo
same '' "$("$STOREFS" get "sqlite:$TMPDIR/store.sqlite" fifo 2> /dev/null)" 'a pipe is no key'
works rm keys/fifo keys/socket keys/link

# A file that was removed while it was open.
works python3 - << 'END'
import os
file = os.open("keys/removed", os.O_CREAT | os.O_RDWR, 0o600)
os.write(file, b"value")
os.fsync(file)
os.unlink("keys/removed")
os.fchmod(file, 0o640)
os.utime(file, ns=(10**18, 2 * 10**18))
status = os.fstat(file)
assert status.st_mode & 0o7777 == 0o640, oct(status.st_mode)
assert status.st_mtime_ns == 2 * 10**18, status.st_mtime_ns
assert os.pread(file, 10, 0) == b"value"
os.close(file)
assert not os.path.exists("keys/removed")
END

# Renames and removals that cannot be.
works mkdir keys/d keys/e
echo 1 > keys/d/inside
echo 2 > keys/plain
refuses 'not empty' rmdir keys/d
refuses 'Not a directory' rmdir keys/plain
refuses 'Is a directory' python3 -c 'import os; os.rename("keys/plain", "keys/e")'
refuses 'Not a directory' python3 -c 'import os; os.rename("keys/e", "keys/plain")'
refuses 'not empty' python3 -c 'import os; os.rename("keys/e", "keys/d")'
refuses 'Invalid argument' python3 -c 'import os; os.rename("keys/d", "keys/d/below")'
refuses 'No such file' rm keys/none
refuses 'No such file' rmdir keys/none
same 1 "$(cat keys/d/inside)" 'the value behind all this'

# A result that is read from the middle, on, and back.
for ((i = 0; i < 300; i++)); do echo "{\"n\":$i}" > keys/row$i.json; done
whole=$(cat query/by/@type/json/order/n/values.ndjson)
same "${whole:1000:500}" "$(dd if=query/by/@type/json/order/n/values.ndjson bs=1 skip=1000 count=500 \
    status=none)" 'the middle of a result'
works python3 - << 'END'
import os
file = os.open("query/by/@type/json/order/n/values.ndjson", os.O_RDONLY)
head = os.pread(file, 100, 0)
later = os.pread(file, 100, 5000)
assert len(head) == 100 and len(later) == 100 and head != later
os.close(file)
END
cd /
down "$mount"
works "$STOREFS" fsck "sqlite:$TMPDIR/store.sqlite"
finish
