/* SPDX-License-Identifier: MIT */
/* Values inside transactions: renamed without being read, large ones in stages, nested transactions,
 * and a commit that failed for lack of space and is tried again. */
#include <stdlib.h>

#include "storefs/layers.h"
#include "storefs/query.h"
#include "tests/unit/transaction_fixture.h"

static void test_rename_prefix(void **state)
{
    struct fixture *fixture = *state;
    const struct sfs_record *record;
    set(fixture->store, "d/a", "first");
    set(fixture->store, "d/b/c", "second");
    struct sfs_transaction *transaction = begin(fixture->store);
    struct sfs_storage *inside = sfs_transaction_storage(transaction);
    struct sfs_batch *batch;
    assert_int_equal(sfs_get(inside, sfs_string("d/a"), 0, &record, NULL), 0);
    uint64_t id = record->attributes.id;
    sfs_record_unref(record);
    assert_int_equal(sfs_batch_new(&batch, NULL), 0);
    sfs_batch_rename_prefix(batch, sfs_string("d/"), sfs_string("e/"), NULL);
    sfs_batch_rename_prefix(batch, sfs_string("e/b/"), sfs_string("f/"), NULL);
    assert_int_equal(sfs_apply(inside, batch, NULL, NULL, NULL), 0);
    assert_int_equal(sfs_batch_affected(batch, 0), 2);
    sfs_batch_clear(batch);
    sfs_batch_append(batch, sfs_string("f/c"), sfs_string(" half"), NULL);
    sfs_batch_exchange_prefix(batch, sfs_string("e/"), sfs_string("f/"), NULL);
    assert_int_equal(sfs_apply(inside, batch, NULL, NULL, NULL), 0);
    sfs_batch_free(batch);
    check_names(inside, "e/c f/a");
    check_value(inside, "f/a", "first");
    check_value(inside, "e/c", "second half");
    commit(transaction);
    check_names(fixture->other, "e/c f/a");
    check_value(fixture->other, "f/a", "first");
    check_value(fixture->other, "e/c", "second half");
    assert_int_equal(sfs_get(fixture->other, sfs_string("f/a"), 0, &record, NULL), 0);
    assert_int_equal(record->attributes.id, id);
    sfs_record_unref(record);
}

#define LARGE ((size_t)3 << 20)

static void put_large(struct sfs_storage *store, const char *key, char fill)
{
    struct sfs_stage *stage;
    struct sfs_batch *batch;
    struct sfs_error error = {0};
    char *data = malloc(LARGE);
    memset(data, fill, LARGE);
    assert_int_equal(sfs_stage_open(store, &stage, NULL), 0);
    assert_int_equal(sfs_stage_write(stage, 0, sfs_bytes(data, LARGE), NULL), 0);
    assert_int_equal(sfs_stage_size(stage), LARGE);
    assert_int_equal(sfs_batch_new(&batch, NULL), 0);
    assert_int_equal(sfs_batch_put_stage(batch, sfs_string(key), stage, NULL, 0, NULL), 0);
    if (sfs_apply(store, batch, NULL, NULL, &error))
        fail_msg("apply: %s", error.message);
    sfs_batch_free(batch);
    sfs_stage_close(stage);
    free(data);
}

static void check_large(struct sfs_storage *store, const char *key, char fill, const char *end)
{
    struct sfs_buffer value = {0};
    char piece[8] = {0};
    size_t got = 0;
    assert_int_equal(sfs_get_value(store, sfs_string(key), &value, NULL), 0);
    assert_int_equal(value.size, LARGE + strlen(end));
    assert_int_equal(value.data[0], fill);
    assert_int_equal(value.data[LARGE - 1], fill);
    assert_memory_equal(value.data + 1000, "patched", 7);
    assert_memory_equal(value.data + LARGE, end, strlen(end));
    sfs_buffer_free(&value);
    assert_int_equal(sfs_read(store, sfs_string(key), 0, 1000, piece, 7, &got, NULL), 0);
    assert_int_equal(got, 7);
    assert_string_equal(piece, "patched");
}

static void test_large_values(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_batch *batch;
    put_large(fixture->store, "old", 'o');
    struct sfs_transaction *transaction = begin(fixture->store);
    struct sfs_storage *inside = sfs_transaction_storage(transaction);
    put_large(inside, "new", 'n');
    assert_int_equal(sfs_savepoint(transaction, "s", NULL), 0);
    put_large(inside, "dropped", 'd');
    put_large(inside, "new", 'x');
    assert_int_equal(sfs_savepoint_rollback(transaction, "s", NULL), 0);
    assert_int_equal(sfs_batch_new(&batch, NULL), 0);
    sfs_batch_write(batch, sfs_string("old"), 1000, sfs_string("patched"), NULL);
    sfs_batch_write(batch, sfs_string("new"), 1000, sfs_string("patched"), NULL);
    sfs_batch_append(batch, sfs_string("new"), sfs_string("end"), NULL);
    sfs_batch_rename(batch, sfs_string("new"), sfs_string("newer"), 0, NULL);
    assert_int_equal(sfs_apply(inside, batch, NULL, NULL, NULL), 0);
    sfs_batch_free(batch);
    check_names(inside, "newer old");
    check_large(inside, "old", 'o', "");
    check_large(inside, "newer", 'n', "end");
    commit(transaction);
    check_names(fixture->other, "newer old");
    check_large(fixture->other, "old", 'o', "");
    check_large(fixture->other, "newer", 'n', "end");
}

static void test_stage_rules(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_stage *own;
    struct sfs_stage *foreign;
    struct sfs_batch *batch;
    struct sfs_transaction *transaction = begin(fixture->store);
    struct sfs_storage *inside = sfs_transaction_storage(transaction);
    assert_int_equal(sfs_stage_open(inside, &own, NULL), 0);
    assert_int_equal(sfs_stage_memory(&foreign, NULL), 0);
    assert_int_equal(sfs_stage_write(own, 2, sfs_string("own"), NULL), 0);
    assert_int_equal(sfs_stage_truncate(own, 4, NULL), 0);
    assert_int_equal(sfs_stage_write(foreign, 0, sfs_string("foreign"), NULL), 0);
    assert_int_equal(sfs_batch_new(&batch, NULL), 0);
    sfs_batch_put_stage(batch, sfs_string("a"), own, NULL, 0, NULL);
    sfs_batch_put_stage(batch, sfs_string("b"), own, NULL, 0, NULL);
    sfs_batch_put_stage(batch, sfs_string("c"), foreign, NULL, 0, NULL);
    assert_int_equal(sfs_apply(inside, batch, NULL, NULL, NULL), 0);
    sfs_batch_free(batch);
    assert_int_equal(sfs_stage_write(own, 0, sfs_string("x"), NULL), SFS_E_INVALID);
    sfs_stage_close(own);
    sfs_stage_close(foreign);
    struct sfs_bytes expected = sfs_bytes("\0\0ow", 4);
    for (int round = 0; round < 2; round++) {
        struct sfs_storage *from = round ? fixture->other : inside;
        for (const char *key = "ab"; *key; key++) {
            struct sfs_buffer value = {0};
            assert_int_equal(sfs_get_value(from, sfs_bytes(key, 1), &value, NULL), 0);
            assert_true(sfs_bytes_equal(sfs_buffer_bytes(&value), expected));
            sfs_buffer_free(&value);
        }
        check_value(from, "c", "foreign");
        if (round == 0)
            commit(transaction);
    }
}

static void test_queries_see_the_transaction(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_query *query;
    struct sfs_cursor *cursor;
    const struct sfs_record *record;
    uint64_t count;
    set(fixture->store, "a", "{\"n\":1}");
    set(fixture->store, "b", "{\"n\":2}");
    set(fixture->store, "c", "{\"n\":3}");
    struct sfs_transaction *transaction = begin(fixture->store);
    struct sfs_storage *inside = sfs_transaction_storage(transaction);
    assert_int_equal(sfs_query_new(&query, NULL), 0);
    assert_int_equal(sfs_query_where(query, sfs_string("n >= 2"), NULL), 0);
    set(fixture->other, "z", "{\"n\":9}");
    set(inside, "a", "{\"n\":7}");
    set(inside, "d", "{\"n\":8}");
    assert_int_equal(sfs_delete(inside, sfs_string("b"), NULL), 1);
    assert_int_equal(sfs_query_count(inside, query, &count, NULL), 0);
    assert_int_equal(count, 3);
    /* A result is one state, also while the transaction goes on. */
    assert_int_equal(sfs_query_run(inside, query, &cursor, NULL), 0);
    set(inside, "d", "{\"n\":0}");
    const char *const expected[] = {"a", "c", "d"};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(sfs_cursor_next(cursor, &record, NULL), 1);
        assert_true(sfs_bytes_equal(record->name, sfs_string(expected[i])));
    }
    assert_int_equal(sfs_cursor_next(cursor, &record, NULL), 0);
    sfs_cursor_close(cursor);
    assert_int_equal(sfs_query_count(inside, query, &count, NULL), 0);
    assert_int_equal(count, 2);
    assert_int_equal(sfs_query_count(fixture->other, query, &count, NULL), 0);
    assert_int_equal(count, 3);
    sfs_query_free(query);
    commit(transaction);
}

static void test_nested(void **state)
{
    struct fixture *fixture = *state;
    set(fixture->store, "a", "1");
    struct sfs_transaction *outer = begin(fixture->store);
    struct sfs_storage *outside = sfs_transaction_storage(outer);
    set(outside, "b", "outer");
    struct sfs_transaction *inner = begin(outside);
    struct sfs_transaction *late = begin(outside);
    set(sfs_transaction_storage(inner), "b", "inner");
    put_large(sfs_transaction_storage(inner), "large", 'l');
    set(sfs_transaction_storage(late), "b", "late");
    check_value(outside, "b", "outer");
    commit(inner);
    check_value(outside, "b", "inner");
    assert_int_equal(sfs_commit(late, NULL, NULL), SFS_E_CONFLICT);
    sfs_transaction_free(late);
    check_value(fixture->store, "b", NULL);
    commit(outer);
    check_value(fixture->other, "b", "inner");
    struct sfs_totals totals;
    assert_int_equal(sfs_totals(fixture->other, &totals, NULL), 0);
    assert_int_equal(totals.bytes, LARGE + 6);
}

static void test_commit_can_be_tried_again(void **state)
{
    (void)state;
    struct sfs_storage *memory, *store;
    struct sfs_fault_options fault = {0};
    struct sfs_error error;
    assert_int_equal(sfs_open(&memory, "memory:", SFS_OPEN_CREATE, NULL), 0);
    assert_int_equal(sfs_fault_layer(&store, memory, NULL, NULL), 0);
    struct sfs_transaction *transaction = begin(store);
    put_large(sfs_transaction_storage(transaction), "large", 'l');
    fault = (struct sfs_fault_options){.calls = SFS_FAULT_WRITE, .code = SFS_E_NO_SPACE};
    sfs_fault_set(store, &fault);
    assert_int_equal(sfs_commit(transaction, NULL, &error), SFS_E_NO_SPACE);
    assert_int_equal(state_of(transaction), SFS_ACTIVE);
    sfs_fault_set(store, NULL);
    commit(transaction);
    check_names(store, "large");
    assert_int_equal(sfs_close(store, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_rename_prefix),
        BOTH(test_large_values),
        BOTH(test_stage_rules),
        BOTH(test_queries_see_the_transaction),
        BOTH(test_nested),
        cmocka_unit_test(test_commit_can_be_tried_again),
    };
    return cmocka_run_group_tests_name("transaction values", tests, NULL, NULL);
}
