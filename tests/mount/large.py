# SPDX-License-Identifier: MIT
"""Large values through a mount, beside the same on an ordinary file system: large.py MOUNTED PLAIN MIB SEED [sparse]

Each step does the same to a file in both directories; what is read, sizes and whole contents must agree.
MIB is the size of the main file; `sparse`: the store keeps no zeros. Ends with 1 and the step at the first difference.
"""
import ctypes
import fcntl
import mmap
import os
import random
import sys

MIB = 1 << 20
KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE = 1, 2, 16
libc = ctypes.CDLL(None, use_errno=True)


def fallocate(descriptor, mode, offset, size):
    if libc.fallocate(descriptor, mode, ctypes.c_int64(offset), ctypes.c_int64(size)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


class Both:
    """The same file on both sides."""

    def __init__(self, sides, name):
        self.paths = [os.path.join(side, name) for side in sides]
        self.files = []

    def open(self, flags):
        self.files = [os.open(path, flags | os.O_CLOEXEC, 0o644) for path in self.paths]
        return self

    def close(self):
        for file in self.files:
            os.close(file)
        self.files = []

    def each(self, function):
        return [function(file) for file in self.files]

    def write(self, data, offset=None):
        for file in self.files:
            done = 0
            while done < len(data):
                done += os.write(file, data[done:]) if offset is None else os.pwrite(
                    file, data[done:], offset + done)

    def same(self, offset, size):
        got = self.each(lambda file: os.pread(file, size, offset))
        assert got[0] == got[1], f"{size} bytes at {offset} differ"

    def compare(self):
        sizes = [os.stat(path).st_size for path in self.paths]
        assert sizes[0] == sizes[1], f"sizes are {sizes}"
        with open(self.paths[0], "rb") as a, open(self.paths[1], "rb") as b:
            at = 0
            while True:
                one, two = a.read(MIB), b.read(MIB)
                assert one == two, f"{self.paths[0]} differs in the MiB at {at}"
                if not one:
                    break
                at += len(one)
        return sizes[0]


def write_new(both, size, source):
    both.open(os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    for done in range(0, size, MIB):
        both.write(source.randbytes(min(MIB, size - done)))
        if done % (3 * MIB) == 0:
            both.same(source.randrange(done + 1), 70000)
    with open(both.paths[0], "rb") as reader:  # another handle sees what is not committed yet
        reader.seek(size // 2)
        assert reader.read(5000) == os.pread(both.files[1], 5000, size // 2)
    both.write(b"head", 0)
    both.close()


def overwrite(both, size, source, count):
    both.open(os.O_RDWR)
    for turn in range(count):
        offset = source.randrange(size)
        both.write(source.randbytes(min(source.choice((1, 4096, 70000)), size - offset)), offset)
        if turn % 20 == 0:
            both.same(source.randrange(size), 200000)
        if turn == count // 2:
            both.each(os.fsync)
    both.close()


def overwrite_middle(both, size, source):
    both.open(os.O_RDWR)
    for part in range(size // 4, size // 2, MIB):
        both.write(source.randbytes(MIB), part)
    both.close()


def append(both, source):
    both.open(os.O_RDWR | os.O_APPEND)
    for _ in range(11):
        both.write(source.randbytes(MIB + 1))
    both.close()


def resize(both, size, source):
    both.open(os.O_RDWR)
    both.write(source.randbytes(10 * MIB), size // 3)
    both.each(lambda file: os.ftruncate(file, size // 2))
    both.each(lambda file: os.ftruncate(file, size))
    both.same(size // 2 - 1000, 5000)
    both.write(source.randbytes(9 * MIB), size // 2 + 12345)
    both.each(lambda file: os.ftruncate(file, size - 77))
    both.close()


def write_backwards(both, size, source):
    both.open(os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    for part in reversed(range(0, size, MIB)):
        both.write(source.randbytes(MIB - 100), part)
    both.each(lambda file: os.ftruncate(file, size // 2))
    both.each(lambda file: os.ftruncate(file, size))
    both.write(source.randbytes(100), size - 500)
    both.close()


def empty_again(both, source):
    both.open(os.O_RDWR)
    both.write(source.randbytes(10 * MIB), 5)
    both.each(lambda file: os.ftruncate(file, 0))
    both.write(source.randbytes(9 * MIB), 17)
    both.close()
    both.compare()
    both.open(os.O_RDWR)
    both.write(source.randbytes(9 * MIB), 0)
    both.each(lambda file: os.ftruncate(file, 1000))  # what is in the stage is more than the value
    both.close()


def holes(both, size, source, sparse):
    both.open(os.O_RDWR)
    before = os.fstat(both.files[0]).st_blocks
    for file in both.files:
        fallocate(file, PUNCH_HOLE | KEEP_SIZE, size // 4 + 5, size // 4)
    both.same(size // 4 - 1000, 5000)
    both.write(source.randbytes(300000), size // 3)
    for file in both.files:
        fallocate(file, ZERO_RANGE, size - 1000, 5000)
        fallocate(file, 0, size, MIB)
        fallocate(file, KEEP_SIZE, size, 50 * MIB)
    both.same(size - 5000, 10000)
    both.close()
    assert not sparse or os.stat(both.paths[0]).st_blocks * 512 < before * 512 - size // 8, "a hole still takes room"


def unlink_open(both, size, source):
    both.open(os.O_RDWR)
    both.write(source.randbytes(100000), size // 3)
    for path in both.paths:
        os.unlink(path)
    both.write(source.randbytes(10 * MIB), size // 2)
    for part in range(0, size, 5 * MIB):
        both.same(part, MIB)
    assert both.each(lambda file: os.fstat(file).st_size)[0] == os.fstat(both.files[1]).st_size
    both.close()


def rename_dirty(both, sides, size, source):
    both.open(os.O_RDWR)
    both.write(source.randbytes(9 * MIB), size // 5)
    other = Both(sides, "renamed")
    for path, to in zip(both.paths, other.paths):
        os.rename(path, to)
    both.write(source.randbytes(3000), 3)
    both.close()
    other.compare()
    write_new(both, 10 * MIB, source)
    other.open(os.O_RDWR)
    for path, to in zip(both.paths, other.paths):
        os.rename(path, to)
    for part in range(0, size, 5 * MIB):
        other.same(part, MIB)
    other.close()
    other.compare()
    write_new(both, size, source)


def copy_range(sides):
    source = Both(sides, "main").open(os.O_RDONLY)
    target = Both(sides, "copied").open(os.O_RDWR | os.O_CREAT)
    for one, two in zip(source.files, target.files):
        left = os.fstat(one).st_size
        while left > 0:
            left -= os.copy_file_range(one, two, left)
    source.close()
    target.close()
    target.compare()


def mapped(both, size):
    both.open(os.O_RDWR)
    for file in both.files:
        with mmap.mmap(file, size) as memory:
            for at in range(0, size - 100, size // 50):
                memory[at:at + 5] = b"mmap!"
    both.close()


def sparse(top, source):
    """Only in the mount: where nothing was written, nothing is kept."""
    path = os.path.join(top, "sparse")
    marks = {4500 * MIB: b"far away", 3 * MIB: b"near"}
    with open(path, "wb", buffering=0) as file:
        file.truncate(5 << 30)
        for at, text in marks.items():
            os.pwrite(file.fileno(), text, at)
        assert os.fstat(file.fileno()).st_blocks * 512 < MIB
    state = os.stat(path)
    assert state.st_size == 5 << 30 and state.st_blocks * 512 <= 2 * MIB, state
    with open(path, "rb+", buffering=0) as file:
        descriptor = file.fileno()
        for at, text in marks.items():
            assert os.pread(descriptor, 10 + len(text), at - 10) == bytes(10) + text
            found = os.lseek(descriptor, at - 2 * MIB, os.SEEK_DATA)
            assert at - MIB < found <= at, found
            assert at < os.lseek(descriptor, at, os.SEEK_HOLE) <= at + MIB
        assert os.lseek(descriptor, 100 * MIB, os.SEEK_HOLE) == 100 * MIB
        assert os.lseek(descriptor, 4600 * MIB, os.SEEK_HOLE) == 4600 * MIB
        try:
            os.lseek(descriptor, 4600 * MIB, os.SEEK_DATA)
            raise AssertionError("data in a hole")
        except OSError as error:
            assert error.errno == 6, error
        os.pwrite(descriptor, b"in the middle", 2000 * MIB)  # not committed: what is open counts
        assert os.lseek(descriptor, 100 * MIB, os.SEEK_DATA) == 2000 * MIB
        fallocate(descriptor, PUNCH_HOLE | KEEP_SIZE, 0, 4000 * MIB)
        assert 4000 * MIB < os.lseek(descriptor, 0, os.SEEK_DATA) <= 4500 * MIB
        for at, text in sorted(marks.items()):
            assert os.pread(descriptor, len(text), at) == (text if at > 4000 * MIB else bytes(len(text)))
    assert os.stat(path).st_blocks * 512 <= MIB
    os.unlink(path)


def main():
    sides, size = sys.argv[1:3], int(sys.argv[3]) * MIB
    source = random.Random(int(sys.argv[4]))
    stores_no_zeros = len(sys.argv) > 5
    both = Both(sides, "main")
    steps = [
        lambda: write_new(both, size, source),
        lambda: overwrite(both, size, source, 400),
        lambda: overwrite_middle(both, size, source),
        lambda: append(both, source),
        lambda: resize(both, size, source),
        lambda: holes(both, os.stat(both.paths[1]).st_size, source, stores_no_zeros),
        lambda: mapped(both, os.stat(both.paths[1]).st_size),
        lambda: copy_range(sides),
        lambda: write_backwards(both, size, source),
        lambda: empty_again(both, source),
        lambda: write_new(both, size, source),
        lambda: rename_dirty(both, sides, size, source),
    ]
    for number, step in enumerate(steps, 1):
        try:
            step()
            both.compare()
        except (AssertionError, OSError) as problem:
            sys.exit(f"step {number}: {problem!r}")
    unlink_open(both, size, source)
    if stores_no_zeros:
        sparse(sides[0], source)
    print(f"{len(steps)} steps on {size // MIB} MiB")


main()
