/* SPDX-License-Identifier: MIT */
/* Directed tests: get, ranged reads, scans and cursors. */
#include <stdio.h>

#include "tests/conformance/directed.h"

static void get_without_value(void **state)
{
    struct fixture *f = *state;
    const struct sfs_record *record = NULL;
    uint64_t revision = put(f, L("a"), L("12345"));
    OK(sfs_get(f->store, L("a"), SFS_WANT_RECORD, &record, NULL));
    assert_int_equal(record->size, 5);
    assert_int_equal(record->revision, revision);
    sfs_record_unref(record);
    put(f, L("a"), L(""));
    OK(sfs_get(f->store, L("a"), SFS_WANT_RECORD, &record, NULL));
    assert_true(sfs_record_has_value(record));
    assert_int_equal(record->size, 0);
    sfs_record_unref(record);
    expect_none(f->store, L("b"));
    expect_none(f->store, L("a/\0"));
}

static void read_ranges(void **state)
{
    struct fixture *f = *state;
    char data[20];
    size_t got = 99;
    put(f, L("a"), L("0123456789"));
    const struct {
        uint64_t offset;
        size_t size;
        struct sfs_bytes expected;
    } rows[] = {
        {0, 20, L("0123456789")}, {3, 4, L("3456")}, {8, 20, L("89")},      {9, 1, L("9")},
        {10, 5, L("")},           {11, 5, L("")},    {INT64_MAX, 5, L("")}, {2, 0, L("")},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        OK(sfs_read(f->store, L("a"), 0, rows[i].offset, data, rows[i].size, &got, NULL));
        assert_true(sfs_bytes_equal(sfs_bytes(data, got), rows[i].expected));
    }
    assert_int_equal(sfs_read(f->store, L("none"), 0, 0, data, 1, &got, &f->error),
                     SFS_E_NOT_FOUND);
}

static void read_with_revision(void **state)
{
    struct fixture *f = *state;
    char data[8];
    size_t got = 99;
    uint64_t first = put(f, L("a"), L("one"));
    OK(sfs_read(f->store, L("a"), first, 1, data, 8, &got, NULL));
    assert_true(sfs_bytes_equal(sfs_bytes(data, got), L("ne")));
    uint64_t second = put(f, L("a"), L("two"));
    got = 99;
    assert_int_equal(sfs_read(f->store, L("a"), first, 0, data, 8, &got, &f->error),
                     SFS_E_CONFLICT);
    assert_int_equal(got, 99);
    assert_int_equal(f->error.code, SFS_E_CONFLICT);
    OK(sfs_read(f->store, L("a"), second, 0, data, 8, &got, NULL));
    assert_true(sfs_bytes_equal(sfs_bytes(data, got), L("two")));
    /* An attribute is a new revision too. */
    const struct sfs_attributes change = {.mode = 0600};
    OK(sfs_batch_attributes(f->batch, L("a"), &change, SFS_ATTRIBUTE_MODE, NULL));
    APPLY_AFFECTING(f, 1);
    assert_int_equal(sfs_read(f->store, L("a"), second, 0, data, 8, &got, NULL), SFS_E_CONFLICT);
    put_link(f, L("link"), L("target"));
    OK(sfs_read(f->store, L("link"), 0, 0, data, 8, &got, NULL));
    assert_true(sfs_bytes_equal(sfs_bytes(data, got), L("target")));
}

static void scan_ranges(void **state)
{
    struct fixture *f = *state;
    const struct sfs_bytes names[] = {L("a"), L("a/b"), L("a0"), L("b"), L("\xff"), L("\xff\xff")};
    for (size_t i = 0; i < 6; i++)
        put(f, names[i], L("v"));
    put(f, L("a/\0"), L(""));
    put(f, L("\0"), L(""));
    put_link(f, L("a/link"), L("x"));
    expect_names(f->store, "/0 a a/0 a/b a/link a0 b \\xFF \\xFF\\xFF ");
    expect_names_in(f->store, everything(), SFS_WANT_KEYS, "a a/b a0 b \\xFF \\xFF\\xFF ");
    expect_names_in(f->store, everything(), SFS_WANT_VALUE,
                    "/0 a a/0 a/b a/link a0 b \\xFF \\xFF\\xFF ");
    expect_names_in(f->store, range_of(L("a"), L("a0")), 0, "a a/0 a/b a/link ");
    expect_names_in(f->store, range_of(L("a\x01"), L("b")), SFS_WANT_KEYS | SFS_WANT_VALUE,
                    "a/b a0 ");
    expect_names_in(f->store, range_of(L("b"), L("b")), 0, "");
    expect_names_in(f->store, range_of(L("b"), L("")), 0, "b \\xFF \\xFF\\xFF ");
    expect_names_in(f->store, range_of(L(""), L("a")), 0, "/0 ");
    expect_names_in(f->store, range_of(L("\xff\xff\xff"), L("")), 0, "");
    struct sfs_cursor *cursor = NULL;
    assert_int_equal(sfs_scan(f->store, range_of(L("b"), L("a")), 0, &cursor, NULL), SFS_E_INVALID);
    struct sfs_buffer end = {0};
    struct sfs_range range;
    OK(sfs_range_prefix(L("\xff"), &end, &range));
    expect_names_in(f->store, range, 0, "\\xFF \\xFF\\xFF ");
    sfs_buffer_free(&end);
}

static void expect_next(struct sfs_cursor *cursor, const char *name)
{
    const struct sfs_record *record = NULL;
    int code = sfs_cursor_next(cursor, &record, NULL);
    assert_int_equal(code, name ? 1 : 0);
    if (name)
        assert_true(sfs_bytes_equal(record->name, sfs_string(name)));
}

static void cursor_seeks(void **state)
{
    struct fixture *f = *state;
    const char *names[] = {"a", "c", "e", "g", "i"};
    struct sfs_cursor *cursor = NULL;
    for (size_t i = 0; i < 5; i++)
        put(f, sfs_string(names[i]), L("v"));
    OK(sfs_scan(f->store, range_of(L("b"), L("i")), 0, &cursor, NULL));
    OK(sfs_cursor_seek(cursor, L("e"), NULL));
    expect_next(cursor, "e");
    expect_next(cursor, "g");
    OK(sfs_cursor_seek(cursor, L("d"), NULL));
    expect_next(cursor, "e");
    OK(sfs_cursor_seek(cursor, L("a"), NULL)); /* clipped to the range */
    expect_next(cursor, "c");
    OK(sfs_cursor_seek(cursor, L("h"), NULL));
    expect_next(cursor, NULL);
    expect_next(cursor, NULL);
    OK(sfs_cursor_seek(cursor, L("z"), NULL));
    expect_next(cursor, NULL);
    OK(sfs_cursor_seek(cursor, L("f"), NULL));
    expect_next(cursor, "g");
    expect_next(cursor, NULL);
    OK(sfs_cursor_seek(cursor, L("\0"), NULL));
    expect_next(cursor, "c");
    sfs_cursor_close(cursor);
    sfs_cursor_close(NULL);
}

/* A scan shows what is there when it gets there. */
static void scan_while_it_changes(void **state)
{
    struct fixture *f = *state;
    struct sfs_cursor *cursor = NULL;
    const struct sfs_record *record = NULL;
    char name[20];
    for (int i = 0; i < 500; i += 2) {
        snprintf(name, sizeof(name), "k%03d", i);
        OK(sfs_batch_put(f->batch, sfs_string(name), L("old"), NULL, 0, NULL));
    }
    apply(f, 0);
    OK(sfs_scan(f->store, everything(), SFS_WANT_VALUE, &cursor, NULL));
    assert_int_equal(sfs_cursor_next(cursor, &record, NULL), 1);
    put(f, L("a before"), L("x"));
    int seen = 1, changed = 0;
    for (;;) {
        /* What is far ahead of the cursor must be seen as it is by then. */
        snprintf(name, sizeof(name), "k%03d", (seen + 300) % 500);
        if (seen < 100)
            put(f, sfs_string(name), L("new"));
        int code = sfs_cursor_next(cursor, &record, NULL);
        assert_in_range(code, 0, 1);
        if (code == 0)
            break;
        seen++;
        changed += sfs_bytes_equal(sfs_record_value(record), L("new"));
    }
    assert_int_equal(changed, 99);
    assert_int_equal(seen, 250 + 50);
    sfs_cursor_close(cursor);
}

/* The cursor's own record may be deleted, and everything else as well. */
static void scan_while_deleting(void **state)
{
    struct fixture *f = *state;
    struct sfs_cursor *cursor = NULL;
    const struct sfs_record *record = NULL;
    char name[20];
    int deleted = 0;
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof(name), "k%03d", i);
        OK(sfs_batch_put(f->batch, sfs_string(name), sfs_string(name), NULL, 0, NULL));
    }
    apply(f, 0);
    OK(sfs_scan(f->store, everything(), 0, &cursor, NULL));
    while (sfs_cursor_next(cursor, &record, NULL) == 1) {
        snprintf(name, sizeof(name), "k%03d", deleted++);
        assert_true(sfs_bytes_equal(record->name, sfs_string(name)));
        OK(sfs_batch_delete(f->batch, record->name, SFS_BATCH_MUST_EXIST, NULL));
        apply(f, 0);
    }
    assert_int_equal(deleted, 200);
    sfs_cursor_close(cursor);
    expect_names(f->store, "");
}

/* A record can be kept beyond the cursor's next step. */
static void records_can_be_kept(void **state)
{
    struct fixture *f = *state;
    struct sfs_cursor *cursor = NULL;
    const struct sfs_record *record = NULL;
    put(f, L("a"), L("1"));
    put(f, L("b"), L("2"));
    OK(sfs_scan(f->store, everything(), SFS_WANT_VALUE, &cursor, NULL));
    assert_int_equal(sfs_cursor_next(cursor, &record, NULL), 1);
    const struct sfs_record *kept = sfs_record_ref(record);
    assert_int_equal(sfs_cursor_next(cursor, &record, NULL), 1);
    sfs_cursor_close(cursor);
    OK(sfs_clear(f->store, NULL));
    assert_true(sfs_bytes_equal(kept->name, L("a")));
    assert_true(sfs_bytes_equal(sfs_record_value(kept), L("1")));
    sfs_record_unref(kept);
}

const struct conformance_test read_tests[] = {
    {"get without the value", get_without_value, 0},
    {"read ranges", read_ranges, 0},
    {"read with a revision", read_with_revision, 0},
    {"scan ranges", scan_ranges, 0},
    {"a cursor seeks", cursor_seeks, 0},
    {"a scan while the store changes", scan_while_it_changes, 0},
    {"a scan while deleting", scan_while_deleting, 0},
    {"records can be kept", records_can_be_kept, 0},
    {0},
};
