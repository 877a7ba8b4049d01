# SPDX-License-Identifier: MIT
# Shared by the mount tests: counting checks, mounting a store of each backend, cleaning up.
# A script sources it, calls check functions and ends with `finish`.
set -u
export PYTHONDONTWRITEBYTECODE=1 # they import from the source folder
failures=0
checks=0
failed=()
mounted=()

fail() {
    failed+=("FAIL (line ${BASH_LINENO[1]}): $*")
    echo "${failed[-1]}"
    failures=$((failures + 1))
}

# same WANTED GOT WHAT
same() {
    checks=$((checks + 1))
    [ "$1" = "$2" ] || fail "$3: got '$2', wanted '$1'"
}

# works COMMAND…: must succeed; its output is shown when it does not.
works() {
    local out
    checks=$((checks + 1))
    out=$("$@" 2>&1) || fail "failed: $* ($out)"
}

# refuses SENTENCE COMMAND…: must fail, and say SENTENCE.
refuses() {
    local sentence=$1 out
    shift
    checks=$((checks + 1))
    if out=$(LC_ALL=C "$@" 2>&1); then
        fail "succeeded: $*"
    elif [[ $out != *"$sentence"* ]]; then
        fail "said '$out', without '$sentence': $*"
    fi
}

# up URI DIR [OPTION…]: mounts, or ends the test.
up() {
    local uri=$1 directory=$2
    shift 2
    mkdir -p "$directory"
    "$STOREFS" mount "$uri" "$directory" "$@" || {
        echo "FAIL: cannot mount $uri at $directory"
        exit 1
    }
    mounted+=("$directory")
}

# Whoever makes a mount namespace at that moment, as a test that runs at the same time may, has a copy of the mount
# until it has removed that: the process ends then.
down() {
    local out
    checks=$((checks + 1))
    out=$("$STOREFS" unmount "$1" 2>&1) && return
    if [[ $out =~ 'in another mount namespace'.*'its process storefs ('([0-9]+)\) ]]; then
        eventually ended "${BASH_REMATCH[1]}"
    else
        fail "failed: unmount $1 ($out)"
    fi
}

# apart COMMAND…: in a mount namespace of its own, without the mounts of tests that run at the same time: their unmounting
# would find a copy there.
apart() {
    # shellcheck disable=SC2016  # the inner shell expands
    exec unshare -m --propagation private bash -c 'own=$0
        while read -r _ point type _; do
            [[ $type != fuse* || $point == "$own"/* ]] || umount -l "$point"
        done < /proc/self/mounts
        exec "$@"' "$TMPDIR" "$@"
}

daemon_of() {
    sed -n 's/.*"pid": *\([0-9]*\).*/\1/p' "$1/admin/stats.json" | head -n 1
}

# does_not_grow ARGUMENT…: of `grows ARGUMENT…`, which leaves in $TMPDIR/grown the requests that cost more. What grows
# does so each time; what the daemon or the kernel does in the background meanwhile, does not.
does_not_grow() {
    local attempt
    checks=$((checks + 1))
    for attempt in 1 2 3; do
        grows "$@" || return 0
        cat "$TMPDIR/grown"
    done
    fail "$*: a request costs more: $(cat "$TMPDIR/grown")"
}

# eventually COMMAND…: must succeed in time, which is a moment unless the machine is busy.
eventually() {
    local tries
    checks=$((checks + 1))
    for ((tries = 0; tries < 600; tries++)); do
        "$@" > /dev/null 2>&1 && return
        sleep 0.1
    done
    fail "not within a minute: $*"
}

# ended PID: it is not there any more, or waits only for its parent to ask.
ended() { ! grep -qsE '^State:[[:space:]]+[^Z[:space:]]' "/proc/$1/status"; }

# halt PID: each thread of the process is stopped when it returns; one that is not yet may still answer.
halt() {
    local tries
    kill -STOP "$1"
    for ((tries = 0; tries < 6000; tries++)); do
        awk '{ sub(/.*\) /, ""); if ($1 != "T") exit 1 }' /proc/"$1"/task/*/stat && return
        sleep 0.01
    done
    fail "process $1 does not stop"
}

# A child that is ended before it has forgotten the trap would run it, too.
take_down() {
    local directory
    [ "$BASHPID" = "$$" ] || return 0
    cd /
    for directory in "${mounted[@]}"; do
        grep -qF " $directory " /proc/self/mounts && "$STOREFS" unmount --lazy "$directory"
    done
}
trap take_down EXIT

# A long log is read from its end.
finish() {
    [ ${#failed[@]} -eq 0 ] || printf '%s\n' "${failed[@]}"
    echo "$checks checks, $failures failures"
    [ "$failures" -eq 0 ] && [ "$checks" -gt 0 ]
    exit
}
