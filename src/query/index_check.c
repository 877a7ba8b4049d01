/* SPDX-License-Identifier: MIT */
/*
 * Checking indexes: every entry must be the one that its record makes, and stand in its place; then
 * no name has two, and where there are as many as keys none is missing.
 */
#include <inttypes.h>
#include <stdio.h>

#include "core/storage.h"
#include "query/plan.h"

struct inspection {
    struct sfs_storage *store; /* one state */
    const struct sfs_index *index;
    sfs_report_function *report;
    void *context;
    uint64_t found;
    uint64_t entries;
    struct sfs_buffer key;  /* of the entry before */
    struct sfs_buffer name; /* of that */
    struct sfs_buffer right;
};

static void find(struct inspection *self, struct sfs_bytes name, const char *what)
{
    char shown[200], sentence[600];
    snprintf(sentence, sizeof(sentence), "index '%.128s': key '%s': %s", self->index->name,
             sfs_name_show(name, shown, sizeof(shown)), what);
    self->found++;
    if (self->report)
        self->report(self->context, sentence);
}

static int check_place(struct inspection *self, const struct sfs_index_row *row)
{
    int order = sfs_bytes_compare(sfs_buffer_bytes(&self->key), row->key);
    bool doubled = false;
    if (order == 0 && self->index->unique && sfs_index_key_is_exact(row->key)) {
        int partial = sfs_index_key_is_partial(self->index, row->key);
        if (partial < 0)
            return partial;
        doubled = !partial;
    }
    if (doubled)
        find(self, row->name, "another key holds the same value");
    if (order == 0)
        order = sfs_bytes_compare(sfs_buffer_bytes(&self->name), row->name);
    if (self->entries > 0 && order >= 0)
        find(self, row->name, "its entry is not in order");
    return 0;
}

static int check_entry(struct inspection *self, const struct sfs_index_row *row)
{
    self->right.size = 0;
    if (check_place(self, row) || sfs_index_key(self->index, row->record, &self->right))
        return SFS_E_NO_MEMORY;
    if (!sfs_bytes_equal(sfs_buffer_bytes(&self->right), row->key))
        find(self, row->name, "its entry is not what the document says");
    self->entries++;
    self->key.size = self->name.size = 0;
    if (sfs_buffer_add(&self->key, row->key))
        return SFS_E_NO_MEMORY;
    return sfs_buffer_add(&self->name, row->name);
}

static int check_entries(struct inspection *self, struct sfs_error *error)
{
    struct sfs_index_cursor *cursor = NULL;
    struct sfs_index_row row;
    int result = sfs_storage_index_scan(self->store, self->index, (struct sfs_range){{0}, {0}},
                                        false, SFS_WANT_VALUE | SFS_WANT_DOCUMENTS, &cursor, error);
    if (result)
        return result;
    while ((result = cursor->operations->next(cursor, &row, error)) > 0) {
        if (check_entry(self, &row)) {
            result = sfs_fail_memory(error, "index");
            break;
        }
    }
    cursor->operations->close(cursor);
    return result;
}

static void find_sum(struct inspection *self, const char *what, uint64_t number, uint64_t right)
{
    char sentence[400];
    if (number == right)
        return;
    snprintf(sentence, sizeof(sentence),
             "index '%.128s': %s %" PRIu64 " entries, and there are %" PRIu64, self->index->name,
             what, number, right);
    self->found++;
    if (self->report)
        self->report(self->context, sentence);
}

static int check_index(struct inspection *self, struct sfs_storage *able, struct sfs_error *error)
{
    struct sfs_index_stats stats = {.entries = 0};
    uint64_t keys = 0;
    int result = check_entries(self, error);
    if (result == 0)
        result = sfs_size(self->store, &keys, error);
    if (result == 0)
        result = able->operations->override->index->stats(able, self->index, &stats, error);
    sfs_buffer_free(&self->key);
    sfs_buffer_free(&self->name);
    sfs_buffer_free(&self->right);
    if (result)
        return result;
    find_sum(self, "every key needs one, that is", keys, self->entries);
    find_sum(self, "it counts", stats.entries, self->entries);
    return 0;
}

static int check_all(struct sfs_storage *store, sfs_report_function *report, void *context,
                     uint64_t *ret_found, struct sfs_error *error)
{
    struct sfs_storage *able = sfs_storage_index(store);
    struct sfs_index_set *set = NULL;
    uint64_t found = 0;
    int result = able ? able->operations->override->index->set(able, &set, error) : 0;
    for (size_t i = 0; result == 0 && set && i < set->count; i++) {
        struct inspection self = {
            .store = store, .index = set->indexes[i], .report = report, .context = context};
        if (self.index->ready)
            result = check_index(&self, able, error);
        found += self.found;
    }
    sfs_index_set_unref(set);
    if (result == 0)
        *ret_found = found;
    return result;
}

int sfs_index_check(struct sfs_storage *store, sfs_report_function *report, void *context,
                    uint64_t *ret_found, struct sfs_error *error)
{
    struct sfs_storage *snapshot = NULL;
    int result = 0;
    /* A store without indexes is left alone: a snapshot leaves its trace. */
    if (sfs_plan_has_indexes(store))
        result = sfs_snapshot(store, 0, &snapshot, error);
    if (result == 0)
        result = check_all(snapshot ? snapshot : store, report, context, ret_found, error);
    (void)sfs_close(snapshot, NULL);
    return result;
}
