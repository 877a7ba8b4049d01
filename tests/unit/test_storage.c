/* SPDX-License-Identifier: MIT */
/*
 * Stacks of stores, and the calls that are derived from the primitives.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/storage.h"

#define L SFS_LITERAL

static int set_up(void **state)
{
    struct sfs_storage *store = NULL;
    int rc = sfs_open(&store, "memory:", SFS_OPEN_CREATE, NULL);
    *state = store;
    return rc;
}

static int tear_down(void **state)
{
    return sfs_close(*state, NULL);
}

static void put_link(struct sfs_storage *store, struct sfs_bytes name)
{
    struct sfs_batch *batch;
    struct sfs_attributes link = {.kind = SFS_KIND_SYMLINK};
    assert_int_equal(sfs_batch_new(&batch, NULL), 0);
    assert_int_equal(sfs_batch_put(batch, name, L("to"), &link, SFS_ATTRIBUTE_KIND, NULL), 0);
    assert_int_equal(sfs_apply(store, batch, NULL, NULL, NULL), 0);
    sfs_batch_free(batch);
}

/* --- derived --- */

static void single_values(void **state)
{
    struct sfs_storage *store = *state;
    struct sfs_buffer value = {0};
    struct sfs_error error = {0};
    assert_int_equal(sfs_set(store, L("k"), L("v\0w"), NULL), 0);
    assert_int_equal(sfs_get_value(store, L("k"), &value, NULL), 0);
    assert_true(sfs_bytes_equal(sfs_buffer_bytes(&value), L("v\0w")));
    sfs_buffer_free(&value);
    assert_int_equal(sfs_has(store, L("k"), NULL), 1);
    assert_int_equal(sfs_delete(store, L("k"), NULL), 1);
    assert_int_equal(sfs_delete(store, L("k"), NULL), 0);
    assert_int_equal(sfs_has(store, L("k"), NULL), 0);
    assert_int_equal(sfs_get_value(store, L("k"), &value, &error), SFS_E_NOT_FOUND);
    assert_non_null(strstr(error.message, "'k'"));
    assert_int_equal(sfs_has(store, L(""), NULL), SFS_E_INVALID);
    assert_int_equal(sfs_set(store, L("d/\0"), L(""), NULL), SFS_E_INVALID);
}

static void links_are_no_keys(void **state)
{
    struct sfs_storage *store = *state;
    struct sfs_buffer value = {0};
    struct sfs_totals totals;
    put_link(store, L("l"));
    assert_int_equal(sfs_has(store, L("l"), NULL), 0);
    assert_int_equal(sfs_get_value(store, L("l"), &value, NULL), SFS_E_NOT_FOUND);
    assert_int_equal(sfs_delete(store, L("l"), NULL), 0);
    assert_int_equal(sfs_totals(store, &totals, NULL), 0);
    assert_int_equal(totals.keys, 0);
    assert_int_equal(totals.records, 1);
    assert_int_equal(totals.bytes, 2);
    assert_int_equal(sfs_clear(store, NULL), 0);
    assert_int_equal(sfs_totals(store, &totals, NULL), 0);
    assert_int_equal(totals.records, 0);
}

static void many_values(void **state)
{
    struct sfs_storage *store = *state;
    const struct sfs_entry entries[] = {{L("a"), L("1")}, {L("b"), L("2")}, {L("b/c"), L("3")}};
    const struct sfs_bytes keys[] = {L("b"), L("none"), L("a"), L("l"), L("b")};
    const struct sfs_record *records[5];
    uint64_t count = 99;
    assert_int_equal(sfs_set_many(store, entries, 3, NULL), 0);
    put_link(store, L("l"));
    assert_int_equal(sfs_get_many(store, keys, 5, records, NULL), 0);
    assert_true(sfs_bytes_equal(sfs_record_value(records[0]), L("2")));
    assert_true(sfs_bytes_equal(sfs_record_value(records[2]), L("1")));
    assert_null(records[1]);
    assert_null(records[3]);
    for (size_t i = 0; i < 5; i++)
        sfs_record_unref(records[i]);
    assert_int_equal(sfs_size(store, &count, NULL), 0);
    assert_int_equal(count, 3);
    assert_int_equal(sfs_delete_many(store, keys, 5, &count, NULL), 0);
    assert_int_equal(count, 2);
    assert_int_equal(sfs_has(store, L("b/c"), NULL), 1);
    const struct sfs_bytes bad[] = {L("b/c"), L("")};
    records[0] = records[1] = NULL;
    assert_int_equal(sfs_get_many(store, bad, 2, records, NULL), SFS_E_INVALID);
    assert_null(records[0]);
}

static void keys_and_entries(void **state)
{
    struct sfs_storage *store = *state;
    struct sfs_cursor *cursor;
    const struct sfs_record *record;
    const struct sfs_entry entries[] = {{L("a/1"), L("x")}, {L("a/2"), L("y")}, {L("b"), L("z")}};
    assert_int_equal(sfs_set_many(store, entries, 3, NULL), 0);
    put_link(store, L("a/l"));
    assert_int_equal(sfs_entries(store, L("a/"), &cursor, NULL), 0);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(sfs_cursor_next(cursor, &record, NULL), 1);
        assert_true(sfs_bytes_equal(record->name, entries[i].key));
        assert_true(sfs_bytes_equal(sfs_record_value(record), entries[i].value));
    }
    assert_int_equal(sfs_cursor_next(cursor, &record, NULL), 0);
    sfs_cursor_close(cursor);
    sfs_cursor_close(NULL);
}

static void count_report(void *context, const char *sentence)
{
    assert_true(strlen(sentence) > 0);
    ++*(int *)context;
}

static void stores_are_checked(void **state)
{
    struct sfs_storage *store = *state;
    struct sfs_error error = {0};
    uint64_t found = 9, repaired = 9;
    int reports = 0;
    assert_int_equal(sfs_set(store, L("k"), L("value"), NULL), 0);
    assert_int_equal(sfs_set(store, L("e"), L(""), NULL), 0);
    put_link(store, L("l"));
    assert_int_equal(sfs_check(store, false, count_report, &reports, &found, &repaired, &error), 0);
    assert_int_equal(found + repaired, 0);
    assert_int_equal(reports, 0);
}

/* --- layers --- */

struct layer {
    struct sfs_storage storage;
    int calls;
    bool *closed;
};

static int layer_get(struct sfs_storage *store, struct sfs_bytes name, unsigned want,
                     const struct sfs_record **ret_record, struct sfs_error *error)
{
    ((struct layer *)store)->calls++;
    return sfs_get(store->below, name, want, ret_record, error);
}

/* Says that every value has a byte more than the record tells. */
static int layer_read(struct sfs_storage *store, struct sfs_bytes name, uint64_t revision,
                      uint64_t offset, void *data, size_t size, size_t *ret_size,
                      struct sfs_error *error)
{
    int rc = sfs_read(store->below, name, revision, offset, data, size, ret_size, error);
    if (rc == 0 && offset == 0)
        ++*ret_size;
    return rc;
}

static int layer_scan(struct sfs_storage *store, struct sfs_range range, unsigned want,
                      struct sfs_cursor **ret_cursor, struct sfs_error *error)
{
    return sfs_scan(store->below, range, want, ret_cursor, error);
}

static int layer_close(struct sfs_storage *store, struct sfs_error *error)
{
    *((struct layer *)store)->closed = true;
    return sfs_fail(error, SFS_E_IO, "layer", "could not be closed");
}

static int backup_here(struct sfs_storage *store, const char *path, sfs_progress_function *progress,
                       void *context, struct sfs_error *error)
{
    (void)store, (void)path, (void)progress, (void)context, (void)error;
    return 7;
}

static const struct sfs_read_operations reads = {layer_get, layer_read, layer_scan};
static const struct sfs_override_operations overrides = {.backup = backup_here};
static const struct sfs_storage_operations plain = {.name = "plain", .close = layer_close};
static const struct sfs_storage_operations able = {
    .name = "able", .override = &overrides, .close = layer_close};
static const struct sfs_storage_operations reading = {
    .name = "reading", .read = &reads, .close = layer_close};
static const struct sfs_storage_operations hiding = {
    .name = "hiding", .read = &reads, .hides = SFS_OVERRIDE_UPKEEP, .close = layer_close};

static void holes_are_refused(void **state)
{
    static const struct sfs_read_operations hole = {layer_get, NULL, layer_scan};
    static const struct sfs_storage_operations broken = {
        .name = "broken", .read = &hole, .close = layer_close};
    struct layer layer = {0};
    struct sfs_error error = {0};
    assert_int_equal(sfs_layer_init(&layer.storage, &broken, *state, &error), SFS_E_INVALID);
    assert_non_null(strstr(error.message, "broken"));
    assert_non_null(strstr(error.message, "read"));
    assert_null(layer.storage.below);
}

static void unset_groups_fall_through(void **state)
{
    struct layer top = {0};
    assert_int_equal(sfs_layer_init(&top.storage, &plain, *state, NULL), 0);
    assert_int_equal(sfs_set(&top.storage, L("k"), L("v"), NULL), 0);
    assert_int_equal(sfs_has(*state, L("k"), NULL), 1);
    assert_int_equal(sfs_has(&top.storage, L("k"), NULL), 1);
    assert_string_equal(sfs_storage_name(&top.storage), "memory");
    top.storage.read_only = true;
    assert_int_equal(sfs_set(&top.storage, L("k"), L("w"), NULL), SFS_E_READ_ONLY);
    top.storage.read_only = false;
    ((struct sfs_storage *)*state)->read_only = true;
    assert_int_equal(sfs_set(&top.storage, L("k"), L("w"), NULL), SFS_E_READ_ONLY);
}

static void overrides_pass_unless_hidden(void **state)
{
    struct layer bottom = {0}, top = {0};
    struct sfs_error error = {0};
    int reports = 0;
    uint64_t found, repaired;
    assert_int_equal(sfs_layer_init(&bottom.storage, &able, *state, NULL), 0);
    assert_int_equal(sfs_layer_init(&top.storage, &plain, &bottom.storage, NULL), 0);
    assert_int_equal(sfs_backup(&top.storage, "x", NULL, NULL, NULL), 7);
    assert_int_equal(sfs_layer_init(&top.storage, &hiding, &bottom.storage, NULL), 0);
    assert_int_equal(sfs_backup(&top.storage, "x", NULL, NULL, &error), SFS_E_UNSUPPORTED);
    assert_non_null(strstr(error.message, "export"));
    assert_int_equal(sfs_layer_init(&top.storage, &reading, &bottom.storage, NULL), 0);
    assert_int_equal(sfs_backup(&top.storage, "x", NULL, NULL, NULL), 7);

    /* The check reads through the layer. */
    assert_int_equal(sfs_set(&top.storage, L("k"), L("v"), NULL), 0);
    assert_int_equal(sfs_has(&top.storage, L("k"), NULL), 1);
    assert_int_equal(top.calls, 1);
    assert_int_equal(
        sfs_check(&top.storage, false, count_report, &reports, &found, &repaired, NULL), 0);
    assert_int_equal(found, 1);
    assert_int_equal(reports, 1);
}

static void closing_closes_all(void **unused)
{
    (void)unused;
    struct sfs_storage *store = NULL;
    struct sfs_error error = {0};
    bool first = false, second = false;
    struct layer bottom = {.closed = &first}, top = {.closed = &second};
    assert_int_equal(sfs_open(&store, "memory:", SFS_OPEN_CREATE, NULL), 0);
    assert_int_equal(sfs_layer_init(&bottom.storage, &plain, store, NULL), 0);
    assert_int_equal(sfs_layer_init(&top.storage, &reading, &bottom.storage, NULL), 0);
    assert_int_equal(sfs_close(&top.storage, &error), SFS_E_IO);
    assert_true(first && second);
    assert_string_equal(error.message, "could not be closed");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(single_values),
        TEST(links_are_no_keys),
        TEST(many_values),
        TEST(keys_and_entries),
        TEST(stores_are_checked),
        TEST(holes_are_refused),
        TEST(unset_groups_fall_through),
        TEST(overrides_pass_unless_hidden),
        cmocka_unit_test(closing_closes_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
