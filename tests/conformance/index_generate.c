/* SPDX-License-Identifier: MIT */
/* Random changes, names of indexes and queries for the test of indexes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "index_generate.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define STAGES_MAX 4
#define NS_PER_MS 1000000

/* --- changes --- */

static struct sfs_bytes random_key(const struct model_record *records)
{
    return records[generate_below(INDEX_RECORDS)].key;
}

static struct sfs_bytes random_prefix(void)
{
    static const char *const prefixes[] = {"user/", "dir/", "a/b/", "user/1/", "z/"};
    return sfs_string(prefixes[generate_below(COUNT(prefixes))]);
}

void index_put(const struct model_record *records, struct sfs_batch *batch, struct sfs_bytes key)
{
    const struct model_record *record = &records[generate_below(INDEX_RECORDS)];
    struct sfs_bytes value = record->bytes;
    char text[1400];
    struct sfs_attributes attributes = {.type = SFS_TYPE_JSON,
                                        .created = record->created * NS_PER_MS,
                                        .modified = record->updated * NS_PER_MS};
    unsigned mask = generate_below(3) ? SFS_ATTRIBUTE_CREATED | SFS_ATTRIBUTE_MODIFIED : 0;
    if (generate_below(12) == 0) {
        /* Values that no entry holds whole, and that only their ends tell apart. */
        memset(text, 'x', sizeof(text));
        int size = snprintf(text, 16, "{\"%c\": [\"", "abcn"[generate_below(4)]);
        text[size] = 'x';
        size_t end = 1000 + generate_below(3) * 100;
        snprintf(text + end, sizeof(text) - end, "%u\"]}", (unsigned)generate_below(3));
        value = sfs_string(text);
    }
    if (generate_below(20) == 0)
        mask |= SFS_ATTRIBUTE_TYPE;
    assert_int_equal(sfs_batch_put(batch, key, value, &attributes, mask, NULL), 0);
}

static void put_other(struct sfs_batch *batch, struct sfs_bytes key)
{
    struct sfs_attributes link = {.kind = SFS_KIND_SYMLINK};
    if (generate_below(2))
        assert_int_equal(
            sfs_batch_put(batch, key, sfs_string("to"), &link, SFS_ATTRIBUTE_KIND, NULL), 0);
    else
        assert_int_equal(
            sfs_batch_put(batch, sfs_bytes("user/", 6), (struct sfs_bytes){0}, NULL, 0, NULL), 0);
}

static void move_prefix(struct sfs_batch *batch, bool exchange)
{
    struct sfs_bytes from = random_prefix();
    struct sfs_bytes to = random_prefix();
    if (sfs_bytes_starts(from, to) || sfs_bytes_starts(to, from))
        return;
    assert_int_equal(exchange ? sfs_batch_exchange_prefix(batch, from, to, NULL)
                              : sfs_batch_rename_prefix(batch, from, to, NULL),
                     0);
}

static void clear(const struct model_record *records, struct sfs_batch *batch)
{
    struct sfs_bytes from = random_key(records);
    struct sfs_bytes to = random_key(records);
    if (sfs_bytes_compare(from, to) < 0 && generate_below(3) == 0)
        assert_int_equal(sfs_batch_clear_range(batch, (struct sfs_range){from, to}, NULL), 0);
}

static void patch(struct sfs_batch *batch, struct sfs_bytes key)
{
    static const char *const pieces[] = {"{\"a\":1}", " ",     "5",
                                         "}",         "\"x\"", "{\"n\": 2, \"a\":[1]}"};
    struct sfs_bytes piece = sfs_string(pieces[generate_below(COUNT(pieces))]);
    uint64_t kind = generate_below(3);
    if (kind == 0)
        assert_int_equal(sfs_batch_append(batch, key, piece, NULL), 0);
    else if (kind == 1)
        assert_int_equal(sfs_batch_write(batch, key, generate_below(8), piece, NULL), 0);
    else
        assert_int_equal(sfs_batch_truncate(batch, key, generate_below(12), NULL), 0);
}

static void set_attributes(struct sfs_batch *batch, struct sfs_bytes key)
{
    struct sfs_attributes attributes = {
        .modified = (int64_t)generate_below(6) * NS_PER_MS,
        .created = (int64_t)generate_below(3) * NS_PER_MS,
        .mode = 0600,
        .type = (enum sfs_type)generate_below(3),
    };
    static const unsigned masks[] = {SFS_ATTRIBUTE_MODIFIED, SFS_ATTRIBUTE_CREATED,
                                     SFS_ATTRIBUTE_MODE, SFS_ATTRIBUTE_TYPE};
    unsigned mask = masks[generate_below(COUNT(masks))];
    assert_int_equal(sfs_batch_attributes(batch, key, &attributes, mask, NULL), 0);
}

static void add_operation(const struct model_record *records, struct sfs_batch *batch)
{
    struct sfs_bytes key = random_key(records);
    uint64_t kind = generate_below(22);
    if (kind < 10)
        index_put(records, batch, key);
    else if (kind < 12)
        assert_int_equal(sfs_batch_delete(batch, key, 0, NULL), 0);
    else if (kind < 14)
        assert_int_equal(sfs_batch_rename(batch, key, random_key(records), 0, NULL), 0);
    else if (kind == 14)
        assert_int_equal(sfs_batch_exchange(batch, key, random_key(records), NULL), 0);
    else if (kind < 17)
        move_prefix(batch, kind == 16);
    else if (kind == 17)
        clear(records, batch);
    else if (kind == 18)
        patch(batch, key);
    else if (kind == 19)
        put_other(batch, key);
    else
        set_attributes(batch, key);
}

struct sfs_batch *index_random_batch(const struct model_record *records, size_t most)
{
    struct sfs_batch *batch = NULL;
    size_t size = 1 + generate_below(most);
    assert_int_equal(sfs_batch_new(&batch, NULL), 0);
    for (size_t i = 0; i < size; i++)
        add_operation(records, batch);
    return batch;
}

void index_random_name(struct sfs_buffer *name)
{
    static const char *const fields[] = {
        "a",    "b",     "c",        "n",        "a.b",   "a[0]", "\"odd name\"",
        "@key", "@size", "@created", "@updated", "@type", "a.n",  "b.c"};
    size_t first = generate_below(COUNT(fields));
    size_t count = 1 + generate_below(3);
    name->size = 0;
    if (generate_below(8) == 0)
        assert_int_equal(sfs_buffer_add(name, sfs_string("unique:")), 0);
    for (size_t i = 0; i < count; i++) {
        if (i)
            assert_int_equal(sfs_buffer_byte(name, ','), 0);
        size_t at = (first + i * 5) % COUNT(fields);
        assert_int_equal(sfs_buffer_add(name, sfs_string(fields[at])), 0);
    }
}

struct sfs_query *index_random_query(const struct model_record *records, struct sfs_buffer *path)
{
    struct sfs_error error = {0};
    struct sfs_query *query = NULL;
    enum sfs_sink sink;
    size_t count = 1 + generate_below(STAGES_MAX);
    bool grouped = false;
    path->size = 0;
    for (size_t i = 0; i < count; i++) {
        struct model_stage stage;
        do
            generate_stage(&stage, records, INDEX_RECORDS);
        while (grouped && (stage.kind == S_SELECT || stage.kind == S_GROUP));
        grouped = stage.kind == S_GROUP || (grouped && stage.kind != S_AGGREGATE);
        assert_int_equal(i ? sfs_buffer_byte(path, '/') : 0, 0);
        write_stage(path, &stage);
    }
    if (sfs_query_parse(sfs_buffer_bytes(path), &query, &sink, &error))
        fail_msg("%.*s: %s", (int)path->size, path->data, error.message);
    return query;
}

static size_t place_of_order(const struct sfs_buffer *path)
{
    size_t at = 0;
    while (at < path->size &&
           !sfs_bytes_starts(sfs_bytes(path->data + at, path->size - at), SFS_LITERAL("/order")))
        at++;
    return at;
}

#define ANY(list) (list)[generate_below(COUNT(list))]
static const char *const fields[] = {"a", "b", "c", "n", "a.b", "@size", "@updated", "@type"};

/* Conditions and orders of fields that many documents have and indexes are on. */
struct sfs_query *index_pointed_query(struct sfs_buffer *path)
{
    static const char *const values[] = {"1", "2",    "0",        "\"a\"", "\"b\"",  "null",
                                         "3", "true", "\"json\"", "-1",    "\"Jo\"", "1.0"};
    static const char *const others[] = {"exists", "~ \"a*\"", "~ \"*b\"", "~ \"a*b\""};
    static const char *const tests[] = {"=", "=", "=", "<", ">=", "<=", ">", "!="};
    struct sfs_query *query = NULL;
    enum sfs_sink sink;
    struct sfs_error error = {0};
    size_t count = 1 + generate_below(3);
    path->size = 0;
    int result = sfs_buffer_add(path, sfs_string("where/"));
    for (size_t i = 0; result == 0 && i < count; i++) {
        const char *join = i ? " and " : "";
        if (generate_below(5) == 0)
            result = sfs_buffer_printf(path, "%s%s in [%s, %s, %s]", join, ANY(fields), ANY(values),
                                       ANY(values), ANY(values));
        else if (generate_below(8) == 0)
            result = sfs_buffer_printf(path, "%s%s %s", join, ANY(fields), ANY(others));
        else
            result =
                sfs_buffer_printf(path, "%s%s %s %s", join, ANY(fields), ANY(tests), ANY(values));
    }
    if (result == 0 && generate_below(2))
        result =
            sfs_buffer_printf(path, "/order/%s%s", ANY(fields), generate_below(2) ? ":desc" : "");
    if (result == 0 && generate_below(2) && place_of_order(path) < path->size)
        result = sfs_buffer_printf(path, ",%s%s", ANY(fields), generate_below(2) ? ":desc" : "");
    if (result == 0 && generate_below(3) == 0)
        result = sfs_buffer_printf(path, "/limit/%u", (unsigned)generate_below(20));
    assert_int_equal(result, 0);
    if (generate_below(3) == 0) {
        /* The order alone. */
        size_t at = place_of_order(path);
        if (at < path->size) {
            memmove(path->data, path->data + at + 1, path->size - at - 1);
            path->size -= at + 1;
        }
    }
    if (sfs_query_parse(sfs_buffer_bytes(path), &query, &sink, &error))
        fail_msg("%.*s: %s", (int)path->size, path->data, error.message);
    return query;
}

/* A name of an index, whose fields the query is of: conditions on the first, groups by some,
 * functions of others. */
struct sfs_query *index_covered_query(const char *name, struct sfs_buffer *path)
{
    static const char *const tests[] = {"exists",  "= 1",    "= \"a\"",       ">= 1",
                                        "< \"b\"", "exists", "in [1, \"a\"]", "<= 3"};
    static const char *const functions[] = {"sum", "avg", "min", "max", "distinct"};
    struct sfs_error error = {0};
    struct sfs_query *query = NULL;
    enum sfs_sink sink;
    char list[200];
    char *parts[8];
    size_t count = 0;
    snprintf(list, sizeof(list), "%s", strncmp(name, "unique:", 7) ? name : name + 7);
    for (char *part = strtok(list, ","); part && count < COUNT(parts); part = strtok(NULL, ","))
        parts[count++] = part;
#define PART parts[generate_below(count)]
    path->size = 0;
    int result = 0;
    if (generate_below(3))
        result = sfs_buffer_printf(path, "where/%s %s/", parts[0], ANY(tests));
    if (result == 0 && generate_below(5) == 0)
        result = sfs_buffer_printf(path, "where/%s %s/", PART, ANY(tests));
    if (result == 0 && generate_below(5) == 0)
        result = sfs_buffer_printf(path, "order/%s/", ANY(fields));
    const char *first = PART, *second = PART;
    bool two = generate_below(3) == 0 && strcmp(first, second) != 0;
    bool grouped = generate_below(4) > 0;
    if (result == 0 && grouped)
        result = sfs_buffer_printf(path, "group/%s%s%s/", first, two ? "," : "", two ? second : "");
    if (result == 0 && grouped && generate_below(5) == 0)
        result = sfs_buffer_printf(path, "where/@count > 1/");
    if (result == 0 && grouped && generate_below(5) == 0)
        result = sfs_buffer_printf(path, "order/@count:desc/");
    if (result == 0 && (!grouped || generate_below(3))) {
        const char *field = PART;
        size_t from = generate_below(COUNT(functions));
        size_t functions_count = 1 + generate_below(3);
        result = sfs_buffer_printf(path, "aggregate/%s", generate_below(2) ? "count," : "");
        for (size_t i = 0; result == 0 && i < functions_count; i++)
            result = sfs_buffer_printf(path, "%s%s(%s)", i ? "," : "",
                                       functions[(from + i) % COUNT(functions)], field);
        if (result == 0)
            result = sfs_buffer_byte(path, '/');
    }
#undef PART
    assert_int_equal(result, 0);
    path->size--;
    if (sfs_query_parse(sfs_buffer_bytes(path), &query, &sink, &error))
        fail_msg("%.*s: %s", (int)path->size, path->data, error.message);
    return query;
}
