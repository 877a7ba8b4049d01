# SPDX-License-Identifier: MIT
# Stores, records, batches, cursors and all that is derived from a backend's eight calls.
# Sources and headers:  libstorefs_la_SOURCES += src/core/NAME.c src/core/NAME.h
libstorefs_la_SOURCES += src/core/record.c src/core/xattr.c src/core/xattr.h
libstorefs_la_SOURCES += src/core/batch.c src/core/batch.h src/core/batch_add.c
libstorefs_la_SOURCES += src/core/apply.c src/core/apply.h src/core/apply_require.c src/core/apply_value.c src/core/apply_name.c src/core/apply_index.c src/core/apply_unique.c
libstorefs_la_SOURCES += src/core/patch.c
libstorefs_la_SOURCES += src/core/storage.c src/core/storage.h src/core/derived.c src/core/check.c
libstorefs_la_SOURCES += src/core/range.c src/core/range.h src/core/stage.c src/core/stage.h
libstorefs_la_SOURCES += src/core/uri.c src/core/options.c src/core/path.c src/core/path_walk.c
libstorefs_la_SOURCES += src/core/index.c src/core/index_set.c
libstorefs_la_SOURCES += src/core/notes.c
# The engine in memory.
libstorefs_la_SOURCES += src/core/memory_engine.c src/core/memory_engine.h
libstorefs_la_SOURCES += src/core/memory_apply.c src/core/memory_feed.c src/core/memory_log.c
libstorefs_la_SOURCES += src/core/memory_index.c src/core/memory_index.h src/core/memory_index_build.c
libstorefs_la_SOURCES += src/core/memory_read.c src/core/memory_snapshot.c
# Documents, member by member.
libstorefs_la_SOURCES += src/core/document.c src/core/document.h src/core/document_index.c
libstorefs_la_SOURCES += src/core/document_text.c src/core/document_walk.c
