/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_FS_TX_H
#define STOREFS_FS_TX_H

/*
 * Transactions of a mount: each is a directory tx/NAME with its own space, and so is one inside another,
 * tx/NAME/tx/INNER. Counted: the nodes of a transaction may outlive it, and say then how it ended.
 */
#include "fs/names.h"

enum fs_tx_state {
    FS_TX_OPEN,
    FS_TX_ENDING, /* one call is committing, rolling back or changing it as a whole */
    FS_TX_COMMITTED,
    FS_TX_ROLLED_BACK,
};

struct fs_tx {
    struct fs *fs;
    struct fs_tx *parent; /* counted, and a handle of its space; NULL: right in the mount's tx/ */
    struct fs_tx *next; /* in the table, until the store has forgotten the transaction */
    char *name;
    uid_t uid;
    gid_t gid;
    bool counted;           /* as one of the user's */
    uint64_t written;       /* bytes in the write set's memory, about; protected by `lock` */
    int64_t begun;          /* ns since the epoch */
    struct fs_space *space; /* counted */
    struct sfs_transaction *transaction; /* used only inside the space, and by the call that ends it */
    _Atomic unsigned references;
    pthread_mutex_t lock; /* the members below; never held across a store call */
    pthread_cond_t settled;
    enum fs_tx_state state;
    struct sfs_error failure;    /* of the last commit; code 0: none */
    struct sfs_buffer conflicts; /* with it: one line a key */
    struct fs_tx_savepoint {
        char *name;
        uint64_t moves; /* fs_space.moves when it was made */
        uint64_t written; /* … and fs_tx.written */
    } *savepoints;      /* in order */
    size_t savepoint_count;
};

/* --- the table: tx.c --- */
struct fs_tx *fs_tx_ref(struct fs_tx *tx);
void fs_tx_unref(struct fs_tx *tx);
/* The open transaction of a name inside `parent` (NULL: in the mount), with one reference more; NULL:
 * none. Without a name any one. */
struct fs_tx *fs_tx_find(struct fs *fs, const struct fs_tx *parent, const char *name);
/* EXISTS, and the store's errors. The table has a reference, the caller gets another. */
int fs_tx_begin(struct fs_call *call, struct fs_tx *parent, const char *name, struct fs_tx **ret_tx);
/* The names of those inside `parent` that `uid` may see, as fs_names_add makes them. */
int fs_tx_names(struct fs *fs, const struct fs_tx *parent, uid_t uid, struct sfs_buffer *names);
/* Where its commit goes. */
struct fs_space *fs_tx_base(const struct fs_tx *tx);
bool fs_tx_is_open(struct fs_tx *tx);
/* Others' transactions are hidden, but from root. */
bool fs_tx_is_visible(const struct fs_tx *tx, uid_t uid);
/* Begins it anew at a level: INVALID once something in its keys/ or query/ was asked for. */
int fs_tx_isolate(struct fs_call *call, struct fs_tx *tx, enum sfs_isolation isolation);
/* Inside a space: calls `step` while no other call is in the keys tree and what was written to open
 * files is in the space's store. The errors of their commits, and those of `step`. */
typedef int fs_tx_step(struct fs_call *call, void *context);
int fs_tx_alone(struct fs_call *call, struct fs_space *space, fs_tx_step *step, void *context);
/* Inside a space: whether anything can be changed in it; CONFLICT or EXPIRED in a transaction that has
 * failed. Writes gather in the daemon, and would else be taken until they are closed. */
int fs_tx_writable(struct fs_call *call, const struct fs_space *space);
/* Inside a space: counts `bytes` that are going to be in its transaction's memory, if it has one.
 * NO_SPACE. */
int fs_tx_charge(struct fs_call *call, const struct fs_space *space, uint64_t bytes);
/* Back to what was written at a savepoint. */
void fs_tx_uncharge(struct fs_tx *tx, uint64_t written);
#define FS_TX_CHANGE 1024 /* about what a change takes beside its value, bytes */

/* --- ending: tx_end.c --- */
/* Keeps other calls from ending or changing it as a whole, until fs_tx_settle says what it is now. 0, or
 * EXPIRED where it has ended; 1: it has ended as `wished` (FS_TX_ENDING: no end is). */
int fs_tx_claim(struct fs_call *call, struct fs_tx *tx, enum fs_tx_state wished);
void fs_tx_settle(struct fs_tx *tx, enum fs_tx_state state);
/* Both succeed where that has been done already, and are EXPIRED where the other has. A commit first
 * commits the open files of the transaction; where it fails the transaction stays. Those inside it are
 * rolled back first. Afterwards the kernel asks for tx/NAME anew. */
int fs_tx_commit(struct fs_call *call, struct fs_tx *tx);
int fs_tx_rollback(struct fs_call *call, struct fs_tx *tx);
/* The failure that every further commit will have, or 0. */
int fs_tx_doomed(struct fs_call *call, struct fs_tx *tx);
/* Its store is not needed any more, once the handles are closed: takes it out of the table. */
void fs_tx_forget(struct fs_tx *tx);

/* --- what the kernel must hear of a commit: tx_changes.c --- */
/* The changed names, gathered before a commit and told after it. */
struct fs_tx_changes {
    struct sfs_buffer names;
    size_t count;
};
int fs_tx_changes_gather(struct fs_call *call, struct fs_tx *tx, struct fs_tx_changes *changes);
void fs_tx_changes_tell(struct fs_call *call, const struct fs_tx_changes *changes);
/* What somebody else has changed meanwhile of what the transaction depends on, one line each. */
int fs_tx_conflicts(struct fs_tx *tx, struct sfs_buffer *out);
/* One line a changed name. */
int fs_tx_changes_text(struct fs_call *call, struct fs_tx *tx, struct sfs_buffer *out);

/* --- tx/NAME/savepoints/: tx_savepoints.c --- */
extern const struct fs_class fs_tx_savepoints_class;
void fs_tx_savepoints_free(struct fs_tx *tx);
int fs_tx_savepoint_rollback(struct fs_call *call, struct fs_tx *tx, const char *name);
int fs_tx_savepoint_release(struct fs_call *call, struct fs_tx *tx, const char *name);

/* --- the directories: tx_tree.c --- */
/* A node that carries the transaction, with one look-up more; NULL: no memory. */
struct fs_node *fs_tx_node(struct fs *fs, struct fs_node *dir, const char *name,
                           const struct fs_class *class, struct fs_tx *tx, struct sfs_bytes text);

/* --- the files in tx/NAME and in savepoints/S, which tell or act: tx_files.c --- */
enum fs_tx_place { FS_TX_IN_TRANSACTION, FS_TX_IN_SAVEPOINT };
/* The node of a file in `dir`, whose class carries the transaction; `subject`: the savepoint's name, or "".
 * NOT_FOUND: there is none of that name. */
int fs_tx_file_lookup(struct fs_call *call, struct fs_node *dir, enum fs_tx_place place, const char *name,
                      const char *subject, struct fs_entry *entry);
int fs_tx_file_names(enum fs_tx_place place, struct sfs_buffer *names);
/* unlink: of the file that ends what the directory stands for it does so, so that `rm -r` of the directory
 * is as rmdir of it; the others cannot be removed. */
int fs_tx_file_remove(struct fs_call *call, struct fs_node *dir, enum fs_tx_place place, const char *name,
                      const char *subject);
void fs_tx_node_forget(struct fs_node *node);
/* Attributes of a node of a transaction. */
void fs_tx_stat(struct fs_call *call, struct fs_node *node, mode_t mode, struct stat *st);

#endif
