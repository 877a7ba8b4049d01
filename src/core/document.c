/* SPDX-License-Identifier: MIT */
/*
 * Edits of a document in a store: read, edit, put if nobody was faster, else again. No lock is held, so
 * that it works between processes as between threads.
 */
#include <inttypes.h>

#include "core/document.h"
#include "util/clock.h"

#define ORIGIN "document"
#define PATIENCE (30 * SFS_NS_PER_SECOND)
#define LARGE ((size_t)1 << 20) /* bytes of a value that is staged … */
#define PIECE ((size_t)1 << 20) /* … in such pieces */
#define AT_ONCE 2 /* retries before the first pause */

static int check_record(const struct sfs_record *record, struct sfs_error *error)
{
    char shown[200];
    sfs_name_show(record->name, shown, sizeof(shown));
    if (!sfs_record_is_key(record))
        return sfs_fail(error, SFS_E_UNSUPPORTED, ORIGIN, "'%s' is a link or a device, not a document", shown);
    if (record->size > SFS_DOCUMENT_MAX)
        return sfs_fail(error, SFS_E_TOO_LARGE, ORIGIN,
                        "'%s' has %" PRIu64 " bytes: members are read and changed in a value of at most %zu", shown,
                        record->size, SFS_DOCUMENT_MAX);
    return 0;
}

/* The record with its value; *ret_record NULL where there is no such key. A value is not read before it
 * is known to be no larger than a document. */
static int read_key(struct sfs_storage *store, struct sfs_bytes key,
                    const struct sfs_record **ret_record, struct sfs_error *error)
{
    struct sfs_error failure;
    const struct sfs_record *record = NULL;
    int code = sfs_key_check(key, error);
    if (code)
        return code;
    for (unsigned want = SFS_WANT_RECORD; want <= SFS_WANT_VALUE; want++) {
        sfs_record_unref(record);
        record = NULL;
        code = sfs_get(store, key, want, &record, &failure);
        if (code == 0)
            code = check_record(record, &failure);
        if (code || sfs_record_has_value(record))
            break;
    }
    if (code == 0) {
        *ret_record = record;
        return 0;
    }
    sfs_record_unref(record);
    *ret_record = NULL;
    if (code != SFS_E_NOT_FOUND && error)
        *error = failure;
    return code == SFS_E_NOT_FOUND ? 0 : code;
}

/* A large value goes by pieces, between which others commit, and lies in memory once only. */
static int add_put(struct sfs_storage *store, struct sfs_batch *batch, struct sfs_bytes key,
                   struct sfs_bytes value, const struct sfs_attributes *attributes, unsigned mask,
                   struct sfs_stage **ret_stage, struct sfs_error *error)
{
    struct sfs_attributes typed = {0};
    if (value.size < LARGE)
        return sfs_batch_put(batch, key, value, attributes, mask, error);
    if (attributes != NULL)
        typed = *attributes;
    if (!(mask & SFS_ATTRIBUTE_TYPE)) /* else the stage would be read whole for it */
        typed.type = sfs_type_of(value);
    int code = sfs_stage_open(store, ret_stage, error);
    for (size_t done = 0; code == 0 && done < value.size; done += PIECE) {
        size_t size = value.size - done < PIECE ? value.size - done : PIECE;
        struct sfs_bytes piece = sfs_bytes((const char *)value.data + done, size);
        code = sfs_stage_write(*ret_stage, done, piece, error);
    }
    return code == 0 ? sfs_batch_put_stage(batch, key, *ret_stage, &typed,
                                           mask | SFS_ATTRIBUTE_TYPE, error)
                     : code;
}

static int put(struct sfs_storage *store, struct sfs_bytes key, uint64_t revision,
               struct sfs_bytes value, const struct sfs_document_options *options,
               struct sfs_error *error)
{
    const struct sfs_apply_options apply = {.durable = options->durable};
    const struct sfs_attributes *attributes = revision == 0 ? options->attributes : NULL;
    uint64_t sequence = 0;
    struct sfs_batch *batch;
    struct sfs_stage *stage = NULL;
    int code = sfs_batch_new(&batch, error);
    if (code)
        return code;
    code = sfs_batch_require_revision(batch, key, revision, error);
    if (code == 0)
        code = add_put(store, batch, key, value, attributes, attributes != NULL ? options->mask : 0,
                       &stage, error);
    if (code == 0)
        code = sfs_apply(store, batch, &apply, &sequence, error);
    if (code == 0 && options->ret_revision != NULL)
        *options->ret_revision = sequence;
    sfs_batch_free(batch);
    sfs_stage_close(stage);
    return code;
}

static int changed(struct sfs_bytes key, struct sfs_error *error)
{
    char shown[200];
    return sfs_fail(error, SFS_E_CONFLICT, ORIGIN, "'%s' was changed by somebody else",
                    sfs_name_show(key, shown, sizeof(shown)));
}

/* *ret_conflict: somebody else was first, which says nothing about what the function fails with. */
static int attempt(struct sfs_storage *store, struct sfs_bytes key, sfs_document_edit_function *function,
                   void *context, const struct sfs_document_options *options, bool *ret_conflict,
                   struct sfs_error *error)
{
    const struct sfs_record *record = NULL;
    struct sfs_buffer out = {0};
    struct sfs_bytes text = {NULL, 0};
    *ret_conflict = false;
    int code = read_key(store, key, &record, error);
    if (code)
        return code;
    if (options->revision != 0 && (record == NULL || record->revision != options->revision)) {
        sfs_record_unref(record);
        return changed(key, error);
    }
    if (record != NULL)
        text = record->size > 0 ? sfs_record_value(record) : SFS_LITERAL("");
    code = function(context, text, &out, error);
    uint64_t revision = record != NULL ? record->revision : 0;
    sfs_record_unref(
        record); /* before the store takes the new text: two copies of a large one are enough */
    if (code == SFS_DOCUMENT_PUT) {
        code = put(store, key, revision, sfs_buffer_bytes(&out), options, error);
        *ret_conflict = code == SFS_E_CONFLICT && options->revision == 0;
    }
    sfs_buffer_free(&out);
    return code == SFS_DOCUMENT_KEEP ? 0 : code;
}

int sfs_document_edit(struct sfs_storage *store, struct sfs_bytes key,
                      sfs_document_edit_function *function, void *context,
                      const struct sfs_document_options *options, struct sfs_error *error)
{
    static const struct sfs_document_options defaults = {0};
    int64_t until = sfs_clock_monotonic() + PATIENCE;
    bool conflict = true;
    int code = 0;
    options = options != NULL ? options : &defaults;
    for (unsigned retry = 0; conflict && (retry == 0 || sfs_clock_monotonic() < until); retry++) {
        if (retry > AT_ONCE)
            sfs_clock_pause(retry - AT_ONCE);
        code = attempt(store, key, function, context, options, &conflict, error);
    }
    return code;
}

/* --- the edits there are --- */

struct edit {
    struct sfs_bytes key;
    struct sfs_document_path path;
    struct sfs_document_path to;
    struct sfs_bytes json;
    unsigned flags;
};

static int no_key(const struct edit *edit, struct sfs_error *error)
{
    char shown[200];
    return sfs_fail(error, SFS_E_NOT_FOUND, ORIGIN, "there is no key '%s'",
                    sfs_name_show(edit->key, shown, sizeof(shown)));
}

/* The whole value of a new key: what is set, as it stands, on a line. */
static int make(const struct edit *edit, struct sfs_buffer *out, struct sfs_error *error)
{
    int code = sfs_document_text_set(SFS_LITERAL("null"), edit->path, edit->json, 0, out, error);
    if (code == 0 && sfs_buffer_byte(out, '\n'))
        code = sfs_fail_memory(error, ORIGIN);
    return code;
}

static int edit_set(void *context, struct sfs_bytes text, struct sfs_buffer *out,
                    struct sfs_error *error)
{
    const struct edit *edit = context;
    bool makes = edit->path.count == 0 && !(edit->flags & SFS_DOCUMENT_REPLACE);
    if (text.data == NULL)
        return makes ? make(edit, out, error) : no_key(edit, error);
    return sfs_document_text_set(text, edit->path, edit->json, edit->flags, out, error);
}

static int edit_remove(void *context, struct sfs_bytes text, struct sfs_buffer *out,
                       struct sfs_error *error)
{
    const struct edit *edit = context;
    if (text.data == NULL)
        return no_key(edit, error);
    return sfs_document_text_remove(text, edit->path, edit->flags, out, error);
}

static int edit_move(void *context, struct sfs_bytes text, struct sfs_buffer *out,
                     struct sfs_error *error)
{
    const struct edit *edit = context;
    if (text.data == NULL)
        return no_key(edit, error);
    return sfs_document_text_move(text, edit->path, edit->to, edit->flags, out, error);
}

int sfs_document_get(struct sfs_storage *store, struct sfs_bytes key, struct sfs_document_path path,
                     struct sfs_buffer *out, struct sfs_error *error)
{
    const struct sfs_record *record;
    struct sfs_bytes value;
    int code = read_key(store, key, &record, error);
    if (code)
        return code;
    if (record == NULL)
        return no_key(&(struct edit){.key = key}, error);
    code = sfs_document_text_get(sfs_record_value(record), path, &value, error);
    if (code == 0 && sfs_buffer_add(out, value))
        code = sfs_fail_memory(error, ORIGIN);
    sfs_record_unref(record);
    return code;
}

int sfs_document_set(struct sfs_storage *store, struct sfs_bytes key, struct sfs_document_path path,
                     struct sfs_bytes json, unsigned flags, struct sfs_error *error)
{
    struct edit edit = {.key = key, .path = path, .json = json, .flags = flags};
    return sfs_document_edit(store, key, edit_set, &edit, NULL, error);
}

int sfs_document_remove(struct sfs_storage *store, struct sfs_bytes key, struct sfs_document_path path,
                        unsigned flags, struct sfs_error *error)
{
    struct edit edit = {.key = key, .path = path, .flags = flags};
    return sfs_document_edit(store, key, edit_remove, &edit, NULL, error);
}

int sfs_document_move(struct sfs_storage *store, struct sfs_bytes key, struct sfs_document_path from,
                      struct sfs_document_path to, unsigned flags, struct sfs_error *error)
{
    struct edit edit = {.key = key, .path = from, .to = to, .flags = flags};
    return sfs_document_edit(store, key, edit_move, &edit, NULL, error);
}
