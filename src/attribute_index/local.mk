# SPDX-License-Identifier: MIT
# The attribute index, in memory and as postings in a store.
# Sources and headers:  libstorefs_la_SOURCES += src/attribute_index/NAME.c src/attribute_index/NAME.h
libstorefs_la_SOURCES += \
	src/attribute_index/terms.c src/attribute_index/terms.h \
	src/attribute_index/edges.c src/attribute_index/edges.h \
	src/attribute_index/inverted.c src/attribute_index/inverted.h \
	src/attribute_index/index.c src/attribute_index/index.h \
	src/attribute_index/entities.c src/attribute_index/search.c src/attribute_index/document.c \
	src/attribute_index/write.c src/attribute_index/load.c \
	src/attribute_index/files.c src/attribute_index/files.h
# Postings.
libstorefs_la_SOURCES += \
	src/attribute_index/postings.c src/attribute_index/postings.h \
	src/attribute_index/keys.c src/attribute_index/record.c src/attribute_index/change.c \
	src/attribute_index/transfer.c src/attribute_index/convert.c
