/* SPDX-License-Identifier: MIT */
/* The persistent tree against a plain sorted array, with shares that must keep what they had. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "util/tree.h"

struct item {
    atomic_int references;
    int value;
    char name[16];
};

static atomic_int alive;

static void item_ref(void *target)
{
    atomic_fetch_add(&((struct item *)target)->references, 1);
}

static void item_unref(void *target)
{
    struct item *item = target;
    if (atomic_fetch_sub(&item->references, 1) != 1)
        return;
    memset(item->name, '#', sizeof(item->name));
    free(item);
    atomic_fetch_sub(&alive, 1);
}

static const struct sfs_tree_counting counting = {item_ref, item_unref};

static void insert(struct sfs_tree *tree, unsigned number, int value)
{
    struct item *item = malloc(sizeof(*item));
    assert_non_null(item);
    atomic_init(&item->references, 1);
    item->value = value;
    snprintf(item->name, sizeof(item->name), "%06u", number);
    atomic_fetch_add(&alive, 1);
    assert_int_equal(sfs_tree_insert(tree, sfs_string(item->name), item), 0);
    item_unref(item);
}

static struct sfs_bytes name_of(unsigned number, char out[16])
{
    snprintf(out, 16, "%06u", number);
    return sfs_string(out);
}

#define NUMBERS 3000

/* What a tree must hold: value of each number, 0 for none. */
struct model {
    int values[NUMBERS];
    size_t count;
};

static void check_equal(const struct sfs_tree *tree, const struct model *model)
{
    struct sfs_tree_cursor cursor = sfs_tree_seek(tree, (struct sfs_bytes){0});
    char name[16];
    assert_int_equal(tree->count, model->count);
    for (unsigned i = 0; i < NUMBERS; i++) {
        struct item *found = sfs_tree_find(tree, name_of(i, name));
        if (!model->values[i]) {
            assert_null(found);
            continue;
        }
        struct item *item = sfs_tree_next(&cursor);
        assert_non_null(item);
        assert_ptr_equal(item, found);
        assert_string_equal(item->name, name);
        assert_int_equal(item->value, model->values[i]);
    }
    assert_null(sfs_tree_next(&cursor));
    assert_null(sfs_tree_next(&cursor));
}

static void change(struct sfs_tree *tree, struct model *model, unsigned number, int value)
{
    char name[16];
    if (value) {
        model->count += model->values[number] == 0;
        insert(tree, number, value);
    } else {
        int expected = model->values[number] != 0;
        assert_int_equal(sfs_tree_remove(tree, name_of(number, name)), expected);
        model->count -= (size_t)expected;
    }
    model->values[number] = value;
}

/* What differs is each name whose items are not the same one, in order and from `from` on. */
static void check_difference(const struct sfs_tree *old, const struct sfs_tree *new, unsigned from)
{
    char name[16];
    void *left, *right;
    struct sfs_tree_difference difference = sfs_tree_compare(old, new, name_of(from, name));
    for (unsigned i = from; i < NUMBERS; i++) {
        struct item *before = sfs_tree_find(old, name_of(i, name));
        struct item *after = sfs_tree_find(new, sfs_string(name));
        if (before == after)
            continue;
        assert_int_equal(sfs_tree_difference_next(&difference, &left, &right), 1);
        assert_ptr_equal(left, before);
        assert_ptr_equal(right, after);
    }
    assert_int_equal(sfs_tree_difference_next(&difference, &left, &right), 0);
    assert_int_equal(sfs_tree_difference_next(&difference, &left, &right), 0);
}

static void test_random(void **state)
{
    (void)state;
    enum { SHARES = 8, ROUNDS = 400 };
    struct sfs_tree tree;
    struct sfs_tree shares[SHARES];
    struct model *models = calloc(SHARES + 1, sizeof(*models));
    struct model *now = models + SHARES;
    sfs_tree_init(&tree, &counting);
    for (int i = 0; i < SHARES; i++)
        sfs_tree_init(&shares[i], &counting);
    srand(7);
    for (int round = 0; round < ROUNDS; round++) {
        int slot = rand() % SHARES;
        unsigned share_of_inserts = (unsigned)(rand() % 100);
        sfs_tree_clear(&shares[slot]);
        sfs_tree_share(&tree, &shares[slot]);
        models[slot] = *now;
        for (int i = 0; i < 300; i++)
            change(&tree, now, (unsigned)rand() % NUMBERS,
                   (unsigned)rand() % 100 < share_of_inserts ? 1 + rand() % 1000 : 0);
        check_equal(&tree, now);
        slot = rand() % SHARES;
        check_equal(&shares[slot], &models[slot]);
        check_difference(&shares[slot], &tree, (unsigned)rand() % NUMBERS);
        check_difference(&tree, &shares[rand() % SHARES], 0);
    }
    /* A share can be changed too, and the other stays as it was. */
    models[0] = *now;
    sfs_tree_clear(&shares[0]);
    sfs_tree_share(&tree, &shares[0]);
    for (unsigned i = 0; i < NUMBERS; i++)
        change(&shares[0], &models[0], i, 0);
    assert_null(shares[0].root);
    check_equal(&tree, now);
    for (int i = 0; i < SHARES; i++)
        sfs_tree_clear(&shares[i]);
    sfs_tree_clear(&tree);
    assert_int_equal(atomic_load(&alive), 0);
    free(models);
}

/* Few changes, at any depth: what both share is passed over, and nothing is missed. */
static void test_few_differences(void **state)
{
    (void)state;
    struct model *model = calloc(1, sizeof(*model));
    struct sfs_tree tree, share;
    sfs_tree_init(&tree, &counting);
    sfs_tree_init(&share, &counting);
    check_difference(&tree, &share, 0);
    srand(11);
    for (int round = 0; round < 1000; round++) {
        sfs_tree_clear(&share);
        sfs_tree_share(&tree, &share);
        check_difference(&share, &tree, (unsigned)rand() % NUMBERS);
        for (int i = rand() % 5; i >= 0; i--) {
            unsigned number = (unsigned)rand() % NUMBERS;
            change(&tree, model, number, model->values[number] && rand() % 3 ? 0 : round + 1);
        }
        check_difference(&share, &tree, (unsigned)rand() % NUMBERS);
        check_difference(&tree, &share, 0);
    }
    sfs_tree_clear(&tree);
    sfs_tree_clear(&share);
    assert_int_equal(atomic_load(&alive), 0);
    free(model);
}

static void test_bounds(void **state)
{
    (void)state;
    struct sfs_tree tree;
    char name[16];
    sfs_tree_init(&tree, &counting);
    assert_null(sfs_tree_lower_bound(&tree, SFS_LITERAL("")));
    assert_int_equal(sfs_tree_remove(&tree, SFS_LITERAL("x")), 0);
    for (unsigned i = 0; i < NUMBERS; i += 2)
        insert(&tree, i, (int)i + 1);
    for (unsigned i = 0; i < NUMBERS; i++) {
        struct item *item = sfs_tree_lower_bound(&tree, name_of(i, name));
        if (i == NUMBERS - 1) {
            assert_null(item);
            continue;
        }
        assert_int_equal(item->value, (int)(i + i % 2) + 1);
        assert_ptr_equal(sfs_tree_find(&tree, name_of(i, name)), i % 2 ? NULL : item);
    }
    sfs_tree_clear(&tree);
    assert_int_equal(atomic_load(&alive), 0);
}

/* --- allocations that fail: the linker sends the library's malloc here --- */

static int allocations_left = -1; /* until one fails; negative: none does */

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
    if (allocations_left == 0)
        return NULL;
    if (allocations_left > 0)
        allocations_left--;
    return __real_malloc(size);
}

/* Tries a change with more and more allocations until it succeeds; returns how often it failed. */
static int insist(struct sfs_tree *tree, const struct model *model, struct item *item, bool removal)
{
    for (int allowed = 0;; allowed++) {
        allocations_left = allowed;
        int result = removal ? sfs_tree_remove(tree, sfs_string(item->name))
                             : sfs_tree_insert(tree, sfs_string(item->name), item);
        allocations_left = -1;
        if (result >= 0) {
            assert_int_equal(result, removal);
            return allowed;
        }
        check_equal(tree, model);
    }
}

static void test_no_memory(void **state)
{
    (void)state;
    struct sfs_tree tree;
    struct sfs_tree share;
    struct model *model = calloc(1, sizeof(*model));
    struct model *old = calloc(1, sizeof(*old));
    int failures = 0;
    sfs_tree_init(&tree, &counting);
    for (unsigned i = 0; i < NUMBERS; i += 3)
        change(&tree, model, i, 1);
    for (unsigned i = 1; i < NUMBERS; i += 23) {
        struct item *item = malloc(sizeof(*item));
        assert_non_null(item);
        atomic_init(&item->references, 1);
        atomic_fetch_add(&alive, 1);
        item->value = 2;
        snprintf(item->name, sizeof(item->name), "%06u", i);
        bool removal = model->values[i] != 0;
        *old = *model;
        sfs_tree_share(&tree, &share);
        failures += insist(&tree, model, item, removal);
        model->values[i] = removal ? 0 : 2;
        model->count = removal ? model->count - 1 : model->count + 1;
        check_equal(&tree, model);
        check_equal(&share, old);
        sfs_tree_clear(&share);
        item_unref(item);
    }
    assert_true(failures > NUMBERS / 23);
    sfs_tree_clear(&tree);
    assert_int_equal(atomic_load(&alive), 0);
    free(model);
    free(old);
}

/* The order in which a tree is filled and emptied is what trees suffer from. */
static void test_orders(void **state)
{
    (void)state;
    struct model *model = calloc(1, sizeof(*model));
    for (int order = 0; order < 4; order++) {
        struct sfs_tree tree;
        sfs_tree_init(&tree, &counting);
        for (unsigned i = 0; i < NUMBERS; i++)
            change(&tree, model, order & 1 ? NUMBERS - 1 - i : i, 5);
        check_equal(&tree, model);
        for (unsigned i = 0; i < NUMBERS; i++) {
            change(&tree, model, order & 2 ? NUMBERS - 1 - i : i, 0);
            if (i % 500 == 0)
                check_equal(&tree, model);
        }
        assert_null(tree.root);
    }
    assert_int_equal(atomic_load(&alive), 0);
    free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),    cmocka_unit_test(test_few_differences),
        cmocka_unit_test(test_bounds),    cmocka_unit_test(test_orders),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
