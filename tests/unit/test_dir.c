/* SPDX-License-Identifier: MIT */
/*
 * The backend "dir:PATH": which files it makes, what it makes of files that other programs write
 * between its operations, and what it does with a damaged log.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/conformance/short.h"

static const struct stack stack = {.name = "dir", .uri = "dir:%s/store?fsync=0"};

static int set_up(void **state)
{
    *state = fixture_new(&stack);
    return 0;
}

/* --- plain files --- */

static const char *path_of(const struct fixture *f, const char *name)
{
    static char paths[4][600];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/store/%s", f->directory, name);
    return path;
}

static void write_file(const struct fixture *f, const char *name, const char *text)
{
    int fd = open(path_of(f, name), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void expect_file(const struct fixture *f, const char *name, const char *text, mode_t mode)
{
    char found[200] = "";
    struct stat status;
    int fd = open(path_of(f, name), O_RDONLY | O_NOFOLLOW);
    if (fd < 0)
        fail_msg("there is no file %s", name);
    assert_true(read(fd, found, sizeof(found) - 1) >= 0);
    assert_string_equal(found, text);
    assert_int_equal(fstat(fd, &status), 0);
    assert_int_equal(status.st_mode & 07777, mode);
    close(fd);
}

static bool exists(const struct fixture *f, const char *name)
{
    struct stat status;
    return lstat(path_of(f, name), &status) == 0;
}

static uint64_t revision_of(struct fixture *f, struct sfs_bytes name)
{
    const struct sfs_record *record = get(f->store, name);
    uint64_t revision = record->revision;
    sfs_record_unref(record);
    return revision;
}

static uint64_t id_of(struct fixture *f, struct sfs_bytes name)
{
    const struct sfs_record *record = get(f->store, name);
    uint64_t id = record->attributes.id;
    sfs_record_unref(record);
    return id;
}

/* --- which files there are --- */

static void keys_are_files(void **state)
{
    struct fixture *f = *state;
    struct stat status;
    put(f, L("a"), L("1"));
    expect_file(f, "a", "1", 0600);
    put(f, L("a/b"), L("2"));
    expect_file(f, "a/%value", "1", 0600);
    expect_file(f, "a/b", "2", 0600);
    put(f, L("a//."), L("3"));
    expect_file(f, "a/%empty/%dot", "3", 0600);
    assert_int_equal(stat(path_of(f, "a/%empty"), &status), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
    put(f, L("%value/log"), L("4"));
    expect_file(f, "%%value/log", "4", 0600);
    assert_int_equal(sfs_delete(f->store, L("a//."), NULL), 1);
    assert_false(exists(f, "a/%empty"));
    assert_int_equal(sfs_delete(f->store, L("a/b"), NULL), 1);
    expect_file(f, "a", "1", 0600);
    assert_int_equal(sfs_delete(f->store, L("a"), NULL), 1);
    assert_false(exists(f, "a"));
    put(f, L("d/\0"), L(""));
    put(f, L("d/x"), L("5"));
    assert_int_equal(sfs_delete(f->store, L("d/x"), NULL), 1);
    assert_true(exists(f, "d"));
    expect_names(f->store, "%value/log d/0 ");
}

static void modes_and_times_are_the_files(void **state)
{
    struct fixture *f = *state;
    struct stat status;
    const struct sfs_attributes given = {.mode = 04444, .modified = 1000000007000000009};
    OK(sfs_batch_put(f->batch, L("a"), L("1"), &given, SFS_ATTRIBUTE_MODE | SFS_ATTRIBUTE_MODIFIED,
                     NULL));
    apply(f, 0);
    expect_file(f, "a", "1",
                0644); /* the owner can write it, and nobody becomes another one by it */
    assert_int_equal(stat(path_of(f, "a"), &status), 0);
    assert_int_equal(status.st_mtim.tv_sec, 1000000007);
    assert_int_equal(status.st_mtim.tv_nsec, 9);
    const struct sfs_attributes later = {.mode = 0640, .modified = 2000000000000000001};
    OK(sfs_batch_attributes(f->batch, L("a"), &later, SFS_ATTRIBUTE_MODE | SFS_ATTRIBUTE_MODIFIED,
                            NULL));
    apply(f, 0);
    expect_file(f, "a", "1", 0640);
    assert_int_equal(stat(path_of(f, "a"), &status), 0);
    assert_int_equal(status.st_mtim.tv_sec, 2000000000);
    uint64_t revision = revision_of(f, L("a"));
    fixture_reopen(f);
    assert_int_equal(revision_of(f, L("a")), revision);
}

/* --- other programs --- */

static void others_write_files(void **state)
{
    struct fixture *f = *state;
    uint64_t before = put(f, L("a"), L("{\"n\": 1}")), id = id_of(f, L("a"));
    write_file(f, "a", "{\"n\": 2}"); /* the same size, at once */
    expect_bytes(f->store, L("a"), L("{\"n\": 2}"));
    uint64_t after = revision_of(f, L("a"));
    assert_true(after > before);
    assert_int_equal(id_of(f, L("a")), id);
    assert_int_equal(revision_of(f, L("a")), after);
    OK(sfs_batch_require_revision(f->batch, L("a"), before, NULL));
    OK(sfs_batch_put(f->batch, L("a"), L("mine"), NULL, 0, NULL));
    apply(f, SFS_E_CONFLICT);
    write_file(f, "new", "text");
    const struct sfs_record *record = get(f->store, L("new"));
    assert_int_equal(record->attributes.type, SFS_TYPE_TEXT);
    assert_int_equal(record->attributes.mode, 0644);
    assert_int_equal(record->attributes.uid, SFS_OWNER_NONE);
    assert_int_not_equal(record->attributes.id, id);
    sfs_record_unref(record);
    write_file(f, "other", "[1]");
    assert_int_equal(rename(path_of(f, "other"), path_of(f, "a")), 0);
    record = get(f->store, L("a"));
    assert_true(sfs_bytes_equal(sfs_record_value(record), L("[1]")));
    assert_true(record->revision > after);
    assert_int_equal(record->attributes.type, SFS_TYPE_JSON);
    sfs_record_unref(record);
    put(f, L("new"), L("mine"));
    expect_file(f, "new", "mine", 0644);
    assert_int_equal(unlink(path_of(f, "a")), 0);
    expect_none(f->store, L("a"));
    expect_names(f->store, "new ");
    id = id_of(f, L("new"));
    fixture_reopen(f);
    assert_int_equal(id_of(f, L("new")), id);
    expect_names(f->store, "new ");
}

static void expect_next(struct sfs_cursor *cursor, const char *seek, const char *name)
{
    const struct sfs_record *record = NULL;
    OK(sfs_cursor_seek(cursor, sfs_string(seek), NULL));
    assert_int_equal(sfs_cursor_next(cursor, &record, NULL), *name != '\0');
    if (*name && !sfs_bytes_equal(record->name, sfs_string(name)))
        fail_msg("behind %s: %.*s, not %s", seek, (int)record->name.size,
                 (const char *)record->name.data, name);
}

/* A cursor looks into a directory when it comes to it, also to one that it had passed over. */
static void cursors_go_back(void **state)
{
    struct fixture *f = *state;
    struct sfs_cursor *cursor = NULL;
    const char *const directories[] = {"d", "d/a", "d/b", "d/b/c", "d/e"};
    for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++)
        assert_int_equal(mkdir(path_of(f, directories[i]), 0700), 0);
    write_file(f, "d/a/1", "1");
    write_file(f, "d/a.txt", "2");
    write_file(f, "d/b/c/1", "3");
    write_file(f, "d/b/c/2", "4");
    write_file(f, "d/e/%value", "5");
    write_file(f, "d/e/1", "6");
    OK(sfs_scan(f->store, range_of(L("d/"), L("d0")), 0, &cursor, NULL));
    expect_next(cursor, "d/b/c/2", "d/b/c/2");
    expect_next(cursor, "d/a0", "d/b/c/1");
    expect_next(cursor, "d/a.u", "d/a/1");
    expect_next(cursor, "d/e.", "d/e/1");
    expect_next(cursor, "d/c", "d/e");
    expect_next(cursor, "d/e/1", "d/e/1");
    expect_next(cursor, "d/e/2", "");
    expect_next(cursor, "a", "d/a.txt");
    sfs_cursor_close(cursor);
}

static void exists_finds_others_files(void **state)
{
    struct fixture *f = *state;
    const struct sfs_range gap = range_of(L("d/b"), L("d/c")), all = range_of(L("d/"), L("d0"));
    const struct sfs_range marker = range_of(L("d/"), L("d/\1"));
    assert_int_equal(mkdir(path_of(f, "d"), 0700), 0);
    write_file(f, "d/a", "1");
    write_file(f, "d/c", "2");
    assert_int_equal(sfs_exists(f->store, gap, NULL), 0);
    assert_int_equal(sfs_exists(f->store, all, NULL), 1);
    expect_names(f->store, "d/a d/c ");
    assert_int_equal(unlink(path_of(f, "d/a")) | unlink(path_of(f, "d/c")), 0);
    assert_int_equal(sfs_exists(f->store, all, NULL), 1); /* a directory with nothing in it */
    write_file(f, "d/b1", "3");
    assert_int_equal(sfs_exists(f->store, gap, NULL), 1);
    const struct sfs_range parts[] = {range_of(L("d/x"), L("d/y")), range_of(L("d/z"), L("d/z\0")),
                                      range_of(L("d/b1"), L("d/b1\0"))};
    assert_int_equal(sfs_exists_any(f->store, parts, 2, NULL), 0);
    assert_int_equal(sfs_exists_any(f->store, parts, 3, NULL), 1);
    /* The marker is known, "d/" was; both are in the range. */
    write_file(f, "d/%empty", "4");
    expect_names_in(f->store, marker, 0, "d/ d/0 ");
    assert_int_equal(unlink(path_of(f, "d/%empty")), 0);
    assert_int_equal(sfs_exists(f->store, marker, NULL), 1);
    OK(sfs_batch_require_empty(f->batch, gap, NULL));
    apply(f, SFS_E_NOT_EMPTY);
    assert_int_equal(unlink(path_of(f, "d/b1")), 0);
    OK(sfs_batch_require_empty(f->batch, gap, NULL));
    OK(sfs_batch_put(f->batch, L("d/n"), L("5"), NULL, 0, NULL));
    apply(f, 0);
    expect_names(f->store, "d/0 d/n ");
}

static void others_make_directories(void **state)
{
    struct fixture *f = *state;
    put(f, L("d/e/mine"), L("1"));
    write_file(f, "d/e/theirs", "2");
    write_file(f, "d/.hidden", "3");
    assert_int_equal(mkdir(path_of(f, "empty"), 0750), 0);
    assert_int_equal(mkdir(path_of(f, "d/e/f"), 0750), 0);
    write_file(f, "d/e/f/deep", "4");
    expect_names(f->store, "d/.hidden d/e/f/deep d/e/mine d/e/theirs empty/0 ");
    expect_names_in(f->store, range_of(L("d/e/"), L("d/e0")), 0, "d/e/f/deep d/e/mine d/e/theirs ");
    assert_int_equal(sfs_exists(f->store, range_of(L("d/e/f/"), L("d/e/f0")), NULL), 1);
    OK(sfs_batch_rename_prefix(f->batch, L("d/e/"), L("moved/"), NULL));
    APPLY_AFFECTING(f, 3);
    expect_file(f, "moved/f/deep", "4", 0644);
    assert_false(exists(f, "d/e"));
    assert_int_equal(rename(path_of(f, "moved"), path_of(f, "again")), 0);
    expect_names(f->store, "again/f/deep again/mine again/theirs d/.hidden empty/0 ");
    expect_none(f->store, L("moved/mine"));
    assert_int_equal(rmdir(path_of(f, "empty")), 0);
    expect_none(f->store, L("empty/\0"));
    OK(sfs_clear(f->store, NULL));
    expect_names(f->store, "");
    assert_false(exists(f, "again") || exists(f, "d"));
}

/* A plain file where a key of the store needs a directory. */
static void others_stand_in_the_way(void **state)
{
    struct fixture *f = *state;
    write_file(f, "a", "theirs");
    put(f, L("a/b/c"), L("mine"));
    expect_file(f, "a/%value", "theirs", 0644);
    expect_bytes(f->store, L("a"), L("theirs"));
    expect_bytes(f->store, L("a/b/c"), L("mine"));
    write_file(f, "x", "1");
    OK(sfs_batch_require_absent(f->batch, L("x"), NULL));
    OK(sfs_batch_put(f->batch, L("x"), L("2"), NULL, 0, NULL));
    apply(f, SFS_E_EXISTS);
    write_file(f, "z", "1");
    OK(sfs_batch_require_empty(f->batch, range_of(L("y"), L("zz")), NULL));
    OK(sfs_batch_put(f->batch, L("x"), L("2"), NULL, 0, NULL));
    apply(f, SFS_E_NOT_EMPTY);
}

static void others_make_links_and_pipes(void **state)
{
    struct fixture *f = *state;
    const struct sfs_record *record;
    assert_int_equal(symlink("/etc/passwd", path_of(f, "link")), 0);
    assert_int_equal(mkfifo(path_of(f, "pipe"), 0600), 0);
    assert_int_equal(symlink("..", path_of(f, "up")), 0);
    record = get(f->store, L("link"));
    assert_int_equal(record->attributes.kind, SFS_KIND_SYMLINK);
    assert_true(sfs_bytes_equal(sfs_record_value(record), L("/etc/passwd")));
    sfs_record_unref(record);
    record = get(f->store, L("pipe")); /* nobody waits for a writer */
    assert_int_equal(record->attributes.kind, SFS_KIND_FIFO);
    sfs_record_unref(record);
    expect_none(f->store, L("up/store/link")); /* no link leads out of the store */
    put(f, L("up/x"), L("1"));
    expect_file(f, "up/x", "1", 0600);
    expect_names(f->store, "link pipe up up/x ");
    assert_int_equal(sfs_has(f->store, L("link"), NULL), 0);
    OK(sfs_clear(f->store, NULL));
    assert_false(exists(f, "link") || exists(f, "pipe") || exists(f, "up"));
}

static void others_set_attributes(void **state)
{
    struct fixture *f = *state;
    struct sfs_bytes value;
    write_file(f, "a", "1");
    bool able = setxattr(path_of(f, "a"), "user.colour", "red", 3, 0) == 0;
    assert_true(able || errno == ENOTSUP);
    const struct sfs_record *record = get(f->store, L("a"));
    assert_int_equal(sfs_xattr_get(record->xattrs, L("user.colour"), &value), able);
    sfs_record_unref(record);
    put(f, L("b"), L("1"));
    uint64_t before = revision_of(f, L("b"));
    assert_int_equal(chmod(path_of(f, "b"), 0604), 0);
    record = get(f->store, L("b"));
    assert_int_equal(record->attributes.mode, 0604);
    assert_true(record->revision > before);
    sfs_record_unref(record);
}

/* What no key can be called is left alone, and never lost. */
static void strange_names_stay(void **state)
{
    struct fixture *f = *state;
    char piece[256];
    memset(piece, 'x', 253);
    memcpy(piece + 253, "%+", 3);
    write_file(f, piece, "no key");
    put(f, L("d/x"), L("1"));
    assert_int_equal(mkdir(path_of(f, "d/%value"), 0700), 0);
    write_file(f, "d/%value/lost", "no key either");
    assert_int_equal(mkdir(path_of(f, "%dot"), 0700), 0);
    write_file(f, "%dot/a", "a key");
    expect_names(f->store, "./a d/x ");
    expect_none(f->store, L("d"));
    OK(sfs_clear(f->store, NULL));
    expect_file(f, piece, "no key", 0644);
    expect_file(f, "d/%value/lost", "no key either", 0644);
    assert_false(exists(f, "%dot"));
}

static void opens_any_directory(void **state)
{
    struct fixture *f = *state;
    struct sfs_storage *store = NULL;
    char uri[400];
    snprintf(uri, sizeof(uri), "dir:%s/plain", f->directory);
    assert_int_equal(sfs_open(&store, uri, 0, &f->error), SFS_E_NOT_FOUND);
    assert_int_equal(sfs_open(&store, "dir:", SFS_OPEN_CREATE, &f->error), SFS_E_INVALID);
    assert_int_equal(mkdir(path_of(f, "../plain"), 0755), 0);
    write_file(f, "../plain/a", "1");
    OK(sfs_open(&store, uri, SFS_OPEN_READ_ONLY, &f->error));
    expect_bytes(store, L("a"), L("1"));
    OK(sfs_close(store, NULL));
    assert_false(exists(f, "../plain/%value"));
    snprintf(uri, sizeof(uri), "dir:%s/plain/a", f->directory);
    assert_int_equal(sfs_open(&store, uri, 0, &f->error), SFS_E_NOT_DIRECTORY);
    assert_int_equal(sfs_open(&store, f->uri, 0, &f->error), SFS_E_BUSY);
    assert_non_null(strstr(f->error.message, "in use by process"));
}

/* --- the log --- */

static void close_store(struct fixture *f)
{
    OK(sfs_close(f->store, NULL));
    f->base = f->store = NULL;
}

static void change_byte(const struct fixture *f, off_t at)
{
    char byte = 0;
    int fd = open(path_of(f, "%value/log"), O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte = (char)(byte ^ 0x40);
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static off_t log_size(const struct fixture *f)
{
    struct stat status;
    assert_int_equal(stat(path_of(f, "%value/log"), &status), 0);
    return status.st_size;
}

static void damage_is_told(void **state)
{
    struct fixture *f = *state;
    struct sfs_storage *store = NULL;
    char uri[500];
    put(f, L("a"), L("1"));
    put(f, L("b"), L("2"));
    close_store(f);
    change_byte(f, 120);
    assert_int_equal(sfs_open(&store, f->uri, 0, &f->error), SFS_E_CORRUPT);
    assert_non_null(strstr(f->error.message, "recover=1"));
    expect_file(f, "a", "1", 0600);
    snprintf(uri, sizeof(uri), "%s&recover=1", f->uri);
    OK(sfs_open(&f->store, uri, 0, &f->error));
    f->base = f->store;
    expect_names(f->store, "a b ");
    expect_bytes(f->store, L("b"), L("2"));
    assert_true(exists(f, "%value/log.corrupt-1"));
    close_store(f);
    change_byte(f, 0);
    assert_int_equal(sfs_open(&store, f->uri, 0, &f->error), SFS_E_NOT_A_STORE);
    change_byte(f, 0);
    change_byte(f, 8);
    assert_int_equal(sfs_open(&store, f->uri, 0, &f->error), SFS_E_TOO_NEW);
    change_byte(f, 8);
    f->base = f->store = fixture_open(f, 0);
    expect_names(f->store, "a b ");
}

/* Every length that a killed process can have left. */
static void torn_end_is_no_commit(void **state)
{
    struct fixture *f = *state;
    put(f, L("a"), L("1"));
    close_store(f);
    off_t whole = log_size(f);
    for (off_t cut = 1; cut < 60; cut += 7) {
        assert_int_equal(truncate(path_of(f, "%value/log"), whole - cut), 0);
        f->base = f->store = fixture_open(f, 0);
        expect_bytes(f->store, L("a"), L("1"));
        put(f, L("a"), L("1"));
        close_store(f);
        whole = log_size(f);
    }
    f->base = f->store = fixture_open(f, 0);
}

/* The begin of a large entry, which reaches behind the small one that comes in its place. */
static void torn_end_goes(void **state)
{
    struct fixture *f = *state;
    char torn[4000] = {0};
    put(f, L("a"), L("1"));
    close_store(f);
    memset(torn, 0x7e, 8); /* its length, which is more than the file has */
    FILE *log = fopen(path_of(f, "%value/log"), "ae");
    assert_non_null(log);
    assert_int_equal(fwrite(torn, 1, sizeof(torn), log), sizeof(torn));
    assert_int_equal(fclose(log), 0);
    for (unsigned i = 0; i < 2; i++) {
        f->base = f->store = fixture_open(f, 0);
        expect_bytes(f->store, L("a"), L("1"));
        put(f, L("a"), L("1"));
        close_store(f);
    }
    f->base = f->store = fixture_open(f, 0);
    expect_bytes(f->store, L("a"), L("1"));
}

static void log_stays_small(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 1500; i++) {
        OK(sfs_batch_put(f->batch, L("a"), i % 2 ? L("odd") : L("even"), NULL, 0, NULL));
        OK(sfs_batch_put(f->batch, L("b/c"), L("same"), NULL, 0, NULL));
        apply(f, 0);
    }
    assert_true(log_size(f) < (1 << 19));
    uint64_t revision = revision_of(f, L("a"));
    fixture_reopen(f);
    assert_int_equal(revision_of(f, L("a")), revision);
    expect_bytes(f->store, L("a"), L("odd"));
}

/* --- kill -9 --- */

#define KEYS 6

/* Writes a byte to `ready` when something is committed. */
static void write_for_ever(struct fixture *f, int ready)
{
    struct sfs_storage *store = NULL;
    struct sfs_batch *batch = NULL;
    char key[20], value[20];
    if (sfs_open(&store, f->uri, 0, NULL) || sfs_batch_new(&batch, NULL))
        _exit(1);
    for (int round = 0;; round++) {
        sfs_batch_clear(batch);
        snprintf(value, sizeof(value), "%d", round);
        for (int i = 0; i < KEYS; i++) {
            snprintf(key, sizeof(key), "%s%d", i % 2 ? "k/" : "k", i);
            (void)!sfs_batch_put(batch, sfs_string(key), sfs_string(value), NULL, 0, NULL);
        }
        (void)!sfs_batch_rename_prefix(batch, round % 2 ? L("p/") : L("q/r/"),
                                       round % 2 ? L("q/r/") : L("p/"), NULL);
        if (sfs_apply(store, batch, NULL, NULL, NULL))
            _exit(2);
        if (round == 0 && write(ready, "x", 1) != 1)
            _exit(4);
    }
}

static void expect_one_round(struct fixture *f, char *ret_round)
{
    char key[20];
    for (int i = 0; i < KEYS; i++) {
        snprintf(key, sizeof(key), "%s%d", i % 2 ? "k/" : "k", i);
        const struct sfs_record *record = get(f->store, sfs_string(key));
        char value[20] = "";
        memcpy(value, sfs_record_value(record).data, record->size);
        sfs_record_unref(record);
        if (i == 0)
            strcpy(ret_round, value);
        assert_string_equal(value, ret_round);
    }
    bool odd = strtol(ret_round, NULL, 10) % 2;
    assert_int_equal(sfs_has(f->store, L("p/x"), NULL), !odd);
    assert_int_equal(sfs_has(f->store, L("q/r/x"), NULL), odd);
    assert_int_equal(sfs_has(f->store, L("p/y/z"), NULL), !odd);
}

static void killed_at_any_time(void **state)
{
    struct fixture *f = *state;
    char round[20] = "";
    int status = 0;
    put(f, L("q/r/x"), L("moves"));
    put(f, L("q/r/y/z"), L("too"));
    for (useconds_t i = 0; i < 20; i++) {
        char byte;
        int ends[2];
        close_store(f);
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            if (i) { /* the first round has been: go on from there */
                struct sfs_storage *store = NULL;
                if (sfs_open(&store, f->uri, 0, NULL) || sfs_close(store, NULL))
                    _exit(3);
            }
            write_for_ever(f, ends[1]);
        }
        if (i % 2) /* else it may have come to nothing */
            assert_int_equal(read(ends[0], &byte, 1), 1);
        usleep(15000 + i * 1700);
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, &status, 0), child);
        close(ends[0]);
        close(ends[1]);
        f->base = f->store = fixture_open(f, 0);
        if (sfs_has(f->store, L("k0"), NULL))
            expect_one_round(f, round);
        /* The next process begins with round 0 again. */
        if (sfs_has(f->store, L("p/x"), NULL)) {
            OK(sfs_batch_rename_prefix(f->batch, L("p/"), L("q/r/"), NULL));
            apply(f, 0);
        }
        OK(sfs_batch_delete(f->batch, L("k0"), 0, NULL)); /* a process that came to nothing shows none */
        apply(f, 0);
    }
    assert_true(round[0]);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(keys_are_files),          TEST(modes_and_times_are_the_files),
        TEST(others_write_files),      TEST(others_make_directories),
        TEST(cursors_go_back),         TEST(exists_finds_others_files),
        TEST(others_stand_in_the_way), TEST(others_make_links_and_pipes),
        TEST(others_set_attributes),   TEST(strange_names_stay),
        TEST(opens_any_directory),     TEST(damage_is_told),
        TEST(torn_end_is_no_commit),   TEST(torn_end_goes),
        TEST(log_stays_small),         TEST(killed_at_any_time),
    };
    return cmocka_run_group_tests_name("dir", tests, NULL, NULL);
}
