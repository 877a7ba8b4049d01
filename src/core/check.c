/* SPDX-License-Identifier: MIT */
/*
 * Backup and check: the backend's own, and for the check also what every store can do: read it all.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/storage.h"

#define PIECE 262144

int sfs_backup(struct sfs_storage *store, const char *path, sfs_progress_function *progress,
               void *context, struct sfs_error *error)
{
    struct sfs_storage *able = sfs_storage_override(
        store, offsetof(struct sfs_override_operations, backup), SFS_OVERRIDE_UPKEEP);
    if (!able)
        return sfs_fail(error, SFS_E_UNSUPPORTED, "storage",
                        "a %s store has no backup format of its own: use export, which writes "
                        "every record as a line of text",
                        sfs_storage_name(store));
    return able->operations->override->backup(able, path, progress, context, error);
}

/* One run over a store: where findings go. */
struct inspection {
    struct sfs_storage *store;
    sfs_report_function *report;
    void *context;
    uint64_t found;
    char *piece;
};

SFS_PRINTF(3, 4)
static void find(struct inspection *inspection, struct sfs_bytes name, const char *format, ...)
{
    char shown[200], text[600], sentence[840];
    va_list arguments;
    va_start(arguments, format);
    if (vsnprintf(text, sizeof(text), format, arguments) < 0)
        text[0] = '\0';
    va_end(arguments);
    snprintf(sentence, sizeof(sentence), "key '%s': %s", sfs_name_show(name, shown, sizeof(shown)),
             text);
    inspection->found++;
    if (inspection->report)
        inspection->report(inspection->context, sentence);
}

/* What a record that was changed or deleted since it was seen fails with is no finding. */
static bool overtaken(int code)
{
    return code == SFS_E_CONFLICT || code == SFS_E_NOT_FOUND;
}

/* Reads the value from `from` to `to`. 1: it ends elsewhere; else as sfs_read(). */
static int read_through(struct inspection *inspection, const struct sfs_record *record,
                        uint64_t from, uint64_t to, struct sfs_error *error)
{
    for (size_t got = 0; from < to; from += got) {
        size_t size = to - from < PIECE ? (size_t)(to - from) : PIECE;
        int rc = sfs_read(inspection->store, record->name, record->revision, from,
                          inspection->piece, size, &got, error);
        if (rc || got == 0)
            return rc ? rc : 1;
    }
    return from != to;
}

/* Reads what the store keeps of the value, not the holes in it, and the byte behind its end. */
static int read_value(struct inspection *inspection, const struct sfs_record *record,
                      struct sfs_error *error)
{
    struct sfs_extent extent = {0};
    size_t behind = 0;
    int rc = 1;
    for (uint64_t at = 0; rc == 1 && at < record->size; at = extent.offset + extent.size) {
        rc = sfs_data(inspection->store, record->name, at, &extent, error);
        if (rc == 1) {
            int read =
                read_through(inspection, record, extent.offset, extent.offset + extent.size, error);
            if (read)
                return read;
        }
    }
    rc = rc < 0 ? rc : 0;
    if (rc == 0 && record->size > 0)
        rc = read_through(inspection, record, record->size - 1, record->size, error);
    if (rc == 0)
        rc = sfs_read(inspection->store, record->name, record->revision, record->size,
                      inspection->piece, 1, &behind, error);
    return rc == 0 ? behind > 0 : rc;
}

static int inspect_value(struct inspection *inspection, const struct sfs_record *record,
                         struct sfs_error *error)
{
    struct sfs_error failure = {0};
    int rc = read_value(inspection, record, &failure);
    if (rc == 1)
        find(inspection, record->name,
             "the value does not have the %" PRIu64 " bytes that the record says", record->size);
    else if (rc == SFS_E_CORRUPT)
        find(inspection, record->name, "%s", failure.message);
    else if (rc && !overtaken(rc) && error)
        *error = failure;
    return rc == 1 || rc == SFS_E_CORRUPT || overtaken(rc) ? 0 : rc;
}

static int inspect_record(struct inspection *inspection, const struct sfs_record *record,
                          struct sfs_error *error)
{
    struct sfs_error problem = {0};
    const struct sfs_attributes *attributes = &record->attributes;
    if (sfs_name_check(record->name, &problem)) {
        /* The value cannot be asked for by such a name. */
        find(inspection, record->name, "%s", problem.message);
        return 0;
    }
    if (sfs_name_is_marker(record->name) != (attributes->kind == SFS_KIND_MARKER))
        find(inspection, record->name, "kind %d does not fit the name", (int)attributes->kind);
    if (sfs_xattr_check(record->xattrs, &problem))
        find(inspection, record->name, "%s", problem.message);
    if (attributes->id == 0 || record->revision == 0)
        find(inspection, record->name, "the record has no %s", attributes->id ? "revision" : "id");
    return inspect_value(inspection, record, error);
}

static int inspect_all(struct inspection *inspection, struct sfs_error *error)
{
    struct sfs_cursor *cursor;
    const struct sfs_record *record = NULL;
    struct sfs_buffer last = {0};
    int rc = sfs_scan(inspection->store, (struct sfs_range){0}, SFS_WANT_RECORD, &cursor, error);
    if (rc)
        return rc;
    while ((rc = sfs_cursor_next(cursor, &record, error)) == 1) {
        if (sfs_bytes_compare(sfs_buffer_bytes(&last), record->name) >= 0)
            find(inspection, record->name, "the name is not in order");
        last.size = 0;
        rc = sfs_buffer_add(&last, record->name) ? sfs_fail_memory(error, "storage")
                                                 : inspect_record(inspection, record, error);
        if (rc)
            break;
    }
    sfs_cursor_close(cursor);
    sfs_buffer_free(&last);
    return rc;
}

/* Damage that ends the scan is a finding too. */
static int check_by_scan(struct inspection *inspection, struct sfs_error *error)
{
    struct sfs_error failure = {0};
    inspection->piece = malloc(PIECE);
    if (!inspection->piece)
        return sfs_fail_memory(error, "storage");
    int rc = inspect_all(inspection, &failure);
    free(inspection->piece);
    if (rc == SFS_E_CORRUPT) {
        inspection->found++;
        if (inspection->report)
            inspection->report(inspection->context, failure.message);
        return 0;
    }
    if (rc && error)
        *error = failure;
    return rc;
}

int sfs_check(struct sfs_storage *store, bool repair, sfs_report_function *report, void *context,
              uint64_t *ret_found, uint64_t *ret_repaired, struct sfs_error *error)
{
    struct inspection inspection = {.store = store, .report = report, .context = context};
    uint64_t found = 0, repaired = 0, in_indexes = 0;
    struct sfs_storage *able = sfs_storage_override(
        store, offsetof(struct sfs_override_operations, check), SFS_OVERRIDE_UPKEEP);
    if (repair && sfs_storage_is_read_only(store, able ? able : store))
        return sfs_fail(error, SFS_E_READ_ONLY, "storage",
                        "a store that is open read-only cannot be repaired");
    int rc = able ? able->operations->override->check(able, repair, report, context, &found,
                                                      &repaired, error)
                  : 0;
    if (rc == 0)
        rc = check_by_scan(&inspection, error);
    if (rc == 0)
        rc = sfs_index_check(store, report, context, &in_indexes, error);
    if (rc == 0) {
        *ret_found = found + inspection.found + in_indexes;
        *ret_repaired = repaired;
    }
    return rc;
}
