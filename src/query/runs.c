/* SPDX-License-Identifier: MIT */
/* Sorted runs in a spool: writing, reading, merging. */
#include "query/runs.h"

#include <stdlib.h>

#define WAYS 32 /* runs of one level that are merged into one of the next */

struct header {
    uint64_t key;
    uint64_t payload;
};

/* --- writing --- */

static int write_out(struct sfs_runs *runs, struct sfs_error *error)
{
    int result = sfs_spool_write(&runs->spool, sfs_buffer_bytes(&runs->made), error);
    runs->made.size = 0;
    return result;
}

static int add_run(struct sfs_runs *runs, unsigned level)
{
    if (runs->count == runs->capacity) {
        size_t capacity = runs->capacity ? runs->capacity * 2 : WAYS;
        struct sfs_run *list = realloc(runs->runs, capacity * sizeof(*list));
        if (!list)
            return SFS_E_NO_MEMORY;
        runs->runs = list;
        runs->capacity = capacity;
    }
    runs->runs[runs->count++] = (struct sfs_run){.from = runs->spool.size, .level = level};
    return 0;
}

int sfs_runs_begin(struct sfs_runs *runs, struct sfs_error *error)
{
    int result = 0;
    if (runs->spool.fd < 0)
        result = sfs_spool_open(&runs->spool, runs->guard->options.directory, error);
    if (result == 0 && add_run(runs, 0))
        result = sfs_fail_memory(error, "query");
    return result;
}

int sfs_runs_write(struct sfs_runs *runs, const struct sfs_pair *pair, struct sfs_error *error)
{
    struct header header = {pair->key.size, pair->payload.size};
    if (sfs_buffer_append(&runs->made, &header, sizeof(header)) ||
        sfs_buffer_add(&runs->made, pair->key) || sfs_buffer_add(&runs->made, pair->payload))
        return sfs_fail_memory(error, "query");
    return runs->made.size >= runs->buffer_size ? write_out(runs, error) : 0;
}

static int merge_last(struct sfs_runs *runs, struct sfs_error *error);

int sfs_runs_end(struct sfs_runs *runs, struct sfs_error *error)
{
    struct sfs_run *last = &runs->runs[runs->count - 1];
    int result = write_out(runs, error);
    last->to = runs->spool.size;
    if (result || runs->count < WAYS || runs->runs[runs->count - WAYS].level != last->level)
        return result;
    return merge_last(runs, error);
}

void sfs_runs_free(struct sfs_runs *runs)
{
    sfs_spool_close(&runs->spool);
    sfs_buffer_free(&runs->made);
    free(runs->runs);
}

/* --- reading one run --- */

struct reader {
    uint64_t at; /* of what is not yet in the buffer */
    uint64_t to;
    struct sfs_buffer buffer;
    size_t given; /* bytes of the buffer that were read */
    struct sfs_pair pair;
};

static int fill(struct reader *reader, const struct sfs_runs *runs, size_t wanted,
                struct sfs_error *error)
{
    struct sfs_buffer *buffer = &reader->buffer;
    size_t left = buffer->size - reader->given;
    if (left >= wanted)
        return 0;
    if (left > 0)
        memmove(buffer->data, buffer->data + reader->given, left);
    reader->given = 0;
    buffer->size = left;
    size_t more = wanted - left;
    if (more < runs->buffer_size)
        more = runs->buffer_size;
    if (more > reader->to - reader->at)
        more = (size_t)(reader->to - reader->at);
    if (sfs_buffer_reserve(buffer, more))
        return sfs_fail_memory(error, "query");
    int result = sfs_spool_read(&runs->spool, reader->at, buffer->data + left, more, error);
    reader->at += more;
    buffer->size += more;
    return result;
}

/* The next pair of the run: 1, 0 at its end, or an error. */
static int read_pair(struct reader *reader, const struct sfs_runs *runs, struct sfs_error *error)
{
    struct header header;
    if (reader->at == reader->to && reader->given == reader->buffer.size)
        return 0;
    int result = fill(reader, runs, sizeof(header), error);
    if (result)
        return result;
    memcpy(&header, reader->buffer.data + reader->given, sizeof(header));
    reader->given += sizeof(header);
    size_t size = (size_t)(header.key + header.payload);
    result = fill(reader, runs, size, error);
    if (result)
        return result;
    const char *data = reader->buffer.data + reader->given;
    reader->pair.key = sfs_bytes(data, (size_t)header.key);
    reader->pair.payload = sfs_bytes(data + header.key, (size_t)header.payload);
    reader->given += size;
    return 1;
}

/* --- merging: a heap of readers --- */

struct sfs_merge {
    struct sfs_runs *runs;
    size_t count;
    struct reader **heap; /* pointers into readers: of equal keys the earlier run comes first */
    bool begun;
    size_t reader_count;
    struct reader readers[];
};

static bool comes_first(const struct reader *a, const struct reader *b)
{
    int order = sfs_bytes_compare(a->pair.key, b->pair.key);
    return order < 0 || (order == 0 && a < b);
}

static void sift_down(struct sfs_merge *merge, size_t at)
{
    struct reader **heap = merge->heap;
    for (size_t child = 2 * at + 1; child < merge->count; child = 2 * at + 1) {
        if (child + 1 < merge->count && comes_first(heap[child + 1], heap[child]))
            child++;
        if (!comes_first(heap[child], heap[at]))
            return;
        struct reader *reader = heap[at];
        heap[at] = heap[child];
        heap[child] = reader;
        at = child;
    }
}

static int first_pairs(struct sfs_merge *merge, struct sfs_error *error)
{
    for (size_t i = 0; i < merge->reader_count; i++) {
        int found = read_pair(&merge->readers[i], merge->runs, error);
        if (found < 0)
            return found;
        if (found)
            merge->heap[merge->count++] = &merge->readers[i];
    }
    for (size_t i = merge->count / 2; i > 0; i--)
        sift_down(merge, i - 1);
    merge->begun = true;
    return 0;
}

/* Moves the first reader on, or takes it out. */
static int advance(struct sfs_merge *merge, struct sfs_error *error)
{
    int found = read_pair(merge->heap[0], merge->runs, error);
    if (found < 0)
        return found;
    if (found == 0)
        merge->heap[0] = merge->heap[--merge->count];
    sift_down(merge, 0);
    return 0;
}

int sfs_merge_next(struct sfs_merge *merge, struct sfs_pair *ret_pair, struct sfs_error *error)
{
    int result = sfs_guard_check(merge->runs->guard, error);
    if (result == 0 && !merge->begun)
        result = first_pairs(merge, error);
    else if (result == 0 && merge->count > 0)
        result = advance(merge, error);
    if (result || merge->count == 0)
        return result;
    *ret_pair = merge->heap[0]->pair;
    return 1;
}

int sfs_merge_open(struct sfs_runs *runs, size_t first, struct sfs_merge **ret_merge,
                   struct sfs_error *error)
{
    size_t count = runs->count - first;
    struct sfs_merge *merge = calloc(1, sizeof(*merge) + count * sizeof(struct reader));
    struct reader **heap = malloc((count + 1) * sizeof(struct reader *));
    if (!merge || !heap) {
        free(merge);
        free(heap);
        return sfs_fail_memory(error, "query");
    }
    merge->runs = runs;
    merge->heap = heap;
    merge->reader_count = count;
    for (size_t i = 0; i < count; i++) {
        merge->readers[i].at = runs->runs[first + i].from;
        merge->readers[i].to = runs->runs[first + i].to;
    }
    *ret_merge = merge;
    return 0;
}

void sfs_merge_close(struct sfs_merge *merge)
{
    if (!merge)
        return;
    for (size_t i = 0; i < merge->reader_count; i++)
        sfs_buffer_free(&merge->readers[i].buffer);
    free(merge->heap);
    free(merge);
}

/* Makes the last runs one run of the next level. */
static int merge_last(struct sfs_runs *runs, struct sfs_error *error)
{
    size_t first = runs->count - WAYS;
    struct sfs_run merged = {.from = runs->spool.size, .level = runs->runs[first].level + 1};
    struct sfs_merge *merge = NULL;
    struct sfs_pair pair;
    int found = sfs_merge_open(runs, first, &merge, error);
    if (found)
        return found;
    while ((found = sfs_merge_next(merge, &pair, error)) > 0) {
        found = sfs_runs_write(runs, &pair, error);
        if (found)
            break;
    }
    sfs_merge_close(merge);
    if (found)
        return found;
    sfs_spool_forget(&runs->spool, runs->runs[first].from, merged.from);
    runs->runs[first] = merged;
    runs->count = first + 1;
    return sfs_runs_end(runs, error);
}
