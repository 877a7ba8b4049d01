/* SPDX-License-Identifier: MIT */
/*
 * Calls that are written once over the primitives: of keys only, never of markers and links.
 */
#include <stddef.h>
#include <stdlib.h>

#include "core/range.h"
#include "core/storage.h"

/* The record, or *ret_record NULL where there is none or it is no key. */
static int find_key(struct sfs_storage *store, struct sfs_bytes key, unsigned want,
                    const struct sfs_record **ret_record, struct sfs_error *error)
{
    struct sfs_error failure = {0};
    const struct sfs_record *record = NULL;
    int rc = sfs_key_check(key, error);
    if (rc)
        return rc;
    rc = sfs_get(store, key, want, &record, &failure);
    if (rc && rc != SFS_E_NOT_FOUND) {
        if (error)
            *error = failure;
        return rc;
    }
    if (rc == 0 && !sfs_record_is_key(record)) {
        sfs_record_unref(record);
        record = NULL;
    }
    *ret_record = rc ? NULL : record;
    return 0;
}

int sfs_get_value(struct sfs_storage *store, struct sfs_bytes key, struct sfs_buffer *ret_value,
                  struct sfs_error *error)
{
    char shown[200];
    const struct sfs_record *record = NULL;
    struct sfs_buffer value = {0};
    int rc = find_key(store, key, SFS_WANT_VALUE, &record, error);
    if (rc)
        return rc;
    if (!record)
        return sfs_fail(error, SFS_E_NOT_FOUND, "storage", "there is no key '%s'",
                        sfs_name_show(key, shown, sizeof(shown)));
    if (sfs_buffer_add(&value, sfs_record_value(record)) || sfs_buffer_text(&value))
        rc = sfs_fail_memory(error, "storage");
    sfs_record_unref(record);
    if (rc == 0)
        *ret_value = value;
    else
        sfs_buffer_free(&value);
    return rc;
}

int sfs_has(struct sfs_storage *store, struct sfs_bytes key, struct sfs_error *error)
{
    const struct sfs_record *record = NULL;
    int rc = find_key(store, key, SFS_WANT_RECORD, &record, error);
    if (rc)
        return rc;
    sfs_record_unref(record);
    return record != NULL;
}

int sfs_set_many(struct sfs_storage *store, const struct sfs_entry *entries, size_t count,
                 struct sfs_error *error)
{
    struct sfs_batch *batch;
    int rc = sfs_batch_new(&batch, error);
    if (rc)
        return rc;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = sfs_key_check(entries[i].key, error);
        if (rc == 0)
            rc = sfs_batch_put(batch, entries[i].key, entries[i].value, NULL, 0, error);
    }
    if (rc == 0)
        rc = sfs_apply(store, batch, NULL, NULL, error);
    sfs_batch_free(batch);
    return rc;
}

int sfs_set(struct sfs_storage *store, struct sfs_bytes key, struct sfs_bytes value,
            struct sfs_error *error)
{
    const struct sfs_entry entry = {key, value};
    return sfs_set_many(store, &entry, 1, error);
}

/* Adds the deletion of a name if it is a key, provided that it still is the same record then: *id
 * (0: it is no key), which *changed tells to be another than it was. */
static int add_delete(struct sfs_storage *store, struct sfs_batch *batch, struct sfs_bytes key,
                      uint64_t *id, bool *changed, struct sfs_error *error)
{
    const struct sfs_record *record = NULL;
    int rc = find_key(store, key, SFS_WANT_RECORD, &record, error);
    if (rc)
        return rc;
    uint64_t found = record ? record->attributes.id : 0;
    *changed = *changed || found != *id;
    *id = found;
    if (!record)
        return 0;
    rc = sfs_batch_require_id(batch, key, record->attributes.id, error);
    if (rc == 0)
        rc = sfs_batch_delete(batch, key, 0, error);
    sfs_record_unref(record);
    return rc;
}

static int delete_once(struct sfs_storage *store, struct sfs_batch *batch,
                       const struct sfs_bytes *keys, size_t count, uint64_t *ids, bool *ret_changed,
                       uint64_t *ret_count, struct sfs_error *error)
{
    uint64_t affected = 0;
    int rc = 0;
    *ret_changed = false;
    sfs_batch_clear(batch);
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = add_delete(store, batch, keys[i], &ids[i], ret_changed, error);
    if (rc == 0)
        rc = sfs_apply(store, batch, NULL, NULL, error);
    for (size_t i = 0; i < sfs_batch_size(batch); i++)
        affected += sfs_batch_affected(batch, i);
    if (rc == 0)
        *ret_count = affected;
    return rc;
}

int sfs_delete_many(struct sfs_storage *store, const struct sfs_bytes *keys, size_t count,
                    uint64_t *ret_count, struct sfs_error *error)
{
    struct sfs_batch *batch = NULL;
    struct sfs_error failure = {0};
    bool changed, first = true;
    uint64_t *ids = calloc(count ? count : 1, sizeof(*ids));
    int rc = ids ? sfs_batch_new(&batch, &failure) : sfs_fail_memory(&failure, "storage");
    /* A conflict means that another made or deleted one of them meanwhile: look again. Where all are
     * as they were, it is of another kind, such as that of a transaction that failed. */
    while (rc == 0) {
        rc = delete_once(store, batch, keys, count, ids, &changed, ret_count, &failure);
        if (rc != SFS_E_CONFLICT || !(changed || first))
            break;
        first = false;
        rc = 0;
    }
    free(ids);
    sfs_batch_free(batch);
    if (rc && error)
        *error = failure;
    return rc;
}

int sfs_delete(struct sfs_storage *store, struct sfs_bytes key, struct sfs_error *error)
{
    uint64_t count = 0;
    int rc = sfs_delete_many(store, &key, 1, &count, error);
    return rc ? rc : count > 0;
}

int sfs_clear(struct sfs_storage *store, struct sfs_error *error)
{
    struct sfs_batch *batch;
    int rc = sfs_batch_new(&batch, error);
    if (rc)
        return rc;
    rc = sfs_batch_clear_range(batch, (struct sfs_range){0}, error);
    if (rc == 0)
        rc = sfs_apply(store, batch, NULL, NULL, error);
    sfs_batch_free(batch);
    return rc;
}

/* --- many at once --- */

static void unref_all(const struct sfs_record **records, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        sfs_record_unref(records[i]);
        records[i] = NULL;
    }
}

static int get_each(struct sfs_storage *store, const struct sfs_bytes *keys, size_t count,
                    const struct sfs_record **records, struct sfs_error *error)
{
    int rc = 0;
    size_t i;
    for (i = 0; rc == 0 && i < count; i++)
        rc = find_key(store, keys[i], SFS_WANT_VALUE, &records[i], error);
    if (rc)
        unref_all(records, i - 1);
    return rc;
}

/* Reads without a snapshot; 1 if nothing was committed meanwhile, so that it is one state. */
static int get_between_commits(struct sfs_storage *store, const struct sfs_bytes *keys,
                               size_t count, const struct sfs_record **records,
                               struct sfs_error *error)
{
    uint64_t before = 0, after = 0;
    int rc = sfs_sequence(store, &before, error);
    if (rc == 0)
        rc = get_each(store, keys, count, records, error);
    if (rc)
        return rc;
    rc = sfs_sequence(store, &after, error);
    if (rc || before != after)
        unref_all(records, count);
    return rc ? rc : before == after;
}

static int get_in_snapshot(struct sfs_storage *store, const struct sfs_bytes *keys, size_t count,
                           const struct sfs_record **records, struct sfs_error *error)
{
    struct sfs_storage *snapshot;
    int rc = sfs_snapshot(store, 0, &snapshot, error);
    if (rc)
        return rc;
    rc = get_each(snapshot, keys, count, records, error);
    int closed = sfs_close(snapshot, rc ? NULL : error);
    if (rc == 0 && closed)
        unref_all(records, count);
    return rc ? rc : closed;
}

int sfs_get_many(struct sfs_storage *store, const struct sfs_bytes *keys, size_t count,
                 const struct sfs_record **ret_records, struct sfs_error *error)
{
    const struct sfs_record **records = calloc(count ? count : 1, sizeof(struct sfs_record *));
    if (!records)
        return sfs_fail_memory(error, "storage");
    bool one_state = count > 1 && (sfs_storage_capabilities(store) & SFS_CAN_SNAPSHOT);
    int rc = one_state ? get_between_commits(store, keys, count, records, error)
                       : get_each(store, keys, count, records, error);
    if (one_state && rc == 0)
        rc = get_in_snapshot(store, keys, count, records, error);
    if (rc >= 0 && count)
        memcpy(ret_records, records, count * sizeof(struct sfs_record *));
    free(records);
    return rc < 0 ? rc : 0;
}

static int find_first(struct sfs_storage *store, struct sfs_range range, struct sfs_error *error)
{
    struct sfs_cursor *cursor;
    const struct sfs_record *record = NULL;
    int rc = sfs_scan(store, range, SFS_WANT_RECORD, &cursor, error);
    if (rc)
        return rc;
    rc = sfs_cursor_next(cursor, &record, error);
    sfs_cursor_close(cursor);
    return rc;
}

int sfs_exists_any(struct sfs_storage *store, const struct sfs_range *ranges, size_t count,
                   struct sfs_error *error)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = sfs_range_check(ranges[i], error);
    if (rc)
        return rc;
    struct sfs_storage *able = sfs_storage_override(
        store, offsetof(struct sfs_override_operations, exists), SFS_OVERRIDE_ANSWER);
    if (able)
        return able->operations->override->exists(able, ranges, count, error);
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = find_first(store, ranges[i], error);
    return rc;
}

int sfs_exists(struct sfs_storage *store, struct sfs_range range, struct sfs_error *error)
{
    return sfs_exists_any(store, &range, 1, error);
}

/* --- totals --- */

static int count_records(struct sfs_storage *store, struct sfs_totals *ret_totals,
                         struct sfs_error *error)
{
    struct sfs_totals totals = {0};
    struct sfs_cursor *cursor;
    const struct sfs_record *record = NULL;
    int rc = sfs_scan(store, (struct sfs_range){0}, SFS_WANT_RECORD, &cursor, error);
    if (rc)
        return rc;
    while ((rc = sfs_cursor_next(cursor, &record, error)) == 1) {
        totals.records++;
        totals.keys += sfs_record_is_key(record);
        totals.bytes += record->size;
    }
    sfs_cursor_close(cursor);
    if (rc == 0)
        *ret_totals = totals;
    return rc;
}

int sfs_totals(struct sfs_storage *store, struct sfs_totals *ret_totals, struct sfs_error *error)
{
    struct sfs_storage *able = sfs_storage_override(
        store, offsetof(struct sfs_override_operations, totals), SFS_OVERRIDE_ANSWER);
    return able ? able->operations->override->totals(able, ret_totals, error)
                : count_records(store, ret_totals, error);
}

int sfs_version(struct sfs_storage *store, uint64_t *ret_version, struct sfs_error *error)
{
    struct sfs_storage *able = sfs_storage_override(
        store, offsetof(struct sfs_override_operations, version), SFS_OVERRIDE_ANSWER);
    return able ? able->operations->override->version(able, ret_version, error)
                : sfs_fail(error, SFS_E_UNSUPPORTED, "storage",
                           "this store does not tell without being read whether it has changed");
}

int sfs_size(struct sfs_storage *store, uint64_t *ret_size, struct sfs_error *error)
{
    struct sfs_totals totals;
    int rc = sfs_totals(store, &totals, error);
    if (rc == 0)
        *ret_size = totals.keys;
    return rc;
}

static int scan_prefix(struct sfs_storage *store, struct sfs_bytes prefix, unsigned want,
                       struct sfs_cursor **ret_cursor, struct sfs_error *error)
{
    struct sfs_buffer end = {0};
    struct sfs_range range;
    if (sfs_range_prefix(prefix, &end, &range))
        return sfs_fail_memory(error, "storage");
    int rc = sfs_scan(store, range, want | SFS_WANT_KEYS, ret_cursor, error);
    sfs_buffer_free(&end);
    return rc;
}

int sfs_keys(struct sfs_storage *store, struct sfs_bytes prefix, struct sfs_cursor **ret_cursor,
             struct sfs_error *error)
{
    return scan_prefix(store, prefix, SFS_WANT_RECORD, ret_cursor, error);
}

int sfs_entries(struct sfs_storage *store, struct sfs_bytes prefix, struct sfs_cursor **ret_cursor,
                struct sfs_error *error)
{
    return scan_prefix(store, prefix, SFS_WANT_VALUE, ret_cursor, error);
}
