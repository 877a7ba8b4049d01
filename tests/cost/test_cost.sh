#!/bin/sh
# SPDX-License-Identifier: MIT
# What one operation costs has not grown by more than 3 % over tests/cost/figures.txt.
# stage: gcc
exec python3 "$srcdir/tests/cost/cost.py" check "$builddir"
