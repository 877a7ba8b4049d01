/* SPDX-License-Identifier: MIT */
/* The layout of one document: everything is in memory. */
#include "attribute_index/index.h"

static int apply_one(struct sfs_inverted *inverted, const struct sfs_attribute_change *change)
{
    switch (change->kind) {
    case SFS_CHANGE_ADD:
        return sfs_inverted_add(inverted, change->entity, change->attribute, change->value);
    case SFS_CHANGE_REMOVE:
        return sfs_inverted_remove(inverted, change->entity, change->attribute, change->value);
    case SFS_CHANGE_REMOVE_ENTITY:
        return sfs_inverted_remove_entity(inverted, change->entity);
    }
    return SFS_E_INVALID;
}

static int apply(struct sfs_attribute_index *index, const struct sfs_attribute_change *changes,
                 size_t count, struct sfs_error *error)
{
    int result = 0;
    for (size_t i = 0; i < count && !result; i++)
        result = apply_one(&index->inverted, &changes[i]);
    return sfs_attribute_fail(error, result);
}

static int begin(struct sfs_attribute_index *index, struct sfs_terms **ret_terms,
                 struct sfs_error *error)
{
    (void)error;
    *ret_terms = &index->inverted.ids;
    return 0;
}

static int end(struct sfs_attribute_index *index, struct sfs_error *error)
{
    (void)index;
    (void)error;
    return 0;
}

static int add_ids(const struct sfs_inverted *inverted, uint32_t pair, struct sfs_found *found)
{
    int result = 0;
    uint32_t edge = pair ? inverted->pairs.items[pair].members.first : 0;
    for (; edge && !result; edge = inverted->edges.items[edge].after_id)
        result = sfs_found_add(found, inverted->edges.items[edge].id);
    return result;
}

static int match_values(struct sfs_inverted *inverted, const struct sfs_criterion *criterion,
                        struct sfs_found *found)
{
    struct sfs_buffer scratch = {0};
    int result = 0;
    uint32_t attribute = sfs_terms_find(&inverted->attributes, criterion->attribute);
    uint32_t pair = attribute ? inverted->attributes.items[attribute].members.first : 0;
    for (; pair && result >= 0; pair = inverted->pairs.items[pair].after) {
        result = sfs_criterion_test(criterion, sfs_pair_value(inverted, pair), &scratch);
        if (result == 1)
            result = add_ids(inverted, pair, found);
    }
    sfs_buffer_free(&scratch);
    return result < 0 ? result : 0;
}

static int match(struct sfs_attribute_index *index, const struct sfs_criterion *criterion,
                 struct sfs_found *found, struct sfs_error *error)
{
    struct sfs_inverted *inverted = &index->inverted;
    uint32_t pair = 0;
    int result;
    if (criterion->test == SFS_TEST_EQUALS) {
        result = sfs_inverted_find(inverted, criterion->attribute,
                                   sfs_buffer_bytes(&criterion->value), &pair);
        if (!result)
            result = add_ids(inverted, pair, found);
    } else {
        result = match_values(inverted, criterion, found);
    }
    return sfs_attribute_fail(error, result);
}

static int attributes(struct sfs_attribute_index *index, struct sfs_attribute_set *ret_set,
                      struct sfs_error *error)
{
    const struct sfs_inverted *inverted = &index->inverted;
    struct sfs_set_builder builder = {0};
    int result = 0;
    uint32_t attribute = inverted->attribute_list.first;
    for (; attribute && !result; attribute = inverted->attributes.items[attribute].after)
        result = sfs_set_add(&builder, sfs_term_text(&inverted->attributes, attribute));
    return sfs_set_end(&builder, sfs_attribute_fail(error, result), ret_set, error);
}

static int values(struct sfs_attribute_index *index, struct sfs_bytes name,
                  struct sfs_attribute_set *ret_set, struct sfs_error *error)
{
    const struct sfs_inverted *inverted = &index->inverted;
    struct sfs_set_builder builder = {0};
    int result = 0;
    uint32_t attribute = sfs_terms_find(&inverted->attributes, name);
    uint32_t pair = attribute ? inverted->attributes.items[attribute].members.first : 0;
    for (; pair && !result; pair = inverted->pairs.items[pair].after)
        result = sfs_set_add(&builder, sfs_pair_value(inverted, pair));
    return sfs_set_end(&builder, sfs_attribute_fail(error, result), ret_set, error);
}

static int statistics(struct sfs_attribute_index *index,
                      struct sfs_attribute_statistics *ret_statistics, struct sfs_error *error)
{
    const struct sfs_inverted *inverted = &index->inverted;
    (void)error;
    *ret_statistics = (struct sfs_attribute_statistics){
        .entities = inverted->entity_list.count,
        .attributes = inverted->attribute_list.count,
        .values = inverted->values,
        .pairs = inverted->entries,
    };
    return 0;
}

static int get(struct sfs_attribute_index *index, struct sfs_inverted *own,
               struct sfs_inverted **ret_inverted, struct sfs_error *error)
{
    (void)own;
    (void)error;
    *ret_inverted = &index->inverted;
    return 0;
}

static int put(struct sfs_attribute_index *index, struct sfs_inverted *inverted,
               struct sfs_error *error)
{
    (void)error;
    sfs_inverted_free(&index->inverted);
    index->inverted = *inverted;
    *inverted = (struct sfs_inverted){0};
    return 0;
}

const struct sfs_attribute_layout_operations sfs_layout_document = {
    .apply = apply,
    .begin = begin,
    .match = match,
    .end = end,
    .attributes = attributes,
    .values = values,
    .statistics = statistics,
    .get = get,
    .put = put,
};
