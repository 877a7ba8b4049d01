/* SPDX-License-Identifier: MIT */
/*
 * The files that hold a query's result: made while they are read, and given up when the reader is
 * interrupted.
 */
#include <fcntl.h>

#include "fs/keys.h"
#include "fs/query.h"

/* --- who waits --- */

#define GRACE 100 /* ms */

void fs_waiter_begin(struct fs_waiter *waiter, struct fs_call *call, bool begun)
{
    *waiter = (struct fs_waiter){.request = call->request, .begun = begun};
}

/*
 * A signal that does not end the reader, a timer's for one, interrupts too. A result that was not begun is
 * simply asked for again; one that was would be lost, so that the reply may come first.
 */
static int was_interrupted(void *context)
{
    struct fs_waiter *waiter = context;
    if (!fuse_req_interrupted(waiter->request))
        return 0;
    if (waiter->interrupted == 0)
        waiter->interrupted = fs_monotonic_ms();
    return !waiter->begun || fs_monotonic_ms() - waiter->interrupted >= GRACE;
}

int fs_query_parse(struct fs_call *call, struct sfs_bytes path, struct fs_waiter *waiter,
                   struct sfs_query **ret_query, enum sfs_sink *ret_sink)
{
    struct sfs_query_options options = {.time_ms = call->fs->query_ms,
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

static int stream_begin(struct fs_call *call, struct fs_open *open)
{
    struct sfs_query *query;
    enum sfs_sink sink;
    if (open->position > 0)
        return sfs_fail(&call->error, SFS_E_IO, "query",
                        "the query was interrupted in the middle of its result: open it again");
    int code = fs_query_parse(call, sfs_buffer_bytes(&open->node->text), &open->waiter, &query, &sink);
    if (code < 0)
        return code;
    code = sfs_query_text(open->node->space->store, query, sink, &open->stream, &call->error);
    sfs_query_free(query);
    return code;
}

/* A stream goes forward only; what lies behind it is an error, what lies before it is stepped over. */
static int stream_to(struct fs_call *call, struct fs_open *open, uint64_t offset)
{
    char skipped[4096];
    if (offset < open->position)
        return sfs_fail(&call->error, SFS_E_UNSUPPORTED, "mount",
                        "a query's result is made while it is read and cannot be read backwards: open "
                        "it again");
    while (open->position < offset) {
        uint64_t left = offset - open->position;
        size_t got;
        int code = sfs_text_read(open->stream, skipped, left < sizeof(skipped) ? (size_t)left : sizeof(skipped),
                                 &got, &call->error);
        if (code < 0 || got == 0)
            return code;
        open->position += got;
    }
    return 0;
}

static int stream_read(struct fs_call *call, struct fs_open *open, char *data, size_t size,
                       uint64_t offset, size_t *ret_size)
{
    int code = stream_to(call, open, offset);
    *ret_size = 0;
    /* A reply that is shorter than asked for would be taken for the end. */
    while (code == 0 && open->position == offset + *ret_size && *ret_size < size) {
        size_t got;
        code = sfs_text_read(open->stream, data + *ret_size, size - *ret_size, &got, &call->error);
        if (code < 0 || got == 0)
            break;
        open->position += got;
        *ret_size += got;
    }
    return code;
}

int fs_query_result_read(struct fs_call *call, struct fs_open *open, char *data, size_t size,
                         uint64_t offset, size_t *ret_size)
{
    pthread_mutex_lock(&open->lock);
    uint64_t given = open->position;
    fs_waiter_begin(&open->waiter, call, given > 0);
    int code = open->stream != NULL ? 0 : stream_begin(call, open);
    if (code == 0)
        code = stream_read(call, open, data, size, offset, ret_size);
    if (code == SFS_E_CANCELLED) {
        fs_query_result_release(open);
        open->position = given;
    }
    pthread_mutex_unlock(&open->lock);
    return code;
}

int fs_query_result_open(struct fs_call *call, struct fs_node *node, struct fs_open *open,
                         struct fuse_file_info *info)
{
    (void)node;
    (void)open;
    if ((info->flags & O_ACCMODE) != O_RDONLY || info->flags & O_TRUNC)
        return sfs_fail(&call->error, SFS_E_PERMISSION, "mount",
                        "the result of a query cannot be written: write to keys/");
    fs_open_generated(info);
    return 0;
}

void fs_query_result_release(struct fs_open *open)
{
    sfs_text_close(open->stream);
    open->stream = NULL;
}
