#!/bin/sh
# SPDX-License-Identifier: MIT
# The comparison of figures raises an alarm for each figure that grows by 4 %, and for none that grows by 2 %.
exec python3 "$srcdir/tests/cost/test_figures.py"
