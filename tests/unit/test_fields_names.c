/* SPDX-License-Identifier: MIT */
/*
 * Members as file names in fields/: each name of a member leads, piece by piece, to itself; each file name
 * that is taken is the one that its member is shown under; inode numbers differ, and fall with the index.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fs/fields.h"
#include "tests/fault/inject.h"

#define L SFS_LITERAL

static uint64_t seed = UINT64_C(0x9e3779b97f4a7c15);

static size_t below(size_t limit)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (size_t)(seed % limit);
}

static size_t scaled(size_t count)
{
    const char *scale = getenv("STOREFS_TEST_SCALE");
    return scale && strcmp(scale, "full") == 0 ? count * 20 : count;
}

static void random_text(struct sfs_buffer *out)
{
    static const struct sfs_bytes parts[] = {{"a", 1}, {"/", 1}, {"%", 1}, {"\0", 1}, {".", 1}, {"+", 1},
                                             {"value", 5}, {"empty", 5}, {"25", 2}, {"2F", 2}, {"\xc3\xa9", 2}};
    size_t lengths[] = {0, 1, 2, 5, 80, 130, 250, 251, 252, 253, 254, 255, 256, 506, 507, 508, 509, 800};
    size_t length = lengths[below(sizeof(lengths) / sizeof(lengths[0]))];
    while (out->size < length) {
        /* Mostly plain, so that all lengths near a cut come up. */
        struct sfs_bytes part = below(4) > 0 ? L("x") : parts[below(sizeof(parts) / sizeof(parts[0]))];
        assert_int_equal(sfs_buffer_add(out, part), 0);
    }
}

/* Goes down from an object to a member, as a walk by file names does. */
static int walk(struct fs_call *call, struct sfs_bytes member, struct fs_field *field)
{
    for (;;) {
        struct sfs_buffer name = {0};
        enum fs_kind kind;
        int more = fs_field_name(member, sfs_buffer_bytes(&field->piece), &name);
        if (more < 0 || sfs_buffer_text(&name) != 0) {
            sfs_buffer_free(&name);
            return SFS_E_NO_MEMORY;
        }
        assert_true(name.size > 0 && name.size <= SFS_PATH_NAME_MAX);
        assert_null(memchr(name.data, '/', name.size));
        assert_true(strcmp(name.data, ".") != 0 && strcmp(name.data, "..") != 0);
        int code = fs_field_enter(call, field, SFS_DOCUMENT_OBJECT, name.data, &kind);
        sfs_buffer_free(&name);
        if (code < 0)
            return code;
        assert_int_equal(kind, more == 1 ? FS_KIND_PIECE : FS_KIND_PLAIN);
        if (more == 0)
            return 0;
    }
}

static void test_members(void **state)
{
    (void)state;
    for (size_t i = 0; i < scaled(20000); i++) {
        struct sfs_buffer member = {0};
        struct fs_field field = {0};
        struct fs_call call = {0};
        random_text(&member);
        if (walk(&call, sfs_buffer_bytes(&member), &field))
            fail_msg("%.*s: %s", (int)member.size, member.data, call.error.message);
        struct sfs_document_path path = fs_field_path(&field);
        assert_int_equal(path.count, 1);
        assert_true(sfs_bytes_equal(path.steps[0], sfs_buffer_bytes(&member)));
        assert_int_equal(field.piece.size, 0);
        fs_field_free(&field);
        sfs_buffer_free(&member);
    }
}

/* Names as somebody might type them: none leads to a member that is shown under another. */
static void test_file_names(void **state)
{
    size_t taken = 0;
    (void)state;
    for (size_t i = 0; i < scaled(20000); i++) {
        struct sfs_buffer name = {0}, shown = {0};
        struct fs_field field = {0};
        struct fs_call call = {0};
        enum fs_kind kind;
        random_text(&name);
        assert_int_equal(sfs_buffer_text(&name), 0);
        name.size = strlen(name.data);
        int code = name.size == 0 ? SFS_E_INVALID
                                  : fs_field_enter(&call, &field, SFS_DOCUMENT_OBJECT, name.data, &kind);
        if (code == 0 && kind == FS_KIND_PLAIN) {
            struct sfs_document_path path = fs_field_path(&field);
            assert_int_equal(fs_field_name(path.steps[0], L(""), &shown), 0);
            assert_true(sfs_bytes_equal(sfs_buffer_bytes(&shown), sfs_buffer_bytes(&name)));
            taken++;
        } else if (code < 0) {
            assert_true(code == SFS_E_INVALID || (code == SFS_E_NAME_TOO_LONG && name.size > 255));
        }
        fs_field_free(&field);
        sfs_buffer_free(&name);
        sfs_buffer_free(&shown);
    }
    assert_true(taken > 1000);
}

static void test_indices(void **state)
{
    static const char *const wrong[] = {"", "01", "-1", "x", "1x", "1234567890123456789", " 1"};
    struct fs_call call = {0};
    enum fs_kind kind;
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct fs_field field = {0};
        assert_int_equal(fs_field_enter(&call, &field, SFS_DOCUMENT_ARRAY, wrong[i], &kind), SFS_E_INVALID);
        fs_field_free(&field);
    }
    struct fs_field field = {0};
    assert_int_equal(fs_field_enter(&call, &field, SFS_DOCUMENT_ARRAY, "0", &kind), 0);
    assert_int_equal(fs_field_enter(&call, &field, SFS_DOCUMENT_ARRAY, "123456789012345678", &kind), 0);
    struct sfs_document_path path = fs_field_path(&field);
    assert_int_equal(path.count, 2);
    assert_true(sfs_bytes_equal(path.steps[0], L("0")));
    assert_true(sfs_bytes_equal(path.steps[1], L("123456789012345678")));
    fs_field_free(&field);
}

static int compare_numbers(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static void test_numbers(void **state)
{
    enum { EACH = 20000 };
    uint64_t *numbers = calloc(3 * EACH, sizeof(*numbers));
    char name[64];
    (void)state;
    assert_non_null(numbers);
    for (uint64_t i = 0; i < EACH; i++) {
        snprintf(name, sizeof(name), "%u", (unsigned)i);
        numbers[i] = fs_fields_ino_below(1, name);
        assert_true(i == 0 || numbers[i] < numbers[i - 1]);
        numbers[EACH + i] = fs_fields_ino_below(2, name);
        snprintf(name, sizeof(name), "n%u", (unsigned)i);
        numbers[2 * EACH + i] = fs_fields_ino_below(1, name);
    }
    qsort(numbers, 3 * EACH, sizeof(*numbers), compare_numbers);
    for (size_t i = 1; i < 3 * EACH; i++)
        assert_true(numbers[i] != numbers[i - 1]);
    free(numbers);
    /* As an index too high to be one of an array that is listed. */
    assert_true(fs_fields_ino_below(1, "99999999") != fs_fields_ino_below(1, "99999998"));
}

/* With each allocation failing in turn: NO_MEMORY, and nothing is left over. */
static void test_no_memory(void **state)
{
    static char member[300];
    (void)state;
    memset(member, '/', sizeof(member));
    for (int mode = INJECT_ONCE; mode <= INJECT_ONWARD; mode++) {
        bool fired = true;
        for (unsigned long skip = 0; fired; skip++) {
            struct fs_field field = {0};
            struct fs_call call = {0};
            enum fs_kind kind;
            inject_arm(INJECT_MEMORY, skip, (enum inject_mode)mode);
            int code = fs_field_enter(&call, &field, SFS_DOCUMENT_ARRAY, "7", &kind);
            if (code == 0)
                code = walk(&call, sfs_bytes(member, sizeof(member)), &field);
            fired = inject_disarm();
            assert_int_equal(code, fired ? SFS_E_NO_MEMORY : 0);
            fs_field_free(&field);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members), cmocka_unit_test(test_file_names), cmocka_unit_test(test_indices),
        cmocka_unit_test(test_numbers), cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
