/* SPDX-License-Identifier: MIT */
/*
 * Keeping indexes: the engine's primitives that change records, with the entries of the records
 * taken out before and put in behind. Where there are no indexes, only the primitives.
 */
#include "core/apply.h"

/* A record before and after a change, each with its value where an index needs that; NULL: none, or
 * no key. */
struct change {
    const struct sfs_record *before;
    const struct sfs_record *after;
};

static bool needs_value(const struct sfs_index_set *set, const struct sfs_record *record)
{
    bool needed = false;
    for (size_t i = 0; !needed && i < set->count; i++)
        needed = sfs_index_needs_value(set->indexes[i], record);
    return needed;
}

/* A reference to the record of that name as it now is, as the indexes of `set` need it. */
static int load(struct sfs_apply_run *run, const struct sfs_index_set *set,
                const struct sfs_record *record, const struct sfs_record **ret_record,
                struct sfs_error *error)
{
    *ret_record = NULL;
    if (!sfs_record_is_key(record))
        return 0;
    if (!sfs_record_has_value(record) && needs_value(set, record))
        return sfs_apply_need(run, record->name, SFS_WANT_VALUE, ret_record, error);
    *ret_record = sfs_record_ref(record);
    return 0;
}

static int make_key(const struct sfs_index *index, const struct sfs_record *record,
                    struct sfs_buffer *ret_key, struct sfs_error *error)
{
    ret_key->size = 0;
    if (record && sfs_index_key(index, record, ret_key))
        return sfs_fail_memory(error, "index");
    return 0;
}

static int add_entry(struct sfs_apply_run *run, const struct sfs_index *index, struct sfs_bytes key,
                     struct sfs_bytes name, struct sfs_error *error)
{
    int rc = run->operations->index_add(run, index, key, name, error);
    if (rc == 0 && index->unique)
        rc = sfs_apply_unique_note(run, index, key, error);
    return rc;
}

/* One index: the entries of both forms differ in K or in the name, or one of them is none. */
static int change_entry(struct sfs_apply_run *run, const struct sfs_index *index,
                        const struct change *change, struct sfs_buffer keys[2],
                        struct sfs_error *error)
{
    const struct sfs_record *before = change->before, *after = change->after;
    int rc = make_key(index, before, &keys[0], error);
    if (rc == 0)
        rc = make_key(index, after, &keys[1], error);
    if (rc)
        return rc;
    struct sfs_bytes old = sfs_buffer_bytes(&keys[0]), new = sfs_buffer_bytes(&keys[1]);
    /* An engine's entry may refer to the record by its number. */
    if (before && after && sfs_bytes_equal(old, new) &&
        sfs_bytes_equal(before->name, after->name) && before->attributes.id == after->attributes.id)
        return 0;
    if (before)
        rc = run->operations->index_remove(run, index, old, before->name, error);
    if (rc == 0 && after)
        rc = add_entry(run, index, new, after->name, error);
    return rc;
}

static int change_entries(struct sfs_apply_run *run, const struct change *change,
                          struct sfs_error *error)
{
    struct sfs_buffer keys[2] = {{0}, {0}};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < run->indexes->count; i++)
        rc = change_entry(run, run->indexes->indexes[i], change, keys, error);
    sfs_buffer_free(&keys[0]);
    sfs_buffer_free(&keys[1]);
    return rc;
}

static void change_end(struct change *change)
{
    sfs_record_unref(change->before);
    sfs_record_unref(change->after);
}

/* Whether any entry can depend on attributes alone. */
static bool attributes_matter(const struct sfs_index_set *set)
{
    bool matter = false;
    for (size_t i = 0; !matter && i < set->count; i++)
        matter = set->indexes[i]->depends & SFS_INDEX_OF_ATTRIBUTES;
    return matter;
}

/* Only a type that is set, or was, decides over more than attributes: whether there are fields. */
static bool entries_stay(const struct sfs_index_set *set, const struct sfs_record *before,
                         const struct sfs_record *record, enum sfs_value_change change)
{
    return before && change == SFS_VALUE_KEPT && !attributes_matter(set) &&
           before->attributes.type == record->attributes.type &&
           before->attributes.type_set == record->attributes.type_set &&
           before->attributes.id == record->attributes.id;
}

/* The new form around the value that was loaded with the old one. */
static const struct sfs_record *with_value(const struct sfs_record *loaded,
                                           const struct sfs_record *record)
{
    return sfs_record_new(record->name, record->revision, loaded->size, &record->attributes,
                          record->xattrs, loaded->blob);
}

/* The new form as the indexes need it, after it was stored. */
static int load_stored(struct sfs_apply_run *run, struct change *change,
                       const struct sfs_record *record, enum sfs_value_change how,
                       struct sfs_error *error)
{
    if (how != SFS_VALUE_KEPT || !change->before || !change->before->blob)
        return load(run, run->indexes, record, &change->after, error);
    change->after = with_value(change->before, record);
    return change->after ? 0 : sfs_fail_memory(error, "index");
}

int sfs_apply_engine_store(struct sfs_apply_run *run, const struct sfs_record *before,
                           const struct sfs_record *record, enum sfs_value_change how,
                           struct sfs_error *error)
{
    struct change change = {0};
    if (!run->indexes || entries_stay(run->indexes, before, record, how))
        return run->operations->store(run, before, record, how, error);
    int rc = before ? load(run, run->indexes, before, &change.before, error) : 0;
    if (rc == 0)
        rc = run->operations->store(run, before, record, how, error);
    if (rc == 0)
        rc = load_stored(run, &change, record, how, error);
    if (rc == 0)
        rc = change_entries(run, &change, error);
    change_end(&change);
    return rc;
}

int sfs_apply_engine_remove(struct sfs_apply_run *run, const struct sfs_record *before,
                            struct sfs_error *error)
{
    struct change change = {0};
    int rc = run->indexes ? load(run, run->indexes, before, &change.before, error) : 0;
    if (rc == 0 && change.before)
        rc = change_entries(run, &change, error);
    change_end(&change);
    return rc ? rc : run->operations->remove(run, before, error);
}

int sfs_apply_engine_move(struct sfs_apply_run *run, const struct sfs_record *before,
                          const struct sfs_record *record, struct sfs_error *error)
{
    struct change out = {0}, in = {0};
    int rc = run->indexes ? load(run, run->indexes, before, &out.before, error) : 0;
    if (rc == 0 && out.before) {
        in.after = with_value(out.before, record);
        rc = in.after ? change_entries(run, &out, error) : sfs_fail_memory(error, "index");
    }
    if (rc == 0)
        rc = run->operations->move(run, before, record, error);
    if (rc == 0 && in.after)
        rc = change_entries(run, &in, error);
    change_end(&out);
    change_end(&in);
    return rc;
}

int sfs_apply_engine_patch(struct sfs_apply_run *run, const struct sfs_record *before,
                           const struct sfs_record *record, const struct sfs_operation *operation,
                           struct sfs_error *error)
{
    struct change change = {0};
    if (!run->indexes)
        return run->operations->patch(run, before, record, operation, error);
    int rc = load(run, run->indexes, before, &change.before, error);
    if (rc == 0)
        rc = run->operations->patch(run, before, record, operation, error);
    /* The engine may have set the type: what it made is what counts. */
    if (rc == 0)
        rc = sfs_apply_need(run, record->name,
                            needs_value(run->indexes, record) ? SFS_WANT_VALUE : 0, &change.after,
                            error);
    if (rc == 0)
        rc = change_entries(run, &change, error);
    change_end(&change);
    return rc;
}

/* --- many names at once --- */

static bool all_move_at_once(const struct sfs_apply_run *run)
{
    bool all = run->operations->index_move_prefix != NULL;
    for (size_t i = 0; all && i < run->indexes->count; i++)
        all = run->indexes->indexes[i]->ready &&
              !(run->indexes->indexes[i]->depends & SFS_INDEX_OF_NAME);
    return all;
}

int sfs_apply_engine_move_prefix(struct sfs_apply_run *run, struct sfs_bytes from,
                                 struct sfs_bytes to, int64_t time, uint64_t *ret_count,
                                 struct sfs_error *error)
{
    int rc = 0;
    if (!run->operations->move_prefix || (run->indexes && !all_move_at_once(run)))
        return SFS_E_UNSUPPORTED;
    for (size_t i = 0; rc == 0 && run->indexes && i < run->indexes->count; i++)
        rc = run->operations->index_move_prefix(run, run->indexes->indexes[i], from, to, error);
    return rc ? rc : run->operations->move_prefix(run, from, to, time, ret_count, error);
}

int sfs_apply_engine_clear(struct sfs_apply_run *run, struct sfs_range range, uint64_t *ret_count,
                           struct sfs_error *error)
{
    int rc = 0;
    if (!run->operations->clear || (run->indexes && !run->operations->index_clear))
        return SFS_E_UNSUPPORTED;
    for (size_t i = 0; rc == 0 && run->indexes && i < run->indexes->count; i++)
        rc = run->operations->index_clear(run, run->indexes->indexes[i], range, error);
    return rc ? rc : run->operations->clear(run, range, ret_count, error);
}

/* --- building --- */

static int build_entry(struct sfs_apply_run *run, const struct sfs_index *index,
                       const struct sfs_record *record, struct sfs_buffer *key,
                       struct sfs_error *error)
{
    const struct sfs_record *loaded = NULL;
    if (!sfs_record_is_key(record))
        return 0;
    int rc = 0;
    if (!sfs_record_has_value(record) && sfs_index_needs_value(index, record))
        rc = sfs_apply_need(run, record->name, SFS_WANT_VALUE, &loaded, error);
    else
        loaded = sfs_record_ref(record);
    if (rc == 0)
        rc = make_key(index, loaded, key, error);
    if (rc == 0)
        rc = add_entry(run, index, sfs_buffer_bytes(key), record->name, error);
    sfs_record_unref(loaded);
    return rc;
}

/* The first name above the one in the buffer: that, and a NUL. */
static int go_on_behind(struct sfs_buffer *after, struct sfs_bytes name, struct sfs_error *error)
{
    after->size = 0;
    if (sfs_buffer_add(after, name) || sfs_buffer_byte(after, '\0'))
        return sfs_fail_memory(error, "index");
    return 0;
}

static int build_step(struct sfs_apply_run *run, const struct sfs_index *index, uint64_t most,
                      struct sfs_buffer *from, uint64_t *ret_seen, struct sfs_error *error)
{
    struct sfs_buffer key = {0};
    const struct sfs_record *first = NULL;
    uint64_t seen = 0;
    int rc = 0;
    while (rc == 0 && seen < most) {
        struct sfs_range range = {sfs_buffer_bytes(from), {0}};
        rc = sfs_apply_first(run, range, &first, error);
        if (rc || !first)
            break;
        rc = build_entry(run, index, first, &key, error);
        if (rc == 0)
            rc = go_on_behind(from, first->name, error);
        sfs_record_unref(first);
        seen += rc == 0;
    }
    sfs_buffer_free(&key);
    *ret_seen = seen;
    return rc;
}

int sfs_index_build(struct sfs_apply_run *run, const struct sfs_index *index, uint64_t most,
                    struct sfs_buffer *after, uint64_t *ret_seen, struct sfs_error *error)
{
    struct sfs_buffer from = {0};
    uint64_t seen = 0;
    int rc = after->size ? go_on_behind(&from, sfs_buffer_bytes(after), error) : 0;
    if (rc == 0)
        rc = build_step(run, index, most, &from, &seen, error);
    if (rc == 0)
        rc = sfs_apply_unique_check(run, error);
    sfs_apply_unique_end(run);
    if (rc == 0 && seen > 0) {
        /* Without the NUL it is the last name again. */
        from.size--;
        sfs_buffer_free(after);
        *after = from;
        from = (struct sfs_buffer){0};
    }
    sfs_buffer_free(&from);
    if (rc == 0)
        *ret_seen = seen;
    return rc;
}
