/* SPDX-License-Identifier: MIT */
/* The layout of postings: reading the store, and searching it. */
#include <stdlib.h>

#include "attribute_index/postings.h"

/* After so many searches that were overtaken by changes the next reads a snapshot. */
#define OVERTAKEN_MAX 3u

int sfs_posting_get(struct sfs_storage *store, struct sfs_bytes key, enum sfs_posting_kind kind,
                    struct sfs_bytes name, struct sfs_posting *ret_posting, struct sfs_error *error)
{
    const struct sfs_record *record = NULL;
    struct sfs_posting posting = {0};
    char shown[200];
    int result = sfs_get(store, key, SFS_WANT_VALUE, &record, error);
    if (result == SFS_E_NOT_FOUND)
        return 0;
    if (!result)
        result = sfs_posting_read(kind, sfs_record_value(record), key, &posting, error);
    sfs_record_unref(record);
    if (result)
        return result;
    if (kind != SFS_POSTING_CHUNK && !sfs_bytes_equal(sfs_buffer_bytes(&posting.name), name)) {
        sfs_posting_free(&posting);
        return sfs_fail(
            error, SFS_E_UNSUPPORTED, SFS_ATTRIBUTE_ORIGIN,
            "where '%s' belongs is another name: the record is damaged, or the hashes of both are "
            "the same, and the index needs the layout document",
            sfs_name_show(name, shown, sizeof(shown)));
    }
    *ret_posting = posting;
    return 1;
}

/* Whether the record stands where one of its name does. 1, 0, or NO_MEMORY. */
static int fits_key(const struct sfs_posting *posting, struct sfs_bytes key)
{
    struct sfs_buffer part = {0};
    int result = sfs_buffer_byte(&part, '/');
    if (!result)
        result = sfs_part_add(sfs_buffer_bytes(&posting->name), &part);
    if (!result)
        result = key.size >= part.size &&
                 memcmp((const char *)key.data + key.size - part.size, part.data, part.size) == 0;
    sfs_buffer_free(&part);
    return result;
}

static int visit_record(const struct sfs_record *record, enum sfs_posting_kind kind,
                        sfs_posting_visit *visit, void *context, struct sfs_error *error)
{
    struct sfs_posting posting = {0};
    int result = sfs_posting_read(kind, sfs_record_value(record), record->name, &posting, error);
    int fits = result || kind == SFS_POSTING_CHUNK ? 1 : fits_key(&posting, record->name);
    if (fits < 1)
        result = fits ? sfs_attribute_fail(error, fits) : sfs_posting_fail(record->name, error);
    if (!result)
        result = visit(context, &posting, error);
    sfs_posting_free(&posting);
    return result;
}

int sfs_postings_scan(struct sfs_storage *store, struct sfs_bytes prefix,
                      enum sfs_posting_kind kind, sfs_posting_visit *visit, void *context,
                      struct sfs_error *error)
{
    struct sfs_cursor *cursor = NULL;
    const struct sfs_record *record = NULL;
    int result = sfs_entries(store, prefix, &cursor, error);
    if (result)
        return result;
    while ((result = sfs_cursor_next(cursor, &record, error)) == 1) {
        result = visit_record(record, kind, visit, context, error);
        if (result)
            break;
    }
    sfs_cursor_close(cursor);
    return result;
}

/* --- records in the order of their ordinals --- */

struct gathered {
    struct sfs_posting *items;
    size_t count;
    size_t capacity;
    const struct sfs_criterion *criterion; /* of values; NULL: all */
    struct sfs_buffer scratch;
};

static void free_gathered(struct gathered *gathered)
{
    for (size_t i = 0; i < gathered->count; i++)
        sfs_posting_free(&gathered->items[i]);
    free(gathered->items);
    sfs_buffer_free(&gathered->scratch);
}

static int gather(void *context, struct sfs_posting *posting, struct sfs_error *error)
{
    struct gathered *gathered = context;
    if (gathered->criterion) {
        int passes = sfs_criterion_test(gathered->criterion, sfs_buffer_bytes(&posting->name),
                                        &gathered->scratch);
        if (passes <= 0)
            return sfs_attribute_fail(error, passes);
    }
    if (gathered->count == gathered->capacity) {
        size_t capacity = gathered->capacity ? gathered->capacity * 2 : 16;
        struct sfs_posting *items = reallocarray(gathered->items, capacity, sizeof(*items));
        if (!items)
            return sfs_fail_memory(error, SFS_ATTRIBUTE_ORIGIN);
        gathered->items = items;
        gathered->capacity = capacity;
    }
    gathered->items[gathered->count++] = *posting;
    *posting = (struct sfs_posting){0};
    return 0;
}

static int by_ordinal(const void *a, const void *b)
{
    const struct sfs_posting *left = a;
    const struct sfs_posting *right = b;
    return (left->ordinal > right->ordinal) - (left->ordinal < right->ordinal);
}

static int gather_all(struct sfs_storage *store, struct sfs_bytes prefix,
                      enum sfs_posting_kind kind, struct gathered *gathered,
                      struct sfs_error *error)
{
    int result = sfs_postings_scan(store, prefix, kind, gather, gathered, error);
    if (!result && gathered->count > 1)
        qsort(gathered->items, gathered->count, sizeof(*gathered->items), by_ordinal);
    return result;
}

int sfs_postings_names(struct sfs_storage *store, struct sfs_bytes prefix,
                       enum sfs_posting_kind kind, struct sfs_attribute_set *ret_set,
                       struct sfs_error *error)
{
    struct gathered gathered = {0};
    struct sfs_set_builder builder = {0};
    int result = gather_all(store, prefix, kind, &gathered, error);
    for (size_t i = 0; i < gathered.count && !result; i++)
        result = sfs_attribute_fail(
            error, sfs_set_add(&builder, sfs_buffer_bytes(&gathered.items[i].name)));
    free_gathered(&gathered);
    return sfs_set_end(&builder, result, ret_set, error);
}

/* --- ids of pairs --- */

struct id_visit {
    const struct sfs_posting_visitor *visitor;
    struct sfs_buffer id;
    uint64_t count; /* of the pair's ids so far */
};

static int visit_list(void *context, struct sfs_posting *posting, struct sfs_error *error)
{
    struct id_visit *visit = context;
    struct sfs_json_cursor cursor = sfs_json_begin(sfs_json_view(sfs_buffer_bytes(&posting->list)));
    struct sfs_json element;
    int result = 0;
    while (!result && sfs_json_next_element(&cursor, &element)) {
        visit->id.size = 0;
        visit->count++;
        result = sfs_attribute_fail(error, sfs_json_string_decode(element, &visit->id));
        if (!result)
            result =
                visit->visitor->id(visit->visitor->context, sfs_buffer_bytes(&visit->id), error);
    }
    return result;
}

static int check_count(const struct id_visit *visit, const struct sfs_posting *pair,
                       struct sfs_error *error)
{
    char shown[200];
    if (visit->count == pair->count)
        return 0;
    return sfs_fail(
        error, SFS_E_CORRUPT, SFS_ATTRIBUTE_ORIGIN,
        "the attribute index is damaged: the value '%s' has %llu entities and says %llu",
        sfs_name_show(sfs_buffer_bytes(&pair->name), shown, sizeof(shown)),
        (unsigned long long)visit->count, (unsigned long long)pair->count);
}

static int visit_pair(struct sfs_storage *store, struct sfs_bytes key, struct sfs_posting *pair,
                      struct id_visit *visit, struct sfs_error *error)
{
    struct sfs_buffer prefix = {0};
    visit->count = 0;
    int result = visit->visitor->pair ? visit->visitor->pair(visit->visitor->context,
                                                             sfs_buffer_bytes(&pair->name), error)
                                      : 0;
    if (!result && pair->last > 0) {
        result = sfs_attribute_fail(error, sfs_chunk_key(key, pair->ordinal, UINT64_MAX, &prefix));
        if (!result)
            result = sfs_postings_scan(store, sfs_buffer_bytes(&prefix), SFS_POSTING_CHUNK,
                                       visit_list, visit, error);
    }
    sfs_buffer_free(&prefix);
    if (!result)
        result = visit_list(visit, pair, error);
    return !result && visit->visitor->exact ? check_count(visit, pair, error) : result;
}

/* Gathers the pairs that are wanted: the one, or those of the attribute. */
static int gather_pairs(struct sfs_storage *store, struct sfs_bytes key, struct sfs_bytes attribute,
                        struct gathered *gathered, struct sfs_error *error)
{
    const struct sfs_criterion *criterion = gathered->criterion;
    struct sfs_buffer name = {0};
    struct sfs_posting found = {0};
    bool one = criterion && criterion->test == SFS_TEST_EQUALS;
    int result = sfs_attribute_key(key, attribute, &name);
    result = result ? sfs_attribute_fail(error, result)
                    : sfs_posting_get(store, sfs_buffer_bytes(&name), SFS_POSTING_ATTRIBUTE,
                                      attribute, &found, error);
    sfs_posting_free(&found);
    if (result == 1) {
        struct sfs_bytes value = one ? sfs_buffer_bytes(&criterion->value) : (struct sfs_bytes){0};
        result = sfs_attribute_fail(error, sfs_value_key(key, attribute, value, &name));
        if (!result && one) {
            result = sfs_posting_get(store, sfs_buffer_bytes(&name), SFS_POSTING_VALUE, value,
                                     &found, error);
            if (result == 1)
                result = gather(gathered, &found, error);
            sfs_posting_free(&found);
        } else if (!result) {
            result = gather_all(store, sfs_buffer_bytes(&name), SFS_POSTING_VALUE, gathered, error);
        }
    }
    sfs_buffer_free(&name);
    return result;
}

int sfs_postings_visit(struct sfs_storage *store, struct sfs_bytes key, struct sfs_bytes attribute,
                       const struct sfs_criterion *criterion,
                       const struct sfs_posting_visitor *visitor, struct sfs_error *error)
{
    struct gathered gathered = {.criterion = criterion};
    struct id_visit visit = {.visitor = visitor};
    int result = gather_pairs(store, key, attribute, &gathered, error);
    for (size_t i = 0; i < gathered.count && !result; i++)
        result = visit_pair(store, key, &gathered.items[i], &visit, error);
    free_gathered(&gathered);
    sfs_buffer_free(&visit.id);
    return result;
}

/* --- the layout --- */

static struct sfs_storage *view_of(const struct sfs_attribute_index *index)
{
    return index->view ? index->view : index->store;
}

static int begin(struct sfs_attribute_index *index, struct sfs_terms **ret_terms,
                 struct sfs_error *error)
{
    struct sfs_posting_head head;
    bool can = sfs_storage_capabilities(index->store) & SFS_CAN_SNAPSHOT;
    int result = 0;
    if (index->overtaken > OVERTAKEN_MAX && can)
        result = sfs_snapshot(index->store, 0, &index->view, error);
    if (!result)
        result = sfs_head_read(view_of(index), sfs_buffer_bytes(&index->key), &head, error);
    if (result) {
        sfs_close(index->view, NULL);
        index->view = NULL;
        return result;
    }
    index->revision = head.revision;
    sfs_terms_free(&index->inverted.ids);
    *ret_terms = &index->inverted.ids;
    return 0;
}

static int end(struct sfs_attribute_index *index, struct sfs_error *error)
{
    struct sfs_posting_head head = {.revision = index->revision};
    int result = index->view
                     ? sfs_close(index->view, error)
                     : sfs_head_read(index->store, sfs_buffer_bytes(&index->key), &head, error);
    index->view = NULL;
    sfs_terms_free(&index->inverted.ids);
    bool again = !result && head.revision != index->revision;
    index->overtaken = again ? index->overtaken + 1 : 0;
    return again ? 1 : result;
}

static int match_id(void *context, struct sfs_bytes id, struct sfs_error *error)
{
    struct sfs_found *found = context;
    uint32_t number;
    int result = sfs_terms_intern(found->terms, id, &number);
    return sfs_attribute_fail(error, result ? result : sfs_found_add(found, number));
}

static int match(struct sfs_attribute_index *index, const struct sfs_criterion *criterion,
                 struct sfs_found *found, struct sfs_error *error)
{
    const struct sfs_posting_visitor visitor = {.id = match_id, .context = found};
    return sfs_postings_visit(view_of(index), sfs_buffer_bytes(&index->key), criterion->attribute,
                              criterion, &visitor, error);
}

static int attributes(struct sfs_attribute_index *index, struct sfs_attribute_set *ret_set,
                      struct sfs_error *error)
{
    struct sfs_buffer prefix = {0};
    int result =
        sfs_attribute_fail(error, sfs_posting_key(sfs_buffer_bytes(&index->key), "a/", &prefix));
    if (!result)
        result = sfs_postings_names(index->store, sfs_buffer_bytes(&prefix), SFS_POSTING_ATTRIBUTE,
                                    ret_set, error);
    sfs_buffer_free(&prefix);
    return result;
}

static int values(struct sfs_attribute_index *index, struct sfs_bytes attribute,
                  struct sfs_attribute_set *ret_set, struct sfs_error *error)
{
    struct sfs_buffer prefix = {0};
    int result = sfs_attribute_fail(error, sfs_value_key(sfs_buffer_bytes(&index->key), attribute,
                                                         (struct sfs_bytes){0}, &prefix));
    if (!result)
        result = sfs_postings_names(index->store, sfs_buffer_bytes(&prefix), SFS_POSTING_VALUE,
                                    ret_set, error);
    sfs_buffer_free(&prefix);
    return result;
}

static int statistics(struct sfs_attribute_index *index,
                      struct sfs_attribute_statistics *ret_statistics, struct sfs_error *error)
{
    struct sfs_posting_head head;
    int result = sfs_head_read(index->store, sfs_buffer_bytes(&index->key), &head, error);
    if (!result)
        *ret_statistics = (struct sfs_attribute_statistics){
            .entities = head.entities,
            .attributes = head.attributes,
            .values = head.values,
            .pairs = head.pairs,
        };
    return result;
}

static int get(struct sfs_attribute_index *index, struct sfs_inverted *own,
               struct sfs_inverted **ret_inverted, struct sfs_error *error)
{
    uint64_t revision;
    sfs_inverted_init(own);
    *ret_inverted = own;
    return sfs_postings_get_all(index->store, sfs_buffer_bytes(&index->key), own, &revision, error);
}

static int put(struct sfs_attribute_index *index, struct sfs_inverted *inverted,
               struct sfs_error *error)
{
    return sfs_postings_put_all(index->store, sfs_buffer_bytes(&index->key), inverted, 0,
                                index->durable, error);
}

const struct sfs_attribute_layout_operations sfs_layout_postings = {
    .apply = sfs_postings_apply,
    .begin = begin,
    .match = match,
    .end = end,
    .attributes = attributes,
    .values = values,
    .statistics = statistics,
    .get = get,
    .put = put,
};
