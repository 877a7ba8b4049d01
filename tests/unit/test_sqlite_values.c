/* SPDX-License-Identifier: MIT */
/* Where values lie in a SQLite store: small ones in their record's row, and how they come there and
 * go from there, with a snapshot that sees what was before and without. */
#include <sys/stat.h>

#include "tests/unit/sqlite_fixture.h"

#define ROW ((size_t)256) /* bytes of a value up to which it is in its record's row */
#define MIB ((size_t)1024 * 1024)

static const size_t sizes[] = {0, 1, ROW - 1, ROW, ROW + 1, 5000, MIB};
#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

enum way { PUT, PUT_STAGE, TRUNCATE, APPEND, PATCH, PATCH_STAGE, WAYS };

struct value {
    size_t size;
    char data[MIB];
};
static struct value before, after;
static char fresh[MIB];

static void fill(char *data, size_t size, unsigned tag)
{
    for (size_t i = 0; i < size; i++)
        data[i] = (char)('a' + (i * 7 + tag) % 26);
}

static struct sfs_stage *staged(struct sfs_storage *store, size_t size)
{
    struct sfs_error error = {0};
    struct sfs_stage *stage = NULL;
    must(sfs_stage_open(store, &stage, &error), &error);
    must(sfs_stage_write(stage, 0, sfs_bytes(fresh, size), &error), &error);
    return stage;
}

/* What the way makes of `before` is in `after`; `stage` is to be closed. */
static void change(struct sfs_storage *store, struct sfs_batch *batch, enum way way, size_t size,
                   struct sfs_stage **stage)
{
    struct sfs_bytes name = SFS_LITERAL("key"), bytes = sfs_bytes(fresh, size);
    size_t grown = size > before.size ? size - before.size : 0;
    struct sfs_part part = {way == PATCH ? SFS_PART_BYTES : SFS_PART_STAGE, 0, size, 0};
    after.size = way == APPEND ? before.size + grown : size;
    memcpy(after.data, way == TRUNCATE || way == APPEND ? before.data : fresh, MIB);
    if (way == PUT) {
        assert_int_equal(sfs_batch_put(batch, name, bytes, NULL, 0, NULL), 0);
    } else if (way == PUT_STAGE) {
        *stage = staged(store, size);
        assert_int_equal(sfs_batch_put_stage(batch, name, *stage, NULL, 0, NULL), 0);
    } else if (way == TRUNCATE) {
        assert_int_equal(sfs_batch_truncate(batch, name, size, NULL), 0);
        if (grown)
            memset(after.data + before.size, 0, grown);
    } else if (way == APPEND) {
        assert_int_equal(sfs_batch_append(batch, name, sfs_bytes(fresh, grown), NULL), 0);
        memcpy(after.data + before.size, fresh, grown);
    } else {
        if (way == PATCH_STAGE)
            *stage = staged(store, size);
        assert_int_equal(sfs_batch_patch(batch, name, &part, 1,
                                         way == PATCH ? bytes : SFS_LITERAL(""), *stage, 0, NULL),
                         0);
        if (size < before.size) {
            after.size = before.size;
            memcpy(after.data + size, before.data + size, before.size - size);
        }
    }
}

/* Read whole, and a piece of it across the middle. */
static void expect_it(struct sfs_storage *store, const struct value *value)
{
    struct sfs_error error = {0};
    struct sfs_buffer read = {0};
    char piece[40];
    size_t size = 0, at = value->size / 2;
    must(sfs_get_value(store, SFS_LITERAL("key"), &read, &error), &error);
    assert_int_equal(read.size, value->size);
    assert_true(read.size == 0 || memcmp(read.data, value->data, read.size) == 0);
    sfs_buffer_free(&read);
    must(sfs_read(store, SFS_LITERAL("key"), 0, at, piece, sizeof(piece), &size, &error), &error);
    assert_int_equal(size, value->size - at < sizeof(piece) ? value->size - at : sizeof(piece));
    assert_memory_equal(piece, value->data + at, size);
}

static void expect_place(const struct fixture *fixture, size_t size)
{
    bool in_row = size > 0 && size <= ROW;
    assert_int_equal(number_in(fixture, "SELECT coalesce(length(data), -1) FROM record"),
                     in_row ? (long long)size : -1);
    assert_int_equal(number_in(fixture, "SELECT content IS NULL FROM record"), size <= ROW);
}

static void expect_change(struct fixture *fixture, enum way way, size_t size, bool with_snapshot)
{
    struct sfs_storage *snapshot = NULL;
    struct sfs_stage *stage = NULL;
    struct sfs_error error = {0};
    must(sfs_set(fixture->store, SFS_LITERAL("key"), sfs_bytes(before.data, before.size), &error),
         &error);
    expect_place(fixture, before.size);
    if (with_snapshot)
        must(sfs_snapshot(fixture->store, 0, &snapshot, &error), &error);
    struct sfs_batch *batch = new_batch();
    change(fixture->store, batch, way, size, &stage);
    apply_and_free(fixture->store, batch);
    sfs_stage_close(stage);
    expect_place(fixture, after.size);
    expect_it(fixture->store, &after);
    if (!with_snapshot)
        return;
    expect_it(snapshot, &before);
    close_store(snapshot);
}

static void test_changes(void **state)
{
    struct fixture *fixture = *state;
    for (size_t from = 0; from < SIZES; from++) {
        before.size = sizes[from];
        fill(before.data, MIB, 1);
        fill(fresh, MIB, 2);
        for (size_t to = 0; to < SIZES; to++) {
            for (enum way way = 0; way < WAYS; way++) {
                expect_change(fixture, way, sizes[to], false);
                expect_change(fixture, way, sizes[to], true);
            }
        }
        expect_healthy(fixture->store);
    }
    eventually(fixture, "SELECT count(*) FROM history", 0);
    eventually(fixture, "SELECT count(*) FROM garbage", 0);
    set(fixture->store, "key", "");
    assert_int_equal(number_in(fixture, "SELECT count(*) FROM chunk"), 0);
    assert_int_equal(number_in(fixture, "SELECT count(*) FROM block"), 0);
}

/* A value in a row goes along with it, and leaves no garbage: history has it. */
static void test_rows_that_move(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_storage *snapshot = NULL, *later = NULL;
    struct sfs_error error = {0};
    struct sfs_attributes attributes = {.mode = 0600};
    set(fixture->store, "a/1", "one");
    set(fixture->store, "a/2", longer("two"));
    must(sfs_snapshot(fixture->store, 0, &snapshot, &error), &error);
    struct sfs_batch *batch = new_batch();
    assert_int_equal(sfs_batch_rename(batch, SFS_LITERAL("a/1"), SFS_LITERAL("a/3"), 0, NULL), 0);
    apply_and_free(fixture->store, batch);
    batch = new_batch();
    assert_int_equal(sfs_batch_rename_prefix(batch, SFS_LITERAL("a/"), SFS_LITERAL("b/"), NULL), 0);
    apply_and_free(fixture->store, batch);
    must(sfs_snapshot(fixture->store, 0, &later, &error), &error);
    batch = new_batch();
    assert_int_equal(
        sfs_batch_attributes(batch, SFS_LITERAL("b/3"), &attributes, SFS_ATTRIBUTE_MODE, NULL), 0);
    apply_and_free(fixture->store, batch);
    expect(fixture->store, "b/3", "one");
    expect(fixture->store, "b/2", longer("two"));
    set(fixture->store, "b/3", "three");
    assert_int_equal(number_in(fixture, "SELECT count(*) FROM garbage"), 0);
    must(sfs_clear(fixture->store, &error), &error);
    expect(snapshot, "a/1", "one");
    expect(snapshot, "a/2", longer("two"));
    expect(snapshot, "b/3", NULL);
    expect(later, "b/3", "one");
    expect(later, "b/2", longer("two"));
    assert_int_equal(number_in(fixture, "SELECT count(*) FROM garbage"), 1);
    expect_healthy(fixture->store);
    close_store(snapshot);
    close_store(later);
    expect_healthy(fixture->store);
}

/* A feed needs to know that something changed, and no values. */
static void test_feed_keeps_no_values(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_feed *feed = NULL;
    struct sfs_storage *snapshot = NULL;
    struct sfs_error error = {0};
    set(fixture->store, "a", "1");
    must(sfs_changes(fixture->store, UINT64_MAX, &feed, &error), &error);
    set(fixture->store, "a", "2");
    assert_int_equal(number_in(fixture, "SELECT count(*) FROM history WHERE data NOT NULL"), 0);
    must(sfs_snapshot(fixture->store, 0, &snapshot, &error), &error);
    set(fixture->store, "a", "3");
    set(fixture->store, "a", "4");
    assert_int_equal(number_in(fixture, "SELECT count(*) FROM history"), 3);
    assert_int_equal(number_in(fixture, "SELECT count(*) FROM history WHERE data = x'32'"), 1);
    assert_int_equal(number_in(fixture, "SELECT count(*) FROM history WHERE data NOT NULL"), 1);
    expect(snapshot, "a", "2");
    expect_healthy(fixture->store);
    close_store(snapshot);
    sfs_feed_close(feed);
}

/* The view shows values wherever they are. */
static void test_view(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_error error = {0};
    fill(before.data, MIB, 1);
    set(fixture->store, "empty", "");
    set(fixture->store, "small", "seven");
    set(fixture->store, "long", longer("eight"));
    must(sfs_set(fixture->store, SFS_LITERAL("bytes"), SFS_LITERAL("\xff\x01"), &error), &error);
    must(sfs_set(fixture->store, SFS_LITERAL("parts"), sfs_bytes(before.data, MIB), &error),
         &error);
    assert_int_equal(number_in(fixture, "SELECT count(*) FROM storage WHERE CASE key"
                                        " WHEN 'empty' THEN value = ''"
                                        " WHEN 'small' THEN value = 'seven'"
                                        " WHEN 'long' THEN value LIKE 'eight %'"
                                        " WHEN 'bytes' THEN value = x'ff01'"
                                        " WHEN 'parts' THEN value IS NULL END"),
                     5);
}

/* Room for all of the file is set aside before it is needed: pages that are written, and free ones
 * that never were. */
static void test_no_holes(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_batch *batch;
    struct sfs_error error = {0};
    struct stat status;
    must(sfs_batch_new(&batch, &error), &error);
    struct sfs_bytes value = sfs_bytes(before.data, MIB - 1);
    must(sfs_batch_put(batch, SFS_LITERAL("gone"), value, NULL, 0, &error), &error);
    must(sfs_batch_put(batch, SFS_LITERAL("stays"), value, NULL, 0, &error), &error);
    must(sfs_batch_delete(batch, SFS_LITERAL("gone"), 0, &error), &error);
    must(sfs_apply(fixture->store, batch, NULL, NULL, &error), &error);
    sfs_batch_free(batch);
    close_store(fixture->store);
    assert_int_equal(stat(fixture->path, &status), 0);
    assert_true((size_t)status.st_size > 2 * MIB);
    assert_int_equal(status.st_size % 4096, 0);
    assert_true(status.st_blocks * 512 >= status.st_size);
    fixture->store = open_again(fixture);
    expect_healthy(fixture->store);
}

/* A terabyte of which six bytes are stored, beside a document and a text. */
static void put_huge(struct sfs_storage *store)
{
    const uint64_t end = UINT64_C(1) << 40;
    struct sfs_error error = {0};
    struct sfs_stage *stage = NULL;
    struct sfs_batch *batch = NULL;
    must(sfs_stage_open(store, &stage, &error), &error);
    must(sfs_stage_write(stage, 0, SFS_LITERAL("beg"), &error), &error);
    must(sfs_stage_write(stage, end - 3, SFS_LITERAL("end"), &error), &error);
    must(sfs_batch_new(&batch, &error), &error);
    must(sfs_batch_put_stage(batch, SFS_LITERAL("huge"), stage, NULL, 0, &error), &error);
    must(sfs_apply(store, batch, NULL, NULL, &error), &error);
    sfs_stage_close(stage);
    sfs_batch_free(batch);
    must(sfs_set(store, SFS_LITERAL("document"), SFS_LITERAL("{\"n\":1}"), &error), &error);
    must(sfs_set(store, SFS_LITERAL("text"), SFS_LITERAL("some words"), &error), &error);
}

/* The rows of a query, each key and the first bytes of its value. */
static int rows_of(struct sfs_storage *store, const char *path, struct sfs_buffer *rows, struct sfs_error *error)
{
    struct sfs_query *query = NULL;
    struct sfs_cursor *cursor = NULL;
    const struct sfs_record *record;
    enum sfs_sink sink;
    must(sfs_query_parse(sfs_string(path), &query, &sink, error), error);
    int code = sfs_query_run(store, query, &cursor, error);
    while (code >= 0 && (code = sfs_cursor_next(cursor, &record, error)) == 1) {
        assert_int_equal(sfs_buffer_add(rows, record->name), 0);
        assert_int_equal(sfs_buffer_byte(rows, '='), 0);
        assert_int_equal(sfs_buffer_add(rows, sfs_record_value(record)), 0);
        assert_int_equal(sfs_buffer_byte(rows, ' '), 0);
    }
    sfs_cursor_close(cursor);
    sfs_query_free(query);
    return code;
}

/* What is no document is read only where it is a result, and what has nothing but holes not at all. */
static void test_huge(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *path;
        const char *rows;
    } cases[] = {
        {"where/n = 1", "document={\"n\":1} "},
        {"where/@size < 100/order/n", "text=some words document={\"n\":1} "},
        {"where/not n = 1 and @type = \"text\"", "text=some words "},
        {"order/n:desc/limit/1", "document={\"n\":1} "},
        {"where/n = 1 or @key = \"text\"/offset/1", "text=some words "},
    };
    put_huge(fixture->store);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sfs_error error = {0};
        struct sfs_buffer rows = {0};
        must(rows_of(fixture->store, cases[i].path, &rows, &error), &error);
        assert_int_equal(sfs_buffer_byte(&rows, '\0'), 0);
        assert_string_equal(rows.data, cases[i].rows);
        sfs_buffer_free(&rows);
    }
    struct sfs_error error = {0};
    struct sfs_buffer rows = {0};
    assert_int_equal(rows_of(fixture->store, "where/@size > 100", &rows, &error), SFS_E_TOO_LARGE);
    assert_non_null(strstr(error.message, "'huge' has 1099511627776 bytes"));
    sfs_buffer_free(&rows);
    expect_healthy(fixture->store); /* reads what is stored, or this would take an hour */
}

/* So does a copy, also of a store that is opened as a damaged one. */
static void test_huge_copy(void **state)
{
    struct fixture *fixture = *state;
    const uint64_t end = UINT64_C(1) << 40;
    put_huge(fixture->store);
    close_store(fixture->store);
    fixture->store = NULL;
    for (unsigned i = 0; i < 2; i++) {
        struct sfs_error error = {0};
        struct sfs_storage *from = open_with(fixture, "", i == 0 ? SFS_OPEN_READ_ONLY : SFS_OPEN_SALVAGE), *to = NULL;
        struct sfs_bulk_result result;
        char uri[160], bytes[8];
        size_t size = 0;
        snprintf(uri, sizeof(uri), "sqlite:%s.copy%u", fixture->path, i);
        must(sfs_open(&to, uri, SFS_OPEN_CREATE, &error), &error);
        must(sfs_copy(from, to, NULL, &result, &error), &error);
        must(sfs_read(to, SFS_LITERAL("huge"), 0, end - 4, bytes, 8, &size, &error), &error);
        assert_int_equal(size, 4);
        assert_memory_equal(bytes, "\0end", 4);
        must(sfs_read(to, SFS_LITERAL("huge"), 0, 1, bytes, 4, &size, &error), &error);
        assert_memory_equal(bytes, "eg\0\0", 4);
        expect_healthy(to);
        close_store(to);
        close_store(from);
    }
    fixture->store = open_again(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_changes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rows_that_move, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_feed_keeps_no_values, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_view, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_holes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_huge, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_huge_copy, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
