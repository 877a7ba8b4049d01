/* SPDX-License-Identifier: MIT */
/*
 * Reads the member "attributes" of an NDJSON line (storefs/bulk.h): mode in octal, uid and gid as
 * numbers, times and device as strings of decimal digits, extended attributes as base64.
 */
#include "bulk/line.h"

static int bad(const char *name, const char *form, struct sfs_error *error)
{
    return sfs_fail(error, SFS_E_INVALID, "line", "attributes: \"%s\" must be %s", name, form);
}

/* All of `text` as an unsigned number in `base`, at most `limit`. */
static bool parse_number(struct sfs_bytes text, unsigned base, uint64_t limit, uint64_t *ret_number)
{
    const char *digits = text.data;
    uint64_t number = 0;
    if (text.size == 0)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        unsigned digit = (unsigned)(unsigned char)digits[i] - '0';
        if (digit >= base || number > (limit - digit) / base)
            return false;
        number = number * base + digit;
    }
    *ret_number = number;
    return true;
}

/* What stands between the quotes; empty for anything but a string. */
static struct sfs_bytes inside(struct sfs_json json)
{
    if (json.type != SFS_JSON_STRING)
        return sfs_bytes(NULL, 0);
    return sfs_bytes((const char *)json.text.data + 1, json.text.size - 2);
}

static int read_id(struct sfs_json json, const char *name, uint32_t *ret_id, struct sfs_error *error)
{
    uint64_t number;
    if (json.type != SFS_JSON_NUMBER || !parse_number(json.text, 10, UINT32_MAX, &number))
        return bad(name, "a whole number from 0 to 4294967295", error);
    *ret_id = (uint32_t)number;
    return 0;
}

static int read_mode(struct sfs_json json, uint32_t *ret_mode, struct sfs_error *error)
{
    uint64_t number;
    if (!parse_number(inside(json), 8, 07777, &number))
        return bad("mode", "a string of octal digits up to \"7777\"", error);
    *ret_mode = (uint32_t)number;
    return 0;
}

static int read_time(struct sfs_json json, const char *name, int64_t *ret_time,
                     struct sfs_error *error)
{
    struct sfs_bytes text = inside(json);
    uint64_t number;
    bool negative = text.size > 0 && *(const char *)text.data == '-';
    if (negative)
        text = sfs_bytes((const char *)text.data + 1, text.size - 1);
    if (!parse_number(text, 10, (uint64_t)INT64_MAX + (negative ? 1 : 0), &number))
        return bad(name, "a string of nanoseconds since 1970 in decimal digits", error);
    *ret_time = negative ? (int64_t)(0 - number) : (int64_t)number;
    return 0;
}

static int read_kind(struct sfs_json json, enum sfs_kind *ret_kind, struct sfs_error *error)
{
    for (int kind = 0; sfs_kind_name((enum sfs_kind)kind); kind++) {
        if (sfs_bytes_equal(inside(json), sfs_string(sfs_kind_name((enum sfs_kind)kind)))) {
            *ret_kind = (enum sfs_kind)kind;
            return 0;
        }
    }
    return bad("kind", "\"value\", \"marker\", \"symlink\", \"fifo\", \"socket\", \"character\" or "
                       "\"block\"", error);
}

static int read_type(struct sfs_json json, struct sfs_attributes *attributes, struct sfs_error *error)
{
    for (int type = SFS_TYPE_BYTES; type <= SFS_TYPE_JSON; type++) {
        if (sfs_bytes_equal(inside(json), sfs_string(sfs_type_name((enum sfs_type)type)))) {
            attributes->type = (enum sfs_type)type;
            attributes->type_set = true;
            return 0;
        }
    }
    return bad("type", "\"json\", \"text\" or \"bytes\"", error);
}

static int set_xattr(struct sfs_buffer *xattrs, struct sfs_bytes name, struct sfs_buffer *value,
                     struct sfs_error *error)
{
    struct sfs_buffer changed = {0};
    struct sfs_bytes bytes = value->data ? sfs_buffer_bytes(value) : SFS_LITERAL("");
    int code = sfs_xattr_change(sfs_buffer_bytes(xattrs), name, bytes, SFS_XATTR_CREATE, &changed,
                                error);
    if (code) {
        sfs_buffer_free(&changed);
        return code == SFS_E_EXISTS ? sfs_fail(error, SFS_E_INVALID, "line",
                                               "attributes: an extended attribute is given twice")
                                    : code;
    }
    sfs_buffer_free(xattrs);
    *xattrs = changed;
    return 0;
}

static int read_xattr(struct sfs_json json, struct sfs_buffer *xattrs, struct sfs_error *error)
{
    struct sfs_json name = {0};
    struct sfs_json value = {0};
    const struct sfs_line_member rules[] = {{"name", &name}, {"value", &value}, {NULL, NULL}};
    struct sfs_buffer name_bytes = {0};
    struct sfs_buffer value_bytes = {0};
    if (json.type != SFS_JSON_OBJECT)
        return bad("xattrs", "an array of {\"name\":NAME,\"value\":BASE64}", error);
    int code = sfs_line_members(json, "xattrs: ", rules, error);
    if (code == 0)
        code = sfs_line_read_name(name, "an extended attribute's \"name\"", &name_bytes, error);
    if (code == 0)
        code = sfs_line_read_base64(value, "an extended attribute's \"value\"", &value_bytes, error);
    if (code == 0)
        code = set_xattr(xattrs, sfs_buffer_bytes(&name_bytes), &value_bytes, error);
    sfs_buffer_free(&name_bytes);
    sfs_buffer_free(&value_bytes);
    return code;
}

static int read_xattrs(struct sfs_json json, struct sfs_buffer *xattrs, struct sfs_error *error)
{
    if (json.type != SFS_JSON_ARRAY)
        return bad("xattrs", "an array of {\"name\":NAME,\"value\":BASE64}", error);
    struct sfs_json_cursor cursor = sfs_json_begin(json);
    struct sfs_json element;
    int code = 0;
    while (code == 0 && sfs_json_next_element(&cursor, &element))
        code = read_xattr(element, xattrs, error);
    return code;
}

static int read_device(struct sfs_json json, uint64_t *ret_device, struct sfs_error *error)
{
    if (!parse_number(inside(json), 10, UINT64_MAX, ret_device))
        return bad("device", "a string of decimal digits", error);
    return 0;
}

/* The members as they stand in the line. */
struct members {
    struct sfs_json kind, mode, uid, gid, device, type, xattrs;
    struct sfs_json created, accessed, modified, changed;
};

static int read_times(const struct members *from, struct sfs_line_attributes *to,
                      struct sfs_error *error)
{
    struct sfs_attributes *attributes = &to->attributes;
    const struct {
        const struct sfs_json *json;
        const char *name;
        int64_t *time;
        unsigned mask;
    } rows[] = {
        {&from->created, "created", &attributes->created, SFS_ATTRIBUTE_CREATED},
        {&from->accessed, "accessed", &attributes->accessed, SFS_ATTRIBUTE_ACCESSED},
        {&from->modified, "modified", &attributes->modified, SFS_ATTRIBUTE_MODIFIED},
        {&from->changed, "changed", &attributes->changed, SFS_ATTRIBUTE_CHANGED},
    };
    int code = 0;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) && code == 0; i++) {
        if (!rows[i].json->text.data)
            continue;
        code = read_time(*rows[i].json, rows[i].name, rows[i].time, error);
        to->mask |= rows[i].mask;
    }
    return code;
}

static int read_owner(const struct members *from, struct sfs_attributes *to, struct sfs_error *error)
{
    int code = 0;
    to->mode = sfs_line_default_mode(to->kind);
    to->uid = to->gid = SFS_OWNER_NONE;
    if (from->mode.text.data)
        code = read_mode(from->mode, &to->mode, error);
    if (code == 0 && from->uid.text.data)
        code = read_id(from->uid, "uid", &to->uid, error);
    if (code == 0 && from->gid.text.data)
        code = read_id(from->gid, "gid", &to->gid, error);
    if (code == 0 && from->device.text.data)
        code = read_device(from->device, &to->device, error);
    return code;
}

static int read_members(const struct members *from, struct sfs_line_attributes *to,
                        struct sfs_error *error)
{
    int code = 0;
    to->mask = SFS_ATTRIBUTE_KIND | SFS_ATTRIBUTE_MODE | SFS_ATTRIBUTE_UID | SFS_ATTRIBUTE_GID |
               SFS_ATTRIBUTE_DEVICE;
    if (from->kind.text.data)
        code = read_kind(from->kind, &to->attributes.kind, error);
    if (code == 0)
        code = read_owner(from, &to->attributes, error);
    if (code == 0 && from->type.text.data) {
        code = read_type(from->type, &to->attributes, error);
        to->mask |= SFS_ATTRIBUTE_TYPE;
    }
    if (code == 0)
        code = read_times(from, to, error);
    if (code == 0 && from->xattrs.text.data)
        code = read_xattrs(from->xattrs, &to->xattrs, error);
    return code;
}

int sfs_line_read_attributes(struct sfs_json object, struct sfs_line_attributes *ret_attributes,
                             struct sfs_error *error)
{
    struct members members = {0};
    const struct sfs_line_member rules[] = {
        {"kind", &members.kind},         {"mode", &members.mode},
        {"uid", &members.uid},           {"gid", &members.gid},
        {"device", &members.device},     {"type", &members.type},
        {"xattrs", &members.xattrs},     {"created", &members.created},
        {"accessed", &members.accessed}, {"modified", &members.modified},
        {"changed", &members.changed},   {NULL, NULL},
    };
    if (object.type != SFS_JSON_OBJECT)
        return sfs_fail(error, SFS_E_INVALID, "line", "\"attributes\" must be an object, not %s",
                        sfs_json_type_name(object.type));
    int code = sfs_line_members(object, "attributes: ", rules, error);
    return code ? code : read_members(&members, ret_attributes, error);
}
