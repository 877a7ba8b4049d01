/* SPDX-License-Identifier: MIT */
/* The log's entries as bytes, and back, with every length checked. */
#include <xxhash.h>

#include "form.h"

#include "util/binary.h"

#define FORMAT 1
static const char magic[8] = {'S', 'F', 'S', 'D', 'I', 'R', '\r', '\n'};

#define ADD(out, ...)                                                                              \
    sfs_binary_add_fields(out, (const struct sfs_binary_field[]){__VA_ARGS__},                     \
                          sizeof((const struct sfs_binary_field[]){__VA_ARGS__}) /                 \
                              sizeof(struct sfs_binary_field))

int sfs_dir_form_head(struct sfs_buffer *out)
{
    int result = sfs_buffer_append(out, magic, sizeof(magic));
    return result ? result : ADD(out, {FORMAT, 4});
}

static int add_record(const struct sfs_dir_item *item, struct sfs_buffer *out)
{
    const struct sfs_record *record = item->record;
    const struct sfs_attributes *a = &record->attributes;
    const struct sfs_dir_print *print = &item->print;
    int result =
        ADD(out, {record->name.size, 4}, {record->xattrs.size, 4}, {record->size, 8},
            {record->revision, 8}, {a->id, 8}, {(uint64_t)a->kind, 1}, {(uint64_t)a->type, 1},
            {a->type_set, 1}, {a->mode, 4}, {a->uid, 4}, {a->gid, 4}, {a->device, 8},
            {(uint64_t)a->created, 8}, {(uint64_t)a->accessed, 8}, {(uint64_t)a->modified, 8},
            {(uint64_t)a->changed, 8}, {print->inode, 8}, {print->size, 8},
            {(uint64_t)print->modified, 8}, {print->mode, 4});
    if (result == 0)
        result = sfs_buffer_add(out, record->name);
    return result ? result : sfs_buffer_add(out, record->xattrs);
}

static int add_step(const struct sfs_dir_step *step, struct sfs_buffer *out)
{
    int result = ADD(out, {(uint64_t)step->action, 1}, {step->temporary, 8}, {step->inode, 8},
                     {step->replaced, 8}, {step->from.size, 4});
    if (result == 0)
        result = sfs_buffer_add(out, sfs_buffer_bytes(&step->from));
    return result ? result : add_record(step->item, out);
}

int sfs_dir_form_entry(const struct sfs_dir_entry *entry, const struct sfs_dir_steps *steps,
                       struct sfs_buffer *out)
{
    struct sfs_buffer payload = {0};
    int result = ADD(&payload, {(uint64_t)entry->type, 1}, {entry->sequence, 8},
                     {entry->last_id, 8}, {entry->last_temporary, 8});
    if (result == 0 && steps)
        result = ADD(&payload, {steps->count, 8});
    for (size_t i = 0; steps && result == 0 && i < steps->count; i++)
        result = add_step(&steps->steps[i], &payload);
    if (result == 0)
        result = ADD(out, {payload.size, 8}, {XXH3_64bits(payload.data, payload.size), 8});
    if (result == 0)
        result = sfs_buffer_add(out, sfs_buffer_bytes(&payload));
    sfs_buffer_free(&payload);
    return result;
}

/* --- reading --- */

int sfs_dir_form_check_head(struct sfs_bytes file, const char *path, struct sfs_error *error)
{
    struct sfs_binary_reader reader = sfs_binary_reader(file);
    struct sfs_bytes begin = sfs_binary_take(&reader, sizeof(magic));
    uint64_t version = sfs_binary_number(&reader, 4);
    if (reader.failed || memcmp(begin.data, magic, sizeof(magic)) != 0)
        return sfs_fail(error, SFS_E_NOT_A_STORE, SFS_DIR_ORIGIN,
                        "'%s' was not written by storefs; it is left as it is", path);
    if (version > FORMAT)
        return sfs_fail(error, SFS_E_TOO_NEW, SFS_DIR_ORIGIN,
                        "'%s' has format %llu, and this version of storefs reads up to %d", path,
                        (unsigned long long)version, FORMAT);
    return 0;
}

static int fail_corrupt(const char *what, struct sfs_error *error)
{
    return sfs_fail(
        error, SFS_E_CORRUPT, SFS_DIR_ORIGIN,
        "the log of the store is damaged: %s (its values are sound: they are the files; "
        "?recover=1 sets the log aside)",
        what);
}

static bool is_sound(const struct sfs_record *record)
{
    return record->attributes.id != 0 &&
           sfs_record_is_sound(record->name, record->revision, record->size, &record->attributes,
                               record->xattrs);
}

static int read_item(struct sfs_binary_reader *reader, struct sfs_dir_item **ret_item,
                     struct sfs_error *error)
{
    struct sfs_record form = {0};
    struct sfs_attributes *a = &form.attributes;
    struct sfs_dir_print print;
    uint64_t name = sfs_binary_number(reader, 4), xattrs = sfs_binary_number(reader, 4);
    form.size = sfs_binary_number(reader, 8);
    form.revision = sfs_binary_number(reader, 8);
    a->id = sfs_binary_number(reader, 8);
    a->kind = (enum sfs_kind)sfs_binary_number(reader, 1);
    a->type = (enum sfs_type)sfs_binary_number(reader, 1);
    a->type_set = sfs_binary_number(reader, 1) != 0;
    a->mode = (uint32_t)sfs_binary_number(reader, 4);
    a->uid = (uint32_t)sfs_binary_number(reader, 4);
    a->gid = (uint32_t)sfs_binary_number(reader, 4);
    a->device = sfs_binary_number(reader, 8);
    a->created = (int64_t)sfs_binary_number(reader, 8);
    a->accessed = (int64_t)sfs_binary_number(reader, 8);
    a->modified = (int64_t)sfs_binary_number(reader, 8);
    a->changed = (int64_t)sfs_binary_number(reader, 8);
    print.inode = sfs_binary_number(reader, 8);
    print.size = sfs_binary_number(reader, 8);
    print.modified = (int64_t)sfs_binary_number(reader, 8);
    print.mode = (uint32_t)sfs_binary_number(reader, 4);
    form.name = sfs_binary_take(reader, name);
    form.xattrs = sfs_binary_take(reader, xattrs);
    if (reader->failed || !is_sound(&form))
        return fail_corrupt("a record makes no sense", error);
    const struct sfs_record *record =
        sfs_record_new(form.name, form.revision, form.size, a, form.xattrs, NULL);
    struct sfs_dir_item *item = record ? sfs_dir_item_new(record, &print) : NULL;
    sfs_record_unref(record);
    if (!item)
        return sfs_fail_memory(error, SFS_DIR_ORIGIN);
    *ret_item = item;
    return 0;
}

static int read_step(struct sfs_binary_reader *reader, struct sfs_dir_steps *steps,
                     struct sfs_error *error)
{
    struct sfs_dir_step step = {.action = (enum sfs_dir_action)sfs_binary_number(reader, 1)};
    step.temporary = sfs_binary_number(reader, 8);
    step.inode = sfs_binary_number(reader, 8);
    step.replaced = sfs_binary_number(reader, 8);
    struct sfs_bytes from = sfs_binary_take(reader, sfs_binary_number(reader, 4));
    if (reader->failed || (unsigned)step.action > SFS_DIR_DROP ||
        (from.size && sfs_name_check(from, NULL)))
        return fail_corrupt("a step makes no sense", error);
    if (sfs_buffer_add(&step.from, from))
        return sfs_fail_memory(error, SFS_DIR_ORIGIN);
    int code = read_item(reader, &step.item, error);
    if (code) {
        sfs_buffer_free(&step.from);
        return code;
    }
    return sfs_dir_steps_add(steps, step, error);
}

static int read_payload(struct sfs_bytes payload, struct sfs_dir_entry *ret_entry,
                        struct sfs_dir_steps *steps, struct sfs_error *error)
{
    struct sfs_binary_reader reader = sfs_binary_reader(payload);
    struct sfs_dir_entry entry = {.type = (enum sfs_dir_entry_type)sfs_binary_number(&reader, 1)};
    entry.sequence = sfs_binary_number(&reader, 8);
    entry.last_id = sfs_binary_number(&reader, 8);
    entry.last_temporary = sfs_binary_number(&reader, 8);
    uint64_t count = entry.type == SFS_DIR_ENTRY_COMMIT ? sfs_binary_number(&reader, 8) : 0;
    int code = 0;
    for (uint64_t i = 0; code == 0 && i < count; i++)
        code = read_step(&reader, steps, error);
    if (code == 0 && (reader.failed || reader.left || entry.sequence > INT64_MAX ||
                      entry.last_id > INT64_MAX || entry.last_temporary > INT64_MAX ||
                      (entry.type != SFS_DIR_ENTRY_COMMIT && entry.type != SFS_DIR_ENTRY_DONE)))
        code = fail_corrupt("an entry makes no sense", error);
    if (code == 0)
        *ret_entry = entry;
    return code;
}

int sfs_dir_form_read(struct sfs_bytes rest, struct sfs_dir_entry *ret_entry,
                      struct sfs_dir_steps *steps, size_t *ret_size, struct sfs_error *error)
{
    struct sfs_binary_reader reader = sfs_binary_reader(rest);
    uint64_t size = sfs_binary_number(&reader, 8), hash = sfs_binary_number(&reader, 8);
    bool last = reader.failed || size >= reader.left;
    struct sfs_bytes payload = sfs_binary_take(&reader, size);
    if (reader.failed)
        return 0;
    if (XXH3_64bits(payload.data, payload.size) != hash)
        return last ? 0 : fail_corrupt("the checksum of an entry does not fit", error);
    int code = read_payload(payload, ret_entry, steps, error);
    if (code)
        return code;
    *ret_size = SFS_DIR_ENTRY_HEAD + payload.size;
    return 1;
}
