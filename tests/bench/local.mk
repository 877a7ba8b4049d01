# SPDX-License-Identifier: MIT
# Measurements, built by "make bench":
#   bench_programs += tests/bench/NAME
#   tests_bench_NAME_SOURCES = tests/bench/NAME.c
bench_programs += tests/bench/bench_commits
tests_bench_bench_commits_SOURCES = tests/bench/bench_commits.c
tests_bench_bench_commits_LDADD = libstorefs.la $(SQLITE_LIBS)
bench_programs += tests/bench/bench_history
tests_bench_bench_history_SOURCES = tests/bench/bench_history.c
