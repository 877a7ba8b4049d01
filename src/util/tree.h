/* SPDX-License-Identifier: MIT */
#ifndef SFS_UTIL_TREE_H
#define SFS_UTIL_TREE_H

/*
 * A persistent ordered tree from names to counted items: a B+ tree whose nodes are counted and
 * shared. Sharing a tree costs one reference; a change copies the nodes on the path to the leaf,
 * but only those that another tree still refers to, so that a tree of one's own is changed in
 * place. (Path copying is Driscoll, Sarnak, Sleator and Tarjan's; changing nodes of one owner in
 * place is what btrfs calls COW-if-shared.)
 *
 * The name given with an item must lie in memory that lives as long as the item does, usually in
 * the item itself: the tree keeps the pointer, also as the boundary between its nodes.
 *
 * Threads: a struct sfs_tree belongs to one thread at a time while it is changed or shared from;
 * several may read it together. Trees that share nodes are independent of each other.
 */
#include <stdbool.h>
#include <stddef.h>

#include "storefs/bytes.h"

/* How items are counted. Both must be thread-safe where trees that share items are. */
struct sfs_tree_counting {
    void (*ref)(void *item);
    void (*unref)(void *item);
};

struct sfs_tree_node;
struct sfs_tree {
    struct sfs_tree_node *root; /* NULL: empty */
    const struct sfs_tree_counting *counting;
    size_t count; /* items */
};

void sfs_tree_init(struct sfs_tree *ret_tree, const struct sfs_tree_counting *counting);
/* Drops every item; the tree can be used again. Allowed on {0}. */
void sfs_tree_clear(struct sfs_tree *tree);
/* Makes `ret_tree` equal to `tree` in O(1); it must be cleared like any other. */
void sfs_tree_share(const struct sfs_tree *tree, struct sfs_tree *ret_tree);

/* Puts `item` (takes a reference of its own) under `name`, in place of one that is there. 0, or
 * NO_MEMORY, and the tree is as it was. */
int sfs_tree_insert(struct sfs_tree *tree, struct sfs_bytes name, void *item) SFS_MUST_CHECK;
/* 1 removed, 0 there was none, or NO_MEMORY (a node that is shared has to be copied). `name` may
 * lie in the item that is removed. */
int sfs_tree_remove(struct sfs_tree *tree, struct sfs_bytes name) SFS_MUST_CHECK;

/* The item of a name, and the first whose name is not below `name`; borrowed from the tree, NULL if
 * there is none. */
void *sfs_tree_find(const struct sfs_tree *tree, struct sfs_bytes name);
void *sfs_tree_lower_bound(const struct sfs_tree *tree, struct sfs_bytes name);

/* The last item whose name is below `name` ({0}: of all); borrowed from the tree, NULL. */
void *sfs_tree_below(const struct sfs_tree *tree, struct sfs_bytes name);
/* How many items have names in [from, to), an empty `to` being no bound; stops at `most` or a little
 * more. Looks at leaves, not at items. */
size_t sfs_tree_count(const struct sfs_tree *tree, struct sfs_bytes from, struct sfs_bytes to,
                      size_t most);

/* No tree is higher: see merge rules in tree.c. */
#define SFS_TREE_HEIGHT 32

/*
 * A position before an item. It refers to nodes of the tree that it was made from and is good until
 * that tree is changed or cleared: who wants to go on while others write steps through a share.
 */
struct sfs_tree_cursor {
    size_t height;
    const struct sfs_tree_node *nodes[SFS_TREE_HEIGHT]; /* root first */
    unsigned at[SFS_TREE_HEIGHT];
};
/* Before the first item whose name is not below `name` ({0}: before the first of all). */
struct sfs_tree_cursor sfs_tree_seek(const struct sfs_tree *tree, struct sfs_bytes name);
/* The next item, borrowed from the tree, or NULL at the end. */
void *sfs_tree_next(struct sfs_tree_cursor *cursor);

/*
 * The difference of two trees, in the order of names, from a name on. Where both share nodes it
 * does not look into them, so that it costs what differs and not what is there. It refers to nodes
 * of both trees, as a cursor does.
 */
struct sfs_tree_difference {
    struct sfs_tree_cursor old;
    struct sfs_tree_cursor new;
    size_t old_depth;
    size_t new_depth;
};
struct sfs_tree_difference sfs_tree_compare(const struct sfs_tree *old, const struct sfs_tree *new,
                                            struct sfs_bytes from);
/* 1 and the next name's two items, of which one may be NULL, both borrowed; 0 at the end. */
int sfs_tree_difference_next(struct sfs_tree_difference *difference, void **ret_old,
                             void **ret_new);

#endif
