/* SPDX-License-Identifier: MIT */
/* Saving: both new files are written whole beside the old ones, then put in their places in the
 * order that store.h explains. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include <xxhash.h>

#include "store.h"
#include "text.h"

#define ORIGIN SFS_JSON_ORIGIN
#define CHUNK ((size_t)1 << 18)

/* --- the content --- */

/* Hands on what is pending; with `in place` writing it stays in memory until the commit. */
static int flush(struct sfs_json_save *save, struct sfs_error *error)
{
    struct sfs_bytes bytes = sfs_buffer_bytes(&save->pending);
    if (save->content.fd < 0)
        return 0;
    if (XXH3_64bits_update(save->hash, bytes.data, bytes.size) != XXH_OK)
        return sfs_fail(error, SFS_E_IO, ORIGIN, "cannot compute the checksum");
    int result = sfs_write_all(save->content.fd, bytes, save->content.temporary, error);
    save->pending.size = 0;
    return result;
}

static int add_key(struct sfs_json_save *save, const struct sfs_record *record)
{
    bool pretty = save->store->options.pretty;
    struct sfs_buffer *pending = &save->pending;
    const char *before = save->any_key ? ",\n" : "{\n";
    save->any_key = true;
    if (sfs_buffer_append(pending, before, 2) || (pretty && sfs_buffer_append(pending, "  ", 2)) ||
        sfs_json_name_write(record->name, pending) || sfs_buffer_append(pending, ": ", 2))
        return SFS_E_NO_MEMORY;
    return sfs_json_value_write(sfs_record_value(record), pretty, pending);
}

static int add_record(struct sfs_json_save *save, const struct sfs_record *record,
                      struct sfs_error *error)
{
    if ((sfs_record_is_key(record) && add_key(save, record)) ||
        sfs_json_attributes_add(record, !save->any_record, &save->body))
        return sfs_fail_memory(error, ORIGIN);
    save->any_record = true;
    return save->pending.size >= CHUNK ? flush(save, error) : 0;
}

static int write_content(struct sfs_json_save *save, struct sfs_cursor *state,
                         struct sfs_error *error)
{
    const struct sfs_record *record = NULL;
    int result;
    while ((result = sfs_cursor_next(state, &record, error)) == 1) {
        result = add_record(save, record, error);
        if (result)
            return result;
    }
    if (result)
        return result;
    if (sfs_buffer_append(&save->pending, save->any_key ? "\n}" : "{}", 2))
        return sfs_fail_memory(error, ORIGIN);
    result = flush(save, error);
    if (result)
        return result;
    save->content_hash = save->content.fd < 0 ? XXH3_64bits(save->pending.data, save->pending.size)
                                              : XXH3_64bits_digest(save->hash);
    return 0;
}

/* --- preparing --- */

static int begin(const struct sfs_json_store *store, const char *path,
                 struct sfs_replacement *ret_replacement, struct sfs_error *error)
{
    int result = sfs_replacement_begin(path, ret_replacement, error);
    if (!result)
        ret_replacement->accept_unsynced = !store->options.dirsync;
    return result;
}

/* PATH is what we wrote. */
static void take_as_ours(struct sfs_json_store *store, const struct stat *status, uint64_t hash)
{
    store->seen = (struct sfs_identity){true, *status};
    store->content_hash = hash;
    store->attributes_fit = true;
    store->in_doubt = false;
}

/* Programs that know nothing of our lock must not lose what they wrote. 1: PATH is not there. */
static int check_unchanged(struct sfs_json_store *store, struct sfs_error *error)
{
    struct stat status;
    if (store->in_doubt && stat(store->path, &status) == 0) {
        if (sfs_identity_same(&status, &store->doubtful))
            take_as_ours(store, &status, store->doubtful_hash);
        store->in_doubt = false;
    }
    return sfs_identity_compare(&store->seen, store->path, ORIGIN, error);
}

int sfs_json_save_check(struct sfs_json_store *store, struct sfs_error *error)
{
    const struct sfs_identity attributes = {true, store->attributes_seen};
    int result = check_unchanged(store, error);
    if (result == 0 && store->attributes_fit &&
        sfs_identity_compare(&attributes, store->attributes, ORIGIN, NULL) != 0) {
        store->attributes_fit = false;
        result = 1;
    }
    return result;
}

static int write_attributes(struct sfs_json_save *save, uint64_t sequence,
                            const struct sfs_index_set *indexes, struct sfs_error *error)
{
    struct sfs_buffer text = {0};
    uint64_t last_id = sfs_memory_engine_last_id(save->store->base.engine);
    int result = begin(save->store, save->store->attributes, &save->attributes, error);
    if (result)
        return result;
    if (sfs_json_attributes_text(sfs_buffer_bytes(&save->body), save->content_hash, sequence,
                                 last_id, indexes, &text))
        result = sfs_fail_memory(error, ORIGIN);
    else
        result = sfs_write_all(save->attributes.fd, sfs_buffer_bytes(&text),
                               save->attributes.temporary, error);
    if (!result && fstat(save->attributes.fd, &save->attributes_status))
        result =
            sfs_fail_errno(error, errno, ORIGIN, "cannot stat '%s'", save->attributes.temporary);
    sfs_buffer_free(&text);
    return result;
}

static int prepare(struct sfs_json_save *save, struct sfs_cursor *state, uint64_t sequence,
                   struct sfs_error *error)
{
    int result = check_unchanged(save->store, error);
    result = result < 0 ? result : 0;
    save->hash = XXH3_createState();
    if (!result && (!save->hash || XXH3_64bits_reset(save->hash) != XXH_OK))
        result = sfs_fail_memory(error, ORIGIN);
    if (!result && save->store->options.atomic)
        result = begin(save->store, save->store->path, &save->content, error);
    if (!result)
        result = write_content(save, state, error);
    if (result)
        return result;
    return write_attributes(save, sequence, sfs_memory_cursor_indexes(state), error);
}

int sfs_json_save_prepare(struct sfs_json_store *store, struct sfs_cursor *state, uint64_t sequence,
                          struct sfs_json_save *ret_save, struct sfs_error *error)
{
    struct sfs_json_save save = {.store = store, .content.fd = -1, .attributes.fd = -1};
    int result = prepare(&save, state, sequence, error);
    result = sfs_identity_unplaced(result, store->path, ORIGIN, error);
    if (result)
        sfs_json_save_end(&save);
    else
        *ret_save = save;
    return result;
}

/* --- committing --- */

int sfs_json_save_rotate(struct sfs_json_save *save, struct sfs_error *error)
{
    struct sfs_json_store *store = save->store;
    if (!store->seen.exists || !store->attributes_fit)
        return 0;
    if (rename(store->attributes, store->previous) && errno != ENOENT)
        return sfs_fail_errno(error, errno, ORIGIN, "cannot rename '%s'", store->attributes);
    store->attributes_fit = false;
    return 0;
}

int sfs_json_save_attributes(struct sfs_json_save *save, struct sfs_error *error)
{
    return sfs_replacement_commit(&save->attributes, error);
}

static int overwrite(struct sfs_json_save *save, struct sfs_error *error)
{
    const char *path = save->store->path;
    int fd = -1;
    int result = sfs_file_open(AT_FDCWD, path, O_WRONLY | O_CREAT, path, &fd, error);
    if (result)
        return result;
    if (ftruncate(fd, 0))
        result = sfs_fail_errno(error, errno, ORIGIN, "cannot write '%s'", path);
    if (!result)
        result = sfs_write_all(fd, sfs_buffer_bytes(&save->pending), path, error);
    if (!result)
        result = sfs_sync_file(fd, path, error);
    if (!result && fstat(fd, &save->status))
        result = sfs_fail_errno(error, errno, ORIGIN, "cannot stat '%s'", path);
    if (close(fd) && !result)
        result = sfs_fail_errno(error, errno, ORIGIN, "cannot write '%s'", path);
    return result;
}

/* What is on the disk after the commit was tried: the new content, the old one, or, where writing
 * in place failed, neither. */
static void look_again(struct sfs_json_save *save, bool failed)
{
    struct sfs_json_store *store = save->store;
    struct stat status;
    bool in_place = save->store->options.atomic == false;
    store->attributes_seen = save->attributes_status;
    if (!failed) {
        take_as_ours(store, &save->status, save->content_hash);
    } else if (stat(store->path, &status)) {
        store->in_doubt = true;
        store->doubtful = save->status;
        store->doubtful_hash = save->content_hash;
    } else if (sfs_identity_same(&status, &save->status)) {
        take_as_ours(store, &status, save->content_hash);
    } else if (in_place) {
        store->seen.status = status;
    }
}

int sfs_json_save_content(struct sfs_json_save *save, struct sfs_error *error)
{
    struct sfs_json_store *store = save->store;
    int result = 0;
    if (!store->options.atomic)
        result = overwrite(save, error);
    else if (fstat(save->content.fd, &save->status))
        result = sfs_fail_errno(error, errno, ORIGIN, "cannot stat '%s'", save->content.temporary);
    else
        result = sfs_replacement_commit(&save->content, error);
    store->dirty = result != 0;
    look_again(save, result != 0);
    /* One that cannot be removed does no harm: its hash tells that it is not wanted. */
    if (!result)
        (void)unlink(store->previous);
    return result;
}

void sfs_json_save_end(struct sfs_json_save *save)
{
    sfs_replacement_abandon(&save->content);
    sfs_replacement_abandon(&save->attributes);
    sfs_buffer_free(&save->pending);
    sfs_buffer_free(&save->body);
    XXH3_freeState(save->hash);
}

int sfs_json_save(struct sfs_json_store *store, struct sfs_cursor *state, uint64_t sequence,
                  struct sfs_error *error)
{
    struct sfs_json_save save;
    int result = sfs_json_save_prepare(store, state, sequence, &save, error);
    if (result)
        return result;
    result = sfs_json_save_rotate(&save, error);
    if (!result)
        result = sfs_json_save_attributes(&save, error);
    if (!result)
        result = sfs_json_save_content(&save, error);
    sfs_json_save_end(&save);
    return result;
}

static int write_all_attributes(struct sfs_json_save *save, uint64_t sequence,
                                struct sfs_error *error)
{
    struct sfs_storage *storage = &save->store->base.storage;
    const struct sfs_record *record = NULL;
    struct sfs_cursor *cursor = NULL;
    int result = sfs_memory_read_operations()->scan(storage, (struct sfs_range){0}, SFS_WANT_VALUE,
                                                    &cursor, error);
    if (result)
        return result;
    while ((result = sfs_cursor_next(cursor, &record, error)) == 1) {
        if (sfs_json_attributes_add(record, !save->any_record, &save->body)) {
            result = sfs_fail_memory(error, ORIGIN);
            break;
        }
        save->any_record = true;
    }
    if (!result)
        result = write_attributes(save, sequence, sfs_memory_cursor_indexes(cursor), error);
    sfs_cursor_close(cursor);
    return result;
}

int sfs_json_save_adopt(struct sfs_json_store *store, uint64_t sequence, struct sfs_error *error)
{
    struct sfs_json_save save = {.store = store, .content.fd = -1, .attributes.fd = -1};
    save.content_hash = store->content_hash;
    int result = write_all_attributes(&save, sequence, error);
    if (!result)
        result = sfs_replacement_commit(&save.attributes, error);
    if (!result) {
        store->attributes_fit = true;
        store->attributes_seen = save.attributes_status;
    }
    sfs_json_save_end(&save);
    return result;
}
