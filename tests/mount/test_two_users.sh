#!/bin/bash
# SPDX-License-Identifier: MIT
# Two users at one machine, and root: a mount that another user has made names a store, and nobody opens that for
# him; what a sentence tells a user of keys that he may not see.
# stage: gcc coverage
. "$srcdir/tests/mount/lib.sh"
[ "$(id -u)" -eq 0 ] || { echo "FAIL: needs root, to be two users"; exit 1; }
cd "$TMPDIR" || exit 1
chmod 755 .
other=61001
as_other() {
    setpriv --reuid $other --regid $other --clear-groups "$@"
}

# --- a mount of another user's ---
# As fusermount3 makes it for him, with whatever source he likes. It answers nothing.
mkdir bait
attach() {
    python3 - "$1" "$TMPDIR/bait" $other << 'P' &
import ctypes, os, sys, time
device = os.open('/dev/fuse', os.O_RDWR)
libc = ctypes.CDLL(None, use_errno=True)
options = 'fd=%d,rootmode=40000,user_id=%s,group_id=%s' % (device, sys.argv[3], sys.argv[3])
if libc.mount(sys.argv[1].encode(), sys.argv[2].encode(), b'fuse.storefs', 6, options.encode()):
    sys.exit(os.strerror(ctypes.get_errno()))
time.sleep(120)
P
    holder=$!
    mounted+=("$TMPDIR/bait")
    until grep -q " $TMPDIR/bait " /proc/self/mountinfo; do
        kill -0 $holder || { fail "no mount"; finish; }
        sleep 0.05
    done
}
detach() {
    umount -l "$TMPDIR/bait"
    kill $holder
    wait $holder 2> said
}

"$STOREFS" set sqlite:private a 1
echo '{"a": {"kept": true}}' > conf
chmod 600 private conf
before=$(sha256sum private conf)
for uri in sqlite:$TMPDIR/private "sqlite:$TMPDIR/private?synchronous=full" "json:$TMPDIR/conf?recover=1" \
    "json:$TMPDIR/conf" "dir:$TMPDIR/bait" "memory:?snapshot=$TMPDIR/conf"; do
    attach "$uri"
    for command in "export bait" "import bait -" "fsck bait" "fsck --repair bait" "backup bait copy" \
        "fsck bait --salvage sqlite:saved"; do
        checks=$((checks + 1))
        # shellcheck disable=SC2086  # the command is a list of words
        if echo '{"key":"injected","value":1}' | timeout -s KILL 30 "$STOREFS" $command > said 2>&1; then
            fail "$command of $uri: succeeded"
        fi
        grep -q "was mounted by user $other, whose word" said ||
            fail "$command of $uri: $(cat said)"
        [ ! -e copy ] && [ ! -e saved ] || fail "$command of $uri made a copy"
    done
    detach
    same "$before" "$(sha256sum private conf)" "what is root's, after $uri"
done
same '' "$("$STOREFS" get private injected 2> said)" "what was injected"

# One's own mount, and root's for somebody else, are taken at their word, without their options.
mkdir m
up "sqlite:private?busy-timeout=1" "$TMPDIR/m" -o allow_other
works "$STOREFS" export m
chmod 644 private
refuses 'private' as_other "$STOREFS" fsck --repair "$TMPDIR/m"
works "$STOREFS" fsck m

# --- sentences ---
keys=m/keys
mkdir $keys/hidden $keys/u $keys/own m/indexes/unique:mail
chmod 700 $keys/hidden
chown $other:$other $keys/u
echo '{"mail":"x"}' > $keys/hidden/secretname
# said_to COMMAND-PREFIX WHAT PATH: does something that fails, and prints what is said of it.
said_to() {
    "$1" /usr/bin/python3 - "${@:2}" << 'P'
import os, sys
what, path = sys.argv[1:]
def said(target):
    try:
        return os.getxattr(target, 'user.storefs.error').decode()
    except OSError as error:
        return 'nothing: %s' % error
if what == 'write':
    file = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
    os.write(file, b'{"mail":"x"}')
    try:
        os.fsync(file)
        print('written')
    except OSError:
        print(said(file))
if what == 'rename':
    try:
        os.mkdir(path)
        os.rename(path, os.path.dirname(path) + '/full')
        print('renamed')
    except OSError:
        print(said(os.path.dirname(path)), said(path))
if what == 'transaction':
    os.mkdir(path)
    with open(path + '/keys/u/t', 'w') as file:
        file.write('{"mail":"x"}')
    try:
        open(path + '/commit', 'w').write('1')
        print('committed')
    except OSError:
        print(open(path + '/error').read())
P
}
# hides WHAT: what was said holds no name that is not his, admin/errors does.
hides() {
    checks=$((checks + 3))
    [[ $1 == *"$2"* ]] || fail "he is told: $1"
    [[ $1 != *secret* && $1 != *hidden* ]] || fail "he is told of another's key: $1"
    tail -n 5 m/admin/errors | grep -q "$3" || fail "the owner is not told: $(tail -n 5 m/admin/errors)"
}
hides "$(said_to as_other write $keys/u/k)" "two keys would hold" "'hidden/secretname' and 'u/k'"
hides "$(said_to as_other transaction m/tx/t)" "two keys would hold" "'hidden/secretname' and 'u/t'"
mkdir $keys/u/full
chmod 700 $keys/u/full
echo 1 > $keys/u/full/secret
chown $other:$other $keys/u
said=$(said_to as_other rename $keys/u/empty)
checks=$((checks + 1))
[[ $said != *secret* ]] || fail "he is told what another's directory holds: $said"
mkdir $keys/u/d $keys/u/d/hidden
echo 1 > "$keys/u/d/hidden/secret$(printf '%0200d' 7)"
for ((i = 0; i < 16; i++)); do deep=${deep-}/$(printf '%0240d' $i); done
mkdir -p "$keys/u/d/hidden$deep"
echo 1 > "$keys/u/d/hidden$deep/secret"
chmod 700 $keys/u/d/hidden
chown $other:$other $keys/u/d
said=$(as_other sh -c 'mv "$1/d" "$1/$2"' - $keys/u "$(printf '%0250d' 1)" 2>&1)
checks=$((checks + 2))
[[ $said == *"too long"* ]] || fail "a name that is too long is taken: $said"
said=$(as_other getfattr --only-values -n user.storefs.error $keys/u 2>&1)
[[ $said == *"a key below it would have"* && $said != *secret* && $said != *hidden* ]] ||
    fail "he is told which name would be too long: $said"
checks=$((checks + 1))
as_other cat m/admin/errors > said 2>&1 && fail "he reads admin/errors"
same "x" "$(sed -n 's/.*"mail":"\(.\)".*/\1/p' $keys/hidden/secretname)" "the value"
# The owner is told all.
said=$(said_to env write $keys/mine)
checks=$((checks + 1))
[[ $said == *"'hidden/secretname' and 'mine'"* ]] || fail "the owner is told: $said"

# --- what is written and not committed ---
# fill COMMAND-PREFIX DIRECTORY: 200 open files of 900 KB; prints how many could be written, and what was said then.
fill() {
    "$1" /usr/bin/python3 - "$2" << 'P'
import os, sys
files, said = [], ''
for i in range(200):
    files.append(os.open('%s/open%d' % (sys.argv[1], i), os.O_CREAT | os.O_WRONLY, 0o600))
    try:
        os.write(files[-1], b'o' * (900 << 10))
    except OSError as error:
        said = os.getxattr(files[-1], 'user.storefs.error').decode()
        break
print(len(files), said)
P
}
said=$(fill as_other $keys/u)
checks=$((checks + 1))
[[ $said == [67][0-9]" a user has at most 64 MiB"* ]] || fail "another user's open files: $said"
same "200 " "$(fill env $keys/own)" "the owner's open files"
down "$TMPDIR/m"
finish
