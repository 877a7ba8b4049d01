/* SPDX-License-Identifier: MIT */
/*
 * Changes of postings: the records that are concerned are read once, changed in memory, and written
 * as one batch, provided that the head still has the revision that was read first. Where it has
 * not, everything is done anew.
 */
#include <stdlib.h>

#include "attribute_index/postings.h"
#include "core/batch.h"
#include "util/clock.h"

#define RETRIES 200u

struct cached {
    struct sfs_posting posting;
    bool exists;
    bool stored; /* in the store, as it was read */
    bool dirty;
};

struct change {
    struct sfs_storage *store;
    struct sfs_bytes key;
    struct sfs_posting_head head;
    struct sfs_terms keys;   /* of the records, by number: */
    struct cached **records; /* owned; `capacity` of them */
    uint32_t capacity;
    struct sfs_buffer scratch; /* a key */
    struct sfs_buffer text;
    struct sfs_error *error;
};

static void free_change(struct change *change)
{
    for (uint32_t i = 0; i < change->capacity; i++) {
        if (!change->records[i])
            continue;
        sfs_posting_free(&change->records[i]->posting);
        free(change->records[i]);
    }
    free(change->records);
    sfs_terms_free(&change->keys);
    sfs_buffer_free(&change->scratch);
    sfs_buffer_free(&change->text);
}

static int fail(const struct change *change, int code)
{
    return sfs_attribute_fail(change->error, code);
}

/* --- the records --- */

static int make_room(struct change *change, uint32_t number)
{
    if (number < change->capacity)
        return 0;
    uint32_t capacity = change->capacity ? change->capacity * 2 : 64;
    struct cached **records = reallocarray(change->records, capacity, sizeof(struct cached *));
    if (!records)
        return SFS_E_NO_MEMORY;
    memset(records + change->capacity, 0, (capacity - change->capacity) * sizeof(struct cached *));
    change->records = records;
    change->capacity = capacity;
    return 0;
}

static int read_record(struct change *change, enum sfs_posting_kind kind, struct sfs_bytes name,
                       struct cached **ret_record)
{
    struct cached *record = calloc(1, sizeof(*record));
    if (!record)
        return fail(change, SFS_E_NO_MEMORY);
    int result = sfs_posting_get(change->store, sfs_buffer_bytes(&change->scratch), kind, name,
                                 &record->posting, change->error);
    if (result < 0) {
        free(record);
        return result;
    }
    record->posting.kind = kind;
    record->exists = record->stored = result == 1;
    *ret_record = record;
    return 0;
}

/* The record whose key is in `scratch`. `name` is what it must be called, where it has a name. */
static int get(struct change *change, enum sfs_posting_kind kind, struct sfs_bytes name,
               struct cached **ret_record)
{
    uint32_t number = 0;
    int result = sfs_terms_intern(&change->keys, sfs_buffer_bytes(&change->scratch), &number);
    if (!result)
        result = make_room(change, number);
    if (result)
        return fail(change, result);
    if (!change->records[number])
        result = read_record(change, kind, name, &change->records[number]);
    if (result)
        return result;
    *ret_record = change->records[number];
    return 0;
}

static int get_entity(struct change *change, struct sfs_bytes id, struct cached **ret_record)
{
    int result = fail(change, sfs_entity_key(change->key, id, &change->scratch));
    return result ? result : get(change, SFS_POSTING_ENTITY, id, ret_record);
}

static int get_attribute(struct change *change, struct sfs_bytes name, struct cached **ret_record)
{
    int result = fail(change, sfs_attribute_key(change->key, name, &change->scratch));
    return result ? result : get(change, SFS_POSTING_ATTRIBUTE, name, ret_record);
}

static int get_value(struct change *change, struct sfs_bytes attribute, struct sfs_bytes value,
                     struct cached **ret_record)
{
    int result = fail(change, sfs_value_key(change->key, attribute, value, &change->scratch));
    return result ? result : get(change, SFS_POSTING_VALUE, value, ret_record);
}

static int get_chunk(struct change *change, uint64_t ordinal, uint64_t chunk,
                     struct cached **ret_record)
{
    int result = fail(change, sfs_chunk_key(change->key, ordinal, chunk, &change->scratch));
    return result ? result : get(change, SFS_POSTING_CHUNK, (struct sfs_bytes){0}, ret_record);
}

/* Makes a record that does not exist. */
static int create(struct change *change, struct cached *record, struct sfs_bytes name)
{
    enum sfs_posting_kind kind = record->posting.kind;
    sfs_posting_free(&record->posting);
    record->posting.kind = kind;
    record->exists = record->dirty = true;
    return fail(change, sfs_buffer_add(&record->posting.name, name));
}

static void drop(struct cached *record)
{
    record->exists = false;
    record->dirty = true;
}

/* --- adding --- */

static int ensure_pair(struct change *change, const struct sfs_attribute_change *given,
                       struct cached **ret_value)
{
    struct cached *attribute = NULL, *value = NULL;
    int result = get_attribute(change, given->attribute, &attribute);
    if (!result)
        result = get_value(change, given->attribute, given->value, &value);
    if (!result && !attribute->exists) {
        result = create(change, attribute, given->attribute);
        attribute->posting.ordinal = change->head.next++;
        change->head.attributes++;
    }
    if (!result && !value->exists) {
        result = create(change, value, given->value);
        value->posting.ordinal = change->head.next++;
        attribute->posting.count++;
        attribute->dirty = true;
        change->head.values++;
    }
    *ret_value = value;
    return result;
}

/* The list of the pair becomes a full chunk. */
static int seal(struct change *change, struct cached *value)
{
    struct cached *chunk = NULL;
    int result = get_chunk(change, value->posting.ordinal, value->posting.last, &chunk);
    if (result)
        return result;
    sfs_buffer_free(&chunk->posting.list);
    chunk->posting.list = value->posting.list;
    value->posting.list = (struct sfs_buffer){0};
    value->posting.last++;
    chunk->exists = chunk->dirty = true;
    return 0;
}

static int post(struct change *change, struct cached *value, struct sfs_bytes id)
{
    int result = value->posting.list.size > SFS_CHUNK_BYTES ? seal(change, value) : 0;
    if (result)
        return result;
    change->text.size = 0;
    result = sfs_json_string_encode(id, &change->text);
    if (!result)
        result = sfs_list_add(&value->posting.list, sfs_buffer_bytes(&change->text));
    value->posting.count++;
    value->dirty = true;
    return fail(change, result);
}

/* Says in the entity's list that it has the pair: at its place where it was listed already. */
static int list_entry(struct change *change, struct cached *entity,
                      const struct sfs_attribute_change *given, const struct sfs_posting_entry *old,
                      uint64_t chunk)
{
    struct sfs_buffer *list = &entity->posting.list;
    struct sfs_buffer behind = {0};
    int result = 0;
    if (old && old->listed) {
        size_t at = (size_t)((const char *)old->element.text.data - list->data);
        size_t size = old->element.text.size;
        result = sfs_buffer_append(&behind, list->data + at + size, list->size - at - size);
        list->size = at;
        if (at > 1) /* the list so far, closed; else it is empty */
            list->data[at - 1] = ']';
    } else if (old) {
        sfs_list_cut(list, old->element);
    }
    if (!result)
        result = sfs_entry_add(list, given->attribute, given->value, chunk, true);
    if (!result && behind.size > 0) {
        list->size--;
        result = sfs_buffer_add(list, sfs_buffer_bytes(&behind));
    }
    sfs_buffer_free(&behind);
    return fail(change, result);
}

static int enter(struct change *change, struct cached *entity, struct sfs_bytes id)
{
    int result = entity->exists ? 0 : create(change, entity, id);
    if (!result && entity->posting.ordinal == 0) {
        entity->posting.ordinal = change->head.next++;
        change->head.entities++;
    }
    entity->dirty = true;
    return result;
}

static int add(struct change *change, const struct sfs_attribute_change *given)
{
    struct sfs_posting_entry entry = {0};
    struct cached *entity = NULL, *value = NULL;
    int result = get_entity(change, given->entity, &entity);
    bool found = !result && entity->exists &&
                 sfs_entry_find(&entity->posting.list, given->attribute, given->value, &entry);
    if (result || (found && entry.posted && entry.listed))
        return result;
    result = ensure_pair(change, given, &value);
    if (!result && !entry.posted)
        result = post(change, value, given->entity);
    if (!result)
        result = enter(change, entity, given->entity);
    if (result)
        return result;
    change->head.pairs += !entry.listed;
    return list_entry(change, entity, given, found ? &entry : NULL,
                      entry.posted ? entry.chunk : value->posting.last);
}

/* --- removing --- */

static int damaged(const struct change *change, struct sfs_bytes id)
{
    char shown[200];
    return sfs_fail(change->error, SFS_E_CORRUPT, SFS_ATTRIBUTE_ORIGIN,
                    "the attribute index is damaged: the entity '%s' and its pairs do not agree",
                    sfs_name_show(id, shown, sizeof(shown)));
}

/* Empty sets vanish, then empty attributes. */
static int shrink(struct change *change, struct sfs_bytes attribute, struct cached *value)
{
    struct cached *record = NULL;
    value->dirty = true;
    if (--value->posting.count > 0)
        return 0;
    drop(value);
    change->head.values--;
    int result = get_attribute(change, attribute, &record);
    if (result)
        return result;
    record->dirty = true;
    if (--record->posting.count == 0) {
        drop(record);
        change->head.attributes--;
    }
    return 0;
}

/* Takes an id out of a pair. */
static int unpost(struct change *change, struct sfs_bytes id, struct sfs_bytes attribute,
                  struct sfs_bytes text, uint64_t number)
{
    struct cached *value = NULL, *chunk = NULL;
    struct sfs_json element;
    int result = get_value(change, attribute, text, &value);
    if (result)
        return result;
    if (!value->exists || value->posting.count == 0)
        return damaged(change, id);
    if (number == value->posting.last)
        chunk = value;
    else
        result = get_chunk(change, value->posting.ordinal, number, &chunk);
    if (result)
        return result;
    if (!chunk->exists || !sfs_list_find(&chunk->posting.list, id, &element))
        return damaged(change, id);
    sfs_list_cut(&chunk->posting.list, element);
    chunk->dirty = true;
    if (chunk != value && sfs_list_is_empty(&chunk->posting.list))
        drop(chunk);
    return shrink(change, attribute, value);
}

static bool lists_any(const struct sfs_buffer *list)
{
    struct sfs_json_cursor cursor = sfs_json_begin(sfs_json_view(sfs_buffer_bytes(list)));
    struct sfs_posting_entry entry;
    while (sfs_entry_next(&cursor, &entry))
        if (entry.listed)
            return true;
    return false;
}

/* Takes an entry out of an entity, which vanishes with the last that it lists. */
static int cut(struct change *change, struct cached *entity, const struct sfs_posting_entry *entry)
{
    bool listed = entry->listed;
    sfs_list_cut(&entity->posting.list, entry->element);
    entity->dirty = true;
    change->head.pairs -= listed;
    if (listed && !lists_any(&entity->posting.list)) {
        change->head.entities--;
        entity->posting.ordinal = 0;
    }
    if (entity->posting.ordinal == 0 && sfs_list_is_empty(&entity->posting.list))
        drop(entity);
    return 0;
}

/* Removes what an entry that is a pair says, and then the entry. */
static int remove_entry(struct change *change, struct sfs_bytes id, struct cached *entity,
                        const struct sfs_posting_entry *entry)
{
    struct sfs_buffer attribute = {0}, value = {0};
    int result = fail(change, sfs_json_string_decode(entry->attribute, &attribute));
    if (!result)
        result = fail(change, sfs_json_string_decode(entry->value, &value));
    if (!result && entry->posted)
        result = unpost(change, id, sfs_buffer_bytes(&attribute), sfs_buffer_bytes(&value),
                        entry->chunk);
    sfs_buffer_free(&attribute);
    sfs_buffer_free(&value);
    return result ? result : cut(change, entity, entry);
}

/* An entry that is a string, taken apart: see sfs_entry_split(). */
static int split(struct change *change, const struct sfs_posting_entry *entry,
                 struct sfs_buffer *attribute, struct sfs_buffer *value)
{
    struct sfs_bytes name = {0};
    attribute->size = value->size = change->text.size = 0;
    int result = sfs_json_string_decode(entry->element, &change->text);
    if (!result)
        result = sfs_entry_split(sfs_buffer_bytes(&change->text), &name, value);
    if (result == 1 && sfs_buffer_add(attribute, name))
        result = SFS_E_NO_MEMORY;
    return result < 0 ? fail(change, result) : result;
}

/* Whether an entry is to go: 1, 0 or an error. `attribute` empty: every one that is listed. */
static int concerns(struct change *change, const struct sfs_posting_entry *entry,
                    struct sfs_bytes attribute)
{
    struct sfs_buffer name = {0}, value = {0};
    if (attribute.size == 0)
        return entry->listed;
    if (entry->attribute.text.size > 0)
        return sfs_json_string_equals(entry->attribute, attribute);
    int result = split(change, entry, &name, &value);
    if (result == 1)
        result = sfs_bytes_equal(sfs_buffer_bytes(&name), attribute);
    sfs_buffer_free(&name);
    sfs_buffer_free(&value);
    return result;
}

/* An entity that goes is taken out of the pair that a string means, too. */
static int remove_meant(struct change *change, struct sfs_bytes id, struct cached *entity,
                        const struct sfs_posting_entry *entry)
{
    struct sfs_buffer name = {0}, value = {0};
    struct sfs_posting_entry meant;
    int result = split(change, entry, &name, &value);
    if (result == 1 &&
        sfs_entry_find(&entity->posting.list, sfs_buffer_bytes(&name), sfs_buffer_bytes(&value),
                       &meant) &&
        !meant.listed)
        result = remove_entry(change, id, entity, &meant);
    else
        result = result < 0 ? result : 0;
    sfs_buffer_free(&name);
    sfs_buffer_free(&value);
    return result;
}

/* The first entry that is to go: 1, 0 where there is none, or an error. */
static int find_next(struct change *change, const struct cached *entity, struct sfs_bytes attribute,
                     struct sfs_posting_entry *ret_entry)
{
    struct sfs_json_cursor cursor =
        sfs_json_begin(sfs_json_view(sfs_buffer_bytes(&entity->posting.list)));
    int result = 0;
    while (result == 0 && entity->exists && sfs_entry_next(&cursor, ret_entry))
        result = concerns(change, ret_entry, attribute);
    return result;
}

static int remove_many(struct change *change, struct sfs_bytes id, struct cached *entity,
                       struct sfs_bytes attribute)
{
    struct sfs_posting_entry entry;
    int result;
    while ((result = find_next(change, entity, attribute, &entry)) == 1) {
        if (entry.attribute.text.size > 0) {
            result = remove_entry(change, id, entity, &entry);
        } else {
            if (attribute.size == 0)
                result = remove_meant(change, id, entity, &entry);
            if (result >= 0 && find_next(change, entity, attribute, &entry) == 1)
                result = cut(change, entity, &entry);
        }
        if (result < 0)
            break;
    }
    return result;
}

static int apply_one(struct change *change, const struct sfs_attribute_change *given)
{
    struct sfs_posting_entry entry;
    struct cached *entity = NULL;
    if (given->kind == SFS_CHANGE_ADD)
        return add(change, given);
    int result = get_entity(change, given->entity, &entity);
    if (result || !entity->exists)
        return result;
    if (given->kind == SFS_CHANGE_REMOVE_ENTITY) {
        bool known = entity->posting.ordinal > 0;
        result = known ? remove_many(change, given->entity, entity, (struct sfs_bytes){0}) : 0;
        if (result == 0 && known && entity->exists && entity->posting.ordinal > 0) {
            /* it listed nothing */
            entity->posting.ordinal = 0;
            change->head.entities--;
            entity->dirty = true;
            if (sfs_list_is_empty(&entity->posting.list))
                drop(entity);
        }
        return result;
    }
    if (given->value.size == 0)
        return remove_many(change, given->entity, entity, given->attribute);
    return sfs_entry_find(&entity->posting.list, given->attribute, given->value, &entry)
               ? remove_entry(change, given->entity, entity, &entry)
               : 0;
}

/* --- committing --- */

static int add_record(struct change *change, const struct cached *record, struct sfs_bytes key,
                      struct sfs_batch *batch)
{
    if (!record->exists)
        return record->stored ? sfs_batch_delete(batch, key, 0, change->error) : 0;
    change->text.size = 0;
    int result = fail(change, sfs_posting_write(&record->posting, &change->text));
    return result ? result
                  : sfs_batch_put_known(batch, key, sfs_buffer_bytes(&change->text), NULL,
                                        SFS_TYPE_JSON, change->error);
}

/* The number of records that are written or removed, or an error. */
static int64_t fill_batch(struct change *change, struct sfs_batch *batch)
{
    int64_t count = 0;
    for (uint32_t i = 1; i < change->keys.used; i++) {
        const struct cached *record = i < change->capacity ? change->records[i] : NULL;
        if (!record || !record->dirty)
            continue;
        int result = add_record(change, record, sfs_term_text(&change->keys, i), batch);
        if (result)
            return result;
        count++;
    }
    return count;
}

static int commit(struct change *change, bool durable)
{
    const struct sfs_apply_options options = {.durable = durable};
    struct sfs_batch *batch;
    int result = sfs_batch_new(&batch, change->error);
    if (result)
        return result;
    int64_t count = fill_batch(change, batch);
    result = count < 0 ? (int)count : 0;
    if (count > 0) {
        change->text.size = 0;
        result = fail(change, sfs_head_write(&change->head, &change->text));
        if (!result)
            result = sfs_batch_require_revision(batch, change->key, change->head.revision,
                                                change->error);
        if (!result)
            result = sfs_batch_put_known(batch, change->key, sfs_buffer_bytes(&change->text), NULL,
                                         SFS_TYPE_JSON, change->error);
        if (!result)
            result = sfs_apply(change->store, batch, &options, NULL, change->error);
    }
    sfs_batch_free(batch);
    return result;
}

/* Whether a failure may come from records of two moments: what was read has been changed since. */
static bool was_overtaken(const struct change *change, int code)
{
    struct sfs_posting_head head;
    if (code == SFS_E_CONFLICT)
        return true;
    return (code == SFS_E_CORRUPT || code == SFS_E_UNSUPPORTED) &&
           sfs_head_read(change->store, change->key, &head, NULL) == 0 &&
           head.revision != change->head.revision;
}

int sfs_postings_apply(struct sfs_attribute_index *index,
                       const struct sfs_attribute_change *changes, size_t count,
                       struct sfs_error *error)
{
    for (unsigned retry = 1;; retry++) {
        struct change change = {
            .store = index->store, .key = sfs_buffer_bytes(&index->key), .error = error};
        int result = sfs_head_read(change.store, change.key, &change.head, error);
        for (size_t i = 0; i < count && !result; i++)
            result = apply_one(&change, &changes[i]);
        if (!result)
            result = commit(&change, index->durable);
        bool again = result && retry < RETRIES && was_overtaken(&change, result);
        free_change(&change);
        if (!again)
            return result;
        sfs_clock_pause(retry);
    }
}
