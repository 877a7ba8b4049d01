#!/bin/sh
# SPDX-License-Identifier: MIT
# The rules of the house hold in the source tree.
exec perl "$srcdir/tests/lint/lint.pl" "$srcdir"
