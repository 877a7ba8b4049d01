/* SPDX-License-Identifier: MIT */
/* Reading files and replacing them whole, also when that fails in the middle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storefs/bytes.h"
#include "storefs/error.h"
#include "util/file.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void assert_text(struct sfs_bytes bytes, const char *expected)
{
    assert_int_equal(bytes.size, strlen(expected));
    if (bytes.size)
        assert_memory_equal(bytes.data, expected, bytes.size);
}

static int make_directory(void **state)
{
    static char path[64];
    snprintf(path, sizeof(path), "/tmp/storefs-test-util-XXXXXX");
    *state = mkdtemp(path);
    return *state && chdir(path) == 0 ? 0 : -1;
}

static int remove_directory(void **state)
{
    static const char *const names[] = {"file", "link", "new", "fifo", "dangling"};
    for (size_t i = 0; i < COUNT(names); i++)
        unlink(names[i]);
    rmdir("directory");
    return chdir("/") == 0 && rmdir(*state) == 0 ? 0 : -1; /* fails if something was left behind */
}

static size_t count_entries(void)
{
    DIR *directory = opendir(".");
    assert_non_null(directory);
    size_t count = 0;
    while (readdir(directory))
        count++;
    closedir(directory);
    return count - 2;
}

static void assert_content(const char *path, const char *expected)
{
    struct sfs_buffer content = {0};
    struct sfs_error error = {0};
    if (sfs_file_read(path, SIZE_MAX, &content, &error))
        fail_msg("%s", error.message);
    assert_text(sfs_buffer_bytes(&content), expected);
    sfs_buffer_free(&content);
}

static mode_t mode_of(const char *path)
{
    struct stat status;
    assert_int_equal(lstat(path, &status), 0);
    return status.st_mode;
}

static void test_replace(void **state)
{
    (void)state;
    struct sfs_error error = {0};
    assert_int_equal(sfs_file_replace("file", SFS_LITERAL("one"), &error), 0);
    assert_content("file", "one");
    assert_int_equal(mode_of("file") & 07777, 0600);
    assert_int_equal(chmod("file", 0640), 0);
    assert_int_equal(symlink("file", "link"), 0);
    assert_int_equal(sfs_file_replace("./link", SFS_LITERAL("two"), &error), 0);
    assert_content("file", "two");
    assert_true(S_ISLNK(mode_of("link")));
    assert_int_equal(mode_of("file") & 07777, 0640);
    assert_int_equal(sfs_file_replace("file", sfs_bytes(NULL, 0), &error), 0);
    assert_content("file", "");
    assert_int_equal(count_entries(), 2);
}

static void test_replace_failures(void **state)
{
    (void)state;
    struct sfs_error error = {0};
    struct sfs_replacement replacement = {.fd = -1};
    assert_int_equal(sfs_file_replace("file", SFS_LITERAL("old"), NULL), 0);
    assert_int_equal(sfs_file_replace("none/file", SFS_LITERAL("x"), &error), SFS_E_NOT_FOUND);
    assert_int_equal(mkdir("directory", 0700), 0);
    assert_int_equal(sfs_file_replace("directory", SFS_LITERAL("x"), &error), SFS_E_IS_DIRECTORY);
    assert_int_equal(mkfifo("fifo", 0600), 0);
    assert_int_equal(sfs_file_replace("fifo", SFS_LITERAL("x"), &error), SFS_E_INVALID);

    sfs_replacement_abandon(NULL);
    sfs_replacement_abandon(&replacement);
    assert_int_equal(sfs_replacement_begin("file", &replacement, &error), 0);
    assert_int_equal(count_entries(), 5 - 1);
    assert_int_equal(sfs_write_all(replacement.fd, SFS_LITERAL("new"), "file", &error), 0);
    assert_content("file", "old");
    sfs_replacement_abandon(&replacement);
    assert_int_equal(replacement.fd, -1);
    assert_content("file", "old");

    /* A commit that cannot rename leaves no temporary file. */
    assert_int_equal(sfs_replacement_begin("new", &replacement, &error), 0);
    assert_int_equal(mkdir("new", 0700), 0);
    assert_int_equal(sfs_replacement_commit(&replacement, &error), SFS_E_IS_DIRECTORY);
    assert_int_equal(rmdir("new"), 0);
    assert_int_equal(count_entries(), 3);
}

/* A write past RLIMIT_FSIZE fails with EFBIG: a real failure in the middle of the content. */
static void test_replace_full(void **state)
{
    (void)state;
    struct sfs_error error = {0};
    struct rlimit before;
    assert_int_equal(sfs_file_replace("file", SFS_LITERAL("old"), NULL), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct rlimit small = {8, before.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int result = sfs_file_replace("file", SFS_LITERAL("more than eight bytes"), &error);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(result, SFS_E_TOO_LARGE);
    assert_non_null(strstr(error.message, "cannot write"));
    assert_content("file", "old");
    assert_int_equal(count_entries(), 1);
}

static void test_read(void **state)
{
    (void)state;
    struct sfs_error error = {0};
    struct sfs_buffer buffer = {0};
    assert_int_equal(sfs_buffer_add(&buffer, SFS_LITERAL("kept")), 0);
    assert_int_equal(sfs_file_read("none", SIZE_MAX, &buffer, &error), SFS_E_NOT_FOUND);
    assert_non_null(strstr(error.message, "'none'"));
    assert_int_equal(sfs_file_read(".", SIZE_MAX, &buffer, &error), SFS_E_IS_DIRECTORY);
    assert_int_equal(sfs_file_replace("file", SFS_LITERAL("12345"), NULL), 0);
    assert_int_equal(sfs_file_read("file", 4, &buffer, &error), SFS_E_TOO_LARGE);
    assert_int_equal(sfs_file_read("/proc/self/stat", 4, &buffer, &error), SFS_E_TOO_LARGE);
    assert_text(sfs_buffer_bytes(&buffer), "kept");
    assert_int_equal(sfs_file_read("file", 5, &buffer, &error), 0);
    assert_text(sfs_buffer_bytes(&buffer), "kept12345");
    buffer.size = 0;
    assert_int_equal(sfs_file_read("/proc/self/stat", SIZE_MAX, &buffer, &error), 0);
    assert_true(buffer.size > 20);

    struct sfs_buffer large = {0};
    for (uint32_t i = 0; i < 100000; i++)
        assert_int_equal(sfs_buffer_append(&large, &i, sizeof(i)), 0);
    assert_int_equal(sfs_file_replace("file", sfs_buffer_bytes(&large), NULL), 0);
    buffer.size = 0;
    assert_int_equal(sfs_file_read("file", 400000, &buffer, &error), 0);
    assert_true(sfs_bytes_equal(sfs_buffer_bytes(&buffer), sfs_buffer_bytes(&large)));
    sfs_buffer_free(&large);
    sfs_buffer_free(&buffer);
}

static void test_descriptors(void **state)
{
    (void)state;
    int ends[2];
    char data[8] = {0};
    size_t got = 99;
    struct sfs_error error = {0};
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(sfs_write_all(ends[1], SFS_LITERAL("abc"), "pipe", &error), 0);
    close(ends[1]);
    assert_int_equal(sfs_read_full(ends[0], data, sizeof(data), "pipe", &got, &error), 0);
    assert_int_equal(got, 3);
    assert_memory_equal(data, "abc", 3);
    close(ends[0]);
    assert_int_equal(sfs_read_full(ends[0], data, 1, "pipe", &got, &error), SFS_E_IO);
    assert_string_equal(error.message, "cannot read 'pipe': Bad file descriptor");
    assert_int_equal(got, 3);
    assert_int_equal(sfs_write_all(-1, SFS_LITERAL("a"), "nothing", &error), SFS_E_IO);
    assert_int_equal(sfs_write_all(-1, SFS_LITERAL(""), "nothing", &error), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_replace, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(test_replace_failures, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(test_replace_full, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(test_read, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(test_descriptors, make_directory, remove_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
