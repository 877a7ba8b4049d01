#!/bin/bash
# SPDX-License-Identifier: MIT
# A SQLite store that somebody else has altered, with views, triggers, tables of his own, or beside which he has
# put a rollback journal: every command refuses it with the reason, runs nothing of it, changes nothing beside it,
# and names a way that gets the records out.
# stage: gcc coverage
. "$srcdir/tests/mount/lib.sh"
cd "$TMPDIR" || exit 1
mkdir m

make_store() {
    rm -rf s s-* copy copy-* saved saved-*
    "$STOREFS" set s a 1
    "$STOREFS" set s b '{"n": 2}'
}

commands=('get s a' 'set s a 2' 'rm s a' 'ls s' 'query s all' 'export s' 'import s -' 'fsck s' 'fsck --repair s'
    'backup s copy' 'index s list' 'index s add n' 'mount s m' 'mount -o ro s m')

# refused SENTENCE: by each command, within ten seconds.
refused() {
    local command
    for command in "${commands[@]}"; do
        # shellcheck disable=SC2086  # the command is a list of words
        refuses "$1" timeout -s KILL 10 "$STOREFS" $command < /dev/null
        [ ! -e copy ] || fail "$command left a copy"
    done
}

# What gets the records out reads the pages itself.
saved() {
    checks=$((checks + 1))
    "$STOREFS" fsck s --salvage sqlite:saved > said 2>&1
    same 1 "$("$STOREFS" get saved a)" "$1: the saved value"
    same '"a" "b" ' "$("$STOREFS" export --keep-going s 2> said | sed -n 's/.*"key":\("[^"]*"\).*/\1/p' | sort |
        tr '\n' ' ')" "$1: the exported keys"
}

# altered SENTENCE SQL UNDO
altered() {
    make_store
    works sqlite3 s "$2"
    before=$(sha256sum s)
    refused "$1"
    same "$before" "$(sha256sum s)" "the file after $2"
    same 0 "$(sqlite3 s "SELECT count(*) FROM meta WHERE name = 'ran'")" "what ran of $2"
    saved "$2"
    works sqlite3 s "$3"
    same 1 "$("$STOREFS" get s a 2>&1)" "the value, once it is undone: $2"
}

mark="BEGIN INSERT OR IGNORE INTO meta VALUES('ran', 1); END"
altered "its trigger 't' is none that storefs makes" "CREATE TRIGGER t AFTER INSERT ON record $mark" 'DROP TRIGGER t'
altered "its trigger 'state' is none" "CREATE TRIGGER state AFTER UPDATE ON record $mark" 'DROP TRIGGER state'
altered "its view 'v' is none" 'CREATE VIEW v AS SELECT name FROM record' 'DROP VIEW v'
altered "its table 'more' is none" 'CREATE TABLE more(x)' 'DROP TABLE more'
altered "its index 'size' is none" 'CREATE INDEX size ON record(size)' 'DROP INDEX size'
altered "its table 'sqlite_stat1' is none" ANALYZE 'DROP TABLE sqlite_stat1; DROP TABLE IF EXISTS sqlite_stat4'

# Under a mount: what is read and written there is refused until it is undone.
make_store
up sqlite:s "$TMPDIR/m"
sqlite3 s "CREATE TRIGGER t AFTER UPDATE ON state $mark"
refuses '' sh -c 'echo 2 > m/keys/new'
refuses '' cat m/keys/absent
checks=$((checks + 1))
said=$("$STOREFS" get m other 2>&1) && fail "a key is read: $said"
[[ $said != *"not found"* ]] || fail "what cannot be looked up is said not to be there: $said"
checks=$((checks + 1))
tail -n 2 m/admin/errors | grep -q "its trigger 't' is none" || fail "admin/errors: $(tail -n 2 m/admin/errors)"
sqlite3 s 'DROP TRIGGER t; VACUUM'
works sh -c 'echo 2 > m/keys/new'
same 2 "$(cat m/keys/new)" "the value written after that"
same 0 "$(sqlite3 s "SELECT count(*) FROM meta WHERE name = 'ran'")" "what ran under a mount"
down "$TMPDIR/m"
works "$STOREFS" fsck s

# A journal as a program leaves it that ended in the middle of a change.
make_store
echo precious > beside
python3 - << 'P'
import os, sqlite3
db = sqlite3.connect("s", isolation_level=None)
for statement in ("PRAGMA journal_mode = DELETE", "PRAGMA synchronous = OFF", "BEGIN", "UPDATE record SET size = 9"):
    db.execute(statement)
os._exit(0)
P
before=$(sha256sum s s-journal beside)
refused 's-journal is a rollback journal, which a store does not have; it was not played back'
same "$before" "$(sha256sum s s-journal beside)" "what is there with a journal"
saved "a journal"
works sqlite3 s .tables
same "1 gone" "$("$STOREFS" get s a) $([ -e s-journal ] || echo gone)" "the way out that the sentence names"
finish
