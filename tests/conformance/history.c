/* SPDX-License-Identifier: MIT */
/* See history.h: the versions of each key, the edges between transactions, and cycles among them.
 */
#include <stdlib.h>

#include "tests/conformance/history.h"

struct version {
    uint64_t sequence;
    uint64_t value; /* the last that the transaction wrote to the key */
    size_t writer;
};

struct edge {
    uint32_t from;
    uint32_t to;
};

struct judge {
    const struct history_transaction *transactions;
    size_t count;
    enum sfs_isolation isolation;
    struct version *versions[HISTORY_KEYS];
    size_t version_count[HISTORY_KEYS];
    struct edge *edges;
    size_t edge_count;
    size_t edge_capacity;
    struct history_verdict verdict;
};

static bool grow(void **items, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return true;
    size_t wanted = *capacity ? *capacity * 2 : 1024;
    void *grown = reallocarray(*items, wanted, size);
    if (!grown)
        return false;
    *items = grown;
    *capacity = wanted;
    return true;
}

/* --- versions --- */

static bool is_last_write(const struct history_transaction *t, uint32_t access)
{
    for (uint32_t i = access + 1; i < t->count; i++) {
        if (t->accesses[i].write && t->accesses[i].key == t->accesses[access].key)
            return false;
    }
    return t->accesses[access].write;
}

static int compare_versions(const void *a, const void *b)
{
    const struct version *left = a;
    const struct version *right = b;
    return left->sequence < right->sequence ? -1 : left->sequence > right->sequence;
}

static bool collect_versions(struct judge *judge)
{
    size_t capacity[HISTORY_KEYS] = {0};
    for (size_t n = 0; n < judge->count; n++) {
        const struct history_transaction *t = &judge->transactions[n];
        for (uint32_t i = 0; t->committed && i < t->count; i++) {
            if (!is_last_write(t, i))
                continue;
            uint8_t key = t->accesses[i].key;
            if (!grow((void **)&judge->versions[key], judge->version_count[key], &capacity[key],
                      sizeof(struct version)))
                return false;
            judge->versions[key][judge->version_count[key]++] =
                (struct version){t->sequence, t->accesses[i].value, n};
        }
    }
    for (size_t key = 0; key < HISTORY_KEYS; key++) {
        if (judge->version_count[key])
            qsort(judge->versions[key], judge->version_count[key], sizeof(struct version),
                  compare_versions);
    }
    return true;
}

/* --- edges --- */

/* Snapshot isolation needs to know whether an rw edge came before: each transaction is two nodes,
 * and an rw edge leads from the first of one to the second of another, from which no rw edge leads
 * on. */
static bool add(struct judge *judge, size_t from, size_t to, bool rw)
{
    if (from == to || (rw && judge->isolation == SFS_READ_COMMITTED))
        return true;
    struct edge edges[2] = {{(uint32_t)(2 * from), (uint32_t)(2 * to)},
                            {(uint32_t)(2 * from + 1), (uint32_t)(2 * to)}};
    if (rw && judge->isolation == SFS_SNAPSHOT)
        edges[0].to++;
    size_t wanted = judge->isolation == SFS_SNAPSHOT && !rw ? 2 : 1;
    for (size_t i = 0; i < wanted; i++) {
        if (!grow((void **)&judge->edges, judge->edge_count, &judge->edge_capacity,
                  sizeof(struct edge)))
            return false;
        judge->edges[judge->edge_count++] = edges[i];
    }
    return true;
}

static bool add_ww(struct judge *judge)
{
    for (size_t key = 0; key < HISTORY_KEYS; key++) {
        for (size_t i = 1; i < judge->version_count[key]; i++) {
            judge->verdict.ww++;
            if (!add(judge, judge->versions[key][i - 1].writer, judge->versions[key][i].writer,
                     false))
                return false;
        }
    }
    return true;
}

/* The index of a transaction's version, or the number of versions where it has none. */
static size_t find_version(const struct judge *judge, uint8_t key, uint64_t sequence)
{
    const struct version *versions = judge->versions[key];
    size_t low = 0;
    size_t high = judge->version_count[key];
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (versions[middle].sequence < sequence)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Which version was read: *ret_next is the index of the one behind it. False: no version at all. */
static bool trace(struct judge *judge, const struct history_access *access, size_t *ret_writer,
                  size_t *ret_next)
{
    size_t writer = (size_t)(access->value >> 24) - 1;
    const struct history_transaction *t =
        writer < judge->count ? &judge->transactions[writer] : NULL;
    if (!t || !t->committed || (t->attempt & 0xffff) != ((access->value >> 8) & 0xffff)) {
        judge->verdict.aborted++;
        return false;
    }
    size_t index = find_version(judge, access->key, t->sequence);
    if (index >= judge->version_count[access->key] ||
        judge->versions[access->key][index].value != access->value) {
        judge->verdict.passing++;
        return false;
    }
    *ret_writer = writer;
    *ret_next = index + 1;
    return true;
}

/* The transaction's own last write to the key before this access, 0: none. */
static uint64_t own_write(const struct history_transaction *t, uint32_t access)
{
    for (uint32_t i = access; i-- > 0;) {
        if (t->accesses[i].write && t->accesses[i].key == t->accesses[access].key)
            return t->accesses[i].value;
    }
    return 0;
}

static bool add_read(struct judge *judge, size_t reader, uint32_t at)
{
    const struct history_transaction *t = &judge->transactions[reader];
    const struct history_access *access = &t->accesses[at];
    size_t writer = 0;
    size_t next = 0;
    uint64_t own = own_write(t, at);
    if (own) {
        judge->verdict.wrong_own += own != access->value;
        return true;
    }
    if (access->value && !trace(judge, access, &writer, &next))
        return true;
    judge->verdict.wr += access->value != 0;
    if (access->value && !add(judge, writer, reader, false))
        return false;
    if (next == judge->version_count[access->key])
        return true;
    judge->verdict.rw++;
    return add(judge, reader, judge->versions[access->key][next].writer, true);
}

static bool add_reads(struct judge *judge)
{
    for (size_t n = 0; n < judge->count; n++) {
        const struct history_transaction *t = &judge->transactions[n];
        for (uint32_t i = 0; t->committed && i < t->count; i++) {
            if (!t->accesses[i].write && !add_read(judge, n, i))
                return false;
        }
    }
    return true;
}

/* --- cycles --- */

static int compare_edges(const void *a, const void *b)
{
    const struct edge *left = a;
    const struct edge *right = b;
    return left->from < right->from ? -1 : left->from > right->from;
}

/* Takes away nodes that nothing leads to until none is left, or only cycles are (Kahn). */
static size_t sort_topologically(const struct judge *judge, size_t nodes, uint32_t *degree,
                                 size_t *first, uint32_t *ready)
{
    size_t waiting = 0;
    size_t done = 0;
    for (size_t i = 0; i < judge->edge_count; i++) {
        degree[judge->edges[i].to]++;
        first[judge->edges[i].from + 1]++;
    }
    for (size_t n = 0; n < nodes; n++) {
        first[n + 1] += first[n];
        if (degree[n] == 0)
            ready[waiting++] = (uint32_t)n;
    }
    while (done < waiting) {
        uint32_t node = ready[done++];
        for (size_t i = first[node]; i < first[node + 1]; i++) {
            if (--degree[judge->edges[i].to] == 0)
                ready[waiting++] = judge->edges[i].to;
        }
    }
    return done;
}

static bool find_cycle(struct judge *judge)
{
    size_t nodes = 2 * judge->count;
    uint32_t *degree = calloc(nodes + 1, sizeof(*degree));
    uint32_t *ready = calloc(nodes + 1, sizeof(*ready));
    size_t *first = calloc(nodes + 1, sizeof(*first));
    bool done = degree && ready && first;
    if (done && judge->edge_count)
        qsort(judge->edges, judge->edge_count, sizeof(struct edge), compare_edges);
    if (done)
        judge->verdict.cycle = sort_topologically(judge, nodes, degree, first, ready) < nodes;
    free(degree);
    free(ready);
    free(first);
    return done;
}

bool history_judge(const struct history_transaction *transactions, size_t count,
                   enum sfs_isolation isolation, struct history_verdict *ret_verdict)
{
    struct judge judge = {.transactions = transactions, .count = count, .isolation = isolation};
    bool done =
        collect_versions(&judge) && add_ww(&judge) && add_reads(&judge) && find_cycle(&judge);
    for (size_t key = 0; key < HISTORY_KEYS; key++)
        free(judge.versions[key]);
    free(judge.edges);
    *ret_verdict = judge.verdict;
    return done;
}
