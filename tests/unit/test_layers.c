/* SPDX-License-Identifier: MIT */
/* The metrics and the fault layer over a memory store. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/storage.h"
#include "storefs/layers.h"

static struct sfs_storage *open_memory(void)
{
    struct sfs_storage *store = NULL;
    assert_int_equal(sfs_open(&store, "memory:", SFS_OPEN_CREATE, NULL), 0);
    return store;
}

static struct sfs_call_metrics row(struct sfs_storage *store, const char *name)
{
    struct sfs_call_metrics rows[SFS_METRICS_CALLS];
    sfs_metrics_read(store, rows);
    for (int i = 0; i < SFS_METRICS_CALLS; i++) {
        if (strcmp(rows[i].name, name) == 0)
            return rows[i];
    }
    fail_msg("no row %s", name);
    return rows[0];
}

static void test_metrics(void **state)
{
    (void)state;
    struct sfs_storage *store, *snapshot;
    struct sfs_buffer value = {0};
    struct sfs_cursor *cursor;
    const struct sfs_record *record;
    uint64_t sequence;
    assert_int_equal(sfs_metrics_layer(&store, open_memory(), NULL), 0);
    assert_int_equal(sfs_storage_capabilities(store) & SFS_CAN_SNAPSHOT, SFS_CAN_SNAPSHOT);
    assert_int_equal(sfs_set(store, sfs_string("a"), sfs_string("12345"), NULL), 0);
    assert_int_equal(sfs_get_value(store, sfs_string("a"), &value, NULL), 0);
    sfs_buffer_free(&value);
    assert_int_equal(sfs_get(store, sfs_string("b"), 0, &record, NULL), SFS_E_NOT_FOUND);
    assert_int_equal(sfs_entries(store, SFS_LITERAL(""), &cursor, NULL), 0);
    assert_int_equal(sfs_cursor_next(cursor, &record, NULL), 1);
    assert_int_equal(sfs_cursor_seek(cursor, sfs_string("a"), NULL), 0);
    assert_int_equal(sfs_cursor_next(cursor, &record, NULL), 1);
    assert_int_equal(sfs_cursor_next(cursor, &record, NULL), 0);
    sfs_cursor_close(cursor);
    assert_int_equal(sfs_snapshot(store, 0, &snapshot, NULL), 0);
    assert_int_equal(sfs_close(snapshot, NULL), 0);
    assert_int_equal(sfs_sequence(store, &sequence, NULL), 0);
    assert_int_equal(sfs_sync(store, 0, NULL), 0);

    assert_int_equal(row(store, "apply").calls, 1);
    assert_int_equal(row(store, "apply").bytes, 5);
    assert_int_equal(row(store, "get").calls, 2);
    assert_int_equal(row(store, "get").failures, 0);
    assert_int_equal(row(store, "get").bytes, 5);
    assert_int_equal(row(store, "scan").calls, 1);
    assert_int_equal(row(store, "scan").bytes, 10);
    assert_true(row(store, "scan").nanoseconds > 0);
    assert_int_equal(row(store, "snapshot").calls, 1);
    assert_int_equal(row(store, "sequence").calls, 1);
    assert_int_equal(row(store, "sync").calls, 1);
    assert_int_equal(row(store, "stage").calls, 0);
    assert_int_equal(row(store, "changes").calls, 0);
    assert_int_equal(row(store, "read").calls, 0);
    assert_int_equal(sfs_close(store, NULL), 0);
}

static void test_metrics_count_failures(void **state)
{
    (void)state;
    struct sfs_storage *fault, *store;
    struct sfs_fault_options options = {.calls = SFS_FAULT_WRITE, .code = SFS_E_IO};
    struct sfs_totals totals;
    assert_int_equal(sfs_fault_layer(&fault, open_memory(), &options, NULL), 0);
    assert_int_equal(sfs_metrics_layer(&store, fault, NULL), 0);
    assert_int_equal(sfs_set(store, sfs_string("a"), sfs_string("1"), NULL), SFS_E_IO);
    assert_int_equal(row(store, "apply").calls, 1);
    assert_int_equal(row(store, "apply").failures, 1);
    assert_int_equal(row(store, "apply").bytes, 0);
    assert_int_equal(sfs_totals(store, &totals, NULL), 0);
    assert_int_equal(totals.records, 0);
    assert_int_equal(sfs_close(store, NULL), 0);
}

/* Index scans pass the layer: it only observes them. */
static void test_metrics_observe_index_scans(void **state)
{
    (void)state;
    struct sfs_storage *lower, *store, *memory = open_memory();
    struct sfs_index_cursor *cursor;
    struct sfs_index_set *set = NULL;
    struct sfs_index_row entry;
    assert_int_equal(sfs_metrics_layer(&lower, memory, NULL), 0);
    assert_int_equal(sfs_metrics_layer(&store, lower, NULL), 0);
    assert_int_equal(sfs_set(store, sfs_string("a"), sfs_string("{\"n\":1}"), NULL), 0);
    assert_int_equal(sfs_index_create(store, sfs_string("n"), NULL, NULL, NULL), 0);
    assert_ptr_equal(sfs_storage_index(store), memory);
    assert_int_equal(memory->operations->override->index->set(memory, &set, NULL), 0);
    uint64_t before = row(store, "scan").calls;
    assert_int_equal(before, row(lower, "scan").calls);
    assert_int_equal(sfs_storage_index_scan(store, set->indexes[0], (struct sfs_range){0}, false,
                                            SFS_WANT_NAMES, &cursor, NULL),
                     0);
    assert_int_equal(cursor->operations->next(cursor, &entry, NULL), 1);
    assert_memory_equal(entry.name.data, "a", 1);
    cursor->operations->close(cursor);
    sfs_index_set_unref(set);
    assert_int_equal(row(store, "scan").calls, before + 1);
    assert_int_equal(row(lower, "scan").calls, before + 1);
    assert_int_equal(row(store, "scan").failures, 0);
    assert_true(row(store, "scan").nanoseconds > 0);
    assert_int_equal(sfs_close(store, NULL), 0);
}

static int failing_scan(struct sfs_storage *store, const struct sfs_index *index,
                        struct sfs_range range, bool descending, unsigned want,
                        struct sfs_index_cursor **ret_cursor, struct sfs_error *error)
{
    (void)store, (void)index, (void)range, (void)descending, (void)want, (void)ret_cursor;
    return sfs_fail(error, SFS_E_IO, "test", "as told");
}

static int free_store(struct sfs_storage *store, struct sfs_error *error)
{
    (void)error;
    free(store);
    return 0;
}

static void test_metrics_observe_failed_index_scans(void **state)
{
    (void)state;
    static const struct sfs_index_operations index = {.scan = failing_scan};
    static const struct sfs_override_operations override = {.index = &index};
    static const struct sfs_storage_operations operations = {
        .name = "failing", .override = &override, .close = free_store};
    struct sfs_storage *store, *failing = calloc(1, sizeof(*failing));
    struct sfs_index_cursor *cursor;
    assert_non_null(failing);
    assert_int_equal(sfs_layer_init(failing, &operations, open_memory(), NULL), 0);
    assert_int_equal(sfs_metrics_layer(&store, failing, NULL), 0);
    assert_int_equal(
        sfs_storage_index_scan(store, NULL, (struct sfs_range){0}, false, 0, &cursor, NULL),
        SFS_E_IO);
    assert_int_equal(row(store, "scan").calls, 1);
    assert_int_equal(row(store, "scan").failures, 1);
    assert_int_equal(sfs_close(store, NULL), 0);
}

static void test_fault_strikes_from_the_chosen_call_on(void **state)
{
    (void)state;
    struct sfs_storage *store;
    struct sfs_error error;
    struct sfs_fault_options options = {
        .calls = SFS_FAULT_WRITE, .after = 2, .code = SFS_E_NO_SPACE};
    assert_int_equal(sfs_fault_layer(&store, open_memory(), &options, NULL), 0);
    assert_int_equal(sfs_set(store, sfs_string("a"), sfs_string("1"), NULL), 0);
    assert_int_equal(sfs_has(store, sfs_string("a"), NULL), 1);
    assert_int_equal(sfs_set(store, sfs_string("b"), sfs_string("1"), NULL), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(sfs_set(store, sfs_string("c"), sfs_string("1"), &error), SFS_E_NO_SPACE);
    assert_string_equal(error.origin, "fault");
    assert_int_equal(sfs_has(store, sfs_string("c"), NULL), 0);
    sfs_fault_set(store, NULL);
    assert_int_equal(sfs_set(store, sfs_string("c"), sfs_string("1"), NULL), 0);
    assert_int_equal(sfs_close(store, NULL), 0);
}

static void test_fault_in_the_middle_of_a_scan(void **state)
{
    (void)state;
    struct sfs_storage *store, *snapshot;
    struct sfs_cursor *cursor;
    const struct sfs_record *record;
    uint64_t size;
    struct sfs_fault_options options = {.calls = SFS_FAULT_READ, .after = 2, .code = SFS_E_CORRUPT};
    assert_int_equal(sfs_fault_layer(&store, open_memory(), NULL, NULL), 0);
    for (const char *key = "abc"; *key; key++)
        assert_int_equal(sfs_set(store, sfs_bytes(key, 1), sfs_string("1"), NULL), 0);
    sfs_fault_set(store, &options);
    assert_int_equal(sfs_scan(store, (struct sfs_range){0}, 0, &cursor, NULL), 0);
    assert_int_equal(sfs_cursor_next(cursor, &record, NULL), 1);
    assert_int_equal(sfs_cursor_next(cursor, &record, NULL), SFS_E_CORRUPT);
    sfs_cursor_close(cursor);
    /* No override goes past the layer. */
    assert_int_equal(sfs_size(store, &size, NULL), SFS_E_CORRUPT);
    options = (struct sfs_fault_options){.calls = SFS_FAULT_TIME, .code = SFS_E_UNREACHABLE};
    sfs_fault_set(store, &options);
    assert_int_equal(sfs_snapshot(store, 0, &snapshot, NULL), SFS_E_UNREACHABLE);
    assert_int_equal(sfs_close(store, NULL), 0);
}

static int some_get(struct sfs_storage *store, struct sfs_bytes name, unsigned want,
                    const struct sfs_record **ret_record, struct sfs_error *error)
{
    return sfs_get(store->below, name, want, ret_record, error);
}

static int some_close(struct sfs_storage *store, struct sfs_error *error)
{
    (void)store;
    (void)error;
    return 0;
}

static void test_layer_with_a_hole_is_refused(void **state)
{
    (void)state;
    struct sfs_storage *below = open_memory();
    struct sfs_storage layer;
    struct sfs_storage *store = NULL;
    struct sfs_error error;
    const struct sfs_read_operations read = {.get = some_get};
    const struct sfs_storage_operations operations = {
        .name = "holey", .read = &read, .close = some_close};
    assert_int_equal(sfs_layer_init(&layer, &operations, below, &error), SFS_E_INVALID);
    assert_non_null(strstr(error.message, "read"));
    struct sfs_fault_options options = {.calls = SFS_FAULT_READ, .code = 0};
    assert_int_equal(sfs_fault_layer(&store, below, &options, &error), SFS_E_INVALID);
    assert_null(store);
    assert_int_equal(sfs_close(below, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metrics),
        cmocka_unit_test(test_metrics_count_failures),
        cmocka_unit_test(test_metrics_observe_index_scans),
        cmocka_unit_test(test_metrics_observe_failed_index_scans),
        cmocka_unit_test(test_fault_strikes_from_the_chosen_call_on),
        cmocka_unit_test(test_fault_in_the_middle_of_a_scan),
        cmocka_unit_test(test_layer_with_a_hole_is_refused),
    };
    return cmocka_run_group_tests_name("layers", tests, NULL, NULL);
}
