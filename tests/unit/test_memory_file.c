/* SPDX-License-Identifier: MIT */
/* The file of a memory store: what is saved is restored, and what is damaged is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "tests/unit/memory_fixture.h"
#include "util/file.h"

static struct sfs_storage *open_memory(const char *snapshot, unsigned flags, int expected,
                                       struct sfs_error *error)
{
    struct sfs_storage *store = NULL;
    struct sfs_option option = {"snapshot", snapshot};
    struct sfs_location location = {"memory", "", &option, snapshot != NULL};
    assert_int_equal(sfs_memory_backend.open(&store, &location, flags, error), expected);
    return store;
}

static char directory[256];

static const char *path_of(const char *name, char out[512])
{
    snprintf(out, 512, "%s/%s", directory, name);
    return out;
}

static void fill(struct sfs_storage *store)
{
    struct sfs_batch *batch = NULL;
    struct sfs_attributes attributes = {.kind = SFS_KIND_SYMLINK, .mode = 0777, .uid = 12};
    assert_int_equal(sfs_batch_new(&batch, NULL), 0);
    assert_int_equal(sfs_batch_put(batch, SFS_LITERAL("link"), SFS_LITERAL("target"), &attributes,
                                   SFS_ATTRIBUTE_KIND | SFS_ATTRIBUTE_MODE | SFS_ATTRIBUTE_UID,
                                   NULL),
                     0);
    assert_int_equal(
        sfs_batch_put(batch, SFS_LITERAL("b\xff\n"), SFS_LITERAL("v\0w"), NULL, 0, NULL), 0);
    assert_int_equal(sfs_batch_xattr(batch, SFS_LITERAL("b\xff\n"), SFS_LITERAL("user.x"),
                                     SFS_LITERAL("y"), 0, NULL),
                     0);
    attributes.kind = SFS_KIND_MARKER;
    assert_int_equal(sfs_batch_put(batch, SFS_LITERAL("d/\0"), SFS_LITERAL(""), &attributes,
                                   SFS_ATTRIBUTE_KIND, NULL),
                     0);
    assert_int_equal(sfs_apply(store, batch, NULL, NULL, NULL), 0);
    sfs_batch_free(batch);
}

static void check_same(struct sfs_storage *a, struct sfs_storage *b)
{
    struct sfs_cursor *cursor = NULL;
    const struct sfs_record *one = NULL;
    const struct sfs_record *other = NULL;
    struct sfs_totals totals;
    assert_int_equal(sfs_totals(a, &totals, NULL), 0);
    check_totals(b, totals.keys, totals.records, totals.bytes);
    assert_int_equal(sfs_scan(a, (struct sfs_range){0}, SFS_WANT_VALUE, &cursor, NULL), 0);
    while (sfs_cursor_next(cursor, &one, NULL) == 1) {
        assert_int_equal(sfs_get(b, one->name, SFS_WANT_VALUE, &other, NULL), 0);
        assert_int_equal(one->revision, other->revision);
        assert_true(sfs_bytes_equal(sfs_record_value(one), sfs_record_value(other)));
        assert_true(sfs_bytes_equal(one->xattrs, other->xattrs));
        const struct sfs_attributes *p = &one->attributes;
        const struct sfs_attributes *q = &other->attributes;
        assert_true(p->id == q->id && p->kind == q->kind && p->type == q->type &&
                    p->type_set == q->type_set && p->mode == q->mode && p->uid == q->uid &&
                    p->gid == q->gid && p->device == q->device && p->created == q->created &&
                    p->accessed == q->accessed && p->modified == q->modified &&
                    p->changed == q->changed);
        sfs_record_unref(other);
    }
    sfs_cursor_close(cursor);
}

static void test_file(void **state)
{
    (void)state;
    char path[512];
    char copy[512];
    struct stat status;
    struct sfs_error error;
    struct sfs_buffer content = {0};
    path_of("store.snapshot", path);
    path_of("copy.snapshot", copy);
    open_memory(path, 0, SFS_E_NOT_FOUND, NULL);
    struct sfs_storage *store = open_memory(path, SFS_OPEN_CREATE, 0, NULL);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    open_memory(path, SFS_OPEN_CREATE, SFS_E_BUSY, &error);
    assert_non_null(strstr(error.message, "in use by process"));
    fill(store);
    assert_int_equal(sfs_sync(store, 0, NULL), 0);
    assert_int_equal(sfs_backup(store, copy, NULL, NULL, NULL), 0);
    assert_int_equal(sfs_backup(store, copy, NULL, NULL, NULL), SFS_E_EXISTS);
    assert_int_equal(sfs_file_read(path, SIZE_MAX, &content, NULL), 0);
    assert_int_equal(sfs_file_read(copy, SIZE_MAX, &content, NULL), 0);
    assert_memory_equal(content.data, content.data + content.size / 2, content.size / 2);
    struct sfs_storage *restored = open_memory(copy, 0, 0, NULL);
    check_same(store, restored);
    assert_int_equal(sequence_of(restored), sequence_of(store));
    assert_int_equal(sfs_close(restored, NULL), 0);
    set(store, "later", "1");
    assert_int_equal(sfs_close(store, NULL), 0);
    store = open_memory(path, 0, 0, NULL);
    check_value(store, "later", "1");
    assert_int_equal(sfs_close(store, NULL), 0);
    sfs_buffer_free(&content);
}

/* Every cut and every changed byte is refused, and the file stays as it is. */
static void test_file_damage(void **state)
{
    (void)state;
    char path[512];
    struct sfs_buffer good = {0};
    struct sfs_buffer after = {0};
    struct sfs_storage *store = open_memory(path_of("d.snapshot", path), SFS_OPEN_CREATE, 0, NULL);
    fill(store);
    assert_int_equal(sfs_close(store, NULL), 0);
    assert_int_equal(sfs_file_read(path, SIZE_MAX, &good, NULL), 0);
    for (size_t at = 0; at < good.size; at += at < 16 ? 1 : 7) {
        good.data[at] ^= 0x20;
        assert_int_equal(sfs_file_replace(path, sfs_buffer_bytes(&good), NULL), 0);
        open_memory(path, SFS_OPEN_CREATE,
                    at < 8    ? SFS_E_NOT_A_STORE
                    : at < 12 ? SFS_E_TOO_NEW
                              : SFS_E_CORRUPT,
                    NULL);
        after.size = 0;
        assert_int_equal(sfs_file_read(path, SIZE_MAX, &after, NULL), 0);
        assert_true(sfs_bytes_equal(sfs_buffer_bytes(&good), sfs_buffer_bytes(&after)));
        good.data[at] ^= 0x20;
        assert_int_equal(sfs_file_replace(path, sfs_bytes(good.data, at), NULL), 0);
        open_memory(path, SFS_OPEN_CREATE, at < 8 ? SFS_E_NOT_A_STORE : SFS_E_CORRUPT, NULL);
    }
    sfs_buffer_free(&good);
    sfs_buffer_free(&after);
}

static int make_directory(void **state)
{
    (void)state;
    const char *parent = getenv("TMPDIR");
    snprintf(directory, sizeof(directory), "%s/memory.XXXXXX", parent ? parent : "/tmp");
    return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
    (void)state;
    char command[512];
    snprintf(command, sizeof(command), "rm -rf '%s'", directory);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_file_damage),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
