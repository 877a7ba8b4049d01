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
EXTRA_DIST += tests/fuzz/corpus/attributes/document.json tests/fuzz/corpus/attributes/foreign.json
fuzz_programs += tests/fuzz/fuzz_path
tests_fuzz_fuzz_path_SOURCES = tests/fuzz/fuzz_path.c
tests_fuzz_fuzz_path_LDFLAGS = $(fuzz_ldflags)
EXTRA_DIST += tests/fuzz/corpus/expression tests/fuzz/corpus/line tests/fuzz/corpus/path \
	tests/fuzz/corpus/query
