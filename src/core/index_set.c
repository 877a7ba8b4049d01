/* SPDX-License-Identifier: MIT */
/* Sets of definitions of indexes: immutable, so that who has one needs no lock. */
#include <stdlib.h>

#include "storefs/backend.h"

struct sfs_index_set *sfs_index_set_ref(struct sfs_index_set *set)
{
    if (set)
        atomic_fetch_add_explicit(&set->references, 1, memory_order_relaxed);
    return set;
}

void sfs_index_set_unref(struct sfs_index_set *set)
{
    if (!set || atomic_fetch_sub_explicit(&set->references, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < set->count; i++)
        sfs_index_unref(set->indexes[i]);
    free(set);
}

/* Puts a reference into its place in the order of names; there is room. */
static void insert(struct sfs_index_set *set, const struct sfs_index *index)
{
    size_t at = set->count++;
    for (; at > 0 && strcmp(set->indexes[at - 1]->name, index->name) > 0; at--)
        set->indexes[at] = set->indexes[at - 1];
    set->indexes[at] = sfs_index_ref(index);
}

int sfs_index_set_change(const struct sfs_index_set *from, uint64_t without,
                         const struct sfs_index *with, struct sfs_index_set **ret_set,
                         struct sfs_error *error)
{
    size_t most = (from ? from->count : 0) + 1;
    struct sfs_index_set *set = malloc(sizeof(*set) + most * sizeof(struct sfs_index *));
    if (!set)
        return sfs_fail_memory(error, "index");
    atomic_init(&set->references, 1);
    set->count = 0;
    for (size_t i = 0; from && i < from->count; i++) {
        if (from->indexes[i]->id != without)
            insert(set, from->indexes[i]);
    }
    if (with)
        insert(set, with);
    if (set->count == 0) {
        free(set);
        set = NULL;
    }
    *ret_set = set;
    return 0;
}

const struct sfs_index *sfs_index_set_find(const struct sfs_index_set *set, const char *fields)
{
    for (size_t i = 0; set && i < set->count; i++) {
        if (strcmp(set->indexes[i]->fields, fields) == 0)
            return set->indexes[i];
    }
    return NULL;
}
