/* SPDX-License-Identifier: MIT */
/*
 * A document for reading. Each large object that is asked about gets a table of where its members
 * are, sorted by name, and each large array the places of some elements; small ones are read
 * through, which is as fast.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/document.h"
#include "util/json_internal.h"

#define ORIGIN "document"
#define SMALL SFS_JSON_SKIP_SIZE /* bytes of an array or object that needs no table */
#define STRIDE 16u               /* elements from one whose place is kept to the next */

/* Offsets count from the beginning of the document's text. */
struct entry {
    uint32_t name; /* of the literal */
    uint32_t value;
    uint32_t size; /* of the value; 0: a later one has the same name */
};

struct table {
    uint32_t count; /* of entries, or of marks */
    uint32_t capacity;
    struct entry *entries; /* of an object, in the order written */
    uint32_t *order;       /* indices of those that count, by name */
    uint32_t named;        /* how many */
    uint32_t *marks;       /* of an array: where a cursor is before elements 0, STRIDE, … */
};

struct sfs_document {
    atomic_uint references;
    struct sfs_blob *blob;
    const char *text;
    struct sfs_json root;
    struct sfs_json_skips skips;
    atomic_size_t cost;
    pthread_mutex_t lock;  /* held while a table is made, which may take a second */
    struct table **tables; /* of each span of skips; NULL: not asked about yet; never taken away */
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
    atomic_init(&document->cost, sizeof(*document) + sfs_blob_bytes(blob).size +
                                     skips.capacity * sizeof(struct sfs_json_span) +
                                     skips.count * sizeof(*document->tables));
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
    free(table->marks);
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
    return atomic_load(&document->cost);
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
    int order = sfs_json_string_compare(name_at(both[0], &entries[left]),
                                        name_at(both[0], &entries[right]));
    return order != 0 ? order : (left > right) - (left < right);
}

static int fail_many(struct sfs_error *error)
{
    return sfs_fail(error, SFS_E_TOO_LARGE, ORIGIN, "one array or object has more than %u members",
                    SFS_DOCUMENT_CHILDREN_MAX);
}

/* Room for one more in a list of the table, of `size` bytes each. */
static int make_room(struct table *table, void **list, size_t size, struct sfs_error *error)
{
    if (table->count < table->capacity)
        return 0;
    uint32_t capacity = table->capacity != 0 ? table->capacity * 2 : 16;
    void *grown = reallocarray(*list, capacity, size);
    if (grown == NULL)
        return sfs_fail_memory(error, ORIGIN);
    *list = grown;
    table->capacity = capacity;
    return 0;
}

/* Sorts by name; of the same names only the last counts. */
static int sort_names(const struct sfs_document *document, struct table *table,
                      struct sfs_error *error)
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
        struct entry *last =
            table->named > 0 ? &table->entries[table->order[table->named - 1]] : NULL;
        if (last != NULL && sfs_json_string_compare(name_at(document->text, last),
                                                    name_at(document->text, entry)) == 0) {
            last->size = 0;
            table->named--;
        }
        table->order[table->named++] = table->order[i];
    }
    return 0;
}

static int fill_entries(const struct sfs_document *document, struct sfs_json object,
                        struct table *table, struct sfs_error *error)
{
    struct sfs_slots slots = sfs_slots_over(object, &document->skips);
    struct sfs_slot slot;
    int code = 0;
    while (code == 0 && sfs_slots_next(&slots, &slot)) {
        void *list = table->entries;
        code = table->count < SFS_DOCUMENT_CHILDREN_MAX
                   ? make_room(table, &list, sizeof(*table->entries), error)
                   : fail_many(error);
        table->entries = list;
        if (code == 0)
            table->entries[table->count++] =
                (struct entry){.name = offset_of(document, slot.name.text.data),
                               .value = offset_of(document, slot.value.text.data),
                               .size = (uint32_t)slot.value.text.size};
    }
    return code == 0 ? sort_names(document, table, error) : code;
}

static int fill_marks(const struct sfs_document *document, struct sfs_json array,
                      struct table *table, struct sfs_error *error)
{
    struct sfs_slots slots = sfs_slots_over(array, &document->skips);
    struct sfs_slot slot;
    int code = 0;
    const char *at = slots.cursor.at;
    for (size_t i = 0; code == 0 && sfs_slots_next(&slots, &slot); i++) {
        void *list = table->marks;
        code = i % STRIDE == 0 ? make_room(table, &list, sizeof(*table->marks), error) : 0;
        table->marks = list;
        if (code == 0 && i % STRIDE == 0)
            table->marks[table->count++] = offset_of(document, at);
        at = slots.cursor.at;
    }
    return code;
}

static int table_new(const struct sfs_document *document, struct sfs_json container,
                     struct table **ret_table, struct sfs_error *error)
{
    struct table *table = calloc(1, sizeof(*table));
    int code = table == NULL                       ? sfs_fail_memory(error, ORIGIN)
               : container.type == SFS_JSON_OBJECT ? fill_entries(document, container, table, error)
                                                   : fill_marks(document, container, table, error);
    if (code) {
        table_free(table);
        return code;
    }
    *ret_table = table;
    return 0;
}

static size_t table_cost(const struct table *table)
{
    size_t size = table->entries != NULL ? sizeof(struct entry) : sizeof(uint32_t);
    size_t order = table->order != NULL ? (table->count + 1) * sizeof(uint32_t) : 0;
    return sizeof(*table) + table->capacity * size + order;
}

/* The table of a large array or object, made if need be; stays with the document. */
static int table_of(struct sfs_document *document, struct sfs_json container,
                    struct table **ret_table, struct sfs_error *error)
{
    const struct sfs_json_span *span = sfs_json_skips_find(&document->skips, container.text.data);
    struct table **place = &document->tables[span - document->skips.spans];
    int code = 0;
    pthread_mutex_lock(&document->lock);
    struct table *table = *place;
    if (table == NULL && (code = table_new(document, container, &table, error)) == 0) {
        *place = table;
        atomic_fetch_add(&document->cost, table_cost(table));
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

static int find_member(struct sfs_document *document, const struct table *table,
                       struct sfs_bytes step, struct sfs_json *ret_value, struct sfs_error *error)
{
    struct sfs_buffer literal = {0};
    const struct entry *entry = NULL;
    int code = sfs_json_string_encode(step, &literal);
    if (code == 0)
        entry = find_name(document, table, sfs_json_view(sfs_buffer_bytes(&literal)));
    sfs_buffer_free(&literal);
    if (code && code != SFS_E_INVALID) /* what is not UTF-8 is no member's name */
        return sfs_fail_memory(error, ORIGIN);
    if (entry == NULL)
        return sfs_document_none(SFS_JSON_OBJECT, step, error);
    *ret_value = value_at(document, entry);
    return 0;
}

static int find_element(const struct sfs_document *document, const struct table *table,
                        struct sfs_json array, struct sfs_bytes step, size_t index,
                        struct sfs_json *ret_value, struct sfs_error *error)
{
    struct sfs_slots slots = sfs_slots_over(array, &document->skips);
    struct sfs_slot slot;
    bool found = index / STRIDE < table->count;
    if (found)
        slots.cursor.at = document->text + table->marks[index / STRIDE];
    for (size_t i = 0; found && i <= index % STRIDE; i++)
        found = sfs_slots_next(&slots, &slot);
    if (!found)
        return sfs_document_none(SFS_JSON_ARRAY, step, error);
    *ret_value = slot.value;
    return 0;
}

static int find_in_table(struct sfs_document *document, struct sfs_json container,
                         struct sfs_bytes step, size_t index, struct sfs_json *ret_value,
                         struct sfs_error *error)
{
    struct table *table;
    int code = table_of(document, container, &table, error);
    if (code)
        return code;
    return container.type == SFS_JSON_OBJECT
               ? find_member(document, table, step, ret_value, error)
               : find_element(document, table, container, step, index, ret_value, error);
}

static int step_into(struct sfs_document *document, struct sfs_json container,
                     struct sfs_bytes step, struct sfs_json *ret_value, struct sfs_error *error)
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

static int visit_elements(const struct sfs_document *document, struct sfs_json array,
                          visit_function *visit, void *context, struct sfs_error *error)
{
    struct sfs_slots slots = sfs_slots_over(array, &document->skips);
    struct sfs_slot slot;
    char name[32];
    int code = 0;
    for (size_t i = 0; code == 0 && sfs_slots_next(&slots, &slot); i++) {
        int size = snprintf(name, sizeof(name), "%zu", i);
        code = i < SFS_DOCUMENT_CHILDREN_MAX
                   ? visit(context, sfs_bytes(name, (size_t)size), slot.value.text)
                   : fail_many(error);
    }
    return code;
}

static int visit_members(const struct sfs_document *document, const struct table *table,
                         visit_function *visit, void *context, struct sfs_error *error)
{
    struct sfs_buffer name = {0};
    int code = 0;
    for (uint32_t i = 0; i < table->count && code == 0; i++) {
        const struct entry *entry = &table->entries[i];
        if (entry->size == 0)
            continue;
        name.size = 0;
        code = sfs_json_string_decode(name_at(document->text, entry), &name) != 0
                   ? sfs_fail_memory(error, ORIGIN)
                   : visit(context, sfs_buffer_bytes(&name), value_at(document, entry).text);
    }
    sfs_buffer_free(&name);
    return code;
}

int sfs_document_visit(struct sfs_document *document, struct sfs_bytes value, visit_function *visit,
                       void *context, struct sfs_error *error)
{
    struct sfs_json container = sfs_json_view(value);
    struct table *table;
    if (container.type == SFS_JSON_ARRAY)
        return visit_elements(document, container, visit, context, error);
    if (container.type != SFS_JSON_OBJECT)
        return 0;
    bool kept = value.size >= SMALL;
    int code = kept ? table_of(document, container, &table, error)
                    : table_new(document, container, &table, error);
    if (code)
        return code;
    code = visit_members(document, table, visit, context, error);
    if (!kept)
        table_free(table);
    return code;
}
