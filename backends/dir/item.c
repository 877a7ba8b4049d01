/* SPDX-License-Identifier: MIT */
/* Items: a record, and the print of its file. */
#include <stdlib.h>

#include "internal.h"
#include "util/clock.h"

static void item_ref(void *item)
{
    (void)sfs_dir_item_ref(item);
}

static void item_unref(void *item)
{
    sfs_dir_item_unref(item);
}

const struct sfs_tree_counting sfs_dir_counting = {item_ref, item_unref};

struct sfs_dir_item *sfs_dir_item_new(const struct sfs_record *record,
                                      const struct sfs_dir_print *print)
{
    struct sfs_dir_item *item = calloc(1, sizeof(*item));
    if (!item)
        return NULL;
    atomic_init(&item->references, 1);
    item->record = sfs_record_ref(record);
    item->print = *print;
    return item;
}

struct sfs_dir_item *sfs_dir_item_ref(struct sfs_dir_item *item)
{
    atomic_fetch_add_explicit(&item->references, 1, memory_order_relaxed);
    return item;
}

void sfs_dir_item_unref(struct sfs_dir_item *item)
{
    if (!item || atomic_fetch_sub_explicit(&item->references, 1, memory_order_acq_rel) != 1)
        return;
    sfs_record_unref(item->record);
    sfs_dir_item_unref(item->origin);
    free(item);
}

struct sfs_dir_print sfs_dir_print_of(const struct stat *status)
{
    return (struct sfs_dir_print){
        .inode = status->st_ino,
        .size = (uint64_t)status->st_size,
        .modified = sfs_clock_nanoseconds(status->st_mtim),
        .mode = status->st_mode & 07777,
    };
}

bool sfs_dir_print_equal(const struct sfs_dir_print *a, const struct sfs_dir_print *b)
{
    return a->inode == b->inode && a->size == b->size && a->modified == b->modified &&
           a->mode == b->mode;
}

/* The owner can always read and write, or the store would lose the value; and nothing that comes
 * out of a store is made a program that runs as somebody else. */
uint32_t sfs_dir_file_mode(const struct sfs_record *record)
{
    uint32_t mode = record->attributes.mode;
    if (record->attributes.kind == SFS_KIND_MARKER)
        return mode == SFS_MODE_MARKER_DEFAULT ? 0700u : (mode & 0777u) | 0700u;
    return mode == SFS_MODE_DEFAULT ? 0600u : (mode & 0777u) | 0600u;
}

/* From 1970 to 2106: what every file system can keep. */
bool sfs_dir_file_time(int64_t time, struct timespec *ret_time)
{
    if (time < 0 || time / SFS_NS_PER_SECOND >= (int64_t)UINT32_MAX)
        return false;
    ret_time->tv_sec = (time_t)(time / SFS_NS_PER_SECOND);
    ret_time->tv_nsec = (long)(time % SFS_NS_PER_SECOND);
    return true;
}

void sfs_dir_steps_free(struct sfs_dir_steps *steps)
{
    for (size_t i = 0; i < steps->count; i++) {
        sfs_dir_item_unref(steps->steps[i].item);
        sfs_buffer_free(&steps->steps[i].from);
    }
    free(steps->steps);
    *steps = (struct sfs_dir_steps){0};
}

int sfs_dir_steps_add(struct sfs_dir_steps *steps, struct sfs_dir_step step,
                      struct sfs_error *error)
{
    if (steps->count == steps->capacity) {
        size_t capacity = steps->capacity * 2 + 8;
        struct sfs_dir_step *grown = reallocarray(steps->steps, capacity, sizeof(*grown));
        if (!grown) {
            sfs_dir_item_unref(step.item);
            sfs_buffer_free(&step.from);
            return sfs_fail_memory(error, SFS_DIR_ORIGIN);
        }
        steps->steps = grown;
        steps->capacity = capacity;
    }
    steps->steps[steps->count++] = step;
    return 0;
}
