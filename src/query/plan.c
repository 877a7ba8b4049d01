/* SPDX-License-Identifier: MIT */
/* Choosing an index: what each could do is priced, and the cheapest taken. */
#include "query/plan.h"

#include <inttypes.h>
#include <stdlib.h>

#include "core/storage.h"
#include "query/bounds.h"
#include "query/cover.h"
#include "query/plan_ranges.h"

/* --- what the query asks for --- */

struct wish {
    const struct sfs_query *query;
    struct sfs_plan_tests tests;
    size_t filters;
    const struct sfs_query_stage *order;     /* behind the filters; NULL */
    bool grouped;                            /* then all is groups */
    const struct sfs_query_stage *group;     /* of these; NULL: one */
    const struct sfs_query_stage *aggregate; /* with these results; NULL: none */
    size_t done;                             /* the stages that make them */
    uint64_t most;                           /* rows behind that: limit and offset; UINT64_MAX */
    uint64_t keys;                           /* in the store */
    bool one_state;                          /* what is read is one state of the store */
};

static uint64_t add_up(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t times(uint64_t a, uint64_t b)
{
    return b && a > UINT64_MAX / b ? UINT64_MAX : a * b;
}

/* How many rows the stages from `at` on can take. */
static uint64_t most_rows(const struct sfs_query *query, size_t at)
{
    uint64_t skipped = 0;
    for (; at < query->count; at++) {
        const struct sfs_query_stage *stage = query->stages[at];
        if (stage->kind == SFS_QUERY_LIMIT)
            return add_up(skipped, stage->count);
        if (stage->kind != SFS_QUERY_OFFSET)
            break;
        skipped = add_up(skipped, stage->count);
    }
    return UINT64_MAX;
}

/* Whether the filters are followed by a group or an aggregate: to those no order matters. */
static void wish_groups(struct wish *wish)
{
    const struct sfs_query *query = wish->query;
    size_t at = wish->filters;
    while (at < query->count && query->stages[at]->kind == SFS_QUERY_ORDER)
        at++;
    const struct sfs_query_stage *stage = at < query->count ? query->stages[at] : NULL;
    if (!stage || (stage->kind != SFS_QUERY_GROUP && stage->kind != SFS_QUERY_AGGREGATE))
        return;
    wish->grouped = true;
    wish->done = at;
    wish->aggregate = stage;
    if (stage->kind == SFS_QUERY_GROUP) {
        wish->done = at + 1;
        wish->group = stage;
        wish->aggregate = sfs_query_results_of(query, at);
    }
}

static struct wish wish_of(const struct sfs_storage *store, const struct sfs_query *query)
{
    struct wish wish = {.query = query, .one_state = sfs_plan_is_of_one_state(store)};
    while (wish.filters < query->count && query->stages[wish.filters]->node)
        wish.filters++;
    wish.tests = sfs_plan_tests_of(query, wish.filters);
    size_t next = wish.filters;
    if (next < query->count && query->stages[next]->kind == SFS_QUERY_ORDER)
        wish.order = query->stages[next++];
    wish.most = most_rows(query, next);
    wish_groups(&wish);
    return wish;
}

/* --- what an index can do --- */

struct offer {
    const struct sfs_index *index;
    struct sfs_plan_ranges ranges;
    enum sfs_plan_way way;
    bool ordered;
    bool descending;
    bool streamed;
    uint64_t rows;
    uint64_t price;
};

static void offer_free(struct offer *offer)
{
    sfs_plan_ranges_free(&offer->ranges);
    *offer = (struct offer){.index = NULL};
}

/* Whether the fields of the index behind the bound ones are the keys of the order, those that the
 * filters give one value left out, all in one direction. */
static bool gives_order(const struct wish *wish, const struct sfs_index *index, size_t bound,
                        bool *ret_descending)
{
    size_t at = bound;
    bool descending = false;
    for (size_t i = 0; i < wish->order->key_count; i++) {
        const struct sfs_stage_field *key = &wish->order->keys[i];
        if (sfs_plan_is_bound(&wish->tests, &key->field))
            continue;
        if (at == index->field_count || (at > bound && key->descending != descending) ||
            !sfs_field_equals(sfs_index_field(index, at), &key->field))
            return false;
        descending = key->descending;
        at++;
    }
    *ret_descending = descending;
    return at == index->field_count;
}

static const struct sfs_index_operations *operations_of(const struct sfs_storage *able)
{
    return able->operations->override->index;
}

static struct sfs_range range_of(const struct sfs_plan_range *range)
{
    return (struct sfs_range){sfs_buffer_bytes(&range->from), sfs_buffer_bytes(&range->to)};
}

static int count_ranges(struct sfs_storage *able, const struct sfs_index *index,
                        const struct sfs_plan_ranges *ranges, uint64_t most, uint64_t *ret_count,
                        struct sfs_error *error)
{
    uint64_t count = 0;
    int result = 0;
    for (size_t i = 0; result == 0 && i < ranges->count && count < most; i++) {
        uint64_t part = 0;
        result = operations_of(able)->count(able, index, range_of(&ranges->ranges[i]), most - count,
                                            &part, error);
        count += part;
    }
    *ret_count = count;
    return result;
}

static int count_unread(struct sfs_storage *able, const struct sfs_index *index,
                        uint64_t *ret_count, struct sfs_error *error)
{
    struct sfs_range range = {SFS_LITERAL(SFS_INDEX_UNREAD), {0}};
    return operations_of(able)->count(able, index, range, UINT64_MAX, ret_count, error);
}

/* Documents that no index read are looked at in any case. */
static int add_unread(struct offer *offer, uint64_t unread)
{
    size_t count = offer->ranges.count;
    struct sfs_plan_range *ranges = calloc(count + 1, sizeof(*ranges));
    if (!ranges)
        return SFS_E_NO_MEMORY;
    if (count)
        memcpy(ranges, offer->ranges.ranges, count * sizeof(*ranges));
    free(offer->ranges.ranges);
    offer->ranges.ranges = ranges;
    offer->ranges.exact = false;
    offer->ranges.count = count + 1;
    offer->rows += unread;
    return sfs_buffer_add(&ranges[count].from, SFS_LITERAL(SFS_INDEX_UNREAD));
}

/* How many entries are looked at until the rows are together. */
static uint64_t examined(const struct wish *wish, const struct offer *offer)
{
    uint64_t rows = offer->ranges.exact ? wish->most : times(wish->most, SFS_PLAN_GUESS);
    return rows < offer->rows ? rows : offer->rows;
}

static void choose_way(const struct wish *wish, struct offer *offer, bool in_order)
{
    bool one_key = offer->ranges.count == 1 && offer->ranges.bound == offer->index->field_count;
    uint64_t some = times(examined(wish, offer), SFS_PLAN_FETCH_COST);
    uint64_t all = times(offer->rows, SFS_PLAN_FETCH_COST);
    offer->way = one_key ? SFS_PLAN_KEY : SFS_PLAN_NAMES;
    offer->price = one_key && !wish->order ? some : all;
    if (!one_key && (!offer->ranges.narrowed || offer->rows > SFS_PLAN_NAMES_MAX))
        offer->price = UINT64_MAX;
    if (!in_order)
        return;
    if (some <= offer->price) {
        offer->way = one_key ? SFS_PLAN_KEY : SFS_PLAN_ORDER;
        offer->ordered = true;
        offer->price = some;
    }
}

/* How many entries are in the ranges; of those too many for a price below that of the scan only
 * that they are. */
static int count_rows(struct sfs_storage *able, const struct wish *wish, struct offer *offer,
                      const struct sfs_index_stats *stats, struct sfs_error *error)
{
    uint64_t most = wish->keys / SFS_PLAN_FETCH_COST + 1;
    if (offer->ranges.narrowed)
        return count_ranges(able, offer->index, &offer->ranges, most, &offer->rows, error);
    offer->rows = stats->entries;
    return 0;
}

/* Groups from the entries alone: none of them may be one that does not say all. */
static void choose_groups(struct offer *offer, const struct sfs_cover *cover)
{
    offer->way = SFS_PLAN_GROUPS;
    offer->streamed = cover->streamed;
    offer->price = offer->rows / (cover->streamed ? SFS_PLAN_ENTRIES : SFS_PLAN_FOLDED_ENTRIES);
}

static struct sfs_cover cover_of(const struct wish *wish, const struct offer *offer)
{
    struct sfs_cover cover = {.covers = false};
    /* Where the store is no snapshot, a record may be met twice under two values. */
    if (wish->grouped && offer->ranges.exact && wish->one_state)
        cover = sfs_cover_of(offer->index, offer->ranges.bound, offer->ranges.count, wish->group,
                             wish->aggregate);
    return cover;
}

static int price(struct sfs_storage *able, const struct wish *wish, struct offer *offer,
                 struct sfs_error *error)
{
    struct sfs_index_stats stats = {.inexact = 0};
    uint64_t unread = 0;
    bool in_order = wish->order && offer->ranges.count == 1 &&
                    gives_order(wish, offer->index, offer->ranges.bound, &offer->descending);
    struct sfs_cover cover = cover_of(wish, offer);
    offer->price = UINT64_MAX;
    if (!offer->ranges.narrowed && !in_order && !cover.covers)
        return 0;
    int result = operations_of(able)->stats(able, offer->index, &stats, error);
    if (result == 0 && stats.inexact > 0)
        result = count_unread(able, offer->index, &unread, error);
    if (result == 0)
        result = count_rows(able, wish, offer, &stats, error);
    if (result == 0 && unread > 0 && add_unread(offer, unread))
        result = sfs_fail_memory(error, "query");
    if (result == 0 && cover.covers && stats.inexact == 0)
        choose_groups(offer, &cover);
    else if (result == 0)
        choose_way(wish, offer, in_order && stats.inexact == 0);
    return result;
}

static int make_offer(struct sfs_storage *able, const struct wish *wish,
                      const struct sfs_index *index, struct offer *ret_offer,
                      struct sfs_error *error)
{
    struct offer offer = {.index = index};
    if (sfs_plan_ranges_make(index, &wish->tests, &offer.ranges))
        return sfs_fail_memory(error, "query");
    int result = price(able, wish, &offer, error);
    if (result)
        offer_free(&offer);
    *ret_offer = offer;
    return result;
}

/* --- the choice --- */

static void take(struct sfs_plan *plan, const struct wish *wish, struct offer *offer)
{
    plan->way = offer->way;
    plan->index = offer->index;
    plan->ranges = offer->ranges.ranges;
    plan->range_count = offer->ranges.count;
    plan->filters = wish->filters;
    plan->ordered = offer->ordered;
    plan->descending = offer->descending && offer->way == SFS_PLAN_ORDER;
    plan->exact = offer->ranges.exact;
    if (offer->way == SFS_PLAN_GROUPS) {
        plan->group = wish->group;
        plan->aggregate = wish->aggregate;
        plan->done = wish->done;
        plan->bound = offer->ranges.bound;
        plan->streamed = offer->streamed;
    }
    plan->rows = offer->rows;
    plan->wanted = examined(wish, offer);
    plan->total = wish->keys;
    offer->ranges = (struct sfs_plan_ranges){0};
}

/* How many keys there are: every index has an entry for each. */
static int count_keys(struct sfs_storage *able, const struct sfs_index_set *set, uint64_t *ret_keys,
                      struct sfs_error *error)
{
    struct sfs_index_stats stats = {.entries = 0};
    size_t at = 0;
    while (at < set->count && !set->indexes[at]->ready)
        at++;
    int result =
        at < set->count ? operations_of(able)->stats(able, set->indexes[at], &stats, error) : 0;
    *ret_keys = stats.entries;
    return result;
}

/* Whether the scan that the filters on @key leave has at most `most` keys: these are counted. */
static int is_scan_short(struct sfs_storage *store, const struct wish *wish, uint64_t most,
                         bool *ret_short, struct sfs_error *error)
{
    struct sfs_bounds bounds = {{0}, {0}};
    struct sfs_cursor *cursor = NULL;
    const struct sfs_record *record = NULL;
    int found = 0;
    *ret_short = false;
    if (sfs_bounds_find(wish->query, &bounds))
        found = sfs_fail_memory(error, "query");
    struct sfs_range range = sfs_bounds_range(&bounds);
    if (found == 0 && (range.from.size > 0 || range.to.size > 0))
        found = sfs_scan(store, range, SFS_WANT_RECORD | SFS_WANT_KEYS, &cursor, error);
    for (uint64_t i = 0; found == 0 && cursor && i <= most; i++) {
        found = sfs_cursor_next(cursor, &record, error);
        *ret_short = found == 0;
        if (found <= 0)
            break;
        found = 0;
    }
    sfs_cursor_close(cursor);
    sfs_bounds_free(&bounds);
    return found;
}

/* A few keys in a row are read in place of what the index would find. */
static int compare_scan(struct sfs_storage *store, const struct wish *wish, struct offer *best,
                        struct sfs_error *error)
{
    bool is_short = false;
    int result = is_scan_short(store, wish, best->price / SFS_PLAN_BOUNDS, &is_short, error);
    if (result == 0 && is_short)
        offer_free(best);
    return result;
}

static int choose(struct sfs_storage *store, struct sfs_storage *able, const struct wish *wish,
                  struct sfs_plan *plan, struct sfs_error *error)
{
    struct offer best = {.index = NULL, .price = wish->keys};
    int result = 0;
    for (size_t i = 0; result == 0 && i < plan->set->count; i++) {
        struct offer offer = {.index = NULL};
        if (!plan->set->indexes[i]->ready)
            continue;
        result = make_offer(able, wish, plan->set->indexes[i], &offer, error);
        if (result == 0 && offer.price < best.price) {
            offer_free(&best);
            best = offer;
        } else {
            offer_free(&offer);
        }
    }
    if (result == 0 && best.index)
        result = compare_scan(store, wish, &best, error);
    if (result == 0 && best.index)
        take(plan, wish, &best);
    offer_free(&best);
    return result;
}

/* --- counting --- */

/* Takes the index if its entries alone tell how many records pass. */
static int take_if_exact(struct sfs_storage *able, const struct wish *wish,
                         const struct sfs_index *index, struct sfs_plan *plan,
                         struct sfs_error *error)
{
    struct sfs_index_stats stats = {.inexact = 0};
    struct offer offer = {.index = index, .way = SFS_PLAN_NAMES};
    uint64_t unread = 0;
    if (sfs_plan_ranges_make(index, &wish->tests, &offer.ranges))
        return sfs_fail_memory(error, "query");
    int result = 0;
    bool exact = offer.ranges.exact && offer.ranges.narrowed;
    if (exact)
        result = operations_of(able)->stats(able, index, &stats, error);
    if (result == 0 && exact && stats.inexact > 0)
        result = count_unread(able, index, &unread, error);
    if (result == 0 && exact && unread == 0) {
        result = count_ranges(able, index, &offer.ranges, UINT64_MAX, &offer.rows, error);
        if (result == 0)
            take(plan, wish, &offer);
    }
    offer_free(&offer);
    return result;
}

int sfs_plan_exact(struct sfs_storage *store, const struct sfs_query *query,
                   struct sfs_plan *ret_plan, struct sfs_error *error)
{
    struct sfs_plan plan = {.way = SFS_PLAN_SCAN};
    struct sfs_storage *able = sfs_storage_index(store);
    struct wish wish = wish_of(store, query);
    int result = able && wish.filters > 0 ? operations_of(able)->set(able, &plan.set, error) : 0;
    for (size_t i = 0; result == 0 && plan.set && !plan.index && i < plan.set->count; i++) {
        if (plan.set->indexes[i]->ready)
            result = take_if_exact(able, &wish, plan.set->indexes[i], &plan, error);
    }
    if (result)
        sfs_plan_free(&plan);
    else
        *ret_plan = plan;
    return result;
}

/* --- from outside --- */

bool sfs_plan_is_of_one_state(const struct sfs_storage *store)
{
    return (sfs_storage_capabilities(store) & SFS_CAN_SNAPSHOT) || sfs_snapshot_lease(store) != 0;
}

int sfs_plan_make(struct sfs_storage *store, const struct sfs_query *query,
                  struct sfs_plan *ret_plan, struct sfs_error *error)
{
    struct sfs_plan plan = {.way = SFS_PLAN_SCAN};
    struct sfs_storage *able = sfs_storage_index(store);
    struct wish wish = wish_of(store, query);
    int result = 0;
    if (able && (wish.filters > 0 || wish.order || wish.grouped))
        result = operations_of(able)->set(able, &plan.set, error);
    if (result == 0 && plan.set)
        result = count_keys(able, plan.set, &wish.keys, error);
    if (result == 0 && plan.set)
        result = choose(store, able, &wish, &plan, error);
    if (result)
        sfs_plan_free(&plan);
    else
        *ret_plan = plan;
    return result;
}

void sfs_plan_free(struct sfs_plan *plan)
{
    for (size_t i = 0; i < plan->range_count; i++) {
        sfs_buffer_free(&plan->ranges[i].from);
        sfs_buffer_free(&plan->ranges[i].to);
    }
    free(plan->ranges);
    sfs_index_set_unref(plan->set);
    *plan = (struct sfs_plan){.way = SFS_PLAN_SCAN};
}
