/* SPDX-License-Identifier: MIT */
/*
 * The mount's table of nodes: names that change what they stand for keep their nodes, and with each
 * allocation failing in turn no look-up is lost and no node is left over.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fs/node.h"
#include "tests/fault/inject.h"

#define L SFS_LITERAL
#define HELD 16

struct play {
    struct fs fs;
    struct fs_node *root;
    uint64_t held[HELD]; /* a number for each look-up */
    size_t count;
};

static struct fs_node *look_up(struct play *play, struct fs_node *parent, const char *name,
                               const struct fs_class *class, enum fs_kind kind,
                               struct sfs_bytes text)
{
    struct fs_node *node =
        parent ? fs_node_intern(&play->fs, parent, name, class, NULL, kind, text) : NULL;
    if (node) {
        assert_true(play->count < HELD);
        play->held[play->count++] = node->id;
    }
    return node;
}

static struct fs_node *leaf(struct play *play, struct fs_node *parent, const char *name)
{
    return look_up(play, parent, name, &fs_keys_leaf_class, FS_KIND_PART, sfs_string(name));
}

static struct fs_node *directory(struct play *play, struct fs_node *parent, const char *name)
{
    return look_up(play, parent, name, &fs_keys_directory_class, FS_KIND_PART, sfs_string(name));
}

static bool begin(struct play *play)
{
    play->fs.nodes = fs_nodes_new(&play->fs);
    if (!play->fs.nodes)
        return false;
    play->root = fs_node_find(&play->fs, FUSE_ROOT_ID);
    assert_non_null(play->root);
    return true;
}

/* Gives all look-ups back; only the root is left. */
static void end(struct play *play)
{
    for (size_t i = 0; i < play->count; i++) {
        assert_non_null(fs_node_find(&play->fs, play->held[i]));
        fs_node_forget(&play->fs, play->held[i], 1);
    }
    assert_int_equal(fs_node_count(&play->fs), 1);
    assert_int_equal(play->root->children, 0);
    fs_nodes_free(play->fs.nodes);
}

static void key_becomes_directory(void **state)
{
    struct play play = {0};
    (void)state;
    assert_true(begin(&play));
    struct fs_node *key = leaf(&play, play.root, "a");
    assert_ptr_equal(leaf(&play, play.root, "a"), key);
    struct fs_node *above = directory(&play, play.root, "a");
    assert_ptr_not_equal(above, key);
    assert_ptr_equal(key->parent, above);
    assert_int_equal(key->kind, FS_KIND_OWN);
    assert_string_equal(key->name, SFS_PATH_VALUE);
    assert_ptr_equal(leaf(&play, play.root, "a"), key);
    assert_ptr_equal(key->parent, play.root);
    assert_string_equal(key->name, "a");
    assert_true(sfs_bytes_equal(sfs_buffer_bytes(&key->text), L("a")));
    end(&play);
}

static int move(struct play *play, struct fs_node *from, struct fs_node *to, bool exchange)
{
    const struct fs_name source = {from, "x", FS_KIND_PART, L("x")};
    const struct fs_name target = {to, "y", FS_KIND_PART, L("y")};
    return fs_node_move(&play->fs, &source, &target, exchange, NULL);
}

static void names_move(void **state)
{
    struct play play = {0};
    (void)state;
    assert_true(begin(&play));
    struct fs_node *above = directory(&play, play.root, "d");
    struct fs_node *x = leaf(&play, play.root, "x"), *y = leaf(&play, above, "y");
    x->ino = 77;
    assert_int_equal(move(&play, play.root, above, true), 0);
    assert_ptr_equal(x->parent, above);
    assert_string_equal(x->name, "y");
    assert_ptr_equal(y->parent, play.root);
    assert_int_equal(fs_node_ino(&play.fs, above, "y", 1), 77);
    assert_int_equal(move(&play, play.root, above, false), 0);
    assert_string_equal(y->name, "y");
    assert_null(x->name);
    fs_node_detach(&play.fs, above, "y");
    assert_null(y->name);
    assert_int_equal(fs_node_ino(&play.fs, above, "y", 1), 1);
    end(&play);
}

/* True when every call had what it needed. */
static bool play_all(struct play *play)
{
    struct fs_node *above = directory(play, play->root, "d");
    struct fs_node *x = leaf(play, play->root, "x");
    struct fs_node *y = leaf(play, above, "y");
    bool done = x && y && directory(play, above, "y");
    done = leaf(play, above, "y") && done;
    if (above)
        done = move(play, play->root, above, true) == 0 && done;
    if (above)
        done = move(play, play->root, above, false) == 0 && done;
    (void)fs_node_ino(&play->fs, play->root, "x", 1);
    fs_node_detach(&play->fs, play->root, "x");
    return done;
}

static void allocations_fail(void **state)
{
    bool fired = true;
    (void)state;
    for (int mode = INJECT_ONCE; mode <= INJECT_ONWARD; mode++, fired = true) {
        for (unsigned long skip = 0; fired; skip++) {
            struct play play = {0};
            inject_arm(INJECT_MEMORY, skip, (enum inject_mode)mode);
            bool begun = begin(&play);
            bool done = begun && play_all(&play);
            fired = inject_disarm();
            assert_true(done || fired);
            if (begun)
                end(&play);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key_becomes_directory),
        cmocka_unit_test(names_move),
        cmocka_unit_test(allocations_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
