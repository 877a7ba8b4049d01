# SPDX-License-Identifier: MIT
# How tests are run: each under tests/run-limited, with automake's parallel harness.

check_PROGRAMS = $(unit_tests) $(conformance_tests) $(fault_tests) $(test_helpers)
test_scripts = $(lint_scripts) $(fault_scripts) $(attribute_scripts) $(mount_scripts) \
	$(cost_scripts)
EXTRA_DIST += $(test_scripts) tests/run-limited tests/summary tests/coverage-floor

TESTS = $(lint_scripts) $(unit_tests) $(conformance_tests) $(fault_tests) \
	$(fault_scripts) $(attribute_scripts) $(cost_scripts) $(mount_scripts)
TEST_EXTENSIONS = .sh
LOG_COMPILER = $(srcdir)/tests/run-limited
SH_LOG_COMPILER = $(srcdir)/tests/run-limited
AM_TESTS_ENVIRONMENT = \
	srcdir='$(abs_srcdir)' builddir='$(abs_builddir)' CC='$(CC)' \
	STOREFS_VERSION='$(PACKAGE_VERSION)' \
	LIBRARY_CFLAGS='$(SQLITE_CFLAGS) $(XXHASH_CFLAGS)' FUSE_CFLAGS='$(FUSE_CFLAGS)'; \
	STOREFS='$(abs_builddir)/storefs'; \
	export srcdir builddir CC STOREFS STOREFS_VERSION LIBRARY_CFLAGS FUSE_CFLAGS;

# The same tests with the long counts, and the fuzzers where they are built.
check-long:
	STOREFS_TEST_SCALE=full STOREFS_TEST_LIMIT=$${STOREFS_TEST_LIMIT:-9000} $(MAKE) check
if FUZZ
	$(srcdir)/tests/fuzz/run $${FUZZ_SECONDS:-120}
endif

# For tools/check, which picks tests for each of its builds.
list-tests:
	@printf "%s\n" $(TESTS)

# "N passed, N failed" of the last make check.
check-summary:
	@$(srcdir)/tests/summary $(TEST_LOGS:.log=.trs)

if FUZZ
noinst_PROGRAMS += $(fuzz_programs)
endif

EXTRA_PROGRAMS = $(bench_programs)
bench: $(bench_programs) all

.PHONY: check-long list-tests check-summary bench
