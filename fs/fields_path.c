/* SPDX-License-Identifier: MIT */
/*
 * Names in fields/: the key and the path of members that a node stands for, members as file names, inode
 * numbers.
 */
#include "fs/fields.h"

#define PIECE_END "%+"
#define INDEX_BITS 25 /* an index below 2^25: there are no more elements in what can be listed */

/* --- paths --- */

static int add_step(struct fs_field *field, struct sfs_bytes name)
{
    size_t before = field->names.size;
    struct sfs_bytes step = {0};
    if (sfs_path_unescape(name, &field->names) != 0)
        return SFS_E_NO_MEMORY;
    step.size = field->names.size - before;
    if (sfs_buffer_append(&field->steps, &step, sizeof(step)) == 0)
        return 0;
    field->names.size = before;
    return SFS_E_NO_MEMORY;
}

/* The name of a node, with the pieces before it, is a step. */
static int add_name(struct fs_field *field, struct sfs_bytes name, bool whole)
{
    int code = sfs_buffer_add(&field->piece, name);
    if (code == 0 && whole) {
        code = add_step(field, sfs_buffer_bytes(&field->piece));
        field->piece.size = 0;
    }
    return code;
}

static bool is_key(const struct fs_node *node)
{
    return node->kind == FS_KIND_OWN || node->kind == FS_KIND_PART;
}

/* Whether the walk to a value can begin at this node: it is the key's, or was found in this
 * document. */
static bool is_known(const struct fs_node *node, uint64_t serial)
{
    return is_key(node) || (node->document == serial && serial != 0 && node->kind == FS_KIND_PLAIN);
}

/* From a node that is known down. With the table's lock held. */
static int add_nodes(const struct fs_node *node, uint64_t serial, struct fs_field *field,
                     const struct fs_node **ret_known)
{
    *ret_known = node;
    if (is_known(node, serial))
        return 0;
    if (node->name == NULL || node->parent == NULL)
        return SFS_E_NOT_FOUND;
    int code = add_nodes(node->parent, serial, field, ret_known);
    return code == 0 ? add_name(field, sfs_buffer_bytes(&node->text), node->kind != FS_KIND_PIECE) : code;
}

static int fail_walk(struct fs_call *call, int code)
{
    if (code == SFS_E_NOT_FOUND)
        return sfs_fail(&call->error, code, "fields", "the member was removed while it was in use");
    return code < 0 ? sfs_fail_memory(&call->error, "fields") : code;
}

/* The node of the key. Moves stay below that, so it is found once. With the table's lock held;
 * NULL: the node is removed. */
static struct fs_node *top_of(struct fs_node *node)
{
    struct fs_node *top = node;
    while (!is_key(top) && top->top == NULL) {
        if (top->name == NULL || top->parent == NULL)
            return NULL;
        top = top->parent;
    }
    node->top = is_key(top) ? top : top->top;
    return node->top;
}

int fs_field_key(struct fs_call *call, struct fs_node *node, struct fs_field *field)
{
    fs_nodes_lock(call->fs->nodes);
    struct fs_node *top = top_of(node);
    fs_nodes_unlock(call->fs->nodes);
    return top != NULL ? fs_keys_key(call, top, &field->key) : fail_walk(call, SFS_E_NOT_FOUND);
}

int fs_field_of(struct fs_call *call, struct fs_node *node, struct fs_field *field)
{
    const struct fs_node *top;
    fs_nodes_lock(call->fs->nodes);
    int code = fail_walk(call, add_nodes(node, 0, field, &top));
    fs_nodes_unlock(call->fs->nodes);
    return code == 0 ? fs_field_key(call, node, field) : code;
}

int fs_field_from(struct fs_call *call, struct fs_node *node, const struct fs_document *document,
                  struct fs_field *field, struct sfs_bytes *ret_from)
{
    const struct fs_node *known;
    struct sfs_bytes root = sfs_document_root(document->document);
    fs_nodes_lock(call->fs->nodes);
    int code = fail_walk(call, add_nodes(node, document->serial, field, &known));
    *ret_from = root;
    if (code == 0 && !is_key(known))
        *ret_from =
            sfs_bytes((const char *)root.data + known->value.offset, (size_t)known->value.size);
    fs_nodes_unlock(call->fs->nodes);
    return code;
}

void fs_field_found(struct fs_call *call, struct fs_node *node, const struct fs_document *document,
                    struct sfs_bytes value)
{
    struct sfs_bytes root = sfs_document_root(document->document);
    fs_nodes_lock(call->fs->nodes);
    node->document = document->serial;
    node->value = (struct sfs_extent){
        (uint64_t)((const char *)value.data - (const char *)root.data), value.size};
    fs_nodes_unlock(call->fs->nodes);
}

struct sfs_document_path fs_field_path(const struct fs_field *field)
{
    struct sfs_bytes *steps = (struct sfs_bytes *)(void *)field->steps.data;
    size_t count = field->steps.size / sizeof(*steps);
    const char *at = field->names.data;
    for (size_t i = 0; i < count; i++) {
        steps[i].data = "";
        if (steps[i].size == 0)
            continue;
        steps[i].data = at;
        at += steps[i].size;
    }
    return (struct sfs_document_path){steps, count};
}

struct sfs_bytes fs_field_last(const struct fs_field *field)
{
    struct sfs_document_path path = fs_field_path(field);
    return path.count > 0 ? path.steps[path.count - 1] : sfs_bytes("", 0);
}

void fs_field_free(struct fs_field *field)
{
    sfs_buffer_free(&field->key);
    sfs_buffer_free(&field->names);
    sfs_buffer_free(&field->steps);
    sfs_buffer_free(&field->piece);
}

/* --- names --- */

static bool is_piece(struct sfs_bytes name)
{
    return name.size == SFS_PATH_NAME_MAX &&
           memcmp((const char *)name.data + SFS_PATH_PIECE, PIECE_END, strlen(PIECE_END)) == 0;
}

static bool is_index(const char *name)
{
    size_t digits = strspn(name, "0123456789");
    return digits > 0 && digits <= 18 && name[digits] == '\0' && (name[0] != '0' || digits == 1);
}

int fs_field_name(struct sfs_bytes member, struct sfs_bytes piece, struct sfs_buffer *name)
{
    struct sfs_buffer escaped = {0};
    if (sfs_path_escape(member, &escaped) != 0) {
        sfs_buffer_free(&escaped);
        return SFS_E_NO_MEMORY;
    }
    struct sfs_bytes rest = sfs_buffer_bytes(&escaped);
    int code = sfs_bytes_starts(rest, piece) ? 0 : SFS_E_NOT_FOUND;
    /* Each piece before was cut because more than a name was left. */
    if (code == 0 && piece.size > 0 && rest.size - piece.size + SFS_PATH_PIECE <= SFS_PATH_NAME_MAX)
        code = SFS_E_NOT_FOUND;
    if (code == 0) {
        rest = sfs_bytes((const char *)rest.data + piece.size, rest.size - piece.size);
        code = rest.size > SFS_PATH_NAME_MAX;
        rest.size = code == 1 ? SFS_PATH_PIECE : rest.size;
        if (sfs_buffer_add(name, rest) != 0 || (code == 1 && sfs_buffer_add(name, SFS_LITERAL(PIECE_END)) != 0))
            code = SFS_E_NO_MEMORY;
    }
    sfs_buffer_free(&escaped);
    return code;
}

/* A name is one that a member has: it comes out again. */
static int check_name(struct fs_call *call, const struct fs_field *field, struct sfs_bytes piece,
                      const char *name)
{
    struct sfs_document_path path = fs_field_path(field);
    struct sfs_buffer again = {0};
    int code = fs_field_name(path.steps[path.count - 1], piece, &again);
    if (code == SFS_E_NO_MEMORY)
        code = sfs_fail_memory(&call->error, "fields");
    else if (code != 0 || !sfs_bytes_equal(sfs_buffer_bytes(&again), sfs_string(name)))
        code = sfs_fail(&call->error, SFS_E_INVALID, "fields",
                        "no member has the file name '%.200s': in it '%%' is written %%25, '/' %%2F, NUL %%00, "
                        "the empty name %%empty",
                        name);
    sfs_buffer_free(&again);
    return code;
}

static int enter_member(struct fs_call *call, struct fs_field *field, const char *name,
                        enum fs_kind *ret_kind)
{
    struct sfs_buffer piece = {0};
    struct sfs_bytes bytes = sfs_string(name);
    bool whole = !is_piece(bytes);
    int code = sfs_buffer_add(&piece, sfs_buffer_bytes(&field->piece));
    if (!whole)
        bytes.size = SFS_PATH_PIECE;
    if (code == 0)
        code = add_name(field, bytes, whole);
    if (code < 0)
        code = sfs_fail_memory(&call->error, "fields");
    else if (whole)
        code = check_name(call, field, sfs_buffer_bytes(&piece), name);
    sfs_buffer_free(&piece);
    *ret_kind = whole ? FS_KIND_PLAIN : FS_KIND_PIECE;
    return code;
}

int fs_field_enter(struct fs_call *call, struct fs_field *field, enum sfs_document_kind kind,
                   const char *name, enum fs_kind *ret_kind)
{
    if (strlen(name) > SFS_PATH_NAME_MAX)
        return sfs_fail(&call->error, SFS_E_NAME_TOO_LONG, "fields", "a file name has at most %d bytes",
                        SFS_PATH_NAME_MAX);
    if (kind == SFS_DOCUMENT_OBJECT)
        return enter_member(call, field, name, ret_kind);
    if (!is_index(name))
        return sfs_fail(&call->error, SFS_E_INVALID, "fields", "'%s' is no index of an array", name);
    *ret_kind = FS_KIND_PLAIN;
    return add_step(field, sfs_string(name)) == 0 ? 0 : sfs_fail_memory(&call->error, "fields");
}

/* --- numbers --- */

/* The finaliser of splitmix64. */
static uint64_t mix(uint64_t number)
{
    number = (number ^ number >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    number = (number ^ number >> 27) * UINT64_C(0x94d049bb133111eb);
    return number ^ number >> 31;
}

uint64_t fs_fields_ino_below(uint64_t dir, const char *name)
{
    const uint64_t indices = (UINT64_C(1) << INDEX_BITS) - 1;
    uint64_t hash = dir;
    uint64_t index = 0;
    for (const char *digit = name; *digit >= '0' && *digit <= '9' && index <= indices; digit++)
        index = index * 10 + (uint64_t)(*digit - '0');
    if (is_index(name) && index <= indices)
        hash = (mix(hash) & ~indices) | (indices - index);
    else
        for (const unsigned char *c = (const unsigned char *)name; *c != '\0'; c++)
            hash = mix(hash ^ *c);
    return hash | (UINT64_C(3) << 62);
}

/* With the table's lock held. A name that is gone does not matter any more. */
static uint64_t ino_of(struct fs_node *node)
{
    uint64_t now = node->space->moves + 1;
    if (node->numbered == now)
        return node->ino;
    if (node->kind == FS_KIND_ROOT || node->parent == NULL)
        node->ino = mix(node->space->salt ^ UINT64_C(0x6669656c6473)) | (UINT64_C(3) << 62);
    else
        node->ino = fs_fields_ino_below(ino_of(node->parent), node->name != NULL ? node->name : "");
    node->numbered = now;
    return node->ino;
}

uint64_t fs_fields_ino(struct fs_node *node)
{
    fs_nodes_lock(node->space->fs->nodes);
    uint64_t ino = ino_of(node);
    fs_nodes_unlock(node->space->fs->nodes);
    return ino;
}
