/* SPDX-License-Identifier: MIT */
/* Entries of an index as the sort keys of its fields. */
#include "query/entries.h"

#include "core/storage.h"
#include "query/sort_key.h"

struct sfs_entries sfs_entries_begin(struct sfs_storage *store, const struct sfs_plan *plan,
                                     size_t fields, struct sfs_guard *guard)
{
    return (struct sfs_entries){.store = store, .plan = plan, .fields = fields, .guard = guard};
}

static void close_range(struct sfs_entries *entries)
{
    if (entries->cursor)
        entries->cursor->operations->close(entries->cursor);
    entries->cursor = NULL;
}

int sfs_entries_next(struct sfs_entries *entries, struct sfs_bytes *ret_key,
                     struct sfs_error *error)
{
    struct sfs_index_row row;
    int found = sfs_guard_check(entries->guard, error);
    while (found == 0 && entries->range < entries->plan->range_count) {
        if (!entries->cursor)
            found = sfs_plan_open_range(entries->store, entries->plan, entries->range,
                                        SFS_WANT_NAMES, &entries->cursor, error);
        if (found == 0)
            found = entries->cursor->operations->next(entries->cursor, &row, error);
        if (found > 0)
            *ret_key = row.key;
        if (found != 0)
            return found;
        close_range(entries);
        entries->range++;
    }
    return found;
}

int sfs_entries_split(struct sfs_entries *entries, struct sfs_bytes key, size_t at, size_t offset,
                      struct sfs_error *error)
{
    const char *data = key.data;
    for (; at < entries->fields; at++) {
        struct sfs_bytes rest = sfs_bytes(data + offset, key.size - offset);
        bool last = at + 1 == entries->plan->index->field_count;
        size_t size = last ? rest.size : sfs_sort_key_size(rest);
        if (size == 0)
            return sfs_fail(error, SFS_E_CORRUPT, "query", "index '%s' has an entry that is none",
                            entries->plan->index->name);
        entries->pieces[at] = sfs_bytes(rest.data, size);
        offset += size;
    }
    return 0;
}

int sfs_entries_skip(struct sfs_entries *entries, struct sfs_bytes key, struct sfs_error *error)
{
    if (key.size > 0)
        return entries->cursor->operations->seek(entries->cursor, key, error);
    close_range(entries);
    entries->range++;
    return 0;
}

bool sfs_entries_can_walk(const struct sfs_entries *entries)
{
    return entries->cursor && entries->cursor->operations->walk;
}

int sfs_entries_walk(struct sfs_entries *entries, struct sfs_bytes prefix, struct sfs_buffer *to,
                     sfs_index_visit *visit, void *context, struct sfs_error *error)
{
    to->size = 0;
    if (sfs_buffer_add(to, prefix))
        return sfs_fail_memory(error, "query");
    sfs_index_key_behind(to);
    return entries->cursor->operations->walk(entries->cursor, sfs_buffer_bytes(to), visit, context,
                                             error);
}

int sfs_entries_part(const struct sfs_entries *entries, struct sfs_bytes prefix,
                     struct sfs_bytes first, struct sfs_buffer *from, struct sfs_buffer *to)
{
    const struct sfs_plan_range *range = &entries->plan->ranges[entries->range];
    from->size = to->size = 0;
    int result = sfs_buffer_add(to, prefix);
    sfs_index_key_behind(to);
    if (result == 0)
        result = sfs_buffer_add(from, prefix);
    if (result == 0)
        result = sfs_buffer_add(from, first);
    if (result == 0 &&
        sfs_bytes_compare(sfs_buffer_bytes(from), sfs_buffer_bytes(&range->from)) < 0) {
        from->size = 0;
        result = sfs_buffer_add(from, sfs_buffer_bytes(&range->from));
    }
    bool beyond =
        to->size == 0 || sfs_bytes_compare(sfs_buffer_bytes(to), sfs_buffer_bytes(&range->to)) > 0;
    if (result == 0 && range->to.size > 0 && beyond) {
        to->size = 0;
        result = sfs_buffer_add(to, sfs_buffer_bytes(&range->to));
    }
    return result;
}

void sfs_entries_end(struct sfs_entries *entries)
{
    close_range(entries);
}
