/* SPDX-License-Identifier: MIT */
/*
 * A store whose own files are removed, moved, replaced, or have a second name while it is open:
 * what is reported as saved can be read by the next process, in every backend.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "storefs/storefs.h"

#define TEXT(text) sfs_string(text)

static char top[64];       /* the test's directory */
static char directory[80]; /* of the store */

enum way { REMOVED, MOVED, REPLACED, WAYS };
static const char *const way_words[WAYS] = {"removed", "moved to", "another"};

/* What becomes of a store when one of its files goes. */
enum fate {
    LOST,     /* fsync and close refuse, and so does every commit after them */
    RESTORED, /* fsync writes it again, from memory; what somebody else put there stays, and it is
                 LOST */
    REMADE,   /* fsync writes it again, whatever is there */
    GUARD,    /* fsync refuses, but close saves */
};

static const struct own_file {
    const char *uri;  /* a format for the directory */
    const char *file; /* below it */
    enum fate fate;
} own_files[] = {
    {"sqlite:%s/store", "store", LOST},
    {"sqlite:%s/store", "store-wal", LOST},
    {"sqlite:%s/store", "store-shm", LOST},
    {"json:%s/store", "store", RESTORED},
    {"json:%s/store?autosave=0", "store", RESTORED},
    {"json:%s/store", "store.attrs", REMADE},
    {"json:%s/store", "store.storefs-lock", GUARD},
    {"memory:?snapshot=%s/store", "store", RESTORED},
    {"memory:?snapshot=%s/store", "store.storefs-lock", GUARD},
    {"dir:%s/store", "store", LOST},
    {"dir:%s/store?fsync=0", "store", LOST},
    {"dir:%s/store", "store/%%value", LOST},
    {"dir:%s/store", "store/%%value/log", LOST},
    {"dir:%s/store", "store/%%value/lock", LOST},
};
#define OWN_FILES (sizeof(own_files) / sizeof(own_files[0]))

static const char *const stores[] = {"sqlite:%s/store", "json:%s/store",
                                     "memory:?snapshot=%s/store", "dir:%s/store"};
#define STORES (sizeof(stores) / sizeof(stores[0]))

static const char *at(const char *name)
{
    static char paths[4][256];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
    return path;
}

static void run(const char *format, const char *a, const char *b)
{
    char command[800];
    snprintf(command, sizeof(command), format, a, b);
    assert_int_equal(system(command), 0);
}

static int open_store(const char *uri_format, unsigned flags, struct sfs_storage **ret_store,
                      struct sfs_error *error)
{
    char uri[200];
    snprintf(uri, sizeof(uri), uri_format, directory);
    return sfs_open(ret_store, uri, flags, error);
}

static struct sfs_storage *must_open(const char *uri_format)
{
    struct sfs_error error = {0};
    struct sfs_storage *store = NULL;
    if (open_store(uri_format, SFS_OPEN_CREATE, &store, &error))
        fail_msg("%s: %s", uri_format, error.message);
    return store;
}

static void begin(void)
{
    static unsigned number;
    snprintf(directory, sizeof(directory), "%s/%u", top, number++);
    assert_int_equal(mkdir(directory, 0700), 0);
}

static int set(struct sfs_storage *store, const char *key, bool durable, struct sfs_error *error)
{
    struct sfs_batch *batch = NULL;
    const struct sfs_apply_options options = {.durable = durable};
    const struct sfs_attributes attributes = {.mode = 0600};
    assert_int_equal(sfs_batch_new(&batch, NULL), 0);
    assert_int_equal(
        sfs_batch_put(batch, TEXT(key), TEXT("\"value\""), &attributes, SFS_ATTRIBUTE_MODE, NULL),
        0);
    int code = sfs_apply(store, batch, &options, NULL, error);
    sfs_batch_free(batch);
    return code;
}

/* What the next process finds. */
static void check_saved(const char *uri_format, const char *key)
{
    struct sfs_storage *store = must_open(uri_format);
    struct sfs_buffer value = {0};
    struct sfs_error error = {0};
    if (sfs_get_value(store, TEXT(key), &value, &error))
        fail_msg("%s has no %s: %s", uri_format, key, error.message);
    assert_int_equal(value.size, 7);
    sfs_buffer_free(&value);
    assert_int_equal(sfs_close(store, NULL), 0);
}

static void displace(const char *file, enum way way)
{
    char name[100];
    snprintf(name, sizeof(name), file, ""); /* the percent signs */
    if (way == REPLACED)
        run("cp -a '%s' '%s.other'", at(name), at(name));
    if (way == REMOVED)
        run("rm -rf '%s'", at(name), "");
    else
        assert_int_equal(rename(at(name), at("away")), 0);
    if (way == REPLACED) {
        char other[120];
        snprintf(other, sizeof(other), "%s.other", name);
        run("touch '%s'", at(other), ""); /* a file written whole has a time of its own */
        assert_int_equal(rename(at(other), at(name)), 0);
    }
}

static void put_back(const char *file)
{
    char name[100];
    snprintf(name, sizeof(name), file, "");
    assert_int_equal(rename(at("away"), at(name)), 0);
}

static void expect_lost(int code, const struct sfs_error *error, const struct own_file *own,
                        enum way way)
{
    char name[100];
    snprintf(name, sizeof(name), own->file, "");
    if (code != SFS_E_LOST)
        fail_msg("%s without %s (%s): %d", own->uri, own->file, way_words[way], code);
    assert_int_equal(sfs_code_errno(code), EIO);
    if (!strstr(error->message, at(name)) || !strstr(error->message, way_words[way]))
        fail_msg("%s without %s (%s): %s", own->uri, own->file, way_words[way], error->message);
}

static void check_lost(struct sfs_storage *store, const struct own_file *own, enum way way)
{
    struct sfs_error error = {0};
    expect_lost(sfs_check_files(store, NULL, NULL, &error), &error, own, way);
    expect_lost(sfs_sync(store, 0, &error), &error, own, way);
    expect_lost(sfs_sync(store, 1, &error), &error, own, way); /* which was on disk, where it was */
    expect_lost(set(store, "durable", true, &error), &error, own, way);
    assert_int_equal(sfs_get_value(store, TEXT("durable"), &(struct sfs_buffer){0}, NULL),
                     SFS_E_NOT_FOUND);
}

static void check_file(const struct own_file *own, enum way way)
{
    struct sfs_error error = {0};
    begin();
    struct sfs_storage *store = must_open(own->uri);
    assert_int_equal(set(store, "before", true, NULL), 0);
    assert_int_equal(sfs_check_files(store, NULL, NULL, NULL), 0);
    displace(own->file, way);
    enum fate fate = own->fate == RESTORED && way == REPLACED ? LOST : own->fate;
    if (fate == LOST || fate == GUARD)
        check_lost(store, own, way);
    if (own->fate == LOST)
        expect_lost(set(store, "later", false, &error), &error, own, way);
    if (own->fate == LOST && way == MOVED) {
        put_back(own->file);
        fate = RESTORED;
    }
    if (fate == LOST || fate == GUARD) {
        expect_lost(sfs_close(store, &error), &error, own, way);
        if (fate == GUARD || strncmp(own->file, "store-", 6) == 0)
            check_saved(own->uri, "before");
        return;
    }
    if (set(store, "after", true, &error) || sfs_sync(store, 0, &error))
        fail_msg("%s without %s (%s): %s", own->uri, own->file, way_words[way], error.message);
    assert_int_equal(sfs_check_files(store, NULL, NULL, NULL), 0);
    assert_int_equal(sfs_close(store, NULL), 0);
    check_saved(own->uri, "before");
    check_saved(own->uri, "after");
}

static void test_displaced(void **state)
{
    (void)state;
    for (size_t i = 0; i < OWN_FILES; i++)
        for (enum way way = 0; way < WAYS; way++)
            check_file(&own_files[i], way);
}

/* Nothing was written since: what was saved before is saved after, too. */
static void test_restored_by_sync(void **state)
{
    (void)state;
    for (size_t i = 0; i < OWN_FILES; i++) {
        const struct own_file *own = &own_files[i];
        if (own->fate == LOST || own->fate == GUARD)
            continue;
        for (int closes = 0; closes < 2; closes++) {
            begin();
            struct sfs_storage *store = must_open(own->uri);
            assert_int_equal(set(store, "key", true, NULL), 0);
            assert_int_equal(sfs_sync(store, 0, NULL), 0);
            displace(own->file, REMOVED);
            assert_int_equal(closes ? 0 : sfs_sync(store, 0, NULL), 0);
            assert_int_equal(sfs_close(store, NULL), 0);
            check_saved(own->uri, "key");
            store = must_open(own->uri);
            const struct sfs_record *record;
            assert_int_equal(sfs_get(store, TEXT("key"), SFS_WANT_RECORD, &record, NULL), 0);
            assert_int_equal(record->attributes.mode & 0777, 0600);
            sfs_record_unref(record);
            assert_int_equal(sfs_close(store, NULL), 0);
        }
    }
}

static void test_directory_moved(void **state)
{
    (void)state;
    for (size_t i = 0; i < STORES; i++) {
        struct sfs_error error = {0};
        char moved[100];
        begin();
        struct sfs_storage *store = must_open(stores[i]);
        assert_int_equal(set(store, "before", true, NULL), 0);
        snprintf(moved, sizeof(moved), "%s.moved", directory);
        assert_int_equal(rename(directory, moved), 0);
        assert_int_equal(set(store, "durable", true, &error), SFS_E_LOST);
        assert_non_null(strstr(error.message, moved));
        assert_int_equal(sfs_sync(store, 0, &error), SFS_E_LOST);
        assert_non_null(strstr(error.message, directory));
        assert_int_equal(rename(moved, directory), 0);
        assert_int_equal(sfs_sync(store, 0, NULL), 0);
        assert_int_equal(set(store, "after", true, NULL), 0);
        /* And at the end: everything is where the directory is. */
        assert_int_equal(rename(directory, moved), 0);
        assert_int_equal(sfs_close(store, NULL), SFS_E_LOST);
        assert_int_equal(rename(moved, directory), 0);
        check_saved(stores[i], "after");
    }
}

static void count_warnings(void *context, const char *sentence)
{
    assert_non_null(strstr(sentence, directory));
    assert_non_null(strstr(sentence, "2 names"));
    ++*(int *)context;
}

static void test_second_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < STORES; i++) {
        struct sfs_error error = {0};
        const char *file = strncmp(stores[i], "dir", 3) == 0 ? "store/%value/log" : "store";
        int warnings = 0;
        begin();
        struct sfs_storage *store = must_open(stores[i]);
        assert_int_equal(set(store, "before", true, NULL), 0);
        /* A backup with hard links, of a store in use. */
        assert_int_equal(link(at(file), at("backup")), 0);
        assert_int_equal(sfs_check_files(store, count_warnings, &warnings, NULL), 0);
        assert_int_equal(warnings, 1);
        assert_int_equal(set(store, "after", true, NULL), 0);
        assert_int_equal(sfs_sync(store, 0, NULL), 0);
        assert_int_equal(sfs_close(store, NULL), 0);
        (void)unlink(at("backup"));
        check_saved(stores[i], "after");
        assert_int_equal(link(at(file), at("backup")), 0);
        assert_int_equal(open_store(stores[i], 0, &store, &error), SFS_E_INVALID);
        assert_non_null(strstr(error.message, at(file)));
        assert_non_null(strstr(error.message, "-samefile"));
        assert_int_equal(unlink(at("backup")), 0);
        check_saved(stores[i], "before");
    }
}

/* Somebody else's database has the name: no connection of ours is opened to it, and its log stays.
 */
static void test_another_database(void **state)
{
    (void)state;
    char theirs[200];
    struct sfs_storage *store, *other;
    begin();
    store = must_open("sqlite:%s/store");
    assert_int_equal(set(store, "ours", false, NULL), 0);
    run("rm '%s'*", at("store"), "");
    snprintf(theirs, sizeof(theirs), "sqlite:%s", at("store"));
    assert_int_equal(sfs_open(&other, theirs, SFS_OPEN_CREATE, NULL), 0);
    assert_int_equal(set(other, "theirs", true, NULL), 0);
    /* Reads go on as far as there are connections, and never to the other file. */
    struct sfs_cursor *cursors[12];
    const struct sfs_record *record;
    int opened = 0;
    for (; opened < 12; opened++) {
        if (sfs_scan(store, (struct sfs_range){0}, SFS_WANT_VALUE, &cursors[opened], NULL))
            break;
        if (sfs_cursor_next(cursors[opened], &record, NULL) == 1)
            assert_true(sfs_bytes_equal(record->name, TEXT("ours")));
    }
    while (opened > 0)
        sfs_cursor_close(cursors[--opened]);
    assert_int_equal(sfs_close(store, NULL), SFS_E_LOST);
    assert_int_equal(access(at("store-wal"), F_OK), 0);
    assert_int_equal(set(other, "more", true, NULL), 0);
    assert_int_equal(sfs_close(other, NULL), 0);
    check_saved("sqlite:%s/store", "theirs");
    check_saved("sqlite:%s/store", "more");
}

/* A frozen store, which writes nothing, removes no log of others either. */
static void test_frozen(void **state)
{
    (void)state;
    struct sfs_storage *store, *other;
    struct sfs_error error = {0};
    begin();
    store = must_open("sqlite:%s/store");
    assert_int_equal(sfs_close(store, NULL), 0);
    assert_int_equal(open_store("sqlite:%s/store", SFS_OPEN_FROZEN, &store, NULL), 0);
    run("rm '%s'*", at("store"), "");
    other = must_open("sqlite:%s/store");
    assert_int_equal(set(other, "theirs", true, NULL), 0);
    assert_int_equal(sfs_check_files(store, NULL, NULL, &error), SFS_E_LOST);
    assert_int_equal(sfs_close(store, NULL), 0);
    assert_int_equal(access(at("store-wal"), F_OK), 0);
    assert_int_equal(set(other, "more", true, NULL), 0);
    assert_int_equal(sfs_close(other, NULL), 0);
    check_saved("sqlite:%s/store", "more");
}

/* A log that is not ours has the name of ours, and goes with the database by the time of the next opening: what
 * ours holds is not written over the pages that it is about. */
static void test_another_log(void **state)
{
    (void)state;
    struct sfs_error error = {0};
    char key[16];
    uint64_t found = 0;
    begin();
    struct sfs_storage *store = must_open("sqlite:%s/store");
    for (int i = 0; i < 400; i++) {
        snprintf(key, sizeof(key), "%d", i);
        assert_int_equal(set(store, key, false, NULL), 0);
    }
    assert_int_equal(sfs_close(store, NULL), 0); /* into the database */
    store = must_open("sqlite:%s/store");
    assert_int_equal(set(store, "39", false, NULL), 0);
    displace("store-wal", REPLACED);
    for (int i = 0; i < 400; i++) { /* nothing has been promised of these */
        snprintf(key, sizeof(key), "%d", 7 * i);
        assert_int_equal(set(store, key, false, NULL), 0);
    }
    assert_int_equal(sfs_sync(store, 0, &error), SFS_E_LOST);
    assert_int_equal(sfs_close(store, &error), SFS_E_LOST);
    store = must_open("sqlite:%s/store");
    assert_int_equal(sfs_check(store, false, NULL, NULL, &found, &(uint64_t){0}, &error), 0);
    assert_int_equal(found, 0);
    assert_int_equal(sfs_close(store, NULL), 0);
    check_saved("sqlite:%s/store", "39");
}

/* What somebody else writes in the place of a file that is replaced whole is not overwritten. */
static void test_not_overwritten(void **state)
{
    (void)state;
    static const char *const whole[] = {"json:%s/store", "memory:?snapshot=%s/store"};
    for (size_t i = 0; i < 2; i++) {
        struct stat before, after;
        begin();
        struct sfs_storage *store = must_open(whole[i]);
        assert_int_equal(set(store, "key", true, NULL), 0);
        displace("store", REPLACED);
        assert_int_equal(stat(at("store"), &before), 0);
        assert_int_equal(set(store, "key", true, NULL), SFS_E_LOST);
        assert_int_equal(sfs_close(store, NULL), SFS_E_LOST);
        assert_int_equal(stat(at("store"), &after), 0);
        assert_int_equal(before.st_ino, after.st_ino);
        assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
    }
}

/* Two openings in one process, and one that only reads: no alarm, whichever comes and goes. */
static void test_no_false_alarm(void **state)
{
    (void)state;
    begin();
    struct sfs_storage *first = must_open("sqlite:%s/store"), *second, *reader;
    assert_int_equal(symlink(directory, at("link")), 0);
    assert_int_equal(open_store("sqlite:%s/link/store", 0, &second, NULL), 0);
    assert_int_equal(open_store("sqlite:%s/store", SFS_OPEN_READ_ONLY, &reader, NULL), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(set(first, "first", true, NULL), 0);
        assert_int_equal(set(second, "second", true, NULL), 0);
        assert_int_equal(sfs_check_files(reader, NULL, NULL, NULL), 0);
        assert_int_equal(sfs_close(second, NULL), 0);
        assert_int_equal(open_store("sqlite:%s/link/store", 0, &second, NULL), 0);
    }
    assert_int_equal(sfs_close(first, NULL), 0);
    assert_int_equal(set(second, "last", true, NULL), 0);
    assert_int_equal(sfs_close(reader, NULL), 0);
    assert_int_equal(sfs_close(second, NULL), 0);
    check_saved("sqlite:%s/store", "last");
    /* A file that nobody can write, as one of a package with hard links, is only read. */
    if (geteuid() != 0) {
        assert_int_equal(link(at("store"), at("second")), 0);
        assert_int_equal(chmod(at("store"), 0400), 0);
        assert_int_equal(open_store("sqlite:%s/store", SFS_OPEN_READ_ONLY, &reader, NULL), 0);
        assert_int_equal(sfs_close(reader, NULL), 0);
    }
    struct sfs_storage *memory = must_open("memory:");
    assert_int_equal(sfs_check_files(memory, NULL, NULL, NULL), 0);
    assert_int_equal(sfs_close(memory, NULL), 0);
}

static int make_top(void **state)
{
    (void)state;
    const char *temporary = getenv("TMPDIR");
    snprintf(top, sizeof(top), "%.40s/own.XXXXXX",
             temporary && strlen(temporary) < 40 ? temporary : "/tmp");
    return mkdtemp(top) ? 0 : -1;
}

static int remove_top(void **state)
{
    (void)state;
    run("rm -rf '%s'", top, "");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_displaced),        cmocka_unit_test(test_restored_by_sync),
        cmocka_unit_test(test_directory_moved),  cmocka_unit_test(test_second_name),
        cmocka_unit_test(test_another_database), cmocka_unit_test(test_not_overwritten),
        cmocka_unit_test(test_no_false_alarm),
        cmocka_unit_test(test_another_log),      cmocka_unit_test(test_frozen),
    };
    return cmocka_run_group_tests(tests, make_top, remove_top);
}
