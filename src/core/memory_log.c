/* SPDX-License-Identifier: MIT */
/*
 * The change log of the engine in memory: a queue of what commits changed, kept only while an open
 * feed may ask for it.
 */
#include <stdlib.h>

#include "core/memory_engine.h"

static struct sfs_memory_change *entry_at(const struct sfs_memory_log *log, size_t index)
{
    return &log->entries[log->start + index];
}

static void drop_front(struct sfs_memory_log *log, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sfs_record_unref(entry_at(log, i)->record);
    log->start += count;
    log->count -= count;
    log->first += count;
    if (log->count == 0)
        log->start = 0;
}

void sfs_memory_log_free(struct sfs_memory_log *log)
{
    drop_front(log, log->count);
    free(log->entries);
    *log = (struct sfs_memory_log){0};
}

/* Moves the entries to the beginning of their memory where at least half of it lies before them, so
 * that an append costs constant time on average. */
static void pack(struct sfs_memory_log *log)
{
    if (log->start < log->capacity / 2)
        return;
    memmove(log->entries, log->entries + log->start, log->count * sizeof(*log->entries));
    log->start = 0;
}

int sfs_memory_log_reserve(struct sfs_memory_log *log, size_t more)
{
    if (log->capacity - log->start - log->count >= more)
        return 0;
    if (log->entries)
        pack(log);
    size_t needed = log->start + log->count + more;
    if (needed <= log->capacity)
        return 0;
    size_t capacity = needed < 16 ? 16 : needed + needed / 2;
    struct sfs_memory_change *entries = NULL;
    if (capacity <= SIZE_MAX / sizeof(*entries))
        entries = realloc(log->entries, capacity * sizeof(*entries));
    if (!entries)
        return SFS_E_NO_MEMORY;
    log->entries = entries;
    log->capacity = capacity;
    return 0;
}

void sfs_memory_log_append(struct sfs_memory_log *log, struct sfs_memory_change change)
{
    log->volume += change.existed ? change.record->size : 0;
    change.volume = log->volume;
    *entry_at(log, log->count) = change;
    log->count++;
}

struct sfs_memory_change *sfs_memory_log_at(struct sfs_memory_log *log, uint64_t ordinal)
{
    return entry_at(log, (size_t)(ordinal - log->first));
}

uint64_t sfs_memory_log_end(const struct sfs_memory_log *log)
{
    return log->first + log->count;
}

uint64_t sfs_memory_log_after(struct sfs_memory_log *log, uint64_t sequence)
{
    size_t low = 0;
    size_t high = log->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (entry_at(log, middle)->sequence <= sequence)
            low = middle + 1;
        else
            high = middle;
    }
    return log->first + low;
}

void sfs_memory_log_trim(struct sfs_memory_log *log, uint64_t sequence)
{
    if (sequence <= log->floor)
        return;
    drop_front(log, (size_t)(sfs_memory_log_after(log, sequence) - log->first));
    log->floor = sequence;
}
