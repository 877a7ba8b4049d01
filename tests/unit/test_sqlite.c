/* SPDX-License-Identifier: MIT */
/* The SQLite backend: values small and large, the file and what is wrong with it, backup and check.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "tests/unit/sqlite_fixture.h"

#define MIB ((size_t)1024 * 1024)

static void fill(char *data, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++) {
        seed = seed * 1103515245u + 12345u;
        data[i] = (char)(seed >> 16);
    }
}

static void expect_bytes(struct sfs_storage *store, const char *key, const char *data, size_t size)
{
    struct sfs_error error = {0};
    struct sfs_buffer read = {0};
    must(sfs_get_value(store, sfs_string(key), &read, &error), &error);
    assert_int_equal(read.size, size);
    assert_true(size == 0 || memcmp(read.data, data, size) == 0);
    sfs_buffer_free(&read);
}

static void expect_parts(struct sfs_storage *store, const char *key, const char *data, size_t size)
{
    struct sfs_error error = {0};
    char part[70000];
    for (int i = 0; i < 40; i++) {
        size_t offset = (size_t)rand() % (size + 1000);
        size_t length = (size_t)rand() % sizeof(part), got = 99;
        must(sfs_read(store, sfs_string(key), 0, offset, part, length, &got, &error), &error);
        size_t left = offset < size ? size - offset : 0;
        assert_int_equal(got, left < length ? left : length);
        assert_true(got == 0 || memcmp(part, data + offset, got) == 0);
    }
}

static void test_round_trip(void **state)
{
    struct fixture *fixture = *state;
    static const size_t sizes[] = {0, 1, 100, 4096, 70000, MIB - 1, MIB, MIB + 1, 3 * MIB + 17};
    char *data = malloc(4 * MIB);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct sfs_error error = {0};
        char key[32];
        fill(data, sizes[i], (unsigned)i);
        snprintf(key, sizeof(key), "value/%zu", sizes[i]);
        must(sfs_set(fixture->store, sfs_string(key), sfs_bytes(data, sizes[i]), &error), &error);
        expect_bytes(fixture->store, key, data, sizes[i]);
        expect_parts(fixture->store, key, data, sizes[i]);
    }
    close_store(fixture->store);
    fixture->store = open_again(fixture);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char key[32];
        fill(data, sizes[i], (unsigned)i);
        snprintf(key, sizeof(key), "value/%zu", sizes[i]);
        expect_bytes(fixture->store, key, data, sizes[i]);
    }
    struct sfs_totals totals;
    assert_int_equal(sfs_totals(fixture->store, &totals, NULL), 0);
    assert_int_equal(totals.keys, 9);
    expect_healthy(fixture->store);
    free(data);
}

struct model {
    char *data;
    size_t size;
};

static void patch_once(struct sfs_storage *store, struct model *model, const char *piece)
{
    struct sfs_batch *batch = new_batch();
    struct sfs_bytes key = SFS_LITERAL("big");
    size_t length = (size_t)rand() % (rand() % 4 ? 5000 : 600000);
    int kind = rand() % 8;
    if (kind == 0) {
        size_t size = (size_t)rand() % (4 * MIB);
        if (size > model->size)
            memset(model->data + model->size, 0, size - model->size);
        model->size = size;
        assert_int_equal(sfs_batch_truncate(batch, key, size, NULL), 0);
    } else if (kind == 1 && model->size + length < 6 * MIB) {
        memcpy(model->data + model->size, piece, length);
        model->size += length;
        assert_int_equal(sfs_batch_append(batch, key, sfs_bytes(piece, length), NULL), 0);
    } else {
        size_t offset = (size_t)rand() % (model->size + MIB / 2);
        size_t end = offset + length;
        if (offset > model->size && length)
            memset(model->data + model->size, 0, offset - model->size);
        memcpy(model->data + offset, piece, length);
        if (length && end > model->size)
            model->size = end;
        assert_int_equal(sfs_batch_write(batch, key, offset, sfs_bytes(piece, length), NULL), 0);
    }
    apply_and_free(store, batch);
}

static void patch_randomly(struct fixture *fixture, bool with_snapshots)
{
    struct model model = {malloc(10 * MIB), 3 * MIB};
    char *old = malloc(10 * MIB), *piece = malloc(MIB);
    struct sfs_storage *snapshot = NULL;
    size_t old_size = 0;
    fill(model.data, model.size, 7);
    fill(piece, MIB, 8);
    assert_int_equal(
        sfs_set(fixture->store, SFS_LITERAL("big"), sfs_bytes(model.data, model.size), NULL), 0);
    for (int i = 0; i < 120; i++) {
        if (with_snapshots && i % 20 == 0) {
            assert_int_equal(sfs_close(snapshot, NULL), 0);
            assert_int_equal(sfs_snapshot(fixture->store, 0, &snapshot, NULL), 0);
            memcpy(old, model.data, model.size);
            old_size = model.size;
        }
        patch_once(fixture->store, &model, piece + rand() % 1000);
        if (i % 5 == 4) {
            expect_bytes(fixture->store, "big", model.data, model.size);
            expect_parts(fixture->store, "big", model.data, model.size);
        }
        if (snapshot && i % 5 == 4)
            expect_bytes(snapshot, "big", old, old_size);
    }
    assert_int_equal(sfs_close(snapshot, NULL), 0);
    set(fixture->store, "other", "x"); /* a commit, which removes what no lease needs */
    expect_healthy(fixture->store);
    free(model.data);
    free(old);
    free(piece);
}

static void test_patches(void **state)
{
    patch_randomly(*state, false);
}

static void test_patches_with_snapshots(void **state)
{
    patch_randomly(*state, true);
    struct fixture *fixture = *state;
    eventually(fixture, "SELECT count(*) FROM history", 0);
}

static void test_stage(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_error error = {0};
    char *data = malloc(3 * MIB);
    struct sfs_stage *stage = NULL, *small = NULL, *dropped = NULL;
    fill(data, 3 * MIB, 3);
    must(sfs_stage_open(fixture->store, &stage, &error), &error);
    must(sfs_stage_open(fixture->store, &small, &error), &error);
    must(sfs_stage_open(fixture->store, &dropped, &error), &error);
    for (size_t at = 0; at < 3 * MIB; at += 100000) {
        size_t size = 3 * MIB - at < 100000 ? 3 * MIB - at : 100000;
        must(sfs_stage_write(stage, at, sfs_bytes(data + at, size), &error), &error);
        must(sfs_stage_write(dropped, at, sfs_bytes(data + at, size), &error), &error);
    }
    memcpy(data + 12345, "changed", 7);
    must(sfs_stage_write(stage, 12345, SFS_LITERAL("changed"), &error), &error);
    must(sfs_stage_truncate(stage, 2 * MIB + 5, &error), &error);
    must(sfs_stage_truncate(stage, 2 * MIB + 50, &error), &error);
    memset(data + 2 * MIB + 5, 0, 45);
    must(sfs_stage_write(small, 3, SFS_LITERAL("abc"), &error), &error);
    struct sfs_batch *batch = new_batch();
    must(sfs_batch_put_stage(batch, SFS_LITERAL("large"), stage, NULL, 0, &error), &error);
    must(sfs_batch_put_stage(batch, SFS_LITERAL("small"), small, NULL, 0, &error), &error);
    apply_and_free(fixture->store, batch);
    expect_bytes(fixture->store, "large", data, 2 * MIB + 50);
    expect_bytes(fixture->store, "small", "\0\0\0abc", 6);
    assert_int_equal(sfs_stage_write(stage, 0, SFS_LITERAL("x"), &error), SFS_E_INVALID);
    sfs_stage_close(stage);
    sfs_stage_close(small);
    sfs_stage_close(dropped);
    assert_int_equal(number_in(fixture, "SELECT count(*) FROM stage"), 0);
    set(fixture->store, "other", "x");
    expect_healthy(fixture->store);
    free(data);
}

/* --- many names --- */

static void test_prefixes(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_error error = {0};
    set(fixture->store, "a/1", "one");
    set(fixture->store, "a/\xff\xfe", "bytes");
    set(fixture->store, "a.txt", "beside");
    set(fixture->store, "b/1", "other");
    struct sfs_batch *batch = new_batch();
    struct sfs_attributes marker = {.kind = SFS_KIND_MARKER};
    must(sfs_batch_put(batch, sfs_bytes("a/d/\0", 5), SFS_LITERAL(""), &marker, SFS_ATTRIBUTE_KIND,
                       &error),
         &error);
    must(sfs_batch_rename_prefix(batch, SFS_LITERAL("a/"), SFS_LITERAL("c/x/"), &error), &error);
    apply_and_free(fixture->store, batch);
    expect(fixture->store, "a/1", NULL);
    expect(fixture->store, "c/x/1", "one");
    expect(fixture->store, "c/x/\xff\xfe", "bytes");
    expect(fixture->store, "a.txt", "beside");
    const struct sfs_record *record = NULL;
    must(sfs_get(fixture->store, sfs_bytes("c/x/d/\0", 7), 0, &record, &error), &error);
    assert_int_equal(record->attributes.kind, SFS_KIND_MARKER);
    sfs_record_unref(record);
    batch = new_batch();
    must(sfs_batch_exchange_prefix(batch, SFS_LITERAL("b/"), SFS_LITERAL("c/x/"), &error), &error);
    apply_and_free(fixture->store, batch);
    expect(fixture->store, "c/x/1", "other");
    expect(fixture->store, "b/\xff\xfe", "bytes");
    expect_healthy(fixture->store);
    must(sfs_clear(fixture->store, &error), &error);
    struct sfs_totals totals;
    assert_int_equal(sfs_totals(fixture->store, &totals, NULL), 0);
    assert_int_equal(totals.records + totals.keys + totals.bytes, 0);
    assert_int_equal(number_in(fixture, "SELECT count(*) FROM block"), 0);
}

/* --- the file --- */

static void test_modes(void **state)
{
    struct fixture *fixture = *state;
    struct stat status;
    char name[120];
    mode_t old = umask(0);
    close_store(fixture->store);
    unlink(fixture->path);
    fixture->store = open_with(fixture, "", SFS_OPEN_CREATE);
    umask(old);
    set(fixture->store, "a", "1");
    static const char *const companions[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < 3; i++) {
        snprintf(name, sizeof(name), "%s%s", fixture->path, companions[i]);
        assert_int_equal(stat(name, &status), 0);
        assert_int_equal(status.st_mode & 0777, 0600);
    }
    close_store(fixture->store);
    fixture->store = NULL;
    snprintf(name, sizeof(name), "%s-wal", fixture->path);
    assert_int_not_equal(stat(name, &status), 0);
}

static int open_code(const char *path, unsigned flags, struct sfs_error *error)
{
    struct sfs_storage *store = NULL;
    int code = sfs_open(&store, path, flags, error);
    if (code == 0)
        close_store(store);
    return code;
}

static void write_file(const char *path, const char *data, size_t size)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    fclose(file);
}

static void test_wrong_files(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_error error = {0};
    struct fixture other = {0};
    for (int i = 0; i < 200; i++) {
        char key[20];
        snprintf(key, sizeof(key), "key%d", i);
        set(fixture->store, key, "a value that takes some room in the file");
    }
    close_store(fixture->store);
    fixture->store = NULL;
    run_in(fixture, "PRAGMA user_version = 99");
    assert_int_equal(open_code(fixture->path, 0, &error), SFS_E_TOO_NEW);
    assert_non_null(strstr(error.message, "99"));
    run_in(fixture, "PRAGMA user_version = 4");
    assert_int_equal(open_code(fixture->path, 0, &error), 0);
    run_in(fixture, "PRAGMA journal_mode = DELETE");
    assert_int_equal(truncate(fixture->path, 8192), 0);
    assert_int_equal(open_code(fixture->path, 0, &error), SFS_E_CORRUPT);
    assert_non_null(strstr(error.message, "cut off"));

    snprintf(other.path, sizeof(other.path), "%s/other", fixture->directory);
    assert_int_equal(open_code(other.path, 0, &error), SFS_E_NOT_FOUND);
    write_file(other.path, "", 0);
    assert_int_equal(open_code(other.path, 0, &error), SFS_E_NOT_A_STORE);
    assert_int_equal(open_code(other.path, SFS_OPEN_CREATE, &error), 0);
    write_file(other.path, "hello, this is a text", 21);
    assert_int_equal(open_code(other.path, SFS_OPEN_CREATE, &error), SFS_E_NOT_A_STORE);
    assert_non_null(strstr(error.message, "another program's file"));
    unlink(other.path);
    run_in(&other, "CREATE TABLE theirs(x)");
    assert_int_equal(open_code(other.path, SFS_OPEN_CREATE, &error), SFS_E_NOT_A_STORE);
    assert_non_null(strstr(error.message, "another program's SQLite database"));
    assert_int_equal(open_code(fixture->directory, SFS_OPEN_CREATE, &error), SFS_E_IS_DIRECTORY);
    char uri[140];
    snprintf(uri, sizeof(uri), "sqlite:%s?colour=red", other.path);
    assert_int_equal(open_code(uri, 0, &error), SFS_E_INVALID);
}

static void test_read_only(void **state)
{
    struct fixture *fixture = *state;
    set(fixture->store, "a", "1");
    struct sfs_storage *reader = open_with(fixture, "", SFS_OPEN_READ_ONLY);
    expect(reader, "a", "1");
    assert_int_equal(sfs_set(reader, SFS_LITERAL("a"), SFS_LITERAL("2"), NULL), SFS_E_READ_ONLY);
    close_store(reader);
    expect(fixture->store, "a", "1");
}

static void test_view(void **state)
{
    struct fixture *fixture = *state;
    set(fixture->store, "doc", "{\"n\": 7}");
    set(fixture->store, "text", "seven");
    assert_int_equal(number_in(fixture, "SELECT json_extract(value, '$.n') FROM storage"
                                        " WHERE key = 'doc' AND type = 'json'"),
                     7);
    assert_int_equal(number_in(fixture, "SELECT count(*) FROM storage WHERE value = 'seven'"
                                        " AND created_at > 1600000000000"),
                     1);
}

/* --- backup and check --- */

struct writer {
    struct sfs_storage *store;
    _Atomic bool stop;
};

/* Each commit sets both keys to the same value, so that a copy between the two would show. */
static void *write_pairs(void *context)
{
    struct writer *writer = context;
    for (int i = 0; !writer->stop; i++) {
        struct sfs_batch *batch = NULL;
        char value[2000];
        memset(value, 'x', sizeof(value));
        snprintf(value, sizeof(value), "%d", i);
        sfs_batch_new(&batch, NULL);
        sfs_batch_put(batch, SFS_LITERAL("a"), sfs_bytes(value, sizeof(value)), NULL, 0, NULL);
        sfs_batch_put(batch, SFS_LITERAL("z"), sfs_bytes(value, sizeof(value)), NULL, 0, NULL);
        sfs_apply(writer->store, batch, NULL, NULL, NULL);
        sfs_batch_free(batch);
    }
    return NULL;
}

static int stop_at_once(void *context, uint64_t done, uint64_t total)
{
    (void)context;
    (void)done;
    (void)total;
    return 1;
}

static void expect_copy(struct fixture *copy)
{
    struct sfs_error error = {0};
    struct stat status;
    assert_int_equal(stat(copy->path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(number_in(copy, "SELECT count(*) FROM lease"), 0);
    struct sfs_storage *store = open_again(copy);
    struct sfs_buffer a = {0}, z = {0};
    must(sfs_get_value(store, SFS_LITERAL("a"), &a, &error), &error);
    must(sfs_get_value(store, SFS_LITERAL("z"), &z, &error), &error);
    assert_int_equal(a.size, 2000);
    assert_true(sfs_bytes_equal(sfs_buffer_bytes(&a), sfs_buffer_bytes(&z)));
    sfs_buffer_free(&a);
    sfs_buffer_free(&z);
    expect(store, "key7", "a value");
    expect_healthy(store);
    close_store(store);
}

static void test_backup(void **state)
{
    struct fixture *fixture = *state;
    struct fixture copy = {0};
    struct sfs_error error = {0};
    struct sfs_storage *snapshot = NULL;
    struct writer writer = {.store = fixture->store};
    pthread_t thread;
    char *large = calloc(1, 8 * MIB);
    for (int i = 0; i < 50; i++) {
        char key[20];
        snprintf(key, sizeof(key), "key%d", i);
        set(fixture->store, key, "a value");
    }
    must(sfs_set(fixture->store, SFS_LITERAL("large"), sfs_bytes(large, 8 * MIB), &error), &error);
    must(sfs_snapshot(fixture->store, 0, &snapshot, &error), &error);
    assert_int_equal(sfs_delete(fixture->store, SFS_LITERAL("large"), &error), 1);
    assert_int_equal(pthread_create(&thread, NULL, write_pairs, &writer), 0);
    usleep(20000);
    snprintf(copy.path, sizeof(copy.path), "%s/copy.db", fixture->directory);
    assert_int_equal(sfs_backup(fixture->store, copy.path, stop_at_once, NULL, &error),
                     SFS_E_CANCELLED);
    assert_int_not_equal(access(copy.path, F_OK), 0);
    must(sfs_backup(fixture->store, copy.path, NULL, NULL, &error), &error);
    assert_int_equal(sfs_backup(fixture->store, copy.path, NULL, NULL, &error), SFS_E_EXISTS);
    writer.stop = true;
    pthread_join(thread, NULL);
    close_store(snapshot);
    expect_copy(&copy);
    free(large);
}

static void test_check_and_repair(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_error error = {0};
    uint64_t found = 0, repaired = 0;
    set(fixture->store, "kept", "value");
    set(fixture->store, "lost", longer("value"));
    expect_healthy(fixture->store);
    run_in(fixture,
           "INSERT INTO block VALUES(1000, 'orphan'); UPDATE state SET keys = 17, bytes = 1;"
           "DELETE FROM block WHERE block = (SELECT content FROM record WHERE name = x'6c6f7374')");
    must(sfs_check(fixture->store, true, NULL, NULL, &found, &repaired, &error), &error);
    assert_true(found >= 4);
    assert_int_equal(repaired, 3);
    must(sfs_check(fixture->store, false, NULL, NULL, &found, &repaired, &error), &error);
    assert_true(found >= 1 && found <= 2);
    assert_int_equal(
        sfs_get_value(fixture->store, SFS_LITERAL("lost"), &(struct sfs_buffer){0}, &error),
        SFS_E_CORRUPT);
    assert_non_null(strstr(error.message, "lost"));
    assert_int_equal(sfs_delete(fixture->store, SFS_LITERAL("lost"), &error), 1);
    expect_healthy(fixture->store);
    expect(fixture->store, "kept", "value");
}

/* More than the cache holds, so that part of it is in the log before it fails. */
static void give_up_batch(struct sfs_storage *store, const char *data, size_t size)
{
    struct sfs_error error = {0};
    struct sfs_attributes attributes = {.mode = 0600};
    struct sfs_batch *batch;
    must(sfs_batch_new(&batch, &error), &error);
    for (int i = 0; i < 60; i++) {
        char key[20];
        snprintf(key, sizeof(key), "gone/%d", i);
        must(sfs_batch_put(batch, sfs_string(key), sfs_bytes(data, size), NULL, 0, &error), &error);
    }
    must(sfs_batch_attributes(batch, SFS_LITERAL("absent"), &attributes, SFS_ATTRIBUTE_MODE, &error),
         &error);
    assert_int_equal(sfs_apply(store, batch, NULL, NULL, &error), SFS_E_NOT_FOUND);
    sfs_batch_free(batch);
}

/* What is left of a transaction that was given up is not written over what others wrote since. */
static void test_given_up_transactions(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_storage *first = open_with(fixture, "?cache=256K", 0);
    struct sfs_error error = {0};
    char *data = malloc(2 * MIB);
    for (unsigned round = 0; round < 20; round++) {
        size_t size = MIB + round * 30000;
        fill(data, size, round);
        give_up_batch(first, data, 5000 + round * 300);
        must(sfs_set(fixture->store, SFS_LITERAL("second"), sfs_bytes(data, size), &error), &error);
        expect_bytes(first, "second", data, size);
        must(sfs_set(first, SFS_LITERAL("first"), sfs_bytes(data, 1000), &error), &error);
        expect_bytes(fixture->store, "first", data, 1000);
        expect_bytes(fixture->store, "second", data, size);
    }
    close_store(first);
    expect_healthy(fixture->store);
    struct sfs_totals totals;
    assert_int_equal(sfs_totals(fixture->store, &totals, NULL), 0);
    assert_int_equal(totals.keys, 2);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_patches, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_patches_with_snapshots, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stage, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_prefixes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_modes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_wrong_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_read_only, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_view, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_backup, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_check_and_repair, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_given_up_transactions, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
