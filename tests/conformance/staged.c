/* SPDX-License-Identifier: MIT */
/* Directed tests: large values, whole, in parts and staged. */
#include "tests/conformance/directed.h"

#define MIB ((size_t)1 << 20)

static void stage_is_put(void **state)
{
    struct fixture *f = *state;
    struct sfs_stage *stage = NULL;
    OK(sfs_stage_open(f->store, &stage, NULL));
    assert_int_equal(sfs_stage_size(stage), 0);
    OK(sfs_stage_write(stage, 3, L("de"), NULL));
    OK(sfs_stage_write(stage, 0, L("[1,"), NULL));
    OK(sfs_stage_write(stage, 3, L("2]xx"), NULL));
    OK(sfs_stage_truncate(stage, 5, NULL));
    assert_int_equal(sfs_stage_size(stage), 5);
    expect_names(f->store, "");
    OK(sfs_batch_put_stage(f->batch, L("key"), stage, NULL, 0, NULL));
    uint64_t sequence = APPLY_AFFECTING(f, 1);
    sfs_stage_close(stage);
    const struct sfs_record *record = get(f->store, L("key"));
    assert_true(sfs_bytes_equal(sfs_record_value(record), L("[1,2]")));
    assert_int_equal(record->revision, sequence);
    assert_int_equal(record->attributes.type, SFS_TYPE_JSON);
    sfs_record_unref(record);
}

static void stage_has_gaps_of_zeros(void **state)
{
    struct fixture *f = *state;
    struct sfs_stage *stage = NULL;
    OK(sfs_stage_open(f->store, &stage, NULL));
    OK(sfs_stage_write(stage, 0, L("abcdef"), NULL));
    OK(sfs_stage_truncate(stage, 2, NULL));
    OK(sfs_stage_write(stage, 4, L("x"), NULL));
    OK(sfs_stage_truncate(stage, 7, NULL));
    OK(sfs_batch_put_stage(f->batch, L("key"), stage, NULL, 0, NULL));
    APPLY_AFFECTING(f, 1);
    sfs_stage_close(stage);
    expect_bytes(f->store, L("key"), L("ab\0\0x\0\0"));
}

static void stage_of_a_failed_batch_is_kept(void **state)
{
    struct fixture *f = *state;
    struct sfs_stage *stage = NULL;
    put(f, L("key"), L("old"));
    OK(sfs_stage_open(f->store, &stage, NULL));
    OK(sfs_stage_write(stage, 0, L("new"), NULL));
    OK(sfs_batch_put_stage(f->batch, L("key"), stage, NULL, 0, NULL));
    OK(sfs_batch_delete(f->batch, L("none"), SFS_BATCH_MUST_EXIST, NULL));
    apply_fails(f, SFS_E_NOT_FOUND);
    expect_bytes(f->store, L("key"), L("old"));
    OK(sfs_batch_put_stage(f->batch, L("key"), stage, NULL, 0, NULL));
    APPLY_AFFECTING(f, 1);
    sfs_stage_close(stage);
    expect_bytes(f->store, L("key"), L("new"));
    OK(sfs_stage_open(f->store, &stage, NULL));
    OK(sfs_stage_write(stage, 0, L("abandoned"), NULL));
    sfs_stage_close(stage);
    sfs_stage_close(NULL);
    expect_names(f->store, "key ");
    expect_bytes(f->store, L("key"), L("new"));
}

static void large_stage(void **state)
{
    struct fixture *f = *state;
    struct sfs_stage *stage = NULL;
    size_t size = 3 * MIB + 12345, done = 0;
    char *bytes = pattern(size, 3);
    OK(sfs_stage_open(f->store, &stage, NULL));
    for (size_t piece = 1; done < size; done += piece, piece = piece * 3 + 7) {
        if (piece > size - done)
            piece = size - done;
        OK(sfs_stage_write(stage, done, sfs_bytes(bytes + done, piece), NULL));
    }
    memset(bytes + MIB - 5, 'x', 300000);
    OK(sfs_stage_write(stage, MIB - 5, sfs_bytes(bytes + MIB - 5, 300000), NULL));
    OK(sfs_batch_put_stage(f->batch, L("key"), stage, NULL, 0, NULL));
    APPLY_AFFECTING(f, 1);
    sfs_stage_close(stage);
    expect_bytes(f->store, L("key"), sfs_bytes(bytes, size));
    free(bytes);
}

/* One change of a part of the value, done to both the store and the bytes in memory. */
static void patch(struct fixture *f, char *bytes, uint64_t offset, size_t size)
{
    char *change = pattern(size, (unsigned)offset);
    memcpy(bytes + offset, change, size);
    OK(sfs_batch_write(f->batch, L("key"), offset, sfs_bytes(change, size), NULL));
    APPLY_AFFECTING(f, 1);
    free(change);
}

static void large_value_is_patched(void **state)
{
    struct fixture *f = *state;
    size_t size = 3 * MIB;
    char *bytes = pattern(size + MIB, 5);
    memset(bytes + size, 0, MIB);
    put(f, L("key"), sfs_bytes(bytes, size));
    expect_bytes(f->store, L("key"), sfs_bytes(bytes, size));
    const uint64_t offsets[] = {0, 1, 262143, 262144, 524288 - 3, MIB - 1, 3 * MIB - 9};
    for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++)
        patch(f, bytes, offsets[i], 9);
    patch(f, bytes, 200000, 700000);
    expect_bytes(f->store, L("key"), sfs_bytes(bytes, size));
    OK(sfs_batch_write(f->batch, L("key"), size + MIB - 1, L("\0"), NULL));
    APPLY_AFFECTING(f, 1);
    expect_bytes(f->store, L("key"), sfs_bytes(bytes, size + MIB));
    OK(sfs_batch_truncate(f->batch, L("key"), 2 * MIB + 1, NULL));
    OK(sfs_batch_append(f->batch, L("key"), sfs_bytes(bytes, MIB), NULL));
    APPLY_AFFECTING(f, 1, 1);
    memmove(bytes + 2 * MIB + 1, bytes, MIB);
    expect_bytes(f->store, L("key"), sfs_bytes(bytes, 3 * MIB + 1));
    OK(sfs_batch_truncate(f->batch, L("key"), 10, NULL));
    APPLY_AFFECTING(f, 1);
    expect_bytes(f->store, L("key"), sfs_bytes(bytes, 10));
    OK(sfs_batch_truncate(f->batch, L("key"), 2 * MIB, NULL));
    APPLY_AFFECTING(f, 1);
    memset(bytes + 10, 0, 2 * MIB - 10);
    expect_bytes(f->store, L("key"), sfs_bytes(bytes, 2 * MIB));
    free(bytes);
}

/* A value of 1 MiB and more keeps the type that it had; a smaller one gets it found anew. */
static void large_value_keeps_type(void **state)
{
    struct fixture *f = *state;
    size_t size = 2 * MIB;
    char *digits = malloc(size);
    assert_non_null(digits);
    memset(digits, '1', size);
    put(f, L("key"), sfs_bytes(digits, size));
    const struct sfs_record *record = get(f->store, L("key"));
    assert_int_equal(record->attributes.type, SFS_TYPE_JSON);
    sfs_record_unref(record);
    OK(sfs_batch_write(f->batch, L("key"), 5, L("\xff"), NULL));
    APPLY_AFFECTING(f, 1);
    record = get(f->store, L("key"));
    assert_int_equal(record->attributes.type, SFS_TYPE_JSON);
    sfs_record_unref(record);
    OK(sfs_batch_truncate(f->batch, L("key"), MIB - 1, NULL));
    APPLY_AFFECTING(f, 1);
    record = get(f->store, L("key"));
    assert_int_equal(record->attributes.type, SFS_TYPE_BYTES);
    sfs_record_unref(record);
    free(digits);
}

/* A large value goes with its record, and each part of it can be read. */
static void large_value_moves(void **state)
{
    struct fixture *f = *state;
    size_t size = 2 * MIB + 77, got = 0;
    char *bytes = pattern(size, 8), part[5000];
    put(f, L("a/key"), sfs_bytes(bytes, size));
    put(f, L("small"), L("s"));
    OK(sfs_batch_rename_prefix(f->batch, L("a/"), L("b/"), NULL));
    OK(sfs_batch_exchange(f->batch, L("b/key"), L("small"), NULL));
    APPLY_AFFECTING(f, 1, 2);
    expect_bytes(f->store, L("small"), sfs_bytes(bytes, size));
    expect_bytes(f->store, L("b/key"), L("s"));
    for (uint64_t offset = 0; offset < size; offset += 262144 - 2000) {
        OK(sfs_read(f->store, L("small"), 0, offset, part, sizeof(part), &got, NULL));
        size_t expected = size - offset < sizeof(part) ? (size_t)(size - offset) : sizeof(part);
        assert_int_equal(got, expected);
        assert_memory_equal(part, bytes + offset, got);
    }
    put(f, L("small"), L("t"));
    expect_bytes(f->store, L("small"), L("t"));
    free(bytes);
}

const struct conformance_test stage_tests[] = {
    {"a stage is put", stage_is_put, 0},
    {"a stage has gaps of zeros", stage_has_gaps_of_zeros, 0},
    {"the stage of a failed batch is kept", stage_of_a_failed_batch_is_kept, 0},
    {"a large stage", large_stage, 0},
    {"a large value is patched", large_value_is_patched, 0},
    {"a large value keeps its type", large_value_keeps_type, 0},
    {"a large value moves", large_value_moves, 0},
    {0},
};
