/* SPDX-License-Identifier: MIT */
/*
 * A process that dies in the middle of a commit of a dir store: at each call in turn that changes
 * something in the file system. What is there afterwards is all of the batch or nothing of it, in
 * the store and in the plain files. The calls are caught through the linker's --wrap.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/conformance/short.h"

static long left = -1; /* calls until the process dies; negative: it does not */

static bool dies(void)
{
    return left >= 0 && left-- == 0;
}

int __real_renameat(int a, const char *from, int b, const char *to);
int __wrap_renameat(int a, const char *from, int b, const char *to);
int __wrap_renameat(int a, const char *from, int b, const char *to)
{
    if (dies())
        _exit(9);
    return __real_renameat(a, from, b, to);
}

int __real_unlinkat(int fd, const char *name, int flags);
int __wrap_unlinkat(int fd, const char *name, int flags);
int __wrap_unlinkat(int fd, const char *name, int flags)
{
    if (dies())
        _exit(9);
    return __real_unlinkat(fd, name, flags);
}

int __real_mkdirat(int fd, const char *name, mode_t mode);
int __wrap_mkdirat(int fd, const char *name, mode_t mode);
int __wrap_mkdirat(int fd, const char *name, mode_t mode)
{
    if (dies())
        _exit(9);
    return __real_mkdirat(fd, name, mode);
}

/* Dies before a write, or when half of it is written. */
ssize_t __real_write(int fd, const void *data, size_t size);
ssize_t __wrap_write(int fd, const void *data, size_t size);
ssize_t __wrap_write(int fd, const void *data, size_t size)
{
    if (dies())
        _exit(9);
    if (dies()) {
        (void)!__real_write(fd, data, size / 2);
        _exit(9);
    }
    return __real_write(fd, data, size);
}

/* --- the batch --- */

static void fill(struct fixture *f)
{
    const struct sfs_attributes marker = {.kind = SFS_KIND_MARKER};
    OK(sfs_batch_put(f->batch, L("a"), L("1"), NULL, 0, NULL));
    OK(sfs_batch_put(f->batch, L("b"), L("two"), NULL, 0, NULL));
    OK(sfs_batch_put(f->batch, L("d/1"), L("d1"), NULL, 0, NULL));
    OK(sfs_batch_put(f->batch, L("d/2/3"), L("d23"), NULL, 0, NULL));
    OK(sfs_batch_put(f->batch, L("file"), L("becomes a directory"), NULL, 0, NULL));
    OK(sfs_batch_put(f->batch, L("up"), L("its own value"), NULL, 0, NULL));
    OK(sfs_batch_put(f->batch, L("up/x"), L("below"), NULL, 0, NULL));
    OK(sfs_batch_put(f->batch, L("m/\0"), L(""), &marker, SFS_ATTRIBUTE_KIND, NULL));
    apply(f, 0);
    put_link(f, L("link"), L("a"));
}

static int change(struct fixture *f)
{
    const struct sfs_attributes mode = {.mode = 0640};
    OK(sfs_batch_exchange(f->batch, L("a"), L("b"), NULL));
    OK(sfs_batch_rename_prefix(f->batch, L("d/"), L("e/f/"), NULL));
    OK(sfs_batch_put(f->batch, L("file/below"), L("new"), NULL, 0, NULL));
    OK(sfs_batch_delete(f->batch, L("up/x"), SFS_BATCH_MUST_EXIST, NULL));
    OK(sfs_batch_put(f->batch, L("c"), L("another"), NULL, 0, NULL));
    OK(sfs_batch_append(f->batch, L("a"), L(" more"), NULL));
    OK(sfs_batch_attributes(f->batch, L("b"), &mode, SFS_ATTRIBUTE_MODE, NULL));
    OK(sfs_batch_delete(f->batch, L("m/\0"), SFS_BATCH_MUST_EXIST, NULL));
    OK(sfs_batch_rename(f->batch, L("link"), L("n/link"), 0, NULL));
    int code = sfs_apply(f->store, f->batch, NULL, NULL, &f->error);
    sfs_batch_clear(f->batch);
    return code;
}

/* --- what is there --- */

static void list_files(int fd, const char *path, FILE *out)
{
    struct dirent **entries = NULL;
    int count = scandirat(fd, ".", &entries, NULL, alphasort);
    assert_true(count >= 0);
    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        char below[300], text[100] = "";
        snprintf(below, sizeof(below), "%s/%s", path, name);
        bool control = strcmp(below, "/%value") == 0;
        int child = strcmp(name, ".") && strcmp(name, "..") && !control
                        ? openat(fd, name, O_RDONLY | O_NOFOLLOW)
                        : -1;
        if (child >= 0 && entries[i]->d_type == DT_DIR) {
            fprintf(out, "%s/\n", below);
            list_files(child, below, out);
        } else if (child >= 0) {
            assert_true(read(child, text, sizeof(text) - 1) >= 0);
            fprintf(out, "%s = %s\n", below, text);
        }
        if (child >= 0)
            close(child);
        free(entries[i]);
    }
    free(entries);
}

/* The records with values, and the files as anybody sees them. */
static char *everything_of(struct fixture *f)
{
    char *text = NULL, path[400], *records = dump(f->store);
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    snprintf(path, sizeof(path), "%s/store", f->directory);
    int fd = open(path, O_RDONLY | O_DIRECTORY);
    assert_true(fd >= 0);
    /* Revisions, ids and times are others in each run. */
    for (char *line = strtok(records, "\n"); line; line = strtok(NULL, "\n"))
        fprintf(out, "%.*s\n", (int)strcspn(line, " "), line);
    list_files(fd, "", out);
    close(fd);
    fclose(out);
    free(records);
    return text;
}

static int count_temporaries(struct fixture *f)
{
    char path[400];
    struct dirent *entry;
    int count = 0;
    snprintf(path, sizeof(path), "%s/store/%%value", f->directory);
    DIR *handle = opendir(path);
    assert_non_null(handle);
    while ((entry = readdir(handle)))
        count += entry->d_name[0] >= '0' && entry->d_name[0] <= '9';
    closedir(handle);
    return count;
}

static struct fixture *start(void)
{
    static const struct stack stack = {.name = "dir", .uri = "dir:%s/store?fsync=0"};
    struct fixture *f = fixture_new(&stack);
    fill(f);
    return f;
}

/* A child opens the store and changes it, and dies at the call. True: it came to its end. */
static bool change_in_child(struct fixture *f, long calls)
{
    int status = 0;
    OK(sfs_close(f->store, NULL));
    f->base = f->store = NULL;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        f->store = fixture_open(f, 0);
        left = calls;
        _exit(change(f) == 0 ? 0 : 7);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 9);
    return WEXITSTATUS(status) == 0;
}

static void all_or_nothing(void **state)
{
    (void)state;
    struct fixture *f = start();
    char *before = everything_of(f);
    OK(change(f));
    char *after = everything_of(f);
    assert_string_not_equal(before, after);
    fixture_free(f);
    long olds = 0, news = 0;
    bool done = false;
    for (long calls = 0; !done; calls++) {
        f = start();
        done = change_in_child(f, calls);
        f->base = f->store = fixture_open(f, 0);
        char *now = everything_of(f);
        bool old = strcmp(now, before) == 0, new = strcmp(now, after) == 0;
        if (!old && !new)
            fail_msg("died at call %ld: %s\nbefore: %s\nafter: %s", calls, now, before, after);
        olds += old;
        news += new;
        assert_int_equal(count_temporaries(f), 0);
        /* Once more from what is there: nothing is left that stands in the way. */
        if (old)
            OK(change(f));
        free(now);
        fixture_free(f);
    }
    print_message("%ld times as before, %ld times as after\n", olds, news);
    assert_true(olds > 3 && news > 10);
    free(before);
    free(after);
}

/* Who may not write cannot finish what was begun, and says so. */
static void readers_wait_for_a_writer(void **state)
{
    (void)state;
    struct sfs_storage *reader = NULL;
    int refused = 0;
    bool done = false;
    for (long calls = 0; !done; calls += 5) {
        struct fixture *f = start();
        done = change_in_child(f, calls);
        int code = sfs_open(&reader, f->uri, SFS_OPEN_READ_ONLY, &f->error);
        assert_true(code == 0 || (code == SFS_E_READ_ONLY && !done));
        refused += code != 0;
        if (code)
            assert_non_null(strstr(f->error.message, "open it once for writing"));
        else
            OK(sfs_close(reader, NULL));
        f->base = f->store = fixture_open(f, 0);
        OK(sfs_close(f->store, NULL));
        OK(sfs_open(&reader, f->uri, SFS_OPEN_READ_ONLY, &f->error));
        OK(sfs_close(reader, NULL));
        f->base = f->store = fixture_open(f, 0);
        fixture_free(f);
    }
    assert_true(refused > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_or_nothing),
        cmocka_unit_test(readers_wait_for_a_writer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
