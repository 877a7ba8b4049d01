/* SPDX-License-Identifier: MIT */
/* Whether others commit: told of theirs and not of one's own, however the two follow each other. */
#include <pthread.h>
#include <time.h>

#include "sqlite_fixture.h"

#define SOON 60000 /* ms, at the most: it comes at once unless the machine is busy */

static struct sfs_watch *watch_of(struct sfs_storage *store)
{
    struct sfs_error error = {0};
    struct sfs_watch *watch = NULL;
    must(sfs_watch_open(store, &watch, &error), &error);
    return watch;
}

static void test_own_commits(void **state)
{
    struct fixture *fixture = *state;
    set(fixture->store, "before", "1");
    struct sfs_watch *watch = watch_of(fixture->store);
    assert_int_equal(sfs_watch_wait(watch, 0, NULL), 0);
    for (int i = 0; i < 20; i++) {
        set(fixture->store, "k", i % 2 ? "1" : "2");
        assert_int_equal(sfs_watch_wait(watch, i == 10 ? 30 : 0, NULL), 0);
    }
    sfs_watch_close(watch);
}

static void test_others(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_storage *other = open_again(fixture);
    struct sfs_watch *watch = watch_of(fixture->store);
    struct sfs_watch *second = watch_of(fixture->store);
    for (int i = 0; i < 5; i++) {
        set(other, "k", i % 2 ? "1" : "2");
        assert_int_equal(sfs_watch_wait(watch, SOON, NULL), 1);
        assert_int_equal(sfs_watch_wait(watch, 0, NULL), 0);
    }
    /* Hidden behind one's own. */
    set(other, "k", "theirs");
    set(fixture->store, "k", "ours");
    assert_int_equal(sfs_watch_wait(watch, SOON, NULL), 1);
    set(fixture->store, "k", "ours again");
    assert_int_equal(sfs_watch_wait(watch, 30, NULL), 0);
    assert_int_equal(sfs_watch_wait(second, 0, NULL), 1); /* each is told of all */
    assert_int_equal(sfs_watch_wait(second, 0, NULL), 0);
    /* What was there before it began is nothing new. */
    set(other, "k", "old");
    struct sfs_watch *late = watch_of(fixture->store);
    assert_int_equal(sfs_watch_wait(late, 0, NULL), 0);
    set(fixture->store, "k", "ours");
    assert_int_equal(sfs_watch_wait(late, 30, NULL), 0);
    sfs_watch_close(late);
    sfs_watch_close(second);
    sfs_watch_close(watch);
    close_store(other);
}

struct writer {
    struct sfs_storage *store;
    _Atomic bool stop;
};

static void *write_on(void *context)
{
    struct writer *writer = context;
    while (!writer->stop)
        set(writer->store, "own", "x");
    return NULL;
}

static void test_beside_a_writer(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_storage *other = open_again(fixture);
    struct writer writer = {.store = fixture->store};
    struct sfs_watch *watch = watch_of(fixture->store);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, write_on, &writer), 0);
    assert_int_equal(sfs_watch_wait(watch, 100, NULL), 0);
    for (int i = 0; i < 5; i++) {
        set(other, "theirs", "x");
        assert_int_equal(sfs_watch_wait(watch, SOON, NULL), 1);
    }
    assert_int_equal(sfs_watch_wait(watch, 50, NULL), 0);
    writer.stop = true;
    pthread_join(thread, NULL);
    sfs_watch_close(watch);
    close_store(other);
}

/* A batch that fails has taken no number from anybody. */
static void test_after_a_failure(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_storage *other = open_again(fixture);
    struct sfs_watch *watch = watch_of(fixture->store);
    struct sfs_batch *batch = new_batch();
    set(fixture->store, "k", "1");
    assert_int_equal(sfs_batch_require_absent(batch, sfs_string("k"), NULL), 0);
    assert_int_equal(sfs_batch_put(batch, sfs_string("k"), sfs_string("2"), NULL, 0, NULL), 0);
    assert_int_equal(sfs_apply(fixture->store, batch, NULL, NULL, NULL), SFS_E_EXISTS);
    sfs_batch_free(batch);
    assert_int_equal(sfs_watch_wait(watch, 0, NULL), 0);
    set(other, "k", "3");
    assert_int_equal(sfs_watch_wait(watch, SOON, NULL), 1);
    sfs_watch_close(watch);
    close_store(other);
}

static void *wake_soon(void *watch)
{
    usleep(20000);
    sfs_watch_wake(watch);
    return NULL;
}

static void test_wake(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_watch *watch = watch_of(fixture->store);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, wake_soon, watch), 0);
    assert_int_equal(sfs_watch_wait(watch, UINT64_MAX, NULL), SFS_E_CANCELLED);
    assert_int_equal(sfs_watch_wait(watch, 0, NULL), SFS_E_CANCELLED);
    pthread_join(thread, NULL);
    sfs_watch_close(watch);
    sfs_watch_close(NULL);
}

static void test_who_can(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_error error = {0};
    struct sfs_storage *memory = NULL, *layered = NULL;
    struct sfs_watch *watch = NULL;
    must(sfs_open(&memory, "memory:", SFS_OPEN_CREATE, &error), &error);
    assert_int_equal(sfs_watch_open(memory, &watch, &error), SFS_E_UNSUPPORTED);
    assert_null(watch);
    close_store(memory);
    /* A layer does not hide it. */
    struct sfs_storage *other = open_again(fixture);
    must(sfs_metrics_layer(&layered, open_again(fixture), &error), &error);
    watch = watch_of(layered);
    set(layered, "k", "1");
    assert_int_equal(sfs_watch_wait(watch, 0, NULL), 0);
    set(other, "k", "2");
    assert_int_equal(sfs_watch_wait(watch, SOON, NULL), 1);
    sfs_watch_close(watch);
    close_store(layered);
    close_store(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_own_commits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_others, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_beside_a_writer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_after_a_failure, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_wake, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_who_can, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
