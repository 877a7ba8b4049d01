/* SPDX-License-Identifier: MIT */
/*
 * What open generated files hold: see result.h.
 */
#include "fs/result.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "fs/budget.h"
#include "fs/query.h"

#define HEAD_MAX ((size_t)256 << 10) /* bytes of a query's result that are kept in memory */
#define PIECE ((size_t)16 << 10)     /* bytes that are made between two looks for an interruption */
#define WINDOW                                                                                     \
    ((uint64_t)512 << 10) /* bytes that are kept behind a reader that only goes forward */
#define LOOK 20000000     /* ns between two looks of a call that waits for another */
#define READ_GRACE 100    /* ms for which a read goes on that was interrupted after the beginning */
#define STAT_GRACE 1000   /* the same for fstat(2), which few programs repeat */

/* Unless noted, members are protected by `lock`. */
struct fs_result {
    unsigned handles; /* protected by the lock of the node table */
    pthread_mutex_t lock;
    pthread_cond_t changed; /* the one that makes more has done so */
    bool making;            /* a call makes more; the next two are its own */
    struct sfs_text *stream;
    struct fs_waiter waiter;
    bool given; /* a reader knows a part of it, or its size: it cannot begin again */
    bool sized; /* its size was asked for: all of it is kept */
    bool ended; /* it is whole */
    struct sfs_error failure;
    struct sfs_buffer head; /* the first bytes; the others are in … */
    int file;               /* -1: there are no others */
    uint64_t dropped;       /* bytes at the beginning of the file that are gone */
    uint64_t size;
};

/* --- life --- */

static struct fs_result *result_new(struct sfs_buffer *text)
{
    struct fs_result *result = calloc(1, sizeof(*result));
    if (result == NULL)
        return NULL;
    pthread_mutex_init(&result->lock, NULL);
    pthread_cond_init(&result->changed, NULL);
    result->file = -1;
    if (text != NULL) {
        result->head = *text;
        result->size = text->size;
        result->ended = true;
        *text = (struct sfs_buffer){0};
    }
    return result;
}

static void result_free(struct fs_result *result)
{
    if (result == NULL)
        return;
    sfs_text_close(result->stream);
    sfs_buffer_free(&result->head);
    if (result->file >= 0)
        close(result->file);
    pthread_cond_destroy(&result->changed);
    pthread_mutex_destroy(&result->lock);
    free(result);
}

int fs_result_open(struct fs_call *call, struct fs_open *open, struct sfs_buffer *text)
{
    struct fs_result *unused = result_new(text);
    if (text != NULL)
        sfs_buffer_free(text);
    if (unused == NULL)
        return sfs_fail_memory(&call->error, "mount");
    fs_nodes_lock(call->fs->nodes);
    struct fs_result *present = open->node->result;
    if (present == NULL || present->dropped > 0) {
        open->node->result = unused;
        unused = NULL;
    }
    open->result = open->node->result;
    open->result->handles++;
    fs_nodes_unlock(call->fs->nodes);
    result_free(unused);
    return 0;
}

static void let_go(struct fs *fs, struct fs_node *node, struct fs_result *result)
{
    fs_nodes_lock(fs->nodes);
    bool last = --result->handles == 0;
    if (last && node->result == result)
        node->result = NULL;
    fs_nodes_unlock(fs->nodes);
    if (last)
        result_free(result);
}

void fs_result_close(struct fs *fs, struct fs_open *open)
{
    if (open->result != NULL)
        let_go(fs, open->node, open->result);
    open->result = NULL;
}

/* --- the temporary file --- */

static int open_unlinked(const char *directory)
{
    char path[PATH_MAX];
    int file = open(directory, O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);
    if (file >= 0)
        return file;
    int size = snprintf(path, sizeof(path), "%s/storefs-result.XXXXXX", directory);
    if (size < 0 || (size_t)size >= sizeof(path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    file = mkostemp(path, O_CLOEXEC);
    if (file >= 0)
        unlink(path);
    return file;
}

static int open_temporary(struct fs_call *call, int *ret_file)
{
    const char *directory = call->fs->temporary != NULL ? call->fs->temporary : "/tmp";
    *ret_file = open_unlinked(directory);
    if (*ret_file < 0 && call->fs->temporary == NULL)
        *ret_file = open_unlinked(directory = "/var/tmp");
    return *ret_file >= 0
               ? 0
               : sfs_fail_errno(&call->error, errno, "mount", "a temporary file in %s", directory);
}

static int write_file(struct fs_call *call, int file, struct sfs_bytes bytes, uint64_t offset)
{
    const char *data = bytes.data;
    for (size_t done = 0; done < bytes.size;) {
        ssize_t size = pwrite(file, data + done, bytes.size - done, (off_t)(offset + done));
        if (size < 0 && errno != EINTR)
            return sfs_fail_errno(
                &call->error, errno, "mount",
                "the result does not fit into the directory for temporary files "
                "(TMPDIR at mount); 'storefs query' prints it without taking that room");
        done += size > 0 ? (size_t)size : 0;
    }
    return 0;
}

static int read_file(struct fs_call *call, int file, char *data, size_t size, uint64_t offset)
{
    for (size_t done = 0; done < size;) {
        ssize_t got = pread(file, data + done, size - done, (off_t)(offset + done));
        if (got == 0 || (got < 0 && errno != EINTR))
            return sfs_fail_errno(&call->error, got < 0 ? errno : EIO, "mount",
                                  "the temporary file of a result cannot be read");
        done += got > 0 ? (size_t)got : 0;
    }
    return 0;
}

/* --- making it: by the call that has set `making`, without the lock --- */

/* Only who makes more changes head, file and size, so that it may look at them without the lock. */
static int append(struct fs_call *call, struct fs_result *result, struct sfs_bytes piece)
{
    size_t room = HEAD_MAX - result->head.size;
    size_t kept = piece.size < room ? piece.size : room;
    struct sfs_bytes rest = {.data = (const char *)piece.data + kept, .size = piece.size - kept};
    int file = result->file;
    int code = rest.size > 0 && file < 0 ? open_temporary(call, &file) : 0;
    if (code == 0 && rest.size > 0)
        code = write_file(call, file, rest, result->size + kept - HEAD_MAX);
    pthread_mutex_lock(&result->lock);
    result->file = file;
    if (code == 0 && sfs_buffer_append(&result->head, piece.data, kept) != 0)
        code = sfs_fail_memory(&call->error, "mount");
    if (code == 0)
        result->size += piece.size;
    pthread_mutex_unlock(&result->lock);
    return code;
}

static int make_piece(struct fs_call *call, struct fs_result *result, bool *ret_ended)
{
    char piece[PIECE];
    size_t size = 0;
    int code = sfs_text_read(result->stream, piece, sizeof(piece), &size, &call->error);
    *ret_ended = code == 0 && size == 0;
    return code == 0 && size > 0 ? append(call, result, sfs_bytes(piece, size)) : code;
}

/* Between two pieces an interruption loses nothing: the next call goes on. */
static int make(struct fs_call *call, struct fs_node *node, struct fs_result *result,
                uint64_t until, bool *ret_ended)
{
    int code = fs_budget_take_query(call);
    if (code < 0)
        return code;
    if (result->stream == NULL)
        code = fs_query_result_begin(call, node, &result->waiter, &result->stream);
    while (code == 0 && !*ret_ended && result->size < until) {
        if (fs_waiter_interrupted(&result->waiter))
            return sfs_fail(&call->error, SFS_E_CANCELLED, "mount", "interrupted");
        code = make_piece(call, result, ret_ended);
    }
    if (code < 0 || *ret_ended) {
        sfs_text_close(result->stream);
        result->stream = NULL;
    }
    fs_budget_give(call->fs);
    return code;
}

/* With the lock held: what a failure leaves. A stream that was cancelled begins again where nobody
 * has seen any of it. */
static void note_failure(struct fs_result *result, const struct sfs_error *error)
{
    if (error->code != SFS_E_CANCELLED) {
        result->failure = *error;
    } else if (result->given) {
        sfs_fail(&result->failure, SFS_E_IO, "query",
                 "the query was interrupted in the middle of its result: open it again");
    } else {
        result->head.size = 0;
        result->size = 0;
    }
}

/* With the lock held, which is given back meanwhile. */
static int make_locked(struct fs_call *call, struct fs_node *node, struct fs_result *result,
                       uint64_t until)
{
    bool ended = false;
    result->making = true;
    pthread_mutex_unlock(&result->lock);
    int code = make(call, node, result, until, &ended);
    pthread_mutex_lock(&result->lock);
    result->making = false;
    result->ended = ended;
    if (code < 0 && result->stream == NULL)
        note_failure(result, &call->error);
    pthread_cond_broadcast(&result->changed);
    return code;
}

/* With the lock held: waits a moment for the call that makes more. */
static int await(struct fs_call *call, struct fs_result *result, struct fs_waiter *waiter)
{
    struct timespec until;
    if (fs_waiter_interrupted(waiter))
        return sfs_fail(&call->error, SFS_E_CANCELLED, "mount", "interrupted");
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += LOOK;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_cond_clockwait(&result->changed, &result->lock, CLOCK_MONOTONIC, &until);
    return 0;
}

/* With the lock held: makes it up to `until` at least, or to its end. */
static int reach(struct fs_call *call, struct fs_node *node, struct fs_result *result,
                 uint64_t until, int64_t grace)
{
    struct fs_waiter waiter;
    int code = 0;
    fs_waiter_begin(&waiter, call, grace);
    while (code == 0 && !result->ended && result->size < until) {
        if (result->failure.code != 0) {
            call->error = result->failure;
            code = call->error.code;
        } else if (result->making) {
            code = await(call, result, &waiter);
        } else {
            result->waiter = waiter;
            code = make_locked(call, node, result, until);
        }
    }
    return code;
}

/* --- using it --- */

/* A program that reads on and does not ask for the size, as 'storefs query' does, takes little
 * room, however large the result is. With the lock held; returns the new end of what is gone. */
static uint64_t drop_locked(const struct fs_result *result, bool shared, uint64_t end)
{
    uint64_t kept = HEAD_MAX + 2 * WINDOW + result->dropped;
    return shared || result->sized || result->file < 0 || end < kept ? result->dropped
                                                                     : end - HEAD_MAX - WINDOW;
}

/* Both locks, so that no second handle joins a result whose beginning goes. */
static void drop(struct fs *fs, struct fs_result *result, uint64_t end)
{
    fs_nodes_lock(fs->nodes);
    pthread_mutex_lock(&result->lock);
    uint64_t from = result->dropped;
    uint64_t to = drop_locked(result, result->handles > 1, end);
    result->dropped = to;
    int file = result->file;
    pthread_mutex_unlock(&result->lock);
    fs_nodes_unlock(fs->nodes);
    /* Only room would be lost by a failure. */
    if (to > from)
        (void)fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from,
                        (off_t)(to - from));
}

/* Bytes of the file, unless they are gone by the end of this. */
static int read_kept(struct fs_call *call, struct fs_result *result, int file, char *data,
                     size_t size, uint64_t offset)
{
    int code = read_file(call, file, data, size, offset);
    pthread_mutex_lock(&result->lock);
    bool gone = offset < result->dropped;
    pthread_mutex_unlock(&result->lock);
    return !gone ? code
                 : sfs_fail(&call->error, SFS_E_UNSUPPORTED, "mount",
                            "a result whose size was not asked for cannot be read far backwards: "
                            "open it again");
}

int fs_result_read(struct fs_call *call, struct fs_open *open, char *data, size_t size,
                   uint64_t offset, size_t *ret_size)
{
    struct fs_result *result = open->result;
    *ret_size = 0;
    if (result == NULL) /* it was opened to write */
        return 0;
    pthread_mutex_lock(&result->lock);
    uint64_t end = offset < UINT64_MAX - size ? offset + size : UINT64_MAX;
    int code = reach(call, open->node, result, end, result->size > 0 ? READ_GRACE : 0);
    uint64_t left = code == 0 && offset < result->size ? result->size - offset : 0;
    *ret_size = left < size ? (size_t)left : size;
    size_t head = offset < result->head.size ? result->head.size - (size_t)offset : 0;
    head = head < *ret_size ? head : *ret_size;
    if (head > 0)
        memcpy(data, result->head.data + offset, head);
    result->given = result->given || *ret_size > 0;
    int file = result->file;
    pthread_mutex_unlock(&result->lock);
    if (code < 0 || head == *ret_size)
        return code;
    code = read_kept(call, result, file, data + head, *ret_size - head, offset + head - HEAD_MAX);
    if (code == 0)
        drop(call->fs, result, offset + *ret_size);
    return code;
}

static int find_size(struct fs_call *call, struct fs_node *node, struct fs_result *result,
                     uint64_t *ret_size)
{
    pthread_mutex_lock(&result->lock);
    result->sized = true;
    int code = reach(call, node, result, UINT64_MAX, STAT_GRACE);
    result->given = result->given || code == 0;
    *ret_size = result->size;
    pthread_mutex_unlock(&result->lock);
    return code;
}

int fs_result_seek(struct fs_call *call, struct fs_open *open, uint64_t offset, bool data,
                   uint64_t *ret_offset)
{
    uint64_t size = 0;
    int code = open->result != NULL ? find_size(call, open->node, open->result, &size) : 0;
    if (code == 0 && offset >= size)
        return SFS_E_NOT_FOUND;
    *ret_offset = data ? offset : size;
    return code;
}

int fs_result_stat(struct fs_call *call, struct fs_node *node, struct stat *st)
{
    fs_nodes_lock(call->fs->nodes);
    struct fs_result *result = node->result;
    if (result != NULL)
        result->handles++; /* the last one may be closed meanwhile */
    fs_nodes_unlock(call->fs->nodes);
    if (result == NULL)
        return 0;
    uint64_t size;
    int code = find_size(call, node, result, &size);
    let_go(call->fs, node, result);
    if (code == 0) {
        st->st_size = (off_t)size;
        st->st_blocks = (blkcnt_t)((size + 511) / 512);
    }
    return code;
}
