/* SPDX-License-Identifier: MIT */
/*
 * The node table: numbers to nodes, (parent, name) to nodes. Look-up counting after libfuse's
 * passthrough_ll, but with numbers that are never reused in place of pointers.
 */
#include "fs/node.h"

#include <malloc.h>
#include <stdlib.h>

#include "fs/loop.h"

/* uthash reports a failed allocation by leaving the element out; that is what is tested for. */
struct fs_nodes {
    pthread_mutex_t lock;
    struct fs_node *by_id;
    struct fs_node *by_name;
    uint64_t next_id;
    size_t most; /* nodes that there were since memory was given back */
};

#define TRIM_FROM 10000 /* nodes: from as many on memory is given back when most of them have gone */

struct fs_nodes *fs_nodes_new(struct fs *fs)
{
    struct fs_nodes *nodes = calloc(1, sizeof(*nodes));
    struct fs_node *root = calloc(1, sizeof(*root));
    if (nodes == NULL || root == NULL) {
        free(nodes);
        free(root);
        return NULL;
    }
    pthread_mutex_init(&nodes->lock, NULL);
    nodes->next_id = FUSE_ROOT_ID + 1;
    root->id = FUSE_ROOT_ID;
    root->class = fs->keys_only ? &fs_keys_directory_class : &fs_root_class;
    root->kind = fs->keys_only ? FS_KIND_ROOT : FS_KIND_PLAIN;
    root->space = fs->keys_only ? fs_space_ref(fs->space) : NULL;
    root->lookups = 1;
    HASH_ADD(by_id, nodes->by_id, id, sizeof(root->id), root);
    if (nodes->by_id == NULL) {
        fs_space_unref(root->space);
        free(root);
        free(nodes);
        return NULL;
    }
    return nodes;
}

void fs_nodes_lock(struct fs_nodes *nodes)
{
    pthread_mutex_lock(&nodes->lock);
}

void fs_nodes_unlock(struct fs_nodes *nodes)
{
    pthread_mutex_unlock(&nodes->lock);
}

/* A hash key of the parent's number and the name. NULL: no memory. */
static char *name_key_new(const struct fs_node *parent, const char *name, size_t *ret_size)
{
    size_t length = strlen(name);
    char *key = malloc(sizeof(parent->id) + length + 1);
    if (key == NULL)
        return NULL;
    memcpy(key, &parent->id, sizeof(parent->id));
    memcpy(key + sizeof(parent->id), name, length + 1);
    *ret_size = sizeof(parent->id) + length;
    return key;
}

/* The same for a look, which needs no memory; of a name that no file can have nothing is found. */
struct name_key {
    uint64_t parent;
    char name[SFS_PATH_NAME_MAX];
};

static struct fs_node *find_name(struct fs_nodes *nodes, const char *key, size_t size)
{
    struct fs_node *node;
    HASH_FIND(by_name, nodes->by_name, key, size, node);
    return node;
}

struct fs_node *fs_node_peek_locked(struct fs *fs, const struct fs_node *parent, const char *name)
{
    struct name_key key = {.parent = parent->id};
    size_t length = strlen(name);
    if (length > sizeof(key.name))
        return NULL;
    memcpy(key.name, name, length);
    return find_name(fs->nodes, (const char *)&key, sizeof(key.parent) + length);
}

static void node_free(struct fs_node *node)
{
    if (node->class->forget != NULL)
        node->class->forget(node);
    fs_space_unref(node->space);
    sfs_buffer_free(&node->text);
    free(node->name_key);
    free(node->error);
    free(node->last);
    free(node);
}

/* Takes the node out of the name table; it keeps its parent, whose number it may still need. */
static void unname(struct fs_nodes *nodes, struct fs_node *node)
{
    if (node->name_key == NULL)
        return;
    HASH_DELETE(by_name, nodes->by_name, node);
    free(node->name_key);
    node->name_key = NULL;
    node->name = NULL;
    node->numbered = 0;
}

/* True if the node is in the name table afterwards. Takes over `key` in any case. */
static bool give_name(struct fs_nodes *nodes, struct fs_node *node, char *key, size_t size)
{
    node->name_key = key;
    node->name_key_size = size;
    node->name = key + sizeof(node->id);
    node->by_name.tbl = NULL;
    HASH_ADD_KEYPTR(by_name, nodes->by_name, node->name_key, node->name_key_size, node);
    if (node->by_name.tbl != NULL)
        return true;
    free(key);
    node->name_key = NULL;
    node->name = NULL;
    return false;
}

/* Frees nodes that nobody knows any more, upwards; returns a list (through `data`'s place) of none:
 * freeing happens outside the lock, so the dead are chained by their parent pointer. */
static struct fs_node *collect(struct fs_nodes *nodes, struct fs_node *node, struct fs_node *dead)
{
    while (node != NULL && node->lookups == 0 && node->children == 0 && node->id != FUSE_ROOT_ID) {
        struct fs_node *parent = node->parent;
        unname(nodes, node);
        HASH_DELETE(by_id, nodes->by_id, node);
        if (parent != NULL)
            parent->children--;
        node->parent = dead;
        dead = node;
        node = parent;
    }
    return dead;
}

static void bury(struct fs_node *dead)
{
    while (dead != NULL) {
        struct fs_node *next = dead->parent;
        node_free(dead);
        dead = next;
    }
}

void fs_nodes_free(struct fs_nodes *nodes)
{
    if (nodes == NULL)
        return;
    struct fs_node *node, *next;
    HASH_CLEAR(by_name, nodes->by_name);
    HASH_ITER(by_id, nodes->by_id, node, next)
    {
        HASH_DELETE(by_id, nodes->by_id, node);
        node_free(node);
    }
    pthread_mutex_destroy(&nodes->lock);
    free(nodes);
}

struct fs_node *fs_node_find(struct fs *fs, uint64_t id)
{
    struct fs_node *node;
    fs_nodes_lock(fs->nodes);
    HASH_FIND(by_id, fs->nodes->by_id, &id, sizeof(id), node);
    fs_nodes_unlock(fs->nodes);
    return node;
}

uint64_t fs_node_ino(struct fs *fs, const struct fs_node *parent, const char *name, uint64_t otherwise)
{
    fs_nodes_lock(fs->nodes);
    struct fs_node *node = fs_node_peek_locked(fs, parent, name);
    uint64_t ino = node != NULL && node->ino != 0 ? node->ino : otherwise;
    fs_nodes_unlock(fs->nodes);
    return ino;
}

static struct fs_node *node_new(const struct fs_class *class, struct fs_space *space,
                                enum fs_kind kind, struct sfs_bytes text)
{
    struct fs_node *node = calloc(1, sizeof(*node));
    if (node == NULL)
        return NULL;
    node->class = class;
    node->kind = kind;
    if (sfs_buffer_add(&node->text, text) != 0) {
        free(node);
        return NULL;
    }
    node->space = space != NULL ? fs_space_ref(space) : NULL;
    return node;
}

/* Puts a new node into both tables; false (and the node is in neither): no memory. */
static bool enlist(struct fs_nodes *nodes, struct fs_node *node, struct fs_node *parent, char *key,
                   size_t size)
{
    node->id = nodes->next_id++;
    if (!give_name(nodes, node, key, size))
        return false;
    node->by_id.tbl = NULL;
    HASH_ADD(by_id, nodes->by_id, id, sizeof(node->id), node);
    if (node->by_id.tbl == NULL) {
        unname(nodes, node);
        return false;
    }
    node->parent = parent;
    parent->children++;
    node->lookups = 1;
    if (HASH_CNT(by_id, nodes->by_id) > nodes->most)
        nodes->most = HASH_CNT(by_id, nodes->by_id);
    return true;
}

/* Hangs a leaf under another name that its key has now. Without memory it is as if it were removed. */
static void rehang(struct fs_nodes *nodes, struct fs_node *leaf, struct fs_node *parent,
                   const char *name, enum fs_kind kind, struct sfs_bytes text)
{
    struct sfs_buffer bytes = {0};
    size_t size;
    char *key = name_key_new(parent, name, &size);
    unname(nodes, leaf);
    if (key == NULL || sfs_buffer_add(&bytes, text) != 0) {
        free(key);
        return;
    }
    leaf->parent->children--;
    parent->children++;
    leaf->parent = parent;
    leaf->kind = kind;
    sfs_buffer_free(&leaf->text);
    leaf->text = bytes;
    (void)give_name(nodes, leaf, key, size);
}

/*
 * Somebody else made a directory of a key, or a key of a directory, while the leaf is known here: it
 * keeps its key, which is the directory's own value now, or is that no more. Returns the node that has
 * the name; *ret_dead are those that nobody needs any more.
 */
static struct fs_node *keep_key(struct fs_nodes *nodes, struct fs_node *old, struct fs_node *made,
                                struct sfs_bytes text, struct fs_node **ret_dead)
{
    size_t size;
    if (made->class == &fs_keys_directory_class && old->class == &fs_keys_leaf_class) {
        rehang(nodes, old, made, SFS_PATH_VALUE, FS_KIND_OWN, sfs_bytes(NULL, 0));
        return made;
    }
    char *key = name_key_new(old, SFS_PATH_VALUE, &size);
    struct fs_node *leaf = key != NULL ? find_name(nodes, key, size) : NULL;
    free(key);
    if (leaf == NULL || made->class != &fs_keys_leaf_class || leaf->kind != FS_KIND_OWN)
        return made;
    struct fs_node *parent = made->parent;
    char name[SFS_PATH_NAME_MAX + 1];
    if (strlen(made->name) >= sizeof(name))
        return made;
    memcpy(name, made->name, strlen(made->name) + 1);
    unname(nodes, made);
    made->lookups = 0;
    rehang(nodes, leaf, parent, name, FS_KIND_PART, text);
    leaf->lookups++;
    *ret_dead = collect(nodes, old, collect(nodes, made, NULL));
    return leaf;
}

struct fs_node *fs_node_intern(struct fs *fs, struct fs_node *parent, const char *name,
                               const struct fs_class *class, struct fs_space *space,
                               enum fs_kind kind, struct sfs_bytes text)
{
    struct fs_nodes *nodes = fs->nodes;
    size_t size;
    fs_nodes_lock(nodes);
    struct fs_node *old = fs_node_peek_locked(fs, parent, name);
    if (old != NULL && old->class == class && old->space == space && old->kind == kind &&
        old->result == NULL) {
        old->lookups++;
        fs_nodes_unlock(nodes);
        return old;
    }
    char *key = name_key_new(parent, name, &size);
    if (key == NULL) {
        fs_nodes_unlock(nodes);
        return NULL;
    }
    struct fs_node *made = node_new(class, space, kind, text);
    struct fs_node *dead = NULL;
    if (made == NULL) {
        free(key);
    } else {
        if (old != NULL)
            unname(nodes, old);
        if (!enlist(nodes, made, parent, key, size)) {
            dead = made;
            dead->parent = NULL;
            made = NULL;
        } else if (old != NULL && old->space == space) {
            made = keep_key(nodes, old, made, text, &dead);
        }
    }
    fs_nodes_unlock(nodes);
    bury(dead);
    return made;
}

void fs_node_hold(struct fs *fs, struct fs_node *node)
{
    fs_nodes_lock(fs->nodes);
    node->lookups++;
    fs_nodes_unlock(fs->nodes);
}

/* The allocator keeps what was freed in pieces. With the lock held. */
static bool is_due(struct fs_nodes *nodes)
{
    size_t count = HASH_CNT(by_id, nodes->by_id);
    bool due = nodes->most >= TRIM_FROM && count < nodes->most / 4;
    if (due)
        nodes->most = count;
    return due;
}

void fs_node_forget(struct fs *fs, uint64_t id, uint64_t count)
{
    struct fs_nodes *nodes = fs->nodes;
    struct fs_node *node;
    struct fs_node *dead = NULL;
    fs_nodes_lock(nodes);
    HASH_FIND(by_id, nodes->by_id, &id, sizeof(id), node);
    if (node != NULL) {
        node->lookups -= count < node->lookups ? count : node->lookups;
        dead = collect(nodes, node, NULL);
    }
    bool due = dead != NULL && is_due(nodes);
    fs_nodes_unlock(nodes);
    bury(dead);
    if (due) {
        fs_loop_yield();
        malloc_trim(0);
    }
}

void fs_node_detach(struct fs *fs, struct fs_node *parent, const char *name)
{
    fs_nodes_lock(fs->nodes);
    struct fs_node *node = fs_node_peek_locked(fs, parent, name);
    if (node != NULL)
        unname(fs->nodes, node);
    fs_nodes_unlock(fs->nodes);
}

void fs_node_detach_locked(struct fs *fs, struct fs_node *node)
{
    unname(fs->nodes, node);
}

bool fs_node_retyped(struct fs *fs, struct fs_node *node, mode_t mode)
{
    mode_t shown = 0;
    if (atomic_compare_exchange_strong(&node->shown_type, &shown, mode & S_IFMT) || shown == (mode & S_IFMT))
        return false;
    fs_nodes_lock(fs->nodes);
    unname(fs->nodes, node);
    fs_nodes_unlock(fs->nodes);
    return true;
}

void fs_node_moved(struct fs_node *node)
{
    if (node->space != NULL)
        node->moved = atomic_fetch_add(&node->space->moves, 1) + 1;
}

/* One side of a move: the node that has the name now, and its hash key. */
struct move_side {
    struct fs_node *node;
    char *key;
    size_t size;
    struct sfs_buffer text;
};

static int move_side_init(struct fs *fs, struct move_side *side, const struct fs_name *name)
{
    side->key = name_key_new(name->parent, name->name, &side->size);
    if (side->key == NULL || sfs_buffer_add(&side->text, name->text) != 0)
        return SFS_E_NO_MEMORY;
    side->node = find_name(fs->nodes, side->key, side->size);
    return 0;
}

/* Hangs a node (out of the name table) where `side` says. With the lock held. A node that gets no
 * name (no memory) is as if its file had been unlinked; the next look-up makes another. */
static void adopt(struct fs_nodes *nodes, struct fs_node *node, const struct fs_name *name,
                  struct move_side *side)
{
    struct sfs_buffer old = node->text;
    node->parent->children--;
    name->parent->children++;
    node->parent = name->parent;
    node->top = NULL;
    node->document = 0;
    node->kind = name->kind;
    node->text = side->text;
    side->text = old;
    (void)give_name(nodes, node, side->key, side->size);
    side->key = NULL;
}

static void move_both(struct fs_nodes *nodes, const struct fs_name *from, const struct fs_name *to,
                      struct move_side *source, struct move_side *target, bool exchange)
{
    if (source->node != NULL)
        unname(nodes, source->node);
    if (target->node != NULL)
        unname(nodes, target->node);
    if (source->node != NULL) {
        adopt(nodes, source->node, to, target);
        fs_node_moved(source->node);
    }
    if (target->node != NULL)
        fs_node_moved(target->node);
    if (exchange && target->node != NULL)
        adopt(nodes, target->node, from, source);
}

int fs_node_move(struct fs *fs, const struct fs_name *from, const struct fs_name *to, bool exchange,
                 struct sfs_error *error)
{
    struct move_side source = {0}, target = {0};
    fs_nodes_lock(fs->nodes);
    int code = move_side_init(fs, &source, from);
    if (code == 0)
        code = move_side_init(fs, &target, to);
    if (code == 0)
        move_both(fs->nodes, from, to, &source, &target, exchange);
    fs_nodes_unlock(fs->nodes);
    free(source.key);
    free(target.key);
    sfs_buffer_free(&source.text);
    sfs_buffer_free(&target.text);
    return code != 0 ? sfs_fail_memory(error, "mount") : 0;
}

size_t fs_node_count(struct fs *fs)
{
    fs_nodes_lock(fs->nodes);
    size_t count = HASH_CNT(by_id, fs->nodes->by_id);
    fs_nodes_unlock(fs->nodes);
    return count;
}

void fs_nodes_visit(struct fs *fs, void (*visit)(void *context, struct fs_node *node), void *context)
{
    struct fs_node *node, *next;
    fs_nodes_lock(fs->nodes);
    HASH_ITER(by_id, fs->nodes->by_id, node, next)
    visit(context, node);
    fs_nodes_unlock(fs->nodes);
}
