/* SPDX-License-Identifier: MIT */
/* The public calls on indexes, over what the store's own implementation of them gives. */
#include "storefs/index.h"

#include <stddef.h>

#include "core/storage.h"

static const struct sfs_index_operations *operations_of(const struct sfs_storage *able)
{
    return able->operations->override->index;
}

/* The store that takes changes of indexes. */
static int find_writer(struct sfs_storage *store, struct sfs_storage **ret_able,
                       struct sfs_error *error)
{
    struct sfs_storage *able = sfs_storage_override(
        store, offsetof(struct sfs_override_operations, index), SFS_OVERRIDE_UPKEEP);
    if (!able)
        return sfs_fail(error, SFS_E_UNSUPPORTED, "index", "this %s store can have no indexes",
                        sfs_storage_name(store));
    if (sfs_storage_is_read_only(store, able))
        return sfs_fail(error, SFS_E_READ_ONLY, "index", "the %s store %s is read-only",
                        sfs_storage_name(store), sfs_storage_location(store));
    *ret_able = able;
    return 0;
}

int sfs_index_create(struct sfs_storage *store, struct sfs_bytes name,
                     sfs_progress_function *progress, void *context, struct sfs_error *error)
{
    const struct sfs_index *index = NULL;
    struct sfs_storage *able = NULL;
    int rc = sfs_index_new(name, 0, false, &index, error);
    if (rc == 0)
        rc = find_writer(store, &able, error);
    if (rc == 0)
        rc = operations_of(able)->create(able, index, progress, context, error);
    sfs_index_unref(index);
    return rc;
}

/* The present set and the definition in it that `name` means; set the caller's. */
static int find_index(struct sfs_storage *able, struct sfs_bytes name,
                      struct sfs_index_set **ret_set, const struct sfs_index **ret_index,
                      struct sfs_error *error)
{
    const struct sfs_index *asked = NULL;
    struct sfs_index_set *set = NULL;
    int rc = sfs_index_new(name, 0, false, &asked, error);
    if (rc == 0 && able)
        rc = operations_of(able)->set(able, &set, error);
    const struct sfs_index *found = rc ? NULL : sfs_index_set_find(set, asked->fields);
    if (rc == 0 && (!found || (asked->unique && !found->unique)))
        rc = sfs_fail(error, SFS_E_NOT_FOUND, "index", "there is no index '%s'", asked->name);
    sfs_index_unref(asked);
    if (rc) {
        sfs_index_set_unref(set);
        return rc;
    }
    *ret_set = set;
    *ret_index = found;
    return 0;
}

int sfs_index_drop(struct sfs_storage *store, struct sfs_bytes name, struct sfs_error *error)
{
    struct sfs_index_set *set = NULL;
    const struct sfs_index *index = NULL;
    struct sfs_storage *able = NULL;
    int rc = find_writer(store, &able, error);
    if (rc == 0)
        rc = find_index(able, name, &set, &index, error);
    if (rc)
        return rc;
    rc = operations_of(able)->drop(able, index->id, error);
    sfs_index_set_unref(set);
    return rc;
}

static int get_stats(struct sfs_storage *able, const struct sfs_index *index,
                     struct sfs_index_stats *ret_stats, struct sfs_error *error)
{
    struct sfs_index_stats stats = {0};
    int rc = operations_of(able)->stats(able, index, &stats, error);
    if (rc)
        return rc;
    stats.hits = sfs_index_hits(index);
    stats.unique = index->unique;
    stats.ready = index->ready;
    *ret_stats = stats;
    return 0;
}

int sfs_index_stats(struct sfs_storage *store, struct sfs_bytes name,
                    struct sfs_index_stats *ret_stats, struct sfs_error *error)
{
    struct sfs_index_set *set = NULL;
    const struct sfs_index *index = NULL;
    struct sfs_storage *able = sfs_storage_index(store);
    int rc = find_index(able, name, &set, &index, error);
    if (rc)
        return rc;
    rc = get_stats(able, index, ret_stats, error);
    sfs_index_set_unref(set);
    return rc;
}

int sfs_index_list(struct sfs_storage *store,
                   int (*visit)(void *context, const char *name,
                                const struct sfs_index_stats *stats),
                   void *context, struct sfs_error *error)
{
    struct sfs_index_set *set = NULL;
    struct sfs_index_stats stats;
    struct sfs_storage *able = sfs_storage_index(store);
    int rc = able ? operations_of(able)->set(able, &set, error) : 0;
    for (size_t i = 0; rc == 0 && set && i < set->count; i++) {
        struct sfs_error failure = {0};
        rc = get_stats(able, set->indexes[i], &stats, &failure);
        if (rc == 0)
            rc = visit(context, set->indexes[i]->name, &stats);
        else if (rc == SFS_E_NOT_FOUND)
            rc = 0; /* dropped since */
        else if (error)
            *error = failure;
    }
    sfs_index_set_unref(set);
    return rc;
}
