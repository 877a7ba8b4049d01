/* SPDX-License-Identifier: MIT */
/*
 * Listings of arrays and objects. The names are those of one revision, made when the directory is read
 * from its beginning: elements are listed last first, so that who removes what was listed, in that order, never moves
 * an element that is still to be removed.
 */
#include <stdio.h>
#include <stdlib.h>

#include "fs/fields.h"

struct lister {
    struct sfs_bytes piece;
    struct sfs_buffer *names;
    struct sfs_buffer pieces; /* of names that go on below: SFS_PATH_NAME_MAX bytes each */
    struct sfs_buffer kinds;  /* of elements: a letter each */
};

static bool is_directory(struct sfs_bytes value)
{
    return sfs_document_kind(value) != SFS_DOCUMENT_SCALAR;
}

static int add_member(void *context, struct sfs_bytes name, struct sfs_bytes value)
{
    struct lister *lister = context;
    struct sfs_buffer shown = {0};
    int code = fs_field_name(name, lister->piece, &shown);
    if (code == 0)
        code = fs_names_add(lister->names, is_directory(value), sfs_buffer_bytes(&shown));
    else if (code == 1)
        code = sfs_buffer_add(&lister->pieces, sfs_buffer_bytes(&shown));
    else if (code == SFS_E_NOT_FOUND)
        code = 0; /* not in this piece */
    sfs_buffer_free(&shown);
    return code;
}

static int add_element(void *context, struct sfs_bytes name, struct sfs_bytes value)
{
    struct lister *lister = context;
    (void)name;
    return sfs_buffer_byte(&lister->kinds, is_directory(value) ? 'd' : 'f');
}

static int compare_pieces(const void *a, const void *b)
{
    return memcmp(a, b, SFS_PATH_NAME_MAX);
}

/* Each piece once. */
static int add_pieces(struct lister *lister)
{
    const char *data = lister->pieces.data;
    size_t count = lister->pieces.size / SFS_PATH_NAME_MAX;
    int code = 0;
    if (count > 0)
        qsort(lister->pieces.data, count, SFS_PATH_NAME_MAX, compare_pieces);
    for (size_t i = 0; i < count && code == 0; i++) {
        const char *piece = data + i * SFS_PATH_NAME_MAX;
        if (i == 0 || memcmp(piece - SFS_PATH_NAME_MAX, piece, SFS_PATH_NAME_MAX) != 0)
            code = fs_names_add(lister->names, true, sfs_bytes(piece, SFS_PATH_NAME_MAX));
    }
    return code;
}

static int add_indices(struct lister *lister)
{
    char index[32];
    int code = 0;
    for (size_t i = lister->kinds.size; i-- > 0 && code == 0;) {
        snprintf(index, sizeof(index), "%zu", i);
        code = fs_names_add(lister->names, lister->kinds.data[i] == 'd', sfs_string(index));
    }
    return code;
}

static int list_value(struct fs_call *call, const struct fs_member *member, struct sfs_buffer *names)
{
    struct lister lister = {.piece = sfs_buffer_bytes(&member->field.piece), .names = names};
    bool array = sfs_document_kind(member->value) == SFS_DOCUMENT_ARRAY;
    int code = sfs_document_visit(member->document.document, member->value, array ? add_element : add_member,
                                  &lister, &call->error);
    if (code == 0)
        code = array ? add_indices(&lister) : add_pieces(&lister);
    sfs_buffer_free(&lister.pieces);
    sfs_buffer_free(&lister.kinds);
    return code == SFS_E_NO_MEMORY ? sfs_fail_memory(&call->error, "fields") : code;
}

int fs_fields_names(struct fs_call *call, struct fs_node *node, struct sfs_buffer *names)
{
    struct fs_member member;
    struct fs_field field = {0};
    /* The names take memory as the document does, also where that is in the cache. */
    int code = fs_field_key(call, node, &field);
    if (code == 0)
        code = fs_document_reserve_names(call, node->space, sfs_buffer_bytes(&field.key));
    fs_field_free(&field);
    if (code < 0)
        return code;
    code = fs_member_open(call, node, &member);
    /* It may be a scalar by now: then it has nothing in it. */
    if (code == 0 && member.value.data != NULL)
        code = list_value(call, &member, names);
    fs_member_close(&member);
    return code;
}

static uint64_t number_of(const struct fs_open *open, const char *name)
{
    return fs_fields_ino_below(open->position, name);
}

int fs_fields_list(struct fs_call *call, struct fs_open *open, uint64_t offset, struct fs_list *list)
{
    if (offset == 0 || open->text.data == NULL) {
        open->text.size = 0;
        open->position = fs_fields_ino(open->node);
        int code = fs_fields_names(call, open->node, &open->text);
        if (code == 0)
            code = fs_scratch_names(call, open->node, &open->text);
        if (code == 0)
            code = fs_open_hold(call, open, FS_HELD_BYTES, open->text.capacity);
        if (code < 0) {
            sfs_buffer_free(&open->text);
            return code;
        }
        fs_place_forget(call, open->node);
    }
    return fs_names_list_by(call, open, offset, list, number_of);
}
