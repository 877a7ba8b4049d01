# SPDX-License-Identifier: MIT
# libFuzzer targets for what reads bytes from outside, built with --enable-fuzz:
#   fuzz_programs += tests/fuzz/fuzz_NAME
#   tests_fuzz_fuzz_NAME_SOURCES = tests/fuzz/fuzz_NAME.c
#   tests_fuzz_fuzz_NAME_LDFLAGS = $(fuzz_ldflags)
fuzz_ldflags = $(AM_LDFLAGS) -fsanitize=fuzzer
fuzz_programs += tests/fuzz/fuzz_expression
tests_fuzz_fuzz_expression_SOURCES = tests/fuzz/fuzz_expression.c
tests_fuzz_fuzz_expression_LDFLAGS = $(fuzz_ldflags)
fuzz_programs += tests/fuzz/fuzz_line
tests_fuzz_fuzz_line_SOURCES = tests/fuzz/fuzz_line.c
tests_fuzz_fuzz_line_LDFLAGS = $(fuzz_ldflags)
fuzz_programs += tests/fuzz/fuzz_sort_key
tests_fuzz_fuzz_sort_key_SOURCES = tests/fuzz/fuzz_sort_key.c
tests_fuzz_fuzz_sort_key_LDFLAGS = $(fuzz_ldflags)
fuzz_programs += tests/fuzz/fuzz_query
tests_fuzz_fuzz_query_SOURCES = tests/fuzz/fuzz_query.c
tests_fuzz_fuzz_query_LDFLAGS = $(fuzz_ldflags)
fuzz_programs += tests/fuzz/fuzz_attributes
tests_fuzz_fuzz_attributes_SOURCES = tests/fuzz/fuzz_attributes.c
tests_fuzz_fuzz_attributes_LDFLAGS = $(fuzz_ldflags)
fuzz_programs += tests/fuzz/fuzz_path
tests_fuzz_fuzz_path_SOURCES = tests/fuzz/fuzz_path.c
tests_fuzz_fuzz_path_LDFLAGS = $(fuzz_ldflags)
fuzz_programs += tests/fuzz/fuzz_uri
tests_fuzz_fuzz_uri_SOURCES = tests/fuzz/fuzz_uri.c tests/fuzz/input.h
tests_fuzz_fuzz_uri_LDFLAGS = $(fuzz_ldflags)

# Of the files of stores, which the input describes.
fuzz_use = tests/fuzz/input.h tests/fuzz/use.h tests/fuzz/use.c
fuzz_programs += tests/fuzz/fuzz_snapshot
tests_fuzz_fuzz_snapshot_SOURCES = tests/fuzz/fuzz_snapshot.c $(fuzz_use)
tests_fuzz_fuzz_snapshot_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_snapshot_LDADD = libstorefs.la $(XXHASH_LIBS)
fuzz_programs += tests/fuzz/fuzz_json_store
tests_fuzz_fuzz_json_store_SOURCES = tests/fuzz/fuzz_json_store.c $(fuzz_use)
tests_fuzz_fuzz_json_store_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_json_store_LDADD = libstorefs.la $(XXHASH_LIBS)
fuzz_programs += tests/fuzz/fuzz_dir_log
tests_fuzz_fuzz_dir_log_SOURCES = tests/fuzz/fuzz_dir_log.c $(fuzz_use)
tests_fuzz_fuzz_dir_log_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_dir_log_LDADD = libstorefs.la $(XXHASH_LIBS)
fuzz_programs += tests/fuzz/fuzz_sqlite_rows
tests_fuzz_fuzz_sqlite_rows_SOURCES = tests/fuzz/fuzz_sqlite_rows.c $(fuzz_use)
tests_fuzz_fuzz_sqlite_rows_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_sqlite_rows_LDADD = libstorefs.la $(SQLITE_LIBS)
EXTRA_DIST += tests/fuzz/run tests/fuzz/corpus
