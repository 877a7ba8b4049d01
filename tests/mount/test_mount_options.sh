#!/bin/bash
# SPDX-License-Identifier: MIT
# The words of mount -o: each of the table that '-o help' prints, held against the man page and against real
# mounts; and mount(8) with both types, with fstab, and with remount.
# stage: gcc coverage
. "$srcdir/tests/mount/lib.sh"
cd "$TMPDIR" || exit 1
mnt=$TMPDIR/mnt
mkdir -p "$mnt"

"$STOREFS" mount -o help > table || fail '-o help fails'
# The words of a kind ("taken" …), an example for those with a value, but not those that a test must leave out.
words() {
    local word
    awk -F '\t' -v kind="$1" '$2 == kind { print $1 }' table | while read -r word; do
        case $word in
        ro | keys-only | io_uring | debug | help | *context=) ;;
        isolation=) echo isolation=snapshot ;;
        *-timeout=) echo "${word}60" ;;
        *=) echo "${word}1000" ;;
        *-\*) echo "${word%\*}systemd.automount" ;;
        *) echo "$word" ;;
        esac
    done
}
listed() { paste -sd, -; }

same '' "$(awk -F '\t' 'NF != 3 || $3 == "" || $2 !~ /^(taken|ignored|refused)$/' table)" 'rows without a kind or reason'
same '' "$(cut -f 1 table | sort | uniq -d)" 'words that stand twice in the table'
# All that mount(8) names for every file system, systemd's, and what users of other FUSE file systems write.
for word in async atime noatime auto noauto context= fscontext= defcontext= rootcontext= defaults dev nodev diratime \
        nodiratime dirsync exec noexec group iversion noiversion mand nomand _netdev nofail relatime norelatime \
        strictatime nostrictatime lazytime nolazytime suid nosuid silent loud owner remount ro rw sync user nouser users \
        nosymfollow bind default_permissions allow_other nonempty comment= x-\* X-\*; do
    cut -f 1 table | grep -qxF -- "$word" || fail "the table has no $word"
done
# The man page names every word, in the part about mount.
sed -n '/^\.It Cm mount Ar/,/^\.It Cm unmount/p' "$srcdir/doc/man/storefs.1" | tr ' ,' '\n\n' | sort -u > named
for word in $(cut -f 1 table | grep -v '\*'); do
    checks=$((checks + 1))
    grep -qxF -- "$word" named || fail "the man page does not name $word"
done

# Ignored and taken, all at once.
up memory: "$mnt" -o "$(words ignored | listed)"
same rw,nosuid,nodev "$(findmnt -no OPTIONS "$mnt" | grep -o 'rw,nosuid,nodev')" 'options of the mount with all that is ignored'
echo a > "$mnt/keys/a"
touch -d @1 "$mnt/keys/a"
cat "$mnt/keys/a" > read
same 1 "$(stat -c %X "$mnt/keys/a")" 'time of access after a read'
down "$mnt"
up memory: "$mnt" -o "$(words taken | listed)"
down "$mnt"
up memory: "$mnt" -o noexec,sync,dirsync,noatime
for word in noexec sync dirsync noatime; do
    [[ ,$(findmnt -no OPTIONS "$mnt"), == *",$word,"* ]] || fail "the kernel was not given $word"
done
echo a > "$mnt/keys/a"
down "$mnt"

for word in $(words refused); do
    reason=$(awk -F '\t' -v word="${word%%=*}" '$1 == word || $1 == word "=" { print $3 }' table)
    refuses "'$word' is refused: $reason" "$STOREFS" mount memory: "$mnt" -o "rw,$word"
done
refuses "unbalanced quote" "$STOREFS" mount memory: "$mnt" -o 'context="a,ro'
for word in nosuch ro=1 x 'tx-timeout=' 'tx-timeout=1s' 'query-timeout=0' 'isolation=none' rwx; do
    "$STOREFS" mount memory: "$mnt" -o "$word" 2> said && fail "-o $word is accepted"
    [ -s said ] || fail "-o $word: no sentence"
done
mountpoint -q "$mnt" && fail 'a refused mount is there'

# mount(8), in a mount namespace where its helpers are.
[ "$(id -u)" = 0 ] || finish
mkdir -p sbin
cat > fstab << END
sqlite:$TMPDIR/a.sqlite $mnt storefs rw,noatime,nodiratime,lazytime,nofail,x-systemd.automount,comment=a 0 0
END
cat > inside.sh << 'END'
set -u
mount --bind /sbin sbin && mount -t tmpfs none /sbin && ln -s "$PWD"/sbin/* /sbin/ &&
    ln -s "$STOREFS" /sbin/mount.storefs && ln -s "$STOREFS" /sbin/storefs || exit 1
said() { printf '%s: %s\n' "$1" "$(shift; "$@" 2>&1)"; }
kind() { findmnt -no FSTYPE,OPTIONS "$mnt" | grep -o '^fuse.storefs *r[ow]' | tr -s ' '; }
away() { umount "$mnt"; mountpoint -q "$mnt" && echo "still mounted"; }
mount -T fstab "$mnt" && echo "fstab: $(kind)"
echo value > "$mnt/keys/a"
said 'remount of type storefs' mount -T fstab -o remount,ro "$mnt"
away
mount -t storefs -o ro,noexec "sqlite:$PWD/a.sqlite" "$mnt" && echo "type storefs: $(kind) $(cat "$mnt/keys/a")"
away
type mount.fuse > /dev/null 2>&1 || exit 0
mount -t fuse.storefs "sqlite:$PWD/a.sqlite" "$mnt" && echo "type fuse.storefs: $(kind) $(cat "$mnt/keys/a")"
said 'remount of type fuse.storefs' mount -o remount,ro "$mnt"
away
mount -t fuse "storefs#sqlite:$PWD/a.sqlite" "$mnt" -o ro && echo "type fuse: $(kind)"
away
END
(export mnt STOREFS && apart bash inside.sh) > heard 2>&1
same 'fstab: fuse.storefs rw' "$(grep '^fstab:' heard)" 'a mount by fstab'
same 'type storefs: fuse.storefs ro value' "$(grep '^type storefs' heard)" 'a mount of type storefs'
if type mount.fuse > /dev/null 2>&1; then
    same 'type fuse.storefs: fuse.storefs rw value' "$(grep '^type fuse.storefs' heard)" 'a mount of type fuse.storefs'
    same 'type fuse: fuse.storefs ro' "$(grep '^type fuse:' heard)" 'a mount of type fuse'
    same 2 "$(grep -c "remount.*: a mount cannot be changed: unmount it" heard)" 'answers to remount'
fi
same '' "$(grep 'still mounted' heard)" 'mounts after umount'
[ ${#failed[@]} -eq 0 ] || cat heard

# As mount.fuse calls it; a slip in a command is not a mount.
works "$STOREFS" "sqlite:$TMPDIR/b.sqlite" "$mnt" -o rw,dev,suid
mounted+=("$mnt")
down "$mnt"
refuses "no command 'unmout'" "$STOREFS" unmout "$mnt"
refuses "no command './b'" "$STOREFS" ./b "$mnt/none"
finish
