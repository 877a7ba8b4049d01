/* SPDX-License-Identifier: MIT */
/* Scenarios of the attribute index: in memory, as a document, as postings, from one to the other.
 */
#include "storefs/attribute_index.h"
#include "tests/fault/rig.h"

#define THEN(call)                                                                                 \
    do {                                                                                           \
        if (code >= 0)                                                                             \
            code = (call);                                                                         \
    } while (0)

static int64_t fixed_time(void *context)
{
    (void)context;
    return 0;
}

static int make(struct fixture *f, enum sfs_attribute_layout layout,
                struct sfs_attribute_index **ret_index, struct sfs_error *error)
{
    const struct sfs_attribute_options options = {
        .layout = layout, .key = L("i"), .now = fixed_time};
    return sfs_attribute_index_new(ret_index, f->store, &options, error);
}

static int search(struct sfs_attribute_index *index, struct sfs_error *error)
{
    const struct sfs_attribute_criterion criteria[] = {{L("s"), L("[1,\"x\",[]]"), "contains"},
                                                       {L("n"), L("2"), NULL}};
    struct sfs_attribute_set set = {0};
    struct sfs_attribute_statistics statistics;
    int code = sfs_attribute_index_search(index, criteria, 2, "OR", &set, error);
    sfs_attribute_set_free(&set);
    THEN(sfs_attribute_index_find(index, L("n"), (struct sfs_bytes){0}, &set, error));
    sfs_attribute_set_free(&set);
    THEN(sfs_attribute_index_attributes(index, &set, error));
    sfs_attribute_set_free(&set);
    THEN(sfs_attribute_index_values(index, L("n"), &set, error));
    sfs_attribute_set_free(&set);
    THEN(sfs_attribute_index_statistics(index, &statistics, error));
    return code;
}

static int change(struct sfs_attribute_index *index, struct sfs_error *error)
{
    static const char entities[] = "[{\"id\":\"1\",\"type\":{\"b\":1,\"a\":[\"\\u0041\"],\"b\":2},"
                                   "\"metadata\":{\"n\":1.50,\"s\":\"x\"}}]";
    uint64_t count = 0;
    int code = sfs_attribute_index_entities(index, sfs_string(entities), &count, error);
    THEN(sfs_attribute_index_add(index, L("2"), L("n"), L("2"), error));
    THEN(sfs_attribute_index_remove(index, L("1"), L("s"), (struct sfs_bytes){0}, error));
    THEN(sfs_attribute_index_remove(index, L("1"), L("n"), L("1.5"), error));
    THEN(sfs_attribute_index_remove_entity(index, L("1"), error));
    return code;
}

static int in_memory(struct fixture *f, struct sfs_error *error)
{
    struct sfs_attribute_index *index = NULL;
    int code = make(f, SFS_ATTRIBUTES_DOCUMENT, &index, error);
    THEN(change(index, error));
    THEN(search(index, error));
    sfs_attribute_index_free(index);
    return code;
}

static int document(struct fixture *f, struct sfs_error *error)
{
    struct sfs_attribute_index *index = NULL;
    int code = make(f, SFS_ATTRIBUTES_DOCUMENT, &index, error);
    THEN(sfs_attribute_index_add(index, L("1"), L("n"), L("\"\\n\""), error));
    THEN(sfs_attribute_index_add(index, L("1"), L("7"), L("3"), error));
    THEN(sfs_attribute_index_save(index, L("i"), error));
    THEN(sfs_attribute_index_load(index, L("i"), error));
    sfs_attribute_index_free(index);
    return code;
}

static int postings(struct fixture *f, struct sfs_error *error)
{
    struct sfs_attribute_index *index = NULL;
    int code = make(f, SFS_ATTRIBUTES_POSTINGS, &index, error);
    THEN(change(index, error));
    THEN(search(index, error));
    sfs_attribute_index_free(index);
    return code;
}

/* A document that was not written by us, so that every kind of entry is met. */
static int convert(struct fixture *f, struct sfs_error *error)
{
    static const char foreign[] =
        "{\"index\":{\"a\":{\"1.0\":[\"x\",\"y\"],\"no\":[]}},\"entityAttributes\":"
        "{\"x\":[\"a:1\",\"a:1.0\",\"junk\"],\"z\":[\"a:2\"]}}";
    struct sfs_attribute_index *index = NULL;
    int code = sfs_set(f->store, L("i"), sfs_string(foreign), error);
    THEN(sfs_attribute_index_convert(f->store, L("i"), SFS_ATTRIBUTES_POSTINGS, error));
    THEN(make(f, SFS_ATTRIBUTES_POSTINGS, &index, error));
    THEN(sfs_attribute_index_remove_entity(index, L("x"), error));
    THEN(sfs_attribute_index_save(index, L("copy"), error));
    THEN(sfs_delete(f->store, L("copy"), error));
    sfs_attribute_index_free(index);
    return code;
}

const struct scenario scenarios_attributes[] = {
    {.name = "attributes", .run = in_memory},
    {.name = "attributes document", .run = document, .flags = SCENARIO_COMMITS},
    {.name = "attributes postings", .run = postings, .flags = SCENARIO_COMMITS},
    {.name = "attributes convert", .run = convert, .flags = SCENARIO_COMMITS},
    {0},
};
