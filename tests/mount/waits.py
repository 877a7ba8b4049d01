# SPDX-License-Identifier: MIT
# waits.py MOUNT STORE KEYS [OPERATION…]: how long four readers wait while another client runs each large operation: they
# open, read and close, stat, look up and list in directories of their own. Prints median, p99 and worst, and how long the
# operation took; fails where in each of several tries a reader waited ten times the 50 ms that it may. keys/many/ has KEYS keys, 0 and so on, each
# with a document {"n":NUMBER}.
import multiprocessing
import os
import subprocess
import sys
import time

MOUNT, STORE, KEYS = sys.argv[1], sys.argv[2], int(sys.argv[3])
KEYS_DIR = os.path.join(MOUNT, 'keys')
STOREFS = os.environ['STOREFS']
LIMIT = 0.5
TRIES = 6  # the machine may be busy with something else
LINE = b'text of a large value\n'
LARGE = 256 << 20


def reader(number, stop, results):
    directory = os.path.join(KEYS_DIR, 'readers', str(number))
    names = sorted(os.listdir(directory))
    waits, step = [], 0
    while not stop.is_set():
        step += 1
        name = os.path.join(directory, names[step % len(names)])
        begun = time.monotonic()
        if step % 4 == 0:
            with open(name, 'rb') as file:
                assert file.read() == os.path.basename(name).encode()
        elif step % 4 == 1:
            os.stat(name)
        elif step % 4 == 2:
            assert not os.path.exists(name + '.missing%d' % step)
        else:
            assert len(os.listdir(directory)) == len(names)
        waits.append(time.monotonic() - begun)
        time.sleep(0.0005)
    results.put(waits)


def run(*command, expect=0):
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert done.returncode == expect, (command, done.returncode, done.stderr)


def path(*parts):
    return os.path.join(KEYS_DIR, *parts)


def write_sparse():
    """A value with data at both ends and 32 GiB of nothing between them."""
    if os.path.exists(path('sparse')):
        os.unlink(path('sparse'))
    with open(path('sparse'), 'xb') as file:
        file.write(b'begin')
        file.seek(32 << 30)
        file.write(b'end')


def write_large():
    with open(path('large'), 'wb') as file:
        for _ in range(LARGE // (1 << 20)):
            file.write(LINE * ((1 << 20) // len(LINE) + 1))


def unlink_open():
    if not os.path.exists(path('large')):
        write_large()
    with open(path('large'), 'rb') as file:
        os.unlink(path('large'))
        file.seek(200 << 20)
        assert file.read(len(LINE)) == (LINE * 2)[(200 << 20) % len(LINE):][:len(LINE)]


def make_index():
    index = os.path.join(MOUNT, 'indexes', 'n')
    if os.path.exists(index):
        os.rmdir(index)
    os.mkdir(index)


def rename_directory():
    os.rename(path('many'), path('more'))
    os.rename(path('more'), path('many'))


OPERATIONS = {
    'truncate': lambda: os.truncate(path('huge'), 1 << 40),
    'sparse': write_sparse,
    'large value': write_large,
    'unlink open': unlink_open,
    'rename of a directory': rename_directory,
    'query': lambda: run('sh', '-c', 'cat "%s/query/where/n >= 0/count" "%s/query/order/n:desc/limit/5/values.ndjson"' % (MOUNT, MOUNT)),
    'index': make_index,
    'export': lambda: run(STOREFS, 'export', MOUNT, os.path.join(os.environ['TMPDIR'], 'all.ndjson')),
    'fsck': lambda: run(STOREFS, 'fsck', STORE),
    'transaction': lambda: run(STOREFS, 'exec', '--tx', MOUNT, '--', 'sh', '-c',
                               'mv "$STOREFS_KEYS/many" "$STOREFS_KEYS/moved"; mv "$STOREFS_KEYS/moved" "$STOREFS_KEYS/many"; echo 1 > "$STOREFS_KEYS/many/0"'),
}


def measure(name):
    stop, results = multiprocessing.Event(), multiprocessing.Queue()
    readers = [multiprocessing.Process(target=reader, args=(i, stop, results)) for i in range(4)]
    for process in readers:
        process.start()
    time.sleep(0.2)
    begun = time.monotonic()
    try:
        OPERATIONS[name]()
    finally:
        took = time.monotonic() - begun
        time.sleep(0.1)
        stop.set()
        waits = sorted(wait for _ in readers for wait in results.get(timeout=60))
        for process in readers:
            process.join()
    print('%-22s took %8.1f ms; %6d reads: median %.2f p99 %.2f worst %.2f ms' % (
        name, took * 1000, len(waits), waits[len(waits) // 2] * 1000, waits[len(waits) * 99 // 100] * 1000, waits[-1] * 1000),
        flush=True)
    assert all(process.exitcode == 0 for process in readers)
    return waits[-1] < LIMIT


def main():
    for number in range(4):
        os.makedirs(path('readers', str(number)))
        for name in range(50):
            with open(path('readers', str(number), str(name)), 'w') as file:
                file.write(str(name))
    open(path('huge'), 'w').close()
    assert len(os.listdir(path('many'))) == KEYS
    wanted = sys.argv[4:] or list(OPERATIONS)
    slow = [name for name in wanted if not any(measure(name) for _ in range(TRIES))]
    if slow:
        sys.exit('readers waited over %d ms while: %s' % (LIMIT * 1000, ', '.join(slow)))


main()
