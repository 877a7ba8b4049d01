/* SPDX-License-Identifier: MIT */
/*
 * The content of an open file against an array of bytes: random writes, holes, cuts, spills, commits that
 * succeed and fail, and bytes kept of the value below.
 */
#include "storefs/storefs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fs/content.h"

#define SPAN 600 /* offsets and sizes are below it, bytes */
#define STAGE 100000

struct play {
    struct fs_content content;
    unsigned seed;
    unsigned char below[2 * SPAN];  /* the store's value */
    unsigned char bytes[2 * SPAN];  /* what the file is to show */
    unsigned char stage[STAGE];
    size_t staged;
    size_t size;
};

static size_t draw(struct play *play, size_t end)
{
    return (size_t)rand_r(&play->seed) % end;
}

static void show(const struct play *play, unsigned char *out)
{
    const struct fs_content *content = &play->content;
    memset(out, 0, 2 * SPAN);
    memcpy(out, play->below, content->below < content->size ? content->below : content->size);
    for (size_t i = 0; i < content->count; i++) {
        const struct fs_piece *piece = &content->pieces[i];
        if (piece->source == FS_MEMORY)
            memcpy(out + piece->offset, piece->data, piece->size);
        else if (piece->source == FS_STAGED)
            memcpy(out + piece->offset, play->stage + piece->from, piece->size);
        else
            memset(out + piece->offset, 0, piece->size);
    }
}

static void check(const struct play *play)
{
    const struct fs_content *content = &play->content;
    unsigned char out[2 * SPAN];
    uint64_t end = 0, memory = 0, covered = 0;
    struct sfs_extent gap;
    for (size_t i = 0; i < content->count; i++) {
        const struct fs_piece *piece = &content->pieces[i];
        assert_true(piece->offset >= end && piece->size > 0);
        assert_true(piece->source == FS_MEMORY ? piece->room >= piece->size : piece->data == NULL);
        end = piece->offset + piece->size;
        memory += piece->room;
        covered += piece->offset < content->below
                       ? (end < content->below ? end : content->below) - piece->offset
                       : 0;
    }
    assert_true(end <= content->size);
    assert_int_equal(memory, content->memory);
    assert_int_equal(content->size, play->size);
    for (uint64_t at = 0; fs_content_gap(content, at, &gap); at = gap.offset + gap.size)
        covered += gap.size;
    assert_int_equal(covered, content->below);
    show(play, out);
    assert_memory_equal(out, play->bytes, sizeof(out));
}

static void write_some(struct play *play)
{
    unsigned char data[SPAN];
    size_t size = draw(play, draw(play, 4) ? 30 : SPAN);
    size_t offset = draw(play, 5) ? draw(play, SPAN) : play->size;
    if (offset + size > sizeof(play->bytes))
        return;
    for (size_t i = 0; i < size; i++)
        data[i] = (unsigned char)(1 + draw(play, 255));
    assert_int_equal(fs_content_write(&play->content, offset, sfs_bytes(data, size)), 0);
    memcpy(play->bytes + offset, data, size);
    if (size > 0 && offset + size > play->size)
        play->size = offset + size;
}

static void change_size(struct play *play)
{
    size_t offset = draw(play, SPAN), size = draw(play, SPAN);
    if (draw(play, 2)) {
        assert_int_equal(fs_content_zero(&play->content, offset, size), 0);
        memset(play->bytes + offset, 0, size);
        if (size > 0 && offset + size > play->size)
            play->size = offset + size;
        return;
    }
    fs_content_cut(&play->content, size < play->size ? size : play->size);
    play->content.size = size; /* it may grow, by zeros */
    if (size < play->size)
        memset(play->bytes + size, 0, sizeof(play->bytes) - size);
    play->size = size;
}

static void spill(struct play *play)
{
    struct fs_content *content = &play->content;
    for (size_t i = 0; i < content->count; i++) {
        struct fs_piece *piece = &content->pieces[i];
        if (piece->source != FS_MEMORY || play->staged + piece->size > STAGE)
            continue;
        memcpy(play->stage + play->staged, piece->data, piece->size);
        size_t to = play->staged;
        play->staged += piece->size;
        i = fs_content_staged(content, i, to);
    }
    if (play->staged < STAGE)
        assert_int_equal(content->memory, 0);
}

static void keep(struct play *play)
{
    assert_int_equal(fs_content_keep(&play->content, 0, sfs_bytes(play->below, sizeof(play->below))), 0);
    check(play);
    struct sfs_extent gap;
    assert_false(fs_content_gap(&play->content, 0, &gap));
    if (draw(play, 2))
        spill(play);
    check(play);
    fs_content_unkeep(&play->content);
}

static void commit(struct play *play, void (*meanwhile)(struct play *play))
{
    bool works = draw(play, 2);
    unsigned char value[2 * SPAN];
    fs_content_send(&play->content);
    size_t size = play->size;
    memcpy(value, play->bytes, sizeof(value));
    meanwhile(play);
    check(play);
    fs_content_sent(&play->content, works);
    if (works) {
        memcpy(play->below, value, sizeof(value));
        play->content.below = size;
    }
}

static void test_random(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 300; seed++) {
        struct play *play = calloc(1, sizeof(*play));
        assert_non_null(play);
        play->seed = seed;
        play->size = play->content.size = play->content.below = draw(play, SPAN);
        for (size_t i = 0; i < play->size; i++)
            play->below[i] = play->bytes[i] = (unsigned char)draw(play, 256);
        for (int step = 0; step < 300; step++) {
            static void (*const steps[])(struct play *play) = {write_some, write_some, write_some,
                                                               change_size, spill, keep};
            size_t which = draw(play, 8);
            if (which < 6)
                steps[which](play);
            else if (which == 6)
                commit(play, write_some);
            check(play);
        }
        fs_content_empty(&play->content);
        assert_int_equal(play->content.memory, 0);
        assert_int_equal(play->content.size, 0);
        free(play);
    }
}

/* --- a stage in which each byte has its own place, as whole content is sent --- */

static void spill_in_place(struct play *play)
{
    struct fs_content *content = &play->content;
    for (size_t i = 0; i < content->count; i++) {
        struct fs_piece *piece = &content->pieces[i];
        if (piece->source != FS_MEMORY)
            continue;
        memcpy(play->stage + piece->offset, piece->data, piece->size);
        i = fs_content_staged(content, i, piece->offset);
    }
}

/* Only the staged pieces. */
static void sort_stage(struct play *play)
{
    unsigned char sorted[2 * SPAN] = {0};
    for (size_t i = 0; i < play->content.count; i++) {
        struct fs_piece *piece = &play->content.pieces[i];
        if (piece->source == FS_STAGED)
            memcpy(sorted + piece->offset, play->stage + piece->from, piece->size);
    }
    memcpy(play->stage, sorted, sizeof(sorted));
    play->content.lost = false;
}

/* What a commit would send now, if it need not sort the stage. */
static void check_stage(const struct play *play)
{
    unsigned char sent[2 * SPAN];
    if (play->content.lost)
        return;
    memcpy(sent, play->stage, sizeof(sent));
    for (size_t i = 0; i < play->content.count; i++) {
        const struct fs_piece *piece = &play->content.pieces[i];
        if (piece->source == FS_MEMORY)
            memcpy(sent + piece->offset, piece->data, piece->size);
    }
    memset(sent + play->size, 0, sizeof(sent) - play->size);
    assert_memory_equal(sent, play->bytes, sizeof(sent));
}

static void test_in_place(void **state)
{
    (void)state;
    static void (*const steps[])(struct play *play) = {write_some, write_some, write_some, change_size,
                                                       spill_in_place, sort_stage};
    for (unsigned seed = 1; seed <= 300; seed++) {
        struct play *play = calloc(1, sizeof(*play));
        assert_non_null(play);
        play->seed = seed;
        for (int step = 0; step < 300; step++) {
            steps[draw(play, 6)](play);
            check(play);
            check_stage(play);
        }
        fs_content_empty(&play->content);
        free(play);
    }
}

/* Bytes that lie in the stage and in no piece make the stage useless as a whole value. */
static void test_lost(void **state)
{
    struct fs_content content = {0};
    (void)state;
    assert_int_equal(fs_content_write(&content, 0, SFS_LITERAL("abcdef")), 0);
    assert_int_equal(fs_content_staged(&content, 0, 0), 0);
    assert_int_equal(fs_content_write(&content, 6, SFS_LITERAL("ghi")), 0);
    assert_int_equal(fs_content_staged(&content, 1, 6), 0);
    assert_int_equal(content.count, 1);
    assert_int_equal(fs_content_write(&content, 2, SFS_LITERAL("CD")), 0);
    assert_false(content.lost);
    assert_int_equal(content.count, 3);
    assert_int_equal(fs_content_written(&content), 9);
    assert_int_equal(fs_content_zero(&content, 7, 1), 0);
    assert_true(content.lost);
    assert_int_equal(fs_content_written(&content), 8);
    content.lost = false;
    fs_content_cut(&content, 9);
    assert_false(content.lost);
    fs_content_cut(&content, 1);
    assert_true(content.lost);
    assert_int_equal(content.size, 1);
    fs_content_empty(&content);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_in_place),
        cmocka_unit_test(test_lost),
    };
    return cmocka_run_group_tests_name("content", tests, NULL, NULL);
}
