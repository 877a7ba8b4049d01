/* SPDX-License-Identifier: MIT */
/* Saving a memory store to a file, streaming, and loading it with every length checked. */
#include "snapshot_file.h"

#include <errno.h>
#include <xxhash.h>

#include "util/binary.h"
#include "util/file.h"

#define ORIGIN "memory"
#define FORMAT 3
#define FORMAT_SUMS 3 /* the first with a checksum for each record */
#define RECORD_LEAST 86
#define TAIL 17 /* bytes behind the last: 0, the number of records, the checksum */
#define CHUNK ((size_t)1 << 18)

static const char magic[8] = {'S', 'F', 'S', 'M', 'E', 'M', '\r', '\n'};

/* --- saving --- */

struct writer {
    struct sfs_replacement file;
    XXH3_state_t *hash;
    struct sfs_buffer pending;
    uint64_t written; /* bytes, before `pending` */
    uint64_t count;
};

static int flush(struct writer *writer, struct sfs_error *error)
{
    struct sfs_bytes bytes = sfs_buffer_bytes(&writer->pending);
    if (XXH3_64bits_update(writer->hash, bytes.data, bytes.size) != XXH_OK)
        return sfs_fail(error, SFS_E_IO, ORIGIN, "cannot compute the checksum");
    int result = sfs_write_all(writer->file.fd, bytes, writer->file.temporary, error);
    writer->written += bytes.size;
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

/* A record that is part of another one's value has another place. */
static uint64_t sum_of(struct sfs_bytes record, uint64_t place)
{
    return XXH3_64bits_withSeed(record.data, record.size, place);
}

static int write_record(struct writer *writer, const struct sfs_record *record,
                        struct sfs_error *error)
{
    struct sfs_buffer *pending = &writer->pending;
    size_t begin = pending->size;
    if (add_head(pending, record) || sfs_buffer_add(pending, record->name) ||
        sfs_buffer_add(pending, record->xattrs) ||
        sfs_buffer_add(pending, sfs_record_value(record)) ||
        sfs_binary_add(pending,
                       sum_of(sfs_bytes(pending->data + begin, pending->size - begin),
                              writer->written + begin),
                       8))
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
    if (sfs_buffer_append(&writer->pending, magic, sizeof(magic)) ||
        sfs_binary_add(&writer->pending, FORMAT, 4) ||
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
    const char *whole; /* the file's first byte */
    uint64_t format;
};

static uint64_t place_of(const struct reader *reader)
{
    return (uint64_t)((const char *)reader->in.at - reader->whole);
}

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
    return record->attributes.id != 0 &&
           sfs_record_is_sound(record->name, record->revision, record->size, &record->attributes,
                               record->xattrs);
}

static int load_record(struct reader *reader, struct sfs_memory_engine *engine,
                       struct sfs_error *error)
{
    struct lengths lengths;
    struct sfs_attributes attributes = {0};
    uint64_t begin = place_of(reader) - 1; /* with its tag */
    uint64_t revision = take_head(reader, &lengths, &attributes);
    struct sfs_bytes name = sfs_binary_take(&reader->in, lengths.name);
    struct sfs_bytes xattrs = sfs_binary_take(&reader->in, lengths.xattrs);
    struct sfs_bytes value = sfs_binary_take(&reader->in, lengths.value);
    size_t size = (size_t)(place_of(reader) - begin);
    bool whole = reader->format < FORMAT_SUMS || sum_of(sfs_bytes(reader->whole + begin, size),
                                                        begin) == sfs_binary_number(&reader->in, 8);
    if (reader->in.failed)
        return fail_corrupt(reader, "it ends within a record", error);
    if (!whole)
        return fail_corrupt(reader, "the checksum of a record does not fit", error);
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
    if (sequence > INT64_MAX || last_id > INT64_MAX)
        return fail_corrupt(reader, "one of its counters is out of range", error);
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
    struct reader reader = {path, sfs_binary_reader(whole), whole.data, 0};
    struct sfs_bytes begin = sfs_binary_take(&reader.in, sizeof(magic));
    if (!sfs_bytes_equal(begin, sfs_bytes(magic, sizeof(magic))))
        return sfs_fail(error, SFS_E_NOT_A_STORE, ORIGIN,
                        "'%s' was not written by storefs; it is left as it is", path);
    uint64_t version = sfs_binary_number(&reader.in, 4);
    reader.format = version;
    if (!reader.in.failed && version > FORMAT)
        return sfs_fail(error, SFS_E_TOO_NEW, ORIGIN,
                        "'%s' has format %llu, and this version of storefs reads up to %d", path,
                        (unsigned long long)version, FORMAT);
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

/* --- a damaged file --- */

/* Records have no marks between them: one begins where its checksum fits. */
struct salvage {
    const char *path;
    struct sfs_bytes whole;
    struct sfs_memory_engine *engine;
    struct sfs_notes *notes;
    uint64_t format;
    uint64_t saved;
    uint64_t named; /* lost, and their names are known */
    uint64_t budget; /* bytes that may still be read of records that may not be whole */
};
#define SEARCH_RATIO 64 /* how often a damaged file is read for its records, at most */

/* The head of a record at `at` that could be one, and its name; *ret_size: of the whole record. */
static bool is_record_head(const struct salvage *salvage, size_t at, struct sfs_bytes *ret_name,
                           size_t *ret_size)
{
    const char *data = salvage->whole.data;
    struct reader reader = {.in =
                                sfs_binary_reader(sfs_bytes(data + at, salvage->whole.size - at))};
    struct lengths lengths;
    struct sfs_attributes a = {0};
    if (sfs_binary_number(&reader.in, 1) != 1)
        return false;
    (void)take_head(&reader, &lengths, &a);
    uint64_t left = reader.in.left;
    if (reader.in.failed || lengths.name > left || lengths.xattrs > left || lengths.value > left ||
        lengths.name + lengths.xattrs + lengths.value + 8 > left ||
        (unsigned)a.kind > SFS_KIND_BLOCK || (unsigned)a.type > SFS_TYPE_JSON || a.id == 0)
        return false;
    *ret_name = sfs_binary_take(&reader.in, lengths.name);
    *ret_size = (size_t)(salvage->whole.size - at - reader.in.left) +
                (size_t)(lengths.xattrs + lengths.value) + (salvage->format < FORMAT_SUMS ? 0 : 8);
    return sfs_name_check(*ret_name, NULL) == 0;
}

/* One at `at`: 1 it is loaded, 0 there is none that is whole, or NO_MEMORY. */
static int salvage_record(struct salvage *salvage, size_t at, size_t *ret_size)
{
    const char *data = salvage->whole.data;
    struct sfs_bytes name;
    char shown[200];
    if (!is_record_head(salvage, at, &name, ret_size) || *ret_size > salvage->budget)
        return 0;
    salvage->budget -= *ret_size;
    struct reader reader = {
        salvage->path, sfs_binary_reader(sfs_bytes(data + at + 1, salvage->whole.size - at - 1)),
        data, salvage->format};
    int code = load_record(&reader, salvage->engine, NULL);
    if (code == 0) {
        salvage->saved++;
        return 1;
    }
    size_t next = at + *ret_size;
    if (code == SFS_E_NO_MEMORY || next >= salvage->whole.size || (unsigned char)data[next] > 2)
        return code == SFS_E_NO_MEMORY ? code : 0;
    salvage->named++;
    return sfs_notes_add(salvage->notes, SFS_E_CORRUPT, "'%s' is lost: its checksum does not fit",
                         sfs_name_show(name, shown, sizeof(shown)));
}

/* Behind the last record, where that is whole. */
static void salvage_indexes(struct salvage *salvage, size_t at)
{
    const char *data = salvage->whole.data;
    struct reader reader = {salvage->path,
                            sfs_binary_reader(sfs_bytes(data + at, salvage->whole.size - at)), data,
                            salvage->format};
    while (sfs_binary_number(&reader.in, 1) == 2 && load_index(&reader, salvage->engine, NULL) == 0)
        ;
}

static int salvage_records(struct salvage *salvage)
{
    size_t at = 0, behind = 0;
    bool summed = salvage->format >= FORMAT_SUMS;
    while (at + RECORD_LEAST <= salvage->whole.size) {
        size_t size = 0;
        int found = salvage_record(salvage, at, &size);
        if (found < 0)
            return found;
        at += found ? size : 1;
        behind = found ? at : behind;
        if (!found && !summed && behind > 0)
            break; /* nothing tells where the next one begins */
    }
    if (behind > 0)
        salvage_indexes(salvage, behind);
    return 0;
}

static int note_records(struct salvage *salvage)
{
    struct sfs_binary_reader tail = {0};
    if (salvage->whole.size >= TAIL)
        tail = sfs_binary_reader(
            sfs_bytes((const char *)salvage->whole.data + salvage->whole.size - TAIL, TAIL));
    bool ended = sfs_binary_number(&tail, 1) == 0;
    uint64_t count = sfs_binary_number(&tail, 8), known = salvage->saved + salvage->named;
    bool counted =
        ended && !tail.failed && count >= known && count <= salvage->whole.size / RECORD_LEAST;
    if (salvage->format < FORMAT_SUMS)
        return sfs_notes_add(
            salvage->notes, SFS_E_DOUBTFUL,
            "'%s' is damaged, and was written by a version that gave records no checksums: any "
            "value may be wrong, and more records may be lost",
            salvage->path);
    if (!counted)
        return sfs_notes_add(salvage->notes, SFS_E_DOUBTFUL,
                             "'%s' is damaged: more records may be lost; how many cannot be read",
                             salvage->path);
    if (count == known)
        return sfs_notes_add(salvage->notes, SFS_E_DOUBTFUL, "'%s' is damaged", salvage->path);
    return sfs_notes_add(salvage->notes, SFS_E_DOUBTFUL,
                         "%llu more records of '%s' are lost; their names cannot be read",
                         (unsigned long long)(count - known), salvage->path);
}

static int salvage_bytes(struct salvage *salvage, struct sfs_error *error)
{
    struct sfs_binary_reader head = sfs_binary_reader(salvage->whole);
    bool headed =
        sfs_bytes_equal(sfs_binary_take(&head, sizeof(magic)), sfs_bytes(magic, sizeof(magic)));
    uint64_t version = sfs_binary_number(&head, 4);
    if (headed && version > FORMAT)
        return load_bytes(salvage->path, salvage->whole, salvage->engine, error);
    salvage->format = headed ? version : FORMAT;
    if (salvage_records(salvage) || note_records(salvage))
        return sfs_fail_memory(error, ORIGIN);
    if (!headed && salvage->saved == 0)
        return sfs_fail(error, SFS_E_NOT_A_STORE, ORIGIN,
                        "'%s' was not written by storefs, or nothing of it is whole",
                        salvage->path);
    return 0;
}

/* What an undamaged file gives, or else a new engine's content. */
int sfs_snapshot_file_salvage(const char *path, struct sfs_memory_engine *engine,
                              struct sfs_notes *notes, struct sfs_error *error)
{
    struct sfs_buffer content = {0};
    int result = sfs_file_read(path, SIZE_MAX, &content, error);
    if (!result) {
        struct sfs_bytes whole = sfs_buffer_bytes(&content);
        result = load_bytes(path, whole, engine, error);
        if (result == SFS_E_CORRUPT || result == SFS_E_NOT_A_STORE) {
            struct salvage salvage = {.path = path,
                                      .whole = whole,
                                      .engine = engine,
                                      .notes = notes,
                                      .budget = (uint64_t)whole.size * SEARCH_RATIO};
            result = salvage_bytes(&salvage, error);
        }
    }
    sfs_buffer_free(&content);
    return result;
}
