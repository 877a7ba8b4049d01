# SPDX-License-Identifier: MIT
# Checks of the sources themselves: who includes whom, lengths, heads, headers, exported symbols.
lint_scripts += tests/lint/sources.sh tests/lint/selftest.sh tests/lint/headers.sh tests/lint/cxx.sh tests/lint/exports.sh tests/lint/builder.sh tests/lint/binaries.sh
EXTRA_DIST += tests/lint/lint.pl
