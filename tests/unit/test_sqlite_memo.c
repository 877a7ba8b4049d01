/* SPDX-License-Identifier: MIT */
/*
 * What a SQLite store remembers of its reads is never older than what was committed, by whichever
 * opening, and sfs_version() tells of each commit. Two openings of one file see each other as two
 * processes do.
 */
#include <pthread.h>

#include "tests/unit/sqlite_fixture.h"

#define MANY 6000 /* more names than are remembered */

/* The value, read twice: the second time it may be remembered; NULL: there must be none. */
static void expect_twice(struct sfs_storage *store, const char *key, const char *value)
{
    for (int i = 0; i < 2; i++) {
        const struct sfs_record *record = NULL;
        struct sfs_error error = {0};
        int code = sfs_get(store, sfs_string(key), SFS_WANT_VALUE, &record, &error);
        if (!value) {
            assert_int_equal(code, SFS_E_NOT_FOUND);
            assert_non_null(strstr(error.message, key));
            continue;
        }
        must(code, &error);
        assert_true(sfs_bytes_equal(record->name, sfs_string(key)));
        assert_true(sfs_bytes_equal(sfs_record_value(record), sfs_string(value)));
        sfs_record_unref(record);
    }
}

static uint64_t version(struct sfs_storage *store)
{
    struct sfs_error error = {0};
    uint64_t number = 0;
    must(sfs_version(store, &number, &error), &error);
    return number;
}

static void test_others(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_storage *store = fixture->store, *other = open_again(fixture);
    expect_twice(store, "a", NULL);
    set(other, "a", "1");
    expect_twice(store, "a", "1");
    set(other, "a", "2");
    expect_twice(store, "a", "2");
    set(store, "a", "3");
    expect_twice(store, "a", "3");
    expect_twice(other, "a", "3");
    struct sfs_error error = {0};
    must(sfs_delete(other, sfs_string("a"), &error), &error);
    expect_twice(store, "a", NULL);
    close_store(other);
}

static void test_version(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_storage *store = fixture->store, *other = open_again(fixture);
    set(store, "a", "1");
    uint64_t before = version(store);
    expect_twice(store, "a", "1");
    assert_int_equal(version(store), before);
    set(store, "b", "1");
    uint64_t after = version(store);
    assert_int_not_equal(after, before);
    set(other, "b", "1");
    assert_int_not_equal(version(store), after);
    close_store(other);
    struct sfs_storage *memory = NULL;
    struct sfs_error error = {0};
    must(sfs_open(&memory, "memory:", SFS_OPEN_CREATE, &error), &error);
    assert_int_equal(sfs_version(memory, &before, &error), SFS_E_UNSUPPORTED);
    close_store(memory);
}

static void expect_next(struct sfs_cursor *cursor, const char *key, uint64_t size)
{
    const struct sfs_record *record = NULL;
    struct sfs_error error = {0};
    assert_int_equal(sfs_cursor_next(cursor, &record, &error), 1);
    assert_true(sfs_bytes_equal(record->name, sfs_string(key)));
    assert_int_equal(record->size, size);
}

#define PLACES 40

static void expect_between(struct sfs_storage *store, const bool *there, unsigned from, unsigned to)
{
    char first[16], end[16];
    struct sfs_error error = {0};
    bool found = false;
    snprintf(first, sizeof(first), "p/%02u", from);
    snprintf(end, sizeof(end), "p/%02u", to);
    for (unsigned i = from; i < to; i++)
        found |= there[i];
    int code = sfs_exists(store, (struct sfs_range){sfs_string(first), sfs_string(end)}, &error);
    must(code, &error);
    assert_int_equal(code, found);
}

/* Where there was nothing, something is found once it is there, whoever has put it, and however. */
static void test_empty_ranges(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_storage *stores[] = {fixture->store, open_again(fixture)};
    struct sfs_error error = {0};
    bool there[PLACES] = {false};
    uint32_t random = 1;
    char key[16];
    for (unsigned step = 0; step < 3000; step++) {
        random = random * 1664525 + 1013904223;
        unsigned at = (random >> 8) % PLACES, kind = (random >> 16) % 16;
        struct sfs_storage *store = stores[(random >> 24) % 8 == 0];
        snprintf(key, sizeof(key), "p/%02u", at);
        if (kind < 3) {
            set(store, key, "v");
            there[at] = true;
        } else if (kind < 6 && there[at]) {
            must(sfs_delete(store, sfs_string(key), &error), &error);
            there[at] = false;
        } else if (kind == 6 && !there[at]) {
            set(store, "q", "v");
            struct sfs_batch *batch = new_batch();
            must(sfs_batch_rename(batch, sfs_string("q"), sfs_string(key), 0, &error), &error);
            must(sfs_apply(store, batch, NULL, NULL, &error), &error);
            sfs_batch_free(batch);
            there[at] = true;
        }
        unsigned from = (random >> 4) % PLACES, to = from + (random >> 12) % 4 + 1;
        expect_between(stores[0], there, from, to < PLACES ? to : PLACES);
    }
    close_store(stores[1]);
}

/* Keys put in order, each looked up before: the next is behind the last, up to what was there. */
static void test_in_order(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_storage *other = open_again(fixture);
    bool there[PLACES] = {false};
    char key[16];
    set(fixture->store, "p/30", "v");
    there[30] = true;
    for (unsigned i = 0; i < PLACES; i++) {
        snprintf(key, sizeof(key), "p/%02u", i);
        expect_between(fixture->store, there, i, i + 1);
        set(i == 20 ? other : fixture->store, key, "v");
        there[i] = true;
        expect_between(fixture->store, there, i, i + 1);
        expect_between(fixture->store, there, 0, PLACES);
    }
    close_store(other);
}

/* A cursor that goes back shows what was read, until somebody commits. */
static void test_seeks_back(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_storage *other = open_again(fixture);
    struct sfs_cursor *cursor = NULL;
    struct sfs_error error = {0};
    set(fixture->store, "a", "1");
    set(fixture->store, "b", "1");
    set(fixture->store, "c", "1");
    must(sfs_scan(fixture->store, (struct sfs_range){{0}, {0}}, 0, &cursor, &error), &error);
    expect_next(cursor, "a", 1);
    expect_next(cursor, "b", 1);
    must(sfs_cursor_seek(cursor, sfs_string("a"), &error), &error);
    expect_next(cursor, "a", 1);
    must(sfs_cursor_seek(cursor, sfs_string("aa"), &error), &error);
    expect_next(cursor, "b", 1);
    expect_next(cursor, "c", 1);
    set(other, "ab", "12");
    set(other, "b", "123");
    must(sfs_cursor_seek(cursor, sfs_string("aa"), &error), &error);
    expect_next(cursor, "ab", 2);
    expect_next(cursor, "b", 3);
    expect_next(cursor, "c", 1);
    sfs_cursor_close(cursor);
    close_store(other);
}

/* Changes of many names at once, of which not all are named. */
static void test_ranges(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_storage *store = fixture->store;
    struct sfs_error error = {0};
    set(store, "d/1", "one");
    set(store, "d/2", "two");
    expect_twice(store, "d/1", "one");
    expect_twice(store, "e/1", NULL);
    struct sfs_batch *batch = new_batch();
    must(sfs_batch_rename_prefix(batch, sfs_string("d/"), sfs_string("e/"), &error), &error);
    must(sfs_apply(store, batch, NULL, NULL, &error), &error);
    sfs_batch_free(batch);
    expect_twice(store, "d/1", NULL);
    expect_twice(store, "e/1", "one");
    expect_twice(store, "e/2", "two");
    batch = new_batch();
    must(sfs_batch_exchange(batch, sfs_string("e/1"), sfs_string("e/2"), &error), &error);
    must(sfs_apply(store, batch, NULL, NULL, &error), &error);
    sfs_batch_free(batch);
    expect_twice(store, "e/1", "two");
    must(sfs_clear(store, &error), &error);
    expect_twice(store, "e/1", NULL);
}

static void name_of(unsigned number, char text[16])
{
    snprintf(text, 16, "k%u", number);
}

static void test_many(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_storage *store = fixture->store;
    struct sfs_error error = {0};
    struct sfs_batch *batch = new_batch();
    char key[16], *large = malloc(3000);
    assert_non_null(large);
    memset(large, 'x', 3000);
    for (unsigned i = 0; i < MANY; i++) {
        name_of(i, key);
        memcpy(large, key, strlen(key));
        must(sfs_batch_put(batch, sfs_string(key), sfs_bytes(large, 3000), NULL, 0, &error),
             &error);
    }
    must(sfs_apply(store, batch, NULL, NULL, &error), &error);
    sfs_batch_free(batch);
    for (unsigned i = 0; i < 2 * MANY; i++) {
        const struct sfs_record *record = NULL;
        name_of(i % MANY, key);
        must(sfs_get(store, sfs_string(key), SFS_WANT_VALUE, &record, &error), &error);
        assert_int_equal(record->size, 3000);
        assert_true(sfs_bytes_starts(sfs_record_value(record), sfs_string(key)));
        sfs_record_unref(record);
        name_of(i % MANY + MANY, key);
        assert_int_equal(sfs_get(store, sfs_string(key), SFS_WANT_RECORD, &record, NULL),
                         SFS_E_NOT_FOUND);
    }
    free(large);
}

/* A counter that only grows is never seen to shrink, whoever reads. */
struct race {
    struct sfs_storage *writer;
    struct sfs_storage *reader;
    bool failed;
};

static void *read_counter(void *context)
{
    struct race *race = context;
    unsigned last = 0;
    while (last < 400 && !race->failed) {
        struct sfs_buffer value = {0};
        if (sfs_get_value(race->reader, sfs_string("n"), &value, NULL) != 0 ||
            sfs_buffer_text(&value) != 0)
            race->failed = true;
        unsigned now = race->failed ? 0 : (unsigned)strtoul(value.data, NULL, 10);
        race->failed = race->failed || now < last;
        last = now;
        sfs_buffer_free(&value);
    }
    return NULL;
}

static void count_up(struct race *race)
{
    pthread_t thread;
    char text[16];
    set(race->writer, "n", "0");
    assert_int_equal(pthread_create(&thread, NULL, read_counter, race), 0);
    for (unsigned i = 1; i <= 400; i++) {
        snprintf(text, sizeof(text), "%u", i);
        set(race->writer, "n", text);
        expect_twice(race->reader, "n", text); /* committed before it is read */
    }
    pthread_join(thread, NULL);
    assert_false(race->failed);
}

static void test_races(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_storage *other = open_again(fixture);
    count_up(&(struct race){.writer = other, .reader = fixture->store});
    count_up(&(struct race){.writer = fixture->store, .reader = fixture->store});
    close_store(other);
}

static void test_frozen(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_error error = {0};
    set(fixture->store, "a", "1");
    struct sfs_storage *frozen = open_with(fixture, "", SFS_OPEN_FROZEN);
    struct sfs_storage *other = open_again(fixture);
    struct sfs_storage *hasty = open_with(fixture, "?busy-timeout=50", 0);
    assert_int_equal(sfs_set(hasty, sfs_string("a"), sfs_string("2"), &error), SFS_E_BUSY);
    assert_int_equal(sfs_set(frozen, sfs_string("a"), sfs_string("2"), &error), SFS_E_READ_ONLY);
    struct sfs_storage *second = NULL;
    char uri[200];
    snprintf(uri, sizeof(uri), "sqlite:%s?busy-timeout=50", fixture->path);
    assert_int_equal(sfs_open(&second, uri, SFS_OPEN_FROZEN, &error), SFS_E_BUSY);
    expect_twice(frozen, "a", "1");
    expect_twice(other, "a", "1");
    expect_twice(hasty, "a", "1");
    uint64_t before = version(frozen);
    assert_int_equal(version(frozen), before);
    close_store(frozen);
    set(other, "a", "2");
    expect_twice(fixture->store, "a", "2");
    expect_twice(hasty, "a", "2");
    close_store(hasty);
    close_store(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_others, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_version, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_empty_ranges, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_seeks_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ranges, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_races, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_frozen, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
