/* SPDX-License-Identifier: MIT */
/* Scenarios of looking after a store: opening, making, closing, copies, snapshots, following. */
#include <stdio.h>
#include <unistd.h>

#include "storefs/bulk.h"
#include "storefs/index.h"
#include "storefs/layers.h"
#include "storefs/query.h"
#include "tests/fault/rig.h"

#define THEN(call)                                                                                 \
    do {                                                                                           \
        if (code >= 0)                                                                             \
            code = (call);                                                                         \
    } while (0)

static int open_again(struct fixture *f, struct sfs_error *error)
{
    int code = sfs_open(&f->store, f->uri, 0, error);
    THEN(sfs_has(f->store, L("a"), error));
    return code;
}

static int open_read_only(struct fixture *f, struct sfs_error *error)
{
    struct sfs_storage *store = NULL;
    struct sfs_buffer value = {0};
    int code = sfs_open(&store, f->uri, SFS_OPEN_READ_ONLY, error);
    THEN(sfs_get_value(store, L("b"), &value, error));
    sfs_buffer_free(&value);
    int closed = sfs_close(store, code < 0 ? NULL : error);
    return code < 0 ? code : closed;
}

/* --- a second store beside the first --- */

static const char *second(const struct fixture *f)
{
    static char uri[512];
    const char *slash = strrchr(f->uri, '/');
    snprintf(uri, sizeof(uri), "%.*s/second", (int)(slash ? slash - f->uri : 0), f->uri);
    return uri;
}

static void remove_second(const struct fixture *f)
{
    static const char *const endings[] = {"",       "-wal",    "-shm",         "-journal",
                                          ".attrs", ".attrs~", ".storefs-lock"};
    char path[512];
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        snprintf(path, sizeof(path), "%s/second%s", f->directory, endings[i]);
        fixture_remove(path);
    }
}

static int create(struct fixture *f, struct sfs_error *error)
{
    struct sfs_storage *store = NULL;
    int code = sfs_open(&store, second(f), SFS_OPEN_CREATE, error);
    THEN(sfs_set(store, L("k"), L("v"), error));
    int closed = sfs_close(store, code < 0 ? NULL : error);
    return code < 0 ? code : closed;
}

/* Whatever the failure has left can be made a store. */
static void settle_create(struct fixture *f, int code)
{
    struct sfs_storage *store = NULL;
    struct sfs_error error = {0};
    if (sfs_open(&store, second(f), SFS_OPEN_CREATE, &error))
        fail_msg("cannot be made anew: %s", error.message);
    if (code == 0)
        expect_bytes(store, L("k"), L("v"));
    OK(sfs_set(store, L("k"), L("v"), NULL));
    OK(sfs_close(store, &error));
    remove_second(f);
}

/* --- copies --- */

static int backup(struct fixture *f, struct sfs_error *error)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/copy", f->directory);
    return sfs_backup(f->store, path, NULL, NULL, error);
}

static void settle_backup(struct fixture *f, int code)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/copy", f->directory);
    assert_int_equal(access(path, F_OK) == 0, code == 0);
    fixture_remove(path);
    snprintf(path, sizeof(path), "%s/copy.attrs", f->directory);
    unlink(path);
}

/* --- closing --- */

static int set_and_close(struct fixture *f, struct sfs_error *error)
{
    int code = sfs_set(f->store, L("a"), L("closed"), error);
    int closed = sfs_close(f->store, code < 0 ? NULL : error);
    f->store = NULL;
    return code < 0 ? code : closed;
}

/* What an undamaged store gives to one that salvages it. */
static int salvage(struct fixture *f, struct sfs_error *error)
{
    struct sfs_storage *from = NULL, *to = NULL;
    const struct sfs_bulk_options options = {.keep_going = true};
    struct sfs_bulk_result result = {0};
    int code = sfs_open(&from, f->uri, SFS_OPEN_SALVAGE, error);
    THEN(sfs_open(&to, "memory:", SFS_OPEN_CREATE, error));
    THEN(sfs_copy(from, to, &options, &result, error));
    if (code == 0 && result.lost + result.doubtful > 0)
        code = sfs_fail(error, SFS_E_IO, "test", "something could not be read, and was passed over");
    sfs_close(to, NULL);
    sfs_close(from, NULL);
    return code;
}

static int set_and_sync(struct fixture *f, struct sfs_error *error)
{
    int code = sfs_set(f->store, L("a"), L("synced"), error);
    THEN(sfs_sync(f->store, 0, error));
    return code;
}

/* --- time --- */

static int read_snapshot(struct sfs_storage *shown, struct sfs_error *error)
{
    struct sfs_cursor *cursor = NULL;
    struct sfs_buffer value = {0};
    const struct sfs_record *record = NULL;
    char piece[64];
    size_t got = 0;
    int code = sfs_get_value(shown, L("large"), &value, error);
    THEN(sfs_get(shown, L("d/1"), SFS_WANT_VALUE, &record, error));
    THEN(sfs_read(shown, L("large"), 0, 10000, piece, sizeof(piece), &got, error));
    THEN(sfs_scan(shown, everything(), SFS_WANT_VALUE, &cursor, error));
    sfs_record_unref(record);
    while (code >= 0 && (code = sfs_cursor_next(cursor, &record, error)) == 1)
        continue;
    sfs_cursor_close(cursor);
    sfs_buffer_free(&value);
    return code;
}

static int change(struct sfs_storage *store, uint64_t lease, struct sfs_error *error)
{
    struct sfs_batch *batch = NULL;
    int code = sfs_batch_new(&batch, error);
    if (lease)
        THEN(sfs_batch_require_lease(batch, lease, error));
    THEN(sfs_batch_write(batch, L("large"), 5, L("changed"), error));
    THEN(sfs_batch_delete(batch, L("d/2"), 0, error));
    THEN(sfs_batch_rename_prefix(batch, L("d/"), L("o/"), error));
    THEN(sfs_batch_put(batch, L("fresh"), L("1"), NULL, 0, error));
    THEN(sfs_apply(store, batch, NULL, NULL, error));
    sfs_batch_free(batch);
    return code;
}

/* The snapshot must be read from history. */
static int snapshot_of_past(struct fixture *f, struct sfs_error *error)
{
    struct sfs_storage *shown = NULL;
    int code = sfs_snapshot(f->store, 0, &shown, error);
    THEN(change(f->store, sfs_snapshot_lease(shown), error));
    THEN(read_snapshot(shown, error));
    int closed = sfs_close(shown, code < 0 ? NULL : error);
    return code < 0 ? code : closed;
}

static int follow(struct fixture *f, struct sfs_error *error)
{
    struct sfs_feed *feed = NULL;
    struct sfs_change seen;
    int code = sfs_changes(f->store, UINT64_MAX, &feed, error);
    THEN(change(f->store, 0, error));
    THEN(sfs_feed_wait(feed, 1000, error));
    while (code >= 0 && (code = sfs_feed_next(feed, &seen, error)) == 1)
        continue;
    sfs_feed_close(feed);
    return code;
}

static int put_layers(struct sfs_storage **store, struct sfs_error *error)
{
    const struct sfs_fault_options options = {
        .calls = SFS_FAULT_WRITE, .after = 9, .code = SFS_E_IO};
    struct sfs_storage *top = NULL;
    int code = sfs_fault_layer(&top, *store, &options, error);
    if (code == 0)
        *store = top;
    THEN(sfs_metrics_layer(&top, *store, error));
    if (code == 0)
        *store = top;
    return code;
}

/* In memory, whatever the fixture's store is. */
static int layers(struct fixture *f, struct sfs_error *error)
{
    struct sfs_storage *store = NULL;
    struct sfs_cursor *cursor = NULL;
    const struct sfs_record *record = NULL;
    (void)f;
    int code = sfs_open(&store, "memory:", 0, error);
    THEN(put_layers(&store, error));
    THEN(sfs_set(store, L("a"), L("1"), error));
    THEN(sfs_scan(store, everything(), 0, &cursor, error));
    THEN(sfs_cursor_next(cursor, &record, error));
    sfs_cursor_close(cursor);
    int closed = sfs_close(store, code < 0 ? NULL : error);
    return code < 0 ? code : closed;
}

/* --- indexes --- */

static int walk_index(struct sfs_storage *store, const char *order, struct sfs_error *error)
{
    struct sfs_query *query = NULL;
    struct sfs_cursor *cursor = NULL;
    const struct sfs_record *record = NULL;
    int code = sfs_query_new(&query, error);
    THEN(sfs_query_order(query, sfs_string(order), error));
    THEN(sfs_query_limit(query, 3, error));
    THEN(sfs_query_run(store, query, &cursor, error));
    int rows = 0;
    while (code >= 0 && (code = sfs_cursor_next(cursor, &record, error)) == 1)
        rows++;
    if (code == 0)
        assert_int_equal(rows, 3);
    sfs_cursor_close(cursor);
    sfs_query_free(query);
    return code;
}

/* Made, read of a snapshot that is older than what is in it, checked, and dropped. */
static int indexes(struct fixture *f, struct sfs_error *error)
{
    struct sfs_storage *snapshot = NULL;
    uint64_t found = 0;
    int code = sfs_index_create(f->store, L("n"), NULL, NULL, error);
    THEN(sfs_snapshot(f->store, 0, &snapshot, error));
    THEN(sfs_set(f->store, L("a"), L("{\"n\":1}"), error));
    THEN(sfs_set(f->store, L("indexed"), L("{\"n\":2}"), error));
    THEN(walk_index(snapshot, "n", error));
    THEN(walk_index(snapshot, "n:desc", error));
    THEN(sfs_index_check(snapshot, NULL, NULL, &found, error));
    THEN(sfs_delete(f->store, L("indexed"), error));
    THEN(sfs_set(f->store, L("a"), L("1"), error));
    THEN(sfs_index_drop(f->store, L("n"), error));
    int closed = sfs_close(snapshot, NULL);
    assert_int_equal(found, 0);
    return code < 0 ? code : closed;
}

static void settle_indexes(struct fixture *f, int code)
{
    uint64_t found = 1;
    (void)code;
    assert_int_equal(sfs_index_check(f->store, NULL, NULL, &found, NULL), 0);
    assert_int_equal(found, 0);
    int dropped = sfs_index_drop(f->store, L("n"), NULL);
    assert_true(dropped == 0 || dropped == SFS_E_NOT_FOUND);
}

const struct scenario scenarios_keeping[] = {
    {.name = "indexes",
     .run = indexes,
     .settle = settle_indexes,
     .flags = SCENARIO_COMMITS,
     .needs = SFS_CAN_SNAPSHOT},
    {.name = "open", .run = open_again, .flags = SCENARIO_CLOSED, .needs = SFS_CAN_PERSIST},
    {.name = "read-only",
     .run = open_read_only,
     .flags = SCENARIO_CLOSED,
     .needs = SFS_CAN_PERSIST},
    {.name = "create", .run = create, .settle = settle_create, .needs = SFS_CAN_PERSIST},
    {.name = "backup", .run = backup, .settle = settle_backup, .needs = SFS_CAN_PERSIST},
    {.name = "close", .run = set_and_close, .flags = SCENARIO_COMMITS, .needs = SFS_CAN_PERSIST},
    {.name = "salvage", .run = salvage, .flags = SCENARIO_CLOSED, .needs = SFS_CAN_PERSIST},
    {.name = "sync", .run = set_and_sync, .flags = SCENARIO_COMMITS},
    {.name = "past", .run = snapshot_of_past, .flags = SCENARIO_COMMITS, .needs = SFS_CAN_SNAPSHOT},
    {.name = "follow", .run = follow, .flags = SCENARIO_COMMITS, .needs = SFS_CAN_CHANGES},
    {.name = "layers", .run = layers},
    {0},
};
