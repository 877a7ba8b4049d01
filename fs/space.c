/* SPDX-License-Identifier: MIT */
/*
 * Spaces: counting who refers to a store as a tree, and who is inside it right now, so that a
 * transaction can end while nodes of it are still known.
 */
#include <stdlib.h>

#include "fs/fields.h"
#include "fs/loop.h"
#include "fs/query.h"

#define IDS 1024      /* reserved at a time: one commit */
#define IDS_PAUSE 1   /* seconds, where another process has the store's lock */
#define IDS_NEVER 1000000000

bool fs_is_shared(const struct sfs_storage *store)
{
    return (sfs_storage_capabilities(store) & (SFS_CAN_SHARE | SFS_CAN_CHANGE_OUTSIDE)) != 0;
}

struct fs_space *fs_space_new(struct fs *fs, struct sfs_storage *store, double timeout)
{
    struct fs_space *space = calloc(1, sizeof(*space));
    if (space == NULL)
        return NULL;
    space->fs = fs;
    space->store = store;
    space->timeout = timeout;
    space->attribute_timeout = timeout;
    space->shared = fs_is_shared(store);
    space->salt = atomic_fetch_add(&fs->next_salt, 1) << 48;
    space->references = 1;
    pthread_mutex_init(&space->lock, NULL);
    pthread_cond_init(&space->idle, NULL);
    pthread_cond_init(&space->moved, NULL);
    return space;
}

struct fs_space *fs_space_ref(struct fs_space *space)
{
    atomic_fetch_add(&space->references, 1);
    return space;
}

void fs_space_unref(struct fs_space *space)
{
    if (space == NULL || atomic_fetch_sub(&space->references, 1) != 1)
        return;
    fs_document_cache_clear(space->fs->documents, space);
    fs_fields_free(space->fields);
    sfs_buffer_free(&space->scratch);
    pthread_mutex_destroy(&space->lock);
    pthread_cond_destroy(&space->idle);
    pthread_cond_destroy(&space->moved);
    free(space);
}

int fs_space_enter(struct fs_space *space, struct sfs_error *error)
{
    pthread_mutex_lock(&space->lock);
    bool ended = space->ended;
    if (!ended)
        space->users++;
    pthread_mutex_unlock(&space->lock);
    if (!ended)
        return 0;
    return sfs_fail(error, SFS_E_EXPIRED, "mount", "this transaction has ended: begin another one");
}

static time_t seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

uint64_t fs_space_new_id(struct fs_space *space)
{
    pthread_mutex_lock(&space->lock);
    uint64_t id = space->next_id < space->ids_end ? space->next_id++ : 0;
    bool reserve = id == 0 && seconds_now() >= space->no_ids;
    pthread_mutex_unlock(&space->lock);
    if (!reserve)
        return id;
    fs_loop_yield();
    int code = sfs_reserve_ids(space->store, IDS, &id, NULL);
    pthread_mutex_lock(&space->lock);
    if (code == 0) {
        space->next_id = id + 1;
        space->ids_end = id + IDS;
    } else {
        space->no_ids = seconds_now() + (code == SFS_E_UNSUPPORTED ? IDS_NEVER : IDS_PAUSE);
    }
    pthread_mutex_unlock(&space->lock);
    return code == 0 ? id : 0;
}

void fs_space_leave(struct fs_space *space)
{
    pthread_mutex_lock(&space->lock);
    if (--space->users == 0)
        pthread_cond_broadcast(&space->idle);
    pthread_mutex_unlock(&space->lock);
}

void fs_space_read(struct fs_space *space)
{
    pthread_mutex_lock(&space->lock);
    while (space->publishing) {
        fs_loop_yield();
        pthread_cond_wait(&space->moved, &space->lock);
    }
    space->readers++;
    pthread_mutex_unlock(&space->lock);
}

void fs_space_read_end(struct fs_space *space)
{
    pthread_mutex_lock(&space->lock);
    if (--space->readers == 0 && space->publishing)
        pthread_cond_broadcast(&space->moved);
    pthread_mutex_unlock(&space->lock);
}

void fs_space_change(struct fs_space *space)
{
    pthread_mutex_lock(&space->lock);
    while (space->moving || space->movers > 0) {
        fs_loop_yield();
        pthread_cond_wait(&space->moved, &space->lock);
    }
    space->changers++;
    pthread_mutex_unlock(&space->lock);
}

void fs_space_change_end(struct fs_space *space)
{
    pthread_mutex_lock(&space->lock);
    space->changers--;
    pthread_cond_broadcast(&space->moved);
    pthread_mutex_unlock(&space->lock);
}

/* Movers that wait do not count as changers in the way; new changers let all of them go first. */
void fs_space_move(struct fs_space *space)
{
    pthread_mutex_lock(&space->lock);
    space->movers++;
    pthread_cond_broadcast(&space->moved);
    while (space->moving || space->changers > space->movers) {
        fs_loop_yield();
        pthread_cond_wait(&space->moved, &space->lock);
    }
    space->movers--;
    space->moving = true;
    pthread_mutex_unlock(&space->lock);
}

void fs_space_publish(struct fs_space *space)
{
    pthread_mutex_lock(&space->lock);
    space->publishing = true;
    while (space->readers > 0) {
        fs_loop_yield();
        pthread_cond_wait(&space->moved, &space->lock);
    }
    pthread_mutex_unlock(&space->lock);
}

void fs_space_moved(struct fs_space *space)
{
    pthread_mutex_lock(&space->lock);
    space->moving = space->publishing = false;
    space->doomed_dir = NULL;
    pthread_cond_broadcast(&space->moved);
    pthread_mutex_unlock(&space->lock);
}

void fs_space_doom(struct fs_space *space, const struct fs_node *dir, const char *name)
{
    pthread_mutex_lock(&space->lock);
    space->doomed_dir = dir;
    space->doomed_name = name;
    pthread_mutex_unlock(&space->lock);
}

/* Whether the name of the node is about to be taken away. With both locks held. */
static bool is_doomed(const struct fs_space *space, const struct fs_node *node)
{
    return space->doomed_dir != NULL && node->name != NULL && node->parent == space->doomed_dir &&
           strcmp(node->name, space->doomed_name) == 0;
}

void fs_space_await(struct fs_space *space, const struct fs_node *node)
{
    fs_nodes_lock(space->fs->nodes);
    pthread_mutex_lock(&space->lock);
    const char *name = is_doomed(space, node) ? space->doomed_name : NULL;
    fs_nodes_unlock(space->fs->nodes);
    if (name != NULL) {
        if (--space->readers == 0)
            pthread_cond_broadcast(&space->moved);
        while (space->publishing || (space->doomed_dir != NULL && space->doomed_name == name)) {
            fs_loop_yield();
            pthread_cond_wait(&space->moved, &space->lock);
        }
        space->readers++;
    }
    pthread_mutex_unlock(&space->lock);
}

void fs_space_end(struct fs_space *space)
{
    pthread_mutex_lock(&space->lock);
    space->ended = true;
    while (space->users > 0)
        pthread_cond_wait(&space->idle, &space->lock);
    pthread_mutex_unlock(&space->lock);
}

void fs_space_resume(struct fs_space *space)
{
    pthread_mutex_lock(&space->lock);
    space->ended = false;
    pthread_mutex_unlock(&space->lock);
}

void fs_space_hold(struct fs_space *space)
{
    pthread_mutex_lock(&space->lock);
    space->handles++;
    pthread_mutex_unlock(&space->lock);
}

/* Takes what is due out of the space, if it is. With the lock held; the caller calls it without. */
static void (*take_dispose(struct fs_space *space))(void *context)
{
    if (!space->ended || space->handles > 0)
        return NULL;
    void (*dispose)(void *context) = space->dispose;
    space->dispose = NULL;
    return dispose;
}

void fs_space_let_go(struct fs_space *space)
{
    pthread_mutex_lock(&space->lock);
    space->handles--;
    void (*due)(void *context) = take_dispose(space);
    void *context = space->context;
    pthread_mutex_unlock(&space->lock);
    if (due != NULL)
        due(context);
}

void fs_space_dispose(struct fs_space *space, void (*dispose)(void *context), void *context)
{
    pthread_mutex_lock(&space->lock);
    space->dispose = dispose;
    space->context = context;
    void (*due)(void *context) = take_dispose(space);
    pthread_mutex_unlock(&space->lock);
    if (due != NULL)
        due(context);
}
