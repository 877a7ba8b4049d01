# SPDX-License-Identifier: MIT
# Measurements, built by "make bench":
#   bench_programs += tests/bench/NAME
#   tests_bench_NAME_SOURCES = tests/bench/NAME.c
bench_programs += tests/bench/bench_commits
tests_bench_bench_commits_SOURCES = tests/bench/bench_commits.c
tests_bench_bench_commits_LDADD = libstorefs.la $(SQLITE_LIBS)
bench_programs += tests/bench/bench_tx
tests_bench_bench_tx_SOURCES = tests/bench/bench_tx.c tests/bench/floor.c tests/bench/floor.h
tests_bench_bench_tx_CPPFLAGS = $(AM_CPPFLAGS) $(FUSE_CFLAGS)
tests_bench_bench_tx_LDADD = $(FUSE_LIBS)
bench_programs += tests/bench/bench_query
tests_bench_bench_query_SOURCES = tests/bench/bench_query.c
tests_bench_bench_query_LDADD = libstorefs.la $(SQLITE_LIBS)
bench_programs += tests/bench/bench_history
tests_bench_bench_history_SOURCES = tests/bench/bench_history.c
bench_programs += tests/bench/bench_attributes
tests_bench_bench_attributes_SOURCES = tests/bench/bench_attributes.c
EXTRA_DIST += tests/bench/bench_attributes.mjs tests/bench/ratios.py tests/bench/bench_everyday
bench_programs += tests/bench/bench_mount
tests_bench_bench_mount_SOURCES = tests/bench/bench_mount.c tests/bench/mount_bench.h \
	tests/bench/mount_places.c tests/bench/mount_engines.c tests/bench/mount_tasks.c \
	tests/bench/mount_report.c tests/bench/mount_memory.c tests/bench/floor.c tests/bench/floor.h
tests_bench_bench_mount_CPPFLAGS = $(AM_CPPFLAGS) $(FUSE_CFLAGS)
tests_bench_bench_mount_LDADD = libstorefs.la $(SQLITE_LIBS) $(FUSE_LIBS)
