/* SPDX-License-Identifier: MIT */
/*
 * Blobs and records: immutable, counted, each in one allocation; and what names and types are.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "storefs/record.h"
#include "util/json.h"
#include "util/memory.h"
#include "util/utf8.h"

struct sfs_blob {
    atomic_size_t references;
    void *memory; /* what is freed with the last: the blob, or the record that it is a part of */
    size_t size;
    char data[];
};

struct sfs_blob *sfs_blob_alloc(size_t size, void **ret_data)
{
    if (!sfs_memory_holds(size))
        return NULL;
    struct sfs_blob *blob = malloc(sizeof(*blob) + size);
    if (!blob)
        return NULL;
    atomic_init(&blob->references, 1);
    blob->memory = blob;
    blob->size = size;
    *ret_data = blob->data;
    return blob;
}

struct sfs_blob *sfs_blob_new(struct sfs_bytes bytes)
{
    void *data;
    struct sfs_blob *blob = sfs_blob_alloc(bytes.size, &data);
    if (blob && bytes.size)
        memcpy(data, bytes.data, bytes.size);
    return blob;
}

struct sfs_blob *sfs_blob_ref(struct sfs_blob *blob)
{
    if (blob)
        atomic_fetch_add_explicit(&blob->references, 1, memory_order_relaxed);
    return blob;
}

/* The last holder must see all that the others did with it before it is freed. */
static bool drop_reference(atomic_size_t *references)
{
    return atomic_fetch_sub_explicit(references, 1, memory_order_acq_rel) == 1;
}

void sfs_blob_unref(struct sfs_blob *blob)
{
    if (blob && drop_reference(&blob->references))
        free(blob->memory);
}

struct sfs_bytes sfs_blob_bytes(const struct sfs_blob *blob)
{
    return blob ? sfs_bytes(blob->data, blob->size) : (struct sfs_bytes){0};
}

/* What is behind the `const struct sfs_record *` that everybody holds. */
struct counted_record {
    struct sfs_record record;
    atomic_size_t references;
    char bytes[]; /* the name, then the extended attributes, and its blob if that is a part of it */
};

static struct counted_record *counted(const struct sfs_record *record)
{
    return (struct counted_record *)(uintptr_t)record;
}

static void fill(struct counted_record *made, struct sfs_bytes name, uint64_t revision,
                 uint64_t size, const struct sfs_attributes *attributes, struct sfs_bytes xattrs,
                 struct sfs_blob *blob)
{
    if (name.size)
        memcpy(made->bytes, name.data, name.size);
    if (xattrs.size)
        memcpy(made->bytes + name.size, xattrs.data, xattrs.size);
    made->record = (struct sfs_record){
        .name = sfs_bytes(made->bytes, name.size),
        .revision = revision,
        .size = size,
        .attributes = *attributes,
        .xattrs = sfs_bytes(made->bytes + name.size, xattrs.size),
        .blob = blob,
    };
    atomic_init(&made->references, 1);
}

bool sfs_record_is_sound(struct sfs_bytes name, uint64_t revision, uint64_t size,
                         const struct sfs_attributes *attributes, struct sfs_bytes xattrs)
{
    return (unsigned)attributes->kind <= SFS_KIND_BLOCK &&
           (unsigned)attributes->type <= SFS_TYPE_JSON && size <= INT64_MAX &&
           revision <= INT64_MAX && attributes->id <= INT64_MAX &&
           sfs_name_check(name, NULL) == 0 && (!xattrs.size || sfs_xattr_check(xattrs, NULL) == 0);
}

const struct sfs_record *sfs_record_new(struct sfs_bytes name, uint64_t revision, uint64_t size,
                                        const struct sfs_attributes *attributes,
                                        struct sfs_bytes xattrs, struct sfs_blob *blob)
{
    struct counted_record *made = malloc(sizeof(*made) + name.size + xattrs.size);
    if (!made)
        return NULL;
    fill(made, name, revision, size, attributes, xattrs, sfs_blob_ref(blob));
    return &made->record;
}

const struct sfs_record *sfs_record_alloc(struct sfs_bytes name, uint64_t revision, uint64_t size,
                                          const struct sfs_attributes *attributes,
                                          struct sfs_bytes xattrs, void **ret_value)
{
    const size_t unit = _Alignof(struct sfs_blob);
    size_t at = (sizeof(struct counted_record) + name.size + xattrs.size + unit - 1) / unit * unit;
    if (!sfs_memory_holds(size))
        return NULL;
    struct counted_record *made = malloc(at + sizeof(struct sfs_blob) + (size_t)size);
    if (!made)
        return NULL;
    struct sfs_blob *blob = (struct sfs_blob *)((char *)made + at);
    atomic_init(&blob->references, 1);
    blob->memory = made;
    blob->size = (size_t)size;
    fill(made, name, revision, size, attributes, xattrs, blob);
    *ret_value = blob->data;
    return &made->record;
}

const struct sfs_record *sfs_record_ref(const struct sfs_record *record)
{
    if (record)
        atomic_fetch_add_explicit(&counted(record)->references, 1, memory_order_relaxed);
    return record;
}

void sfs_record_unref(const struct sfs_record *record)
{
    if (!record || !drop_reference(&counted(record)->references))
        return;
    struct sfs_blob *blob = record->blob;
    bool within = blob && blob->memory == record;
    sfs_blob_unref(blob);
    if (!within)
        free(counted(record));
}

enum sfs_type sfs_type_of(struct sfs_bytes value)
{
    if (value.size == 0)
        return SFS_TYPE_TEXT;
    if (sfs_json_check(value, NULL))
        return SFS_TYPE_JSON;
    bool text = !memchr(value.data, '\0', value.size) && sfs_utf8_valid(value);
    return text ? SFS_TYPE_TEXT : SFS_TYPE_BYTES;
}

const char *sfs_type_name(enum sfs_type type)
{
    static const char *const names[] = {"bytes", "text", "json"};
    return (unsigned)type < 3 ? names[type] : "unknown";
}

int sfs_key_check(struct sfs_bytes key, struct sfs_error *error)
{
    char shown[160];
    if (key.size == 0)
        return sfs_fail(error, SFS_E_INVALID, "record", "a key cannot be empty");
    if (key.size > SFS_KEY_MAX)
        return sfs_fail(error, SFS_E_NAME_TOO_LONG, "record",
                        "key '%s' has %zu bytes, more than the %d that a key may have",
                        sfs_name_show(key, shown, sizeof(shown)), key.size, SFS_KEY_MAX);
    if (memchr(key.data, '\0', key.size))
        return sfs_fail(error, SFS_E_INVALID, "record", "key '%s' holds a NUL byte",
                        sfs_name_show(key, shown, sizeof(shown)));
    return 0;
}

int sfs_name_check(struct sfs_bytes name, struct sfs_error *error)
{
    if (!sfs_name_is_marker(name))
        return sfs_key_check(name, error);
    struct sfs_bytes prefix = sfs_bytes(name.data, name.size - 1);
    if (prefix.size == 0)
        return 0;
    if (((const char *)prefix.data)[prefix.size - 1] != '/') {
        char shown[160];
        return sfs_fail(error, SFS_E_INVALID, "record",
                        "'%s' is no name: the prefix of a directory marker ends in '/'",
                        sfs_name_show(prefix, shown, sizeof(shown)));
    }
    struct sfs_bytes directory = sfs_bytes(prefix.data, prefix.size - 1);
    return directory.size ? sfs_key_check(directory, error) : 0;
}

/* The text of the character at `at`: itself, or \xNN. Returns its length in `text`. */
static size_t show_character(struct sfs_bytes name, size_t at, char text[8], size_t *ret_used)
{
    const unsigned char *data = name.data;
    uint32_t point = 0;
    size_t length = sfs_utf8_decode(data + at, name.size - at, &point);
    *ret_used = length ? length : 1;
    if (length == 0 || point < 0x20 || point == 0x7f)
        return (size_t)snprintf(text, 8, "\\x%02X", data[at]);
    memcpy(text, data + at, length);
    return length;
}

const char *sfs_name_show(struct sfs_bytes name, char *out, size_t size)
{
    size_t filled = 0;
    if (size == 0)
        return "";
    if (sfs_name_is_marker(name))
        name = name.size == 1 ? SFS_LITERAL("/") : sfs_bytes(name.data, name.size - 1);
    for (size_t at = 0; at < name.size;) {
        char text[8];
        size_t used;
        size_t length = show_character(name, at, text, &used);
        if (filled + length >= size)
            break;
        memcpy(out + filled, text, length);
        filled += length;
        at += used;
    }
    out[filled] = '\0';
    return out;
}
