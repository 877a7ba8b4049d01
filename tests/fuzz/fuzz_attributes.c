/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer target for documents of the attribute index: whatever is loaded is saved so that
 * loading it again gives the same bytes, also by way of postings; what is refused says why and
 * changes nothing.
 */
#include <stdlib.h>

#include "storefs/attribute_index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static int64_t fixed_time(void *context)
{
    (void)context;
    return 0;
}

static void save(struct sfs_attribute_index *index, struct sfs_storage *store,
                 struct sfs_buffer *out)
{
    require(sfs_attribute_index_save(index, SFS_LITERAL("saved"), NULL) == 0);
    sfs_buffer_free(out);
    require(sfs_get_value(store, SFS_LITERAL("saved"), out, NULL) == 0);
}

/* What is known keeps its bytes through postings and through loading; only undefined values are
 * lost. */
static void go_round(struct sfs_storage *store, struct sfs_attribute_index *index)
{
    struct sfs_buffer first = {0}, second = {0};
    struct sfs_attribute_index *postings;
    const struct sfs_attribute_options options = {
        .layout = SFS_ATTRIBUTES_POSTINGS, .key = SFS_LITERAL("postings"), .now = fixed_time};
    save(index, store, &first);
    require(sfs_attribute_index_load(index, SFS_LITERAL("saved"), NULL) == 0);
    require(sfs_attribute_index_new(&postings, store, &options, NULL) == 0);
    require(sfs_attribute_index_load(postings, SFS_LITERAL("saved"), NULL) == 0);
    save(index, store, &second);
    require(sfs_bytes_equal(sfs_buffer_bytes(&first), sfs_buffer_bytes(&second)));
    save(postings, store, &second);
    require(sfs_bytes_equal(sfs_buffer_bytes(&first), sfs_buffer_bytes(&second)));
    sfs_attribute_index_free(postings);
    sfs_buffer_free(&first);
    sfs_buffer_free(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sfs_storage *store;
    struct sfs_attribute_index *index;
    struct sfs_attribute_statistics statistics;
    struct sfs_error error;
    const struct sfs_attribute_options options = {.now = fixed_time};
    require(sfs_open(&store, "memory:", SFS_OPEN_CREATE, NULL) == 0);
    require(sfs_attribute_index_new(&index, store, &options, NULL) == 0);
    require(sfs_attribute_index_add(index, SFS_LITERAL("e"), SFS_LITERAL("a"), SFS_LITERAL("1"),
                                    NULL) == 0);
    require(sfs_set(store, SFS_LITERAL("given"), sfs_bytes(data, size), NULL) == 0);
    int code = sfs_attribute_index_load(index, SFS_LITERAL("given"), &error);
    if (code == 0) {
        go_round(store, index);
    } else {
        require(error.code == code && error.message[0]);
        require(sfs_attribute_index_statistics(index, &statistics, NULL) == 0 &&
                statistics.pairs == 1);
    }
    sfs_attribute_index_free(index);
    sfs_close(store, NULL);
    return 0;
}
