# SPDX-License-Identifier: MIT
# A bank for tests/mount/test_bank.sh. Each account is a key, acct/0 to acct/49, with its balance as text.
#   bank.py make KEYS                      makes the accounts, 1000 each
#   bank.py total KEYS                     prints the total and the number of accounts
#   bank.py teller MOUNT NAME SECONDS ID   moves money in transactions until the time is over, and outlives
#                                          the daemon. Prints "COMMITTED CONFLICTS TOTALS LOST"; exits with 1
#                                          where a total was wrong.
# Each transaction also makes log/ID-NUMBER and the teller remembers which commits were acknowledged; they are
# written to the file NAME.
import errno
import os
import random
import sys
import time

ACCOUNTS = 50
START = 1000


def account(keys, number):
    return os.path.join(keys, "acct", str(number))


def read(keys, number):
    with open(account(keys, number), encoding="ascii") as file:
        return int(file.read())


def write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def total(keys):
    names = os.listdir(os.path.join(keys, "acct"))
    return sum(read(keys, name) for name in names), len(names)


def transfer(keys, mark):
    source, target = random.sample(range(ACCOUNTS), 2)
    amount = random.randint(1, 100)
    balance = read(keys, source)
    if balance < amount:
        amount = 0
    other = read(keys, target)
    write(account(keys, source), str(balance - amount))
    write(account(keys, target), str(other + amount))
    write(os.path.join(keys, "log", mark), str(amount))


class Teller:
    def __init__(self, mount, ident):
        self.mount, self.ident = mount, ident
        self.committed = self.conflicts = self.totals = self.lost = self.wrong = 0
        self.acknowledged = []

    def once(self, number):
        tx = os.path.join(self.mount, "tx", f"teller{self.ident}-{number}")
        keys = os.path.join(tx, "keys")
        os.mkdir(tx)
        mark = f"{self.ident}-{number}"
        if number % 4 == 0:
            self.totals += 1
            if total(keys) != (ACCOUNTS * START, ACCOUNTS):
                self.wrong += 1
                print("wrong total:", total(keys), flush=True)
            os.rmdir(tx)
            return
        transfer(keys, mark)
        try:
            os.close(os.open(os.path.join(tx, "commit"), os.O_WRONLY | os.O_TRUNC))
        except OSError as error:
            if error.errno != errno.ECANCELED:
                raise
            self.conflicts += 1
            os.rmdir(tx)
            return
        self.committed += 1
        self.acknowledged.append(mark)

    def run(self, seconds):
        end = time.monotonic() + seconds
        number = 0
        while time.monotonic() < end:
            number += 1
            try:
                self.once(number)
            except OSError:
                # The daemon was killed, or the mount is not there yet.
                self.lost += 1
                time.sleep(0.02)


def main():
    command, where = sys.argv[1:3]
    if command == "make":
        os.mkdir(os.path.join(where, "acct"))
        os.mkdir(os.path.join(where, "log"))
        for number in range(ACCOUNTS):
            write(account(where, number), str(START))
    elif command == "total":
        print(*total(where))
    else:
        teller = Teller(where, sys.argv[5])
        teller.run(float(sys.argv[4]))
        write(sys.argv[3], "".join(mark + "\n" for mark in teller.acknowledged))
        print(teller.committed, teller.conflicts, teller.totals, teller.lost)
        sys.exit(teller.wrong != 0)


main()
