/* SPDX-License-Identifier: MIT */
/* Entities as objects: `type`, `name` and the members of `metadata` of each become its attributes.
 */
#include <stdlib.h>

#include "attribute_index/index.h"
#include "util/js_value.h"
#include "util/json.h"

/* Where one document is changed in memory, changes need not wait for the end of the array. */
#define CHANGES_MAX ((size_t)4096)

/* A change whose texts are places in the gatherer's buffer, which moves. */
struct place {
    size_t at;
    size_t size;
};
struct gathered {
    struct place entity;
    struct place attribute;
    struct place value;
};

struct gatherer {
    struct sfs_attribute_index *index;
    struct sfs_buffer text;
    struct sfs_buffer changes; /* of struct gathered */
    struct place entity;       /* the one that is being read */
    uint64_t count;
};

static size_t count_changes(const struct gatherer *gatherer)
{
    return gatherer->changes.size / sizeof(struct gathered);
}

static struct place place_from(const struct gatherer *gatherer, size_t at)
{
    return (struct place){at, gatherer->text.size - at};
}

static struct sfs_bytes bytes_at(const struct gatherer *gatherer, struct place place)
{
    return sfs_bytes(gatherer->text.data + place.at, place.size);
}

static int apply(struct gatherer *gatherer, struct sfs_error *error)
{
    size_t count = count_changes(gatherer);
    if (count == 0)
        return 0;
    struct sfs_attribute_change *changes = calloc(count, sizeof(*changes));
    if (!changes)
        return sfs_fail_memory(error, SFS_ATTRIBUTE_ORIGIN);
    for (size_t i = 0; i < count; i++) {
        struct gathered gathered;
        memcpy(&gathered, gatherer->changes.data + i * sizeof(gathered), sizeof(gathered));
        changes[i] = (struct sfs_attribute_change){
            .kind = SFS_CHANGE_ADD,
            .entity = bytes_at(gatherer, gathered.entity),
            .attribute = bytes_at(gatherer, gathered.attribute),
            .value = bytes_at(gatherer, gathered.value),
        };
    }
    int result = gatherer->index->layout->apply(gatherer->index, changes, count, error);
    free(changes);
    gatherer->text.size = gatherer->changes.size = 0;
    return result;
}

/* `name` is a string literal. */
static int add(struct gatherer *gatherer, struct sfs_json name, struct sfs_json value)
{
    struct gathered gathered = {.entity = gatherer->entity};
    size_t at = gatherer->text.size;
    int result = sfs_json_string_decode(name, &gatherer->text);
    gathered.attribute = place_from(gatherer, at);
    if (result || gathered.attribute.size == 0)
        return result;
    at = gatherer->text.size;
    result = sfs_js_canonical(value, &gatherer->text);
    gathered.value = place_from(gatherer, at);
    return result ? result : sfs_buffer_append(&gatherer->changes, &gathered, sizeof(gathered));
}

/* Every member of the metadata once, and in JavaScript's order. */
static int add_metadata(struct gatherer *gatherer, struct sfs_json metadata)
{
    struct sfs_buffer ordered = {0};
    struct sfs_json name, value;
    int result = sfs_js_canonical(metadata, &ordered);
    struct sfs_json_cursor cursor = result
                                        ? (struct sfs_json_cursor){0}
                                        : sfs_json_begin(sfs_json_view(sfs_buffer_bytes(&ordered)));
    while (!result && sfs_json_next_member(&cursor, &name, &value))
        result = add(gatherer, name, value);
    sfs_buffer_free(&ordered);
    return result;
}

static int add_entity(struct gatherer *gatherer, struct sfs_json entity)
{
    static const char *const names[] = {"\"type\"", "\"name\""};
    struct sfs_json id, value;
    size_t at = gatherer->text.size;
    if (!sfs_json_member(entity, SFS_LITERAL("id"), &id) || id.type != SFS_JSON_STRING ||
        id.text.size == 2)
        return 0;
    int result = sfs_json_string_decode(id, &gatherer->text);
    gatherer->entity = place_from(gatherer, at);
    gatherer->count++;
    for (int i = 0; i < 2 && !result; i++) {
        struct sfs_json name = sfs_json_view(sfs_string(names[i]));
        struct sfs_bytes inner = sfs_bytes(names[i] + 1, 4);
        if (sfs_json_member(entity, inner, &value))
            result = add(gatherer, name, value);
    }
    if (!result && sfs_json_member(entity, SFS_LITERAL("metadata"), &value) &&
        value.type == SFS_JSON_OBJECT)
        result = add_metadata(gatherer, value);
    return result;
}

static int read_array(struct gatherer *gatherer, struct sfs_json array, struct sfs_error *error)
{
    bool in_memory = gatherer->index->layout == &sfs_layout_document;
    struct sfs_json_cursor cursor = sfs_json_begin(array);
    struct sfs_json entity;
    while (sfs_json_next_element(&cursor, &entity)) {
        int result = sfs_attribute_fail(error, add_entity(gatherer, entity));
        if (!result && in_memory && count_changes(gatherer) >= CHANGES_MAX)
            result = apply(gatherer, error);
        if (result)
            return result;
    }
    return apply(gatherer, error);
}

int sfs_attribute_index_entities(struct sfs_attribute_index *index, struct sfs_bytes json,
                                 uint64_t *ret_count, struct sfs_error *error)
{
    struct gatherer gatherer = {.index = index};
    struct sfs_json array;
    struct sfs_json_problem problem;
    if (!sfs_json_parse(json, &array, &problem))
        return sfs_fail(error, SFS_E_INVALID, SFS_ATTRIBUTE_ORIGIN,
                        "the entities are not JSON: byte %zu: %s", problem.offset + 1,
                        problem.reason);
    if (array.type != SFS_JSON_ARRAY)
        return sfs_fail(error, SFS_E_INVALID, SFS_ATTRIBUTE_ORIGIN,
                        "the entities are no array, but %s", sfs_json_type_name(array.type));
    int result = read_array(&gatherer, array, error);
    if (!result && ret_count)
        *ret_count = gatherer.count;
    sfs_buffer_free(&gatherer.text);
    sfs_buffer_free(&gatherer.changes);
    return result;
}
