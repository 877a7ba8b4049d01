# SPDX-License-Identifier: MIT
# replaced.py DIRECTORY SECONDS: names that change while they are read. A file that is always replaced by rename: each open,
# fstat and read of st_size bytes gives one content, whole. Two directories that are always exchanged: a listing through
# an open directory gives the names of one of them, each once.
import multiprocessing
import os
import sys
import time

TOP, SECONDS = sys.argv[1], float(sys.argv[2])
NAMES = 400
libc = __import__('ctypes').CDLL(None, use_errno=True)


def path(*parts):
    return os.path.join(TOP, *parts)


def content(number):
    return b'%08d ' % number + b'x' * (number * 37 % 3000) + b'.'


def put(number):
    with open(path('new'), 'wb') as file:
        file.write(content(number))
    os.rename(path('new'), path('file'))


def exchange():
    if libc.renameat2(-100, path('a').encode(), -100, path('b').encode(), 2) != 0:
        raise OSError('renameat2')


def read_file():
    file = os.open(path('file'), os.O_RDONLY)
    data = os.read(file, os.fstat(file).st_size)
    os.close(file)
    return data == content(int(data[:8]))


def list_directory():
    directory = os.open(path('a'), os.O_RDONLY)
    names = os.listdir(directory)
    os.close(directory)
    return len(names) == NAMES and len(set(names)) == NAMES and len({name[0] for name in names}) == 1


def ask(what, end, results):
    done = wrong = 0
    while time.monotonic() < end:
        done += 1
        wrong += not what()
    results.put((done, wrong))


def play(what, change):
    results, end, changes = multiprocessing.Queue(), time.monotonic() + SECONDS, 0
    readers = [multiprocessing.Process(target=ask, args=(what, end, results)) for _ in range(3)]
    for reader in readers:
        reader.start()
    while time.monotonic() < end:
        changes += 1
        change(changes)
    counts = [results.get(timeout=60) for _ in readers]
    for reader in readers:
        reader.join()
    done, wrong = (sum(column) for column in zip(*counts))
    print('%s: %d changes, %d reads, %d wrong' % (what.__name__, changes, done, wrong), flush=True)
    return done, wrong


def main():
    for directory in 'ab':
        os.mkdir(path(directory))
        for number in range(NAMES):
            with open(path(directory, '%s%d' % (directory, number)), 'w') as file:
                file.write(directory)
    put(0)
    # The kernel looks a name up once more only: what is replaced twice between a look-up and its open may show the size
    # of another content, more often where processes wait for a processor. Without that one in a hundred does.
    reads, wrong = play(read_file, put)
    if wrong > 2 + reads // 1000:
        sys.exit('%d of %d reads were torn' % (wrong, reads))
    if play(list_directory, lambda changes: exchange())[1] > 0:
        sys.exit('listings were mixed')


main()
