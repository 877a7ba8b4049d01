/* SPDX-License-Identifier: MIT */
/* Which groups and aggregates an index covers. */
#include "query/cover.h"

size_t sfs_cover_place(const struct sfs_index *index, const struct sfs_field *field)
{
    size_t at = 0;
    while (at < index->field_count && !sfs_field_equals(sfs_index_field(index, at), field))
        at++;
    return at;
}

static void use(struct sfs_cover *cover, size_t place)
{
    if (place >= cover->fields)
        cover->fields = place + 1;
}

/* The group's fields, those of one value and those that came before left out, must be those that
 * follow in the index. */
static void add_group(struct sfs_cover *cover, const struct sfs_index *index,
                      const struct sfs_query_stage *group)
{
    for (size_t i = 0; group && i < group->key_count; i++) {
        size_t place = sfs_cover_place(index, &group->keys[i].field);
        use(cover, place);
        if (place == cover->prefix)
            cover->prefix++;
        else if (place > cover->prefix)
            cover->streamed = false;
    }
}

static void add_function(struct sfs_cover *cover, const struct sfs_index *index,
                         const struct sfs_stage_field *key)
{
    size_t place = sfs_cover_place(index, &key->field);
    use(cover, place);
    /* Equal values must come together. */
    if (key->function == SFS_FUNCTION_DISTINCT && place > cover->prefix)
        cover->streamed = false;
    bool ends = key->function == SFS_FUNCTION_MIN || key->function == SFS_FUNCTION_MAX;
    bool one = key->function == SFS_FUNCTION_DISTINCT;
    if (!(ends && place <= cover->prefix) && !(one && place < cover->prefix))
        cover->skipped = false;
}

struct sfs_cover sfs_cover_of(const struct sfs_index *index, size_t bound, size_t ranges,
                              const struct sfs_query_stage *group,
                              const struct sfs_query_stage *aggregate)
{
    struct sfs_cover cover = {.streamed = true, .skipped = true, .prefix = ranges == 1 ? bound : 0};
    add_group(&cover, index, group);
    for (size_t i = 0; aggregate && i < aggregate->key_count; i++) {
        if (aggregate->keys[i].function != SFS_FUNCTION_COUNT)
            add_function(&cover, index, &aggregate->keys[i]);
    }
    cover.covers = cover.fields <= index->field_count;
    if (cover.fields < cover.prefix)
        cover.fields = cover.prefix;
    cover.skipped &= cover.streamed;
    return cover;
}
