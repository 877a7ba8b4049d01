/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_FS_AUTHORS_H
#define STOREFS_FS_AUTHORS_H

/*
 * Whose writes a file's uncommitted content is: closing a handle commits what was written through it, and not what
 * another program is in the midst of writing; and what is refused goes when all have gone who wrote it. Guarded by the
 * lock of the content.
 */
#include "fs/fs.h"

struct fs_authors {
    uint64_t taken;   /* commits so far that took what was written; a handle writes in the round after them */
    uint64_t settled; /* writes of rounds up to this one are committed, or given up */
    uint64_t before;  /* that at the last commit, whose failure brings it back */
    unsigned count;   /* handles that have written since they were last taken */
    unsigned again;   /* those of them that had also written what was taken */
    bool nameless;    /* there were writes whose handle nobody knows: they are any writer's */
};

/* It has written just now; NULL: nobody knows who. */
void fs_authors_note(struct fs_authors *authors, struct fs_open *open);
/* Whether there are writes of it. */
bool fs_authors_have(const struct fs_authors *authors, const struct fs_open *open);
/* It goes, or has given up what it wrote. (What a commit has at the moment is not touched.) */
void fs_authors_leave(struct fs_authors *authors, struct fs_open *open);
/* Whether nobody is left whose writes they are, with so many other handles that may write. */
bool fs_authors_gone(const struct fs_authors *authors, unsigned writers);
/* A commit takes what was written: what it took; which is put back where that fails. */
struct fs_authors fs_authors_take(struct fs_authors *authors);
void fs_authors_put_back(struct fs_authors *authors, const struct fs_authors *taken);

/* Whether what failed with `code` fails each time: not for want of room, of time or of a server. */
bool fs_refused_for_good(int code);
/* EXPIRED of a handle whose writes were refused (`refused`). NULL, of a change that came without one: 0. */
int fs_open_check(struct fs_call *call, const struct fs_open *open);

#endif
