/* SPDX-License-Identifier: MIT */
/* From what a batch made of the tree to what has to be done to files. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "run.h"
#include "util/file.h"

/* --- temporary files get their last form --- */

static int fail_file(const struct sfs_dir_run *run, struct sfs_error *error)
{
    return sfs_fail_errno(error, errno, SFS_DIR_ORIGIN, "cannot finish a new file of '%s'",
                          run->store->path);
}

/* What a file system cannot keep is as it is: the record has it all the same. */
static bool fails(int result)
{
    return result && errno != EPERM && !sfs_is_unsupported(errno);
}

static int finish_regular(const struct sfs_dir_run *run, const char *name, uint32_t mode,
                          const struct timespec times[2], bool sync, struct sfs_error *error)
{
    int fd = openat(run->store->control, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    int code =
        fd < 0 || fails(fchmod(fd, mode)) || fails(futimens(fd, times)) ? fail_file(run, error) : 0;
    if (code == 0 && sync)
        code = sfs_dir_sync_fd(run->store, fd, error);
    if (fd >= 0)
        close(fd);
    return code;
}

/* Mode and time as the record has them; they become the print. */
static int finish_file(const struct sfs_dir_run *run, const struct sfs_dir_item *before,
                       const struct sfs_dir_item *item, bool sync, struct sfs_dir_print *ret_print,
                       struct sfs_error *error)
{
    char name[24];
    struct stat status;
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_NOW}};
    const struct sfs_attributes *a = &item->record->attributes;
    uint32_t mode = before && before->record->attributes.mode == a->mode
                        ? before->print.mode
                        : sfs_dir_file_mode(item->record);
    (void)sfs_dir_file_time(a->modified, &times[1]);
    sfs_dir_temporary_name(item->temporary, name);
    int code = 0;
    if (fstatat(run->store->control, name, &status, AT_SYMLINK_NOFOLLOW))
        return fail_file(run, error);
    if (S_ISREG(status.st_mode))
        code = finish_regular(run, name, mode | 0600u, times, sync, error);
    else if (fails(utimensat(run->store->control, name, times, AT_SYMLINK_NOFOLLOW)))
        code = fail_file(run, error);
    if (code == 0 && fstatat(run->store->control, name, &status, AT_SYMLINK_NOFOLLOW))
        code = fail_file(run, error);
    if (code == 0)
        *ret_print = sfs_dir_print_of(&status);
    return code;
}

static void mark_placed(struct sfs_dir_run *run, uint64_t number)
{
    for (size_t i = 0; i < run->temporary_count; i++)
        run->temporaries[i].placed |= run->temporaries[i].number == number;
}

/* --- one name --- */

/* What the print of a file that stays the same one will be. */
static struct sfs_dir_print expected_print(const struct sfs_dir_item *origin,
                                           const struct sfs_record *record)
{
    struct sfs_dir_print print = origin->print;
    struct timespec time;
    if (record->attributes.mode != origin->record->attributes.mode &&
        record->attributes.kind != SFS_KIND_SYMLINK)
        print.mode = sfs_dir_file_mode(record);
    if (record->attributes.modified != origin->record->attributes.modified &&
        sfs_dir_file_time(record->attributes.modified, &time))
        print.modified = record->attributes.modified;
    return print;
}

static int make_move(struct sfs_dir_run *run, const struct sfs_dir_item *origin,
                     struct sfs_dir_step *step, struct sfs_error *error)
{
    step->action = SFS_DIR_MOVE;
    step->temporary = atomic_fetch_add(&run->store->temporary, 1) + 1;
    step->inode = origin->print.inode;
    return sfs_buffer_add(&step->from, origin->record->name)
               ? sfs_fail_memory(error, SFS_DIR_ORIGIN)
               : 0;
}

static int fill_step(struct sfs_dir_run *run, const struct sfs_dir_item *before,
                     const struct sfs_dir_item *item, bool sync, struct sfs_dir_step *step,
                     struct sfs_dir_print *print, struct sfs_error *error)
{
    if (item->record->attributes.kind == SFS_KIND_MARKER) {
        step->action = SFS_DIR_MARKER;
        *print = (struct sfs_dir_print){0};
        return 0;
    }
    if (item->temporary) {
        step->action = SFS_DIR_PLACE;
        step->temporary = item->temporary;
        mark_placed(run, item->temporary);
        return finish_file(run, before, item, sync, print, error);
    }
    *print = expected_print(item->origin, item->record);
    step->action = SFS_DIR_ADJUST;
    if (sfs_bytes_equal(item->origin->record->name, item->record->name))
        return 0;
    return make_move(run, item->origin, step, error);
}

static int add_change(struct sfs_dir_run *run, const struct sfs_dir_item *before,
                      const struct sfs_dir_item *item, bool sync, struct sfs_dir_steps *steps,
                      struct sfs_error *error)
{
    struct sfs_dir_step step = {0};
    struct sfs_dir_print print;
    int code = fill_step(run, before, item, sync, &step, &print, error);
    if (code == 0 && !(step.item = sfs_dir_item_new(item->record, &print)))
        code = sfs_fail_memory(error, SFS_DIR_ORIGIN);
    if (code) {
        sfs_buffer_free(&step.from);
        return code;
    }
    return sfs_dir_steps_add(steps, step, error);
}

static int add_name(struct sfs_dir_run *run, struct sfs_bytes name, bool sync,
                    struct sfs_dir_steps *steps, struct sfs_error *error)
{
    struct sfs_dir_item *before = sfs_tree_find(&run->base, name);
    struct sfs_dir_item *item = sfs_tree_find(&run->next, name);
    if (before == item)
        return 0;
    if (item)
        return add_change(run, before, item, sync, steps, error);
    struct sfs_dir_step step = {.action = SFS_DIR_DROP,
                                .item = sfs_dir_item_ref(before),
                                .inode = sfs_name_is_marker(name) ? 1 : before->print.inode};
    return sfs_dir_steps_add(steps, step, error);
}

/* --- keys that have to move since what is below them came or went --- */

static bool is_used(const struct sfs_tree *tree, struct sfs_bytes prefix)
{
    const struct sfs_dir_item *next = sfs_tree_lower_bound(tree, prefix);
    return next && sfs_bytes_starts(next->record->name, prefix);
}

static struct sfs_dir_step *find_step(struct sfs_dir_steps *steps, struct sfs_bytes name)
{
    for (size_t low = 0, high = steps->count; low < high;) {
        size_t middle = low + (high - low) / 2;
        int order = sfs_bytes_compare(steps->steps[middle].item->record->name, name);
        if (order == 0)
            return &steps->steps[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* The file of `key` is where it cannot stay. `steps` are those of the batch, `more` will come
 * behind. */
static int relocate(struct sfs_dir_run *run, struct sfs_dir_item *before,
                    struct sfs_dir_steps *steps, struct sfs_dir_steps *more,
                    struct sfs_error *error)
{
    struct sfs_dir_step *step = find_step(steps, before->record->name);
    if (step && step->action == SFS_DIR_ADJUST)
        return make_move(run, before, step, error);
    if (step && (step->action == SFS_DIR_PLACE || step->action == SFS_DIR_MOVE))
        step->replaced = before->print.inode;
    if (step)
        return 0;
    struct sfs_dir_step move = {0};
    if (sfs_tree_insert(&run->moved, before->record->name, before))
        return sfs_fail_memory(error, SFS_DIR_ORIGIN);
    int code = make_move(run, before, &move, error);
    if (code)
        return code;
    move.item = sfs_dir_item_ref(before);
    return sfs_dir_steps_add(more, move, error);
}

/* All keys above a name. */
static int relocate_above(struct sfs_dir_run *run, struct sfs_bytes name,
                          struct sfs_dir_steps *steps, struct sfs_dir_steps *more,
                          struct sfs_error *error)
{
    const char *slash;
    int code = 0;
    for (size_t size = name.size; code == 0 && size;
         size = (size_t)(slash - (const char *)name.data)) {
        slash = memrchr(name.data, '/', size);
        if (!slash || slash == name.data)
            break;
        struct sfs_bytes prefix =
            sfs_bytes(name.data, (size_t)(slash - (const char *)name.data) + 1);
        struct sfs_dir_item *key = sfs_tree_find(&run->base, sfs_bytes(name.data, prefix.size - 1));
        if (key && is_used(&run->base, prefix) != is_used(&run->next, prefix) &&
            !sfs_tree_find(&run->moved, key->record->name))
            code = relocate(run, key, steps, more, error);
    }
    return code;
}

static int join(struct sfs_dir_steps *steps, struct sfs_dir_steps *more, struct sfs_error *error)
{
    int code = 0;
    for (size_t i = 0; i < more->count; i++) {
        struct sfs_dir_step step = more->steps[i];
        if (code == 0) {
            more->steps[i] = (struct sfs_dir_step){0};
            code = sfs_dir_steps_add(steps, step, error);
        }
    }
    sfs_dir_steps_free(more);
    return code;
}

int sfs_dir_run_plan(struct sfs_dir_run *run, bool sync, struct sfs_dir_steps *steps,
                     struct sfs_error *error)
{
    struct sfs_tree_cursor cursor = sfs_tree_seek(&run->touched, (struct sfs_bytes){0});
    struct sfs_dir_steps more = {0};
    const struct sfs_dir_item *item;
    int code = 0;
    while (code == 0 && (item = sfs_tree_next(&cursor)))
        code = add_name(run, item->record->name, sync, steps, error);
    for (size_t i = 0; code == 0 && i < steps->count; i++)
        code = relocate_above(run, steps->steps[i].item->record->name, steps, &more, error);
    if (code) {
        sfs_dir_steps_free(&more);
        return code;
    }
    return join(steps, &more, error);
}
