# SPDX-License-Identifier: MIT
# What is left when something fails on purpose: programs and scripts.
#   fault_tests += tests/fault/NAME
#   tests_fault_NAME_SOURCES = tests/fault/NAME.c
#   fault_scripts += tests/fault/NAME.sh
fault_tests += tests/fault/test_fault_layer
tests_fault_test_fault_layer_SOURCES = tests/fault/test_fault_layer.c $(conformance_fixture)
