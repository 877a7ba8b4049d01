/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_FS_QUERY_H
#define STOREFS_FS_QUERY_H

/*
 * Query directories. node->text of a node of fs_query_class is its path below query/, as it is
 * written: "by/type/doc". Every path that has a node is one that the grammar takes.
 */
#include "fs/names.h"

enum fs_query_state {
    FS_QUERY_STAGES,   /* what is there is complete: a stage or a result may follow */
    FS_QUERY_ARGUMENT, /* a stage waits for an argument */
    FS_QUERY_SINK,     /* a result */
};

/* Where a path has come to. Borrows from it. */
struct fs_query_place {
    enum fs_query_state state;
    const struct sfs_grammar *row; /* of the stage that waits or came last, or of the result */
    unsigned argument;             /* which it waits for, from 0 */
    bool goes_on;                  /* the last element is a piece of one: it ends in %+ */
    unsigned stages;               /* complete ones */
    struct sfs_bytes before;       /* the complete stages */
    struct sfs_bytes first;        /* the elements of its first argument */
    size_t depth;                  /* elements */
};
struct fs_query_place fs_query_place(struct sfs_bytes path);
/* The seconds that the kernel may keep what a query gave. */
double fs_query_timeout(const struct fs_space *space);

/* --- running one: query_result.c --- */
/* The call waits from now on. A signal that does not end the program, such as a timer's, interrupts
 * too: work goes on for `grace` ms after one, so that the reply may come first. */
void fs_waiter_begin(struct fs_waiter *waiter, struct fs_call *call, int64_t grace);
bool fs_waiter_interrupted(struct fs_waiter *waiter);
/* sfs_query_parse(), with the mount's limits; interrupting the request that `waiter` has ends a run
 * (CANCELLED). The waiter must outlive what is run. The caller frees the query. */
int fs_query_parse(struct fs_call *call, struct sfs_bytes path, struct fs_waiter *waiter,
                   struct sfs_query **ret_query, enum sfs_sink *ret_sink);
int fs_query_result_open(struct fs_call *call, struct fs_node *node, struct fs_open *open,
                         struct fuse_file_info *info);
/* Runs the query of a result's node. `waiter` must outlive the stream, which the caller closes. */
int fs_query_result_begin(struct fs_call *call, struct fs_node *node, struct fs_waiter *waiter,
                          struct sfs_text **ret_stream);

/* --- what the documents have: query_fields.c --- */
/* As sfs_query_fields(), but the fields of all documents are read again only when the store has
 * changed. Inside the space. */
int fs_query_fields(struct fs_call *call, struct fs_space *space, const struct sfs_query *query,
                    int (*visit)(void *context, struct sfs_bytes text), void *context,
                    bool *ret_complete);
/* What a space keeps; NULL allowed. */
void fs_fields_free(struct fs_fields *fields);

/* --- the links in a query's keys/: query_links.c --- */
int fs_query_link_lookup(struct fs_call *call, struct fs_node *dir, const char *name,
                         struct fs_entry *entry);
int fs_query_links_list(struct fs_call *call, struct fs_open *open, uint64_t offset,
                        struct fs_list *list);
void fs_query_links_release(struct fs_open *open);

#endif
