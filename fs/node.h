/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_FS_NODE_H
#define STOREFS_FS_NODE_H

/*
 * Nodes: what the kernel knows by number. A number is never used again; a node lives while the kernel
 * has look-ups of it or a child of it is alive. The table's lock guards place, name and look-ups, and
 * is never held across a store call.
 */
#define XXH_INLINE_ALL 1
#include <xxhash.h>

#define HASH_NONFATAL_OOM 1
#define HASH_FUNCTION(key, size, hash) (hash) = (unsigned)XXH3_64bits(key, size)
#include <uthash.h>

#include "fs/fs.h"

/* The part that a node of a keys tree plays: see storefs/path.h. */
enum fs_kind {
    FS_KIND_PLAIN, /* not in a keys tree */
    FS_KIND_ROOT,  /* keys/ itself */
    FS_KIND_PART,  /* a directory or leaf named by a whole part (or last piece) */
    FS_KIND_PIECE, /* a piece directory */
    FS_KIND_OWN,   /* %value */
};

#define FS_REVISION_OTHER UINT64_MAX

struct fs_node {
    uint64_t id;
    const struct fs_class *class;
    struct fs_node *parent; /* NULL: the root, or detached */
    char *name;             /* file name in the parent */
    struct fs_space *space; /* counted; NULL outside of spaces */
    enum fs_kind kind;
    struct sfs_buffer text; /* keys trees: the key bytes of the name; elsewhere what the class keeps */
    void *data;             /* the class's */
    uint64_t lookups;
    unsigned children;
    _Atomic uint64_t ino;   /* st_ino, from the first sight on for the node's life; 0: not seen */
    _Atomic uint64_t page_revision; /* of the value that the kernel's pages show */
    _Atomic uint64_t attribute_revision; /* of the record whose attributes the kernel was told;
                                            0: not known, FS_REVISION_OTHER: surely not the latest */
    _Atomic uint64_t attribute_size;     /* the size that it was told with them */
    _Atomic int64_t shown_modified; /* the time of change that it was told with them, ns */
    _Atomic mode_t shown_type; /* the type that it was told, S_IFMT; 0: none */
    _Atomic int64_t named_until; /* of a file: until when the kernel keeps its name, fs_monotonic_ms */
    _Atomic bool doubted;   /* others changed its name: it may show as a directory by now */
    _Atomic bool capable;   /* it was given capabilities through this mount */
    _Atomic uint64_t moved; /* by which change of names in its space it was moved or lost its name; 0: none */
    nlink_t links;          /* of a directory, as counted … */
    unsigned names;         /* … of so many names, and what was changed since … */
    int64_t counted;        /* … then, ns; 0: it was not */
    uint64_t directories;   /* … when its space had so many changes of directories */
    int64_t directory_time; /* a change of its entries through this mount, ns; 0: none */
    bool touched;           /* … and it is to be written to the marker */
    int64_t directory_before; /* the time that the store had for it then; INT64_MIN: not looked at
                                 yet */
    _Atomic pid_t
        author; /* fields/: the process that made or wrote it last through this mount; 0: none */
    struct fs_node *top; /* fields/: the node of its key; NULL: not looked for */
    uint64_t numbered; /* fields/: one more than the moves of its space when `ino` was found; 0:
                          not known */
    uint64_t document; /* fields/: the document (fs_document.serial) in which its value is … */
    struct sfs_extent value; /* … there, from the beginning of the document's value */
    struct fs_file *file;   /* while open */
    struct fs_result *result; /* of a generated file, while open */
    UT_hash_handle by_id;   /* number -> node */
    UT_hash_handle by_name; /* (parent, name) -> node, while attached */
    char *name_key;         /* parent number and name */
    size_t name_key_size;
    char *error;            /* the last failure's sentence; NULL: none … */
    size_t error_public;    /* … and how much of it everybody may see; 0: all */
    struct stat *last;      /* what it was when its name was taken away; else NULL */
};

struct fs_nodes *fs_nodes_new(struct fs *fs);
void fs_nodes_free(struct fs_nodes *nodes);
void fs_nodes_lock(struct fs_nodes *nodes);
void fs_nodes_unlock(struct fs_nodes *nodes);

/* The node of a number that the kernel holds; NULL for one that it cannot know. */
struct fs_node *fs_node_find(struct fs *fs, uint64_t id);
/* The node of a name, made if it has none of this class and kind (one of another class, or one
 * that has a result, is detached); one look-up more. NULL: no memory. */
struct fs_node *fs_node_intern(struct fs *fs, struct fs_node *parent, const char *name,
                               const struct fs_class *class, struct fs_space *space,
                               enum fs_kind kind, struct sfs_bytes text);
/* The node of a name if the kernel has one: its number and class, no look-up more. With the lock held. */
struct fs_node *fs_node_peek_locked(struct fs *fs, const struct fs_node *parent, const char *name);
/* st_ino of a name: the node's if there is one, else `otherwise`. */
uint64_t fs_node_ino(struct fs *fs, const struct fs_node *parent, const char *name, uint64_t otherwise);
/* Whether the kernel is told of the node as another type of file than this (S_IFMT), which it takes for a fault: the
 * node has no name any more then, and fs_node_intern gives that another one. Who asks first decides the type. */
bool fs_node_retyped(struct fs *fs, struct fs_node *node, mode_t mode);
/* Whether the kernel was told of, or this mount has committed, a later revision than one that was read: a file that
 * is closed no longer tells what it committed since. */
static inline bool fs_node_is_newer(const struct fs_node *node, uint64_t revision)
{
    uint64_t told = node->attribute_revision;
    return told != FS_REVISION_OTHER && told > revision;
}
/* One look-up more, of a node that the caller knows to be alive; fs_node_forget gives it back. */
void fs_node_hold(struct fs *fs, struct fs_node *node);
void fs_node_forget(struct fs *fs, uint64_t id, uint64_t count);
/* The name is gone: the node stays for those who hold it. */
void fs_node_detach(struct fs *fs, struct fs_node *parent, const char *name);
/* A name in a directory, with what it stands for. */
struct fs_name {
    struct fs_node *parent;
    const char *name;
    enum fs_kind kind;
    struct sfs_bytes text;
};
/* Moves what the kernel knows as `from` to `to`, detaching what was there; `exchange` swaps the two. */
int fs_node_move(struct fs *fs, const struct fs_name *from, const struct fs_name *to, bool exchange,
                 struct sfs_error *error);
/* It was moved, or lost its name, just now. */
void fs_node_moved(struct fs_node *node);
/* As fs_node_detach, of a node; with the lock held. */
void fs_node_detach_locked(struct fs *fs, struct fs_node *node);
size_t fs_node_count(struct fs *fs);
/* Calls `visit` with every node, with the lock held. */
void fs_nodes_visit(struct fs *fs, void (*visit)(void *context, struct fs_node *node), void *context);

#endif
