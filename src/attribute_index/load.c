/* SPDX-License-Identifier: MIT */
/*
 * Reading a document as the original does: JSON.parse, then index and entityAttributes as they
 * stand. Of members with one name the last counts, at the place of the first.
 */
#include "attribute_index/index.h"
#include "util/js_value.h"
#include "util/json.h"

struct reader {
    const char *name; /* of the document, for sentences */
    struct sfs_inverted *inverted;
    struct sfs_buffer text;  /* a name or an id, decoded */
    struct sfs_buffer value; /* a value, canonical */
    bool marked;             /* something was wrong */
    struct sfs_error *error;
};

static int wrong(struct reader *reader, const char *what, struct sfs_bytes name)
{
    char shown[100];
    return sfs_fail(reader->error, SFS_E_NOT_A_STORE, SFS_ATTRIBUTE_ORIGIN,
                    "'%s' is no attribute index: Invalid data structure: %s%s%s%s", reader->name,
                    what, name.size ? " '" : "",
                    name.size ? sfs_name_show(name, shown, sizeof(shown)) : "",
                    name.size ? "'" : "");
}

/* What is wrong counts only if no later member of the same name takes its place, so it is marked
 * and looked for at the end. */
static void mark(struct reader *reader, struct sfs_term *term, bool is_wrong)
{
    term->mark = is_wrong;
    reader->marked = reader->marked || is_wrong;
}

/* Whether a list has strings only. */
static bool has_strings(struct sfs_json list)
{
    struct sfs_json_cursor cursor = sfs_json_begin(list);
    struct sfs_json element;
    while (sfs_json_next_element(&cursor, &element))
        if (element.type != SFS_JSON_STRING)
            return false;
    return list.type == SFS_JSON_ARRAY;
}

static int decode(struct reader *reader, struct sfs_json string)
{
    reader->text.size = 0;
    int result = sfs_json_string_decode(string, &reader->text);
    return result ? sfs_attribute_fail(reader->error, result) : 0;
}

/* 1 and the canonical text of a value that is the inner name `member`; 0: it is none. */
static int read_value(struct reader *reader, struct sfs_json member)
{
    struct sfs_json json;
    int result = decode(reader, member);
    if (result)
        return result;
    if (!sfs_json_parse(sfs_buffer_bytes(&reader->text), &json, NULL))
        return 0;
    reader->value.size = 0;
    result = sfs_js_canonical(json, &reader->value);
    return result ? sfs_attribute_fail(reader->error, result) : 1;
}

static int read_ids(struct reader *reader, uint32_t pair, struct sfs_json ids)
{
    bool is_wrong = !has_strings(ids);
    mark(reader, &reader->inverted->pairs.items[pair], is_wrong);
    struct sfs_json_cursor cursor = sfs_json_begin(ids);
    struct sfs_json id;
    while (!is_wrong && sfs_json_next_element(&cursor, &id)) {
        int result = decode(reader, id);
        if (!result)
            result = sfs_attribute_fail(
                reader->error,
                sfs_inverted_post(reader->inverted, pair, sfs_buffer_bytes(&reader->text)));
        if (result)
            return result;
    }
    return 0;
}

/* Whether JavaScript has the member among the first of its object, whatever stands in the text. */
static bool comes_first(const struct sfs_buffer *name)
{
    uint32_t unused;
    return sfs_js_is_index(sfs_buffer_bytes(name), &unused);
}

/* Those of an attribute's values that JavaScript sees first, or the others. */
static int read_values(struct reader *reader, uint32_t attribute, struct sfs_json values,
                       bool first)
{
    struct sfs_json_cursor cursor = sfs_json_begin(values);
    struct sfs_json member, ids;
    uint32_t pair = 0;
    int result = 0;
    while (result >= 0 && sfs_json_next_member(&cursor, &member, &ids)) {
        char begin = ((const char *)member.text.data)[1];
        bool may_be = (begin >= '0' && begin <= '9') || begin == '\\';
        result = first && !may_be ? 0 : read_value(reader, member);
        if (result <= 0 || first != (may_be && comes_first(&reader->text)))
            continue;
        result = sfs_attribute_fail(
            reader->error, sfs_inverted_pair(reader->inverted, attribute,
                                             sfs_buffer_bytes(&reader->value), true, &pair));
        if (!result)
            result = read_ids(reader, pair, ids);
    }
    return result < 0 ? result : 0;
}

static int read_attribute(struct reader *reader, uint32_t attribute, struct sfs_json values)
{
    int result = read_values(reader, attribute, values, true);
    if (!result)
        result = read_values(reader, attribute, values, false);
    if (result)
        return result;
    struct sfs_term *term = &reader->inverted->attributes.items[attribute];
    return sfs_attribute_fail(
        reader->error,
        sfs_terms_reorder(&reader->inverted->pairs, &term->members, (size_t)term->size + 1));
}

static int read_index(struct reader *reader, struct sfs_json index)
{
    struct sfs_json_cursor cursor = sfs_json_begin(index);
    struct sfs_json member, values;
    uint32_t attribute = 0;
    int result = 0;
    while (!result && sfs_json_next_member(&cursor, &member, &values)) {
        result = decode(reader, member);
        if (!result)
            result = sfs_attribute_fail(reader->error,
                                        sfs_inverted_attribute(reader->inverted,
                                                               sfs_buffer_bytes(&reader->text),
                                                               true, &attribute));
        if (!result) {
            bool is_wrong = values.type != SFS_JSON_OBJECT;
            mark(reader, &reader->inverted->attributes.items[attribute], is_wrong);
            result = is_wrong ? 0 : read_attribute(reader, attribute, values);
        }
    }
    return result;
}

static int read_entity(struct reader *reader, uint32_t id, struct sfs_json entries)
{
    bool is_wrong = !has_strings(entries);
    mark(reader, &reader->inverted->ids.items[id], is_wrong);
    struct sfs_json_cursor cursor = sfs_json_begin(entries);
    struct sfs_json entry;
    while (!is_wrong && sfs_json_next_element(&cursor, &entry)) {
        int result = decode(reader, entry);
        if (!result)
            result = sfs_attribute_fail(
                reader->error,
                sfs_inverted_list(reader->inverted, id, sfs_buffer_bytes(&reader->text)));
        if (result)
            return result;
    }
    return 0;
}

static int read_entities(struct reader *reader, struct sfs_json entities)
{
    struct sfs_json_cursor cursor = sfs_json_begin(entities);
    struct sfs_json member, entries;
    uint32_t id = 0;
    int result = 0;
    while (!result && sfs_json_next_member(&cursor, &member, &entries)) {
        result = decode(reader, member);
        if (!result)
            result = sfs_attribute_fail(
                reader->error,
                sfs_inverted_entity(reader->inverted, sfs_buffer_bytes(&reader->text), true, &id));
        if (!result)
            result = read_entity(reader, id, entries);
    }
    return result;
}

/* The members that count, found in one pass; one that is not there has no text. */
struct members {
    struct sfs_json version;
    struct sfs_json layout;
    struct sfs_json index;
    struct sfs_json entities;
};

static struct members find_members(struct sfs_json document)
{
    struct members members = {0};
    struct sfs_json_cursor cursor = sfs_json_begin(document);
    struct sfs_json member, value;
    while (sfs_json_next_member(&cursor, &member, &value)) {
        if (sfs_json_string_equals(member, SFS_LITERAL("version")))
            members.version = value;
        else if (sfs_json_string_equals(member, SFS_LITERAL("layout")))
            members.layout = value;
        else if (sfs_json_string_equals(member, SFS_LITERAL("index")))
            members.index = value;
        else if (sfs_json_string_equals(member, SFS_LITERAL("entityAttributes")))
            members.entities = value;
    }
    return members;
}

static int check_version(struct reader *reader, struct sfs_json version)
{
    if (version.text.size == 0 || sfs_json_string_equals(version, SFS_LITERAL("1.0.0")))
        return 0;
    return sfs_fail(reader->error, SFS_E_TOO_NEW, SFS_ATTRIBUTE_ORIGIN,
                    "'%s' is an attribute index of version %.*s: this program reads \"1.0.0\"",
                    reader->name, (int)(version.text.size < 40 ? version.text.size : 40),
                    (const char *)version.text.data);
}

static int check_structure(struct reader *reader, struct sfs_json document,
                           const struct members *members)
{
    static const struct sfs_bytes nothing;
    if (document.type != SFS_JSON_OBJECT)
        return wrong(reader, "it is no object", nothing);
    if (sfs_json_string_equals(members->layout, SFS_LITERAL("postings")))
        return wrong(reader, "it is the head of an index with the layout of postings", nothing);
    int result = check_version(reader, members->version);
    if (result)
        return result;
    if (members->index.text.size == 0)
        return wrong(reader, "it has no member \"index\"", nothing);
    if (members->index.type != SFS_JSON_OBJECT)
        return wrong(reader, "its member \"index\" is no object", nothing);
    return members->entities.text.size == 0 || members->entities.type == SFS_JSON_OBJECT
               ? 0
               : wrong(reader, "its member \"entityAttributes\" is no object", nothing);
}

static const struct sfs_term *find_marked(const struct sfs_terms *terms)
{
    for (uint32_t i = 1; i < terms->used; i++)
        if (terms->items[i].mark)
            return &terms->items[i];
    return NULL;
}

static int check_marks(struct reader *reader)
{
    const struct {
        const struct sfs_terms *terms;
        const char *what;
    } kinds[] = {
        {&reader->inverted->attributes, "what stands for the attribute is no object:"},
        {&reader->inverted->pairs, "no list of ids is what the index has for"},
        {&reader->inverted->ids, "no list of attributes is what stands for the entity"},
    };
    for (size_t i = 0; reader->marked && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        const struct sfs_term *term = find_marked(kinds[i].terms);
        if (term)
            return wrong(reader, kinds[i].what, sfs_bytes(term->text, term->size));
    }
    return 0;
}

static int parse(struct sfs_bytes text, const char *name, struct sfs_json *ret_document,
                 struct sfs_error *error)
{
    struct sfs_json_problem problem;
    size_t line, column;
    if (sfs_json_parse(text, ret_document, &problem))
        return 0;
    sfs_json_place(text, problem.offset, &line, &column);
    return sfs_fail(error, SFS_E_CORRUPT, SFS_ATTRIBUTE_ORIGIN,
                    "'%s' is not JSON: line %zu, column %zu: %s", name, line, column,
                    problem.reason);
}

int sfs_document_read(struct sfs_bytes text, const char *name, struct sfs_inverted *inverted,
                      struct sfs_error *error)
{
    struct sfs_json document;
    struct members members = {0};
    struct reader reader = {.name = name, .inverted = inverted, .error = error};
    int result = parse(text, name, &document, error);
    if (!result)
        members = find_members(document);
    if (!result)
        result = check_structure(&reader, document, &members);
    if (!result)
        result = read_index(&reader, members.index);
    if (!result)
        result = read_entities(&reader, members.entities);
    if (!result)
        result = check_marks(&reader);
    if (!result)
        result = sfs_attribute_fail(
            error, sfs_terms_reorder(&inverted->attributes, &inverted->attribute_list, 0));
    if (!result)
        result =
            sfs_attribute_fail(error, sfs_terms_reorder(&inverted->ids, &inverted->entity_list, 0));
    sfs_buffer_free(&reader.text);
    sfs_buffer_free(&reader.value);
    return result;
}
