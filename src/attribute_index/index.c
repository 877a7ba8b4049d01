/* SPDX-License-Identifier: MIT */
/* An index, its checks of what it is given, and its changes. */
#include <stdlib.h>

#include "attribute_index/index.h"
#include "util/clock.h"
#include "util/js_value.h"

int sfs_attribute_fail(struct sfs_error *error, int code)
{
    if (code == SFS_E_NO_MEMORY)
        return sfs_fail_memory(error, SFS_ATTRIBUTE_ORIGIN);
    if (code == SFS_E_TOO_LARGE)
        return sfs_fail(error, code, SFS_ATTRIBUTE_ORIGIN,
                        "an attribute index holds at most 4294967294 pairs, and texts of less than "
                        "4 GiB");
    return code;
}

int sfs_attribute_value(struct sfs_bytes value, struct sfs_buffer *out, struct sfs_error *error)
{
    struct sfs_json json;
    struct sfs_json_problem problem;
    if (value.size == 0 || sfs_bytes_equal(value, SFS_UNDEFINED))
        return sfs_attribute_fail(error, sfs_buffer_add(out, value));
    if (!sfs_json_parse(value, &json, &problem))
        return sfs_fail(error, SFS_E_INVALID, SFS_ATTRIBUTE_ORIGIN,
                        "the value is neither JSON nor undefined: byte %zu: %s", problem.offset + 1,
                        problem.reason);
    return sfs_attribute_fail(error, sfs_js_canonical(json, out));
}

static int64_t now(void *context)
{
    (void)context;
    return sfs_clock_now();
}

static int check_options(struct sfs_storage *store, const struct sfs_attribute_options *options,
                         struct sfs_error *error)
{
    if (options->layout != SFS_ATTRIBUTES_DOCUMENT && options->layout != SFS_ATTRIBUTES_POSTINGS)
        return sfs_fail(error, SFS_E_INVALID, SFS_ATTRIBUTE_ORIGIN, "there is no layout %d",
                        (int)options->layout);
    if (options->layout == SFS_ATTRIBUTES_DOCUMENT)
        return 0;
    return store ? sfs_key_check(options->key, error)
                 : sfs_fail(error, SFS_E_INVALID, SFS_ATTRIBUTE_ORIGIN,
                            "the layout of postings needs a store: a file holds a document");
}

/* An index of postings is looked at, so that one that cannot be used is known at once. */
static int look(struct sfs_attribute_index *index, struct sfs_error *error)
{
    struct sfs_attribute_statistics unused;
    int result = index->layout->statistics(index, &unused, error);
    if (result == SFS_E_NOT_A_STORE)
        return sfs_error_context(error, SFS_E_EXISTS, "there is no index of postings to be had");
    return result;
}

int sfs_attribute_index_new(struct sfs_attribute_index **ret_index, struct sfs_storage *store,
                            const struct sfs_attribute_options *options, struct sfs_error *error)
{
    static const struct sfs_attribute_options defaults;
    options = options ? options : &defaults;
    int result = check_options(store, options, error);
    if (result)
        return result;
    struct sfs_attribute_index *index = calloc(1, sizeof(*index));
    if (!index)
        return sfs_fail_memory(error, SFS_ATTRIBUTE_ORIGIN);
    bool postings = options->layout == SFS_ATTRIBUTES_POSTINGS;
    index->layout = postings ? &sfs_layout_postings : &sfs_layout_document;
    index->store = store;
    index->durable = options->durable;
    index->now = options->now ? options->now : now;
    index->context = options->context;
    sfs_inverted_init(&index->inverted);
    if (postings)
        result = sfs_attribute_fail(error, sfs_buffer_add(&index->key, options->key));
    if (postings && !result)
        result = look(index, error);
    if (result) {
        sfs_attribute_index_free(index);
        return result;
    }
    *ret_index = index;
    return 0;
}

void sfs_attribute_index_free(struct sfs_attribute_index *index)
{
    if (!index)
        return;
    sfs_inverted_free(&index->inverted);
    sfs_buffer_free(&index->key);
    free(index);
}

/* --- changes --- */

static int check_text(struct sfs_bytes text, const char *what, struct sfs_error *error)
{
    char shown[100];
    if (text.size == 0)
        return sfs_fail(error, SFS_E_INVALID, SFS_ATTRIBUTE_ORIGIN, "%s is missing", what);
    if (sfs_js_is_text(text))
        return 0;
    return sfs_fail(error, SFS_E_INVALID, SFS_ATTRIBUTE_ORIGIN, "%s is not UTF-8: '%s'", what,
                    sfs_name_show(text, shown, sizeof(shown)));
}

static int change(struct sfs_attribute_index *index, struct sfs_attribute_change given,
                  struct sfs_error *error)
{
    struct sfs_buffer canonical = {0};
    int result = check_text(given.entity, "the entity id", error);
    if (!result && given.kind != SFS_CHANGE_REMOVE_ENTITY)
        result = check_text(given.attribute, "the attribute name", error);
    if (!result)
        result = sfs_attribute_value(given.value, &canonical, error);
    given.value = sfs_buffer_bytes(&canonical);
    if (!result)
        result = index->layout->apply(index, &given, 1, error);
    sfs_buffer_free(&canonical);
    return result;
}

int sfs_attribute_index_add(struct sfs_attribute_index *index, struct sfs_bytes entity,
                            struct sfs_bytes attribute, struct sfs_bytes value,
                            struct sfs_error *error)
{
    if (value.size == 0)
        return sfs_fail(error, SFS_E_INVALID, SFS_ATTRIBUTE_ORIGIN,
                        "the value is missing: JSON, or undefined");
    return change(index, (struct sfs_attribute_change){SFS_CHANGE_ADD, entity, attribute, value},
                  error);
}

int sfs_attribute_index_remove(struct sfs_attribute_index *index, struct sfs_bytes entity,
                               struct sfs_bytes attribute, struct sfs_bytes value,
                               struct sfs_error *error)
{
    return change(index, (struct sfs_attribute_change){SFS_CHANGE_REMOVE, entity, attribute, value},
                  error);
}

int sfs_attribute_index_remove_entity(struct sfs_attribute_index *index, struct sfs_bytes entity,
                                      struct sfs_error *error)
{
    return change(index,
                  (struct sfs_attribute_change){.kind = SFS_CHANGE_REMOVE_ENTITY, .entity = entity},
                  error);
}

/* --- what is there --- */

int sfs_attribute_index_attributes(struct sfs_attribute_index *index,
                                   struct sfs_attribute_set *ret_names, struct sfs_error *error)
{
    return index->layout->attributes(index, ret_names, error);
}

int sfs_attribute_index_values(struct sfs_attribute_index *index, struct sfs_bytes attribute,
                               struct sfs_attribute_set *ret_values, struct sfs_error *error)
{
    return index->layout->values(index, attribute, ret_values, error);
}

int sfs_attribute_index_statistics(struct sfs_attribute_index *index,
                                   struct sfs_attribute_statistics *ret_statistics,
                                   struct sfs_error *error)
{
    struct sfs_attribute_statistics statistics = {0};
    int result = index->layout->statistics(index, &statistics, error);
    if (result)
        return result;
    if (statistics.entities > 0)
        statistics.pairs_per_entity = (double)statistics.pairs / (double)statistics.entities;
    *ret_statistics = statistics;
    return 0;
}
