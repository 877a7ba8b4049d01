/* SPDX-License-Identifier: MIT */
/*
 * What a serializable transaction has read: names and ranges, and the preconditions that they
 * become.
 */
#include "txn/reads.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "txn/predicate.h"

/* So many names become one range when there are too many of them. */
#define WIDENED 100

/* --- names --- */

struct key {
    atomic_size_t references;
    uint64_t number; /* revision, or of a witness the id */
    struct sfs_bytes name;
    char bytes[];
};

static void key_ref(void *item)
{
    struct key *key = item;
    atomic_fetch_add_explicit(&key->references, 1, memory_order_relaxed);
}

static void key_unref(void *item)
{
    struct key *key = item;
    if (atomic_fetch_sub_explicit(&key->references, 1, memory_order_acq_rel) == 1)
        free(key);
}

static const struct sfs_tree_counting key_counting = {.ref = key_ref, .unref = key_unref};

void sfs_txn_reads_init(struct sfs_txn_reads *reads)
{
    *reads = (struct sfs_txn_reads){
        .key_limit = SFS_TXN_READ_KEYS,
        .range_limit = SFS_TXN_READ_RANGES,
        .predicate_limit = SFS_TXN_READ_QUERIES,
    };
    sfs_tree_init(&reads->keys, &key_counting);
    sfs_tree_init(&reads->witnesses, &key_counting);
    pthread_mutex_init(&reads->lock, NULL);
}

static void extent_free(struct sfs_txn_extent *extent)
{
    sfs_buffer_free(&extent->from);
    sfs_buffer_free(&extent->end);
}

void sfs_txn_reads_clear(struct sfs_txn_reads *reads)
{
    sfs_tree_clear(&reads->keys);
    sfs_tree_clear(&reads->witnesses);
    for (size_t i = 0; i < reads->range_count; i++)
        extent_free(&reads->ranges[i]);
    free(reads->ranges);
    for (size_t i = 0; i < reads->predicate_count; i++)
        sfs_txn_predicate_free(reads->predicates[i]);
    free(reads->predicates);
    pthread_mutex_destroy(&reads->lock);
}

/* --- ranges, under the lock --- */

static bool ends_before(const struct sfs_txn_extent *extent, struct sfs_bytes name)
{
    return !extent->endless && sfs_bytes_compare(sfs_buffer_bytes(&extent->end), name) < 0;
}

/* The first range that reaches `name` or goes beyond it. */
static size_t find(const struct sfs_txn_reads *reads, struct sfs_bytes name)
{
    size_t low = 0;
    size_t high = reads->range_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ends_before(&reads->ranges[middle], name))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool covers(const struct sfs_txn_extent *extent, struct sfs_bytes name)
{
    return sfs_bytes_compare(sfs_buffer_bytes(&extent->from), name) <= 0 &&
           (extent->endless || sfs_bytes_compare(name, sfs_buffer_bytes(&extent->end)) < 0);
}

static bool is_covered(const struct sfs_txn_reads *reads, struct sfs_bytes name)
{
    size_t at = find(reads, name);
    if (at < reads->range_count && covers(&reads->ranges[at], name))
        return true;
    return at + 1 < reads->range_count && covers(&reads->ranges[at + 1], name);
}

static int insert(struct sfs_txn_reads *reads, size_t at, struct sfs_bytes from)
{
    struct sfs_txn_extent extent = {0};
    if (sfs_buffer_add(&extent.from, from) || sfs_buffer_add(&extent.end, from))
        goto failed;
    size_t count = reads->range_count;
    if ((count & (count - 1)) == 0) { /* room is doubled at each power of two */
        size_t wanted = count ? count * 2 : 1;
        void *grown = reallocarray(reads->ranges, wanted, sizeof(extent));
        if (!grown)
            goto failed;
        reads->ranges = grown;
    }
    memmove(reads->ranges + at + 1, reads->ranges + at, (count - at) * sizeof(extent));
    reads->ranges[at] = extent;
    reads->range_count++;
    return 0;
failed:
    extent_free(&extent);
    return SFS_E_NO_MEMORY;
}

static void drop(struct sfs_txn_reads *reads, size_t at)
{
    extent_free(&reads->ranges[at]);
    reads->range_count--;
    memmove(reads->ranges + at, reads->ranges + at + 1,
            (reads->range_count - at) * sizeof(*reads->ranges));
}

/* Where it fails the buffer holds what it held: what was read is never forgotten. */
static int replace(struct sfs_buffer *buffer, struct sfs_bytes bytes)
{
    size_t before = buffer->size;
    int result = sfs_buffer_add(buffer, bytes);
    if (result)
        return result;
    memmove(buffer->data, buffer->data + before, bytes.size);
    buffer->size = bytes.size;
    return 0;
}

/* Joins the range behind `at`, which touches it, to it. */
static int swallow(struct sfs_txn_reads *reads, size_t at)
{
    struct sfs_txn_extent *extent = &reads->ranges[at];
    struct sfs_txn_extent *next = &reads->ranges[at + 1];
    if (next->endless ||
        (!extent->endless &&
         sfs_bytes_compare(sfs_buffer_bytes(&extent->end), sfs_buffer_bytes(&next->end)) < 0)) {
        int result = replace(&extent->end, sfs_buffer_bytes(&next->end));
        if (result)
            return result;
        extent->endless = extent->endless || next->endless;
    }
    drop(reads, at + 1);
    return 0;
}

static int join(struct sfs_txn_reads *reads, size_t at)
{
    int result = 0;
    while (result == 0 && at + 1 < reads->range_count &&
           !ends_before(&reads->ranges[at], sfs_buffer_bytes(&reads->ranges[at + 1].from)))
        result = swallow(reads, at);
    return result;
}

/* Makes half as many of the ranges, each with its neighbour and what lies between them. */
static int halve(struct sfs_txn_reads *reads)
{
    int result = 0;
    for (size_t at = 0; result == 0 && at + 1 < reads->range_count; at++)
        result = swallow(reads, at);
    return result;
}

/* Adds [from, end), or [from, end and its NUL) where that is `closed`, or all from `from` on. */
static int add(struct sfs_txn_reads *reads, struct sfs_bytes from, struct sfs_bytes end,
               bool closed, bool endless)
{
    size_t at = find(reads, from);
    int result = 0;
    if (at == reads->range_count ||
        sfs_bytes_compare(sfs_buffer_bytes(&reads->ranges[at].from), from) > 0)
        result = insert(reads, at, from);
    if (result)
        return result;
    struct sfs_txn_extent *extent = &reads->ranges[at];
    int order = extent->endless ? 1 : sfs_bytes_compare(sfs_buffer_bytes(&extent->end), end);
    if (endless) {
        extent->endless = true;
    } else if (order < 0 || (order == 0 && closed)) {
        result = replace(&extent->end, end);
        if (result == 0 && closed)
            result = sfs_buffer_byte(&extent->end, '\0');
    }
    if (result == 0)
        result = join(reads, at);
    if (result == 0 && reads->range_count > reads->range_limit)
        result = halve(reads);
    return result;
}

/* --- recording --- */

static int finish(struct sfs_txn_reads *reads, int result, struct sfs_error *error)
{
    pthread_mutex_unlock(&reads->lock);
    return result ? sfs_fail_memory(error, "transaction") : 0;
}

bool sfs_txn_reads_has(struct sfs_txn_reads *reads, struct sfs_bytes name)
{
    pthread_mutex_lock(&reads->lock);
    bool has = is_covered(reads, name) || sfs_tree_find(&reads->keys, name);
    pthread_mutex_unlock(&reads->lock);
    return has;
}

/* Ranges in place of the names. The names stay until all ranges are there. */
static int widen(struct sfs_txn_reads *reads, struct sfs_tree *names)
{
    struct sfs_tree_cursor position = sfs_tree_seek(names, sfs_bytes(NULL, 0));
    const struct key *first = NULL;
    const struct key *last = NULL;
    const struct key *key;
    size_t count = 0;
    int result = 0;
    while (result == 0 && (key = sfs_tree_next(&position))) {
        first = first ? first : key;
        last = key;
        if (++count % WIDENED != 0)
            continue;
        result = add(reads, first->name, last->name, true, false);
        first = NULL;
    }
    if (result == 0 && first)
        result = add(reads, first->name, last->name, true, false);
    if (result == 0)
        sfs_tree_clear(names);
    return result;
}

static int add_key(struct sfs_txn_reads *reads, struct sfs_tree *names, struct sfs_bytes name,
                   uint64_t number)
{
    if (is_covered(reads, name) || sfs_tree_find(names, name))
        return 0;
    struct key *key = malloc(sizeof(*key) + name.size);
    if (!key)
        return SFS_E_NO_MEMORY;
    atomic_init(&key->references, 1);
    key->number = number;
    key->name = sfs_bytes(key->bytes, name.size);
    memcpy(key->bytes, name.data, name.size);
    int result = sfs_tree_insert(names, key->name, key);
    key_unref(key);
    if (result == 0 && names->count > reads->key_limit)
        result = widen(reads, names);
    return result;
}

int sfs_txn_reads_key(struct sfs_txn_reads *reads, struct sfs_bytes name, uint64_t revision,
                      struct sfs_error *error)
{
    pthread_mutex_lock(&reads->lock);
    return finish(reads, add_key(reads, &reads->keys, name, revision), error);
}

int sfs_txn_reads_witness(struct sfs_txn_reads *reads, struct sfs_bytes name, uint64_t id,
                          struct sfs_error *error)
{
    pthread_mutex_lock(&reads->lock);
    return finish(reads, add_key(reads, &reads->witnesses, name, id), error);
}

int sfs_txn_reads_upto(struct sfs_txn_reads *reads, struct sfs_bytes from, struct sfs_bytes last,
                       struct sfs_error *error)
{
    pthread_mutex_lock(&reads->lock);
    return finish(reads, add(reads, from, last, true, false), error);
}

int sfs_txn_reads_range(struct sfs_txn_reads *reads, struct sfs_range range,
                        struct sfs_error *error)
{
    bool endless = range.to.size == 0;
    if (!endless && sfs_bytes_compare(range.from, range.to) >= 0)
        return 0;
    pthread_mutex_lock(&reads->lock);
    return finish(reads, add(reads, range.from, range.to, false, endless), error);
}

/* --- queries --- */

static struct sfs_txn_predicate *find_query(const struct sfs_txn_reads *reads,
                                            const struct sfs_txn_predicate *wanted)
{
    for (size_t i = 0; i < reads->predicate_count; i++) {
        if (sfs_txn_predicate_same(reads->predicates[i], wanted))
            return reads->predicates[i];
    }
    return NULL;
}

/* Under the lock: takes `predicate` over on success. */
static int keep_query(struct sfs_txn_reads *reads, struct sfs_txn_predicate *predicate,
                      struct sfs_error *error)
{
    void *grown =
        reallocarray(reads->predicates, reads->predicate_count + 1, sizeof(*reads->predicates));
    if (!grown)
        return sfs_fail_memory(error, "transaction");
    reads->predicates = grown;
    reads->predicates[reads->predicate_count++] = predicate;
    return 0;
}

int sfs_txn_reads_query(struct sfs_txn_reads *reads, const struct sfs_query *query, size_t stages,
                        struct sfs_bytes from, struct sfs_txn_predicate **ret_predicate,
                        struct sfs_error *error)
{
    struct sfs_txn_predicate *predicate;
    int code = sfs_txn_predicate_new(query, stages, from, &predicate, error);
    if (code)
        return code;
    pthread_mutex_lock(&reads->lock);
    struct sfs_txn_predicate *known = find_query(reads, predicate);
    if (!known && reads->predicate_count < reads->predicate_limit) {
        code = keep_query(reads, predicate, error);
        known = predicate;
    }
    pthread_mutex_unlock(&reads->lock);
    if (code || known != predicate)
        sfs_txn_predicate_free(predicate);
    if (code == 0)
        *ret_predicate = known;
    return code;
}

int sfs_txn_reads_query_upto(struct sfs_txn_reads *reads, struct sfs_txn_predicate *predicate,
                             struct sfs_bytes last, struct sfs_error *error)
{
    pthread_mutex_lock(&reads->lock);
    return finish(reads, sfs_txn_predicate_extend(predicate, last, true), error);
}

int sfs_txn_reads_query_end(struct sfs_txn_reads *reads, struct sfs_txn_predicate *predicate,
                            struct sfs_bytes end, struct sfs_error *error)
{
    pthread_mutex_lock(&reads->lock);
    return finish(reads, sfs_txn_predicate_extend(predicate, end, false), error);
}

/* --- at the commit --- */

static int matches_query(void *context, const struct sfs_record *record)
{
    struct sfs_txn_reads *reads = context;
    int matches = 0;
    pthread_mutex_lock(&reads->lock);
    for (size_t i = 0; i < reads->predicate_count && matches == 0; i++)
        matches = sfs_txn_predicate_matches(reads->predicates[i], record);
    pthread_mutex_unlock(&reads->lock);
    return matches;
}

static int require_keys(const struct sfs_txn_reads *reads, const struct sfs_tree *written,
                        struct sfs_batch *batch, struct sfs_error *error)
{
    struct sfs_tree_cursor position = sfs_tree_seek(&reads->keys, sfs_bytes(NULL, 0));
    const struct key *key;
    int code = 0;
    while (code == 0 && (key = sfs_tree_next(&position))) {
        if (!is_covered(reads, key->name) && !sfs_tree_find(written, key->name))
            code = sfs_batch_require_revision(batch, key->name, key->number, error);
    }
    return code;
}

static int require_witnesses(const struct sfs_txn_reads *reads, const struct sfs_tree *written,
                             struct sfs_batch *batch, struct sfs_error *error)
{
    struct sfs_tree_cursor position = sfs_tree_seek(&reads->witnesses, sfs_bytes(NULL, 0));
    const struct key *key;
    int code = 0;
    while (code == 0 && (key = sfs_tree_next(&position))) {
        if (!is_covered(reads, key->name) && !sfs_tree_find(&reads->keys, key->name) &&
            !sfs_tree_find(written, key->name))
            code = sfs_batch_require_id(batch, key->name, key->number, error);
    }
    return code;
}

int sfs_txn_reads_require(struct sfs_txn_reads *reads, const struct sfs_tree *written,
                          uint64_t sequence, struct sfs_batch *batch, struct sfs_error *error)
{
    pthread_mutex_lock(&reads->lock);
    int code = require_keys(reads, written, batch, error);
    if (code == 0)
        code = require_witnesses(reads, written, batch, error);
    for (size_t i = 0; i < reads->range_count && code == 0; i++) {
        const struct sfs_txn_extent *extent = &reads->ranges[i];
        struct sfs_range range = {sfs_buffer_bytes(&extent->from), {0}};
        if (!extent->endless)
            range.to = sfs_buffer_bytes(&extent->end);
        code = sfs_batch_require_unchanged(batch, range, sequence, error);
    }
    if (code == 0 && reads->predicate_count > 0)
        code = sfs_batch_require_no_match(batch, sequence, matches_query, reads, error);
    pthread_mutex_unlock(&reads->lock);
    return code;
}

/* --- telling what was read --- */

static int visit_tree(struct sfs_tree *names, bool id, sfs_txn_reads_visit *visit, void *context)
{
    struct sfs_tree_cursor position = sfs_tree_seek(names, sfs_bytes(NULL, 0));
    const struct key *key;
    int code = 0;
    while (code == 0 && (key = sfs_tree_next(&position)))
        code = visit(context, key->name, key->number, id);
    sfs_tree_clear(names);
    return code;
}

int sfs_txn_reads_each(struct sfs_txn_reads *reads, sfs_txn_reads_visit *visit, void *context)
{
    struct sfs_tree keys;
    struct sfs_tree witnesses;
    pthread_mutex_lock(&reads->lock);
    sfs_tree_share(&reads->keys, &keys);
    sfs_tree_share(&reads->witnesses, &witnesses);
    pthread_mutex_unlock(&reads->lock);
    int code = visit_tree(&keys, false, visit, context);
    if (code == 0)
        return visit_tree(&witnesses, true, visit, context);
    sfs_tree_clear(&witnesses);
    return code;
}

int sfs_txn_reads_find_range(struct sfs_txn_reads *reads, struct sfs_bytes name, struct sfs_buffer *from,
                             struct sfs_buffer *to)
{
    int result = 0;
    pthread_mutex_lock(&reads->lock);
    for (size_t i = 0; i < reads->range_count && result == 0; i++) {
        const struct sfs_txn_extent *extent = &reads->ranges[i];
        if (!covers(extent, name))
            continue;
        result = sfs_buffer_add(from, sfs_buffer_bytes(&extent->from));
        if (result == 0 && !extent->endless)
            result = sfs_buffer_add(to, sfs_buffer_bytes(&extent->end));
        result = result ? result : 1;
    }
    pthread_mutex_unlock(&reads->lock);
    return result;
}

int sfs_txn_reads_find_query(struct sfs_txn_reads *reads, const struct sfs_record *before,
                             const struct sfs_record *after, struct sfs_buffer *query)
{
    int result = 0;
    pthread_mutex_lock(&reads->lock);
    for (size_t i = 0; i < reads->predicate_count && result == 0; i++) {
        const struct sfs_txn_predicate *predicate = reads->predicates[i];
        result = before ? sfs_txn_predicate_matches(predicate, before) : 0;
        if (result == 0 && after)
            result = sfs_txn_predicate_matches(predicate, after);
        if (result == 1 && sfs_buffer_add(query, sfs_txn_predicate_text(predicate)))
            result = SFS_E_NO_MEMORY;
    }
    pthread_mutex_unlock(&reads->lock);
    return result;
}
