# SPDX-License-Identifier: MIT
"""One large value, two mounts that write to it at once: large_two.py FIRST SECOND

Both write more than a file may have in memory, onto a value that the other has changed before they close;
nothing of either is lost.
"""
import os
import random
import sys

MIB = 1 << 20
source = random.Random(5)


def main():
    first, second = (os.path.join(side, "shared") for side in sys.argv[1:3])
    value = bytearray(source.randbytes(40 * MIB))
    with open(first, "wb") as file:
        file.write(value)
    one, two = os.open(first, os.O_RDWR), os.open(second, os.O_RDWR)
    for file, at in ((one, 3 * MIB + 7), (two, 20 * MIB + 1)):
        data = source.randbytes(11 * MIB)
        value[at:at + len(data)] = data
        os.pwrite(file, data[:5 * MIB], at)
        os.pwrite(file, data[5 * MIB:], at + 5 * MIB)
    os.close(one)
    os.close(two)
    logs = [os.open(path, os.O_WRONLY | os.O_APPEND) for path in (first, second)]
    added = [source.randbytes(10 * MIB) for _ in logs]
    for log, data in zip(logs, added):
        for part in range(0, len(data), MIB):
            os.write(log, data[part:part + MIB])
    for log in logs:
        os.close(log)
    value += added[0] + added[1]
    for path in (first, second):
        with open(path, "rb") as file:
            got = file.read()
        assert len(got) == len(value), f"{path} has {len(got)} bytes, not {len(value)}"
        at = next((i for i in range(0, len(got), MIB) if got[i:i + MIB] != value[i:i + MIB]), None)
        assert at is None, f"{path} differs in the MiB at {at}"


main()
