# SPDX-License-Identifier: MIT
# The storefs command, one file per subcommand, and the scripts for people who work on the project.
# Sources and headers:  storefs_SOURCES += tools/NAME.c tools/NAME.h
# To be added together with tools/main.c:  bin_PROGRAMS += storefs
EXTRA_DIST += tools/check tools/compare tools/packages

bin_PROGRAMS += storefs
# asprintf, pipe2, closefrom and O_PATH are GNU's.
storefs_SOURCES += \
	tools/main.c tools/suggest.c tools/suggest.h tools/command.c tools/command.h tools/exit.c tools/exit.h \
	tools/message.c tools/message.h tools/child.c tools/child.h \
	tools/mounts.c tools/mounts.h tools/probe.c tools/users.c tools/users.h \
	tools/daemon.c tools/daemon.h \
	tools/target.c tools/target.h tools/scope.c tools/scope.h tools/tree.c tools/tree.h tools/list.c \
	tools/progress.c tools/progress.h tools/new_file.c tools/new_file.h \
	tools/mount.c tools/cover.c tools/cover.h tools/mount_options.c tools/mount_options.h tools/unmount.c tools/status.c \
	tools/get.c tools/set.c tools/rm.c tools/ls.c tools/query.c tools/sheet.c tools/sheet.h tools/complete.c tools/complete.h \
	tools/import.c tools/export.c tools/backup.c tools/fsck.c tools/exec.c tools/index.c \
	tools/attributes.c tools/attributes.h tools/attributes_build.c

EXTRA_DIST += tools/quickstart
completionsdir = $(datadir)/bash-completion/completions
dist_completions_DATA = tools/completion/storefs.bash

# mount(8) finds it when sbindir is /sbin or /usr/sbin.
install-exec-hook:
	$(MKDIR_P) '$(DESTDIR)$(sbindir)'
	rm -f '$(DESTDIR)$(sbindir)/mount.storefs'
	$(LN_S) '$(bindir)/storefs' '$(DESTDIR)$(sbindir)/mount.storefs'
uninstall-hook:
	rm -f '$(DESTDIR)$(sbindir)/mount.storefs'
