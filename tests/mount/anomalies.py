# SPDX-License-Identifier: MIT
# The anomalies by which isolation levels are told apart, as tests/conformance/test_anomalies.c has them for the
# library (after Martin Kleppmann's Hermitage), by people's means: each transaction is a directory of a mount, and
# is used by a shell of its own, which runs cat, echo, rm, touch and mkdir.
#   anomalies.py NAME MOUNT [MOUNT]    With two mounts of one store the shells take turns on them.
# Prints what was seen at each level; exits with 1 where that is not what the level promises.
import os
import subprocess
import sys

LEVELS = ["read-committed", "snapshot", "serializable"]

# A script is a list of steps "TRANSACTION ACTION …": read KEY > SLOT; write KEY N; count N > SLOT (documents with
# n = N); find N > SLOT (the first such key, by its link in query/); list > SLOT; delete-found (what find gave);
# commit; rollback. x is {"n":10} and y {"n":20} at the beginning. `seen` tells from what was read (r), who committed (c)
# and the values afterwards (x, y) whether the anomaly came; the last column is the weakest level without it.
ANOMALIES = [
    ("G0", "write cycles",
     "1 write x 11; 2 write x 12; 1 write y 21; 1 commit; 2 write y 22; 2 commit",
     lambda r, c, x, y: (x, y) not in (("11", "21"), ("12", "22")), 0),
    ("G1a", "aborted reads",
     "1 write x 101; 2 read x > a; 1 rollback; 2 read x > b; 2 commit",
     lambda r, c, x, y: "101" in (r["a"], r["b"]), 0),
    ("G1b", "intermediate reads",
     "1 write x 101; 2 read x > a; 1 write x 11; 1 commit; 2 read x > b; 2 commit",
     lambda r, c, x, y: "101" in (r["a"], r["b"]), 0),
    ("G1c", "circular information flow",
     "1 write x 11; 2 write y 22; 1 read y > a; 2 read x > b; 1 commit; 2 commit",
     lambda r, c, x, y: {1, 2} <= c and (r["a"], r["b"]) == ("22", "11"), 0),
    ("OTV", "observed transaction vanishes",
     "1 write x 11; 1 write y 19; 2 write x 12; 1 commit; 3 read x > a; 2 write y 18; 3 read y > b; 2 commit; "
     "3 read y > d; 3 read x > e; 3 commit",
     lambda r, c, x, y: (r["a"], r["b"]) == ("11", "20") or r["a"] == "12" or r["b"] == "18"
     or (r["d"] == "18" and r["e"] != "12"), 0),
    ("PMP", "predicate-many-preceders",
     "1 count 30 > a; 2 write z 30; 2 commit; 1 count 30 > b; 1 commit",
     lambda r, c, x, y: 1 in c and r["a"] != r["b"], 1),
    ("PMP-list", "the same, of a listing",
     "1 list > a; 2 write z 30; 2 commit; 1 list > b; 1 commit",
     lambda r, c, x, y: 1 in c and r["a"] != r["b"], 1),
    ("PMP-write", "the same, where the predicate is of a write",
     "2 count 20 > a; 1 write x 20; 1 write y 30; 1 commit; 2 find 20 > f; 2 delete-found; 2 commit",
     lambda r, c, x, y: 2 in c and r["a"] == "1" and x == "none", 1),
    ("P4", "lost update",
     "1 read x > a; 2 read x > b; 1 write x 11; 2 write x 11; 1 commit; 2 commit",
     lambda r, c, x, y: {1, 2} <= c, 1),
    ("G-single", "read skew",
     "1 read x > a; 2 read x > d; 2 read y > e; 2 write x 12; 2 write y 18; 2 commit; 1 read y > b; 1 commit",
     lambda r, c, x, y: 1 in c and (r["a"], r["b"]) == ("10", "18"), 1),
    ("G-single-w", "read skew seen by a write",
     "1 read x > a; 2 write x 12; 2 write y 18; 2 commit; 1 find 18 > f; 1 delete-found; 1 commit",
     lambda r, c, x, y: {1, 2} <= c and r["a"] == "10" and y == "none", 1),
    ("G2-item", "write skew",
     "1 read x > a; 1 read y > b; 2 read x > d; 2 read y > e; 1 write x 11; 2 write y 21; 1 commit; 2 commit",
     lambda r, c, x, y: {1, 2} <= c, 2),
    ("G2", "write skew on a query",
     "1 count 30 > a; 2 count 30 > b; 1 write z 30; 2 write w 30; 1 commit; 2 commit",
     lambda r, c, x, y: {1, 2} <= c, 2),
    ("G2-list", "write skew on a listing",
     "1 list > a; 2 list > b; 1 write z 30; 2 write w 30; 1 commit; 2 commit",
     lambda r, c, x, y: {1, 2} <= c, 2),
    ("read-only", "a reader sees what no serial order gives",
     "1 read x > a; 1 read y > b; 2 read y > d; 2 write y 30; 2 commit; 3 read x > e; 3 read y > f; 3 commit; "
     "1 write x 5; 1 commit",
     lambda r, c, x, y: {1, 3} <= c and (r["e"], r["f"]) == ("10", "30"), 2),
]


class Shell:
    """A bash that is told one line at a time, and answers with what the line printed and its exit code."""

    def __init__(self):
        self.process = subprocess.Popen(["bash", "--norc"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, env={**os.environ, "LC_ALL": "C"})

    def run(self, line):
        self.process.stdin.write(f"{line}\nprintf '\\n=%d\\n' $?\n")
        self.process.stdin.flush()
        out = []
        while not (line := self.process.stdout.readline()).startswith("="):
            if not line:
                sys.exit("a shell has ended")
            out.append(line)
        return "".join(out).strip(), int(line[1:])

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=60)


def number(text):
    return text.removeprefix('{"n":').removesuffix("}")


class Run:
    def __init__(self, mounts, level, shells):
        self.mounts, self.level, self.shells = mounts, level, shells
        self.open, self.failed, self.committed, self.read = {}, set(), set(), {}

    def begin(self, who):
        tx = f"{self.mounts[who % len(self.mounts)]}/tx/t{who}"
        _, code = self.shells[who].run(f"mkdir {tx} && cd {tx} && echo {self.level} > isolation")
        if code:
            sys.exit("a transaction could not be begun")
        self.open[who] = tx

    def line(self, action, words):
        if action == "read":
            return f"cat keys/{words[0]}"
        if action == "write":
            return f"echo '{{\"n\":{words[1]}}}' > keys/{words[0]}"
        if action == "count":
            return f"cat 'query/where/n = {words[0]}/count'"
        if action == "find":
            return f"ls 'query/where/n = {words[0]}/keys' | head -n 1"
        if action == "list":
            return "echo $(ls keys)"
        if action == "delete-found":
            return f"rm -f keys/{self.read['f']}" if self.read["f"] else "true"
        return f"cd / && touch {self.open[words]}/{action}"

    def step(self, who, action, words):
        if who not in self.open:  # as in SQL, it begins with its first statement
            self.begin(who)
        if who in self.failed:
            return
        slot = words[words.index(">") + 1] if ">" in words else None
        ends = action in ("commit", "rollback")
        out, code = self.shells[who].run(self.line(action, who if ends else words))
        if code and "Operation canceled" not in out:
            sys.exit(f"{action} {words}: {out}")
        if code:
            self.failed.add(who)
        elif action == "commit":
            self.committed.add(who)
        elif slot:
            self.read[slot] = number(out)

    def end(self):
        for who in self.failed:
            self.shells[who].run(f"cd / && rmdir {self.open[who]}")


def value(mount, key):
    try:
        with open(f"{mount}/keys/{key}", encoding="ascii") as file:
            return number(file.read().strip())
    except FileNotFoundError:
        return "none"


def put(mount, key, text):
    with open(f"{mount}/keys/{key}", "w", encoding="ascii") as file:
        file.write(f'{{"n":{text}}}\n')


def seen(mounts, level, shells, script, judge):
    for name in os.listdir(f"{mounts[0]}/keys"):
        os.unlink(f"{mounts[0]}/keys/{name}")
    put(mounts[0], "x", 10)
    put(mounts[0], "y", 20)
    run = Run(mounts, level, shells)
    for step in script.split("; "):
        who, action, *words = step.split()
        run.step(int(who), action, words)
    run.end()
    if not run.committed:
        sys.exit("nothing was committed: refusing everything prevents nothing")
    for mount in mounts:
        if left := os.listdir(f"{mount}/tx"):
            sys.exit(f"left over: {left}")
    for slot in "abdef":
        run.read.setdefault(slot, "")
    return judge(run.read, run.committed, value(mounts[0], "x"), value(mounts[0], "y"))


def main():
    name, *mounts = sys.argv[1:]
    shells = [Shell() for _ in range(4)]
    wrong = 0
    print(f"{name:<18}" + "".join(f"{level:<16}" for level in LEVELS))
    for anomaly, title, script, judge, prevented_from in ANOMALIES:
        row = ""
        for rank, level in enumerate(LEVELS):
            came = seen(mounts, level, shells, script, judge)
            right = came == (rank < prevented_from)
            wrong += not right
            row += f"{('allowed' if came else 'prevented') + ('' if right else ' WRONG'):<16}"
        print(f"  {anomaly:<16}{row}{title}", flush=True)
    for shell in shells:
        shell.close()
    sys.exit(wrong != 0)


main()
