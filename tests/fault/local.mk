# SPDX-License-Identifier: MIT
# Failing allocations, failing I/O, kill -9 and full disks: programs and scripts.
#   fault_tests += tests/fault/NAME
#   tests_fault_NAME_SOURCES = tests/fault/NAME.c
#   fault_scripts += tests/fault/NAME.sh
fault_tests += tests/fault/test_fault_layer
tests_fault_test_fault_layer_SOURCES = tests/fault/test_fault_layer.c $(conformance_fixture)
