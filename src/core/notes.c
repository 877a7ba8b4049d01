/* SPDX-License-Identifier: MIT */
/* A damaged store: what its backend found when it opened it, shown by a scan of everything. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "storefs/backend.h"
#include "storefs/notes.h"

#define ORIGIN "salvage"

/* A cursor that says the same twice is taken for one that does not go on. */
static bool is_last(const struct sfs_notes *notes, int code, struct sfs_bytes text)
{
    const char *last = notes->texts.size ? notes->texts.data + notes->last : NULL;
    return last && last[0] == (char)-code && strcmp(last + 1, text.data) == 0;
}

int sfs_notes_add(struct sfs_notes *notes, int code, const char *format, ...)
{
    char sentence[sizeof(((struct sfs_error *)NULL)->message)];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(sentence, sizeof(sentence), format, arguments);
    va_end(arguments);
    if (size < 0)
        sentence[0] = '\0';
    struct sfs_bytes text = sfs_bytes(sentence, strlen(sentence) + 1);
    if (is_last(notes, code, text))
        return 0;
    size_t last = notes->texts.size;
    if (sfs_buffer_reserve(&notes->texts, text.size + 1) ||
        sfs_buffer_byte(&notes->texts, (char)-code) || sfs_buffer_add(&notes->texts, text))
        return SFS_E_NO_MEMORY;
    notes->last = last;
    return 0;
}

void sfs_notes_free(struct sfs_notes *notes)
{
    sfs_buffer_free(&notes->texts);
}

/* --- the layer --- */

struct layer {
    struct sfs_storage storage;
    struct sfs_notes notes;
};

struct noted_cursor {
    struct sfs_cursor cursor;
    struct sfs_cursor *inner;
    struct sfs_bytes left; /* of the notes */
};

static int noted_next(struct sfs_cursor *base, const struct sfs_record **ret_record,
                      struct sfs_error *error)
{
    struct noted_cursor *cursor = (struct noted_cursor *)base;
    const char *text = cursor->left.data;
    if (cursor->left.size == 0)
        return sfs_cursor_next(cursor->inner, ret_record, error);
    size_t size = strlen(text) + 1;
    cursor->left = sfs_bytes(text + size, cursor->left.size - size);
    return sfs_fail(error, -text[0], ORIGIN, "%s", text + 1);
}

static int noted_seek(struct sfs_cursor *base, struct sfs_bytes name, struct sfs_error *error)
{
    struct noted_cursor *cursor = (struct noted_cursor *)base;
    cursor->left.size = 0;
    return sfs_cursor_seek(cursor->inner, name, error);
}

static void noted_close(struct sfs_cursor *base)
{
    struct noted_cursor *cursor = (struct noted_cursor *)base;
    sfs_cursor_close(cursor->inner);
    free(cursor);
}

static int layer_scan(struct sfs_storage *base, struct sfs_range range, unsigned want,
                      struct sfs_cursor **ret_cursor, struct sfs_error *error)
{
    static const struct sfs_cursor_operations noted = {noted_next, noted_seek, noted_close};
    const struct layer *layer = (const struct layer *)base;
    if (range.from.size > 0 || range.to.size > 0 || layer->notes.texts.size == 0)
        return sfs_scan(base->below, range, want, ret_cursor, error);
    struct noted_cursor *cursor = malloc(sizeof(*cursor));
    if (!cursor)
        return sfs_fail_memory(error, ORIGIN);
    *cursor = (struct noted_cursor){{&noted}, NULL, sfs_buffer_bytes(&layer->notes.texts)};
    int code = sfs_scan(base->below, range, want, &cursor->inner, error);
    if (code) {
        free(cursor);
        return code;
    }
    *ret_cursor = &cursor->cursor;
    return 0;
}

static int layer_get(struct sfs_storage *base, struct sfs_bytes name, unsigned want,
                     const struct sfs_record **ret_record, struct sfs_error *error)
{
    return sfs_get(base->below, name, want, ret_record, error);
}

static int layer_read(struct sfs_storage *base, struct sfs_bytes name, uint64_t revision,
                      uint64_t offset, void *data, size_t size, size_t *ret_size,
                      struct sfs_error *error)
{
    return sfs_read(base->below, name, revision, offset, data, size, ret_size, error);
}

static int layer_close(struct sfs_storage *base, struct sfs_error *error)
{
    struct layer *layer = (struct layer *)base;
    (void)error;
    sfs_notes_free(&layer->notes);
    free(layer);
    return 0;
}

int sfs_notes_layer(struct sfs_storage *below, struct sfs_notes *notes,
                    struct sfs_storage **ret_store, struct sfs_error *error)
{
    static const struct sfs_read_operations read = {layer_get, layer_read, layer_scan};
    static const struct sfs_storage_operations operations = {
        .name = "salvage", .read = &read, .close = layer_close};
    struct layer *layer = calloc(1, sizeof(*layer));
    if (!layer)
        return sfs_fail_memory(error, ORIGIN);
    int code = sfs_layer_init(&layer->storage, &operations, below, error);
    if (code) {
        free(layer);
        return code;
    }
    layer->storage.read_only = true;
    layer->storage.capabilities &= ~(unsigned)(SFS_CAN_SNAPSHOT | SFS_CAN_CHANGES);
    layer->notes = *notes;
    *notes = (struct sfs_notes){0};
    *ret_store = &layer->storage;
    return 0;
}
