/* SPDX-License-Identifier: MIT */
/* See stacks.h: the table of stacks, and the fixture that opens one in a directory of its own. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/conformance/stacks.h"

static const struct {
    const char *name;
    const char *uri;
} backends[STACK_BACKENDS] = {
    {"memory", "memory:"},         {"memory-file", "memory:?snapshot=%s/store"},
    {"json", "json:%s/store"},     {"json-unsaved", "json:%s/store?autosave=0"},
    {"sqlite", "sqlite:%s/store"}, {"dir", "dir:%s/store?fsync=0"},
};

static const struct {
    const char *name;
    unsigned layers;
} kinds[STACK_KINDS] = {
    {"", 0},
    {"+metrics", STACK_METRICS},
    {"+fault", STACK_FAULT},
    {"+fault+metrics", STACK_FAULT | STACK_METRICS},
    {"+transaction", STACK_TRANSACTION},
};

const struct stack *stack_table(void)
{
    static struct stack table[STACK_COUNT];
    static char names[STACK_COUNT][64];
    for (size_t i = 0; i < STACK_COUNT && !table[i].name; i++) {
        size_t backend = i / STACK_KINDS, kind = i % STACK_KINDS;
        snprintf(names[i], sizeof(names[i]), "%s%s", backends[backend].name, kinds[kind].name);
        table[i] = (struct stack){names[i], backends[backend].uri, kinds[kind].layers, NULL, NULL};
    }
    return table;
}

static void put_on(struct sfs_storage **store, unsigned layer)
{
    struct sfs_storage *top = NULL;
    struct sfs_error error = {0};
    int code = layer == STACK_FAULT ? sfs_fault_layer(&top, *store, NULL, &error)
                                    : sfs_metrics_layer(&top, *store, &error);
    if (code)
        fail_msg("layer: %s", error.message);
    *store = top;
}

struct sfs_storage *fixture_open(const struct fixture *fixture, unsigned flags)
{
    struct sfs_storage *store = NULL;
    struct sfs_error error = {0};
    if (sfs_open(&store, fixture->uri, flags, &error))
        fail_msg("%s: %s", fixture->uri, error.message);
    if (fixture->stack->bottom)
        store = fixture->stack->bottom(store);
    if (fixture->stack->layers & STACK_FAULT)
        put_on(&store, STACK_FAULT);
    if (fixture->stack->layers & STACK_METRICS)
        put_on(&store, STACK_METRICS);
    if (fixture->stack->top)
        store = fixture->stack->top(store);
    assert_non_null(store);
    return store;
}

struct sfs_storage *fixture_open_again(struct fixture *fixture)
{
    return fixture_open(fixture, 0);
}

static void make_place(struct fixture *fixture)
{
    const char *directory = getenv("TMPDIR");
    snprintf(fixture->directory, sizeof(fixture->directory), "%s/conformance.XXXXXX",
             directory ? directory : "/tmp");
    assert_non_null(mkdtemp(fixture->directory));
    const char *mark = strstr(fixture->stack->uri, "%s");
    if (mark)
        snprintf(fixture->uri, sizeof(fixture->uri), "%.*s%s%s", (int)(mark - fixture->stack->uri),
                 fixture->stack->uri, fixture->directory, mark + 2);
    else
        snprintf(fixture->uri, sizeof(fixture->uri), "%s", fixture->stack->uri);
}

struct fixture *fixture_new(const struct stack *stack)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    fixture->stack = stack;
    make_place(fixture);
    fixture->base = fixture->store = fixture_open(fixture, SFS_OPEN_CREATE);
    assert_int_equal(sfs_batch_new(&fixture->batch, NULL), 0);
    if (stack->layers & STACK_TRANSACTION) {
        /* The best that the backend can give. */
        const struct sfs_transaction_options weak = {.isolation = SFS_READ_COMMITTED};
        bool snapshots = sfs_storage_capabilities(fixture->base) & SFS_CAN_SNAPSHOT;
        if (sfs_begin(fixture->base, snapshots ? NULL : &weak, &fixture->transaction,
                      &fixture->error))
            fail_msg("begin: %s", fixture->error.message);
        fixture->store = sfs_transaction_storage(fixture->transaction);
    }
    return fixture;
}

/* Paths below it may be longer than PATH_MAX. */
static void empty_directory(int fd)
{
    struct dirent *entry;
    DIR *handle = fdopendir(fd);
    assert_non_null(handle);
    while ((entry = readdir(handle))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (unlinkat(fd, entry->d_name, 0) == 0)
            continue;
        int below = openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        assert_true(below >= 0);
        empty_directory(below);
        assert_int_equal(unlinkat(fd, entry->d_name, AT_REMOVEDIR), 0);
    }
    closedir(handle);
}

void fixture_remove(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (fd < 0) {
        unlink(path);
        return;
    }
    empty_directory(fd);
    assert_int_equal(rmdir(path), 0);
}

void fixture_free(struct fixture *fixture)
{
    struct sfs_error error = {0};
    sfs_batch_free(fixture->batch);
    sfs_transaction_free(fixture->transaction);
    if (sfs_close(fixture->base, &error))
        fail_msg("close: %s", error.message);
    fixture_remove(fixture->directory);
    free(fixture);
}

void fixture_reopen(struct fixture *fixture)
{
    assert_null(fixture->transaction);
    if (sfs_close(fixture->base, &fixture->error))
        fail_msg("close: %s", fixture->error.message);
    fixture->base = fixture->store = NULL;
    fixture->base = fixture->store = fixture_open(fixture, 0);
}

bool fixture_can(const struct fixture *fixture, unsigned capability)
{
    return (sfs_storage_capabilities(fixture->store) & capability) == capability;
}

bool fixture_takes_large(const struct fixture *fixture)
{
    return strcmp(fixture->uri, "memory:") == 0 || strncmp(fixture->uri, "sqlite:", 7) == 0 ||
           strncmp(fixture->uri, "dir:", 4) == 0;
}

int fixture_set_up(void **state)
{
    *state = fixture_new(*state);
    return 0;
}

int fixture_tear_down(void **state)
{
    fixture_free(*state);
    return 0;
}

static bool is_meant(const struct stack *stack, unsigned needs)
{
    const char *only = getenv("STOREFS_TEST_STACK");
    struct sfs_storage *store;
    if (only && strcmp(only, stack->name) != 0)
        return false;
    if (!needs)
        return true;
    struct fixture *fixture = fixture_new(stack);
    store = fixture->store;
    unsigned has = sfs_storage_capabilities(store);
    fixture_free(fixture);
    return (has & needs) == needs;
}

static struct CMUnitTest make_test(const struct stack *stack, const struct conformance_test *test)
{
    char *name = NULL;
    if (asprintf(&name, "%s: %s", stack->name, test->name) < 0)
        abort();
    return (struct CMUnitTest){name, test->function, fixture_set_up, fixture_tear_down,
                               (void *)(uintptr_t)stack};
}

int stacks_run(const char *program, const struct conformance_test *tests, size_t count)
{
    const struct stack *stacks = stack_table();
    struct CMUnitTest *all = calloc(STACK_COUNT * count, sizeof(*all));
    size_t filled = 0;
    if (!all)
        return 1;
    for (size_t i = 0; i < STACK_COUNT; i++) {
        for (size_t j = 0; j < count; j++) {
            if (is_meant(&stacks[i], tests[j].needs))
                all[filled++] = make_test(&stacks[i], &tests[j]);
        }
    }
    int failed = _cmocka_run_group_tests(program, all, filled, NULL, NULL);
    for (size_t i = 0; i < filled; i++)
        free((void *)(uintptr_t)all[i].name);
    free(all);
    return filled == 0 ? 1 : failed;
}
