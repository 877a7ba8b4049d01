/* SPDX-License-Identifier: MIT */
/* What the backend "json:PATH" keeps beside the file, and what keeps the file: attributes, crashes
 * between the steps of a save, locks, other programs, backups. */
#include "json_fixture.h"

#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/json/store.h"

/* --- attributes --- */

static void fill(struct sfs_storage *store, const char *value, uint32_t mode)
{
    struct sfs_batch *batch = NULL;
    struct sfs_attributes attributes = {.kind = SFS_KIND_SYMLINK, .mode = mode, .uid = 77};
    unsigned mask = SFS_ATTRIBUTE_MODE | SFS_ATTRIBUTE_UID;
    assert_int_equal(sfs_batch_new(&batch, NULL), 0);
    int failed = sfs_batch_put(batch, TEXT("k"), sfs_string(value), &attributes, mask, NULL);
    failed |= sfs_batch_xattr(batch, TEXT("k"), TEXT("user.v"), sfs_string(value), 0, NULL);
    mask |= SFS_ATTRIBUTE_KIND;
    failed |= sfs_batch_put(batch, TEXT("l\xfe"), sfs_string(value), &attributes, mask, NULL);
    attributes.kind = SFS_KIND_MARKER;
    failed |= sfs_batch_put(batch, TEXT("d/\0"), TEXT(""), &attributes, mask, NULL);
    attributes.kind = SFS_KIND_CHARACTER;
    attributes.device = 259;
    failed |= sfs_batch_put(batch, TEXT("null"), TEXT(""), &attributes, mask | SFS_ATTRIBUTE_DEVICE,
                            NULL);
    assert_int_equal(failed, 0);
    assert_int_equal(sfs_apply(store, batch, NULL, NULL, NULL), 0);
    sfs_batch_free(batch);
}

struct listing {
    const struct sfs_record *records[16];
    size_t count;
};

static struct listing list(struct sfs_storage *store)
{
    struct listing listing = {.count = 0};
    struct sfs_cursor *cursor = NULL;
    const struct sfs_record *record = NULL;
    assert_int_equal(sfs_scan(store, (struct sfs_range){0}, SFS_WANT_VALUE, &cursor, NULL), 0);
    while (sfs_cursor_next(cursor, &record, NULL) == 1 && listing.count < 16)
        listing.records[listing.count++] = sfs_record_ref(record);
    sfs_cursor_close(cursor);
    return listing;
}

static bool is_equal(const struct sfs_record *a, const struct sfs_record *b)
{
    const struct sfs_attributes *p = &a->attributes;
    const struct sfs_attributes *q = &b->attributes;
    return sfs_bytes_equal(a->name, b->name) && a->revision == b->revision &&
           sfs_bytes_equal(sfs_record_value(a), sfs_record_value(b)) &&
           sfs_bytes_equal(a->xattrs, b->xattrs) && p->id == q->id && p->kind == q->kind &&
           p->type == q->type && p->type_set == q->type_set && p->mode == q->mode &&
           p->uid == q->uid && p->gid == q->gid && p->device == q->device &&
           p->created == q->created && p->accessed == q->accessed && p->modified == q->modified &&
           p->changed == q->changed;
}

static bool same(const struct listing *a, const struct listing *b)
{
    bool equal = a->count == b->count;
    for (size_t i = 0; equal && i < a->count; i++)
        equal = is_equal(a->records[i], b->records[i]);
    return equal;
}

static void drop(struct listing *listing)
{
    while (listing->count > 0)
        sfs_record_unref(listing->records[--listing->count]);
}

static void test_attributes(void **state)
{
    (void)state;
    json_use("attributes.json");
    struct sfs_storage *store = json_open_store();
    uint64_t before = 0;
    uint64_t after = 0;
    fill(store, "one", 0600);
    json_set(store, TEXT("plain"), TEXT("1"));
    struct listing written = list(store);
    assert_int_equal(written.count, 5);
    assert_int_equal(sfs_sequence(store, &before, NULL), 0);
    json_check_size(store, 2);
    json_close_store(store);
    store = json_open_with(NULL, NULL, 0, 0, NULL);
    struct listing restored = list(store);
    assert_true(same(&written, &restored));
    assert_int_equal(sfs_sequence(store, &after, NULL), 0);
    assert_int_equal(before, after);
    json_close_store(store);
    drop(&restored);
    /* Another program rewrites the file: links, markers and what is known of the keys stay. */
    json_write_file(TEXT("{\"k\":2,\"null\":3,\"new\":4}"));
    store = json_open_store();
    restored = list(store);
    assert_int_equal(restored.count, 5);
    json_check_value(store, TEXT("k"), TEXT("2"));
    json_check_value(store, TEXT("null"), TEXT("3"));
    const struct sfs_record *record = NULL;
    assert_int_equal(sfs_get(store, TEXT("k"), 0, &record, NULL), 0);
    assert_int_equal(record->attributes.mode, 0600);
    assert_true(record->revision > before);
    sfs_record_unref(record);
    assert_int_equal(sfs_get(store, TEXT("l\xfe"), 0, &record, NULL), 0);
    assert_int_equal(record->attributes.kind, SFS_KIND_SYMLINK);
    sfs_record_unref(record);
    json_close_store(store);
    drop(&written);
    drop(&restored);
}

/* --- crashes --- */

/* Saves a state up to step `stop` in a child that then ends without any cleaning up. */
static void crash_after(int stop)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct sfs_storage *storage = json_open_with("autosave", "0", 0, 0, NULL);
        struct sfs_json_store *store = (struct sfs_json_store *)storage;
        struct sfs_cursor *cursor = NULL;
        struct sfs_json_save save;
        fill(storage, "two", 0640);
        int failed = sfs_scan(storage, (struct sfs_range){0}, SFS_WANT_VALUE, &cursor, NULL);
        failed |= sfs_json_save_prepare(store, cursor, 99, &save, NULL);
        failed |= stop > 0 && sfs_json_save_rotate(&save, NULL);
        failed |= stop > 1 && sfs_json_save_attributes(&save, NULL);
        failed |= stop > 2 && sfs_json_save_content(&save, NULL);
        _exit(failed ? 1 : 0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* Beside the store there is nothing but what belongs to it. */
static void expect_nothing_left(void)
{
    glob_t left;
    assert_int_equal(glob(json_beside(".*tmp*"), 0, NULL, &left), GLOB_NOMATCH);
    assert_int_equal(glob(json_beside(".storefs-lock"), 0, NULL, &left), GLOB_NOMATCH);
}

static void test_crashes(void **state)
{
    (void)state;
    for (int stop = 0; stop <= 3; stop++) {
        char name[32];
        snprintf(name, sizeof(name), "crash-%d.json", stop);
        json_use(name);
        struct sfs_storage *store = json_open_store();
        fill(store, "one", 0600);
        struct listing old = list(store);
        json_close_store(store);
        /* Twice, so that a crash meets what the crash before it left. */
        for (int again = 0; again < 2; again++) {
            crash_after(stop);
            store = json_open_with(NULL, NULL, again ? 0 : SFS_OPEN_READ_ONLY, 0, NULL);
            struct listing found = list(store);
            if (stop < 3) {
                assert_true(same(&old, &found));
            } else {
                assert_int_equal(found.count, 4);
                for (size_t i = 0; i < found.count; i++)
                    assert_int_equal(found.records[i]->attributes.mode, 0640);
                json_check_value(store, TEXT("k"), TEXT("two"));
            }
            drop(&found);
            json_close_store(store);
        }
        store = json_open_store();
        fill(store, "three", 0604);
        struct listing next = list(store);
        json_close_store(store);
        store = json_open_store();
        struct listing found = list(store);
        assert_true(same(&next, &found));
        json_close_store(store);
        drop(&old);
        drop(&next);
        drop(&found);
        expect_nothing_left();
    }
}

/* A killed process leaves its lock file, and a temporary file if it was saving. */
static void test_killed(void **state)
{
    (void)state;
    json_use("killed.json");
    json_close_store(json_open_store());
    int started[2];
    char byte;
    assert_int_equal(pipe(started), 0);
    pid_t child = fork();
    if (child == 0) {
        struct sfs_replacement file;
        struct sfs_storage *store = json_open_store();
        int failed = sfs_set(store, TEXT("k"), TEXT("1"), NULL);
        failed |= sfs_replacement_begin(json_path, &file, NULL);
        if (failed || write(started[1], "x", 1) != 1)
            _exit(1);
        pause();
    }
    close(started[1]);
    assert_int_equal(read(started[0], &byte, 1), 1);
    close(started[0]);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(access(json_beside(".storefs-lock"), F_OK), 0);
    struct sfs_storage *store = json_open_store();
    json_check_value(store, TEXT("k"), TEXT("1"));
    glob_t left;
    assert_int_equal(glob(json_beside(".tmp*"), 0, NULL, &left), GLOB_NOMATCH);
    json_close_store(store);
    expect_nothing_left();
}

/* --- locks and other programs --- */

static void test_lock(void **state)
{
    (void)state;
    struct sfs_error error;
    char words[64];
    json_use("lock.json");
    struct sfs_storage *store = json_open_store();
    json_open_with(NULL, NULL, 0, SFS_E_BUSY, &error);
    snprintf(words, sizeof(words), "in use by process %ld", (long)getpid());
    assert_non_null(strstr(error.message, words));
    json_open_with(NULL, NULL, SFS_OPEN_READ_ONLY, SFS_E_BUSY, NULL);
    json_close_store(store);
    store = json_open_with(NULL, NULL, SFS_OPEN_READ_ONLY, 0, NULL);
    struct sfs_storage *second = json_open_with(NULL, NULL, SFS_OPEN_READ_ONLY, 0, NULL);
    json_open_with(NULL, NULL, 0, SFS_E_BUSY, NULL);
    json_close_store(store);
    json_open_with(NULL, NULL, 0, SFS_E_BUSY, NULL);
    json_close_store(second);
    /* A lock file that a crash left over locks nothing. */
    assert_int_equal(sfs_file_replace(json_beside(".storefs-lock"),
                                      TEXT("storefs lock                    1\n"), NULL),
                     0);
    json_close_store(json_open_with(NULL, NULL, 0, 0, NULL));
    assert_int_equal(access(json_beside(".storefs-lock"), F_OK), -1);
}

static void test_changed_meanwhile(void **state)
{
    (void)state;
    json_use("meanwhile.json");
    struct sfs_storage *store = json_open_store();
    struct sfs_error error;
    json_set(store, TEXT("a"), TEXT("1"));
    json_write_file(TEXT("{\"theirs\": 1}"));
    assert_int_equal(sfs_set(store, TEXT("a"), TEXT("2"), &error), SFS_E_LOST);
    assert_non_null(strstr(error.message, "another program"));
    json_check_value(store, TEXT("a"), TEXT("1"));
    json_check_file(json_path, TEXT("{\"theirs\": 1}"));
    assert_int_equal(unlink(json_path), 0);
    json_set(store, TEXT("a"), TEXT("3"));
    json_check_file(json_path, TEXT("{\n\"a\": 3\n}"));
    json_close_store(store);
}

static int stop_at_once(void *context, uint64_t done, uint64_t total)
{
    assert_int_equal(done, 0);
    *(uint64_t *)context = total;
    return 1;
}

static void test_backup(void **state)
{
    (void)state;
    char copy[600];
    uint64_t total = 0;
    json_use("backup.json");
    snprintf(copy, sizeof(copy), "%s", json_beside(".copy"));
    struct sfs_storage *store = json_open_store();
    fill(store, "one", 0600);
    struct listing written = list(store);
    assert_int_equal(sfs_backup(store, copy, stop_at_once, &total, NULL), SFS_E_CANCELLED);
    assert_int_equal(total, 4);
    assert_int_equal(access(copy, F_OK), -1);
    assert_int_equal(sfs_backup(store, copy, NULL, NULL, NULL), 0);
    assert_int_equal(sfs_backup(store, copy, NULL, NULL, NULL), SFS_E_EXISTS);
    json_set(store, TEXT("later"), TEXT("1"));
    json_close_store(store);
    json_use("backup.json.copy");
    store = json_open_with(NULL, NULL, 0, 0, NULL);
    struct listing restored = list(store);
    assert_true(same(&written, &restored));
    json_close_store(store);
    drop(&written);
    drop(&restored);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attributes),
        cmocka_unit_test(test_crashes),
        cmocka_unit_test(test_killed),
        cmocka_unit_test(test_lock),
        cmocka_unit_test(test_changed_meanwhile),
        cmocka_unit_test(test_backup),
    };
    return cmocka_run_group_tests(tests, json_make_directory, json_remove_directory);
}
