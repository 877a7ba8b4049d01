/* SPDX-License-Identifier: MIT */
/* Directed tests: the calls that are derived from the others, of keys only; the layer table. */
#include <stdio.h>
#include <unistd.h>

#include "tests/conformance/directed.h"

static void set_get_has_delete(void **state)
{
    struct fixture *f = *state;
    struct sfs_buffer value = {0};
    assert_int_equal(sfs_has(f->store, L("a"), NULL), 0);
    assert_int_equal(sfs_get_value(f->store, L("a"), &value, &f->error), SFS_E_NOT_FOUND);
    assert_int_equal(sfs_delete(f->store, L("a"), NULL), 0);
    OK(sfs_set(f->store, L("a"), L("x\0y"), NULL));
    assert_int_equal(sfs_has(f->store, L("a"), NULL), 1);
    OK(sfs_get_value(f->store, L("a"), &value, NULL));
    assert_true(sfs_bytes_equal(sfs_buffer_bytes(&value), L("x\0y")));
    sfs_buffer_free(&value);
    OK(sfs_set(f->store, L("a"), L(""), NULL));
    OK(sfs_get_value(f->store, L("a"), &value, NULL));
    assert_int_equal(value.size, 0);
    sfs_buffer_free(&value);
    assert_int_equal(sfs_delete(f->store, L("a"), NULL), 1);
    assert_int_equal(sfs_has(f->store, L("a"), NULL), 0);
}

/* Markers and links are no keys. */
static void others_are_not_seen(void **state)
{
    struct fixture *f = *state;
    struct sfs_buffer value = {0};
    struct sfs_totals totals;
    uint64_t size = 0;
    const struct sfs_attributes fifo = {.kind = SFS_KIND_FIFO};
    put_link(f, L("link"), L("12345"));
    put(f, L("d/\0"), L(""));
    OK(sfs_batch_put(f->batch, L("fifo"), L(""), &fifo, SFS_ATTRIBUTE_KIND, NULL));
    APPLY_AFFECTING(f, 1);
    put(f, L("d/x"), L("123"));
    assert_int_equal(sfs_has(f->store, L("link"), NULL), 0);
    assert_int_equal(sfs_has(f->store, L("fifo"), NULL), 0);
    assert_int_equal(sfs_has(f->store, L("d/\0"), NULL), SFS_E_INVALID);
    assert_int_equal(sfs_get_value(f->store, L("link"), &value, NULL), SFS_E_NOT_FOUND);
    assert_int_equal(sfs_delete(f->store, L("link"), NULL), 0);
    OK(sfs_size(f->store, &size, NULL));
    assert_int_equal(size, 1);
    OK(sfs_totals(f->store, &totals, NULL));
    assert_int_equal(totals.keys, 1);
    assert_int_equal(totals.records, 4);
    assert_int_equal(totals.bytes, 8);
    OK(sfs_clear(f->store, NULL));
    expect_names(f->store, "");
    OK(sfs_totals(f->store, &totals, NULL));
    assert_int_equal(totals.records + totals.bytes + totals.keys, 0);
}

static void expect_cursor(struct sfs_cursor *cursor, bool values, const char *expected)
{
    const struct sfs_record *record = NULL;
    char found[500] = "", shown[50];
    int code;
    while ((code = sfs_cursor_next(cursor, &record, NULL)) == 1) {
        strcat(found, sfs_name_show(record->name, shown, sizeof(shown)));
        if (values)
            strncat(strcat(found, "="), sfs_record_value(record).data, record->size);
        strcat(found, " ");
    }
    assert_int_equal(code, 0);
    sfs_cursor_close(cursor);
    assert_string_equal(found, expected);
}

static void keys_and_entries(void **state)
{
    struct fixture *f = *state;
    struct sfs_cursor *cursor = NULL;
    const char *names[] = {"a", "a.txt", "a/1", "a/2", "a0", "b"};
    for (size_t i = 0; i < 6; i++)
        put(f, sfs_string(names[i]), sfs_string(names[i]));
    put(f, L("a/\0"), L(""));
    put_link(f, L("a/link"), L("x"));
    OK(sfs_keys(f->store, L(""), &cursor, NULL));
    expect_cursor(cursor, false, "a a.txt a/1 a/2 a0 b ");
    OK(sfs_keys(f->store, L("a/"), &cursor, NULL));
    expect_cursor(cursor, false, "a/1 a/2 ");
    OK(sfs_entries(f->store, L("a"), &cursor, NULL));
    expect_cursor(cursor, true, "a=a a.txt=a.txt a/1=a/1 a/2=a/2 a0=a0 ");
    OK(sfs_entries(f->store, L("c"), &cursor, NULL));
    expect_cursor(cursor, true, "");
}

static void many_at_once(void **state)
{
    struct fixture *f = *state;
    const struct sfs_entry entries[] = {{L("a"), L("1")}, {L("b"), L("2")}, {L("c"), L("3")}};
    const struct sfs_bytes keys[] = {L("c"), L("none"), L("link"), L("a"), L("c")};
    const struct sfs_record *records[5] = {0};
    uint64_t count = 0;
    OK(sfs_set_many(f->store, entries, 3, NULL));
    put_link(f, L("link"), L("x"));
    OK(sfs_get_many(f->store, keys, 5, records, NULL));
    assert_true(sfs_bytes_equal(sfs_record_value(records[0]), L("3")));
    assert_null(records[1]);
    assert_null(records[2]);
    assert_true(sfs_bytes_equal(sfs_record_value(records[3]), L("1")));
    assert_true(sfs_bytes_equal(sfs_record_value(records[4]), L("3")));
    assert_int_equal(records[0]->revision, records[3]->revision);
    for (size_t i = 0; i < 5; i++)
        sfs_record_unref(records[i]);
    OK(sfs_delete_many(f->store, keys, 5, &count, NULL));
    assert_int_equal(count, 2);
    expect_names(f->store, "b link ");
    OK(sfs_get_many(f->store, keys, 0, records, NULL));
    OK(sfs_set_many(f->store, entries, 0, NULL));
    OK(sfs_delete_many(f->store, keys, 0, &count, NULL));
    assert_int_equal(count, 0);
    const struct sfs_entry bad[] = {{L("x"), L("1")}, {L(""), L("2")}};
    assert_int_equal(sfs_set_many(f->store, bad, 2, &f->error), SFS_E_INVALID);
    expect_names(f->store, "b link ");
}

static void totals_follow(void **state)
{
    struct fixture *f = *state;
    struct sfs_totals totals;
    char *bytes = pattern(1500000, 2);
    put(f, L("a"), sfs_bytes(bytes, 1500000));
    put(f, L("b"), L("12"));
    OK(sfs_batch_truncate(f->batch, L("a"), 1400000, NULL));
    OK(sfs_batch_append(f->batch, L("b"), L("3"), NULL));
    OK(sfs_batch_rename(f->batch, L("b"), L("d/b"), 0, NULL));
    apply(f, 0);
    OK(sfs_totals(f->store, &totals, NULL));
    assert_int_equal(totals.keys, 2);
    assert_int_equal(totals.records, 2);
    assert_int_equal(totals.bytes, 1400003);
    OK(sfs_batch_rename(f->batch, L("d/b"), L("a"), 0, NULL));
    apply(f, 0);
    OK(sfs_totals(f->store, &totals, NULL));
    assert_int_equal(totals.records, 1);
    assert_int_equal(totals.bytes, 3);
    free(bytes);
}

static void keep_finding(void *context, const char *sentence)
{
    snprintf(context, 500, "%s", sentence);
}

static void check_finds_nothing(void **state)
{
    struct fixture *f = *state;
    uint64_t found = 99, repaired = 99;
    char sentence[500] = "";
    char *bytes = pattern(1500000, 4);
    put(f, L("large"), sfs_bytes(bytes, 1500000));
    put(f, L("d/\0"), L(""));
    put_link(f, L("link"), L("x"));
    OK(sfs_batch_xattr(f->batch, L("large"), L("user.x"), L("1"), 0, NULL));
    OK(sfs_batch_write(f->batch, L("large"), 700000, L("x"), NULL));
    apply(f, 0);
    OK(sfs_check(f->store, false, keep_finding, sentence, &found, &repaired, NULL));
    assert_string_equal(sentence, "");
    assert_int_equal(found, 0);
    assert_int_equal(repaired, 0);
    free(bytes);
}

/* A layer with a hole in one of its groups is refused, and the store below stays the caller's. */
static void layers_have_no_holes(void **state)
{
    struct fixture *f = *state;
    struct sfs_storage layer;
    const struct sfs_write_operations *whole = sfs_memory_write_operations();
    const struct sfs_read_operations *reads = sfs_memory_read_operations();
    const struct sfs_time_operations *times = sfs_memory_time_operations();
    for (int hole = 0; hole < 9; hole++) {
        struct sfs_write_operations write = *whole;
        struct sfs_read_operations read = *reads;
        struct sfs_time_operations time = *times;
        void *members[] = {&write.apply, &write.stage,   &write.sync,    &read.get,    &read.read,
                           &read.scan,   &time.sequence, &time.snapshot, &time.changes};
        memset(members[hole], 0, sizeof(write.apply));
        const struct sfs_storage_operations operations = {
            .name = "holed",
            .write = hole < 3 ? &write : NULL,
            .read = hole >= 3 && hole < 6 ? &read : NULL,
            .time = hole >= 6 ? &time : NULL,
            .close = f->base->operations->close,
        };
        f->error = (struct sfs_error){0};
        assert_int_equal(sfs_layer_init(&layer, &operations, f->store, &f->error), SFS_E_INVALID);
        assert_non_null(strstr(f->error.message, "holed"));
    }
    const struct sfs_storage_operations good = {
        .name = "good", .write = whole, .close = f->base->operations->close};
    OK(sfs_layer_init(&layer, &good, f->store, NULL));
    assert_int_equal(layer.capabilities, f->store->capabilities);
    put(f, L("a"), L("1"));
    expect_bytes(f->store, L("a"), L("1"));
}

static uint64_t put_with_id(struct fixture *f, struct sfs_bytes name, uint64_t id)
{
    const struct sfs_attributes attributes = {.id = id};
    OK(sfs_batch_put(f->batch, name, L("value"), &attributes, SFS_ATTRIBUTE_ID, &f->error));
    apply(f, 0);
    const struct sfs_record *record = get(f->store, name);
    uint64_t given = record->attributes.id;
    sfs_record_unref(record);
    return given;
}

static void ids_are_reserved(void **state)
{
    struct fixture *f = *state;
    uint64_t first = 0, next = 0;
    int code = sfs_reserve_ids(f->store, 10, &first, &f->error);
    if (f->stack->layers & (STACK_FAULT | STACK_TRANSACTION)) { /* one that answers for itself */
        assert_int_equal(code, SFS_E_UNSUPPORTED);
        return;
    }
    OK(code);
    OK(sfs_reserve_ids(f->store, 1, &next, &f->error));
    assert_true(first > 0 && next >= first + 10);
    put(f, L("other"), L(""));
    const struct sfs_record *other = get(f->store, L("other"));
    assert_true(other->attributes.id > next);
    assert_int_equal(put_with_id(f, L("b"), first + 9), first + 9);
    assert_int_equal(put_with_id(f, L("a"), first), first);
    assert_int_equal(put_with_id(f, L("a"), first + 1), first); /* it was there */
    put(f, L("another"), L(""));
    const struct sfs_record *another = get(f->store, L("another"));
    assert_true(another->attributes.id > other->attributes.id);
    if (fixture_can(f, SFS_CAN_PERSIST)) {
        uint64_t later = 0;
        fixture_reopen(f);
        OK(sfs_reserve_ids(f->store, 1 << 20, &later, &f->error));
        assert_true(later > another->attributes.id);
        const struct sfs_record *again = get(f->store, L("b"));
        assert_int_equal(again->attributes.id, first + 9);
        sfs_record_unref(again);
    }
    sfs_record_unref(other);
    sfs_record_unref(another);
    OK(sfs_batch_put(f->batch, L("unreserved"), L(""),
                     &(struct sfs_attributes){.id = first + 10000000}, SFS_ATTRIBUTE_ID, NULL));
    assert_int_equal(sfs_apply(f->store, f->batch, NULL, NULL, &f->error), SFS_E_INVALID);
    assert_non_null(strstr(f->error.message, "not reserved"));
    sfs_batch_clear(f->batch);
    assert_int_equal(sfs_reserve_ids(f->store, 0, &next, NULL), SFS_E_INVALID);
    assert_int_equal(sfs_reserve_ids(f->store, (1 << 20) + 1, &next, NULL), SFS_E_INVALID);
}

static void ids_are_checked(void **state)
{
    struct fixture *f = *state;
    struct sfs_attributes attributes = {.id = 0};
    const unsigned mask = SFS_ATTRIBUTE_ID;
    struct sfs_bytes none = {0};
    assert_int_equal(sfs_batch_put(f->batch, L("a"), none, &attributes, mask, NULL), SFS_E_INVALID);
    assert_int_equal(sfs_batch_put(f->batch, L("a"), none, NULL, mask, NULL), SFS_E_INVALID);
    attributes.id = UINT64_C(1) << 62;
    assert_int_equal(sfs_batch_put(f->batch, L("a"), none, &attributes, mask, NULL), SFS_E_INVALID);
    attributes.id = 1;
    assert_int_equal(sfs_batch_attributes(f->batch, L("a"), &attributes, mask, NULL),
                     SFS_E_INVALID);
    assert_int_equal(sfs_batch_size(f->batch), 0);
}

static void read_only_open(void **state)
{
    struct fixture *f = *state;
    struct sfs_storage *store = NULL;
    if (!fixture_can(f, SFS_CAN_PERSIST))
        return;
    put(f, L("a"), L("1"));
    OK(sfs_close(f->base, NULL));
    f->store = f->base = fixture_open(f, SFS_OPEN_READ_ONLY);
    expect_bytes(f->store, L("a"), L("1"));
    assert_int_equal(sfs_set(f->store, L("a"), L("2"), &f->error), SFS_E_READ_ONLY);
    assert_int_equal(sfs_clear(f->store, NULL), SFS_E_READ_ONLY);
    uint64_t first;
    assert_int_equal(sfs_reserve_ids(f->store, 1, &first, NULL), SFS_E_READ_ONLY);
    expect_bytes(f->store, L("a"), L("1"));
    fixture_reopen(f);
    expect_bytes(f->store, L("a"), L("1"));
    assert_int_equal(sfs_open(&store, "nonsense:x", SFS_OPEN_CREATE, NULL), SFS_E_UNSUPPORTED);
}

const struct conformance_test derived_tests[] = {
    {"set, get, has, delete", set_get_has_delete, 0},
    {"others are not seen", others_are_not_seen, 0},
    {"keys and entries", keys_and_entries, 0},
    {"many at once", many_at_once, 0},
    {"totals follow", totals_follow, 0},
    {"check finds nothing", check_finds_nothing, 0},
    {"layers have no holes", layers_have_no_holes, 0},
    {"ids are reserved", ids_are_reserved, 0},
    {"ids are checked", ids_are_checked, 0},
    {"a store open for reading", read_only_open, 0},
    {0},
};
