/* SPDX-License-Identifier: MIT */
/*
 * Where members stood: the last one that was taken out of each array and object, by whom, and what
 * was behind it. Kept at the node of the array or object, under the node table's lock.
 */
#include <stdlib.h>

#include "fs/fields.h"

#define LIFE INT64_C(10000) /* ms */

struct place {
    pid_t pid;
    int64_t until; /* fs_monotonic_ms */
    struct sfs_buffer name;
    struct sfs_buffer behind;
};

static void place_free(struct place *place)
{
    if (place == NULL)
        return;
    sfs_buffer_free(&place->name);
    sfs_buffer_free(&place->behind);
    free(place);
}

void fs_place_free(struct fs_node *dir)
{
    place_free(dir->data);
    dir->data = NULL;
}

/* Without memory nothing is remembered. */
static struct place *place_new(struct fs_call *call, struct sfs_bytes name, struct sfs_bytes behind)
{
    struct place *place = calloc(1, sizeof(*place));
    if (place == NULL)
        return NULL;
    place->pid = call->pid;
    place->until = fs_monotonic_ms() + LIFE;
    if (sfs_buffer_add(&place->name, name) == 0 && sfs_buffer_add(&place->behind, behind) == 0)
        return place;
    place_free(place);
    return NULL;
}

static void set(struct fs_call *call, struct fs_node *dir, struct place *place)
{
    fs_nodes_lock(call->fs->nodes);
    struct place *old = dir->data;
    dir->data = place;
    fs_nodes_unlock(call->fs->nodes);
    place_free(old);
}

void fs_place_note(struct fs_call *call, struct fs_node *dir, struct sfs_bytes name,
                   struct sfs_bytes behind)
{
    if (dir->class == &fs_fields_document_class)
        set(call, dir, place_new(call, name, behind));
}

/* Its own, as long as it is good. With the lock held. */
static struct place *own(struct fs_call *call, struct fs_node *dir)
{
    struct place *place = dir->class == &fs_fields_document_class ? dir->data : NULL;
    return place != NULL && place->pid == call->pid && place->until > fs_monotonic_ms() ? place
                                                                                        : NULL;
}

bool fs_place_take(struct fs_call *call, struct fs_node *dir, struct sfs_bytes name,
                   struct sfs_buffer *before)
{
    fs_nodes_lock(call->fs->nodes);
    struct place *place = own(call, dir);
    bool found = place != NULL && sfs_bytes_equal(sfs_buffer_bytes(&place->name), name) &&
                 sfs_buffer_add(before, sfs_buffer_bytes(&place->behind)) == 0;
    if (found)
        dir->data = NULL;
    fs_nodes_unlock(call->fs->nodes);
    if (found)
        place_free(place);
    return found;
}

void fs_place_forget(struct fs_call *call, struct fs_node *dir)
{
    fs_nodes_lock(call->fs->nodes);
    struct place *place = own(call, dir);
    if (place != NULL)
        dir->data = NULL;
    fs_nodes_unlock(call->fs->nodes);
    place_free(place);
}

/* The index that the caller has just removed from an array; false if it removed none. */
static bool removed_index(struct fs_call *call, struct fs_node *dir, uint64_t *ret_index)
{
    fs_nodes_lock(call->fs->nodes);
    struct place *place = own(call, dir);
    /* An element's place is its own index. */
    bool found =
        place != NULL &&
        sfs_bytes_equal(sfs_buffer_bytes(&place->name), sfs_buffer_bytes(&place->behind)) &&
        sfs_buffer_text(&place->name) == 0;
    if (found)
        *ret_index = strtoull(place->name.data, NULL, 10);
    fs_nodes_unlock(call->fs->nodes);
    return found;
}

bool fs_place_hides(struct fs_call *call, struct fs_node *dir, const char *name)
{
    uint64_t index;
    return removed_index(call, dir, &index) && strtoull(name, NULL, 10) == index;
}

int fs_place_check(struct fs_call *call, struct fs_node *dir, const char *name)
{
    uint64_t index;
    if (!removed_index(call, dir, &index) || strtoull(name, NULL, 10) < index)
        return 0;
    return sfs_fail(&call->error, SFS_E_CONFLICT, "fields",
                    "element %s has another index since element %lu was removed: remove elements "
                    "from the highest "
                    "index down",
                    name, (unsigned long)index);
}
