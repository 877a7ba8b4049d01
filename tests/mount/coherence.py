# SPDX-License-Identifier: MIT
# How soon a change through one mount, or by the library, shows in what the kernel keeps for another mount of
# the store.   coherence.py KEYS OTHER-KEYS STOREFS STORE ROUNDS
# Prints the time from the end of the change until it was seen. Usually that is a few milliseconds; nobody is told of
# anything where it is the second for which the kernel keeps names and attributes.
import errno
import os
import subprocess
import sys
import time

a, b, storefs, store = sys.argv[1:5]
rounds = int(sys.argv[5])
problems = 0
KEEPS = 1.0  # seconds that the kernel keeps them, so that what is lost shows after that
LATE = KEEPS / 2
PATIENCE = 60.0


def failed(what):
    global problems
    problems += 1
    print(what)


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)


def size(path):
    return os.stat(path).st_size


def exists(path):
    try:
        os.stat(path)
        return True
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
        return False


def make(path):
    """In the first mount, with nothing in it: that is committed at its release, a moment after close."""
    write(a + path, b"")
    if seen(lambda: exists(b + path), True) is None:
        failed(f"{path} was not made")
    settled(b + path)


def settled(path):
    """Has the kernel keep what there is."""
    os.listdir(os.path.dirname(path))
    for _ in range(3):
        exists(path)


def seen(look, wanted):
    """Seconds until look() is as wanted; None: not in time."""
    began = time.monotonic()
    while look() != wanted:
        if time.monotonic() - began > PATIENCE:
            return None
        time.sleep(0.0005)
    return time.monotonic() - began


def measure(what, steps):
    """steps: pairs of a change and what is to be seen of it."""
    times = []
    for change, look, wanted in steps:
        settled_at = look()
        look()
        change()
        time_seen = seen(look, wanted)
        if time_seen is None:
            failed(f"{what}: not seen after {PATIENCE} s: {settled_at!r} stayed, not {wanted!r}")
            return
        times.append(time_seen * 1000)
    times.sort()
    print(f"{what:<44} median {times[len(times) // 2]:6.2f} ms, 90 % {times[len(times) * 9 // 10]:6.2f} ms, "
          f"longest {times[-1]:6.2f} ms, of {len(times)}")
    late = sum(time > LATE * 1000 for time in times)
    if late > len(times) // 3:  # one or two where the machine stood still
        failed(f"{what}: {late} of {len(times)} were late")


def sizes():
    make("/size")
    for i in range(rounds):
        yield lambda: write(a + "/size", b"x" * (i + 1)), lambda: size(b + "/size"), i + 1


def modes():
    make("/mode")
    for i in range(rounds):
        mode = 0o600 if i % 2 else 0o640
        yield lambda: os.chmod(a + "/mode", mode), lambda: os.stat(b + "/mode").st_mode & 0o777, mode


def pages(keep_time):
    """Of an open file, the same size each time."""
    path = "/kept" if keep_time else "/pages"
    write(a + path, b"%08d" % 0)
    file = os.open(b + path, os.O_RDONLY)

    def change(i):
        before = os.stat(a + path)
        with open(a + path, "r+b") as out:
            out.write(b"%08d" % i)
            if keep_time:
                os.utime(out.fileno(), ns=(before.st_atime_ns, before.st_mtime_ns))

    for i in range(1, rounds + 1):
        yield lambda: change(i), lambda: os.pread(file, 8, 0), b"%08d" % i
    os.close(file)


def new_names():
    os.mkdir(a + "/names")
    for i in range(rounds):
        name = f"/names/n{i}"
        settled(b + name)
        yield lambda: write(a + name, b""), lambda: exists(b + name), True


def listings():
    os.mkdir(a + "/list")
    for i in range(rounds):
        yield lambda: write(f"{a}/list/n{i}", b""), lambda: len(os.listdir(b + "/list")), i + 1


def deletions():
    os.mkdir(a + "/gone")
    for i in range(rounds):
        make(f"/gone/n{i}")
    for i in range(rounds):
        name = f"/gone/n{i}"
        settled(b + name)
        yield lambda: os.unlink(a + name), lambda: exists(b + name), False


def directories():
    """A directory renamed: what was in it, by its old path and by its new one."""
    os.mkdir(a + "/d0")
    os.mkdir(a + "/d0/in")
    write(a + "/d0/in/x", b"1")
    for i in range(rounds):
        old, new = f"/d{i}", f"/d{i + 1}"
        settled(b + old + "/in/x")
        yield lambda: os.rename(a + old, a + new), lambda: (exists(b + old + "/in/x"), exists(b + new + "/in/x")), (False, True)


def kinds():
    """What a name stands for changes: a file, a link, a directory, and a directory with a value of its own."""
    def kind():
        try:
            mode = os.lstat(b + "/kind").st_mode & 0o170000
        except FileNotFoundError:
            return None
        return {0o100000: "file", 0o120000: "link", 0o040000: "directory"}[mode]

    def below():
        subprocess.run([storefs, "set", store, "kind/below", "1"], check=True)

    for _ in range(max(rounds // 5, 2)):
        yield lambda: write(a + "/kind", b"v"), kind, "file"
        yield below, kind, "directory"
        seen(lambda: os.path.isdir(a + "/kind"), True)
        yield lambda: (os.unlink(a + "/kind/below"), os.rename(a + "/kind/%value", a + "/kind2"),
                       os.rmdir(a + "/kind")), kind, None
        yield lambda: os.symlink("x", a + "/kind"), kind, "link"
        yield lambda: os.rename(a + "/kind2", a + "/kind"), kind, "file"
        yield lambda: (os.unlink(a + "/kind"), os.mkdir(a + "/kind")), kind, "directory"
        yield lambda: os.rmdir(a + "/kind"), kind, None


def library():
    make("/lib")
    for i in range(max(rounds // 2, 5)):
        yield lambda: subprocess.run([storefs, "set", store, "lib", "x" * (i + 1)], check=True), \
            lambda: size(b + "/lib"), i + 1


def imports():
    """Thousands of keys in few commits."""
    make("/many-0000")
    for i in range(5):
        lines = "".join('{"key":"many-%04d","value":"%s"}\n' % (n, "x" * (i + 1)) for n in range(6000))
        yield lambda: subprocess.run([storefs, "import", store, "-"], input=lines.encode(), check=True,
                                     stdout=subprocess.DEVNULL), lambda: size(b + "/many-0000"), i + 3


for what, steps in (("size of a file, stat", sizes()), ("mode of a file, stat", modes()),
                    ("same size, pages of an open file", pages(False)),
                    ("same size and time, pages of an open file", pages(True)),
                    ("new name, stat", new_names()), ("new name, listing", listings()),
                    ("deleted name, stat", deletions()), ("renamed directory, stat", directories()),
                    ("another kind of file, stat", kinds()), ("change by the library, stat", library()),
                    ("import of 6,000 keys by the library, stat", imports())):
    measure(what, steps)
print(problems, "problems")
sys.exit(problems > 0)
