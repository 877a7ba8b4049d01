/* SPDX-License-Identifier: MIT */
/* Saving a memory store to a file, streaming, and loading it with every length checked. */
#include "snapshot_file.h"

#include <errno.h>
#include <xxhash.h>

#include "util/binary.h"
#include "util/file.h"

#define ORIGIN "memory"
#define FORMAT 1
#define FORMAT_INDEXES 2 /* only where there are any, for readers of the first */
#define CHUNK ((size_t)1 << 18)

static const char magic[8] = {'S', 'F', 'S', 'M', 'E', 'M', '\r', '\n'};

/* --- saving --- */

struct writer {
    struct sfs_replacement file;
    XXH3_state_t *hash;
    struct sfs_buffer pending;
    uint64_t count;
};

static int flush(struct writer *writer, struct sfs_error *error)
{
    struct sfs_bytes bytes = sfs_buffer_bytes(&writer->pending);
    if (XXH3_64bits_update(writer->hash, bytes.data, bytes.size) != XXH_OK)
        return sfs_fail(error, SFS_E_IO, ORIGIN, "cannot compute the checksum");
    int result = sfs_write_all(writer->file.fd, bytes, writer->file.temporary, error);
    writer->pending.size = 0;
    return result;
}

static int add_head(struct sfs_buffer *buffer, const struct sfs_record *record)
{
    const struct sfs_attributes *a = &record->attributes;
    const struct sfs_binary_field fields[] = {
        {1, 1},
        {record->name.size, 4},
        {record->xattrs.size, 4},
        {sfs_record_value(record).size, 8},
        {record->revision, 8},
        {a->id, 8},
        {(uint64_t)a->kind, 4},
        {(uint64_t)a->type, 4},
        {a->type_set, 4},
        {a->mode, 4},
        {a->uid, 4},
        {a->gid, 4},
        {a->device, 8},
        {(uint64_t)a->created, 8},
        {(uint64_t)a->accessed, 8},
        {(uint64_t)a->modified, 8},
        {(uint64_t)a->changed, 8},
    };
    return sfs_binary_add_fields(buffer, fields, sizeof(fields) / sizeof(*fields));
}

static int write_record(struct writer *writer, const struct sfs_record *record,
                        struct sfs_error *error)
{
    struct sfs_buffer *pending = &writer->pending;
    if (add_head(pending, record) || sfs_buffer_add(pending, record->name) ||
        sfs_buffer_add(pending, record->xattrs) ||
        sfs_buffer_add(pending, sfs_record_value(record)))
        return sfs_fail_memory(error, ORIGIN);
    writer->count++;
    return pending->size >= CHUNK ? flush(writer, error) : 0;
}

static int write_end(struct writer *writer, struct sfs_error *error)
{
    if (sfs_binary_add(&writer->pending, 0, 1) ||
        sfs_binary_add(&writer->pending, writer->count, 8))
        return sfs_fail_memory(error, ORIGIN);
    int result = flush(writer, error);
    if (result)
        return result;
    if (sfs_binary_add(&writer->pending, XXH3_64bits_digest(writer->hash), 8))
        return sfs_fail_memory(error, ORIGIN);
    return flush(writer, error);
}

static bool has_ready(const struct sfs_index_set *set)
{
    bool found = false;
    for (size_t i = 0; set && i < set->count; i++)
        found |= set->indexes[i]->ready;
    return found;
}

static int write_indexes(struct writer *writer, const struct sfs_index_set *set,
                         struct sfs_error *error)
{
    struct sfs_buffer *pending = &writer->pending;
    for (size_t i = 0; set && i < set->count; i++) {
        struct sfs_bytes name = sfs_string(set->indexes[i]->name);
        if (set->indexes[i]->ready &&
            (sfs_binary_add(pending, 2, 1) || sfs_binary_add(pending, name.size, 4) ||
             sfs_buffer_add(pending, name)))
            return sfs_fail_memory(error, ORIGIN);
    }
    return 0;
}

static int write_all(struct writer *writer, struct sfs_cursor *state, uint64_t sequence,
                     uint64_t last_id, struct sfs_error *error)
{
    const struct sfs_index_set *indexes = sfs_memory_cursor_indexes(state);
    const struct sfs_record *record = NULL;
    uint64_t format = has_ready(indexes) ? FORMAT_INDEXES : FORMAT;
    if (sfs_buffer_append(&writer->pending, magic, sizeof(magic)) ||
        sfs_binary_add(&writer->pending, format, 4) ||
        sfs_binary_add(&writer->pending, sequence, 8) ||
        sfs_binary_add(&writer->pending, last_id, 8))
        return sfs_fail_memory(error, ORIGIN);
    int result;
    while ((result = sfs_cursor_next(state, &record, error)) == 1) {
        result = write_record(writer, record, error);
        if (result)
            return result;
    }
    if (!result)
        result = write_indexes(writer, indexes, error);
    return result ? result : write_end(writer, error);
}

int sfs_snapshot_file_save(const struct sfs_snapshot_place *place, struct sfs_cursor *state,
                           uint64_t sequence, uint64_t last_id, struct sfs_identity *ret_made,
                           struct sfs_error *error)
{
    struct writer writer = {.file.fd = -1, .hash = XXH3_createState()};
    if (!writer.hash || XXH3_64bits_reset(writer.hash) != XXH_OK) {
        XXH3_freeState(writer.hash);
        return sfs_fail_memory(error, ORIGIN);
    }
    int result = sfs_replacement_begin(place->path, &writer.file, error);
    if (!result) {
        writer.file.accept_unsynced = place->accept_unsynced;
        result = write_all(&writer, state, sequence, last_id, error);
        if (!result && fstat(writer.file.fd, &ret_made->status))
            result =
                sfs_fail_errno(error, errno, ORIGIN, "cannot stat '%s'", writer.file.temporary);
        ret_made->exists = result == 0;
        if (result)
            sfs_replacement_abandon(&writer.file);
        else
            result = sfs_replacement_commit(&writer.file, error);
    }
    sfs_buffer_free(&writer.pending);
    XXH3_freeState(writer.hash);
    return result;
}

/* --- loading --- */

struct reader {
    const char *path;
    struct sfs_binary_reader in;
};

static int fail_corrupt(const struct reader *reader, const char *what, struct sfs_error *error)
{
    return sfs_fail(error, SFS_E_CORRUPT, ORIGIN, "'%s' is damaged: %s", reader->path, what);
}

struct lengths {
    uint64_t name;
    uint64_t xattrs;
    uint64_t value;
};

static uint64_t take_head(struct reader *reader, struct lengths *ret_lengths,
                          struct sfs_attributes *ret_attributes)
{
    struct sfs_attributes *a = ret_attributes;
    ret_lengths->name = sfs_binary_number(&reader->in, 4);
    ret_lengths->xattrs = sfs_binary_number(&reader->in, 4);
    ret_lengths->value = sfs_binary_number(&reader->in, 8);
    uint64_t revision = sfs_binary_number(&reader->in, 8);
    a->id = sfs_binary_number(&reader->in, 8);
    a->kind = (enum sfs_kind)sfs_binary_number(&reader->in, 4);
    a->type = (enum sfs_type)sfs_binary_number(&reader->in, 4);
    a->type_set = sfs_binary_number(&reader->in, 4) != 0;
    a->mode = (uint32_t)sfs_binary_number(&reader->in, 4);
    a->uid = (uint32_t)sfs_binary_number(&reader->in, 4);
    a->gid = (uint32_t)sfs_binary_number(&reader->in, 4);
    a->device = sfs_binary_number(&reader->in, 8);
    a->created = (int64_t)sfs_binary_number(&reader->in, 8);
    a->accessed = (int64_t)sfs_binary_number(&reader->in, 8);
    a->modified = (int64_t)sfs_binary_number(&reader->in, 8);
    a->changed = (int64_t)sfs_binary_number(&reader->in, 8);
    return revision;
}

static bool is_sound(const struct sfs_record *record)
{
    const struct sfs_attributes *a = &record->attributes;
    return (unsigned)a->kind <= SFS_KIND_BLOCK && (unsigned)a->type <= SFS_TYPE_JSON &&
           a->id != 0 && sfs_name_check(record->name, NULL) == 0 &&
           sfs_xattr_check(record->xattrs, NULL) == 0;
}

static int load_record(struct reader *reader, struct sfs_memory_engine *engine,
                       struct sfs_error *error)
{
    struct lengths lengths;
    struct sfs_attributes attributes = {0};
    uint64_t revision = take_head(reader, &lengths, &attributes);
    struct sfs_bytes name = sfs_binary_take(&reader->in, lengths.name);
    struct sfs_bytes xattrs = sfs_binary_take(&reader->in, lengths.xattrs);
    struct sfs_bytes value = sfs_binary_take(&reader->in, lengths.value);
    if (reader->in.failed)
        return fail_corrupt(reader, "it ends within a record", error);
    struct sfs_blob *blob = sfs_blob_new(value);
    const struct sfs_record *record =
        blob ? sfs_record_new(name, revision, value.size, &attributes, xattrs, blob) : NULL;
    sfs_blob_unref(blob);
    if (!record)
        return sfs_fail_memory(error, ORIGIN);
    int result = is_sound(record) ? sfs_memory_engine_load(engine, record, error)
                                  : fail_corrupt(reader, "a record makes no sense", error);
    sfs_record_unref(record);
    return result;
}

/* Behind the records. */
static int load_index(struct reader *reader, struct sfs_memory_engine *engine,
                      struct sfs_error *error)
{
    struct sfs_bytes name = sfs_binary_take(&reader->in, sfs_binary_number(&reader->in, 4));
    if (reader->in.failed)
        return fail_corrupt(reader, "it ends within the name of an index", error);
    return sfs_memory_engine_load_index(engine, name, error);
}

static int load_records(struct reader *reader, struct sfs_memory_engine *engine,
                        struct sfs_error *error)
{
    uint64_t sequence = sfs_binary_number(&reader->in, 8);
    uint64_t last_id = sfs_binary_number(&reader->in, 8);
    uint64_t count = 0;
    for (uint64_t tag; (tag = sfs_binary_number(&reader->in, 1)) != 0;) {
        int result = tag == 1   ? load_record(reader, engine, error)
                     : tag == 2 ? load_index(reader, engine, error)
                                : fail_corrupt(reader, "it holds what is unknown", error);
        if (result)
            return result;
        count += tag == 1;
    }
    if (sfs_binary_number(&reader->in, 8) != count || reader->in.failed || reader->in.left)
        return fail_corrupt(reader, "the number of records is another one", error);
    sfs_memory_engine_counters(engine, sequence, last_id);
    return 0;
}

/* Everything before the last 8 bytes, if they are its checksum. */
static int check_hash(struct reader *reader, struct sfs_bytes whole, struct sfs_error *error)
{
    if (whole.size < sizeof(magic) + 4 + 8)
        return fail_corrupt(reader, "it is too short", error);
    size_t content = whole.size - 8;
    struct sfs_binary_reader tail =
        sfs_binary_reader(sfs_bytes((const char *)whole.data + content, 8));
    if (sfs_binary_number(&tail, 8) != XXH3_64bits(whole.data, content))
        return fail_corrupt(reader, "its checksum does not fit its content", error);
    reader->in.left -= 8;
    return 0;
}

static int load_bytes(const char *path, struct sfs_bytes whole, struct sfs_memory_engine *engine,
                      struct sfs_error *error)
{
    struct reader reader = {path, sfs_binary_reader(whole)};
    struct sfs_bytes begin = sfs_binary_take(&reader.in, sizeof(magic));
    if (!sfs_bytes_equal(begin, sfs_bytes(magic, sizeof(magic))))
        return sfs_fail(error, SFS_E_NOT_A_STORE, ORIGIN,
                        "'%s' was not written by storefs; it is left as it is", path);
    uint64_t version = sfs_binary_number(&reader.in, 4);
    if (!reader.in.failed && version > FORMAT_INDEXES)
        return sfs_fail(error, SFS_E_TOO_NEW, ORIGIN,
                        "'%s' has format %llu, and this version of storefs reads up to %d", path,
                        (unsigned long long)version, FORMAT_INDEXES);
    int result = check_hash(&reader, whole, error);
    return result ? result : load_records(&reader, engine, error);
}

int sfs_snapshot_file_load(const char *path, struct sfs_memory_engine *engine,
                           struct sfs_error *error)
{
    struct sfs_buffer content = {0};
    int result = sfs_file_read(path, SIZE_MAX, &content, error);
    if (!result)
        result = load_bytes(path, sfs_buffer_bytes(&content), engine, error);
    sfs_buffer_free(&content);
    return result;
}
