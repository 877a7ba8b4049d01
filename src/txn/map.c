/* SPDX-License-Identifier: MIT */
/* The map of ranges: finding, cutting and moving pieces. */
#include "txn/map.h"

#include <stdlib.h>

/* What a piece is made of: its own members without the memory. */
struct form {
    struct sfs_range range;
    bool gone;
    struct sfs_bytes view;
    struct sfs_bytes base;
    uint64_t revision;
    int64_t changed;
};

/* --- pieces --- */

static void ref_item(void *item)
{
    struct sfs_txn_piece *piece = item;
    atomic_fetch_add_explicit(&piece->references, 1, memory_order_relaxed);
}

static void unref_item(void *item)
{
    struct sfs_txn_piece *piece = item;
    if (atomic_fetch_sub_explicit(&piece->references, 1, memory_order_acq_rel) == 1)
        free(piece);
}

static const struct sfs_tree_counting counting = {.ref = ref_item, .unref = unref_item};

void sfs_txn_map_init(struct sfs_tree *map)
{
    sfs_tree_init(map, &counting);
}

static struct sfs_bytes keep(char **at, struct sfs_bytes bytes)
{
    struct sfs_bytes kept = sfs_bytes(*at, bytes.size);
    if (bytes.size)
        memcpy(*at, bytes.data, bytes.size);
    *at += bytes.size;
    return kept;
}

static struct sfs_txn_piece *piece_new(const struct form *form)
{
    size_t size =
        form->range.from.size + form->range.to.size + form->view.size + form->base.size;
    struct sfs_txn_piece *piece = malloc(sizeof(*piece) + size);
    if (!piece)
        return NULL;
    char *at = piece->bytes;
    atomic_init(&piece->references, 1);
    piece->range.from = keep(&at, form->range.from);
    piece->range.to = keep(&at, form->range.to);
    piece->view = keep(&at, form->view);
    piece->base = keep(&at, form->base);
    piece->gone = form->gone;
    piece->revision = form->revision;
    piece->changed = form->changed;
    return piece;
}

static struct form form_of(const struct sfs_txn_piece *piece, struct sfs_range range)
{
    return (struct form){range,       piece->gone,     piece->view,
                         piece->base, piece->revision, piece->changed};
}

/* What a piece is filed under: a range without an end ends behind all names. */
static struct sfs_bytes filed_under(struct sfs_range range)
{
    static const unsigned char last[SFS_KEY_MAX + 4] = {[0 ... SFS_KEY_MAX + 3] = 0xff};
    return range.to.size ? range.to : sfs_bytes(last, sizeof(last));
}

static int put(struct sfs_tree *map, const struct form *form)
{
    struct sfs_txn_piece *piece = piece_new(form);
    int result =
        piece ? sfs_tree_insert(map, filed_under(piece->range), piece) : SFS_E_NO_MEMORY;
    if (piece)
        unref_item(piece);
    return result;
}

/* --- finding --- */

/* The first piece that ends behind `name`. */
static const struct sfs_txn_piece *next_piece(const struct sfs_tree *map, struct sfs_bytes name)
{
    if (map->count == 0)
        return NULL;
    struct sfs_tree_cursor position = sfs_tree_seek(map, name);
    const struct sfs_txn_piece *piece = sfs_tree_next(&position);
    if (piece && sfs_bytes_equal(piece->range.to, name) && name.size)
        piece = sfs_tree_next(&position);
    return piece;
}

const struct sfs_txn_piece *sfs_txn_map_find(const struct sfs_tree *map, struct sfs_bytes name)
{
    const struct sfs_txn_piece *piece = next_piece(map, name);
    return piece && sfs_bytes_compare(piece->range.from, name) <= 0 ? piece : NULL;
}

/* The lower of two ends, of which an empty one is behind all names. */
static struct sfs_bytes lower_end(struct sfs_bytes a, struct sfs_bytes b)
{
    if (a.size == 0 || b.size == 0)
        return a.size ? a : b;
    return sfs_bytes_compare(a, b) < 0 ? a : b;
}

static bool is_empty(struct sfs_range range)
{
    return range.to.size && sfs_bytes_compare(range.from, range.to) >= 0;
}

bool sfs_txn_map_part(const struct sfs_tree *map, struct sfs_range range,
                      const struct sfs_txn_piece **ret_piece, struct sfs_range *ret_part)
{
    if (is_empty(range))
        return false;
    const struct sfs_txn_piece *piece = next_piece(map, range.from);
    bool inside = piece && sfs_bytes_compare(piece->range.from, range.from) <= 0;
    struct sfs_bytes end = inside ? piece->range.to : piece ? piece->range.from : sfs_bytes(NULL, 0);
    *ret_piece = inside ? piece : NULL;
    *ret_part = (struct sfs_range){range.from, lower_end(end, range.to)};
    return true;
}

bool sfs_txn_map_behind(struct sfs_range part, struct sfs_range *range)
{
    range->from = part.to;
    return part.to.size && !is_empty(*range);
}

/* --- translating --- */

static int replace_prefix(struct sfs_bytes name, struct sfs_bytes from, struct sfs_bytes to,
                          struct sfs_buffer *result)
{
    int code = sfs_buffer_add(result, to);
    return code ? code
                : sfs_buffer_append(result, (const char *)name.data + from.size,
                                    name.size - from.size);
}

int sfs_txn_piece_base(const struct sfs_txn_piece *piece, struct sfs_bytes in_view,
                       struct sfs_buffer *name)
{
    return piece ? replace_prefix(in_view, piece->view, piece->base, name)
                 : sfs_buffer_add(name, in_view);
}

int sfs_txn_piece_view(const struct sfs_txn_piece *piece, struct sfs_bytes in_base,
                       struct sfs_buffer *name)
{
    return piece ? replace_prefix(in_base, piece->base, piece->view, name)
                 : sfs_buffer_add(name, in_base);
}

/* The end of a range below one prefix as an end below another: every name below a prefix begins with
 * it, and the only end that does not is that of the prefix itself. */
static int translate_end(struct sfs_bytes end, struct sfs_bytes from, struct sfs_bytes to,
                         struct sfs_buffer *bound, struct sfs_bytes *ret_end)
{
    struct sfs_range whole;
    int result = 0;
    bound->size = 0;
    if (sfs_bytes_starts(end, from)) {
        result = replace_prefix(end, from, to, bound);
        *ret_end = sfs_buffer_bytes(bound);
    } else {
        result = sfs_range_prefix(to, bound, &whole);
        *ret_end = result ? sfs_bytes(NULL, 0) : whole.to;
    }
    return result;
}

static int translate_range(struct sfs_range range, struct sfs_bytes from, struct sfs_bytes to,
                           struct sfs_buffer bounds[2], struct sfs_range *ret_range)
{
    bounds[0].size = 0;
    int result = replace_prefix(range.from, from, to, &bounds[0]);
    ret_range->from = sfs_buffer_bytes(&bounds[0]);
    return result ? result : translate_end(range.to, from, to, &bounds[1], &ret_range->to);
}

int sfs_txn_piece_range(const struct sfs_txn_piece *piece, struct sfs_range part,
                        struct sfs_buffer bounds[2], struct sfs_range *ret_range)
{
    return translate_range(part, piece->view, piece->base, bounds, ret_range);
}

/* --- changing --- */

/* Takes the piece away, but for what of it lies outside the range. */
static int cut_piece(struct sfs_tree *map, const struct sfs_txn_piece *piece,
                     struct sfs_range range)
{
    struct form before = form_of(piece, (struct sfs_range){piece->range.from, range.from});
    struct form behind = form_of(piece, (struct sfs_range){range.to, piece->range.to});
    bool has_before = sfs_bytes_compare(piece->range.from, range.from) < 0;
    bool has_behind = range.to.size && (piece->range.to.size == 0 ||
                                        sfs_bytes_compare(range.to, piece->range.to) < 0);
    int result = 0;
    /* What goes on behind takes the place of the whole, which ends alike. */
    if (has_behind)
        result = put(map, &behind);
    else if (sfs_tree_remove(map, filed_under(piece->range)) < 0)
        result = SFS_E_NO_MEMORY;
    if (result == 0 && has_before)
        result = put(map, &before);
    return result;
}

/* Makes the names of the range stand for themselves. */
static int cut(struct sfs_tree *map, struct sfs_range range)
{
    const struct sfs_txn_piece *piece;
    int result = 0;
    if (is_empty(range))
        return 0;
    while (result == 0 && (piece = next_piece(map, range.from)) &&
           (range.to.size == 0 || sfs_bytes_compare(piece->range.from, range.to) < 0)) {
        struct sfs_txn_piece *held = (struct sfs_txn_piece *)(uintptr_t)piece;
        ref_item(held);
        result = cut_piece(map, held, range);
        unref_item(held);
    }
    return result;
}

int sfs_txn_map_clear(struct sfs_tree *map, struct sfs_range range)
{
    const struct sfs_txn_piece *piece;
    struct sfs_tree whole;
    struct form form = {.range = range, .gone = true};
    if (is_empty(range))
        return 0;
    /* Pieces that are gone and touch this one become one with it. Their bounds are borrowed from
     * what the map was, which so has to live on. */
    sfs_tree_share(map, &whole);
    piece = sfs_tree_find(&whole, range.from);
    if (!piece)
        piece = sfs_txn_map_find(&whole, range.from);
    if (piece && piece->gone)
        form.range.from = piece->range.from;
    piece = range.to.size ? sfs_txn_map_find(&whole, range.to) : NULL;
    if (piece && piece->gone)
        form.range.to = piece->range.to;
    int result = cut(map, form.range);
    if (result == 0)
        result = put(map, &form);
    sfs_tree_clear(&whole);
    return result;
}

/* Adds to `map` what a part of the range below `from` is below `to`. */
static int move_part(struct sfs_tree *map, const struct sfs_txn_piece *piece,
                     struct sfs_range part, struct sfs_bytes from, struct form form)
{
    struct sfs_buffer bounds[2] = {{0}};
    struct sfs_buffer prefix = {0};
    struct sfs_bytes to = form.view;
    int result = translate_range(part, from, to, bounds, &form.range);
    if (result == 0 && piece && piece->gone) {
        result = sfs_txn_map_clear(map, form.range);
    } else if (result == 0) {
        form.base = from;
        if (piece && piece->view.size >= from.size) {
            result = replace_prefix(piece->view, from, to, &prefix);
            form.view = sfs_buffer_bytes(&prefix);
            form.base = piece->base;
        } else if (piece) {
            result = sfs_txn_piece_base(piece, from, &prefix);
            form.base = sfs_buffer_bytes(&prefix);
        }
        if (result == 0)
            result = put(map, &form);
    }
    sfs_buffer_free(&bounds[0]);
    sfs_buffer_free(&bounds[1]);
    sfs_buffer_free(&prefix);
    return result;
}

static int move_parts(struct sfs_tree *map, struct sfs_range range, struct form form)
{
    const struct sfs_txn_piece *piece;
    struct sfs_bytes from = range.from;
    struct sfs_range part;
    struct sfs_tree whole;
    int result = 0;
    sfs_tree_share(map, &whole);
    while (result == 0 && sfs_txn_map_part(&whole, range, &piece, &part)) {
        result = move_part(map, piece, part, from, form);
        if (!sfs_txn_map_behind(part, &range))
            break;
    }
    sfs_tree_clear(&whole);
    return result;
}

int sfs_txn_map_move(struct sfs_tree *map, struct sfs_bytes from, struct sfs_bytes to,
                     uint64_t revision, int64_t changed)
{
    struct sfs_buffer ends[2] = {{0}};
    struct sfs_range source, target;
    struct form form = {.view = to, .revision = revision, .changed = changed};
    int result = sfs_range_prefix(from, &ends[0], &source);
    if (result == 0)
        result = sfs_range_prefix(to, &ends[1], &target);
    if (result == 0)
        result = cut(map, target);
    if (result == 0)
        result = move_parts(map, source, form);
    if (result == 0)
        result = sfs_name_is_temporary(from) ? cut(map, source) : sfs_txn_map_clear(map, source);
    sfs_buffer_free(&ends[0]);
    sfs_buffer_free(&ends[1]);
    return result;
}
