/* SPDX-License-Identifier: MIT */
/* The SQLite backend over time and between processes: snapshots, leases, the feed, group commit and
 * what is left of a process that was killed. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "storefs/transaction.h"
#include "tests/unit/own_clock.h"
#include "tests/unit/sqlite_fixture.h"

#define KEYS 60

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* --- snapshots against a model: each key's value, empty string for none --- */

struct model {
    char values[KEYS][24];
};

/* What is in the store for what is in the model: some values are too large for a record's row. */
static const char *value_of(const char *text)
{
    return text[0] == 'l' ? longer(text) : text;
}

static const char *key_name(int i, char *name)
{
    sprintf(name, i % 2 ? "a/%02d" : "b/%02d", i);
    return name;
}

/* Writes that never look at what is there, so that the model is easy: put, delete, clear. */
static void change(struct sfs_storage *store, struct model *model, int round)
{
    struct sfs_batch *batch = new_batch();
    char name[16];
    for (int n = rand() % 5; n >= 0; n--) {
        int i = rand() % KEYS;
        key_name(i, name);
        if (rand() % 3 == 0) {
            model->values[i][0] = '\0';
            assert_int_equal(sfs_batch_delete(batch, sfs_string(name), 0, NULL), 0);
        } else {
            sprintf(model->values[i], "%s %d of %d", rand() % 3 ? "value" : "long", i, round);
            struct sfs_bytes value = sfs_string(value_of(model->values[i]));
            assert_int_equal(sfs_batch_put(batch, sfs_string(name), value, NULL, 0, NULL), 0);
        }
    }
    if (rand() % 15 == 0) {
        struct sfs_range range = {SFS_LITERAL("a/"), SFS_LITERAL("a/20")};
        assert_int_equal(sfs_batch_clear_range(batch, range, NULL), 0);
        for (int i = 1; i < 20; i += 2)
            model->values[i][0] = '\0';
    }
    apply_and_free(store, batch);
}

/* Moves everything of a/ away and back again: names in history that come and go. */
static void move_about(struct sfs_storage *store)
{
    struct sfs_batch *batch = new_batch();
    assert_int_equal(sfs_batch_rename_prefix(batch, SFS_LITERAL("a/"), SFS_LITERAL("moved/"), NULL),
                     0);
    apply_and_free(store, batch);
    batch = new_batch();
    assert_int_equal(sfs_batch_rename_prefix(batch, SFS_LITERAL("moved/"), SFS_LITERAL("a/"), NULL),
                     0);
    apply_and_free(store, batch);
}

static void expect_model(struct sfs_storage *store, const struct model *model)
{
    struct sfs_cursor *cursor = NULL;
    const struct sfs_record *record;
    char name[16];
    int count = 0, code;
    for (int i = 0; i < KEYS; i++) {
        expect(store, key_name(i, name), model->values[i][0] ? value_of(model->values[i]) : NULL);
        count += model->values[i][0] != '\0';
    }
    assert_int_equal(sfs_scan(store, (struct sfs_range){0}, SFS_WANT_VALUE, &cursor, NULL), 0);
    char before[16] = "";
    while ((code = sfs_cursor_next(cursor, &record, NULL)) == 1) {
        const char *digits = (const char *)record->name.data + 2;
        assert_int_equal(record->name.size, 4);
        int i = (digits[0] - '0') * 10 + digits[1] - '0';
        assert_true(sfs_bytes_equal(record->name, sfs_string(key_name(i, name))));
        assert_true(strcmp(before, name) < 0);
        strcpy(before, name);
        assert_true(
            sfs_bytes_equal(sfs_record_value(record), sfs_string(value_of(model->values[i]))));
        count--;
    }
    assert_int_equal(code, 0);
    assert_int_equal(count, 0);
    sfs_cursor_close(cursor);
}

static void test_snapshots_against_model(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_storage *other = open_again(fixture);
    struct sfs_storage *snapshots[4] = {0};
    struct model now = {0}, then[4];
    srand(5);
    for (int round = 0; round < 240; round++) {
        int i = (round / 10) % 4;
        if (round % 10 == 0) {
            assert_int_equal(sfs_close(snapshots[i], NULL), 0);
            assert_int_equal(
                sfs_snapshot(round % 20 ? other : fixture->store, 0, &snapshots[i], NULL), 0);
            then[i] = now;
        }
        change(round % 2 ? fixture->store : other, &now, round);
        if (round % 40 == 7)
            move_about(other);
        if (round % 10 == 9) {
            expect_model(other, &now);
            for (int k = 0; k < 4 && snapshots[k]; k++)
                expect_model(snapshots[k], &then[k]);
        }
    }
    for (int k = 0; k < 4; k++)
        assert_int_equal(sfs_close(snapshots[k], NULL), 0);
    eventually(fixture, "SELECT count(*) FROM history", 0);
    eventually(fixture, "SELECT count(*) FROM garbage", 0);
    assert_int_equal(number_in(fixture, "SELECT count(*) FROM block"),
                     number_in(fixture, "SELECT count(*) FROM record WHERE size > 256"));
    expect_healthy(fixture->store);
    close_store(other);
}

/* A child keeps writing while the parent looks at its snapshot again and again. */
static void write_as_child(const struct fixture *fixture)
{
    struct sfs_storage *store = NULL;
    if (sfs_open(&store, fixture->path, 0, NULL) != 0)
        _exit(1);
    for (int i = 0; i < 400; i++) {
        char key[16], value[16];
        sprintf(key, "key%d", i % 20);
        sprintf(value, "new %d", i);
        if (i % 7 == 0)
            sfs_delete(store, sfs_string(key), NULL);
        else if (sfs_set(store, sfs_string(key), sfs_string(value), NULL) != 0)
            _exit(2);
    }
    _exit(sfs_close(store, NULL) ? 3 : 0);
}

/* In a child, which does not outlive the test. */
static void await_byte(int file)
{
    char byte;
    end_with_parent();
    if (read(file, &byte, 1) != 1)
        _exit(1);
}

static void test_snapshot_of_another_process(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_storage *snapshot = NULL;
    char key[16];
    for (int i = 0; i < 20; i++) {
        sprintf(key, "key%d", i);
        set(fixture->store, key, "old");
    }
    assert_int_equal(sfs_snapshot(fixture->store, 0, &snapshot, NULL), 0);
    close_store(snapshot);
    close_store(fixture->store);
    fixture->store = NULL;
    int go[2];
    assert_int_equal(pipe(go), 0);
    pid_t child = fork();
    if (child == 0) {
        await_byte(go[0]);
        write_as_child(fixture);
    }
    fixture->store = open_again(fixture);
    assert_int_equal(sfs_snapshot(fixture->store, 0, &snapshot, NULL), 0);
    assert_int_equal(write(go[1], "x", 1), 1);
    int status = -1;
    while (waitpid(child, &status, WNOHANG) == 0) {
        for (int i = 0; i < 20; i++) {
            sprintf(key, "key%d", i);
            expect(snapshot, key, "old");
        }
    }
    assert_int_equal(status, 0);
    close(go[0]);
    close(go[1]);
    for (int i = 0; i < 20; i++) {
        sprintf(key, "key%d", i);
        expect(snapshot, key, "old");
    }
    expect(fixture->store, "key18", "new 398");
    close_store(snapshot);
    eventually(fixture, "SELECT count(*) FROM history", 0);
}

/* --- leases --- */

static void test_lease_expires(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_storage *snapshot = NULL;
    const struct sfs_record *record = NULL;
    struct sfs_error error = {0};
    set(fixture->store, "a", "1");
    must(sfs_snapshot(fixture->store, 200000, &snapshot, &error), &error);
    for (int i = 0; i < 5; i++) {
        let_pass(80000); /* each use renews it */
        set(fixture->store, "a", "2");
        expect(snapshot, "a", "1");
    }
    uint64_t lease = sfs_snapshot_lease(snapshot);
    let_pass(350000);
    assert_int_equal(sfs_get(snapshot, SFS_LITERAL("a"), 0, &record, &error), SFS_E_EXPIRED);
    struct sfs_batch *batch = new_batch();
    assert_int_equal(sfs_batch_put(batch, SFS_LITERAL("a"), SFS_LITERAL("3"), NULL, 0, NULL), 0);
    assert_int_equal(sfs_batch_require_lease(batch, lease, NULL), 0);
    assert_int_equal(sfs_apply(fixture->store, batch, NULL, NULL, &error), SFS_E_EXPIRED);
    sfs_batch_free(batch);
    expect(fixture->store, "a", "2");
    set(fixture->store, "a", "4");
    eventually(fixture, "SELECT count(*) FROM lease", 0);
    eventually(fixture, "SELECT count(*) FROM history", 0);
    assert_int_equal(sfs_get(snapshot, SFS_LITERAL("a"), 0, &record, &error), SFS_E_EXPIRED);
    close_store(snapshot);
}

static void test_conditions_on_history(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_storage *snapshot = NULL;
    struct sfs_error error = {0};
    uint64_t sequence = 0;
    struct sfs_range range = {SFS_LITERAL("a"), SFS_LITERAL("b")};
    set(fixture->store, "a1", "1");
    must(sfs_snapshot(fixture->store, 0, &snapshot, &error), &error);
    must(sfs_sequence(snapshot, &sequence, &error), &error);
    set(fixture->store, "b1", "1");
    struct sfs_batch *batch = new_batch();
    must(sfs_batch_require_unchanged(batch, range, sequence, &error), &error);
    must(sfs_batch_put(batch, SFS_LITERAL("c"), SFS_LITERAL("1"), NULL, 0, &error), &error);
    must(sfs_apply(fixture->store, batch, NULL, NULL, &error), &error);
    set(fixture->store, "a2", "1");
    assert_int_equal(sfs_apply(fixture->store, batch, NULL, NULL, &error), SFS_E_CONFLICT);
    assert_non_null(strstr(error.message, "a2"));
    close_store(snapshot);
    eventually(fixture, "SELECT count(*) FROM lease", 0);
    set(fixture->store, "d", "1");
    assert_int_equal(sfs_apply(fixture->store, batch, NULL, NULL, &error), SFS_E_TOO_OLD);
    sfs_batch_free(batch);
}

/* --- the feed --- */

static int count_changes(struct sfs_feed *feed, uint64_t *last)
{
    struct sfs_change change;
    struct sfs_error error = {0};
    int count = 0, code;
    while ((code = sfs_feed_next(feed, &change, &error)) == 1) {
        assert_true(change.sequence >= *last);
        *last = change.sequence;
        count++;
    }
    must(code, &error);
    return count;
}

static void test_feed(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_feed *feed = NULL;
    struct sfs_change change;
    struct sfs_error error = {0};
    set(fixture->store, "before", "1");
    must(sfs_changes(fixture->store, UINT64_MAX, &feed, &error), &error);
    assert_int_equal(sfs_feed_next(feed, &change, &error), 0);
    set(fixture->store, "before", "22");
    assert_int_equal(sfs_feed_next(feed, &change, &error), 1);
    assert_true(sfs_bytes_equal(change.name, SFS_LITERAL("before")));
    assert_int_equal(change.before->size, 1);
    assert_int_equal(change.revision, change.sequence);
    assert_int_equal(sfs_delete(fixture->store, SFS_LITERAL("before"), &error), 1);
    assert_int_equal(sfs_feed_next(feed, &change, &error), 1);
    assert_int_equal(change.revision, 0);
    assert_int_equal(change.before->size, 2);
    assert_int_equal(sfs_feed_next(feed, &change, &error), 0);
    /* One commit of more names than are fetched at once, and exchanges, which need a third name. */
    struct sfs_batch *batch = new_batch();
    for (int i = 0; i < 1000; i++) {
        char key[16];
        sprintf(key, "many%d", i);
        assert_int_equal(sfs_batch_put(batch, sfs_string(key), SFS_LITERAL("x"), NULL, 0, NULL), 0);
    }
    assert_int_equal(sfs_batch_exchange(batch, SFS_LITERAL("many1"), SFS_LITERAL("many2"), NULL),
                     0);
    apply_and_free(fixture->store, batch);
    uint64_t last = 0;
    assert_int_equal(count_changes(feed, &last), 1000);
    batch = new_batch();
    assert_int_equal(sfs_batch_exchange(batch, SFS_LITERAL("many1"), SFS_LITERAL("many2"), NULL),
                     0);
    apply_and_free(fixture->store, batch);
    assert_int_equal(count_changes(feed, &last), 2);
    sfs_feed_close(feed);
    assert_int_equal(sfs_changes(fixture->store, 1, &feed, &error), SFS_E_TOO_OLD);
    eventually(fixture, "SELECT count(*) FROM history", 0);
}

static void *wake_later(void *feed)
{
    usleep(50000);
    sfs_feed_wake(feed);
    return NULL;
}

static void test_feed_waits_for_another_process(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_feed *feed = NULL;
    struct sfs_change change;
    struct sfs_error error = {0};
    close_store(fixture->store);
    fixture->store = NULL;
    int go[2];
    assert_int_equal(pipe(go), 0);
    pid_t child = fork();
    if (child == 0) {
        struct sfs_storage *store = NULL;
        await_byte(go[0]);
        if (sfs_open(&store, fixture->path, 0, NULL) != 0)
            _exit(1);
        sfs_set(store, SFS_LITERAL("theirs"), SFS_LITERAL("1"), NULL);
        _exit(sfs_close(store, NULL) ? 1 : 0);
    }
    fixture->store = open_again(fixture);
    must(sfs_changes(fixture->store, UINT64_MAX, &feed, &error), &error);
    assert_int_equal(sfs_feed_wait(feed, 20, &error), 0);
    assert_int_equal(write(go[1], "x", 1), 1);
    double begin = seconds();
    assert_int_equal(sfs_feed_wait(feed, 100000, &error), 1);
    assert_true(seconds() - begin < 50); /* not only when the time was over */
    assert_int_equal(sfs_feed_next(feed, &change, &error), 1);
    assert_true(sfs_bytes_equal(change.name, SFS_LITERAL("theirs")));
    int status;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    close(go[0]);
    close(go[1]);
    pthread_t thread;
    assert_int_equal(sfs_feed_next(feed, &change, &error), 0);
    assert_int_equal(pthread_create(&thread, NULL, wake_later, feed), 0);
    assert_int_equal(sfs_feed_wait(feed, 100000, &error), SFS_E_CANCELLED);
    assert_int_equal(sfs_feed_wait(feed, 100000, &error), SFS_E_CANCELLED);
    pthread_join(thread, NULL);
    sfs_feed_close(feed);
}

/* --- group commit --- */

struct committer {
    struct sfs_storage *store;
    int number;
    int wrong; /* results that were not as they should be */
};

/* Every third batch writes a key and then fails: none of it may be seen. */
static void *commit_many(void *context)
{
    struct committer *committer = context;
    struct sfs_apply_options durable = {.durable = true};
    for (int i = 0; i < 200; i++) {
        struct sfs_batch *batch = NULL;
        char key[32];
        sprintf(key, "%s/%d/%d", i % 3 ? "good" : "bad", committer->number, i);
        sfs_batch_new(&batch, NULL);
        sfs_batch_put(batch, sfs_string(key), SFS_LITERAL("v"), NULL, 0, NULL);
        if (i % 3 == 0)
            sfs_batch_delete(batch, SFS_LITERAL("missing"), SFS_BATCH_MUST_EXIST, NULL);
        int code = sfs_apply(committer->store, batch, i % 10 == 1 ? &durable : NULL, NULL, NULL);
        committer->wrong += code != (i % 3 ? 0 : SFS_E_NOT_FOUND);
        sfs_batch_free(batch);
    }
    return NULL;
}

static void test_group_commit(void **state)
{
    struct fixture *fixture = *state;
    struct committer committers[8];
    pthread_t threads[8];
    uint64_t sequence = 0;
    for (int i = 0; i < 8; i++) {
        committers[i] = (struct committer){fixture->store, i, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, commit_many, &committers[i]), 0);
    }
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(committers[i].wrong, 0);
    }
    struct sfs_totals totals;
    assert_int_equal(sfs_totals(fixture->store, &totals, NULL), 0);
    assert_int_equal(totals.keys, 8 * 133);
    assert_int_equal(sfs_sequence(fixture->store, &sequence, NULL), 0);
    assert_int_equal(sequence, 8 * 133);
    assert_int_equal(number_in(fixture, "SELECT count(DISTINCT revision) FROM record"), 8 * 133);
    assert_int_equal(
        number_in(fixture, "SELECT count(*) FROM record WHERE CAST(name AS TEXT) LIKE 'bad%'"), 0);
    assert_int_equal(sfs_sync(fixture->store, 0, NULL), 0);
    assert_int_equal(sfs_sync(fixture->store, sequence, NULL), 0);
    expect_healthy(fixture->store);
}

/* SQLite's calls come here. */
static atomic_int syncs;

int fdatasync(int fd)
{
    syncs++;
    return (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
    syncs++;
    return (int)syscall(SYS_fsync, fd);
}

static int commit_one(struct sfs_storage *store, bool durable)
{
    struct sfs_transaction_options options = {.isolation = SFS_SNAPSHOT, .durable = durable};
    struct sfs_transaction *transaction = NULL;
    char key[32];
    sprintf(key, "durable/%d", rand() % 1000);
    int code = sfs_begin(store, &options, &transaction, NULL);
    if (code == 0)
        code =
            sfs_set(sfs_transaction_storage(transaction), sfs_string(key), SFS_LITERAL("v"), NULL);
    if (code == 0)
        code = sfs_commit(transaction, NULL, NULL);
    sfs_transaction_free(transaction);
    return code;
}

/* Every durable commit has seen a sync between its beginning and its end; whose it was is no
 * matter. */
static void *commit_durably(void *context)
{
    struct committer *committer = context;
    for (int i = 0; i < 60; i++) {
        int before = syncs;
        bool durable = i % 2;
        int code = commit_one(committer->store, durable);
        committer->wrong += code != 0 && code != SFS_E_CONFLICT;
        committer->wrong += code == 0 && durable && syncs == before;
    }
    return NULL;
}

static void test_durable(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_apply_options durable = {.durable = true};
    struct committer committers[6];
    pthread_t threads[6];
    assert_int_equal(commit_one(fixture->store, true), 0);
    int before = syncs;
    for (int i = 0; i < 20; i++)
        assert_int_equal(commit_one(fixture->store, false), 0);
    assert_int_equal(syncs, before);
    for (int i = 0; i < 5; i++) {
        before = syncs;
        assert_int_equal(commit_one(fixture->store, true), 0);
        assert_true(syncs > before);
    }
    /* That there is nothing to delete may be the work of a commit that is not on disk yet. */
    struct sfs_batch *batch = new_batch();
    assert_int_equal(sfs_batch_delete(batch, SFS_LITERAL("missing"), 0, NULL), 0);
    set(fixture->store, "missing", "1");
    assert_int_equal(sfs_delete(fixture->store, SFS_LITERAL("missing"), NULL), 1);
    before = syncs;
    assert_int_equal(sfs_apply(fixture->store, batch, &durable, NULL, NULL), 0);
    assert_true(syncs > before);
    sfs_batch_free(batch);
    set(fixture->store, "more", "1");
    before = syncs;
    assert_int_equal(sfs_sync(fixture->store, 0, NULL), 0);
    assert_true(syncs > before);
    for (int i = 0; i < 6; i++) {
        committers[i] = (struct committer){fixture->store, i, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, commit_durably, &committers[i]), 0);
    }
    for (int i = 0; i < 6; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(committers[i].wrong, 0);
    }
}

/* --- killed in the middle of writing --- */

static void write_until_killed(const struct fixture *fixture, int round, int acknowledge)
{
    struct sfs_storage *store = NULL;
    if (sfs_open(&store, fixture->path, 0, NULL) != 0)
        _exit(1);
    for (int i = 0;; i++) {
        char key[32];
        sprintf(key, "r%d/%d", round, i);
        if (sfs_set(store, sfs_string(key), sfs_string(key), NULL) != 0)
            _exit(2);
        if (write(acknowledge, &i, sizeof(i)) != sizeof(i))
            _exit(3);
    }
}

static void kill_once(struct fixture *fixture, int round)
{
    int ends[2], last = -1, read_in;
    char key[32];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0)
        write_until_killed(fixture, round, ends[1]);
    close(ends[1]);
    usleep(15000 + (useconds_t)(rand() % 30000));
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    while (read(ends[0], &read_in, sizeof(read_in)) == sizeof(read_in))
        last = read_in;
    close(ends[0]);
    struct sfs_storage *store = open_again(fixture);
    for (int i = 0; i <= last; i++) {
        sprintf(key, "r%d/%d", round, i);
        expect(store, key, key);
    }
    expect_healthy(store);
    close_store(store);
}

static void test_killed(void **state)
{
    struct fixture *fixture = *state;
    close_store(fixture->store);
    fixture->store = NULL;
    for (int round = 0; round < 20; round++)
        kill_once(fixture, round);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_snapshots_against_model, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_snapshot_of_another_process, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lease_expires, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_conditions_on_history, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_feed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_feed_waits_for_another_process, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_group_commit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_durable, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_killed, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
