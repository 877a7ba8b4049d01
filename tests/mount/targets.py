# SPDX-License-Identifier: MIT
"""targets.py STOREFS MOUNT STORE: runs every command on every kind of place in a mount.

A cell of the table says which keys the command may read, remove or change there:
  S  all keys                 D  those below the directory user/
  1  the key user/1 alone     V  the key user alone, the value of what is a directory too
  Q  those of the query       c  a result of the query that has no keys
  .  refused as wrong (exit code 2), with a sentence that names the mount
  -  not tried
  0  not found (exit code 1)  x  not possible in a transaction (exit code 5)
fsck(8) and exec have exit codes of their own for all failures.
"""
import json
import os
import subprocess
import sys

STOREFS, MOUNT, STORE = sys.argv[1:]
DOCUMENTS = {
    'order/1': '{"type":"y","n":1}',
    'user': '{"type":"x","n":0}',
    'user/1': '{"type":"x","n":1}',
    'user/10': '{"type":"y","n":10}',
}
SETS = {
    'S': set(DOCUMENTS),
    'D': {'user/1', 'user/10'},
    '1': {'user/1'},
    'V': {'user'},
    'Q': {'user', 'user/1'},
}
TABLE = '''
place                      get set rm rm-all ls query import export backup fsck index attributes exec status unmount mount
.                          S   S   .  S      S  S     S      S      S      S    S     S          S    S      -       .
keys                       S   S   .  S      S  S     S      S      S      S    S     S          S    0      .       .
keys/user                  D   D   D  D      D  D     D      D      .      .    .     .          .    0      .       .
keys/user/                 D   D   D  D      D  D     D      D      .      .    .     .          .    0      .       .
keys/user/1                1   1   1  1      1  1     1      1      .      .    .     .          .    0      .       .
keys/user/%value           V   V   V  V      V  V     V      V      .      .    .     .          .    0      .       .
keys/link                  .   .   .  .      .  .     .      .      .      .    .     .          .    0      .       .
keys/link/                 .   .   .  .      .  .     .      .      .      .    .     .          .    0      .       .
keys/outside/x             .   .   .  .      .  .     .      .      .      .    .     .          .    0      0       .
../in                      .   .   .  .      .  .     .      .      .      .    .     .          .    0      .       .
keys/none                  0   0   0  0      0  0     0      0      0      0    0     0          0    0      0       .
keys/none/1                0   0   0  0      0  0     0      0      0      0    0     0          0    0      0       .
fields                     .   .   .  .      .  .     .      .      .      .    .     .          .    0      .       .
fields/user/1              .   .   .  .      .  .     .      .      .      .    .     .          .    0      .       .
fields/user/1/n            .   .   .  .      .  .     .      .      .      .    .     .          .    0      .       .
query                      .   .   .  .      .  S     .      .      .      .    .     .          .    0      .       .
query/by/type/x            .   .   .  .      .  Q     .      .      .      .    .     .          .    0      .       .
query/by/type/x/keys       .   .   .  .      .  Q     .      .      .      .    .     .          .    0      .       .
query/by/type/x/count      .   .   .  .      .  c     .      .      .      .    .     .          .    0      .       .
query/by/type              .   .   .  .      .  .     .      .      .      .    .     .          .    0      .       .
query/by/type/x/keys/user%2F1 1 1  1  1      1  1     1      1      .      .    .     .          .    0      .       .
views                      .   .   .  .      .  .     .      .      .      .    .     .          .    0      .       .
views/x                    .   .   .  .      .  Q     .      .      .      .    .     .          .    0      .       .
indexes                    .   .   .  .      .  .     .      .      .      .    .     .          .    0      .       .
indexes/type               .   .   .  .      .  .     .      .      .      .    .     .          .    0      .       .
indexes/type/stats         .   .   .  .      .  .     .      .      .      .    .     .          .    0      .       .
admin                      .   .   .  .      .  .     .      .      .      .    .     .          .    0      .       .
admin/errors               .   .   .  .      .  .     .      .      .      .    .     .          .    0      .       .
README                     .   .   .  .      .  .     .      .      .      .    .     .          .    0      .       .
tx                         .   .   .  .      .  .     .      .      .      .    .     .          .    0      .       .
tx/none                    0   0   0  0      0  0     0      0      0      0    0     0          0    0      0       .
tx/t                       S   S   .  S      S  S     x      x      x      x    x     S          S    0      .       .
tx/t/keys                  S   S   .  S      S  S     x      x      x      x    x     S          S    0      .       .
tx/t/keys/user             D   D   D  D      D  D     x      x      .      .    .     .          .    0      .       .
tx/t/keys/user/1           1   1   1  1      1  1     x      x      .      .    .     .          .    0      .       .
tx/t/query/by/type/x       .   .   .  .      .  Q     .      .      .      .    .     .          .    0      .       .
tx/t/commit                .   .   .  .      .  .     .      .      .      .    .     .          .    0      .       .
tx/t/savepoints            .   .   .  .      .  .     .      .      .      .    .     .          .    0      .       .
'''
IGNORED = {'link', 'outside'}  # no keys
failures = checks = 0


def fail(text):
    global failures
    failures += 1
    print('FAIL: ' + text)


def run(*words, text=None):
    done = subprocess.run([STOREFS, *words], input=text, capture_output=True, text=True, cwd=os.path.dirname(MOUNT))
    return done.returncode, done.stdout, done.stderr


def refusal(place, command, done):
    """The cell for a command that failed."""
    code, _, said = done
    if ('there is no ' in said or 'No such file' in said) and code in {'fsck': (8,), 'exec': (125,)}.get(command, (1,)):
        return '0'
    if 'transaction' in said and code in {'fsck': (8,)}.get(command, (5,)):
        return 'x'
    out = MOUNT in said or (command == 'query' and place.startswith('query'))
    if out and code in {'fsck': (16,), 'exec': (125,)}.get(command, (2,)):
        return '.'
    return f'exit code {code}, {said!r}'


def cell(place, command, touched, done):
    """The cell for the keys that a command touched; `done` is a failed run, or the last."""
    for code, keys in SETS.items():
        if touched == keys:
            return code
    return f'touched {sorted(touched)}' if touched else refusal(place, command, done)


def keys_of(place):
    inside = os.path.join(MOUNT, 'tx/t') if place.startswith('tx/t') else MOUNT
    return os.path.join(inside, 'keys')


def read(path):
    with open(path) as file:
        return file.read()


def state(place):
    """Key to value, as the store itself or the transaction has it."""
    if not place.startswith('tx/t'):
        lines = [json.loads(line) for line in run('export', STORE)[1].splitlines()]
        return {line['key']: json.dumps(line['value'], separators=(',', ':')) for line in lines
                if 'value' in line and line['key'] not in IGNORED}
    found = {}
    root = keys_of(place)
    for directory, _, files in os.walk(root):
        for file in files:
            path = os.path.join(directory, file)
            if not os.path.islink(path):
                found[os.path.relpath(path, root).removesuffix('/%value')] = read(path)
    return found


def restore(place, now):
    root = keys_of(place)
    for key in now.keys() - DOCUMENTS.keys():
        os.remove(os.path.join(root, key))
    for key, value in DOCUMENTS.items():
        if now.get(key) != value:
            path = os.path.join(root, key + '/%value' * (key == 'user'))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, 'w') as file:
                file.write(value)


def changed(place):
    """The keys that are not as they were; they are restored."""
    now = state(place)
    keys = {key for key in now.keys() | DOCUMENTS.keys() if now.get(key) != DOCUMENTS.get(key)}
    if keys:
        restore(place, now)
    return keys


def each(command, path, *value):
    """Runs `command` with every key; the keys that it took, and a run that failed."""
    taken, failed = set(), None
    for key in DOCUMENTS:
        done = run(command, path, key, *value)
        if done[0]:
            failed = done
        elif command == 'get' and done[1] != DOCUMENTS[key]:
            fail(f'get {path} {key}: {done[1]}')
        else:
            taken.add(key)
    return taken, failed


def names(done):
    return set(done[1].split('\n')[:-1])


def try_get(place, path):
    return cell(place, 'get', *each('get', path))


def try_set(place, path):
    taken, failed = each('set', path, '7')
    touched = changed(place)
    if touched != taken:
        fail(f'set {path}: it took {sorted(taken)} and changed {sorted(touched)}')
    return cell(place, 'set', touched, failed)


def try_rm(place, path, *words):
    done = run('rm', path, *(words or ('-r', '')))
    return cell(place, 'rm', changed(place), done)


def try_rm_all(place, path):
    return try_rm(place, path, '--all')


def try_ls(place, path):
    done = run('ls', path)
    return cell(place, 'ls', names(done), done)


def try_query(place, path):
    whole = place.endswith(('by/type', 'x/keys', 'x/count'))  # or wrong without more
    done = run('query', path, *([] if whole else ['keys']))
    return 'c' if done[1] == '2\n' else cell(place, 'query', names(done), done)


def try_import(place, path):
    lines = ''.join(json.dumps({'key': key, 'value': 7}) + '\n' for key in DOCUMENTS)
    done = run('import', path, '--keep-going', text=lines)
    return cell(place, 'import', changed(place), done)


def try_export(place, path):
    done = run('export', path)
    lines = [json.loads(line) for line in done[1].splitlines()]
    return cell(place, 'export', {line['key'] for line in lines if 'value' in line} - IGNORED, done)


def try_backup(place, path):
    done = run('backup', path, 'copy.sqlite')
    if done[0]:
        return refusal(place, 'backup', done)
    found = names(run('ls', 'copy.sqlite'))
    os.remove(os.path.join(os.path.dirname(MOUNT), 'copy.sqlite'))
    return cell(place, 'backup', found, done)


def try_fsck(place, path):
    done = run('fsck', path)
    return 'S' if done[:2] == (0, 'clean\n') else refusal(place, 'fsck', done)


def try_index(place, path):
    done = run('index', path, 'add', 'n')
    if 'n' not in os.listdir(MOUNT + '/indexes'):
        return refusal(place, 'index', done)
    run('index', path, 'drop', 'n')
    return 'S' if 'n' not in os.listdir(MOUNT + '/indexes') else 'not dropped'


def try_attributes(place, path):
    done = run('attributes', path, 'add', 'e', 'a', '1')
    return 'S' if changed(place) == {'attributes'} else refusal(place, 'attributes', done)


def try_exec(place, path):
    done = run('exec', '--tx', path, '--', 'sh', '-c', 'echo 1 > "$STOREFS_KEYS/made"')
    return 'S' if changed(place) == {'made'} else refusal(place, 'exec', done)


def try_status(place, path):
    done = run('status', path)
    return 'S' if done[0] == 0 else '0' if done[0] == 1 and MOUNT in done[2] else str(done)


def try_unmount(place, path):
    done = run('unmount', path)
    return refusal(place, 'unmount', done)


def try_mount(place, path):
    os.makedirs(os.path.join(os.path.dirname(MOUNT), 'other'), exist_ok=True)
    done = run('mount', path, 'other')
    return refusal(place, 'mount', done)


def check(place, command, wanted):
    global checks
    if wanted == '-':
        return
    path = os.path.normpath(os.path.join(MOUNT, place)) + '/' * place.endswith('/')
    got = globals()['try_' + command.replace('-', '_')](place, path)
    checks += 1
    if got != wanted:
        fail(f'{command} {place}: {got}, not {wanted}')
    # Nothing elsewhere, whatever it did in a transaction.
    if place.startswith('tx/t') and changed(''):
        fail(f'{command} {place} changed the store')


def prepare():
    restore('', {})
    os.symlink('user', MOUNT + '/keys/link')
    os.mkdir(MOUNT + '/../elsewhere')
    os.symlink(os.path.dirname(MOUNT) + '/elsewhere', MOUNT + '/keys/outside')
    os.symlink(MOUNT + '/keys/link', MOUNT + '/../in')
    os.symlink('../query/by/type/x', MOUNT + '/views/x')
    os.mkdir(MOUNT + '/indexes/type')
    os.mkdir(MOUNT + '/tx/t')


def check_words():
    """What a row of the table cannot say."""
    user, one = MOUNT + '/keys/user', MOUNT + '/keys/user/1'
    for words, code, out in [
        (('get', one), 0, DOCUMENTS['user/1']),
        (('get', user), 2, ''),
        (('ls', user, 'user/10'), 0, 'user/10\n'),
        (('ls', user, 'us'), 0, 'user/1\nuser/10\n'),
        (('ls', user, 'order/'), 0, ''),
        (('ls', one, 'user/10'), 0, ''),
        (('rm', user), 2, ''),
        (('rm', user, 'user/1', 'order/1'), 2, ''),
        (('rm', user, '-r', 'order/'), 1, ''),
        (('rm', MOUNT + '/keys/order', '-r', 'user/'), 1, ''),
        (('query', user, 'count'), 0, '2\n'),
        (('query', user, 'by/type/x/keys'), 0, 'user/1\n'),
        (('query', MOUNT + '/query/by/type/x', 'order/@key:desc/limit/1/keys'), 0, 'user/1\n'),
        (('query', MOUNT + '/query/by/type/x/count', 'keys'), 2, ''),
    ]:
        done = run(*words)
        if done[:2] != (code, out):
            fail(f'{words}: {done}')
        if changed(''):
            fail(f'{words} changed the store')
    if run('rm', one)[0] or changed('') != {'user/1'}:
        fail('rm of a file of a key')


def main():
    prepare()
    _, header, *rows = TABLE.split('\n')[:-1]
    commands = header.split()[1:]
    for row in rows:
        place, *cells = row.split()
        if len(cells) != len(commands):
            fail(f'{place}: {len(cells)} cells')
        for command, wanted in zip(commands, cells):
            check(place, command, wanted)
    # Each command of the program has a column, but for those without a target.
    have = {command.split('-')[0] for command in commands} | {'help'}
    for name in run('--list-commands')[1].split():
        if name not in have:
            fail(f'no column for {name}')
    check_words()
    os.rmdir(MOUNT + '/tx/t')
    for link in ('/keys/link', '/keys/outside', '/../in'):
        os.remove(MOUNT + link)
    if os.listdir(MOUNT + '/../elsewhere'):
        fail('a link led a command out of the mount')
    print(f'{checks} cells, {failures} failures')
    return failures > 0


sys.exit(main())
