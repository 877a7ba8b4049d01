/* SPDX-License-Identifier: MIT */
/* The records of a model; see model.h. */
#include "tests/conformance/model.h"

static void fill(struct sfs_buffer *buffer, struct sfs_bytes bytes)
{
    *buffer = (struct sfs_buffer){0};
    OK(sfs_buffer_add(buffer, bytes));
}

static void record_clear(struct model_record *record)
{
    for (size_t i = 0; i < record->xattr_count; i++) {
        sfs_buffer_free(&record->xattrs[i].name);
        sfs_buffer_free(&record->xattrs[i].value);
    }
    sfs_blob_unref(record->value);
    sfs_buffer_free(&record->name);
}

void model_clear(struct model *model)
{
    for (size_t i = 0; i < model->count; i++)
        record_clear(&model->records[i]);
    free(model->records);
    *model = (struct model){0};
}

void model_copy(const struct model *from, struct model *to)
{
    *to = (struct model){.count = from->count, .capacity = from->count + 1};
    to->records = calloc(to->capacity, sizeof(*to->records));
    assert_non_null(to->records);
    for (size_t i = 0; i < from->count; i++) {
        const struct model_record *record = &from->records[i];
        struct model_record *copy = &to->records[i];
        *copy = *record;
        fill(&copy->name, model_name(record));
        copy->value = sfs_blob_ref(record->value);
        for (size_t j = 0; j < record->xattr_count; j++) {
            fill(&copy->xattrs[j].name, sfs_buffer_bytes(&record->xattrs[j].name));
            fill(&copy->xattrs[j].value, sfs_buffer_bytes(&record->xattrs[j].value));
        }
    }
}

struct sfs_bytes model_name(const struct model_record *record)
{
    return sfs_buffer_bytes(&record->name);
}

struct sfs_bytes model_value(const struct model_record *record)
{
    return sfs_blob_bytes(record->value);
}

struct model_record *model_find(const struct model *model, struct sfs_bytes name)
{
    for (size_t i = 0; i < model->count; i++) {
        if (sfs_bytes_equal(model_name(&model->records[i]), name))
            return &model->records[i];
    }
    return NULL;
}

/* Makes room at the place of a name; what is there is to be overwritten. */
static struct model_record *make_room(struct model *model, struct sfs_bytes name)
{
    size_t at = 0;
    if (model->count == model->capacity) {
        model->capacity = model->capacity * 2 + 8;
        model->records = reallocarray(model->records, model->capacity, sizeof(*model->records));
        assert_non_null(model->records);
    }
    while (at < model->count && sfs_bytes_compare(model_name(&model->records[at]), name) < 0)
        at++;
    memmove(&model->records[at + 1], &model->records[at],
            (model->count - at) * sizeof(*model->records));
    model->count++;
    return &model->records[at];
}

struct model_record *model_insert(struct model *model, struct sfs_bytes name)
{
    assert_null(model_find(model, name));
    struct model_record *record = make_room(model, name);
    *record = (struct model_record){.value = sfs_blob_new((struct sfs_bytes){0})};
    fill(&record->name, name);
    return record;
}

static struct model_record take_out(struct model *model, struct sfs_bytes name)
{
    struct model_record *record = model_find(model, name);
    assert_non_null(record);
    struct model_record taken = *record;
    size_t behind = model->count - (size_t)(record - model->records) - 1;
    memmove(record, record + 1, behind * sizeof(*record));
    model->count--;
    return taken;
}

void model_remove(struct model *model, struct sfs_bytes name)
{
    struct model_record taken = take_out(model, name);
    record_clear(&taken);
}

void model_set_value(struct model_record *record, struct sfs_bytes value)
{
    struct sfs_blob *blob = sfs_blob_new(value);
    assert_non_null(blob);
    sfs_blob_unref(record->value);
    record->value = blob;
}

void model_move(struct model *model, struct sfs_bytes from, struct sfs_bytes to)
{
    struct sfs_buffer name;
    fill(&name, to);
    assert_null(model_find(model, to));
    struct model_record taken = take_out(model, from);
    sfs_buffer_free(&taken.name);
    taken.name = name;
    *make_room(model, sfs_buffer_bytes(&name)) = taken;
}

void model_take(struct model *model, const struct sfs_record *record)
{
    size_t position = 0;
    struct sfs_bytes name, value;
    if (model_find(model, record->name))
        model_remove(model, record->name);
    struct model_record *taken = model_insert(model, record->name);
    taken->revision = record->revision;
    taken->attributes = record->attributes;
    taken->id_known = true;
    model_set_value(taken, sfs_record_value(record));
    while (sfs_xattr_next(record->xattrs, &position, &name, &value)) {
        assert_true(taken->xattr_count < MODEL_XATTRS);
        fill(&taken->xattrs[taken->xattr_count].name, name);
        fill(&taken->xattrs[taken->xattr_count++].value, value);
    }
}

/* --- the past --- */

void model_past_add(struct model_past *past, uint64_t sequence, struct sfs_bytes name, bool existed)
{
    if (past->count == past->capacity) {
        past->capacity = past->capacity * 2 + 8;
        past->changes = reallocarray(past->changes, past->capacity, sizeof(*past->changes));
        assert_non_null(past->changes);
    }
    struct model_change *change = &past->changes[past->count++];
    change->sequence = sequence;
    change->existed = existed;
    fill(&change->name, name);
}

void model_past_cut(struct model_past *past, uint64_t sequence)
{
    size_t kept = 0;
    for (size_t i = 0; i < past->count; i++) {
        if (past->changes[i].sequence <= sequence)
            sfs_buffer_free(&past->changes[i].name);
        else
            past->changes[kept++] = past->changes[i];
    }
    past->count = kept;
}

void model_past_clear(struct model_past *past)
{
    model_past_cut(past, UINT64_MAX);
    free(past->changes);
    *past = (struct model_past){0};
}

void model_past_compare(struct model_past *past, uint64_t sequence, const struct model *before,
                        const struct model *after)
{
    for (size_t i = 0; i < after->count; i++) {
        const struct model_record *old = model_find(before, model_name(&after->records[i]));
        if (!old || old->revision != after->records[i].revision)
            model_past_add(past, sequence, model_name(&after->records[i]), old != NULL);
    }
    for (size_t i = 0; i < before->count; i++) {
        if (!model_find(after, model_name(&before->records[i])))
            model_past_add(past, sequence, model_name(&before->records[i]), true);
    }
}
