#!/bin/bash
# SPDX-License-Identifier: MIT
# Every way in which an unmount can be held up: a sentence names it while it is, and the way out that the
# sentence offers works.
# stage: gcc coverage
. "$srcdir/tests/mount/lib.sh"
cd "$TMPDIR" || exit 1
m=$TMPDIR/m
store=$TMPDIR/store.sqlite
children=()
daemon=none
take_down_all() {
    local pid
    for pid in "${children[@]}"; do
        kill -CONT "$pid" 2> /dev/null
        kill "$pid" 2> /dev/null
    done
    umount -l "$m/keys/n" "$m.bind" "$TMPDIR/full" 2> /dev/null
    umount -l /proc/"$daemon"/fd* 2> /dev/null
    take_down
}
trap take_down_all EXIT

# held CODE SENTENCE [OPTION…]: unmounts, which says SENTENCE within a second, of which a busy machine makes several,
# and ends with CODE, at once unless `release` holds a command that lets it go on. What it waits for by itself is longer.
release=
held() {
    local code=$1 sentence=$2 pid i
    shift 2
    : > said
    timeout 100 "$STOREFS" unmount "${target:-$m}" "$@" > said 2>&1 &
    pid=$!
    for ((i = 0; i < 160; i++)); do
        grep -q . said && [ -z "$(tail -c 1 said)" ] && break # a whole line
        kill -0 "$pid" 2> /dev/null || break
        sleep 0.05
    done
    checks=$((checks + 1))
    [[ $(< said) == *"$sentence"* ]] ||
        fail "unmount $* says: '$(< said)', without '$sentence'"
    eval "$release"
    wait "$pid"
    same "$code" $? "exit code of unmount $*, which says: $(< said)"
}

serve() {
    up "${1:-sqlite:$store}" "$m"
    daemon=$(daemon_of "$m")
}

background() {
    "$@" &
    children+=($!)
    child=$!
}

away() { mountpoint -q "$m" && fail "$m is still mounted: $1"; }

# --- in use ---
serve
echo one > "$m/keys/a"
background sh -c "exec sleep 600 < '$m/keys/a'"
eventually test "/proc/$child/fd/0" -ef "$m/keys/a"
held 6 "is in use by sleep ($child)"
kill "$child"
works "$STOREFS" unmount "$m"

serve
background sh -c "cd '$m/keys' && exec sleep 600"
eventually test "/proc/$child/cwd" -ef "$m/keys"
held 6 "sleep ($child); end them, or detach the mount with --lazy"
held 0 'until its last user is gone' --lazy
away 'detached'
kill "$child"
eventually ended "$daemon"

serve
background python3 -c "import mmap, time
file = open('$m/keys/a', 'rb')
mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
file.close()
open('mapped', 'w').close()
time.sleep(600)"
eventually test -e mapped
held 6 "is in use by python3 ($child)"
kill "$child"
eventually "$STOREFS" unmount "$m"

serve
mkdir "$m/keys/n"
works mount -t tmpfs none "$m/keys/n"
held 6 "unmount $m/keys/n (tmpfs) first"
umount "$m/keys/n"
mkdir "$m/tx/t"
held 0 'open transactions were rolled back: 1'

# --- still mounted elsewhere ---
# The copy keeps its process; a mount made meanwhile at the same directory is not taken for it.
serve
first=$daemon
background apart sleep 600
eventually grep -q sleep "/proc/$child/comm"
held 9 "still mounted in another mount namespace (process $child, sleep): its process storefs ($daemon)"
away 'in this namespace'
serve "sqlite:$TMPDIR/second.sqlite"
kill "$first"
eventually ended "$first"
works test -f "$m/README"
kill "$child"
works "$STOREFS" unmount "$m"

serve
background apart sleep 600
eventually grep -q sleep "/proc/$child/comm"
exec 5> "$m/keys/open"
echo written >&5
held 0 "unmounted $m" --force
exec 5>&-
ended "$daemon" || fail '--force leaves the process'
kill "$child"
same written "$("$STOREFS" get "$store" open)" 'what was in an open file at unmount --force'

serve
mkdir "$m.bind"
works mount --bind "$m/keys" "$m.bind"
held 9 "still mounted at $m.bind"
umount "$m.bind"
eventually ended "$daemon"

# --- no answer ---
serve
halt "$daemon"
children+=("$daemon")
held 6 "its process storefs ($daemon) is stopped: 'kill -CONT $daemon'"
kill -CONT "$daemon"
works "$STOREFS" unmount "$m"
serve
halt "$daemon"
held 0 'was ended' --force
ended "$daemon" || fail 'a stopped process is left by --force'
# The directory is found by its parent, which answers.
serve
ln -s . here
halt "$daemon"
children+=("$daemon")
for target in m/ ../"${TMPDIR##*/}"/m; do
    timeout 100 "$STOREFS" unmount "$target" > said 2>&1
    same 6 $? "exit code for a hung mount as $target, which says: $(< said)"
done
target=here/m held 0 'did not answer' --lazy
kill -CONT "$daemon"
eventually ended "$daemon"

serve
kill -9 "$daemon"
eventually ended "$daemon"
held 0 "cleared the dead mount at $m"

# --- which process it is, where the kernel does not tell its connection ---
hide() { works mount -t tmpfs none "/proc/$daemon/$1"; }

# A hung mount's process is known by the whole path; by its last part it is not, nor if two are like it.
serve
hide fdinfo
halt "$daemon"
held 0 'was ended' --force
ended "$daemon" || fail 'a process that is known by its path is left by --force'
"$STOREFS" mount "sqlite:$store" m || fail 'cannot mount by a relative path'
daemon=$(daemon_of m)
children+=("$daemon")
hide fdinfo
halt "$daemon"
held 6 'which process serves it is not known for sure'
held 5 'is detached, but which process serves it is not known' --force
ended "$daemon" && fail 'a process that is not known for sure was ended'
kill -CONT "$daemon"
eventually ended "$daemon"

# A mount that names another process ends its own one, or none.
up "sqlite:$TMPDIR/other.sqlite" "$TMPDIR/other"
other=$(daemon_of other)
for pid in "$other" "$$"; do
    for part in fdinfo fd; do
        serve
        echo "{\"pid\": $pid}" > named
        works mount --bind named "$m/admin/stats.json"
        hide $part
        children+=("$daemon")
        [ $part = fdinfo ] && code=0 || code=5
        timeout 100 "$STOREFS" unmount "$m" --force > said 2>&1
        same $code $? "exit code of --force if the mount names process $pid, without $part: $(< said)"
        ended "$pid" && fail "a process that the mount names was ended"
        umount "/proc/$daemon/$part" 2> /dev/null
        kill "$daemon" 2> /dev/null
        eventually ended "$daemon"
    done
done
down "$TMPDIR/other"
# A process that cannot be recognized is not waited for.
serve
hide fd
background apart sleep 600
eventually grep -q sleep "/proc/$child/comm"
held 9 'still mounted in another mount namespace'
kill "$child"
umount "/proc/$daemon/fd"
eventually ended "$daemon"

# The store's disk hangs: it is a mount of a process that is stopped.
mkdir disk
up "sqlite:$TMPDIR/disk.sqlite" "$TMPDIR/disk"
disk=$(daemon_of disk)
children+=("$disk")
serve "sqlite:$TMPDIR/disk/keys/inner.sqlite"
echo one > "$m/keys/a"
halt "$disk"
release='kill -CONT "$disk"'
held 0 "its process storefs ($daemon)"
# What is mounted over it while it waits stays.
serve "sqlite:$TMPDIR/disk/keys/inner.sqlite"
echo two > "$m/keys/a"
halt "$disk"
release='mount -t tmpfs none "$m"; kill -CONT "$disk"'
held 2 "its process storefs ($daemon)"
grep -q 'has changed meanwhile' said || fail "a mount over another: $(< said)"
release=
works umount "$m"
works "$STOREFS" unmount "$m"
serve "sqlite:$TMPDIR/disk/keys/inner.sqlite"
halt "$disk"
timeout 100 "$STOREFS" unmount "$m" --lazy > said 2>&1
away "a hung disk: $(< said)"
kill -CONT "$disk"
eventually ended "$daemon"
eventually "$STOREFS" unmount "$TMPDIR/disk"

# --- the store ---
mkdir own
serve sqlite:own/store
echo one > "$m/keys/a"
rm -r own
held 8 'was removed while it was open'
same 1 "$(grep -c 'unmount --lazy' said)" 'ways out of a removed store'
held 8 'not everything is saved' --lazy
away 'a removed store'

mkdir full
works mount -t tmpfs -o size=3m none full
serve sqlite:full/store
echo one > "$m/keys/a"
head -c 4M /dev/urandom > "$m/keys/large" 2> /dev/null && fail 'a full disk takes everything'
held 0 "everything is in sqlite:$TMPDIR/full/store"
same one "$("$STOREFS" get sqlite:full/store a)" 'a value in a full store'
umount full

# --- other mounts, and none ---
serve
works mount -t tmpfs none "$m"
held 6 "covered by another one (tmpfs) at $m: unmount that first, with 'umount $m'"
umount "$m"
target=$m/keys held 2 "lies in the one at $m"
target=$TMPDIR held 2 "no store is mounted at $TMPDIR"
target=$TMPDIR/none held 1 "$TMPDIR/none: No such file"
chmod 755 "$TMPDIR"
as_nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
if [ "$(id -u)" = 0 ] && as_nobody "$STOREFS" --version > /dev/null 2>&1 && as_nobody test -x "$TMPDIR"; then
    as_nobody "$STOREFS" unmount "$m" > said 2>&1
    same 5 $? "exit code of another user's unmount"
    same 1 "$(grep -c 'belongs to root: only root may unmount it' said)" "what another user's unmount says"
    # Nor may he look into it: then nobody knows whether it is alive.
    as_nobody "$STOREFS" status "$m" > said 2>&1
    same 1 $? "exit code of another user's status"
    same 'read-write  mounted by root, may not be looked into' "$(grep -o 'read-write .*' said)" "what it says"
    same 0 "$(grep -c -e alive -e dead -e 'to clear it' said)" "what it cannot say"
    as_nobody "$STOREFS" status "$m" --json > said 2>&1
    same '"user":"root","read_only":false,"state":"no-access","files":[]}' "$(grep -o '"user.*' said)" "the same in JSON"
    as_nobody "$STOREFS" status > said 2>&1
    same 0 $? "exit code of status where the others' mounts cannot be looked into"
    same 1 "$(grep -cF "$m  " said)" "the mount in the list"
    works "$STOREFS" status "$m"
fi
works "$STOREFS" unmount "$m"
finish
