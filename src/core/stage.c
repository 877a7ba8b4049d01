/* SPDX-License-Identifier: MIT */
/*
 * Stages: the public calls, the stage that keeps its content in memory, and finding a content's
 * type.
 */
#include <stdlib.h>

#include "core/stage.h"
#include "util/memory.h"
#include "util/utf8.h"

#define PIECE 65536

static int check_extent(uint64_t offset, uint64_t size, struct sfs_error *error)
{
    if (offset > INT64_MAX || size > (uint64_t)INT64_MAX - offset)
        return sfs_fail(error, SFS_E_TOO_LARGE, "stage",
                        "a value cannot be larger than 2^63 - 1 bytes");
    return 0;
}

/* --- text: what is written from the beginning on need not be read for its type --- */

/* The number of bytes before the first that is no part of a whole character of text. A NUL byte is
 * none: a hole ends the search at its first byte. */
static size_t text_size(const char *data, size_t size)
{
    const char *nul = memchr(data, '\0', size);
    size_t good = 0;
    uint32_t point;
    size = nul ? (size_t)(nul - data) : size;
    for (size_t length = 1; good < size && length > 0; good += length) {
        length = sfs_utf8_ascii(data + good, size - good);
        if (length == 0)
            length = sfs_utf8_decode(data + good, size - good, &point);
    }
    return good;
}

static uint64_t seen(const struct sfs_stage *stage)
{
    return stage->text + stage->begun_size;
}

/* The bytes from `offset` on are about to change. */
static void forget_text(struct sfs_stage *stage, uint64_t offset)
{
    stage->typed = 0;
    if (offset < seen(stage))
        stage->text = stage->begun_size = 0;
}

/* The rest of the character that was begun: so many of the bytes. */
static size_t end_character(struct sfs_stage *stage, struct sfs_bytes bytes)
{
    size_t begun = stage->begun_size;
    size_t more = sizeof(stage->begun) - begun;
    uint32_t point;
    if (begun == 0)
        return 0;
    more = more < bytes.size ? more : bytes.size;
    memcpy(stage->begun + begun, bytes.data, more);
    size_t length = sfs_utf8_decode(stage->begun, begun + more, &point);
    stage->text += length;
    stage->begun_size = length > 0 ? 0 : begun + more;
    return length > 0 ? length - begun : more;
}

static void note_text(struct sfs_stage *stage, uint64_t offset, struct sfs_bytes bytes)
{
    if (offset != seen(stage) || stage->begun_size == sizeof(stage->begun))
        return;
    size_t used = end_character(stage, bytes);
    if (stage->begun_size > 0)
        return;
    const char *data = (const char *)bytes.data + used;
    size_t size = bytes.size - used, good = text_size(data, size);
    stage->text += good;
    if (size - good < sizeof(stage->begun) && (good == size || data[good] != '\0')) {
        memcpy(stage->begun, data + good, size - good);
        stage->begun_size = size - good;
    }
}

/* --- the public calls --- */

int sfs_stage_write(struct sfs_stage *stage, uint64_t offset, struct sfs_bytes bytes,
                    struct sfs_error *error)
{
    int rc = check_extent(offset, bytes.size, error);
    if (rc || bytes.size == 0)
        return rc;
    forget_text(stage, offset);
    rc = stage->operations->write(stage, offset, bytes, error);
    if (rc == 0)
        note_text(stage, offset, bytes);
    return rc;
}

int sfs_stage_truncate(struct sfs_stage *stage, uint64_t size, struct sfs_error *error)
{
    int rc = check_extent(size, 0, error);
    if (rc)
        return rc;
    forget_text(stage, size);
    return stage->operations->truncate(stage, size, error);
}

int sfs_stage_read(struct sfs_stage *stage, uint64_t offset, void *data, size_t size,
                   struct sfs_error *error)
{
    for (size_t filled = 0; filled < size;) {
        size_t got = 0;
        int rc = stage->operations->read(stage, offset + filled, (char *)data + filled,
                                         size - filled, &got, error);
        if (rc)
            return rc;
        if (got == 0)
            return sfs_fail(error, SFS_E_IO, "stage", "the staged value ended %zu bytes too early",
                            size - filled);
        filled += got;
    }
    return 0;
}

uint64_t sfs_stage_size(const struct sfs_stage *stage)
{
    return stage->size;
}

void sfs_stage_close(struct sfs_stage *stage)
{
    if (stage)
        stage->operations->close(stage);
}

/* --- in memory --- */

struct memory_stage {
    struct sfs_stage stage; /* its size is the content's */
    struct sfs_buffer content;
};

static struct memory_stage *memory_of(struct sfs_stage *stage)
{
    return (struct memory_stage *)stage;
}

static int memory_truncate(struct sfs_stage *stage, uint64_t size, struct sfs_error *error)
{
    struct sfs_buffer *content = &memory_of(stage)->content;
    if (size > content->size) {
        if (!sfs_memory_holds(size))
            return sfs_fail(error, SFS_E_TOO_LARGE, "stage", SFS_STAGE_TOO_LARGE, size);
        if (sfs_buffer_reserve(content, (size_t)size - content->size))
            return sfs_fail_memory(error, "stage");
        memset(content->data + content->size, 0, (size_t)size - content->size);
    }
    content->size = (size_t)size;
    stage->size = size;
    return 0;
}

static int memory_write(struct sfs_stage *stage, uint64_t offset, struct sfs_bytes bytes,
                        struct sfs_error *error)
{
    uint64_t end = offset + bytes.size;
    int rc = end > stage->size ? memory_truncate(stage, end, error) : 0;
    if (rc == 0 && bytes.size)
        memcpy(memory_of(stage)->content.data + offset, bytes.data, bytes.size);
    return rc;
}

static int memory_read(struct sfs_stage *stage, uint64_t offset, void *data, size_t size,
                       size_t *ret_size, struct sfs_error *error)
{
    (void)error;
    uint64_t left = offset < stage->size ? stage->size - offset : 0;
    size_t taken = left < size ? (size_t)left : size;
    if (taken)
        memcpy(data, memory_of(stage)->content.data + offset, taken);
    *ret_size = taken;
    return 0;
}

static void memory_close(struct sfs_stage *stage)
{
    sfs_buffer_free(&memory_of(stage)->content);
    free(stage);
}

int sfs_stage_memory(struct sfs_stage **ret_stage, struct sfs_error *error)
{
    static const struct sfs_stage_operations operations = {
        .write = memory_write,
        .truncate = memory_truncate,
        .read = memory_read,
        .close = memory_close,
    };
    struct memory_stage *stage = calloc(1, sizeof(*stage));
    if (!stage)
        return sfs_fail_memory(error, "stage");
    stage->stage.operations = &operations;
    *ret_stage = &stage->stage;
    return 0;
}

/* --- the type of a content --- */

/* Reads `size` bytes from `offset` on; short only at the end. */
static int read_full(struct sfs_stage *stage, uint64_t offset, char *data, size_t size,
                     size_t *ret_size, struct sfs_error *error)
{
    size_t filled = 0, got = 1;
    while (filled < size && got) {
        int rc = stage->operations->read(stage, offset + filled, data + filled, size - filled, &got,
                                         error);
        if (rc)
            return rc;
        filled += got;
    }
    *ret_size = filled;
    return 0;
}

/* Whether all of it is UTF-8, which of its beginning may be known; a character may lie across two
 * pieces. */
static int find_text(struct sfs_stage *stage, char *piece, bool *ret_text, struct sfs_error *error)
{
    uint64_t offset = stage->text;
    while (offset < stage->size) {
        size_t size;
        int rc = read_full(stage, offset, piece, PIECE, &size, error);
        if (rc)
            return rc;
        size_t good = text_size(piece, size);
        bool last = offset + size >= stage->size;
        if (good < size && (last || size - good > 3))
            break;
        if (size == 0)
            break;
        offset += good;
    }
    stage->text = offset;
    stage->begun_size = 0;
    *ret_text = offset >= stage->size;
    return 0;
}

/* What a JSON value can begin with, behind white space. */
static bool may_be_json(const char *data, size_t size)
{
    size_t at = 0;
    while (at < size && strchr(" \t\r\n", data[at]) && data[at])
        at++;
    return at == size || (data[at] && strchr("{[\"-0123456789tfn", data[at]));
}

static int whole_type(struct sfs_stage *stage, enum sfs_type *ret_type, struct sfs_error *error)
{
    size_t size = (size_t)stage->size;
    char *data = malloc(size + 1);
    if (!data)
        return sfs_fail_memory(error, "stage");
    int rc = read_full(stage, 0, data, size, &size, error);
    if (rc == 0) {
        *ret_type = sfs_type_of(sfs_bytes(data, size));
        stage->typed = (int)*ret_type + 1;
    }
    free(data);
    return rc;
}

int sfs_stage_type(struct sfs_stage *stage, enum sfs_type *ret_type, struct sfs_error *error)
{
    bool text = false, json = false;
    size_t size;
    if (stage->typed) {
        *ret_type = (enum sfs_type)(stage->typed - 1);
        return 0;
    }
    char *piece = malloc(PIECE);
    if (!piece)
        return sfs_fail_memory(error, "stage");
    int rc = find_text(stage, piece, &text, error);
    if (rc == 0 && text && stage->size <= SFS_STAGE_JSON_MAX) {
        rc = read_full(stage, 0, piece, PIECE, &size, error);
        json = rc == 0 && may_be_json(piece, size);
    }
    free(piece);
    if (json)
        return whole_type(stage, ret_type, error);
    if (rc == 0)
        *ret_type = text ? SFS_TYPE_TEXT : SFS_TYPE_BYTES;
    return rc;
}
