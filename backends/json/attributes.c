/* SPDX-License-Identifier: MIT */
/* Writing and reading PATH.attrs. */
#include "attributes.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "text.h"
#include "util/base64.h"
#include "util/file.h"
#include "util/json.h"

#define ORIGIN "json"
#define FORMAT 1

static const char *const kinds[] = {
    [SFS_KIND_VALUE] = "value", [SFS_KIND_MARKER] = "marker", [SFS_KIND_SYMLINK] = "symlink",
    [SFS_KIND_FIFO] = "fifo",   [SFS_KIND_SOCKET] = "socket", [SFS_KIND_CHARACTER] = "character",
    [SFS_KIND_BLOCK] = "block",
};
static const char *const types[] = {
    [SFS_TYPE_BYTES] = "bytes",
    [SFS_TYPE_TEXT] = "text",
    [SFS_TYPE_JSON] = "json",
};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static uint32_t default_mode(enum sfs_kind kind)
{
    return kind == SFS_KIND_MARKER ? SFS_MODE_MARKER_DEFAULT : SFS_MODE_DEFAULT;
}

/* --- writing --- */

static int add_bytes(struct sfs_buffer *body, const char *name, struct sfs_bytes bytes)
{
    if (bytes.size == 0)
        return 0;
    if (sfs_buffer_printf(body, ", \"%s\": \"", name) || sfs_base64_encode(bytes, body))
        return SFS_E_NO_MEMORY;
    return sfs_buffer_byte(body, '"');
}

static int add_number(struct sfs_buffer *body, const char *name, uint64_t number, uint64_t usual)
{
    return number == usual ? 0 : sfs_buffer_printf(body, ", \"%s\": %" PRIu64, name, number);
}

static int add_time(struct sfs_buffer *body, const char *name, int64_t time, int64_t usual)
{
    return time == usual ? 0 : sfs_buffer_printf(body, ", \"%s\": %" PRId64, name, time);
}

static int add_name(struct sfs_buffer *body, const char *name, const char *value)
{
    return sfs_buffer_printf(body, ", \"%s\": \"%s\"", name, value);
}

static int add_members(struct sfs_buffer *body, const struct sfs_record *record)
{
    const struct sfs_attributes *a = &record->attributes;
    int failed =
        sfs_buffer_printf(body,
                          "{\"id\": %" PRIu64 ", \"revision\": %" PRIu64 ", \"modified\": %" PRId64,
                          a->id, record->revision, a->modified) ||
        add_time(body, "created", a->created, a->modified) ||
        add_time(body, "accessed", a->accessed, a->modified) ||
        add_time(body, "changed", a->changed, a->modified) ||
        (a->kind != SFS_KIND_VALUE && add_name(body, "kind", kinds[a->kind])) ||
        (a->type_set && add_name(body, "type", types[a->type])) ||
        add_number(body, "mode", a->mode, default_mode(a->kind)) ||
        add_number(body, "uid", a->uid, SFS_OWNER_NONE) ||
        add_number(body, "gid", a->gid, SFS_OWNER_NONE) ||
        add_number(body, "device", a->device, 0) || add_bytes(body, "xattrs", record->xattrs) ||
        (a->kind != SFS_KIND_VALUE && add_bytes(body, "value", sfs_record_value(record)));
    return failed ? SFS_E_NO_MEMORY : sfs_buffer_byte(body, '}');
}

int sfs_json_attributes_add(const struct sfs_record *record, bool first, struct sfs_buffer *body)
{
    if (sfs_buffer_add(body, first ? SFS_LITERAL("\n") : SFS_LITERAL(",\n")) ||
        sfs_json_name_write(record->name, body) || sfs_buffer_append(body, ": ", 2))
        return SFS_E_NO_MEMORY;
    return add_members(body, record);
}

static int add_indexes(const struct sfs_index_set *indexes, struct sfs_buffer *buffer)
{
    const char *before = "\"indexes\": [";
    int failed = 0;
    for (size_t i = 0; !failed && indexes && i < indexes->count; i++) {
        if (!indexes->indexes[i]->ready)
            continue;
        failed = sfs_buffer_add(buffer, sfs_string(before)) ||
                 sfs_json_string_encode(sfs_string(indexes->indexes[i]->name), buffer);
        before = ", ";
    }
    if (!failed && before[0] == ',')
        failed = sfs_buffer_add(buffer, SFS_LITERAL("],\n"));
    return failed ? SFS_E_NO_MEMORY : 0;
}

int sfs_json_attributes_text(struct sfs_bytes body, uint64_t hash, uint64_t sequence,
                             uint64_t last_id, const struct sfs_index_set *indexes,
                             struct sfs_buffer *buffer)
{
    if (sfs_buffer_printf(buffer,
                          "{\n\"format\": %d,\n\"hash\": \"%016" PRIx64
                          "\",\n\"sequence\": %" PRIu64 ",\n\"lastId\": %" PRIu64 ",\n",
                          FORMAT, hash, sequence, last_id) ||
        add_indexes(indexes, buffer) || sfs_buffer_add(buffer, SFS_LITERAL("\"records\": {")) ||
        sfs_buffer_add(buffer, body))
        return SFS_E_NO_MEMORY;
    return sfs_buffer_add(buffer, SFS_LITERAL("\n}\n}\n"));
}

/* --- reading --- */

/* One object's members; the first that is not what it should be ends up in `wrong`. */
struct members {
    struct sfs_json object;
    const char *wrong;
};

static bool member(struct members *members, const char *name, enum sfs_json_type type,
                   struct sfs_json *ret_value)
{
    if (!sfs_json_member(members->object, sfs_string(name), ret_value))
        return false;
    if (ret_value->type == type)
        return true;
    members->wrong = name;
    return false;
}

static bool number_text(struct members *members, const char *name, char text[32])
{
    struct sfs_json value;
    if (!member(members, name, SFS_JSON_NUMBER, &value))
        return false;
    if (value.text.size >= 32) {
        members->wrong = name;
        return false;
    }
    memcpy(text, value.text.data, value.text.size);
    text[value.text.size] = '\0';
    return true;
}

static uint64_t number(struct members *members, const char *name, uint64_t usual, uint64_t most)
{
    char text[32];
    char *end = NULL;
    if (!number_text(members, name, text))
        return usual;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (*end || errno || text[0] == '-' || value > most)
        members->wrong = name;
    return value;
}

static int64_t moment(struct members *members, const char *name, int64_t usual)
{
    char text[32];
    char *end = NULL;
    if (!number_text(members, name, text))
        return usual;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (*end || errno)
        members->wrong = name;
    return value;
}

/* The index of a word in a list; `usual` where the member is missing. */
static unsigned word(struct members *members, const char *name, const char *const *words,
                     size_t count, unsigned usual)
{
    struct sfs_json value;
    if (!member(members, name, SFS_JSON_STRING, &value))
        return usual;
    for (unsigned i = 0; i < count; i++) {
        if (sfs_json_string_equals(value, sfs_string(words[i])))
            return i;
    }
    members->wrong = name;
    return usual;
}

static int base64(struct members *members, const char *name, struct sfs_buffer *buffer)
{
    struct sfs_json value;
    struct sfs_buffer text = {0};
    if (!member(members, name, SFS_JSON_STRING, &value))
        return 0;
    int result = sfs_json_string_decode(value, &text);
    if (!result)
        result = sfs_base64_decode(sfs_buffer_bytes(&text), buffer);
    sfs_buffer_free(&text);
    if (result == SFS_E_INVALID)
        members->wrong = name;
    return result == SFS_E_INVALID ? 0 : result;
}

static uint64_t read_members(struct members *members, struct sfs_attributes *ret_attributes)
{
    struct sfs_attributes *a = ret_attributes;
    struct sfs_json type;
    a->id = number(members, "id", 0, INT64_MAX);
    a->modified = moment(members, "modified", 0);
    a->created = moment(members, "created", a->modified);
    a->accessed = moment(members, "accessed", a->modified);
    a->changed = moment(members, "changed", a->modified);
    a->kind = (enum sfs_kind)word(members, "kind", kinds, COUNT(kinds), SFS_KIND_VALUE);
    a->type = (enum sfs_type)word(members, "type", types, COUNT(types), SFS_TYPE_TEXT);
    a->type_set = member(members, "type", SFS_JSON_STRING, &type);
    a->mode = (uint32_t)number(members, "mode", default_mode(a->kind), 07777);
    a->uid = (uint32_t)number(members, "uid", SFS_OWNER_NONE, UINT32_MAX);
    a->gid = (uint32_t)number(members, "gid", SFS_OWNER_NONE, UINT32_MAX);
    a->device = number(members, "device", 0, UINT64_MAX);
    if (a->id == 0)
        members->wrong = "id";
    return number(members, "revision", 0, INT64_MAX);
}

struct reading {
    const char *path;
    struct sfs_json_attributes *attributes;
    struct sfs_error *error;
};

static int fail_damaged(const struct reading *reading, const char *what)
{
    return sfs_fail(reading->error, SFS_E_CORRUPT, ORIGIN,
                    "'%s' is damaged: %s (move it away to open the store without attributes)",
                    reading->path, what);
}

static const struct sfs_record *make_record(struct members *members, struct sfs_bytes name)
{
    struct sfs_attributes attributes = {0};
    struct sfs_buffer xattrs = {0};
    struct sfs_buffer value = {0};
    const struct sfs_record *record = NULL;
    struct sfs_blob *blob = NULL;
    uint64_t revision = read_members(members, &attributes);
    if (!base64(members, "xattrs", &xattrs) && !base64(members, "value", &value))
        blob = sfs_blob_new(sfs_buffer_bytes(&value));
    if (blob)
        record = sfs_record_new(name, revision, value.size, &attributes, sfs_buffer_bytes(&xattrs),
                                blob);
    sfs_blob_unref(blob);
    sfs_buffer_free(&xattrs);
    sfs_buffer_free(&value);
    return record;
}

static int read_record(const struct reading *reading, struct sfs_bytes name, struct sfs_json object)
{
    struct members members = {object, object.type == SFS_JSON_OBJECT ? NULL : "a record"};
    if (sfs_name_check(name, NULL))
        return fail_damaged(reading, "a record's name cannot be one");
    const struct sfs_record *record = make_record(&members, name);
    if (!record)
        return sfs_fail_memory(reading->error, ORIGIN);
    int result = 0;
    if (members.wrong)
        result = fail_damaged(reading, members.wrong);
    else if (sfs_xattr_check(record->xattrs, NULL))
        result = fail_damaged(reading, "xattrs");
    else if (sfs_name_is_marker(name) != (record->attributes.kind == SFS_KIND_MARKER))
        result = fail_damaged(reading, "kind");
    else if (sfs_tree_insert(&reading->attributes->records, record->name, (void *)record))
        result = sfs_fail_memory(reading->error, ORIGIN);
    sfs_record_unref(record);
    return result;
}

static int read_records(const struct reading *reading, struct sfs_json records)
{
    struct sfs_json literal;
    struct sfs_json value;
    struct sfs_buffer name = {0};
    int result = 0;
    struct sfs_json_cursor cursor = sfs_json_begin(records);
    while (!result && sfs_json_next_member(&cursor, &literal, &value)) {
        name.size = 0;
        result = sfs_json_name_read(literal, &name);
        if (result == SFS_E_INVALID)
            result = fail_damaged(reading, "a record's name cannot be one");
        else if (result)
            result = sfs_fail_memory(reading->error, ORIGIN);
        else
            result = read_record(reading, sfs_buffer_bytes(&name), value);
    }
    sfs_buffer_free(&name);
    return result;
}

static int read_indexes(const struct reading *reading, struct sfs_json list)
{
    struct sfs_buffer *indexes = &reading->attributes->indexes;
    struct sfs_json name;
    struct sfs_json_cursor cursor = sfs_json_begin(list);
    while (sfs_json_next_element(&cursor, &name)) {
        int result = sfs_json_string_decode(name, indexes);
        if (result == SFS_E_INVALID)
            return fail_damaged(reading, "indexes");
        if (result || sfs_buffer_byte(indexes, '\0'))
            return sfs_fail_memory(reading->error, ORIGIN);
    }
    return 0;
}

static bool read_hash(struct sfs_json literal, uint64_t *ret_hash)
{
    char text[17] = {0};
    char *end = NULL;
    if (literal.text.size != 18)
        return false;
    memcpy(text, (const char *)literal.text.data + 1, 16);
    *ret_hash = strtoull(text, &end, 16);
    return *end == '\0';
}

static int read_text(const struct reading *reading, struct sfs_bytes text)
{
    struct sfs_json_attributes *attributes = reading->attributes;
    struct sfs_json root;
    struct sfs_json hash;
    struct sfs_json indexes;
    struct sfs_json records;
    struct sfs_json_problem problem;
    if (!sfs_json_parse(text, &root, &problem))
        return fail_damaged(reading, problem.reason);
    struct members members = {root, NULL};
    uint64_t format = number(&members, "format", 0, UINT64_MAX);
    if (format > FORMAT && !members.wrong)
        return sfs_fail(reading->error, SFS_E_TOO_NEW, ORIGIN,
                        "'%s' has format %llu, and this version of storefs reads up to %d",
                        reading->path, (unsigned long long)format, FORMAT);
    attributes->sequence = number(&members, "sequence", 0, INT64_MAX);
    attributes->last_id = number(&members, "lastId", 0, INT64_MAX);
    if (format != FORMAT || !member(&members, "hash", SFS_JSON_STRING, &hash) ||
        !read_hash(hash, &attributes->hash) ||
        !member(&members, "records", SFS_JSON_OBJECT, &records) || members.wrong)
        return fail_damaged(reading, "it does not begin as it should");
    int result = 0;
    if (member(&members, "indexes", SFS_JSON_ARRAY, &indexes))
        result = read_indexes(reading, indexes);
    else if (members.wrong)
        result = fail_damaged(reading, members.wrong);
    return result ? result : read_records(reading, records);
}

static void record_ref(void *item)
{
    (void)sfs_record_ref(item);
}

static void record_unref(void *item)
{
    sfs_record_unref(item);
}

static const struct sfs_tree_counting counting = {record_ref, record_unref};

int sfs_json_attributes_read(const char *path, struct sfs_json_attributes *ret_attributes,
                             struct sfs_error *error)
{
    struct sfs_buffer text = {0};
    struct sfs_json_attributes attributes = {.found = true};
    struct reading reading = {path, &attributes, error};
    sfs_tree_init(&attributes.records, &counting);
    struct sfs_error failure = {0};
    int result = sfs_file_read(path, SIZE_MAX, &text, &failure);
    if (!result) {
        result = read_text(&reading, sfs_buffer_bytes(&text));
    } else if (result == SFS_E_NOT_FOUND) {
        attributes.found = false;
        result = 0;
    } else if (error) {
        *error = failure;
    }
    sfs_buffer_free(&text);
    if (result)
        sfs_json_attributes_free(&attributes);
    else
        *ret_attributes = attributes;
    return result;
}

void sfs_json_attributes_free(struct sfs_json_attributes *attributes)
{
    if (attributes->records.counting)
        sfs_tree_clear(&attributes->records);
    sfs_buffer_free(&attributes->indexes);
    *attributes = (struct sfs_json_attributes){0};
}
