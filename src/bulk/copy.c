/* SPDX-License-Identifier: MIT */
/* One store into another, record by record: small ones in batches, large ones through a stage. */
#include "bulk/losses.h"

#include <inttypes.h>
#include <stdlib.h>

#include "storefs/index.h"

#define ORIGIN "copy"
#define LARGE ((uint64_t)1 << 20)
#define PIECE ((size_t)256 << 10)
#define BATCH_BYTES ((uint64_t)4 << 20)
#define BATCH_RECORDS 1000

struct copy {
    struct sfs_storage *from;
    struct sfs_storage *to;
    const struct sfs_bulk_options *options;
    struct sfs_bulk_result *result;
    struct sfs_losses losses;
    struct sfs_batch *batch;
    uint64_t pending;       /* records in it */
    uint64_t pending_bytes; /* of their values */
    uint64_t total;
    char *piece;
};

static int commit(struct copy *copy, struct sfs_error *error)
{
    const struct sfs_bulk_options *options = copy->options;
    int code = copy->pending ? sfs_apply(copy->to, copy->batch, NULL, NULL, error) : 0;
    if (code)
        return code;
    sfs_batch_clear(copy->batch);
    copy->result->records += copy->pending;
    copy->result->bytes += copy->pending_bytes;
    copy->pending = copy->pending_bytes = 0;
    if (options->progress &&
        options->progress(options->context, copy->result->records, copy->total))
        return sfs_fail(error, SFS_E_CANCELLED, ORIGIN,
                        "the copy was stopped after %" PRIu64 " records", copy->result->records);
    return 0;
}

/* --- one record --- */

/* A type that was found is found again. */
static unsigned mask_of(const struct sfs_record *record)
{
    return record->attributes.type_set ? SFS_ATTRIBUTE_ALL
                                       : SFS_ATTRIBUTE_ALL & ~(unsigned)SFS_ATTRIBUTE_TYPE;
}

static int add_xattrs(struct copy *copy, const struct sfs_record *record, struct sfs_error *error)
{
    size_t position = 0;
    struct sfs_bytes name, value;
    int code = 0;
    if (record->xattrs.size == 0)
        return 0;
    while (code == 0 && sfs_xattr_next(record->xattrs, &position, &name, &value))
        code = sfs_batch_xattr(copy->batch, record->name, name,
                               value.data ? value : SFS_LITERAL(""), 0, error);
    return code ? code
                : sfs_batch_attributes(copy->batch, record->name, &record->attributes,
                                       SFS_ATTRIBUTE_CHANGED, error);
}

static int put_small(struct copy *copy, const struct sfs_record *seen, struct sfs_error *error)
{
    struct sfs_error failure = {0};
    const struct sfs_record *record;
    int code = sfs_get(copy->from, seen->name, SFS_WANT_VALUE, &record, &failure);
    if (code)
        return sfs_losses_pass(&copy->losses, code, &failure, error);
    code = sfs_batch_put(copy->batch, record->name, sfs_record_value(record), &record->attributes,
                         mask_of(record), error);
    if (code == 0)
        code = add_xattrs(copy, record, error);
    copy->pending++;
    copy->pending_bytes += record->size;
    sfs_record_unref(record);
    uint64_t most = copy->options->batch_bytes ? copy->options->batch_bytes : BATCH_BYTES;
    if (code == 0 && (copy->pending >= BATCH_RECORDS || copy->pending_bytes >= most))
        code = commit(copy, error);
    return code;
}

static bool is_zero(const char *data, size_t size)
{
    return data[0] == 0 && memcmp(data, data + 1, size - 1) == 0;
}

/* One run of stored bytes; the code with which it could not be read is in *ret_read. Zeros are left
 * out: a gap reads as zeros. */
static int copy_extent(struct copy *copy, const struct sfs_record *record, struct sfs_extent extent,
                       struct sfs_stage *stage, int *ret_read, struct sfs_error *failure,
                       struct sfs_error *error)
{
    uint64_t end = extent.offset + extent.size;
    int code = 0;
    for (uint64_t at = extent.offset; at < end && code == 0;) {
        size_t got = 0, size = end - at < PIECE ? (size_t)(end - at) : PIECE;
        *ret_read = sfs_read(copy->from, record->name, 0, at, copy->piece, size, &got, failure);
        if (*ret_read == 0 && got == 0)
            *ret_read = sfs_fail(failure, SFS_E_CORRUPT, ORIGIN, "a value ends before its size");
        if (*ret_read)
            return 0;
        if (!is_zero(copy->piece, got))
            code = sfs_stage_write(stage, at, sfs_bytes(copy->piece, got), error);
        at += got;
    }
    return code;
}

/* What the store keeps of the value, not the holes. *ret_read: the code with which `from` could not
 * be read, which is no failure of the stage. */
static int fill_stage(struct copy *copy, const struct sfs_record *record, struct sfs_stage *stage,
                      int *ret_read, struct sfs_error *failure, struct sfs_error *error)
{
    struct sfs_extent extent = {0};
    int code = 0;
    for (uint64_t at = 0; at < record->size && code == 0; at = extent.offset + extent.size) {
        int found = sfs_data(copy->from, record->name, at, &extent, failure);
        if (found == 0)
            break;
        *ret_read = found < 0 ? found : 0;
        if (found > 0)
            code = copy_extent(copy, record, extent, stage, ret_read, failure, error);
        if (*ret_read)
            return 0;
    }
    return code ? code : sfs_stage_truncate(stage, record->size, error);
}

static int put_large(struct copy *copy, const struct sfs_record *record, struct sfs_error *error)
{
    struct sfs_error failure = {0};
    struct sfs_stage *stage;
    int unread = 0;
    int code = commit(copy, error);
    if (code == 0)
        code = sfs_stage_open(copy->to, &stage, error);
    if (code)
        return code;
    code = fill_stage(copy, record, stage, &unread, &failure, error);
    if (code == 0 && unread)
        code = sfs_losses_pass(&copy->losses, unread, &failure, error);
    else if (code == 0) {
        code = sfs_batch_put_stage(copy->batch, record->name, stage, &record->attributes,
                                   mask_of(record), error);
        if (code == 0)
            code = add_xattrs(copy, record, error);
        copy->pending = 1;
        copy->pending_bytes = record->size;
        if (code == 0)
            code = commit(copy, error);
    }
    sfs_stage_close(stage);
    return code;
}

static int copy_records(struct copy *copy, struct sfs_error *error)
{
    const struct sfs_record *record;
    int code;
    while ((code = sfs_losses_next(&copy->losses, &record, error)) == 1) {
        code = (record->size >= LARGE ? put_large : put_small)(copy, record, error);
        if (code)
            return code;
    }
    return code ? code : commit(copy, error);
}

/* --- indexes --- */

struct names {
    struct sfs_buffer text;
};

static int add_name(void *context, const char *name, const struct sfs_index_stats *stats)
{
    struct names *names = context;
    (void)stats;
    return sfs_buffer_append(&names->text, name, strlen(name) + 1);
}

static int copy_index(struct copy *copy, const char *name, struct sfs_error *error)
{
    struct sfs_error failure = {0};
    int code = sfs_index_create(copy->to, sfs_string(name), NULL, NULL, &failure);
    if (code == 0)
        return 0;
    sfs_error_context(&failure, code, "the index %s is not made", name);
    if (code == SFS_E_EXISTS || code == SFS_E_UNSUPPORTED || code == SFS_E_INVALID ||
        code == SFS_E_TOO_LARGE)
        code = copy->options->keep_going ? SFS_E_DOUBTFUL : code;
    return sfs_losses_pass(&copy->losses, code, &failure, error);
}

static int copy_indexes(struct copy *copy, struct sfs_error *error)
{
    struct names names = {0};
    int code = sfs_index_list(copy->from, add_name, &names, error);
    if (code == SFS_E_UNSUPPORTED)
        code = 0;
    for (size_t at = 0; at < names.text.size && code == 0; at += strlen(names.text.data + at) + 1)
        code = copy_index(copy, names.text.data + at, error);
    sfs_buffer_free(&names.text);
    return code;
}

/* --- all --- */

static int copy_all(struct copy *copy, struct sfs_error *error)
{
    copy->losses =
        (struct sfs_losses){.store = copy->from, .options = copy->options, .result = copy->result};
    copy->piece = malloc(PIECE);
    if (!copy->piece)
        return sfs_fail_memory(error, ORIGIN);
    int code = sfs_batch_new(&copy->batch, error);
    if (code == 0)
        code = sfs_scan(copy->from, (struct sfs_range){0}, SFS_WANT_RECORD, &copy->losses.cursor,
                        error);
    if (code == 0)
        code = copy_records(copy, error);
    if (code == 0)
        code = copy_indexes(copy, error);
    if (code == 0)
        code = sfs_sync(copy->to, 0, error);
    sfs_cursor_close(copy->losses.cursor);
    sfs_batch_free(copy->batch);
    free(copy->piece);
    return code;
}

int sfs_copy(struct sfs_storage *from, struct sfs_storage *to,
             const struct sfs_bulk_options *options, struct sfs_bulk_result *ret_result,
             struct sfs_error *error)
{
    static const struct sfs_bulk_options defaults;
    struct sfs_bulk_result unwanted;
    struct copy copy = {
        .from = from,
        .to = to,
        .options = options ? options : &defaults,
        .result = ret_result ? ret_result : &unwanted,
    };
    struct sfs_storage *snapshot = NULL;
    *copy.result = (struct sfs_bulk_result){0};
    copy.total = sfs_records_ahead(from, copy.options);
    int code = 0;
    if (sfs_storage_capabilities(from) & SFS_CAN_SNAPSHOT)
        code = sfs_snapshot(from, 0, &snapshot, error);
    if (code)
        return code;
    copy.from = snapshot ? snapshot : from;
    code = copy_all(&copy, error);
    int closed = sfs_close(snapshot, code ? NULL : error);
    return code ? code : closed;
}
