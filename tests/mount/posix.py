# SPDX-License-Identifier: MIT
"""The same calls in a mount and on an ordinary file system: posix.py MOUNTED PLAIN

Each case works in an empty directory on either side and gives what the calls returned: errno names, stat
fields, bytes. Both must be equal, but for DIFFERENT, which says what the mount gives and why. Runs as root
on a mount with allow_other, since cases also act as other users.
"""
import ctypes
import errno
import fcntl
import mmap
import os
import socket
import stat
import struct
import sys
import time

libc = ctypes.CDLL(None, use_errno=True)
NOREPLACE, EXCHANGE = 1, 2
LONG = "n" * 255
cases = []


def case(function):
    cases.append(function)
    return function


def attempt(call, *arguments, **named):
    """What a call returned, or the name of its errno."""
    try:
        result = call(*arguments, **named)
    except OSError as error:
        return errno.errorcode[error.errno]
    return "ok" if result is None else result


def opened(path, flags, mode=0o644):
    result = attempt(os.open, path, flags, mode)
    if isinstance(result, int):
        os.close(result)
        return "ok"
    return result


def write(path, data=b"data", mode=0o644):
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    os.write(file, data)
    os.close(file)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def forget():
    """Has the kernel drop the names and inodes that nobody uses."""
    with open("/proc/sys/vm/drop_caches", "w") as file:
        file.write("2")


def checked(result):
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return "ok"


def rename(source, target, flags):
    return attempt(lambda: checked(libc.renameat2(-100, source.encode(), -100, target.encode(), flags)))


def fallocate(file, mode, offset, size):
    return attempt(lambda: checked(libc.fallocate(file, mode, ctypes.c_int64(offset), ctypes.c_int64(size))))


def as_user(user, function, groups=()):
    """What the function returns when another user calls it."""
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups(groups)
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
            os.write(send, repr(function()).encode())
        finally:
            os._exit(0)
    os.close(send)
    with os.fdopen(receive) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return text


def look(path):
    state = os.lstat(path)
    return (oct(state.st_mode), state.st_nlink, state.st_uid, state.st_gid, state.st_rdev,
            0 if stat.S_ISDIR(state.st_mode) else state.st_size)


@case
def opening():
    write("f", b"0123456789")
    os.mkdir("d")
    os.symlink("nowhere", "dangling")
    os.symlink("f", "link")
    os.symlink("loop", "loop")
    create = os.O_CREAT | os.O_WRONLY
    flags = [("f", create | os.O_EXCL), ("dangling", create | os.O_EXCL), ("d", create | os.O_EXCL),
             ("d", os.O_WRONLY), ("d", create), ("f", os.O_RDONLY | os.O_DIRECTORY), ("loop", os.O_RDONLY),
             ("link", os.O_RDONLY | os.O_NOFOLLOW), ("f/x", os.O_RDONLY), ("f/x", create),
             ("none/x", create), ("new/", create), ("f/", os.O_RDONLY), (LONG, create),
             (LONG + "x", create), ("dangling", create), ("d/../f", os.O_RDONLY), ("f", os.O_PATH)]
    return [opened(path, flag) for path, flag in flags] + [look("nowhere")]


@case
def truncating_at_open():
    write("f", b"0123456789")
    result = [opened("f", os.O_RDONLY | os.O_TRUNC), look("f")]
    write("f", b"0123456789", 0o600)
    file = os.open("f", os.O_RDWR)
    other = os.open("f", os.O_WRONLY | os.O_TRUNC)
    result += [os.read(file, 5), os.write(other, b"abc"), os.pread(file, 9, 0)]
    os.close(file)
    os.close(other)
    return result + [read("f")]


@case
def appending():
    write("f", b"12345")
    file = os.open("f", os.O_RDWR | os.O_APPEND)
    other = os.open("f", os.O_WRONLY)
    os.lseek(file, 1, os.SEEK_SET)
    result = [os.write(file, b"a"), os.lseek(file, 0, os.SEEK_CUR), os.pwrite(file, b"b", 0),
              os.pwrite(other, b"c", 9), os.write(file, b"d"), os.fstat(file).st_size]
    os.close(file)
    os.close(other)
    return result + [read("f")]


@case
def direct():
    buffer = mmap.mmap(-1, 8192)
    buffer.write(b"x" * 8192)
    file = os.open("f", os.O_RDWR | os.O_CREAT | os.O_DIRECT)
    result = [os.pwritev(file, [buffer], 4096), os.preadv(file, [buffer], 0), bytes(buffer[:8])]
    os.close(file)
    return result + [look("f"), read("f")[4090:4100]]


@case
def truncating():
    os.mkdir("d")
    write("f", b"0123456789")
    file = os.open("f", os.O_RDONLY)
    result = [attempt(os.truncate, "d", 0), attempt(os.truncate, "f", -1), attempt(os.ftruncate, file, 0),
              attempt(os.truncate, "none", 0), attempt(os.truncate, "f", 4), attempt(os.truncate, "f", 8),
              read("f")]
    os.close(file)
    return result


@case
def renaming():
    write("f")
    write("g", b"other")
    for name in ("d", "d/sub", "empty", "full", "full/x", "e2"):
        os.mkdir(name)
    pairs = [("f", "g", NOREPLACE), ("f", "h", NOREPLACE), ("h", "g", EXCHANGE), ("h", "none", EXCHANGE),
             ("h", "d", EXCHANGE), ("d", "e2", EXCHANGE), ("h", "full", 0), ("full", "d", 0),
             ("full", "full/x/y", 0), ("full", "full/x", EXCHANGE), ("empty", "full", 0), ("none", "x", 0),
             ("full", "empty", 0), ("full", "full", 0), ("d", "d", NOREPLACE), ("e2", ".", 0),
             ("e2/.", "x", 0), ("g", LONG + "x", 0), ("g", LONG, 0), ("g", "full/", 0), ("e2", "new/", 0),
             ("g", "new2/", 0), ("h", "h", EXCHANGE), ("g", "h", NOREPLACE | EXCHANGE)]
    return [rename(*pair) for pair in pairs] + [sorted(os.listdir(".")), [look(n) for n in sorted(os.listdir("."))]]


@case
def removing():
    os.makedirs("d/sub")
    write("d/f")
    os.mkdir("e")
    calls = [(os.rmdir, "d"), (os.rmdir, "d/f"), (os.unlink, "d/sub"), (os.unlink, "none"),
             (os.rmdir, "none"), (os.rmdir, "e/."), (os.rmdir, "d/sub/.."), (os.unlink, "d/f/"),
             (os.rmdir, "d/sub"), (os.unlink, "d/f"), (os.rmdir, "d"), (os.rmdir, "e/")]
    return [attempt(*call) for call in calls] + [os.listdir(".")]


@case
def unlinked_while_open():
    write("f", b"0123456789")
    file = os.open("f", os.O_RDWR)
    os.unlink("f")
    result = [os.fstat(file).st_nlink, os.pread(file, 20, 0), os.pwrite(file, b"abc", 8), os.pread(file, 20, 0),
              attempt(os.ftruncate, file, 2), os.fstat(file).st_size, attempt(os.fchmod, file, 0o600),
              oct(os.fstat(file).st_mode), attempt(os.stat, "f")]
    write("f", b"another")
    result += [os.pread(file, 20, 0), read("f")]
    os.close(file)
    return result


@case
def working_directory_removed():
    os.makedirs("d/sub")
    os.chdir("d/sub")
    here = os.open(".", os.O_RDONLY)
    os.rmdir("../sub")
    result = [os.fstat(here).st_nlink, os.listdir(here), opened("f", os.O_CREAT | os.O_WRONLY),
              attempt(os.mkdir, "x"), attempt(os.getcwd)]
    os.close(here)
    return result


@case
def sticky():
    os.chmod(".", 0o755)
    os.mkdir("t")
    os.chmod("t", 0o1777)
    for name in ("a", "b", "c"):
        as_user(1000, lambda: write("t/" + name))
    os.mkdir("t/d")
    os.chown("t/d", 1000, 1000)
    return [as_user(1001, lambda: [attempt(os.unlink, "t/a"), attempt(os.rename, "t/a", "t/z"),
                                   attempt(os.rmdir, "t/d"), opened("t/new", os.O_CREAT | os.O_WRONLY),
                                   attempt(os.rename, "t/new", "t/b")]),
            as_user(1000, lambda: [attempt(os.unlink, "t/a"), attempt(os.rename, "t/b", "t/c"),
                                   attempt(os.rmdir, "t/d")]), sorted(os.listdir("t"))]


def make_set_id(name):
    write(name)
    os.chown(name, 1000, 1000)
    os.chmod(name, 0o6777)


@case
def set_id_bits():
    os.chmod(".", 0o777)
    result = []
    for number, act in enumerate((lambda n: write(n), lambda n: os.truncate(n, 1), lambda n: os.chown(n, -1, 1000),
                                  lambda n: os.chmod(n, 0o6711), lambda n: os.utime(n))):
        for user in (0, 1000, 1001):
            name = f"f{number}{user}"
            make_set_id(name)
            result += [as_user(user, lambda: attempt(act, name)) if user else attempt(act, name), look(name)]
    for mode in (0o6777, 0o2755, 0o4700, 0o777):
        for user in (1000, 0):
            make_set_id("emptied")
            os.chmod("emptied", mode)
            result += [as_user(user, lambda: opened("emptied", os.O_WRONLY | os.O_TRUNC)), look("emptied")]
    make_set_id("g")
    return result + [as_user(1000, lambda: attempt(os.chmod, "g", 0o2755)), look("g"),
                     attempt(os.chown, "g", 1001, 1001), look("g")]


@case
def ownership():
    os.chmod(".", 0o777)
    os.mkdir("set")
    os.chown("set", 0, 5)
    os.chmod("set", 0o2777)
    as_user(1000, lambda: [write("mine"), os.mkdir("dir"), os.symlink("x", "link"), os.mkfifo("fifo"),
                           write("set/f"), os.mkdir("set/d"), os.symlink("y", "set/l")])
    return [look(name) for name in ("mine", "dir", "link", "fifo", "set/f", "set/d", "set/l")]


@case
def permissions():
    os.chmod(".", 0o755)
    os.mkdir("closed", 0o700)
    write("closed/f")
    write("secret", mode=0o600)
    write("open", mode=0o666)
    os.chmod("open", 0o666)

    def act():
        return [opened("secret", os.O_RDONLY), opened("closed/f", os.O_RDONLY), opened("open", os.O_RDWR),
                opened("new", os.O_CREAT | os.O_WRONLY), attempt(os.chmod, "open", 0o600),
                attempt(os.chown, "open", 1001, 1001), attempt(os.utime, "open", (1, 1)), attempt(os.utime, "open"),
                attempt(os.unlink, "open"), attempt(os.listdir, "closed"), attempt(os.truncate, "secret", 0),
                os.access("secret", os.R_OK), os.access("open", os.W_OK), attempt(os.mkdir, "d"),
                attempt(os.setxattr, "secret", "user.x", b"1"), attempt(os.rename, "open", "closed/open")]
    return [as_user(1001, act), look("open"), look("secret")]


@case
def times():
    write("f")
    os.mkdir("d")
    result = []
    for at in (0, 1, 1234567890123456789, -86400 * 10**9 - 1, 2**33 * 10**9 + 7):
        for name in ("f", "d"):
            os.utime(name, ns=(at + 3, at))
            state = os.stat(name)
            result += [state.st_mtime_ns == at, state.st_atime_ns == at + 3]
    os.symlink("f", "l")
    os.utime("l", ns=(5, 6), follow_symlinks=False)
    return result + [os.lstat("l").st_mtime_ns, os.stat("f").st_mtime_ns]


@case
def times_of_changes():
    os.makedirs("d/sub")
    write("d/f")
    result = []
    steps = [lambda: write("d/new"), lambda: write("d/f", b"more"), lambda: os.unlink("d/new"), lambda: os.mkdir("d/x"),
             lambda: os.rename("d/x", "d/y"), lambda: os.rename("d/f", "moved"), lambda: os.rename("moved", "d/f"),
             lambda: os.rmdir("d/y"), lambda: os.chmod("d/f", 0o600), lambda: os.symlink("a", "d/l"),
             lambda: os.setxattr("d/f", "user.a", b"1"), lambda: os.truncate("d/f", 1), lambda: write("d/sub/g"),
             lambda: os.chmod("d", 0o700)]
    for step in steps:
        before = [os.stat(name) for name in ("d", "d/sub", ".")]
        file = os.stat("d/f") if os.path.exists("d/f") else None
        time.sleep(0.02)
        step()
        for name, state in zip(("d", "d/sub", "."), before):
            now = os.stat(name)
            result.append((now.st_mtime_ns > state.st_mtime_ns, now.st_ctime_ns > state.st_ctime_ns))
        if file is not None and os.path.exists("d/f"):
            now = os.stat("d/f")
            result.append((now.st_mtime_ns > file.st_mtime_ns, now.st_ctime_ns > file.st_ctime_ns))
    return result


@case
def link_counts():
    def counts():
        return [os.stat(name).st_nlink for name in ("d", "e", "f")]
    for name in ("d", "e"):
        os.mkdir(name)
    write("f")
    result = [counts()]
    for number in range(5):
        os.mkdir(f"d/{number}")
    write("d/plain")
    write("d/1/plain")
    result.append(counts())
    os.rename("d/1", "e/1")
    os.rmdir("d/2")
    result.append(counts())
    os.rename("e/1", "e/2")
    rename("d/3", "f", EXCHANGE)
    return result + [counts()]


@case
def inode_numbers():
    write("f")
    os.mkdir("d")
    before = os.stat("f").st_ino, os.stat("d").st_ino
    os.rename("f", "d/g")
    os.rename("d", "e")
    write("e/g", b"again")
    after = os.stat("e/g").st_ino, os.stat("e").st_ino
    listed = {entry.name: entry.inode() for entry in list(os.scandir("e")) + list(os.scandir("."))}
    return [before == after, listed["g"] == after[0], listed["e"] == after[1], before[0] != before[1]]


@case
def inode_number_of_a_new_file():
    """It stays when the file is closed, and when the kernel has forgotten it."""
    with open("f", "w") as file:
        told = os.fstat(file.fileno()).st_ino
        same = [os.stat("f").st_ino == told, list(os.scandir("."))[0].inode() == told]
        file.write("value")
    same.append(os.stat("f").st_ino == told)
    forget()
    write("g")
    return same + [os.stat("f").st_ino == told, os.stat("g").st_ino != told]


@case
def listing_while_it_changes():
    for number in range(600):
        write(f"f{number:03}", b"")
    entries = os.scandir(".")
    seen = [next(entries).name for _ in range(50)]
    for number in range(0, 600, 3):
        os.unlink(f"f{number:03}")
    for number in range(600, 650):
        write(f"f{number:03}", b"")
    seen += [entry.name for entry in entries]
    stay = {f"f{number:03}" for number in range(600) if number % 3}
    return [stay <= set(seen), len(seen) == len(set(seen)), len(os.listdir("."))]


@case
def places_while_it_changes():
    """What telldir(3) gave is found again by seekdir(3), forwards and back, though names came and went."""
    for function in (libc.opendir, libc.readdir):
        function.restype = ctypes.c_void_p
    libc.opendir.argtypes, libc.telldir.restype = [ctypes.c_char_p], ctypes.c_long
    for function in (libc.readdir, libc.telldir, libc.closedir):
        function.argtypes = [ctypes.c_void_p]
    libc.seekdir.argtypes = [ctypes.c_void_p, ctypes.c_long]
    for number in range(3000):
        write(f"f{number:04}", b"")
    stream = libc.opendir(b".")

    def next_name():
        entry = libc.readdir(stream)
        return ctypes.string_at(entry + 19).decode() if entry else None
    places, order = [], []
    while True:
        place, name = libc.telldir(stream), next_name()
        if name is None:
            break
        places.append(place)
        order.append(name)
    result = [len(order), sorted(order) == sorted(os.listdir(".") + [".", ".."])]
    for turn in range(3):
        for number in range(turn, 3000, 7):
            os.unlink(f"f{number:04}")
            write(f"f{number:04}{turn}", b"")
        there = set(os.listdir(".")) | {".", ".."}
        for at in list(range(2990, 0, -97)) + list(range(5, 3000, 113)) + [2998, 3, 1500]:
            libc.seekdir(stream, places[at])
            name = next_name()
            while name is not None and name not in order:
                name = next_name() # made since
            wanted = next((name for name in order[at:] if name in there), None)
            result.append(name == wanted)
    libc.closedir(stream)
    return [len(result), result[:2], all(result[2:])]


@case
def data_and_holes():
    write("f", b"x" * 10000)
    file = os.open("f", os.O_RDWR)
    result = [os.lseek(file, 0, os.SEEK_DATA), os.lseek(file, 5, os.SEEK_HOLE), os.lseek(file, 9999, os.SEEK_DATA),
              attempt(os.lseek, file, 10000, os.SEEK_DATA), attempt(os.lseek, file, 10001, os.SEEK_HOLE),
              os.pwrite(file, b"y", 3 << 20), os.lseek(file, 20 << 20, os.SEEK_SET),
              attempt(os.lseek, file, -1, os.SEEK_SET), os.fstat(file).st_blocks > 0]
    os.close(file)
    return result


@case
def allocating():
    file = os.open("f", os.O_RDWR | os.O_CREAT)
    steps = [(0, 0, 5000), (1, 0, 90000), (0, 2000, 1000), (3, 1000, 2000), (16, 4000, 4000), (17, 7000, 9000),
             (2, 0, 100), (0, -1, 5), (0, 5, 0), (3, 100000, 50)]
    result = []
    for mode, offset, size in steps:
        os.pwrite(file, b"z" * 100, 1500)
        result += [fallocate(file, mode, offset, size), os.fstat(file).st_size]
    result.append(os.pread(file, 20000, 0))
    os.close(file)
    other = os.open("f", os.O_RDONLY)
    result.append(fallocate(other, 0, 0, 10))
    os.close(other)
    return result


@case
def copying_ranges():
    write("a", bytes(range(256)) * 100)
    write("b", b"")
    a, b = os.open("a", os.O_RDWR), os.open("b", os.O_RDWR)
    result = [os.copy_file_range(a, b, 1000, 100, 5), os.copy_file_range(a, b, 1000, 25000, 0),
              os.copy_file_range(a, b, 10, 99999, 0), attempt(os.copy_file_range, a, a, 100, 0, 50),
              os.copy_file_range(a, a, 100, 0, 5000), os.fstat(b).st_size]
    os.close(a)
    os.close(b)
    return result + [read("a"), read("b"), attempt(os.copy_file_range, 0, 1, 0)]


@case
def mapping():
    write("f", b"a" * 5000)
    file = os.open("f", os.O_RDWR)
    shared = mmap.mmap(file, 5000)
    private = mmap.mmap(file, 5000, mmap.MAP_PRIVATE)
    shared[10:13] = b"new"
    private[20:23] = b"own"
    result = [os.pread(file, 5, 9), os.pread(file, 5, 19), private[10:13]]
    os.pwrite(file, b"seen", 30)
    result += [shared[30:34], attempt(shared.flush)]
    shared.close()
    private.close()
    os.close(file)
    return result + [read("f")]


@case
def locking():
    write("f", b"x" * 100)
    file = os.open("f", os.O_RDWR)
    fcntl.lockf(file, fcntl.LOCK_EX, 10, 5)

    def other():
        mine = os.open("f", os.O_RDWR)
        query = struct.pack("hhqqi", fcntl.F_WRLCK, 0, 0, 0, 0)
        kind, _, start, length, _ = struct.unpack("hhqqi", fcntl.fcntl(mine, fcntl.F_GETLK, query)[:28])
        return [attempt(fcntl.lockf, mine, fcntl.LOCK_EX | fcntl.LOCK_NB, 3, 7),
                attempt(fcntl.lockf, mine, fcntl.LOCK_EX | fcntl.LOCK_NB, 3, 70), kind, start, length,
                attempt(fcntl.flock, mine, fcntl.LOCK_EX | fcntl.LOCK_NB)]
    os.chmod("f", 0o666)
    os.chmod(".", 0o777)
    result = [as_user(1000, other)]
    fcntl.flock(file, fcntl.LOCK_SH)
    result += [as_user(1000, other)]
    os.close(file)
    return result + [as_user(1000, other)]


@case
def special_files():
    os.mkfifo("fifo", 0o600)
    os.mknod("char", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    os.mknod("block", stat.S_IFBLK | 0o600, os.makedev(7, 250))
    server = socket.socket(socket.AF_UNIX)
    server.bind("socket")
    server.listen()
    client = socket.socket(socket.AF_UNIX)
    client.connect("socket")
    peer, _ = server.accept()
    client.send(b"hello")
    result = [peer.recv(9), opened("fifo", os.O_WRONLY | os.O_NONBLOCK), opened("socket", os.O_RDONLY)]
    reader = os.open("fifo", os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open("fifo", os.O_WRONLY)
    result += [os.write(writer, b"through"), os.read(reader, 20)]
    os.close(reader)
    os.close(writer)
    for one in (server, client, peer):
        one.close()
    os.rename("fifo", "fifo2")
    return result + [look(name) for name in ("fifo2", "char", "block", "socket")]


@case
def device_files():
    os.mknod("null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    return opened("null", os.O_WRONLY)


@case
def extended_attributes():
    write("f")
    os.mkdir("d")
    os.symlink("f", "l")
    create, replace = os.XATTR_CREATE, os.XATTR_REPLACE
    result = [attempt(os.setxattr, "f", "user.a", b"1", create), attempt(os.setxattr, "f", "user.a", b"2", create),
              attempt(os.setxattr, "f", "user.b", b"3", replace), attempt(os.setxattr, "f", "user.a", b"4", replace),
              attempt(os.getxattr, "f", "user.a"), attempt(os.getxattr, "f", "user.none"),
              attempt(os.setxattr, "f", "user.empty", b""), attempt(os.getxattr, "f", "user.empty"),
              attempt(os.removexattr, "f", "user.none"), sorted(os.listxattr("f")),
              attempt(os.setxattr, "d", "user.x", b"dir"), attempt(os.getxattr, "d", "user.x"),
              attempt(os.setxattr, "l", "user.x", b"", follow_symlinks=False),
              attempt(os.setxattr, "f", "user." + "n" * 251, b""), attempt(os.setxattr, "f", "user.", b""),
              attempt(os.setxattr, "f", "trusted.t", b"t"), attempt(os.getxattr, "f", "trusted.t"),
              attempt(os.setxattr, "f", "strange", b""), attempt(os.setxattr, "f", "user.big", b"x" * 65537),
              attempt(os.removexattr, "f", "user.a")]
    size = libc.getxattr(b"d", b"user.x", ctypes.create_string_buffer(1), 1)
    result += [size, errno.errorcode[ctypes.get_errno()]]
    os.rename("f", "g")
    return result + [sorted(os.listxattr("g")), read("g")]


@case
def symbolic_links():
    os.symlink("x" * 4095, "long")
    os.symlink("a", "b")
    os.symlink("b", "a")
    chain = "f"
    write("f")
    for number in range(41):
        os.symlink(chain, f"c{number}")
        chain = f"c{number}"
    return [len(os.readlink("long")), attempt(os.stat, "long"), attempt(os.stat, "a"), attempt(os.readlink, "f"),
            attempt(os.symlink, "x", "a"), attempt(os.symlink, "", "e"), opened("c39", os.O_RDONLY),
            opened("c40", os.O_RDONLY), look("b"), attempt(os.chown, "b", 1, 2, follow_symlinks=False), look("b")]


@case
def names():
    long_path = "/".join(["d" * 200] * 25)
    strange = ["%41", "a b", "\n", "\u00e4", "-rf", "*", ".hidden", "..x", "%", "x%value"]
    for name in strange:
        write(name, name.encode())
    raw = os.fsdecode(b"\xff\xfe")
    write(raw, b"raw")
    return [attempt(os.stat, long_path), attempt(os.mkdir, LONG + "x"), sorted(os.listdir(".")), read(raw),
            [read(name) == name.encode() for name in strange], os.statvfs(".").f_namemax]


@case
def writing_past_the_limit():
    import resource
    file = os.open("f", os.O_RDWR | os.O_CREAT)
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    import signal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, old[1]))
    result = [attempt(os.pwrite, file, b"x" * 2000, 0), attempt(os.pwrite, file, b"x", 1000),
              attempt(os.ftruncate, file, 2000), os.fstat(file).st_size]
    resource.setrlimit(resource.RLIMIT_FSIZE, old)
    os.close(file)
    return result


@case
def hard_links():
    write("f")
    return attempt(os.link, "f", "g")


@case
def unnamed_files():
    return opened(".", os.O_TMPFILE | os.O_RDWR)


# What the mount gives instead, and why.
DIFFERENT = {
    "hard_links": ("EPERM", "a key has one name"),
    "unnamed_files": ("ENOTSUP", "a value without a key could not be linked in later"),
    "device_files": ("EACCES", "the mount is nodev"),
}


def run(function, top):
    """In a process of its own, as the umask, the directory and file descriptors are the case's."""
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.chdir(top)
            os.mkdir(function.__name__)
            os.chdir(function.__name__)
            os.umask(0o022)
            result = repr(function())
        except BaseException as problem:
            result = f"raised {problem!r}"
        with os.fdopen(send, "w") as pipe:
            pipe.write(result)
        os._exit(0)
    os.close(send)
    with os.fdopen(receive) as pipe:
        result = pipe.read()
    os.waitpid(child, 0)
    return result


def main():
    mounted, plain = sys.argv[1:3]
    failures = 0
    for function in cases:
        got, wanted = run(function, mounted), run(function, plain)
        if function.__name__ in DIFFERENT:
            wanted = repr(DIFFERENT[function.__name__][0])
        if got != wanted or wanted.startswith("raised"):
            failures += 1
            print(f"{function.__name__}:\n  mounted {got[:3000]}\n  plain   {wanted[:3000]}")
    print(f"{len(cases)} cases, {failures} differ")
    sys.exit(failures != 0)


main()
