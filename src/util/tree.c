/* SPDX-License-Identifier: MIT */
/*
 * The persistent ordered tree. All leaves are at one depth. An inner node's entry carries the first
 * name of its child's subtree. A change makes the nodes on its path its own from the root down, and
 * splits full ones on the way, before it touches an item: what can fail happens while the content
 * is still the same.
 */
#include "util/tree.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "storefs/error.h"

#define FULL 32
/* A node with fewer entries is merged with a neighbour if both together leave room for inserts. Of
 * two neighbours one thus has at least SPARSE entries, or both together more than ROOMY: a node has
 * four entries or more on average, and no tree that fits into memory reaches SFS_TREE_HEIGHT. */
#define SPARSE (FULL / 4)
#define ROOMY (FULL * 3 / 4)

struct entry {
    struct sfs_bytes name;
    void *target; /* an item in a leaf, a node elsewhere */
};

struct sfs_tree_node {
    atomic_size_t references;
    bool leaf;
    unsigned count;
    struct entry entries[FULL];
};

static void node_unref(struct sfs_tree_node *node, const struct sfs_tree_counting *counting)
{
    if (!node || atomic_fetch_sub_explicit(&node->references, 1, memory_order_acq_rel) != 1)
        return;
    for (unsigned i = 0; i < node->count; i++) {
        if (node->leaf)
            counting->unref(node->entries[i].target);
        else
            node_unref(node->entries[i].target, counting);
    }
    free(node);
}

static void target_ref(const struct sfs_tree_node *node, unsigned at,
                       const struct sfs_tree_counting *counting)
{
    void *target = node->entries[at].target;
    if (node->leaf)
        counting->ref(target);
    else
        atomic_fetch_add_explicit(&((struct sfs_tree_node *)target)->references, 1,
                                  memory_order_relaxed);
}

static bool is_shared(struct sfs_tree_node *node)
{
    return atomic_load_explicit(&node->references, memory_order_acquire) != 1;
}

static struct sfs_tree_node *node_new(bool leaf)
{
    struct sfs_tree_node *node = malloc(sizeof(*node));
    if (!node)
        return NULL;
    atomic_init(&node->references, 1);
    node->leaf = leaf;
    node->count = 0;
    return node;
}

/* Makes the node at *slot one that only this tree refers to. */
static int own(struct sfs_tree_node **slot, const struct sfs_tree_counting *counting)
{
    struct sfs_tree_node *old = *slot;
    if (!is_shared(old))
        return 0;
    struct sfs_tree_node *copy = node_new(old->leaf);
    if (!copy)
        return SFS_E_NO_MEMORY;
    copy->count = old->count;
    memcpy(copy->entries, old->entries, old->count * sizeof(*old->entries));
    for (unsigned i = 0; i < copy->count; i++)
        target_ref(copy, i, counting);
    node_unref(old, counting);
    *slot = copy;
    return 0;
}

static int own_child(struct sfs_tree_node *node, unsigned at,
                     const struct sfs_tree_counting *counting)
{
    struct sfs_tree_node *child = node->entries[at].target;
    int result = own(&child, counting);
    node->entries[at].target = child;
    return result;
}

/* How many entries have names below `name`, or with `through` not above it. */
static unsigned position(const struct sfs_tree_node *node, struct sfs_bytes name, bool through)
{
    unsigned low = 0;
    unsigned high = node->count;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        int order = sfs_bytes_compare(node->entries[middle].name, name);
        if (order < 0 || (through && order == 0))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The child in whose range `name` lies; names below the first child's belong to it as well. */
static unsigned child_for(const struct sfs_tree_node *node, struct sfs_bytes name)
{
    unsigned at = position(node, name, true);
    return at ? at - 1 : 0;
}

static void open_gap(struct sfs_tree_node *node, unsigned at, unsigned width)
{
    memmove(node->entries + at + width, node->entries + at,
            (node->count - at) * sizeof(*node->entries));
    node->count += width;
}

static void close_gap(struct sfs_tree_node *node, unsigned at)
{
    node->count--;
    memmove(node->entries + at, node->entries + at + 1,
            (node->count - at) * sizeof(*node->entries));
}

static void name_child(struct sfs_tree_node *node, unsigned at)
{
    node->entries[at].name = ((struct sfs_tree_node *)node->entries[at].target)->entries[0].name;
}

/* Splits the full child, which is owned; the node, owned too, has room. */
static int split_child(struct sfs_tree_node *node, unsigned at)
{
    struct sfs_tree_node *left = node->entries[at].target;
    struct sfs_tree_node *right = node_new(left->leaf);
    if (!right)
        return SFS_E_NO_MEMORY;
    left->count = FULL / 2;
    right->count = FULL - FULL / 2;
    memcpy(right->entries, left->entries + left->count, right->count * sizeof(*right->entries));
    open_gap(node, at + 1, 1);
    node->entries[at + 1].target = right;
    name_child(node, at + 1);
    return 0;
}

/* Puts a root with one child over the present one, or makes the first leaf. */
static int raise_root(struct sfs_tree *tree)
{
    struct sfs_tree_node *root = node_new(tree->root == NULL);
    if (!root)
        return SFS_E_NO_MEMORY;
    if (tree->root) {
        root->count = 1;
        root->entries[0].target = tree->root;
        name_child(root, 0);
    }
    tree->root = root;
    return 0;
}

/* While a root has a single child that child is the root; an empty leaf is no root. */
static void lower_root(struct sfs_tree *tree)
{
    while (tree->root && !tree->root->leaf && tree->root->count == 1) {
        struct sfs_tree_node *root = tree->root;
        tree->root = root->entries[0].target;
        target_ref(root, 0, tree->counting);
        node_unref(root, tree->counting);
    }
    if (tree->root && tree->root->count == 0) {
        node_unref(tree->root, tree->counting);
        tree->root = NULL;
    }
}

static void insert_into_leaf(struct sfs_tree *tree, struct sfs_tree_node *leaf,
                             struct sfs_bytes name, void *item)
{
    unsigned at = position(leaf, name, false);
    bool found = at < leaf->count && sfs_bytes_equal(leaf->entries[at].name, name);
    tree->counting->ref(item);
    if (!found) {
        open_gap(leaf, at, 1);
        tree->count++;
    }
    void *old = found ? leaf->entries[at].target : NULL;
    leaf->entries[at] = (struct entry){name, item};
    if (old)
        tree->counting->unref(old);
}

/* The owned nodes from the root to a leaf. */
struct path {
    unsigned height;
    struct sfs_tree_node *nodes[SFS_TREE_HEIGHT];
    unsigned at[SFS_TREE_HEIGHT];
};

/* Owns the path to `name`; with `roomy` every node on it has room for one more entry. */
static int own_path(struct sfs_tree *tree, struct sfs_bytes name, bool roomy, struct path *path)
{
    struct sfs_tree_node *node = tree->root;
    path->height = 0;
    for (;;) {
        path->nodes[path->height] = node;
        if (node->leaf)
            return 0;
        unsigned at = child_for(node, name);
        if (own_child(node, at, tree->counting))
            return SFS_E_NO_MEMORY;
        struct sfs_tree_node *child = node->entries[at].target;
        if (roomy && child->count == FULL) {
            if (split_child(node, at))
                return SFS_E_NO_MEMORY;
            at = child_for(node, name);
        }
        path->at[path->height++] = at;
        node = node->entries[at].target;
    }
}

/* An owned root that has room. */
static int prepare_root(struct sfs_tree *tree)
{
    if (!tree->root)
        return raise_root(tree);
    if (own(&tree->root, tree->counting))
        return SFS_E_NO_MEMORY;
    if (tree->root->count < FULL)
        return 0;
    int result = raise_root(tree);
    return result ? result : split_child(tree->root, 0);
}

/* The boundaries above a leaf whose first name may be another one now. */
static void name_path(struct path *path)
{
    for (unsigned level = path->height; level-- > 0;)
        name_child(path->nodes[level], path->at[level]);
}

int sfs_tree_insert(struct sfs_tree *tree, struct sfs_bytes name, void *item)
{
    struct path path;
    int result = prepare_root(tree);
    if (!result)
        result = own_path(tree, name, true, &path);
    if (result) {
        lower_root(tree);
        return result;
    }
    /* Boundaries may point into the item that is replaced: none is looked at until they are
     * renewed. */
    insert_into_leaf(tree, path.nodes[path.height], name, item);
    name_path(&path);
    return 0;
}

/* Moves the entries of the child at `at + 1` behind those of the one at `at`, both neighbours; one
 * of them is owned. Needs no memory: what a shared node holds gets one more reference instead. */
static void merge_children(struct sfs_tree_node *node, unsigned at, bool into_left,
                           const struct sfs_tree_counting *counting)
{
    struct sfs_tree_node *left = node->entries[at].target;
    struct sfs_tree_node *right = node->entries[at + 1].target;
    struct sfs_tree_node *into = into_left ? left : right;
    struct sfs_tree_node *from = into_left ? right : left;
    unsigned start = into_left ? into->count : 0;
    open_gap(into, start, from->count);
    memcpy(into->entries + start, from->entries, from->count * sizeof(*from->entries));
    for (unsigned i = 0; i < from->count; i++)
        target_ref(from, i, counting);
    node_unref(from, counting);
    node->entries[at].target = into;
    close_gap(node, at + 1);
    name_child(node, at);
}

static unsigned count_of_child(const struct sfs_tree_node *node, unsigned at)
{
    return ((const struct sfs_tree_node *)node->entries[at].target)->count;
}

/* After entries of the owned child at `at` became fewer. */
static void tidy_child(struct sfs_tree_node *node, unsigned at,
                       const struct sfs_tree_counting *counting)
{
    unsigned count = count_of_child(node, at);
    if (count == 0) {
        node_unref(node->entries[at].target, counting);
        close_gap(node, at);
        return;
    }
    name_child(node, at);
    if (count >= SPARSE)
        return;
    if (at > 0 && count_of_child(node, at - 1) + count <= ROOMY)
        merge_children(node, at - 1, false, counting);
    else if (at + 1 < node->count && count_of_child(node, at + 1) + count <= ROOMY)
        merge_children(node, at, true, counting);
}

int sfs_tree_remove(struct sfs_tree *tree, struct sfs_bytes name)
{
    struct path path;
    if (!sfs_tree_find(tree, name))
        return 0;
    if (own(&tree->root, tree->counting) || own_path(tree, name, false, &path))
        return SFS_E_NO_MEMORY;
    struct sfs_tree_node *leaf = path.nodes[path.height];
    unsigned at = position(leaf, name, false);
    void *item = leaf->entries[at].target;
    close_gap(leaf, at);
    tree->count--;
    for (unsigned level = path.height; level-- > 0;)
        tidy_child(path.nodes[level], path.at[level], tree->counting);
    lower_root(tree);
    tree->counting->unref(item);
    return 1;
}

void sfs_tree_init(struct sfs_tree *ret_tree, const struct sfs_tree_counting *counting)
{
    *ret_tree = (struct sfs_tree){.counting = counting};
}

void sfs_tree_clear(struct sfs_tree *tree)
{
    node_unref(tree->root, tree->counting);
    tree->root = NULL;
    tree->count = 0;
}

void sfs_tree_share(const struct sfs_tree *tree, struct sfs_tree *ret_tree)
{
    if (tree->root)
        atomic_fetch_add_explicit(&tree->root->references, 1, memory_order_relaxed);
    *ret_tree = *tree;
}

void *sfs_tree_find(const struct sfs_tree *tree, struct sfs_bytes name)
{
    const struct sfs_tree_node *node = tree->root;
    while (node && !node->leaf)
        node = node->entries[child_for(node, name)].target;
    unsigned at = node ? position(node, name, false) : 0;
    if (!node || at == node->count || !sfs_bytes_equal(node->entries[at].name, name))
        return NULL;
    return node->entries[at].target;
}

void *sfs_tree_lower_bound(const struct sfs_tree *tree, struct sfs_bytes name)
{
    struct sfs_tree_cursor cursor = sfs_tree_seek(tree, name);
    return sfs_tree_next(&cursor);
}

struct sfs_tree_cursor sfs_tree_seek(const struct sfs_tree *tree, struct sfs_bytes name)
{
    struct sfs_tree_cursor cursor;
    cursor.height = 0;
    for (const struct sfs_tree_node *node = tree->root; node;) {
        unsigned at = node->leaf ? position(node, name, false) : child_for(node, name);
        cursor.nodes[cursor.height] = node;
        cursor.at[cursor.height++] = at;
        node = node->leaf ? NULL : node->entries[at].target;
    }
    return cursor;
}

/* Climbs to the nearest node with a further entry; false at the end of the tree. */
static bool climb(struct sfs_tree_cursor *cursor)
{
    size_t level = cursor->height;
    while (level > 0 && cursor->at[level - 1] >= cursor->nodes[level - 1]->count) {
        level--;
        if (level > 0)
            cursor->at[level - 1]++;
    }
    if (level == 0)
        cursor->height = 0;
    else
        cursor->height = level;
    return level > 0;
}

void *sfs_tree_next(struct sfs_tree_cursor *cursor)
{
    if (!climb(cursor))
        return NULL;
    const struct sfs_tree_node *node = cursor->nodes[cursor->height - 1];
    while (!node->leaf) {
        node = node->entries[cursor->at[cursor->height - 1]].target;
        cursor->nodes[cursor->height] = node;
        cursor->at[cursor->height++] = 0;
    }
    return node->entries[cursor->at[cursor->height - 1]++].target;
}

static const struct sfs_tree_node *last_leaf(const struct sfs_tree_node *node)
{
    while (!node->leaf)
        node = node->entries[node->count - 1].target;
    return node;
}

void *sfs_tree_below(const struct sfs_tree *tree, struct sfs_bytes name)
{
    const struct sfs_tree_node *before = NULL; /* all of it is below what is left */
    const struct sfs_tree_node *node = tree->root;
    if (node && name.size == 0)
        return last_leaf(node)->entries[last_leaf(node)->count - 1].target;
    while (node && !node->leaf) {
        unsigned at = child_for(node, name);
        if (at > 0)
            before = node->entries[at - 1].target;
        node = node->entries[at].target;
    }
    unsigned at = node ? position(node, name, false) : 0;
    if (at > 0)
        return node->entries[at - 1].target;
    return before ? last_leaf(before)->entries[last_leaf(before)->count - 1].target : NULL;
}

size_t sfs_tree_count(const struct sfs_tree *tree, struct sfs_bytes from, struct sfs_bytes to,
                      size_t most)
{
    struct sfs_tree_cursor cursor = sfs_tree_seek(tree, from);
    size_t count = 0;
    while (count < most && climb(&cursor)) {
        const struct sfs_tree_node *node = cursor.nodes[cursor.height - 1];
        unsigned *at = &cursor.at[cursor.height - 1];
        if (!node->leaf) {
            cursor.nodes[cursor.height] = node->entries[*at].target;
            cursor.at[cursor.height++] = 0;
            continue;
        }
        unsigned end = to.size ? position(node, to, false) : node->count;
        if (end > *at)
            count += end - *at;
        if (end < node->count)
            break;
        *at = node->count;
    }
    return count;
}

/* --- the difference of two trees --- */

/* Here a cursor may stand before a whole subtree: its last node is then an inner one. */
static const struct entry *entry_at(const struct sfs_tree_cursor *cursor)
{
    return &cursor->nodes[cursor->height - 1]->entries[cursor->at[cursor->height - 1]];
}

static bool at_item(const struct sfs_tree_cursor *cursor)
{
    return cursor->nodes[cursor->height - 1]->leaf;
}

static void descend(struct sfs_tree_cursor *cursor)
{
    cursor->nodes[cursor->height] = entry_at(cursor)->target;
    cursor->at[cursor->height++] = 0;
}

static void advance(struct sfs_tree_cursor *cursor)
{
    cursor->at[cursor->height - 1]++;
    (void)climb(cursor);
}

/* How far above the items the cursor stands: all leaves are at one depth. */
static size_t level_of(const struct sfs_tree_cursor *cursor, size_t depth)
{
    return depth - cursor->height;
}

static size_t depth_of(const struct sfs_tree *tree)
{
    size_t depth = 0;
    for (const struct sfs_tree_node *node = tree->root; node; depth++)
        node = node->leaf ? NULL : node->entries[0].target;
    return depth;
}

struct sfs_tree_difference sfs_tree_compare(const struct sfs_tree *old, const struct sfs_tree *new,
                                            struct sfs_bytes from)
{
    struct sfs_tree_difference difference = {.old_depth = depth_of(old),
                                             .new_depth = depth_of(new)};
    difference.old = sfs_tree_seek(old, from);
    difference.new = sfs_tree_seek(new, from);
    (void)climb(&difference.old);
    (void)climb(&difference.new);
    return difference;
}

/* Both stand before items: of the same name, or one before the other's. */
static int take_items(struct sfs_tree_difference *difference, void **ret_old, void **ret_new)
{
    struct sfs_tree_cursor *old = &difference->old, *new = &difference->new;
    int order = old->height == 0   ? 1
                : new->height == 0 ? -1
                                   : sfs_bytes_compare(entry_at(old)->name, entry_at(new)->name);
    *ret_old = order <= 0 ? entry_at(old)->target : NULL;
    *ret_new = order >= 0 ? entry_at(new)->target : NULL;
    if (order <= 0)
        advance(old);
    if (order >= 0)
        advance(new);
    return 1;
}

int sfs_tree_difference_next(struct sfs_tree_difference *difference, void **ret_old, void **ret_new)
{
    struct sfs_tree_cursor *old = &difference->old, *new = &difference->new;
    while (old->height > 0 || new->height > 0) {
        bool both = old->height > 0 && new->height > 0;
        size_t old_level = old->height > 0 ? level_of(old, difference->old_depth) : 0;
        size_t new_level = new->height > 0 ? level_of(new, difference->new_depth) : 0;
        if (both && old_level == new_level && entry_at(old)->target == entry_at(new)->target) {
            advance(old);
            advance(new);
        } else if (old->height > 0 && !at_item(old) && old_level >= new_level) {
            descend(old);
        } else if (new->height > 0 && !at_item(new)) {
            descend(new);
        } else {
            return take_items(difference, ret_old, ret_new);
        }
    }
    return 0;
}
