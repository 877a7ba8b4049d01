/* SPDX-License-Identifier: MIT */
/* See counting.h. A slot added to the tables fails the assertions until it is counted here too. */
#include "tests/conformance/counting.h"

#define SLOT_SIZE sizeof(void (*)(void))
_Static_assert(sizeof(struct sfs_override_operations) == (SLOT_INDEX_SET + 1) * SLOT_SIZE,
               "every override has a row in `rows`");
_Static_assert(sizeof(struct sfs_index_operations) == (SLOTS - SLOT_INDEX_SET) * SLOT_SIZE,
               "every index operation has a row in `rows`");
_Static_assert(sizeof(struct sfs_read_operations) == 3 * SLOT_SIZE &&
                   sizeof(struct sfs_write_operations) == 3 * SLOT_SIZE &&
                   sizeof(struct sfs_time_operations) == 3 * SLOT_SIZE,
               "the counting backend has every primitive");

unsigned counting_asked[SLOTS];
unsigned counting_reads;

void counting_reset(void)
{
    memset(counting_asked, 0, sizeof(counting_asked));
    counting_reads = 0;
}

static int count_get(struct sfs_storage *store, struct sfs_bytes name, unsigned want,
                     const struct sfs_record **ret_record, struct sfs_error *error)
{
    counting_reads++;
    return sfs_get(store->below, name, want, ret_record, error);
}

static int count_read(struct sfs_storage *store, struct sfs_bytes name, uint64_t revision,
                      uint64_t offset, void *data, size_t size, size_t *ret_size,
                      struct sfs_error *error)
{
    counting_reads++;
    return sfs_read(store->below, name, revision, offset, data, size, ret_size, error);
}

static int count_scan(struct sfs_storage *store, struct sfs_range range, unsigned want,
                      struct sfs_cursor **ret_cursor, struct sfs_error *error)
{
    counting_reads++;
    return sfs_scan(store->below, range, want, ret_cursor, error);
}

static int pass_sequence(struct sfs_storage *store, uint64_t *ret_sequence, struct sfs_error *error)
{
    return sfs_sequence(store->below, ret_sequence, error);
}

/* A snapshot counts as its store does. */
static int count_snapshot(struct sfs_storage *store, uint64_t lease_ms,
                          struct sfs_storage **ret_snapshot, struct sfs_error *error)
{
    struct sfs_storage *below = NULL;
    int code = sfs_snapshot(store->below, lease_ms, &below, error);
    if (code)
        return code;
    *ret_snapshot = counting_store(below);
    (*ret_snapshot)->read_only = true;
    return 0;
}

static int pass_changes(struct sfs_storage *store, uint64_t since, struct sfs_feed **ret_feed,
                        struct sfs_error *error)
{
    return sfs_changes(store->below, since, ret_feed, error);
}

static int count_totals(struct sfs_storage *store, struct sfs_totals *ret_totals,
                        struct sfs_error *error)
{
    counting_asked[SLOT_TOTALS]++;
    return sfs_totals(store->below, ret_totals, error);
}

static int count_exists(struct sfs_storage *store, const struct sfs_range *ranges, size_t count,
                        struct sfs_error *error)
{
    counting_asked[SLOT_EXISTS]++;
    return sfs_exists_any(store->below, ranges, count, error);
}

static int count_data(struct sfs_storage *store, struct sfs_bytes name, uint64_t offset,
                      struct sfs_extent *ret_extent, struct sfs_error *error)
{
    counting_asked[SLOT_DATA]++;
    return sfs_data(store->below, name, offset, ret_extent, error);
}

static int count_version(struct sfs_storage *store, uint64_t *ret_version, struct sfs_error *error)
{
    (void)store, (void)error;
    counting_asked[SLOT_VERSION]++;
    *ret_version = 1;
    return 0;
}

static int count_push_down(struct sfs_storage *store, const struct sfs_query *query,
                           struct sfs_push_down *ret_taken, struct sfs_error *error)
{
    (void)store, (void)query, (void)ret_taken, (void)error;
    counting_asked[SLOT_PUSH_DOWN]++;
    return 0;
}

static int count_backup(struct sfs_storage *store, const char *path,
                        sfs_progress_function *progress, void *context, struct sfs_error *error)
{
    (void)store, (void)path, (void)progress, (void)context, (void)error;
    counting_asked[SLOT_BACKUP]++;
    return 0;
}

static int count_check(struct sfs_storage *store, bool repair, sfs_report_function *report,
                       void *context, uint64_t *ret_found, uint64_t *ret_repaired,
                       struct sfs_error *error)
{
    (void)store, (void)repair, (void)report, (void)context, (void)error;
    counting_asked[SLOT_CHECK]++;
    *ret_found = *ret_repaired = 0;
    return 0;
}

static int count_reserve_ids(struct sfs_storage *store, uint64_t count, uint64_t *ret_first,
                             struct sfs_error *error)
{
    (void)store, (void)count, (void)error;
    counting_asked[SLOT_RESERVE_IDS]++;
    *ret_first = 1000;
    return 0;
}

static int count_watch(struct sfs_storage *store, struct sfs_watch **ret_watch,
                       struct sfs_error *error)
{
    (void)store, (void)ret_watch;
    counting_asked[SLOT_WATCH]++;
    return sfs_fail(error, SFS_E_UNSUPPORTED, "test", "only counted");
}

static int count_files(struct sfs_storage *store, sfs_report_function *report, void *context,
                       struct sfs_error *error)
{
    (void)store, (void)report, (void)context, (void)error;
    counting_asked[SLOT_FILES]++;
    return 0;
}

static const struct sfs_index_operations *index_below(struct sfs_storage *store, enum slot slot)
{
    counting_asked[slot]++;
    return store->below->operations->override->index;
}

static int count_index_set(struct sfs_storage *store, struct sfs_index_set **ret_set,
                           struct sfs_error *error)
{
    return index_below(store, SLOT_INDEX_SET)->set(store->below, ret_set, error);
}

static int count_index_stats(struct sfs_storage *store, const struct sfs_index *index,
                             struct sfs_index_stats *ret_stats, struct sfs_error *error)
{
    return index_below(store, SLOT_INDEX_STATS)->stats(store->below, index, ret_stats, error);
}

static int count_index_create(struct sfs_storage *store, const struct sfs_index *index,
                              sfs_progress_function *progress, void *context,
                              struct sfs_error *error)
{
    return index_below(store, SLOT_INDEX_CREATE)
        ->create(store->below, index, progress, context, error);
}

static int count_index_drop(struct sfs_storage *store, uint64_t id, struct sfs_error *error)
{
    return index_below(store, SLOT_INDEX_DROP)->drop(store->below, id, error);
}

static int count_index_scan(struct sfs_storage *store, const struct sfs_index *index,
                            struct sfs_range range, bool descending, unsigned want,
                            struct sfs_index_cursor **ret_cursor, struct sfs_error *error)
{
    return index_below(store, SLOT_INDEX_SCAN)
        ->scan(store->below, index, range, descending, want, ret_cursor, error);
}

static int count_index_count(struct sfs_storage *store, const struct sfs_index *index,
                             struct sfs_range range, uint64_t most, uint64_t *ret_count,
                             struct sfs_error *error)
{
    return index_below(store, SLOT_INDEX_COUNT)
        ->count(store->below, index, range, most, ret_count, error);
}

int layer_free(struct sfs_storage *store, struct sfs_error *error)
{
    (void)error;
    free(store);
    return 0;
}

static const struct sfs_read_operations count_reads = {count_get, count_read, count_scan};
static const struct sfs_time_operations count_times = {pass_sequence, count_snapshot, pass_changes};
static const struct sfs_index_operations count_index = {
    .set = count_index_set,
    .stats = count_index_stats,
    .create = count_index_create,
    .drop = count_index_drop,
    .scan = count_index_scan,
    .count = count_index_count,
};
static const struct sfs_override_operations count_overrides = {
    .totals = count_totals,
    .exists = count_exists,
    .data = count_data,
    .version = count_version,
    .push_down = count_push_down,
    .backup = count_backup,
    .check = count_check,
    .reserve_ids = count_reserve_ids,
    .watch = count_watch,
    .files = count_files,
    .index = &count_index,
};
static const struct sfs_storage_operations count_operations = {
    .name = "counting",
    .read = &count_reads,
    .time = &count_times,
    .override = &count_overrides,
    .close = layer_free,
};

struct sfs_storage *layer_over(struct sfs_storage *below,
                               const struct sfs_storage_operations *operations)
{
    struct sfs_storage *store = calloc(1, sizeof(*store));
    assert_non_null(store);
    OK(sfs_layer_init(store, operations, below, NULL));
    return store;
}

struct sfs_storage *counting_store(struct sfs_storage *below)
{
    return layer_over(below, &count_operations);
}

bool counting_is(const struct sfs_storage *store)
{
    return store->operations == &count_operations;
}
