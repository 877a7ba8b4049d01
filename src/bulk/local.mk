# SPDX-License-Identifier: MIT
# Import and export of records as lines of JSON.
# Sources and headers:  libstorefs_la_SOURCES += src/bulk/NAME.c src/bulk/NAME.h
libstorefs_la_SOURCES += src/bulk/line.h src/bulk/line_attributes.c src/bulk/line_read.c src/bulk/line_write.c src/bulk/line_runs.c
libstorefs_la_SOURCES += src/bulk/export.c src/bulk/import.c
libstorefs_la_SOURCES += src/bulk/copy.c src/bulk/losses.c src/bulk/losses.h
