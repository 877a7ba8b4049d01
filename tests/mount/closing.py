# SPDX-License-Identifier: MIT
# closing.py FILE VALUE GOOD BAD N: what a close commits: what was written through its descriptor, and nothing that
# others are in the midst of writing. The shell command VALUE prints what the store has of FILE; GOOD may be its content,
# BAD is refused. (Space at the end is not compared: a file in fields/ ends with a newline of its own.)
import errno
import os
import subprocess
import sys

path, value, good, bad = sys.argv[1:5]
rounds = int(sys.argv[5])
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


def closes(number, fd):
    try:
        os.close(fd)
    except OSError as error:
        assert error.errno == number, error
    else:
        assert number == 0, "the close succeeded"


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
        closes(errno.EEXIST, written(bad))
        assert os.stat(path).st_size == size
        shows(good)
        closes(errno.EEXIST, written(bad))
        fd = os.open(path, os.O_WRONLY | os.O_APPEND)
        os.write(fd, b" ")
        os.close(fd)
        assert os.stat(path).st_size > size
        shows(good)
    is_now(good)
    os.unlink(path)
    for _ in range(rounds):
        closes(errno.EEXIST, written(bad, os.O_CREAT))
        assert not os.path.exists(path)
        fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        os.write(fd, good.encode())
        os.close(fd)
        os.unlink(path)


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
    closes(errno.EEXIST, fd)
    try:
        os.write(left, b"more")
    except OSError as error:
        assert error.errno == errno.ESTALE, error
    else:
        raise AssertionError("what was refused can be written on")
    closes(errno.ESTALE, left)
    assert os.pread(reader, 100, 0).decode().rstrip() == good
    put(good)
    assert os.pread(reader, 100, 0).decode().rstrip() == good
    os.close(reader)


others_come_and_go()
truncated_by_name()
refused()
descriptors_left()
shell.stdin.close()
assert shell.wait() == 0
