/* SPDX-License-Identifier: MIT */
/*
 * What a SQLite store keeps for snapshots and feeds: always all that they need, against a model
 * that remembers every state, and soon nothing that is before all of them.
 */
#include <time.h>

#include "tests/unit/own_clock.h"
#include "tests/unit/sqlite_fixture.h"

#define KEYS 24
#define LARGE 2 /* the first keys have values in parts */
#define SNAPSHOTS 6
#define FEEDS 3
#define STEPS 1500
#define LARGE_SIZE ((size_t)1200000)

/* --- the model: what each key held after each commit --- */

struct version {
    uint64_t sequence; /* of the commit */
    char *data;        /* NULL: there is no such key */
    size_t size;
};

struct world {
    struct fixture *fixture;
    struct sfs_storage *stores[2]; /* two openings of the file, which prune both */
    struct version *versions[KEYS];
    size_t counts[KEYS];
    uint64_t sequence;
    struct sfs_storage *snapshots[SNAPSHOTS];
    struct sfs_storage *sources[SNAPSHOTS]; /* which of the stores each is of */
    uint64_t begun[SNAPSHOTS];
    struct sfs_feed *feeds[FEEDS];
    uint64_t read[FEEDS]; /* everything up to here */
};

static struct sfs_bytes key_of(size_t key, char name[16])
{
    snprintf(name, 16, key % 3 ? "k/%02zu" : "m%02zu", key);
    return sfs_string(name);
}

static size_t key_named(struct sfs_bytes name)
{
    const char *digits = (const char *)name.data + name.size - 2;
    return (size_t)((digits[0] - '0') * 10 + digits[1] - '0');
}

static void note(struct world *world, size_t key, uint64_t sequence, const char *data, size_t size)
{
    size_t count = world->counts[key]++;
    world->versions[key] = realloc(world->versions[key], (count + 1) * sizeof(struct version));
    struct version *version = &world->versions[key][count];
    *version = (struct version){.sequence = sequence, .size = size};
    if (data) {
        version->data = malloc(size + 1);
        assert_non_null(version->data);
        memcpy(version->data, data, size);
    }
    world->sequence = sequence;
}

/* What the key held at a sequence number; NULL: it never was. */
static const struct version *version_at(const struct world *world, size_t key, uint64_t sequence)
{
    const struct version *found = NULL;
    for (size_t i = 0; i < world->counts[key]; i++) {
        if (world->versions[key][i].sequence <= sequence)
            found = &world->versions[key][i];
    }
    return found && found->data ? found : NULL;
}

static void expect_version(struct sfs_storage *store, size_t key, const struct version *version)
{
    char name[16];
    struct sfs_buffer value = {0};
    struct sfs_error error = {0};
    int code = sfs_get_value(store, key_of(key, name), &value, &error);
    if (!version) {
        assert_int_equal(code, SFS_E_NOT_FOUND);
        return;
    }
    must(code, &error);
    assert_int_equal(value.size, version->size);
    assert_memory_equal(value.data, version->data, version->size);
    sfs_buffer_free(&value);
}

/* Key by key, and as a listing with values. */
static void expect_state(const struct world *world, struct sfs_storage *store, uint64_t sequence)
{
    struct sfs_cursor *cursor = NULL;
    const struct sfs_record *record;
    size_t there = 0;
    int code;
    for (size_t key = 0; key < KEYS; key++) {
        const struct version *version = version_at(world, key, sequence);
        expect_version(store, key, version);
        there += version != NULL;
    }
    assert_int_equal(sfs_scan(store, (struct sfs_range){0}, SFS_WANT_VALUE, &cursor, NULL), 0);
    while ((code = sfs_cursor_next(cursor, &record, NULL)) == 1) {
        size_t key = key_named(record->name);
        const struct version *version = version_at(world, key, sequence);
        assert_non_null(version);
        assert_int_equal(record->revision, version->sequence);
        assert_true(
            sfs_bytes_equal(sfs_record_value(record), sfs_bytes(version->data, version->size)));
        there--;
    }
    assert_int_equal(code, 0);
    assert_int_equal(there, 0);
    sfs_cursor_close(cursor);
}

/* --- what a store may keep at the most --- */

/* Of the oldest snapshot and feed, or of all that was. */
static uint64_t oldest_position(const struct world *world)
{
    uint64_t oldest = world->sequence;
    for (size_t i = 0; i < SNAPSHOTS; i++) {
        if (world->snapshots[i] && world->begun[i] < oldest)
            oldest = world->begun[i];
    }
    for (size_t i = 0; i < FEEDS; i++) {
        if (world->feeds[i] && world->read[i] < oldest)
            oldest = world->read[i];
    }
    return oldest;
}

/* Soon there is nothing that is before all of them. (The lease of a feed may be behind it.) */
static void expect_bounds(const struct world *world)
{
    char sql[200];
    uint64_t oldest = oldest_position(world);
    long long leased =
        number_in(world->fixture, "SELECT coalesce(min(sequence), 1 << 60) FROM lease"
                                  " WHERE NOT contents");
    leased = (long long)oldest < leased ? (long long)oldest : leased;
    snprintf(sql, sizeof(sql), "SELECT count(*) FROM history WHERE sequence <= %lld", leased);
    eventually(world->fixture, sql, 0);
    oldest = world->sequence;
    for (size_t i = 0; i < SNAPSHOTS; i++) {
        if (world->snapshots[i] && world->begun[i] < oldest)
            oldest = world->begun[i];
    }
    snprintf(sql, sizeof(sql), "SELECT count(*) FROM garbage WHERE ended <= %lld",
             (long long)oldest);
    eventually(world->fixture, sql, 0);
    expect_healthy(world->stores[0]);
}

/* --- steps --- */

static void put(struct world *world, struct sfs_storage *store, size_t key)
{
    char name[16];
    size_t size = key < LARGE ? LARGE_SIZE : (size_t)(rand() % 600);
    char *data = malloc(size + 1);
    assert_non_null(data);
    memset(data, 'a' + rand() % 26, size);
    struct sfs_batch *batch = new_batch();
    assert_int_equal(sfs_batch_put(batch, key_of(key, name), sfs_bytes(data, size), NULL, 0, NULL),
                     0);
    note(world, key, apply_and_free(store, batch), data, size);
    free(data);
}

static void patch(struct world *world, struct sfs_storage *store, size_t key,
                  const struct version *now)
{
    char name[16], *data = malloc(now->size + 100);
    size_t at = now->size ? (size_t)rand() % now->size : 0;
    size_t size = now->size;
    struct sfs_batch *batch = new_batch();
    assert_non_null(data);
    memcpy(data, now->data, size);
    if (rand() % 4 == 0 && size > LARGE_SIZE / 2) {
        size -= (size_t)rand() % (size / 10);
        assert_int_equal(sfs_batch_truncate(batch, key_of(key, name), size, NULL), 0);
    } else {
        assert_int_equal(
            sfs_batch_write(batch, key_of(key, name), at, SFS_LITERAL("patched"), NULL), 0);
        memcpy(data + at, "patched", 7);
        size = at + 7 > size ? at + 7 : size;
    }
    note(world, key, apply_and_free(store, batch), data, size);
    free(data);
}

static void remove_key(struct world *world, struct sfs_storage *store, size_t key)
{
    char name[16];
    struct sfs_batch *batch = new_batch();
    assert_int_equal(sfs_batch_delete(batch, key_of(key, name), 0, NULL), 0);
    note(world, key, apply_and_free(store, batch), NULL, 0);
}

static void rename_key(struct world *world, struct sfs_storage *store, size_t from, size_t to)
{
    char names[2][16];
    struct sfs_batch *batch = new_batch();
    const struct version moved = *version_at(world, from, world->sequence);
    assert_int_equal(sfs_batch_rename(batch, key_of(from, names[0]), key_of(to, names[1]), 0, NULL),
                     0);
    uint64_t sequence = apply_and_free(store, batch);
    note(world, to, sequence, moved.data, moved.size);
    note(world, from, sequence, NULL, 0);
}

static void write_something(struct world *world)
{
    struct sfs_storage *store = world->stores[rand() % 2];
    size_t key = rand() % 8 ? LARGE + (size_t)rand() % (KEYS - LARGE) : (size_t)rand() % LARGE;
    const struct version *now = version_at(world, key, world->sequence);
    int dice = rand() % 10;
    if (now && dice < 2)
        remove_key(world, store, key);
    else if (now && dice < 4 && key >= LARGE)
        rename_key(world, store, key, LARGE + (key + 1 - LARGE) % (KEYS - LARGE));
    else if (now && (dice < 7 || (key < LARGE && dice < 9)))
        patch(world, store, key, now);
    else
        put(world, store, key);
}

/* A feed tells every change of every key, whatever else is let go. */
static void read_feed(struct world *world, size_t at)
{
    struct sfs_change change;
    struct sfs_error error = {0};
    char name[16];
    uint64_t since = world->read[at];
    size_t told = 0, changed = 0;
    int code;
    while ((code = sfs_feed_next(world->feeds[at], &change, &error)) == 1) {
        assert_true(change.sequence > since && change.sequence <= world->sequence);
        size_t key = key_named(change.name);
        assert_true(sfs_bytes_equal(change.name, key_of(key, name)));
        const struct version *before = version_at(world, key, change.sequence - 1);
        const struct version *after = version_at(world, key, change.sequence);
        assert_int_equal(change.before != NULL, before != NULL);
        if (before)
            assert_int_equal(change.before->revision, before->sequence);
        assert_int_equal(change.revision, after ? change.sequence : 0);
        told++;
    }
    must(code, &error);
    world->read[at] = world->sequence;
    for (size_t key = 0; key < KEYS; key++) {
        for (size_t i = 0; i < world->counts[key]; i++)
            changed += world->versions[key][i].sequence > since;
    }
    assert_int_equal(told, changed);
}

/* Opens one from a position that another one has, from now on, or closes it. */
static void turn_feed(struct world *world, size_t at)
{
    struct sfs_error error = {0};
    if (world->feeds[at]) {
        read_feed(world, at);
        if (rand() % 3)
            return;
        sfs_feed_close(world->feeds[at]);
        world->feeds[at] = NULL;
        return;
    }
    size_t other = (size_t)rand() % FEEDS;
    uint64_t since = world->feeds[other] ? world->read[other] : UINT64_MAX;
    must(sfs_changes(world->stores[rand() % 2], since, &world->feeds[at], &error), &error);
    world->read[at] = since == UINT64_MAX ? world->sequence : since;
}

/* Nothing has changed since a snapshot exactly where both states are the same. */
static void require(const struct world *world, size_t at)
{
    size_t key = (size_t)rand() % KEYS;
    char name[16], end[17];
    struct sfs_batch *batch = new_batch();
    struct sfs_range range = {.from = key_of(key, name)};
    snprintf(end, sizeof(end), "%s0", name);
    range.to = sfs_string(end);
    const struct version *then = version_at(world, key, world->begun[at]);
    const struct version *now = version_at(world, key, world->sequence);
    assert_int_equal(sfs_batch_require_unchanged(batch, range, world->begun[at], NULL), 0);
    int code = sfs_apply(world->sources[at], batch, NULL, NULL, NULL);
    assert_int_equal(code, then == now ? 0 : SFS_E_CONFLICT);
    sfs_batch_free(batch);
}

static void turn_snapshot(struct world *world, size_t at)
{
    struct sfs_error error = {0};
    if (!world->snapshots[at]) {
        world->sources[at] = world->stores[rand() % 2];
        must(sfs_snapshot(world->sources[at], 0, &world->snapshots[at], &error), &error);
        world->begun[at] = world->sequence;
        return;
    }
    expect_state(world, world->snapshots[at], world->begun[at]);
    require(world, at);
    if (rand() % 2)
        return;
    close_store(world->snapshots[at]);
    world->snapshots[at] = NULL;
    if (rand() % 4 == 0)
        expect_bounds(world);
}

static void end_world(struct world *world)
{
    for (size_t i = 0; i < SNAPSHOTS; i++)
        close_store(world->snapshots[i]);
    for (size_t i = 0; i < FEEDS; i++)
        sfs_feed_close(world->feeds[i]);
    eventually(world->fixture, "SELECT count(*) FROM lease", 0);
    eventually(world->fixture, "SELECT count(*) FROM history", 0);
    eventually(world->fixture, "SELECT count(*) FROM garbage", 0);
    assert_int_equal(number_in(world->fixture,
                               "SELECT count(*) FROM block WHERE block NOT IN"
                               " (SELECT block FROM chunk) AND block NOT IN"
                               " (SELECT content FROM record WHERE content NOT NULL)"),
                     0);
    assert_int_equal(number_in(world->fixture,
                               "SELECT count(*) FROM chunk WHERE content NOT IN"
                               " (SELECT content FROM record WHERE content NOT NULL)"),
                     0);
    expect_state(world, world->stores[0], world->sequence);
    close_store(world->stores[1]);
    for (size_t key = 0; key < KEYS; key++) {
        for (size_t i = 0; i < world->counts[key]; i++)
            free(world->versions[key][i].data);
        free(world->versions[key]);
    }
}

static void test_random(void **state)
{
    struct world world = {.fixture = *state};
    const char *given = getenv("STOREFS_TEST_SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 0) : (unsigned)time(NULL);
    const char *scale = getenv("STOREFS_TEST_SCALE");
    int steps = scale && strcmp(scale, "full") == 0 ? STEPS * 10 : STEPS;
    print_message("STOREFS_TEST_SEED=%u\n", seed);
    srand(seed);
    world.stores[0] = world.fixture->store;
    world.stores[1] = open_again(world.fixture);
    for (int step = 0; step < steps; step++) {
        write_something(&world);
        if (rand() % 6 == 0)
            turn_snapshot(&world, (size_t)rand() % SNAPSHOTS);
        /* Feeds come and go in spells: with one open every change is kept. */
        if (step / 100 % 2 && rand() % 10 == 0)
            turn_feed(&world, (size_t)rand() % FEEDS);
        else if (step % 200 == 199) {
            for (size_t i = 0; i < FEEDS; i++) {
                sfs_feed_close(world.feeds[i]);
                world.feeds[i] = NULL;
            }
        }
    }
    end_world(&world);
}

/* --- commits that are larger than a step of their removal --- */

static void put_many(struct sfs_storage *store, int count, const char *value)
{
    struct sfs_batch *batch = new_batch();
    for (int i = 0; i < count; i++) {
        char key[16];
        snprintf(key, sizeof(key), "many/%05d", i);
        assert_int_equal(sfs_batch_put(batch, sfs_string(key), sfs_string(value), NULL, 0, NULL),
                         0);
    }
    apply_and_free(store, batch);
}

static void test_large_commits(void **state)
{
    enum { MANY = 6000 };
    struct fixture *fixture = *state;
    struct sfs_storage *old = NULL, *middle = NULL, *young = NULL;
    struct sfs_error error = {0};
    set(fixture->store, "a", longer("1"));
    must(sfs_snapshot(fixture->store, 0, &old, &error), &error);
    put_many(fixture->store, MANY, longer("first"));
    must(sfs_snapshot(fixture->store, 0, &middle, &error), &error);
    put_many(fixture->store, MANY, longer("second"));
    must(sfs_snapshot(fixture->store, 0, &young, &error), &error);
    struct sfs_batch *batch = new_batch();
    assert_int_equal(
        sfs_batch_rename_prefix(batch, SFS_LITERAL("many/"), SFS_LITERAL("other/"), NULL), 0);
    apply_and_free(fixture->store, batch);
    assert_int_equal(number_in(fixture, "SELECT count(*) FROM history"), 4 * MANY);
    assert_int_equal(number_in(fixture, "SELECT count(*) FROM garbage"), MANY);
    expect(middle, "many/05999", longer("first"));
    expect(old, "many/00000", NULL);
    expect(old, "a", longer("1"));
    close_store(old);
    for (int i = 0; i < MANY / 8; i++)
        set(fixture->store, "a", longer("2"));
    /* What was before the snapshot in the middle, of which "a" has changed since. */
    eventually(fixture, "SELECT count(*) FROM history", 3 * MANY + 1);
    close_store(middle);
    eventually(fixture, "SELECT count(*) FROM history", 2 * MANY + 1);
    eventually(fixture, "SELECT count(*) FROM garbage", 1);
    expect(young, "many/05999", longer("second"));
    expect(young, "a", longer("1"));
    expect_healthy(fixture->store);
    must(sfs_clear(fixture->store, &error), &error);
    for (int i = 0; i < MANY / 8; i++)
        set(fixture->store, "a", longer("3"));
    /* What came and went leaves no trace. */
    eventually(fixture, "SELECT count(*) FROM history", MANY + 1);
    expect(young, "a", longer("1"));
    expect(young, "other/00000", NULL);
    close_store(young);
    for (int i = 0; i < MANY / 8; i++)
        set(fixture->store, "a", longer("4"));
    eventually(fixture, "SELECT count(*) FROM history", 0);
    eventually(fixture, "SELECT count(*) FROM block", 1);
    expect_healthy(fixture->store);
}

/* One hot key, and one that is made and deleted, however often: a row each at the most. */
static void test_hot_keys(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_storage *snapshot = NULL;
    struct sfs_error error = {0};
    set(fixture->store, "hot", longer("first"));
    must(sfs_snapshot(fixture->store, 0, &snapshot, &error), &error);
    for (int i = 0; i < 500; i++) {
        set(fixture->store, "hot", longer("later"));
        set(fixture->store, "passing", longer("1"));
        assert_true(number_in(fixture, "SELECT count(*) FROM history") <= 2);
        assert_true(number_in(fixture, "SELECT count(*) FROM block") <= 3);
        assert_int_equal(sfs_delete(fixture->store, SFS_LITERAL("passing"), NULL), 1);
    }
    expect(snapshot, "hot", longer("first"));
    assert_int_equal(number_in(fixture, "SELECT count(*) FROM history"), 1);
    close_store(snapshot);
}

/* The lease of another opening is on every state from some point on: all of them are kept, until it
 * and all that is older has ended. This opening's own snapshot needs one. */
static void test_states_of_others(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_storage *snapshot = NULL;
    struct sfs_error error = {0};
    char sql[200];
    set(fixture->store, "a", longer("0"));
    must(sfs_snapshot(fixture->store, 0, &snapshot, &error), &error);
    set(fixture->store, "a", longer("1"));
    snprintf(sql, sizeof(sql),
             "INSERT INTO lease(lease, sequence, contents, expires) VALUES(1000, 2, 1, %lld)",
             (long long)(sfs_clock_monotonic() + 300 * SFS_NS_PER_SECOND));
    run_in(fixture, sql);
    for (int i = 0; i < 10; i++) {
        set(fixture->store, "a", longer("2"));
        set(fixture->store, "b", longer("1"));
        assert_int_equal(sfs_delete(fixture->store, SFS_LITERAL("b"), NULL), 1);
    }
    assert_int_equal(number_in(fixture, "SELECT count(*) FROM history"), 31);
    assert_int_equal(number_in(fixture, "SELECT count(*) FROM garbage"), 21);
    expect_healthy(fixture->store);
    let_pass(400000);
    for (int i = 0; i < 5; i++)
        set(fixture->store, "a", longer("3"));
    assert_int_equal(number_in(fixture, "SELECT count(*) FROM history"), 31);
    expect(snapshot, "a", longer("0"));
    expect_healthy(fixture->store);
    close_store(snapshot);
    set(fixture->store, "a", longer("4"));
    eventually(fixture, "SELECT count(*) FROM history", 0);
    eventually(fixture, "SELECT count(*) FROM garbage", 0);
    expect_healthy(fixture->store);
}

/* --- a feed that nobody reads --- */

static void test_feed_is_given_up(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_feed *feed = NULL;
    struct sfs_change change;
    struct sfs_error error = {0};
    must(sfs_changes(fixture->store, UINT64_MAX, &feed, &error), &error);
    set(fixture->store, "a", "1");
    set(fixture->store, "a", "2");
    run_in(fixture, "UPDATE state SET sequence = sequence + 2000000");
    set(fixture->store, "a", "3");
    set(fixture->store, "a", "4");
    assert_int_equal(number_in(fixture, "SELECT count(*) FROM lease"), 0);
    assert_int_equal(number_in(fixture, "SELECT count(*) FROM history"), 0);
    assert_int_equal(sfs_feed_next(feed, &change, &error), SFS_E_TOO_OLD);
    sfs_feed_close(feed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_random, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_large_commits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_hot_keys, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_states_of_others, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_feed_is_given_up, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
