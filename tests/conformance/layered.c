/* SPDX-License-Identifier: MIT */
/* See layered.h. */
#include "tests/conformance/layered.h"

#include "storefs/notes.h"
#include "txn/recent.h"
#include "txn/recorder.h"

/* Layers that intercept every group, as one that watches or changes records does. */
static int pass_get(struct sfs_storage *store, struct sfs_bytes name, unsigned want,
                    const struct sfs_record **ret_record, struct sfs_error *error)
{
    return sfs_get(store->below, name, want, ret_record, error);
}

static int pass_read(struct sfs_storage *store, struct sfs_bytes name, uint64_t revision,
                     uint64_t offset, void *data, size_t size, size_t *ret_size,
                     struct sfs_error *error)
{
    return sfs_read(store->below, name, revision, offset, data, size, ret_size, error);
}

static int pass_scan(struct sfs_storage *store, struct sfs_range range, unsigned want,
                     struct sfs_cursor **ret_cursor, struct sfs_error *error)
{
    return sfs_scan(store->below, range, want, ret_cursor, error);
}

static int pass_apply(struct sfs_storage *store, struct sfs_batch *batch,
                      const struct sfs_apply_options *options, uint64_t *ret_sequence,
                      struct sfs_error *error)
{
    return sfs_apply(store->below, batch, options, ret_sequence, error);
}

static int pass_stage(struct sfs_storage *store, struct sfs_stage **ret_stage,
                      struct sfs_error *error)
{
    return sfs_stage_open(store->below, ret_stage, error);
}

static int pass_sync(struct sfs_storage *store, uint64_t sequence, struct sfs_error *error)
{
    return sfs_sync(store->below, sequence, error);
}

static int pass_sequence(struct sfs_storage *store, uint64_t *ret_sequence, struct sfs_error *error)
{
    return sfs_sequence(store->below, ret_sequence, error);
}

static int pass_snapshot(struct sfs_storage *store, uint64_t lease_ms,
                         struct sfs_storage **ret_snapshot, struct sfs_error *error)
{
    return sfs_snapshot(store->below, lease_ms, ret_snapshot, error);
}

static int pass_changes(struct sfs_storage *store, uint64_t since, struct sfs_feed **ret_feed,
                        struct sfs_error *error)
{
    return sfs_changes(store->below, since, ret_feed, error);
}

static const struct sfs_read_operations pass_reads = {pass_get, pass_read, pass_scan};
static const struct sfs_write_operations pass_writes = {pass_apply, pass_stage, pass_sync};
static const struct sfs_time_operations pass_times = {pass_sequence, pass_snapshot, pass_changes};
#define PASSING(hidden)                                                                            \
    {                                                                                              \
        .name = "passing", .read = &pass_reads, .write = &pass_writes, .time = &pass_times,        \
        .hides = (hidden), .close = layer_free                                                     \
    }
static const struct sfs_storage_operations hides_nothing = PASSING(0);
static const struct sfs_storage_operations hides_answers = PASSING(SFS_OVERRIDE_ANSWER);
static const struct sfs_storage_operations hides_upkeep = PASSING(SFS_OVERRIDE_UPKEEP);

static void own(struct opened *opened, struct sfs_storage *store)
{
    opened->stores[opened->count++] = opened->store = store;
}

static void put_on_passing(struct opened *opened, const struct sfs_storage_operations *operations)
{
    opened->stores[0] = opened->store = layer_over(opened->store, operations);
}

static void open_bare(struct opened *opened)
{
    (void)opened;
}

static void open_metrics(struct opened *opened)
{
    OK(sfs_metrics_layer(&opened->store, opened->store, NULL));
    opened->stores[0] = opened->store;
}

static void open_fault(struct opened *opened)
{
    OK(sfs_fault_layer(&opened->store, opened->store, NULL, NULL));
    opened->stores[0] = opened->store;
}

static void open_metrics_over_fault(struct opened *opened)
{
    open_fault(opened);
    open_metrics(opened);
}

static void open_salvage(struct opened *opened)
{
    struct sfs_notes notes = {0};
    OK(sfs_notes_layer(opened->store, &notes, &opened->store, NULL));
    opened->stores[0] = opened->store;
}

static void open_passing(struct opened *opened)
{
    put_on_passing(opened, &hides_nothing);
}

static void open_hiding_answers(struct opened *opened)
{
    put_on_passing(opened, &hides_answers);
}

static void open_hiding_upkeep(struct opened *opened)
{
    put_on_passing(opened, &hides_upkeep);
}

static void open_snapshot(struct opened *opened)
{
    struct sfs_storage *snapshot = NULL;
    OK(sfs_snapshot(opened->store, 0, &snapshot, NULL));
    own(opened, snapshot);
}

static void open_snapshot_of_metrics(struct opened *opened)
{
    open_metrics(opened);
    open_snapshot(opened);
}

static void open_recent(struct opened *opened)
{
    struct sfs_storage *recent = NULL;
    open_snapshot(opened);
    OK(sfs_txn_recent_new(opened->store, &recent, NULL));
    own(opened, recent);
}

static void open_recorder(struct opened *opened)
{
    struct sfs_txn_recorder *recorder = NULL;
    open_snapshot(opened);
    OK(sfs_txn_recorder_new(opened->store, &recorder, NULL));
    own(opened, &recorder->storage);
}

/* As in a mount: over the metrics. */
static void begin(struct opened *opened, enum sfs_isolation isolation)
{
    const struct sfs_transaction_options options = {.isolation = isolation};
    open_metrics(opened);
    OK(sfs_begin(opened->store, &options, &opened->transactions[0], NULL));
    opened->store = sfs_transaction_storage(opened->transactions[0]);
}

static void open_committed(struct opened *opened)
{
    begin(opened, SFS_READ_COMMITTED);
}

static void open_transaction(struct opened *opened)
{
    begin(opened, SFS_SNAPSHOT);
}

static void open_serializable(struct opened *opened)
{
    begin(opened, SFS_SERIALIZABLE);
}

static void open_committed_view(struct opened *opened)
{
    open_committed(opened);
    open_snapshot(opened);
}

static void open_view(struct opened *opened)
{
    open_transaction(opened);
    open_snapshot(opened);
}

static void open_serializable_view(struct opened *opened)
{
    open_serializable(opened);
    open_snapshot(opened);
}

static void open_nested(struct opened *opened)
{
    open_transaction(opened);
    OK(sfs_begin_nested(opened->transactions[0], NULL, &opened->transactions[1], NULL));
    opened->store = sfs_transaction_storage(opened->transactions[1]);
}

static void open_metrics_over_transaction(struct opened *opened)
{
    struct sfs_storage *metrics = NULL;
    open_transaction(opened);
    OK(sfs_metrics_layer(&metrics, opened->store, NULL));
    own(opened, metrics);
}

static const struct {
    const char *name;
    void (*open)(struct opened *opened);
} stacks[LAYERED] = {
    {"bare", open_bare},
    {"metrics", open_metrics},
    {"fault", open_fault},
    {"metrics over fault", open_metrics_over_fault},
    {"salvage", open_salvage},
    {"a layer that hides nothing", open_passing},
    {"a layer that hides answers", open_hiding_answers},
    {"a layer that hides upkeep", open_hiding_upkeep},
    {"snapshot", open_snapshot},
    {"snapshot of metrics", open_snapshot_of_metrics},
    {"recent", open_recent},
    {"recorder", open_recorder},
    {"read committed", open_committed},
    {"transaction", open_transaction},
    {"serializable", open_serializable},
    {"view of read committed", open_committed_view},
    {"view of transaction", open_view},
    {"view of serializable", open_serializable_view},
    {"nested", open_nested},
    {"metrics over transaction", open_metrics_over_transaction},
};

const char *layered_name(size_t stack)
{
    return stacks[stack].name;
}

void layered_open(size_t stack, struct opened *opened)
{
    struct sfs_storage *memory = NULL;
    OK(sfs_open(&memory, "memory:", SFS_OPEN_CREATE, NULL));
    OK(sfs_set(memory, L("k"), L("{\"n\":2}"), NULL));
    OK(sfs_index_create(memory, L("n"), NULL, NULL, NULL));
    *opened = (struct opened){0};
    own(opened, counting_store(memory));
    stacks[stack].open(opened);
    counting_reset();
}

void layered_close(struct opened *opened)
{
    while (opened->count > 1)
        OK(sfs_close(opened->stores[--opened->count], NULL));
    sfs_transaction_free(opened->transactions[1]);
    sfs_transaction_free(opened->transactions[0]);
    OK(sfs_close(opened->stores[0], NULL));
}
