/* SPDX-License-Identifier: MIT */
/* Walking through checked JSON text: views, cursors, members, paths. */
#include "util/json.h"

#include "util/json_internal.h"
#include "util/json_skip.h"

const char *sfs_json_skip_string(const char *at, const char *end)
{
    for (at++; at < end; at++) {
        if (*at == '"')
            return at + 1;
        if (*at == '\\' && end - at > 1)
            at++;
    }
    return end;
}

const char *sfs_json_skip_scalar(const char *at, const char *end)
{
    while (at < end && !sfs_json_is_space(*at) && *at != ',' && *at != ']' && *at != '}')
        at++;
    return at;
}

/* Behind the bracket that closes the one at `at`. Checked text nests its brackets properly, so that
 * one count serves both kinds. */
static const char *skip_container(const char *at, const char *end)
{
    size_t depth = 0;
    while (at < end) {
        if (*at == '"') {
            at = sfs_json_skip_string(at, end);
            continue;
        }
        if (*at == '[' || *at == '{')
            depth++;
        else if ((*at == ']' || *at == '}') && --depth == 0)
            return at + 1;
        at++;
    }
    return end;
}

const char *sfs_json_skip_value(const char *at, const char *end)
{
    if (at == end)
        return end;
    if (*at == '"')
        return sfs_json_skip_string(at, end);
    if (*at == '[' || *at == '{')
        return skip_container(at, end);
    return sfs_json_skip_scalar(at, end);
}

static enum sfs_json_type type_of(char first)
{
    switch (first) {
    case 'n':
        return SFS_JSON_NULL;
    case 'f':
        return SFS_JSON_FALSE;
    case 't':
        return SFS_JSON_TRUE;
    case '"':
        return SFS_JSON_STRING;
    case '[':
        return SFS_JSON_ARRAY;
    case '{':
        return SFS_JSON_OBJECT;
    default:
        return SFS_JSON_NUMBER;
    }
}

struct sfs_json sfs_json_of_text(const char *at, const char *end)
{
    enum sfs_json_type type = at < end ? type_of(*at) : SFS_JSON_NULL;
    return (struct sfs_json){type, sfs_bytes(at, (size_t)(end - at))};
}

struct sfs_json sfs_json_view(struct sfs_bytes valid_text)
{
    if (valid_text.size == 0)
        return sfs_json_of_text("", "");
    const char *end = (const char *)valid_text.data + valid_text.size;
    const char *at = sfs_json_skip_space(valid_text.data, end);
    while (end > at && sfs_json_is_space(end[-1]))
        end--;
    return sfs_json_of_text(at, end);
}

void sfs_json_place(struct sfs_bytes text, size_t offset, size_t *ret_line, size_t *ret_column)
{
    const char *data = text.data;
    size_t line = 1;
    size_t line_start = 0;
    if (offset > text.size)
        offset = text.size;
    for (size_t at = 0; at < offset; at++) {
        if (data[at] == '\n') {
            line++;
            line_start = at + 1;
        }
    }
    *ret_line = line;
    *ret_column = offset - line_start + 1;
}

const char *sfs_json_type_name(enum sfs_json_type type)
{
    switch (type) {
    case SFS_JSON_NULL:
        return "null";
    case SFS_JSON_FALSE:
    case SFS_JSON_TRUE:
        return "boolean";
    case SFS_JSON_NUMBER:
        return "number";
    case SFS_JSON_STRING:
        return "string";
    case SFS_JSON_ARRAY:
        return "array";
    case SFS_JSON_OBJECT:
        return "object";
    }
    return "unknown";
}

struct sfs_json_cursor sfs_json_begin(struct sfs_json container)
{
    bool holds = container.type == SFS_JSON_ARRAY || container.type == SFS_JSON_OBJECT;
    if (!holds || container.text.size < 2)
        return (struct sfs_json_cursor){0};
    const char *start = container.text.data;
    return (struct sfs_json_cursor){.at = start + 1, .end = start + container.text.size - 1};
}

static bool at_end(struct sfs_json_cursor *cursor)
{
    cursor->at = cursor->end;
    return false;
}

static const char *end_of_value(const struct sfs_json_cursor *cursor, const char *at)
{
    const struct sfs_json_span *span = NULL;
    if (cursor->skips != NULL && at < cursor->end && (*at == '[' || *at == '{'))
        span = sfs_json_skips_find(cursor->skips, at);
    return span != NULL ? cursor->skips->text + span->end : sfs_json_skip_value(at, cursor->end);
}

/* The next value behind white space and the given separator. */
static bool next_value(struct sfs_json_cursor *cursor, char separator, struct sfs_json *ret_value)
{
    const char *at = sfs_json_skip_space(cursor->at, cursor->end);
    if (at < cursor->end && *at == separator)
        at = sfs_json_skip_space(at + 1, cursor->end);
    const char *end = end_of_value(cursor, at);
    if (end == at)
        return at_end(cursor);
    cursor->at = end;
    *ret_value = sfs_json_of_text(at, end);
    return true;
}

bool sfs_json_next_element(struct sfs_json_cursor *cursor, struct sfs_json *ret_value)
{
    return next_value(cursor, ',', ret_value);
}

bool sfs_json_next_member(struct sfs_json_cursor *cursor, struct sfs_json *ret_name,
                          struct sfs_json *ret_value)
{
    struct sfs_json name;
    if (!next_value(cursor, ',', &name) || !next_value(cursor, ':', ret_value))
        return at_end(cursor);
    *ret_name = name;
    return true;
}

size_t sfs_json_count(struct sfs_json container)
{
    struct sfs_json_cursor cursor = sfs_json_begin(container);
    struct sfs_json name;
    struct sfs_json value;
    size_t count = 0;
    if (container.type == SFS_JSON_OBJECT) {
        while (sfs_json_next_member(&cursor, &name, &value))
            count++;
    } else {
        while (sfs_json_next_element(&cursor, &value))
            count++;
    }
    return count;
}

bool sfs_json_member(struct sfs_json object, struct sfs_bytes name, struct sfs_json *ret_value)
{
    struct sfs_json literal;
    struct sfs_json value;
    bool found = false;
    if (object.type != SFS_JSON_OBJECT)
        return false;
    struct sfs_json_cursor cursor = sfs_json_begin(object);
    while (sfs_json_next_member(&cursor, &literal, &value)) {
        if (sfs_json_string_equals(literal, name)) {
            *ret_value = value;
            found = true;
        }
    }
    return found;
}

bool sfs_json_element(struct sfs_json array, size_t index, struct sfs_json *ret_value)
{
    struct sfs_json value;
    if (array.type != SFS_JSON_ARRAY)
        return false;
    struct sfs_json_cursor cursor = sfs_json_begin(array);
    for (size_t at = 0; sfs_json_next_element(&cursor, &value); at++) {
        if (at == index) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

bool sfs_json_find(struct sfs_json root, const struct sfs_json_step *steps, size_t count,
                   struct sfs_json *ret_value)
{
    struct sfs_json value = root;
    for (size_t i = 0; i < count; i++) {
        bool found = steps[i].kind == SFS_JSON_STEP_NAME
                         ? sfs_json_member(value, steps[i].name, &value)
                         : sfs_json_element(value, steps[i].index, &value);
        if (!found)
            return false;
    }
    *ret_value = value;
    return true;
}
