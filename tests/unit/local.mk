# SPDX-License-Identifier: MIT
# Unit tests: one cmocka program for each thing tested, linked to the static library.
#   unit_tests += tests/unit/test_NAME
#   tests_unit_test_NAME_SOURCES = tests/unit/test_NAME.c
# A test of fs/ adds:
#   tests_unit_test_NAME_CPPFLAGS = $(sfs_command) $(CMOCKA_CFLAGS)
#   tests_unit_test_NAME_LDADD = libfs.la libstorefs.la $(FUSE_LIBS) $(CMOCKA_LIBS)

# Time limits are tested without waiting for them: own_clock.h.
EXTRA_DIST += tests/unit/own_clock.h
own_clock = -Wl,--wrap=sfs_clock_monotonic,--wrap=sfs_clock_monotonic_coarse \
	-Wl,--wrap=pthread_cond_timedwait,--wrap=pthread_cond_clockwait
unit_tests += tests/unit/test_json tests/unit/test_json_value tests/unit/test_util tests/unit/test_file
tests_unit_test_json_SOURCES = tests/unit/test_json.c
tests_unit_test_json_value_SOURCES = tests/unit/test_json_value.c
tests_unit_test_util_SOURCES = tests/unit/test_util.c
tests_unit_test_file_SOURCES = tests/unit/test_file.c
unit_tests += tests/unit/test_expression
tests_unit_test_expression_SOURCES = tests/unit/test_expression.c
unit_tests += tests/unit/test_query
tests_unit_test_query_SOURCES = tests/unit/test_query.c
unit_tests += tests/unit/test_query_model
tests_unit_test_query_model_SOURCES = tests/unit/test_query_model.c tests/unit/query_model.c \
	tests/unit/query_model.h tests/unit/query_generate.c tests/unit/query_model_rows.c
unit_tests += tests/unit/test_tree tests/unit/test_memory
tests_unit_test_tree_SOURCES = tests/unit/test_tree.c
tests_unit_test_memory_SOURCES = tests/unit/test_memory.c tests/unit/memory_fixture.h
tests_unit_test_memory_LDFLAGS = $(AM_LDFLAGS) $(own_clock)
unit_tests += tests/unit/test_record tests/unit/test_batch tests/unit/test_storage tests/unit/test_path tests/unit/test_uri
tests_unit_test_record_SOURCES = tests/unit/test_record.c
tests_unit_test_batch_SOURCES = tests/unit/test_batch.c tests/unit/batch_fixture.c tests/unit/batch_fixture.h
unit_tests += tests/unit/test_batch_names
tests_unit_test_batch_names_SOURCES = tests/unit/test_batch_names.c tests/unit/batch_fixture.c tests/unit/batch_fixture.h
tests_unit_test_storage_SOURCES = tests/unit/test_storage.c
tests_unit_test_path_SOURCES = tests/unit/test_path.c
tests_unit_test_uri_SOURCES = tests/unit/test_uri.c
unit_tests += tests/unit/test_transaction tests/unit/test_transaction_values tests/unit/test_transaction_model
tests_unit_test_transaction_SOURCES = tests/unit/test_transaction.c \
	tests/unit/transaction_fixture.c tests/unit/transaction_fixture.h
tests_unit_test_transaction_LDFLAGS = $(AM_LDFLAGS) $(own_clock)
tests_unit_test_transaction_values_SOURCES = tests/unit/test_transaction_values.c \
	tests/unit/transaction_fixture.c tests/unit/transaction_fixture.h
tests_unit_test_transaction_model_SOURCES = tests/unit/test_transaction_model.c \
	tests/unit/transaction_fixture.c tests/unit/transaction_fixture.h
unit_tests += tests/unit/test_recent
tests_unit_test_recent_SOURCES = tests/unit/test_recent.c
tests_unit_test_recent_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=sfs_clock_monotonic
unit_tests += tests/unit/test_transaction_ranges tests/unit/test_transaction_large
tests_unit_test_transaction_ranges_SOURCES = tests/unit/test_transaction_ranges.c \
	tests/unit/transaction_fixture.c tests/unit/transaction_fixture.h
tests_unit_test_transaction_large_SOURCES = tests/unit/test_transaction_large.c \
	tests/unit/transaction_fixture.c tests/unit/transaction_fixture.h
# Allocations of the library are counted.
tests_unit_test_transaction_large_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=reallocarray,--wrap=free
unit_tests += tests/unit/test_json_backend
tests_unit_test_json_backend_SOURCES = tests/unit/test_json_backend.c tests/unit/json_fixture.c \
	tests/unit/json_fixture.h
unit_tests += tests/unit/test_query_run
tests_unit_test_query_run_SOURCES = tests/unit/test_query_run.c
tests_unit_test_query_run_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc
unit_tests += tests/unit/test_layers tests/unit/test_bulk
tests_unit_test_layers_SOURCES = tests/unit/test_layers.c
tests_unit_test_bulk_SOURCES = tests/unit/test_bulk.c tests/unit/bulk_fixture.h
unit_tests += tests/unit/test_bulk_forms
tests_unit_test_bulk_forms_SOURCES = tests/unit/test_bulk_forms.c tests/unit/bulk_fixture.h
# Allocations of the tree are made to fail.
tests_unit_test_tree_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=malloc
unit_tests += tests/unit/test_memory_file
tests_unit_test_memory_file_SOURCES = tests/unit/test_memory_file.c tests/unit/memory_fixture.h
unit_tests += tests/unit/test_sqlite tests/unit/test_sqlite_history
tests_unit_test_sqlite_SOURCES = tests/unit/test_sqlite.c tests/unit/sqlite_fixture.h
tests_unit_test_sqlite_LDADD = libstorefs.la $(CMOCKA_LIBS) $(SQLITE_LIBS)
tests_unit_test_sqlite_history_SOURCES = tests/unit/test_sqlite_history.c tests/unit/sqlite_fixture.h
tests_unit_test_sqlite_history_LDADD = libstorefs.la $(CMOCKA_LIBS) $(SQLITE_LIBS)
tests_unit_test_sqlite_history_LDFLAGS = $(AM_LDFLAGS) $(own_clock)
unit_tests += tests/unit/test_sqlite_leases tests/unit/test_sqlite_owners
unit_tests += tests/unit/test_sqlite_wal_index
tests_unit_test_sqlite_wal_index_SOURCES = tests/unit/test_sqlite_wal_index.c
tests_unit_test_sqlite_wal_index_LDADD = libstorefs.la $(CMOCKA_LIBS) $(SQLITE_LIBS)
unit_tests += tests/unit/test_sqlite_turns
tests_unit_test_sqlite_leases_SOURCES = tests/unit/test_sqlite_leases.c tests/unit/sqlite_fixture.h
tests_unit_test_sqlite_leases_LDADD = libstorefs.la $(CMOCKA_LIBS) $(SQLITE_LIBS)
# Threads cannot be started at times.
tests_unit_test_sqlite_leases_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=pthread_create \
	-Wl,--wrap=sfs_sqlite_feeds_notify $(own_clock)
unit_tests += tests/unit/test_sqlite_holds
tests_unit_test_sqlite_holds_SOURCES = tests/unit/test_sqlite_holds.c tests/unit/sqlite_fixture.h
tests_unit_test_sqlite_holds_LDADD = libstorefs.la $(CMOCKA_LIBS) $(SQLITE_LIBS)
tests_unit_test_sqlite_holds_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=pthread_create $(own_clock) \
	-Wl,--wrap=sfs_sqlite_near_take,--wrap=sfs_sqlite_reader_give \
	-Wl,--wrap=sfs_sqlite_writer_enter,--wrap=sfs_sqlite_lease_renew \
	-Wl,--wrap=sfs_sqlite_pool_end_commit
tests_unit_test_sqlite_turns_SOURCES = tests/unit/test_sqlite_turns.c tests/unit/sqlite_fixture.h
tests_unit_test_sqlite_turns_LDADD = libstorefs.la $(CMOCKA_LIBS) $(SQLITE_LIBS)
tests_unit_test_sqlite_owners_SOURCES = tests/unit/test_sqlite_owners.c tests/unit/sqlite_fixture.h
tests_unit_test_sqlite_owners_LDADD = libstorefs.la $(CMOCKA_LIBS) $(SQLITE_LIBS)
# Steps of SQLite are counted.
unit_tests += tests/unit/test_sqlite_behind
tests_unit_test_sqlite_behind_SOURCES = tests/unit/test_sqlite_behind.c tests/unit/sqlite_fixture.h \
	tests/conformance/counted.c tests/conformance/counted.h
tests_unit_test_sqlite_behind_LDADD = libstorefs.la $(CMOCKA_LIBS) $(SQLITE_LIBS)
unit_tests += tests/unit/test_sqlite_bounds
tests_unit_test_sqlite_bounds_SOURCES = tests/unit/test_sqlite_bounds.c tests/unit/sqlite_fixture.h
tests_unit_test_sqlite_bounds_LDADD = libstorefs.la $(CMOCKA_LIBS) $(SQLITE_LIBS)
tests_unit_test_sqlite_bounds_LDFLAGS = $(AM_LDFLAGS) $(own_clock)
unit_tests += tests/unit/test_sqlite_openings
tests_unit_test_sqlite_openings_SOURCES = tests/unit/test_sqlite_openings.c \
	tests/unit/sqlite_fixture.h
tests_unit_test_sqlite_openings_LDADD = libstorefs.la $(CMOCKA_LIBS) $(SQLITE_LIBS)
unit_tests += tests/unit/test_sqlite_format
tests_unit_test_sqlite_format_SOURCES = tests/unit/test_sqlite_format.c tests/unit/sqlite_fixture.h
tests_unit_test_sqlite_format_LDADD = libstorefs.la $(CMOCKA_LIBS) $(SQLITE_LIBS)

unit_tests += tests/unit/test_sqlite_values
tests_unit_test_sqlite_values_SOURCES = tests/unit/test_sqlite_values.c tests/unit/sqlite_fixture.h
tests_unit_test_sqlite_values_LDADD = libstorefs.la $(CMOCKA_LIBS) $(SQLITE_LIBS)
unit_tests += tests/unit/test_json_safety
tests_unit_test_json_safety_SOURCES = tests/unit/test_json_safety.c tests/unit/json_fixture.c \
	tests/unit/json_fixture.h
unit_tests += tests/unit/test_query_has
tests_unit_test_query_has_SOURCES = tests/unit/test_query_has.c
# Allocations of the table of nodes are made to fail.
unit_tests += tests/unit/test_node
tests_unit_test_node_SOURCES = tests/unit/test_node.c tests/fault/inject.c tests/fault/inject.h \
	tests/fault/inject_memory.c
tests_unit_test_node_CPPFLAGS = $(sfs_command) $(CMOCKA_CFLAGS)
tests_unit_test_node_LDFLAGS = $(AM_LDFLAGS) $(fault_wrapped_memory)
tests_unit_test_node_LDADD = libfs.la libstorefs.la $(FUSE_LIBS) $(SQLITE_LIBS) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_levels
tests_unit_test_levels_SOURCES = tests/unit/test_levels.c \
	tests/unit/transaction_fixture.c tests/unit/transaction_fixture.h
unit_tests += tests/unit/test_transact
tests_unit_test_transact_SOURCES = tests/unit/test_transact.c \
	tests/unit/transaction_fixture.c tests/unit/transaction_fixture.h
tests_unit_test_transact_LDADD = libstorefs.la $(CMOCKA_LIBS) $(SQLITE_LIBS)
tests_unit_test_transact_LDFLAGS = $(AM_LDFLAGS) $(own_clock)
unit_tests += tests/unit/test_positions
tests_unit_test_positions_SOURCES = tests/unit/test_positions.c
tests_unit_test_positions_CPPFLAGS = $(sfs_command) $(CMOCKA_CFLAGS)
tests_unit_test_positions_LDADD = libfs.la libstorefs.la $(FUSE_LIBS) $(SQLITE_LIBS) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_authors
tests_unit_test_authors_SOURCES = tests/unit/test_authors.c
tests_unit_test_authors_CPPFLAGS = $(sfs_command) $(CMOCKA_CFLAGS)
tests_unit_test_authors_LDADD = libfs.la libstorefs.la $(FUSE_LIBS) $(SQLITE_LIBS) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_content
tests_unit_test_content_SOURCES = tests/unit/test_content.c
tests_unit_test_content_CPPFLAGS = $(sfs_command) $(CMOCKA_CFLAGS)
tests_unit_test_content_LDADD = libfs.la libstorefs.la $(FUSE_LIBS) $(SQLITE_LIBS) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_made
tests_unit_test_made_SOURCES = tests/unit/test_made.c tests/unit/index_fixture.h tests/unit/query_text.h
tests_unit_test_made_CPPFLAGS = $(sfs_command) $(CMOCKA_CFLAGS)
tests_unit_test_made_LDADD = libfs.la libstorefs.la $(FUSE_LIBS) $(SQLITE_LIBS) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_sort_key
tests_unit_test_sort_key_SOURCES = tests/unit/test_sort_key.c
unit_tests += tests/unit/test_index tests/unit/test_index_queries tests/unit/test_index_groups
tests_unit_test_index_SOURCES = tests/unit/test_index.c tests/unit/index_fixture.h tests/unit/query_text.h
tests_unit_test_index_queries_SOURCES = tests/unit/test_index_queries.c tests/unit/index_fixture.h tests/unit/query_text.h
tests_unit_test_index_groups_SOURCES = tests/unit/test_index_groups.c tests/unit/index_fixture.h
unit_tests += tests/unit/test_builder
tests_unit_test_builder_SOURCES = tests/unit/test_builder.c
unit_tests += tests/unit/test_query_stages
tests_unit_test_query_stages_SOURCES = tests/unit/test_query_stages.c
unit_tests += tests/unit/test_sum
tests_unit_test_sum_SOURCES = tests/unit/test_sum.c
unit_tests += tests/unit/test_document tests/unit/test_document_deep tests/unit/test_document_model
tests_unit_test_document_deep_SOURCES = tests/unit/test_document_deep.c
tests_unit_test_document_SOURCES = tests/unit/test_document.c
tests_unit_test_document_LDADD = libstorefs.la $(CMOCKA_LIBS) $(SQLITE_LIBS)
tests_unit_test_document_model_SOURCES = tests/unit/test_document_model.c
unit_tests += tests/unit/test_fields_names
tests_unit_test_fields_names_SOURCES = tests/unit/test_fields_names.c tests/fault/inject.c \
	tests/fault/inject.h tests/fault/inject_memory.c
tests_unit_test_fields_names_CPPFLAGS = $(sfs_command) $(CMOCKA_CFLAGS)
tests_unit_test_fields_names_LDFLAGS = $(AM_LDFLAGS) $(fault_wrapped_memory)
tests_unit_test_fields_names_LDADD = libfs.la libstorefs.la $(FUSE_LIBS) $(SQLITE_LIBS) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_sqlite_indexes
tests_unit_test_sqlite_indexes_SOURCES = tests/unit/test_sqlite_indexes.c \
	tests/unit/sqlite_fixture.h tests/unit/query_text.h
tests_unit_test_sqlite_indexes_LDADD = libstorefs.la $(CMOCKA_LIBS) $(SQLITE_LIBS)
unit_tests += tests/unit/test_dir
tests_unit_test_dir_SOURCES = tests/unit/test_dir.c tests/fault/no_sync.c $(conformance_fixture)
unit_tests += tests/unit/test_attribute_index
tests_unit_test_attribute_index_SOURCES = tests/unit/test_attribute_index.c
unit_tests += tests/unit/test_sqlite_watch
tests_unit_test_sqlite_watch_SOURCES = tests/unit/test_sqlite_watch.c tests/unit/sqlite_fixture.h
unit_tests += tests/unit/test_sqlite_rows
tests_unit_test_sqlite_rows_SOURCES = tests/unit/test_sqlite_rows.c tests/unit/sqlite_fixture.h
tests_unit_test_sqlite_rows_LDADD = libstorefs.la $(CMOCKA_LIBS) $(SQLITE_LIBS)
unit_tests += tests/unit/test_sqlite_memo
tests_unit_test_sqlite_memo_SOURCES = tests/unit/test_sqlite_memo.c tests/unit/sqlite_fixture.h
tests_unit_test_sqlite_memo_LDADD = libstorefs.la $(CMOCKA_LIBS) $(SQLITE_LIBS)
unit_tests += tests/unit/test_probe
tests_unit_test_probe_SOURCES = tests/unit/test_probe.c
tests_unit_test_probe_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=flock,--wrap=fsync,--wrap=fchmod,--wrap=renameat2 \
	-Wl,--wrap=mmap,--wrap=mmap64,--wrap=access,--wrap=stat,--wrap=stat64,--wrap=fstat,--wrap=fstat64 \
	-Wl,--wrap=statfs,--wrap=statfs64,--wrap=statvfs,--wrap=statvfs64 \
	-Wl,--wrap=flistxattr,--wrap=inotify_add_watch,--wrap=open,--wrap=open64
unit_tests += tests/unit/test_sqlite_log
tests_unit_test_sqlite_log_SOURCES = tests/unit/test_sqlite_log.c
tests_unit_test_sqlite_log_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=pthread_cond_timedwait
tests_unit_test_sqlite_log_LDADD = libstorefs.la $(CMOCKA_LIBS) $(SQLITE_LIBS)
unit_tests += tests/unit/test_notifier
tests_unit_test_notifier_SOURCES = tests/unit/test_notifier.c
tests_unit_test_notifier_CPPFLAGS = $(sfs_command) $(CMOCKA_CFLAGS)
tests_unit_test_notifier_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=fuse_lowlevel_notify_inval_inode
tests_unit_test_notifier_LDADD = libfs.la libstorefs.la $(FUSE_LIBS) $(SQLITE_LIBS) $(CMOCKA_LIBS)
unit_tests += tests/unit/test_own_files
tests_unit_test_own_files_SOURCES = tests/unit/test_own_files.c
# Clocks and files of /proc are the test's own.
clock_machine = tests/unit/clock_machine.c tests/unit/clock_machine.h tests/unit/sqlite_fixture.h
clock_wrapped = -Wl,--wrap=clock_gettime,--wrap=open,--wrap=open64,--wrap=stat,--wrap=stat64
unit_tests += tests/unit/test_clock tests/unit/test_sqlite_boots
tests_unit_test_clock_SOURCES = tests/unit/test_clock.c $(clock_machine)
tests_unit_test_clock_LDADD = libstorefs.la $(CMOCKA_LIBS) $(SQLITE_LIBS)
tests_unit_test_clock_LDFLAGS = $(AM_LDFLAGS) $(clock_wrapped)
tests_unit_test_sqlite_boots_SOURCES = tests/unit/test_sqlite_boots.c $(clock_machine)
tests_unit_test_sqlite_boots_LDADD = libstorefs.la $(CMOCKA_LIBS) $(SQLITE_LIBS)
tests_unit_test_sqlite_boots_LDFLAGS = $(AM_LDFLAGS) $(clock_wrapped)
unit_tests += tests/unit/test_counters
tests_unit_test_counters_SOURCES = tests/unit/test_counters.c
tests_unit_test_counters_LDADD = libstorefs.la $(CMOCKA_LIBS) $(XXHASH_LIBS)
