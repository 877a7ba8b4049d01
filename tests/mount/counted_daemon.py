# SPDX-License-Identifier: MIT
"""What one request costs a mount's daemon: the counters that it shows in a mapped file, read when it is idle."""
import contextlib
import os
import struct
import time


class Daemon:
    def __init__(self, counters, count, pid):
        self.values, self.form, self.tasks = counters, f"{count}Q", f"/proc/{pid}/task"

    def _idle(self):
        """Every thread sleeps: none is ready to run, waits for the disk, or is stopped at a call."""
        for task in os.listdir(self.tasks):
            with contextlib.suppress(FileNotFoundError), open(f"{self.tasks}/{task}/stat") as file:
                if file.read().rpartition(")")[2].split()[0] != "S":
                    return False
        return True

    def counters(self):
        """When what the kernel sends after a request has come in and is done."""
        before = None
        while True:
            now = struct.unpack(self.form, self.values[:struct.calcsize(self.form)])
            if now == before and self._idle():
                return now
            before = now
            time.sleep(0.002)

    def cost(self, request, i):
        before = self.counters()
        request(i)
        return [b - a for a, b in zip(before, self.counters())]
