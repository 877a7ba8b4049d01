/* SPDX-License-Identifier: MIT */
/*
 * Doing what a commit in the log says. Every step can be done again: a file that is to go is known
 * by its inode number, and a temporary file that is not there any more is in its place already.
 * First all that is in the way goes, then directories are made, then files come.
 *
 * That a commit is done is noted in the log, and then nobody does it again: of a durable one this
 * has to wait until its files are on disk under their names. Where they only come from the control
 * directory, nobody waits for that: the commit stays the last in the log without the note, and the
 * next entry is written only when the control directory has gone to disk (sfs_dir_sync_control).
 * Its new files need that anyway, and a name that has left it has come where it is now.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "internal.h"
#include "util/clock.h"
#include "util/file.h"

static struct sfs_bytes name_of(const struct sfs_dir_step *step)
{
    return step->item->record->name;
}

/* The file of a name, if it is the one that is meant. NOT_FOUND without a sentence. */
static int find_file(struct sfs_dir_store *store, struct sfs_bytes name, uint64_t inode,
                     struct sfs_dir_place *ret_place, struct sfs_error *error)
{
    int code = sfs_dir_find(store, name, ret_place, error);
    if (code == 0 && ret_place->status.st_ino != inode) {
        sfs_dir_place_free(ret_place);
        code = SFS_E_NOT_FOUND;
    }
    return code;
}

static int move_away(struct sfs_dir_store *store, const struct sfs_dir_step *step,
                     struct sfs_error *error)
{
    struct sfs_dir_place place = {.fd = -1};
    struct sfs_bytes from = sfs_buffer_bytes(&step->from);
    char temporary[24];
    int code = find_file(store, from, step->inode, &place, error);
    if (code)
        return code == SFS_E_NOT_FOUND ? 0 : code;
    sfs_dir_temporary_name(step->temporary, temporary);
    if (renameat(place.fd, place.leaf.data, store->control, temporary))
        code = sfs_dir_fail(store, from, "cannot move", error);
    sfs_dir_place_free(&place);
    return code;
}

/* A file that was made since, with the number of one that is gone, or that was written since, is
 * another program's. */
static bool is_meant(const struct sfs_dir_step *step, const struct sfs_dir_place *place)
{
    return step->action != SFS_DIR_DROP ||
           sfs_clock_nanoseconds(place->status.st_mtim) == step->item->print.modified;
}

static int remove_file(struct sfs_dir_store *store, const struct sfs_dir_step *step, uint64_t inode,
                       struct sfs_error *error)
{
    struct sfs_dir_place place = {.fd = -1};
    struct sfs_bytes name = name_of(step);
    int code = find_file(store, name, inode, &place, error);
    if (code)
        return code == SFS_E_NOT_FOUND ? 0 : code;
    if (is_meant(step, &place) && unlinkat(place.fd, place.leaf.data, 0) && errno != ENOENT)
        code = sfs_dir_fail(store, name, "cannot remove", error);
    if (code == 0 && store->pending_durable)
        code = sfs_dir_sync_fd(store, place.fd, error);
    sfs_dir_place_free(&place);
    return code;
}

static int clear_way(struct sfs_dir_store *store, const struct sfs_dir_step *step,
                     struct sfs_error *error)
{
    if (step->replaced)
        return remove_file(store, step, step->replaced, error);
    if (step->action == SFS_DIR_DROP && step->inode && !sfs_name_is_marker(name_of(step)))
        return remove_file(store, step, step->inode, error);
    return 0;
}

static int prune(struct sfs_dir_store *store, const struct sfs_dir_step *step,
                 struct sfs_error *error)
{
    if (step->action == SFS_DIR_MOVE)
        return sfs_dir_prune(store, sfs_buffer_bytes(&step->from), error);
    bool goes = step->action == SFS_DIR_DROP && step->inode;
    return goes || step->replaced ? sfs_dir_prune(store, name_of(step), error) : 0;
}

static int make_marker(struct sfs_dir_store *store, const struct sfs_dir_step *step,
                       struct sfs_error *error)
{
    struct sfs_bytes name = name_of(step);
    int fd = -1;
    int code = sfs_dir_open_directory(store, sfs_bytes(name.data, name.size - 1), true, &fd, error);
    if (code)
        return code;
    if (name.size > 1 && fchmod(fd, sfs_dir_file_mode(step->item->record)) && errno != EPERM &&
        !sfs_is_unsupported(errno))
        code = sfs_dir_fail(store, name, "cannot set the mode of", error);
    close(fd);
    return code;
}

static int make_way(struct sfs_dir_store *store, const struct sfs_dir_step *step,
                    struct sfs_error *error)
{
    struct sfs_dir_place place = {.fd = -1};
    if (step->action == SFS_DIR_MARKER)
        return make_marker(store, step, error);
    if (step->action != SFS_DIR_PLACE && step->action != SFS_DIR_MOVE)
        return 0;
    int code = sfs_dir_make_way(store, name_of(step), &place, error);
    sfs_dir_place_free(&place);
    return code;
}

static int place_file(struct sfs_dir_store *store, const struct sfs_dir_step *step,
                      struct sfs_error *error)
{
    struct sfs_dir_place place = {.fd = -1};
    char temporary[24];
    if (step->action != SFS_DIR_PLACE && step->action != SFS_DIR_MOVE)
        return 0;
    int code = sfs_dir_make_way(store, name_of(step), &place, error);
    if (code)
        return code;
    sfs_dir_temporary_name(step->temporary, temporary);
    if (renameat(store->control, temporary, place.fd, place.leaf.data) && errno != ENOENT)
        code = sfs_dir_fail(store, name_of(step), "cannot put into its place", error);
    if (code == 0 && store->pending_durable)
        code = sfs_dir_sync_fd(store, place.fd, error);
    sfs_dir_place_free(&place);
    return code;
}

/* The file system may keep times less exactly than we do: then the print is what it says. */
static int correct_print(struct sfs_dir_store *store, const struct sfs_dir_item *item,
                         const struct sfs_dir_print *print, struct sfs_error *error)
{
    struct sfs_dir_item *corrected = sfs_dir_item_new(item->record, print);
    if (!corrected)
        return sfs_fail_memory(error, SFS_DIR_ORIGIN);
    int code = sfs_dir_note(store, item->record->name, corrected, error);
    sfs_dir_item_unref(corrected);
    return code;
}

static void set_mode_and_time(const struct sfs_dir_place *place, const struct sfs_dir_print *print)
{
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {0}};
    /* What cannot be set is as it is; the record has it all the same. */
    if (!S_ISLNK(place->status.st_mode))
        (void)!fchmodat(place->fd, place->leaf.data, print->mode, 0);
    if (sfs_dir_file_time(print->modified, &times[1]))
        (void)!utimensat(place->fd, place->leaf.data, times, AT_SYMLINK_NOFOLLOW);
}

static int adjust(struct sfs_dir_store *store, const struct sfs_dir_step *step,
                  struct sfs_error *error)
{
    struct sfs_dir_place place = {.fd = -1};
    const struct sfs_dir_print *print = &step->item->print;
    if (step->action != SFS_DIR_ADJUST && step->action != SFS_DIR_MOVE)
        return 0;
    int code = find_file(store, name_of(step), print->inode, &place, error);
    if (code)
        return code == SFS_E_NOT_FOUND ? 0 : code;
    struct sfs_dir_print found = sfs_dir_print_of(&place.status);
    if (!sfs_dir_print_equal(&found, print)) {
        set_mode_and_time(&place, print);
        if (fstatat(place.fd, place.leaf.data, &place.status, AT_SYMLINK_NOFOLLOW))
            code = sfs_dir_fail(store, name_of(step), "cannot look at", error);
        found = sfs_dir_print_of(&place.status);
        if (code == 0 && !sfs_dir_print_equal(&found, print))
            code = correct_print(store, step->item, &found, error);
    }
    sfs_dir_place_free(&place);
    return code;
}

/* --- what can wait for the disk --- */

static bool has_work(const struct sfs_dir_step *step)
{
    return step->action != SFS_DIR_KNOWN && (step->action != SFS_DIR_DROP || step->inode);
}

static bool only_comes(const struct sfs_dir_step *step)
{
    return step->action == SFS_DIR_PLACE && !step->replaced;
}

bool sfs_dir_settles_later(const struct sfs_dir_steps *steps)
{
    bool any = false;
    for (size_t i = 0; i < steps->count; i++) {
        if (has_work(&steps->steps[i]) && !only_comes(&steps->steps[i]))
            return false;
        any |= only_comes(&steps->steps[i]);
    }
    return any;
}

bool sfs_dir_has_work(const struct sfs_dir_steps *steps)
{
    for (size_t i = 0; i < steps->count; i++)
        if (has_work(&steps->steps[i]))
            return true;
    return false;
}

void sfs_dir_skip_placed(struct sfs_dir_store *store)
{
    struct stat status;
    char temporary[24];
    for (size_t i = 0; i < store->pending.count; i++) {
        struct sfs_dir_step *step = &store->pending.steps[i];
        sfs_dir_temporary_name(step->temporary, temporary);
        if (only_comes(step) && fstatat(store->control, temporary, &status, AT_SYMLINK_NOFOLLOW) &&
            errno == ENOENT)
            step->action = SFS_DIR_KNOWN;
    }
}

int sfs_dir_sync_control(struct sfs_dir_store *store, struct sfs_error *error)
{
    int code = sfs_dir_sync_fd(store, store->control, error);
    if (code == 0)
        store->unsynced = false;
    return code;
}

/* --- all of it --- */

typedef int settle_step(struct sfs_dir_store *store, const struct sfs_dir_step *step,
                        struct sfs_error *error);

static int first_move_away(struct sfs_dir_store *store, const struct sfs_dir_step *step,
                           struct sfs_error *error)
{
    return step->action == SFS_DIR_MOVE ? move_away(store, step, error) : 0;
}

int sfs_dir_settle(struct sfs_dir_store *store, struct sfs_error *error)
{
    static settle_step *const passes[] = {first_move_away, clear_way,  prune,
                                          make_way,        place_file, adjust};
    const struct sfs_dir_steps *steps = &store->pending;
    for (size_t pass = 0; pass < sizeof(passes) / sizeof(passes[0]); pass++) {
        for (size_t i = 0; i < steps->count; i++) {
            int code = passes[pass](store, &steps->steps[i], error);
            if (code)
                return code;
        }
    }
    sfs_dir_steps_free(&store->pending);
    store->pending_durable = false;
    if (store->pending_later)
        store->unsynced = true;
    else
        sfs_dir_log_done(store);
    return 0;
}
