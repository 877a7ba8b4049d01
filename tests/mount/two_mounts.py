# SPDX-License-Identifier: MIT
# Two mounts of one store: appends and writes of both are kept, and what one closed the other reads at
# its next open.   two_mounts.py KEYS OTHER-KEYS
import errno
import mmap
import os
import random
import sys
import time

a, b = sys.argv[1], sys.argv[2]
problems = 0
NAMES = 1.2  # seconds after which the kernel asks for names and attributes again


def same(got, wanted, what):
    global problems
    if got != wanted:
        problems += 1
        print(f"{what}: got {got!r:.80}, wanted {wanted!r:.80}")


def read(path):
    with open(path, "rb") as file:
        return file.read()


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)


def appending():
    first = os.open(a + "/log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.write(first, b"A0\n")
    os.fsync(first)
    time.sleep(NAMES)
    second = os.open(b + "/log", os.O_WRONLY | os.O_APPEND)
    wanted = [b"A0"]
    for i in range(1, 21):
        os.write(first, b"A%d\n" % i)
        os.write(second, b"B%d\n" % i)
        wanted += [b"A%d" % i, b"B%d" % i]
        if i % 3 == 0:
            os.stat(a + "/log")
        os.fsync(first if i % 2 else second)
    os.close(first)
    os.close(second)
    same(sorted(read(a + "/log").split()), sorted(wanted), "appends, first mount")
    same(sorted(read(b + "/log").split()), sorted(wanted), "appends, second mount")


# Values of some bytes: a file that was only made is committed at its release, a moment after close.
def close_to_open():
    for i in range(30):
        one, two = ((a, b), (b, a))[i % 2]
        for name, data in (("same", b"%05d" % i), ("size", b"x" * (1 + i * 7919 % 20000))):
            write(f"{one}/{name}", data)
            same(read(f"{two}/{name}"), data, f"{name}, round {i}")


# The first mount sees the other's commit by a stat while it has writes of its own.
def merging():
    write(a + "/m", b"........")
    same(read(b + "/m"), b"........", "before")
    first = os.open(a + "/m", os.O_RDWR)
    os.pwrite(first, b"A", 0)
    second = os.open(b + "/m", os.O_RDWR)
    os.pwrite(second, b"B", 7)
    os.close(second)
    time.sleep(NAMES)
    os.stat(a + "/m")
    os.close(first)
    same(read(a + "/m"), b"A......B", "merged, first mount")
    same(read(b + "/m"), b"A......B", "merged, second mount")


# A name that the other mount freed is made anew: nothing of the old file is in it.
def made_again():
    old = os.open(a + "/e", os.O_CREAT | os.O_RDWR)
    os.write(old, b"old")
    os.fsync(old)
    time.sleep(NAMES)
    os.unlink(b + "/e")
    time.sleep(NAMES)
    new = os.open(a + "/e", os.O_CREAT | os.O_EXCL | os.O_RDWR)
    os.write(new, b"n")
    os.close(new)
    os.close(old)
    same(read(b + "/e"), b"n", "made again")


# An append after the file was made longer, and a mapping of a descriptor that appends.
def append_modes():
    file = os.open(a + "/t", os.O_CREAT | os.O_RDWR | os.O_APPEND)
    os.write(file, b"0123456789")
    os.fsync(file)
    os.ftruncate(file, 20)
    os.write(file, b"x")
    os.close(file)
    same(read(b + "/t"), b"0123456789" + bytes(10) + b"x", "append behind a gap")
    file = os.open(a + "/t", os.O_RDWR | os.O_APPEND)
    with mmap.mmap(file, 21) as mapping:
        mapping[0:3] = b"abc"
        mapping.flush()
    os.close(file)
    same(read(b + "/t"), b"abc3456789" + bytes(10) + b"x", "mapping of a file that appends")


# A key with an open file becomes a directory: the file keeps its key.
def becomes_directory():
    file = os.open(a + "/k", os.O_CREAT | os.O_RDWR)
    os.write(file, b"v1")
    os.fsync(file)
    time.sleep(NAMES)
    os.rename(b + "/k", b + "/k2")
    os.mkdir(b + "/k")
    os.rename(b + "/k2", b + "/k/%value")
    write(b + "/k/below", b"")
    time.sleep(NAMES)
    os.stat(a + "/k")
    os.pwrite(file, b"v2", 0)
    os.close(file)
    same(read(b + "/k/%value"), b"v2", "a key that became a directory")


def tried(call):
    try:
        return call()
    except OSError as error:
        return errno.errorcode[error.errno]


# The other mount renames a file over one that is open here: what is done with the descriptor is not done to that
# file, nor are its bytes read. The name is the new file's at once, whoever has the old one open.
def replaced():
    for size in (10, 200000, 3 << 20):
        for change in (lambda f: os.pwrite(f, b"mine", 0), lambda f: os.ftruncate(f, 1), lambda f: os.pread(f, 8, size - 8),
                       lambda f: os.fchmod(f, 0o600), lambda f: os.posix_fallocate(f, 0, 2 * size)):
            old, new = b"o" * size, b"n" * size
            write(a + "/old", old)
            file = os.open(a + "/old", os.O_RDWR)
            write(b + "/new", new)
            os.rename(b + "/new", b + "/old")
            result = tried(lambda: change(file))
            same(result in ("ESTALE", b"o" * 8, None), True, f"a replaced file's descriptor: {result}, {size} bytes")
            same(tried(lambda: os.pwrite(file, b"mine", 0)), "ESTALE", "write to a replaced file")
            for path in (a, b):
                same(read(path + "/old") == new, True, f"the file that replaced another, {size} bytes")
            here = os.open(a + "/old", os.O_RDWR)
            os.pwrite(here, b"here", 1)
            os.close(here)
            os.close(file)
            same(read(b + "/old") == new[:1] + b"here" + new[5:], True, "written to beside the old one's descriptor")
            same(os.stat(a + "/old").st_mode & 0o777, os.stat(b + "/old").st_mode & 0o777, "mode")


# … and what was written before is lost with an error.
def replaced_while_dirty():
    write(a + "/dirty", b"old value")
    file = os.open(a + "/dirty", os.O_RDWR)
    os.pwrite(file, b"dirt", 0)
    write(b + "/new", b"new value")
    os.rename(b + "/new", b + "/dirty")
    time.sleep(NAMES)
    same(read(a + "/dirty"), b"new value", "read beside a dirty file that was replaced")
    os.unlink(a + "/dirty")
    same(tried(lambda: os.close(file)), "ESTALE", "close of a dirty file that was replaced")
    same(tried(lambda: os.stat(b + "/dirty")), "ENOENT", "removed beside a dirty file that was replaced")


# A reader of a large value keeps to the revision that is there, with no value in memory.
def grows_while_read():
    value = os.urandom(2 << 20)
    write(a + "/grows", value)
    file = os.open(a + "/grows", os.O_RDONLY | os.O_DIRECT)
    for i in range(5):
        same(os.pread(file, 4096, 4096 * i) == value[4096 * i:4096 * i + 4096], True, "read of what grows")
        with open(b + "/grows", "ab") as other:
            other.write(b"more")
    os.close(file)
    same(read(a + "/grows") == value + b"more" * 5, True, "what grew")


# Names that both make, replace and remove, as files and as directories: errors are those that a file system gives.
def same_names():
    def work(number, seconds):
        draw, top, end = random.Random(number), (a, b)[number % 2] + "/storm/", time.monotonic() + seconds
        while time.monotonic() < end:
            name, other = top + draw.choice("abc"), top + draw.choice("abc")
            flags = draw.choice((os.O_RDONLY, os.O_RDWR)) | draw.choice((0, os.O_CREAT, os.O_CREAT | os.O_EXCL, os.O_TRUNC))
            call = draw.choice((lambda: os.mkdir(name), lambda: os.rmdir(name), lambda: os.unlink(name),
                                lambda: os.rename(name, other), lambda: os.mkfifo(name),
                                lambda: os.close(os.open(name, flags | os.O_NONBLOCK, 0o666))))
            result = tried(call)
            if result not in (None, "ENOENT", "EEXIST", "ENOTEMPTY", "EISDIR", "ENOTDIR", "ESTALE", "ENXIO"):
                os.write(1, f"{result} of {name}, flags {flags:#o}\n".encode())
                os._exit(1)
        os._exit(0)
    os.mkdir(a + "/storm")
    time.sleep(NAMES)
    children = []
    for number in range(6):
        children.append(os.fork())
        if children[-1] == 0:
            work(number, 4)
    same([os.waitpid(child, 0)[1] for child in children], [0] * 6, "names of both")


def times():
    file = os.open(a + "/times", os.O_CREAT | os.O_EXCL | os.O_RDWR)
    os.write(file, b"1")
    shown = os.fstat(file)
    os.close(file)
    time.sleep(NAMES)
    for path in (a, b):
        st = os.stat(path + "/times")
        same((st.st_mtime_ns, st.st_ctime_ns), (shown.st_mtime_ns, shown.st_ctime_ns), "times")


for check in (appending, close_to_open, merging, made_again, append_modes, becomes_directory, replaced,
              replaced_while_dirty, grows_while_read, same_names, times):
    check()
print(problems, "problems")
sys.exit(problems > 0)
