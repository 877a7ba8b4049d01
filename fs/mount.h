/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_FS_MOUNT_H
#define STOREFS_FS_MOUNT_H

#include "storefs/transaction.h"

/*
 * The one door into fs/: runs a mount until it is unmounted or told to stop.
 */
struct fs_options {
    bool read_only;
    bool allow_other;
    bool noexec;
    bool noatime;
    bool sync;      /* every change, and every write of a program, is on disk when it returns */
    bool dirsync;   /* every change, but not every write */
    bool keys_only; /* the root is keys/, nothing is generated, and the kernel need not ask at open; the
                     * store was opened SFS_OPEN_FROZEN */
    bool nonempty; /* mount over a directory that has entries */
    bool io_uring; /* FUSE over io_uring: UNSUPPORTED, where this build has none */
    bool debug;    /* print every request to standard error (with -f) */
    bool isolated; /* `isolation` was asked for: a store that cannot give it is not mounted */
    enum sfs_isolation isolation; /* of new transactions; else snapshot */
    uint64_t query_ms; /* that a query may take; 0: no limit */
    const char *temporary; /* directory for sorts that memory does not hold; NULL: /tmp, else /var/tmp */
    const char *kernel; /* options for the kernel, "context=…", as libfuse takes them; NULL: none */
    uint64_t idle_ms; /* after which a transaction that is not used expires; 0: ten minutes */
};

/* "read-committed", "snapshot" or "serializable"; INVALID. */
int fs_isolation_parse(struct sfs_bytes word, enum sfs_isolation *ret_isolation,
                       struct sfs_error *error);

/*
 * Mounts `store` at `directory` and serves it in this process. `uri` is shown as the mount's source
 * (without passwords). `ready` is called once, when the kernel has begun the session: what is asked
 * next is answered. Returns when it was unmounted or SIGTERM, SIGINT or SIGHUP came: everything
 * written was then committed and the store closed.
 * The store is closed in any case. Returns 0 or a negative code; threads are started inside, so a
 * daemon forks before it calls.
 */
int fs_mount_run(struct sfs_storage *store, const char *uri, const char *directory,
                 const struct fs_options *options, void (*ready)(void *context), void *context,
                 struct sfs_error *error);

#endif
