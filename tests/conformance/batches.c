/* SPDX-License-Identifier: MIT */
/* Directed tests: a batch happens whole or not at all; the limits of names. */
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "tests/conformance/directed.h"

#define STEPS 12

/* The operation number `step` of a batch in which each has an effect. */
static void add_step(struct fixture *f, size_t step)
{
    struct sfs_batch *batch = f->batch;
    const struct sfs_attributes change = {.mode = 0600};
    switch (step) {
    case 0:
        OK(sfs_batch_put(batch, L("new"), L("1"), NULL, 0, NULL));
        break;
    case 1:
        OK(sfs_batch_put(batch, L("a"), L("2"), NULL, 0, NULL));
        break;
    case 2:
        OK(sfs_batch_write(batch, L("b"), 1, L("x"), NULL));
        break;
    case 3:
        OK(sfs_batch_append(batch, L("b"), L("y"), NULL));
        break;
    case 4:
        OK(sfs_batch_truncate(batch, L("b"), 1, NULL));
        break;
    case 5:
        OK(sfs_batch_attributes(batch, L("c"), &change, SFS_ATTRIBUTE_MODE, NULL));
        break;
    case 6:
        OK(sfs_batch_xattr(batch, L("c"), L("user.x"), L("1"), 0, NULL));
        break;
    case 7:
        OK(sfs_batch_rename(batch, L("new"), L("a"), 0, NULL));
        break;
    case 8:
        OK(sfs_batch_exchange(batch, L("b"), L("c"), NULL));
        break;
    case 9:
        OK(sfs_batch_rename_prefix(batch, L("d/"), L("e/"), NULL));
        break;
    case 10:
        OK(sfs_batch_exchange_prefix(batch, L("e/"), L("f/"), NULL));
        break;
    default:
        OK(sfs_batch_clear_range(batch, range_of(L("b"), L("f/y")), NULL));
        break;
    }
}

static void add_failure(struct fixture *f)
{
    OK(sfs_batch_rename(f->batch, L("absent"), L("other"), 0, NULL));
}

/* A failing operation at every place in a batch undoes all the others. */
static void failure_at_every_place(void **state)
{
    struct fixture *f = *state;
    const char *names[] = {"a", "b", "c", "d/x", "d/y/z", "f/x"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        put(f, sfs_string(names[i]), sfs_string(names[i]));
    put(f, L("d/\0"), L(""));
    for (size_t place = 0; place <= STEPS; place++) {
        for (size_t step = 0; step < STEPS; step++) {
            if (step == place)
                add_failure(f);
            add_step(f, step);
        }
        if (place == STEPS)
            add_failure(f);
        apply_fails(f, SFS_E_NOT_FOUND);
    }
    for (size_t step = 0; step < STEPS; step++)
        add_step(f, step);
    APPLY_AFFECTING(f, 1, 1, 1, 1, 1, 1, 1, 2, 2, 3, 4, 5);
    expect_names(f->store, "a f/y/z ");
    expect_bytes(f->store, L("a"), L("1"));
    expect_bytes(f->store, L("f/y/z"), L("d/y/z"));
}

/* The names of a failed batch can be used by the next, and its ids are nobody's. */
static void nothing_stays_of_a_failure(void **state)
{
    struct fixture *f = *state;
    struct sfs_totals totals;
    OK(sfs_batch_put(f->batch, L("a"), L("1"), NULL, 0, NULL));
    OK(sfs_batch_put(f->batch, L("d/\0"), L(""), NULL, 0, NULL));
    add_failure(f);
    apply_fails(f, SFS_E_NOT_FOUND);
    OK(sfs_totals(f->store, &totals, NULL));
    assert_int_equal(totals.records, 0);
    OK(sfs_batch_require_absent(f->batch, L("a"), NULL));
    OK(sfs_batch_put(f->batch, L("a"), L("2"), NULL, 0, NULL));
    APPLY_AFFECTING(f, 1);
    expect_names(f->store, "a ");
}

static void batch_can_be_applied_again(void **state)
{
    struct fixture *f = *state;
    uint64_t first = 0, second = 0;
    put(f, L("a"), L("1"));
    OK(sfs_batch_append(f->batch, L("a"), L("2"), NULL));
    OK(sfs_apply(f->store, f->batch, NULL, &first, NULL));
    OK(sfs_apply(f->store, f->batch, &(struct sfs_apply_options){.durable = true}, &second, NULL));
    assert_true(second > first);
    assert_int_equal(sfs_batch_affected(f->batch, 0), 1);
    expect_bytes(f->store, L("a"), L("122"));
    assert_int_equal(sfs_batch_size(f->batch), 1);
    OK(sfs_apply(f->store, f->batch, NULL, NULL, NULL));
    expect_bytes(f->store, L("a"), L("1222"));
}

static void empty_batch(void **state)
{
    struct fixture *f = *state;
    uint64_t sequence = put(f, L("a"), L("1"));
    assert_true(apply(f, 0) >= sequence);
    expect_names(f->store, "a ");
}

static void keys_have_limits(void **state)
{
    struct fixture *f = *state;
    char name[SFS_KEY_MAX + 2];
    memset(name, 'k', sizeof(name));
    size_t most = sfs_storage_key_max(f->store);
    assert_in_range(most, 1, SFS_KEY_MAX);
    put(f, sfs_bytes(name, 1), L("short"));
    put(f, sfs_bytes(name, most), L("long"));
    expect_bytes(f->store, sfs_bytes(name, most), L("long"));
    const struct sfs_record *record = NULL;
    struct {
        struct sfs_bytes name;
        int code;
    } rows[] = {
        {L(""), SFS_E_INVALID},     {L("a\0b"), SFS_E_INVALID},
        {L("a\0"), SFS_E_INVALID},  {L("\0\0"), SFS_E_INVALID},
        {L("\0/x"), SFS_E_INVALID}, {sfs_bytes(name, SFS_KEY_MAX + 1), SFS_E_NAME_TOO_LONG},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        f->error = (struct sfs_error){0};
        assert_int_equal(sfs_batch_put(f->batch, rows[i].name, L("x"), NULL, 0, &f->error),
                         rows[i].code);
        assert_int_equal(f->error.code, rows[i].code);
        apply_fails(f, SFS_E_INVALID);
        assert_int_equal(sfs_get(f->store, rows[i].name, 0, &record, NULL), rows[i].code);
        assert_int_equal(sfs_set(f->store, rows[i].name, L("x"), NULL), rows[i].code);
        assert_int_equal(sfs_delete(f->store, rows[i].name, NULL), rows[i].code);
        assert_int_equal(sfs_has(f->store, rows[i].name, NULL), rows[i].code);
    }
}

static void markers_have_limits(void **state)
{
    struct fixture *f = *state;
    char name[SFS_KEY_MAX + 3];
    memset(name, 'k', sizeof(name));
    size_t most = sfs_storage_key_max(f->store);
    name[most] = '/';
    name[most + 1] = '\0';
    put(f, sfs_bytes(name, most + 2), L(""));
    put(f, sfs_bytes(name, most), L("the key of the directory"));
    expect_bytes(f->store, sfs_bytes(name, most + 2), L(""));
    expect_bytes(f->store, sfs_bytes(name, most), L("the key of the directory"));
    name[most] = 'k';
    name[most + 1] = '/';
    name[most + 2] = '\0';
    struct sfs_batch *batch = NULL;
    OK(sfs_batch_new(&batch, NULL));
    int code = sfs_batch_put(batch, sfs_bytes(name, most + 3), L(""), NULL, 0, NULL);
    if (code == 0)
        code = sfs_apply(f->store, batch, NULL, NULL, NULL);
    assert_int_equal(code, SFS_E_NAME_TOO_LONG);
    sfs_batch_free(batch);
}

/* --- publishing: reads go on beside a batch until it is, and show nothing of it --- */

struct publishing {
    struct sfs_storage *store;
    unsigned calls;
    unsigned wrong;
    unsigned stuck;
};

static bool is_value(struct sfs_storage *store, struct sfs_bytes key, struct sfs_bytes value)
{
    struct sfs_buffer got = {0};
    bool same = sfs_get_value(store, key, &got, NULL) == 0 && sfs_bytes_equal(sfs_buffer_bytes(&got), value);
    sfs_buffer_free(&got);
    return same;
}

static unsigned count_keys(struct sfs_storage *store, struct sfs_bytes prefix)
{
    struct sfs_buffer bound = {0};
    struct sfs_range range;
    struct sfs_cursor *cursor = NULL;
    const struct sfs_record *record;
    unsigned count = 0;
    if (sfs_range_prefix(prefix, &bound, &range) == 0 && sfs_scan(store, range, 0, &cursor, NULL) == 0) {
        while (sfs_cursor_next(cursor, &record, NULL) == 1)
            count++;
    }
    sfs_cursor_close(cursor);
    sfs_buffer_free(&bound);
    return count;
}

static void *read_before(void *context)
{
    struct publishing *publishing = context;
    struct sfs_storage *store = publishing->store;
    bool before = is_value(store, L("a"), L("old")) && sfs_has(store, L("gone"), NULL) == 1 &&
                  sfs_has(store, L("new"), NULL) == 0 && count_keys(store, L("from/")) == 50 &&
                  count_keys(store, L("to/")) == 0;
    publishing->wrong += !before;
    return NULL;
}

/* A reader of its own, for which the batch waits as a change of names does that lets readers end. */
static void publish(void *context)
{
    struct publishing *publishing = context;
    struct timespec until;
    pthread_t reader;
    publishing->calls++;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 20;
    if (pthread_create(&reader, NULL, read_before, publishing) != 0 ||
        pthread_timedjoin_np(reader, NULL, &until) != 0)
        publishing->stuck++;
}

static void readers_go_on_until_published(void **state)
{
    struct fixture *f = *state;
    struct publishing publishing = {.store = f->store};
    const struct sfs_apply_options options = {.publish = publish, .publish_context = &publishing};
    char key[20];
    put(f, L("a"), L("old"));
    put(f, L("gone"), L("1"));
    for (int i = 0; i < 50; i++) {
        snprintf(key, sizeof(key), "from/%d", i);
        put(f, sfs_string(key), L("1"));
    }
    sfs_batch_clear(f->batch);
    OK(sfs_batch_put(f->batch, L("a"), L("new"), NULL, 0, NULL));
    OK(sfs_batch_put(f->batch, L("new"), L("1"), NULL, 0, NULL));
    OK(sfs_batch_delete(f->batch, L("gone"), 0, NULL));
    OK(sfs_batch_rename_prefix(f->batch, L("from/"), L("to/"), NULL));
    OK(sfs_apply(f->store, f->batch, &options, NULL, NULL));
    assert_in_range(publishing.calls, 1, 100);
    assert_int_equal(publishing.stuck, 0);
    assert_int_equal(publishing.wrong, 0);
    assert_true(is_value(f->store, L("a"), L("new")));
    assert_int_equal(sfs_has(f->store, L("gone"), NULL), 0);
    assert_int_equal(count_keys(f->store, L("to/")), 50);
}

const struct conformance_test batch_tests[] = {
    {"a failure at every place", failure_at_every_place, 0},
    {"nothing stays of a failure", nothing_stays_of_a_failure, 0},
    {"a batch can be applied again", batch_can_be_applied_again, 0},
    {"an empty batch", empty_batch, 0},
    {"keys have limits", keys_have_limits, 0},
    {"markers have limits", markers_have_limits, 0},
    {"readers go on until a batch is published", readers_go_on_until_published, 0},
    {0},
};
