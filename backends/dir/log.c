/* SPDX-License-Identifier: MIT */
/* The log: what is known of the files. An entry that is whole is a commit. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "form.h"
#include "util/binary.h"
#include "util/file.h"

#define LOG_NAME "log"
#define LOG_NEXT "log.next"
#define COMPACT_MIN (UINT64_C(1) << 18) /* smaller logs are left as they are, bytes */
#define COMPACT_RATIO 4
#define SEARCH_RATIO 64 /* how often a damaged log is read for its next entry, at most */
#define LIVE_ITEM 200 /* a guess, bytes */

static int fail_log(const struct sfs_dir_store *store, const char *what, struct sfs_error *error)
{
    return sfs_fail_errno(error, errno, SFS_DIR_ORIGIN, "%s the log of '%s'", what, store->path);
}

static struct sfs_dir_entry entry_of(const struct sfs_dir_store *store,
                                     enum sfs_dir_entry_type type, uint64_t sequence)
{
    return (struct sfs_dir_entry){type, sequence, store->last_id, atomic_load(&store->temporary)};
}

/* --- reading --- */

static int put_steps(struct sfs_dir_store *store, const struct sfs_dir_steps *steps,
                     struct sfs_error *error)
{
    for (size_t i = 0; i < steps->count; i++) {
        const struct sfs_dir_step *step = &steps->steps[i];
        struct sfs_bytes name = step->item->record->name;
        int result = step->action == SFS_DIR_DROP ? sfs_tree_remove(&store->tree, name)
                                                  : sfs_tree_insert(&store->tree, name, step->item);
        if (result < 0)
            return sfs_fail_memory(error, SFS_DIR_ORIGIN);
    }
    return 0;
}

static void raise_counters(struct sfs_dir_store *store, const struct sfs_dir_entry *entry)
{
    if (entry->sequence > store->sequence)
        store->sequence = store->used_sequence = entry->sequence;
    if (entry->last_id > store->last_id)
        store->last_id = entry->last_id;
    if (entry->last_temporary > atomic_load(&store->temporary))
        atomic_store(&store->temporary, entry->last_temporary);
}

/* Whether the entry that may begin here is worth its checksum: it is not longer than the rest, and
 * all that were tried together not than *budget. A stranger's log could else cost its size squared.
 */
static bool try_entry(struct sfs_bytes rest, uint64_t *budget)
{
    struct sfs_binary_reader reader = sfs_binary_reader(rest);
    uint64_t size = sfs_binary_number(&reader, 8);
    if (reader.failed || size > rest.size || size > *budget)
        return false;
    *budget -= size;
    return true;
}

/* The next entry from *at on that is whole; false: there is none. */
static bool find_entry(struct sfs_bytes file, size_t *at, uint64_t *budget)
{
    for (; *at + SFS_DIR_ENTRY_HEAD < file.size; ++*at) {
        struct sfs_bytes rest = sfs_bytes((const char *)file.data + *at, file.size - *at);
        if (!try_entry(rest, budget))
            continue;
        struct sfs_dir_steps steps = {0};
        struct sfs_dir_entry entry = {0};
        size_t size = 0;
        int code = sfs_dir_form_read(rest, &entry, &steps, &size, NULL);
        sfs_dir_steps_free(&steps);
        if (code == 1)
            return true;
    }
    return false;
}

/* In a damaged log: on to the next entry that is whole. An end that was torn off is none. */
static int pass_damage(struct sfs_dir_store *store, struct sfs_bytes file, size_t *at, int code,
                       uint64_t *budget, struct sfs_error *error)
{
    size_t begin = *at;
    *at += *at < file.size;
    bool more = find_entry(file, at, budget);
    if (!more)
        *at = begin;
    if (!more && code == 0)
        return 0;
    if (sfs_notes_add(
            &store->notes, SFS_E_DOUBTFUL,
            "the log of '%s' is damaged at byte %zu: attributes of some keys may be lost, or be "
            "earlier ones",
            store->path, begin))
        return sfs_fail_memory(error, SFS_DIR_ORIGIN);
    return more;
}

static int read_entries(struct sfs_dir_store *store, struct sfs_bytes file, struct sfs_error *error)
{
    uint64_t budget = (uint64_t)file.size * SEARCH_RATIO;
    size_t at = SFS_DIR_HEAD_SIZE;
    int code;
    if (file.size < at)
        return 0; /* only of a damaged one */
    do {
        struct sfs_dir_steps steps = {0};
        struct sfs_dir_entry entry = {0};
        struct sfs_bytes rest = sfs_bytes((const char *)file.data + at, file.size - at);
        size_t size = 0;
        code = rest.size ? sfs_dir_form_read(rest, &entry, &steps, &size, error) : 0;
        if (code == 1 && put_steps(store, &steps, error))
            code = SFS_E_NO_MEMORY;
        if (code == 1) {
            raise_counters(store, &entry);
            sfs_dir_steps_free(&store->pending);
            store->pending = steps;
            at += size;
        } else {
            sfs_dir_steps_free(&steps);
            if (store->salvage && (code == 0 || code == SFS_E_CORRUPT))
                code = pass_damage(store, file, &at, code, &budget, error);
        }
    } while (code == 1);
    store->log_size = at;
    return code;
}

static int read_log(struct sfs_dir_store *store, struct sfs_error *error)
{
    struct sfs_buffer file = {0};
    struct stat status;
    size_t got = 0;
    if (fstat(store->log, &status))
        return fail_log(store, "cannot look at", error);
    size_t size = (size_t)status.st_size;
    if (sfs_buffer_reserve(&file, size + 1))
        return sfs_fail_memory(error, SFS_DIR_ORIGIN);
    int code = sfs_read_full(store->log, file.data, size, store->path, &got, error);
    file.size = got;
    if (code == 0)
        code = sfs_dir_form_check_head(sfs_buffer_bytes(&file), store->path, error);
    if (code == SFS_E_NOT_A_STORE && store->salvage)
        code = sfs_notes_add(&store->notes, SFS_E_DOUBTFUL,
                             "the head of the log of '%s' is damaged", store->path)
                   ? sfs_fail_memory(error, SFS_DIR_ORIGIN)
                   : 0;
    if (code == 0)
        code = read_entries(store, sfs_buffer_bytes(&file), error);
    /* What a killed writer left of an entry may reach behind the next one. */
    if (code == 0 && !store->storage.read_only && got > store->log_size &&
        ftruncate(store->log, (off_t)store->log_size))
        code = fail_log(store, "cannot cut off the end of", error);
    sfs_buffer_free(&file);
    return code;
}

/* --- writing --- */

static int write_at(struct sfs_dir_store *store, int fd, struct sfs_bytes bytes, uint64_t offset,
                    struct sfs_error *error)
{
    if (lseek(fd, (off_t)offset, SEEK_SET) < 0)
        return fail_log(store, "cannot write", error);
    return sfs_write_all(fd, bytes, store->path, error);
}

/* Whatever has its name is removed, never written to: a crash left it, or it leads to another file.
 */
static int make_next(const struct sfs_dir_store *store, int *ret_fd, struct sfs_error *error)
{
    if (unlinkat(store->control, LOG_NEXT, 0) && errno != ENOENT)
        return fail_log(store, "cannot replace", error);
    *ret_fd = openat(store->control, LOG_NEXT, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return *ret_fd < 0 ? fail_log(store, "cannot make", error) : 0;
}

/* A new log with the steps, in place of the present one (if there is one). */
static int write_new(struct sfs_dir_store *store, const struct sfs_dir_steps *steps, bool sync,
                     struct sfs_error *error)
{
    struct sfs_buffer out = {0};
    struct sfs_dir_entry commit = entry_of(store, SFS_DIR_ENTRY_COMMIT, store->used_sequence);
    struct sfs_dir_entry done = entry_of(store, SFS_DIR_ENTRY_DONE, store->used_sequence);
    int code = 0, fd = -1;
    if (sfs_dir_form_head(&out) || (steps->count && sfs_dir_form_entry(&commit, steps, &out)) ||
        sfs_dir_form_entry(&done, NULL, &out))
        code = sfs_fail_memory(error, SFS_DIR_ORIGIN);
    if (code == 0) {
        code = make_next(store, &fd, error);
    }
    if (code == 0)
        code = sfs_write_all(fd, sfs_buffer_bytes(&out), store->path, error);
    if (code == 0 && sync)
        code = sfs_dir_sync_fd(store, fd, error);
    if (code == 0 && renameat(store->control, LOG_NEXT, store->control, LOG_NAME))
        code = fail_log(store, "cannot replace", error);
    if (code == 0 && sync)
        code = sfs_dir_sync_control(store, error);
    if (code == 0) {
        if (store->log >= 0)
            close(store->log);
        store->log = fd;
        store->log_size = store->log_live = out.size;
    } else if (fd >= 0) {
        close(fd);
    }
    sfs_buffer_free(&out);
    return code;
}

static int make_log(struct sfs_dir_store *store, struct sfs_error *error)
{
    const struct sfs_dir_steps none = {0};
    return write_new(store, &none, true, error);
}

int sfs_dir_log_open(struct sfs_dir_store *store, bool create, struct sfs_error *error)
{
    bool writes = !store->storage.read_only;
    int code = sfs_file_open(store->control, LOG_NAME, (writes ? O_RDWR : O_RDONLY) | O_NOFOLLOW,
                             store->log_path, &store->log, error);
    if (code == SFS_E_NOT_FOUND)
        return create ? make_log(store, error) : 0;
    if (code)
        return code;
    code = read_log(store, error);
    store->log_live = store->tree.count * LIVE_ITEM;
    return code;
}

/* Where an entry could not be written for sure, there must be none. */
static void take_back(struct sfs_dir_store *store)
{
    store->log_broken = ftruncate(store->log, (off_t)store->log_size) != 0;
}

static int append(struct sfs_dir_store *store, struct sfs_bytes entry, bool sync,
                  struct sfs_error *error)
{
    int code = write_at(store, store->log, entry, store->log_size, error);
    if (code == 0 && sync)
        code = sfs_dir_sync_fd(store, store->log, error);
    if (code)
        take_back(store);
    else
        store->log_size += entry.size;
    return code;
}

static bool may_count(const struct sfs_dir_entry *entry)
{
    return entry->sequence <= SFS_COUNTER_MAX && entry->last_id <= SFS_COUNTER_MAX &&
           entry->last_temporary <= SFS_COUNTER_MAX;
}

int sfs_dir_log_append(struct sfs_dir_store *store, const struct sfs_dir_steps *steps,
                       uint64_t sequence, bool sync, struct sfs_error *error)
{
    struct sfs_buffer out = {0};
    struct sfs_dir_entry entry = entry_of(store, SFS_DIR_ENTRY_COMMIT, sequence);
    if (!may_count(&entry))
        return sfs_fail(error, SFS_E_CORRUPT, SFS_DIR_ORIGIN,
                        "the log of '%s' is damaged: one of its counters is out of range",
                        store->path);
    if (store->log_broken)
        take_back(store);
    if (store->log_broken)
        return fail_log(store, "an earlier write failed, and it cannot be taken back in", error);
    if (sfs_dir_form_entry(&entry, steps, &out)) {
        sfs_buffer_free(&out);
        return sfs_fail_memory(error, SFS_DIR_ORIGIN);
    }
    int code = store->unsynced ? sfs_dir_sync_control(store, error) : 0;
    if (code == 0)
        code = append(store, sfs_buffer_bytes(&out), sync, error);
    sfs_buffer_free(&out);
    return code;
}

void sfs_dir_log_done(struct sfs_dir_store *store)
{
    struct sfs_buffer out = {0};
    struct sfs_dir_entry entry = entry_of(store, SFS_DIR_ENTRY_DONE, store->sequence);
    if (!store->log_broken && may_count(&entry) && sfs_dir_form_entry(&entry, NULL, &out) == 0)
        (void)append(store, sfs_buffer_bytes(&out), false, NULL);
    sfs_buffer_free(&out);
}

/* --- what it holds --- */

static int add_step(struct sfs_dir_steps *steps, enum sfs_dir_action action,
                    struct sfs_dir_item *item, struct sfs_error *error)
{
    struct sfs_dir_step step = {.action = action, .item = sfs_dir_item_ref(item)};
    return sfs_dir_steps_add(steps, step, error);
}

int sfs_dir_log_unsaved(struct sfs_dir_store *store, struct sfs_dir_steps *steps,
                        struct sfs_error *error)
{
    struct sfs_tree_cursor cursor = sfs_tree_seek(&store->unsaved, (struct sfs_bytes){0});
    struct sfs_dir_item *noted;
    int code = 0;
    while (code == 0 && (noted = sfs_tree_next(&cursor))) {
        struct sfs_dir_item *item = sfs_tree_find(&store->tree, noted->record->name);
        /* A name that is gone without our doing: its file must not be looked for. */
        code = item ? add_step(steps, SFS_DIR_KNOWN, item, error)
                    : add_step(steps, SFS_DIR_DROP, noted, error);
    }
    return code;
}

int sfs_dir_log_compact(struct sfs_dir_store *store, struct sfs_error *error)
{
    struct sfs_dir_steps steps = {0};
    struct sfs_tree_cursor cursor = sfs_tree_seek(&store->tree, (struct sfs_bytes){0});
    struct sfs_dir_entry entry = entry_of(store, SFS_DIR_ENTRY_COMMIT, store->used_sequence);
    struct sfs_dir_item *item;
    int code = 0;
    if (!may_count(&entry) || store->log_size < COMPACT_MIN ||
        store->log_size / COMPACT_RATIO < store->log_live)
        return 0;
    while (code == 0 && (item = sfs_tree_next(&cursor)))
        code = add_step(&steps, SFS_DIR_KNOWN, item, error);
    if (code == 0)
        code = write_new(store, &steps, store->options.fsync || store->unsynced, error);
    sfs_dir_steps_free(&steps);
    return code;
}
