/* SPDX-License-Identifier: MIT */
#ifndef TOOLS_SCOPE_H
#define TOOLS_SCOPE_H

#include "storefs/storage.h"

/*
 * What a target lets a command touch: the whole store, the keys below a directory of keys/, one
 * key, or a query. A command never touches keys outside its scope. Keys are always named in full.
 */
enum tool_scope_kind {
    TOOL_SCOPE_STORE, /* every key: a URI, a mount, its keys/, or one of its transactions */
    TOOL_SCOPE_BELOW, /* the keys that begin with `text` */
    TOOL_SCOPE_KEY,   /* the key `text` */
    TOOL_SCOPE_QUERY, /* the query path `text` */
    TOOL_SCOPE_OTHER, /* a path that names no keys, as admin/ */
};

struct tool_scope {
    enum tool_scope_kind kind;
    struct sfs_buffer text;
};

/* The scope of `path`, absolute, in the mount or transaction whose directory is `base`. OTHER for
 * what is no key and no query; NOT_FOUND, NO_MEMORY. The caller frees the scope. */
int tool_scope_read(struct tool_scope *ret_scope, const char *base, const char *path,
                    struct sfs_error *error);
void tool_scope_free(struct tool_scope *scope);

/* Whether the scope has the key. A query has none: it is not known which. */
bool tool_scope_has(const struct tool_scope *scope, struct sfs_bytes key);
/* The prefix that keys have which are in the scope and begin with `prefix`; false: there are none.
 * Both of TOOL_SCOPE_KEY: the key itself, which others may begin with. */
bool tool_scope_prefix(const struct tool_scope *scope, struct sfs_bytes prefix,
                       struct sfs_bytes *ret_prefix);
/* The names of the records in the scope, `end` holds the end. NO_MEMORY. */
int tool_scope_range(const struct tool_scope *scope, struct sfs_buffer *end,
                     struct sfs_range *ret_range, struct sfs_error *error);
/* Appends the stage of a query path that leaves the keys in the scope ("where/@key = …"), nothing
 * for a whole store. INVALID for a prefix that is not UTF-8; NO_MEMORY. */
int tool_scope_stage(const struct tool_scope *scope, struct sfs_buffer *path,
                     struct sfs_error *error);

#endif
