/* SPDX-License-Identifier: MIT */
/* Directed tests: the change feed. */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/conformance/directed.h"

/* What a feed has to say now: "+a" made, "-a" deleted, "*a" changed, "|" between commits. */
static void expect_changes(struct fixture *f, struct sfs_feed *feed, const char *expected)
{
    char found[2000] = "", shown[100];
    struct sfs_change change;
    uint64_t sequence = 0, now = 0;
    int code;
    while ((code = sfs_feed_next(feed, &change, &f->error)) == 1) {
        assert_true(change.sequence >= sequence);
        if (sequence && change.sequence > sequence)
            strcat(found, "| ");
        sequence = change.sequence;
        if (!change.before && !change.revision)
            continue; /* made and deleted by one commit */
        assert_true(change.revision == 0 || change.revision == sequence);
        if (change.before) {
            assert_true(sfs_bytes_equal(change.before->name, change.name));
            assert_true(change.before->revision < sequence);
        }
        strcat(found, !change.before ? "+" : change.revision ? "*" : "-");
        strcat(found, sfs_name_show(change.name, shown, sizeof(shown)));
        strcat(found, sfs_name_is_marker(change.name) ? "0 " : " ");
    }
    assert_int_equal(code, 0);
    OK(sfs_sequence(f->store, &now, NULL));
    assert_true(sequence <= now);
    assert_string_equal(found, expected);
}

static void feed_tells_changes(void **state)
{
    struct fixture *f = *state;
    struct sfs_feed *feed = NULL;
    put(f, L("before"), L("1"));
    OK(sfs_changes(f->store, UINT64_MAX, &feed, NULL));
    expect_changes(f, feed, "");
    put(f, L("a"), L("1"));
    put(f, L("a"), L("2"));
    OK(sfs_batch_put(f->batch, L("b"), L("1"), NULL, 0, NULL));
    OK(sfs_batch_delete(f->batch, L("before"), 0, NULL));
    OK(sfs_batch_put(f->batch, L("d/\0"), L(""), NULL, 0, NULL));
    apply(f, 0);
    expect_changes(f, feed, "+a | *a | +b -before +d/0 ");
    expect_changes(f, feed, "");
    OK(sfs_batch_rename(f->batch, L("a"), L("b"), 0, NULL));
    apply(f, 0);
    OK(sfs_batch_exchange(f->batch, L("b"), L("b"), NULL));
    OK(sfs_batch_delete(f->batch, L("none"), 0, NULL));
    apply(f, 0);
    OK(sfs_batch_put(f->batch, L("failed"), L("1"), NULL, 0, NULL));
    OK(sfs_batch_rename(f->batch, L("none"), L("other"), 0, NULL));
    apply(f, SFS_E_NOT_FOUND);
    expect_changes(f, feed, "-a *b ");
    sfs_feed_close(feed);
}

/* Each name once a commit, as it was before and is after it; temporary names are not seen. */
static void feed_tells_names_once(void **state)
{
    struct fixture *f = *state;
    struct sfs_feed *feed = NULL;
    put(f, L("a/x"), L("1"));
    put(f, L("b/x"), L("1"));
    put(f, L("b/y"), L("1"));
    OK(sfs_changes(f->store, UINT64_MAX, &feed, NULL));
    OK(sfs_batch_exchange_prefix(f->batch, L("a/"), L("b/"), NULL));
    OK(sfs_batch_append(f->batch, L("b/x"), L("2"), NULL));
    OK(sfs_batch_exchange(f->batch, L("a/x"), L("a/y"), NULL));
    OK(sfs_batch_put(f->batch, L("short"), L("2"), NULL, 0, NULL));
    OK(sfs_batch_delete(f->batch, L("short"), 0, NULL));
    apply(f, 0);
    expect_changes(f, feed, "*a/x +a/y *b/x -b/y ");
    OK(sfs_batch_clear_range(f->batch, everything(), NULL));
    OK(sfs_batch_put(f->batch, L("a/x"), L("new"), NULL, 0, NULL));
    apply(f, 0);
    expect_changes(f, feed, "*a/x -a/y -b/x ");
    sfs_feed_close(feed);
}

static void feed_shows_record_before(void **state)
{
    struct fixture *f = *state;
    struct sfs_feed *feed = NULL;
    struct sfs_change change;
    uint64_t first = put(f, L("a"), L("12345"));
    const struct sfs_record *before = get(f->store, L("a"));
    OK(sfs_changes(f->store, first, &feed, NULL));
    uint64_t second = put(f, L("a"), L("1"));
    assert_int_equal(sfs_feed_next(feed, &change, NULL), 1);
    assert_int_equal(change.sequence, second);
    assert_int_equal(change.revision, second);
    assert_int_equal(change.before->revision, first);
    assert_int_equal(change.before->size, 5);
    assert_int_equal(change.before->attributes.id, before->attributes.id);
    assert_int_equal(change.before->attributes.modified, before->attributes.modified);
    assert_int_equal(sfs_feed_next(feed, &change, NULL), 0);
    sfs_record_unref(before);
    sfs_feed_close(feed);
}

/* What a lease keeps can be followed from there by another feed. */
static void feed_from_a_sequence(void **state)
{
    struct fixture *f = *state;
    struct sfs_feed *keeper = NULL, *feed = NULL;
    uint64_t since = put(f, L("a"), L("1"));
    OK(sfs_changes(f->store, UINT64_MAX, &keeper, NULL));
    uint64_t middle = put(f, L("b"), L("1"));
    put(f, L("c"), L("1"));
    OK(sfs_changes(f->store, since, &feed, NULL));
    expect_changes(f, feed, "+b | +c ");
    sfs_feed_close(feed);
    OK(sfs_changes(f->store, middle, &feed, NULL));
    expect_changes(f, feed, "+c ");
    sfs_feed_close(feed);
    expect_changes(f, keeper, "+b | +c ");
    sfs_feed_close(keeper);
}

static void too_old(void **state)
{
    struct fixture *f = *state;
    struct sfs_feed *feed = NULL;
    uint64_t since = put(f, L("a"), L("0"));
    for (int i = 0; i < 50; i++)
        put(f, L("a"), L("1"));
    int code = sfs_changes(f->store, since, &feed, &f->error);
    if (code) /* history may be kept for longer than it must be */
        assert_int_equal(code, SFS_E_TOO_OLD);
    sfs_feed_close(feed);
    feed = NULL;
    OK(sfs_batch_require_unchanged(f->batch, range_of(L("a"), L("b")), since, NULL));
    code = sfs_apply(f->store, f->batch, NULL, NULL, &f->error);
    assert_true(code == SFS_E_TOO_OLD || code == SFS_E_CONFLICT);
    sfs_batch_clear(f->batch);
    OK(sfs_changes(f->store, UINT64_MAX, &feed, NULL));
    put(f, L("b"), L("1"));
    expect_changes(f, feed, "+b ");
    sfs_feed_close(feed);
}

struct late {
    struct sfs_storage *store;
    struct sfs_feed *feed; /* to be woken; NULL: write */
    int code;
};

static void *act_late(void *context)
{
    struct late *late = context;
    usleep(100000);
    if (late->feed)
        sfs_feed_wake(late->feed);
    else
        late->code = sfs_set(late->store, L("late"), L("1"), NULL);
    return NULL;
}

static void feed_waits(void **state)
{
    struct fixture *f = *state;
    struct sfs_feed *feed = NULL;
    struct late writer = {.store = f->store};
    pthread_t thread;
    OK(sfs_changes(f->store, UINT64_MAX, &feed, NULL));
    int64_t begun = now_ns();
    assert_int_equal(sfs_feed_wait(feed, 60, NULL), 0);
    assert_true(now_ns() - begun >= 50000000);
    put(f, L("a"), L("1"));
    assert_int_equal(sfs_feed_wait(feed, 60000, NULL), 1);
    expect_changes(f, feed, "+a ");
    OK(pthread_create(&thread, NULL, act_late, &writer));
    assert_int_equal(sfs_feed_wait(feed, 60000, NULL), 1);
    OK(pthread_join(thread, NULL));
    OK(writer.code);
    expect_changes(f, feed, "+late ");
    struct late waker = {.store = f->store, .feed = feed};
    OK(pthread_create(&thread, NULL, act_late, &waker));
    assert_int_equal(sfs_feed_wait(feed, 60000, &f->error), SFS_E_CANCELLED);
    OK(pthread_join(thread, NULL));
    assert_int_equal(sfs_feed_wait(feed, 60000, NULL), SFS_E_CANCELLED);
    sfs_feed_close(feed);
}

const struct conformance_test feed_tests[] = {
    {"a feed tells changes", feed_tells_changes, SFS_CAN_CHANGES},
    {"a feed tells names once", feed_tells_names_once, SFS_CAN_CHANGES},
    {"a feed shows the record before", feed_shows_record_before, SFS_CAN_CHANGES},
    {"a feed from a sequence", feed_from_a_sequence, SFS_CAN_CHANGES},
    {"a position too old", too_old, SFS_CAN_CHANGES},
    {"a feed waits", feed_waits, SFS_CAN_CHANGES},
    {0},
};
