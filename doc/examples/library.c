/* SPDX-License-Identifier: MIT */
/* The example of README: opens a store, sets a key, reads it back and counts with a query. */
#include <inttypes.h>
#include <stdio.h>
#include <storefs/storefs.h>

static int use(struct sfs_storage *store, struct sfs_error *error)
{
    struct sfs_buffer value = {0};
    struct sfs_query *query = NULL;
    uint64_t count = 0;
    int code = sfs_set(store, sfs_string("user/1"), sfs_string("{\"name\":\"Ada\"}"), error);
    if (code == 0)
        code = sfs_get_value(store, sfs_string("user/1"), &value, error);
    if (code == 0)
        code = sfs_query_new(&query, error);
    if (code == 0)
        code = sfs_query_where(query, sfs_string("name ~ \"A*\""), error);
    if (code == 0)
        code = sfs_query_count(store, query, &count, error);
    if (code == 0)
        printf("%.*s\n%" PRIu64 " found\n", (int)value.size, value.data, count);
    sfs_query_free(query);
    sfs_buffer_free(&value);
    return code;
}

int main(void)
{
    struct sfs_storage *store = NULL;
    struct sfs_error error;
    int code = sfs_open(&store, "sqlite:library.sqlite", SFS_OPEN_CREATE, &error);
    if (code == 0)
        code = use(store, &error);
    int closed = sfs_close(store, code == 0 ? &error : NULL);
    if (code != 0 || closed != 0)
        fprintf(stderr, "%s\n", error.message);
    return code != 0 || closed != 0;
}
