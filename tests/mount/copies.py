# SPDX-License-Identifier: MIT
"""Every generated file of a mount × the ways in which programs copy: copies.py MOUNT TRANSACTION NODE-SCRIPT.

A copy must have the bytes that read(2) gives until its end. Size 0 by name is all that stat(2) may say of a file that is
not open; while it is open, fstat(2) says its size.
"""
import json
import mmap
import os
import shutil
import subprocess
import sys
import tempfile

MOUNT, TRANSACTION, NODE_SCRIPT = sys.argv[1:]
WORK = tempfile.mkdtemp(dir=os.environ["TMPDIR"])
CHANGES = ("admin/stats.json", "indexes/n/stats")  # other numbers at each open: the copy must be whole JSON

RESULTS = ["values.json", "values.ndjson", "values.csv", "count", "explain", "sum/n", "avg/n", "min/n", "max/n",
           "distinct/n", "by/type/a/values.csv", "where/n > 2/count", "group/type/count",
           "order/n:desc/limit/2/values.json", "by/type/none/values.ndjson"]
NAMES = (["README", "admin/errors", "admin/files", "admin/stats.json", "indexes/n/stats"] +
         [f"query/{result}" for result in RESULTS] +
         [f"{TRANSACTION}/{name}" for name in ("changes", "status", "isolation", "error", "commit", "rollback",
                                               "query/values.ndjson", "query/count")])


def right(name):
    """The bytes, by read(2) alone."""
    descriptor = os.open(f"{MOUNT}/{name}", os.O_RDONLY)
    parts = []
    while part := os.read(descriptor, 65536):
        parts.append(part)
    os.close(descriptor)
    return b"".join(parts)


def content(path):
    with open(path, "rb") as file:
        return file.read()


def command(*words):
    """A way that is a program for each file; FROM and TO are replaced. Without TO its output counts."""
    def copy(name):
        to = f"{WORK}/copy"
        if os.path.lexists(to):
            os.unlink(to)
        replaced = [word.replace("FROM", f"{MOUNT}/{name}").replace("TO", to) for word in words]
        output = subprocess.run(replaced, check=True, capture_output=True).stdout
        return content(to) if any("TO" in word for word in words) else output
    return lambda: {name: copy(name) for name in NAMES}


def by_handle(copy):
    """A way that Python has, given the open file."""
    def each(name):
        with open(f"{MOUNT}/{name}", "rb") as file:
            return copy(file)
    return lambda: {name: each(name) for name in NAMES}


def copyfile():
    copies = {}
    for name in NAMES:
        shutil.copyfile(f"{MOUNT}/{name}", f"{WORK}/copy")
        copies[name] = content(f"{WORK}/copy")
    return copies


def copyfileobj(file):
    with open(f"{WORK}/copy", "wb") as to:
        shutil.copyfileobj(file, to)
    return content(f"{WORK}/copy")


def sendfile(file):
    size = os.fstat(file.fileno()).st_size
    with open(f"{WORK}/copy", "wb") as to:
        while size > to.tell() and os.sendfile(to.fileno(), file.fileno(), None, size):
            to.seek(0, os.SEEK_END)
    return content(f"{WORK}/copy")


def copy_file_range(file):
    size = os.fstat(file.fileno()).st_size
    with open(f"{WORK}/copy", "wb") as to:
        try:
            while size and os.copy_file_range(file.fileno(), to.fileno(), size):
                pass
        except OSError:  # refused, so that programs copy otherwise
            return file.read()
    return content(f"{WORK}/copy")


def mapped(file):
    size = os.fstat(file.fileno()).st_size
    if size == 0:
        return b""
    with mmap.mmap(file.fileno(), size, mmap.MAP_PRIVATE, mmap.PROT_READ) as memory:
        return memory[:]


def by_size(file):
    return os.read(file.fileno(), os.fstat(file.fileno()).st_size)


def by_end(file):
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    return file.read(size)


def by_extents(file):
    """As cp does with sparse files."""
    size, at, parts = os.fstat(file.fileno()).st_size, 0, b""
    while at < size:
        begin = os.lseek(file.fileno(), at, os.SEEK_DATA)
        at = os.lseek(file.fileno(), begin, os.SEEK_HOLE)
        parts += os.pread(file.fileno(), at - begin, begin)
    return parts


def backwards(file):
    size = os.fstat(file.fileno()).st_size
    parts = [os.pread(file.fileno(), 1000, at) for at in reversed(range(0, size, 1000))]
    return b"".join(reversed(parts))


def tar():
    archive = f"{WORK}/a.tar"
    subprocess.run(["tar", "-C", MOUNT, "-cf", archive, *NAMES], check=True)
    subprocess.run(["tar", "-C", WORK, "-xf", archive], check=True)
    return {name: content(f"{WORK}/{name}") for name in NAMES}


def rsync():
    subprocess.run(["rsync", "-R", *[f"{MOUNT}/./{name}" for name in NAMES], f"{WORK}/rsync/"], check=True)
    return {name: content(f"{WORK}/rsync/{name}") for name in NAMES}


def node(kind):
    def copy():
        subprocess.run(["node", NODE_SCRIPT, WORK, *[f"{MOUNT}/{name}" for name in NAMES]], check=True)
        return {name: content(f"{WORK}/{kind}{number}") for number, name in enumerate(NAMES)}
    return copy


def git():
    """git gives hashes: those of what is right are replaced by it."""
    def hashes(*paths):
        return subprocess.run(["git", "hash-object", "--no-filters", *paths], check=True,
                              capture_output=True, text=True).stdout.split()
    found = dict(zip(NAMES, hashes(*[f"{MOUNT}/{name}" for name in NAMES])))
    copies = {}
    for name in NAMES:
        with open(f"{WORK}/right", "wb") as file:
            file.write(right(name))
        copies[name] = right(name) if found[name] == hashes(f"{WORK}/right")[0] else found[name].encode()
    for name in CHANGES:
        copies[name] = right(name)
    return copies


WAYS = {
    "cat": command("cat", "FROM"),
    "cp": command("cp", "FROM", "TO"),
    "cp --sparse=always": command("cp", "--reflink=auto", "--sparse=always", "FROM", "TO"),
    "install": command("install", "FROM", "TO"),
    "dd": command("dd", "if=FROM", "of=TO", "bs=7000", "status=none"),
    "head -c": command("head", "-c", "9999999", "FROM"),
    "tail -c": command("tail", "-c", "9999999", "FROM"),
    "tar": tar,
    "rsync": rsync,
    "git hash-object": git,
    "node copyFile": node("copy"),
    "node readFile": node("read"),
    "shutil.copyfile": copyfile,
    "shutil.copyfileobj": by_handle(copyfileobj),
    "read": by_handle(lambda file: file.read()),
    "read of st_size": by_handle(by_size),
    "read up to SEEK_END": by_handle(by_end),
    "SEEK_DATA, SEEK_HOLE": by_handle(by_extents),
    "pread from the end": by_handle(backwards),
    "sendfile": by_handle(sendfile),
    "copy_file_range": by_handle(copy_file_range),
    "mmap": by_handle(mapped),
}


def is_right(name, copy, before, after):
    if name in CHANGES:
        return len(json.loads(copy)) > 5
    return copy in (before, after)


failures = 0
for name in NAMES:
    if os.stat(f"{MOUNT}/{name}").st_size != 0:
        failures += 1
        print(f"{name} has a size by name")
for way, copy in WAYS.items():
    before = {name: right(name) for name in NAMES}
    copies = copy()
    for name in NAMES:
        if not is_right(name, copies[name], before[name], right(name)):
            failures += 1
            print(f"{way} of {name}: {len(copies[name])} of {len(before[name])} bytes")
print(f"{len(WAYS) * len(NAMES)} copies in {len(WAYS)} ways, {failures} wrong")
shutil.rmtree(WORK)
sys.exit(failures != 0)
