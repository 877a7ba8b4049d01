/* SPDX-License-Identifier: MIT */
/*
 * What a read costs beside an old snapshot must not grow with the number of writes of one key that
 * were made since; and what does, the numbers of the indexes, not with how many indexes there are.
 * Another opening has the snapshot, so each write leaves a row of history. Steps of SQLite's
 * machine are counted.
 */
#include "storefs/index.h"
#include "tests/conformance/counted.h"
#include "tests/unit/sqlite_fixture.h"

#define KEYS 100
#define FEW 20
#define MANY 2000
#define REPEATS 5 /* of which the least counts: the housekeeper may have work meanwhile */

struct place {
    struct sfs_storage *writer;
    struct sfs_storage *reader;
    struct sfs_storage *old; /* of the reader */
};

static void list_old(struct place *place)
{
    struct sfs_cursor *cursor = NULL;
    struct sfs_error error = {0};
    const struct sfs_record *record = NULL;
    int code, count = 0;
    must(sfs_scan(place->old, (struct sfs_range){{0}, {0}}, SFS_WANT_RECORD, &cursor, &error),
         &error);
    while ((code = sfs_cursor_next(cursor, &record, &error)) == 1)
        count++;
    must(code, &error);
    sfs_cursor_close(cursor);
    assert_int_equal(count, KEYS);
}

/* The names in the range are as they were: they were made since, and are gone again. */
static void require_range(struct place *place)
{
    struct sfs_batch *batch = new_batch();
    struct sfs_range range = {SFS_LITERAL("t"), SFS_LITERAL("u")};
    uint64_t sequence = 0;
    assert_int_equal(sfs_sequence(place->old, &sequence, NULL), 0);
    assert_int_equal(sfs_batch_require_unchanged(batch, range, sequence, NULL), 0);
    assert_int_equal(sfs_batch_put(batch, SFS_LITERAL("x"), SFS_LITERAL("1"), NULL, 0, NULL), 0);
    apply_and_free(place->reader, batch);
}

static unsigned long long steps_of(struct place *place, void (*run)(struct place *place))
{
    unsigned long long least = 0;
    for (int i = 0; i < REPEATS; i++) {
        unsigned long long before = counted_calls()->steps;
        run(place);
        unsigned long long steps = counted_calls()->steps - before;
        least = i == 0 || steps < least ? steps : least;
    }
    return least;
}

static void write_often(struct place *place, int times)
{
    for (int i = 0; i < times; i++) {
        set(place->writer, "k050", i % 2 ? "1" : "2");
        set(place->writer, "t", "made");
        assert_int_equal(sfs_delete(place->writer, SFS_LITERAL("t"), NULL), 1);
    }
}

static void test_steps(void **state)
{
    struct fixture *fixture = *state;
    struct place place = {.writer = fixture->store, .reader = open_again(fixture)};
    for (int i = 0; i < KEYS; i++) {
        char key[16];
        snprintf(key, sizeof(key), "k%03d", i);
        set(place.writer, key, "0");
    }
    assert_int_equal(sfs_snapshot(place.reader, 0, &place.old, NULL), 0);
    void (*const runs[])(struct place * place) = {list_old, require_range};
    unsigned long long few[2];
    write_often(&place, FEW);
    for (int i = 0; i < 2; i++)
        few[i] = steps_of(&place, runs[i]);
    write_often(&place, MANY);
    assert_true(number_in(fixture, "SELECT count(*) FROM history WHERE name = x'74'") >= 2 * MANY);
    for (int i = 0; i < 2; i++) {
        unsigned long long many = steps_of(&place, runs[i]);
        print_message("%d: %llu steps, %llu\n", i, few[i], many);
        assert_true(many < 2 * few[i]);
    }
    expect(place.old, "k050", "0");
    close_store(place.old);
    close_store(place.reader);
}

/* What the first look at an index of an old snapshot takes, where there are so many. */
static unsigned long long steps_to_numbers(struct fixture *fixture, char indexes)
{
    struct place place = {.writer = fixture->store, .reader = open_again(fixture)};
    struct sfs_error error = {0};
    struct sfs_index_stats stats;
    for (char name[] = "a"; name[0] < 'a' + indexes; name[0]++)
        must(sfs_index_create(place.writer, sfs_string(name), NULL, NULL, &error), &error);
    set(place.writer, "k050", "0");
    assert_int_equal(sfs_snapshot(place.reader, 0, &place.old, NULL), 0);
    write_often(&place, MANY / 4);
    unsigned long long before = counted_calls()->steps;
    must(sfs_index_stats(place.old, SFS_LITERAL("a"), &stats, &error), &error);
    unsigned long long steps = counted_calls()->steps - before;
    assert_int_equal(stats.entries, 1);
    close_store(place.old);
    close_store(place.reader);
    return steps;
}

static void test_numbers_of_indexes(void **state)
{
    struct fixture *fixture = *state;
    struct fixture *another = NULL;
    assert_int_equal(set_up((void **)&another), 0);
    unsigned long long one = steps_to_numbers(fixture, 1);
    unsigned long long eight = steps_to_numbers(another, 8);
    print_message("one index: %llu steps, eight: %llu\n", one, eight);
    assert_true(eight < 4 * one); /* more entries have ended */
    tear_down((void **)&another);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_steps, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_numbers_of_indexes, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
