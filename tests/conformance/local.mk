# SPDX-License-Identifier: MIT
# What every backend promises, run over each backend under each stack of layers:
#   conformance_tests += tests/conformance/NAME
#   tests_conformance_NAME_SOURCES = tests/conformance/NAME.c
