/* SPDX-License-Identifier: MIT */
/* Scenarios that change nothing: reading, queries of every sink, copies in another format. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "storefs/builder.h"
#include "storefs/bulk.h"
#include "storefs/document.h"
#include "storefs/index.h"
#include "storefs/transaction.h"
#include "tests/fault/rig.h"

static int drain(struct sfs_cursor *cursor, struct sfs_error *error)
{
    const struct sfs_record *record = NULL;
    int code;
    while ((code = sfs_cursor_next(cursor, &record, error)) == 1)
        continue;
    return code;
}

static int read_values(struct fixture *f, struct sfs_error *error)
{
    struct sfs_buffer value = {0};
    const struct sfs_record *record = NULL;
    char piece[4096];
    size_t got = 0;
    int code = sfs_get_value(f->store, L("large"), &value, error);
    sfs_buffer_free(&value);
    if (code == 0)
        code = sfs_get(f->store, L("x"), SFS_WANT_RECORD, &record, error);
    sfs_record_unref(record);
    for (uint64_t at = 0; code == 0 && at < 600000; at += 100000)
        code = sfs_read(f->store, L("large"), 0, at, piece, sizeof(piece), &got, error);
    return code;
}

static int read_many(struct fixture *f, struct sfs_error *error)
{
    const struct sfs_bytes keys[] = {L("a"), L("none"), L("d/2")};
    const struct sfs_record *records[3] = {0};
    struct sfs_totals totals;
    int code = sfs_get_many(f->store, keys, 3, records, error);
    for (size_t i = 0; i < 3; i++)
        sfs_record_unref(records[i]);
    return code ? code : sfs_totals(f->store, &totals, error);
}

static int scan(struct fixture *f, struct sfs_error *error)
{
    struct sfs_cursor *cursor = NULL;
    int code = sfs_scan(f->store, range_of(L("a"), L("z")), SFS_WANT_VALUE, &cursor, error);
    if (code == 0)
        code = drain(cursor, error);
    if (code == 0)
        code = sfs_cursor_seek(cursor, L("d"), error);
    if (code == 0)
        code = drain(cursor, error);
    sfs_cursor_close(cursor);
    return code;
}

static int scan_prefix(struct fixture *f, struct sfs_error *error)
{
    struct sfs_cursor *cursor = NULL;
    int code = sfs_keys(f->store, L("d/"), &cursor, error);
    if (code == 0)
        code = drain(cursor, error);
    sfs_cursor_close(cursor);
    cursor = NULL;
    if (code == 0)
        code = sfs_entries(f->store, L(""), &cursor, error);
    if (code == 0)
        code = drain(cursor, error);
    sfs_cursor_close(cursor);
    return code;
}

/* --- queries --- */

static int query_text(struct fixture *f, struct sfs_bytes path, struct sfs_error *error)
{
    struct sfs_query *query = NULL, *copy = NULL;
    struct sfs_text *text = NULL;
    enum sfs_sink sink = SFS_SINK_NONE;
    char piece[512];
    size_t got = 1;
    int code = sfs_query_parse(path, &query, &sink, error);
    if (code == 0)
        code = sfs_query_copy(&copy, query, error);
    if (code == 0)
        code = sfs_query_text(f->store, copy, sink, &text, error);
    while (code == 0 && got)
        code = sfs_text_read(text, piece, sizeof(piece), &got, error);
    sfs_text_close(text);
    sfs_query_free(copy);
    sfs_query_free(query);
    return code;
}

static int query_rows(struct fixture *f, struct sfs_error *error)
{
    static const char *const paths[] = {
        "where/n >= 1 and not (s ~ \"z*\" or tags has \"q\")/order/n:desc,s/values.json",
        "by/n/2/values.ndjson",
        "order/@size/offset/1/limit/4/keys",
    };
    int code = 0;
    for (size_t i = 0; i < 3 && code == 0; i++)
        code = query_text(f, sfs_string(paths[i]), error);
    return code;
}

static int build_query(struct sfs_query *query, struct sfs_error *error)
{
    struct sfs_condition has = sfs_or(sfs_in("tags[0]", "x", 1), sfs_not(sfs_has_field("tags")));
    int code = sfs_where(query, sfs_and(has, sfs_condition_text(L("not a = 1"))), error);
    if (code == 0)
        code = sfs_order(query, sfs_sorts(sfs_desc("tags"), "n"), error);
    if (code == 0)
        code = sfs_select(query, sfs_fields("tags", "n"), error);
    return code ? code : sfs_aggregate(query, sfs_calls(sfs_count(), sfs_max("n")), error);
}

static int query_summaries(struct fixture *f, struct sfs_error *error)
{
    struct sfs_query *query = NULL;
    int code = query_text(f, L("where/n exists and s in [\"x\", \"y\"]/count"), error);
    if (code == 0)
        code = query_text(f, L("by/@key/d%2F1/explain"), error);
    if (code == 0)
        code = sfs_query_new(&query, error);
    if (code == 0)
        code = sfs_query_where(query, L("tags[0] = \"x\""), error);
    if (code == 0)
        code = sfs_query_has(f->store, query, L("d/1"), error);
    if (code >= 0)
        code = build_query(query, error);
    sfs_query_free(query);
    return code;
}

/* Of a store of its own, with a group of more entries than are read one by one. */
static int fill_indexed(struct sfs_storage *store, struct sfs_error *error)
{
    char name[16];
    int code = sfs_set(store, L("one"), L("{\"s\":\"x\",\"n\":1e-30}"), error);
    for (int i = 0; i < 40 && code == 0; i++) {
        snprintf(name, sizeof(name), "n%d", i % 100);
        code = sfs_set(store, sfs_string(name),
                       i % 20 ? L("{\"s\":\"y\"}") : L("{\"s\":\"y\",\"n\":[2,\"z\"]}"), error);
    }
    return code ? code : sfs_index_create(store, L("s,n"), NULL, NULL, error);
}

static int group_all(struct fixture *f, struct sfs_error *error)
{
    static const char *const paths[] = {
        "group/s/aggregate/count,min(n),max(n)/values.ndjson",
        "group/s/aggregate/sum(n),distinct(n)/values.ndjson",
        "group/n,s/aggregate/sum(n),max(s),distinct(s)/values.ndjson",
        "where/s in [\"x\", \"y\"]/max/s",
        "where/@key >= \"n\" and s = \"y\"/group/n/explain",
    };
    int code = 0;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]) && code == 0; i++)
        code = query_text(f, sfs_string(paths[i]), error);
    return code;
}

/* In a transaction what the groups are made of is noted, too. */
static int group_recorded(struct fixture *f, struct sfs_error *error)
{
    const struct sfs_transaction_options options = {.isolation = SFS_SERIALIZABLE};
    struct sfs_transaction *transaction = NULL;
    struct fixture inside = *f;
    int code = sfs_begin(f->store, &options, &transaction, error);
    if (code == 0) {
        inside.store = sfs_transaction_storage(transaction);
        code = group_all(&inside, error);
    }
    sfs_transaction_free(transaction);
    return code;
}

static int query_groups(struct fixture *f, struct sfs_error *error)
{
    struct fixture own = *f;
    own.store = NULL;
    int code = sfs_open(&own.store, "memory:", SFS_OPEN_CREATE, error);
    if (code == 0)
        code = fill_indexed(own.store, error);
    if (code == 0)
        code = group_all(&own, error);
    if (code == 0)
        code = group_recorded(&own, error);
    int closed = own.store ? sfs_close(own.store, code ? NULL : error) : 0;
    return code ? code : closed;
}

static int ignore(void *context, struct sfs_bytes text)
{
    (void)context;
    (void)text;
    return 0;
}

static int query_completion(struct fixture *f, struct sfs_error *error)
{
    struct sfs_query *query = NULL;
    bool complete = false;
    int code = sfs_query_new(&query, error);
    if (code == 0)
        code = sfs_query_fields(f->store, query, ignore, NULL, &complete, error);
    if (code == 0)
        code = sfs_query_values(f->store, query, L("s"), ignore, NULL, &complete, error);
    sfs_query_free(query);
    return code;
}

/* --- copies --- */

static int export_lines(struct fixture *f, struct sfs_error *error)
{
    struct sfs_bulk_result result;
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    int code = fd < 0 ? sfs_fail(error, SFS_E_IO, "test", "no /dev/null")
                      : sfs_export(f->store, fd, NULL, &result, error);
    if (fd >= 0)
        close(fd);
    return code;
}

static void keep_finding(void *context, const char *sentence)
{
    (void)sfs_fail(context, SFS_E_CORRUPT, "test", "%s", sentence);
}

static int check(struct fixture *f, struct sfs_error *error)
{
    uint64_t found = 0, repaired = 0;
    int code = sfs_check(f->store, true, keep_finding, error, &found, &repaired, error);
    return code == 0 && found ? SFS_E_CORRUPT : code;
}

static int snapshot(struct fixture *f, struct sfs_error *error)
{
    struct sfs_storage *shown = NULL;
    struct sfs_buffer value = {0};
    struct sfs_cursor *cursor = NULL;
    int code = sfs_snapshot(f->store, 0, &shown, error);
    if (code == 0)
        code = sfs_get_value(shown, L("d/2"), &value, error);
    if (code == 0)
        code = sfs_scan(shown, everything(), SFS_WANT_VALUE, &cursor, error);
    if (code == 0)
        code = drain(cursor, error);
    sfs_cursor_close(cursor);
    sfs_buffer_free(&value);
    int closed = shown ? sfs_close(shown, code ? NULL : error) : 0;
    return code ? code : closed;
}

/* --- documents --- */

static int count_members(void *context, struct sfs_bytes name, struct sfs_bytes value)
{
    (void)name;
    (void)value;
    ++*(int *)context;
    return 0;
}

/* Large enough for tables. */
static struct sfs_blob *large_document(void)
{
    struct sfs_buffer text = {0};
    int code = sfs_buffer_byte(&text, '{');
    for (int i = 0; i < 200 && code == 0; i++)
        code = sfs_buffer_printf(&text, "\"n%d\":[%d],", i, i);
    if (code == 0)
        code = sfs_buffer_printf(&text, "\"n\":\"x\"}");
    struct sfs_blob *blob = code ? NULL : sfs_blob_new(sfs_buffer_bytes(&text));
    sfs_buffer_free(&text);
    return blob;
}

static int document_index(struct fixture *f, struct sfs_error *error)
{
    const struct sfs_bytes steps[] = {L("n77"), L("0")};
    struct sfs_document *document = NULL;
    struct sfs_bytes value;
    struct sfs_blob *blob = large_document();
    int count = 0;
    (void)f;
    int code = blob ? sfs_document_open(blob, &document, error) : sfs_fail_memory(error, "test");
    if (code == 0)
        code = sfs_document_find(document, (struct sfs_document_path){steps, 2}, &value, error);
    if (code == 0)
        code =
            sfs_document_visit(document, sfs_document_root(document), count_members, &count, error);
    if (code == 0 && count != 201)
        code = sfs_fail(error, SFS_E_CORRUPT, "test", "%d members", count);
    sfs_document_unref(document);
    sfs_blob_unref(blob);
    return code;
}

static int document_get(struct fixture *f, struct sfs_error *error)
{
    const struct sfs_bytes step = L("s");
    struct sfs_buffer json = {0}, form = {0}, again = {0};
    int code =
        sfs_document_get(f->store, L("b"), (struct sfs_document_path){&step, 1}, &json, error);
    if (code == 0)
        code = sfs_document_form(sfs_buffer_bytes(&json), &form, error);
    if (code == 0)
        code = sfs_document_from_form(sfs_buffer_bytes(&form), &again, error);
    sfs_buffer_free(&json);
    sfs_buffer_free(&form);
    sfs_buffer_free(&again);
    return code;
}

const struct scenario scenarios_reading[] = {
    {.name = "values", .run = read_values},
    {.name = "many", .run = read_many},
    {.name = "scan", .run = scan},
    {.name = "prefix", .run = scan_prefix},
    {.name = "query rows", .run = query_rows},
    {.name = "query summaries", .run = query_summaries},
    {.name = "query groups", .run = query_groups},
    {.name = "query completion", .run = query_completion},
    {.name = "document", .run = document_get},
    {.name = "document index", .run = document_index},
    {.name = "export", .run = export_lines},
    {.name = "check", .run = check, .flags = SCENARIO_FINDS},
    {.name = "snapshot", .run = snapshot, .needs = SFS_CAN_SNAPSHOT},
    {0},
};
