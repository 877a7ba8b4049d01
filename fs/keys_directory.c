/* SPDX-License-Identifier: MIT */
/*
 * What a directory knows of its entries: how many directories there are, and when they changed.
 */
#include <stdlib.h>

#include "fs/keys.h"

/* --- st_nlink --- */

#define COUNT_MAX 128 /* names that are looked at, which is what a listing of one reply costs */
/* 1 is what a directory has of which the number is not known: one with more names, and one that
 * other programs can change, as to begin a scan of that is to read it all. */

/* Counts the names that begin with the cursor's prefix: 0 or an error at the end, 1 where they are too many.
 * *steps: how many were looked at. */
static int count_directories(struct sfs_cursor *cursor, size_t prefix, nlink_t *count, unsigned *steps)
{
    struct sfs_buffer next = {0};
    const struct sfs_record *record;
    int code = 1;
    for (*steps = 0; code == 1 && *steps < COUNT_MAX; ++*steps) {
        code = sfs_cursor_next(cursor, &record, NULL);
        if (code != 1)
            break;
        const char *name = record->name.data;
        const char *slash = record->name.size > prefix
                                ? memchr(name + prefix, '/', record->name.size - prefix)
                                : NULL;
        size_t part = (size_t)((slash != NULL ? slash : name + record->name.size) - name) - prefix;
        if (part > SFS_PATH_NAME_MAX)
            break; /* it shows as pieces */
        if (slash == NULL)
            continue;
        ++*count;
        next.size = 0;
        if (sfs_buffer_add(&next, sfs_bytes(name, prefix + part)) != 0 || sfs_buffer_byte(&next, '0') != 0)
            code = SFS_E_NO_MEMORY;
        else if (sfs_cursor_seek(cursor, sfs_buffer_bytes(&next), NULL) != 0)
            code = SFS_E_IO;
    }
    sfs_buffer_free(&next);
    return code;
}

static nlink_t count_links(const struct fs_node *dir, struct sfs_bytes prefix, unsigned *steps)
{
    struct fs_space *space = dir->space;
    struct sfs_buffer end = {0};
    struct sfs_range range;
    struct sfs_cursor *cursor = NULL;
    nlink_t count = 2;
    if (dir->class != &fs_keys_directory_class || space != space->fs->space ||
        (sfs_storage_capabilities(space->store) & SFS_CAN_CHANGE_OUTSIDE))
        return 1;
    int code = sfs_range_prefix(prefix, &end, &range);
    if (code == 0)
        code = sfs_scan(space->store, range, SFS_WANT_RECORD, &cursor, NULL);
    if (code == 0)
        code = count_directories(cursor, prefix.size, &count, steps);
    sfs_cursor_close(cursor);
    sfs_buffer_free(&end);
    return code == 0 ? count : 1;
}

nlink_t fs_keys_links(const struct fs_node *dir, struct sfs_bytes prefix)
{
    unsigned steps = 0;
    return count_links(dir, prefix, &steps);
}

/* Each creation makes the kernel ask for the directory's attributes again; looking at all its names again
 * would cost far more than the creation. With the lock held. */
static bool is_counted(const struct fs_node *dir, uint64_t directories, int64_t now)
{
    bool fresh = dir->counted != 0 && dir->directories == directories && now >= dir->counted &&
                 now - dir->counted < FS_LINKS_LIFE;
    return fresh && (dir->links == 1 || dir->names < COUNT_MAX);
}

nlink_t fs_keys_links_of(struct fs_call *call, struct fs_node *dir, struct sfs_bytes prefix)
{
    struct fs_nodes *nodes = call->fs->nodes;
    uint64_t directories = dir->space->directories; /* before it is counted */
    int64_t now = fs_now();
    fs_nodes_lock(nodes);
    nlink_t links = dir->links;
    bool known = is_counted(dir, directories, now);
    fs_nodes_unlock(nodes);
    if (known)
        return links;
    unsigned names = 0;
    links = count_links(dir, prefix, &names);
    fs_nodes_lock(nodes);
    dir->links = links;
    dir->names = names;
    dir->counted = now;
    dir->directories = directories;
    fs_nodes_unlock(nodes);
    return links;
}

/* --- times --- */

/* The later time wins, as another mount may have written it. But a later time that was stored
 * before the entries changed means that the clock was set back. */
void fs_keys_show_time(struct fs_node *dir, struct stat *st)
{
    int64_t time = dir->directory_time, stored = fs_nanoseconds(st->st_mtim);
    if (time == 0)
        return;
    if (dir->directory_before == INT64_MIN)
        dir->directory_before = stored;
    if (stored <= time || stored == dir->directory_before)
        st->st_mtim = fs_time(time);
    stored = fs_nanoseconds(st->st_ctim);
    if (stored <= time || stored == dir->directory_before)
        st->st_ctim = fs_time(time);
}

#define TOUCHED_MAX 64
#define TOUCHED_LIFE 1000 /* ms */

/* Directories that wait, each with a look-up more, so that it stays. */
struct fs_touched {
    pthread_mutex_t lock;
    struct fs_node *nodes[TOUCHED_MAX];
    size_t count;
    int64_t since; /* the first of them, fs_monotonic_ms() */
};

struct fs_touched *fs_touched_new(void)
{
    struct fs_touched *touched = calloc(1, sizeof(*touched));
    if (touched != NULL)
        pthread_mutex_init(&touched->lock, NULL);
    return touched;
}

void fs_touched_free(struct fs_touched *touched)
{
    if (touched != NULL)
        pthread_mutex_destroy(&touched->lock);
    free(touched);
}

static int add_time(struct sfs_bytes name, bool make, int64_t time, struct sfs_batch *batch)
{
    struct sfs_attributes attributes = {.kind = SFS_KIND_MARKER, .modified = time, .changed = time};
    unsigned times = SFS_ATTRIBUTE_MODIFIED | SFS_ATTRIBUTE_CHANGED;
    if (make)
        return sfs_batch_put(batch, name, sfs_bytes(NULL, 0), &attributes, SFS_ATTRIBUTE_KIND | times, NULL);
    return sfs_batch_attributes(batch, name, &attributes, times, NULL);
}

/* A directory that only its keys make has no marker and gets none for this, or it would stay without
 * them; keys/ stays in any case. Where it fails, a time is all that is lost. */
static void write_time(struct fs_call *call, struct fs_node *dir, int64_t time)
{
    struct sfs_buffer name = {0};
    struct sfs_place place;
    struct sfs_batch *batch = NULL;
    struct fs_call quiet = *call;
    int code = fs_keys_place(&quiet, dir, &name, &place);
    if (code == 0 && place.pieces == 0 && sfs_buffer_byte(&name, '\0') == 0 &&
        sfs_batch_new(&batch, NULL) == 0) {
        if (add_time(sfs_buffer_bytes(&name), dir->kind == FS_KIND_ROOT, time, batch) == 0)
            (void)sfs_apply(dir->space->store, batch, NULL, NULL, NULL);
        sfs_batch_free(batch);
    }
    sfs_buffer_free(&name);
}

void fs_keys_write_touched(struct fs_call *call)
{
    struct fs_touched *touched = call->fs->touched;
    struct fs_node *nodes[TOUCHED_MAX];
    /* An open transaction that has looked at a directory would be in conflict with its time. */
    if (fs_transactions_count(call->fs->transactions) > 0)
        return;
    pthread_mutex_lock(&touched->lock);
    size_t count = touched->count;
    memcpy(nodes, touched->nodes, count * sizeof(nodes[0]));
    touched->count = 0;
    pthread_mutex_unlock(&touched->lock);
    for (size_t i = 0; i < count; i++) {
        fs_nodes_lock(call->fs->nodes);
        int64_t time = nodes[i]->directory_time;
        nodes[i]->touched = false;
        fs_nodes_unlock(call->fs->nodes);
        if (time != 0)
            write_time(call, nodes[i], time);
        fs_node_forget(call->fs, nodes[i]->id, 1);
    }
}

/* Adds a directory where there is room; false: there is none, and its time waits for its next change. */
static bool add(struct fs_touched *touched, struct fs_node *dir, bool *ret_due)
{
    int64_t now = fs_monotonic_ms();
    pthread_mutex_lock(&touched->lock);
    bool room = touched->count < TOUCHED_MAX;
    if (dir != NULL && room) {
        if (touched->count == 0)
            touched->since = now;
        touched->nodes[touched->count++] = dir;
    }
    *ret_due = touched->count == TOUCHED_MAX ||
               (touched->count > 0 && now - touched->since > TOUCHED_LIFE);
    pthread_mutex_unlock(&touched->lock);
    return room;
}

/* Times of directories in transactions are not written: two that make files in one do not conflict. */
void fs_keys_touch(struct fs_call *call, struct fs_node *dir)
{
    struct fs *fs = call->fs;
    int64_t now = fs_now();
    bool due;
    fs_nodes_lock(fs->nodes);
    dir->directory_time = now;
    dir->directory_before = INT64_MIN;
    dir->names++; /* at most: it may have been a removal */
    bool first = !dir->touched && dir->space == fs->space;
    if (first) {
        dir->touched = true;
        dir->lookups++;
    }
    fs_nodes_unlock(fs->nodes);
    if (!add(fs->touched, first ? dir : NULL, &due) && first) {
        fs_nodes_lock(fs->nodes);
        dir->touched = false;
        fs_nodes_unlock(fs->nodes);
        fs_node_forget(fs, dir->id, 1);
    }
    if (due)
        fs_keys_write_touched(call);
}
