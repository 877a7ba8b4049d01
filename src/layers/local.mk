# SPDX-License-Identifier: MIT
# Layers: stores over a store. Counting calls, and making them fail for tests.
# Sources and headers:  libstorefs_la_SOURCES += src/layers/NAME.c src/layers/NAME.h
libstorefs_la_SOURCES += src/layers/fault.c src/layers/metrics.c
