/* SPDX-License-Identifier: MIT */
/* Import and export: every record comes back byte for byte, lines that are not understood are refused
 * by name, and what an import does about failures, stops and odd input. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "storefs/backend.h"
#include "storefs/index.h"
#include "tests/unit/bulk_fixture.h"
#include "util/json.h"

/* --- one line --- */

/* Reads a line into an empty store. */
static int read_line(struct sfs_storage *store, const char *line, struct sfs_error *error)
{
    struct sfs_batch *batch;
    assert_int_equal(sfs_batch_new(&batch, NULL), 0);
    int code = sfs_line_read(sfs_string(line), batch, error);
    if (code == 0)
        code = sfs_apply(store, batch, NULL, NULL, error);
    sfs_batch_free(batch);
    return code;
}

static void check_line(struct sfs_storage *store, struct sfs_bytes name, const char *expected)
{
    const struct sfs_record *record;
    struct sfs_buffer line = {0};
    assert_int_equal(sfs_get(store, name, SFS_WANT_VALUE, &record, NULL), 0);
    assert_int_equal(sfs_line_write(&line, record, false, NULL), 0);
    sfs_record_unref(record);
    assert_int_equal(sfs_buffer_text(&line), 0);
    assert_string_equal(line.data, expected);
    sfs_buffer_free(&line);
}

static void test_lines_as_written(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        const char *line;
    } cases[] = {
        {"{\"a\":1.50}", "{\"key\":\"k\",\"value\":{\"a\":1.50}}\n"},
        {"[1, 2]", "{\"key\":\"k\",\"value\":[1,2],\"text\":\"[1, 2]\"}\n"},
        {"true\n", "{\"key\":\"k\",\"value\":true,\"text\":\"true\\n\"}\n"},
        {"\"\\ud800\"", "{\"key\":\"k\",\"value\":\"\\ud800\"}\n"},
        {"hello", "{\"key\":\"k\",\"value\":{\"__type\":\"text\",\"__value\":\"hello\"}}\n"},
        {"", "{\"key\":\"k\",\"value\":{\"__type\":\"text\",\"__value\":\"\"}}\n"},
        {"\xff", "{\"key\":\"k\",\"value\":{\"__type\":\"bytes\",\"__value\":\"/w==\"}}\n"},
        {"{\"__type\":1}", "{\"key\":\"k\",\"value\":{\"__type\":\"text\","
                           "\"__value\":\"{\\\"__type\\\":1}\"}}\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sfs_storage *store = open_memory();
        struct sfs_storage *copy = open_memory();
        struct sfs_error error = {0};
        struct sfs_bytes value = sfs_string(cases[i].value);
        assert_int_equal(sfs_set(store, sfs_string("k"), value, NULL), 0);
        check_line(store, sfs_string("k"), cases[i].line);
        if (read_line(copy, cases[i].line, &error))
            fail_msg("%s: %s", cases[i].line, error.message);
        check_value(copy, sfs_string("k"), value);
        sfs_close(copy, NULL);
        sfs_close(store, NULL);
    }
}

static void test_lines_read(void **state)
{
    (void)state;
    struct sfs_storage *store = open_memory();
    const struct sfs_record *record;
    assert_int_equal(read_line(store, " { \"value\" : [ 1 , 2 ] , \"key\" : \"a\\u0062\" } ", NULL), 0);
    check_value(store, sfs_string("ab"), sfs_string("[1,2]"));
    assert_int_equal(read_line(store, "{\"key\":{\"__type\":\"bytes\",\"__value\":\"/w==\"},"
                                      "\"value\":null}", NULL), 0);
    check_value(store, sfs_string("\xff"), sfs_string("null"));
    assert_int_equal(read_line(store, "{\"key\":\"d/\",\"attributes\":{\"kind\":\"marker\","
                                      "\"mode\":\"0700\"}}", NULL), 0);
    assert_int_equal(sfs_get(store, sfs_bytes("d/\0", 3), 0, &record, NULL), 0);
    assert_int_equal(record->attributes.kind, SFS_KIND_MARKER);
    assert_int_equal(record->attributes.mode, 0700);
    sfs_record_unref(record);
    check_line(store, sfs_bytes("d/\0", 3), "{\"key\":\"d/\",\"attributes\":{\"kind\":\"marker\"}}\n");
    sfs_close(store, NULL);
}

static void test_lines_refused(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        const char *sentence;
    } cases[] = {
        {"", "not JSON"},
        {"{\"key\":\"a\",\"value\":1", "not JSON: at column"},
        {"[1]", "must be an object"},
        {"{\"kee\":\"a\",\"value\":1}", "member \"kee\" is not known"},
        {"{\"key\":\"a\",\"key\":\"b\",\"value\":1}", "member \"key\" is given twice"},
        {"{\"value\":1}", "\"key\" must be a string, not left out"},
        {"{\"key\":5,\"value\":1}", "\"key\" must be a string, not number"},
        {"{\"key\":\"a\"}", "\"value\" must be given"},
        {"{\"key\":\"a\",\"text\":\"1\"}", "\"value\" must be given beside"},
        {"{\"key\":\"\",\"value\":1}", ""},
        {"{\"key\":\"a\\u0000b\",\"value\":1}", ""},
        {"{\"key\":\"a\\ud800\",\"value\":1}", "lone surrogate"},
        {"{\"key\":\"a\",\"value\":1,\"text\":\"2\"}", "not the text of"},
        {"{\"key\":\"a\",\"value\":1,\"text\":\"x\"}", "not the text of"},
        {"{\"key\":\"a\",\"value\":{\"__type\":\"date\",\"__value\":\"1\"}}", "\"__type\" must be"},
        {"{\"key\":\"a\",\"value\":{\"__type\":\"text\",\"__value\":1}}", "must be a string"},
        {"{\"key\":\"a\",\"value\":{\"__type\":\"text\"}}", "left out"},
        {"{\"key\":\"a\",\"value\":{\"__type\":\"bytes\",\"__value\":\"=\"}}", "not base64"},
        {"{\"key\":\"a\",\"value\":{\"__type\":\"text\",\"__value\":\"\",\"x\":1}}", "\"x\" is not"},
        {"{\"key\":\"a\",\"value\":1,\"attributes\":1}", "must be an object"},
        {"{\"key\":\"a\",\"value\":1,\"attributes\":{\"mod\":1}}", "attributes: member \"mod\""},
        {"{\"key\":\"a\",\"value\":1,\"attributes\":{\"mode\":\"8\"}}", "octal"},
        {"{\"key\":\"a\",\"value\":1,\"attributes\":{\"mode\":\"10000\"}}", "octal"},
        {"{\"key\":\"a\",\"value\":1,\"attributes\":{\"uid\":-1}}", "whole number"},
        {"{\"key\":\"a\",\"value\":1,\"attributes\":{\"gid\":4294967296}}", "whole number"},
        {"{\"key\":\"a\",\"value\":1,\"attributes\":{\"created\":5}}", "nanoseconds"},
        {"{\"key\":\"a\",\"value\":1,\"attributes\":{\"changed\":\"9223372036854775808\"}}", "nano"},
        {"{\"key\":\"a\",\"value\":1,\"attributes\":{\"kind\":\"door\"}}", "\"kind\" must be"},
        {"{\"key\":\"a\",\"value\":1,\"attributes\":{\"kind\":\"fifo\"}}", ""},
        {"{\"key\":\"a/\",\"value\":1,\"attributes\":{\"kind\":\"marker\"}}", "a marker has no value"},
        {"{\"key\":\"a\",\"attributes\":{\"kind\":\"marker\"}}", ""},
        {"{\"key\":\"a\",\"value\":1,\"attributes\":{\"xattrs\":[1]}}", "array of"},
        {"{\"key\":\"a\",\"value\":1,\"attributes\":{\"xattrs\":[{\"name\":\"u\",\"value\":\"\"},"
         "{\"name\":\"u\",\"value\":\"\"}]}}", "twice"},
    };
    struct sfs_storage *store = open_memory();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sfs_error error = {0};
        if (read_line(store, cases[i].line, &error) != SFS_E_INVALID)
            fail_msg("%s: %d %s", cases[i].line, error.code, error.message);
        if (!strstr(error.message, cases[i].sentence))
            fail_msg("%s: %s", cases[i].line, error.message);
    }
    uint64_t size;
    assert_int_equal(sfs_size(store, &size, NULL), 0);
    assert_int_equal(size, 0);
    sfs_close(store, NULL);
}

static void test_deep_json(void **state)
{
    (void)state;
    struct sfs_storage *store = open_memory();
    struct sfs_storage *copy = open_memory();
    for (size_t depth = SFS_JSON_DEPTH - 2; depth <= SFS_JSON_DEPTH + 1; depth++) {
        char *value = malloc(2 * depth);
        memset(value, '[', depth);
        memset(value + depth, ']', depth);
        assert_int_equal(sfs_set(store, sfs_string("deep"), sfs_bytes(value, 2 * depth), NULL), 0);
        int descriptor = scratch_file();
        assert_int_equal(sfs_export(store, descriptor, NULL, NULL, NULL), 0);
        assert_int_equal(lseek(descriptor, 0, SEEK_SET), 0);
        assert_int_equal(sfs_import(copy, descriptor, NULL, NULL, NULL), 0);
        close(descriptor);
        check_value(copy, sfs_string("deep"), sfs_bytes(value, 2 * depth));
        free(value);
    }
    sfs_close(store, NULL);
    sfs_close(copy, NULL);
}

/* --- whole stores --- */

static unsigned long random_state;

static unsigned pick(unsigned count)
{
    random_state = random_state * 6364136223846793005UL + 1442695040888963407UL;
    return (unsigned)(random_state >> 33) % count;
}

static const char zeros[1000];

/* JSON, text that looks like it, text and bytes, each often a little spoilt. */
static void random_value(struct sfs_buffer *out)
{
    static const char *const pieces[] = {
        "{", "}", "[", "]", ",", ":", "\"a\"", "\"__type\"", "\"text\"", " ", "\n", "\r\n", "1e5", "-0.0",
        "null", "\"\\ud83d\\ude00\"", "\"\\udc00\"", "\\", "\xc3\xa9", "\xff", "\xe2\x80\xa8", "\t",
    };
    static const char *const whole[] = {
        "{\"a\": [1, 2.50, {\"b\": null}]}", "{\"__type\":\"text\",\"__value\":\"x\"}", "[]", " 12 ",
        "{\"a\":1,\"a\":2}", "\"\\u0000\"", "\xef\xbb\xbf{}", "{\"x\":{\"__type\":\"y\"}}", "", "-",
    };
    out->size = 0;
    if (pick(2)) {
        assert_int_equal(sfs_buffer_add(out, sfs_string(whole[pick(10)])), 0);
        return;
    }
    for (unsigned i = 0, count = pick(12); i < count; i++)
        assert_int_equal(sfs_buffer_add(out, sfs_string(pieces[pick(22)])), 0);
    if (pick(4) == 0)
        assert_int_equal(sfs_buffer_byte(out, '\0'), 0);
    for (unsigned i = pick(4) == 0 ? 1 + pick(4) : 0; i > 0; i--) {
        assert_int_equal(sfs_buffer_append(out, zeros, pick(pick(2) ? 100 : 1000)), 0);
        assert_int_equal(sfs_buffer_add(out, sfs_string(pieces[pick(22)])), 0);
    }
}

static void random_key(struct sfs_buffer *out)
{
    out->size = 0;
    for (unsigned i = 0, count = 1 + pick(6); i < count; i++)
        assert_int_equal(sfs_buffer_byte(out, (char)(1 + pick(255))), 0);
    if (pick(3) == 0)
        out->data[0] = 'a';
}

static void add_random(struct sfs_batch *batch)
{
    struct sfs_buffer key = {0}, value = {0};
    struct sfs_attributes attributes = {
        .kind = SFS_KIND_VALUE, .type = (enum sfs_type)pick(3), .mode = pick(010000),
        .uid = pick(2) ? 4294967295u : 0, .gid = pick(3), .created = -(int64_t)pick(1000),
        .accessed = INT64_MAX, .modified = INT64_MIN, .changed = (int64_t)pick(1000000) << 30,
    };
    unsigned mask = 0;
    for (unsigned bit = SFS_ATTRIBUTE_MODE; bit <= SFS_ATTRIBUTE_CHANGED; bit <<= 1)
        mask |= pick(2) ? bit : 0;
    mask |= pick(4) == 0 ? SFS_ATTRIBUTE_TYPE : 0;
    random_key(&key);
    random_value(&value);
    if (pick(3) == 0) {
        attributes.kind = (enum sfs_kind)(1 + pick(6));
        attributes.device = random_state;
        mask |= SFS_ATTRIBUTE_KIND | SFS_ATTRIBUTE_DEVICE;
    }
    if (attributes.kind != SFS_KIND_VALUE && attributes.kind != SFS_KIND_SYMLINK)
        value.size = 0;
    if (attributes.kind == SFS_KIND_MARKER)
        assert_int_equal(sfs_buffer_append(&key, "/", 2), 0);
    struct sfs_bytes name = sfs_buffer_bytes(&key);
    assert_int_equal(sfs_batch_put(batch, name, sfs_buffer_bytes(&value), &attributes, mask, NULL), 0);
    for (unsigned i = 0, count = pick(3); i < count; i++) {
        struct sfs_bytes xattr = i ? sfs_string("user.\xff") : sfs_string("user.a");
        struct sfs_bytes bytes = value.size ? sfs_buffer_bytes(&value) : SFS_LITERAL("");
        assert_int_equal(sfs_batch_xattr(batch, name, xattr, bytes, 0, NULL), 0);
    }
    sfs_buffer_free(&key);
    sfs_buffer_free(&value);
}

static void check_same_record(const struct sfs_record *a, const struct sfs_record *b)
{
    const struct sfs_attributes *x = &a->attributes, *y = &b->attributes;
    assert_true(sfs_bytes_equal(a->name, b->name));
    assert_true(sfs_bytes_equal(sfs_record_value(a), sfs_record_value(b)));
    assert_true(sfs_bytes_equal(a->xattrs, b->xattrs));
    assert_true(x->kind == y->kind && x->type == y->type && x->type_set == y->type_set);
    assert_true(x->mode == y->mode && x->uid == y->uid && x->gid == y->gid);
    assert_true(x->device == y->device && x->created == y->created && x->accessed == y->accessed);
    assert_true(x->modified == y->modified && x->changed == y->changed);
}

static void check_same(struct sfs_storage *a, struct sfs_storage *b)
{
    struct sfs_cursor *cursors[2];
    const struct sfs_record *records[2];
    int code;
    assert_int_equal(sfs_scan(a, (struct sfs_range){0}, SFS_WANT_VALUE, &cursors[0], NULL), 0);
    assert_int_equal(sfs_scan(b, (struct sfs_range){0}, SFS_WANT_VALUE, &cursors[1], NULL), 0);
    do {
        code = sfs_cursor_next(cursors[0], &records[0], NULL);
        assert_int_equal(sfs_cursor_next(cursors[1], &records[1], NULL), code);
        if (code == 1)
            check_same_record(records[0], records[1]);
    } while (code == 1);
    assert_int_equal(code, 0);
    sfs_cursor_close(cursors[0]);
    sfs_cursor_close(cursors[1]);
}

static void round_trip(unsigned long seed)
{
    struct sfs_storage *store = open_memory(), *copy = open_memory();
    struct sfs_bulk_result exported, imported;
    struct sfs_bulk_options options = {.batch_bytes = 1 + seed * 37};
    struct sfs_error error = {0};
    struct sfs_batch *batch;
    struct sfs_totals totals;
    random_state = seed;
    assert_int_equal(sfs_batch_new(&batch, NULL), 0);
    for (unsigned i = 0; i < 60; i++)
        add_random(batch);
    if (sfs_apply(store, batch, NULL, NULL, &error))
        fail_msg("apply: %s", error.message);
    sfs_batch_free(batch);
    assert_int_equal(sfs_index_create(store, sfs_string("a"), NULL, NULL, NULL), 0);
    assert_int_equal(sfs_index_create(store, sfs_string("unique:@key,b"), NULL, NULL, NULL), 0);
    int descriptor = scratch_file();
    assert_int_equal(sfs_export(store, descriptor, NULL, &exported, NULL), 0);
    assert_int_equal(lseek(descriptor, 0, SEEK_CUR), exported.bytes);
    assert_int_equal(lseek(descriptor, 0, SEEK_SET), 0);
    if (sfs_import(copy, descriptor, &options, &imported, &error))
        fail_msg("seed %lu: %s", seed, error.message);
    close(descriptor);
    assert_int_equal(sfs_totals(store, &totals, NULL), 0);
    assert_int_equal(exported.records, totals.records);
    assert_int_equal(imported.records, totals.records);
    assert_int_equal(imported.bytes, exported.bytes);
    assert_int_equal(imported.refused, 0);
    check_same(store, copy);
    check_indexes(copy, "a;0;1\nunique:@key,b;1;1\n");
    sfs_close(store, NULL);
    sfs_close(copy, NULL);
}

static void test_round_trip(void **state)
{
    (void)state;
    const char *scale = getenv("STOREFS_TEST_SCALE");
    unsigned long rounds = scale && strcmp(scale, "full") == 0 ? 5000 : 200;
    for (unsigned long seed = 1; seed <= rounds; seed++)
        round_trip(seed);
}

/* --- import --- */

static void test_import_tolerates(void **state)
{
    (void)state;
    struct sfs_storage *store = open_memory();
    struct sfs_bulk_result result;
    assert_int_equal(import_text(store, "\xef\xbb\xbf{\"key\":\"a\",\"value\":1}\r\n\r\n  \n"
                                        "{\"key\":\"b\",\"value\":2}", NULL, &result, NULL), 0);
    assert_int_equal(result.records, 2);
    check_value(store, sfs_string("a"), sfs_string("1"));
    check_value(store, sfs_string("b"), sfs_string("2"));
    assert_int_equal(import_text(store, "", NULL, &result, NULL), 0);
    assert_int_equal(result.records, 0);
    sfs_close(store, NULL);
}

static void test_import_stops_at_a_bad_line(void **state)
{
    (void)state;
    struct sfs_storage *store = open_memory();
    struct sfs_bulk_result result;
    struct sfs_error error;
    struct sfs_bulk_options options = {.batch_bytes = 1};
    uint64_t size;
    const char *text = "{\"key\":\"a\",\"value\":1}\n\n{\"kee\":1}\n{\"key\":\"b\",\"value\":1}\n";
    assert_int_equal(import_text(store, text, &options, &result, &error), SFS_E_INVALID);
    assert_string_equal(error.message, "line 3: member \"kee\" is not known");
    assert_int_equal(result.records, 1);
    assert_int_equal(sfs_size(store, &size, NULL), 0);
    assert_int_equal(size, 1);
    /* In one batch too the lines before it are committed, and those behind it are not. */
    assert_int_equal(sfs_clear(store, NULL), 0);
    assert_int_equal(import_text(store, text, NULL, &result, &error), SFS_E_INVALID);
    assert_string_equal(error.message, "line 3: member \"kee\" is not known");
    assert_int_equal(result.records, 1);
    assert_int_equal(sfs_size(store, &size, NULL), 0);
    assert_int_equal(size, 1);
    sfs_close(store, NULL);
}

static void note(void *context, const char *sentence)
{
    assert_int_equal(sfs_buffer_printf(context, "%.40s|", sentence), 0);
}

static void test_import_keeps_going(void **state)
{
    (void)state;
    struct sfs_storage *store = open_memory();
    struct sfs_buffer report = {0};
    struct sfs_bulk_options options = {.keep_going = true, .report = note, .context = &report};
    struct sfs_bulk_result result;
    /* The store refuses the fourth line only when the batch is applied. */
    store->key_max = 3;
    assert_int_equal(import_text(store, "{\"key\":\"a\",\"value\":1}\n{}\n\n"
                                        "{\"key\":\"long\",\"value\":2}\nx\n"
                                        "{\"key\":\"b\",\"value\":3}\n",
                                 &options, &result, NULL), 0);
    assert_int_equal(result.records, 2);
    assert_int_equal(result.refused, 3);
    check_value(store, sfs_string("b"), sfs_string("3"));
    assert_int_equal(sfs_buffer_text(&report), 0);
    assert_non_null(strstr(report.data, "line 2: \"key\" must be"));
    assert_non_null(strstr(report.data, "line 4: "));
    assert_non_null(strstr(report.data, "line 5: not JSON"));
    sfs_buffer_free(&report);
    sfs_close(store, NULL);
}

static int stop_soon(void *context, uint64_t done, uint64_t total)
{
    (void)done;
    (void)total;
    return ++*(int *)context >= 3;
}

/* The key of a line, as of a query's result. */
static void test_line_key(void **state)
{
    struct sfs_buffer key = {0};
    struct sfs_error error;
    (void)state;
    assert_int_equal(sfs_line_key(SFS_LITERAL("{\"key\":\"a\\n\",\"value\":{}}"), &key, NULL), 0);
    assert_int_equal(
        sfs_line_key(SFS_LITERAL("{\"key\":{\"__type\":\"bytes\",\"__value\":\"/w==\"},"
                                 "\"value\":1}"),
                     &key, NULL),
        0);
    assert_true(sfs_bytes_equal(sfs_buffer_bytes(&key), SFS_LITERAL("a\n\xff")));
    assert_int_equal(sfs_line_key(SFS_LITERAL("{\"value\":1}"), &key, &error), SFS_E_INVALID);
    assert_int_equal(sfs_line_key(SFS_LITERAL("x"), &key, &error), SFS_E_INVALID);
    assert_int_equal(key.size, 3);
    sfs_buffer_free(&key);
}

/* A range of names: what lies outside is not exported, and is wrong in an import. */
static void test_range(void **state)
{
    static const char text[] = "{\"key\":\"a\",\"value\":1}\n{\"key\":\"b/1\",\"value\":1}\n"
                               "{\"key\":\"b/2\",\"value\":1}\n{\"key\":\"b0\",\"value\":1}\n";
    struct sfs_storage *store = open_memory();
    struct sfs_bulk_options options = {.range = {SFS_LITERAL("b/"), SFS_LITERAL("b0")}};
    struct sfs_bulk_result result;
    struct sfs_error error;
    char exported[4000];
    (void)state;
    assert_int_equal(import_text(store, text, &options, &result, &error), SFS_E_INVALID);
    assert_string_equal(error.message, "line 1: 'a' is not among the keys to import");
    assert_int_equal(result.records, 0);
    options.keep_going = true;
    assert_int_equal(import_text(store, text, &options, &result, NULL), 0);
    assert_int_equal(result.records, 2);
    assert_int_equal(result.refused, 2);
    assert_int_equal(import_text(store, text, NULL, &result, NULL), 0);
    assert_int_equal(result.records, 4);
    options.keep_going = false;
    int descriptor = scratch_file();
    assert_int_equal(sfs_export(store, descriptor, &options, &result, NULL), 0);
    assert_int_equal(result.records, 2);
    ssize_t size = pread(descriptor, exported, sizeof(exported) - 1, 0);
    assert_in_range(size, 1, sizeof(exported) - 1);
    exported[size] = '\0';
    assert_non_null(strstr(exported, "{\"key\":\"b/1\""));
    assert_non_null(strstr(exported, "\n{\"key\":\"b/2\""));
    close(descriptor);
    assert_int_equal(sfs_close(store, NULL), 0);
}

static void test_cancel(void **state)
{
    (void)state;
    struct sfs_storage *store = open_memory();
    struct sfs_buffer text = {0};
    struct sfs_bulk_result result;
    struct sfs_error error;
    int calls = 0;
    struct sfs_bulk_options options = {.progress = stop_soon, .context = &calls};
    uint64_t size;
    for (int i = 0; i < 5000; i++)
        assert_int_equal(sfs_buffer_printf(&text, "{\"key\":\"%d\",\"value\":%d}\n", i, i), 0);
    assert_int_equal(sfs_buffer_text(&text), 0);
    assert_int_equal(import_text(store, text.data, &options, &result, &error), SFS_E_CANCELLED);
    assert_non_null(strstr(error.message, "3000 records"));
    assert_int_equal(result.records, 3000);
    assert_int_equal(sfs_size(store, &size, NULL), 0);
    assert_int_equal(size, 3000);
    int descriptor = scratch_file();
    calls = 2;
    assert_int_equal(sfs_export(store, descriptor, &options, &result, &error), SFS_E_CANCELLED);
    close(descriptor);
    sfs_buffer_free(&text);
    sfs_close(store, NULL);
}

static void test_broken_descriptors(void **state)
{
    (void)state;
    struct sfs_storage *store = open_memory();
    struct sfs_error error;
    int ends[2];
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(sfs_set(store, sfs_string("a"), sfs_string("1"), NULL), 0);
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    assert_int_equal(sfs_export(store, ends[1], NULL, NULL, &error), SFS_E_IO);
    assert_non_null(strstr(error.message, "stopped reading"));
    assert_true(sfs_import(store, ends[1], NULL, NULL, &error) < 0);
    close(ends[1]);
    sfs_close(store, NULL);
}

static void test_large_line(void **state)
{
    (void)state;
    struct sfs_storage *store = open_memory(), *copy = open_memory();
    size_t size = (size_t)20 << 20;
    char *value = malloc(size);
    memset(value, 0xfe, size);
    assert_int_equal(sfs_set(store, sfs_string("large"), sfs_bytes(value, size), NULL), 0);
    assert_int_equal(sfs_set(store, sfs_string("small"), sfs_string("1"), NULL), 0);
    int descriptor = scratch_file();
    assert_int_equal(sfs_export(store, descriptor, NULL, NULL, NULL), 0);
    assert_int_equal(lseek(descriptor, 0, SEEK_SET), 0);
    assert_int_equal(sfs_import(copy, descriptor, NULL, NULL, NULL), 0);
    close(descriptor);
    check_same(store, copy);
    free(value);
    sfs_close(store, NULL);
    sfs_close(copy, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_as_written),
        cmocka_unit_test(test_lines_read),
        cmocka_unit_test(test_lines_refused),
        cmocka_unit_test(test_deep_json),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_import_tolerates),
        cmocka_unit_test(test_import_stops_at_a_bad_line),
        cmocka_unit_test(test_import_keeps_going),
        cmocka_unit_test(test_line_key),
        cmocka_unit_test(test_range),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_broken_descriptors),
        cmocka_unit_test(test_large_line),
    };
    return cmocka_run_group_tests_name("bulk", tests, NULL, NULL);
}
