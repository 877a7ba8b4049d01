# SPDX-License-Identifier: MIT
# The FUSE daemon: paths to storage calls. An archive that the storefs command and unit tests link.
# Sources and headers:  libfs_la_SOURCES += fs/NAME.c fs/NAME.h
libfs_la_SOURCES += \
	fs/authors.c fs/authors.h fs/budget.c fs/budget.h fs/commit.c fs/content.c fs/content.h fs/errors.c fs/file.c fs/file.h fs/fs.h \
	fs/generated.c fs/isolation.c \
	fs/keys.h fs/keys_directory.c fs/keys_file.c fs/keys_list.c fs/keys_name.c fs/keys_rename.c fs/keys_retry.c fs/keys_stat.c \
	fs/follow.c fs/follow.h fs/interrupt.c fs/interrupt.h fs/keys_tell.c fs/keys_tree.c fs/keys_xattr.c fs/loop.c fs/loop.h \
	fs/mount.c fs/mount.h fs/node.c fs/node.h fs/notifier.c \
	fs/operations.c fs/operations.h fs/operations_file.c fs/positions.c fs/positions.h fs/root.c fs/seek.c fs/space.c fs/stage.c
libfs_la_SOURCES += \
	fs/fields.h fs/fields_cache.c fs/fields_change.c fs/fields_commit.c fs/fields_leaf.c \
	fs/fields_list.c fs/fields_make.c fs/fields_path.c fs/fields_place.c fs/fields_rename.c fs/fields_scratch.c \
	fs/fields_set.c fs/fields_stat.c fs/fields_tree.c \
	fs/admin.c fs/names.c fs/names.h fs/query.c fs/query.h fs/query_fields.c fs/query_links.c fs/query_result.c \
	fs/incomplete.c fs/result.c fs/result.h \
	fs/readme.c fs/indexes.c fs/indexes.h fs/index_builds.c fs/views.c fs/views.h \
	fs/tx.c fs/tx.h fs/tx_changes.c fs/tx_end.c fs/tx_files.c fs/tx_savepoints.c fs/tx_tree.c
