/* SPDX-License-Identifier: MIT */
/*
 * Reads a line of NDJSON (storefs/bulk.h) into a batch. Strict: what a line holds and the reader does
 * not know is refused, so that nothing is dropped unseen.
 */
#include <stdio.h>

#include "bulk/line.h"
#include "util/base64.h"
#include "util/utf8.h"

static int unknown_member(struct sfs_json name, const char *what, bool twice, struct sfs_error *error)
{
    struct sfs_buffer text = {0};
    int code = sfs_json_string_decode(name, &text);
    if (code == 0)
        code = sfs_buffer_text(&text);
    if (code == 0)
        code = sfs_fail(error, SFS_E_INVALID, "line", "%smember \"%.200s\" is %s", what, text.data,
                        twice ? "given twice" : "not known");
    else
        code = sfs_fail_memory(error, "line");
    sfs_buffer_free(&text);
    return code;
}

int sfs_line_members(struct sfs_json object, const char *what, const struct sfs_line_member *rules,
                     struct sfs_error *error)
{
    struct sfs_json_cursor cursor = sfs_json_begin(object);
    struct sfs_json name;
    struct sfs_json value;
    while (sfs_json_next_member(&cursor, &name, &value)) {
        const struct sfs_line_member *rule = rules;
        while (rule->name && !sfs_json_string_equals(name, sfs_string(rule->name)))
            rule++;
        if (!rule->name || rule->value->text.data)
            return unknown_member(name, what, rule->name != NULL, error);
        *rule->value = value;
    }
    return 0;
}

static int expected(const char *what, const char *form, struct sfs_json got, struct sfs_error *error)
{
    return sfs_fail(error, SFS_E_INVALID, "line", "%s must be %s, not %s", what, form,
                    got.text.data ? sfs_json_type_name(got.type) : "left out");
}

int sfs_line_read_string(struct sfs_json json, const char *what, struct sfs_buffer *out,
                         struct sfs_error *error)
{
    if (!json.text.data || json.type != SFS_JSON_STRING)
        return expected(what, "a string", json, error);
    size_t start = out->size;
    int code = sfs_json_string_decode(json, out);
    if (code)
        return sfs_fail_memory(error, "line");
    if (out->size == start || sfs_utf8_valid(sfs_bytes(out->data + start, out->size - start)))
        return 0;
    out->size = start;
    return sfs_fail(error, SFS_E_INVALID, "line",
                    "%s holds a lone surrogate, which is no character; wrap bytes that are not "
                    "UTF-8 as {\"__type\":\"bytes\",\"__value\":BASE64}",
                    what);
}

int sfs_line_read_base64(struct sfs_json json, const char *what, struct sfs_buffer *out,
                         struct sfs_error *error)
{
    struct sfs_buffer text = {0};
    int code = sfs_line_read_string(json, what, &text, error);
    if (code == 0) {
        code = sfs_base64_decode(sfs_buffer_bytes(&text), out);
        if (code == SFS_E_INVALID)
            sfs_fail(error, code, "line", "%s is not base64", what);
        else if (code)
            sfs_fail_memory(error, "line");
    }
    sfs_buffer_free(&text);
    return code;
}

/* {"__type":"text"|"bytes","__value":STRING} */
static int read_wrapped(struct sfs_json json, const char *what, bool text_allowed,
                        struct sfs_buffer *out, struct sfs_error *error)
{
    struct sfs_json type = {0};
    struct sfs_json value = {0};
    const struct sfs_line_member rules[] = {{"__type", &type}, {"__value", &value}, {NULL, NULL}};
    char place[64];
    snprintf(place, sizeof(place), "%s: ", what);
    int code = sfs_line_members(json, place, rules, error);
    if (code)
        return code;
    if (type.text.data && sfs_json_string_equals(type, SFS_LITERAL("bytes")))
        return sfs_line_read_base64(value, "\"__value\"", out, error);
    if (text_allowed && type.text.data && sfs_json_string_equals(type, SFS_LITERAL("text")))
        return sfs_line_read_string(value, "\"__value\"", out, error);
    return sfs_fail(error, SFS_E_INVALID, "line", "%s: \"__type\" must be %s\"bytes\"", what,
                    text_allowed ? "\"text\", \"runs\" or " : "");
}

int sfs_line_read_name(struct sfs_json json, const char *what, struct sfs_buffer *out,
                       struct sfs_error *error)
{
    if (json.text.data && json.type == SFS_JSON_OBJECT)
        return read_wrapped(json, what, false, out, error);
    return sfs_line_read_string(json, what, out, error);
}

/* "text" must say what "value" says: a line in which only one of them was edited is refused rather
 * than one of the two ignored. `out` holds the compact value and gets the text instead. */
static int read_text(struct sfs_json text, struct sfs_buffer *out, struct sfs_error *error)
{
    struct sfs_buffer bytes = {0};
    struct sfs_buffer compact = {0};
    struct sfs_json json;
    int code = sfs_line_read_string(text, "\"text\"", &bytes, error);
    if (code == 0 && sfs_json_parse(sfs_buffer_bytes(&bytes), &json, NULL) &&
        sfs_json_compact(json, &compact))
        code = sfs_fail_memory(error, "line");
    if (code == 0 && !sfs_bytes_equal(sfs_buffer_bytes(&compact), sfs_buffer_bytes(out)))
        code = sfs_fail(error, SFS_E_INVALID, "line",
                        "\"text\" is not the text of \"value\": leave out \"text\" where the value "
                        "was edited");
    if (code == 0) {
        struct sfs_buffer old = *out;
        *out = bytes;
        bytes = old;
    }
    sfs_buffer_free(&bytes);
    sfs_buffer_free(&compact);
    return code;
}

/* {"__type":"runs","__size":NUMBER,"__value":[[OFFSET,BASE64],…]} */
static int read_runs(struct sfs_json json, struct sfs_line_runs *runs, struct sfs_error *error)
{
    struct sfs_json type = {0};
    struct sfs_json size = {0};
    struct sfs_json value = {0};
    const struct sfs_line_member rules[] = {
        {"__type", &type}, {"__size", &size}, {"__value", &value}, {NULL, NULL}};
    int code = sfs_line_members(json, "\"value\": ", rules, error);
    return code ? code : sfs_line_read_runs(size, value, runs, error);
}

static int read_value(struct sfs_json value, struct sfs_json text, struct sfs_buffer *out,
                      struct sfs_line_runs *runs, struct sfs_error *error)
{
    struct sfs_json type;
    if (sfs_json_member(value, SFS_LITERAL("__type"), &type)) {
        if (text.text.data)
            return sfs_fail(error, SFS_E_INVALID, "line",
                            "\"text\" cannot stand beside a value that is wrapped");
        if (sfs_json_string_equals(type, SFS_LITERAL("runs")))
            return read_runs(value, runs, error);
        return read_wrapped(value, "\"value\"", true, out, error);
    }
    if (sfs_json_compact(value, out))
        return sfs_fail_memory(error, "line");
    return text.text.data ? read_text(text, out, error) : 0;
}

/* What a line says, decoded. */
struct content {
    struct sfs_buffer name;
    struct sfs_buffer value;
    struct sfs_line_runs runs; /* instead, if it has a size */
    bool has_attributes;
    struct sfs_line_attributes attributes;
};

static void content_free(struct content *content)
{
    sfs_buffer_free(&content->name);
    sfs_buffer_free(&content->value);
    sfs_line_runs_free(&content->runs);
    sfs_buffer_free(&content->attributes.xattrs);
}

static int read_name(struct sfs_json key, struct content *content, struct sfs_error *error)
{
    bool marker = content->attributes.attributes.kind == SFS_KIND_MARKER;
    int code = sfs_line_read_name(key, "\"key\"", &content->name, error);
    if (code)
        return code;
    if (!marker)
        return sfs_key_check(sfs_buffer_bytes(&content->name), error);
    if (sfs_buffer_byte(&content->name, '\0'))
        return sfs_fail_memory(error, "line");
    return sfs_name_check(sfs_buffer_bytes(&content->name), error);
}

static int check_value(struct sfs_json value, const struct content *content,
                       struct sfs_error *error)
{
    bool marker = content->attributes.attributes.kind == SFS_KIND_MARKER;
    if (!marker && !value.text.data)
        return expected("\"value\"", "given", value, error);
    if (marker && content->value.size > 0)
        return sfs_fail(error, SFS_E_INVALID, "line", "a marker has no value");
    if (content->runs.size > 0 && content->attributes.attributes.kind != SFS_KIND_VALUE)
        return sfs_fail(error, SFS_E_INVALID, "line", "only the value of a key can be runs");
    return 0;
}

static int read_content(struct sfs_json line, struct content *content, struct sfs_error *error)
{
    struct sfs_json key = {0};
    struct sfs_json value = {0};
    struct sfs_json text = {0};
    struct sfs_json attributes = {0};
    const struct sfs_line_member rules[] = {
        {"key", &key}, {"value", &value}, {"text", &text}, {"attributes", &attributes}, {NULL, NULL},
    };
    int code = sfs_line_members(line, "", rules, error);
    if (code == 0 && attributes.text.data) {
        content->has_attributes = true;
        code = sfs_line_read_attributes(attributes, &content->attributes, error);
    }
    if (code == 0)
        code = read_name(key, content, error);
    if (code == 0 && text.text.data && !value.text.data)
        code = expected("\"value\"", "given beside \"text\"", value, error);
    if (code == 0 && value.text.data)
        code = read_value(value, text, &content->value, &content->runs, error);
    return code ? code : check_value(value, content, error);
}

static int add_xattrs(struct sfs_batch *batch, struct sfs_bytes name,
                      const struct sfs_line_attributes *read, struct sfs_error *error)
{
    size_t position = 0;
    struct sfs_bytes xattr;
    struct sfs_bytes value;
    int code = 0;
    while (code == 0 &&
           sfs_xattr_next(sfs_buffer_bytes(&read->xattrs), &position, &xattr, &value)) {
        /* An empty value is not the absent one, which removes. */
        if (!value.data)
            value.data = "";
        code = sfs_batch_xattr(batch, name, xattr, value, 0, error);
    }
    /* Setting an extended attribute moves the time of change: put it back. */
    if (code == 0 && read->xattrs.size > 0 && (read->mask & SFS_ATTRIBUTE_CHANGED))
        code = sfs_batch_attributes(batch, name, &read->attributes, SFS_ATTRIBUTE_CHANGED, error);
    return code;
}

/* The zeros are never in memory. The times of the put are put back. */
static int add_runs(struct sfs_batch *batch, struct sfs_bytes name, const struct content *content,
                    struct sfs_error *error)
{
    const struct sfs_line_runs *runs = &content->runs;
    const struct sfs_line_attributes *read = &content->attributes;
    unsigned times = read->mask & (SFS_ATTRIBUTE_MODIFIED | SFS_ATTRIBUTE_CHANGED);
    if (runs->size == 0)
        return 0;
    int code = sfs_batch_truncate(batch, name, runs->size, error);
    if (code == 0 && runs->count > 0)
        code = sfs_batch_patch(batch, name, runs->parts, runs->count,
                               sfs_buffer_bytes(&runs->bytes), NULL, 0, error);
    return code || !times ? code
                          : sfs_batch_attributes(batch, name, &read->attributes, times, error);
}

static int add_content(struct sfs_batch *batch, const struct content *content,
                       struct sfs_error *error)
{
    const struct sfs_line_attributes *read = &content->attributes;
    struct sfs_bytes name = sfs_buffer_bytes(&content->name);
    /* A large value keeps its type when a part of it changes: that of a zero. */
    struct sfs_bytes value =
        content->runs.size ? sfs_bytes("", 1) : sfs_buffer_bytes(&content->value);
    int code = sfs_batch_put(batch, name, value, content->has_attributes ? &read->attributes : NULL,
                             read->mask, error);
    if (code == 0)
        code = add_runs(batch, name, content, error);
    return code ? code : add_xattrs(batch, name, read, error);
}

static int parse_line(struct sfs_bytes line, struct content *content, struct sfs_error *error)
{
    struct sfs_json json;
    struct sfs_json_problem problem;
    if (line.size > SFS_LINE_MAX)
        return sfs_fail(error, SFS_E_TOO_LARGE, "line", "a line has at most %zu bytes, not %zu",
                        SFS_LINE_MAX, line.size);
    if (!sfs_json_parse(line, &json, &problem))
        return sfs_fail(error, SFS_E_INVALID, "line", "not JSON: at column %zu %s",
                        problem.offset + 1, problem.reason);
    if (json.type != SFS_JSON_OBJECT)
        return expected("a line", "an object with \"key\" and \"value\"", json, error);
    return read_content(json, content, error);
}

int sfs_line_read(struct sfs_bytes line, struct sfs_batch *batch, struct sfs_error *error)
{
    struct content content = {0};
    int code = parse_line(line, &content, error);
    if (code == 0)
        code = add_content(batch, &content, error);
    content_free(&content);
    return code;
}

/* The first member decides, so that a record is not parsed twice. */
static bool begins_as_index(struct sfs_bytes line)
{
    static const char name[] = "\"index\"";
    const char *text = line.data;
    size_t at = 0;
    for (bool open = false; at < line.size; at++) {
        if (text[at] == '{' && !open)
            open = true;
        else if (text[at] != ' ' && text[at] != '\t')
            break;
    }
    return line.size - at >= sizeof(name) - 1 && memcmp(text + at, name, sizeof(name) - 1) == 0;
}

int sfs_line_read_index(struct sfs_bytes line, struct sfs_buffer *name, struct sfs_error *error)
{
    struct sfs_json json;
    struct sfs_json index = {0};
    const struct sfs_line_member rules[] = {{"index", &index}, {NULL, NULL}};
    if (!begins_as_index(line) || !sfs_json_parse(line, &json, NULL))
        return 0;
    int code = sfs_line_members(json, "", rules, error);
    if (code == 0)
        code = sfs_line_read_name(index, "\"index\"", name, error);
    return code ? code : 1;
}

int sfs_line_key(struct sfs_bytes line, struct sfs_buffer *key, struct sfs_error *error)
{
    struct content content = {0};
    int code = parse_line(line, &content, error);
    if (code == 0 && sfs_buffer_add(key, sfs_buffer_bytes(&content.name)))
        code = sfs_fail_memory(error, "line");
    content_free(&content);
    return code;
}
