/* SPDX-License-Identifier: MIT */
/*
 * Export of a store, or of a range of its names, as NDJSON to a file descriptor: one state of the
 * store, record by record; what is kept in memory is a block of output and the largest value.
 */
#include <errno.h>
#include <inttypes.h>

#include "bulk/line.h"
#include "bulk/losses.h"
#include "storefs/index.h"
#include "util/file.h"

#define TRIES 100
#define BLOCK ((size_t)256 << 10)
/* After a large value the output buffer is given back. */
#define KEPT ((size_t)4 << 20)

struct export
{
    int descriptor;
    const struct sfs_bulk_options *options;
    struct sfs_bulk_result *result;
    struct sfs_buffer out;
    uint64_t pending; /* records in `out` */
    uint64_t total;   /* records there are, 0: unknown */
    struct sfs_storage *state;
};

static int write_out(struct export *export, struct sfs_error *error)
{
    struct sfs_buffer *out = &export->out;
    int code = sfs_write_all(export->descriptor, sfs_buffer_bytes(out), "the export", error);
    if (code && errno == EPIPE)
        return sfs_fail(error, SFS_E_IO, "export",
                        "whoever read the export stopped reading after %" PRIu64 " records",
                        export->result->records);
    if (code)
        return code;
    export->result->bytes += out->size;
    export->result->records += export->pending;
    export->pending = 0;
    out->size = 0;
    if (out->capacity > KEPT)
        sfs_buffer_free(out);
    const struct sfs_bulk_options *options = export->options;
    if (options->progress &&
        options->progress(options->context, export->result->records, export->total))
        return sfs_fail(error, SFS_E_CANCELLED, "export",
                        "the export was stopped after %" PRIu64 " records",
                        export->result->records);
    return 0;
}

/* Where the state is that of now, a value may change between its record and its parts: then the
 * whole line is made again, from the present record. NOT_FOUND if it has been removed. */
static int write_present(struct export *export, const struct sfs_record *record, size_t before,
                         struct sfs_error *error)
{
    const struct sfs_record *present = sfs_record_ref(record);
    int code = SFS_E_CONFLICT;
    for (unsigned tries = 0; code == SFS_E_CONFLICT && tries < TRIES; tries++) {
        export->out.size = before;
        sfs_record_unref(present);
        code =
            sfs_get(export->state, record->name, SFS_WANT_VALUE | SFS_WANT_SMALL, &present, error);
        if (code)
            return code;
        code = sfs_line_write_from(&export->out, export->state, present, error);
    }
    sfs_record_unref(present);
    return code;
}

/* A line that an import would refuse is not left in `out`. */
static int write_record(struct export *export, const struct sfs_record *record,
                        struct sfs_error *error)
{
    size_t before = export->out.size;
    int code = sfs_line_write_from(&export->out, export->state, record, error);
    if (code == SFS_E_CONFLICT)
        code = write_present(export, record, before, error);
    if (code || export->out.size - before <= SFS_LINE_MAX)
        return code;
    export->out.size = before;
    return sfs_line_too_long(error);
}

static int add_record(struct export *export, const struct sfs_record *record,
                      struct sfs_error *error)
{
    char shown[128];
    size_t before = export->out.size;
    int code = write_record(export, record, error);
    if (code == SFS_E_NOT_FOUND) {
        export->out.size = before;
        return 0; /* removed meanwhile */
    }
    if (code)
        return sfs_error_context(error, code, "\"%s\"",
                                 sfs_name_show(record->name, shown, sizeof(shown)));
    export->pending++;
    return export->out.size >= BLOCK ? write_out(export, error) : 0;
}

/* The value is read alone, so that damage in it is this record's. */
static int add_damaged(struct export *export, struct sfs_losses *losses,
                       const struct sfs_record *seen, struct sfs_error *error)
{
    struct sfs_error failure = {0};
    const struct sfs_record *record = NULL;
    char shown[128];
    int code =
        sfs_get(losses->store, seen->name, SFS_WANT_VALUE | SFS_WANT_SMALL, &record, &failure);
    if (!code)
        code = write_record(export, record, &failure);
    if (code == SFS_E_TOO_LARGE)
        sfs_error_context(&failure, code, "'%s' is left out",
                          sfs_name_show(seen->name, shown, sizeof(shown)));
    sfs_record_unref(record);
    if (code)
        return sfs_losses_pass(losses, code, &failure, error);
    export->pending++;
    return export->out.size >= BLOCK ? write_out(export, error) : 0;
}

static int export_cursor(struct export *export, struct sfs_losses *losses, struct sfs_error *error)
{
    for (;;) {
        const struct sfs_record *record;
        int code = sfs_losses_next(losses, &record, error);
        if (code < 0)
            (void)write_out(export, NULL); /* what comes before the damage */
        if (code == 0)
            return write_out(export, error);
        if (code > 0 && export->options->keep_going)
            code = add_damaged(export, losses, record, error);
        else if (code > 0)
            code = add_record(export, record, error);
        if (code)
            return code;
    }
}

/* --- indexes --- */

static int add_index(void *context, const char *name, const struct sfs_index_stats *stats)
{
    struct export *export = context;
    (void)stats;
    return sfs_line_write_index(&export->out, sfs_string(name));
}

static bool is_whole(const struct export *export)
{
    return sfs_range_covers(export->options->range, (struct sfs_range){0});
}

/* After the records, so that an import makes each from all of them. Indexes belong to the whole store. */
static int export_indexes(struct export *export, struct sfs_losses *losses, struct sfs_error *error)
{
    struct sfs_error failure = {0};
    if (!is_whole(export))
        return write_out(export, error);
    int code = sfs_index_list(export->state, add_index, export, &failure);
    if (code && code != SFS_E_UNSUPPORTED)
        code = sfs_losses_pass(losses, code, &failure, error);
    else
        code = 0;
    return code ? code : write_out(export, error);
}

static int export_state(struct export *export, struct sfs_storage *state, struct sfs_error *error)
{
    struct sfs_losses losses = {
        .store = state, .options = export->options, .result = export->result};
    unsigned want = export->options->keep_going ? SFS_WANT_RECORD : SFS_WANT_VALUE | SFS_WANT_SMALL;
    export->state = state;
    int code = sfs_scan(state, export->options->range, want, &losses.cursor, error);
    if (code)
        return code;
    code = export_cursor(export, &losses, error);
    if (code == 0)
        code = export_indexes(export, &losses, error);
    sfs_cursor_close(losses.cursor);
    sfs_buffer_free(&export->out);
    return code;
}

int sfs_export(struct sfs_storage *store, int descriptor, const struct sfs_bulk_options *options,
               struct sfs_bulk_result *ret_result, struct sfs_error *error)
{
    static const struct sfs_bulk_options defaults;
    struct sfs_bulk_result unwanted;
    struct export export = {
        .descriptor = descriptor,
        .options = options ? options : &defaults,
        .result = ret_result ? ret_result : &unwanted,
    };
    if (is_whole(&export))
        export.total = sfs_records_ahead(store, export.options);
    struct sfs_storage *snapshot = NULL;
    *export.result = (struct sfs_bulk_result){0};
    int code = 0;
    if (sfs_storage_capabilities(store) & SFS_CAN_SNAPSHOT)
        code = sfs_snapshot(store, 0, &snapshot, error);
    if (code)
        return code;
    code = export_state(&export, snapshot ? snapshot : store, error);
    int close_code = sfs_close(snapshot, code ? NULL : error);
    return code ? code : close_code;
}
