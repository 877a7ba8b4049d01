/* SPDX-License-Identifier: MIT */
/* Isolation levels: what read committed sees and checks, and what serializable records. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/transaction_fixture.h"
#include "txn/reads.h"

#define L(text) SFS_LITERAL(text)
#define OK(call) assert_int_equal(call, 0)

static int apply_one(struct sfs_storage *store, struct sfs_batch *batch)
{
    int code = sfs_apply(store, batch, NULL, NULL, NULL);
    sfs_batch_free(batch);
    return code;
}

static struct sfs_batch *batch_new(void)
{
    struct sfs_batch *batch = NULL;
    OK(sfs_batch_new(&batch, NULL));
    return batch;
}

/* Reads the first `steps` records of the range [from, to). */
static void list(struct sfs_storage *store, const char *from, const char *to, int steps)
{
    struct sfs_cursor *cursor = NULL;
    const struct sfs_record *record;
    struct sfs_range range = {sfs_string(from), sfs_string(to)};
    OK(sfs_scan(store, range, 0, &cursor, NULL));
    for (int i = 0; i < steps && sfs_cursor_next(cursor, &record, NULL) == 1; i++)
        ;
    sfs_cursor_close(cursor);
}

/* --- read committed --- */

static void test_committed_reads(void **state)
{
    struct fixture *f = *state;
    set(f->store, "a", "1");
    struct sfs_transaction *transaction = begin_at(f->store, SFS_READ_COMMITTED);
    struct sfs_storage *t = inside(transaction);
    check_value(t, "a", "1");
    set(f->other, "a", "2");
    set(f->other, "b", "2");
    check_value(t, "a", "2");
    check_names(t, "a b");
    set(t, "a", "mine");
    set(t, "c", "mine");
    set(f->other, "a", "3");
    check_value(t, "a", "mine");
    check_value(f->other, "a", "3");
    check_value(f->other, "c", NULL);
    check_names(t, "a b c");
    assert_int_equal(count(t, "where/@key >= \"b\"/count"), 2);
    commit(transaction);
    check_value(f->other, "a", "mine"); /* the other's write is lost: the level allows it */
    check_names(f->other, "a b c");
}

static void test_committed_follows(void **state)
{
    struct fixture *f = *state;
    struct sfs_attributes attributes = {.mode = 0600};
    struct sfs_batch *batch = batch_new();
    const struct sfs_record *record = NULL;
    set(f->store, "a", "1");
    set(f->store, "gone", "1");
    struct sfs_transaction *transaction = begin_at(f->store, SFS_READ_COMMITTED);
    struct sfs_storage *t = inside(transaction);
    OK(sfs_batch_attributes(batch, L("a"), &attributes, SFS_ATTRIBUTE_MODE, NULL));
    OK(sfs_batch_attributes(batch, L("gone"), &attributes, SFS_ATTRIBUTE_MODE, NULL));
    OK(apply_one(t, batch));
    set(f->other, "a", "longer");
    assert_int_equal(sfs_delete(f->other, L("gone"), NULL), 1);
    check_value(t, "a", "longer");
    check_value(t, "gone", NULL);
    check_names(t, "a");
    OK(sfs_get(t, L("a"), SFS_WANT_RECORD, &record, NULL));
    assert_int_equal(record->attributes.mode & 07777, 0600);
    assert_int_equal(record->size, 6);
    sfs_record_unref(record);
    refuse(transaction, "'gone'");
    check_value(f->other, "a", "longer");
}

static void test_committed_requirements(void **state)
{
    struct fixture *f = *state;
    set(f->store, "d/x", "1");
    for (int round = 0; round < 2; round++) {
        struct sfs_transaction *transaction = begin_at(f->store, SFS_READ_COMMITTED);
        struct sfs_storage *t = inside(transaction);
        struct sfs_batch *batch = batch_new();
        assert_int_equal(sfs_delete(t, L("d/x"), NULL), 1);
        OK(sfs_batch_require_empty(batch, (struct sfs_range){L("d/"), L("d0")}, NULL));
        OK(sfs_batch_require_absent(batch, L("e"), NULL));
        OK(sfs_batch_put(batch, L("e"), L("1"), NULL, 0, NULL));
        OK(apply_one(t, batch));
        if (round == 0) {
            set(f->other, "d/y", "1");
            refuse(transaction, "d/y");
            assert_int_equal(sfs_delete(f->other, L("d/y"), NULL), 1);
        } else {
            commit(transaction);
        }
    }
    check_names(f->other, "e");
}

/* --- serializable --- */

typedef void step(struct sfs_storage *store);

/* Reads in one transaction, writes beside it, and says whether the first can still commit. */
static bool survives(struct fixture *f, step *read, step *write)
{
    struct sfs_transaction *transaction = begin_at(f->store, SFS_SERIALIZABLE);
    read(inside(transaction));
    write(f->other);
    set(inside(transaction), "zz/result", "1");
    int code = sfs_commit(transaction, NULL, NULL);
    assert_true(code == 0 || code == SFS_E_CONFLICT);
    sfs_transaction_free(transaction);
    return code == 0;
}

static void read_a(struct sfs_storage *store)
{
    check_value(store, "d/a", "{\"n\":1}");
}
static void miss(struct sfs_storage *store)
{
    check_value(store, "d/q", NULL);
}
static void stat_b(struct sfs_storage *store)
{
    const struct sfs_record *record = NULL;
    OK(sfs_get(store, L("d/b"), SFS_WANT_RECORD, &record, NULL));
    sfs_record_unref(record);
}
static void part_of_b(struct sfs_storage *store)
{
    char data[2];
    size_t got;
    OK(sfs_read(store, L("d/b"), 0, 0, data, 2, &got, NULL));
}
static void list_two(struct sfs_storage *store)
{
    list(store, "d/", "d0", 2);
}
static void list_all(struct sfs_storage *store)
{
    list(store, "d/", "d0", 100);
}
static void list_none(struct sfs_storage *store)
{
    list(store, "d/", "d0", 0);
}
static void count_ones(struct sfs_storage *store)
{
    assert_int_equal(count(store, "where/n = 1/count"), 1);
}
static void first_one(struct sfs_storage *store)
{
    assert_int_equal(count(store, "where/n >= 1/limit/1/count"), 1);
}
static void delete_missing(struct sfs_storage *store)
{
    struct sfs_batch *batch = batch_new();
    OK(sfs_batch_delete(batch, L("d/q"), SFS_BATCH_MUST_EXIST, NULL));
    assert_int_equal(apply_one(store, batch), SFS_E_NOT_FOUND);
}
static void undone_look(struct sfs_storage *store)
{
    size_t size;
    OK(sfs_size(store, &size, NULL));
}

static void something(struct sfs_storage *store)
{
    assert_int_equal(sfs_exists(store, (struct sfs_range){L("d/"), L("d0")}, NULL), 1);
}
static void nothing(struct sfs_storage *store)
{
    assert_int_equal(sfs_exists(store, (struct sfs_range){L("d/g"), L("d0")}, NULL), 0);
}
static void something_own(struct sfs_storage *store)
{
    set(store, "d/0", "1");
    something(store);
}
static void something_else(struct sfs_storage *store)
{
    assert_int_equal(sfs_delete(store, L("d/a"), NULL), 1);
    something(store);
}

static void make_first(struct sfs_storage *store)
{
    set(store, "d/00", "1");
}
static void remove_a(struct sfs_storage *store)
{
    assert_int_equal(sfs_delete(store, L("d/a"), NULL), 1);
}
static void remove_b(struct sfs_storage *store)
{
    assert_int_equal(sfs_delete(store, L("d/b"), NULL), 1);
}
static void write_a(struct sfs_storage *store)
{
    set(store, "d/a", "{\"n\":1,\"m\":2}");
}
static void write_b(struct sfs_storage *store)
{
    set(store, "d/b", "{\"n\":2,\"m\":2}");
}
static void write_c(struct sfs_storage *store)
{
    set(store, "d/c", "{\"n\":3,\"m\":2}");
}
static void make_q(struct sfs_storage *store)
{
    set(store, "d/q", "{\"n\":4}");
}
static void make_one(struct sfs_storage *store)
{
    set(store, "d/r", "{\"n\":1}");
}
static void make_far(struct sfs_storage *store)
{
    set(store, "e", "{\"n\":5}");
}
static void a_away_and_back(struct sfs_storage *store)
{
    set(store, "d/a", "{\"n\":9}");
    set(store, "d/a", "{\"n\":1}");
}

static void test_serializable_reads(void **state)
{
    struct fixture *f = *state;
    static const struct {
        step *read;
        step *write;
        bool survives;
    } cases[] = {
        {read_a, write_a, false},
        {read_a, write_b, true},
        {read_a, make_q, true},
        {miss, make_q, false},
        {miss, make_one, true},
        {stat_b, write_b, false},
        {stat_b, write_a, true},
        {part_of_b, write_b, false},
        {part_of_b, write_a, true},
        {list_two, write_a, false},
        {list_two, write_b, false},
        {list_two, write_c, true},
        {list_two, make_q, true},
        {list_all, make_q, false},
        {list_all, write_c, false},
        {list_all, make_far, true},
        {list_none, write_a, true},
        {count_ones, write_a, false},
        {count_ones, write_b, true},
        {count_ones, make_q, true},
        {count_ones, make_one, false},
        {count_ones, a_away_and_back, false},
        {first_one, write_a, false},
        {first_one, write_c, true},
        {first_one, make_q, true},
        {delete_missing, make_q, false},
        {delete_missing, write_a, true},
        {undone_look, make_far, false},
        {something, make_first, true},
        {something, write_a, true},
        {something, remove_b, true},
        {something, remove_a, false},
        {nothing, make_q, false},
        {nothing, make_first, true},
        {something_own, remove_a, true},
        {something_own, make_first, true},
        {something_else, remove_b, false},
        {something_else, write_c, true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        OK(sfs_clear(f->store, NULL));
        set(f->store, "d/a", "{\"n\":1}");
        set(f->store, "d/b", "{\"n\":2}");
        set(f->store, "d/c", "{\"n\":3}");
        if (survives(f, cases[i].read, cases[i].write) != cases[i].survives)
            fail_msg("case %zu", i);
    }
}

/* What a savepoint took back was read all the same; what only reads always commits. */
static void test_serializable_rest(void **state)
{
    struct fixture *f = *state;
    set(f->store, "a", "1");
    struct sfs_transaction *transaction = begin_at(f->store, SFS_SERIALIZABLE);
    OK(sfs_savepoint(transaction, "s", NULL));
    assert_int_equal(sfs_delete(inside(transaction), L("a"), NULL), 1);
    OK(sfs_savepoint_rollback(transaction, "s", NULL));
    set(inside(transaction), "b", "1");
    set(f->other, "a", "2");
    refuse(transaction, "'a'");
    transaction = begin_at(f->store, SFS_SERIALIZABLE);
    check_value(inside(transaction), "a", "2");
    set(f->other, "a", "3");
    check_value(inside(transaction), "a", "2");
    commit(transaction);
    /* Two that make different files in one directory do not meet. */
    struct sfs_transaction *one = begin_at(f->store, SFS_SERIALIZABLE);
    struct sfs_transaction *two = begin_at(f->other, SFS_SERIALIZABLE);
    check_value(inside(one), "d/one", NULL);
    check_value(inside(two), "d/two", NULL);
    set(inside(one), "d/one", "1");
    set(inside(two), "d/two", "2");
    commit(one);
    commit(two);
    check_names(f->store, "a d/one d/two");
}

/* --- what is recorded stays bounded, and covers what was read --- */

static bool conflicts(struct fixture *f, struct sfs_txn_reads *reads, const char *key)
{
    struct sfs_tree written = {0};
    struct sfs_storage *snapshot = NULL;
    struct sfs_batch *batch = batch_new();
    uint64_t sequence;
    OK(sfs_snapshot(f->store, 0, &snapshot, NULL));
    OK(sfs_sequence(snapshot, &sequence, NULL));
    set(f->store, key, "1");
    OK(sfs_txn_reads_require(reads, &written, sequence, batch, NULL));
    int code = apply_one(f->store, batch);
    assert_true(code == 0 || code == SFS_E_CONFLICT);
    assert_int_equal(sfs_delete(f->store, sfs_string(key), NULL), 1);
    OK(sfs_close(snapshot, NULL));
    return code != 0;
}

static void test_bounds(void **state)
{
    struct fixture *f = *state;
    struct sfs_txn_reads reads;
    char name[16];
    sfs_txn_reads_init(&reads);
    reads.key_limit = 500;
    reads.range_limit = 8;
    for (unsigned i = 0; i < 20000; i++) {
        snprintf(name, sizeof(name), "k%05u", i * 7919 % 20000 * 4);
        OK(sfs_txn_reads_key(&reads, sfs_string(name), 0, NULL));
        assert_true(reads.keys.count <= 500 && reads.range_count <= 9);
        assert_true(sfs_txn_reads_has(&reads, sfs_string(name)));
    }
    for (unsigned i = 0; i < 80000; i += 3996) {
        snprintf(name, sizeof(name), "k%05u", i);
        assert_true(conflicts(f, &reads, name));
    }
    assert_false(conflicts(f, &reads, "j"));
    assert_false(conflicts(f, &reads, "l"));
    sfs_txn_reads_clear(&reads);
    sfs_txn_reads_init(&reads);
    OK(sfs_txn_reads_upto(&reads, L("b"), L("d"), NULL));
    OK(sfs_txn_reads_range(&reads, (struct sfs_range){L("f"), L("h")}, NULL));
    OK(sfs_txn_reads_upto(&reads, L("c"), L("d"), NULL));
    assert_int_equal(reads.range_count, 2);
    assert_true(conflicts(f, &reads, "b") && conflicts(f, &reads, "d"));
    assert_false(conflicts(f, &reads, "a") || conflicts(f, &reads, "d1") ||
                 conflicts(f, &reads, "h"));
    OK(sfs_txn_reads_range(&reads, (struct sfs_range){L("a"), L("f")}, NULL));
    assert_int_equal(reads.range_count, 1);
    OK(sfs_txn_reads_range(&reads, (struct sfs_range){L("g"), {0}}, NULL));
    assert_true(conflicts(f, &reads, "zzz") && conflicts(f, &reads, "e"));
    assert_false(conflicts(f, &reads, "A"));
    sfs_txn_reads_clear(&reads);
}

/* --- what a store cannot give --- */

static int bare_close(struct sfs_storage *store, struct sfs_error *error)
{
    (void)error;
    free(store);
    return 0;
}

/* A layer that hides what the store below can do, but for `can`. */
static struct sfs_storage *hide(struct sfs_storage *below, unsigned can)
{
    static const struct sfs_storage_operations operations = {.name = "bare", .close = bare_close};
    struct sfs_storage *layer = calloc(1, sizeof(*layer));
    assert_non_null(layer);
    OK(sfs_layer_init(layer, &operations, below, NULL));
    layer->borrowed_below = true;
    layer->capabilities &= can;
    return layer;
}

static void test_refused(void **state)
{
    struct fixture *f = *state;
    struct sfs_transaction_options options = {.isolation = SFS_SERIALIZABLE};
    struct sfs_transaction *transaction = NULL;
    struct sfs_error error;
    struct sfs_storage *store = hide(f->store, ~(unsigned)SFS_CAN_CHANGES);
    assert_int_equal(sfs_begin(store, &options, &transaction, &error), SFS_E_UNSUPPORTED);
    assert_non_null(strstr(error.message, "'serializable'"));
    OK(sfs_begin(store, NULL, &transaction, NULL));
    sfs_transaction_free(transaction);
    OK(sfs_close(store, NULL));
    store = hide(f->store, ~(unsigned)SFS_CAN_SNAPSHOT);
    for (int level = SFS_SNAPSHOT; level <= SFS_SERIALIZABLE; level++) {
        options.isolation = (enum sfs_isolation)level;
        assert_int_equal(sfs_begin(store, &options, &transaction, &error), SFS_E_UNSUPPORTED);
        assert_non_null(strstr(error.message, "no snapshots"));
    }
    transaction = begin_at(store, SFS_READ_COMMITTED);
    set(inside(transaction), "a", "1");
    assert_int_equal(count(inside(transaction), "where/@key = \"a\"/count"), 1);
    commit(transaction);
    check_value(f->other, "a", "1");
    OK(sfs_close(store, NULL));
}

static int matches_all(void *context, const struct sfs_record *record)
{
    (void)context;
    (void)record;
    return 1;
}

static int require_since(struct sfs_storage *store, uint64_t sequence)
{
    struct sfs_batch *batch = batch_new();
    OK(sfs_batch_require_no_match(batch, sequence, matches_all, NULL, NULL));
    OK(sfs_batch_put(batch, L("b"), L("1"), NULL, 0, NULL));
    return apply_one(store, batch);
}

/* A filter is never judged on a history that has holes: it takes a lease to keep it. */
static void test_uncovered(void **state)
{
    struct fixture *f = *state;
    struct sfs_storage *snapshot = NULL;
    uint64_t sequence = 0;
    OK(sfs_sequence(f->store, &sequence, NULL));
    set(f->other, "a", "1");
    assert_int_equal(require_since(f->store, sequence), SFS_E_TOO_OLD);
    OK(sfs_snapshot(f->store, 0, &snapshot, NULL));
    OK(sfs_sequence(snapshot, &sequence, NULL));
    OK(require_since(f->store, sequence));
    assert_int_equal(require_since(f->store, sequence), SFS_E_CONFLICT);
    OK(sfs_close(snapshot, NULL));
    set(f->other, "a", "2");
    /* A store may keep its lease for a moment, for the next snapshot. */
    int code = require_since(f->store, sequence);
    for (int i = 0; i < 6000 && code == SFS_E_CONFLICT; i++) {
        usleep(10000);
        set(f->other, "a", "3");
        code = require_since(f->store, sequence);
    }
    assert_int_equal(code, SFS_E_TOO_OLD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_committed_reads),
        BOTH(test_committed_follows),
        BOTH(test_committed_requirements),
        BOTH(test_serializable_reads),
        BOTH(test_serializable_rest),
        BOTH(test_bounds),
        BOTH(test_refused),
        BOTH(test_uncovered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
