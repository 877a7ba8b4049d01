# SPDX-License-Identifier: MIT
# Measurements, built by "make bench":
#   bench_programs += tests/bench/NAME
#   tests_bench_NAME_SOURCES = tests/bench/NAME.c
