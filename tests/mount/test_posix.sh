#!/bin/bash
# SPDX-License-Identifier: MIT
# keys/ gives what an ordinary file system gives: errno, attributes and bytes of the same calls in both, as root
# and as other users. What a directory knows of its entries outlives the mount.
. "$srcdir/tests/mount/lib.sh"
mnt=$TMPDIR/mnt
chmod 755 "$TMPDIR"

for store in memory: "sqlite:$TMPDIR/posix.sqlite"; do
    rm -rf "$TMPDIR/plain"
    mkdir "$TMPDIR/plain"
    up "$store" "$mnt" -o allow_other
    checks=$((checks + 1))
    python3 "$srcdir/tests/mount/posix.py" "$mnt/keys" "$TMPDIR/plain" || fail "$store"
    down "$mnt"
done

# Times and link counts of directories are those of before, after a new mount.
looks() {
    (cd "$mnt/keys" && stat -c '%n %h %y %z' . d d/sub)
}
up "$store" "$mnt"
mkdir -p "$mnt/keys/d/sub/a" "$mnt/keys/d/sub/b"
for ((i = 0; i < 100; i++)); do
    mkdir "$mnt/keys/d/d$i"
done
rmdir "$mnt/keys/d/d99"
touch "$mnt/keys/d/sub/f"
sleep 1.1
touch "$mnt/keys/d/sub/g" "$mnt/keys/d/h"
rm "$mnt/keys/d/h"
before=$(looks)
down "$mnt"
up "$store" "$mnt"
same "$before" "$(looks)" "directories after a new mount"
same "102 4" "$(stat -c %h "$mnt/keys/d" "$mnt/keys/d/sub" | paste -sd ' ')" "link counts"
# A directory that only its keys make is not made to stay by the time of a change in it.
works "$STOREFS" set "$store" only/keys value
touch "$mnt/keys/only/other"
works "$STOREFS" set "$store" only/other changed
works sync "$mnt/keys/only"
down "$mnt"
works "$STOREFS" rm "$store" only/keys only/other
up "$store" "$mnt"
checks=$((checks + 1))
[ ! -e "$mnt/keys/only" ] || fail "a directory without keys stays"
# A directory's path may have as many bytes as a key. Of such a one the own value is all that can be in it.
checks=$((checks + 1))
python3 - "$mnt/keys" "$STOREFS" "$store" << 'END' || fail "the longest directory"
import errno, os, subprocess, sys
os.chdir(sys.argv[1])
above = "/".join(["d" * 255] * 15)
one, other = above + "/" + "e" * 255, above + "/" + "f" * 255
def refused(number, call, *arguments, **named):
    try:
        call(*arguments, **named)
    except OSError as error:
        assert error.errno == number, error
    else:
        raise AssertionError(f"no {errno.errorcode[number]}")
os.makedirs(above)
os.mkdir(one, 0o750)
os.rename(one, other)
refused(errno.ENOENT, os.stat, one)
assert os.stat(other).st_mode & 0o7777 == 0o750
directory = os.open(other, os.O_RDONLY | os.O_DIRECTORY)
refused(errno.ENAMETOOLONG, os.open, "x", os.O_CREAT | os.O_WRONLY, dir_fd=directory)
refused(errno.ENAMETOOLONG, os.mkdir, "x", dir_fd=directory)
with open(os.open("%value", os.O_CREAT | os.O_WRONLY, dir_fd=directory), "w") as file:
    file.write("its own")
assert subprocess.run([*sys.argv[2:3], "get", sys.argv[3], other], capture_output=True).stdout == b"its own"
assert os.listdir(directory) == ["%value"]
refused(errno.ENOTEMPTY, os.rmdir, other)
os.unlink("%value", dir_fd=directory)
os.rmdir(other)
refused(errno.ENOENT, os.stat, other)
END

# Where there is too much to count, 1 says that it is not known.
for ((i = 0; i < 140; i++)); do
    echo x > "$mnt/keys/d/sub/n$i"
done
same 1 "$(stat -c %h "$mnt/keys/d/sub")" "the link count of a large directory"
down "$mnt"
finish
