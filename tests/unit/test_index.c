/* SPDX-License-Identifier: MIT */
/*
 * Indexes as a program sees them: names, numbers, unique ones, making one while others write, what
 * outlives a process, and what the check finds. That no query changes is for
 * tests/conformance/test_indexes.
 */
#include <unistd.h>

#include "index_fixture.h"
#include "query/plan.h"

static int stop_at_once(void *context, const char *name, const struct sfs_index_stats *stats)
{
    (void)name;
    (void)stats;
    ++*(int *)context;
    return 7;
}

/* --- names, and what is there --- */

static void check_refused(struct sfs_storage *store, const char *name, const char *reason)
{
    assert_int_equal(create(store, name), SFS_E_INVALID);
    if (!strstr(error.message, reason))
        fail_msg("%s: %s", name, error.message);
}

static void test_names(void **state)
{
    (void)state;
    struct sfs_storage *store = open_new();
    struct sfs_buffer many = {0};
    int visits = 0;
    check_refused(store, "", "expected a field name at column 1");
    check_refused(store, "a:desc", "no direction) at column 2");
    check_refused(store, "a,", "expected a field name at column 3");
    check_refused(store, "a,b,\"a\"", "there already at column 5");
    check_refused(store, "@none", "no such property");
    check_refused(store, "unique:", "expected a field name at column 8");
    for (int i = 0; i < 17; i++)
        assert_int_equal(sfs_buffer_printf(&many, "%sf%d", i ? "," : "", i), 0);
    assert_int_equal(sfs_buffer_text(&many), 0);
    check_refused(store, many.data, "at most 16 fields");
    many.size = 0;
    for (int i = 0; i < 300; i++)
        assert_int_equal(sfs_buffer_add(&many, SFS_LITERAL("abcd")), 0);
    assert_int_equal(sfs_buffer_text(&many), 0);
    check_refused(store, many.data, "at most 1024 bytes");
    sfs_buffer_free(&many);
    must_create(store, "unique:\"a\".b[0],\"odd name\"");
    must_create(store, "n");
    must_create(store, "@key,n");
    assert_string_equal(names(store), "@key,n n unique:a.b[0],\"odd name\"");
    assert_int_equal(create(store, "a.b[0],\"odd name\""), SFS_E_EXISTS);
    assert_true(stats_of(store, "a.b[0],\"odd name\"").unique);
    assert_int_equal(sfs_index_list(store, stop_at_once, &visits, &error), 7);
    assert_int_equal(visits, 1);
    assert_int_equal(sfs_index_drop(store, sfs_string("unique:n"), &error), SFS_E_NOT_FOUND);
    assert_int_equal(sfs_index_drop(store, sfs_string("n"), &error), 0);
    assert_int_equal(sfs_index_drop(store, sfs_string("n"), &error), SFS_E_NOT_FOUND);
    assert_int_equal(sfs_index_drop(store, sfs_string("a.b[0],\"odd name\""), &error), 0);
    assert_string_equal(names(store), "@key,n");
    struct sfs_index_stats stats;
    assert_int_equal(sfs_index_stats(store, sfs_string("n"), &stats, &error), SFS_E_NOT_FOUND);
    assert_int_equal(sfs_close(store, NULL), 0);
}

static void test_where_there_are_none(void **state)
{
    (void)state;
    struct sfs_storage *below = open_new();
    struct sfs_storage *store = NULL;
    struct sfs_storage *snapshot = NULL;
    struct sfs_transaction *transaction = NULL;
    must_create(below, "n");
    assert_int_equal(sfs_snapshot(below, 0, &snapshot, &error), 0);
    assert_int_equal(create(snapshot, "a"), SFS_E_READ_ONLY);
    assert_int_equal(sfs_index_drop(snapshot, sfs_string("n"), &error), SFS_E_READ_ONLY);
    assert_string_equal(names(snapshot), "n");
    assert_int_equal(sfs_close(snapshot, NULL), 0);
    assert_int_equal(sfs_begin(below, NULL, &transaction, &error), 0);
    assert_int_equal(create(sfs_transaction_storage(transaction), "a"), SFS_E_UNSUPPORTED);
    assert_int_equal(sfs_index_drop(sfs_transaction_storage(transaction), sfs_string("n"), &error),
                     SFS_E_UNSUPPORTED);
    assert_string_equal(names(sfs_transaction_storage(transaction)), "n");
    sfs_transaction_free(transaction);
    /* The fault layer lets nothing pass it by. */
    const struct sfs_fault_options options = {0};
    assert_int_equal(sfs_fault_layer(&store, below, &options, &error), 0);
    assert_int_equal(create(store, "a"), SFS_E_UNSUPPORTED);
    assert_string_equal(names(store), "");
    assert_int_equal(sfs_close(store, NULL), 0);
}

/* --- unique --- */

static int set_two(struct sfs_storage *store, const char *a, const char *b)
{
    struct sfs_entry entries[] = {{sfs_string("a"), sfs_string(a)},
                                  {sfs_string("b"), sfs_string(b)}};
    return sfs_set_many(store, entries, 2, &error);
}

static void test_unique(void **state)
{
    (void)state;
    struct sfs_storage *store = open_new();
    must_create(store, "unique:mail");
    set(store, "a", "{\"mail\":\"x\"}");
    assert_int_equal(sfs_set(store, sfs_string("b"), sfs_string("{\"mail\": \"\\u0078\"}"), &error),
                     SFS_E_EXISTS);
    assert_string_equal(error.message, "two keys would hold \"x\", which the index "
                                       "'unique:mail' lets only one key hold: 'a' and 'b'");
    assert_int_equal(sfs_has(store, sfs_string("b"), &error), 0);
    set(store, "b", "{\"mail\":\"y\"}");
    /* What counts is the state after the batch. */
    assert_int_equal(set_two(store, "{\"mail\":\"y\"}", "{\"mail\":\"x\"}"), 0);
    assert_int_equal(set_two(store, "{\"mail\":1}", "{\"mail\":1.0}"), SFS_E_EXISTS);
    struct sfs_batch *batch = NULL;
    assert_int_equal(sfs_batch_new(&batch, NULL), 0);
    assert_int_equal(sfs_batch_exchange(batch, sfs_string("a"), sfs_string("b"), NULL), 0);
    assert_int_equal(sfs_batch_rename(batch, sfs_string("a"), sfs_string("c"), 0, NULL), 0);
    assert_int_equal(sfs_apply(store, batch, NULL, NULL, &error), 0);
    sfs_batch_free(batch);
    assert_string_equal(text(store, "by/mail/x/keys"), "c\n");
    /* Missing is in conflict with none; null is a value. */
    set(store, "d", "{}");
    set(store, "e", "text");
    set(store, "f", "{\"mail\":null}");
    assert_int_equal(sfs_set(store, sfs_string("g"), sfs_string("{\"mail\":null}"), &error),
                     SFS_E_EXISTS);
    check_clean(store);
    assert_int_equal(sfs_close(store, NULL), 0);
}

static void test_unique_refuses_what_it_cannot_compare(void **state)
{
    (void)state;
    struct sfs_storage *store = open_new();
    char value[3000];
    must_create(store, "unique:a,b");
    memset(value, 'x', sizeof(value));
    memcpy(value, "{\"a\":\"", 6);
    memcpy(value + 2990, "\",\"b\":1}", 9);
    assert_int_equal(sfs_set(store, sfs_string("k"), sfs_string(value), &error), SFS_E_TOO_LARGE);
    assert_non_null(strstr(error.message, "a value is too large for the index 'unique:a,b'"));
    /* In one batch it may come and go. */
    struct sfs_batch *batch = NULL;
    assert_int_equal(sfs_batch_new(&batch, NULL), 0);
    assert_int_equal(sfs_batch_put(batch, sfs_string("k"), sfs_string(value), NULL, 0, NULL), 0);
    assert_int_equal(sfs_batch_delete(batch, sfs_string("k"), 0, NULL), 0);
    assert_int_equal(sfs_apply(store, batch, NULL, NULL, &error), 0);
    sfs_batch_free(batch);
    assert_int_equal(sfs_close(store, NULL), 0);
}

static void test_unique_violation_while_building(void **state)
{
    (void)state;
    struct sfs_storage *store = open_new();
    set(store, "a/1", "{\"n\":1}");
    set(store, "a/2", "{\"n\":2}");
    set(store, "b", "{\"n\":1}");
    assert_int_equal(create(store, "unique:n"), SFS_E_EXISTS);
    assert_non_null(strstr(error.message, "only one key hold: 'a/1' and 'b'"));
    assert_string_equal(names(store), "");
    must_create(store, "n");
    assert_int_equal(sfs_close(store, NULL), 0);
}

/* --- building --- */

struct builder {
    struct sfs_storage *store;
    unsigned calls;
    unsigned stop_at;
    bool drop;
};

/* Between two steps others write before and behind what has been seen, and query. */
static int write_between(void *context, uint64_t done, uint64_t total)
{
    struct builder *builder = context;
    struct sfs_batch *batch = NULL;
    char key[32];
    assert_true(done <= total);
    builder->calls++;
    assert_int_equal(sfs_batch_new(&batch, NULL), 0);
    snprintf(key, sizeof(key), "k%05u", builder->calls);
    assert_int_equal(sfs_batch_put(batch, sfs_string(key), sfs_string("{\"n\":-1}"), NULL, 0, NULL),
                     0);
    assert_int_equal(sfs_batch_put(batch, sfs_string("z"), sfs_string("{\"n\":-1}"), NULL, 0, NULL),
                     0);
    assert_int_equal(sfs_batch_rename_prefix(batch, sfs_string(builder->calls % 2 ? "p/" : "A/"),
                                             sfs_string(builder->calls % 2 ? "A/" : "p/"), NULL),
                     0);
    if (sfs_apply(builder->store, batch, NULL, NULL, &error))
        fail_msg("%s", error.message);
    sfs_batch_free(batch);
    assert_null(strstr(text(builder->store, "by/n/-1/explain"), "index"));
    assert_non_null(strstr(names(builder->store), "n*"));
    if (builder->drop)
        assert_int_equal(sfs_index_drop(builder->store, sfs_string("n"), &error), 0);
    return builder->calls == builder->stop_at;
}

static int build(struct builder *builder)
{
    return sfs_index_create(builder->store, sfs_string("n"), write_between, builder, &error);
}

static void test_building(void **state)
{
    (void)state;
    struct builder builder = {.store = open_filled(5500)};
    assert_int_equal(build(&builder), 0);
    assert_true(builder.calls >= 5);
    struct sfs_index_stats stats = stats_of(builder.store, "n");
    assert_true(stats.ready);
    assert_int_equal(stats.done, stats.total);
    assert_true(stats.bytes > stats.entries);
    check_clean(builder.store);
    assert_non_null(strstr(text(builder.store, "by/n/-1/explain"), "index n"));
    assert_int_equal(sfs_close(builder.store, NULL), 0);
}

static void test_building_stopped(void **state)
{
    (void)state;
    struct builder builder = {.store = open_filled(5500), .stop_at = 3};
    assert_int_equal(build(&builder), SFS_E_CANCELLED);
    assert_int_equal(builder.calls, 3);
    assert_string_equal(names(builder.store), "");
    builder.drop = true;
    builder.stop_at = 0;
    assert_int_equal(build(&builder), SFS_E_CANCELLED);
    assert_non_null(strstr(error.message, "was dropped while it was being built"));
    assert_string_equal(names(builder.store), "");
    assert_int_equal(sfs_close(builder.store, NULL), 0);
}

/* --- over a reopening --- */

static void test_kept(void **state)
{
    (void)state;
    static const char *const uris[] = {"json:%s/store.json", "memory:?snapshot=%s/store.memory",
                                       "sqlite:%s/store.db"};
    char uri[500];
    for (size_t i = 0; i < 3; i++) {
        struct sfs_storage *store = NULL;
        snprintf(uri, sizeof(uri), uris[i], getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
        assert_int_equal(sfs_open(&store, uri, SFS_OPEN_CREATE, &error), 0);
        set(store, "a", "{\"n\":1}");
        set(store, "b", "{\"n\":2}");
        must_create(store, "unique:n");
        must_create(store, "a.b,@size");
        assert_int_equal(sfs_close(store, &error), 0);
        assert_int_equal(sfs_open(&store, uri, 0, &error), 0);
        assert_string_equal(names(store), "a.b,@size unique:n");
        assert_string_equal(text(store, "by/n/2/keys"), "b\n");
        check_clean(store);
        assert_int_equal(sfs_set(store, sfs_string("c"), sfs_string("{\"n\":2}"), &error),
                         SFS_E_EXISTS);
        assert_int_equal(sfs_index_drop(store, sfs_string("a.b,@size"), &error), 0);
        assert_int_equal(sfs_close(store, &error), 0);
        assert_int_equal(sfs_open(&store, uri, SFS_OPEN_READ_ONLY, &error), 0);
        assert_string_equal(names(store), "unique:n");
        assert_int_equal(create(store, "z"), SFS_E_READ_ONLY);
        assert_int_equal(sfs_close(store, &error), 0);
    }
}

/* Another program wrote the file, and what it wrote no unique index could hold. */
static void test_kept_where_it_can_be(void **state)
{
    (void)state;
    char path[400], uri[420];
    struct sfs_storage *store = NULL;
    snprintf(path, sizeof(path), "%s/other.json", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    snprintf(uri, sizeof(uri), "json:%s", path);
    assert_int_equal(sfs_open(&store, uri, SFS_OPEN_CREATE, &error), 0);
    set(store, "a", "{\"n\":1}");
    must_create(store, "unique:n");
    assert_int_equal(sfs_close(store, &error), 0);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("{\"a\": {\"n\":1}, \"b\": {\"n\":1}}", file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(sfs_open(&store, uri, 0, &error), 0);
    assert_string_equal(names(store), "n");
    assert_string_equal(text(store, "by/n/1/keys"), "a\nb\n");
    check_clean(store);
    assert_int_equal(sfs_close(store, &error), 0);
}

/* --- the check, over a layer whose index lies --- */

enum lie { TRUTH, WRONG_KEY, TWICE, LESS, MISCOUNTED };

struct liar {
    struct sfs_storage storage;
    enum lie lie;
};

struct liar_cursor {
    struct sfs_index_cursor cursor;
    struct sfs_index_cursor *below;
    enum lie lie;
    struct sfs_index_row row;
    unsigned count;
};

static const struct sfs_index_operations *truth_of(struct sfs_storage *store)
{
    return store->below->operations->override->index;
}

static int lie_next(struct sfs_index_cursor *cursor, struct sfs_index_row *ret_row,
                    struct sfs_error *failure)
{
    struct liar_cursor *self = (struct liar_cursor *)cursor;
    int found = 1;
    if (self->lie != TWICE || self->count != 2)
        found = self->below->operations->next(self->below, &self->row, failure);
    if (found > 0 && self->lie == LESS && self->count == 1)
        found = self->below->operations->next(self->below, &self->row, failure);
    self->count++;
    if (found > 0)
        *ret_row = self->row;
    if (found > 0 && self->lie == WRONG_KEY && self->count == 2)
        ret_row->key = SFS_LITERAL("\x06");
    return found;
}

static void lie_close(struct sfs_index_cursor *cursor)
{
    struct liar_cursor *self = (struct liar_cursor *)cursor;
    self->below->operations->close(self->below);
    free(self);
}

static int lie_scan(struct sfs_storage *store, const struct sfs_index *index,
                    struct sfs_range range, bool descending, unsigned want,
                    struct sfs_index_cursor **ret_cursor, struct sfs_error *failure)
{
    static const struct sfs_index_cursor_operations operations = {.next = lie_next,
                                                                  .close = lie_close};
    struct liar_cursor *self = calloc(1, sizeof(*self));
    assert_non_null(self);
    self->cursor.operations = &operations;
    self->lie = ((struct liar *)store)->lie;
    *ret_cursor = &self->cursor;
    return truth_of(store)->scan(store->below, index, range, descending, want, &self->below,
                                 failure);
}

static int lie_set(struct sfs_storage *store, struct sfs_index_set **ret_set,
                   struct sfs_error *failure)
{
    return truth_of(store)->set(store->below, ret_set, failure);
}

static int lie_stats(struct sfs_storage *store, const struct sfs_index *index,
                     struct sfs_index_stats *ret_stats, struct sfs_error *failure)
{
    int result = truth_of(store)->stats(store->below, index, ret_stats, failure);
    ret_stats->entries += ((struct liar *)store)->lie == MISCOUNTED;
    return result;
}

static int lie_store_close(struct sfs_storage *store, struct sfs_error *failure)
{
    (void)store;
    (void)failure;
    return 0;
}

static void keep_sentence(void *context, const char *sentence)
{
    snprintf(context, 300, "%s", sentence);
}

static void test_check_finds(void **state)
{
    (void)state;
    static const struct sfs_index_operations index = {
        .set = lie_set, .stats = lie_stats, .scan = lie_scan};
    static const struct sfs_override_operations override = {.index = &index};
    static const struct sfs_storage_operations operations = {
        .name = "liar", .override = &override, .close = lie_store_close};
    static const struct {
        enum lie lie;
        uint64_t found;
        const char *sentence;
    } cases[] = {
        {TRUTH, 0, ""},
        {WRONG_KEY, 3, "index 'unique:n': key 'k00001': its entry is not what the document says"},
        {TWICE, 4, "entries, and there are 21"},
        {LESS, 2, "entries, and there are 19"},
        {MISCOUNTED, 1, "index 'unique:n': it counts 21 entries, and there are 20"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char sentence[300] = "";
        uint64_t found = 0, repaired = 0;
        struct liar liar;
        struct sfs_storage *memory = open_filled(20);
        must_create(memory, "unique:n");
        assert_int_equal(sfs_layer_init(&liar.storage, &operations, memory, &error), 0);
        liar.storage.capabilities &= ~(unsigned)SFS_CAN_SNAPSHOT;
        liar.lie = cases[i].lie;
        assert_int_equal(
            sfs_check(&liar.storage, false, keep_sentence, sentence, &found, &repaired, &error), 0);
        if (found != cases[i].found || !strstr(sentence, cases[i].sentence))
            fail_msg("lie %zu: %llu found, last %s", i, (unsigned long long)found, sentence);
        assert_int_equal(sfs_close(&liar.storage, NULL), 0);
    }
}

static enum sfs_plan_way way_of(struct sfs_storage *store, const struct sfs_query *query)
{
    struct sfs_plan plan;
    assert_int_equal(sfs_plan_make(store, query, &plan, &error), 0);
    enum sfs_plan_way way = plan.way;
    sfs_plan_free(&plan);
    return way;
}

/* Groups are read from an index alone only in one state: of the store that is asked, not of the one
 * below it that has the index. */
static void test_groups_need_one_state(void **state)
{
    (void)state;
    static const struct sfs_storage_operations operations = {.name = "bare",
                                                             .close = lie_store_close};
    struct sfs_storage bare, *memory = open_filled(20);
    struct sfs_query *query = NULL;
    enum sfs_sink sink;
    must_create(memory, "n");
    assert_int_equal(sfs_query_parse(SFS_LITERAL("group/n/count"), &query, &sink, &error), 0);
    assert_int_equal(way_of(memory, query), SFS_PLAN_GROUPS);
    assert_int_equal(sfs_layer_init(&bare, &operations, memory, &error), 0);
    assert_int_equal(way_of(&bare, query), SFS_PLAN_GROUPS);
    bare.capabilities &= ~(unsigned)SFS_CAN_SNAPSHOT;
    assert_int_not_equal(way_of(&bare, query), SFS_PLAN_GROUPS);
    sfs_query_free(query);
    assert_int_equal(sfs_close(&bare, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_groups_need_one_state),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_where_there_are_none),
        cmocka_unit_test(test_unique),
        cmocka_unit_test(test_unique_refuses_what_it_cannot_compare),
        cmocka_unit_test(test_unique_violation_while_building),
        cmocka_unit_test(test_building),
        cmocka_unit_test(test_building_stopped),
        cmocka_unit_test(test_check_finds),
    };
    const struct CMUnitTest files[] = {
        cmocka_unit_test(test_kept),
        cmocka_unit_test(test_kept_where_it_can_be),
    };
    int failed = cmocka_run_group_tests_name("files", files, NULL, NULL);
    failed += cmocka_run_group_tests_name("memory", tests, NULL, NULL);
    return failed + cmocka_run_group_tests_name("sqlite", tests, begin_sqlite, NULL);
}
