/* SPDX-License-Identifier: MIT */
/* Scenarios of one commit each: batches of all operations, stages, imports, transactions. */
#include <stdio.h>

#include "storefs/bulk.h"
#include "storefs/document.h"
#include "storefs/transaction.h"
#include "tests/fault/rig.h"

/* The next step of a sequence that ends with the first failure; `code` and `error` are in scope. */
#define THEN(call)                                                                                 \
    do {                                                                                           \
        if (code >= 0)                                                                             \
            code = (call);                                                                         \
    } while (0)

static const struct sfs_apply_options durable = {.durable = true};

static int set(struct fixture *f, struct sfs_error *error)
{
    return sfs_set(f->store, L("a"), L("2"), error);
}

static int many(struct fixture *f, struct sfs_error *error)
{
    const struct sfs_entry entries[] = {{L("a"), L("3")}, {L("n/1"), L("{}")}, {L("n/2"), L("")}};
    return sfs_set_many(f->store, entries, 3, error);
}

static int delete_many(struct fixture *f, struct sfs_error *error)
{
    const struct sfs_bytes keys[] = {L("a"), L("large"), L("none")};
    uint64_t count = 0;
    return sfs_delete_many(f->store, keys, 3, &count, error);
}

static int clear(struct fixture *f, struct sfs_error *error)
{
    return sfs_clear(f->store, error);
}

static int never(void *context, const struct sfs_record *record)
{
    (void)context;
    (void)record;
    return 0;
}

static int add_preconditions(struct sfs_batch *batch, struct sfs_storage *store,
                             struct sfs_error *error)
{
    const struct sfs_record *record = NULL;
    uint64_t sequence = 0;
    int code = sfs_get(store, L("a"), SFS_WANT_RECORD, &record, error);
    THEN(sfs_sequence(store, &sequence, error));
    THEN(sfs_batch_require_absent(batch, L("new"), error));
    THEN(sfs_batch_require_revision(batch, L("a"), record->revision, error));
    THEN(sfs_batch_require_id(batch, L("a"), record->attributes.id, error));
    THEN(sfs_batch_require_empty(batch, range_of(L("f"), L("g")), error));
    if (sfs_storage_capabilities(store) & SFS_CAN_SNAPSHOT) {
        THEN(sfs_batch_require_unchanged(batch, everything(), sequence, error));
        THEN(sfs_batch_require_no_match(batch, sequence, never, NULL, error));
    }
    sfs_record_unref(record);
    return code;
}

static int add_values(struct sfs_batch *batch, struct sfs_error *error)
{
    const struct sfs_attributes attributes = {.mode = 0600, .modified = 7};
    unsigned mask = SFS_ATTRIBUTE_MODE | SFS_ATTRIBUTE_MODIFIED;
    int code = sfs_batch_put(batch, L("new"), L("value"), &attributes, mask, error);
    THEN(sfs_batch_put(batch, L("x"), L("[1,2]"), NULL, 0, error));
    THEN(sfs_batch_write(batch, L("large"), 15000, L("within"), error));
    THEN(sfs_batch_append(batch, L("large"), L("behind"), error));
    THEN(sfs_batch_truncate(batch, L("large"), 18000, error));
    THEN(sfs_batch_write(batch, L("b"), 100, L("far"), error));
    THEN(sfs_batch_attributes(batch, L("a"), &attributes, mask, error));
    THEN(sfs_batch_xattr(batch, L("b"), L("user.b"), L("2"), SFS_XATTR_CREATE, error));
    THEN(sfs_batch_xattr(batch, L("x"), L("user.a"), (struct sfs_bytes){0}, 0, error));
    return code;
}

static int add_names(struct sfs_batch *batch, struct sfs_error *error)
{
    int code = sfs_batch_delete(batch, L("d/2"), SFS_BATCH_MUST_EXIST, error);
    THEN(sfs_batch_rename(batch, L("a"), L("moved"), SFS_BATCH_NO_REPLACE, error));
    THEN(sfs_batch_rename(batch, L("moved"), L("l"), 0, error));
    THEN(sfs_batch_exchange(batch, L("b"), L("x"), error));
    THEN(sfs_batch_rename_prefix(batch, L("d/"), L("m/"), error));
    THEN(sfs_batch_exchange_prefix(batch, L("m/"), L("e/"), error));
    THEN(sfs_batch_clear_range(batch, range_of(L("m/"), L("m0")), error));
    return code;
}

static int batch_of_all(struct fixture *f, struct sfs_error *error)
{
    struct sfs_batch *batch = NULL;
    uint64_t sequence = 0;
    int code = sfs_batch_new(&batch, error);
    THEN(add_preconditions(batch, f->store, error));
    THEN(add_values(batch, error));
    THEN(add_names(batch, error));
    THEN(sfs_apply(f->store, batch, &durable, &sequence, error));
    sfs_batch_free(batch);
    return code;
}

static int write_stage(struct sfs_stage *stage, const char *bytes, size_t size,
                       struct sfs_error *error)
{
    int code = sfs_stage_write(stage, 0, sfs_bytes(bytes, size), error);
    THEN(sfs_stage_write(stage, size * 2, sfs_bytes(bytes, size), error));
    THEN(sfs_stage_truncate(stage, size * 3 + 5, error));
    THEN(sfs_stage_write(stage, size / 2, L("between"), error));
    THEN(sfs_stage_truncate(stage, size * 3 - 1, error));
    return code;
}

static int staged(struct fixture *f, struct sfs_error *error)
{
    static char bytes[200000];
    struct sfs_batch *batch = NULL;
    struct sfs_stage *stage = NULL;
    size_t size = strncmp(f->uri, "sqlite:", 7) == 0 ? sizeof(bytes) : 5000;
    memset(bytes, 'v', sizeof(bytes));
    int code = sfs_stage_open(f->store, &stage, error);
    THEN(write_stage(stage, bytes, size, error));
    THEN(sfs_batch_new(&batch, error));
    THEN(sfs_batch_put_stage(batch, L("staged"), stage, NULL, 0, error));
    THEN(sfs_apply(f->store, batch, NULL, NULL, error));
    sfs_batch_free(batch);
    sfs_stage_close(stage);
    return code;
}

static int import_lines(struct fixture *f, struct sfs_error *error)
{
    static const char text[] =
        "{\"key\":\"i/1\",\"value\":{\"n\":1}}\n"
        "{\"key\":\"i/2\",\"value\":{\"__type\":\"text\",\"__value\":\"\\u00e9\"}}\r\n"
        "\n"
        "{\"key\":\"i/3\",\"value\":{\"__type\":\"bytes\",\"__value\":\"/wD/\"}}";
    struct sfs_bulk_result result;
    FILE *file = tmpfile();
    int code = file ? 0 : sfs_fail(error, SFS_E_IO, "test", "no temporary file");
    if (file) {
        fwrite(text, 1, sizeof(text) - 1, file);
        rewind(file);
    }
    THEN(sfs_import(f->store, fileno(file), NULL, &result, error));
    if (file)
        fclose(file);
    return code;
}

/* --- transactions --- */

static int count_change(void *context, struct sfs_bytes name, const struct sfs_record *before,
                        const struct sfs_record *after)
{
    (void)name;
    *(int *)context += before != after;
    return 0;
}

static int read_through(struct sfs_storage *store, struct sfs_error *error)
{
    struct sfs_cursor *cursor = NULL;
    const struct sfs_record *record = NULL;
    char piece[64];
    size_t got = 0;
    int code = sfs_read(store, L("large"), 0, 14990, piece, sizeof(piece), &got, error);
    THEN(sfs_scan(store, everything(), SFS_WANT_VALUE, &cursor, error));
    while (code >= 0 && (code = sfs_cursor_next(cursor, &record, error)) == 1)
        continue;
    THEN(sfs_cursor_seek(cursor, L("l"), error));
    THEN(sfs_cursor_next(cursor, &record, error));
    sfs_cursor_close(cursor);
    return code;
}

static int change_within(struct sfs_storage *store, struct sfs_error *error)
{
    struct sfs_batch *batch = NULL;
    int code = sfs_batch_new(&batch, error);
    THEN(sfs_batch_require_absent(batch, L("new"), error));
    THEN(add_values(batch, error));
    THEN(sfs_apply(store, batch, NULL, NULL, error));
    if (batch)
        sfs_batch_clear(batch);
    THEN(add_names(batch, error));
    THEN(sfs_apply(store, batch, NULL, NULL, error));
    sfs_batch_free(batch);
    return code;
}

/* Every way to read what lies under other names, from a snapshot of the transaction and not. */
static int read_moved(struct sfs_storage *store, struct sfs_error *error)
{
    struct sfs_cursor *cursor = NULL;
    const struct sfs_record *record = NULL;
    struct sfs_totals totals;
    char piece[16];
    size_t got = 0;
    int code = sfs_get(store, L("moved/2"), SFS_WANT_VALUE, &record, error);
    if (code == 0)
        sfs_record_unref(record);
    THEN(sfs_read(store, L("d/1"), 0, 0, piece, sizeof(piece), &got, error));
    THEN(sfs_exists(store, range_of(L("moved/k"), L("moved/l")), error));
    THEN(sfs_exists(store, range_of(L("moved/k2"), L("moved0")), error));
    THEN(sfs_totals(store, &totals, error));
    THEN(sfs_scan(store, range_of(L("b"), L("x")), SFS_WANT_RECORD, &cursor, error));
    while (code >= 0 && (code = sfs_cursor_next(cursor, &record, error)) == 1)
        continue;
    THEN(sfs_cursor_seek(cursor, L("moved/"), error));
    THEN(sfs_cursor_next(cursor, &record, error));
    THEN(sfs_cursor_seek(cursor, L("moved/a"), error));
    THEN(sfs_cursor_next(cursor, &record, error));
    sfs_cursor_close(cursor);
    return code;
}

static int apply_and_clear(struct sfs_storage *store, struct sfs_batch *batch,
                           struct sfs_error *error)
{
    int code = sfs_apply(store, batch, NULL, NULL, error);
    sfs_batch_clear(batch);
    return code;
}

/* Moves and clears ranges, and asks what was changed by that. */
static int move_ranges(struct sfs_storage *store, struct sfs_batch *batch, struct sfs_error *error)
{
    struct sfs_storage *snapshot = NULL;
    uint64_t begun = 0, since = 0;
    int code = sfs_sequence(store, &begun, error);
    THEN(sfs_batch_put(batch, L("d/k"), L("1"), NULL, 0, error));
    THEN(sfs_batch_delete(batch, L("d/1"), 0, error));
    THEN(apply_and_clear(store, batch, error));
    THEN(sfs_batch_exchange_prefix(batch, L("d/"), L("e/"), error));
    THEN(sfs_batch_rename_prefix(batch, L("e/"), L("moved/"), error));
    THEN(sfs_batch_put(batch, L("moved/new"), L("1"), NULL, 0, error));
    THEN(sfs_batch_delete(batch, L("moved/new"), 0, error));
    THEN(apply_and_clear(store, batch, error));
    THEN(sfs_snapshot(store, 0, &snapshot, error));
    if (code >= 0)
        code = sfs_sequence(snapshot, &since, error);
    THEN(read_moved(store, error));
    THEN(sfs_batch_clear_range(batch, range_of(L("x"), L("")), error));
    THEN(sfs_batch_clear_range(batch, range_of(L("moved/2"), L("moved/3")), error));
    THEN(sfs_batch_rename(batch, L("moved/k"), L("moved/k1"), 0, error));
    THEN(apply_and_clear(store, batch, error));
    THEN(read_moved(snapshot, error));
    THEN(sfs_batch_require_no_match(batch, begun, never, NULL, error));
    THEN(sfs_batch_require_no_match(batch, since, never, NULL, error));
    THEN(sfs_batch_rename(batch, L("moved/k1"), L("moved/k"), 0, error));
    THEN(apply_and_clear(store, batch, error));
    if (snapshot)
        sfs_close(snapshot, NULL);
    return code;
}

static int work(struct sfs_transaction *transaction, struct sfs_error *error)
{
    struct sfs_storage *store = sfs_transaction_storage(transaction);
    int changes = 0;
    int code = sfs_savepoint(transaction, "first", error);
    THEN(sfs_set(store, L("dropped"), L("1"), error));
    THEN(sfs_savepoint(transaction, "second", error));
    THEN(sfs_delete(store, L("large"), error));
    THEN(sfs_savepoint_rollback(transaction, "first", error));
    THEN(sfs_savepoint_release(transaction, "first", error));
    THEN(change_within(store, error));
    THEN(read_through(store, error));
    THEN(sfs_transaction_changes(transaction, count_change, &changes, error));
    return code;
}

static int transaction_with(struct fixture *f, enum sfs_isolation isolation,
                            struct sfs_error *error)
{
    const struct sfs_transaction_options options = {.isolation = isolation, .durable = true};
    struct sfs_transaction *transaction = NULL;
    int code = sfs_begin(f->store, &options, &transaction, error);
    THEN(work(transaction, error));
    THEN(sfs_commit(transaction, NULL, error));
    sfs_transaction_free(transaction);
    return code;
}

static int transaction(struct fixture *f, struct sfs_error *error)
{
    return transaction_with(f, SFS_SNAPSHOT, error);
}

static int ranges_with(struct fixture *f, enum sfs_isolation isolation, struct sfs_error *error)
{
    const struct sfs_transaction_options options = {.isolation = isolation};
    struct sfs_transaction *transaction = NULL;
    struct sfs_batch *batch = NULL;
    int changes = 0;
    int code = sfs_batch_new(&batch, error);
    THEN(sfs_begin(f->store, &options, &transaction, error));
    if (code >= 0)
        code = move_ranges(sfs_transaction_storage(transaction), batch, error);
    THEN(sfs_transaction_changes(transaction, count_change, &changes, error));
    THEN(sfs_commit(transaction, NULL, error));
    sfs_transaction_free(transaction);
    sfs_batch_free(batch);
    return code;
}

static int ranges(struct fixture *f, struct sfs_error *error)
{
    return ranges_with(f, SFS_SNAPSHOT, error);
}

static int ranges_recorded(struct fixture *f, struct sfs_error *error)
{
    return ranges_with(f, SFS_SERIALIZABLE, error);
}

static int transaction_within(struct fixture *f, struct sfs_error *error)
{
    struct sfs_transaction *outer = NULL, *inner = NULL;
    struct sfs_stage *stage = NULL;
    struct sfs_batch *batch = NULL;
    struct sfs_storage *store = NULL;
    int code = sfs_begin(f->store, NULL, &outer, error);
    THEN(sfs_begin(sfs_transaction_storage(outer), NULL, &inner, error));
    if (code >= 0)
        store = sfs_transaction_storage(inner);
    THEN(sfs_stage_open(store, &stage, error));
    THEN(write_stage(stage, "0123456789", 10, error));
    THEN(sfs_batch_new(&batch, error));
    THEN(sfs_batch_put_stage(batch, L("deep"), stage, NULL, 0, error));
    THEN(sfs_apply(store, batch, NULL, NULL, error));
    sfs_batch_free(batch);
    sfs_stage_close(stage);
    THEN(sfs_commit(inner, NULL, error));
    sfs_transaction_free(inner);
    THEN(sfs_commit(outer, NULL, error));
    sfs_transaction_free(outer);
    return code;
}

/* --- documents --- */

static const struct sfs_bytes steps_n[] = {{"n", 1}}, steps_new[] = {{"new", 3}},
                              steps_tag[] = {{"tags", 4}, {"0", 1}};

static int document_set(struct fixture *f, struct sfs_error *error)
{
    return sfs_document_set(f->store, L("b"), (struct sfs_document_path){steps_new, 1}, L("[{}]"), 0, error);
}

static int document_remove(struct fixture *f, struct sfs_error *error)
{
    return sfs_document_remove(f->store, L("d/1"), (struct sfs_document_path){steps_n, 1}, 0, error);
}

static int document_move(struct fixture *f, struct sfs_error *error)
{
    return sfs_document_move(f->store, L("d/1"), (struct sfs_document_path){steps_tag, 2},
                             (struct sfs_document_path){steps_new, 1}, 0, error);
}

static int document_exchange(struct fixture *f, struct sfs_error *error)
{
    return sfs_document_move(f->store, L("d/1"), (struct sfs_document_path){steps_tag, 2},
                             (struct sfs_document_path){steps_n, 1}, SFS_DOCUMENT_EXCHANGE, error);
}

static int document_make(struct fixture *f, struct sfs_error *error)
{
    return sfs_document_set(f->store, L("made"), (struct sfs_document_path){NULL, 0}, L("{}"), 0, error);
}

const struct scenario scenarios_writing[] = {
    {.name = "set", .run = set},
    {.name = "many", .run = many},
    {.name = "delete many", .run = delete_many},
    {.name = "clear", .run = clear},
    {.name = "batch", .run = batch_of_all},
    {.name = "stage", .run = staged},
    {.name = "document set", .run = document_set},
    {.name = "document remove", .run = document_remove},
    {.name = "document move", .run = document_move},
    {.name = "document exchange", .run = document_exchange},
    {.name = "document made", .run = document_make},
    {.name = "import", .run = import_lines},
    {.name = "transaction", .run = transaction, .needs = SFS_CAN_SNAPSHOT},
    {.name = "transaction of ranges", .run = ranges, .needs = SFS_CAN_SNAPSHOT},
    {.name = "transaction of ranges, recorded", .run = ranges_recorded, .needs = SFS_CAN_SNAPSHOT},
    {.name = "transaction within", .run = transaction_within, .needs = SFS_CAN_SNAPSHOT},
    {0},
};
