/* SPDX-License-Identifier: MIT */
/* A whole index from postings into memory, and back. */
#include <stdlib.h>

#include "attribute_index/edges.h"
#include "attribute_index/postings.h"
#include "core/batch.h"

#define BATCH_OPERATIONS ((size_t)5000)

/* --- from the store --- */

struct entity_place {
    uint64_t ordinal;
    uint32_t id;
};

struct collector {
    struct sfs_inverted *inverted;
    uint32_t attribute;
    uint32_t pair;
    struct sfs_buffer places; /* of struct entity_place */
    struct sfs_buffer text;
};

static int collect_pair(void *context, struct sfs_bytes value, struct sfs_error *error)
{
    struct collector *collector = context;
    return sfs_attribute_fail(error, sfs_inverted_pair(collector->inverted, collector->attribute,
                                                       value, false, &collector->pair));
}

static int collect_id(void *context, struct sfs_bytes id, struct sfs_error *error)
{
    struct collector *collector = context;
    return sfs_attribute_fail(error, sfs_inverted_post(collector->inverted, collector->pair, id));
}

/* The text that an entry has in a document. */
static int entry_text(const struct sfs_posting_entry *entry, struct sfs_buffer *out)
{
    out->size = 0;
    if (entry->attribute.text.size == 0)
        return sfs_json_string_decode(entry->element, out);
    int result = sfs_json_string_decode(entry->attribute, out);
    if (!result)
        result = sfs_buffer_byte(out, ':');
    return result ? result : sfs_json_string_decode(entry->value, out);
}

static int collect_entity(void *context, struct sfs_posting *posting, struct sfs_error *error)
{
    struct collector *collector = context;
    struct entity_place place = {.ordinal = posting->ordinal};
    struct sfs_json_cursor cursor = sfs_json_begin(sfs_json_view(sfs_buffer_bytes(&posting->list)));
    struct sfs_posting_entry entry;
    if (posting->ordinal == 0)
        return 0;
    int result = sfs_inverted_entity(collector->inverted, sfs_buffer_bytes(&posting->name), false,
                                     &place.id);
    if (!result)
        result = sfs_buffer_append(&collector->places, &place, sizeof(place));
    while (!result && sfs_entry_next(&cursor, &entry)) {
        if (!entry.listed)
            continue;
        result = entry_text(&entry, &collector->text);
        if (!result)
            result = sfs_inverted_list(collector->inverted, place.id,
                                       sfs_buffer_bytes(&collector->text));
    }
    return sfs_attribute_fail(error, result);
}

static int by_ordinal(const void *a, const void *b)
{
    const struct entity_place *left = a;
    const struct entity_place *right = b;
    return (left->ordinal > right->ordinal) - (left->ordinal < right->ordinal);
}

/* They came in the order of keys. */
static void order_entities(struct collector *collector)
{
    struct sfs_inverted *inverted = collector->inverted;
    size_t count = collector->places.size / sizeof(struct entity_place);
    if (count == 0)
        return;
    struct entity_place *places = (struct entity_place *)(void *)collector->places.data;
    qsort(places, count, sizeof(*places), by_ordinal);
    inverted->entity_list = (struct sfs_list){0};
    for (size_t i = 0; i < count; i++)
        sfs_terms_link(&inverted->ids, &inverted->entity_list, places[i].id);
}

static int collect_attributes(struct sfs_storage *store, struct sfs_bytes key,
                              struct collector *collector, struct sfs_error *error)
{
    const struct sfs_posting_visitor visitor = {collect_pair, collect_id, collector, true};
    struct sfs_attribute_set names = {0};
    struct sfs_buffer prefix = {0};
    int result = sfs_attribute_fail(error, sfs_posting_key(key, "a/", &prefix));
    if (!result)
        result = sfs_postings_names(store, sfs_buffer_bytes(&prefix), SFS_POSTING_ATTRIBUTE, &names,
                                    error);
    for (size_t i = 0; i < names.count && !result; i++) {
        result =
            sfs_attribute_fail(error, sfs_inverted_attribute(collector->inverted, names.items[i],
                                                             false, &collector->attribute));
        if (!result)
            result = sfs_postings_visit(store, key, names.items[i], NULL, &visitor, error);
    }
    sfs_attribute_set_free(&names);
    sfs_buffer_free(&prefix);
    return result;
}

static int collect_all(struct sfs_storage *store, struct sfs_bytes key,
                       struct sfs_inverted *inverted, struct sfs_error *error)
{
    struct collector collector = {.inverted = inverted};
    struct sfs_buffer prefix = {0};
    int result = collect_attributes(store, key, &collector, error);
    if (!result)
        result = sfs_attribute_fail(error, sfs_posting_key(key, "e/", &prefix));
    if (!result)
        result = sfs_postings_scan(store, sfs_buffer_bytes(&prefix), SFS_POSTING_ENTITY,
                                   collect_entity, &collector, error);
    if (!result)
        order_entities(&collector);
    sfs_buffer_free(&prefix);
    sfs_buffer_free(&collector.places);
    sfs_buffer_free(&collector.text);
    return result;
}

static int check_total(const char *what, uint64_t found, uint64_t said, struct sfs_error *error)
{
    if (found == said)
        return 0;
    return sfs_fail(error, SFS_E_CORRUPT, SFS_ATTRIBUTE_ORIGIN,
                    "the attribute index is damaged: it has %llu %s, and its head says %llu",
                    (unsigned long long)found, what, (unsigned long long)said);
}

/* Whether the records are as many as the head says: none is lost unseen. */
static int check_totals(const struct sfs_inverted *inverted, const struct sfs_posting_head *head,
                        struct sfs_error *error)
{
    int result = check_total("attributes", inverted->attribute_list.count, head->attributes, error);
    if (!result)
        result = check_total("values", inverted->values, head->values, error);
    if (!result)
        result = check_total("entities", inverted->entity_list.count, head->entities, error);
    return result ? result : check_total("pairs", inverted->entries, head->pairs, error);
}

/* Where somebody changes the index while it is read, what does not fit is no damage. */
static int check_overtaken(struct sfs_storage *store, struct sfs_bytes key, uint64_t revision,
                           struct sfs_error *error)
{
    struct sfs_posting_head now = {0};
    if (sfs_head_read(store, key, &now, NULL) || now.revision == revision)
        return SFS_E_CORRUPT;
    return sfs_fail(error, SFS_E_CONFLICT, SFS_ATTRIBUTE_ORIGIN,
                    "the attribute index was changed while it was read: try again");
}

/* All of one state, where the store can give one. */
int sfs_postings_get_all(struct sfs_storage *store, struct sfs_bytes key,
                         struct sfs_inverted *inverted, uint64_t *ret_revision,
                         struct sfs_error *error)
{
    struct sfs_storage *snapshot = NULL;
    struct sfs_posting_head head = {0};
    int result = 0;
    if (sfs_storage_capabilities(store) & SFS_CAN_SNAPSHOT)
        result = sfs_snapshot(store, 0, &snapshot, error);
    if (!result)
        result = sfs_head_read(snapshot ? snapshot : store, key, &head, error);
    if (!result)
        result = collect_all(snapshot ? snapshot : store, key, inverted, error);
    if (!result)
        result = check_totals(inverted, &head, error);
    if (result == SFS_E_CORRUPT && !snapshot)
        result = check_overtaken(store, key, head.revision, error);
    int closed = sfs_close(snapshot, result ? NULL : error);
    if (!result)
        *ret_revision = head.revision;
    return result ? result : closed;
}

/* --- to the store --- */

struct putter {
    struct sfs_storage *store;
    struct sfs_bytes key;
    const struct sfs_inverted *inverted;
    struct sfs_posting_head head;
    struct sfs_batch *batch;
    bool in_parts;    /* commits now and then */
    uint32_t *chunks; /* of each edge: the chunk that its id is in */
    struct sfs_buffer name;
    struct sfs_buffer text;
    struct sfs_error *error;
};

static int flush(struct putter *putter, bool last)
{
    if (!last && (!putter->in_parts || sfs_batch_size(putter->batch) < BATCH_OPERATIONS))
        return 0;
    int result = sfs_apply(putter->store, putter->batch, NULL, NULL, putter->error);
    sfs_batch_clear(putter->batch);
    return result;
}

/* Puts a record under the key in `name`. */
static int put_record(struct putter *putter, const struct sfs_posting *posting)
{
    putter->text.size = 0;
    int result = sfs_attribute_fail(putter->error, sfs_posting_write(posting, &putter->text));
    if (!result)
        result = sfs_batch_put_known(putter->batch, sfs_buffer_bytes(&putter->name),
                                     sfs_buffer_bytes(&putter->text), NULL, SFS_TYPE_JSON,
                                     putter->error);
    return result ? result : flush(putter, false);
}

static int put_chunk(struct putter *putter, struct sfs_posting *value)
{
    struct sfs_posting chunk = {.kind = SFS_POSTING_CHUNK, .list = value->list};
    int result = sfs_attribute_fail(
        putter->error, sfs_chunk_key(putter->key, value->ordinal, value->last, &putter->name));
    if (!result)
        result = put_record(putter, &chunk);
    value->list.size = 0;
    value->last++;
    return result;
}

static int put_ids(struct putter *putter, uint32_t pair, struct sfs_posting *value)
{
    const struct sfs_inverted *inverted = putter->inverted;
    uint32_t edge = inverted->pairs.items[pair].members.first;
    int result = 0;
    for (; edge && !result; edge = inverted->edges.items[edge].after_id) {
        if (value->list.size > SFS_CHUNK_BYTES)
            result = put_chunk(putter, value);
        putter->text.size = 0;
        if (!result)
            result = sfs_attribute_fail(
                putter->error,
                sfs_json_string_encode(
                    sfs_term_text(&inverted->ids, inverted->edges.items[edge].id), &putter->text));
        if (!result)
            result = sfs_attribute_fail(
                putter->error, sfs_list_add(&value->list, sfs_buffer_bytes(&putter->text)));
        putter->chunks[edge] = (uint32_t)value->last;
    }
    return result;
}

static int put_value(struct putter *putter, struct sfs_bytes attribute, uint32_t pair)
{
    const struct sfs_inverted *inverted = putter->inverted;
    struct sfs_posting value = {
        .kind = SFS_POSTING_VALUE,
        .ordinal = putter->head.next++,
        .count = inverted->pairs.items[pair].members.count,
    };
    struct sfs_bytes text = sfs_pair_value(inverted, pair);
    int result = sfs_attribute_fail(putter->error, sfs_buffer_add(&value.name, text));
    if (!result)
        result = put_ids(putter, pair, &value);
    if (!result)
        result = sfs_attribute_fail(putter->error,
                                    sfs_value_key(putter->key, attribute, text, &putter->name));
    if (!result)
        result = put_record(putter, &value);
    sfs_posting_free(&value);
    return result;
}

static int put_attribute(struct putter *putter, uint32_t number)
{
    const struct sfs_inverted *inverted = putter->inverted;
    const struct sfs_list *pairs = &inverted->attributes.items[number].members;
    struct sfs_bytes name = sfs_term_text(&inverted->attributes, number);
    struct sfs_posting attribute = {
        .kind = SFS_POSTING_ATTRIBUTE, .ordinal = putter->head.next++, .count = pairs->count};
    int result = sfs_attribute_fail(putter->error, sfs_buffer_add(&attribute.name, name));
    if (!result)
        result =
            sfs_attribute_fail(putter->error, sfs_attribute_key(putter->key, name, &putter->name));
    if (!result)
        result = put_record(putter, &attribute);
    sfs_posting_free(&attribute);
    for (uint32_t pair = pairs->first; pair && !result; pair = inverted->pairs.items[pair].after)
        result = put_value(putter, name, pair);
    return result;
}

/* An entry of a document that is in no pair of the index: as a pair, if writing that gives its
 * text. */
static int add_loose(struct putter *putter, struct sfs_bytes text, struct sfs_buffer *list)
{
    struct sfs_buffer value = {0};
    struct sfs_bytes attribute = {0};
    int result = sfs_entry_split(text, &attribute, &value);
    bool same = result == 1 && attribute.size + 1 + value.size == text.size &&
                sfs_bytes_equal(sfs_bytes((const char *)text.data + attribute.size + 1, value.size),
                                sfs_buffer_bytes(&value));
    if (result >= 0 && same) {
        result = sfs_entry_add(list, attribute, sfs_buffer_bytes(&value), UINT64_MAX, true);
    } else if (result >= 0) {
        putter->text.size = 0;
        result = sfs_json_string_encode(text, &putter->text);
        if (!result)
            result = sfs_list_add(list, sfs_buffer_bytes(&putter->text));
    }
    sfs_buffer_free(&value);
    return result;
}

static int add_entries(struct putter *putter, uint32_t id, struct sfs_buffer *list)
{
    const struct sfs_inverted *inverted = putter->inverted;
    uint32_t number = inverted->ids.items[id].members.first;
    int result = 0;
    for (; number && !result; number = inverted->edges.items[number].after_pair) {
        const struct sfs_edge *edge = &inverted->edges.items[number];
        uint32_t owner = inverted->pairs.items[edge->pair].owner;
        if (edge->posted)
            result = sfs_entry_add(list, sfs_term_text(&inverted->attributes, owner),
                                   sfs_pair_value(inverted, edge->pair), putter->chunks[number],
                                   edge->listed);
        else
            result = add_loose(putter, sfs_term_text(&inverted->pairs, edge->pair), list);
    }
    return result;
}

static int put_entity(struct putter *putter, uint32_t id)
{
    struct sfs_posting entity = {.kind = SFS_POSTING_ENTITY};
    struct sfs_bytes name = sfs_term_text(&putter->inverted->ids, id);
    if (putter->inverted->ids.items[id].present)
        entity.ordinal = putter->head.next++;
    int result = sfs_buffer_add(&entity.name, name);
    if (!result)
        result = add_entries(putter, id, &entity.list);
    if (!result)
        result = sfs_entity_key(putter->key, name, &putter->name);
    result = result ? sfs_attribute_fail(putter->error, result) : put_record(putter, &entity);
    sfs_posting_free(&entity);
    return result;
}

static int put_records(struct putter *putter)
{
    const struct sfs_inverted *inverted = putter->inverted;
    int result = 0;
    uint32_t number = inverted->attribute_list.first;
    for (; number && !result; number = inverted->attributes.items[number].after)
        result = put_attribute(putter, number);
    for (number = inverted->entity_list.first; number && !result;
         number = inverted->ids.items[number].after)
        result = put_entity(putter, number);
    for (number = 1; number < inverted->ids.used && !result; number++)
        if (inverted->ids.items[number].text && !inverted->ids.items[number].present)
            result = put_entity(putter, number);
    return result;
}

/* The head, which makes the rest an index. */
static int put_head(struct putter *putter, bool durable)
{
    const struct sfs_apply_options options = {.durable = durable};
    const struct sfs_inverted *inverted = putter->inverted;
    putter->head.attributes = inverted->attribute_list.count;
    putter->head.values = inverted->values;
    putter->head.entities = inverted->entity_list.count;
    putter->head.pairs = inverted->entries;
    putter->text.size = 0;
    int result = sfs_attribute_fail(putter->error, sfs_head_write(&putter->head, &putter->text));
    if (!result)
        result = sfs_batch_require_revision(putter->batch, putter->key, putter->head.revision,
                                            putter->error);
    if (!result)
        result = sfs_batch_put_known(putter->batch, putter->key, sfs_buffer_bytes(&putter->text),
                                     NULL, SFS_TYPE_JSON, putter->error);
    return result ? result : sfs_apply(putter->store, putter->batch, &options, NULL, putter->error);
}

static int put_all(struct putter *putter, uint64_t document, bool durable)
{
    int result = 0;
    putter->in_parts = document > 0;
    putter->head = (struct sfs_posting_head){.revision = document, .next = 1};
    if (!document)
        result = sfs_head_read(putter->store, putter->key, &putter->head, putter->error);
    putter->head.next = 1;
    if (!result)
        result = sfs_postings_clear(putter->key, putter->batch, putter->error);
    if (!result && putter->in_parts)
        result = flush(putter, true);
    if (!result)
        result = put_records(putter);
    return result ? result : put_head(putter, durable);
}

int sfs_postings_put_all(struct sfs_storage *store, struct sfs_bytes key,
                         const struct sfs_inverted *inverted, uint64_t document, bool durable,
                         struct sfs_error *error)
{
    struct putter putter = {.store = store, .key = key, .inverted = inverted, .error = error};
    int result = sfs_batch_new(&putter.batch, error);
    if (result)
        return result;
    uint32_t edges = inverted->edges.used;
    putter.chunks = calloc(edges ? edges : 1, sizeof(*putter.chunks));
    result = putter.chunks ? put_all(&putter, document, durable)
                           : sfs_fail_memory(error, SFS_ATTRIBUTE_ORIGIN);
    free(putter.chunks);
    sfs_batch_free(putter.batch);
    sfs_buffer_free(&putter.name);
    sfs_buffer_free(&putter.text);
    return result;
}
