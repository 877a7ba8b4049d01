/* SPDX-License-Identifier: MIT */
/*
 * Writes a record as a line of NDJSON: storefs/bulk.h describes the form. Content that is JSON stands
 * in "value" as it is, everything else wrapped, so that reading the line restores every byte.
 */
#include <inttypes.h>

#include "bulk/line.h"
#include "util/base64.h"
#include "util/utf8.h"

#define WHOLE_MAX ((uint64_t)64 << 20)

static const char *const kind_names[] = {
    [SFS_KIND_VALUE] = "value",   [SFS_KIND_MARKER] = "marker",
    [SFS_KIND_SYMLINK] = "symlink", [SFS_KIND_FIFO] = "fifo",
    [SFS_KIND_SOCKET] = "socket", [SFS_KIND_CHARACTER] = "character",
    [SFS_KIND_BLOCK] = "block",
};

const char *sfs_kind_name(enum sfs_kind kind)
{
    size_t index = (size_t)kind;
    return index < sizeof(kind_names) / sizeof(kind_names[0]) ? kind_names[index] : NULL;
}

uint32_t sfs_line_default_mode(enum sfs_kind kind)
{
    return kind == SFS_KIND_MARKER ? SFS_MODE_MARKER_DEFAULT : SFS_MODE_DEFAULT;
}

static int add(struct sfs_buffer *out, const char *text)
{
    return sfs_buffer_append(out, text, strlen(text));
}

static int write_wrapped_bytes(struct sfs_buffer *out, struct sfs_bytes bytes)
{
    int code = add(out, "{\"__type\":\"bytes\",\"__value\":\"");
    if (code == 0)
        code = sfs_base64_encode(bytes, out);
    return code ? code : add(out, "\"}");
}

static int write_wrapped_text(struct sfs_buffer *out, struct sfs_bytes text)
{
    int code = add(out, "{\"__type\":\"text\",\"__value\":");
    if (code == 0)
        code = sfs_json_string_encode(text, out);
    return code ? code : sfs_buffer_byte(out, '}');
}

static int write_name(struct sfs_buffer *out, struct sfs_bytes name)
{
    return sfs_utf8_valid(name) ? sfs_json_string_encode(name, out) : write_wrapped_bytes(out, name);
}

/* Whether the value can stand in a line, which is one level deeper and must stay within what the
 * reader's scanner takes. */
static bool fits_depth(struct sfs_bytes json)
{
    size_t depth = 0;
    bool quoted = false;
    const char *text = json.data;
    for (size_t i = 0; i < json.size; i++) {
        if (quoted && text[i] == '\\')
            i++;
        else if (text[i] == '"')
            quoted = !quoted;
        else if (!quoted && (text[i] == '[' || text[i] == '{') && ++depth >= SFS_JSON_DEPTH)
            return false;
        else if (!quoted && (text[i] == ']' || text[i] == '}'))
            depth--;
    }
    return true;
}

static bool stands_as_json(const struct sfs_record *record, struct sfs_json *ret_json)
{
    const struct sfs_attributes *attributes = &record->attributes;
    if (attributes->type != SFS_TYPE_JSON && !attributes->type_set)
        return false;
    struct sfs_bytes value = sfs_record_value(record);
    struct sfs_json json;
    struct sfs_json ignored;
    if (!sfs_json_parse(value, &json, NULL))
        return false;
    if (sfs_json_member(json, SFS_LITERAL("__type"), &ignored))
        return false;
    if (json.text.size >= SFS_JSON_DEPTH && !fits_depth(json.text))
        return false;
    *ret_json = json;
    return true;
}

static int write_json(struct sfs_buffer *out, struct sfs_json json, struct sfs_bytes value)
{
    size_t start = out->size;
    int code = sfs_json_compact(json, out);
    if (code || sfs_bytes_equal(sfs_bytes(out->data + start, out->size - start), value))
        return code;
    code = add(out, ",\"text\":");
    return code ? code : sfs_json_string_encode(value, out);
}

/* What the text takes as a string of JSON, without the quotes. */
static size_t escaped_size(struct sfs_bytes text)
{
    const unsigned char *bytes = text.data;
    size_t size = text.size;
    for (size_t i = 0; i < text.size; i++) {
        if (bytes[i] == '"' || bytes[i] == '\\' || (bytes[i] && strchr("\b\t\n\f\r", bytes[i])))
            size += 1;
        else if (bytes[i] < 0x20)
            size += 5;
    }
    return size;
}

/* In the shortest of three forms; only a key's value can be set in parts. */
static int write_wrapped(struct sfs_buffer *out, const struct sfs_record *record,
                         struct sfs_error *error)
{
    struct sfs_bytes value = sfs_record_value(record);
    size_t base64 = (value.size + 2) / 3 * 4;
    size_t text = sfs_utf8_valid(value) ? escaped_size(value) : SIZE_MAX;
    size_t least = text < base64 ? text : base64;
    if (least > 64 && sfs_record_is_key(record) && sfs_line_runs_size(value) < least)
        return sfs_line_write_runs(out, value, error);
    return text <= base64 ? write_wrapped_text(out, value) : write_wrapped_bytes(out, value);
}

static int write_loaded(struct sfs_buffer *out, const struct sfs_record *record,
                        struct sfs_error *error)
{
    struct sfs_bytes value = sfs_record_value(record);
    struct sfs_json json;
    return stands_as_json(record, &json) ? write_json(out, json, value)
                                         : write_wrapped(out, record, error);
}

/* Whether the store keeps all of the value: 1 or 0, or an error. */
static int is_whole(struct sfs_storage *store, const struct sfs_record *record,
                    struct sfs_error *error)
{
    struct sfs_extent extent;
    int code = sfs_data(store, record->name, 0, &extent, error);
    return code > 0 ? extent.offset == 0 && extent.size >= record->size : code;
}

/* Whether it is better read piece by piece: one with holes has NUL bytes, so it is not JSON, and a
 * large one that is bytes gains nothing by being read whole. 1 or 0, or an error. */
static int goes_as_runs(struct sfs_storage *store, const struct sfs_record *record,
                        struct sfs_error *error)
{
    int code = is_whole(store, record, error);
    if (code <= 0)
        return code < 0 ? code : 1;
    return record->attributes.type == SFS_TYPE_BYTES && record->size > WHOLE_MAX;
}

static int write_absent(struct sfs_buffer *out, struct sfs_storage *store,
                        const struct sfs_record *record, struct sfs_error *error)
{
    const struct sfs_record *loaded;
    int code = goes_as_runs(store, record, error);
    if (code > 0)
        return sfs_line_write_holes(out, store, record, error);
    if (code == 0 && record->size > SFS_LINE_MAX)
        return sfs_line_too_long(error);
    code = code < 0 ? code : sfs_get(store, record->name, SFS_WANT_VALUE, &loaded, error);
    if (code)
        return code;
    code = loaded->revision == record->revision
               ? write_loaded(out, loaded, error)
               : sfs_fail(error, SFS_E_CONFLICT, "line", "the value was changed meanwhile");
    sfs_record_unref(loaded);
    return code;
}

static int write_value(struct sfs_buffer *out, struct sfs_storage *store,
                       const struct sfs_record *record, struct sfs_error *error)
{
    if (record->attributes.kind == SFS_KIND_MARKER && record->size == 0)
        return 0;
    int code = add(out, ",\"value\":");
    if (code)
        return code;
    return sfs_record_has_value(record) ? write_loaded(out, record, error)
                                        : write_absent(out, store, record, error);
}

static int write_xattr(struct sfs_buffer *out, bool first, struct sfs_bytes name,
                       struct sfs_bytes value)
{
    int code = add(out, first ? ",\"xattrs\":[{\"name\":" : ",{\"name\":");
    if (code == 0)
        code = write_name(out, name);
    if (code == 0)
        code = add(out, ",\"value\":\"");
    if (code == 0)
        code = sfs_base64_encode(value, out);
    return code ? code : add(out, "\"}");
}

static int write_xattrs(struct sfs_buffer *out, struct sfs_bytes xattrs)
{
    size_t position = 0;
    struct sfs_bytes name;
    struct sfs_bytes value;
    bool first = true;
    while (sfs_xattr_next(xattrs, &position, &name, &value)) {
        int code = write_xattr(out, first, name, value);
        if (code)
            return code;
        first = false;
    }
    return first ? 0 : sfs_buffer_byte(out, ']');
}

static int write_kind(struct sfs_buffer *out, const struct sfs_attributes *attributes)
{
    if (attributes->kind == SFS_KIND_VALUE)
        return 0;
    return sfs_buffer_printf(out, ",\"kind\":\"%s\"", sfs_kind_name(attributes->kind));
}

static int write_owner(struct sfs_buffer *out, const struct sfs_attributes *attributes)
{
    int code = 0;
    if (attributes->mode != sfs_line_default_mode(attributes->kind))
        code = sfs_buffer_printf(out, ",\"mode\":\"%04" PRIo32 "\"", attributes->mode);
    if (code == 0 && attributes->uid != SFS_OWNER_NONE)
        code = sfs_buffer_printf(out, ",\"uid\":%" PRIu32, attributes->uid);
    if (code == 0 && attributes->gid != SFS_OWNER_NONE)
        code = sfs_buffer_printf(out, ",\"gid\":%" PRIu32, attributes->gid);
    if (code == 0 && attributes->device != 0)
        code = sfs_buffer_printf(out, ",\"device\":\"%" PRIu64 "\"", attributes->device);
    if (code == 0 && attributes->type_set)
        code = sfs_buffer_printf(out, ",\"type\":\"%s\"", sfs_type_name(attributes->type));
    return code;
}

static int write_times(struct sfs_buffer *out, const struct sfs_attributes *attributes)
{
    return sfs_buffer_printf(out,
                             ",\"created\":\"%" PRId64 "\",\"accessed\":\"%" PRId64
                             "\",\"modified\":\"%" PRId64 "\",\"changed\":\"%" PRId64 "\"",
                             attributes->created, attributes->accessed, attributes->modified,
                             attributes->changed);
}

/* Each member is written with a comma before it; the first one's becomes the brace. */
static int write_attributes(struct sfs_buffer *out, const struct sfs_record *record, bool all)
{
    int code = add(out, ",\"attributes\":");
    size_t start = out->size;
    if (code == 0)
        code = write_kind(out, &record->attributes);
    if (code == 0 && all)
        code = write_owner(out, &record->attributes);
    if (code == 0 && all)
        code = write_times(out, &record->attributes);
    if (code == 0 && all)
        code = write_xattrs(out, record->xattrs);
    if (code)
        return code;
    out->data[start] = '{';
    return sfs_buffer_byte(out, '}');
}

static int write_line(struct sfs_buffer *out, struct sfs_storage *store,
                      const struct sfs_record *record, bool attributes, struct sfs_error *error)
{
    struct sfs_bytes name = record->name;
    if (sfs_name_is_marker(name))
        name.size--;
    int code = add(out, "{\"key\":");
    if (code == 0)
        code = write_name(out, name);
    if (code == 0)
        code = write_value(out, store, record, error);
    /* Without its kind a marker would be read as a key: the kind is no mere attribute. */
    if (code == 0 && (attributes || !sfs_record_is_key(record)))
        code = write_attributes(out, record, attributes);
    return code ? code : add(out, "}\n");
}

/* `store` NULL: the record has its value. */
static int write_checked(struct sfs_buffer *out, struct sfs_storage *store,
                         const struct sfs_record *record, bool attributes, struct sfs_error *error)
{
    char shown[128];
    bool loaded = store || sfs_record_has_value(record);
    if (!loaded || !sfs_kind_name(record->attributes.kind))
        return sfs_fail(error, SFS_E_INVALID, "line", "\"%s\" cannot be written as a line: %s",
                        sfs_name_show(record->name, shown, sizeof(shown)),
                        loaded ? "its kind is not known" : "its value is not loaded");
    size_t start = out->size;
    int code = write_line(out, store, record, attributes, error);
    if (code == 0)
        return 0;
    out->size = start;
    return code == SFS_E_NO_MEMORY ? sfs_fail_memory(error, "line") : code;
}

int sfs_line_write(struct sfs_buffer *out, const struct sfs_record *record, bool attributes,
                   struct sfs_error *error)
{
    return write_checked(out, NULL, record, attributes, error);
}

int sfs_line_write_from(struct sfs_buffer *out, struct sfs_storage *store,
                        const struct sfs_record *record, struct sfs_error *error)
{
    return write_checked(out, store, record, true, error);
}

int sfs_line_too_long(struct sfs_error *error)
{
    return sfs_fail(error, SFS_E_TOO_LARGE, "line",
                    "its line would be longer than the %zu bytes that an import takes",
                    SFS_LINE_MAX);
}

int sfs_line_write_index(struct sfs_buffer *out, struct sfs_bytes index)
{
    int code = add(out, "{\"index\":");
    if (code == 0)
        code = write_name(out, index);
    return code ? code : add(out, "}\n");
}
