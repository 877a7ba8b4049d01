# SPDX-License-Identifier: MIT
# What every backend promises, run over each backend under each stack of layers:
#   conformance_tests += tests/conformance/NAME
#   tests_conformance_NAME_SOURCES = tests/conformance/NAME.c
conformance_fixture = tests/conformance/stacks.c tests/conformance/stacks.h \
	tests/conformance/short.c tests/conformance/short.h
conformance_directed = $(conformance_fixture) \
	tests/conformance/directed.c tests/conformance/directed.h
conformance_tests += tests/conformance/test_operations tests/conformance/test_calls
tests_conformance_test_operations_SOURCES = tests/conformance/test_operations.c \
	$(conformance_directed) tests/conformance/values.c tests/conformance/attributes.c \
	tests/conformance/staged.c tests/conformance/names.c tests/conformance/prefixes.c \
	tests/conformance/requirements.c tests/conformance/batches.c
tests_conformance_test_calls_SOURCES = tests/conformance/test_calls.c \
	$(conformance_directed) tests/conformance/reading.c tests/conformance/times.c \
	tests/conformance/feeds.c tests/conformance/derived.c
tests_conformance_test_calls_LDFLAGS = $(AM_LDFLAGS) $(own_clock)
conformance_play = $(conformance_fixture) tests/conformance/model.c tests/conformance/model.h \
	tests/conformance/model_apply.c tests/conformance/model_compare.c \
	tests/conformance/play.c tests/conformance/play.h tests/conformance/generate.c \
	tests/conformance/follow.c
conformance_tests += tests/conformance/test_model tests/conformance/test_persistence
tests_conformance_test_model_SOURCES = tests/conformance/test_model.c $(conformance_play) \
	tests/conformance/broken.c tests/conformance/broken.h
tests_conformance_test_persistence_SOURCES = tests/conformance/test_persistence.c $(conformance_play)
conformance_tests += tests/conformance/test_threads tests/conformance/test_sharing
tests_conformance_test_threads_SOURCES = tests/conformance/test_threads.c $(conformance_fixture)
tests_conformance_test_sharing_SOURCES = tests/conformance/test_sharing.c $(conformance_fixture)
conformance_tests += tests/conformance/test_anomalies
tests_conformance_test_anomalies_SOURCES = tests/conformance/test_anomalies.c
conformance_tests += tests/conformance/test_histories
tests_conformance_test_histories_SOURCES = tests/conformance/test_histories.c \
	tests/conformance/history.c tests/conformance/history.h
conformance_tests += tests/conformance/test_indexes
tests_conformance_test_indexes_SOURCES = tests/conformance/test_indexes.c \
	tests/conformance/index_generate.c tests/conformance/index_generate.h \
	tests/unit/query_model.c \
	tests/unit/query_model.h tests/unit/query_model_rows.c tests/unit/query_generate.c
conformance_tests += tests/conformance/test_bounded
tests_conformance_test_bounded_SOURCES = tests/conformance/test_bounded.c
tests_conformance_test_bounded_LDADD = libstorefs.la $(SQLITE_LIBS)
conformance_tests += tests/conformance/test_overrides
tests_conformance_test_overrides_SOURCES = tests/conformance/test_overrides.c $(conformance_fixture) \
	tests/conformance/counting.c tests/conformance/counting.h \
	tests/conformance/layered.c tests/conformance/layered.h
conformance_tests += tests/conformance/test_growth
tests_conformance_test_growth_SOURCES = tests/conformance/test_growth.c $(conformance_fixture) \
	tests/conformance/counted.c tests/conformance/counted.h
