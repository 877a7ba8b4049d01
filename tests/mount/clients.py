# SPDX-License-Identifier: MIT
# Many processes at once on one mount: each writes, reads back, renames, lists and removes files of its own, which
# must always be as it left them, and meanwhile all change files, transactions and documents that they share.
#   clients.py MOUNT CLIENTS SECONDS SEED
import errno
import json
import multiprocessing
import os
import random
import sys
import time

mount, clients, seconds, seed = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
ALLOWED = {errno.ENOENT, errno.EEXIST, errno.ECANCELED, errno.ENOTEMPTY, errno.ESTALE, errno.EISDIR, errno.ENOTDIR,
           errno.EBUSY, errno.EINVAL, errno.EOPNOTSUPP}
counts = multiprocessing.Array("l", clients, lock=False)
troubles = multiprocessing.Array("l", clients, lock=False)


class Client:
    def __init__(self, number):
        self.number = number
        self.draw = random.Random(seed * 1000 + number)
        self.home = f"{mount}/keys/home{number}"
        self.files = {}
        os.mkdir(self.home)

    def trouble(self, what):
        troubles[self.number] += 1
        print(f"client {self.number}: {what}", flush=True)

    def bytes(self):
        size = self.draw.choice((0, 1, 100, 5000, 70000)) + self.draw.randrange(50)
        return self.draw.randbytes(size)

    def check(self, name):
        with open(f"{self.home}/{name}", "rb") as file:
            if file.read() != self.files[name]:
                self.trouble(f"{name} is not as it was written")

    def write(self):
        name = f"f{self.draw.randrange(20)}"
        data = self.bytes()
        with open(f"{self.home}/{name}", "wb") as file:
            file.write(data)
            if self.draw.randrange(20) == 0:
                os.fsync(file.fileno())
        self.files[name] = data
        self.check(name)

    def append(self):
        for name in list(self.files)[:1]:
            data = self.bytes()[:3000]
            with open(f"{self.home}/{name}", "ab") as file:
                file.write(data)
            self.files[name] += data
            self.check(name)

    def patch(self):
        for name in list(self.files)[:1]:
            old = self.files[name]
            at = self.draw.randrange(len(old) + 10)
            data = self.bytes()[:500]
            with open(f"{self.home}/{name}", "r+b") as file:
                os.pwrite(file.fileno(), data, at)
            if data:
                old = old.ljust(at, b"\0")
                self.files[name] = old[:at] + data + old[at + len(data):]
            self.check(name)

    def rename(self):
        for name in list(self.files)[:1]:
            other = f"f{self.draw.randrange(20)}"
            os.rename(f"{self.home}/{name}", f"{self.home}/{other}")
            self.files[other] = self.files.pop(name)
            self.check(other)

    def remove(self):
        for name in list(self.files)[:1]:
            os.unlink(f"{self.home}/{name}")
            del self.files[name]

    def list(self):
        if sorted(os.listdir(self.home)) != sorted(self.files):
            self.trouble(f"the listing is {sorted(os.listdir(self.home))}, not {sorted(self.files)}")
        for name in self.files:
            if os.stat(f"{self.home}/{name}").st_size != len(self.files[name]):
                self.trouble(f"{name} has another size")

    def shared(self):
        name = f"{mount}/keys/shared/s{self.draw.randrange(8)}"
        what = self.draw.randrange(6)
        if what == 0:
            with open(name, "w") as file:
                file.write(json.dumps({"n": self.draw.randrange(100), "tags": ["a"]}))
        elif what == 1:
            os.rename(name, f"{mount}/keys/shared/s{self.draw.randrange(8)}")
        elif what == 2:
            os.unlink(name)
        elif what == 3:
            with open(name) as file:
                file.read()
        elif what == 4:
            for entry in os.scandir(f"{mount}/keys/shared"):
                entry.stat()
        else:
            with open(f"{mount}/fields/shared/s{self.draw.randrange(8)}/n", "w") as file:
                file.write(str(self.draw.randrange(100)))

    def query(self):
        with open(f"{mount}/query/where/n > 50/count") as file:
            int(file.read())

    def transaction(self):
        tx = f"{mount}/tx/c{self.number}"
        data = self.bytes()
        os.mkdir(tx)
        try:
            with open(f"{tx}/keys/home{self.number}/t", "wb") as file:
                file.write(data)
            if self.draw.randrange(3):
                os.close(os.open(tx + "/commit", os.O_WRONLY | os.O_TRUNC))
                self.files["t"] = data
                self.check("t")
            else:
                os.rmdir(tx)
        except OSError:
            os.rmdir(tx)
            raise

    def run(self, end):
        steps = [self.write] * 4 + [self.append, self.patch, self.rename, self.remove, self.list] + [self.shared] * 4 \
            + [self.query, self.transaction]
        while time.monotonic() < end:
            step = self.draw.choice(steps)
            try:
                step()
            except OSError as error:
                if step not in (self.shared, self.query, self.transaction) or error.errno not in ALLOWED:
                    self.trouble(f"{step.__name__}: {error}")
                if error.errno == errno.ENOTCONN:
                    return
            counts[self.number] += 1
        for name in self.files:
            self.check(name)


def work(number):
    try:
        Client(number).run(time.monotonic() + seconds)
    except BaseException as error:
        troubles[number] += 1
        print(f"client {number}: {error!r}", flush=True)
        raise


os.mkdir(mount + "/keys/shared")
processes = [multiprocessing.Process(target=work, args=(number,)) for number in range(clients)]
for process in processes:
    process.start()
for process in processes:
    process.join()
print(f"{clients} clients, {seconds:g} s, {sum(counts)} steps, {sum(troubles)} troubles")
sys.exit(sum(troubles) > 0 or min(counts) == 0)
