/* SPDX-License-Identifier: MIT */
/* The backend "json:PATH": the file's bytes, what is read from files of others, damage, locks, and
 * crashes between the steps of a save. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "backends/json/json.h"
#include "backends/json/store.h"
#include "util/file.h"

static char directory[256];
static char path[512];

/* Each test has a file of its own. */
static void use(const char *name)
{
    snprintf(path, sizeof(path), "%s/%s", directory, name);
}

static const char *beside(const char *suffix)
{
    static char name[600];
    snprintf(name, sizeof(name), "%s%s", path, suffix);
    return name;
}

/* Opens `path` with options "name=value", NULL for none. */
static struct sfs_storage *open_with(const char *name, const char *value, unsigned flags,
                                     int expected, struct sfs_error *error)
{
    struct sfs_storage *store = NULL;
    struct sfs_option option = {name, value};
    struct sfs_location location = {"json", path, &option, name != NULL};
    struct sfs_error failure = {0};
    int result = sfs_json_backend.open(&store, &location, flags, &failure);
    if (result != expected)
        fail_msg("open gives %s, not %s: %s", sfs_code_name(result), sfs_code_name(expected),
                 failure.message);
    if (error)
        *error = failure;
    return store;
}

static struct sfs_storage *open_store(void)
{
    return open_with(NULL, NULL, SFS_OPEN_CREATE, 0, NULL);
}

static void close_store(struct sfs_storage *store)
{
    assert_int_equal(sfs_close(store, NULL), 0);
}

static void set(struct sfs_storage *store, struct sfs_bytes key, struct sfs_bytes value)
{
    struct sfs_error error = {0};
    if (sfs_set(store, key, value, &error))
        fail_msg("%s", error.message);
}

static void check_value(struct sfs_storage *store, struct sfs_bytes key, struct sfs_bytes expected)
{
    struct sfs_buffer value = {0};
    assert_int_equal(sfs_get_value(store, key, &value, NULL), 0);
    assert_int_equal(value.size, expected.size);
    assert_true(sfs_bytes_equal(sfs_buffer_bytes(&value), expected));
    sfs_buffer_free(&value);
}

static void check_size(struct sfs_storage *store, uint64_t expected)
{
    uint64_t size = 0;
    assert_int_equal(sfs_size(store, &size, NULL), 0);
    assert_int_equal(size, expected);
}

static void write_file(struct sfs_bytes content)
{
    assert_int_equal(sfs_file_replace(path, content, NULL), 0);
}

static void check_file(const char *file, struct sfs_bytes expected)
{
    struct sfs_buffer content = {0};
    assert_int_equal(sfs_file_read(file, SIZE_MAX, &content, NULL), 0);
    if (content.size != expected.size || memcmp(content.data, expected.data, content.size) != 0)
        fail_msg("the file is: %.*s", (int)content.size, content.data);
    sfs_buffer_free(&content);
}

#define TEXT SFS_LITERAL

static void test_layout(void **state)
{
    (void)state;
    struct stat status;
    use("made/by/us/layout.json");
    struct sfs_storage *store = open_store();
    check_file(path, TEXT("{}"));
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    set(store, TEXT("b"), TEXT(" {\"x\": 1.0 }\n\n"));
    set(store, TEXT("a\"/\xc3\xa9"), TEXT("12\t"));
    set(store, TEXT("c\xff"), TEXT("no json"));
    set(store, TEXT("d"), TEXT("\xff\0\x01"));
    set(store, TEXT("e"), TEXT(""));
    set(store, TEXT("f"), TEXT("{\"__type\": 7}"));
    set(store, TEXT("g"), TEXT(" 1\r\n \n"));
    check_file(path, TEXT("{\n\"a\\\"/\xc3\xa9\": 12\t,\n"
                          "\"b\":  {\"x\": 1.0 }\n\n,\n"
                          "\"c\\udcff\": {\"__type\": \"text\", \"__value\": \"no json\"},\n"
                          "\"d\": {\"__type\": \"bytes\", \"__value\": \"/wAB\"},\n"
                          "\"e\": {\"__type\": \"text\", \"__value\": \"\"},\n"
                          "\"f\": {\"__type\": \"text\", \"__value\": \"{\\\"__type\\\": 7}\"},\n"
                          "\"g\":  1\r\n \n\n}"));
    close_store(store);
    store = open_with(NULL, NULL, 0, 0, NULL);
    check_size(store, 7);
    check_value(store, TEXT("b"), TEXT(" {\"x\": 1.0 }\n\n"));
    check_value(store, TEXT("a\"/\xc3\xa9"), TEXT("12\t"));
    check_value(store, TEXT("c\xff"), TEXT("no json"));
    check_value(store, TEXT("d"), TEXT("\xff\0\x01"));
    check_value(store, TEXT("e"), TEXT(""));
    check_value(store, TEXT("f"), TEXT("{\"__type\": 7}"));
    check_value(store, TEXT("g"), TEXT(" 1\r\n \n"));
    close_store(store);
    assert_int_equal(access(beside(".lock"), F_OK), -1);
    assert_int_equal(access(beside(".attrs~"), F_OK), -1);
}

/* --- random content --- */

static struct sfs_bytes random_bytes(char *out, size_t most, const char *letters, bool nul)
{
    size_t size = (size_t)rand() % (most + 1);
    size_t count = strlen(letters);
    for (size_t i = 0; i < size; i++) {
        out[i] = (char)(rand() % 3 ? letters[(size_t)rand() % count] : rand() % 256);
        if (!out[i] && !nul)
            out[i] = 'n';
    }
    return sfs_bytes(out, size);
}

static void test_random(void **state)
{
    (void)state;
    enum { ROUNDS = 150, EACH = 12 };
    char key[EACH][24];
    char value[EACH][40];
    struct sfs_bytes keys[EACH];
    struct sfs_bytes values[EACH];
    const char *const json[] = {" \n[1,\t2]", "\n\n\"\\ud800\" ",
                                "-0.0e5\n",   "{ }\r\n",
                                "null",       "\t{\"__type\":\"text\",\"__value\":\"x\"}",
                                " true\n "};
    srand(11);
    use("random.json");
    for (int round = 0; round < ROUNDS; round++) {
        struct sfs_storage *store = open_with("autosave", "0", SFS_OPEN_CREATE, 0, NULL);
        assert_int_equal(sfs_clear(store, NULL), 0);
        for (int i = 0; i < EACH; i++) {
            key[i][0] = (char)('A' + i);
            struct sfs_bytes rest =
                random_bytes(key[i] + 1, 20, "\xed\xb2\xa0\xc3\xa9\"\\ \n{:,", false);
            keys[i] = sfs_bytes(key[i], rest.size + 1);
            values[i] = rand() % 2 ? random_bytes(value[i], 40, " \n\t1}{\",:\\", true)
                                   : sfs_string(json[(size_t)rand() % 7]);
            set(store, keys[i], values[i]);
        }
        close_store(store);
        store = open_with(NULL, NULL, 0, 0, NULL);
        check_size(store, EACH);
        for (int i = 0; i < EACH; i++)
            check_value(store, keys[i], values[i]);
        close_store(store);
    }
}

/* --- files of others --- */

static void test_files_of_others(void **state)
{
    (void)state;
    use("original.json");
    write_file(TEXT("{\n  \"user/1\": {\n    \"name\": \"A\"\n  },\n  \"n\": 5,\n"
                    "  \"t\": {\n    \"__type\": \"text\",\n    \"__value\": \"plain\"\n  },\n"
                    "  \"d\": {\"__type\": \"Date\", \"__value\": \"2026\"},\n"
                    "  \"x\": {\"__type\": \"bytes\", \"__value\": \"no base64\"},\n"
                    "  \"s\\udc80\": \"\\u0000\",\n  \"n\": 6\n}\n"));
    struct sfs_storage *store = open_with(NULL, NULL, SFS_OPEN_READ_ONLY, 0, NULL);
    check_size(store, 6);
    check_value(store, TEXT("user/1"), TEXT("{\n    \"name\": \"A\"\n  }"));
    check_value(store, TEXT("n"), TEXT("6"));
    check_value(store, TEXT("t"), TEXT("plain"));
    check_value(store, TEXT("d"), TEXT("{\"__type\": \"Date\", \"__value\": \"2026\"}"));
    check_value(store, TEXT("x"), TEXT("{\"__type\": \"bytes\", \"__value\": \"no base64\"}"));
    check_value(store, TEXT("s\x80"), TEXT("\"\\u0000\""));
    assert_int_equal(sfs_set(store, TEXT("n"), TEXT("7"), NULL), SFS_E_READ_ONLY);
    close_store(store);
    assert_int_equal(access(beside(".attrs"), F_OK), -1);
    write_file(TEXT("{\"a\":1,\"b\":[1,2] ,\"c\": {} }"));
    store = open_store();
    check_value(store, TEXT("a"), TEXT("1"));
    check_value(store, TEXT("b"), TEXT("[1,2] "));
    check_value(store, TEXT("c"), TEXT("{} "));
    set(store, TEXT("z"), TEXT("0"));
    check_file(path, TEXT("{\n\"a\": 1,\n\"b\": [1,2] ,\n\"c\": {} ,\n\"z\": 0\n}"));
    close_store(store);
}

static void check_refused(struct sfs_bytes content, int code, const char *words)
{
    struct sfs_error error;
    write_file(content);
    open_with(NULL, NULL, SFS_OPEN_CREATE, code, &error);
    if (!strstr(error.message, words))
        fail_msg("'%s' does not say '%s'", error.message, words);
    check_file(path, content);
}

static void test_refused(void **state)
{
    (void)state;
    use("refused.json");
    check_refused(TEXT(""), SFS_E_CORRUPT, "line 1, column 1");
    check_refused(TEXT("{\n\"a\": 1,\n\"b\": tru\n}"), SFS_E_CORRUPT, "line 3, column");
    check_refused(TEXT("{\"a\": 1"), SFS_E_CORRUPT, "comma or }");
    check_refused(TEXT("{\"a\": 1} x"), SFS_E_CORRUPT, "follows");
    check_refused(TEXT("{\"a\": 1,}"), SFS_E_CORRUPT, "key in quotes");
    check_refused(TEXT("{\"a\" 1}"), SFS_E_CORRUPT, "colon");
    check_refused(TEXT("{\"a\": \xff}"), SFS_E_CORRUPT, "byte 6");
    check_refused(TEXT("[1]"), SFS_E_NOT_A_STORE, "no object");
    check_refused(TEXT("not json"), SFS_E_CORRUPT, "line 1");
    check_refused(TEXT("{\"\": 1}"), SFS_E_INVALID, "line 1 a key");
    check_refused(TEXT("{\"ok\": 1,\n\"x\\u0000y\": 1}"), SFS_E_INVALID, "line 2 a key");
    check_refused(TEXT("{\"q\\ud800\": 1}"), SFS_E_INVALID, "surrogate");
    struct sfs_buffer text = {0};
    assert_int_equal(sfs_buffer_printf(&text, "{\"%05000d\": 1}", 7), 0);
    check_refused(sfs_buffer_bytes(&text), SFS_E_NAME_TOO_LONG, "00000");
    sfs_buffer_free(&text);
    use("none.json");
    open_with(NULL, NULL, 0, SFS_E_NOT_FOUND, NULL);
    open_with("colour", "1", SFS_OPEN_CREATE, SFS_E_INVALID, NULL);
    assert_int_equal(access(path, F_OK), -1);
}

static void test_recover(void **state)
{
    (void)state;
    use("recover.json");
    for (int n = 1; n <= 2; n++) {
        char suffix[32];
        write_file(TEXT("{\"a\": 1"));
        struct sfs_storage *store = open_with("recover", "1", SFS_OPEN_CREATE, 0, NULL);
        check_size(store, 0);
        snprintf(suffix, sizeof(suffix), ".corrupt-%d", n);
        check_file(beside(suffix), TEXT("{\"a\": 1"));
        set(store, TEXT("k"), TEXT("1"));
        close_store(store);
    }
    /* Damaged attributes do not cost the content. */
    assert_int_equal(sfs_file_replace(beside(".attrs"), TEXT("{"), NULL), 0);
    struct sfs_error error;
    open_with(NULL, NULL, SFS_OPEN_CREATE, SFS_E_CORRUPT, &error);
    assert_non_null(strstr(error.message, ".attrs"));
    struct sfs_storage *store = open_with("recover", "1", SFS_OPEN_CREATE, 0, NULL);
    check_value(store, TEXT("k"), TEXT("1"));
    close_store(store);
    check_file(beside(".attrs.corrupt-2"), TEXT("{"));
}

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
    use("attributes.json");
    struct sfs_storage *store = open_store();
    uint64_t before = 0;
    uint64_t after = 0;
    fill(store, "one", 0600);
    set(store, TEXT("plain"), TEXT("1"));
    struct listing written = list(store);
    assert_int_equal(written.count, 5);
    assert_int_equal(sfs_sequence(store, &before, NULL), 0);
    check_size(store, 2);
    close_store(store);
    store = open_with(NULL, NULL, 0, 0, NULL);
    struct listing restored = list(store);
    assert_true(same(&written, &restored));
    assert_int_equal(sfs_sequence(store, &after, NULL), 0);
    assert_int_equal(before, after);
    close_store(store);
    drop(&restored);
    /* Another program rewrites the file: links, markers and what is known of the keys stay. */
    write_file(TEXT("{\"k\":2,\"null\":3,\"new\":4}"));
    store = open_store();
    restored = list(store);
    assert_int_equal(restored.count, 5);
    check_value(store, TEXT("k"), TEXT("2"));
    check_value(store, TEXT("null"), TEXT("3"));
    const struct sfs_record *record = NULL;
    assert_int_equal(sfs_get(store, TEXT("k"), 0, &record, NULL), 0);
    assert_int_equal(record->attributes.mode, 0600);
    assert_true(record->revision > before);
    sfs_record_unref(record);
    assert_int_equal(sfs_get(store, TEXT("l\xfe"), 0, &record, NULL), 0);
    assert_int_equal(record->attributes.kind, SFS_KIND_SYMLINK);
    sfs_record_unref(record);
    close_store(store);
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
        struct sfs_storage *storage = open_with("autosave", "0", 0, 0, NULL);
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

static void test_crashes(void **state)
{
    (void)state;
    for (int stop = 0; stop <= 3; stop++) {
        char name[32];
        snprintf(name, sizeof(name), "crash-%d.json", stop);
        use(name);
        struct sfs_storage *store = open_store();
        fill(store, "one", 0600);
        struct listing old = list(store);
        close_store(store);
        /* Twice, so that a crash meets what the crash before it left. */
        for (int again = 0; again < 2; again++) {
            crash_after(stop);
            store = open_with(NULL, NULL, again ? 0 : SFS_OPEN_READ_ONLY, 0, NULL);
            struct listing found = list(store);
            if (stop < 3) {
                assert_true(same(&old, &found));
            } else {
                assert_int_equal(found.count, 4);
                for (size_t i = 0; i < found.count; i++)
                    assert_int_equal(found.records[i]->attributes.mode, 0640);
                check_value(store, TEXT("k"), TEXT("two"));
            }
            drop(&found);
            close_store(store);
        }
        store = open_store();
        fill(store, "three", 0604);
        struct listing next = list(store);
        close_store(store);
        store = open_store();
        struct listing found = list(store);
        assert_true(same(&next, &found));
        close_store(store);
        drop(&old);
        drop(&next);
        drop(&found);
    }
}

/* --- locks and other programs --- */

static void test_lock(void **state)
{
    (void)state;
    struct sfs_error error;
    char words[64];
    use("lock.json");
    struct sfs_storage *store = open_store();
    open_with(NULL, NULL, 0, SFS_E_BUSY, &error);
    snprintf(words, sizeof(words), "in use by process %ld", (long)getpid());
    assert_non_null(strstr(error.message, words));
    open_with(NULL, NULL, SFS_OPEN_READ_ONLY, SFS_E_BUSY, NULL);
    close_store(store);
    store = open_with(NULL, NULL, SFS_OPEN_READ_ONLY, 0, NULL);
    struct sfs_storage *second = open_with(NULL, NULL, SFS_OPEN_READ_ONLY, 0, NULL);
    open_with(NULL, NULL, 0, SFS_E_BUSY, NULL);
    close_store(store);
    open_with(NULL, NULL, 0, SFS_E_BUSY, NULL);
    close_store(second);
    /* A lock file that a crash left over locks nothing. */
    assert_int_equal(sfs_file_replace(beside(".lock"), TEXT("1\n"), NULL), 0);
    close_store(open_with(NULL, NULL, 0, 0, NULL));
    assert_int_equal(access(beside(".lock"), F_OK), -1);
}

static void test_changed_meanwhile(void **state)
{
    (void)state;
    use("meanwhile.json");
    struct sfs_storage *store = open_store();
    struct sfs_error error;
    set(store, TEXT("a"), TEXT("1"));
    write_file(TEXT("{\"theirs\": 1}"));
    assert_int_equal(sfs_set(store, TEXT("a"), TEXT("2"), &error), SFS_E_CONFLICT);
    assert_non_null(strstr(error.message, "another program"));
    check_value(store, TEXT("a"), TEXT("1"));
    check_file(path, TEXT("{\"theirs\": 1}"));
    assert_int_equal(unlink(path), 0);
    set(store, TEXT("a"), TEXT("3"));
    check_file(path, TEXT("{\n\"a\": 3\n}"));
    close_store(store);
}

static void test_options(void **state)
{
    (void)state;
    use("options.json");
    struct sfs_storage *store = open_with("pretty", "1", SFS_OPEN_CREATE, 0, NULL);
    set(store, TEXT("a"), TEXT("{\"x\":[1,{}, [ ] ,\"\\\"}\"],\"y\":null}"));
    set(store, TEXT("b"), TEXT("text"));
    check_file(path,
               TEXT("{\n  \"a\": {\n    \"x\": [\n      1,\n      {},\n      [],\n"
                    "      \"\\\"}\"\n    ],\n    \"y\": null\n  },\n"
                    "  \"b\": {\n    \"__type\": \"text\",\n    \"__value\": \"text\"\n  }\n}"));
    close_store(store);
    store = open_with("autosave", "no", 0, 0, NULL);
    struct sfs_apply_options durable = {.durable = true};
    struct sfs_batch *batch = NULL;
    check_value(store, TEXT("b"), TEXT("text"));
    assert_int_equal(sfs_clear(store, NULL), 0);
    set(store, TEXT("c"), TEXT("1"));
    assert_int_equal(sfs_sync(store, 0, NULL), 0);
    check_file(path, TEXT("{\n\"c\": 1\n}"));
    assert_int_equal(sfs_batch_new(&batch, NULL), 0);
    assert_int_equal(sfs_batch_put(batch, TEXT("d"), TEXT("2"), NULL, 0, NULL), 0);
    assert_int_equal(sfs_apply(store, batch, &durable, NULL, NULL), 0);
    check_file(path, TEXT("{\n\"c\": 1,\n\"d\": 2\n}"));
    sfs_batch_free(batch);
    set(store, TEXT("e"), TEXT("3"));
    check_file(path, TEXT("{\n\"c\": 1,\n\"d\": 2\n}"));
    close_store(store);
    check_file(path, TEXT("{\n\"c\": 1,\n\"d\": 2,\n\"e\": 3\n}"));
    struct stat before;
    struct stat after;
    assert_int_equal(stat(path, &before), 0);
    store = open_with("atomic", "0", 0, 0, NULL);
    assert_int_equal(sfs_clear(store, NULL), 0);
    set(store, TEXT("f"), TEXT("4"));
    check_file(path, TEXT("{\n\"f\": 4\n}"));
    close_store(store);
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    store = open_store();
    check_value(store, TEXT("f"), TEXT("4"));
    close_store(store);
}

static int make_directory(void **state)
{
    (void)state;
    const char *parent = getenv("TMPDIR");
    snprintf(directory, sizeof(directory), "%s/json.XXXXXX", parent ? parent : "/tmp");
    return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
    (void)state;
    char command[512];
    snprintf(command, sizeof(command), "rm -rf '%s'", directory);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_files_of_others),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_recover),
        cmocka_unit_test(test_attributes),
        cmocka_unit_test(test_crashes),
        cmocka_unit_test(test_lock),
        cmocka_unit_test(test_changed_meanwhile),
        cmocka_unit_test(test_options),
    };
    alarm(120);
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
