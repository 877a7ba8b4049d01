/* SPDX-License-Identifier: MIT */
/* Documents saved to and loaded from a key of a store, or a plain file. */
#include <stdlib.h>

#include "attribute_index/files.h"
#include "core/batch.h"
#include "core/stage.h"
#include "util/file.h"
#include "util/place.h"

#define FILE_MAX ((size_t)1 << 40)
#define FILE_PIECE ((size_t)1 << 20)
#define STORE_PIECE ((size_t)32 << 20) /* more goes through a stage, which costs a second copy */
/* Of a document, for each pair of an entity, in bytes; rather too many, as growing costs copies. */
#define ENTRY_SIZE 80

/* A path, or a key for sentences, as a C string. */
static int text_of(struct sfs_bytes where, char **ret_text, struct sfs_error *error)
{
    if (where.size == 0 || memchr(where.data, '\0', where.size))
        return sfs_fail(error, SFS_E_INVALID, SFS_ATTRIBUTE_ORIGIN,
                        "the place of the document is missing, or has a NUL in it");
    *ret_text = strndup(where.data, where.size);
    return *ret_text ? 0 : sfs_fail_memory(error, SFS_ATTRIBUTE_ORIGIN);
}

/* --- plain files --- */

static int write_piece(void *context, struct sfs_bytes bytes, struct sfs_error *error)
{
    struct sfs_replacement *replacement = context;
    return sfs_write_all(replacement->fd, bytes, replacement->temporary, error);
}

static int save_file(const struct sfs_inverted *inverted, int64_t time, const char *path,
                     struct sfs_error *error)
{
    struct sfs_replacement replacement;
    struct sfs_document_sink sink = {write_piece, &replacement, FILE_PIECE};
    struct sfs_buffer last = {0};
    int result = sfs_place_make_parents(path, error);
    if (!result)
        result = sfs_replacement_begin(path, &replacement, error);
    if (result)
        return result;
    replacement.accept_unsynced = true; /* a plain file, of which nothing more is promised */
    result = sfs_document_write(inverted, time, &sink, &last, error);
    if (!result)
        result = write_piece(&replacement, sfs_buffer_bytes(&last), error);
    sfs_buffer_free(&last);
    if (!result)
        return sfs_replacement_commit(&replacement, error);
    sfs_replacement_abandon(&replacement);
    return result;
}

static int load_file(const char *path, struct sfs_inverted *inverted, struct sfs_error *error)
{
    struct sfs_buffer text = {0};
    int result = sfs_file_read(path, FILE_MAX, &text, error);
    if (!result)
        result = sfs_document_read(sfs_buffer_bytes(&text), path, inverted, error);
    sfs_buffer_free(&text);
    return result;
}

/* --- keys of a store --- */

/* What is too large for one piece goes through a stage. */
struct staged {
    struct sfs_storage *store;
    struct sfs_stage *stage;
};

static int stage_piece(void *context, struct sfs_bytes bytes, struct sfs_error *error)
{
    struct staged *staged = context;
    int result = staged->stage ? 0 : sfs_stage_open(staged->store, &staged->stage, error);
    return result ? result
                  : sfs_stage_write(staged->stage, sfs_stage_size(staged->stage), bytes, error);
}

static int add_to_batch(struct staged *staged, struct sfs_bytes key, struct sfs_bytes last,
                        struct sfs_batch *batch, struct sfs_error *error)
{
    int result = staged->stage ? stage_piece(staged, last, error) : 0;
    bool huge = staged->stage && sfs_stage_size(staged->stage) > SFS_STAGE_JSON_MAX;
    enum sfs_type type = huge ? SFS_TYPE_TEXT : SFS_TYPE_JSON;
    return result ? result : sfs_batch_put_known(batch, key, last, staged->stage, type, error);
}

int sfs_document_store(struct sfs_storage *store, struct sfs_bytes key,
                       const struct sfs_inverted *inverted, int64_t time, struct sfs_batch *batch,
                       struct sfs_error *error)
{
    static const struct sfs_apply_options durable = {.durable = true};
    struct staged staged = {.store = store};
    struct sfs_document_sink sink = {stage_piece, &staged, STORE_PIECE};
    struct sfs_buffer last = {0};
    uint64_t size = inverted->entries * ENTRY_SIZE;
    int result = sfs_attribute_fail(
        error, sfs_buffer_reserve(&last, size < STORE_PIECE ? (size_t)size : STORE_PIECE));
    if (!result)
        result = sfs_document_write(inverted, time, &sink, &last, error);
    if (!result)
        result = add_to_batch(&staged, key, sfs_buffer_bytes(&last), batch, error);
    if (!result)
        result = sfs_apply(store, batch, &durable, NULL, error);
    sfs_stage_close(staged.stage);
    sfs_buffer_free(&last);
    return result;
}

static int save_key(const struct sfs_attribute_index *index, const struct sfs_inverted *inverted,
                    struct sfs_bytes key, struct sfs_error *error)
{
    struct sfs_batch *batch;
    int result = sfs_batch_new(&batch, error);
    if (result)
        return result;
    result =
        sfs_document_store(index->store, key, inverted, index->now(index->context), batch, error);
    sfs_batch_free(batch);
    return result;
}

int sfs_document_fetch(struct sfs_storage *store, struct sfs_bytes key,
                       struct sfs_inverted *inverted, uint64_t *ret_revision,
                       struct sfs_error *error)
{
    const struct sfs_record *record = NULL;
    char shown[200];
    int result = sfs_get(store, key, SFS_WANT_VALUE, &record, error);
    if (!result && !sfs_record_is_key(record))
        result = SFS_E_NOT_FOUND;
    sfs_name_show(key, shown, sizeof(shown));
    if (result == SFS_E_NOT_FOUND)
        result = sfs_fail(error, result, SFS_ATTRIBUTE_ORIGIN, "there is no key '%s'", shown);
    if (!result)
        result = sfs_document_read(sfs_record_value(record), shown, inverted, error);
    if (!result)
        *ret_revision = record->revision;
    sfs_record_unref(record);
    return result;
}

/* --- either --- */

/* The head of the postings themselves is no place for a document: that is what converting is for.
 */
static int check_place(const struct sfs_attribute_index *index, struct sfs_bytes where,
                       struct sfs_error *error)
{
    char shown[200];
    if (!sfs_bytes_equal(where, sfs_buffer_bytes(&index->key)))
        return 0;
    return sfs_fail(error, SFS_E_INVALID, SFS_ATTRIBUTE_ORIGIN,
                    "'%s' is where the postings are: convert the index, or save it elsewhere",
                    sfs_name_show(where, shown, sizeof(shown)));
}

int sfs_attribute_index_save(struct sfs_attribute_index *index, struct sfs_bytes where,
                             struct sfs_error *error)
{
    struct sfs_inverted own = {0};
    struct sfs_inverted *inverted;
    char *name;
    int result = text_of(where, &name, error);
    if (result)
        return result;
    result = check_place(index, where, error);
    if (!result)
        result = index->layout->get(index, &own, &inverted, error);
    if (!result)
        result = index->store ? save_key(index, inverted, where, error)
                              : save_file(inverted, index->now(index->context), name, error);
    sfs_inverted_free(&own);
    free(name);
    return result;
}

int sfs_attribute_index_load(struct sfs_attribute_index *index, struct sfs_bytes where,
                             struct sfs_error *error)
{
    struct sfs_inverted loaded;
    uint64_t revision;
    char *name;
    int result = text_of(where, &name, error);
    if (result)
        return result;
    sfs_inverted_init(&loaded);
    result = check_place(index, where, error);
    if (!result)
        result = index->store ? sfs_document_fetch(index->store, where, &loaded, &revision, error)
                              : load_file(name, &loaded, error);
    if (!result)
        result = index->layout->put(index, &loaded, error);
    sfs_inverted_free(&loaded);
    free(name);
    return result;
}
