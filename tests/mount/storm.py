# SPDX-License-Identifier: MIT
# Files are written, renamed, changed and removed below directories that are renamed meanwhile: no call
# may fail, and every file must hold what was written last.   storm.py KEYS SECONDS SEED
import os
import random
import sys
import threading
import time

top, seconds, seed = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
os.makedirs(top + "/x/d0/sub")
outer = os.open(top + "/x/d0", os.O_RDONLY)
inner = os.open(top + "/x/d0/sub", os.O_RDONLY)
stop = time.monotonic() + seconds
problems = []
rounds = {"written": 0, "renamed": 0, "listed": 0}
last = {}


def reporting(function):
    def run(*arguments):
        try:
            function(*arguments)
        except OSError as error:
            line = error.__traceback__.tb_next.tb_lineno
            problems.append(f"{function.__name__}, line {line}: {error}")
    return run


def write_once(directory, name, number, draw):
    data = (b"%s %d " % (name.encode(), number)) * draw.randint(1, 2000)
    flags = os.O_RDWR | os.O_CREAT | (os.O_TRUNC if number % 3 else 0)
    file = os.open(name, flags, 0o644, dir_fd=directory)
    if number % 3 == 0:
        os.ftruncate(file, 0)
    os.pwrite(file, data, 0)
    if os.pread(file, len(data) + 1, 0) != data or os.fstat(file).st_size != len(data):
        problems.append(f"{name}: other bytes while open")
    if number % 5 == 0:
        os.fsync(file)
    os.close(file)
    return data


def change_names(directory, name, number, draw):
    if number % 4 == 0:
        os.chmod(name, 0o600 + draw.randint(0, 63), dir_fd=directory)
    if number % 6 == 0:
        os.rename(name, name + "t", src_dir_fd=directory, dst_dir_fd=directory)
        os.rename(name + "t", name, src_dir_fd=directory, dst_dir_fd=directory)
    if number % 10 == 0:
        # The release of a new file may still be under way when its name is used.
        os.close(os.open(name + "e", os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=directory))
        os.chmod(name + "e", 0o640, dir_fd=directory)
        os.unlink(name + "e", dir_fd=directory)
        os.mkdir(name + "d", dir_fd=directory)
        os.rmdir(name + "d", dir_fd=directory)


@reporting
def writer(which):
    directory, name, draw = (inner if which % 2 else outer), f"f{which}", random.Random(seed + which)
    number = 0
    while time.monotonic() < stop or rounds["written"] == 0:
        number += 1
        last[which] = (directory, name, write_once(directory, name, number, draw))
        change_names(directory, name, number, draw)
        if os.stat(name, dir_fd=directory).st_size != len(last[which][2]):
            problems.append(f"{name}: another size after close")
        if number % 9 == 0:
            os.unlink(name, dir_fd=directory)
            del last[which]
        rounds["written"] += 1


@reporting
def renamer():
    here, there = top + "/x/d0", top + "/x/d1"
    while time.monotonic() < stop or rounds["renamed"] == 0:
        os.rename(here, there)
        here, there = there, here
        os.rename(top + "/x", top + "/y")
        os.rename(top + "/y", top + "/x")
        rounds["renamed"] += 3
        time.sleep(0.002)


@reporting
def lister():
    while time.monotonic() < stop or rounds["listed"] == 0:
        names = os.listdir(outer)
        if names.count("sub") != 1 or len(set(names)) != len(names):
            problems.append(f"listed {names}")
        os.listdir(inner)
        rounds["listed"] += 1


threads = [threading.Thread(target=writer, args=(which,)) for which in range(6)]
threads += [threading.Thread(target=renamer), threading.Thread(target=lister)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
for directory, name, data in last.values():
    with open(os.open(name, os.O_RDONLY, dir_fd=directory), "rb") as file:
        if file.read() != data:
            problems.append(f"{name}: not what was written last")
if os.listdir(top) != ["x"]:
    problems.append(f"left behind: {os.listdir(top)}")
if min(rounds.values()) == 0:
    problems.append("nothing happened")
print(rounds, *problems[:10], sep="\n")
sys.exit(bool(problems))
