/* SPDX-License-Identifier: MIT */
/*
 * How a query begins, and is given up when its reader is interrupted.
 */
#include <fcntl.h>

#include "fs/budget.h"
#include "fs/keys.h"
#include "fs/query.h"
#include "fs/result.h"

#define MEMORY (UINT64_C(32) << 20) /* bytes, of one query alone; each of several has a part */

/* --- who waits --- */

void fs_waiter_begin(struct fs_waiter *waiter, struct fs_call *call, int64_t grace)
{
    *waiter = (struct fs_waiter){.request = call->request, .grace = grace};
}

bool fs_waiter_interrupted(struct fs_waiter *waiter)
{
    if (!fuse_req_interrupted(waiter->request))
        return false;
    if (waiter->interrupted == 0)
        waiter->interrupted = fs_monotonic_ms();
    return fs_monotonic_ms() - waiter->interrupted >= waiter->grace;
}

static int was_interrupted(void *context)
{
    return fs_waiter_interrupted(context);
}

int fs_query_parse(struct fs_call *call, struct sfs_bytes path, struct fs_waiter *waiter,
                   struct sfs_query **ret_query, enum sfs_sink *ret_sink)
{
    struct sfs_query_options options = {.time_ms = call->fs->query_ms,
                                        .memory =
                                            MEMORY / (1 + fs_budget_total(call->fs, FS_RESULTS)),
                                        .directory = call->fs->temporary,
                                        .cancelled = was_interrupted,
                                        .context = waiter};
    struct sfs_query *query;
    int code = sfs_query_parse(path, &query, ret_sink, &call->error);
    if (code < 0)
        return code;
    code = sfs_query_configure(query, &options, &call->error);
    if (code < 0)
        sfs_query_free(query);
    else
        *ret_query = query;
    return code;
}

/* --- the result as text --- */

int fs_query_result_begin(struct fs_call *call, struct fs_node *node, struct fs_waiter *waiter,
                          struct sfs_text **ret_stream)
{
    struct sfs_query *query;
    enum sfs_sink sink;
    int code = fs_query_parse(call, sfs_buffer_bytes(&node->text), waiter, &query, &sink);
    if (code < 0)
        return code;
    code = sfs_query_text(node->space->store, query, sink, ret_stream, &call->error);
    sfs_query_free(query);
    return code;
}

int fs_query_result_open(struct fs_call *call, struct fs_node *node, struct fs_open *open,
                         struct fuse_file_info *info)
{
    (void)node;
    if ((info->flags & O_ACCMODE) != O_RDONLY || info->flags & O_TRUNC)
        return sfs_fail(&call->error, SFS_E_PERMISSION, "mount",
                        "the result of a query cannot be written: write to keys/");
    fs_open_generated(info);
    int code = fs_open_hold(call, open, FS_RESULTS, 1);
    return code == 0 ? fs_result_open(call, open, NULL) : code;
}
