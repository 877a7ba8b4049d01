/* SPDX-License-Identifier: MIT */
/*
 * Transactions against a model: random batches, among them many that move whole prefixes, go to a
 * transaction and to a memory store that began equal; after each both must show the same, also with
 * savepoints, snapshots and transactions inside, and after the commit so must the store below. Then
 * several threads at once on one transaction while others write to the store.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/transaction_fixture.h"

static unsigned long random_state;

static unsigned pick(unsigned count)
{
    random_state = random_state * 6364136223846793005UL + 1442695040888963407UL;
    return (unsigned)(random_state >> 33) % count;
}

/* Names that often meet: few, nested, markers among them. */
static struct sfs_bytes random_name(char *name)
{
    static const char *const parts[] = {"a", "b", "c/", "d/", "c/x", "d/y", "c/d/", "a.b", "c0"};
    size_t count = sizeof(parts) / sizeof(parts[0]);
    int size = snprintf(name, 64, "%s%s", parts[pick((unsigned)count)], pick(2) ? "" : "z");
    if (name[size - 1] == '/' && pick(2))
        return sfs_bytes(name, (size_t)size + 1);
    return sfs_bytes(name, (size_t)size);
}

static struct sfs_bytes random_value(char *value)
{
    static const char *const values[] = {"", "1", "text", "{\"a\": 1}", "\xff\xfe"};
    int size = snprintf(value, 64, "%s%.*s", values[pick(5)], (int)pick(20), "0123456789012345678");
    return sfs_bytes(value, (size_t)size);
}

static struct sfs_bytes random_prefix(void)
{
    static const char *const prefixes[] = {"c/", "d/", "c/d/", "e/", "e/long/", "d/y/"};
    return sfs_string(prefixes[pick(6)]);
}

/* Renames a prefix, or exchanges two. */
static void add_prefixes(struct sfs_batch *batch)
{
    struct sfs_bytes from = random_prefix(), to = random_prefix();
    if (sfs_bytes_starts(from, to) || sfs_bytes_starts(to, from))
        sfs_batch_rename_prefix(batch, SFS_LITERAL("c/"), SFS_LITERAL("d/"), NULL);
    else if (pick(3) == 0)
        sfs_batch_exchange_prefix(batch, from, to, NULL);
    else
        sfs_batch_rename_prefix(batch, from, to, NULL);
}

static void add_put(struct sfs_batch *batch, struct sfs_bytes name, struct sfs_bytes value)
{
    struct sfs_attributes attributes = {.mode = pick(512), .uid = pick(3), .kind = SFS_KIND_SYMLINK};
    unsigned mask = pick(2) ? SFS_ATTRIBUTE_MODE | SFS_ATTRIBUTE_UID : 0;
    if (sfs_name_is_marker(name))
        value.size = 0;
    else if (pick(6) == 0)
        mask |= SFS_ATTRIBUTE_KIND;
    sfs_batch_put(batch, name, value, &attributes, mask, NULL);
}

static void add_range(struct sfs_batch *batch, struct sfs_bytes a, struct sfs_bytes b)
{
    bool ordered = sfs_bytes_compare(a, b) <= 0;
    struct sfs_range range = {ordered ? a : b, ordered ? b : a};
    if (pick(3) == 0)
        sfs_batch_require_empty(batch, range, NULL);
    else if (pick(2))
        sfs_batch_clear_range(batch, range, NULL);
}

static void add_random(struct sfs_batch *batch)
{
    char first[64], second[64], value[64];
    struct sfs_bytes a = random_name(first), b = random_name(second), bytes = random_value(value);
    struct sfs_attributes attributes = {.mode = pick(512), .modified = pick(1000)};
    bool names = !sfs_name_is_marker(a) && !sfs_name_is_marker(b);
    switch (pick(14)) {
    case 0: sfs_batch_delete(batch, a, pick(2) ? SFS_BATCH_MUST_EXIST : 0, NULL); break;
    case 1:
        if (names)
            sfs_batch_rename(batch, a, b, pick(2) ? SFS_BATCH_NO_REPLACE : 0, NULL);
        break;
    case 2:
        if (names)
            sfs_batch_exchange(batch, a, b, NULL);
        break;
    case 3:
    case 4:
    case 5: add_prefixes(batch); break;
    case 6: add_range(batch, a, b); break;
    case 7:
        if (names)
            sfs_batch_write(batch, a, pick(30), bytes, NULL);
        break;
    case 8:
        if (names)
            sfs_batch_append(batch, a, bytes, NULL);
        break;
    case 9:
        if (names)
            sfs_batch_truncate(batch, a, pick(30), NULL);
        break;
    case 10:
        sfs_batch_attributes(batch, a, &attributes, SFS_ATTRIBUTE_MODE | SFS_ATTRIBUTE_MODIFIED,
                             NULL);
        break;
    case 11: sfs_batch_xattr(batch, a, SFS_LITERAL("user.x"), bytes.size ? bytes : SFS_LITERAL(""),
                             0, NULL); break;
    default: add_put(batch, a, bytes); break;
    }
}

static void check_same_record(struct sfs_storage *store, const struct sfs_record *got,
                              const struct sfs_record *expected)
{
    struct sfs_attributes a = got->attributes, b = expected->attributes;
    const struct sfs_record *again;
    char piece[16];
    size_t size;
    assert_true(sfs_bytes_equal(got->name, expected->name));
    assert_int_equal(got->size, expected->size);
    assert_true(sfs_bytes_equal(sfs_record_value(got), sfs_record_value(expected)));
    assert_true(sfs_bytes_equal(got->xattrs, expected->xattrs));
    assert_true(a.kind == b.kind && a.type == b.type && a.type_set == b.type_set);
    assert_true(a.mode == b.mode && a.uid == b.uid && a.gid == b.gid && a.device == b.device);
    assert_true(a.created == b.created && a.accessed == b.accessed);
    assert_true(a.modified == b.modified && a.changed == b.changed);
    assert_int_equal(sfs_get(store, got->name, SFS_WANT_VALUE, &again, NULL), 0);
    assert_int_equal(again->attributes.id, a.id);
    assert_int_equal(again->revision, got->revision);
    assert_true(sfs_bytes_equal(sfs_record_value(again), sfs_record_value(got)));
    sfs_record_unref(again);
    assert_int_equal(sfs_read(store, got->name, got->revision, 1, piece, sizeof(piece), &size, NULL),
                     0);
    assert_int_equal(size, got->size > 17 ? 16 : got->size > 1 ? got->size - 1 : 0);
}

/* Both show the same from a random position of a random range on. */
static void check_same(struct sfs_storage *got, struct sfs_storage *expected, bool all)
{
    struct sfs_cursor *cursors[2];
    const struct sfs_record *records[2];
    char first[64], second[64];
    struct sfs_range range = {random_name(first), random_prefix()};
    unsigned want = SFS_WANT_VALUE | (pick(3) == 0 ? SFS_WANT_KEYS : 0);
    if (all || sfs_bytes_compare(range.from, range.to) > 0)
        range = (struct sfs_range){0};
    assert_int_equal(sfs_scan(got, range, want, &cursors[0], NULL), 0);
    assert_int_equal(sfs_scan(expected, range, want, &cursors[1], NULL), 0);
    for (unsigned seeks = all ? 0 : 3;;) {
        if (seeks && pick(4) == 0) {
            struct sfs_bytes to = random_name(second);
            assert_int_equal(sfs_cursor_seek(cursors[0], to, NULL), 0);
            assert_int_equal(sfs_cursor_seek(cursors[1], to, NULL), 0);
            seeks--;
        }
        int code = sfs_cursor_next(cursors[0], &records[0], NULL);
        assert_int_equal(sfs_cursor_next(cursors[1], &records[1], NULL), code);
        if (code == 0)
            break;
        assert_int_equal(code, 1);
        check_same_record(got, records[0], records[1]);
    }
    sfs_cursor_close(cursors[0]);
    sfs_cursor_close(cursors[1]);
}

/* Applies one batch to both: the same result, and the same state after it. */
static void step(struct sfs_storage *got, struct sfs_storage *expected)
{
    struct sfs_batch *batch;
    struct sfs_error errors[2] = {0};
    assert_int_equal(sfs_batch_new(&batch, NULL), 0);
    for (unsigned i = 0, count = 1 + pick(3); i < count; i++)
        add_random(batch);
    int code = sfs_apply(got, batch, NULL, NULL, &errors[0]);
    int model = sfs_apply(expected, batch, NULL, NULL, &errors[1]);
    if (code != model)
        fail_msg("%d %s, the model %d %s", code, errors[0].message, model, errors[1].message);
    sfs_batch_free(batch);
    check_same(got, expected, false);
}

/* --- a transaction as a whole --- */

/* Puts a record with everything that check_same_record() looks at. */
static void add_copy(struct sfs_batch *batch, const struct sfs_record *record)
{
    unsigned mask = SFS_ATTRIBUTE_ALL & ~(unsigned)SFS_ATTRIBUTE_TYPE;
    struct sfs_bytes name, value;
    size_t position = 0;
    if (record->attributes.type_set)
        mask |= SFS_ATTRIBUTE_TYPE;
    if (sfs_name_is_marker(record->name))
        mask &= ~(unsigned)SFS_ATTRIBUTE_KIND;
    assert_int_equal(sfs_batch_put(batch, record->name, sfs_record_value(record),
                                   &record->attributes, mask, NULL), 0);
    while (sfs_xattr_next(record->xattrs, &position, &name, &value))
        assert_int_equal(sfs_batch_xattr(batch, record->name, name, value, 0, NULL), 0);
    assert_int_equal(sfs_batch_attributes(batch, record->name, &record->attributes,
                                          SFS_ATTRIBUTE_CHANGED, NULL), 0);
}

static struct sfs_storage *copy_model(struct sfs_storage *model)
{
    struct sfs_storage *copy;
    struct sfs_cursor *cursor;
    struct sfs_batch *batch;
    const struct sfs_record *record;
    assert_int_equal(sfs_open(&copy, "memory:", SFS_OPEN_CREATE, NULL), 0);
    assert_int_equal(sfs_batch_new(&batch, NULL), 0);
    assert_int_equal(sfs_scan(model, (struct sfs_range){0}, SFS_WANT_VALUE, &cursor, NULL), 0);
    while (sfs_cursor_next(cursor, &record, NULL) == 1)
        add_copy(batch, record);
    sfs_cursor_close(cursor);
    assert_int_equal(sfs_apply(copy, batch, NULL, NULL, NULL), 0);
    sfs_batch_free(batch);
    return copy;
}

/* Puts a copy in place of the model, which is closed. */
static void restore_model(struct sfs_storage **model, struct sfs_storage *saved)
{
    assert_int_equal(sfs_close(*model, NULL), 0);
    *model = copy_model(saved);
}

struct changes {
    struct sfs_storage *before;
    struct sfs_storage *after;
    struct sfs_buffer last; /* the name that was told last */
    size_t told;
};

static bool has(struct sfs_storage *store, struct sfs_bytes name)
{
    const struct sfs_record *record = NULL;
    int code = sfs_get(store, name, SFS_WANT_RECORD, &record, NULL);
    assert_true(code == 0 || code == SFS_E_NOT_FOUND);
    sfs_record_unref(record);
    return code == 0;
}

static int check_change(void *context, struct sfs_bytes name, const struct sfs_record *before,
                        const struct sfs_record *after)
{
    struct changes *changes = context;
    assert_true(sfs_bytes_compare(sfs_buffer_bytes(&changes->last), name) < 0);
    assert_true(before || after);
    assert_int_equal(before != NULL, has(changes->before, name));
    assert_int_equal(after != NULL, has(changes->after, name));
    assert_true(!before || sfs_bytes_equal(before->name, name));
    assert_true(!after || (sfs_bytes_equal(after->name, name) && after->revision >> 62));
    changes->last.size = 0;
    assert_int_equal(sfs_buffer_add(&changes->last, name), 0);
    changes->told++;
    return 0;
}

/* How many records of one store are not, or not of that revision, in the other. */
static size_t count_others(struct sfs_storage *store, struct sfs_storage *other, bool gone_only)
{
    struct sfs_cursor *cursor;
    const struct sfs_record *record, *same;
    size_t count = 0;
    assert_int_equal(sfs_scan(store, (struct sfs_range){0}, 0, &cursor, NULL), 0);
    while (sfs_cursor_next(cursor, &record, NULL) == 1) {
        bool there = sfs_get(other, record->name, 0, &same, NULL) == 0;
        count += !there || (!gone_only && same->revision != record->revision);
        if (there)
            sfs_record_unref(same);
    }
    sfs_cursor_close(cursor);
    return count;
}

/* What would be committed is told name by name: as many as differ. */
static void check_changes(struct sfs_storage *store, struct sfs_transaction *transaction)
{
    struct changes changes = {store, inside(transaction), {0}, 0};
    assert_int_equal(sfs_transaction_changes(transaction, check_change, &changes, NULL), 0);
    assert_int_equal(changes.told, count_others(inside(transaction), store, false) +
                                       count_others(store, inside(transaction), true));
    sfs_buffer_free(&changes.last);
}

static void check_totals(struct sfs_storage *got, struct sfs_storage *expected)
{
    struct sfs_totals totals, wanted;
    assert_int_equal(sfs_totals(got, &totals, NULL), 0);
    assert_int_equal(sfs_totals(expected, &wanted, NULL), 0);
    assert_true(totals.keys == wanted.keys && totals.records == wanted.records &&
                totals.bytes == wanted.bytes);
}

/* Steps in a transaction inside the transaction; it is committed or, as if nothing had been,
 * rolled back. */
static void nest(struct sfs_transaction *outer, struct sfs_storage **model)
{
    struct sfs_storage *saved = copy_model(*model);
    struct sfs_transaction *inner;
    assert_int_equal(sfs_begin_nested(outer, NULL, &inner, NULL), 0);
    for (unsigned i = 0, steps = 1 + pick(6); i < steps; i++)
        step(inside(inner), *model);
    check_totals(inside(inner), *model);
    if (pick(2)) {
        commit(inner);
    } else {
        sfs_transaction_free(inner);
        restore_model(model, saved);
    }
    assert_int_equal(sfs_close(saved, NULL), 0);
    check_same(inside(outer), *model, true);
}

struct mark {
    struct sfs_storage *model; /* as it was at the savepoint; NULL: there is none */
};

static void turn_savepoint(struct sfs_transaction *transaction, struct sfs_storage **model,
                           struct mark *mark)
{
    if (!mark->model) {
        assert_int_equal(sfs_savepoint(transaction, "mark", NULL), 0);
        mark->model = copy_model(*model);
        return;
    }
    if (pick(3)) {
        assert_int_equal(sfs_savepoint_rollback(transaction, "mark", NULL), 0);
        restore_model(model, mark->model);
        check_same(inside(transaction), *model, true);
    }
    if (pick(2)) {
        assert_int_equal(sfs_savepoint_release(transaction, "mark", NULL), 0);
        assert_int_equal(sfs_close(mark->model, NULL), 0);
        mark->model = NULL;
    }
}

/* A snapshot of the transaction's store stays as it is. */
static void check_snapshot(struct sfs_transaction *transaction, struct sfs_storage **model)
{
    struct sfs_storage *snapshot, *saved = copy_model(*model);
    assert_int_equal(sfs_snapshot(inside(transaction), 0, &snapshot, NULL), 0);
    for (int i = 0; i < 3; i++)
        step(inside(transaction), *model);
    check_same(snapshot, saved, true);
    check_same(snapshot, saved, false);
    check_totals(snapshot, saved);
    assert_int_equal(sfs_close(snapshot, NULL), 0);
    assert_int_equal(sfs_close(saved, NULL), 0);
}

static void run_model(struct fixture *fixture, enum sfs_isolation isolation, unsigned long seed)
{
    struct sfs_storage *model;
    struct mark mark = {0};
    random_state = seed;
    assert_int_equal(sfs_clear(fixture->store, NULL), 0);
    assert_int_equal(sfs_open(&model, "memory:", SFS_OPEN_CREATE, NULL), 0);
    for (int i = 0; i < 10; i++)
        step(fixture->store, model);
    struct sfs_transaction *transaction = begin_at(fixture->store, isolation);
    check_same(inside(transaction), model, true);
    for (int i = 0; i < 30; i++) {
        if (pick(6) == 0)
            turn_savepoint(transaction, &model, &mark);
        else if (pick(10) == 0)
            nest(transaction, &model);
        else if (pick(10) == 0)
            check_snapshot(transaction, &model);
        else
            step(inside(transaction), model);
    }
    check_same(inside(transaction), model, true);
    check_totals(inside(transaction), model);
    check_changes(fixture->other, transaction);
    commit(transaction);
    check_same(fixture->other, model, true);
    if (mark.model)
        assert_int_equal(sfs_close(mark.model, NULL), 0);
    assert_int_equal(sfs_close(model, NULL), 0);
}

static void test_model(void **state)
{
    const char *scale = getenv("STOREFS_TEST_SCALE");
    unsigned long rounds = scale && strcmp(scale, "full") == 0 ? 3000 : 300;
    for (unsigned long seed = 1; seed <= rounds; seed++) {
        run_model(*state, SFS_READ_COMMITTED, seed);
        run_model(*state, SFS_SNAPSHOT, seed);
        run_model(*state, SFS_SERIALIZABLE, seed);
    }
}

/* --- threads --- */

#define THREADS 4
#define KEYS 20

struct worker {
    struct fixture *fixture;
    struct sfs_storage *inside;
    int number;
    atomic_int *stop;
    const char *problem; /* set by the thread, read after it ended */
};

static void *complain(struct worker *worker, const char *problem)
{
    worker->problem = problem;
    return NULL;
}

/* Writes to the store below until it is told to stop. */
static void *write_outside(void *argument)
{
    struct worker *worker = argument;
    char key[32];
    for (int i = 0; !atomic_load(worker->stop); i++) {
        snprintf(key, sizeof(key), "key/%02d", i % KEYS);
        if (sfs_set(worker->fixture->other, sfs_string(key), sfs_string("outside"), NULL))
            return complain(worker, "sfs_set failed outside");
    }
    return NULL;
}

/* Each thread has keys of its own in the transaction, and all see the snapshot unchanged. */
static void *use_inside(void *argument)
{
    struct worker *worker = argument;
    char key[32], value[32];
    for (int i = 0; i < 200; i++) {
        struct sfs_buffer got = {0};
        snprintf(key, sizeof(key), "own/%d", worker->number);
        snprintf(value, sizeof(value), "%d", i);
        if (sfs_set(worker->inside, sfs_string(key), sfs_string(value), NULL) ||
            sfs_get_value(worker->inside, sfs_string(key), &got, NULL))
            return complain(worker, "set and get");
        bool same = sfs_bytes_equal(sfs_buffer_bytes(&got), sfs_string(value));
        sfs_buffer_free(&got);
        snprintf(key, sizeof(key), "key/%02d", i % KEYS);
        if (!same || sfs_get_value(worker->inside, sfs_string(key), &got, NULL))
            return complain(worker, "own value, key of the snapshot");
        same = sfs_bytes_equal(sfs_buffer_bytes(&got), sfs_string("begin"));
        sfs_buffer_free(&got);
        if (!same)
            return complain(worker, "the snapshot moved");
        struct sfs_cursor *cursor;
        const struct sfs_record *record;
        int count = 0;
        if (i % 10 || sfs_keys(worker->inside, SFS_LITERAL("key/"), &cursor, NULL))
            continue;
        while (sfs_cursor_next(cursor, &record, NULL) == 1)
            count++;
        sfs_cursor_close(cursor);
        if (count != KEYS)
            return complain(worker, "the number of keys in the snapshot");
    }
    return NULL;
}

static void test_threads(void **state)
{
    struct fixture *fixture = *state;
    atomic_int stop = 0;
    pthread_t threads[THREADS + 1];
    struct worker workers[THREADS + 1];
    for (int i = 0; i < KEYS; i++) {
        char key[32];
        snprintf(key, sizeof(key), "key/%02d", i);
        set(fixture->store, key, "begin");
    }
    struct sfs_transaction *transaction = begin(fixture->store);
    for (int i = 0; i <= THREADS; i++) {
        workers[i] = (struct worker){fixture, sfs_transaction_storage(transaction), i, &stop, NULL};
        assert_int_equal(pthread_create(&threads[i], NULL, i == THREADS ? write_outside : use_inside,
                                        &workers[i]), 0);
    }
    for (int i = 0; i <= THREADS; i++) {
        if (i == THREADS)
            atomic_store(&stop, 1);
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        if (workers[i].problem)
            fail_msg("thread %d: %s", i, workers[i].problem);
    }
    commit(transaction);
    for (int i = 0; i < THREADS; i++) {
        char key[32];
        snprintf(key, sizeof(key), "own/%d", i);
        check_value(fixture->store, key, "199");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_model),
        {"test_model (json)", test_model, setup_json, teardown, NULL},
        BOTH(test_threads),
    };
    return cmocka_run_group_tests_name("transaction model", tests, NULL, NULL);
}
