/* SPDX-License-Identifier: MIT */
/*
 * Unique indexes: what a batch added is looked at when all of it is done, so that two keys may
 * change their values with each other in one batch.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/apply.h"

struct check {
    const struct sfs_index *index; /* borrowed: of the run's set, or the one being built */
    size_t at;                     /* in `keys` */
    size_t size;
};

struct sfs_index_checks {
    struct check *list;
    size_t count;
    size_t room;
    struct sfs_buffer keys;
};

static int make_room(struct sfs_index_checks *checks)
{
    if (checks->count < checks->room)
        return 0;
    size_t room = checks->room ? checks->room * 2 : 16;
    struct check *list = realloc(checks->list, room * sizeof(*list));
    if (!list)
        return SFS_E_NO_MEMORY;
    checks->list = list;
    checks->room = room;
    return 0;
}

static int note(struct sfs_apply_run *run, const struct sfs_index *index, struct sfs_bytes key)
{
    if (!run->index_checks)
        run->index_checks = calloc(1, sizeof(*run->index_checks));
    struct sfs_index_checks *checks = run->index_checks;
    if (!checks || make_room(checks))
        return SFS_E_NO_MEMORY;
    size_t at = checks->keys.size;
    if (sfs_buffer_add(&checks->keys, key))
        return SFS_E_NO_MEMORY;
    checks->list[checks->count++] = (struct check){index, at, key.size};
    return 0;
}

int sfs_apply_unique_note(struct sfs_apply_run *run, const struct sfs_index *index,
                          struct sfs_bytes key, struct sfs_error *error)
{
    int partial = sfs_index_key_is_partial(index, key);
    int rc = partial == 0 ? note(run, index, key) : partial < 0 ? partial : 0;
    return rc ? sfs_fail_memory(error, "index") : 0;
}

static int fail_too_large(const struct sfs_index *index, const struct sfs_buffer *name,
                          struct sfs_error *error)
{
    char shown[150], others[200];
    snprintf(others, sizeof(others), "; it is in key '%s'",
             sfs_name_show(sfs_buffer_bytes(name), shown, sizeof(shown)));
    return sfs_fail_others(error, SFS_E_TOO_LARGE, "index", others,
                           "a value is too large for the index '%.64s': a unique one takes values "
                           "of about %d bytes, and documents of %llu MiB",
                           index->name, SFS_INDEX_KEY_MAX,
                           (unsigned long long)(SFS_INDEX_VALUE_MAX >> 20));
}

static int fail_twice(const struct sfs_index *index, struct sfs_bytes key,
                      const struct sfs_buffer names[2], struct sfs_error *error)
{
    char first[100], second[100], others[220];
    struct sfs_buffer value = {0};
    if (sfs_index_key_show(key, &value) || sfs_buffer_text(&value)) {
        sfs_buffer_free(&value);
        return sfs_fail_memory(error, "index");
    }
    snprintf(others, sizeof(others), ": '%s' and '%s'",
             sfs_name_show(sfs_buffer_bytes(&names[0]), first, sizeof(first)),
             sfs_name_show(sfs_buffer_bytes(&names[1]), second, sizeof(second)));
    int rc = sfs_fail_others(error, SFS_E_EXISTS, "index", others,
                             "two keys would hold %.120s, which the index '%.64s' lets only one "
                             "key hold",
                             value.data, index->name);
    sfs_buffer_free(&value);
    return rc;
}

/* 1 and the name of the first entry behind `after`, 0, or an error. */
static int find(struct sfs_apply_run *run, const struct sfs_index *index, struct sfs_bytes key,
                struct sfs_bytes after, struct sfs_buffer *ret_name, struct sfs_error *error)
{
    struct sfs_error failure = {0};
    int rc = run->operations->index_find(run, index, key, after, ret_name, &failure);
    if (rc && rc != SFS_E_NOT_FOUND && error)
        *error = failure;
    return rc == 0 ? 1 : rc == SFS_E_NOT_FOUND ? 0 : rc;
}

static int check_one(struct sfs_apply_run *run, const struct check *check, struct sfs_bytes key,
                     struct sfs_error *error)
{
    struct sfs_buffer names[2] = {{0}, {0}};
    int found = find(run, check->index, key, (struct sfs_bytes){0}, &names[0], error);
    if (found > 0 && !sfs_index_key_is_exact(key))
        found = fail_too_large(check->index, &names[0], error);
    else if (found > 0)
        found = find(run, check->index, key, sfs_buffer_bytes(&names[0]), &names[1], error);
    if (found > 0)
        found = fail_twice(check->index, key, names, error);
    sfs_buffer_free(&names[0]);
    sfs_buffer_free(&names[1]);
    return found;
}

int sfs_apply_unique_check(struct sfs_apply_run *run, struct sfs_error *error)
{
    const struct sfs_index_checks *checks = run->index_checks;
    int rc = 0;
    for (size_t i = 0; rc == 0 && checks && i < checks->count; i++) {
        const struct check *check = &checks->list[i];
        rc = check_one(run, check, sfs_bytes(checks->keys.data + check->at, check->size), error);
    }
    return rc;
}

void sfs_apply_unique_end(struct sfs_apply_run *run)
{
    if (!run->index_checks)
        return;
    free(run->index_checks->list);
    sfs_buffer_free(&run->index_checks->keys);
    free(run->index_checks);
    run->index_checks = NULL;
}
