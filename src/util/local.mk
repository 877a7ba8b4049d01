# SPDX-License-Identifier: MIT
# Data structures and text formats that know no store: JSON, trees, UTF-8, files, clocks.
# Sources and headers:  libstorefs_la_SOURCES += src/util/NAME.c src/util/NAME.h
libstorefs_la_SOURCES += \
	src/core/error.c \
	src/util/base64.c src/util/base64.h \
	src/util/buffer.c \
	src/util/clock.c src/util/clock.h \
	src/util/file.c src/util/file.h \
	src/util/glob.c src/util/glob.h \
	src/util/json.h src/util/json_internal.h \
	src/util/json_compare.c \
	src/util/json_compact.c \
	src/util/json_form.c \
	src/util/json_index.c src/util/json_index.h \
	src/util/json_number.c src/util/json_number.h \
	src/util/json_scan.c \
	src/util/json_string.c \
	src/util/json_skip.c src/util/json_skip.h src/util/json_view.c \
	src/util/memory.c src/util/memory.h \
	src/util/replacement.c \
	src/util/utf8.c src/util/utf8.h
# The persistent ordered tree, and locks by file.
libstorefs_la_SOURCES += src/util/tree.c src/util/tree.h
libstorefs_la_SOURCES += src/util/lock_file.c src/util/lock_file.h
libstorefs_la_SOURCES += src/util/place.c src/util/place.h
libstorefs_la_SOURCES += src/util/probe.c src/util/probe.h
libstorefs_la_SOURCES += src/util/identity.c src/util/identity.h
libstorefs_la_SOURCES += src/util/binary.c src/util/binary.h
# What JavaScript makes of JSON.
libstorefs_la_SOURCES += src/util/js_value.h src/util/js_value.c src/util/js_number.c src/util/js_string.c
