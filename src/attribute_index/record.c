/* SPDX-License-Identifier: MIT */
/* Records of postings: their text, and the lists in them. */
#include <inttypes.h>

#include "attribute_index/postings.h"

void sfs_posting_free(struct sfs_posting *posting)
{
    sfs_buffer_free(&posting->name);
    sfs_buffer_free(&posting->list);
    *posting = (struct sfs_posting){0};
}

/* A whole number of at most 19 digits. */
static bool number_of(struct sfs_json value, uint64_t *ret_number)
{
    const char *digits = value.text.data;
    uint64_t number = 0;
    if (value.type != SFS_JSON_NUMBER || value.text.size > 19)
        return false;
    for (size_t i = 0; i < value.text.size; i++) {
        if (digits[i] < '0' || digits[i] > '9')
            return false;
        number = number * 10 + (uint64_t)(digits[i] - '0');
    }
    *ret_number = number;
    return true;
}

/* --- entries --- */

static bool read_entry(struct sfs_json element, struct sfs_posting_entry *ret_entry)
{
    struct sfs_posting_entry entry = {.element = element, .listed = true};
    struct sfs_json chunk, listed, more;
    struct sfs_json_cursor cursor = sfs_json_begin(element);
    *ret_entry = entry;
    if (element.type == SFS_JSON_STRING)
        return true;
    if (!sfs_json_next_element(&cursor, &entry.attribute) ||
        entry.attribute.type != SFS_JSON_STRING || !sfs_json_next_element(&cursor, &entry.value) ||
        entry.value.type != SFS_JSON_STRING || !sfs_json_next_element(&cursor, &chunk))
        return false;
    entry.posted = chunk.type != SFS_JSON_NULL;
    if (entry.posted && !number_of(chunk, &entry.chunk))
        return false;
    if (sfs_json_next_element(&cursor, &listed))
        entry.listed = listed.type != SFS_JSON_FALSE;
    *ret_entry = entry;
    return !sfs_json_next_element(&cursor, &more);
}

bool sfs_entry_next(struct sfs_json_cursor *cursor, struct sfs_posting_entry *ret_entry)
{
    struct sfs_json element;
    return sfs_json_next_element(cursor, &element) && read_entry(element, ret_entry);
}

bool sfs_entry_find(const struct sfs_buffer *list, struct sfs_bytes attribute,
                    struct sfs_bytes value, struct sfs_posting_entry *ret_entry)
{
    struct sfs_json_cursor cursor = sfs_json_begin(sfs_json_view(sfs_buffer_bytes(list)));
    struct sfs_posting_entry entry;
    while (sfs_entry_next(&cursor, &entry))
        if (sfs_json_string_equals(entry.attribute, attribute) &&
            sfs_json_string_equals(entry.value, value)) {
            *ret_entry = entry;
            return true;
        }
    return false;
}

int sfs_entry_add(struct sfs_buffer *list, struct sfs_bytes attribute, struct sfs_bytes value,
                  uint64_t chunk, bool listed)
{
    struct sfs_buffer element = {0};
    int result = sfs_buffer_byte(&element, '[');
    if (!result)
        result = sfs_json_string_encode(attribute, &element);
    if (!result)
        result = sfs_buffer_byte(&element, ',');
    if (!result)
        result = sfs_json_string_encode(value, &element);
    if (!result && chunk == UINT64_MAX)
        result = sfs_buffer_add(&element, SFS_LITERAL(",null"));
    else if (!result)
        result = sfs_buffer_printf(&element, ",%" PRIu64, chunk);
    if (!result)
        result = sfs_buffer_add(&element, listed ? SFS_LITERAL("]") : SFS_LITERAL(",false]"));
    if (!result)
        result = sfs_list_add(list, sfs_buffer_bytes(&element));
    sfs_buffer_free(&element);
    return result;
}

/* --- lists --- */

int sfs_list_add(struct sfs_buffer *list, struct sfs_bytes element)
{
    bool first = sfs_list_is_empty(list);
    if (sfs_buffer_reserve(list, element.size + 3))
        return SFS_E_NO_MEMORY;
    size_t at = first ? 0 : list->size - 1;
    list->data[at++] = first ? '[' : ',';
    memcpy(list->data + at, element.data, element.size);
    list->data[at + element.size] = ']';
    list->size = at + element.size + 1;
    return 0;
}

void sfs_list_cut(struct sfs_buffer *list, struct sfs_json element)
{
    size_t from = (size_t)((const char *)element.text.data - list->data);
    size_t to = from + element.text.size;
    if (list->data[to] == ',')
        to++;
    else if (list->data[from - 1] == ',')
        from--;
    memmove(list->data + from, list->data + to, list->size - to);
    list->size -= to - from;
}

bool sfs_list_find(const struct sfs_buffer *list, struct sfs_bytes text,
                   struct sfs_json *ret_element)
{
    struct sfs_json_cursor cursor = sfs_json_begin(sfs_json_view(sfs_buffer_bytes(list)));
    struct sfs_json element;
    while (sfs_json_next_element(&cursor, &element))
        if (sfs_json_string_equals(element, text)) {
            *ret_element = element;
            return true;
        }
    return false;
}

/* --- whole records --- */

static bool check_list(enum sfs_posting_kind kind, struct sfs_json list)
{
    struct sfs_json_cursor cursor = sfs_json_begin(list);
    struct sfs_posting_entry entry;
    struct sfs_json element;
    while (sfs_json_next_element(&cursor, &element))
        if (kind == SFS_POSTING_ENTITY ? !read_entry(element, &entry)
                                       : element.type != SFS_JSON_STRING)
            return false;
    return list.type == SFS_JSON_ARRAY;
}

/* 1, 0 where it is no such record, or NO_MEMORY. */
static int read_members(struct sfs_json record, struct sfs_posting *posting)
{
    struct sfs_json name, value;
    bool numbers = sfs_json_member(record, SFS_LITERAL("ordinal"), &value) &&
                   number_of(value, &posting->ordinal);
    if (!numbers || !sfs_json_member(record, SFS_LITERAL("name"), &name) ||
        name.type != SFS_JSON_STRING)
        return 0;
    if (posting->kind != SFS_POSTING_ENTITY &&
        !(sfs_json_member(record, SFS_LITERAL("count"), &value) &&
          number_of(value, &posting->count)))
        return 0;
    if (posting->kind == SFS_POSTING_VALUE &&
        !(sfs_json_member(record, SFS_LITERAL("last"), &value) && number_of(value, &posting->last)))
        return 0;
    int result = sfs_json_string_decode(name, &posting->name);
    if (result || posting->kind == SFS_POSTING_ATTRIBUTE)
        return result ? result : 1;
    if (!sfs_json_member(record, SFS_LITERAL("list"), &value) || !check_list(posting->kind, value))
        return 0;
    result = sfs_json_compact(value, &posting->list);
    return result ? result : 1;
}

int sfs_posting_fail(struct sfs_bytes key, struct sfs_error *error)
{
    char shown[200];
    return sfs_fail(error, SFS_E_CORRUPT, SFS_ATTRIBUTE_ORIGIN,
                    "the record '%s' of the attribute index is damaged",
                    sfs_name_show(key, shown, sizeof(shown)));
}

int sfs_posting_read(enum sfs_posting_kind kind, struct sfs_bytes text, struct sfs_bytes key,
                     struct sfs_posting *ret_posting, struct sfs_error *error)
{
    struct sfs_posting posting = {.kind = kind};
    struct sfs_json record;
    int result = 0;
    if (sfs_json_parse(text, &record, NULL)) {
        if (kind != SFS_POSTING_CHUNK)
            result = read_members(record, &posting);
        else if (check_list(kind, record))
            result = sfs_json_compact(record, &posting.list) ? SFS_E_NO_MEMORY : 1;
    }
    if (result == 1) {
        *ret_posting = posting;
        return 0;
    }
    sfs_posting_free(&posting);
    if (result)
        return sfs_attribute_fail(error, result);
    return sfs_posting_fail(key, error);
}

int sfs_posting_write(const struct sfs_posting *posting, struct sfs_buffer *out)
{
    if (posting->kind == SFS_POSTING_CHUNK)
        return sfs_buffer_add(out, sfs_buffer_bytes(&posting->list));
    int result = sfs_buffer_add(out, SFS_LITERAL("{\"name\":"));
    if (!result)
        result = sfs_json_string_encode(sfs_buffer_bytes(&posting->name), out);
    if (!result)
        result = sfs_buffer_printf(out, ",\"ordinal\":%" PRIu64, posting->ordinal);
    if (!result && posting->kind != SFS_POSTING_ENTITY)
        result = sfs_buffer_printf(out, ",\"count\":%" PRIu64, posting->count);
    if (!result && posting->kind == SFS_POSTING_VALUE)
        result = sfs_buffer_printf(out, ",\"last\":%" PRIu64, posting->last);
    if (!result && posting->kind != SFS_POSTING_ATTRIBUTE) {
        bool empty = sfs_list_is_empty(&posting->list);
        result = sfs_buffer_add(out, SFS_LITERAL(",\"list\":"));
        if (!result)
            result =
                sfs_buffer_add(out, empty ? SFS_LITERAL("[]") : sfs_buffer_bytes(&posting->list));
    }
    return result ? result : sfs_buffer_byte(out, '}');
}

/* --- the head --- */

static bool read_head(struct sfs_json record, struct sfs_posting_head *head)
{
    const struct {
        struct sfs_bytes name;
        uint64_t *number;
    } members[] = {
        {SFS_LITERAL("entities"), &head->entities}, {SFS_LITERAL("attributes"), &head->attributes},
        {SFS_LITERAL("values"), &head->values},     {SFS_LITERAL("pairs"), &head->pairs},
        {SFS_LITERAL("next"), &head->next},
    };
    struct sfs_json value;
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
        if (!sfs_json_member(record, members[i].name, &value) ||
            !number_of(value, members[i].number))
            return false;
    return true;
}

/* 1: it is the head of postings; 0: something else. */
static int parse_head(struct sfs_bytes text, struct sfs_bytes key, struct sfs_posting_head *head,
                      struct sfs_error *error)
{
    struct sfs_json record, value;
    char shown[200];
    sfs_name_show(key, shown, sizeof(shown));
    if (!sfs_json_parse(text, &record, NULL) ||
        !sfs_json_member(record, SFS_LITERAL("layout"), &value) ||
        !sfs_json_string_equals(value, SFS_LITERAL("postings")))
        return sfs_fail(error, SFS_E_NOT_A_STORE, SFS_ATTRIBUTE_ORIGIN,
                        "the key '%s' holds no index with the layout of postings", shown);
    if (!sfs_json_member(record, SFS_LITERAL("version"), &value) ||
        !sfs_json_string_equals(value, SFS_LITERAL("1.0.0")))
        return sfs_fail(error, SFS_E_TOO_NEW, SFS_ATTRIBUTE_ORIGIN,
                        "the index at '%s' is of another version than \"1.0.0\"", shown);
    return read_head(record, head)
               ? 0
               : sfs_fail(error, SFS_E_CORRUPT, SFS_ATTRIBUTE_ORIGIN,
                          "the head of the attribute index at '%s' is damaged", shown);
}

int sfs_head_read(struct sfs_storage *store, struct sfs_bytes key,
                  struct sfs_posting_head *ret_head, struct sfs_error *error)
{
    const struct sfs_record *record = NULL;
    struct sfs_posting_head head = {.next = 1};
    int result = sfs_get(store, key, SFS_WANT_VALUE, &record, error);
    if (result == 0) {
        result = parse_head(sfs_record_value(record), key, &head, error);
        head.revision = record->revision;
        sfs_record_unref(record);
    }
    if (result && result != SFS_E_NOT_FOUND)
        return result;
    *ret_head = head;
    return 0;
}

int sfs_head_write(const struct sfs_posting_head *head, struct sfs_buffer *out)
{
    return sfs_buffer_printf(out,
                             "{\"layout\":\"postings\",\"version\":\"1.0.0\",\"entities\":%" PRIu64
                             ",\"attributes\":%" PRIu64 ",\"values\":%" PRIu64 ",\"pairs\":%" PRIu64
                             ",\"next\":%" PRIu64 "}",
                             head->entities, head->attributes, head->values, head->pairs,
                             head->next);
}
