/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_FS_FS_H
#define STOREFS_FS_FS_H

/*
 * What the parts of the mount share: the mount, a call, the class of a node, a directory listing.
 *
 * A request comes in at operations.c, which finds the node, calls the operation of the node's class
 * and replies: the only place that replies, once. Classes (keys_*.c, query.c, tx.c, admin.c, …) turn
 * an operation into storage calls and return 0 or a storefs code with a sentence; they know nothing
 * of replies. No lock of the mount is held while a store is called.
 */
#include <pthread.h>
#include <stdatomic.h>

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

#include "storefs/storefs.h"

struct fs_answer;
struct fs_budget;
struct fs_call;
struct fs_class;
struct fs_node;
struct fs_open;
struct fs_list;
struct fs_errors;
struct fs_nodes;
struct fs_follower;
struct fs_notifier;
struct fs_transactions;
struct fs_touched;
struct fs_tx;
struct fs_document_cache;
struct fs_fields;

/*
 * A space is a store as a tree of files: the mount's keys/, and each transaction's. Counted: nodes of
 * an ended transaction may outlive it, and what they are asked then is EXPIRED.
 */
struct fs_space {
    struct fs *fs;
    struct sfs_storage *store;
    struct fs_tx *tx;      /* whose it is, to be used inside only; NULL: the mount's own */
    double timeout;        /* seconds that the kernel may keep names; 0 in transactions */
    _Atomic double attribute_timeout; /* … and attributes */
    bool shared;                      /* others may change the store: O_EXCL must commit at once */
    struct fs_fields *fields;            /* for query/by and the like: query_fields.c */
    uint64_t salt;         /* added to record ids, so that inode numbers of spaces differ */
    _Atomic unsigned references;
    _Atomic bool used;     /* something in it was asked for: a transaction's level is settled */
    _Atomic uint64_t moves; /* names that were renamed or taken away in it: fs_node.moved */
    _Atomic uint64_t directories; /* made, moved and removed in it through this mount */
    _Atomic uint64_t changes;  /* begun in it through this mount */
    _Atomic unsigned changing; /* … and not done */
    pthread_mutex_t lock;  /* the members below; may be taken inside the node table's lock */
    struct fs_absent {
        uint64_t dir;      /* node; 0: nothing is known */
        uint64_t changes; /* of the space, in a transaction; else … */
        uint64_t version; /* … of the store */
        char name[256];
    } absent;              /* the name that was looked up last and not found */
    struct sfs_buffer
        scratch; /* struct fs_node *: scratch files of fields/, under the node table's lock */
    _Atomic uint64_t scratch_bytes; /* … and their size together */
    uint64_t next_id; /* of records that are still to be made; reserved for this mount up to … */
    uint64_t ids_end;
    time_t no_ids;    /* until then, monotonic, a store that reserved none is not asked again */
    pthread_cond_t idle;
    unsigned users;        /* calls inside the store now */
    bool ended;
    unsigned handles;      /* open ones: they may hold cursors of the store */
    void (*dispose)(void *context); /* due when the last handle of an ended space is closed */
    void *context;
    struct fs_file *files; /* open files: pending creations, and what a commit has to flush */
    pthread_cond_t moved;  /* one of the members below has changed */
    unsigned readers;      /* calls in the keys tree that only read */
    unsigned changers;     /* … that change something in it */
    unsigned movers;       /* of the changers: waiting to take names away */
    bool moving;           /* one takes names away: no other changer is in the tree … */
    bool publishing;       /* … and the change can be seen any moment: no reader is */
    const struct fs_node *doomed_dir; /* where the mover takes a file's name away; NULL: nowhere */
    const char *doomed_name;
};

#define FS_SENT_BACK 256 /* threads */

struct fs {
    struct fuse_session *session;
    struct fs_nodes *nodes;
    struct fs_errors *errors;
    struct fs_notifier *notifier;
    struct fs_index_builds *index_builds;
    struct fs_follower *follower; /* NULL: nobody else changes the store */
    struct fs_transactions *transactions;
    struct fs_budget *budget;
    struct fs_document_cache *documents; /* of fields/, of all spaces */
    struct fs_space *space; /* of keys/ and query/ */
    const char *uri;
    void (*ready)(void *context); /* called when the kernel has begun the session; may be NULL */
    void *ready_context;
    uid_t uid; /* owner of what nobody else owns */
    gid_t gid;
    int64_t begun;    /* ns since the epoch */
    int64_t begun_ms; /* fs_monotonic_ms() then */
    bool read_only;
    bool sync;    /* every commit is on disk when it returns */
    bool no_open; /* the kernel can do without being asked at open */
    bool keys_only; /* nothing changes while it is mounted: see mount.h */
    bool many_users; /* others than who mounted it may come */
    enum sfs_isolation isolation; /* of new transactions */
    uint64_t idle_ms; /* after which they expire */
    uint64_t query_ms; /* that a query may take; 0: no limit */
    const char *temporary; /* directory for what queries cannot hold in memory; NULL: the library's */
    _Atomic uint64_t next_salt;
    struct fs_touched *touched; /* directories whose times are to be written */
    _Atomic uint64_t buffered; /* bytes of open files in memory */
    _Atomic uint64_t sent_back[FS_SENT_BACK]; /* threads that look a name up again: number and time
                                                 (keys_retry.c) */
    _Atomic uint64_t told; /* how often the kernel was, or is being, told of changes in keys/ */
};

/* One request on its way. */
struct fs_call {
    struct fs *fs;
    fuse_req_t request;
    uid_t uid;
    gid_t gid;
    pid_t pid;
    uint64_t told; /* fs.told when it began: what it has read may be old where that has changed */
    struct fs_answer *answer; /* while it can be given up: interrupt.h */
    bool given_up;            /* it was: there is no request any more */
    bool append; /* write: behind the latest end, wherever that is */
    struct fs_open *open; /* whose change it is; NULL: nobody knows */
    enum { FS_OUTSIDE, FS_READS, FS_CHANGES } tree; /* how it is in the keys tree … */
    bool moves;                                     /* … and that it takes names away */
    bool looks_again; /* its failure makes the kernel look the name up again: nothing to keep */
    struct sfs_error error;
};

#define FS_CONSTANT_TIMEOUT 3600.0 /* of what does not change by itself, seconds */
#define FS_LEAF_TIMEOUT 1.0        /* of the name of a file in keys/ at the most */

/* Milliseconds of the monotonic clock. */
int64_t fs_monotonic_ms(void);

/* What a look-up or a creation gives; `node` has one look-up more. */
struct fs_entry {
    struct fs_node *node;
    struct stat st;
    double timeout; /* of the name; of a node outside of spaces also of its attributes */
};

/* A thing to make: mkdir, mknod, symlink. `mode` has the type; `target` of links. */
struct fs_make {
    mode_t mode;
    dev_t device;
    const char *target;
};

/*
 * The operations of one kind of node. Unset ones answer: lookup ENOENT or ENOTDIR, the changing ones
 * PERMISSION, xattrs none. `open` may be NULL where a node is asked without a handle.
 */
struct fs_class {
    const char *name;
    bool generated; /* of its files, the kernel keeps neither names nor attributes: result.h */
    bool constant; /* its attributes never change: the kernel may keep them, though not the name */
    int (*lookup)(struct fs_call *call, struct fs_node *dir, const char *name, struct fs_entry *entry);
    int (*stat)(struct fs_call *call, struct fs_node *node, struct stat *st);
    int (*set)(struct fs_call *call, struct fs_node *node, const struct stat *want, int mask,
               struct stat *st);
    int (*readlink)(struct fs_call *call, struct fs_node *node, struct sfs_buffer *target);
    int (*make)(struct fs_call *call, struct fs_node *dir, const char *name, const struct fs_make *make,
                struct fs_entry *entry);
    int (*remove)(struct fs_call *call, struct fs_node *dir, const char *name, bool directory);
    int (*rename)(struct fs_call *call, struct fs_node *dir, const char *name, struct fs_node *to_dir,
                  const char *to_name, unsigned flags);
    int (*open)(struct fs_call *call, struct fs_node *node, struct fs_open *open,
                struct fuse_file_info *info);
    int (*create)(struct fs_call *call, struct fs_node *dir, const char *name, mode_t mode,
                  struct fs_open *open, struct fuse_file_info *info, struct fs_entry *entry);
    int (*read)(struct fs_call *call, struct fs_open *open, char *data, size_t size, uint64_t offset,
                size_t *ret_size);
    int (*write)(struct fs_call *call, struct fs_open *open, struct sfs_bytes data, uint64_t offset);
    int (*allocate)(struct fs_call *call, struct fs_open *open, int mode, uint64_t offset,
                    uint64_t size); /* modes of fallocate(2) */
    int (*seek)(struct fs_call *call, struct fs_open *open, uint64_t offset, bool data,
                uint64_t *ret_offset); /* NOT_FOUND: nothing there */
    int (*flush)(struct fs_call *call, struct fs_open *open); /* like release, not in the space */
    /* A flush has failed with `code`, which admin/errors shows by now and the program is told next; of those that
     * have `flush`, and likewise not in the space. */
    void (*refused)(struct fs_call *call, struct fs_open *open, int code);
    int (*sync)(struct fs_call *call, struct fs_node *node);
    void (*release)(struct fs_call *call, struct fs_open *open);
    int (*list)(struct fs_call *call, struct fs_open *open, uint64_t offset, struct fs_list *list);
    int (*xattr_get)(struct fs_call *call, struct fs_node *node, const char *name,
                     struct sfs_buffer *value);
    int (*xattr_set)(struct fs_call *call, struct fs_node *node, const char *name,
                     struct sfs_bytes value, unsigned flags); /* value.data NULL: remove */
    int (*xattr_list)(struct fs_call *call, struct fs_node *node, struct sfs_buffer *names);
    void (*forget)(struct fs_node *node); /* frees node->data */
};

/* The request that waits for a query now, whose interruption ends that: see query.h. */
struct fs_waiter {
    fuse_req_t request;
    int64_t grace;       /* ms for which an interruption is ignored */
    int64_t interrupted; /* when that was first seen, fs_monotonic_ms(); 0: it was not */
};

/* An open file or directory: what fi->fh points to. Which members are used is the class's affair. */
struct fs_open {
    struct fs_node *node;
    const struct fs_class *class;
    int flags;                       /* of open(2) */
    bool writes;                     /* it was opened to write, or made the file */
    uid_t uid;                       /* who has opened it … */
    int holds;                       /* … what is counted for him, an enum fs_counted, … */
    uint64_t held;                   /* … and how much of it */
    uint64_t wrote;                  /* authors.h */
    _Atomic bool refused;            /* what it wrote was, at a close: every further write is EXPIRED */
    _Atomic unsigned uses;           /* the handle, and each read of it */
    const struct sfs_record *record; /* the value as it was at open, when it is small */
    struct fs_dir *dir;              /* a listing under way */
    struct fs_result *result;        /* of a generated file: result.h */
    struct sfs_buffer text;          /* the names of a generated listing */
    uint64_t position;               /* fields/: the number of the listed directory */
    bool acted;                      /* a file of a transaction: it has done what it does */
    struct fs_waiter waiter;         /* for a listing */
    void *data;                      /* the class's */
    pthread_mutex_t lock;            /* listings of one handle come one by one */
};

/* One entry of a listing. `st` needs st_ino and st_mode; where `class` is set it is whole, and the
 * kernel may be told of the node at once. `next` is the offset behind the entry. */
struct fs_dirent {
    const char *name;
    struct stat st;
    uint64_t next;
    const struct fs_class *class;
    struct fs_space *space;
    struct sfs_bytes text;
    int kind;
    uint64_t revision;
    double timeout;
};
/* 1: the reply is full, the entry was not taken and comes first next time; 0: taken. */
int fs_list_add(struct fs_list *list, const struct fs_dirent *entry);

/* --- spaces: space.c --- */
/* Whether others than this mount can change what the store holds. */
bool fs_is_shared(const struct sfs_storage *store);
/* With names and attributes that the kernel keeps for `timeout` seconds. */
struct fs_space *fs_space_new(struct fs *fs, struct sfs_storage *store, double timeout);
struct fs_space *fs_space_ref(struct fs_space *space);
void fs_space_unref(struct fs_space *space);
/* Around every use of space->store: EXPIRED once the transaction has ended. */
int fs_space_enter(struct fs_space *space, struct sfs_error *error);
void fs_space_leave(struct fs_space *space);
/* An id for a record that is still to be made, whose st_ino is told before; 0: the store gives none. Inside the space. */
uint64_t fs_space_new_id(struct fs_space *space);
/*
 * Around a call in the keys tree, so that the key of a node stays its key for that long. Readers
 * wait only while names change, from fs_space_publish to fs_space_moved, never for what prepares a
 * change, however long that takes. A reader may not wait for an open file that a changer holds
 * (fs_file_hold): it ends its read before.
 */
void fs_space_read(struct fs_space *space);
void fs_space_read_end(struct fs_space *space);
void fs_space_change(struct fs_space *space);
void fs_space_change_end(struct fs_space *space);
/* Around what renames or removes, as a changer: no other changer is in the tree. */
void fs_space_move(struct fs_space *space);
void fs_space_moved(struct fs_space *space);
/* By the mover, or for it by any thread, once or several times, before the store shows the change
 * and the node table follows: returns when no reader is in the tree. */
void fs_space_publish(struct fs_space *space);
/* By the mover: a file will lose this name (borrowed until fs_space_moved). Set before the mover
 * looks whether the file is open, so that a reader that opens it meanwhile waits (fs_space_await,
 * after the file was acquired). */
void fs_space_doom(struct fs_space *space, const struct fs_node *dir, const char *name);
void fs_space_await(struct fs_space *space, const struct fs_node *node);
/* No new users; returns when the last has left. Resume: it did not end after all. */
void fs_space_end(struct fs_space *space);
void fs_space_resume(struct fs_space *space);
/* Around the life of a handle; and what to call once, when an ended space has no handles any more. */
void fs_space_hold(struct fs_space *space);
void fs_space_let_go(struct fs_space *space);
void fs_space_dispose(struct fs_space *space, void (*dispose)(void *context), void *context);

/* --- errors: errors.c --- */
struct fs_errors *fs_errors_new(void);
void fs_errors_free(struct fs_errors *errors);
/* Keeps the sentence for the node and for admin/errors. NOT_FOUND of look-ups is nothing to keep. */
void fs_errors_keep(struct fs *fs, struct fs_node *node, const char *operation, const char *name,
                    const struct sfs_error *error);
int fs_errors_text(struct fs_errors *errors, struct sfs_buffer *out);
/* The last failure's sentence of a node, for the caller; NO_ATTRIBUTE where there was none. */
int fs_errors_of_node(const struct fs_call *call, struct fs_node *node, struct sfs_buffer *out);
/* Whether a user may see the name of every key: whose mount it is, and root. Others are shown that
 * part of a sentence that names nothing but what the failed call had named. */
bool fs_sees_all(const struct fs *fs, uid_t uid);
struct sfs_bytes fs_error_shown(const struct fs *fs, uid_t uid, const char *sentence,
                                size_t public_size);

/* --- invalidation: notifier.c --- */
struct fs_notifier *fs_notifier_new(struct fs *fs);
void fs_notifier_free(struct fs_notifier *notifier);
/* Queues a notice, for the notifier's own thread to send: the attributes of a node are old. The kernel asks
 * for them before it uses the node again, drops its pages where size or time have changed, and looks the name up
 * anew where it is told that there is no such node. */
void fs_notify_attributes(struct fs_notifier *notifier, uint64_t id);
/* The same for many; takes over `ids`, which free() takes. */
void fs_notify_many(struct fs_notifier *notifier, uint64_t *ids, size_t count);
/* Waits until what was queued is done, at most a second, and until what fs_notify_name was told of is over. */
void fs_notify_flush(struct fs_notifier *notifier);
/* The kernel takes a name for a file's, which is a directory's by now, until then (fs_monotonic_ms). */
void fs_notify_name(struct fs_notifier *notifier, int64_t until);

/* --- generated files and fixed directories: generated.c --- */
struct fs_fixed {
    const char *name;
    const struct fs_class *class;
    mode_t mode;       /* with its type */
    bool shared_space; /* in the mount's space; else in that of its directory */
};
/* A directory whose entries are a table; ends with name NULL. */
int fs_fixed_lookup(struct fs_call *call, struct fs_node *dir, const struct fs_fixed *table,
                    const char *name, struct fs_entry *entry);
int fs_fixed_list(struct fs_open *open, const struct fs_fixed *table, uint64_t offset,
                  struct fs_list *list);
/* "." and "..": offsets 1 and 2; a listing's own entries follow. */
int fs_list_dots(struct fs_node *dir, uint64_t offset, struct fs_list *list);
/* Attributes of a generated node, owned by the mount's owner. Files have size 0 by name. */
void fs_stat_generated(struct fs *fs, const struct fs_node *node, mode_t mode, struct stat *st);
/* Frees open->text. */
void fs_text_release(struct fs_call *call, struct fs_open *open);
/* Appends a JSON string; bytes that are not UTF-8 are shown as \xNN. */
int fs_add_string(struct sfs_buffer *out, const char *text);
/* Marks a handle as generated: no page cache, any size. */
void fs_open_generated(struct fuse_file_info *info);
/* Opens a generated file whose content is `text`, which is taken over. NO_MEMORY. */
int fs_open_text(struct fs_call *call, struct fs_open *open, struct sfs_buffer *text,
                 struct fuse_file_info *info);

/* --- the classes --- */
extern const struct fs_class fs_root_class;
extern const struct fs_class fs_readme_class;
extern const struct fs_class fs_keys_directory_class;
extern const struct fs_class fs_keys_leaf_class;
extern const struct fs_class fs_fields_directory_class;
extern const struct fs_class fs_query_class;
extern const struct fs_class fs_indexes_class;
extern const struct fs_class fs_views_class;
extern const struct fs_class fs_tx_root_class;
extern const struct fs_class fs_admin_class;

struct fs_transactions *fs_transactions_new(struct fs *fs);
/* Rolls back those still open. */
void fs_transactions_free(struct fs_transactions *transactions);
/* How many are open. */
size_t fs_transactions_count(struct fs_transactions *transactions);

/* NULL: no memory. */
struct fs_touched *fs_touched_new(void);
void fs_touched_free(struct fs_touched *touched);

extern const struct fuse_lowlevel_ops fs_operations;

#endif
