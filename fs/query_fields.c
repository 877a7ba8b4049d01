/* SPDX-License-Identifier: MIT */
/*
 * The fields of a store, kept until the store changes: to find them takes a look at every document.
 */
#include <stdlib.h>

#include "fs/query.h"

#define AGAIN 60000 /* ms, after which fields that could not all be found are searched again */

/* Belongs to one call at a time: fs_space.fields has it in between. */
struct fs_fields {
    uint64_t sequence; /* of the store, from before they were read */
    bool complete;
    int64_t read;            /* when, fs_monotonic_ms() */
    struct sfs_buffer names; /* each with a NUL */
};

void fs_fields_free(struct fs_fields *fields)
{
    if (fields == NULL)
        return;
    sfs_buffer_free(&fields->names);
    free(fields);
}

/* Gives the space `fields` and returns what it had. */
static struct fs_fields *exchange(struct fs_space *space, struct fs_fields *fields)
{
    pthread_mutex_lock(&space->lock);
    struct fs_fields *old = space->fields;
    space->fields = fields;
    pthread_mutex_unlock(&space->lock);
    return old;
}

static int keep(void *context, struct sfs_bytes name)
{
    struct fs_fields *fields = context;
    int code = sfs_buffer_add(&fields->names, name);
    return code == 0 ? sfs_buffer_byte(&fields->names, '\0') : code;
}

static int read_fields(struct fs_call *call, struct sfs_storage *store,
                       const struct sfs_query *query, uint64_t sequence,
                       struct fs_fields **ret_fields)
{
    struct fs_fields *fields = calloc(1, sizeof(*fields));
    if (fields == NULL)
        return sfs_fail_memory(&call->error, "mount");
    fields->sequence = sequence;
    int code = sfs_query_fields(store, query, keep, fields, &fields->complete, &call->error);
    fields->read = fs_monotonic_ms();
    if (code == 0)
        *ret_fields = fields;
    else
        fs_fields_free(fields);
    return code == SFS_E_NO_MEMORY ? sfs_fail_memory(&call->error, "mount") : code;
}

static bool is_good(const struct fs_fields *fields, uint64_t sequence)
{
    return fields != NULL && fields->sequence == sequence &&
           (fields->complete || fs_monotonic_ms() - fields->read < AGAIN);
}

static int show(const struct fs_fields *fields, int (*visit)(void *context, struct sfs_bytes text),
                void *context)
{
    int code = 0;
    for (size_t at = 0; code == 0 && at < fields->names.size;) {
        struct sfs_bytes name = sfs_string(fields->names.data + at);
        at += name.size + 1;
        code = visit(context, name);
    }
    return code;
}

int fs_query_fields(struct fs_call *call, struct fs_space *space, const struct sfs_query *query,
                    int (*visit)(void *context, struct sfs_bytes text), void *context,
                    bool *ret_complete)
{
    uint64_t sequence;
    /* A transaction's own changes, and those of programs that know nothing of the store, have no
     * number. */
    bool counts =
        space->tx == NULL && !(sfs_storage_capabilities(space->store) & SFS_CAN_CHANGE_OUTSIDE);
    if (!counts || sfs_query_stages(query) > 0 || sfs_sequence(space->store, &sequence, NULL) < 0)
        return sfs_query_fields(space->store, query, visit, context, ret_complete, &call->error);
    struct fs_fields *fields = exchange(space, NULL);
    if (!is_good(fields, sequence)) {
        fs_fields_free(fields);
        fields = NULL;
        int code = read_fields(call, space->store, query, sequence, &fields);
        if (code < 0)
            return code;
    }
    *ret_complete = fields->complete;
    int code = show(fields, visit, context);
    fs_fields_free(exchange(space, fields));
    return code;
}
