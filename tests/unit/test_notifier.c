/* SPDX-License-Identifier: MIT */
/*
 * What the kernel is still to be told stays bounded while it does not listen, and once it does it
 * hears of every node that changed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "fs/node.h"

#define NODES 100
#define NOTICES 1000000

static atomic_bool deaf;
static atomic_ulong sent;
static atomic_ulong heard[NODES + 8]; /* by number of the node, since the last change */

int __wrap_fuse_lowlevel_notify_inval_inode(struct fuse_session *session, fuse_ino_t id, off_t from,
                                            off_t size);
int __wrap_fuse_lowlevel_notify_inval_inode(struct fuse_session *session, fuse_ino_t id, off_t from,
                                            off_t size)
{
    (void)session, (void)from, (void)size;
    while (atomic_load(&deaf))
        usleep(1000);
    atomic_fetch_add(&sent, 1);
    if (id < NODES + 8)
        atomic_fetch_add(&heard[id], 1);
    return 0;
}

static void test_bounded(void **state)
{
    (void)state;
    struct fs fs = {0};
    char name[16];
    uint64_t ids[NODES];
    fs.nodes = fs_nodes_new(&fs);
    assert_non_null(fs.nodes);
    struct fs_node *root = fs_node_find(&fs, FUSE_ROOT_ID);
    for (int i = 0; i < NODES; i++) {
        snprintf(name, sizeof(name), "%d", i);
        struct fs_node *node = fs_node_intern(&fs, root, name, &fs_keys_leaf_class, NULL,
                                              FS_KIND_PART, sfs_string(name));
        assert_non_null(node);
        ids[i] = node->id;
        assert_in_range(ids[i], 1, NODES + 7);
    }
    fs.notifier = fs_notifier_new(&fs);
    assert_non_null(fs.notifier);
    atomic_store(&deaf, true);
    for (int i = 0; i < NOTICES; i++)
        fs_notify_attributes(fs.notifier, ids[i % NODES]);
    size_t allocated = mallinfo2().uordblks; /* 0 under a sanitizer's own allocator */
    assert_in_range(allocated, 0, (size_t)16 << 20);
    for (int i = 0; i < NODES; i++)
        atomic_store(&heard[ids[i]], 0);
    atomic_store(&deaf, false);
    for (int i = 0; i < 100 && atomic_load(&sent) == 0; i++)
        usleep(1000);
    fs_notify_flush(fs.notifier);
    for (int wait = 0; wait < 30000; wait++) { /* flush waits a second at the most */
        int silent = 0;
        for (int i = 0; i < NODES; i++)
            silent += atomic_load(&heard[ids[i]]) == 0;
        if (silent == 0)
            break;
        usleep(1000);
    }
    for (int i = 0; i < NODES; i++)
        assert_in_range(atomic_load(&heard[ids[i]]), 1, NOTICES);
    fs_notifier_free(fs.notifier); /* all that is queued may be dropped */
    assert_in_range(atomic_load(&sent), NODES, 65536 + 2 * NODES + 64);
    for (int i = 0; i < NODES; i++)
        fs_node_forget(&fs, ids[i], 1);
    fs_nodes_free(fs.nodes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bounded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
