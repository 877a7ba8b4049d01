# SPDX-License-Identifier: MIT
# Stores over a store: events, cache, trace, fault injection.
# Sources and headers:  libstorefs_la_SOURCES += src/layers/NAME.c src/layers/NAME.h
libstorefs_la_SOURCES += src/layers/fault.c src/layers/metrics.c
