# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# What the scripts of this folder share: a temporary folder, pinned packages, the comparison.
# Each script sources this file first.
set -eu
LC_ALL=C.UTF-8
export LC_ALL
tmp=$(mktemp -d)
server=

cleanup() {
    trap - EXIT
    [ -z "$server" ] || unmount || :
    rm -rf "$tmp"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

# stop MESSAGE: the finding could not be tried.
stop() {
    echo "not tried: $*" >&2
    exit 2
}

# debs NAME=VERSION...: unpacks these Debian packages below $tmp/root, first in the paths.
debs() {
    mkdir -p "$tmp/debs" "$tmp/root"
    (cd "$tmp/debs" && apt-get -qq -o APT::Sandbox::User=root download "$@") ||
        stop "no such package, or its list is old (apt-get update): $*"
    for package in "$tmp"/debs/*.deb; do
        dpkg -x "$package" "$tmp/root"
    done
    rm -r "$tmp/debs"
    PATH=$tmp/root/usr/bin:$tmp/root/bin:$tmp/root/usr/sbin:$tmp/root/sbin:$PATH
    libraries=$(printf '%s:' "$tmp"/root/usr/lib/*-linux-gnu "$tmp"/root/lib/*-linux-gnu)
    LD_LIBRARY_PATH=${libraries%:}
    export PATH LD_LIBRARY_PATH
    printf 'packages: %s\n' "$*"
}

# installed NAME VERSION: this Debian package is installed, in this version.
installed() {
    version=$(dpkg-query -W -f '${Version}' "$1" 2>/dev/null) || stop "package $1 is not installed"
    [ "$version" = "$2" ] || stop "package $1 is $version, not $2"
    printf 'packages: %s=%s\n' "$1" "$2"
}

# npms NAME@VERSION...: installs these packages, without their install scripts, below $tmp/npm.
npms() {
    mkdir -p "$tmp/npm"
    echo '{"private":true,"type":"module"}' > "$tmp/npm/package.json"
    (cd "$tmp/npm" && npm install --silent --no-audit --no-fund --ignore-scripts \
        --cache "$tmp/npm-cache" "$@" > /dev/null) || stop "npm cannot install: $*"
    printf 'packages: %s\n' "$*"
}

# mount_with COMMAND...: starts a FUSE server that stays in the foreground; waits for $tmp/mnt.
mount_with() {
    mkdir "$tmp/mnt"
    "$@" &
    server=$!
    tries=0
    until mountpoint -q "$tmp/mnt"; do
        tries=$((tries + 1))
        if [ "$tries" = 100 ] || ! kill -0 "$server" 2> /dev/null; then
            stop "no mount by $1, which needs /dev/fuse"
        fi
        sleep 0.1
    done
}

# unmount: ends that mount; returns when the server has written what it had to.
unmount() {
    pid=$server
    server=
    if mountpoint -q "$tmp/mnt"; then
        fusermount3 -u "$tmp/mnt"
    else
        kill "$pid" 2> /dev/null || :
    fi
    wait "$pid" || :
}

# seen WHAT EXPECTED GOT: GOT is what this finding says the program does.
seen() {
    if [ "$3" != "$2" ]; then
        printf '%s has changed\n--- this finding says\n%s\n--- now\n%s\n' "$1" "$2" "$3"
        exit 1
    fi
    printf '%s:\n' "$1"
    printf '%s\n' "$2" | sed 's/^/    /'
}
