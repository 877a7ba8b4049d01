/* SPDX-License-Identifier: MIT */
/* Comparing a model with a store, and learning from the store what only it can tell; see model.h.
 */
#include <inttypes.h>
#include <stdio.h>

#include "tests/conformance/model.h"

static char difference[600];

static const char *differ(const struct sfs_bytes name, const char *what, int64_t expected,
                          int64_t found)
{
    char shown[100];
    snprintf(difference, sizeof(difference), "'%s'%s: %s is %" PRId64 ", should be %" PRId64,
             sfs_name_show(name, shown, sizeof(shown)), sfs_name_is_marker(name) ? " (marker)" : "",
             what, found, expected);
    return difference;
}

static const char *attributes_differ(struct sfs_bytes name, const struct sfs_attributes *a,
                                     const struct sfs_attributes *b)
{
    const struct {
        const char *what;
        int64_t expected, found;
    } rows[] = {
        {"kind", a->kind, b->kind},
        {"type", a->type, b->type},
        {"type_set", a->type_set, b->type_set},
        {"mode", a->mode, b->mode},
        {"uid", a->uid, b->uid},
        {"gid", a->gid, b->gid},
        {"device", (int64_t)a->device, (int64_t)b->device},
        {"created", a->created, b->created},
        {"accessed", a->accessed, b->accessed},
        {"modified", a->modified, b->modified},
        {"changed", a->changed, b->changed},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].expected != rows[i].found)
            return differ(name, rows[i].what, rows[i].expected, rows[i].found);
    }
    return NULL;
}

static const char *xattrs_differ(const struct model_record *record, struct sfs_bytes xattrs)
{
    struct sfs_bytes name, value;
    size_t position = 0, count = 0;
    while (sfs_xattr_next(xattrs, &position, &name, &value))
        count++;
    if (count != record->xattr_count)
        return differ(model_name(record), "number of extended attributes",
                      (int64_t)record->xattr_count, (int64_t)count);
    for (size_t i = 0; i < count; i++) {
        if (!sfs_xattr_get(xattrs, sfs_buffer_bytes(&record->xattrs[i].name), &value) ||
            !sfs_bytes_equal(value, sfs_buffer_bytes(&record->xattrs[i].value)))
            return differ(model_name(record), "an extended attribute", (int64_t)i, -1);
    }
    return NULL;
}

const char *model_record_differs(const struct model_record *record, const struct sfs_record *found,
                                 bool values)
{
    struct sfs_bytes name = model_name(record);
    if (record->revision != found->revision)
        return differ(name, "revision", (int64_t)record->revision, (int64_t)found->revision);
    if (record->id_known && record->attributes.id != found->attributes.id)
        return differ(name, "id", (int64_t)record->attributes.id, (int64_t)found->attributes.id);
    if (model_value(record).size != found->size)
        return differ(name, "size", (int64_t)model_value(record).size, (int64_t)found->size);
    if (values && !sfs_bytes_equal(model_value(record), sfs_record_value(found)))
        return differ(name, "value", 1, 0);
    const char *other = attributes_differ(name, &record->attributes, &found->attributes);
    return other ? other : xattrs_differ(record, found->xattrs);
}

static const char *names_differ(const struct model *model, size_t at,
                                const struct sfs_record *found)
{
    char shown[100];
    snprintf(difference, sizeof(difference), "record %zu is '%s', should be ", at,
             found ? sfs_name_show(found->name, shown, sizeof(shown)) : "none");
    if (at < model->count)
        sfs_name_show(model_name(&model->records[at]), difference + strlen(difference), 100);
    else
        strcat(difference, "none");
    return difference;
}

const char *model_differs(const struct model *model, struct sfs_storage *store, bool values)
{
    struct sfs_cursor *cursor = NULL;
    const struct sfs_record *record = NULL;
    const char *result = NULL;
    size_t at = 0;
    int code = sfs_scan(store, everything(), values ? SFS_WANT_VALUE : 0, &cursor, NULL);
    while (code >= 0 && !result && (code = sfs_cursor_next(cursor, &record, NULL)) == 1) {
        if (at == model->count || !sfs_bytes_equal(model_name(&model->records[at]), record->name))
            result = names_differ(model, at, record);
        else
            result = model_record_differs(&model->records[at++], record, values);
    }
    sfs_cursor_close(cursor);
    if (code < 0)
        return differ(SFS_LITERAL("*"), "the code of the scan", 0, code);
    if (!result && at != model->count)
        result = names_differ(model, at, NULL);
    return result;
}

void model_commit(struct model *model, struct sfs_storage *store, uint64_t sequence)
{
    for (size_t i = 0; i < model->count; i++) {
        struct model_record *record = &model->records[i];
        if (record->revision == MODEL_NOW)
            record->revision = sequence;
        const struct sfs_record *found = NULL;
        if (record->id_known || sfs_get(store, model_name(record), 0, &found, NULL))
            continue;
        record->attributes.id = found->attributes.id;
        record->id_known = true;
        sfs_record_unref(found);
    }
}
