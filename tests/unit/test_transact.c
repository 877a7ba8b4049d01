/* SPDX-License-Identifier: MIT */
/* Transactions inside others, read-only ones, time limits, and running a function until it commits.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/own_clock.h"
#include "tests/unit/transaction_fixture.h"

#define L(text) SFS_LITERAL(text)
#define OK(call) assert_int_equal(call, 0)

static void test_nested(void **state)
{
    struct fixture *f = *state;
    struct sfs_transaction *inner = NULL;
    struct sfs_transaction *deep = NULL;
    struct sfs_transaction_options options = {.isolation = SFS_SERIALIZABLE};
    set(f->store, "a", "1");
    struct sfs_transaction *outer = begin(f->store);
    assert_int_equal(sfs_begin_nested(outer, &options, &inner, NULL), SFS_E_UNSUPPORTED);
    set(inside(outer), "b", "outer");
    OK(sfs_begin_nested(outer, NULL, &inner, NULL));
    check_names(inside(inner), "a b");
    set(inside(inner), "b", "inner");
    set(inside(inner), "c", "inner");
    check_value(inside(outer), "b", "outer");
    OK(sfs_begin_nested(inner, NULL, &deep, NULL));
    set(inside(deep), "d", "deep");
    sfs_transaction_free(deep);
    check_names(inside(inner), "a b c");
    OK(sfs_begin_nested(inner, NULL, &deep, NULL));
    set(inside(deep), "e", "deep");
    commit(deep);
    check_names(inside(outer), "a b");
    commit(inner);
    check_names(inside(outer), "a b c e");
    check_value(inside(outer), "b", "inner");
    check_names(f->other, "a");
    OK(sfs_begin_nested(outer, NULL, &inner, NULL));
    set(inside(inner), "a", "inner");
    set(inside(outer), "a", "outer");
    refuse(inner, "'a'");
    sfs_rollback(outer);
    assert_int_equal(sfs_begin_nested(outer, NULL, &inner, NULL), SFS_E_EXPIRED);
    sfs_transaction_free(outer);
    check_names(f->other, "a");
}

static void test_nested_levels(void **state)
{
    struct fixture *f = *state;
    struct sfs_transaction *inner = NULL;
    struct sfs_transaction_options committed = {.isolation = SFS_READ_COMMITTED};
    set(f->store, "a", "1");
    /* What an inner one read, the outer has read, whatever became of the inner. */
    struct sfs_transaction *outer = begin_at(f->store, SFS_SERIALIZABLE);
    OK(sfs_begin_nested(outer, NULL, &inner, NULL));
    check_value(inside(inner), "a", "1");
    assert_int_equal(count(inside(inner), "where/@key = \"q\"/count"), 0);
    sfs_transaction_free(inner);
    set(inside(outer), "b", "1");
    set(f->other, "a", "2");
    refuse(outer, "'a'");
    outer = begin_at(f->store, SFS_SERIALIZABLE);
    OK(sfs_begin_nested(outer, NULL, &inner, NULL));
    assert_int_equal(count(inside(inner), "where/@key = \"q\"/count"), 0);
    set(inside(inner), "r", "1");
    commit(inner);
    set(f->other, "q", "2");
    refuse(outer, "'q'");
    /* What the outer one takes back, an inner one must not have read. */
    outer = begin_at(f->store, SFS_SERIALIZABLE);
    OK(sfs_savepoint(outer, "s", NULL));
    set(inside(outer), "t", "1");
    OK(sfs_begin_nested(outer, NULL, &inner, NULL));
    assert_int_equal(count(inside(inner), "where/@key >= \"t\"/count"), 1);
    set(inside(inner), "u", "1");
    OK(sfs_savepoint_rollback(outer, "s", NULL));
    refuse(inner, "savepoint");
    sfs_transaction_free(outer);
    /* Read committed sees what the outer one does. */
    outer = begin(f->store);
    OK(sfs_begin_nested(outer, &committed, &inner, NULL));
    set(inside(outer), "c", "1");
    check_value(inside(inner), "c", "1");
    set(f->other, "x", "1");
    check_value(inside(inner), "x", NULL);
    set(inside(inner), "c", "2");
    commit(inner);
    commit(outer);
    check_value(f->other, "c", "2");
}

static void test_read_only(void **state)
{
    struct fixture *f = *state;
    struct sfs_transaction_options options = {.read_only = true};
    struct sfs_error error;
    for (int level = SFS_READ_COMMITTED; level <= SFS_SERIALIZABLE; level++) {
        struct sfs_transaction *transaction = NULL;
        struct sfs_transaction *inner = NULL;
        struct sfs_transaction_status status;
        options.isolation = (enum sfs_isolation)level;
        OK(sfs_begin(f->store, &options, &transaction, NULL));
        assert_int_equal(sfs_set(inside(transaction), L("a"), L("1"), &error), SFS_E_READ_ONLY);
        assert_non_null(strstr(error.message, "read only"));
        sfs_transaction_status(transaction, &status);
        assert_true(status.read_only);
        options.read_only = false;
        OK(sfs_begin_nested(transaction, &options, &inner, NULL));
        options.read_only = true;
        assert_int_equal(sfs_set(inside(inner), L("a"), L("1"), NULL), SFS_E_READ_ONLY);
        sfs_transaction_free(inner);
        commit(transaction);
    }
    check_names(f->store, "");
}

static void test_expiry(void **state)
{
    struct fixture *f = *state;
    for (int level = SFS_READ_COMMITTED; level <= SFS_SERIALIZABLE; level++) {
        struct sfs_transaction_options options = {.isolation = (enum sfs_isolation)level,
                                                  .idle_ms = 100000};
        struct sfs_transaction *transaction = NULL;
        OK(sfs_begin(f->store, &options, &transaction, NULL));
        set(inside(transaction), "a", "1");
        let_pass(150000);
        assert_int_equal(sfs_has(inside(transaction), L("a"), NULL), SFS_E_EXPIRED);
        assert_int_equal(sfs_commit(transaction, NULL, NULL), SFS_E_EXPIRED);
        sfs_transaction_free(transaction);
    }
    check_names(f->store, "");
}

struct attempts {
    struct sfs_storage *other;
    int made;
    int spoiled; /* how many of them another gets in the way of */
    int result;
};

static int attempt(struct sfs_transaction *transaction, void *context, struct sfs_error *error)
{
    struct attempts *attempts = context;
    if (attempts->made++ < attempts->spoiled)
        set(attempts->other, "a", "other");
    int code = sfs_set(inside(transaction), L("a"), L("mine"), error);
    if (code || !attempts->result)
        return code;
    return sfs_fail(error, attempts->result, "test", "as asked");
}

static void test_transact(void **state)
{
    struct fixture *f = *state;
    struct sfs_transaction_options options = {.isolation = SFS_SERIALIZABLE, .retries = 3};
    struct sfs_error error;
    struct attempts attempts = {.other = f->other, .spoiled = 2};
    OK(sfs_transact(f->store, attempt, &attempts, NULL, &error));
    assert_int_equal(attempts.made, 3);
    check_value(f->other, "a", "mine");
    attempts = (struct attempts){.other = f->other, .spoiled = 100};
    assert_int_equal(sfs_transact(f->store, attempt, &attempts, &options, &error), SFS_E_CONFLICT);
    assert_int_equal(attempts.made, 4);
    check_value(f->other, "a", "other");
    const int codes[] = {SFS_E_NO_SPACE, 17};
    for (size_t i = 0; i < 2; i++) {
        attempts = (struct attempts){.other = f->other, .result = codes[i]};
        assert_int_equal(sfs_transact(f->store, attempt, &attempts, &options, &error), codes[i]);
        assert_string_equal(error.message, "as asked");
        assert_int_equal(attempts.made, 1);
        check_value(f->other, "a", "other");
    }
}

/* The engine's own lock is a conflict after a while, and not the end of the transaction. */
static void test_engine_lock(void **state)
{
    struct fixture *f = *state;
    struct sfs_storage *store = NULL;
    struct sfs_error error = {0};
    sqlite3 *db = NULL;
    char uri[330];
    snprintf(uri, sizeof(uri), "%s?busy-timeout=200", f->path);
    OK(sfs_open(&store, uri, 0, NULL));
    OK(sqlite3_open(f->path + strlen("sqlite:"), &db));
    for (int level = SFS_READ_COMMITTED; level <= SFS_SERIALIZABLE; level++) {
        struct sfs_transaction *transaction = begin_at(store, (enum sfs_isolation)level);
        set(inside(transaction), "a", sfs_isolation_name((enum sfs_isolation)level));
        OK(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL));
        assert_int_equal(sfs_commit(transaction, NULL, &error), SFS_E_CONFLICT);
        assert_non_null(strstr(error.message, "can be tried again"));
        assert_int_equal(state_of(transaction), SFS_ACTIVE);
        OK(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL));
        for (int i = 0; i < 100 && state_of(transaction) == SFS_ACTIVE; i++)
            (void)sfs_commit(transaction, NULL, &error);
        assert_int_equal(state_of(transaction), SFS_COMMITTED);
        sfs_transaction_free(transaction);
        check_value(f->other, "a", sfs_isolation_name((enum sfs_isolation)level));
    }
    OK(sqlite3_close(db));
    OK(sfs_close(store, NULL));
}

/* --- what a conflict is told with --- */

/* "KIND NAME EXPECTED? FOUND?" of each conflict, with blanks between; a number that is not 0 is '+'. */
struct told {
    char text[400];
    int stop_after;
};

static int tell(void *context, const struct sfs_conflict *conflict)
{
    static const char kinds[] = {[SFS_DEPENDS_WRITE] = 'w',
                                 [SFS_DEPENDS_READ] = 'r',
                                 [SFS_DEPENDS_RANGE] = 'l',
                                 [SFS_DEPENDS_QUERY] = 'q'};
    struct told *told = context;
    size_t used = strlen(told->text);
    snprintf(told->text + used, sizeof(told->text) - used, "%s%c:%.*s:%c%c", used ? " " : "",
             kinds[conflict->kind], (int)conflict->name.size, (const char *)conflict->name.data,
             conflict->expected ? '+' : '0', conflict->found ? '+' : '0');
    assert_true(conflict->expected != conflict->found);
    if (conflict->kind == SFS_DEPENDS_RANGE)
        assert_true(sfs_range_has(conflict->range, conflict->name));
    if (conflict->kind == SFS_DEPENDS_QUERY)
        assert_non_null(memmem(conflict->query.data, conflict->query.size, "n = 7", 5));
    return told->stop_after > 0 && --told->stop_after == 0 ? 7 : 0;
}

static void check_told(struct sfs_transaction *transaction, const char *expected)
{
    struct told told = {.text = ""};
    assert_int_equal(sfs_transaction_conflicts(transaction, tell, &told, NULL), 0);
    assert_string_equal(told.text, expected);
}

static void test_conflicts(void **state)
{
    struct fixture *f = *state;
    struct sfs_range range = {SFS_LITERAL("list/"), SFS_LITERAL("list0")};
    struct sfs_range there = {SFS_LITERAL("there/"), SFS_LITERAL("there0")};
    struct sfs_cursor *cursor = NULL;
    const struct sfs_record *record = NULL;
    struct told told = {.text = "", .stop_after = 2};
    set(f->store, "mine", "1");
    set(f->store, "read", "1");
    set(f->store, "there/a", "1");
    set(f->store, "seven", "{\"n\":7}");
    struct sfs_transaction *transaction = begin_at(f->store, SFS_SERIALIZABLE);
    struct sfs_storage *t = inside(transaction);
    set(t, "mine", "2");
    set(t, "left", "2");
    check_value(t, "read", "1");
    check_value(t, "none", NULL);
    assert_int_equal(sfs_scan(t, range, 0, &cursor, NULL), 0);
    assert_int_equal(sfs_cursor_next(cursor, &record, NULL), 0);
    sfs_cursor_close(cursor);
    assert_int_equal(sfs_exists(t, there, NULL), 1);
    assert_int_equal(count(t, "where/n = 7/count"), 1);
    assert_int_equal(sfs_transaction_check(transaction, NULL), 0);
    check_told(transaction, "");
    set(f->other, "mine", "3");
    set(f->other, "read", "3");
    set(f->other, "none", "3");
    set(f->other, "list/new", "3");
    set(f->other, "nobody", "{\"n\":8}");
    set(f->other, "seven", "{\"n\":9}");
    assert_int_equal(sfs_delete(f->other, SFS_LITERAL("there/a"), NULL), 1);
    const char *all = "w:mine:++ r:none:0+ r:read:++ r:there/a:+0 l:list/new:0+ q:seven:++";
    check_told(transaction, all);
    assert_int_equal(sfs_commit(transaction, NULL, NULL), SFS_E_CONFLICT);
    assert_int_equal(sfs_transaction_check(transaction, NULL), SFS_E_CONFLICT);
    check_told(transaction, all);
    assert_int_equal(sfs_transaction_conflicts(transaction, tell, &told, NULL), 7);
    assert_string_equal(told.text, "w:mine:++ r:none:0+");
    sfs_rollback(transaction);
    assert_int_equal(sfs_transaction_check(transaction, NULL), SFS_E_EXPIRED);
    assert_int_equal(sfs_transaction_conflicts(transaction, tell, &told, NULL), SFS_E_EXPIRED);
    sfs_transaction_free(transaction);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_nested),
        BOTH(test_nested_levels),
        BOTH(test_read_only),
        BOTH(test_expiry),
        BOTH(test_transact),
        BOTH(test_conflicts),
        {"test_engine_lock (sqlite)", test_engine_lock, setup_sqlite, teardown, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
