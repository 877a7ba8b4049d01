/* SPDX-License-Identifier: MIT */
/*
 * Whose writes a file's uncommitted content is, and what is refused for good. Handles are not listed: each remembers the
 * round it wrote in last.
 */
#include "fs/authors.h"

void fs_authors_note(struct fs_authors *authors, struct fs_open *open)
{
    if (open == NULL) {
        authors->nameless = true;
        return;
    }
    if (open->wrote <= authors->settled) {
        authors->count++;
        authors->again += open->wrote > authors->before;
    }
    open->wrote = authors->taken + 1;
}

bool fs_authors_have(const struct fs_authors *authors, const struct fs_open *open)
{
    return open->wrote > authors->settled || (authors->nameless && open->writes);
}

void fs_authors_leave(struct fs_authors *authors, struct fs_open *open)
{
    authors->count -= open->wrote > authors->settled;
    open->wrote = 0;
}

bool fs_authors_gone(const struct fs_authors *authors, unsigned writers)
{
    return authors->count == 0 && (!authors->nameless || writers == 0);
}

struct fs_authors fs_authors_take(struct fs_authors *authors)
{
    struct fs_authors taken = *authors;
    authors->before = authors->settled;
    authors->settled = ++authors->taken;
    authors->count = authors->again = 0;
    authors->nameless = false;
    return taken;
}

void fs_authors_put_back(struct fs_authors *authors, const struct fs_authors *taken)
{
    authors->settled = taken->settled;
    authors->count += taken->count - authors->again;
    authors->again = 0;
    authors->nameless = authors->nameless || taken->nameless;
}

bool fs_refused_for_good(int code)
{
    switch (sfs_code_category(code)) {
    case SFS_CATEGORY_VALIDATION:
    case SFS_CATEGORY_OPERATION:
    case SFS_CATEGORY_TRANSACTION:
        return true;
    default:
        return code == SFS_E_TOO_LARGE;
    }
}

int fs_open_check(struct fs_call *call, const struct fs_open *open)
{
    if (open == NULL || !open->refused)
        return 0;
    return sfs_fail(&call->error, SFS_E_EXPIRED, "mount",
                    "what was written through this descriptor was refused at a close of it, and is not in the "
                    "store: open the file again");
}
