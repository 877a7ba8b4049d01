/* SPDX-License-Identifier: MIT */
/* Aggregation by key, in bounded memory. */
#include "query/fold.h"

#include <stdlib.h>

struct entry {
    uint64_t hash;
    uint64_t count;
    struct entry *next; /* in its bucket */
    size_t key_size;
    struct sfs_accumulator accumulators[]; /* the key's bytes behind them */
};

struct sfs_fold {
    const struct sfs_stage_field *functions;
    size_t function_count;
    uint64_t memory;
    struct entry **buckets;
    size_t bucket_count; /* a power of 2 */
    size_t entry_count;
    uint64_t held;
    struct sfs_sorter *sorter;
    struct sfs_buffer packed;
    struct sfs_buffer scratch;
    /* reading */
    bool reading;
    bool ahead; /* `current` has the first piece of the next key */
    struct sfs_buffer current_key;
    struct sfs_buffer current_payload;
    struct sfs_buffer given_key;
    struct sfs_accumulator *given;
};

#define BUCKETS_FIRST 64

int sfs_fold_fail(int result, struct sfs_error *error)
{
    if (result == SFS_E_INVALID)
        return sfs_fail(error, SFS_E_CORRUPT, "query", "an index has an entry that is none");
    if (result != SFS_E_TOO_LARGE)
        return sfs_fail_memory(error, "query");
    return sfs_fail(
        error, result, "query",
        "sum: the numbers are too far apart: an exact sum would have more than %d digits",
        SFS_SUM_DIGITS);
}

static char *key_of(const struct sfs_fold *fold, struct entry *entry)
{
    return (char *)&entry->accumulators[fold->function_count];
}

/* FNV-1a. */
static uint64_t hash_of(struct sfs_bytes key)
{
    const unsigned char *data = key.data;
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < key.size; i++)
        hash = (hash ^ data[i]) * UINT64_C(1099511628211);
    return hash ^ hash >> 32;
}

int sfs_fold_new(struct sfs_guard *guard, uint64_t memory, const struct sfs_stage_field *functions,
                 size_t function_count, struct sfs_fold **ret_fold, struct sfs_error *error)
{
    struct sfs_fold *fold = calloc(1, sizeof(*fold));
    if (!fold)
        return sfs_fail_memory(error, "query");
    fold->functions = functions;
    fold->function_count = function_count;
    fold->memory = memory / 2;
    fold->bucket_count = BUCKETS_FIRST;
    fold->buckets = calloc(BUCKETS_FIRST, sizeof(struct entry *));
    fold->given = calloc(function_count + 1, sizeof(struct sfs_accumulator));
    int result = fold->buckets && fold->given ? 0 : sfs_fail_memory(error, "query");
    if (result == 0)
        result = sfs_sorter_new(guard, memory / 2, SFS_SORT_ALL, &fold->sorter, error);
    if (result)
        sfs_fold_free(fold);
    else
        *ret_fold = fold;
    return result;
}

static void entry_free(const struct sfs_fold *fold, struct entry *entry)
{
    for (size_t i = 0; i < fold->function_count; i++)
        sfs_accumulator_free(&entry->accumulators[i]);
    free(entry);
}

static void clear_table(struct sfs_fold *fold)
{
    for (size_t i = 0; fold->buckets && i < fold->bucket_count; i++) {
        for (struct entry *entry = fold->buckets[i], *next; entry; entry = next) {
            next = entry->next;
            entry_free(fold, entry);
        }
        fold->buckets[i] = NULL;
    }
    fold->entry_count = 0;
    fold->held = 0;
}

void sfs_fold_free(struct sfs_fold *fold)
{
    if (!fold)
        return;
    clear_table(fold);
    for (size_t i = 0; fold->given && i < fold->function_count; i++)
        sfs_accumulator_free(&fold->given[i]);
    sfs_sorter_free(fold->sorter);
    sfs_buffer_free(&fold->packed);
    sfs_buffer_free(&fold->scratch);
    sfs_buffer_free(&fold->current_key);
    sfs_buffer_free(&fold->current_payload);
    sfs_buffer_free(&fold->given_key);
    free(fold->buckets);
    free(fold->given);
    free(fold);
}

/* --- the table --- */

static int pack(struct sfs_fold *fold, struct entry *entry)
{
    fold->packed.size = 0;
    int result = sfs_buffer_append(&fold->packed, &entry->count, sizeof(entry->count));
    for (size_t i = 0; i < fold->function_count && result == 0; i++)
        result = sfs_accumulator_pack(&entry->accumulators[i], fold->functions[i].function,
                                      &fold->packed);
    return result;
}

/* Gives all entries to the sorter. */
static int flush(struct sfs_fold *fold, struct sfs_error *error)
{
    int result = 0;
    for (size_t i = 0; i < fold->bucket_count && result == 0; i++) {
        for (struct entry *entry = fold->buckets[i]; entry && result == 0; entry = entry->next) {
            if (pack(fold, entry))
                return sfs_fail_memory(error, "query");
            result = sfs_sorter_add(fold->sorter, sfs_bytes(key_of(fold, entry), entry->key_size),
                                    sfs_buffer_bytes(&fold->packed), error);
        }
    }
    clear_table(fold);
    return result;
}

static int grow(struct sfs_fold *fold)
{
    size_t count = fold->bucket_count * 2;
    struct entry **buckets = calloc(count, sizeof(struct entry *));
    if (!buckets)
        return SFS_E_NO_MEMORY;
    for (size_t i = 0; i < fold->bucket_count; i++) {
        for (struct entry *entry = fold->buckets[i], *next; entry; entry = next) {
            next = entry->next;
            entry->next = buckets[entry->hash & (count - 1)];
            buckets[entry->hash & (count - 1)] = entry;
        }
    }
    free(fold->buckets);
    fold->buckets = buckets;
    fold->bucket_count = count;
    return 0;
}

static struct entry *insert(struct sfs_fold *fold, uint64_t hash, struct sfs_bytes key)
{
    if (fold->entry_count >= fold->bucket_count && grow(fold))
        return NULL;
    size_t size = sizeof(struct entry) + fold->function_count * sizeof(struct sfs_accumulator);
    struct entry *entry = calloc(1, size + key.size);
    if (!entry)
        return NULL;
    entry->hash = hash;
    entry->key_size = key.size;
    if (key.size > 0)
        memcpy(key_of(fold, entry), key.data, key.size);
    struct entry **bucket = &fold->buckets[hash & (fold->bucket_count - 1)];
    entry->next = *bucket;
    *bucket = entry;
    fold->entry_count++;
    fold->held += size + key.size + 2 * sizeof(struct entry *);
    return entry;
}

static struct entry *find(struct sfs_fold *fold, struct sfs_bytes key)
{
    uint64_t hash = hash_of(key);
    for (struct entry *entry = fold->buckets[hash & (fold->bucket_count - 1)]; entry;
         entry = entry->next) {
        if (entry->hash == hash &&
            sfs_bytes_equal(sfs_bytes(key_of(fold, entry), entry->key_size), key))
            return entry;
    }
    return insert(fold, hash, key);
}

/* One of `values` and `keys` is NULL. */
static int add(struct sfs_fold *fold, struct sfs_bytes key, const struct sfs_value *values,
               const struct sfs_bytes *keys, struct sfs_error *error)
{
    struct entry *entry = find(fold, key);
    if (!entry)
        return sfs_fail_memory(error, "query");
    entry->count++;
    for (size_t i = 0; i < fold->function_count; i++) {
        struct sfs_accumulator *accumulator = &entry->accumulators[i];
        enum sfs_function function = fold->functions[i].function;
        uint64_t before = sfs_accumulator_held(accumulator);
        int result = 0;
        if (values)
            result = sfs_accumulator_add(accumulator, function, &values[i], &fold->scratch);
        else if (function != SFS_FUNCTION_COUNT)
            result = sfs_accumulator_add_key(accumulator, function, keys[i], &fold->scratch);
        if (result)
            return sfs_fold_fail(result, error);
        fold->held += sfs_accumulator_held(accumulator) - before;
    }
    return fold->held > fold->memory ? flush(fold, error) : 0;
}

int sfs_fold_add(struct sfs_fold *fold, struct sfs_bytes key, const struct sfs_value *values,
                 struct sfs_error *error)
{
    return add(fold, key, values, NULL, error);
}

int sfs_fold_add_keys(struct sfs_fold *fold, struct sfs_bytes key, const struct sfs_bytes *values,
                      struct sfs_error *error)
{
    return add(fold, key, NULL, values, error);
}

/* --- reading --- */

/* Makes the sorter's next pair the current one: 1, 0 at the end, or an error. */
static int step(struct sfs_fold *fold, struct sfs_error *error)
{
    struct sfs_bytes key;
    struct sfs_bytes payload;
    int found = sfs_sorter_next(fold->sorter, &key, &payload, error);
    fold->ahead = found > 0;
    fold->current_key.size = 0;
    fold->current_payload.size = 0;
    if (found > 0 && (sfs_buffer_add(&fold->current_key, key) ||
                      sfs_buffer_add(&fold->current_payload, payload)))
        return sfs_fail_memory(error, "query");
    return found;
}

static int merge_current(struct sfs_fold *fold, uint64_t *count)
{
    struct sfs_bytes rest = sfs_buffer_bytes(&fold->current_payload);
    uint64_t more;
    int result = 0;
    memcpy(&more, rest.data, sizeof(more));
    *count += more;
    rest = sfs_bytes((const char *)rest.data + sizeof(more), rest.size - sizeof(more));
    for (size_t i = 0; i < fold->function_count && result == 0; i++)
        result = sfs_accumulator_merge(&fold->given[i], fold->functions[i].function, &rest);
    return result;
}

static int begin_reading(struct sfs_fold *fold, struct sfs_error *error)
{
    fold->reading = true;
    int result = flush(fold, error);
    return result ? result : step(fold, error);
}

int sfs_fold_next(struct sfs_fold *fold, struct sfs_folded *ret_folded, struct sfs_error *error)
{
    uint64_t count = 0;
    int found = fold->reading ? 0 : begin_reading(fold, error);
    if (found < 0 || !fold->ahead)
        return found;
    for (size_t i = 0; i < fold->function_count; i++)
        sfs_accumulator_free(&fold->given[i]);
    fold->given_key.size = 0;
    if (sfs_buffer_add(&fold->given_key, sfs_buffer_bytes(&fold->current_key)))
        return sfs_fail_memory(error, "query");
    struct sfs_bytes key = sfs_buffer_bytes(&fold->given_key);
    do {
        int result = merge_current(fold, &count);
        if (result)
            return sfs_fold_fail(result, error);
        found = step(fold, error);
    } while (found > 0 && sfs_bytes_equal(sfs_buffer_bytes(&fold->current_key), key));
    if (found < 0)
        return found;
    *ret_folded = (struct sfs_folded){key, count, fold->given};
    return 1;
}
