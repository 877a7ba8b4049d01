/* SPDX-License-Identifier: MIT */
/*
 * Blobs, records, names and extended attributes; ranges; the stage in memory.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <sys/sysinfo.h>

#include "core/stage.h"
#include "storefs/backend.h"

static struct sfs_bytes repeat(struct sfs_buffer *buffer, char byte, size_t count)
{
    buffer->size = 0;
    for (size_t i = 0; i < count; i++)
        assert_int_equal(sfs_buffer_byte(buffer, byte), 0);
    return sfs_buffer_bytes(buffer);
}

static void records_share_blobs(void **unused)
{
    (void)unused;
    struct sfs_blob *blob = sfs_blob_new(SFS_LITERAL("value"));
    struct sfs_attributes attributes = {.id = 7, .mode = 0600, .created = -5};
    const struct sfs_record *record =
        sfs_record_new(SFS_LITERAL("name"), 9, 5, &attributes, SFS_LITERAL("xx"), blob);
    sfs_blob_unref(blob);
    assert_true(sfs_bytes_equal(sfs_record_value(record), SFS_LITERAL("value")));
    assert_true(sfs_bytes_equal(record->name, SFS_LITERAL("name")));
    assert_true(sfs_bytes_equal(record->xattrs, SFS_LITERAL("xx")));
    assert_int_equal(record->revision, 9);
    assert_int_equal(record->attributes.id, 7);
    assert_int_equal(record->attributes.created, -5);
    assert_ptr_equal(sfs_record_ref(record), record);
    sfs_record_unref(record);
    assert_true(sfs_record_has_value(record) && sfs_record_is_key(record));
    sfs_record_unref(record);
    sfs_record_unref(NULL);
    sfs_blob_unref(NULL);
    assert_int_equal(sfs_blob_bytes(NULL).size, 0);
}

static void values_are_parts_of_records(void **unused)
{
    (void)unused;
    struct sfs_attributes attributes = {.mode = 0600};
    void *value = NULL;
    assert_null(sfs_record_alloc(SFS_LITERAL("name"), 9, UINT64_MAX, &attributes, SFS_LITERAL("xx"),
                                 &value));
    const struct sfs_record *record =
        sfs_record_alloc(SFS_LITERAL("name"), 9, 5, &attributes, SFS_LITERAL("xx"), &value);
    memcpy(value, "bytes", 5);
    assert_true(sfs_bytes_equal(record->name, SFS_LITERAL("name")));
    assert_true(sfs_bytes_equal(record->xattrs, SFS_LITERAL("xx")));
    assert_true(sfs_bytes_equal(sfs_record_value(record), SFS_LITERAL("bytes")));
    assert_int_equal(record->attributes.mode, 0600);
    /* Another record may have the value when the first is gone. */
    const struct sfs_record *other =
        sfs_record_new(SFS_LITERAL("other"), 10, 5, &attributes, SFS_LITERAL(""), record->blob);
    sfs_record_unref(record);
    assert_true(sfs_bytes_equal(sfs_record_value(other), SFS_LITERAL("bytes")));
    sfs_record_unref(other);
}

static void types_are_found(void **unused)
{
    (void)unused;
    assert_int_equal(sfs_type_of(SFS_LITERAL("")), SFS_TYPE_TEXT);
    assert_int_equal(sfs_type_of(SFS_LITERAL(" {\"a\": [1, 2]}\n")), SFS_TYPE_JSON);
    assert_int_equal(sfs_type_of(SFS_LITERAL("012")), SFS_TYPE_TEXT);
    assert_int_equal(sfs_type_of(SFS_LITERAL("\xff{}")), SFS_TYPE_BYTES);
    assert_string_equal(sfs_type_name(SFS_TYPE_JSON), "json");
    assert_string_equal(sfs_type_name(SFS_TYPE_BYTES), "bytes");
}

static void names_are_checked(void **unused)
{
    (void)unused;
    struct sfs_buffer buffer = {0};
    struct sfs_error error = {0};
    assert_int_equal(sfs_key_check(SFS_LITERAL("a"), &error), 0);
    assert_int_equal(sfs_key_check(SFS_LITERAL(""), &error), SFS_E_INVALID);
    assert_int_equal(sfs_key_check(SFS_LITERAL("a\0b"), &error), SFS_E_INVALID);
    assert_non_null(strstr(error.message, "a\\x00b"));
    assert_int_equal(sfs_key_check(repeat(&buffer, 'k', SFS_KEY_MAX), &error), 0);
    assert_int_equal(sfs_key_check(repeat(&buffer, 'k', SFS_KEY_MAX + 1), &error),
                     SFS_E_NAME_TOO_LONG);
    assert_non_null(strstr(error.message, "kkkk"));
    assert_non_null(strstr(error.message, "4096"));
    assert_int_equal(sfs_name_check(SFS_LITERAL("\0"), &error), 0);
    assert_int_equal(sfs_name_check(SFS_LITERAL("a/\0"), &error), 0);
    assert_int_equal(sfs_name_check(SFS_LITERAL("a\0"), &error), SFS_E_INVALID);
    assert_int_equal(sfs_name_check(SFS_LITERAL("a\0/\0"), &error), SFS_E_INVALID);
    assert_int_equal(sfs_key_check(SFS_LITERAL("a/\0"), &error), SFS_E_INVALID);
    assert_int_equal(sfs_name_check(SFS_LITERAL("/\0"), &error), 0);
    assert_int_equal(sfs_name_length(SFS_LITERAL("a/b")), 3);
    assert_int_equal(sfs_name_length(SFS_LITERAL("ab/\0")), 2);
    assert_int_equal(sfs_name_length(SFS_LITERAL("/\0")), 0);
    assert_int_equal(sfs_name_length(SFS_LITERAL("\0")), 0);
    sfs_buffer_free(&buffer);
}

static void names_are_shown(void **unused)
{
    (void)unused;
    char out[16];
    assert_string_equal(sfs_name_show(SFS_LITERAL("a\xff\n"), out, sizeof(out)), "a\\xFF\\x0A");
    assert_string_equal(sfs_name_show(SFS_LITERAL("dir/\0"), out, sizeof(out)), "dir/");
    assert_string_equal(sfs_name_show(SFS_LITERAL("\0"), out, sizeof(out)), "/");
    assert_string_equal(sfs_name_show(SFS_LITERAL("caf\xc3\xa9"), out, 6), "caf\xc3\xa9");
    assert_string_equal(sfs_name_show(SFS_LITERAL("caf\xc3\xa9"), out, 5), "caf");
    assert_string_equal(sfs_name_show(SFS_LITERAL("ab\xff"), out, 6), "ab");
}

static void set(struct sfs_buffer *xattrs, struct sfs_bytes name, struct sfs_bytes value,
                unsigned flags, int expected)
{
    struct sfs_buffer out = {0};
    struct sfs_error error = {0};
    assert_int_equal(sfs_xattr_change(sfs_buffer_bytes(xattrs), name, value, flags, &out, &error),
                     expected);
    if (expected) {
        assert_int_equal(out.size, 0);
        assert_int_equal(error.code, expected);
        sfs_buffer_free(&out);
        return;
    }
    assert_int_equal(sfs_xattr_check(sfs_buffer_bytes(&out), NULL), 0);
    sfs_buffer_free(xattrs);
    *xattrs = out;
}

static void xattrs_change(void **unused)
{
    (void)unused;
    struct sfs_buffer xattrs = {0};
    struct sfs_bytes value, name, none = {0};
    set(&xattrs, SFS_LITERAL("b"), SFS_LITERAL("2"), 0, 0);
    set(&xattrs, SFS_LITERAL("a"), SFS_LITERAL(""), SFS_XATTR_CREATE, 0);
    set(&xattrs, SFS_LITERAL("c"), SFS_LITERAL("333"), 0, 0);
    set(&xattrs, SFS_LITERAL("b"), SFS_LITERAL("x"), SFS_XATTR_CREATE, SFS_E_EXISTS);
    set(&xattrs, SFS_LITERAL("d"), SFS_LITERAL("x"), SFS_XATTR_REPLACE, SFS_E_NO_ATTRIBUTE);
    set(&xattrs, SFS_LITERAL("d"), none, 0, SFS_E_NO_ATTRIBUTE);
    set(&xattrs, SFS_LITERAL(""), SFS_LITERAL("x"), 0, SFS_E_INVALID);
    set(&xattrs, SFS_LITERAL("b"), SFS_LITERAL("22"), SFS_XATTR_REPLACE, 0);
    static const char expected[] = "\1\0\0\0\0\0a\1\0\2\0\0\0b22\1\0\3\0\0\0c333";
    assert_int_equal(xattrs.size, sizeof(expected) - 1);
    assert_memory_equal(xattrs.data, expected, xattrs.size);
    assert_true(sfs_xattr_get(sfs_buffer_bytes(&xattrs), SFS_LITERAL("b"), &value));
    assert_true(sfs_bytes_equal(value, SFS_LITERAL("22")));
    assert_false(sfs_xattr_get(sfs_buffer_bytes(&xattrs), SFS_LITERAL("bb"), &value));
    set(&xattrs, SFS_LITERAL("b"), none, 0, 0);
    size_t position = 0, count = 0;
    while (sfs_xattr_next(sfs_buffer_bytes(&xattrs), &position, &name, &value))
        count++;
    assert_int_equal(count, 2);
    sfs_buffer_free(&xattrs);
}

static void xattrs_are_limited(void **unused)
{
    (void)unused;
    struct sfs_buffer xattrs = {0}, big = {0};
    char name[16];
    set(&xattrs, SFS_LITERAL("a"), repeat(&big, 'v', 65537), 0, SFS_E_TOO_LARGE);
    set(&xattrs, repeat(&big, 'n', 256), SFS_LITERAL(""), 0, SFS_E_TOO_LARGE);
    set(&xattrs, repeat(&big, 'n', 255), SFS_LITERAL(""), 0, 0);
    repeat(&big, 'v', 65536);
    for (int i = 0; i < 15; i++) {
        snprintf(name, sizeof(name), "%02d", i);
        set(&xattrs, sfs_string(name), sfs_buffer_bytes(&big), 0, 0);
    }
    set(&xattrs, SFS_LITERAL("zz"), sfs_buffer_bytes(&big), 0, SFS_E_TOO_LARGE);
    set(&xattrs, SFS_LITERAL("00"), sfs_buffer_bytes(&big), SFS_XATTR_REPLACE, 0);
    sfs_buffer_free(&xattrs);
    sfs_buffer_free(&big);
}

static void damaged_xattrs_are_found(void **unused)
{
    (void)unused;
    static const struct sfs_bytes damaged[] = {
        {"\1", 1},
        {"\1\0\1\0\0\0a", 7},
        {"\0\0\0\0\0\0", 6},
        {"\1\0\0\0\0\0b\1\0\0\0\0\0a", 14},
        {"\1\0\0\0\0\0a\1\0\0\0\0\0a", 14},
        {"\1\0\0\0\0\0ab", 8},
        {"\1\0\xff\xff\xff\xff"
         "a",
         7},
    };
    for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++)
        assert_int_equal(sfs_xattr_check(damaged[i], NULL), SFS_E_CORRUPT);
    assert_int_equal(sfs_xattr_check((struct sfs_bytes){0}, NULL), 0);
}

static void prefixes_are_ranges(void **unused)
{
    (void)unused;
    struct sfs_buffer buffer = {0};
    struct sfs_range range;
    assert_int_equal(sfs_range_prefix(SFS_LITERAL("a/"), &buffer, &range), 0);
    assert_true(sfs_bytes_equal(range.to, SFS_LITERAL("a0")));
    assert_true(sfs_range_has(range, SFS_LITERAL("a/")));
    assert_true(sfs_range_has(range, SFS_LITERAL("a/\xff")));
    assert_false(sfs_range_has(range, SFS_LITERAL("a0")));
    assert_false(sfs_range_has(range, SFS_LITERAL("a")));
    struct sfs_range all = {0}, behind = {.from = SFS_LITERAL("a/x")};
    struct sfs_range inner = {SFS_LITERAL("a/x"), SFS_LITERAL("a0")};
    assert_true(sfs_range_covers(range, range) && sfs_range_covers(range, inner));
    assert_true(sfs_range_covers(all, range) && sfs_range_covers(all, all));
    assert_true(sfs_range_covers(behind, inner));
    assert_false(sfs_range_covers(inner, range));
    assert_false(sfs_range_covers(range, behind));
    assert_false(sfs_range_covers(range, all));
    assert_int_equal(sfs_range_prefix(SFS_LITERAL("a\xff\xff"), &buffer, &range), 0);
    assert_true(sfs_bytes_equal(range.to, SFS_LITERAL("b")));
    assert_int_equal(sfs_range_prefix(SFS_LITERAL("\xff"), &buffer, &range), 0);
    assert_int_equal(range.to.size, 0);
    assert_true(sfs_range_has(range, SFS_LITERAL("\xff\xff")));
    assert_false(sfs_range_has(range, SFS_LITERAL("\xfe")));
    assert_int_equal(sfs_range_prefix((struct sfs_bytes){0}, &buffer, &range), 0);
    assert_true(sfs_range_has(range, SFS_LITERAL("a")));
    sfs_buffer_free(&buffer);
}

static void stages_in_memory(void **unused)
{
    (void)unused;
    struct sfs_stage *stage;
    char data[16];
    size_t got;
    assert_int_equal(sfs_stage_memory(&stage, NULL), 0);
    assert_int_equal(sfs_stage_write(stage, 3, SFS_LITERAL("abc"), NULL), 0);
    assert_int_equal(sfs_stage_write(stage, 9, SFS_LITERAL(""), NULL), 0);
    assert_int_equal(sfs_stage_size(stage), 6);
    assert_int_equal(sfs_stage_truncate(stage, 5, NULL), 0);
    assert_int_equal(sfs_stage_truncate(stage, 7, NULL), 0);
    assert_int_equal(stage->operations->read(stage, 0, data, sizeof(data), &got, NULL), 0);
    assert_int_equal(got, 7);
    assert_memory_equal(data, "\0\0\0ab\0\0", 7);
    assert_int_equal(stage->operations->read(stage, 7, data, sizeof(data), &got, NULL), 0);
    assert_int_equal(got, 0);
    assert_int_equal(sfs_stage_write(stage, UINT64_MAX, SFS_LITERAL("a"), NULL), SFS_E_TOO_LARGE);
    assert_int_equal(sfs_stage_size(stage), 7);
    sfs_stage_close(stage);
    sfs_stage_close(NULL);
}

/* A hole in memory is memory: what the machine has not is refused, not promised. */
static void stages_in_memory_have_limits(void **unused)
{
    struct sfs_stage *stage;
    struct sysinfo info;
    struct sfs_error error = {0};
    (void)unused;
    assert_int_equal(sysinfo(&info), 0);
    uint64_t most = (uint64_t)info.totalram * info.mem_unit / 4;
    assert_int_equal(sfs_stage_memory(&stage, NULL), 0);
    assert_int_equal(sfs_stage_write(stage, 0, SFS_LITERAL("abc"), NULL), 0);
    assert_int_equal(sfs_stage_truncate(stage, most + 4096, &error), SFS_E_TOO_LARGE);
    assert_non_null(strstr(error.message, "sqlite"));
    assert_int_equal(sfs_stage_write(stage, INT64_MAX - 1, SFS_LITERAL("x"), NULL), SFS_E_TOO_LARGE);
    assert_int_equal(sfs_stage_size(stage), 3);
    sfs_stage_close(stage);
    void *data;
    assert_null(sfs_blob_alloc((size_t)most + 4096, &data));
    assert_null(sfs_blob_alloc(SIZE_MAX, &data));
}

static enum sfs_type staged_type(const char *head, char fill, size_t count, const char *tail)
{
    struct sfs_stage *stage;
    struct sfs_buffer content = {0};
    enum sfs_type type;
    repeat(&content, fill, count);
    assert_int_equal(sfs_stage_memory(&stage, NULL), 0);
    assert_int_equal(sfs_stage_write(stage, 0, sfs_string(head), NULL), 0);
    assert_int_equal(sfs_stage_write(stage, strlen(head), sfs_buffer_bytes(&content), NULL), 0);
    assert_int_equal(sfs_stage_write(stage, strlen(head) + count, sfs_string(tail), NULL), 0);
    assert_int_equal(sfs_stage_type(stage, &type, NULL), 0);
    sfs_stage_close(stage);
    sfs_buffer_free(&content);
    return type;
}

static void types_of_stages(void **unused)
{
    (void)unused;
    assert_int_equal(staged_type("", 'x', 0, ""), SFS_TYPE_TEXT);
    assert_int_equal(staged_type("\"", 'x', 200000, "\"\n"), SFS_TYPE_JSON);
    assert_int_equal(staged_type("", ' ', 200000, "{}"), SFS_TYPE_JSON);
    assert_int_equal(staged_type("\"", 'x', 200000, ""), SFS_TYPE_TEXT);
    assert_int_equal(staged_type("x", 'x', 65534, "\xc3\xa9"), SFS_TYPE_TEXT);
    assert_int_equal(staged_type("x", 'x', 65534, "\xc3"), SFS_TYPE_BYTES);
    assert_int_equal(staged_type("x", 'x', 65532, "\xf0\x9f\x98\x80y"), SFS_TYPE_TEXT);
    assert_int_equal(staged_type("x", 'x', 200000, "\xff y"), SFS_TYPE_BYTES);
    assert_int_equal(staged_type("x", '\0', 1, ""), SFS_TYPE_BYTES);
    assert_int_equal(staged_type("x", '\0', 200000, "y"), SFS_TYPE_BYTES);
    assert_int_equal(staged_type("{\"a\":1}", '\0', 70000, ""), SFS_TYPE_BYTES);
}

static unsigned random_below(uint64_t *state, unsigned limit)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(*state >> 33) % limit;
}

/* What a stage finds out while it is written is what its content shows. */
static void staged_types_are_those_of_values(void **unused)
{
    static const char *const parts[] = {"a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
                                        "plain text"};
    uint64_t state = 7;
    unsigned texts = 0;
    (void)unused;
    for (int round = 0; round < 3000; round++) {
        char value[400] = "";
        struct sfs_stage *stage;
        enum sfs_type type;
        while (strlen(value) < 50)
            strcat(value, parts[random_below(&state, 5)]);
        size_t size = strlen(value);
        if (random_below(&state, 3) == 0)
            value[random_below(&state, (unsigned)size)] = "\xff\x80z"[random_below(&state, 4)];
        assert_int_equal(sfs_stage_memory(&stage, NULL), 0);
        for (size_t at = 0, more; at < size; at += more) {
            more = 1 + random_below(&state, 7);
            more = more < size - at ? more : size - at;
            assert_int_equal(sfs_stage_write(stage, at, sfs_bytes(value + at, more), NULL), 0);
            if (random_below(&state, 40) == 0)
                at = more = 0;
            if (random_below(&state, 20) == 0)
                assert_int_equal(sfs_stage_type(stage, &type, NULL), 0); /* what it remembers stays right */
        }
        if (random_below(&state, 4) == 0) {
            size_t at = random_below(&state, (unsigned)size);
            value[at] = "b\xff"[random_below(&state, 3)];
            assert_int_equal(sfs_stage_write(stage, at, sfs_bytes(value + at, 1), NULL), 0);
        }
        if (random_below(&state, 4) == 0) {
            size = random_below(&state, (unsigned)size + 20) + 1; /* or zeros behind it */
            assert_int_equal(sfs_stage_truncate(stage, size, NULL), 0);
        }
        assert_int_equal(sfs_stage_type(stage, &type, NULL), 0);
        assert_int_equal(type, sfs_type_of(sfs_bytes(value, size)));
        texts += type == SFS_TYPE_TEXT;
        sfs_stage_close(stage);
    }
    assert_in_range(texts, 500, 2500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_share_blobs),
        cmocka_unit_test(values_are_parts_of_records),
        cmocka_unit_test(types_are_found),
        cmocka_unit_test(names_are_checked),
        cmocka_unit_test(names_are_shown),
        cmocka_unit_test(xattrs_change),
        cmocka_unit_test(xattrs_are_limited),
        cmocka_unit_test(damaged_xattrs_are_found),
        cmocka_unit_test(prefixes_are_ranges),
        cmocka_unit_test(stages_in_memory),
        cmocka_unit_test(stages_in_memory_have_limits),
        cmocka_unit_test(types_of_stages),
        cmocka_unit_test(staged_types_are_those_of_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
