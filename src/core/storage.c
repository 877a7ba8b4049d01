/* SPDX-License-Identifier: MIT */
/*
 * The public calls of a store: arguments are checked, and the call goes to the first store of the
 * stack that has its group of operations.
 */
#include <stddef.h>

#include "core/batch.h"
#include "core/range.h"
#include "core/storage.h"
#include "storefs/query.h"
#include "util/clock.h"

static struct sfs_storage *reader(struct sfs_storage *store)
{
    while (store && !store->operations->read)
        store = store->below;
    return store;
}

static struct sfs_storage *timer(struct sfs_storage *store)
{
    while (store && !store->operations->time)
        store = store->below;
    return store;
}

/* NULL where any store on the way refuses changes, or none takes them. */
static struct sfs_storage *writer(struct sfs_storage *store)
{
    while (store && !store->read_only && !store->operations->write)
        store = store->below;
    return store && !store->read_only ? store : NULL;
}

static int fail_unsupported(const struct sfs_storage *store, const char *what,
                            struct sfs_error *error)
{
    return sfs_fail(error, SFS_E_UNSUPPORTED, "storage", "a %s store has no %s",
                    sfs_storage_name(store), what);
}

static int fail_read_only(const struct sfs_storage *store, struct sfs_error *error)
{
    return sfs_fail(error, SFS_E_READ_ONLY, "storage", "the %s store %s is read-only",
                    sfs_storage_name(store), sfs_storage_location(store));
}

/* --- the stack --- */

static bool read_whole(const struct sfs_read_operations *group)
{
    return !group || (group->get && group->read && group->scan);
}

static bool write_whole(const struct sfs_write_operations *group)
{
    return !group || (group->apply && group->stage && group->sync);
}

static bool time_whole(const struct sfs_time_operations *group)
{
    return !group || (group->sequence && group->snapshot && group->changes);
}

int sfs_layer_init(struct sfs_storage *layer, const struct sfs_storage_operations *operations,
                   struct sfs_storage *below, struct sfs_error *error)
{
    const char *hole = !read_whole(operations->read)     ? "read"
                       : !write_whole(operations->write) ? "write"
                       : !time_whole(operations->time)   ? "time"
                                                         : NULL;
    if (hole)
        return sfs_fail(error, SFS_E_INVALID, "storage",
                        "layer %s intercepts only some of the %s operations", operations->name,
                        hole);
    if (!below || !operations->close)
        return sfs_fail(error, SFS_E_INVALID, "storage", "layer %s has no %s", operations->name,
                        below ? "close operation" : "store below it");
    *layer = (struct sfs_storage){
        .operations = operations,
        .below = below,
        .capabilities = below->capabilities,
        .key_max = below->key_max,
        .location = below->location,
    };
    return 0;
}

int sfs_close(struct sfs_storage *store, struct sfs_error *error)
{
    int first = 0;
    while (store) {
        struct sfs_storage *below = store->borrowed_below ? NULL : store->below;
        int rc = store->operations->close(store, first ? NULL : error);
        first = first ? first : rc;
        store = below;
    }
    return first;
}

const char *sfs_storage_name(const struct sfs_storage *store)
{
    while (store->below)
        store = store->below;
    return store->operations->name;
}

const char *sfs_storage_location(const struct sfs_storage *store)
{
    return store->location ? store->location : "";
}

unsigned sfs_storage_capabilities(const struct sfs_storage *store)
{
    return store->capabilities;
}

size_t sfs_storage_key_max(const struct sfs_storage *store)
{
    return store->key_max ? store->key_max : SFS_KEY_MAX;
}

uint64_t sfs_snapshot_lease(const struct sfs_storage *snapshot)
{
    while (snapshot && !snapshot->lease)
        snapshot = snapshot->below;
    return snapshot ? snapshot->lease : 0;
}

bool sfs_storage_is_read_only(const struct sfs_storage *store, const struct sfs_storage *end)
{
    while (store != end && !store->read_only)
        store = store->below;
    return store && store->read_only;
}

struct sfs_storage *sfs_storage_override(struct sfs_storage *store, size_t offset,
                                         enum sfs_override_kind kind)
{
    for (; store; store = store->below) {
        const struct sfs_storage_operations *operations = store->operations;
        void (*slot)(void) = NULL;
        if (operations->override)
            memcpy(&slot, (const char *)operations->override + offset, sizeof(slot));
        if (slot)
            return store;
        if (operations->hides & kind)
            return NULL;
    }
    return NULL;
}

struct sfs_storage *sfs_storage_index(struct sfs_storage *store)
{
    return sfs_storage_override(store, offsetof(struct sfs_override_operations, index),
                                SFS_OVERRIDE_ANSWER);
}

/* The first layer from `store` down to `end` that observes index scans, or `end`. */
static struct sfs_storage *observer(struct sfs_storage *store, const struct sfs_storage *end)
{
    while (store != end && !store->operations->observe_index_scan)
        store = store->below;
    return store;
}

int sfs_storage_index_scan(struct sfs_storage *store, const struct sfs_index *index,
                           struct sfs_range range, bool descending, unsigned want,
                           struct sfs_index_cursor **ret_cursor, struct sfs_error *error)
{
    struct sfs_storage *able = sfs_storage_index(store);
    struct sfs_storage *layer = observer(store, able);
    int64_t begun = layer == able ? 0 : sfs_clock_monotonic();
    int rc = able->operations->override->index->scan(able, index, range, descending, want,
                                                     ret_cursor, error);
    if (layer == able)
        return rc;
    uint64_t duration = (uint64_t)(sfs_clock_monotonic() - begun);
    for (; layer != able; layer = observer(layer->below, able))
        layer->operations->observe_index_scan(layer, duration, rc);
    return rc;
}

int sfs_storage_push_down(struct sfs_storage *store, const struct sfs_query *query,
                          struct sfs_push_down *ret_taken, struct sfs_error *error)
{
    struct sfs_push_down taken = {0};
    struct sfs_storage *able = sfs_storage_override(
        store, offsetof(struct sfs_override_operations, push_down), SFS_OVERRIDE_ANSWER);
    int rc = able ? able->operations->override->push_down(able, query, &taken, error) : 0;
    if (rc == 0)
        *ret_taken = taken;
    return rc;
}

/* --- read --- */

static int check_name(const struct sfs_storage *store, struct sfs_bytes name,
                      struct sfs_error *error)
{
    char shown[160];
    int rc = sfs_name_check(name, error);
    if (rc == 0 && sfs_name_length(name) > sfs_storage_key_max(store))
        rc = sfs_fail(error, SFS_E_NAME_TOO_LONG, "storage",
                      "key '%s' has %zu bytes, more than the %zu that a %s store takes",
                      sfs_name_show(name, shown, sizeof(shown)), name.size,
                      sfs_storage_key_max(store), sfs_storage_name(store));
    return rc;
}

int sfs_get(struct sfs_storage *store, struct sfs_bytes name, unsigned want,
            const struct sfs_record **ret_record, struct sfs_error *error)
{
    int rc = check_name(store, name, error);
    if (rc)
        return rc;
    struct sfs_storage *able = reader(store);
    if (!able)
        return fail_unsupported(store, "read operations", error);
    return able->operations->read->get(able, name, want, ret_record, error);
}

int sfs_read(struct sfs_storage *store, struct sfs_bytes name, uint64_t revision, uint64_t offset,
             void *data, size_t size, size_t *ret_size, struct sfs_error *error)
{
    int rc = check_name(store, name, error);
    if (rc)
        return rc;
    struct sfs_storage *able = reader(store);
    if (!able)
        return fail_unsupported(store, "read operations", error);
    return able->operations->read->read(able, name, revision, offset, data, size, ret_size, error);
}

int sfs_data(struct sfs_storage *store, struct sfs_bytes name, uint64_t offset,
             struct sfs_extent *ret_extent, struct sfs_error *error)
{
    const struct sfs_record *record;
    int rc = check_name(store, name, error);
    if (rc)
        return rc;
    struct sfs_storage *able = sfs_storage_override(
        store, offsetof(struct sfs_override_operations, data), SFS_OVERRIDE_ANSWER);
    if (able)
        return able->operations->override->data(able, name, offset, ret_extent, error);
    rc = sfs_get(store, name, SFS_WANT_RECORD, &record, error);
    if (rc)
        return rc;
    uint64_t size = record->size;
    sfs_record_unref(record);
    if (offset >= size)
        return 0;
    *ret_extent = (struct sfs_extent){offset, size - offset};
    return 1;
}

int sfs_scan(struct sfs_storage *store, struct sfs_range range, unsigned want,
             struct sfs_cursor **ret_cursor, struct sfs_error *error)
{
    int rc = sfs_range_check(range, error);
    if (rc)
        return rc;
    struct sfs_storage *able = reader(store);
    if (!able)
        return fail_unsupported(store, "read operations", error);
    return able->operations->read->scan(able, range, want, ret_cursor, error);
}

int sfs_cursor_next(struct sfs_cursor *cursor, const struct sfs_record **ret_record,
                    struct sfs_error *error)
{
    return cursor->operations->next(cursor, ret_record, error);
}

int sfs_cursor_seek(struct sfs_cursor *cursor, struct sfs_bytes name, struct sfs_error *error)
{
    if (!cursor->operations->seek)
        return sfs_fail(error, SFS_E_UNSUPPORTED, "storage", "this cursor only goes forward");
    return cursor->operations->seek(cursor, name, error);
}

void sfs_cursor_close(struct sfs_cursor *cursor)
{
    if (cursor)
        cursor->operations->close(cursor);
}

/* --- write --- */

int sfs_reserve_ids(struct sfs_storage *store, uint64_t count, uint64_t *ret_first,
                    struct sfs_error *error)
{
    const size_t offset = offsetof(struct sfs_override_operations, reserve_ids);
    struct sfs_storage *able = sfs_storage_override(store, offset, SFS_OVERRIDE_UPKEEP);
    if (count == 0 || count > UINT64_C(1) << 20)
        return sfs_fail(error, SFS_E_INVALID, "storage", "1 to 2^20 ids can be reserved at once");
    if (!writer(store))
        return fail_read_only(store, error);
    return able ? able->operations->override->reserve_ids(able, count, ret_first, error)
                : fail_unsupported(store, "ids to reserve", error);
}

int sfs_apply(struct sfs_storage *store, struct sfs_batch *batch,
              const struct sfs_apply_options *options, uint64_t *ret_sequence,
              struct sfs_error *error)
{
    static const struct sfs_apply_options not_durable = {.durable = false};
    int rc = sfs_batch_check(batch, error);
    if (rc)
        return rc;
    struct sfs_storage *able = writer(store);
    if (!able)
        return fail_read_only(store, error);
    uint64_t sequence = 0;
    rc = able->operations->write->apply(able, batch, options ? options : &not_durable, &sequence,
                                        error);
    if (rc == 0 && ret_sequence)
        *ret_sequence = sequence;
    return rc;
}

int sfs_stage_open(struct sfs_storage *store, struct sfs_stage **ret_stage, struct sfs_error *error)
{
    struct sfs_storage *able = writer(store);
    if (!able)
        return fail_read_only(store, error);
    return able->operations->write->stage(able, ret_stage, error);
}

int sfs_sync(struct sfs_storage *store, uint64_t sequence, struct sfs_error *error)
{
    struct sfs_storage *able = writer(store);
    /* What cannot be written has nothing that is not on disk. */
    return able ? able->operations->write->sync(able, sequence, error) : 0;
}

/* --- time --- */

int sfs_sequence(struct sfs_storage *store, uint64_t *ret_sequence, struct sfs_error *error)
{
    struct sfs_storage *able = timer(store);
    if (!able)
        return fail_unsupported(store, "sequence numbers", error);
    return able->operations->time->sequence(able, ret_sequence, error);
}

int sfs_snapshot(struct sfs_storage *store, uint64_t lease_ms, struct sfs_storage **ret_snapshot,
                 struct sfs_error *error)
{
    struct sfs_storage *able = timer(store);
    if (!able || !(store->capabilities & SFS_CAN_SNAPSHOT))
        return fail_unsupported(store, "snapshots", error);
    return able->operations->time->snapshot(able, lease_ms, ret_snapshot, error);
}

int sfs_changes(struct sfs_storage *store, uint64_t since, struct sfs_feed **ret_feed,
                struct sfs_error *error)
{
    struct sfs_storage *able = timer(store);
    if (!able || !(store->capabilities & SFS_CAN_CHANGES))
        return fail_unsupported(store, "change feed", error);
    return able->operations->time->changes(able, since, ret_feed, error);
}

int sfs_feed_next(struct sfs_feed *feed, struct sfs_change *ret_change, struct sfs_error *error)
{
    struct sfs_change change;
    int rc = feed->operations->next(feed, &change, error);
    /* Names that stood in for others inside one batch were never anybody's. */
    while (rc == 1 && sfs_name_is_temporary(change.name))
        rc = feed->operations->next(feed, &change, error);
    if (rc == 1)
        *ret_change = change;
    return rc;
}

int sfs_feed_wait(struct sfs_feed *feed, uint64_t timeout_ms, struct sfs_error *error)
{
    return feed->operations->wait(feed, timeout_ms, error);
}

void sfs_feed_wake(struct sfs_feed *feed)
{
    feed->operations->wake(feed);
}

void sfs_feed_close(struct sfs_feed *feed)
{
    if (feed)
        feed->operations->close(feed);
}

int sfs_watch_open(struct sfs_storage *store, struct sfs_watch **ret_watch, struct sfs_error *error)
{
    struct sfs_storage *able = sfs_storage_override(
        store, offsetof(struct sfs_override_operations, watch), SFS_OVERRIDE_OPENING);
    if (!able)
        return fail_unsupported(store, "watch for the commits of others", error);
    return able->operations->override->watch(able, ret_watch, error);
}

int sfs_check_files(struct sfs_storage *store, sfs_report_function *report, void *context,
                    struct sfs_error *error)
{
    struct sfs_storage *able = sfs_storage_override(
        store, offsetof(struct sfs_override_operations, files), SFS_OVERRIDE_OPENING);
    return able ? able->operations->override->files(able, report, context, error) : 0;
}

int sfs_watch_wait(struct sfs_watch *watch, uint64_t timeout_ms, struct sfs_error *error)
{
    return watch->operations->wait(watch, timeout_ms, error);
}

void sfs_watch_wake(struct sfs_watch *watch)
{
    watch->operations->wake(watch);
}

void sfs_watch_close(struct sfs_watch *watch)
{
    if (watch)
        watch->operations->close(watch);
}
