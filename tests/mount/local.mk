# SPDX-License-Identifier: MIT
# Real mounts and everyday programs. Scripts run $STOREFS and keep all they make below $TMPDIR:
#   mount_scripts += tests/mount/NAME.sh
# Files that scripts read:  EXTRA_DIST += tests/mount/lib.sh
mount_scripts += tests/mount/test_command.sh tests/mount/test_readme.sh tests/mount/test_quickstart.sh
