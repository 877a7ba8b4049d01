/* SPDX-License-Identifier: MIT */
/*
 * Groups that lie together in an index, one after the other: entries are compared with the group's
 * beginning before anything of them is read, and what is only counted, or looked at for its first
 * and last value, is left out as soon as the group turns out to be large.
 */
#include <stdlib.h>

#include "core/storage.h"
#include "query/cover.h"
#include "query/entries.h"
#include "query/group.h"
#include "query/sort_key_form.h"
#include "storefs/backend.h"

/* A group of more entries is counted in the index, where that is enough, or walked over. */
#define SKIP_AFTER 32

/* What a function looks at. */
struct watch {
    enum sfs_function function;
    size_t place;           /* the field's, in the index; not of COUNT */
    struct sfs_buffer last; /* DISTINCT: the value that was counted last */
};

struct groups {
    struct sfs_cursor cursor;
    struct sfs_entries entries;
    struct sfs_cover cover;
    struct sfs_group_rows rows;
    struct watch *watches; /* one a function, as the next two */
    struct sfs_accumulator *accumulators;
    uint64_t *distinct;
    bool counts; /* somebody sees how many members there are */
    bool reads;  /* a function looks at more than the number of entries */
    bool last;   /* … and the only field behind the prefix is the index's last */
    /* the group that is being read */
    bool begun;
    bool any;
    struct sfs_buffer prefix; /* all its Ks begin so */
    struct sfs_buffer key;    /* of the group */
    uint64_t count;
    uint64_t seen; /* entries read one by one, in the present range */
    size_t range;  /* that `seen` is of */
    struct sfs_buffer scratch;
    struct sfs_buffer from;
    struct sfs_buffer to;
    struct sfs_error *error; /* of the walk that is under way */
};

/* --- one entry --- */

static int watch_distinct(struct groups *self, size_t at, struct sfs_bytes piece)
{
    struct sfs_buffer *last = &self->watches[at].last;
    if (sfs_sort_key_is_missing(piece) || sfs_bytes_equal(piece, sfs_buffer_bytes(last)))
        return 0;
    last->size = 0;
    self->distinct[at]++;
    return sfs_buffer_add(last, piece);
}

static int watch_entry(struct groups *self, struct sfs_error *error)
{
    for (size_t i = 0; i < self->rows.function_count; i++) {
        enum sfs_function function = self->watches[i].function;
        struct sfs_bytes piece = self->entries.pieces[self->watches[i].place];
        int result = 0;
        if (function == SFS_FUNCTION_DISTINCT)
            result = watch_distinct(self, i, piece);
        else if (function != SFS_FUNCTION_COUNT)
            result =
                sfs_accumulator_add_key(&self->accumulators[i], function, piece, &self->scratch);
        if (result)
            return sfs_fold_fail(result, error);
    }
    return 0;
}

/* --- large groups --- */

/* The value at one end of the group, for MIN and MAX of the field behind its prefix. */
static int watch_end(struct groups *self, size_t at, struct sfs_error *error)
{
    static const char first = SFS_SORT_KEY_NULL; /* of what is not missing */
    struct sfs_entries *entries = &self->entries;
    struct sfs_index_cursor *cursor = NULL;
    struct sfs_index_row row;
    bool descending = self->watches[at].function == SFS_FUNCTION_MAX;
    struct sfs_bytes prefix = sfs_buffer_bytes(&self->prefix);
    if (sfs_entries_part(entries, prefix, sfs_bytes(&first, 1), &self->from, &self->to))
        return sfs_fail_memory(error, "query");
    struct sfs_range range = {sfs_buffer_bytes(&self->from), sfs_buffer_bytes(&self->to)};
    if (range.to.size > 0 && sfs_bytes_compare(range.from, range.to) >= 0)
        return 0;
    int found = sfs_storage_index_scan(entries->store, entries->plan->index, range, descending,
                                       SFS_WANT_NAMES, &cursor, error);
    if (found)
        return found;
    found = cursor->operations->next(cursor, &row, error);
    if (found > 0) {
        found = sfs_entries_split(entries, row.key, self->cover.prefix, prefix.size, error);
        if (found == 0 &&
            sfs_accumulator_add_key(&self->accumulators[at], self->watches[at].function,
                                    entries->pieces[self->cover.prefix], &self->scratch))
            found = sfs_fail_memory(error, "query");
    }
    cursor->operations->close(cursor);
    return found;
}

/* Counts what the range has of the group, in place of what was counted one by one. */
static int count_rest(struct groups *self, struct sfs_error *error)
{
    struct sfs_entries *entries = &self->entries;
    uint64_t count = 0;
    if (sfs_entries_part(entries, sfs_buffer_bytes(&self->prefix), sfs_bytes(NULL, 0), &self->from,
                         &self->to))
        return sfs_fail_memory(error, "query");
    struct sfs_range range = {sfs_buffer_bytes(&self->from), sfs_buffer_bytes(&self->to)};
    struct sfs_storage *able = sfs_storage_index(entries->store);
    int result = able->operations->override->index->count(able, entries->plan->index, range,
                                                          UINT64_MAX, &count, error);
    if (result == 0)
        self->count += count - self->seen;
    return result;
}

/* Leaves out the entries that the group still has in this range. */
static int skip(struct groups *self, struct sfs_error *error)
{
    int result = self->counts ? count_rest(self, error) : 0;
    for (size_t i = 0; i < self->rows.function_count && result == 0; i++) {
        const struct watch *watch = &self->watches[i];
        bool ends = watch->function == SFS_FUNCTION_MIN || watch->function == SFS_FUNCTION_MAX;
        if (ends && watch->place == self->cover.prefix)
            result = watch_end(self, i, error);
    }
    if (result)
        return result;
    self->from.size = 0;
    if (sfs_buffer_add(&self->from, sfs_buffer_bytes(&self->prefix)))
        return sfs_fail_memory(error, "query");
    sfs_index_key_behind(&self->from);
    return sfs_entries_skip(&self->entries, sfs_buffer_bytes(&self->from), error);
}

/* --- groups --- */

/* Takes one entry into account; its pieces before the prefix's end are found. */
static int take(struct groups *self, struct sfs_bytes key, struct sfs_error *error)
{
    self->count++;
    self->seen++;
    if (!self->reads)
        return 0;
    int result = 0;
    if (self->last && key.size > self->prefix.size)
        self->entries.pieces[self->cover.prefix] =
            sfs_bytes((const char *)key.data + self->prefix.size, key.size - self->prefix.size);
    else
        result =
            sfs_entries_split(&self->entries, key, self->cover.prefix, self->prefix.size, error);
    return result ? result : watch_entry(self, error);
}

static int walk_entry(void *context, struct sfs_bytes key)
{
    struct groups *self = context;
    int result = sfs_guard_check(self->entries.guard, self->error);
    return result ? result : take(self, key, self->error);
}

/* Takes the entries that the group still has in this range. */
static int walk(struct groups *self, struct sfs_error *error)
{
    self->error = error;
    return sfs_entries_walk(&self->entries, sfs_buffer_bytes(&self->prefix), &self->to, walk_entry,
                            self, error);
}

/* One entry of the group, and all the rest of it where that is many. */
static int add(struct groups *self, struct sfs_bytes key, struct sfs_error *error)
{
    if (self->range != self->entries.range)
        self->seen = 0;
    self->range = self->entries.range;
    int result = take(self, key, error);
    if (result || self->seen != SKIP_AFTER)
        return result;
    if (self->cover.skipped)
        return skip(self, error);
    return sfs_entries_can_walk(&self->entries) ? walk(self, error) : 0;
}

/* Keeps what the group's Ks begin with; the pieces then point into it. */
static int keep_prefix(struct groups *self, struct sfs_bytes key, struct sfs_error *error)
{
    struct sfs_entries *entries = &self->entries;
    size_t fields = entries->fields;
    size_t size = 0;
    entries->fields = self->cover.prefix;
    int result = sfs_entries_split(entries, key, 0, 0, error);
    for (size_t i = 0; i < self->cover.prefix && result == 0; i++)
        size += entries->pieces[i].size;
    self->prefix.size = 0;
    if (result == 0 && sfs_buffer_append(&self->prefix, key.data, size))
        result = sfs_fail_memory(error, "query");
    if (result == 0)
        result = sfs_entries_split(entries, sfs_buffer_bytes(&self->prefix), 0, 0, error);
    entries->fields = fields;
    return result;
}

static int begin(struct groups *self, struct sfs_bytes key, struct sfs_error *error)
{
    const struct sfs_query_stage *group = self->rows.group;
    int result = keep_prefix(self, key, error);
    self->key.size = 0;
    for (size_t i = 0; group && i < group->key_count && result == 0; i++) {
        size_t place = sfs_cover_place(self->entries.plan->index, &group->keys[i].field);
        if (sfs_buffer_add(&self->key, self->entries.pieces[place]))
            result = sfs_fail_memory(error, "query");
    }
    self->count = self->seen = 0;
    for (size_t i = 0; i < self->rows.function_count; i++) {
        sfs_accumulator_free(&self->accumulators[i]);
        self->watches[i].last.size = 0;
        self->distinct[i] = 0;
    }
    self->begun = self->any = true;
    return result ? result : add(self, key, error);
}

/* The row of the group that was read. */
static int give(struct groups *self, struct sfs_error *error)
{
    struct sfs_folded folded = {sfs_buffer_bytes(&self->key), self->count, self->accumulators};
    self->begun = false;
    self->any = true;
    return sfs_group_rows_make(&self->rows, &folded, self->distinct, error);
}

static bool is_of_group(const struct groups *self, struct sfs_bytes key)
{
    return self->begun && sfs_bytes_starts(key, sfs_buffer_bytes(&self->prefix));
}

/* Reads until a group is whole: 1, 0 at the end, or an error. */
static int read_group(struct groups *self, struct sfs_error *error)
{
    struct sfs_bytes key;
    int found;
    while ((found = sfs_entries_next(&self->entries, &key, error)) > 0) {
        bool whole = self->begun && !is_of_group(self, key);
        int result = whole ? give(self, error) : 0;
        if (result >= 0)
            found = self->begun ? add(self, key, error) : begin(self, key, error);
        if (result < 0 || found)
            return result < 0 ? result : found;
        if (whole)
            return 1;
    }
    if (found == 0 && (self->begun || (!self->any && !self->rows.group)))
        found = give(self, error);
    return found;
}

static int groups_next(struct sfs_cursor *cursor, const struct sfs_record **ret_record,
                       struct sfs_error *error)
{
    struct groups *self = (struct groups *)cursor;
    int found = read_group(self, error);
    if (found > 0)
        *ret_record = self->rows.given;
    return found;
}

static void groups_close(struct sfs_cursor *cursor)
{
    struct groups *self = (struct groups *)cursor;
    sfs_entries_end(&self->entries);
    for (size_t i = 0; i < self->rows.function_count; i++) {
        if (self->accumulators)
            sfs_accumulator_free(&self->accumulators[i]);
        if (self->watches)
            sfs_buffer_free(&self->watches[i].last);
    }
    sfs_group_rows_free(&self->rows);
    sfs_buffer_free(&self->prefix);
    sfs_buffer_free(&self->key);
    sfs_buffer_free(&self->scratch);
    sfs_buffer_free(&self->from);
    sfs_buffer_free(&self->to);
    free(self->watches);
    free(self->accumulators);
    free(self->distinct);
    free(self);
}

static int make_watches(struct groups *self, const struct sfs_index *index, struct sfs_error *error)
{
    size_t count = self->rows.function_count;
    self->watches = calloc(count + 1, sizeof(*self->watches));
    self->accumulators = calloc(count + 1, sizeof(*self->accumulators));
    self->distinct = calloc(count + 1, sizeof(*self->distinct));
    if (!self->watches || !self->accumulators || !self->distinct)
        return sfs_fail_memory(error, "query");
    self->counts = self->rows.group != NULL;
    for (size_t i = 0; i < count; i++) {
        const struct sfs_stage_field *key = &self->rows.functions[i];
        self->watches[i].function = key->function;
        if (key->function == SFS_FUNCTION_COUNT)
            self->counts = true;
        else
            self->watches[i].place = sfs_cover_place(index, &key->field);
        self->reads |= key->function != SFS_FUNCTION_COUNT;
    }
    return 0;
}

int sfs_cover_cursor(struct sfs_storage *store, const struct sfs_plan *plan,
                     struct sfs_guard *guard, struct sfs_cursor **ret_cursor,
                     struct sfs_error *error)
{
    static const struct sfs_cursor_operations operations = {
        .next = groups_next, .seek = sfs_query_no_seek, .close = groups_close};
    struct sfs_cover cover =
        sfs_cover_of(plan->index, plan->bound, plan->range_count, plan->group, plan->aggregate);
    sfs_index_hit(plan->index);
    if (!cover.streamed)
        return sfs_group_entries_cursor(store, plan, cover.fields, guard, ret_cursor, error);
    struct groups *self = calloc(1, sizeof(*self));
    if (!self)
        return sfs_fail_memory(error, "query");
    self->cursor.operations = &operations;
    self->cover = cover;
    self->last = cover.prefix + 1 == plan->index->field_count;
    self->entries = sfs_entries_begin(store, plan, cover.fields, guard);
    sfs_group_rows_init(&self->rows, plan->group, plan->aggregate);
    int result = make_watches(self, plan->index, error);
    if (result) {
        groups_close(&self->cursor);
        return result;
    }
    *ret_cursor = &self->cursor;
    return 0;
}
