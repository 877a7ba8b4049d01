#!/bin/sh
# SPDX-License-Identifier: MIT
# On a mount of archivemount, renaming a new file over an old one leaves the old content; the new
# one is lost.
#
# Expected: its manual says that changes made under the mount are saved to the archive; rename(2)
#   replaces the target. Editors, sed -i and rsync save in this way: a new file beside the old one,
#   then a rename.
# Seen: mv exits with 0, the new file is gone, the old content stays, under the mount and in the
#   saved archive. If the old file is removed first, the archive that is saved has the new content
#   under the temporary name.
. "$(dirname "$0")/lib.sh"
debs archivemount=0.8.7-1+b1 libfuse2=2.9.9-6+b1
cd "$tmp"
mkdir tree
printf 'old' > tree/doc
printf 'old' > tree/removed

tar -cf archive.tar -C tree doc removed
mount_with archivemount -f archive.tar mnt
printf 'new, and longer' > mnt/doc.tmp
printf 'new, and longer' > mnt/removed.tmp
renamed=0
mv mnt/doc.tmp mnt/doc || renamed=$?
rm mnt/removed
mv mnt/removed.tmp mnt/removed
below=$(cat mnt/doc)
after_removal=$(cat mnt/removed)
unmount

seen 'exit status of mv' 0 "$renamed"
seen 'the file that was replaced, under the mount' old "$below"
seen 'the same in the saved archive' old "$(tar -xOf archive.tar doc)"
seen 'the file that was removed and renamed, under the mount' 'new, and longer' "$after_removal"
seen 'names in the saved archive' 'doc
removed.tmp' "$(tar -tf archive.tar | sort)"
