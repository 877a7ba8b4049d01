#!/bin/bash
# SPDX-License-Identifier: MIT
# Editors and copy programs in fields/: a table of programs and of places. Each saves one member, which then has the new
# value, in its old place, and no other byte of the document is another; and says nothing. Then what the temporary files
# are by themselves, elements that move up, and times.
# stage: gcc coverage
. "$srcdir/tests/mount/lib.sh"
src=$TMPDIR/src
printf 'w\n' > "$src"
chmod 755 "$src"
touch -d @1000000000 "$src"
tar --transform 's/.*/k/' -cf "$TMPDIR/k.tar" -C "$TMPDIR" src
editor() {
    python3 "$srcdir/tests/mount/editors.py" "$1" "$2" $'w\n'
}
export VIMINIT='set viminfo= backupskip='

# Programs: each makes "w" of the file $1, which has "v". What they leave beside it is in the variable `leaves`.
p_shell() { echo w > "$1"; }
p_dd() { dd if="$src" of="$1" status=none; }
p_vim() { vim -T dumb --not-a-term -c '%s/v/w/' -c wq "$1" > "$TMPDIR/screen" < /dev/null; }
p_vim_es() { vim -es -u NONE -c '%s/v/w/' -c wq "$1"; }
p_vim_renames() { vim -es -u NONE -c 'set backupskip= writebackup backupcopy=no' -c '%s/v/w/' -c wq "$1"; }
p_vim_backup() { leaves=$name~ && vim -es -u NONE -c 'set backupskip= backup' -c '%s/v/w/' -c wq "$1"; }
p_sed() { sed -i s/v/w/ "$1"; }
p_perl() { perl -i -pe s/v/w/ "$1"; }
p_emacs() { leaves=$name~ && editor emacs "$1"; }
p_nano() { leaves=$name~ && editor nano "$1"; }
p_glib() { editor glib "$1"; }
p_python() { editor python "$1"; }
p_cp() { cp "$src" "$1"; }
p_cp_p() { cp -p "$src" "$1"; }
p_cp_a() { cp -a "$src" "$1"; }
p_cp_removes() { cp -p --remove-destination "$src" "$1"; }
p_install() { install -m 644 "$src" "$1"; }
p_install_owner() { install -o 1 -g 1 -m 600 "$src" "$1"; }
p_mv() { cp -p "$src" "$TMPDIR/moved" && mv "$TMPDIR/moved" "$1"; }
p_rsync() { rsync -a "$src" "$1"; }
p_rsync_in_place() { rsync -a --inplace "$src" "$1"; }
p_tar() { tar -xpf "$TMPDIR/k.tar" --transform "s/.*/$name/" -C "${1%/*}"; }
p_mv_document() { printf '{"k":"w"}' > "$keys/other" && mv "$fields/other/k" "$1" && [ "$(cat "$keys/other")" = '{}' ]; }
in_objects="lock_file sed_backup"
remove_first="tar install install_owner cp_removes mv mv_document" # white space is like the neighbours' then
p_lock_file() { editor lock_file "$1"; }
p_sed_backup() { sed -i~ s/v/w/ "$1" && leaves=$name~; }

programs=$(compgen -A function p_)

# saves PROGRAM PATH KEY BEFORE AFTER
saves() {
    local before=$4 said rc leaves= left
    name=${2##*/}
    printf '%s' "$before" > "$keys/$3"
    rm -f "${2%/*}/"*~
    checks=$((checks + 1))
    "$1" "$2" > "$TMPDIR/said" 2>&1
    rc=$?
    said=$(cat "$TMPDIR/said")
    [ $rc = 0 ] && [ -z "$said" ] || fail "$1 of $2: $rc, $said"
    same "$5" "$(cat "$keys/$3")" "$1 of $2"
    left=$(find "${2%/*}" -mindepth 1 -maxdepth 1 -name '*[.#~]*' -printf '%f ')
    [ "$3" = s ] || same "$leaves" "${left% }" "$1 of $2: what it leaves"
}

places() {
    local program
    for program in "$@"; do
        saves "$program" "$fields/d/k" d '{ "a": 1, "k": "v", "n": 2 }' '{ "a": 1, "k": "w", "n": 2 }'
        saves "$program" "$fields/d/x/k" d '{"x":{"k":"v"},"k":"v"}' '{"x":{"k":"w"},"k":"v"}'
        [[ " $in_objects " == *" ${program#p_} "* ]] && continue
        saves "$program" "$fields/d/1" d '["v","v",3]' '["v","w",3]'
        saves "$program" "$fields/s" s '"v"' '"w"'
    done
}

# What is made is behind the last.
makes() {
    local program
    for program in shell dd cp cp_p cp_a install install_owner mv rsync tar mv_document; do
        printf '{"a":1}' > "$keys/d"
        name=k
        works p_$program "$fields/d/k"
        same '{"a":1,"k":"w"}' "$(cat "$keys/d")" "$program makes a member"
    done
    cp -p "$src" "$fields/made"
    same '"w" 600' "$(cat "$keys/made") $(stat -c %a "$keys/made")" "a key made by cp -p has its mode"
    mkdir "$TMPDIR/tree" "$TMPDIR/tree/in"
    cp -p "$src" "$TMPDIR/tree/in/file"
    works cp -a "$TMPDIR/tree" "$fields/d/tree"
    works rsync -a "$TMPDIR/tree/" "$fields/d/tree2"
    same '{"a":1,"k":"w","tree":{"in":{"file":"w"}},"tree2":{"in":{"file":"w"}}}' "$(cat "$keys/d")" "trees copied"
    same "" "$(rsync -ai "$TMPDIR/tree/" "$fields/d/tree2" | grep '^>')" "the second rsync copies nothing"
}

# Each name of the table, and a file made as mkstemp(3) does.
scratch() {
    local made
    printf '{"a":1,"b":[2]}' > "$keys/d"
    for made in 'a~' .a.swp .a.swpx .#a '#a#' .goutputstream-ABC123; do
        echo temporary > "$fields/d/$made"
        same "temporary 10" "$(cat "$fields/d/$made") $(stat -c %s "$fields/d/$made")" "$made is kept"
        works test -e "$fields/d/$made" -a ! -e "$other/fields/d/$made"
        works touch "$fields/d/b/$made" "$fields/$made"
        works chmod 604 "$fields/d/$made"
        works chown 1:2 "$fields/d/$made"
        works touch -d @1000000001 "$fields/d/$made"
        same "604 1 2 1000000001" "$(stat -c '%a %u %g %Y' "$fields/d/$made")" "$made: its attributes"
        refuses "not supported" setfattr -n user.x -v y "$fields/d/$made"
        refuses "File exists" mkdir "$fields/d/$made"
        refuses "Not a directory" rmdir "$fields/d/$made"
        refuses "cannot overwrite" bash -c 'set -C; echo > "$0"' "$fields/d/$made"
        works mv "$fields/d/$made" "$fields/d/b/$made"
        refuses "Invalid argument" python3 -c 'import os,sys; os.rename(sys.argv[1], sys.argv[2])' "$fields/d/b/$made" "$fields/d/b/x"
        works rm "$fields/d/b/$made" "$fields/$made"
        refuses "No such file" stat "$fields/d/$made"
    done
    made=$(mktemp -p "$fields/d")
    printf '\377' > "$made"
    same '{"a":1,"b":[2]}' "$(cat "$keys/d")" "none of them is in the document"
    refuses "Invalid argument" python3 -c 'import os,sys; os.rename(sys.argv[1], sys.argv[2])' "$made" "$fields/d/a"
    echo 3 > "$made"
    works mv "$made" "$fields/d/b/0"
    same '{"a":1,"b":[3]}' "$(cat "$keys/d")" "renamed to a member"
    mkdir "$fields/d/o"
    echo x > "$fields/d/o/x~"
    works rmdir "$fields/d/o"
    mkdir "$fields/d/o"
    refuses "No such file" stat "$fields/d/o/x~"
    printf '{"a~":1}' > "$keys/d"
    echo 2 > "$fields/d/a~"
    same '{"a~":2}' "$(cat "$keys/d")" "a member that has such a name is a member"
    works rm "$fields/d/a~"
    refuses "Operation not permitted" python3 -c 'import os,sys; os.open(sys.argv[1], os.O_CREAT|os.O_EXCL|os.O_NOFOLLOW|os.O_WRONLY)' "$fields/d/4913"
    echo 1 > "$fields/d/4913"
    same '{"4913":1}' "$(cat "$keys/d")" "a member of the name that vim asks with"
}

# Open while it is renamed and removed; too many.
scratch_open() {
    printf '{"a":1}' > "$keys/d"
    works python3 - "$fields/d" "$keys/d" << 'PYTHON'
import errno, os, resource, sys
d, key = sys.argv[1:]
resource.setrlimit(resource.RLIMIT_NOFILE, (1100, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
fd = os.open(f"{d}/x~", os.O_CREAT | os.O_RDWR)
os.write(fd, b"5\n")
os.rename(f"{d}/x~", f"{d}/a")
assert open(key).read() == '{"a":5}'
os.pwrite(fd, b"6", 0)
os.close(fd)
assert open(key).read() == '{"a":6}', open(key).read()
fd = os.open(f"{d}/x~", os.O_CREAT | os.O_RDWR)
os.write(fd, b"7")
os.fsync(fd)
os.unlink(f"{d}/x~")
assert os.pread(fd, 9, 0) == b"7" and os.fstat(fd).st_nlink == 0
os.close(fd)
fd = os.open(f"{d}/x~", os.O_CREAT | os.O_RDWR)
for i in range(1000):
    os.close(os.open(f"{d}/{i}~", os.O_CREAT | os.O_WRONLY))
names = os.listdir(d)
assert len(names) == 1001 and "x~" in names and "0~" not in names and "999~" in names, len(names)
for name in names:
    if name != "a":
        os.unlink(f"{d}/{name}")
os.close(fd)
assert os.listdir(d) == ["a"]
fds = [os.open(f"{d}/{i}~", os.O_CREAT | os.O_WRONLY) for i in range(1000)]
try:
    os.open(f"{d}/more~", os.O_CREAT | os.O_WRONLY)
    raise AssertionError
except OSError as error:
    assert error.errno == errno.ENOSPC, error
for i, fd in enumerate(fds):
    os.close(fd)
    os.unlink(f"{d}/{i}~")
try:
    os.truncate(d + "/a", 65 << 20)
    raise AssertionError
except OSError as error:
    assert error.errno == errno.EFBIG, error
PYTHON
    same '{"a":6}' "$(cat "$keys/d")" "after that"
}

elements() {
    printf '[0,1,2,3]' > "$keys/d"
    refuses "Operation canceled" rm "$fields/d/0" "$fields/d/1"
    works grep -q 'from the highest index down' "$mount/admin/errors"
    same '[1,2,3]' "$(cat "$keys/d")" "what moved up stays"
    works rm "$fields/d/2" "$fields/d/1" "$fields/d/0"
    same '[]' "$(cat "$keys/d")" "from the highest index down"
    printf '[0,1,2,3]' > "$keys/d"
    mkdir -p "$TMPDIR/to"
    refuses "Operation canceled" mv "$fields/d/1" "$fields/d/2" "$TMPDIR/to"
    same '[0,2,3]' "$(cat "$keys/d")" "nor does mv take another"
    works rm "$fields/d/0"
    works rm "$fields/d/1"
    same '[2]' "$(cat "$keys/d")" "who comes anew sees the new indices"
}

attributes() {
    local before
    printf '{"a":1,"b":"x"}' > "$keys/d"
    touch -d @1000000000 "$keys/d"
    stat "$fields/d/a" > /dev/null
    echo 2 > "$fields/d/b"
    same 1000000000 "$(stat -c %Y "$fields/d/a")" "the time of a member whose neighbour was changed"
    same 1 "$(($(stat -c %Y "$fields/d/b") > 1000000000))" "and of that one"
    printf '{"b":2,"a":1}' > "$keys/d"
    same 1000000000 "$(stat -c %Y "$fields/d/a")" "the document was written, the member is the same"
    echo 1 > "$fields/d/a"
    same 1 "$(($(stat -c %Y "$fields/d/a") > 1000000000))" "it was written with the value that it had"
    works touch -d @1000000002 "$fields/d/a"
    same "1000000002 1000000002" "$(stat -c %Y "$fields/d/a" "$keys/d" | tr '\n' ' ' | sed 's/ $//')" "touch sets the time of the key"
    works cp -p "$src" "$fields/d/a"
    same 1000000000 "$(stat -c %Y "$fields/d/a")" "cp -p sets that of the member"
    same 1 "$(($(stat -c %Y "$keys/d") > 1000000002))" "and not that of the key"
    refuses "Operation not permitted" chmod 600 "$fields/d/a"
    works grep -q 'has the owner and mode of its key' "$mount/admin/errors"
    refuses "Invalid argument" python3 -c 'import ctypes,os,sys; c = ctypes.CDLL(None, use_errno=True)
open(sys.argv[1] + "/x~", "w").close()
if c.renameat2(-100, os.fsencode(sys.argv[1] + "/x~"), -100, os.fsencode(sys.argv[1] + "/a"), 2): raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))' "$fields/d"
}

# Keys, and directories of them, are renamed as in keys/, where the names are others at once.
renamed_keys() {
    printf '{"a":1}' > "$keys/d"
    cp "$keys/d" "$keys/other"
    mkdir "$keys/dir"
    echo 5 > "$keys/dir/n"
    cat "$keys/dir/n" "$keys/d" > /dev/null
    exec 7< "$fields/d/a"
    works mv "$fields/d" "$fields/e"
    same '1 {"a":1}' "$(cat "$fields/e/a") $(cat "$keys/e")" "a document renamed"
    same 1 "$(cat <&7)" "what was open is the same"
    exec 7<&-
    refuses "No such file" cat "$keys/d"
    refuses "No such file" cat "$fields/d/a"
    refuses "not empty" python3 -c 'import os,sys; os.rename(sys.argv[1], sys.argv[2])' "$fields/e" "$fields/other"
    works mv "$fields/dir" "$fields/dir2"
    same "5 5" "$(cat "$fields/dir2/n") $(cat "$keys/dir2/n")" "a directory of keys renamed"
    refuses "No such file" cat "$keys/dir/n"
    works mv "$fields/e" "$fields/dir2/"
    same '{"a":1}' "$(cat "$keys/dir2/e")" "moved to another directory"
    echo new > "$fields/made"
    works mv "$fields/made" "$fields/dir2/n"
    same '"new"' "$(cat "$keys/dir2/n")" "over another key"
    works rm -r "$fields/dir2"
    works mv "$fields/other" "$fields/d"
}

other=$TMPDIR/other
mount=$TMPDIR/mount
up "sqlite:$TMPDIR/store.sqlite" "$mount"
up "sqlite:$TMPDIR/store.sqlite" "$other"
mkdir "$mount/tx/t"
keys=$mount/tx/t/keys
fields=$mount/tx/t/fields
places p_vim p_sed p_cp_p p_install p_mv p_rsync
works rmdir "$mount/tx/t"
keys=$mount/keys
fields=$mount/fields
# shellcheck disable=SC2086 # words
places $programs
for program in $programs; do
    [[ " $remove_first " == *" ${program#p_} "* ]] ||
        saves "$program" "$fields/d/k" d '{ "a":1, "k" : "v","n":2 }' '{ "a":1, "k" : "w","n":2 }'
done
makes
scratch
scratch_open
elements
attributes
renamed_keys
down "$other"
down "$mount"
finish
