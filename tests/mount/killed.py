# SPDX-License-Identifier: MIT
# Two mounts of one store, on which processes make, rename, remove, list and commit names of the same directories,
# while one daemon after the other is killed with SIGKILL and mounted again: no call may wait for what is gone.
#   killed.py STOREFS STORE MOUNT OTHER-MOUNT SECONDS SEED
import multiprocessing
import os
import random
import re
import signal
import subprocess
import sys
import time

storefs, store = sys.argv[1:3]
mounts = sys.argv[3:5]
seconds, seed = float(sys.argv[5]), int(sys.argv[6])
WORKERS = 8
LONGEST = 40.0  # seconds that a call may take, the time of a busy machine included
PATIENCE = 60.0  # for enough of all
begun = multiprocessing.Array("d", WORKERS, lock=False)
calls = multiprocessing.Array("l", WORKERS, lock=False)
stop = multiprocessing.Event()


def transaction(mount, draw, number):
    tx = f"{mount}/tx/t{number}-{os.getpid()}"
    os.mkdir(tx)
    for _ in range(4):
        name(f"{tx}/keys", draw)
    os.close(os.open(tx + "/commit", os.O_WRONLY | os.O_TRUNC))


def name(keys, draw):
    directory = f"{keys}/d{draw.randrange(3)}"
    path = f"{directory}/n{draw.randrange(6)}"
    what = draw.randrange(8)
    if what < 2:
        with open(path, "w") as file:
            file.write("x" * draw.randrange(5000))
    elif what == 2:
        os.rename(path, f"{directory}/n{draw.randrange(6)}")
    elif what == 3:
        os.unlink(path)
    elif what == 4:
        os.listdir(directory)
        os.stat(path)
    elif what == 5:
        os.mkdir(path + "d")
        os.rmdir(path + "d")
    elif what == 6:
        os.rename(directory, f"{keys}/d{draw.randrange(3)}")
    else:
        with open(path, "rb") as file:
            file.read()


def work(worker):
    draw = random.Random(seed * 100 + worker)
    number = 0
    while not stop.is_set():
        mount = mounts[worker % 2]
        number += 1
        begun[worker] = time.monotonic()
        try:
            if draw.randrange(4) == 0:
                transaction(mount, draw, number)
            else:
                name(mount + "/keys", draw)
            calls[worker] += 1
        except OSError:
            begun[worker] = 0
            time.sleep(0.001)
        begun[worker] = 0


def daemon(mount):
    for _ in range(1000):
        try:
            with open(mount + "/admin/stats.json") as file:
                return int(re.search(r'"pid": *(\d+)', file.read()).group(1))
        except OSError:
            time.sleep(0.05)
    return 0


def device(mount):
    with open("/proc/self/mountinfo") as file:
        for line in file:
            fields = line.split()
            if fields[4] == mount:
                return fields[2].split(":")[1]
    return None


def abort(connection):
    """Frees who hangs, where the kernel's files for that are mounted."""
    try:
        with open(f"/sys/fs/fuse/connections/{connection}/abort", "w") as file:
            file.write("1")
    except OSError as error:
        print(f"and cannot be freed: {error}")


def hanging():
    """Workers whose call does not come back."""
    end = time.monotonic() + LONGEST
    while time.monotonic() < end:
        now = time.monotonic()
        late = [w for w in range(WORKERS) if begun[w] and now - begun[w] > LONGEST / 2]
        if not late:
            return []
        time.sleep(0.1)
    return late


processes = [multiprocessing.Process(target=work, args=(w,)) for w in range(WORKERS)]
for mount in mounts:
    for i in range(3):
        os.makedirs(f"{mount}/keys/d{i}", exist_ok=True)
for process in processes:
    process.start()
draw = random.Random(seed)
kills = problems = 0
end = time.monotonic() + seconds
while not problems and (now := time.monotonic()) < end + PATIENCE and (now < end or kills < 2 or sum(calls) < 100):
    victim = mounts[kills % 2]
    time.sleep(0.1 + draw.random() * 0.3)
    connection = device(victim)
    os.kill(daemon(victim), signal.SIGKILL)
    kills += 1
    late = hanging()
    if late:
        problems += 1
        print(f"kill {kills}: calls of {len(late)} processes hang")
        abort(connection)
    if subprocess.run([storefs, "mount", store, victim]).returncode != 0:
        problems += 1
        print(f"kill {kills}: {victim} cannot be mounted again")
        abort(connection)
stop.set()
for process in processes:
    process.join(LONGEST)
    if process.is_alive():
        problems += 1
        print("a process hangs at the end")
        process.kill()
print(f"{kills} kills, {sum(calls)} calls, {problems} problems")
sys.exit(problems > 0 or kills < 2 or sum(calls) < 100)
