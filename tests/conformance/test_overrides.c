/* SPDX-License-Identifier: MIT */
/*
 * Which function answers each override slot under each stack of layers: a layer that loses a slot
 * gives the same answers, only slower.
 */
#include <stddef.h>

#include "core/storage.h"
#include "storefs/query.h"
#include "tests/conformance/layered.h"

/* --- one call for each slot --- */

static int ask_totals(struct sfs_storage *store, struct sfs_error *error)
{
    struct sfs_totals totals;
    return sfs_totals(store, &totals, error);
}

static int ask_exists(struct sfs_storage *store, struct sfs_error *error)
{
    return sfs_exists(store, everything(), error);
}

static int ask_data(struct sfs_storage *store, struct sfs_error *error)
{
    struct sfs_extent extent;
    return sfs_data(store, L("k"), 0, &extent, error);
}

static int ask_version(struct sfs_storage *store, struct sfs_error *error)
{
    uint64_t version;
    return sfs_version(store, &version, error);
}

static int ask_push_down(struct sfs_storage *store, struct sfs_error *error)
{
    struct sfs_query *query = NULL;
    uint64_t count = 0;
    OK(sfs_query_new(&query, NULL));
    OK(sfs_query_where(query, L("m > 1"), NULL)); /* which no index holds */
    int code = sfs_query_count(store, query, &count, error);
    sfs_query_free(query);
    return code;
}

static int ask_backup(struct sfs_storage *store, struct sfs_error *error)
{
    return sfs_backup(store, "nowhere", NULL, NULL, error);
}

static int ask_check(struct sfs_storage *store, struct sfs_error *error)
{
    uint64_t found = 0, repaired = 0;
    return sfs_check(store, false, NULL, NULL, &found, &repaired, error);
}

static int ask_reserve_ids(struct sfs_storage *store, struct sfs_error *error)
{
    uint64_t first;
    return sfs_reserve_ids(store, 3, &first, error);
}

static int ask_watch(struct sfs_storage *store, struct sfs_error *error)
{
    struct sfs_watch *watch;
    return sfs_watch_open(store, &watch, error);
}

static int ask_files(struct sfs_storage *store, struct sfs_error *error)
{
    return sfs_check_files(store, NULL, NULL, error);
}

static int pass_by(void *context, const char *name, const struct sfs_index_stats *stats)
{
    (void)context, (void)name, (void)stats;
    return 0;
}

static int ask_index_set(struct sfs_storage *store, struct sfs_error *error)
{
    return sfs_index_list(store, pass_by, NULL, error);
}

static int ask_index_stats(struct sfs_storage *store, struct sfs_error *error)
{
    struct sfs_index_stats stats;
    return sfs_index_stats(store, L("n"), &stats, error);
}

/* The index that the store shows; the caller unrefs *ret_set. */
static const struct sfs_index *find_index(struct sfs_storage *store, struct sfs_index_set **ret_set)
{
    struct sfs_storage *able = sfs_storage_index(store);
    *ret_set = NULL;
    if (able)
        OK(able->operations->override->index->set(able, ret_set, NULL));
    return *ret_set ? (*ret_set)->indexes[0] : NULL;
}

static int no_index(struct sfs_error *error)
{
    return sfs_fail(error, SFS_E_UNSUPPORTED, "test", "the store shows no index");
}

static int ask_index_scan(struct sfs_storage *store, struct sfs_error *error)
{
    struct sfs_index_set *set = NULL;
    struct sfs_index_cursor *cursor = NULL;
    const struct sfs_index *index = find_index(store, &set);
    int code = index ? sfs_storage_index_scan(store, index, everything(), false, SFS_WANT_NAMES,
                                              &cursor, error)
                     : no_index(error);
    if (cursor)
        cursor->operations->close(cursor);
    sfs_index_set_unref(set);
    return code;
}

static int ask_index_count(struct sfs_storage *store, struct sfs_error *error)
{
    struct sfs_index_set *set = NULL;
    const struct sfs_index *index = find_index(store, &set);
    struct sfs_storage *able = sfs_storage_index(store);
    uint64_t count;
    int code = index ? able->operations->override->index->count(able, index, everything(), 9,
                                                                &count, error)
                     : no_index(error);
    sfs_index_set_unref(set);
    return code;
}

static int ask_index_create(struct sfs_storage *store, struct sfs_error *error)
{
    return sfs_index_create(store, L("m"), NULL, NULL, error);
}

static int ask_index_drop(struct sfs_storage *store, struct sfs_error *error)
{
    return sfs_index_drop(store, L("n"), error);
}

/*
 * Who answers, a letter for each stack in the order of layered.c, which is layers, then snapshots
 * and layers over them, then transactions: o  the override of the backend L  the override of a
 * layer, which asks that of the backend l  the override of a layer, by itself d  the derived form,
 * which reads records n  nobody needs to be asked r  nobody: the call is refused
 */
#define OFFSET(slot) offsetof(struct sfs_override_operations, slot)
static const struct {
    const char *name;
    size_t offset;
    int (*ask)(struct sfs_storage *store, struct sfs_error *error);
    const char *who;
} rows[SLOTS] = {
    [SLOT_TOTALS] = {"totals", OFFSET(totals), ask_totals,
                     "ooddoodo"
                     "oood"
                     "lLLlLLLL"},
    [SLOT_EXISTS] = {"exists", OFFSET(exists), ask_exists,
                     "ooddoodo"
                     "oood"
                     "Llllllll"},
    [SLOT_DATA] = {"data", OFFSET(data), ask_data,
                   "ooddoodo"
                   "oood"
                   "dddddddd"},
    [SLOT_VERSION] = {"version", OFFSET(version), ask_version,
                      "oorrooro"
                      "ooor"
                      "rrrrrrrr"},
    [SLOT_PUSH_DOWN] = {"push_down", OFFSET(push_down), ask_push_down,
                        "ooddoodo"
                        "oood"
                        "llllllll"},
    [SLOT_BACKUP] = {"backup", OFFSET(backup), ask_backup,
                     "oorrooor"
                     "oooo"
                     "rrrrrrrr"},
    [SLOT_CHECK] = {"check", OFFSET(check), ask_check,
                    "ooddoood"
                    "oooo"
                    "dddddddd"},
    [SLOT_RESERVE_IDS] = {"reserve_ids", OFFSET(reserve_ids), ask_reserve_ids,
                          "oorrroor"
                          "rrrr"
                          "rrrrrrrr"},
    [SLOT_WATCH] = {"watch", OFFSET(watch), ask_watch,
                    "oooooooo"
                    "oooo"
                    "oooooooo"},
    [SLOT_FILES] = {"files", OFFSET(files), ask_files,
                    "oooooooo"
                    "oooo"
                    "oooooooo"},
    [SLOT_INDEX_SET] = {"index->set", OFFSET(index), ask_index_set,
                        "oonnoono"
                        "ooon"
                        "LLlLLlLL"},
    [SLOT_INDEX_STATS] = {"index->stats", OFFSET(index), ask_index_stats,
                          "oorrooro"
                          "ooor"
                          "LLrLLrLL"},
    [SLOT_INDEX_SCAN] = {"index->scan", OFFSET(index), ask_index_scan,
                         "oorrooro"
                         "ooor"
                         "rrrLLrrr"},
    [SLOT_INDEX_COUNT] = {"index->count", OFFSET(index), ask_index_count,
                          "oorrooro"
                          "ooor"
                          "LLrLLrLL"},
    [SLOT_INDEX_CREATE] = {"index->create", OFFSET(index), ask_index_create,
                           "oorrroor"
                           "rrrr"
                           "rrrrrrrr"},
    [SLOT_INDEX_DROP] = {"index->drop", OFFSET(index), ask_index_drop,
                         "oorrroor"
                         "rrrr"
                         "rrrrrrrr"},
};

/* Whether a layer over the backend has the slot. */
static bool layer_has(const struct sfs_storage *store, size_t offset)
{
    for (; store && !counting_is(store); store = store->below) {
        void (*slot)(void) = NULL;
        if (store->operations->override)
            memcpy(&slot, (const char *)store->operations->override + offset, sizeof(slot));
        if (slot)
            return true;
    }
    return false;
}

static char who_answers(struct sfs_storage *store, enum slot slot)
{
    struct sfs_error error = {0};
    bool layer = layer_has(store, rows[slot].offset);
    int code = rows[slot].ask(store, &error);
    if (counting_asked[slot])
        return layer ? 'L' : 'o';
    if (code < 0 && code != SFS_E_UNSUPPORTED && code != SFS_E_READ_ONLY && code != SFS_E_NOT_FOUND)
        fail_msg("%s: %s", rows[slot].name, error.message);
    if (code < 0)
        return 'r';
    return layer ? 'l' : counting_reads ? 'd' : 'n';
}

static void test_slot(void **state)
{
    enum slot slot = (enum slot)(uintptr_t)*state;
    struct opened opened;
    char who[LAYERED + 1] = "";
    if (!rows[slot].ask || strlen(rows[slot].who) != LAYERED)
        fail_msg("slot %d has no row for every stack", (int)slot);
    for (size_t stack = 0; stack < LAYERED; stack++) {
        layered_open(stack, &opened);
        who[stack] = who_answers(opened.store, slot);
        layered_close(&opened);
    }
    for (size_t stack = 0; stack < LAYERED; stack++)
        if (who[stack] != rows[slot].who[stack])
            print_error("%s under %s: '%c' answered, not '%c'\n", rows[slot].name,
                        layered_name(stack), who[stack], rows[slot].who[stack]);
    assert_string_equal(who, rows[slot].who);
}

/* --- a store whose values cannot be read --- */

static int damaged_get(struct sfs_storage *store, struct sfs_bytes name, unsigned want,
                       const struct sfs_record **ret_record, struct sfs_error *error)
{
    return sfs_get(store->below, name, want, ret_record, error);
}

static int damaged_read(struct sfs_storage *store, struct sfs_bytes name, uint64_t revision,
                        uint64_t offset, void *data, size_t size, size_t *ret_size,
                        struct sfs_error *error)
{
    (void)store, (void)name, (void)revision, (void)offset, (void)data, (void)size, (void)ret_size;
    return sfs_fail(error, SFS_E_CORRUPT, "test", "damaged");
}

static int damaged_scan(struct sfs_storage *store, struct sfs_range range, unsigned want,
                        struct sfs_cursor **ret_cursor, struct sfs_error *error)
{
    return sfs_scan(store->below, range, want, ret_cursor, error);
}

static struct sfs_storage *damaged_store(struct sfs_storage *below)
{
    static const struct sfs_read_operations reads = {damaged_get, damaged_read, damaged_scan};
    static const struct sfs_storage_operations operations = {
        .name = "damaged", .read = &reads, .hides = SFS_OVERRIDE_ANSWER, .close = layer_free};
    return layer_over(below, &operations);
}

/* A layer that hands the check on would have it done twice. */
static void test_damage_counts_once(void **state)
{
    struct stack damaged = *(const struct stack *)*state;
    uint64_t found = 0, repaired = 0;
    if (damaged.layers & STACK_TRANSACTION)
        return; /* it reads a snapshot, which is not damaged */
    damaged.bottom = damaged_store;
    struct fixture *f = fixture_new(&damaged);
    put(f, L("k"), L("v"));
    OK(sfs_check(f->store, false, NULL, NULL, &found, &repaired, &f->error));
    assert_int_equal(found, 1);
    fixture_free(f);
}

int main(void)
{
    struct CMUnitTest tests[SLOTS + STACK_COUNT];
    const struct stack *fixtures = stack_table();
    for (uintptr_t i = 0; i < SLOTS; i++)
        tests[i] = (struct CMUnitTest){rows[i].name, test_slot, NULL, NULL, (void *)i};
    for (size_t i = 0; i < STACK_COUNT; i++)
        tests[SLOTS + i] = (struct CMUnitTest){fixtures[i].name, test_damage_counts_once, NULL,
                                               NULL, (void *)(uintptr_t)&fixtures[i]};
    return _cmocka_run_group_tests("overrides", tests, SLOTS + STACK_COUNT, NULL, NULL);
}
