# SPDX-License-Identifier: MIT
# Real mounts and everyday programs. Scripts run $STOREFS and keep all they make below $TMPDIR:
#   mount_scripts += tests/mount/NAME.sh
# Files that scripts read:  EXTRA_DIST += tests/mount/lib.sh
mount_scripts += tests/mount/test_command.sh tests/mount/test_readme.sh tests/mount/test_quickstart.sh
mount_scripts += tests/mount/test_keys.sh tests/mount/test_programs.sh tests/mount/test_names.sh \
	tests/mount/test_crash.sh
EXTRA_DIST += tests/mount/lib.sh tests/mount/mapped.py
test_helpers += tests/mount/random_keys tests/mount/crash_writer
tests_mount_random_keys_SOURCES = tests/mount/random_keys.c
tests_mount_crash_writer_SOURCES = tests/mount/crash_writer.c
mount_scripts += tests/mount/test_faults.sh
mount_scripts += tests/mount/test_query.sh tests/mount/test_query_doc.sh tests/mount/test_tx.sh
mount_scripts += tests/mount/test_query_use.sh tests/mount/test_views.sh tests/mount/test_indexes.sh
mount_scripts += tests/mount/test_library.sh
mount_scripts += tests/mount/test_random_ops.sh
EXTRA_DIST += tests/mount/storm.py tests/mount/two_mounts.py
test_helpers += tests/mount/random_ops
tests_mount_random_ops_SOURCES = tests/mount/random_ops.c
mount_scripts += tests/mount/test_two_mounts.sh
mount_scripts += tests/mount/test_rare.sh
mount_scripts += tests/mount/test_tx_levels.sh
mount_scripts += tests/mount/test_bank.sh tests/mount/test_leftovers.sh
EXTRA_DIST += tests/mount/bank.py
mount_scripts += tests/mount/test_large.sh
EXTRA_DIST += tests/mount/large.py tests/mount/large_two.py
mount_scripts += tests/mount/test_posix.sh
EXTRA_DIST += tests/mount/posix.py
mount_scripts += tests/mount/test_anomalies.sh tests/mount/test_tx_ends.sh
EXTRA_DIST += tests/mount/anomalies.py
mount_scripts += tests/mount/test_fields.sh tests/mount/test_fields_many.sh tests/mount/test_fields_large.sh
EXTRA_DIST += tests/mount/fields.py
mount_scripts += tests/mount/test_files.sh tests/mount/test_dir.sh
EXTRA_DIST += tests/mount/files.js
mount_scripts += tests/mount/test_coherence.sh tests/mount/test_killed.sh tests/mount/test_clients.sh \
	tests/mount/test_slow.sh tests/mount/test_limits.sh
EXTRA_DIST += tests/mount/coherence.py tests/mount/killed.py tests/mount/clients.py tests/mount/limits.py
mount_scripts += tests/mount/test_keys_only.sh tests/mount/test_durable.sh
EXTRA_DIST += tests/mount/slow_disk.c
mount_scripts += tests/mount/test_closing.sh
EXTRA_DIST += tests/mount/closing.py tests/mount/refusals.py
mount_scripts += tests/mount/test_waits.sh
EXTRA_DIST += tests/mount/waits.py
mount_scripts += tests/mount/test_odd_files.sh
test_helpers += tests/mount/odd_files
tests_mount_odd_files_SOURCES = tests/mount/odd_files.c
tests_mount_odd_files_CPPFLAGS = $(sfs_public) $(FUSE_CFLAGS)
tests_mount_odd_files_LDADD = $(FUSE_LIBS)
mount_scripts += tests/mount/test_lost_files.sh
mount_scripts += tests/mount/test_cover.sh
mount_scripts += tests/mount/test_file_ops.sh
test_helpers += tests/mount/file_ops
tests_mount_file_ops_SOURCES = tests/mount/file_ops.c tests/mount/file_ops_draw.c tests/mount/file_ops_make.c \
	tests/mount/file_ops_write.c tests/mount/file_ops.h
mount_scripts += tests/mount/test_growth.sh
EXTRA_DIST += tests/mount/growth.py
mount_scripts += tests/mount/test_clock.sh
EXTRA_DIST += tests/mount/clock.c
