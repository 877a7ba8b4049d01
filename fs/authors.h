/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_FS_AUTHORS_H
#define STOREFS_FS_AUTHORS_H

/*
 * Whose writes a file's uncommitted content is: closing a handle commits what was written through it, and not what
 * another program is in the midst of writing. Guarded by the lock of the content.
 */
#include "fs/fs.h"

struct fs_authors {
    uint64_t taken;   /* commits so far that took what was written; a handle writes in the round after them */
    uint64_t settled; /* writes of rounds up to this one are committed, or given up */
    unsigned count;   /* handles that have written since: more than there are, where a commit failed meanwhile */
    bool nameless;    /* there were writes whose handle nobody knows: they are any writer's */
};

/* It has written just now; NULL: nobody knows who. */
void fs_authors_note(struct fs_authors *authors, struct fs_open *open);
/* Whether there are writes of it. */
bool fs_authors_have(const struct fs_authors *authors, const struct fs_open *open);
/* Whether all that was written was so by this handle. */
bool fs_authors_only(const struct fs_authors *authors, const struct fs_open *open);
/* A commit takes what was written: what it took; which is put back where that fails. */
struct fs_authors fs_authors_take(struct fs_authors *authors);
void fs_authors_put_back(struct fs_authors *authors, const struct fs_authors *taken);

#endif
