/* SPDX-License-Identifier: MIT */
#ifndef SFS_UTIL_JSON_INDEX_H
#define SFS_UTIL_JSON_INDEX_H

/*
 * An index of one JSON value: its nodes in the order of the text, built in one pass, so that
 * stepping over a nested value costs nothing however deep it is. Borrows the text. Belongs to one
 * thread while it is built.
 */
#include "util/json.h"

/* A value, or a member's name. */
struct sfs_json_node {
    const char *at;
    const char *end;
    /* The node behind this one and all that it holds; while it is open, its container. */
    size_t next;
};

/* {0} is an empty index. */
struct sfs_json_index {
    struct sfs_json_node
        *nodes; /* the root first; the elements and names of a container behind it */
    size_t count;
    size_t capacity;
};

/* A member of an object: its name, and the node of its value. */
struct sfs_json_index_member {
    struct sfs_json name;
    size_t value;
};

/* Indexes checked text without white space around. NO_MEMORY; to be freed in any case. */
int sfs_json_index_build(struct sfs_json_index *index, struct sfs_bytes text);
void sfs_json_index_free(struct sfs_json_index *index);
struct sfs_json sfs_json_index_value(const struct sfs_json_index *index, size_t node);
/* The members of the object at `node` by name, the last of duplicates only; free() them. NULL and 0
 * where there are none. NO_MEMORY. */
int sfs_json_index_members(const struct sfs_json_index *index, size_t node,
                           struct sfs_json_index_member **ret_members, size_t *ret_count);

#endif
