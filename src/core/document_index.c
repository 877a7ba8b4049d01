/* SPDX-License-Identifier: MIT */
/*
 * A document for reading. Each large array or object that is asked about gets a table of where its
 * members are, sorted by name; small ones are read through, which is as fast.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/document.h"
#include "util/json_internal.h"

#define ORIGIN "document"
#define SMALL SFS_JSON_SKIP_SIZE /* bytes of an array or object that needs no table */

/* Offsets count from the beginning of the document's text. */
struct entry {
    uint32_t name; /* of the literal; 0: an element */
    uint32_t value;
    uint32_t size; /* of the value; 0: a later one has the same name */
};

struct table {
    uint32_t count;
    uint32_t capacity;
    bool object;
    struct entry *entries; /* in the order written */
    uint32_t *order;       /* of an object: indices of entries that count, by name */
    uint32_t named;        /* how many */
};

struct sfs_document {
    atomic_uint references;
    struct sfs_blob *blob;
    const char *text;
    struct sfs_json root;
    struct sfs_json_skips skips;
    pthread_mutex_t lock; /* of the members below; tables are never taken away */
    struct table **tables; /* of each span of skips; NULL: not asked about yet */
    size_t cost;
};

int sfs_document_open(struct sfs_blob *blob, struct sfs_document **ret_document,
                      struct sfs_error *error)
{
    struct sfs_json root;
    int code = sfs_document_parse(sfs_blob_bytes(blob), &root, error);
    if (code)
        return code;
    struct sfs_json_skips skips = {0};
    struct sfs_document *document = calloc(1, sizeof(*document));
    bool built = document != NULL && sfs_json_skips_build(&skips, root.text) == 0;
    if (!built || (document->tables = calloc(skips.count + 1, sizeof(*document->tables))) == NULL) {
        sfs_json_skips_free(&skips);
        free(document);
        return sfs_fail_memory(error, ORIGIN);
    }
    document->skips = skips;
    document->blob = sfs_blob_ref(blob);
    document->text = sfs_blob_bytes(blob).data;
    document->root = root;
    document->cost = sizeof(*document) + sfs_blob_bytes(blob).size +
                     skips.capacity * sizeof(struct sfs_json_span) +
                     skips.count * sizeof(*document->tables);
    atomic_init(&document->references, 1);
    pthread_mutex_init(&document->lock, NULL);
    *ret_document = document;
    return 0;
}

struct sfs_document *sfs_document_ref(struct sfs_document *document)
{
    atomic_fetch_add(&document->references, 1);
    return document;
}

static void table_free(struct table *table)
{
    if (table == NULL)
        return;
    free(table->entries);
    free(table->order);
    free(table);
}

void sfs_document_unref(struct sfs_document *document)
{
    if (document == NULL || atomic_fetch_sub(&document->references, 1) != 1)
        return;
    for (size_t i = 0; i < document->skips.count; i++)
        table_free(document->tables[i]);
    free(document->tables);
    pthread_mutex_destroy(&document->lock);
    sfs_json_skips_free(&document->skips);
    sfs_blob_unref(document->blob);
    free(document);
}

struct sfs_bytes sfs_document_root(const struct sfs_document *document)
{
    return document->root.text;
}

size_t sfs_document_cost(struct sfs_document *document)
{
    pthread_mutex_lock(&document->lock);
    size_t cost = document->cost;
    pthread_mutex_unlock(&document->lock);
    return cost;
}

/* --- tables --- */

static uint32_t offset_of(const struct sfs_document *document, const void *at)
{
    return (uint32_t)((const char *)at - document->text);
}

static struct sfs_json name_at(const char *text, const struct entry *entry)
{
    const char *at = text + entry->name;
    return sfs_json_of_text(at, sfs_json_skip_string(at, text + entry->value));
}

static int compare_entries(const void *a, const void *b, void *context)
{
    const void *const *both = context;
    const struct entry *entries = both[1];
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;
    int order = sfs_json_string_compare(name_at(both[0], &entries[left]), name_at(both[0], &entries[right]));
    return order != 0 ? order : (left > right) - (left < right);
}

static int add_entry(struct table *table, struct entry entry, struct sfs_error *error)
{
    if (table->count == SFS_DOCUMENT_CHILDREN_MAX)
        return sfs_fail(error, SFS_E_TOO_LARGE, ORIGIN, "one array or object has more than %u members",
                        SFS_DOCUMENT_CHILDREN_MAX);
    if (table->count == table->capacity) {
        uint32_t capacity = table->capacity != 0 ? table->capacity * 2 : 16;
        void *grown = reallocarray(table->entries, capacity, sizeof(*table->entries));
        if (grown == NULL)
            return sfs_fail_memory(error, ORIGIN);
        table->entries = grown;
        table->capacity = capacity;
    }
    table->entries[table->count++] = entry;
    return 0;
}

/* Sorts by name; of the same names only the last counts. */
static int sort_names(const struct sfs_document *document, struct table *table, struct sfs_error *error)
{
    const void *context[] = {document->text, table->entries};
    table->order = reallocarray(NULL, table->count + 1, sizeof(*table->order));
    if (table->order == NULL)
        return sfs_fail_memory(error, ORIGIN);
    for (uint32_t i = 0; i < table->count; i++)
        table->order[i] = i;
    qsort_r(table->order, table->count, sizeof(*table->order), compare_entries, (void *)context);
    for (uint32_t i = 0; i < table->count; i++) {
        const struct entry *entry = &table->entries[table->order[i]];
        struct entry *last = table->named > 0 ? &table->entries[table->order[table->named - 1]] : NULL;
        if (last != NULL && sfs_json_string_compare(name_at(document->text, last),
                                                    name_at(document->text, entry)) == 0) {
            last->size = 0;
            table->named--;
        }
        table->order[table->named++] = table->order[i];
    }
    return 0;
}

static int table_new(const struct sfs_document *document, struct sfs_json container,
                     struct table **ret_table, struct sfs_error *error)
{
    struct table *table = calloc(1, sizeof(*table));
    struct sfs_slots slots = sfs_slots_over(container, &document->skips);
    struct sfs_slot slot;
    int code = table == NULL ? sfs_fail_memory(error, ORIGIN) : 0;
    while (code == 0 && sfs_slots_next(&slots, &slot)) {
        struct entry entry = {
            .name = slots.object ? offset_of(document, slot.name.text.data) : 0,
            .value = offset_of(document, slot.value.text.data),
            .size = (uint32_t)slot.value.text.size,
        };
        code = add_entry(table, entry, error);
    }
    if (code == 0 && slots.object)
        code = sort_names(document, table, error);
    if (code) {
        table_free(table);
        return code;
    }
    table->object = slots.object;
    *ret_table = table;
    return 0;
}

/* The table of a large array or object, made if need be; stays with the document. */
static int table_of(struct sfs_document *document, struct sfs_json container, struct table **ret_table,
                    struct sfs_error *error)
{
    const struct sfs_json_span *span = sfs_json_skips_find(&document->skips, container.text.data);
    struct table **place = &document->tables[span - document->skips.spans];
    int code = 0;
    pthread_mutex_lock(&document->lock);
    struct table *table = *place;
    if (table == NULL && (code = table_new(document, container, &table, error)) == 0) {
        *place = table;
        document->cost += sizeof(*table) + table->capacity * sizeof(struct entry) +
                          (table->object ? (table->count + 1) * sizeof(uint32_t) : 0);
    }
    pthread_mutex_unlock(&document->lock);
    if (code == 0)
        *ret_table = table;
    return code;
}

static struct sfs_json value_at(const struct sfs_document *document, const struct entry *entry)
{
    return sfs_json_view(sfs_bytes(document->text + entry->value, entry->size));
}

/* --- finding --- */

static int compare_name(const struct sfs_document *document, const struct entry *entry,
                        struct sfs_json wanted)
{
    return sfs_json_string_compare(name_at(document->text, entry), wanted);
}

static const struct entry *find_name(const struct sfs_document *document, const struct table *table,
                                     struct sfs_json wanted)
{
    uint32_t from = 0;
    uint32_t to = table->named;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        const struct entry *entry = &table->entries[table->order[middle]];
        int order = compare_name(document, entry, wanted);
        if (order == 0)
            return entry;
        if (order < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return NULL;
}

static int find_in_table(struct sfs_document *document, struct sfs_json container,
                         struct sfs_bytes step, size_t index, struct sfs_json *ret_value,
                         struct sfs_error *error)
{
    struct table *table;
    struct sfs_buffer literal = {0};
    const struct entry *entry = NULL;
    int code = table_of(document, container, &table, error);
    if (code == 0 && table->object) {
        code = sfs_json_string_encode(step, &literal);
        if (code == 0)
            entry = find_name(document, table, sfs_json_view(sfs_buffer_bytes(&literal)));
        else if (code == SFS_E_INVALID)
            code = 0; /* what is not UTF-8 is no member's name */
        else
            code = sfs_fail_memory(error, ORIGIN);
        sfs_buffer_free(&literal);
    } else if (code == 0 && index < table->count) {
        entry = &table->entries[index];
    }
    if (code == 0 && entry == NULL)
        code = sfs_document_none(container.type, step, error);
    if (code == 0)
        *ret_value = value_at(document, entry);
    return code;
}

static int step_into(struct sfs_document *document, struct sfs_json container, struct sfs_bytes step,
                     struct sfs_json *ret_value, struct sfs_error *error)
{
    size_t index = 0;
    bool array = container.type == SFS_JSON_ARRAY;
    int code = sfs_document_check_holds(container, step, error);
    if (code == 0 && array)
        code = sfs_document_index(step, &index, error);
    if (code)
        return code;
    if (container.text.size >= SMALL)
        return find_in_table(document, container, step, index, ret_value, error);
    bool found = array ? sfs_json_element(container, index, ret_value)
                       : sfs_json_member(container, step, ret_value);
    return found ? 0 : sfs_document_none(container.type, step, error);
}

int sfs_document_find(struct sfs_document *document, struct sfs_document_path path,
                      struct sfs_bytes *ret_value, struct sfs_error *error)
{
    return sfs_document_find_below(document, document->root.text, path, ret_value, error);
}

int sfs_document_find_below(struct sfs_document *document, struct sfs_bytes from,
                            struct sfs_document_path path, struct sfs_bytes *ret_value,
                            struct sfs_error *error)
{
    struct sfs_json value = sfs_json_view(from);
    int code = 0;
    for (size_t i = 0; i < path.count && code == 0; i++)
        code = step_into(document, value, path.steps[i], &value, error);
    if (code == 0)
        *ret_value = value.text;
    return code;
}

/* --- visiting --- */

typedef int visit_function(void *context, struct sfs_bytes name, struct sfs_bytes value);

static int visit_entry(const struct sfs_document *document, const struct table *table, uint32_t index,
                       struct sfs_buffer *name, visit_function *visit, void *context,
                       struct sfs_error *error)
{
    const struct entry *entry = &table->entries[index];
    name->size = 0;
    int code = table->object ? sfs_json_string_decode(name_at(document->text, entry), name)
                             : sfs_buffer_printf(name, "%" PRIu32, index);
    if (code)
        return sfs_fail_memory(error, ORIGIN);
    return visit(context, sfs_buffer_bytes(name), value_at(document, entry).text);
}

int sfs_document_visit(struct sfs_document *document, struct sfs_bytes value, visit_function *visit,
                       void *context, struct sfs_error *error)
{
    struct sfs_json container = sfs_json_view(value);
    struct sfs_buffer name = {0};
    struct table *table;
    bool kept = value.size >= SMALL && sfs_document_kind(value) != SFS_DOCUMENT_SCALAR;
    int code = kept ? table_of(document, container, &table, error)
                    : table_new(document, container, &table, error);
    if (code)
        return code;
    for (uint32_t i = 0; i < table->count && code == 0; i++)
        if (table->entries[i].size > 0)
            code = visit_entry(document, table, i, &name, visit, context, error);
    if (!kept)
        table_free(table);
    sfs_buffer_free(&name);
    return code;
}
