# SPDX-License-Identifier: MIT
# Transactions: a snapshot, a write set that is read through first, and one batch at the commit.
# Sources and headers:  libstorefs_la_SOURCES += src/txn/NAME.c src/txn/NAME.h
libstorefs_la_SOURCES += src/txn/apply.c src/txn/changes.c src/txn/commit.c src/txn/content.c \
	src/txn/content.h src/txn/cursor.c src/txn/history.c src/txn/internal.h src/txn/map.c \
	src/txn/map.h src/txn/mapped.c src/txn/run.c src/txn/run.h src/txn/run_ranges.c \
	src/txn/savepoint.c src/txn/snapshot.c \
	src/txn/predicate.c src/txn/predicate.h src/txn/push_down.c src/txn/reads.c \
	src/txn/reads.h src/txn/recorder.c src/txn/recorder.h src/txn/storage.c src/txn/transact.c \
	src/txn/transaction.c src/txn/view.c src/txn/view.h
