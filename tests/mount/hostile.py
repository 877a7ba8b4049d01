# SPDX-License-Identifier: MIT
# hostile.py MOUNT SECONDS MEGABYTES: 32 clients of one user, who may write in keys/theirs/ only, send one kind of request
# after the other and then all kinds at once, while the client of another user works in keys/watch/. Prints for each kind the
# most anonymous memory that the daemon had and how long the watcher waited. Fails where that is over 512 MiB, the watcher
# waited three times for ten times the 250 ms that it may, the hostile user could read what is the watcher's, or a client did nothing.
import errno
import json
import multiprocessing
import os
import signal
import sys
import time

MOUNT, SECONDS, MEGABYTES = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
CLIENTS = 32
LIMIT_MIB = 512
LIMIT_QUERIES_MIB = 1536  # only the owner of the mount may run them; each open one holds some of the largest values
LIMIT_WAIT = 2.5
HOSTILE, WATCHER = (61002, 61003) if os.getuid() == 0 else (os.getuid(), os.getuid())
MEMBERS = 200
THEIRS, FIELDS = MOUNT + '/keys/theirs', MOUNT + '/fields/theirs'
REFUSALS = {errno.ENOSPC, errno.EBUSY, errno.ENOMEM, errno.EFBIG, errno.ESTALE, errno.ECANCELED, errno.ENOENT,
            errno.EMFILE, errno.EEXIST, errno.ENAMETOOLONG, errno.ENOTEMPTY}
problems = []


def become(uid):
    if os.getuid() == 0 and uid != 0:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)


def document(letter):
    size = (MEGABYTES << 20) // MEMBERS
    return '{' + ','.join('"k%d":"%s"' % (i, letter * size) for i in range(MEMBERS)) + '}'


# --- what the clients do: each function is one step of client `me`, the `n`th ---

def change_members(me, n, kept):
    with open('%s/doc%d/k%d' % (FIELDS, me % 2, (me * 37 + n) % MEMBERS), 'r+') as file:
        file.write('w' * 20)


def make_members(me, n, kept):
    directory = '%s/doc%d/made-%d' % (FIELDS, me % 2, me)
    if n % 3 == 0:
        os.mkdir(directory)
    elif n % 3 == 1:
        os.rename(directory, directory + 'x')
    else:
        os.rmdir(directory + 'x')


def list_members(me, n, kept):
    directory = '%s/array%d' % (FIELDS, me % 8)
    kept.append(os.scandir(directory))
    next(kept[-1])


def open_members(me, n, kept):
    kept.append(open('%s/string%d' % (FIELDS, me), 'r+'))
    kept[-1].read(10)


def write_scratch(me, n, kept):
    kept.append(open('%s/doc%d/%d-%d~' % (FIELDS, me % 2, me, n), 'w'))
    kept[-1].write('s' * (4 << 20))


def write_large(me, n, kept):
    name = '%s/large%d' % (THEIRS, me)
    with open(name, 'w') as file:
        file.write('"' + 'x' * (MEGABYTES << 20) + '"')
    os.truncate(name, 1 << 20)
    os.rename(name, name + '.old')


def write_open(me, n, kept):
    kept.append(open('%s/open-%d-%d' % (THEIRS, me, n), 'wb', buffering=0))
    kept[-1].write(b'o' * (900 << 10))


def read_open(me, n, kept):
    kept.append(open('%s/small%d' % (THEIRS, n % 8), 'rb', buffering=0))
    kept[-1].read(1000)


def begin_transactions(me, n, kept):
    name = '%s/tx/t-%d-%d' % (MOUNT, me, n)
    os.mkdir(name)
    with open(name + '/keys/theirs/in', 'wb') as file:
        file.write(b't' * (900 << 10))
    if n % 8 == 0:
        with open('%s/fields/theirs/medium/k%d' % (name, n % MEMBERS), 'r+') as file:
            file.write('t')


def make_savepoints(me, n, kept):
    name = '%s/tx/s-%d' % (MOUNT, me)
    if n == 0:
        os.mkdir(name)
    with open('%s/keys/theirs/f%d' % (name, n % 4), 'wb') as file:
        file.write(b'p' * (900 << 10))
    os.mkdir('%s/savepoints/p%d' % (name, n))


def run_queries(me, n, kept):
    """By the mount's owner: nobody else may ask."""
    kept.append(open('%s/query/where/n >= %d/order/s:desc/values.ndjson' % (MOUNT, n % 100), 'rb', buffering=0))
    kept[-1].read(1000)


def make_names(me, n, kept):
    directory = THEIRS + '/' + '/'.join(['d%d' % me] + ['deep' * 10] * 40)
    if n == 0:
        os.makedirs(directory)
    name = '%s/%s%d' % (directory, 'n' * 200, n)
    with open(name, 'w') as file:
        file.write('n')
    for i in range(20):
        assert not os.path.exists('%s.missing%d' % (name, i))


KINDS = [change_members, make_members, list_members, open_members, write_scratch, write_large, write_open, read_open,
         begin_transactions, make_savepoints, make_names]


def client(kind, me, stop, results):
    become(HOSTILE if kind != run_queries else os.getuid())
    kept, steps, refused = [], 0, 0
    while not stop.is_set():
        try:
            kind(me, steps, kept)
        except OSError as failure:
            if failure.errno not in REFUSALS:
                results.put('%s: %s' % (kind.__name__, failure))
                return
            refused += 1
            for file in kept[:len(kept) // 2]:
                try:
                    file.close()
                except OSError:
                    pass
            del kept[:len(kept) // 2]
            time.sleep(0.05)
        steps += 1
        if len(kept) > 200:
            kept.pop(0).close()
    results.put((steps, refused))
    results.close()
    results.join_thread()
    os._exit(0)


def spy():
    """As the hostile user: nothing of the watcher's can be read, by any way."""
    become(HOSTILE)
    name = MOUNT + '/tx/spy'
    os.mkdir(name)
    bad = 0
    for path in ['keys/watch/secret', 'keys/watch', 'fields/watch/secret', 'fields/watch', 'query/keys', 'admin/errors',
                 'tx/spy/keys/watch/secret', 'tx/spy/fields/watch/secret']:
        path = os.path.join(MOUNT, path)
        try:
            os.listdir(path) if not path.endswith(('secret', 'errors')) else open(path).read()
            print('the hostile user reads', path)
            bad = 1
        except PermissionError:
            pass
    os.rmdir(name)
    os._exit(bad)


# --- who must not wait ---

def watch(stop, results):
    become(WATCHER)
    directory, member, step, waits = MOUNT + '/keys/watch', MOUNT + '/fields/watch/small/n', 0, []
    while not stop.is_set():
        step += 1
        begun = time.monotonic()
        if step % 5 == 0:
            with open(directory + '/secret') as file:
                assert file.read() == 'secret'
        elif step % 5 == 1:
            assert len(os.listdir(directory)) >= 2
        elif step % 5 == 2:
            with open(directory + '/written', 'w') as file:
                file.write(str(step))
        elif step % 5 == 3:
            with open(member, 'w') as file:
                file.write(str(step))
        else:
            with open(member) as file:
                assert file.read() == '%d\n' % (step - 1)
        waits.append((time.monotonic() - begun, step % 5))
        time.sleep(0.002)
    results.put(waits)
    results.close()
    results.join_thread()
    os._exit(0)


# --- measuring ---

def daemon():
    with open(MOUNT + '/admin/stats.json') as file:
        return json.load(file)['pid']


def anonymous(pid):
    with open('/proc/%d/status' % pid) as file:
        return next(int(line.split()[1]) for line in file if line.startswith('RssAnon')) // 1024


def follow(pid, seconds):
    """The most memory that the daemon had meanwhile, in MiB."""
    most, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        most = max(most, anonymous(pid))
        time.sleep(0.02)
    return most


def prepare():
    for name, uid in (('theirs', HOSTILE), ('watch', WATCHER)):
        directory = '%s/keys/%s' % (MOUNT, name)
        os.mkdir(directory, 0o700)
        os.chown(directory, uid, uid)
    texts = {'watch/secret': 'secret', 'watch/small': '{"n":"0"}', 'theirs/doc0': document('a'),
             'theirs/doc1': document('b'), 'theirs/medium': json.dumps({'k%d' % i: 'm' * 5000 for i in range(MEMBERS)})}
    for i in range(8):
        texts['theirs/array%d' % i] = '[' + ','.join(['"%s"' % ('e' * 12)] * min(MEGABYTES << 14, 900000)) + ']'
        texts['theirs/small%d' % i] = 's' * (1000 << 10)
    for i in range(CLIENTS):
        texts['theirs/string%d' % i] = '"' + 'z' * (MEGABYTES << 18) + '"'
    for i in range(2000):
        texts['theirs/row%d' % i] = json.dumps({'n': i, 's': 'r' * 2000})
    for name, text in texts.items():
        with open('%s/keys/%s' % (MOUNT, name), 'w') as file:
            file.write(text)
            os.fchown(file.fileno(), *[WATCHER if name.startswith('watch') else HOSTILE] * 2)
            os.fchmod(file.fileno(), 0o600)


def clean():
    for name in os.listdir(MOUNT + '/tx'):
        try:
            os.rmdir('%s/tx/%s' % (MOUNT, name))
        except OSError:
            pass


def attack(what, kinds, seconds, pid, limit=LIMIT_MIB):
    """Up to three times where the watcher waits for long: the disk is not this test's alone."""
    for attempt in range(3):
        worst = attack_once(what, kinds, seconds, pid, limit)
        if worst <= LIMIT_WAIT:
            return
    problems.append('%s: the other user waited %.1f s, three times' % (what, worst))


def attack_once(what, kinds, seconds, pid, limit):
    stop, results, waits = multiprocessing.Event(), multiprocessing.Queue(), multiprocessing.Queue()
    watcher = multiprocessing.Process(target=watch, args=(stop, waits))
    clients = [multiprocessing.Process(target=client, args=(kinds[i % len(kinds)], i, stop, results))
               for i in range(CLIENTS)]
    for process in [watcher] + clients:
        process.start()
    most = follow(pid, seconds)
    stop.set()
    begun = time.monotonic()
    told = [results.get(timeout=200) for _ in clients]
    waited = sorted(waits.get(timeout=200))
    for process in [watcher] + clients:
        process.join()
    clean()
    problems.extend(told_one for told_one in told if isinstance(told_one, str))
    steps = sum(one[0] for one in told if not isinstance(one, str))
    refused = sum(one[1] for one in told if not isinstance(one, str))
    worst, kind = waited[-1]
    print('%-20s %8d %8d %8d %10.1f %10.1f %10.1f (%d) %6.1f' % (
        what, steps, refused, most, 1000 * waited[len(waited) // 2][0], 1000 * waited[len(waited) * 99 // 100][0],
        1000 * worst, kind, time.monotonic() - begun), flush=True)
    if most > limit:
        problems.append('%s: the daemon took %d MiB' % (what, most))
    if steps == refused:
        problems.append('%s: nothing was done' % what)
    return worst


signal.signal(signal.SIGHUP, signal.SIG_IGN)
begun = time.monotonic()
prepare()
pid = daemon()
if os.getuid() == 0:
    child = multiprocessing.Process(target=spy)
    child.start()
    child.join()
    if child.exitcode != 0:
        problems.append('what is the watcher\'s was read')
print('prepared in %.1f s, %d MiB' % (time.monotonic() - begun, anonymous(pid)))
print('%-20s %8s %8s %8s %10s %10s %10s' % ('32 clients', 'steps', 'refused', 'MiB', 'median ms', 'p99 ms', 'worst ms'))
each = SECONDS / (len(KINDS) + 4)
for kind in KINDS:
    attack(kind.__name__, [kind], each, pid)
attack('all', KINDS, 3 * each, pid)
attack('run_queries', [run_queries], each, pid, LIMIT_QUERIES_MIB)
if daemon() != pid:
    problems.append('the daemon is another')
print(*problems[:20], sep='\n')
print('%d problems, %.1f s' % (len(problems), time.monotonic() - begun))
sys.exit(len(problems) > 0)
