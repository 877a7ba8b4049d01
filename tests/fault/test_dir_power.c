/* SPDX-License-Identifier: MIT */
/*
 * A power cut at each call of a durable commit of a dir store, on the worst disk: all that was
 * written to files has come to it, but of the names only those that there were at the last sync of
 * a directory (one change of a name is whole or not at all). What the next opening makes of it is
 * what was before the commit or what is after it, and once the commit has returned it is the
 * latter. The calls are caught through the linker's --wrap; nothing waits for the real disk.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/conformance/short.h"

static struct fixture *watched; /* NULL: calls are let through */
static bool cuts;               /* the power is cut at each call */
static char *found[400];        /* what each cut leaves */
static size_t found_count;
static unsigned syncs, directory_syncs, root_syncs;

/* --- the disk --- */

static void copy_bytes(int from, int to)
{
    char piece[65536];
    ssize_t size;
    while ((size = read(from, piece, sizeof(piece))) > 0)
        assert_int_equal(write(to, piece, (size_t)size), size);
    close(from);
    close(to);
}

/* What is on the disk is kept as a second name of each file, which a store refuses to open. */
int __wrap_sfs_identity_single(const struct stat *status, const char *path, const char *origin, struct sfs_error *error);
int __wrap_sfs_identity_single(const struct stat *status, const char *path, const char *origin, struct sfs_error *error)
{
    (void)status, (void)path, (void)origin, (void)error;
    return 0;
}

/* The same files under the same names; a file that a store writes into is a copy if `own`. */
static void copy_names(int from, int to, bool own)
{
    struct dirent *entry;
    DIR *handle = fdopendir(from);
    assert_non_null(handle);
    while ((entry = readdir(handle))) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, "lock") == 0)
            continue;
        if (entry->d_type == DT_DIR) {
            assert_int_equal(mkdirat(to, name, 0700), 0);
            copy_names(openat(from, name, O_RDONLY), openat(to, name, O_RDONLY), own);
        } else if (own && strncmp(name, "log", 3) == 0) {
            copy_bytes(openat(from, name, O_RDONLY), openat(to, name, O_WRONLY | O_CREAT, 0600));
        } else {
            assert_int_equal(linkat(from, name, to, name, 0), 0);
        }
    }
    closedir(handle);
    close(to);
}

static void copy_tree(struct fixture *f, const char *from, const char *to, bool own)
{
    char paths[2][400];
    watched = NULL;
    snprintf(paths[0], sizeof(paths[0]), "%s/%s", f->directory, from);
    snprintf(paths[1], sizeof(paths[1]), "%s/%s", f->directory, to);
    fixture_remove(paths[1]);
    assert_int_equal(mkdir(paths[1], 0700), 0);
    copy_names(open(paths[0], O_RDONLY), open(paths[1], O_RDONLY), own);
}

/* All names come to the disk. */
static void sync_names(struct fixture *f)
{
    struct fixture *before = watched;
    copy_tree(f, "store", "names", false);
    watched = before;
}

/* What the store is after a cut now; the caller frees it. */
static char *cut(void)
{
    struct fixture *f = watched;
    struct sfs_storage *store = NULL;
    struct sfs_error error = {0};
    char uri[400];
    copy_tree(f, "names", "cut", true);
    snprintf(uri, sizeof(uri), "dir:%s/cut", f->directory);
    if (sfs_open(&store, uri, 0, &error))
        fail_msg("%s", error.message);
    char *text = dump(store);
    OK(sfs_close(store, NULL));
    watched = f;
    return text;
}

static void note(void)
{
    if (!watched || !cuts)
        return;
    assert_true(found_count < sizeof(found) / sizeof(found[0]));
    char *text = cut();
    found[found_count++] = text;
}

int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    struct stat status, root;
    char path[400];
    if (!watched)
        return 0;
    note();
    syncs++;
    snprintf(path, sizeof(path), "%s/store", watched->directory);
    assert_int_equal(fstat(fd, &status) | stat(path, &root), 0);
    if (!S_ISDIR(status.st_mode))
        return 0;
    directory_syncs++;
    root_syncs += status.st_ino == root.st_ino;
    sync_names(watched);
    return 0;
}

int __real_renameat(int a, const char *from, int b, const char *to);
int __wrap_renameat(int a, const char *from, int b, const char *to);
int __wrap_renameat(int a, const char *from, int b, const char *to)
{
    note();
    return __real_renameat(a, from, b, to);
}

int __real_unlinkat(int fd, const char *name, int flags);
int __wrap_unlinkat(int fd, const char *name, int flags);
int __wrap_unlinkat(int fd, const char *name, int flags)
{
    note();
    return __real_unlinkat(fd, name, flags);
}

ssize_t __real_write(int fd, const void *data, size_t size);
ssize_t __wrap_write(int fd, const void *data, size_t size);
ssize_t __wrap_write(int fd, const void *data, size_t size)
{
    if (size > 0)
        note();
    return __real_write(fd, data, size);
}

/* --- commits --- */

static struct fixture *start(bool fsync)
{
    static const struct stack stacks[] = {{.name = "dir", .uri = "dir:%s/store?fsync=0"},
                                          {.name = "dir", .uri = "dir:%s/store"}};
    struct fixture *f = fixture_new(&stacks[fsync]);
    OK(sfs_batch_put(f->batch, L("a"), L("1"), NULL, 0, NULL));
    OK(sfs_batch_put(f->batch, L("d/keep"), L("keeps the directory"), NULL, 0, NULL));
    OK(sfs_batch_put(f->batch, L("moves"), L("m"), NULL, 0, NULL));
    apply(f, 0);
    sync_names(f);
    watched = f;
    return f;
}

static void end(struct fixture *f)
{
    watched = NULL;
    fixture_free(f);
}

static void apply_durable(struct fixture *f)
{
    const struct sfs_apply_options durable = {.durable = true};
    OK(sfs_apply(f->store, f->batch, &durable, NULL, &f->error));
    sfs_batch_clear(f->batch);
}

/* The batch of the fixture, cut at each call. */
static void commit(struct fixture *f, const char *what)
{
    char *before = dump(f->store);
    size_t news = 0;
    cuts = true;
    apply_durable(f);
    note();
    cuts = false;
    char *after = dump(f->store);
    for (size_t i = 0; i < found_count; i++) {
        bool new = strcmp(found[i], after) == 0;
        if (!new && (news || i + 1 == found_count || strcmp(found[i], before) != 0))
            fail_msg("%s: a cut at call %zu of %zu leaves: %s\nbefore: %s\nafter: %s", what, i,
                     found_count, found[i], before, after);
        news += new;
        free(found[i]);
    }
    found_count = 0;
    free(before);
    free(after);
}

static void put_value(struct fixture *f, struct sfs_bytes key, const char *value)
{
    OK(sfs_batch_put(f->batch, key, sfs_string(value), NULL, 0, NULL));
    commit(f, value);
}

static void all_or_nothing(void **state)
{
    (void)state;
    struct fixture *f = start(true);
    const struct sfs_attributes mode = {.mode = 0640}, link = {.kind = SFS_KIND_SYMLINK};
    put_value(f, L("a"), "a second time");
    put_value(f, L("a"), "and a third");
    put_value(f, L("b"), "another key");
    put_value(f, L("d/new"), "in a directory");
    put_value(f, L("e/f/g"), "in one that is made");
    OK(sfs_batch_put(f->batch, L("a"), L("one of two"), NULL, 0, NULL));
    OK(sfs_batch_put(f->batch, L("b"), L("two of two"), NULL, 0, NULL));
    commit(f, "two keys");
    OK(sfs_batch_put(f->batch, L("l"), L("a"), &link, SFS_ATTRIBUTE_KIND, NULL));
    commit(f, "a link");
    OK(sfs_batch_append(f->batch, L("a"), L(" and more"), NULL));
    commit(f, "an append");
    OK(sfs_batch_attributes(f->batch, L("a"), &mode, SFS_ATTRIBUTE_MODE, NULL));
    commit(f, "a mode");
    put_value(f, L("a"), "before it goes");
    OK(sfs_batch_delete(f->batch, L("a"), SFS_BATCH_MUST_EXIST, NULL));
    commit(f, "a removal");
    put_value(f, L("moves"), "before it closes");
    fixture_reopen(f);
    put_value(f, L("moves"), "before it moves");
    OK(sfs_batch_rename(f->batch, L("moves"), L("moved"), 0, NULL));
    commit(f, "a rename");
    put_value(f, L("b"), "becomes a directory");
    put_value(f, L("b/c"), "below");
    put_value(f, L("b"), "in its directory");
    OK(sfs_batch_put(f->batch, L("b"), L("a plain file again"), NULL, 0, NULL));
    OK(sfs_batch_delete(f->batch, L("b/c"), SFS_BATCH_MUST_EXIST, NULL));
    commit(f, "a directory that goes");
    end(f);
}

/* Others than the last commit must not be lost with it: the log is written anew in between. */
static void a_new_log_loses_nothing(void **state)
{
    (void)state;
    struct fixture *f = start(false);
    char key[32], *value = pattern(200, 1);
    for (int i = 0; i < 1600; i++) {
        snprintf(key, sizeof(key), "a%d", i % 4);
        OK(sfs_batch_put(f->batch, sfs_string(key), sfs_bytes(value, 200), NULL, 0, NULL));
        apply_durable(f);
        char *now = dump(f->store), *left = cut();
        assert_string_equal(left, now);
        free(now);
        free(left);
    }
    free(value);
    end(f);
}

/* Of the two waits for names that a durable file has, one is for the new file, and one that comes
 * into place waits for nothing; what is not durable waits for nothing of its own. */
static void waits(void **state)
{
    (void)state;
    struct fixture *f = start(false);
    for (int i = 0; i < 3; i++) {
        syncs = directory_syncs = root_syncs = 0;
        OK(sfs_batch_put(f->batch, L("a"), L("durable"), NULL, 0, NULL));
        apply_durable(f);
        assert_int_equal(syncs, 3);
        assert_int_equal(directory_syncs, 1);
        assert_int_equal(root_syncs, 0);
    }
    syncs = directory_syncs = 0;
    put(f, L("a"), L("not durable, but behind what was"));
    assert_int_equal(syncs, 1);
    assert_int_equal(directory_syncs, 1);
    put(f, L("a"), L("not durable"));
    assert_int_equal(syncs, 1);
    OK(sfs_batch_put(f->batch, L("a"), L("durable"), NULL, 0, NULL));
    apply_durable(f);
    syncs = directory_syncs = 0;
    fixture_reopen(f);
    assert_int_equal(syncs, 1);
    assert_int_equal(directory_syncs, 1);
    end(f);
}

/* A process that dies between commits has left nothing to do, so that a reader need not wait. */
static void readers_after_a_kill(void **state)
{
    (void)state;
    struct fixture *f = start(true);
    struct sfs_storage *reader = NULL;
    int status = 0;
    OK(sfs_close(f->store, NULL));
    f->base = f->store = NULL;
    watched = NULL;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        f->base = f->store = fixture_open(f, 0);
        OK(sfs_batch_put(f->batch, L("new/a"), L("2"), NULL, 0, NULL));
        apply_durable(f);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    OK(sfs_open(&reader, f->uri, SFS_OPEN_READ_ONLY, &f->error));
    expect_bytes(reader, L("new/a"), L("2"));
    OK(sfs_close(reader, NULL));
    /* What somebody does then is not undone. */
    char path[400];
    snprintf(path, sizeof(path), "%s/store/new", f->directory);
    fixture_remove(path);
    f->base = f->store = fixture_open(f, 0);
    expect_names(f->store, "a d/keep moves ");
    /* The next commit is on the same worst disk. */
    sync_names(f);
    watched = f;
    put_value(f, L("a"), "3");
    end(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_or_nothing),
        cmocka_unit_test(a_new_log_loses_nothing),
        cmocka_unit_test(waits),
        cmocka_unit_test(readers_after_a_kill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
