# SPDX-License-Identifier: MIT
# One folder per backend, and registry.c, the one table that names them.
# Sources and headers:  libstorefs_la_SOURCES += backends/NAME/FILE.c backends/NAME/FILE.h
libstorefs_la_SOURCES += backends/registry.c
libstorefs_la_SOURCES += backends/memory/memory.c backends/memory/memory.h
libstorefs_la_SOURCES += backends/memory/snapshot_file.c backends/memory/snapshot_file.h
libstorefs_la_SOURCES += backends/json/json.h backends/json/store.c backends/json/store.h
libstorefs_la_SOURCES += backends/json/load.c backends/json/save.c
libstorefs_la_SOURCES += backends/json/attributes.c backends/json/attributes.h
libstorefs_la_SOURCES += backends/json/text.c backends/json/text.h
