# SPDX-License-Identifier: MIT
# What is left when something fails on purpose: programs and scripts.
#   fault_tests += tests/fault/NAME
#   tests_fault_NAME_SOURCES = tests/fault/NAME.c
#   fault_scripts += tests/fault/NAME.sh
fault_tests += tests/fault/test_fault_layer
tests_fault_test_fault_layer_SOURCES = tests/fault/test_fault_layer.c $(conformance_fixture)
fault_rig = $(conformance_fixture) tests/fault/inject.h tests/fault/inject.c tests/fault/rig.h \
	tests/fault/rig.c tests/fault/no_sync.c tests/fault/scenarios_reading.c tests/fault/scenarios_writing.c \
	tests/fault/scenarios_keeping.c tests/fault/scenarios_attributes.c
fault_wrapped_memory = -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=reallocarray \
	-Wl,--wrap=strdup,--wrap=strndup,--wrap=realpath
fault_tests += tests/fault/test_allocations tests/fault/test_engine_allocations
tests_fault_test_allocations_SOURCES = tests/fault/test_allocations.c \
	tests/fault/inject_memory.c $(fault_rig)
tests_fault_test_allocations_LDFLAGS = $(AM_LDFLAGS) $(fault_wrapped_memory)
tests_fault_test_allocations_LDADD = libstorefs.la $(CMOCKA_LIBS) $(SQLITE_LIBS)
tests_fault_test_engine_allocations_SOURCES = tests/fault/test_engine_allocations.c \
	tests/fault/inject_memory.c $(fault_rig)
tests_fault_test_engine_allocations_LDFLAGS = $(AM_LDFLAGS) $(fault_wrapped_memory)
tests_fault_test_engine_allocations_LDADD = libstorefs.la $(CMOCKA_LIBS) $(SQLITE_LIBS)
fault_tests += tests/fault/test_disk tests/fault/test_files
tests_fault_test_disk_SOURCES = tests/fault/test_disk.c tests/fault/inject_disk.c $(fault_rig)
tests_fault_test_disk_LDADD = libstorefs.la $(CMOCKA_LIBS) $(SQLITE_LIBS)
fault_wrapped_files = -Wl,--wrap=write,--wrap=read,--wrap=fsync,--wrap=rename,--wrap=fchmod \
	-Wl,--wrap=flock,--wrap=fstat,--wrap=fstat64,--wrap=stat,--wrap=stat64,--wrap=realpath \
	-Wl,--wrap=mkostemp,--wrap=mkostemp64,--wrap=open,--wrap=open64,--wrap=eventfd \
	-Wl,--wrap=inotify_init1,--wrap=pread,--wrap=pwrite,--wrap=pread64,--wrap=pwrite64 \
	-Wl,--wrap=renameat,--wrap=unlinkat,--wrap=mkdirat,--wrap=symlinkat,--wrap=fstatat \
	-Wl,--wrap=fstatat64,--wrap=futimens,--wrap=utimensat,--wrap=readlinkat,--wrap=ftruncate \
	-Wl,--wrap=ftruncate64,--wrap=syncfs,--wrap=openat,--wrap=openat64
tests_fault_test_files_SOURCES = tests/fault/test_files.c tests/fault/inject_files.c $(fault_rig)
tests_fault_test_files_LDFLAGS = $(AM_LDFLAGS) $(fault_wrapped_files)
fault_tests += tests/fault/test_dir_crash
tests_fault_test_dir_crash_SOURCES = tests/fault/test_dir_crash.c $(conformance_fixture) \
	tests/fault/no_sync.c
tests_fault_test_dir_crash_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=renameat,--wrap=unlinkat,--wrap=mkdirat,--wrap=write
fault_tests += tests/fault/test_dir_power
tests_fault_test_dir_power_SOURCES = tests/fault/test_dir_power.c $(conformance_fixture)
tests_fault_test_dir_power_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=renameat,--wrap=unlinkat,--wrap=fsync,--wrap=write \
	-Wl,--wrap=sfs_identity_single
fault_tests += tests/fault/test_power_cut
tests_fault_test_power_cut_SOURCES = tests/fault/test_power_cut.c tests/fault/power.c tests/fault/power.h
fault_tests += tests/fault/test_salvage
tests_fault_test_salvage_SOURCES = tests/fault/test_salvage.c tests/fault/salvage_map.c \
	tests/fault/salvage_map.h tests/unit/sqlite_fixture.h
tests_fault_test_salvage_LDADD = libstorefs.la $(CMOCKA_LIBS) $(SQLITE_LIBS)
fault_tests += tests/fault/test_salvage_files
tests_fault_test_salvage_files_SOURCES = tests/fault/test_salvage_files.c tests/unit/sqlite_fixture.h
tests_fault_test_salvage_files_LDADD = libstorefs.la $(CMOCKA_LIBS) $(SQLITE_LIBS)
