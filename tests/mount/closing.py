# SPDX-License-Identifier: MIT
# closing.py FILE VALUE GOOD BAD N: what a close commits: what was written through its descriptor, and nothing that
# others are in the midst of writing. The shell command VALUE prints what the store has of FILE; GOOD may be its content,
# BAD is refused. (Space at the end is not compared: a file in fields/ ends with a newline of its own.)
import errno
import mmap
import os
import subprocess
import sys

from refusals import refuses

path, value, good, bad = sys.argv[1:5]
rounds = int(sys.argv[5])
in_fields = "/fields/" in path
# A shell that holds no descriptor of ours: each close of one that it had inherited would be one of this program's.
shell = subprocess.Popen(["bash"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def run(command):
    shell.stdin.write(f"{command}\nprintf '\\n=END=\\n'\n")
    shell.stdin.flush()
    lines = []
    while (line := shell.stdout.readline()) != "=END=\n":
        assert line, "the shell has ended"
        lines.append(line)
    return "".join(lines)[:-1]


def is_now(text):
    now = run(f"sleep 0.05; {value}")
    assert now.rstrip() == text, (now, text)


def shows(text):
    with open(path) as file:
        now = file.read()
    assert now.rstrip() == text, (now, text)


def put(text):
    with open(path, "w") as file:
        file.write(text)


def others_come_and_go():
    put(good)
    is_now(good)
    for flags in (os.O_WRONLY | os.O_TRUNC, os.O_RDWR | os.O_TRUNC, os.O_WRONLY | os.O_TRUNC | os.O_APPEND):
        writer = os.open(path, flags)
        is_now(good)
        os.write(writer, good[:2].encode())
        assert run(f"cat '{path}'") == good[:2]
        is_now(good)
        run(f"exec 5>>'{path}'; exec 5>&-; exec 5<>'{path}'; exec 5>&-")
        is_now(good)
        os.write(writer, good[2:].encode())
        os.close(writer)
        is_now(good)


def truncated_by_name():
    put(good)
    run(f"exec 5<'{path}'")  # who only reads does not delay it
    os.truncate(path, 0)
    is_now("")
    run("exec 5<&-")


# What a refused close has left is nobody's: neither who opens the file next nor who looks at it finds any of it,
# however late the kernel tells of the handle's end.
def refused():
    put(good)
    size = os.stat(path).st_size
    for _ in range(rounds):
        put(good)
        refuses(errno.EEXIST, os.close, written(bad))
        assert os.stat(path).st_size == size
        shows(good)
        refuses(errno.EEXIST, os.close, written(bad))
        fd = os.open(path, os.O_WRONLY | os.O_APPEND)
        os.write(fd, b" ")
        os.close(fd)
        assert os.stat(path).st_size > size
        shows(good)
    is_now(good)
    os.unlink(path)
    for _ in range(rounds):
        refuses(errno.EEXIST, os.close, written(bad, os.O_CREAT))
        assert not os.path.exists(path)
        fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        os.write(fd, good.encode())
        os.close(fd)
        os.unlink(path)


# As before, where the kernel has asked for the attributes of the new file.
def new_ones_are_gone():
    os.unlink(path)
    for _ in range(min(rounds, 100)):
        fd = written(bad, os.O_CREAT)
        assert os.fstat(fd).st_size == len(bad)
        refuses(errno.EEXIST, os.close, fd)
        assert not os.path.exists(path)


def written(text, flags=0):
    fd = os.open(path, os.O_WRONLY | os.O_TRUNC | flags)
    os.write(fd, text.encode())
    return fd


# A descriptor that is left of it is told so; others of the file go on.
def descriptors_left():
    put(good)
    reader = os.open(path, os.O_RDONLY)
    fd = written(bad)
    left = os.dup(fd)
    refuses(errno.EEXIST, os.close, fd)
    refuses(errno.ESTALE, os.write, left, b"more")
    refuses(errno.ESTALE, os.ftruncate, left, 0)
    refuses(errno.ESTALE, os.close, left)
    assert os.pread(reader, 100, 0).decode().rstrip() == good
    put(good)
    assert os.pread(reader, 100, 0).decode().rstrip() == good
    os.close(reader)


# Whatever the order in which those close who wrote it, and with a reader that stays.
def several_wrote():
    for first in (0, 1):
        put(good)
        reader = os.open(path, os.O_RDONLY)
        two = [written(bad[:4]), os.open(path, os.O_RDWR)]
        os.pwrite(two[1], bad[4:].encode(), 4)
        refuses(errno.EEXIST, os.close, two[first])
        refuses(errno.EEXIST, os.close, two[1 - first])
        shows(good)
        os.close(reader)


def all_the_ways():
    def allocated(fd):
        os.posix_fallocate(fd, 0, len(bad))

    def synced(fd):
        refuses(errno.EEXIST, os.fsync, fd)
        os.write(fd, b"\n")

    for way in (synced,) if in_fields else (allocated, synced):
        put(good)
        reader = os.open(path, os.O_RDONLY)
        fd = written(bad)
        way(fd)
        refuses(errno.EEXIST, os.close, fd)
        shows(good)
        os.close(reader)
    if not in_fields:  # no such calls there
        put(bad + "x")
        run(f"exec 5<'{path}'")
        refuses(errno.EEXIST, os.truncate, path, len(bad))
        shows(bad + "x")
        run("exec 5<&-")
        put(good)
        fd = written(bad)
        os.chmod(path, 0o640)
        refuses(errno.EEXIST, os.close, fd)
        shows(good)
        assert os.stat(path).st_mode & 0o777 == 0o640


# What others add afterwards is added to what is there.
def others_append():
    put(good)
    appender = os.open(path, os.O_WRONLY | os.O_APPEND)
    refuses(errno.EEXIST, os.close, written(bad))
    os.write(appender, b" ")
    os.close(appender)
    shows(good)
    is_now(good)


# The kernel may send a page through the handle that was refused.
def mapped():
    put(good)
    fd = os.open(path, os.O_RDWR)
    mapping = mmap.mmap(fd, len(good))
    other = os.open(path, os.O_RDWR)
    others_mapping = mmap.mmap(other, len(good))
    os.ftruncate(other, 0)
    os.write(other, bad.encode())
    refuses(errno.EEXIST, os.close, other)
    put(good)
    mapping[len(good) - 3:len(good) - 2] = b"X"
    mapping.flush()
    os.close(fd)
    mapping.close()
    others_mapping.close()
    is_now(good[:-3] + "X" + good[-2:])


# One is refused again and again; what the other wrote and closed without an error is there.
def side_by_side():
    text = good[:-1] + ',"b":"00000000"}'
    put(text)
    child = os.fork()
    while child == 0:
        try:
            fd = os.open(path, os.O_WRONLY)
            os.pwrite(fd, bad[:-1].encode(), 0)
            os.close(fd)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ESTALE):
                os._exit(1)
    try:
        done = sum(wrote_digits(number, text) for number in range(2 * rounds))
    finally:
        os.kill(child, 9)
        status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) and done > 0


def wrote_digits(number, text):
    digits = f"{number:08}"
    try:
        fd = os.open(path, os.O_WRONLY)
        os.pwrite(fd, digits.encode(), len(good) + 5)
        os.close(fd)
    except OSError as error:
        assert error.errno in (errno.EEXIST, errno.ESTALE), error
        return False
    now = run(value).rstrip()
    assert now == text.replace("00000000", digits), (now, digits)
    return True


others_come_and_go()
truncated_by_name()
refused()
descriptors_left()
new_ones_are_gone()
several_wrote()
all_the_ways()
others_append()
if not in_fields:
    mapped()
    side_by_side()
shell.stdin.close()
assert shell.wait() == 0
