/* SPDX-License-Identifier: MIT */
/* Random batches: names from a small alphabet in which they often meet; see play.h. */
#include "tests/conformance/play.h"

#define LONG_NAMES 3
#define PREFIXES 9

static char long_names[LONG_NAMES][SFS_KEY_MAX];
static char long_prefix[151];

static const struct sfs_bytes short_names[] = {
    L("a"),   L("b"),        L("c"),     L("a/x"),   L("a/y"),  L("a/b/x"), L("a/b/y"),
    L("b/x"), L("b/x/z"),    L("d/q/r"), L("a.txt"), L("a/b"),  L("a0"),    L("//"),
    L("x%y"), L("\xff\xfe"), L("d/"),    L("c/k"),   L("\x01"),
};
#define SHORT_NAMES (sizeof(short_names) / sizeof(short_names[0]))

static void make_names(void)
{
    memset(long_names, 'n', sizeof(long_names));
    memcpy(long_names[0], "l/", 2);
    memcpy(long_names[1], "l/", 2);
    memcpy(long_names[2], "a/b/", 4);
    memset(long_prefix, 'p', sizeof(long_prefix));
    long_prefix[sizeof(long_prefix) - 1] = '/';
}

static struct sfs_bytes any_prefix(struct play *play)
{
    const struct sfs_bytes prefixes[PREFIXES] = {
        L("a/"),   L("b/"),   L("c/"),
        L("d/"),   L("l/"),   L("/"),
        L("a/b/"), L("e/f/"), sfs_bytes(long_prefix, sizeof(long_prefix)),
    };
    return prefixes[play_random(play, PREFIXES)];
}

static struct sfs_bytes any_key(struct play *play)
{
    const size_t sizes[LONG_NAMES] = {4000, SFS_KEY_MAX, 300};
    if (play_random(play, 12) == 0) {
        size_t which = (size_t)play_random(play, LONG_NAMES);
        return sfs_bytes(long_names[which], sizes[which]);
    }
    return short_names[play_random(play, SHORT_NAMES)];
}

/* In `buffer`, which the caller frees. */
static struct sfs_bytes any_marker(struct play *play, struct sfs_buffer *buffer)
{
    buffer->size = 0;
    if (play_random(play, 6))
        OK(sfs_buffer_add(buffer, any_prefix(play)));
    OK(sfs_buffer_byte(buffer, '\0'));
    return sfs_buffer_bytes(buffer);
}

/* Mostly one that there is. */
static struct sfs_bytes a_name(struct play *play, struct sfs_buffer *buffer)
{
    if (play->model.count && play_random(play, 8))
        return model_name(&play->model.records[play_random(play, play->model.count)]);
    return play_random(play, 5) ? any_key(play) : any_marker(play, buffer);
}

/* Mostly one that there is; never a marker. */
static struct sfs_bytes a_key(struct play *play)
{
    struct sfs_buffer none = {0};
    for (int i = 0; i < 4 && play->model.count; i++) {
        struct sfs_bytes name =
            model_name(&play->model.records[play_random(play, play->model.count)]);
        if (!sfs_name_is_marker(name) && play_random(play, 8))
            return name;
    }
    sfs_buffer_free(&none);
    return any_key(play);
}

/* Bounds are names, and stay where they are while the model does not change. */
static struct sfs_range a_range(struct play *play, struct sfs_buffer *buffer)
{
    struct sfs_range range = {0};
    switch (play_random(play, 8)) {
    case 0:
        return range;
    case 1:
    case 2:
    case 3:
    case 4:
        OK(sfs_range_prefix(any_prefix(play), buffer, &range));
        return range;
    default:
        range = range_of(a_key(play), any_key(play));
        if (sfs_bytes_compare(range.from, range.to) > 0)
            range = range_of(range.to, range.from);
        return range;
    }
}

/* The caller frees it. */
static char *a_value(struct play *play, size_t *ret_size)
{
    static const struct sfs_bytes values[] = {
        L(""), L("{\"n\": [1, 2.50]}"), L(" 12\n"), L("text"), L("[1,"), L("\xc3\xa4"), L("\0"),
    };
    uint64_t kind = play_random(play, 60);
    size_t size = (size_t)play_random(play, 600);
    if (kind == 0 && play->large)
        size = ((size_t)1 << 20) + (size_t)play_random(play, 600000) - 100000;
    else if (kind < 4)
        size = (size_t)play_random(play, 20000);
    else if (kind < 40) {
        struct sfs_bytes value = values[play_random(play, sizeof(values) / sizeof(values[0]))];
        char *copy = malloc(value.size + 1);
        assert_non_null(copy);
        memcpy(copy, value.data, value.size);
        *ret_size = value.size;
        return copy;
    }
    *ret_size = size;
    char *bytes = pattern(size, (unsigned)play->random);
    if (kind % 2)
        memset(bytes, 'x', size);
    return bytes;
}

static void add_put(struct play *play)
{
    struct sfs_buffer buffer = {0};
    struct sfs_attributes attributes = {.mode = (uint32_t)play_random(play, 010000),
                                        .uid = (uint32_t)play_random(play, 3),
                                        .device = play_random(play, 1000),
                                        .type = (enum sfs_type)play_random(play, 3),
                                        .modified = (int64_t)play_random(play, 1000) - 500};
    unsigned mask = 0;
    size_t size = 0;
    char *value = a_value(play, &size);
    struct sfs_bytes name =
        play_random(play, 3)
            ? any_key(play)
            : (play_random(play, 2) ? a_name(play, &buffer) : any_marker(play, &buffer));
    if (play_random(play, 4) == 0)
        mask = (unsigned)play_random(play, SFS_ATTRIBUTE_ALL) & ~(unsigned)SFS_ATTRIBUTE_KIND;
    if (sfs_name_is_marker(name)) {
        size = 0;
    } else if (play_random(play, 7) == 0) {
        mask |= SFS_ATTRIBUTE_KIND;
        attributes.kind = (enum sfs_kind)(2 + play_random(play, 5));
        if (attributes.kind != SFS_KIND_SYMLINK)
            size = 0;
    }
    OK(sfs_batch_put(play->fixture->batch, name, sfs_bytes(value, size), &attributes, mask, NULL));
    free(value);
    sfs_buffer_free(&buffer);
}

static void add_stage(struct play *play)
{
    struct sfs_stage *stage = NULL;
    size_t size = 0;
    OK(sfs_stage_open(play->fixture->store, &stage, NULL));
    for (int i = 0; i < 2; i++) {
        char *value = a_value(play, &size);
        OK(sfs_stage_write(stage, play_random(play, 700), sfs_bytes(value, size), NULL));
        free(value);
    }
    if (play_random(play, 3) == 0)
        OK(sfs_stage_truncate(stage, play_random(play, 1000), NULL));
    OK(sfs_batch_put_stage(play->fixture->batch, any_key(play), stage, NULL, 0, NULL));
    play->stages[play->stage_count++] = stage;
}

static void add_patch(struct play *play)
{
    struct sfs_batch *batch = play->fixture->batch;
    struct sfs_bytes key = a_key(play);
    const struct model_record *record = model_find(&play->model, key);
    uint64_t reach = (record ? model_value(record).size : 0) + 50;
    size_t size = 0;
    char *value = a_value(play, &size);
    const struct sfs_part parts[] = {
        {SFS_PART_BYTES, play_random(play, reach), size / 2, size / 3},
        {SFS_PART_ZEROS, play_random(play, reach), play_random(play, 40), 0},
    };
    switch (play_random(play, 4)) {
    case 0:
        OK(sfs_batch_write(batch, key, play_random(play, reach), sfs_bytes(value, size), NULL));
        break;
    case 1:
        OK(sfs_batch_append(batch, key, sfs_bytes(value, size), NULL));
        break;
    case 2:
        OK(sfs_batch_patch(batch, key, parts, 2, sfs_bytes(value, size), NULL,
                           play_random(play, 2) ? SFS_BATCH_AT_END : 0, NULL));
        break;
    default:
        OK(sfs_batch_truncate(batch, key, play_random(play, reach), NULL));
    }
    free(value);
}

static void add_attributes(struct play *play)
{
    struct sfs_buffer buffer = {0};
    const char *names[MODEL_XATTRS] = {"user.a", "user.b", "user.cc", "trusted.x"};
    struct sfs_batch *batch = play->fixture->batch;
    struct sfs_bytes name = a_name(play, &buffer);
    if (play_random(play, 2)) {
        const struct sfs_attributes attributes = {
            .mode = 0700, .gid = 9, .type = SFS_TYPE_TEXT, .accessed = INT64_MIN, .changed = 77};
        unsigned mask =
            (unsigned)play_random(play, SFS_ATTRIBUTE_ALL) & ~(unsigned)SFS_ATTRIBUTE_KIND;
        OK(sfs_batch_attributes(batch, name, &attributes, mask, NULL));
    } else {
        struct sfs_bytes xattr = sfs_string(names[play_random(play, MODEL_XATTRS)]);
        struct sfs_bytes value = play_random(play, 5) ? L("some\0value") : (struct sfs_bytes){0};
        unsigned flags = play_random(play, 8) ? 0 : 1 + (unsigned)play_random(play, 2);
        OK(sfs_batch_xattr(batch, name, xattr, value, value.data ? flags : 0, NULL));
    }
    sfs_buffer_free(&buffer);
}

static void add_rename(struct play *play)
{
    struct sfs_buffer first = {0}, second = {0};
    struct sfs_batch *batch = play->fixture->batch;
    struct sfs_bytes a = a_name(play, &first), b;
    if (sfs_name_is_marker(a))
        b = any_marker(play, &second);
    else
        b = play_random(play, 3) ? any_key(play) : a_key(play);
    unsigned flags = play_random(play, 6) ? 0 : SFS_BATCH_NO_REPLACE;
    if (play_random(play, 3))
        OK(sfs_batch_rename(batch, a, b, flags, NULL));
    else
        OK(sfs_batch_exchange(batch, a, b, NULL));
    sfs_buffer_free(&first);
    sfs_buffer_free(&second);
}

static bool is_used(const struct play *play, struct sfs_bytes prefix)
{
    for (size_t i = 0; i < play->model.count; i++) {
        if (sfs_bytes_starts(model_name(&play->model.records[i]), prefix))
            return true;
    }
    return false;
}

static void add_prefixes(struct play *play)
{
    struct sfs_bytes a, b;
    bool exchange = play_random(play, 3) == 0;
    for (int i = 0;; i++) {
        a = any_prefix(play);
        b = any_prefix(play);
        if (sfs_bytes_starts(a, b) || sfs_bytes_starts(b, a))
            continue;
        if (exchange || i > 8 || (is_used(play, a) && !is_used(play, b)))
            break;
    }
    if (exchange)
        OK(sfs_batch_exchange_prefix(play->fixture->batch, a, b, NULL));
    else
        OK(sfs_batch_rename_prefix(play->fixture->batch, a, b, NULL));
}

static void add_removal(struct play *play)
{
    struct sfs_buffer buffer = {0};
    struct sfs_batch *batch = play->fixture->batch;
    if (play_random(play, 8) == 0)
        OK(sfs_batch_clear_range(batch, a_range(play, &buffer), NULL));
    else
        OK(sfs_batch_delete(batch, a_name(play, &buffer),
                            play_random(play, 8) ? 0 : SFS_BATCH_MUST_EXIST, NULL));
    sfs_buffer_free(&buffer);
}

static void add_operation(struct play *play)
{
    uint64_t kind = play_random(play, 100);
    if (kind < 34)
        add_put(play);
    else if (kind < 37)
        add_stage(play);
    else if (kind < 49)
        add_patch(play);
    else if (kind < 59)
        add_attributes(play);
    else if (kind < 71)
        add_removal(play);
    else if (kind < 82)
        add_rename(play);
    else
        add_prefixes(play);
}

/* Mostly one that holds. */
static void add_requirement(struct play *play)
{
    struct sfs_buffer buffer = {0};
    struct sfs_batch *batch = play->fixture->batch;
    struct sfs_bytes name = a_name(play, &buffer);
    const struct model_record *record = model_find(&play->model, name);
    uint64_t wrong = play_random(play, 4) == 0;
    size_t held = (size_t)play_random(play, play->held_count + 1);
    uint64_t since = held < play->held_count ? play->held[held].sequence : play->sequence;
    switch (play_random(play, 6)) {
    case 0:
        OK(sfs_batch_require_absent(batch, any_key(play), NULL));
        break;
    case 1:
        OK(sfs_batch_require_revision(batch, name, (record ? record->revision : 0) + wrong, NULL));
        break;
    case 2:
        OK(sfs_batch_require_id(batch, name, (record ? record->attributes.id : 7) + wrong, NULL));
        break;
    case 3:
        OK(sfs_batch_require_empty(batch, a_range(play, &buffer), NULL));
        break;
    case 4: /* a store that knows only the present cannot tell */
        if (fixture_can(play->fixture, SFS_CAN_SNAPSHOT))
            OK(sfs_batch_require_unchanged(batch, a_range(play, &buffer), since, NULL));
        break;
    default:
        if (held < play->held_count)
            OK(sfs_batch_require_lease(batch, sfs_snapshot_lease(play->held[held].snapshot), NULL));
    }
    sfs_buffer_free(&buffer);
}

void play_generate(struct play *play)
{
    if (!long_prefix[0])
        make_names();
    uint64_t operations = 1 + play_random(play, PLAY_OPERATIONS);
    if (play_random(play, 2))
        operations = 1 + play_random(play, 3);
    sfs_batch_clear(play->fixture->batch);
    for (uint64_t i = 0; i < operations; i++)
        add_operation(play);
    if (play_random(play, 5) == 0) {
        for (uint64_t i = 1 + play_random(play, 2); i > 0; i--)
            add_requirement(play);
    }
}
