/* SPDX-License-Identifier: MIT */
/*
 * Loading a JSON object file. The outermost object is walked here, value by value, since the white
 * space around its values belongs to them, and since a value may itself be as deep as JSON may be.
 */
#include <errno.h>
#include <xxhash.h>

#include "load.h"
#include "text.h"
#include "util/clock.h"

#define ORIGIN SFS_JSON_ORIGIN

static int fail_at(struct sfs_json_loading *loading, size_t offset, const char *reason)
{
    loading->failed_at = offset;
    size_t line = 0;
    size_t column = 0;
    sfs_json_place(loading->text, offset, &line, &column);
    loading->store->content_damaged = true;
    return sfs_fail(loading->error, SFS_E_CORRUPT, ORIGIN,
                    "'%s' is damaged at line %zu, column %zu (byte %zu): %s", loading->store->path,
                    line, column, offset, reason);
}

char sfs_json_load_byte(const struct sfs_json_loading *loading)
{
    return loading->at < loading->text.size ? ((const char *)loading->text.data)[loading->at] : 0;
}

void sfs_json_load_space(struct sfs_json_loading *loading)
{
    while (loading->at < loading->text.size && strchr(" \t\r\n", sfs_json_load_byte(loading)) &&
           sfs_json_load_byte(loading))
        loading->at++;
}

bool sfs_json_load_take(struct sfs_json_loading *loading, char byte)
{
    if (sfs_json_load_byte(loading) != byte)
        return false;
    loading->at++;
    return true;
}

/* --- one record --- */

/* What a key has that nobody gave attributes. */
static struct sfs_attributes plain_attributes(const struct sfs_json_loading *loading)
{
    int64_t time = sfs_clock_nanoseconds(loading->store->seen.status.st_mtim);
    return (struct sfs_attributes){
        .mode = SFS_MODE_DEFAULT,
        .uid = SFS_OWNER_NONE,
        .gid = SFS_OWNER_NONE,
        .created = time,
        .accessed = time,
        .modified = time,
        .changed = time,
    };
}

/* The record that PATH.attrs has for a name, if it is that of a key. */
static const struct sfs_record *find_attributes(const struct sfs_json_loading *loading,
                                                struct sfs_bytes name)
{
    if (!loading->attributes)
        return NULL;
    const struct sfs_record *found = sfs_tree_find(&loading->attributes->records, name);
    return found && sfs_record_is_key(found) ? found : NULL;
}

const struct sfs_record *sfs_json_load_key(const struct sfs_json_loading *loading)
{
    struct sfs_bytes name = sfs_buffer_bytes(&loading->name);
    struct sfs_bytes value = sfs_buffer_bytes(&loading->value);
    const struct sfs_record *known = find_attributes(loading, name);
    struct sfs_attributes attributes = plain_attributes(loading);
    int64_t time = attributes.modified;
    if (known)
        attributes = known->attributes;
    if (known && !loading->exact)
        attributes.modified = attributes.changed = time;
    if (!attributes.type_set)
        attributes.type = sfs_type_of(value);
    struct sfs_blob *blob = sfs_blob_new(value);
    if (!blob)
        return NULL;
    const struct sfs_record *record = sfs_record_new(
        name, known && loading->exact ? known->revision : loading->revision, value.size,
        &attributes, known ? known->xattrs : (struct sfs_bytes){0}, blob);
    sfs_blob_unref(blob);
    return record;
}

static int load_key(struct sfs_json_loading *loading)
{
    const struct sfs_record *record = sfs_json_load_key(loading);
    if (!record)
        return sfs_fail_memory(loading->error, ORIGIN);
    int result = sfs_memory_engine_load(loading->store->base.engine, record, loading->error);
    sfs_record_unref(record);
    return result;
}

/* --- the object --- */

static int fail_key(struct sfs_json_loading *loading, size_t offset, int code, const char *why)
{
    size_t line = 0;
    size_t column = 0;
    char shown[160];
    loading->failed_at = offset;
    sfs_json_place(loading->text, offset, &line, &column);
    return sfs_fail(loading->error, code, ORIGIN,
                    "'%s' has in line %zu a key that a store cannot hold, '%s': %s",
                    loading->store->path, line,
                    sfs_name_show(sfs_buffer_bytes(&loading->name), shown, sizeof(shown)), why);
}

static int read_name(struct sfs_json_loading *loading)
{
    struct sfs_json literal;
    struct sfs_json_problem problem;
    struct sfs_error why = {0};
    size_t begin = loading->at;
    if (sfs_json_load_byte(loading) != '"')
        return fail_at(loading, begin, "a key in quotes is missing");
    if (!sfs_json_scan(loading->text, begin, &literal, &problem))
        return fail_at(loading, problem.offset, problem.reason);
    loading->at += literal.text.size;
    loading->name.size = 0;
    int result = sfs_json_name_read(literal, &loading->name);
    if (result == SFS_E_INVALID)
        return fail_key(loading, begin, result, "it has a surrogate that stands for no byte");
    if (result)
        return sfs_fail_memory(loading->error, ORIGIN);
    result = sfs_key_check(sfs_buffer_bytes(&loading->name), &why);
    return result ? fail_key(loading, begin, result, why.message) : 0;
}

/* The value with the white space that belongs to it. Leaves `at` at the comma or the brace. */
static int read_value(struct sfs_json_loading *loading)
{
    struct sfs_json value;
    struct sfs_json_problem problem;
    const char *data = loading->text.data;
    size_t begin = loading->at + (sfs_json_load_byte(loading) == ' ');
    sfs_json_load_space(loading);
    if (!sfs_json_scan(loading->text, loading->at, &value, &problem))
        return fail_at(loading, problem.offset, problem.reason);
    loading->at += value.text.size;
    sfs_json_load_space(loading);
    size_t end = loading->at;
    if (sfs_json_load_byte(loading) == '}' && data[end - 1] == '\n')
        end--;
    loading->value.size = 0;
    if (sfs_json_value_read(value, sfs_bytes(data + begin, end - begin), &loading->value))
        return sfs_fail_memory(loading->error, ORIGIN);
    return 0;
}

int sfs_json_load_member(struct sfs_json_loading *loading)
{
    sfs_json_load_space(loading);
    int result = read_name(loading);
    if (result)
        return result;
    sfs_json_load_space(loading);
    if (!sfs_json_load_take(loading, ':'))
        return fail_at(loading, loading->at, "a colon is missing");
    return read_value(loading);
}

static int load_member(struct sfs_json_loading *loading)
{
    int result = sfs_json_load_member(loading);
    return result ? result : load_key(loading);
}

static int load_object(struct sfs_json_loading *loading)
{
    sfs_json_load_space(loading);
    if (!sfs_json_load_take(loading, '{')) {
        struct sfs_json_problem problem;
        if (!sfs_json_check(loading->text, &problem))
            return fail_at(loading, problem.offset, problem.reason);
        return sfs_fail(loading->error, SFS_E_NOT_A_STORE, ORIGIN,
                        "'%s' holds JSON, but no object; it is left as it is",
                        loading->store->path);
    }
    sfs_json_load_space(loading);
    bool more = sfs_json_load_byte(loading) != '}';
    while (more) {
        int result = load_member(loading);
        if (result)
            return result;
        more = sfs_json_load_take(loading, ',');
    }
    if (!sfs_json_load_take(loading, '}'))
        return fail_at(loading, loading->at, "a comma or } is missing");
    sfs_json_load_space(loading);
    if (loading->at < loading->text.size)
        return fail_at(loading, loading->at, "something follows the object");
    return 0;
}

/* --- markers, links and devices --- */

/* Where another program rewrote PATH it may have made a key where a link was: the key counts. */
static bool is_taken(const struct sfs_json_loading *loading, struct sfs_bytes name)
{
    const struct sfs_record *record = NULL;
    struct sfs_storage *storage = &loading->store->base.storage;
    if (loading->exact ||
        sfs_memory_read_operations()->get(storage, name, SFS_WANT_RECORD, &record, NULL))
        return false;
    sfs_record_unref(record);
    return true;
}

static int load_other(const struct sfs_json_loading *loading, const struct sfs_record *known)
{
    struct sfs_attributes attributes = known->attributes;
    if (!attributes.type_set)
        attributes.type = sfs_type_of(sfs_record_value(known));
    const struct sfs_record *record =
        sfs_record_new(known->name, loading->exact ? known->revision : loading->revision,
                       known->size, &attributes, known->xattrs, known->blob);
    if (!record)
        return sfs_fail_memory(loading->error, ORIGIN);
    int result = sfs_memory_engine_load(loading->store->base.engine, record, loading->error);
    sfs_record_unref(record);
    return result;
}

static int load_others(const struct sfs_json_loading *loading)
{
    const struct sfs_record *known;
    if (!loading->attributes)
        return 0;
    struct sfs_tree_cursor cursor =
        sfs_tree_seek(&loading->attributes->records, (struct sfs_bytes){0});
    while ((known = sfs_tree_next(&cursor))) {
        if (sfs_record_is_key(known) || is_taken(loading, known->name))
            continue;
        int result = load_other(loading, known);
        if (result)
            return result;
    }
    return 0;
}

static int load_indexes(const struct sfs_json_loading *loading)
{
    struct sfs_bytes names = sfs_buffer_bytes(&loading->attributes->indexes);
    size_t at = 0;
    int result = 0;
    while (!result && at < names.size) {
        struct sfs_bytes name = sfs_string((const char *)names.data + at);
        result = sfs_memory_engine_load_index(loading->store->base.engine, name, loading->error);
        at += name.size + 1;
    }
    return result;
}

/* --- both files --- */

static int load_with(struct sfs_json_loading *loading, const struct sfs_json_attributes *attributes)
{
    struct sfs_json_store *store = loading->store;
    uint64_t sequence = 0;
    if (attributes) {
        loading->attributes = attributes;
        loading->exact = attributes->hash == store->content_hash;
        sequence = attributes->sequence;
        sfs_memory_engine_counters(store->base.engine, sequence, attributes->last_id);
    }
    loading->revision = sequence + 1;
    int result = loading->store->salvage ? sfs_json_salvage(loading) : load_object(loading);
    if (!result)
        result = load_others(loading);
    return result || !attributes ? result : load_indexes(loading);
}

static bool fits(const struct sfs_json_store *store, const struct sfs_json_attributes *attributes)
{
    return attributes->found && attributes->hash == store->content_hash;
}

static int read_attributes(const struct sfs_json_loading *loading, const char *path,
                           struct sfs_json_attributes *ret_attributes)
{
    struct sfs_json_store *store = loading->store;
    struct sfs_error failure = {0};
    int result = sfs_json_attributes_read(path, ret_attributes, &failure);
    if (store->salvage && result && result != SFS_E_NO_MEMORY && result != SFS_E_TOO_NEW)
        return sfs_notes_add(&store->notes, SFS_E_DOUBTFUL,
                             "attributes, links and directories may be lost: %s", failure.message);
    if (result && loading->error)
        *loading->error = failure;
    return result;
}

static int load_content(struct sfs_json_loading *loading)
{
    struct sfs_json_store *store = loading->store;
    struct sfs_json_attributes present = {0};
    struct sfs_json_attributes previous = {0};
    store->content_hash = XXH3_64bits(loading->text.data, loading->text.size);
    int result = read_attributes(loading, store->attributes, &present);
    if (!result && !fits(store, &present))
        result = read_attributes(loading, store->previous, &previous);
    if (!result) {
        bool use_previous = fits(store, &previous) || !present.found;
        const struct sfs_json_attributes *chosen = use_previous ? &previous : &present;
        store->attributes_known = fits(store, &present) || fits(store, &previous);
        store->attributes_fit =
            fits(store, &present) && stat(store->attributes, &store->attributes_seen) == 0;
        result = load_with(loading, chosen->found ? chosen : NULL);
    }
    sfs_json_attributes_free(&present);
    sfs_json_attributes_free(&previous);
    return result;
}

int sfs_json_load(struct sfs_json_store *store, struct sfs_error *error)
{
    struct sfs_buffer content = {0};
    struct sfs_json_loading loading = {.store = store, .error = error};
    if (stat(store->path, &store->seen.status))
        return sfs_fail_errno(error, errno, ORIGIN, "cannot open '%s'", store->path);
    int result = sfs_file_read(store->path, SIZE_MAX, &content, error);
    if (!result) {
        store->seen.exists = true;
        loading.text = sfs_buffer_bytes(&content);
        result = load_content(&loading);
    }
    sfs_buffer_free(&loading.name);
    sfs_buffer_free(&loading.value);
    sfs_buffer_free(&content);
    return result;
}
