/* SPDX-License-Identifier: MIT */
/*
 * Indexes in a SQLite file: snapshots that are older than much of it, two processes on one file,
 * one that is killed while it builds, what goes with an index that is dropped, backups, and what
 * the check finds.
 */
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "storefs/index.h"
#include "tests/unit/query_text.h"
#include "tests/unit/sqlite_fixture.h"

#define ENTRIES "SELECT count(*) FROM entry"
#define FOREVER "9223372036854775807"
#define EARLIER ENTRIES " WHERE ended < " FOREVER
#define DEFINITIONS "SELECT count(*) FROM index_definition"

static void create(struct sfs_storage *store, const char *name)
{
    struct sfs_error error = {0};
    must(sfs_index_create(store, sfs_string(name), NULL, NULL, &error), &error);
}

static void drop(struct sfs_storage *store, const char *name)
{
    struct sfs_error error = {0};
    must(sfs_index_drop(store, sfs_string(name), &error), &error);
}

/* Documents from..to; n goes up with i, or down. */
static void fill(struct sfs_storage *store, unsigned from, unsigned to, int sign)
{
    struct sfs_batch *batch = new_batch();
    for (unsigned i = from; i < to; i++) {
        char key[32], value[64];
        snprintf(key, sizeof(key), "k%05u", i);
        snprintf(value, sizeof(value), "{\"n\":%d,\"type\":\"t%u\"}", sign * (int)i, i % 7);
        assert_int_equal(sfs_batch_put(batch, sfs_string(key), sfs_string(value), NULL, 0, NULL),
                         0);
    }
    apply_and_free(store, batch);
}

static void clear_range(struct sfs_storage *store, const char *from, const char *to)
{
    struct sfs_batch *batch = new_batch();
    struct sfs_range range = {sfs_string(from), sfs_string(to)};
    assert_int_equal(sfs_batch_clear_range(batch, range, NULL), 0);
    apply_and_free(store, batch);
}

static int join_names(void *context, const char *name, const struct sfs_index_stats *stats)
{
    char *out = context;
    size_t used = strlen(out);
    snprintf(out + used, 200 - used, "%s%s ", name, stats->ready ? "" : "*");
    return 0;
}

static const char *names(struct sfs_storage *store)
{
    static char out[200];
    struct sfs_error error = {0};
    out[0] = '\0';
    must(sfs_index_list(store, join_names, out, &error), &error);
    return out;
}

/* --- the past --- */

static const char *const questions[] = {
    "order/n/limit/30/values.ndjson",
    "order/n:desc/limit/30/values.ndjson",
    "order/type,n:desc/limit/30/keys",
    "order/type:desc,n:desc/limit/700/keys",
    "by/type/t3/limit/700/keys",
    "where/n >= 1000 and n < 1100/values.ndjson",
    "where/n >= 10 and n < 4000/count",
    "by/type/t5/count",
    "where/type in [\"t1\",\"t2\"] and n < 300/keys",
};
#define QUESTIONS (sizeof(questions) / sizeof(questions[0]))

struct answers {
    char *texts[QUESTIONS];
};

static struct answers ask(struct sfs_storage *store)
{
    struct answers answers;
    for (size_t i = 0; i < QUESTIONS; i++) {
        answers.texts[i] = strdup(text(store, questions[i]));
        assert_non_null(answers.texts[i]);
    }
    return answers;
}

static void expect_answers(struct sfs_storage *store, const struct answers *answers)
{
    for (size_t i = 0; i < QUESTIONS; i++)
        assert_string_equal(text(store, questions[i]), answers->texts[i]);
}

static void forget(struct answers *answers)
{
    for (size_t i = 0; i < QUESTIONS; i++)
        free(answers->texts[i]);
}

static void expect_indexed(struct sfs_storage *store)
{
    uint64_t found = 1;
    struct sfs_error error = {0};
    must(sfs_index_check(store, print_finding, NULL, &found, &error), &error);
    assert_int_equal(found, 0);
    assert_non_null(strstr(text(store, "order/n/limit/3/explain"), "index n\n"));
}

/* More changes than are looked at in one step, while cursors and counts go on; then the indexes go
 * too, and the snapshot has them still. */
static void test_old_snapshot(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_storage *store = fixture->store, *snapshot = NULL;
    struct sfs_error error = {0};
    fill(store, 0, 5000, 1);
    struct answers answers = ask(store);
    create(store, "n");
    create(store, "type,n");
    must(sfs_snapshot(store, 0, &snapshot, &error), &error);
    expect_answers(snapshot, &answers);
    fill(store, 0, 1000, -1);
    expect_answers(snapshot, &answers);
    fill(store, 4000, 6000, -1);
    clear_range(store, "k02", "k03");
    expect_answers(snapshot, &answers);
    expect_indexed(snapshot);
    drop(store, "n");
    fill(store, 1000, 1500, -1);
    clear_range(store, "k055", "l");
    fill(store, 7000, 7500, 1);
    clear_range(store, "k07", "k08");
    assert_string_equal(names(snapshot), "n type,n ");
    expect_answers(snapshot, &answers);
    expect_indexed(snapshot);
    clear_range(store, "", "");
    drop(store, "type,n");
    assert_string_equal(names(store), "");
    expect_answers(snapshot, &answers);
    expect_indexed(snapshot);
    expect_healthy(store);
    assert_true(number_in(fixture, ENTRIES) > 0);
    close_store(snapshot);
    eventually(fixture, ENTRIES, 0);
    eventually(fixture, DEFINITIONS, 0);
    forget(&answers);
}

/* Without a snapshot entries are changed in place; with one what it sees is kept once, and goes
 * with it. */
static void test_earlier_entries(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_storage *store = fixture->store, *snapshot = NULL;
    struct sfs_error error = {0};
    create(store, "n");
    fill(store, 0, 100, 1);
    fill(store, 0, 100, -1);
    clear_range(store, "k0009", "k001");
    assert_int_equal(number_in(fixture, EARLIER), 0);
    must(sfs_snapshot(store, 0, &snapshot, &error), &error);
    struct answers answers = ask(snapshot);
    for (int i = 0; i < 5; i++)
        fill(store, 0, 50, i % 2 ? -1 : 1); /* and back to the same K */
    fill(store, 90, 100, 1);
    clear_range(store, "k0009", "k001");               /* made and gone: of no snapshot */
    assert_int_equal(number_in(fixture, EARLIER), 49); /* 0 is -0 */
    expect_answers(snapshot, &answers);
    expect_indexed(snapshot);
    expect_healthy(store);
    clear_range(store, "", "");
    assert_int_equal(number_in(fixture, EARLIER), 90);
    fill(store, 0, 5000, 1);
    expect_answers(snapshot, &answers);
    close_store(snapshot);
    eventually(fixture, EARLIER, 0);
    assert_int_equal(number_in(fixture, ENTRIES), 5000);
    expect_healthy(store);
    forget(&answers);
}

/* --- processes --- */

struct child {
    pid_t pid;
    int ready; /* read end */
};

static int tell_and_wait(void *context, uint64_t done, uint64_t total)
{
    (void)done;
    (void)total;
    if (write(*(int *)context, "x", 1) != 1)
        _exit(2);
    for (;;)
        pause();
}

static void be_builder(const struct fixture *fixture, int ready)
{
    struct sfs_storage *store = NULL;
    end_with_parent();
    if (sfs_open(&store, fixture->path, 0, NULL) != 0)
        _exit(1);
    (void)sfs_index_create(store, sfs_string("n"), tell_and_wait, &ready, NULL);
    _exit(3);
}

/* Makes and drops an index for as long as it may live. */
static void be_changer(const struct fixture *fixture, int ready)
{
    struct sfs_storage *store = NULL;
    end_with_parent();
    if (sfs_open(&store, fixture->path, 0, NULL) != 0 || write(ready, "x", 1) != 1)
        _exit(1);
    for (;;) {
        if (sfs_index_create(store, sfs_string("n"), NULL, NULL, NULL) != 0 ||
            sfs_index_drop(store, sfs_string("n"), NULL) != 0)
            _exit(2);
    }
}

/* The fixture's store must be closed: a process does not fork with an open one. */
static struct child start(const struct fixture *fixture,
                          void (*be)(const struct fixture *fixture, int ready))
{
    int ends[2];
    char byte;
    assert_null(fixture->store);
    assert_int_equal(pipe(ends), 0);
    struct child child = {fork(), ends[0]};
    assert_true(child.pid >= 0);
    if (child.pid == 0)
        be(fixture, ends[1]);
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    return child;
}

static void finish(struct child child)
{
    int status = 0;
    assert_int_equal(kill(child.pid, SIGKILL), 0);
    assert_int_equal(waitpid(child.pid, &status, 0), child.pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    close(child.ready);
}

/* Others keep what it has begun right as long as it lives, and drop it when it does not. */
static void test_killed_while_building(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture->store, 0, 5000, 1);
    for (int open = 0; open < 2; open++) {
        close_store(fixture->store);
        fixture->store = NULL;
        struct child child = start(fixture, be_builder);
        fixture->store = open_again(fixture);
        assert_string_equal(names(fixture->store), "n* ");
        assert_true(number_in(fixture, ENTRIES) >= 1000);
        fill(fixture->store, 0, 500, -1);
        assert_null(strstr(text(fixture->store, "where/n = 7/explain"), "index"));
        struct sfs_error error = {0};
        assert_int_equal(sfs_index_create(fixture->store, sfs_string("n"), NULL, NULL, &error),
                         SFS_E_EXISTS);
        expect_healthy(fixture->store);
        if (open) {
            finish(child);
            /* The housekeeper finds it. */
            eventually(fixture, "SELECT count(*) FROM index_definition WHERE ended IS NULL", 0);
        } else {
            close_store(fixture->store);
            finish(child);
            fixture->store = open_again(fixture);
        }
        assert_string_equal(names(fixture->store), "");
        eventually(fixture, ENTRIES, 0);
        eventually(fixture, DEFINITIONS, 0);
        expect_healthy(fixture->store);
    }
    create(fixture->store, "n");
    assert_string_equal(text(fixture->store, "by/n/4000/keys"), "k04000\n");
}

static void test_two_processes(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_storage *plain = NULL;
    struct sfs_error error = {0};
    unsigned indexed = 0;
    must(sfs_open(&plain, "memory:", SFS_OPEN_CREATE, &error), &error);
    fill(fixture->store, 0, 2500, 1);
    fill(plain, 0, 2500, 1);
    create(fixture->store, "type,n");
    close_store(fixture->store);
    fixture->store = NULL;
    struct child child = start(fixture, be_changer);
    fixture->store = open_again(fixture);
    for (unsigned i = 0; i < 30; i++) {
        struct sfs_storage *snapshot = NULL;
        struct answers before = ask(plain);
        must(sfs_snapshot(fixture->store, 0, &snapshot, &error), &error);
        fill(fixture->store, i * 50, i * 60 + 50, i % 2 ? 1 : -1);
        fill(plain, i * 50, i * 60 + 50, i % 2 ? 1 : -1);
        struct answers now = ask(plain);
        expect_answers(fixture->store, &now);
        expect_answers(snapshot, &before);
        indexed += strstr(text(snapshot, "where/n = 7/explain"), "index n") != NULL;
        close_store(snapshot);
        forget(&before);
        forget(&now);
    }
    uint64_t found = 1;
    must(sfs_index_check(fixture->store, print_finding, NULL, &found, &error), &error);
    assert_int_equal(found, 0);
    print_message("%u of 30 snapshots had the index\n", indexed);
    finish(child); /* it has met no error */
    eventually(fixture, "SELECT count(*) FROM index_definition WHERE ready IS NULL", 0);
    expect_healthy(fixture->store);
    close_store(plain);
}

/* --- a disk that takes no more --- */

/* No file of this process takes any more bytes. */
static int fill_disk(void *context, uint64_t done, uint64_t total)
{
    const struct rlimit *before = context;
    struct rlimit full = {0, before->rlim_max};
    assert_true(done < total);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &full), 0);
    return 0;
}

/* Neither making an index nor dropping it again works; as soon as there is room it goes all the
 * same. */
static void test_full_disk(void **state)
{
    struct fixture *fixture = *state;
    struct rlimit before;
    struct sfs_error error = {0};
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    fill(fixture->store, 0, 5000, 1);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    int code = sfs_index_create(fixture->store, sfs_string("n"), fill_disk, &before, &error);
    const char *left = names(fixture->store);
    const char *plan = text(fixture->store, "where/n = 7/explain");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, handler);
    assert_int_equal(code, SFS_E_IO);
    assert_non_null(strstr(error.message, fixture->path));
    assert_string_equal(left, "n* ");
    assert_null(strstr(plan, "index"));
    eventually(fixture, "SELECT count(*) FROM index_definition WHERE ended IS NULL", 0);
    assert_string_equal(names(fixture->store), "");
    eventually(fixture, ENTRIES, 0);
    eventually(fixture, DEFINITIONS, 0);
    create(fixture->store, "n");
    expect_healthy(fixture->store);
}

/* --- what else reads the tables --- */

static void test_backup(void **state)
{
    struct fixture *fixture = *state, copy = *fixture;
    struct sfs_error error = {0};
    struct sfs_storage *snapshot = NULL;
    fill(fixture->store, 0, 300, 1);
    create(fixture->store, "unique:n");
    create(fixture->store, "type");
    must(sfs_snapshot(fixture->store, 0, &snapshot, &error), &error);
    drop(fixture->store, "type");
    snprintf(copy.path, sizeof(copy.path), "%s/copy.db", fixture->directory);
    must(sfs_backup(fixture->store, copy.path, NULL, NULL, &error), &error);
    close_store(snapshot);
    copy.store = open_again(&copy);
    assert_string_equal(names(copy.store), "unique:n ");
    assert_string_equal(text(copy.store, "by/n/30/keys"), "k00030\n");
    assert_int_equal(number_in(&copy, ENTRIES), 300);
    assert_int_equal(number_in(&copy, DEFINITIONS), 1);
    assert_int_equal(sfs_set(copy.store, sfs_string("x"), sfs_string("{\"n\":30}"), &error),
                     SFS_E_EXISTS);
    expect_healthy(copy.store);
    close_store(copy.store);
}

static void expect_findings(struct sfs_storage *store, bool repair, uint64_t wanted,
                            uint64_t mended)
{
    struct sfs_error error = {0};
    uint64_t found = 0, repaired = 0;
    must(sfs_check(store, repair, print_finding, NULL, &found, &repaired, &error), &error);
    assert_int_equal(found, wanted);
    assert_int_equal(repaired, mended);
}

static void test_check(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture->store, 0, 100, 1);
    create(fixture->store, "n");
    expect_healthy(fixture->store);
    run_in(fixture, "INSERT INTO entry VALUES(999, x'01', x'6b', " FOREVER ", 1, 1);"
                    "INSERT INTO entry SELECT index_id, x'02', x'6b', " FOREVER ", 1, 99999"
                    " FROM index_definition;"
                    "UPDATE index_definition SET bytes = bytes + 2;"
                    "UPDATE state SET indexes = 0");
    expect_findings(fixture->store, true, 4, 4);
    expect_healthy(fixture->store);
    /* Entries of no state, that would be removed when it has come, or that nothing sees. */
    run_in(fixture, "INSERT INTO entry SELECT index_id, x'02', x'6b', 9, 9, 1 FROM"
                    " index_definition UNION ALL SELECT index_id, x'02', x'6b', 999999, 1, 1 FROM"
                    " index_definition UNION ALL SELECT index_id, x'02', x'6b', 'x', 1, 1 FROM"
                    " index_definition; UPDATE entry SET begun = 'x' WHERE record_id = 7");
    expect_findings(fixture->store, true, 2, 2);
    expect_healthy(fixture->store);
    assert_string_equal(text(fixture->store, "by/n/6/keys"), "k00006\n");
    /* An entry that lacks cannot be made again but with its index. */
    run_in(fixture, "DELETE FROM entry WHERE entry_name = CAST('k00030' AS BLOB);"
                    "UPDATE index_definition SET entries = 99, bytes = "
                    "(SELECT sum(length(entry_key) + length(entry_name)) FROM entry)");
    struct sfs_error error = {0};
    uint64_t found = 0;
    must(sfs_index_check(fixture->store, print_finding, NULL, &found, &error), &error);
    assert_true(found > 0);
    run_in(fixture, "UPDATE entry SET record_id = 99999 WHERE entry_name = CAST('k00040' AS BLOB)");
    assert_int_equal(sfs_index_check(fixture->store, NULL, NULL, &found, &error), SFS_E_CORRUPT);
    drop(fixture->store, "n");
    create(fixture->store, "n");
    expect_healthy(fixture->store);
    assert_string_equal(text(fixture->store, "by/n/30/keys"), "k00030\n");
}

/* Descending, few and many names of one value, with values of a chunk's size among them. */
static void test_descending(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_storage *store = fixture->store;
    char *large = malloc(1200000);
    assert_non_null(large);
    fill(store, 0, 900, 1);
    for (unsigned i = 0; i < 5; i++) {
        char key[16];
        memset(large, ' ', 1200000);
        memcpy(large, "{\"type\":\"big\"", 13);
        strcpy(large + 1199998, "}");
        snprintf(key, sizeof(key), "big%u", i);
        set(store, key, large);
    }
    free(large);
    static const char *const orders[] = {"order/type:desc/limit/906/keys",
                                         "order/type/limit/906/keys",
                                         "order/n:desc/limit/906/keys"};
    char *before[3];
    for (size_t i = 0; i < 3; i++) {
        before[i] = strdup(text(store, orders[i]));
        assert_non_null(before[i]);
    }
    create(store, "type");
    create(store, "n");
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(text(store, orders[i]), before[i]);
        free(before[i]);
    }
    assert_int_equal(strncmp(text(store, "order/type:desc/limit/1/keys"), "k00006", 6), 0);
}

/* --- bare records --- */

#define LARGE (1500 * 1024)

/* One value in its row, one in a block, one in parts; the first has attributes of its own. */
static void put_three(struct sfs_storage *store)
{
    struct sfs_attributes attributes = {.mode = 0600};
    char *values[3];
    const size_t sizes[] = {60, 5000, LARGE};
    struct sfs_batch *batch = new_batch();
    for (unsigned i = 0; i < 3; i++) {
        char name[] = {(char)('a' + i), '\0'};
        values[i] = malloc(sizes[i] + 1);
        assert_non_null(values[i]);
        int used = snprintf(values[i], sizes[i] + 1, "{\"n\":%u,\"text\":\"", i + 1);
        memset(values[i] + used, 'x', sizes[i] - (size_t)used);
        memcpy(values[i] + sizes[i] - 2, "\"}", 3);
        assert_int_equal(sfs_batch_put(batch, sfs_string(name), sfs_string(values[i]), &attributes,
                                       SFS_ATTRIBUTE_MODE, NULL),
                         0);
    }
    apply_and_free(store, batch);
    for (unsigned i = 0; i < 3; i++)
        free(values[i]);
}

static void expect_row(struct sfs_storage *store, const struct sfs_record *row, bool bare)
{
    const struct sfs_record *record = NULL;
    struct sfs_error error = {0};
    must(sfs_get(store, row->name, SFS_WANT_VALUE, &record, &error), &error);
    assert_true(sfs_bytes_equal(sfs_record_value(row), sfs_record_value(record)));
    assert_int_equal(row->size, record->size);
    assert_int_equal(row->attributes.type, SFS_TYPE_JSON);
    bare &= row->size < LARGE; /* what is looked up whole is given so */
    assert_int_equal(row->attributes.mode, bare ? SFS_MODE_DEFAULT : 0600);
    assert_int_equal(row->attributes.created, bare ? 0 : record->attributes.created);
    assert_int_equal(row->revision, bare ? 0 : record->revision);
    sfs_record_unref(record);
}

/* `given`: whether the engine gives bare rows where they are asked for. */
static void expect_three(struct sfs_storage *store, const char *path, bool given)
{
    for (int bare = 0; bare < 2; bare++) {
        struct sfs_query *query = NULL;
        struct sfs_cursor *cursor = NULL;
        const struct sfs_record *row = NULL;
        const struct sfs_query_options options = {.bare = bare};
        struct sfs_error error = {0};
        enum sfs_sink sink;
        must(sfs_query_parse(sfs_string(path), &query, &sink, &error), &error);
        must(sfs_query_configure(query, &options, &error), &error);
        must(sfs_query_run(store, query, &cursor, &error), &error);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(sfs_cursor_next(cursor, &row, &error), 1);
            expect_row(store, row, bare && given);
        }
        assert_int_equal(sfs_cursor_next(cursor, &row, &error), 0);
        sfs_cursor_close(cursor);
        sfs_query_free(query);
    }
}

/* Who looks at key and value alone has these from an index; who asks for more has all. */
static void test_bare(void **state)
{
    struct fixture *f = *state;
    put_three(f->store);
    fill(f->store, 10, 500, 1);
    create(f->store, "n");
    expect_three(f->store, "where/n >= 1 and n < 4", true);
    expect_three(f->store, "order/n/limit/3", true);
    expect_three(f->store, "where/n < 4/order/n:desc/limit/3", false);
    expect_three(f->store, "where/n < 4 and @updated > 1000", false);
    expect_three(f->store, "where/n < 4/order/@created", false);
    assert_string_equal(text(f->store, "where/n < 4 and @created > 1000/count"), "3\n");
    assert_string_equal(text(f->store, "where/n < 4 and @created <= 1000/keys"), "");
    assert_null(strstr(text(f->store, "where/n < 4/group/@updated/values.ndjson"), "\":0"));
    assert_null(strstr(text(f->store, "where/n < 4/select/@updated/values.ndjson"), "\":0"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_old_snapshot, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_earlier_entries, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_killed_while_building, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_two_processes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_full_disk, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_backup, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_check, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_descending, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bare, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
