# SPDX-License-Identifier: MIT
# One folder per backend, and registry.c, the one table that names them.
# Sources and headers:  libstorefs_la_SOURCES += backends/NAME/FILE.c backends/NAME/FILE.h
libstorefs_la_SOURCES += backends/registry.c
libstorefs_la_SOURCES += backends/memory/memory.c backends/memory/memory.h
libstorefs_la_SOURCES += backends/memory/snapshot_file.c backends/memory/snapshot_file.h
libstorefs_la_SOURCES += backends/json/json.h backends/json/store.c backends/json/store.h
libstorefs_la_SOURCES += backends/json/load.c backends/json/load.h backends/json/salvage.c backends/json/save.c
libstorefs_la_SOURCES += backends/json/attributes.c backends/json/attributes.h
libstorefs_la_SOURCES += backends/json/text.c backends/json/text.h
libstorefs_la_SOURCES += backends/sqlite/internal.h backends/sqlite/sharing.h backends/sqlite/sql.h backends/sqlite/sqlite.h
libstorefs_la_SOURCES += backends/sqlite/apply.c backends/sqlite/backup.c backends/sqlite/bulk.c
libstorefs_la_SOURCES += backends/sqlite/check.c backends/sqlite/connection.c backends/sqlite/content.c
libstorefs_la_SOURCES += backends/sqlite/error.c backends/sqlite/feed.c backends/sqlite/files.c backends/sqlite/guard.c backends/sqlite/head.c
libstorefs_la_SOURCES += backends/sqlite/lease.c
libstorefs_la_SOURCES += backends/sqlite/memo.c
libstorefs_la_SOURCES += backends/sqlite/housekeeper.c backends/sqlite/open.c backends/sqlite/owner.c
libstorefs_la_SOURCES += backends/sqlite/parts.c backends/sqlite/patch.c backends/sqlite/pool.c
libstorefs_la_SOURCES += backends/sqlite/pool.h backends/sqlite/pool_lease.c backends/sqlite/prune.c
libstorefs_la_SOURCES += backends/sqlite/queue.h backends/sqlite/read.c
libstorefs_la_SOURCES += backends/sqlite/row.c backends/sqlite/scan.c backends/sqlite/schema.c
libstorefs_la_SOURCES += backends/sqlite/snapshot.c backends/sqlite/sql.c backends/sqlite/stage.c
libstorefs_la_SOURCES += backends/sqlite/transaction.c backends/sqlite/turn.c backends/sqlite/watch.c
libstorefs_la_SOURCES += backends/sqlite/write.c
libstorefs_la_SOURCES += backends/sqlite/index.c backends/sqlite/index.h
libstorefs_la_SOURCES += backends/sqlite/index_apply.c backends/sqlite/index_build.c
libstorefs_la_SOURCES += backends/dir/dir.h backends/dir/internal.h backends/dir/form.h backends/dir/run.h
libstorefs_la_SOURCES += backends/dir/adopt.c backends/dir/apply.c backends/dir/backup.c backends/dir/content.c
libstorefs_la_SOURCES += backends/dir/form.c backends/dir/item.c backends/dir/log.c backends/dir/look.c
libstorefs_la_SOURCES += backends/dir/open.c backends/dir/place.c backends/dir/plan.c backends/dir/read.c
libstorefs_la_SOURCES += backends/dir/run.c backends/dir/settle.c backends/dir/stage.c
libstorefs_la_SOURCES += backends/sqlite/index_cursor.h backends/sqlite/index_scan.c
libstorefs_la_SOURCES += backends/sqlite/index_walk.c backends/sqlite/visitor.c \
	backends/sqlite/vfs.c
libstorefs_la_SOURCES += backends/sqlite/salvage.c backends/sqlite/salvage.h \
	backends/sqlite/salvage_cells.c backends/sqlite/salvage_collect.c backends/sqlite/salvage_pages.c backends/sqlite/salvage_parts.c
