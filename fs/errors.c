/* SPDX-License-Identifier: MIT */
/*
 * Sentences for people: the last failure of each node, and the last hundred of the mount.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "fs/keys.h"

#define KEPT 100

struct kept {
    int64_t time;
    char operation[16];
    char *path;  /* of the node's name and the name below it; may be NULL */
    size_t node; /* bytes of it that are the node's */
    struct sfs_error error;
};

struct fs_errors {
    pthread_mutex_t lock;
    struct kept ring[KEPT];
    uint64_t count;
};

struct fs_errors *fs_errors_new(void)
{
    struct fs_errors *errors = calloc(1, sizeof(*errors));
    if (errors != NULL)
        pthread_mutex_init(&errors->lock, NULL);
    return errors;
}

void fs_errors_free(struct fs_errors *errors)
{
    if (errors == NULL)
        return;
    for (size_t i = 0; i < KEPT; i++)
        free(errors->ring[i].path);
    pthread_mutex_destroy(&errors->lock);
    free(errors);
}

/* The path below the mount, as far as it is known. With the table's lock held. */
static int add_path(const struct fs_node *node, struct sfs_buffer *path)
{
    if (node == NULL || node->parent == NULL)
        return 0;
    int code = add_path(node->parent, path);
    if (code == 0 && path->size > 0)
        code = sfs_buffer_byte(path, '/');
    return code == 0 ? sfs_buffer_add(path, sfs_string(node->name != NULL ? node->name : "(removed)")) : code;
}

static char *path_of(struct fs *fs, struct fs_node *node, const char *name, size_t *ret_node)
{
    struct sfs_buffer path = {0};
    fs_nodes_lock(fs->nodes);
    int code = add_path(node, &path);
    fs_nodes_unlock(fs->nodes);
    *ret_node = path.size;
    if (code == 0 && name != NULL && path.size > 0)
        code = sfs_buffer_byte(&path, '/');
    if (code == 0 && name != NULL)
        code = sfs_buffer_add(&path, sfs_string(name));
    if (code != 0 || sfs_buffer_text(&path) != 0) {
        sfs_buffer_free(&path);
        return NULL;
    }
    return path.data;
}

static void keep_with_node(struct fs *fs, struct fs_node *node, const struct sfs_error *error)
{
    char *sentence = strdup(error->message);
    if (sentence == NULL)
        return;
    fs_nodes_lock(fs->nodes);
    char *old = node->error;
    node->error = sentence;
    node->error_public = error->public_size;
    fs_nodes_unlock(fs->nodes);
    free(old);
}

void fs_errors_keep(struct fs *fs, struct fs_node *node, const char *operation, const char *name,
                    const struct sfs_error *error)
{
    if (node != NULL)
        keep_with_node(fs, node, error);
    size_t own;
    char *path = path_of(fs, node, name, &own);
    pthread_mutex_lock(&fs->errors->lock);
    struct kept *kept = &fs->errors->ring[fs->errors->count++ % KEPT];
    char *old = kept->path;
    kept->time = fs_now();
    kept->path = path;
    kept->node = own;
    kept->error = *error;
    snprintf(kept->operation, sizeof(kept->operation), "%s", operation);
    pthread_mutex_unlock(&fs->errors->lock);
    free(old);
}

/* The kernel may have forgotten the node since, and its sentence with it: then the last of its path. */
static int add_by_path(const struct fs_call *call, struct fs_node *node, struct sfs_buffer *out)
{
    struct fs *fs = call->fs;
    struct fs_errors *errors = fs->errors;
    size_t size;
    char *path = path_of(fs, node, NULL, &size);
    int code = path != NULL ? SFS_E_NO_ATTRIBUTE : SFS_E_NO_MEMORY;
    pthread_mutex_lock(&errors->lock);
    for (uint64_t i = 1; code == SFS_E_NO_ATTRIBUTE && i <= KEPT && i <= errors->count; i++) {
        const struct kept *kept = &errors->ring[(errors->count - i) % KEPT];
        if (kept->path != NULL && kept->node == size && memcmp(kept->path, path, size) == 0)
            code = sfs_buffer_add(
                out, fs_error_shown(fs, call->uid, kept->error.message, kept->error.public_size));
    }
    pthread_mutex_unlock(&errors->lock);
    free(path);
    return code;
}

bool fs_sees_all(const struct fs *fs, uid_t uid)
{
    return uid == 0 || uid == fs->uid;
}

struct sfs_bytes fs_error_shown(const struct fs *fs, uid_t uid, const char *sentence,
                                size_t public_size)
{
    return public_size == 0 || fs_sees_all(fs, uid) ? sfs_string(sentence)
                                                    : sfs_bytes(sentence, public_size);
}

int fs_errors_of_node(const struct fs_call *call, struct fs_node *node, struct sfs_buffer *out)
{
    struct fs *fs = call->fs;
    int code = SFS_E_NO_ATTRIBUTE;
    fs_nodes_lock(fs->nodes);
    if (node->error != NULL)
        code = sfs_buffer_add(out, fs_error_shown(fs, call->uid, node->error, node->error_public));
    fs_nodes_unlock(fs->nodes);
    return code == SFS_E_NO_ATTRIBUTE ? add_by_path(call, node, out) : code;
}

static int add_time(struct sfs_buffer *out, int64_t time)
{
    struct timespec spec = fs_time(time);
    struct tm tm;
    char text[32];
    if (gmtime_r(&spec.tv_sec, &tm) == NULL || strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
        return sfs_buffer_printf(out, "null");
    return sfs_buffer_printf(out, "\"%s.%03ldZ\"", text, spec.tv_nsec / 1000000);
}

static int add_line(struct sfs_buffer *out, const struct kept *kept)
{
    int code = sfs_buffer_printf(out, "{\"time\":");
    if (code == 0)
        code = add_time(out, kept->time);
    if (code == 0)
        code = sfs_buffer_printf(out, ",\"operation\":\"%s\",\"path\":", kept->operation);
    if (code == 0)
        code = fs_add_string(out, kept->path != NULL ? kept->path : "");
    if (code == 0)
        code = sfs_buffer_printf(out, ",\"code\":\"%s\",\"errno\":%d,\"origin\":\"%s\",\"message\":",
                                 sfs_code_name(kept->error.code), sfs_code_errno(kept->error.code),
                                 kept->error.origin);
    if (code == 0)
        code = fs_add_string(out, kept->error.message);
    return code == 0 ? sfs_buffer_printf(out, "}\n") : code;
}

int fs_errors_text(struct fs_errors *errors, struct sfs_buffer *out)
{
    int code = 0;
    pthread_mutex_lock(&errors->lock);
    uint64_t first = errors->count > KEPT ? errors->count - KEPT : 0;
    for (uint64_t i = first; code == 0 && i < errors->count; i++)
        code = add_line(out, &errors->ring[i % KEPT]);
    pthread_mutex_unlock(&errors->lock);
    return code;
}
