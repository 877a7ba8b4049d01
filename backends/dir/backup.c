/* SPDX-License-Identifier: MIT */
/*
 * A backup is another directory store with the same records. Nothing is committed to the store
 * meanwhile; the copy is on disk when it is done, and where something fails there is none.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "dir.h"
#include "internal.h"
#include "util/file.h"

#define BATCH_RECORDS 256
#define BATCH_BYTES ((size_t)8 << 20)
#define PIECE ((size_t)1 << 18)
#define STAGED_MIN ((size_t)1 << 20) /* larger values are copied in pieces */

struct copy {
    struct sfs_storage *from;
    struct sfs_storage *to;
    struct sfs_batch *batch;
    struct sfs_stage *stages[BATCH_RECORDS];
    size_t stage_count;
    size_t records;
    size_t bytes;
};

static int flush(struct copy *copy, struct sfs_error *error)
{
    uint64_t sequence = 0;
    int code = copy->records ? copy->to->operations->write->apply(copy->to, copy->batch, NULL,
                                                                  &sequence, error)
                             : 0;
    while (copy->stage_count)
        sfs_stage_close(copy->stages[--copy->stage_count]);
    sfs_batch_clear(copy->batch);
    copy->records = copy->bytes = 0;
    return code;
}

static int fill_stage(struct copy *copy, const struct sfs_record *record, struct sfs_stage *stage,
                      struct sfs_error *error)
{
    char *piece = malloc(PIECE);
    size_t got = 1;
    int code = piece ? 0 : sfs_fail_memory(error, SFS_DIR_ORIGIN);
    for (uint64_t done = 0; code == 0 && got; done += got) {
        code = copy->from->operations->read->read(copy->from, record->name, 0, done, piece, PIECE,
                                                  &got, error);
        if (code == 0 && got)
            code = sfs_stage_write(stage, done, sfs_bytes(piece, got), error);
    }
    free(piece);
    return code;
}

static int put_large(struct copy *copy, const struct sfs_record *record, unsigned mask,
                     struct sfs_error *error)
{
    struct sfs_stage *stage = NULL;
    int code = sfs_dir_stage(copy->to, &stage, error);
    if (code)
        return code;
    copy->stages[copy->stage_count++] = stage;
    code = fill_stage(copy, record, stage, error);
    return code ? code
                : sfs_batch_put_stage(copy->batch, record->name, stage, &record->attributes, mask,
                                      error);
}

static int put_small(struct copy *copy, const struct sfs_record *record, unsigned mask,
                     struct sfs_error *error)
{
    const struct sfs_record *whole = NULL;
    int code =
        copy->from->operations->read->get(copy->from, record->name, SFS_WANT_VALUE, &whole, error);
    if (code)
        return code;
    code = sfs_batch_put(copy->batch, record->name, sfs_record_value(whole), &record->attributes,
                         mask, error);
    sfs_record_unref(whole);
    return code;
}

static int copy_record(struct copy *copy, const struct sfs_record *record, struct sfs_error *error)
{
    unsigned mask = SFS_ATTRIBUTE_ALL & ~(unsigned)SFS_ATTRIBUTE_TYPE;
    struct sfs_bytes name, value;
    size_t position = 0;
    if (record->attributes.type_set)
        mask |= SFS_ATTRIBUTE_TYPE;
    if (record->attributes.uid == SFS_OWNER_NONE)
        mask &= ~(unsigned)SFS_ATTRIBUTE_UID;
    if (record->attributes.gid == SFS_OWNER_NONE)
        mask &= ~(unsigned)SFS_ATTRIBUTE_GID;
    int code = record->size < STAGED_MIN ? put_small(copy, record, mask, error)
                                         : put_large(copy, record, mask, error);
    while (code == 0 && sfs_xattr_next(record->xattrs, &position, &name, &value))
        code = sfs_batch_xattr(copy->batch, record->name, name, value, 0, error);
    /* The attribute above has changed the time of the last change. */
    if (code == 0 && record->xattrs.size)
        code = sfs_batch_attributes(copy->batch, record->name, &record->attributes,
                                    SFS_ATTRIBUTE_CHANGED, error);
    copy->bytes += record->size;
    copy->records++;
    bool full = copy->records == BATCH_RECORDS || copy->bytes > BATCH_BYTES;
    return code == 0 && full ? flush(copy, error) : code;
}

static int copy_all(struct copy *copy, sfs_progress_function *progress, void *context,
                    struct sfs_error *error)
{
    const struct sfs_record *record = NULL;
    struct sfs_cursor *cursor = NULL;
    uint64_t count = 0;
    int code = sfs_dir_scan(copy->from, (struct sfs_range){0}, 0, &cursor, error);
    while (code >= 0 && (code = sfs_cursor_next(cursor, &record, error)) == 1) {
        code = copy_record(copy, record, error);
        if (code == 0 && progress && ++count % BATCH_RECORDS == 0 && progress(context, count, 0))
            code = sfs_fail(error, SFS_E_CANCELLED, SFS_DIR_ORIGIN, "stopped as asked");
        if (code)
            break;
    }
    sfs_cursor_close(cursor);
    int flushed = flush(copy, code ? NULL : error);
    if (code == 0)
        code = flushed;
    return code ? code : copy->to->operations->write->sync(copy->to, 0, error);
}

/* --- a copy that did not come about --- */

static void remove_below(int fd)
{
    DIR *handle = fdopendir(fd);
    struct dirent *entry;
    if (!handle) {
        close(fd);
        return;
    }
    while ((entry = readdir(handle))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            unlinkat(fd, entry->d_name, 0) == 0)
            continue;
        int below = openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (below >= 0)
            remove_below(below);
        (void)unlinkat(fd, entry->d_name, AT_REMOVEDIR);
    }
    closedir(handle);
}

static void remove_copy(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0)
        remove_below(fd);
    (void)rmdir(path);
}

static int back_up(struct sfs_dir_store *store, const char *path, sfs_progress_function *progress,
                   void *context, struct sfs_error *error)
{
    const struct sfs_option options[] = {{"fsync", "0"}, /* once, at the end */
                                         {"dirsync", store->options.dirsync ? "1" : "0"}};
    const struct sfs_location location = {"dir", path, options, 2};
    struct copy copy = {.from = &store->storage};
    int code = sfs_dir_backend.open(&copy.to, &location, 0, error);
    if (code)
        return code;
    code = sfs_batch_new(&copy.batch, error);
    if (code == 0)
        code = copy_all(&copy, progress, context, error);
    sfs_batch_free(copy.batch);
    int closed = sfs_close(copy.to, code ? NULL : error);
    return code ? code : closed;
}

static int fail_exists(const char *path, struct sfs_error *error)
{
    return sfs_fail(error, SFS_E_EXISTS, SFS_DIR_ORIGIN, "'%s' exists and is not overwritten",
                    path);
}

/* The copy gets its name when it is whole. */
int sfs_dir_backup(struct sfs_storage *storage, const char *path, sfs_progress_function *progress,
                   void *context, struct sfs_error *error)
{
    struct sfs_dir_store *store = sfs_dir_of(storage);
    struct sfs_buffer temporary = {0};
    if (access(path, F_OK) == 0)
        return fail_exists(path, error);
    if (sfs_buffer_printf(&temporary, "%s.tmp.XXXXXX", path) || sfs_buffer_text(&temporary)) {
        sfs_buffer_free(&temporary);
        return sfs_fail_memory(error, SFS_DIR_ORIGIN);
    }
    int code = mkdtemp(temporary.data)
                   ? 0
                   : sfs_fail_errno(error, errno, SFS_DIR_ORIGIN, "cannot make '%s'", path);
    if (code == 0) {
        pthread_mutex_lock(&store->writer);
        code = back_up(store, temporary.data, progress, context, error);
        pthread_mutex_unlock(&store->writer);
        if (code == 0 && sfs_rename_new(AT_FDCWD, temporary.data, path))
            code = errno == EEXIST
                       ? fail_exists(path, error)
                       : sfs_fail_errno(error, errno, SFS_DIR_ORIGIN, "cannot make '%s'", path);
        if (code)
            remove_copy(temporary.data);
    }
    sfs_buffer_free(&temporary);
    return code;
}
