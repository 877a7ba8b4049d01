# SPDX-License-Identifier: MIT
# Many at once: open files, keys in one directory; and that what the daemon keeps of them goes when the kernel forgets.
#   limits.py MOUNT STOREFS STORE OPEN KEYS [full]
import os
import re
import resource
import subprocess
import sys
import time

mount, storefs, store = sys.argv[1:4]
opened, keys, full = int(sys.argv[4]), int(sys.argv[5]), sys.argv[6:] == ["full"]
problems = 0


def same(got, wanted, what):
    global problems
    if got != wanted:
        problems += 1
        print(f"{what}: got {got!r:.100}, wanted {wanted!r:.100}")


def stats():
    with open(mount + "/admin/stats.json") as file:
        text = file.read()
    pid = re.search(r'"pid": *(\d+)', text).group(1)
    with open(f"/proc/{pid}/status") as file:
        memory = int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1)) // 1024
    return int(re.search(r'"nodes": *(\d+)', text).group(1)), memory


def forget():
    """At the long count the kernel drops all that it keeps; else it forgets what is removed."""
    if full:
        with open("/proc/sys/vm/drop_caches", "w") as file:
            file.write("3")
    else:
        for name in os.listdir(mount + "/keys/many"):
            os.unlink(f"{mount}/keys/many/{name}")


def many_open():
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (opened + 100, max(opened + 100, most)))
    directory = mount + "/keys/open"
    os.mkdir(directory)
    files = [os.open(f"{directory}/f{i}", os.O_CREAT | os.O_RDWR) for i in range(opened)]
    for i, file in enumerate(files):
        os.pwrite(file, b"%d" % i, 0)
    for i in range(0, opened, 37):
        same(os.pread(files[i], 20, 0), b"%d" % i, "an open file")
    print(f"{opened} files open: {stats()[0]} nodes, {stats()[1]} MB")
    for file in files:
        os.close(file)
    same(len(os.listdir(directory)), opened, "names")
    with open(f"{directory}/f{opened - 1}") as file:
        same(file.read(), str(opened - 1), "the last of them")


def many_keys():
    lines = "".join('{"key":"many/k%07d","value":%d}\n' % (i, i) for i in range(keys))
    subprocess.run([storefs, "import", store, "-"], input=lines.encode(), check=True, stdout=subprocess.DEVNULL)
    before = stats()
    count = total = 0
    with os.scandir(mount + "/keys/many") as entries:
        for entry in entries:
            count += 1
    after = stats()
    same(count, keys, "names in a listing")
    print(f"{keys} keys listed: {after[0] - before[0]} nodes and {after[1] - before[1]} MB more")
    for entry in os.scandir(mount + "/keys/many"):
        total += entry.stat().st_size
    same(total, sum(len(str(i)) for i in range(keys)), "their sizes")
    asked = stats()
    print(f"and asked for each: {asked[0]} nodes, {asked[1]} MB")
    forget()
    left, end = stats(), time.monotonic() + 60
    while left[0] > before[0] + 100 and time.monotonic() < end:  # the kernel tells of it afterwards
        time.sleep(0.1)
        left = stats()
    print(f"and forgotten: {left[0]} nodes, {left[1]} MB")
    if left[0] > before[0] + 100:
        same(left[0], "few", "nodes that the kernel has forgotten")


many_open()
many_keys()
print(problems, "problems")
sys.exit(problems > 0)
