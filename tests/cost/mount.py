# SPDX-License-Identifier: MIT
"""Counts what single requests through a mount cost its daemon: mount.py COUNTERS PID MOUNT prints a row a path,
"NAME 1 COUNT...", the medians of requests on files of their own. Each begins when the daemon is idle. The
store holds what mount.py fill prints, as lines for `storefs import`. COUNTERS is the file of tests/cost/counters.h."""
import contextlib, errno, json, mmap, os, statistics, sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../mount"))
from counted_daemon import Daemon  # noqa: E402

REPEATS = 10
LISTED = 30
COUNTERS = 12
VALUE = b"x" * 1000


def fill():
    def line(key):
        print(json.dumps({"key": key, "value": {"__type": "text", "__value": VALUE.decode()}}))
    for i in range(20 * REPEATS):
        line("d/f%04d" % i)
    for i in range(REPEATS):
        for j in range(LISTED):
            line("l%d/f%04d" % (i, j))


class Requests:
    """Each method is one path, done for the i-th time; _before_PATH, if there is one, comes before it and is not counted."""

    def __init__(self, mount):
        self.mount = mount
        self.d = os.open(f"{mount}/keys/d", os.O_RDONLY | os.O_DIRECTORY)

    def _write(self, name, flags, sync=False):
        fd = os.open(name, os.O_WRONLY | flags, 0o600, dir_fd=self.d)
        assert os.write(fd, VALUE[1:]) == len(VALUE) - 1
        if sync:
            os.fsync(fd)
        os.close(fd)

    def _read(self, name):
        fd = os.open(name, os.O_RDONLY, dir_fd=self.d)
        assert os.read(fd, 4096) == VALUE
        os.close(fd)

    def lookup(self, i):
        assert os.stat("f%04d" % i, dir_fd=self.d).st_size == len(VALUE)

    def lookup_absent(self, i):
        with contextlib.suppress(FileNotFoundError):
            os.stat(f"absent{i}", dir_fd=self.d)
            raise AssertionError

    def read(self, i):
        self._read("f%04d" % (REPEATS + i))

    # Within the second for which the kernel trusts an attribute, on a loaded machine too.
    def _before_read_again(self, i):
        self.read(i)

    def read_again(self, i):
        self._read("f%04d" % (REPEATS + i))

    def create(self, i):
        self._write(f"new{i}", os.O_CREAT)

    def overwrite(self, i):
        self._write("f%04d" % (2 * REPEATS + i), os.O_TRUNC)

    def fsync(self, i):
        self._write("f%04d" % (3 * REPEATS + i), os.O_TRUNC, sync=True)

    def rename(self, i):
        os.rename("f%04d" % (4 * REPEATS + i), f"renamed{i}", src_dir_fd=self.d, dst_dir_fd=self.d)

    def unlink(self, i):
        os.unlink("f%04d" % (5 * REPEATS + i), dir_fd=self.d)

    def readdir_stat(self, i):
        fd = os.open(f"{self.mount}/keys/l{i}", os.O_RDONLY | os.O_DIRECTORY)
        with os.scandir(fd) as entries:
            assert sum(entry.stat().st_size == len(VALUE) for entry in entries) == LISTED
        os.close(fd)

    def commit(self, i):
        tx = f"{self.mount}/tx/t{i}"
        os.mkdir(tx)
        with open(f"{tx}/keys/d/committed{i}", "wb", buffering=0) as file:
            file.write(VALUE)
        with open(f"{tx}/commit", "wb", buffering=0) as file:
            file.write(b"\n")


def main():
    if sys.argv[1] == "fill":
        fill()
        return
    requests = Requests(sys.argv[3])
    with open(sys.argv[1], "r+b") as file, mmap.mmap(file.fileno(), 8 * COUNTERS) as counters:
        daemon = Daemon(counters, COUNTERS, int(sys.argv[2]))
        for name in (name for name in vars(Requests) if name[0] != "_"):
            try:
                costs = []
                for i in range(REPEATS):
                    getattr(requests, f"_before_{name}", lambda i: None)(i)
                    costs.append(daemon.cost(getattr(requests, name), i))
            except OSError as error:
                if error.errno != errno.EOPNOTSUPP:
                    raise
                continue
            # The first one finds caches and memory as the path before has left them.
            print(name, 1, *(statistics.median_low(one[1:]) for one in zip(*costs)), flush=True)


main()
