/* SPDX-License-Identifier: MIT */
/* Whose writes uncommitted content is, beside a model that lists them: random writes, commits, failures, ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "fs/authors.h"

#define HANDLES 6
#define STEPS 200000

struct model {
    struct fs_authors authors;
    struct fs_open opens[HANDLES];
    bool since[HANDLES]; /* has written since the content was last taken */
    bool taken[HANDLES]; /* … and what is being committed */
    bool nameless, nameless_taken;
    bool under_way;
    struct fs_authors put_back;
};

static void check(const struct model *model)
{
    unsigned count = 0;
    for (size_t i = 0; i < HANDLES; i++) {
        bool have = model->since[i] || (model->nameless && model->opens[i].writes);
        assert_int_equal(fs_authors_have(&model->authors, &model->opens[i]), have);
        count += model->since[i];
    }
    assert_int_equal(fs_authors_gone(&model->authors, 0), count == 0);
    assert_int_equal(fs_authors_gone(&model->authors, 1), count == 0 && !model->nameless);
    assert_int_equal(model->authors.count, count);
}

static void begin(struct model *model)
{
    model->put_back = fs_authors_take(&model->authors);
    memcpy(model->taken, model->since, sizeof(model->taken));
    memset(model->since, 0, sizeof(model->since));
    model->nameless_taken = model->nameless;
    model->nameless = false;
    model->under_way = true;
}

static void fail_it(struct model *model)
{
    fs_authors_put_back(&model->authors, &model->put_back);
    for (size_t i = 0; i < HANDLES; i++)
        model->since[i] = model->since[i] || model->taken[i];
    model->nameless = model->nameless || model->nameless_taken;
    model->under_way = false;
}

static void step(struct model *model)
{
    size_t i = (size_t)rand() % HANDLES;
    switch (rand() % 8) {
    case 0:
        if (rand() % 4 == 0) {
            fs_authors_note(&model->authors, NULL);
            model->nameless = true;
        }
        break;
    case 1: /* its commits are waited for before it goes */
        if (!model->under_way) {
            fs_authors_leave(&model->authors, &model->opens[i]);
            model->since[i] = false;
        }
        break;
    case 2:
    case 3:
        if (!model->under_way)
            begin(model);
        else if (rand() % 2 == 0)
            fail_it(model);
        else
            model->under_way = false;
        break;
    default:
        fs_authors_note(&model->authors, &model->opens[i]);
        model->since[i] = true;
        break;
    }
}

static void test_model(void **state)
{
    struct model model = {.opens[0].writes = true, .opens[3].writes = true};
    (void)state;
    srand(7);
    check(&model);
    for (unsigned n = 0; n < STEPS; n++) {
        step(&model);
        check(&model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_model)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
