# SPDX-License-Identifier: MIT
"""One request in a mount is counted in a directory of some files and in one of ten times as many:
growth.py CALLS PID MOUNT KEYS SIZE prints what each costs the daemon PID, growth.py compare SMALL LARGE FACTOR SIZE
looks at two such tables and says on standard error which requests cost more, growth.py fill DIRECTORY SIZE makes
the files. growth.py members CALLS PID FIELDS DEPTH WIDTH is the same of members of the document FIELDS/doc. CALLS is the file of the daemon's counters (tests/conformance/counted.h)."""
import contextlib, mmap, os, sys

from counted_daemon import Daemon

REPEATS = 3
KINDS = ("files", "names", "compares", "steps", "allocations")


def fill(directory, size):
    os.mkdir(directory)
    for i in range(size):
        with open(f"{directory}/{old(i)}", "w") as file:
            file.write("value")


def old(i):
    return "f%09d" % (i * 1000)


class Requests:
    """Each method is one request, made for the i-th time."""

    def __init__(self, mount, keys, size):
        self.mount, self.keys, self.d, self.size, self.made = mount, keys, f"{keys}/d", size, 0

    def new(self):
        self.made += 1
        return f"{self.d}/f%09d" % (self.size // 2 * 1000 + self.made)

    def at(self, numerator, denominator, i):
        return f"{self.d}/{old(self.size * numerator // denominator + i)}"

    def stat(self, i):
        assert os.stat(self.at(1, 5, i)).st_size == 5

    def stat_absent(self, i):
        with contextlib.suppress(FileNotFoundError):
            os.stat(self.new())
            raise AssertionError

    def read(self, i):
        with open(self.at(1, 4, i)) as file:
            assert file.read() == "value"

    def create(self, i):
        with open(self.new(), "w") as file:
            file.write("new")

    def create_exclusive(self, i):
        with open(self.new(), "x") as file:
            file.write("new")

    def create_in_parts(self, i):
        with open(self.new(), "wb", buffering=0) as file:
            for part in (b"one", b"two", b"three"):
                file.write(part)
                os.fsync(file.fileno())

    def overwrite(self, i):
        with open(self.at(1, 3, i), "w") as file:
            file.write("other")

    def append(self, i):
        with open(self.at(3, 8, i), "a") as file:
            file.write("more")

    def truncate(self, i):
        os.truncate(self.at(2, 5, i), 2)

    def chmod(self, i):
        os.chmod(self.at(3, 7, i), 0o600)

    def xattr(self, i):
        os.setxattr(self.at(4, 7, i), "user.a", b"b")

    def symlink(self, i):
        os.symlink("target", self.new())

    def unlink_first(self, i):
        os.unlink(self.at(0, 1, i))

    def unlink_middle(self, i):
        os.unlink(self.at(2, 3, i))

    def unlink_last(self, i):
        os.unlink(f"{self.d}/{old(self.size - 1 - i)}")

    def rename_within(self, i):
        os.rename(self.at(3, 4, i), self.new())

    def rename_over(self, i):
        os.rename(self.at(4, 5, i), self.at(5, 6, i))

    def rename_out(self, i):
        os.rename(self.at(6, 7, i), f"{self.keys}/out{i}")

    def mkdir(self, i):
        os.mkdir(f"{self.d}/made{i}")

    def rename_directory(self, i):
        os.rename(f"{self.d}/made{i}", f"{self.d}/other{i}")

    def rmdir(self, i):
        os.rmdir(f"{self.d}/other{i}")

    def rmdir_refused(self, i):
        with contextlib.suppress(OSError):
            os.rmdir(self.d)
            raise AssertionError

    def stat_directory(self, i):
        os.utime(self.d)  # the kernel asks again
        os.stat(self.d)

    def stat_above(self, i):
        os.utime(self.keys)
        os.stat(self.keys)

    def statfs(self, i):
        assert os.statvfs(self.mount).f_files > 0

    def list_small(self, i):
        os.makedirs(f"{self.d}/small{i}", exist_ok=True)
        assert os.listdir(f"{self.d}/small{i}") == []


class Members:
    """The same in an object of WIDTH members, DEPTH levels deep in a document that exists."""

    def __init__(self, fields, depth, width):
        self.width, self.made = width, 0
        self.fd = os.open(f"{fields}/doc", os.O_RDONLY)
        for _ in range(depth):
            above, self.fd = self.fd, os.open("d", os.O_RDONLY, dir_fd=self.fd)
            os.close(above)
        os.stat("m0", dir_fd=self.fd)

    def _open(self, name, flags=os.O_RDONLY):
        return os.open(name, flags, 0o600, dir_fd=self.fd)

    def _write(self, name, flags=os.O_TRUNC):
        fd = self._open(name, os.O_WRONLY | flags)
        os.write(fd, b"new")
        os.close(fd)

    def stat(self, i):
        assert os.stat(f"m{i}", dir_fd=self.fd).st_size == 2

    def stat_absent(self, i):
        with contextlib.suppress(FileNotFoundError):
            os.stat(f"n{i}", dir_fd=self.fd)
            raise AssertionError

    def stat_directory(self, i):
        os.stat("o", dir_fd=self.fd)

    def read(self, i):
        fd = self._open(f"m{i + 3}")
        assert os.read(fd, 10) == b"1\n"
        os.close(fd)

    def list_small(self, i):
        fd = self._open("o")
        assert os.listdir(fd) == []
        os.close(fd)

    def scratch(self, i):
        self._write(f"s{i}~", os.O_CREAT)

    def change_create(self, i):
        self._write(f"new{i}", os.O_CREAT)

    def change_overwrite(self, i):
        self._write(f"m{i}")

    def change_append(self, i):
        self._write(f"m{i + 3}", os.O_APPEND)

    def change_put_scratch(self, i):
        os.rename(f"s{i}~", f"m{i + 6}", src_dir_fd=self.fd, dst_dir_fd=self.fd)

    def change_rename(self, i):
        os.rename(f"m{i}", f"renamed{i}", src_dir_fd=self.fd, dst_dir_fd=self.fd)

    def change_mkdir(self, i):
        os.mkdir(f"made{i}", dir_fd=self.fd)

    def change_rmdir(self, i):
        os.rmdir(f"made{i}", dir_fd=self.fd)

    def change_unlink(self, i):
        os.unlink(f"renamed{i}", dir_fd=self.fd)

    def change_time(self, i):
        os.utime(f"m{i + 9}", dir_fd=self.fd)


def measure_requests(daemon, requests):
    names = [name for name in vars(type(requests)) if name[0] != "_" and name not in ("new", "at")]
    for name in names:
        costs = [daemon.cost(getattr(requests, name), i) for i in range(REPEATS)]
        print(name, *(sorted(one)[REPEATS // 2] for one in zip(*costs)), flush=True)


def measure(daemon, mount, keys, size):
    requests = Requests(mount, keys, size)
    measure_requests(daemon, requests)
    for name in ("first_listing", "listing"):
        print(name, *daemon.cost(lambda i: os.listdir(requests.d), 0), flush=True)


def read_table(path):
    with open(path) as file:
        return {line.split()[0]: [int(text) for text in line.split()[1:]] for line in file}


def compare(small, large, factor, size):
    """A listing costs its entries, and a change of a document its members and levels, each looked at once; all else what
    the search in a larger tree costs."""
    bad = 0
    small, large = read_table(small), read_table(large)
    for name, before in small.items():
        after = large[name]
        all_read = "listing" in name or "change_" in name
        allowed = dict.fromkeys(KINDS, 2 * factor if all_read else 2)
        if not all_read:
            allowed["compares"] = 3
        grown = [kind for kind, a, b in zip(KINDS, before, after) if b > allowed[kind] * a + 60]
        if name == "listing" and after[0] > 1.1 * size + 100:
            grown.append("files")
        row = " ".join([f"{name:18}", *(f"{kind} {a} -> {b}" for kind, a, b in zip(KINDS, before, after))])
        print(row)
        if grown:
            print(f"{row}: more {' and '.join(grown)}", file=sys.stderr)
        bad += bool(grown)
    return bad


def main():
    if sys.argv[1] == "fill":
        fill(sys.argv[2], int(sys.argv[3]))
    elif sys.argv[1] == "members":
        with open(sys.argv[2], "r+b") as file, mmap.mmap(file.fileno(), 40) as calls:
            measure_requests(Daemon(calls, len(KINDS), int(sys.argv[3])), Members(sys.argv[4], int(sys.argv[5]), int(sys.argv[6])))
    elif sys.argv[1] == "compare":
        sys.exit(compare(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])) > 0)
    else:
        with open(sys.argv[1], "r+b") as file, mmap.mmap(file.fileno(), 40) as calls:
            measure(Daemon(calls, len(KINDS), int(sys.argv[2])), sys.argv[3], sys.argv[4], int(sys.argv[5]))


main()
