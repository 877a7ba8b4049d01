/* SPDX-License-Identifier: MIT */
/* Errors, buffers, UTF-8, base64, glob patterns and clocks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "storefs/bytes.h"
#include "storefs/error.h"
#include "util/base64.h"
#include "util/clock.h"
#include "util/glob.h"
#include "util/utf8.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void assert_text(struct sfs_bytes bytes, const char *expected)
{
    assert_int_equal(bytes.size, strlen(expected));
    if (bytes.size)
        assert_memory_equal(bytes.data, expected, bytes.size);
}

/* -- errors ----------------------------------------------------------------------------------- */

static const struct {
    int code;
    int system_errno;
    enum sfs_category category;
    const char *name;
} codes[] = {
    {SFS_OK, 0, SFS_CATEGORY_NONE, "SFS_OK"},
    {SFS_E_INVALID, EINVAL, SFS_CATEGORY_VALIDATION, "SFS_E_INVALID"},
    {SFS_E_NAME_TOO_LONG, ENAMETOOLONG, SFS_CATEGORY_VALIDATION, "SFS_E_NAME_TOO_LONG"},
    {SFS_E_NOT_A_STORE, EINVAL, SFS_CATEGORY_VALIDATION, "SFS_E_NOT_A_STORE"},
    {SFS_E_TOO_NEW, EINVAL, SFS_CATEGORY_VALIDATION, "SFS_E_TOO_NEW"},
    {SFS_E_NOT_FOUND, ENOENT, SFS_CATEGORY_OPERATION, "SFS_E_NOT_FOUND"},
    {SFS_E_EXISTS, EEXIST, SFS_CATEGORY_OPERATION, "SFS_E_EXISTS"},
    {SFS_E_NOT_EMPTY, ENOTEMPTY, SFS_CATEGORY_OPERATION, "SFS_E_NOT_EMPTY"},
    {SFS_E_NOT_DIRECTORY, ENOTDIR, SFS_CATEGORY_OPERATION, "SFS_E_NOT_DIRECTORY"},
    {SFS_E_IS_DIRECTORY, EISDIR, SFS_CATEGORY_OPERATION, "SFS_E_IS_DIRECTORY"},
    {SFS_E_READ_ONLY, EROFS, SFS_CATEGORY_OPERATION, "SFS_E_READ_ONLY"},
    {SFS_E_PERMISSION, EPERM, SFS_CATEGORY_OPERATION, "SFS_E_PERMISSION"},
    {SFS_E_UNSUPPORTED, EOPNOTSUPP, SFS_CATEGORY_OPERATION, "SFS_E_UNSUPPORTED"},
    {SFS_E_CROSS, EXDEV, SFS_CATEGORY_OPERATION, "SFS_E_CROSS"},
    {SFS_E_NO_ATTRIBUTE, ENODATA, SFS_CATEGORY_OPERATION, "SFS_E_NO_ATTRIBUTE"},
    {SFS_E_CONFLICT, ECANCELED, SFS_CATEGORY_TRANSACTION, "SFS_E_CONFLICT"},
    {SFS_E_EXPIRED, ESTALE, SFS_CATEGORY_TRANSACTION, "SFS_E_EXPIRED"},
    {SFS_E_CORRUPT, EUCLEAN, SFS_CATEGORY_CONSISTENCY, "SFS_E_CORRUPT"},
    {SFS_E_TOO_OLD, ESTALE, SFS_CATEGORY_CONSISTENCY, "SFS_E_TOO_OLD"},
    {SFS_E_DOUBTFUL, EUCLEAN, SFS_CATEGORY_CONSISTENCY, "SFS_E_DOUBTFUL"},
    {SFS_E_NO_MEMORY, ENOMEM, SFS_CATEGORY_RESOURCE, "SFS_E_NO_MEMORY"},
    {SFS_E_NO_SPACE, ENOSPC, SFS_CATEGORY_RESOURCE, "SFS_E_NO_SPACE"},
    {SFS_E_TOO_LARGE, EFBIG, SFS_CATEGORY_RESOURCE, "SFS_E_TOO_LARGE"},
    {SFS_E_BUSY, EBUSY, SFS_CATEGORY_RESOURCE, "SFS_E_BUSY"},
    {SFS_E_CANCELLED, EINTR, SFS_CATEGORY_RESOURCE, "SFS_E_CANCELLED"},
    {SFS_E_TIMED_OUT, ETIMEDOUT, SFS_CATEGORY_RESOURCE, "SFS_E_TIMED_OUT"},
    {SFS_E_UNREACHABLE, EHOSTDOWN, SFS_CATEGORY_CONNECTION, "SFS_E_UNREACHABLE"},
    {SFS_E_IO, EIO, SFS_CATEGORY_IO, "SFS_E_IO"},
    {SFS_E_LOST, EIO, SFS_CATEGORY_IO, "SFS_E_LOST"},
    {-999, EIO, SFS_CATEGORY_IO, "SFS_E_UNKNOWN"},
};

static void test_codes(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(codes); i++) {
        assert_int_equal(sfs_code_errno(codes[i].code), codes[i].system_errno);
        assert_int_equal(sfs_code_category(codes[i].code), codes[i].category);
        assert_string_equal(sfs_code_name(codes[i].code), codes[i].name);
    }
}

static void test_messages(void **state)
{
    (void)state;
    struct sfs_error error = {0};
    errno = E2BIG;
    assert_int_equal(
        sfs_fail(&error, SFS_E_CONFLICT, "apply", "key '%s' is at %d", "a\nb\xff\x7f", 7),
        SFS_E_CONFLICT);
    assert_int_equal(errno, E2BIG);
    assert_int_equal(error.code, SFS_E_CONFLICT);
    assert_string_equal(error.origin, "apply");
    assert_string_equal(error.message, "key 'a b? ' is at 7");
    assert_int_equal(sfs_error_context(&error, SFS_E_CONFLICT, "commit %d", 3), SFS_E_CONFLICT);
    assert_string_equal(error.message, "commit 3: key 'a b? ' is at 7");

    assert_int_equal(sfs_fail_memory(&error, "tree"), SFS_E_NO_MEMORY);
    assert_string_equal(error.message, "out of memory");
    assert_int_equal(sfs_fail(NULL, SFS_E_IO, "x", "y"), SFS_E_IO);
    assert_int_equal(sfs_fail_errno(NULL, ENOENT, "x", "y"), SFS_E_NOT_FOUND);
    assert_int_equal(sfs_error_context(NULL, SFS_E_IO, "y"), SFS_E_IO);

    /* A message may be made from the one that it replaces. */
    assert_int_equal(sfs_fail(&error, SFS_E_IO, error.origin, "again: %s", error.message),
                     SFS_E_IO);
    assert_string_equal(error.message, "again: out of memory");
    assert_string_equal(error.origin, "tree");
}

static void test_message_limits(void **state)
{
    (void)state;
    struct sfs_error error = {0};
    char text[2000];
    for (size_t i = 0; i + 2 < sizeof(text); i += 3)
        memcpy(text + i, "\xe2\x82\xac", 3);
    text[1998] = '\0';
    for (size_t lead = 0; lead < 4; lead++) {
        sfs_fail(&error, SFS_E_IO, text, "%.*s%s", (int)lead, "abc", text);
        assert_true(sfs_utf8_valid(sfs_string(error.message)));
        assert_in_range(strlen(error.message), SFS_ERROR_MESSAGE - 3, SFS_ERROR_MESSAGE - 1);
        assert_int_equal((strlen(error.message) - lead) % 3, 0);
        assert_true(sfs_utf8_valid(sfs_string(error.origin)));
        assert_int_equal(strlen(error.origin), 30);

        sfs_error_context(&error, SFS_E_IO, "%.*s%s", (int)lead, "abc", text);
        assert_true(sfs_utf8_valid(sfs_string(error.message)));
        assert_in_range(strlen(error.message), SFS_ERROR_MESSAGE - 4, SFS_ERROR_MESSAGE - 1);

        /* The system's own words stay whole. */
        assert_int_equal(sfs_fail_errno(&error, ENOSPC, "f", "%s", text), SFS_E_NO_SPACE);
        assert_true(sfs_utf8_valid(sfs_string(error.message)));
        assert_non_null(strstr(error.message, ": No space left on device"));
    }
    sfs_fail(&error, SFS_E_IO, "f", "cause");
    sfs_error_context(&error, SFS_E_IO, "%s", text);
    assert_string_equal(error.message + strlen(error.message) - 7, ": cause");
}

static void test_errno(void **state)
{
    (void)state;
    static const int pairs[][2] = {
        {ENOENT, SFS_E_NOT_FOUND},         {EACCES, SFS_E_PERMISSION},  {EPERM, SFS_E_PERMISSION},
        {EINVAL, SFS_E_INVALID},           {EDQUOT, SFS_E_NO_SPACE},    {EAGAIN, SFS_E_BUSY},
        {ESTALE, SFS_E_EXPIRED},           {ECANCELED, SFS_E_CONFLICT}, {EIO, SFS_E_IO},
        {ECONNREFUSED, SFS_E_UNREACHABLE}, {ENOSYS, SFS_E_UNSUPPORTED}, {EBADF, SFS_E_IO},
        {ENOMEM, SFS_E_NO_MEMORY},         {EROFS, SFS_E_READ_ONLY},    {0, SFS_E_IO},
    };
    struct sfs_error error = {0};
    for (size_t i = 0; i < COUNT(pairs); i++)
        assert_int_equal(sfs_fail_errno(&error, pairs[i][0], "file", "open"), pairs[i][1]);
    sfs_fail_errno(&error, ENOENT, "file", "cannot open '%s'", "x");
    assert_string_equal(error.message, "cannot open 'x': No such file or directory");
}

/* -- buffers ---------------------------------------------------------------------------------- */

static void test_buffer(void **state)
{
    (void)state;
    struct sfs_buffer buffer = {0};
    assert_int_equal(sfs_buffer_append(&buffer, NULL, 0), 0);
    assert_null(buffer.data);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(sfs_buffer_byte(&buffer, (char)i), 0);
    assert_int_equal(buffer.size, 1000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal((unsigned char)buffer.data[i], i & 255);
    assert_true(buffer.capacity >= buffer.size);
    buffer.size = 1;
    assert_int_equal(sfs_buffer_printf(&buffer, "%d-%s", 42, "x"), 0);
    assert_int_equal(sfs_buffer_add(&buffer, SFS_LITERAL("\0z")), 0);
    assert_int_equal(sfs_buffer_text(&buffer), 0);
    assert_int_equal(buffer.size, 7);
    assert_memory_equal(buffer.data,
                        "\0"
                        "42-x\0z",
                        8);

    char large[5000];
    memset(large, 'l', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    assert_int_equal(sfs_buffer_printf(&buffer, "%s", large), 0);
    assert_int_equal(buffer.size, 7 + 4999);
    assert_memory_equal(buffer.data + 7, large, 4999);
    sfs_buffer_free(&buffer);
    assert_int_equal(buffer.size + buffer.capacity, 0);
    sfs_buffer_free(&buffer);
    sfs_buffer_free(NULL);
}

static void test_buffer_limits(void **state)
{
    (void)state;
    struct sfs_buffer buffer = {0};
    assert_int_equal(sfs_buffer_reserve(&buffer, SIZE_MAX), SFS_E_NO_MEMORY);
    assert_int_equal(sfs_buffer_add(&buffer, SFS_LITERAL("kept")), 0);
    const char *data = buffer.data;
    size_t capacity = buffer.capacity;
    const size_t too_many[] = {SIZE_MAX, SIZE_MAX - 3, SIZE_MAX - 4, (size_t)PTRDIFF_MAX,
                               (size_t)PTRDIFF_MAX - 3};
    for (size_t i = 0; i < COUNT(too_many); i++)
        assert_int_equal(sfs_buffer_reserve(&buffer, too_many[i]), SFS_E_NO_MEMORY);
    assert_ptr_equal(buffer.data, data);
    assert_int_equal(buffer.capacity, capacity);
    assert_text(sfs_buffer_bytes(&buffer), "kept");
    sfs_buffer_free(&buffer);
}

/* -- UTF-8 ------------------------------------------------------------------------------------ */

static void test_utf8(void **state)
{
    (void)state;
    for (uint32_t point = 0; point <= 0x10ffff; point++) {
        char bytes[4];
        uint32_t again = 0xffffffff;
        size_t length = sfs_utf8_encode(point, bytes);
        bool surrogate = point >= 0xd800 && point <= 0xdfff;
        assert_true(sfs_wtf8_decode(bytes, length, &again) == length && again == point);
        assert_true(sfs_utf8_valid(sfs_bytes(bytes, length)) == !surrogate);
        assert_true(sfs_wtf8_decode(bytes, length - 1, &again) == 0);
    }
    const char *const bad[] = {"\x80",
                               "\xbf",
                               "\xc0\xaf",
                               "\xc1\x80",
                               "\xe0\x9f\xbf",
                               "\xed\xa0\x80",
                               "\xf0\x8f\xbf\xbf",
                               "\xf4\x90\x80\x80",
                               "\xf5\x80\x80\x80",
                               "\xfe",
                               "\xe2\x28\xa1",
                               "\xe2\x82\x28",
                               "\xf0\x9f\x98",
                               "ok\xc3"};
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(sfs_utf8_valid(sfs_string(bad[i])));
    assert_true(sfs_utf8_valid(sfs_bytes(NULL, 0)));

    struct sfs_bytes text = SFS_LITERAL("a\xc3\xa9\xf0\x9f\x98\x80\xffz");
    const size_t cuts[] = {0, 1, 1, 3, 3, 3, 3, 7, 8, 9, 9};
    for (size_t limit = 0; limit < COUNT(cuts); limit++)
        assert_int_equal(sfs_utf8_cut(text, limit), cuts[limit]);
}

/* -- base64 ----------------------------------------------------------------------------------- */

static void test_base64(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        {"\xff\xef\xbe", "/+++"},
    };
    struct sfs_buffer buffer = {0};
    for (size_t i = 0; i < COUNT(pairs); i++) {
        buffer.size = 0;
        assert_int_equal(sfs_base64_encode(sfs_string(pairs[i][0]), &buffer), 0);
        assert_text(sfs_buffer_bytes(&buffer), pairs[i][1]);
        buffer.size = 0;
        assert_int_equal(sfs_base64_decode(sfs_string(pairs[i][1]), &buffer), 0);
        assert_text(sfs_buffer_bytes(&buffer), pairs[i][0]);
    }
    buffer.size = 0;
    assert_int_equal(sfs_buffer_add(&buffer, SFS_LITERAL("kept")), 0);
    const char *const bad[] = {"Z",    "Zg",   "Zg=",  "Zg===",    "Zh==", "Zm9=",
                               "Z===", "====", "=g==", "Zg==Zg==", "Zm=v", "Zm9v\n",
                               "Zm 9", "Zm9_", "Zm9-", "Zm9v====", "Z=g="};
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (sfs_base64_decode(sfs_string(bad[i]), &buffer) != SFS_E_INVALID)
            fail_msg("accepted: %s", bad[i]);
    }
    assert_text(sfs_buffer_bytes(&buffer), "kept");

    struct sfs_buffer back = {0};
    for (size_t size = 0; size < 100; size++) {
        char bytes[100];
        for (size_t i = 0; i < size; i++)
            bytes[i] = (char)(i * 167 + size * 31);
        buffer.size = back.size = 0;
        assert_int_equal(sfs_base64_encode(sfs_bytes(bytes, size), &buffer), 0);
        assert_int_equal(sfs_base64_decode(sfs_buffer_bytes(&buffer), &back), 0);
        assert_true(sfs_bytes_equal(sfs_buffer_bytes(&back), sfs_bytes(bytes, size)));
    }
    sfs_buffer_free(&back);
    sfs_buffer_free(&buffer);
}

/* -- glob ------------------------------------------------------------------------------------- */

static const struct {
    const char *pattern;
    const char *text;
    bool matches;
} globs[] = {
    {"", "", true},
    {"", "a", false},
    {"*", "", true},
    {"*", "a/b", true},
    {"**", "abc", true},
    {"?", "", false},
    {"?", "a", true},
    {"?", "ab", false},
    {"a", "a", true},
    {"a", "A", false},
    {"Jo*", "John", true},
    {"Jo*", "jo", false},
    {"*n", "John", true},
    {"*n", "Joh", false},
    {"J*h*", "John", true},
    {"*a*b*c*", "xxaxbxc", true},
    {"*a*b*c*", "xxaxcxb", false},
    {"a*b", "ab", true},
    {"a*b", "abab", true},
    {"a*b", "aba", false},
    {"*ab", "aab", true},
    {"a?c", "abc", true},
    {"a?c", "a/c", true},
    {"*?", "", false},
    {"*?", "a", true},
    {"?*?", "a", false},
    {"?*?", "ab", true},
    {"[abc]", "b", true},
    {"[abc]", "d", false},
    {"[!abc]", "d", true},
    {"[!abc]", "a", false},
    {"[!abc]", "", false},
    {"[a-c]x", "cx", true},
    {"[a-c]", "d", false},
    {"[a-]", "-", true},
    {"[-a]", "-", true},
    {"[a-]", "b", false},
    {"[]]", "]", true},
    {"[]a]", "a", true},
    {"[!]]", "]", false},
    {"[!]]", "x", true},
    {"[!!]", "!", false},
    {"[a!]", "!", true},
    {"[*]", "*", true},
    {"[*]", "a", false},
    {"[?]", "a", false},
    {"[\\]]", "]", true},
    {"[\\]]", "\\", false},
    {"[\\a-\\c]", "b", true},
    {"[a\\-c]", "-", true},
    {"[a\\-c]", "b", false},
    {"[+--]", ",", true},
    {"a]", "a]", true},
    {"\\*", "*", true},
    {"\\*", "a", false},
    {"\\\\", "\\", true},
    {"\\a", "a", true},
    {"\\[a]", "[a]", true},
    {"*[0-9]", "file7", true},
    {"*[0-9]", "file", false},
    {"*[!0-9]?", "12a3", true},
    {"caf?", "caf\xc3\xa9", true},
    {"[\xc3\xa0-\xc3\xb6]", "\xc3\xa9", true},
    {"[!a]", "\xf0\x9f\x98\x80", true},
    {"?", "\xff", true},
    {"??", "\xc3\xa9", false},
    {"\xff", "\xff", true},
    {"[\xfe\xff]", "\xfe", true},
    {"*\xa9", "\xc3\xa9", false},
    {"*\xa9", "x\xa9", true},
    {"[", "[", false},
    {"[a", "a", false},
    {"a\\", "a\\", false},
    {"[]", "]", false},
    {"[c-a]", "b", false},
    {"[a-", "a", false},
    {"*[", "x", false},
};

static void test_glob(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(globs); i++) {
        bool matches = sfs_glob_match(sfs_string(globs[i].pattern), sfs_string(globs[i].text));
        if (matches != globs[i].matches)
            fail_msg("%s against %s", globs[i].pattern, globs[i].text);
    }
    assert_true(sfs_glob_match(SFS_LITERAL("a?\0*"), SFS_LITERAL("a\0\0b")));
    assert_true(sfs_glob_match(sfs_bytes(NULL, 0), sfs_bytes(NULL, 0)));
}

static void test_glob_check(void **state)
{
    (void)state;
    static const struct {
        const char *pattern;
        size_t offset;
    } bad[] = {{"[", 0},     {"ab[", 2}, {"ab[!", 2}, {"x[]", 1},   {"[a-", 0},
               {"[z-a]", 0}, {"*\\", 1}, {"[a\\", 0}, {"[a]?[b", 4}};
    for (size_t i = 0; i < COUNT(bad); i++) {
        size_t offset = 99;
        const char *reason = NULL;
        assert_false(sfs_glob_check(sfs_string(bad[i].pattern), &offset, &reason));
        assert_int_equal(offset, bad[i].offset);
        assert_non_null(reason);
        assert_false(sfs_glob_check(sfs_string(bad[i].pattern), NULL, NULL));
    }
    assert_true(sfs_glob_check(SFS_LITERAL("*a[]b-d!]\\*?"), NULL, NULL));

    struct sfs_buffer prefix = {0};
    assert_int_equal(sfs_glob_prefix(SFS_LITERAL("us\\*er/*x"), &prefix), 0);
    assert_text(sfs_buffer_bytes(&prefix), "us*er/");
    prefix.size = 0;
    assert_int_equal(sfs_glob_prefix(SFS_LITERAL("[a]"), &prefix), 0);
    assert_int_equal(prefix.size, 0);
    sfs_buffer_free(&prefix);
}

/* What takes an exponential matcher longer than the universe has existed. */
static void test_glob_time(void **state)
{
    (void)state;
    char pattern[101];
    char text[2001];
    for (size_t i = 0; i < 100; i += 2)
        memcpy(pattern + i, "*a", 2);
    pattern[100] = 'b';
    memset(text, 'a', sizeof(text));
    int64_t start = sfs_clock_monotonic();
    assert_false(sfs_glob_match(sfs_bytes(pattern, 101), sfs_bytes(text, 2001)));
    assert_true(sfs_clock_monotonic() - start < 20 * SFS_NS_PER_SECOND);
}

static void test_clock(void **state)
{
    (void)state;
    int64_t first = sfs_clock_monotonic();
    int64_t now = sfs_clock_now();
    assert_true(now > INT64_C(1700000000) * SFS_NS_PER_SECOND);
    assert_true(now < INT64_C(7000000000) * SFS_NS_PER_SECOND);
    usleep(2000);
    assert_true(sfs_clock_monotonic() - first >= 2 * SFS_NS_PER_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codes),          cmocka_unit_test(test_messages),
        cmocka_unit_test(test_message_limits), cmocka_unit_test(test_errno),
        cmocka_unit_test(test_buffer),         cmocka_unit_test(test_buffer_limits),
        cmocka_unit_test(test_utf8),           cmocka_unit_test(test_base64),
        cmocka_unit_test(test_glob),           cmocka_unit_test(test_glob_check),
        cmocka_unit_test(test_glob_time),      cmocka_unit_test(test_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
