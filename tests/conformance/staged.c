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

/* Also one that was empty and does not have all of its bytes from the change. */
static void empty_value_keeps_type(void **state)
{
    struct fixture *f = *state;
    put(f, L("key"), L(""));
    OK(sfs_batch_truncate(f->batch, L("key"), MIB, NULL));
    APPLY_AFFECTING(f, 1);
    const struct sfs_record *record = get(f->store, L("key"));
    assert_int_equal(record->attributes.type, SFS_TYPE_TEXT);
    sfs_record_unref(record);
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

#define PATCHES 12

/* Random parts of all sources on a value of `size` bytes, which becomes at most `reach` long. */
static size_t random_parts(unsigned *seed, size_t size, size_t reach, size_t sources,
                           struct sfs_part *parts, char *value, const char *bytes, const char *staged)
{
    for (size_t i = 0; i < PATCHES; i++) {
        struct sfs_part *part = &parts[i];
        part->source = (enum sfs_part_source)(rand_r(seed) % 3);
        part->size = (size_t)rand_r(seed) %
                     (part->source == SFS_PART_ZEROS || sources > reach ? reach / 2 : sources);
        part->offset = (size_t)rand_r(seed) % (reach - part->size);
        part->from = part->source == SFS_PART_ZEROS ? 0 : (size_t)rand_r(seed) % (sources - part->size);
        const char *from = part->source == SFS_PART_BYTES ? bytes : staged;
        if (part->source == SFS_PART_ZEROS)
            memset(value + part->offset, 0, part->size);
        else
            memcpy(value + part->offset, from + part->from, part->size);
        size = part->offset + part->size > size ? part->offset + part->size : size;
    }
    return size;
}

/* `size` bytes become at most `reach`, in several patches from sources of `sources` bytes. */
static void play_patches(struct fixture *f, size_t size, size_t reach, size_t sources, unsigned seed)
{
    struct sfs_part parts[PATCHES];
    char *value = pattern(reach, 3), *bytes = pattern(sources, 4), *staged = pattern(sources, 5);
    put(f, L("key"), sfs_bytes(value, size));
    memset(value + size, 0, reach - size);
    for (int round = 0; round < 3; round++) {
        struct sfs_stage *stage = NULL;
        OK(sfs_stage_open(f->store, &stage, NULL));
        OK(sfs_stage_write(stage, 0, sfs_bytes(staged, sources), NULL));
        size = random_parts(&seed, size, reach, sources, parts, value, bytes, staged);
        OK(sfs_batch_patch(f->batch, L("key"), parts, PATCHES, sfs_bytes(bytes, sources), stage, 0, NULL));
        APPLY_AFFECTING(f, 1);
        sfs_stage_close(stage);
        expect_bytes(f->store, L("key"), sfs_bytes(value, size));
    }
    free(value);
    free(bytes);
    free(staged);
}

static void value_is_patched_in_parts(void **state)
{
    struct fixture *f = *state;
    play_patches(f, 50, 900, 200, 1);
    play_patches(f, 50, 900, MIB + 5, 2);
    play_patches(f, 900000, 3 * MIB, 50000, 3);
    play_patches(f, 3 * MIB + 7, 4 * MIB, MIB + 300000, 4);
}

static void parts_at_the_end(void **state)
{
    struct fixture *f = *state;
    const struct sfs_part parts[] = {{SFS_PART_BYTES, 2, 3, 1}, {SFS_PART_ZEROS, 3, 1, 0}};
    put(f, L("key"), L("ab"));
    OK(sfs_batch_append(f->batch, L("key"), L("c"), NULL));
    OK(sfs_batch_patch(f->batch, L("key"), parts, 2, L("1234"), NULL, SFS_BATCH_AT_END, NULL));
    APPLY_AFFECTING(f, 1, 1);
    expect_bytes(f->store, L("key"), L("abc\0\0" "2\0" "4"));
    OK(sfs_batch_patch(f->batch, L("none"), parts, 2, L("1234"), NULL, 0, NULL));
    apply_fails(f, SFS_E_NOT_FOUND);
    expect_bytes(f->store, L("key"), L("abc\0\0" "2\0" "4"));
}

static void parts_reach_over_their_source(void **state)
{
    struct fixture *f = *state;
    const struct sfs_part wrong[] = {{SFS_PART_BYTES, 0, 3, 1}, {SFS_PART_BYTES, 0, 1, 4},
                                     {SFS_PART_STAGE, 0, 1, 0}, {SFS_PART_STAGE, 0, 3, UINT64_MAX - 1}};
    const struct sfs_part far = {SFS_PART_ZEROS, INT64_MAX, 1, 0};
    put(f, L("key"), L("ab"));
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(sfs_batch_patch(f->batch, L("key"), &wrong[i], 1, L("abc"), NULL, 0, NULL),
                         SFS_E_INVALID);
        sfs_batch_clear(f->batch);
    }
    assert_int_equal(sfs_batch_patch(f->batch, L("key"), &far, 1, L(""), NULL, 0, NULL),
                     SFS_E_TOO_LARGE);
    sfs_batch_clear(f->batch);
}

/* What is stored of the value covers all that is not zero, and nothing behind its end. */
static void expect_data(struct fixture *f, const char *value, size_t size, uint64_t most)
{
    struct sfs_extent extent;
    uint64_t at = 0, stored = 0;
    int found;
    while ((found = sfs_data(f->store, L("key"), at, &extent, NULL)) == 1) {
        assert_true(extent.offset >= at && extent.size > 0 && extent.offset + extent.size <= size);
        for (uint64_t i = at; i < extent.offset; i++)
            assert_int_equal(value[i], 0);
        at = extent.offset + extent.size;
        stored += extent.size;
    }
    assert_int_equal(found, 0);
    for (uint64_t i = at; i < size; i++)
        assert_int_equal(value[i], 0);
    assert_true(stored <= most);
}

static void data_is_where_something_is_stored(void **state)
{
    struct fixture *f = *state;
    size_t size = 4 * MIB;
    struct sfs_extent extent;
    char *value = calloc(1, size);
    assert_non_null(value);
    assert_int_equal(sfs_data(f->store, L("key"), 0, &extent, NULL), SFS_E_NOT_FOUND);
    put(f, L("key"), L("abc"));
    assert_int_equal(sfs_data(f->store, L("key"), 1, &extent, NULL), 1);
    assert_int_equal(extent.offset, 1);
    assert_int_equal(extent.size, 2);
    assert_int_equal(sfs_data(f->store, L("key"), 3, &extent, NULL), 0);
    memcpy(value, "abc", 3);
    OK(sfs_batch_truncate(f->batch, L("key"), size, NULL));
    OK(sfs_batch_write(f->batch, L("key"), 3 * MIB, L("x"), NULL));
    APPLY_AFFECTING(f, 1, 1);
    value[3 * MIB] = 'x';
    expect_data(f, value, size, size);
    const struct sfs_part hole = {SFS_PART_ZEROS, 2 * MIB, 2 * MIB, 0};
    OK(sfs_batch_patch(f->batch, L("key"), &hole, 1, L(""), NULL, 0, NULL));
    APPLY_AFFECTING(f, 1);
    value[3 * MIB] = 0;
    expect_data(f, value, size, size);
    expect_bytes(f->store, L("key"), sfs_bytes(value, size));
    free(value);
}

const struct conformance_test stage_tests[] = {
    {"a stage is put", stage_is_put, 0},
    {"a stage has gaps of zeros", stage_has_gaps_of_zeros, 0},
    {"the stage of a failed batch is kept", stage_of_a_failed_batch_is_kept, 0},
    {"a large stage", large_stage, 0},
    {"a large value is patched", large_value_is_patched, 0},
    {"a large value keeps its type", large_value_keeps_type, 0},
    {"an empty value that grows to 1 MiB keeps its type", empty_value_keeps_type, 0},
    {"a large value moves", large_value_moves, 0},
    {"a value is patched in parts", value_is_patched_in_parts, 0},
    {"parts at the end", parts_at_the_end, 0},
    {"parts reach over their source", parts_reach_over_their_source, 0},
    {"data is where something is stored", data_is_where_something_is_stored, 0},
    {0},
};
