/* SPDX-License-Identifier: MIT */
/* JavaScript's numbers and strings, and the attribute index: what it refuses, documents, chunks,
 * threads. */
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
#include <pthread.h>

#include "attribute_index/postings.h"
#include "storefs/attribute_index.h"
#include "storefs/backend.h"
#include "util/js_value.h"

#define L(text) SFS_LITERAL(text)
static const struct sfs_bytes none;

/* --- JavaScript --- */

static void expect_canonical(const char *json, const char *wanted)
{
    struct sfs_json value;
    struct sfs_buffer out = {0};
    assert_true(sfs_json_parse(sfs_string(json), &value, NULL));
    assert_int_equal(sfs_js_canonical(value, &out), 0);
    if (!sfs_bytes_equal(sfs_buffer_bytes(&out), sfs_string(wanted)))
        fail_msg("%s: %.*s, not %s", json, (int)out.size, out.data, wanted);
    sfs_buffer_free(&out);
}

static void test_numbers(void **state)
{
    static const char *const cases[][2] = {
        {"0", "0"},
        {"-0", "0"},
        {"-0.0e5", "0"},
        {"1.0", "1"},
        {"100e-2", "1"},
        {"1e21", "1e+21"},
        {"123456789012345680000", "123456789012345680000"},
        {"0.000001", "0.000001"},
        {"0.0000001", "1e-7"},
        {"-1.5e-9", "-1.5e-9"},
        {"0.1000000000000000055511151231257827", "0.1"},
        {"0.30000000000000004", "0.30000000000000004"},
        {"9007199254740993", "9007199254740992"},
        {"5e-324", "5e-324"},
        {"2e-324", "0"},
        {"1.7976931348623157e308", "1.7976931348623157e+308"},
        {"1.7976931348623159e308", "null"},
        {"-1e999999999999999999999", "null"},
        {"1e-999999999999999999999", "0"},
        {"2.2250738585072014e-308", "2.2250738585072014e-308"},
        {"9.5367431640625e-7", "9.5367431640625e-7"},
        /* 2^-44 and 2^976, whose neighbours below are closer than those above */
        {"5.684341886080801486968994140625e-14", "5.684341886080802e-14"},
        {"6.386688990511104e293", "6.386688990511104e+293"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect_canonical(cases[i][0], cases[i][1]);
    struct sfs_buffer many = {0};
    assert_int_equal(sfs_buffer_printf(&many, "0.%01000d1", 0), 0);
    assert_int_equal(sfs_buffer_text(&many), 0);
    expect_canonical(many.data, "0");
    sfs_buffer_free(&many);
    /* half-way between two doubles, and a little more, after 900 digits */
    assert_int_equal(sfs_buffer_printf(&many, "9007199254740993.%0900d", 0), 0);
    assert_int_equal(sfs_buffer_text(&many), 0);
    expect_canonical(many.data, "9007199254740992");
    many.data[many.size - 1] = '1';
    expect_canonical(many.data, "9007199254740994");
    sfs_buffer_free(&many);
}

static void test_members(void **state)
{
    (void)state;
    expect_canonical(
        "{\"b\":1,\"10\":2,\"2\":3,\"01\":4,\"4294967294\":5,\"4294967295\":6,\"b\":7}",
        "{\"2\":3,\"10\":2,\"4294967294\":5,\"b\":7,\"01\":4,\"4294967295\":6}");
    expect_canonical(" [ {\"\\u0031\" : [] , \"a\":{}} , \"\\/\\u0041\\ud83d\\ude00\\ud83d\" ] ",
                     "[{\"1\":[],\"a\":{}},\"/A\xf0\x9f\x98\x80\\ud83d\"]");
    struct sfs_buffer deep = {0}, out = {0};
    struct sfs_json value;
    for (int i = 0; i < SFS_JSON_DEPTH; i++)
        assert_int_equal(sfs_buffer_byte(&deep, i < SFS_JSON_DEPTH / 2 ? '[' : ']'), 0);
    assert_true(sfs_json_parse(sfs_buffer_bytes(&deep), &value, NULL));
    assert_int_equal(sfs_js_canonical(value, &out), 0);
    assert_true(sfs_bytes_equal(sfs_buffer_bytes(&deep), sfs_buffer_bytes(&out)));
    sfs_buffer_free(&deep);
    sfs_buffer_free(&out);
}

static void test_strings(void **state)
{
    static const char *const cases[][2] = {
        {"null", "null"},
        {"true", "true"},
        {"1.5", "1.5"},
        {"\"a\\n\"", "a\n"},
        {"{\"a\":1}", "[object Object]"},
        {"[1,[2,[]],null,\"x\",{\"a\":[]},[[],3]]", "1,2,,,x,[object Object],,3"},
        {"[]", ""},
        {"[null]", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sfs_buffer out = {0};
        assert_int_equal(sfs_js_string(sfs_json_view(sfs_string(cases[i][0])), &out), 0);
        assert_true(sfs_bytes_equal(sfs_buffer_bytes(&out), sfs_string(cases[i][1])));
        sfs_buffer_free(&out);
    }
    struct sfs_bytes face = L("a\xf0\x9f\x98\x80z"), high = L("\xed\xa0\xbd"),
                     low = L("\xed\xb8\x80");
    assert_true(sfs_js_includes(face, high) && sfs_js_includes(face, low) &&
                sfs_js_includes(face, none));
    assert_true(sfs_js_includes(face, L("\xed\xb8\x80z")) &&
                sfs_js_starts(face, L("a\xed\xa0\xbd")));
    assert_false(sfs_js_includes(face, L("\xed\xb8\x81")) || sfs_js_starts(face, high));
    assert_false(sfs_js_includes(L("ab"), L("abc")));
    assert_true(sfs_js_is_text(high) && sfs_js_is_text(L("\xed\xb8\x80\xed\xa0\xbd")));
    assert_false(sfs_js_is_text(L("\xed\xa0\xbd\xed\xb8\x80")) || sfs_js_is_text(L("\xff")));
}

/* --- the index --- */

static struct sfs_error error;

static int64_t noon(void *context)
{
    (void)context;
    return INT64_C(1769850000000000000);
}

static struct sfs_attribute_index *make(struct sfs_storage *store, enum sfs_attribute_layout layout)
{
    const struct sfs_attribute_options options = {.layout = layout, .key = L("index"), .now = noon};
    struct sfs_attribute_index *index = NULL;
    assert_int_equal(sfs_attribute_index_new(&index, store, &options, &error), 0);
    return index;
}

static void add(struct sfs_attribute_index *index, const char *id, const char *name,
                const char *value)
{
    assert_int_equal(
        sfs_attribute_index_add(index, sfs_string(id), sfs_string(name), sfs_string(value), &error),
        0);
}

static size_t count(struct sfs_attribute_index *index, const char *name, struct sfs_bytes value)
{
    struct sfs_attribute_set set = {0};
    assert_int_equal(sfs_attribute_index_find(index, sfs_string(name), value, &set, &error), 0);
    size_t found = set.count;
    sfs_attribute_set_free(&set);
    return found;
}

static void expect(int code, int wanted, const char *sentence)
{
    assert_int_equal(code, wanted);
    if (!strstr(error.message, sentence))
        fail_msg("'%s' without '%s'", error.message, sentence);
}

static void test_refusals(void **state)
{
    const struct sfs_attribute_options other = {.layout = (enum sfs_attribute_layout)7};
    const struct sfs_attribute_options postings = {.layout = SFS_ATTRIBUTES_POSTINGS,
                                                   .key = L("k")};
    struct sfs_attribute_index *index = make(NULL, SFS_ATTRIBUTES_DOCUMENT), *made;
    struct sfs_attribute_set set;
    uint64_t number = 7;
    struct sfs_attribute_criterion criterion = {L("a"), L("1"), "like"};
    (void)state;
    expect(sfs_attribute_index_new(&made, NULL, &other, &error), SFS_E_INVALID, "no layout 7");
    expect(sfs_attribute_index_new(&made, NULL, &postings, &error), SFS_E_INVALID, "needs a store");
    expect(sfs_attribute_index_add(index, none, L("a"), L("1"), &error), SFS_E_INVALID,
           "the entity id is missing");
    expect(sfs_attribute_index_add(index, L("e"), none, L("1"), &error), SFS_E_INVALID,
           "the attribute name is missing");
    expect(sfs_attribute_index_add(index, L("e"), L("a"), none, &error), SFS_E_INVALID,
           "the value is missing");
    expect(sfs_attribute_index_add(index, L("e"), L("a"), L("{"), &error), SFS_E_INVALID,
           "neither JSON nor undefined");
    expect(sfs_attribute_index_add(index, L("\xff"), L("a"), L("1"), &error), SFS_E_INVALID,
           "not UTF-8");
    expect(sfs_attribute_index_search(index, &criterion, 1, "AND", &set, &error), SFS_E_INVALID,
           "'like'");
    criterion.test = NULL;
    expect(sfs_attribute_index_search(index, &criterion, 1, "and", &set, &error), SFS_E_INVALID,
           "'and'");
    criterion.attribute = none;
    expect(sfs_attribute_index_search(index, &criterion, 1, NULL, &set, &error), SFS_E_INVALID,
           "criterion 1 is missing");
    expect(sfs_attribute_index_entities(index, L("{}"), &number, &error), SFS_E_INVALID,
           "no array, but object");
    expect(sfs_attribute_index_entities(index, L("["), &number, &error), SFS_E_INVALID,
           "not JSON: byte 2");
    expect(sfs_attribute_index_save(index, none, &error), SFS_E_INVALID,
           "the place of the document");
    expect(sfs_attribute_index_load(index, L("/none/here"), &error), SFS_E_NOT_FOUND, "/none/here");
    assert_int_equal(number, 7);
    assert_int_equal(sfs_attribute_index_search(index, NULL, 0, NULL, &set, &error), 0);
    assert_int_equal(set.count, 0);
    sfs_attribute_set_free(&set);
    sfs_attribute_set_free(NULL);
    sfs_attribute_index_free(index);
    sfs_attribute_index_free(NULL);
}

static const char document[] =
    "{\n  \"version\": \"1.0.0\",\n  \"index\": {\n    \"a\": {\n      \"1\": [\n        \"e\"\n   "
    "   ],\n"
    "      \"undefined\": [\n        \"e\"\n      ]\n    }\n  },\n  \"entityAttributes\": {\n    "
    "\"e\": [\n"
    "      \"a:undefined\",\n      \"a:1\"\n    ]\n  },\n  \"metadata\": {\n"
    "    \"createdAt\": \"2026-01-31T09:00:00.000Z\",\n    \"lastModified\": "
    "\"2026-01-31T09:00:00.000Z\",\n"
    "    \"entityCount\": 1\n  }\n}";

static void test_file(void **state)
{
    char path[300];
    struct stat status;
    struct sfs_attribute_index *index = make(NULL, SFS_ATTRIBUTES_DOCUMENT);
    char text[sizeof(document)];
    (void)state;
    assert_non_null(getenv("TMPDIR"));
    snprintf(path, sizeof(path), "%s/made/index.json", getenv("TMPDIR"));
    add(index, "e", "a", "undefined");
    add(index, "e", "a", "1.0");
    add(index, "e", "a", "1");
    assert_int_equal(sfs_attribute_index_save(index, sfs_string(path), &error), 0);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_int_equal(status.st_size, sizeof(document) - 1);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_int_equal(fread(text, 1, sizeof(text), file), sizeof(document) - 1);
    fclose(file);
    assert_memory_equal(text, document, sizeof(document) - 1);
    assert_int_equal(sfs_attribute_index_load(index, sfs_string(path), &error), 0);
    assert_int_equal(count(index, "a", SFS_UNDEFINED), 0);
    assert_int_equal(count(index, "a", none), 1);
    sfs_attribute_index_free(index);
}

static void test_loading(void **state)
{
    static const struct {
        const char *text;
        int code;
        const char *sentence;
    } cases[] = {
        {"", SFS_E_CORRUPT, "is not JSON: line 1, column 1"},
        {"{\"index\":{\n\"a", SFS_E_CORRUPT, "line 2"},
        {"5", SFS_E_NOT_A_STORE, "Invalid data structure: it is no object"},
        {"{}", SFS_E_NOT_A_STORE, "it has no member \"index\""},
        {"{\"index\":null}", SFS_E_NOT_A_STORE, "\"index\" is no object"},
        {"{\"index\":{\"a\":7}}", SFS_E_NOT_A_STORE, "the attribute is no object: 'a'"},
        {"{\"index\":{\"a\":{\"1\":{}}}}", SFS_E_NOT_A_STORE, "for 'a:1'"},
        {"{\"index\":{\"a\":{\"1\":[1]}}}", SFS_E_NOT_A_STORE, "for 'a:1'"},
        {"{\"index\":{},\"entityAttributes\":[]}", SFS_E_NOT_A_STORE,
         "\"entityAttributes\" is no object"},
        {"{\"index\":{},\"entityAttributes\":{\"e\":[null]}}", SFS_E_NOT_A_STORE, "the entity 'e'"},
        {"{\"index\":{},\"version\":\"1.1.0\"}", SFS_E_TOO_NEW, "version \"1.1.0\""},
        {"{\"index\":{},\"version\":1}", SFS_E_TOO_NEW, "version 1"},
        {"{\"layout\":\"postings\"}", SFS_E_NOT_A_STORE, "the layout of postings"},
    };
    struct sfs_storage *store;
    (void)state;
    assert_int_equal(sfs_open(&store, "memory:", SFS_OPEN_CREATE, &error), 0);
    struct sfs_attribute_index *index = make(store, SFS_ATTRIBUTES_DOCUMENT);
    add(index, "e", "a", "1");
    expect(sfs_attribute_index_load(index, L("none"), &error), SFS_E_NOT_FOUND, "'none'");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(sfs_set(store, L("bad"), sfs_string(cases[i].text), &error), 0);
        expect(sfs_attribute_index_load(index, L("bad"), &error), cases[i].code, cases[i].sentence);
        assert_int_equal(count(index, "a", L("1")), 1);
    }
    assert_int_equal(
        sfs_set(store, L("good"), L("{\"index\":{\"a\":7,\"a\":{\"2\":5,\"2\":[\"x\"]}}}"), &error),
        0);
    assert_int_equal(sfs_attribute_index_load(index, L("good"), &error), 0);
    assert_int_equal(count(index, "a", L("2")), 1);
    sfs_attribute_index_free(index);
    assert_int_equal(sfs_close(store, &error), 0);
}

/* --- postings --- */

/* More ids than one chunk, taken out again from the middle. */
static void test_chunks(void **state)
{
    enum { IDS = 3000 };
    struct sfs_storage *store;
    char id[32];
    struct sfs_attribute_set set;
    uint64_t size;
    (void)state;
    assert_int_equal(sfs_open(&store, "memory:", SFS_OPEN_CREATE, &error), 0);
    struct sfs_attribute_index *index = make(store, SFS_ATTRIBUTES_POSTINGS);
    for (int i = 0; i < IDS; i++) {
        snprintf(id, sizeof(id), "entity-%d", i);
        add(index, id, "type", "\"x\"");
    }
    const struct sfs_record *record;
    assert_int_equal(
        sfs_get(store, L("index.postings/v/type/\"x\""), SFS_WANT_RECORD, &record, &error), 0);
    assert_true(record->size < SFS_CHUNK_BYTES + 200);
    sfs_record_unref(record);
    assert_int_equal(sfs_attribute_index_find(index, L("type"), L("\"x\""), &set, &error), 0);
    assert_int_equal(set.count, IDS);
    for (size_t i = 0; i < IDS; i++) {
        snprintf(id, sizeof(id), "entity-%zu", i);
        assert_true(sfs_bytes_equal(set.items[i], sfs_string(id)));
    }
    sfs_attribute_set_free(&set);
    for (int i = 0; i < IDS - 1; i++) {
        snprintf(id, sizeof(id), "entity-%d", i);
        assert_int_equal(i % 2 ? sfs_attribute_index_remove_entity(index, sfs_string(id), &error)
                               : sfs_attribute_index_remove(index, sfs_string(id), L("type"),
                                                            L("\"x\""), &error),
                         0);
    }
    assert_int_equal(count(index, "type", none), 1);
    assert_int_equal(sfs_attribute_index_remove(index, L("entity-2999"), L("type"), none, &error),
                     0);
    assert_int_equal(sfs_size(store, &size, &error), 0);
    assert_int_equal(size, 1); /* the head */
    sfs_attribute_index_free(index);
    assert_int_equal(sfs_close(store, &error), 0);
}

static void test_damage(void **state)
{
    static const struct {
        const char *key;
        const char *text;
        int code;
    } cases[] = {
        {"index.postings/v/a/1",
         "{\"name\":\"1\",\"ordinal\":2,\"count\":1,\"last\":0,\"list\":[7]}", SFS_E_CORRUPT},
        {"index.postings/v/a/1",
         "{\"name\":\"2\",\"ordinal\":2,\"count\":1,\"last\":0,\"list\":[]}", SFS_E_UNSUPPORTED},
        {"index.postings/v/a/1",
         "{\"name\":\"1\",\"ordinal\":2,\"count\":1,\"last\":0,\"list\":[]}", SFS_E_CORRUPT},
        {"index.postings/v/a/1", "half", SFS_E_CORRUPT},
        {"index.postings/e/e", "{\"name\":\"e\",\"ordinal\":2,\"list\":[[\"a\",\"1\",-1]]}",
         SFS_E_CORRUPT},
        {"index.postings/e/e", "{\"name\":\"e\",\"ordinal\":2,\"list\":[[\"a\"]]}", SFS_E_CORRUPT},
        {"index", "{\"layout\":\"postings\",\"version\":\"1.0.0\"}", SFS_E_CORRUPT},
        {"index", "{\"layout\":\"postings\",\"version\":\"3\"}", SFS_E_TOO_NEW},
        {"index", "text", SFS_E_NOT_A_STORE},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sfs_storage *store;
        struct sfs_attribute_index *made;
        const struct sfs_attribute_options options = {.layout = SFS_ATTRIBUTES_POSTINGS,
                                                      .key = L("index")};
        assert_int_equal(sfs_open(&store, "memory:", SFS_OPEN_CREATE, &error), 0);
        struct sfs_attribute_index *index = make(store, SFS_ATTRIBUTES_POSTINGS);
        add(index, "e", "a", "1");
        assert_int_equal(
            sfs_set(store, sfs_string(cases[i].key), sfs_string(cases[i].text), &error), 0);
        assert_int_equal(sfs_attribute_index_remove_entity(index, L("e"), &error), cases[i].code);
        if (cases[i].code == SFS_E_NOT_A_STORE)
            assert_int_equal(sfs_attribute_index_new(&made, store, &options, &error), SFS_E_EXISTS);
        sfs_attribute_index_free(index);
        assert_int_equal(sfs_close(store, &error), 0);
    }
}

/* What is not all there is not taken for the whole: it would be lost with the old layout. */
static void test_converting_damage(void **state)
{
    static const struct {
        const char *key;
        const char *text; /* NULL: it is gone */
        const char *sentence;
    } cases[] = {
        {"index.postings/a/a", NULL, "1 attributes, and its head says 2"},
        {"index.postings/v/a/2", NULL, "2 values, and its head says 3"},
        {"index.postings/e/e", NULL, "1 entities, and its head says 2"},
        {"index.postings/e/e", "{\"name\":\"e\",\"ordinal\":2,\"list\":[]}",
         "1 pairs, and its head says 3"},
        {"index.postings/v/a/1",
         "{\"name\":\"1\",\"ordinal\":3,\"count\":7,\"last\":0,\"list\":[\"e\"]}",
         "the value '1' has 1 entities and says 7"},
        {"index.postings/v/a/1",
         "{\"name\":\"7\",\"ordinal\":3,\"count\":1,\"last\":0,\"list\":[\"e\"]}",
         "'index.postings/v/a/1' of the attribute index is damaged"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sfs_storage *store;
        struct sfs_bytes key = sfs_string(cases[i].key);
        assert_int_equal(sfs_open(&store, "memory:", SFS_OPEN_CREATE, &error), 0);
        struct sfs_attribute_index *index = make(store, SFS_ATTRIBUTES_POSTINGS);
        add(index, "e", "a", "1");
        add(index, "e", "a", "2");
        add(index, "f", "b", "1");
        if (cases[i].text)
            assert_int_equal(sfs_set(store, key, sfs_string(cases[i].text), &error), 0);
        else
            assert_int_equal(sfs_delete(store, key, &error), 1);
        uint64_t before, after;
        assert_int_equal(sfs_size(store, &before, &error), 0);
        expect(sfs_attribute_index_convert(store, L("index"), SFS_ATTRIBUTES_DOCUMENT, &error),
               SFS_E_CORRUPT, cases[i].sentence);
        expect(sfs_attribute_index_save(index, L("document"), &error), SFS_E_CORRUPT,
               cases[i].sentence);
        assert_int_equal(sfs_size(store, &after, &error), 0);
        assert_int_equal(after, before);
        sfs_attribute_index_free(index);
        assert_int_equal(sfs_close(store, &error), 0);
    }
}

/* A store without snapshots, in which somebody adds to the index whenever it is looked through. */
static struct sfs_attribute_index *other;

static int busy_get(struct sfs_storage *store, struct sfs_bytes name, unsigned want,
                    const struct sfs_record **ret_record, struct sfs_error *failure)
{
    return sfs_get(store->below, name, want, ret_record, failure);
}

static int busy_read(struct sfs_storage *store, struct sfs_bytes name, uint64_t revision,
                     uint64_t offset, void *data, size_t size, size_t *ret_size,
                     struct sfs_error *failure)
{
    return sfs_read(store->below, name, revision, offset, data, size, ret_size, failure);
}

static int busy_scan(struct sfs_storage *store, struct sfs_range range, unsigned want,
                     struct sfs_cursor **ret_cursor, struct sfs_error *failure)
{
    add(other, "another", "b", "1");
    return sfs_scan(store->below, range, want, ret_cursor, failure);
}

static int busy_close(struct sfs_storage *store, struct sfs_error *failure)
{
    (void)store, (void)failure;
    return 0;
}

static void test_converting_what_changes(void **state)
{
    static const struct sfs_read_operations reads = {busy_get, busy_read, busy_scan};
    static const struct sfs_storage_operations operations = {
        .name = "busy", .read = &reads, .close = busy_close};
    struct sfs_storage busy = {0}, *store;
    (void)state;
    assert_int_equal(sfs_open(&store, "memory:", SFS_OPEN_CREATE, &error), 0);
    other = make(store, SFS_ATTRIBUTES_POSTINGS);
    add(other, "e", "a", "1");
    assert_int_equal(sfs_layer_init(&busy, &operations, store, &error), 0);
    busy.borrowed_below = true;
    busy.capabilities &= ~(unsigned)SFS_CAN_SNAPSHOT;
    expect(sfs_attribute_index_convert(&busy, L("index"), SFS_ATTRIBUTES_DOCUMENT, &error),
           SFS_E_CONFLICT, "was changed while it was read");
    assert_int_equal(sfs_close(&busy, &error), 0);
    assert_int_equal(
        sfs_attribute_index_convert(store, L("index"), SFS_ATTRIBUTES_DOCUMENT, &error), 0);
    sfs_attribute_index_free(other);
    assert_int_equal(sfs_close(store, &error), 0);
}

static void test_long_names(void **state)
{
    struct sfs_storage *store;
    struct sfs_buffer name = {0};
    (void)state;
    for (int i = 0; i < 5000; i++)
        assert_int_equal(sfs_buffer_byte(&name, (char)('a' + i % 26)), 0);
    assert_int_equal(sfs_buffer_text(&name), 0);
    assert_int_equal(sfs_open(&store, "memory:", SFS_OPEN_CREATE, &error), 0);
    struct sfs_attribute_index *index = make(store, SFS_ATTRIBUTES_POSTINGS);
    add(index, name.data, name.data, "1");
    name.data[4999] = '!';
    add(index, name.data, name.data, "\"\\u0000/%\"");
    assert_int_equal(count(index, name.data, none), 1);
    name.data[4999] = 'h';
    assert_int_equal(count(index, name.data, L("1")), 1);
    assert_int_equal(sfs_attribute_index_save(index, L("document"), &error), 0);
    expect(sfs_attribute_index_save(index, L("index"), &error), SFS_E_INVALID,
           "where the postings are");
    sfs_attribute_index_free(index);
    assert_int_equal(sfs_close(store, &error), 0);
    sfs_buffer_free(&name);
}

/* Two threads change the same pair of one store, a third searches it all the time. */
struct worker {
    struct sfs_storage *store;
    int number;
    int failed;
};

static void *work(void *context)
{
    struct worker *worker = context;
    const struct sfs_attribute_options options = {.layout = SFS_ATTRIBUTES_POSTINGS,
                                                  .key = L("index")};
    struct sfs_attribute_index *index = NULL;
    struct sfs_error failure;
    char id[32];
    worker->failed = sfs_attribute_index_new(&index, worker->store, &options, &failure);
    for (int i = 0; i < 60 && !worker->failed; i++) {
        struct sfs_attribute_set set = {0};
        snprintf(id, sizeof(id), "%d-%d", worker->number, i);
        worker->failed =
            worker->number < 2
                ? sfs_attribute_index_add(index, sfs_string(id), L("a"), L("1"), &failure)
                : sfs_attribute_index_find(index, L("a"), none, &set, &failure);
        sfs_attribute_set_free(&set);
    }
    sfs_attribute_index_free(index);
    return NULL;
}

static void test_threads(void **state)
{
    struct worker workers[3];
    pthread_t threads[3];
    struct sfs_storage *store;
    struct sfs_attribute_statistics statistics;
    (void)state;
    assert_int_equal(sfs_open(&store, "memory:", SFS_OPEN_CREATE, &error), 0);
    for (int i = 0; i < 3; i++) {
        workers[i] = (struct worker){store, i, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(workers[i].failed, 0);
    }
    struct sfs_attribute_index *index = make(store, SFS_ATTRIBUTES_POSTINGS);
    assert_int_equal(count(index, "a", L("1")), 120);
    assert_int_equal(sfs_attribute_index_statistics(index, &statistics, &error), 0);
    assert_int_equal(statistics.entities, 120);
    assert_int_equal(statistics.pairs, 120);
    assert_int_equal(statistics.values, 1);
    sfs_attribute_index_free(index);
    assert_int_equal(sfs_close(store, &error), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_loading),
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_converting_damage),
        cmocka_unit_test(test_converting_what_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
