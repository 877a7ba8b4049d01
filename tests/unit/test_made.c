/* SPDX-License-Identifier: MIT */
/*
 * Files that O_EXCL makes in a store which others share: each is committed empty at once. Where its
 * content is refused it goes as it came; what somebody else has changed since stays.
 */
#include <fcntl.h>

#include "fs/budget.h"
#include "fs/fields.h"
#include "fs/keys.h"
#include "fs/tx.h"
#include "index_fixture.h"

#define L SFS_LITERAL
#define TAKEN L("{\"mail\":\"m\"}")

struct play {
    struct fs fs;
    struct fs_call call;
    struct fs_node *keys;
    struct sfs_storage *store; /* below a fault layer */
    struct sfs_storage *layer;
};

static struct play *begin(void)
{
    struct play *play = calloc(1, sizeof(*play));
    assert_non_null(play);
    struct fs *fs = &play->fs;
    struct sfs_fault_options none = {0};
    play->store = open_new();
    must_create(play->store, "unique:mail");
    assert_int_equal(sfs_set(play->store, L("taken"), TAKEN, NULL), 0);
    assert_int_equal(sfs_fault_layer(&play->layer, play->store, &none, NULL), 0);
    fs->budget = fs_budget_new();
    fs->documents = fs_document_cache_new();
    fs->space = fs_space_new(fs, play->layer, 1);
    fs->nodes = fs_nodes_new(fs);
    fs->errors = fs_errors_new();
    fs->transactions = fs_transactions_new(fs);
    fs->touched = fs_touched_new();
    fs->notifier = fs_notifier_new(fs);
    play->call.fs = fs;
    play->keys = fs_node_intern(fs, fs_node_find(fs, FUSE_ROOT_ID), "keys",
                                &fs_keys_directory_class, fs->space, FS_KIND_ROOT, L(""));
    assert_true(fs->space->shared && play->keys);
    return play;
}

static void end(struct play *play)
{
    struct fs *fs = &play->fs;
    fs_keys_write_touched(&play->call);
    fs_node_forget(fs, play->keys->id, 1);
    assert_int_equal(fs_node_count(fs), 1);
    fs_notifier_free(fs->notifier);
    fs_transactions_free(fs->transactions);
    fs_nodes_free(fs->nodes);
    fs_touched_free(fs->touched);
    fs_errors_free(fs->errors);
    fs_space_unref(fs->space);
    fs_document_cache_free(fs->documents);
    fs_budget_free(fs->budget);
    assert_int_equal(sfs_close(play->layer, NULL), 0);
    free(play);
}

/* --- what a program does --- */

static void open_begin(struct play *play, struct fs_open *open, struct fuse_file_info *info,
                       int flags)
{
    *open = (struct fs_open){.flags = flags, .uses = 1};
    *info = (struct fuse_file_info){.flags = flags};
    pthread_mutex_init(&open->lock, NULL);
    fs_space_hold(play->fs.space);
}

static struct fs_open make(struct play *play, struct fs_node *dir, const char *name)
{
    struct fs_open open;
    struct fuse_file_info info;
    struct fs_entry entry = {0};
    open_begin(play, &open, &info, O_WRONLY | O_CREAT | O_EXCL);
    assert_int_equal(dir->class->create(&play->call, dir, name, 0600, &open, &info, &entry), 0);
    open.node = entry.node;
    return open;
}

/* Another handle of the same file. */
static struct fs_open open_too(struct play *play, const struct fs_open *first)
{
    struct fs_open open;
    struct fuse_file_info info;
    open_begin(play, &open, &info, O_RDWR);
    open.node = first->node;
    fs_node_hold(&play->fs, open.node);
    assert_int_equal(open.node->class->open(&play->call, open.node, &open, &info), 0);
    return open;
}

static void write_to(struct play *play, struct fs_open *open, struct sfs_bytes value)
{
    play->call.open = open;
    assert_int_equal(open->node->class->write(&play->call, open, value, 0), 0);
    play->call.open = NULL;
}

static void release(struct play *play, struct fs_open *open)
{
    uint64_t id = open->node->id;
    fs_node_hold(&play->fs, open->node);
    open->node->class->release(&play->call, open);
    pthread_mutex_destroy(&open->lock);
    fs_space_let_go(play->fs.space);
    fs_node_forget(&play->fs, id, 2);
}

/* close(2): its code is the first call's. */
static int close_it(struct play *play, struct fs_open *open)
{
    int code = open->node->class->flush(&play->call, open);
    if (code < 0)
        open->node->class->refused(&play->call, open, code);
    release(play, open);
    return code;
}

static void check_gone(struct play *play, const char *key)
{
    assert_int_equal(sfs_has(play->store, sfs_string(key), NULL), 0);
}

static void check_value(struct play *play, const char *key, const char *value)
{
    const struct sfs_record *record = NULL;
    assert_int_equal(sfs_get(play->store, sfs_string(key), SFS_WANT_VALUE, &record, NULL), 0);
    assert_true(sfs_bytes_equal(sfs_record_value(record), sfs_string(value)));
    sfs_record_unref(record);
}

/* --- the tests --- */

static void refused(void **state)
{
    struct play *play = begin();
    struct fs_entry entry = {0};
    (void)state;
    set(play->store, "d/last", "");
    assert_int_equal(fs_keys_lookup(&play->call, play->keys, "d", &entry), 0);
    struct fs_open open = make(play, entry.node, "new");
    check_value(play, "d/new", "");
    write_to(play, &open, TAKEN);
    assert_int_equal(sfs_delete(play->store, L("d/last"), NULL), 1);
    assert_int_equal(close_it(play, &open), SFS_E_EXISTS);
    check_gone(play, "d/new");
    /* Its directory stays, as after rm. */
    assert_int_equal(fs_keys_occupied(&play->call, play->fs.space, L("d/")), 0);
    struct stat st;
    assert_int_equal(fs_keys_stat(&play->call, entry.node, &st), 0);
    fs_node_forget(&play->fs, entry.node->id, 1);
    end(play);
}

/* What was accepted, if only once, stays; so does a file that nothing was written to. */
static void accepted(void **state)
{
    struct play *play = begin();
    (void)state;
    struct fs_open open = make(play, play->keys, "twice");
    write_to(play, &open, L("{\"mail\":\"n\"}"));
    assert_int_equal(open.node->class->flush(&play->call, &open), 0);
    write_to(play, &open, TAKEN);
    assert_int_equal(close_it(play, &open), SFS_E_EXISTS);
    check_value(play, "twice", "{\"mail\":\"n\"}");
    open = make(play, play->keys, "touched");
    assert_int_equal(close_it(play, &open), 0);
    check_value(play, "touched", "");
    end(play);
}

/* A handle that is still open keeps it, and may yet write something better. */
static void open_twice(void **state)
{
    struct play *play = begin();
    (void)state;
    for (int better = 0; better < 2; better++) {
        struct fs_open open = make(play, play->keys, "new"), other = open_too(play, &open);
        write_to(play, &open, TAKEN);
        assert_int_equal(close_it(play, &open), SFS_E_EXISTS);
        check_value(play, "new", "");
        if (better)
            write_to(play, &other, L("{\"mail\":\"o\"}"));
        assert_int_equal(close_it(play, &other), 0); /* it has written nothing that was refused */
        if (!better)
            check_gone(play, "new");
    }
    check_value(play, "new", "{\"mail\":\"o\"}");
    end(play);
}

/* A mode and an attribute that are set here are part of the making; the same done by others is
 * theirs. */
static void attributes_set(void **state)
{
    struct play *play = begin();
    struct stat want = {.st_mode = S_IFREG | 0644}, st;
    (void)state;
    struct fs_open open = make(play, play->keys, "new");
    assert_int_equal(fs_keys_set(&play->call, open.node, &want, FUSE_SET_ATTR_MODE, &st), 0);
    write_to(play, &open, TAKEN);
    assert_int_equal(fs_keys_xattr_set(&play->call, open.node, "user.a", L("b"), 0), 0);
    assert_int_equal(close_it(play, &open), SFS_E_EXISTS);
    check_gone(play, "new");
    end(play);
}

static void changed_by_others(void **state)
{
    static const char *const values[] = {"", "theirs"};
    struct play *play = begin();
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct fs_open open = make(play, play->keys, "new");
        write_to(play, &open, TAKEN);
        set(play->store, "new", values[i]);
        assert_true(close_it(play, &open) < 0);
        check_value(play, "new", values[i]);
        assert_int_equal(sfs_delete(play->store, L("new"), NULL), 1);
    }
    struct fs_open open = make(play, play->keys, "new");
    write_to(play, &open, TAKEN);
    assert_int_equal(sfs_delete(play->store, L("new"), NULL), 1);
    assert_int_equal(close_it(play, &open), SFS_E_EXPIRED);
    check_gone(play, "new");
    end(play);
}

/* Renamed while it is empty: whoever gave it that name wants it there. */
static void renamed(void **state)
{
    struct play *play = begin();
    (void)state;
    struct fs_open open = make(play, play->keys, "new");
    assert_int_equal(fs_keys_rename(&play->call, play->keys, "new", play->keys, "name", 0), 0);
    write_to(play, &open, TAKEN);
    assert_int_equal(close_it(play, &open), SFS_E_EXISTS);
    check_value(play, "name", "");
    end(play);
}

/* Where the store fails altogether the record stays, and the failure that is told is the content's.
 */
static void failing_store(void **state)
{
    struct play *play = begin();
    struct sfs_fault_options options = {.calls = SFS_FAULT_WRITE, .code = SFS_E_NO_SPACE};
    (void)state;
    for (options.after = 0; options.after < 2; options.after++) {
        struct fs_open open = make(play, play->keys, "new");
        write_to(play, &open, TAKEN);
        sfs_fault_set(play->layer, &options);
        assert_int_equal(close_it(play, &open), options.after ? SFS_E_EXISTS : SFS_E_NO_SPACE);
        sfs_fault_set(play->layer, NULL);
        check_value(play, "new", "");
        assert_int_equal(sfs_delete(play->store, L("new"), NULL), 1);
    }
    end(play);
}

/* A document of any size is known as one, also where its key was empty before. */
static void large(void **state)
{
    static const char head[] = "{\"mail\":\"m\",\"text\":\"";
    struct play *play = begin();
    size_t size = (size_t)2 << 20;
    char *text = malloc(size);
    (void)state;
    assert_non_null(text);
    memset(text, 'x', size);
    memcpy(text, head, sizeof(head) - 1);
    memcpy(text + size - 2, "\"}", 2);
    struct fs_open open = make(play, play->keys, "new");
    write_to(play, &open, sfs_bytes(text, size));
    assert_int_equal(close_it(play, &open), SFS_E_EXISTS);
    check_gone(play, "new");
    set(play->store, "empty", "");
    for (int appended = 0; appended < 2; appended++) {
        struct sfs_batch *batch = NULL;
        struct sfs_bytes bytes = sfs_bytes(text, size);
        assert_int_equal(sfs_batch_new(&batch, NULL), 0);
        assert_int_equal(appended ? sfs_batch_append(batch, L("empty"), bytes, NULL)
                                  : sfs_batch_write(batch, L("empty"), 0, bytes, NULL), 0);
        assert_int_equal(sfs_apply(play->store, batch, NULL, NULL, NULL), SFS_E_EXISTS);
        sfs_batch_free(batch);
    }
    check_value(play, "empty", "");
    free(text);
    end(play);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused),           cmocka_unit_test(accepted),
        cmocka_unit_test(open_twice),        cmocka_unit_test(attributes_set),
        cmocka_unit_test(changed_by_others), cmocka_unit_test(renamed),
        cmocka_unit_test(failing_store),     cmocka_unit_test(large),
    };
    in_sqlite = true;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
