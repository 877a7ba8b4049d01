/* SPDX-License-Identifier: MIT */
/* Fuzzer of query paths: what parses is printed as a path that parses to the same query and sink. */
#include <stdlib.h>

#include "storefs/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

/* The printed form; false where the path is none. */
static bool print(struct sfs_bytes path, enum sfs_sink *ret_sink, struct sfs_buffer *out)
{
    struct sfs_error error;
    struct sfs_query *query = NULL;
    int result = sfs_query_parse(path, &query, ret_sink, &error);
    if (result) {
        require(result == SFS_E_INVALID && error.code == result && error.message[0]);
        return false;
    }
    require(sfs_query_print(query, *ret_sink, out, &error) == 0);
    sfs_query_free(query);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sfs_buffer once = {0};
    struct sfs_buffer twice = {0};
    enum sfs_sink sink;
    enum sfs_sink again;
    if (print(sfs_bytes(data, size), &sink, &once)) {
        require(print(sfs_buffer_bytes(&once), &again, &twice));
        require(again == sink);
        require(sfs_bytes_equal(sfs_buffer_bytes(&once), sfs_buffer_bytes(&twice)));
    }
    sfs_buffer_free(&once);
    sfs_buffer_free(&twice);
    return 0;
}
