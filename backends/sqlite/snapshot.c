/* SPDX-License-Identifier: MIT */
/* Snapshots: read-only stores that see the state at their hold's sequence number. */
#include "backends/sqlite/index.h"

#include <stdlib.h>

struct snapshot {
    struct sfs_storage storage;
    struct sfs_sqlite_hold hold;
    struct sfs_sqlite_snapshot_indexes indexes;
};

static struct sfs_sqlite_view view_of(struct sfs_storage *base)
{
    struct snapshot *snapshot = (struct snapshot *)base;
    return (struct sfs_sqlite_view){snapshot->hold.store, &snapshot->hold};
}

static int snapshot_get(struct sfs_storage *base, struct sfs_bytes name, unsigned want,
                        const struct sfs_record **ret_record, struct sfs_error *error)
{
    return sfs_sqlite_view_get(view_of(base), name, want, ret_record, error);
}

static int snapshot_read(struct sfs_storage *base, struct sfs_bytes name, uint64_t revision,
                         uint64_t offset, void *data, size_t size, size_t *ret_size,
                         struct sfs_error *error)
{
    return sfs_sqlite_view_read(view_of(base), name, revision, offset, data, size, ret_size, error);
}

static int snapshot_scan(struct sfs_storage *base, struct sfs_range range, unsigned want,
                         struct sfs_cursor **ret_cursor, struct sfs_error *error)
{
    return sfs_sqlite_view_scan(view_of(base), range, want, ret_cursor, error);
}

static int snapshot_sequence(struct sfs_storage *base, uint64_t *ret_sequence,
                             struct sfs_error *error)
{
    (void)error;
    *ret_sequence = (uint64_t)view_of(base).hold->sequence;
    return 0;
}

static int snapshot_changes(struct sfs_storage *base, uint64_t since, struct sfs_feed **ret_feed,
                            struct sfs_error *error)
{
    (void)base;
    (void)since;
    (void)ret_feed;
    return sfs_fail(error, SFS_E_UNSUPPORTED, SFS_SQLITE_ORIGIN, "a snapshot does not change");
}

static int snapshot_close(struct sfs_storage *base, struct sfs_error *error)
{
    struct snapshot *snapshot = (struct snapshot *)base;
    (void)error;
    sfs_sqlite_hold_drop(&snapshot->hold);
    sfs_sqlite_snapshot_indexes_free(&snapshot->indexes);
    free(snapshot);
    return 0;
}

static const struct sfs_read_operations read_operations = {
    .get = snapshot_get,
    .read = snapshot_read,
    .scan = snapshot_scan,
};

static const struct sfs_time_operations time_operations = {
    .sequence = snapshot_sequence,
    .changes = snapshot_changes,
};

struct sfs_sqlite_snapshot_indexes *sfs_sqlite_snapshot_indexes_of(struct sfs_storage *base,
                                                                   struct sfs_sqlite_view *ret_view)
{
    *ret_view = view_of(base);
    return &((struct snapshot *)base)->indexes;
}

static int snapshot_data(struct sfs_storage *base, struct sfs_bytes name, uint64_t offset,
                         struct sfs_extent *ret_extent, struct sfs_error *error)
{
    return sfs_sqlite_view_data(view_of(base), name, offset, ret_extent, error);
}

static const struct sfs_override_operations override_operations = {
    .data = snapshot_data,
    .index = &sfs_sqlite_snapshot_index_operations,
};

static const struct sfs_storage_operations operations = {
    .name = "sqlite",
    .read = &read_operations,
    .time = &time_operations,
    .override = &override_operations,
    .close = snapshot_close,
};

int sfs_sqlite_snapshot(struct sfs_storage *base, uint64_t lease_ms,
                        struct sfs_storage **ret_snapshot, struct sfs_error *error)
{
    struct sfs_sqlite *store = sfs_sqlite_of(base);
    struct snapshot *snapshot = calloc(1, sizeof(*snapshot));
    if (!snapshot)
        return sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
    int code = sfs_sqlite_hold_take(store, lease_ms, &snapshot->hold, error);
    if (code != 0) {
        free(snapshot);
        return code;
    }
    sfs_sqlite_snapshot_indexes_init(&snapshot->indexes);
    snapshot->storage = (struct sfs_storage){
        .operations = &operations,
        .read_only = true,
        .capabilities = SFS_CAN_PERSIST | SFS_CAN_SHARE,
        .key_max = SFS_KEY_MAX,
        .location = store->path,
        .lease = snapshot->hold.number,
    };
    *ret_snapshot = &snapshot->storage;
    return 0;
}
