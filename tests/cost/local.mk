# SPDX-License-Identifier: MIT
# What one operation costs, in counts: doc/modules/tests.md. cost.py compiles the programs here itself, since it
# also counts builds of other commits.
#   cost_scripts += tests/cost/NAME.sh
cost_scripts += tests/cost/test_figures.sh tests/cost/test_cost.sh
check-cost: all
	srcdir=$(abs_srcdir) builddir=$(abs_builddir) $(srcdir)/tests/run-limited $(srcdir)/tests/cost/test_cost.sh

EXTRA_DIST += tests/cost/figures.txt tests/cost/cost.py tests/cost/count.py tests/cost/figures.py \
	tests/cost/mount.py tests/cost/test_figures.py
EXTRA_DIST += tests/cost/calls.c tests/cost/counters.h tests/cost/library.c tests/cost/plain_memory.c tests/cost/still_clock.c

# The figures of this build become those of the tree.
cost-figures: all
	$(srcdir)/tests/cost/cost.py update $(abs_builddir)

.PHONY: check-cost cost-figures
