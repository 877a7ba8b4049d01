/* SPDX-License-Identifier: MIT */
/* See rig.h. */
#include <inttypes.h>
#include <stdio.h>

#include "tests/fault/rig.h"

struct run {
    const struct rig_plan *plan;
    const struct scenario *scenario;
    const struct stack *stack;
    struct fixture *fixture;
    unsigned long tried;
    unsigned long skip;
    char *before; /* signatures: without times, ids and revisions */
    char *after;
};

/* --- the store that each run begins with --- */

static void add_marker(struct sfs_batch *batch, struct sfs_bytes name)
{
    const struct sfs_attributes marker = {.kind = SFS_KIND_MARKER, .mode = 0700};
    OK(sfs_batch_put(batch, name, L(""), &marker, SFS_ATTRIBUTE_KIND | SFS_ATTRIBUTE_MODE, NULL));
}

static void seed(struct fixture *fixture)
{
    struct sfs_batch *batch = fixture->batch;
    size_t size = strncmp(fixture->uri, "sqlite:", 7) == 0 ? 600000 : 20000;
    char *large = pattern(size, 7);
    const struct sfs_attributes link = {.kind = SFS_KIND_SYMLINK};
    OK(sfs_batch_put(batch, L("a"), L("1"), NULL, 0, NULL));
    OK(sfs_batch_put(batch, L("b"), L("{\"n\":1,\"s\":\"x\"}"), NULL, 0, NULL));
    OK(sfs_batch_put(batch, L("d/1"), L("{\"n\":2,\"tags\":[\"x\"],\"s\":\"y\"}"), NULL, 0, NULL));
    OK(sfs_batch_put(batch, L("d/2"), L("some text"), NULL, 0, NULL));
    OK(sfs_batch_put(batch, L("e/1"), L("{\"n\":3}"), NULL, 0, NULL));
    OK(sfs_batch_put(batch, L("l"), L("a"), &link, SFS_ATTRIBUTE_KIND, NULL));
    OK(sfs_batch_put(batch, L("large"), sfs_bytes(large, size), NULL, 0, NULL));
    OK(sfs_batch_put(batch, L("x"), L("\xff\x00z"), NULL, 0, NULL));
    OK(sfs_batch_xattr(batch, L("x"), L("user.a"), L("1"), 0, NULL));
    add_marker(batch, L("d/\0"));
    apply(fixture, 0);
    free(large);
}

/* --- what is in a store --- */

static void sum(uint64_t *state, const void *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        *state = (*state ^ ((const unsigned char *)data)[i]) * 1099511628211u;
}

static char *signature(struct sfs_storage *store)
{
    char *text = NULL, shown[64];
    size_t size = 0;
    struct sfs_cursor *cursor = NULL;
    const struct sfs_record *record = NULL;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    OK(sfs_scan(store, everything(), SFS_WANT_VALUE, &cursor, NULL));
    int code;
    while ((code = sfs_cursor_next(cursor, &record, NULL)) == 1) {
        uint64_t state = 14695981039346656037u;
        struct sfs_bytes value = sfs_record_value(record);
        sum(&state, value.data, value.size);
        sum(&state, record->xattrs.data, record->xattrs.size);
        fprintf(out, "%s %d %d %o %zu %zu %016" PRIx64 "\n",
                sfs_name_show(record->name, shown, sizeof(shown)), (int)record->attributes.kind,
                (int)record->attributes.type, record->attributes.mode, value.size,
                record->xattrs.size, state);
    }
    assert_int_equal(code, 0);
    sfs_cursor_close(cursor);
    assert_int_equal(fclose(out), 0);
    return text;
}

static _Noreturn void complain(const struct run *run, const char *what, const char *details)
{
    print_error("%s: %s: call %lu%s: %s\n%s\n", run->stack->name, run->scenario->name, run->skip,
                run->plan->mode == INJECT_ONWARD ? " and all behind it" : "", what, details);
    fail();
    abort();
}

static void expect_content(const struct run *run, bool before, bool after, const char *when)
{
    char *now = signature(run->fixture->store);
    if (!(before && strcmp(now, run->before) == 0) && !(after && strcmp(now, run->after) == 0) &&
        !(before && (run->scenario->flags & SCENARIO_COMMITS))) {
        print_error("%s\nnot: %s\n", now, before ? run->before : run->after);
        complain(run, "this is not what should be in the store", when);
    }
    free(now);
}

static void print_finding(void *context, const char *sentence)
{
    (void)context;
    print_error("check: %s\n", sentence);
}

static void expect_sound(const struct run *run)
{
    uint64_t found = 0, repaired = 0;
    struct sfs_error error = {0};
    if (sfs_check(run->fixture->store, false, print_finding, NULL, &found, &repaired, &error))
        complain(run, "cannot be checked", error.message);
    if (found)
        complain(run, "the store is damaged", "");
}

/* --- one run --- */

static bool persists(const struct run *run)
{
    return strcmp(run->fixture->uri, "memory:") != 0;
}

static void start_anew(struct run *run)
{
    if (run->fixture)
        fixture_free(run->fixture);
    run->fixture = fixture_new(run->stack);
    seed(run->fixture);
}

static void close_store(struct run *run)
{
    struct fixture *fixture = run->fixture;
    struct sfs_error error = {0};
    if (fixture->store && sfs_close(fixture->store, &error))
        complain(run, "close", error.message);
    fixture->base = fixture->store = NULL;
}

static void open_store(struct run *run)
{
    struct fixture *fixture = run->fixture;
    struct sfs_error error = {0};
    if (!fixture->store && sfs_open(&fixture->store, fixture->uri, 0, &error))
        complain(run, "cannot be opened afterwards", error.message);
    fixture->base = fixture->store;
}

static void reopen(struct run *run)
{
    if (persists(run)) {
        close_store(run);
        open_store(run);
    }
}

static int call(struct run *run, struct sfs_error *error)
{
    struct fixture *fixture = run->fixture;
    int code = run->scenario->run(fixture, error);
    fixture->base = fixture->store;
    return code < 0 ? code : 0;
}

/* Everything still works: a key is set, read and deleted. */
static void expect_usable(const struct run *run)
{
    struct sfs_storage *store = run->fixture->store;
    struct sfs_error error = {0};
    const struct sfs_bytes name = L("usable");
    if (sfs_set(store, name, L("yes"), &error) || sfs_has(store, name, &error) != 1 ||
        sfs_delete(store, name, &error) != 1)
        complain(run, "cannot be used afterwards", error.message);
}

static void judge_failure(const struct run *run, int code, const struct sfs_error *error)
{
    bool finds = (run->scenario->flags & SCENARIO_FINDS) && run->plan->kinds != INJECT_MEMORY;
    if (!run->plan->is_proper(code) && !(finds && code == SFS_E_CORRUPT))
        complain(run, sfs_code_name(code), error->message);
    if (error->code != code || !error->message[0])
        complain(run, "the error is not filled in", error->message);
}

/* One run in which the call after `skip` others fails; false when no call failed. */
static bool try_call(struct run *run)
{
    struct sfs_error error = {0};
    const struct rig_plan *plan = run->plan;
    if (run->scenario->flags & SCENARIO_CLOSED)
        close_store(run);
    inject_arm(plan->kinds, run->skip, plan->mode);
    int code = call(run, &error);
    bool fired = inject_disarm();
    if (code && !fired)
        complain(run, "failed without a reason", error.message);
    if (code)
        judge_failure(run, code, &error);
    if (run->scenario->settle)
        run->scenario->settle(run->fixture, code);
    bool closed = !run->fixture->store;
    open_store(run);
    bool unsure = code && (plan->uncertain || closed);
    expect_content(run, code != 0, code == 0 || unsure, "at once");
    bool thorough = run->tried % 4 == 0 || run->plan->uncertain;
    if (thorough)
        expect_usable(run);
    reopen(run);
    expect_content(run, code != 0, code == 0 || unsure, "after opening it again");
    if (thorough)
        expect_sound(run);
    return fired;
}

/* What the scenario makes of the store when nothing fails. */
static void learn(struct run *run)
{
    struct sfs_error error = {0};
    start_anew(run);
    run->before = signature(run->fixture->store);
    if (run->scenario->flags & SCENARIO_CLOSED)
        close_store(run);
    if (call(run, &error))
        complain(run, "fails by itself", error.message);
    if (run->scenario->settle)
        run->scenario->settle(run->fixture, 0);
    open_store(run);
    run->after = signature(run->fixture->store);
}

static bool is_as_before(const struct run *run)
{
    char *now = signature(run->fixture->store);
    bool same = strcmp(now, run->before) == 0;
    free(now);
    return same && persists(run);
}

static void play(const struct rig_plan *plan, const struct scenario *scenario,
                 const struct stack *stack)
{
    struct run run = {.plan = plan, .scenario = scenario, .stack = stack};
    const char *scale = getenv("STOREFS_TEST_SCALE");
    unsigned long stride = scale && strcmp(scale, "full") == 0 ? 1 : plan->stride;
    /* Plain files take many calls, most of them of looks at directories. */
    bool files = stride > 1 && strncmp(stack->uri, "dir:", 4) == 0;
    unsigned long dense = files ? plan->dense / 3 : plan->dense;
    stride = files ? stride * 8 : stride;
    learn(&run);
    do {
        if (!is_as_before(&run))
            start_anew(&run);
        run.skip = run.tried < dense ? run.tried : dense + (run.tried - dense) * stride;
        run.tried++;
    } while (try_call(&run));
    fixture_free(run.fixture);
    free(run.before);
    free(run.after);
    if (getenv("STOREFS_TEST_VERBOSE"))
        print_message("%s: %s: %lu\n", stack->name, scenario->name, run.tried);
}

/* --- all of them --- */

struct place {
    const struct rig_plan *plan;
    const struct stack *stack;
    const struct scenario *table;
};

static bool can(const struct stack *stack, unsigned needs)
{
    if (!needs)
        return true;
    struct fixture *fixture = fixture_new(stack);
    bool able = fixture_can(fixture, needs);
    fixture_free(fixture);
    return able;
}

static void play_table(void **state)
{
    const struct place *place = *state;
    const char *only = getenv("STOREFS_TEST_SCENARIO");
    if (place->plan->prepare)
        place->plan->prepare();
    for (const struct scenario *scenario = place->table; scenario->name; scenario++) {
        if ((!only || strcmp(only, scenario->name) == 0) && can(place->stack, scenario->needs))
            play(place->plan, scenario, place->stack);
    }
}

#define TABLES 4
int rig_run(const char *program, const struct rig_plan *plans, size_t count)
{
    static const struct {
        const char *name;
        const struct scenario *table;
    } tables[TABLES] = {{"reading", scenarios_reading},
                        {"writing", scenarios_writing},
                        {"keeping", scenarios_keeping},
                        {"attributes", scenarios_attributes}};
    static struct place places[TABLES * STACK_BACKENDS * 8];
    static struct CMUnitTest tests[TABLES * STACK_BACKENDS * 8];
    static char names[TABLES * STACK_BACKENDS * 8][80];
    const char *only = getenv("STOREFS_TEST_STACK");
    size_t filled = 0;
    for (size_t i = 0; i < count * STACK_BACKENDS * TABLES; i++) {
        const struct rig_plan *plan = &plans[i / TABLES / STACK_BACKENDS];
        const struct stack *stack = &stack_table()[i / TABLES % STACK_BACKENDS * STACK_KINDS];
        if ((plan->backend && strncmp(stack->uri, plan->backend, strlen(plan->backend)) != 0) ||
            (only && strcmp(only, stack->name) != 0))
            continue;
        snprintf(names[filled], sizeof(names[filled]), "%s: %s%s", stack->name,
                 tables[i % TABLES].name, plan->mode == INJECT_ONWARD ? ", and all behind" : "");
        places[filled] = (struct place){plan, stack, tables[i % TABLES].table};
        tests[filled] = (struct CMUnitTest){names[filled], play_table, NULL, NULL, &places[filled]};
        filled++;
    }
    return _cmocka_run_group_tests(program, tests, filled, NULL, NULL);
}
