# SPDX-License-Identifier: MIT
# fields.py FIELDS KEYS: what only system calls can do to a member: files that are open while something else
# happens to them, renames with flags, handles that share a file.
import ctypes
import errno
import os
import sys

from refusals import refuses

fields, keys = sys.argv[1:]
libc = ctypes.CDLL(None, use_errno=True)


def put(text):
    with open(f"{keys}/py", "w") as file:
        file.write(text)


def get():
    with open(f"{keys}/py") as file:
        return file.read()


def member(name):
    return f"{fields}/py/{name}"


def rename(old, new, flags):
    if libc.renameat2(-100, os.fsencode(member(old)), -100, os.fsencode(member(new)), flags) != 0:
        raise OSError(ctypes.get_errno(), "renameat2")


def is_now(text):
    assert get() == text, get()


NOREPLACE, EXCHANGE, WHITEOUT = 1, 2, 4
put('{"a":1.0,"b":[2],"c":3}')
rename("a", "b", EXCHANGE)
is_now('{"a":[2],"b":1.0,"c":3}')
refuses(errno.EEXIST, rename, "b", "c", NOREPLACE)
rename("b", "d", NOREPLACE)
rename("c", "d", 0)
is_now('{"a":[2],"d":3}')
refuses(errno.EINVAL, rename, "a", "e", WHITEOUT)
refuses(errno.ENOENT, rename, "none", "e", 0)

# A file that is made shows to all who name it, and to others when it is closed.
made = os.open(member("made"), os.O_CREAT | os.O_RDWR)
assert os.stat(member("made")).st_size == 0
os.write(made, b"12")
assert os.stat(member("made")).st_size == 2
assert open(member("made")).read() == "12"
refuses(errno.EEXIST, os.mkdir, member("made"))
refuses(errno.EEXIST, os.open, member("made"), os.O_CREAT | os.O_EXCL | os.O_WRONLY)
is_now('{"a":[2],"d":3}')
os.fsync(made)
is_now('{"a":[2],"d":3,"made":12}')
os.write(made, b"3")
os.rename(member("made"), member("moved"))
os.close(made)
is_now('{"a":[2],"d":3,"moved":123}')

# One that is made and removed is never there; one that is renamed is committed first.
made = os.open(member("gone"), os.O_CREAT | os.O_RDWR)
os.write(made, b"x")
os.unlink(member("gone"))
refuses(errno.ENOENT, os.stat, member("gone"))
assert os.fstat(made).st_nlink == 0
assert os.pread(made, 10, 0) == b"x"
os.close(made)
made = os.open(member("early"), os.O_CREAT | os.O_WRONLY)
os.rename(member("early"), member("late"))
os.write(made, b"7\n")
os.close(made)
is_now('{"a":[2],"d":3,"moved":123,"late":7}')

# A new key, likewise.
made = os.open(f"{fields}/py2", os.O_CREAT | os.O_WRONLY, 0o600)
assert os.stat(f"{fields}/py2").st_mode & 0o777 == 0o600
refuses(errno.EEXIST, os.mkdir, f"{fields}/py2")
os.write(made, b"{}")
os.close(made)
assert os.stat(f"{keys}/py2").st_mode & 0o777 == 0o600
assert os.listdir(f"{fields}/py2") == []
os.rmdir(f"{fields}/py2")
made = os.open(f"{fields}/py2", os.O_CREAT | os.O_WRONLY)
os.unlink(f"{fields}/py2")
os.close(made)
assert not os.path.exists(f"{keys}/py2")

# Removed while open: the content stays with who has it.
held = os.open(member("late"), os.O_RDWR)
os.unlink(member("late"))
os.write(held, b"8")
assert os.pread(held, 10, 0) == b"8\n"
assert os.fstat(held).st_nlink == 0
os.close(held)
is_now('{"a":[2],"d":3,"moved":123}')

# Somebody else was there: what was read and changed in part is refused, what was added is added, what replaces replaces.
held = os.open(member("d"), os.O_RDWR)
os.pwrite(held, b"9", 0)
put('{"d":4}')
refuses(errno.ECANCELED, os.close, held)
is_now('{"d":4}')
held = os.open(member("d"), os.O_WRONLY | os.O_APPEND)
os.write(held, b"x\n")
put('{"d":5}')
os.close(held)
is_now('{"d":"5\\nx"}')
held = os.open(member("d"), os.O_WRONLY | os.O_TRUNC)
os.write(held, b"6")
put('{"d":[],"c":1}')
refuses(errno.EISDIR, os.close, held)
held = os.open(member("c"), os.O_WRONLY | os.O_TRUNC)
os.write(held, b"6")
put('{"d":1, "c":{}}')
put('{"d":1, "c": "x" }')
os.close(held)
is_now('{"d":1, "c": 6 }')
held = os.open(member("c"), os.O_WRONLY | os.O_TRUNC)
os.write(held, b"6")
put('{}')
refuses(errno.ESTALE, os.close, held)
held = os.open(member("n"), os.O_CREAT | os.O_WRONLY)
os.write(held, b"6")
os.unlink(f"{keys}/py")
refuses(errno.ESTALE, os.close, held)
assert not os.path.exists(f"{keys}/py")

# Documents are directories here, which nobody counts; a program that trusts a count would pass over them.
os.makedirs(f"{keys}/counted/inner")
assert os.stat(f"{keys}/counted").st_nlink == 3 and os.stat(f"{fields}/counted").st_nlink == 1
os.rmdir(f"{keys}/counted/inner")
os.rmdir(f"{keys}/counted")

# A directory that is gone, or no directory any more.
put('{"a":{"b":{}},"c":[1]}')
directory = os.open(member("a/b"), os.O_RDONLY)
array = os.open(member("c"), os.O_RDONLY)
put('{"a":{},"c":1}')
for act in (lambda: os.mkdir("x", dir_fd=directory), lambda: os.open("x", os.O_CREAT | os.O_WRONLY, dir_fd=directory),
            lambda: os.stat("x", dir_fd=directory), lambda: os.unlink("x", dir_fd=directory),
            lambda: os.mkdir("1", dir_fd=array), lambda: os.stat("0", dir_fd=array)):
    try:
        act()
        raise AssertionError("a directory that is gone took a change")
    except OSError as error:
        assert error.errno in (errno.ENOENT, errno.ESTALE, errno.ENOTDIR), error
is_now('{"a":{},"c":1}')
os.close(directory)
os.close(array)

# Two handles share what is written; seeks, holes and sizes.
put('{"s":"abc"}')
one = os.open(member("s"), os.O_RDWR)
two = os.open(member("s"), os.O_RDONLY)
os.pwrite(one, b"d\n", 6)
assert os.pread(two, 20, 0) == b"abc\n\0\0d\n", os.pread(two, 20, 0)
os.ftruncate(one, 2)
assert os.fstat(two).st_size == 2
os.close(one)
os.close(two)
is_now('{"s":"ab"}')
refuses(errno.EFBIG, os.truncate, member("s"), 1 << 40)
held = os.open(member("s"), os.O_RDWR)
refuses(errno.EFBIG, os.pwrite, held, b"x", 1 << 40)
os.close(held)
is_now('{"s":"ab"}')

# A listing read twice is as it is then.
directory = os.open(f"{fields}/py", os.O_RDONLY)
assert os.listdir(directory) == ["s"]
put('{"t":1,"u":[]}')
os.lseek(directory, 0, os.SEEK_SET)
assert sorted(os.listdir(directory)) == ["t", "u"]
os.close(directory)
os.unlink(f"{keys}/py")
