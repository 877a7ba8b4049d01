/* SPDX-License-Identifier: MIT */
/* A store that is open twice, in one process and in two, where the backend allows it. */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/conformance/short.h"

#define PROCESSES 3
#define ROUNDS 40

static bool shares(const struct fixture *f)
{
    return !f->transaction && fixture_can(f, SFS_CAN_SHARE);
}

static void writes_are_seen(void **state)
{
    struct fixture *f = *state;
    uint64_t first = 0, second = 0;
    if (!shares(f))
        return;
    struct sfs_storage *other = fixture_open_again(f);
    put(f, L("a"), L("1"));
    expect_bytes(other, L("a"), L("1"));
    OK(sfs_set(other, L("a"), L("2"), NULL));
    OK(sfs_set(other, L("b"), L("3"), NULL));
    expect_bytes(f->store, L("a"), L("2"));
    expect_names(f->store, "a b ");
    OK(sfs_sequence(f->store, &first, NULL));
    OK(sfs_sequence(other, &second, NULL));
    assert_int_equal(first, second);
    uint64_t size = 0;
    OK(sfs_size(f->store, &size, NULL));
    assert_int_equal(size, 2);
    assert_true(put(f, L("c"), L("4")) > second);
    /* A revision that the other has passed is a conflict here. */
    const struct sfs_record *record = get(f->store, L("c"));
    OK(sfs_set(other, L("c"), L("5"), NULL));
    OK(sfs_batch_require_revision(f->batch, L("c"), record->revision, NULL));
    OK(sfs_batch_put(f->batch, L("c"), L("6"), NULL, 0, NULL));
    apply_fails(f, SFS_E_CONFLICT);
    sfs_record_unref(record);
    OK(sfs_close(other, NULL));
}

static void snapshots_hold_against_the_other(void **state)
{
    struct fixture *f = *state;
    struct sfs_storage *snapshot = NULL;
    if (!shares(f))
        return;
    struct sfs_storage *other = fixture_open_again(f);
    char *large = pattern(1500000, 3);
    put(f, L("a"), L("1"));
    put(f, L("large"), sfs_bytes(large, 1500000));
    put(f, L("d/x"), L("2"));
    char *content = dump(f->store);
    OK(sfs_snapshot(f->store, 0, &snapshot, NULL));
    struct sfs_batch *batch = NULL;
    OK(sfs_batch_new(&batch, NULL));
    OK(sfs_batch_write(batch, L("large"), 700000, L("changed"), NULL));
    OK(sfs_batch_rename_prefix(batch, L("d/"), L("e/"), NULL));
    OK(sfs_batch_delete(batch, L("a"), 0, NULL));
    OK(sfs_batch_put(batch, L("new"), L("3"), NULL, 0, NULL));
    OK(sfs_apply(other, batch, NULL, NULL, NULL));
    expect_names(f->store, "e/x large new ");
    expect_dump(snapshot, content);
    OK(sfs_clear(other, NULL));
    for (int i = 0; i < 20; i++)
        OK(sfs_set(other, L("a"), L("again"), NULL));
    expect_dump(snapshot, content);
    OK(sfs_close(other, NULL));
    expect_dump(snapshot, content);
    OK(sfs_close(snapshot, NULL));
    sfs_batch_free(batch);
    free(content);
    free(large);
}

static void feed_tells_of_the_other(void **state)
{
    struct fixture *f = *state;
    struct sfs_feed *feed = NULL;
    struct sfs_change change;
    if (!shares(f))
        return;
    struct sfs_storage *other = fixture_open_again(f);
    OK(sfs_changes(f->store, UINT64_MAX, &feed, NULL));
    OK(sfs_set(other, L("a"), L("1"), NULL));
    put(f, L("b"), L("2"));
    assert_int_equal(sfs_delete(other, L("a"), NULL), 1);
    const char *names[] = {"a", "b", "a"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(sfs_feed_wait(feed, 60000, NULL), 1);
        assert_int_equal(sfs_feed_next(feed, &change, NULL), 1);
        assert_true(sfs_bytes_equal(change.name, sfs_string(names[i])));
        assert_int_equal(change.before != NULL, i == 2);
        assert_int_equal(change.revision != 0, i != 2);
    }
    assert_int_equal(sfs_feed_next(feed, &change, NULL), 0);
    sfs_feed_close(feed);
    OK(sfs_close(other, NULL));
}

/* --- other processes --- */

static int add_one(struct sfs_storage *store, struct sfs_batch *batch)
{
    const struct sfs_record *record = NULL;
    char text[32] = "";
    int code = sfs_get(store, SFS_LITERAL("counter"), SFS_WANT_VALUE, &record, NULL);
    if (code)
        return code;
    memcpy(text, sfs_record_value(record).data, record->size);
    snprintf(text, sizeof(text), "%ld", strtol(text, NULL, 10) + 1);
    sfs_batch_clear(batch);
    code = sfs_batch_require_revision(batch, record->name, record->revision, NULL);
    if (code == 0)
        code = sfs_batch_put(batch, record->name, sfs_string(text), NULL, 0, NULL);
    if (code == 0)
        code = sfs_apply(store, batch, NULL, NULL, NULL);
    sfs_record_unref(record);
    return code;
}

/* In a process of its own: its exit status is 0, or says where it failed. */
static int count_in_process(const char *uri)
{
    struct sfs_storage *store = NULL;
    struct sfs_batch *batch = NULL;
    if (sfs_open(&store, uri, 0, NULL))
        return 2;
    if (sfs_batch_new(&batch, NULL))
        return 3;
    for (int done = 0; done < ROUNDS;) {
        int code = add_one(store, batch);
        if (code && code != SFS_E_CONFLICT)
            return 4;
        done += code == 0;
    }
    sfs_batch_free(batch);
    return sfs_close(store, NULL) ? 5 : 0;
}

static void processes_count_together(void **state)
{
    struct fixture *f = *state;
    pid_t children[PROCESSES];
    int status = 0;
    if (!shares(f))
        return;
    put(f, L("counter"), L("0"));
    /* A child must begin without connections of its parent. */
    OK(sfs_close(f->base, NULL));
    f->base = f->store = NULL;
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0)
            _exit(count_in_process(f->uri));
    }
    f->base = f->store = fixture_open(f, 0);
    int own = 0;
    while (own < ROUNDS) {
        int code = add_one(f->store, f->batch);
        assert_true(code == 0 || code == SFS_E_CONFLICT);
        own += code == 0;
    }
    sfs_batch_clear(f->batch);
    for (int i = 0; i < PROCESSES; i++) {
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    char expected[20];
    snprintf(expected, sizeof(expected), "%d", (PROCESSES + 1) * ROUNDS);
    expect_bytes(f->store, L("counter"), sfs_string(expected));
}

/* A store that cannot be shared refuses a second opening while it is open. */
static void not_shared_is_busy(void **state)
{
    struct fixture *f = *state;
    struct sfs_storage *other = NULL;
    if (f->transaction || shares(f) || !fixture_can(f, SFS_CAN_PERSIST))
        return;
    put(f, L("a"), L("1"));
    assert_int_equal(sfs_open(&other, f->uri, 0, &f->error), SFS_E_BUSY);
    assert_null(other);
    expect_bytes(f->store, L("a"), L("1"));
}

int main(void)
{
    static const struct conformance_test tests[] = {
        {"writes are seen", writes_are_seen, SFS_CAN_SHARE},
        {"snapshots hold against the other", snapshots_hold_against_the_other,
         SFS_CAN_SHARE | SFS_CAN_SNAPSHOT},
        {"a feed tells of the other", feed_tells_of_the_other, SFS_CAN_SHARE | SFS_CAN_CHANGES},
        {"processes count together", processes_count_together, SFS_CAN_SHARE},
        {"what is not shared is busy", not_shared_is_busy, SFS_CAN_PERSIST},
    };
    return stacks_run("sharing", tests, sizeof(tests) / sizeof(tests[0]));
}
