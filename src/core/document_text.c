/* SPDX-License-Identifier: MIT */
/*
 * Edits of a document's text. What is not edited is copied as it stands; what is added looks like its
 * neighbours: the same text between two members, the same white space around a colon.
 */
#include "core/document.h"

#define ORIGIN "document"

/* Where the last step of a path leads. */
struct spot {
    struct sfs_json container;
    bool found;
    struct sfs_slot slot;   /* found */
    const char *before;     /* end of the slot before it; NULL: it is the first */
    size_t index;           /* wanted, of an array */
    size_t count;           /* slots */
    struct sfs_slot first;
    struct sfs_slot last;
    const char *before_last; /* end of the slot before the last; NULL: there is one */
};

enum sfs_document_kind sfs_document_kind(struct sfs_bytes json)
{
    char first = json.size > 0 ? *(const char *)json.data : '\0';
    return first == '[' ? SFS_DOCUMENT_ARRAY : first == '{' ? SFS_DOCUMENT_OBJECT : SFS_DOCUMENT_SCALAR;
}

/* --- finding --- */

static int look(struct sfs_json container, struct sfs_bytes step,
                const struct sfs_json_skips *skips, struct spot *spot, struct sfs_error *error)
{
    *spot = (struct spot){.container = container};
    int code = sfs_document_check_holds(container, step, error);
    if (code == 0 && container.type == SFS_JSON_ARRAY)
        code = sfs_document_index(step, &spot->index, error);
    struct sfs_slots slots = sfs_slots_over(container, skips);
    struct sfs_slot slot;
    while (code == 0 && sfs_slots_next(&slots, &slot)) {
        bool here = slots.object ? sfs_json_string_equals(slot.name, step) : spot->count == spot->index;
        if (here) {
            spot->found = true;
            spot->slot = slot;
            spot->before = spot->last.end;
        }
        if (spot->count++ == 0)
            spot->first = slot;
        spot->before_last = spot->last.end;
        spot->last = slot;
    }
    return code;
}

static int walk_over(struct sfs_json root, struct sfs_document_path path,
                     const struct sfs_json_skips *skips, struct spot *outer, struct spot *spot,
                     struct sfs_error *error)
{
    *outer = *spot = (struct spot){.slot.value = root};
    for (size_t i = 0; i < path.count; i++) {
        if (i > 0 && !spot->found)
            return sfs_document_none(spot->container.type, path.steps[i - 1], error);
        *outer = *spot;
        int code = look(outer->slot.value, path.steps[i], skips, spot, error);
        if (code)
            return code;
    }
    return 0;
}

/* `outer` is the spot of the container itself; its own container is empty where that is the root.
 */
static int walk(struct sfs_json root, struct sfs_document_path path, struct spot *outer,
                struct spot *spot, struct sfs_error *error)
{
    struct sfs_json_skips skips = {0};
    int code = 0;
    if (path.count > 1)
        code = sfs_json_skips_build(&skips, root.text) ? sfs_fail_memory(error, ORIGIN) : 0;
    if (code == 0)
        code = walk_over(root, path, path.count > 1 ? &skips : NULL, outer, spot, error);
    sfs_json_skips_free(&skips);
    return code;
}

int sfs_document_text_get(struct sfs_bytes text, struct sfs_document_path path,
                          struct sfs_bytes *ret_value, struct sfs_error *error)
{
    struct sfs_json root;
    struct spot outer, spot;
    int code = sfs_document_parse(text, &root, error);
    if (code == 0)
        code = walk(root, path, &outer, &spot, error);
    if (code == 0 && path.count > 0 && !spot.found)
        code = sfs_document_none(spot.container.type, path.steps[path.count - 1], error);
    if (code == 0)
        *ret_value = spot.slot.value.text;
    return code;
}

/* --- putting together --- */

static struct sfs_bytes between(const char *from, const char *to)
{
    return sfs_bytes(from, (size_t)(to - from));
}

static const char *end_of(struct sfs_bytes text)
{
    return (const char *)text.data + text.size;
}

#define PARTS_MAX 6

/* Appends the text with [from, to) replaced by the parts. */
static int splice(struct sfs_bytes text, const char *from, const char *to,
                  const struct sfs_bytes *parts, struct sfs_buffer *out, struct sfs_error *error)
{
    size_t size = text.size - (size_t)(to - from);
    for (size_t i = 0; i < PARTS_MAX; i++)
        size += parts[i].size;
    if (size > SFS_DOCUMENT_MAX)
        return sfs_fail(error, SFS_E_TOO_LARGE, ORIGIN,
                        "the document would have %zu bytes: members are changed in one of at most %zu", size,
                        SFS_DOCUMENT_MAX);
    if (sfs_buffer_reserve(out, size))
        return sfs_fail_memory(error, ORIGIN);
    int code = sfs_buffer_add(out, between(text.data, from));
    for (size_t i = 0; i < PARTS_MAX && code == 0; i++)
        code = sfs_buffer_add(out, parts[i]);
    if (code == 0)
        code = sfs_buffer_add(out, between(to, end_of(text)));
    return code ? sfs_fail_memory(error, ORIGIN) : 0;
}

static int check_goes(struct sfs_json value, unsigned flags, struct sfs_error *error)
{
    struct sfs_slots slots = sfs_slots_of(value);
    struct sfs_slot slot;
    if ((flags & SFS_DOCUMENT_EMPTY) && sfs_slots_next(&slots, &slot))
        return sfs_fail(error, SFS_E_NOT_EMPTY, ORIGIN, "the %s is not empty",
                        sfs_json_type_name(value.type));
    return 0;
}

/* White space at both ends of a container, and the text from a name to its value. */
struct style {
    struct sfs_bytes lead[2]; /* one behind the other */
    struct sfs_bytes tail;
    struct sfs_bytes colon;
};

static struct sfs_bytes lead_of(const struct spot *spot)
{
    return between((const char *)spot->container.text.data + 1, spot->first.start);
}

static struct sfs_bytes colon_of(const struct spot *spot)
{
    if (spot->container.type != SFS_JSON_OBJECT || spot->count == 0)
        return SFS_LITERAL(":");
    return between(end_of(spot->last.name.text), spot->last.value.text.data);
}

static bool has_line(struct sfs_bytes space)
{
    return space.size > 0 && memchr(space.data, '\n', space.size) != NULL;
}

/* How an empty container begins, from the one around it: as much deeper as that is deeper than its end. */
static struct style style_inside(const struct spot *outer)
{
    struct style style = {.colon = colon_of(outer)};
    if (outer->count == 0)
        return style;
    struct sfs_bytes lead = lead_of(outer);
    struct sfs_bytes tail = between(outer->last.end, end_of(outer->container.text) - 1);
    if (!has_line(lead)) {
        style.lead[0] = lead;
        style.tail = tail;
    } else if (has_line(tail) && sfs_bytes_starts(lead, tail)) {
        style.lead[0] = style.tail = lead;
        style.lead[1] = between((const char *)lead.data + tail.size, end_of(lead));
    }
    return style;
}

/* What stands between two members, in `parts`: as between the last two. */
static void separate(const struct spot *spot, struct sfs_bytes parts[2])
{
    if (spot->before_last != NULL) {
        parts[0] = between(spot->before_last, spot->last.start);
        return;
    }
    struct sfs_bytes colon = colon_of(spot);
    const char *sign = memchr(colon.data, ':', colon.size);
    parts[0] = SFS_LITERAL(",");
    parts[1] = lead_of(spot);
    if (parts[1].size == 0 && sign != NULL)
        parts[1] = between(sign + 1, end_of(colon));
}

/* Adds a member or element; `name` is its literal, empty in arrays. */
static int append(struct sfs_bytes text, const struct spot *outer, const struct spot *spot,
                  struct sfs_bytes name, struct sfs_bytes json, struct sfs_buffer *out,
                  struct sfs_error *error)
{
    const char *data = spot->container.text.data;
    struct sfs_bytes colon = name.size > 0 ? colon_of(spot) : sfs_bytes(NULL, 0);
    if (spot->count > 0) {
        struct sfs_bytes parts[PARTS_MAX] = {[2] = name, colon, json};
        separate(spot, parts);
        return splice(text, spot->last.end, spot->last.end, parts, out, error);
    }
    struct style style = style_inside(outer);
    if (name.size > 0)
        colon = style.colon;
    struct sfs_bytes parts[PARTS_MAX] = {style.lead[0], style.lead[1], name, colon, json, style.tail};
    return splice(text, data + 1, end_of(spot->container.text) - 1, parts, out, error);
}

/* Adds a member or element before the one at `spot`; `name` is its literal, empty in arrays. */
static int insert_before(struct sfs_bytes text, const struct spot *spot, struct sfs_bytes name,
                         struct sfs_bytes json, struct sfs_buffer *out, struct sfs_error *error)
{
    struct sfs_bytes colon = name.size > 0 ? colon_of(spot) : sfs_bytes(NULL, 0);
    struct sfs_bytes parts[PARTS_MAX] = {name, colon, json};
    if (spot->before != NULL)
        parts[3] = between(spot->before, spot->slot.start);
    else
        separate(spot, parts + 3);
    return splice(text, spot->slot.start, spot->slot.start, parts, out, error);
}

/* --- setting --- */

/* The literal of a member's name; appended. */
static int encode_name(struct sfs_bytes step, struct sfs_buffer *name, struct sfs_error *error)
{
    int code = sfs_json_string_encode(step, name);
    if (code == SFS_E_INVALID)
        return sfs_fail(error, code, ORIGIN, "a member's name must be UTF-8");
    return code ? sfs_fail_memory(error, ORIGIN) : 0;
}

static int set_new(struct sfs_bytes text, const struct spot *outer, const struct spot *spot,
                   struct sfs_bytes step, struct sfs_bytes json, struct sfs_buffer *out,
                   struct sfs_error *error)
{
    struct sfs_buffer name = {0};
    int code = 0;
    if (spot->container.type == SFS_JSON_ARRAY && spot->index != spot->count)
        return sfs_fail(error, SFS_E_INVALID, ORIGIN,
                        "the array has %zu elements: the next one is %zu, not %zu", spot->count, spot->count,
                        spot->index);
    if (spot->container.type == SFS_JSON_OBJECT)
        code = encode_name(step, &name, error);
    if (code == 0)
        code = append(text, outer, spot, sfs_buffer_bytes(&name), json, out, error);
    sfs_buffer_free(&name);
    return code;
}

static int set_old(struct sfs_bytes text, const struct spot *spot, struct sfs_bytes json,
                   unsigned flags, struct sfs_buffer *out, struct sfs_error *error)
{
    const struct sfs_bytes value = spot->slot.value.text;
    const struct sfs_bytes parts[PARTS_MAX] = {json};
    if ((flags & SFS_DOCUMENT_INSERT) && spot->container.type == SFS_JSON_ARRAY)
        return insert_before(text, spot, sfs_bytes(NULL, 0), json, out, error);
    if (flags & (SFS_DOCUMENT_ADD | SFS_DOCUMENT_INSERT))
        return sfs_fail(error, SFS_E_EXISTS, ORIGIN, "there is such a member already");
    int code = check_goes(spot->slot.value, flags, error);
    return code ? code : splice(text, value.data, end_of(value), parts, out, error);
}

static int set_at(struct sfs_bytes text, struct sfs_json root, struct sfs_document_path path,
                  struct sfs_bytes json, unsigned flags, struct sfs_buffer *out,
                  struct sfs_error *error)
{
    struct spot outer, spot;
    int code = walk(root, path, &outer, &spot, error);
    if (code)
        return code;
    if (path.count == 0 || spot.found)
        return set_old(text, &spot, json, flags, out, error);
    struct sfs_bytes step = path.steps[path.count - 1];
    if (flags & SFS_DOCUMENT_REPLACE)
        return sfs_document_none(spot.container.type, step, error);
    return set_new(text, &outer, &spot, step, json, out, error);
}

/* What holds others may be too deep where it is now. */
static int check_depth(struct sfs_bytes json, struct sfs_bytes text, struct sfs_error *error)
{
    struct sfs_json_problem problem;
    if (sfs_document_kind(json) == SFS_DOCUMENT_SCALAR || sfs_json_check(text, &problem))
        return 0;
    return sfs_fail(error, SFS_E_TOO_LARGE, ORIGIN, "%s", problem.reason);
}

/* What is set is JSON, and what comes of it a document. */
static int parse_both(struct sfs_bytes text, struct sfs_bytes json, struct sfs_json *ret_root,
                      struct sfs_json *ret_value, struct sfs_error *error)
{
    struct sfs_json_problem problem = {0};
    int code = sfs_document_parse(text, ret_root, error);
    if (code == 0 && !sfs_json_parse(json, ret_value, &problem))
        code =
            sfs_fail(error, SFS_E_INVALID, ORIGIN, "what is to be set is not JSON (byte %zu: %s)",
                     problem.offset + 1, problem.reason);
    return code;
}

int sfs_document_text_set(struct sfs_bytes text, struct sfs_document_path path,
                          struct sfs_bytes json, unsigned flags, struct sfs_buffer *out,
                          struct sfs_error *error)
{
    struct sfs_json root, value;
    size_t before = out->size;
    int code = parse_both(text, json, &root, &value, error);
    if (code == 0)
        code = set_at(text, root, path, value.text, flags, out, error);
    if (code == 0)
        code = check_depth(value.text, sfs_bytes(out->data + before, out->size - before), error);
    if (code)
        out->size = before;
    return code;
}

/* --- inserting --- */

/* `beside` is where `before` stands. */
static int insert_member(struct sfs_bytes text, const struct spot *spot, const struct spot *beside,
                         struct sfs_bytes step, struct sfs_bytes json, struct sfs_buffer *out,
                         struct sfs_error *error)
{
    struct sfs_buffer name = {0};
    int code = 0;
    if (spot->container.type == SFS_JSON_OBJECT && spot->found)
        return sfs_fail(error, SFS_E_EXISTS, ORIGIN, "there is such a member already");
    if (spot->container.type == SFS_JSON_OBJECT)
        code = encode_name(step, &name, error);
    if (code == 0)
        code = insert_before(text, beside, sfs_buffer_bytes(&name), json, out, error);
    sfs_buffer_free(&name);
    return code;
}

int sfs_document_text_insert(struct sfs_bytes text, struct sfs_document_path path,
                             struct sfs_bytes before, struct sfs_bytes json, struct sfs_buffer *out,
                             struct sfs_error *error)
{
    struct sfs_json root, value;
    struct spot outer, spot, beside = {0};
    size_t size = out->size;
    int code = parse_both(text, json, &root, &value, error);
    if (code == 0)
        code = walk(root, path, &outer, &spot, error);
    if (code == 0 && path.count > 0)
        code = look(outer.slot.value, before, NULL, &beside, error);
    if (code)
        return code;
    if (!beside.found)
        return sfs_document_text_set(text, path, json, SFS_DOCUMENT_ADD, out, error);
    code = insert_member(text, &spot, &beside, path.steps[path.count - 1], value.text, out, error);
    if (code == 0)
        code = check_depth(value.text, sfs_bytes(out->data + size, out->size - size), error);
    if (code)
        out->size = size;
    return code;
}

int sfs_document_text_behind(struct sfs_bytes text, struct sfs_document_path path,
                             struct sfs_buffer *name, struct sfs_error *error)
{
    struct sfs_json root;
    struct spot outer, spot;
    struct sfs_slot slot;
    int code = sfs_document_parse(text, &root, error);
    if (code == 0)
        code = walk(root, path, &outer, &spot, error);
    if (code == 0 && !spot.found && path.count > 0)
        code = sfs_document_none(spot.container.type, path.steps[path.count - 1], error);
    if (code || spot.container.type != SFS_JSON_OBJECT)
        return code;
    struct sfs_slots slots = sfs_slots_of(spot.container);
    while (sfs_slots_next(&slots, &slot)) {
        if (slot.start > spot.slot.start)
            return sfs_json_string_decode(slot.name, name) ? sfs_fail_memory(error, ORIGIN) : 0;
    }
    return 0;
}

/* --- removing --- */

/* Without those slots: the text that was before the first is before what is first now, each other one
 * keeps what is before it. */
static int leave_out(const struct spot *spot, struct sfs_bytes step, struct sfs_buffer *out)
{
    struct sfs_slots slots = sfs_slots_of(spot->container);
    struct sfs_slot slot;
    const char *gap = (const char *)spot->container.text.data + 1;
    size_t kept = 0;
    int code = 0;
    for (size_t i = 0; code == 0 && sfs_slots_next(&slots, &slot); i++) {
        bool gone = slots.object ? sfs_json_string_equals(slot.name, step) : i == spot->index;
        if (!gone) {
            code = sfs_buffer_add(out, kept++ == 0 ? lead_of(spot) : between(gap, slot.start));
            if (code == 0)
                code = sfs_buffer_add(out, between(slot.start, slot.end));
        }
        gap = slot.end;
    }
    if (code == 0 && kept > 0)
        code = sfs_buffer_add(out, between(gap, end_of(spot->container.text) - 1));
    return code;
}

static int remove_at(struct sfs_bytes text, const struct spot *spot, struct sfs_bytes step,
                     struct sfs_buffer *out)
{
    const char *inside = (const char *)spot->container.text.data + 1;
    int code = sfs_buffer_reserve(out, text.size);
    if (code == 0)
        code = sfs_buffer_add(out, between(text.data, inside));
    if (code == 0)
        code = leave_out(spot, step, out);
    if (code == 0)
        code = sfs_buffer_add(out, between(end_of(spot->container.text) - 1, end_of(text)));
    return code;
}

int sfs_document_text_remove(struct sfs_bytes text, struct sfs_document_path path, unsigned flags,
                             struct sfs_buffer *out, struct sfs_error *error)
{
    struct sfs_json root;
    struct spot outer, spot;
    size_t before = out->size;
    if (path.count == 0)
        return sfs_fail(error, SFS_E_INVALID, ORIGIN, "the whole value is removed with its key");
    int code = sfs_document_parse(text, &root, error);
    if (code == 0)
        code = walk(root, path, &outer, &spot, error);
    if (code)
        return code;
    struct sfs_bytes step = path.steps[path.count - 1];
    if (!spot.found)
        return sfs_document_none(spot.container.type, step, error);
    code = check_goes(spot.slot.value, flags, error);
    if (code == 0 && remove_at(text, &spot, step, out)) {
        out->size = before;
        code = sfs_fail_memory(error, ORIGIN);
    }
    return code;
}

/* --- moving --- */

static bool is_below(struct sfs_document_path path, struct sfs_document_path above, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (i == path.count || !sfs_bytes_equal(path.steps[i], above.steps[i]))
            return false;
    }
    return true;
}

/* Whether the element that goes takes `to` one index down. */
static bool shifts(const struct spot *from_spot, struct sfs_document_path from,
                   struct sfs_document_path to)
{
    size_t index = 0;
    size_t last = from.count - 1;
    return from_spot->container.type == SFS_JSON_ARRAY && is_below(to, from, last) && to.count > last &&
           sfs_document_index(to.steps[last], &index, NULL) == 0 && index > from_spot->index;
}

static int check_move(const struct spot *from_spot, struct sfs_document_path from,
                      struct sfs_document_path to, unsigned flags, struct sfs_error *error)
{
    if (is_below(to, from, from.count))
        return sfs_fail(error, SFS_E_INVALID, ORIGIN, "a value cannot be moved into itself");
    if (is_below(from, to, to.count))
        return sfs_fail(error, flags & SFS_DOCUMENT_EMPTY ? SFS_E_NOT_EMPTY : SFS_E_INVALID, ORIGIN,
                        "a value cannot be moved to where it is inside");
    if (!(flags & SFS_DOCUMENT_EXCHANGE) && shifts(from_spot, from, to))
        return sfs_fail(error, SFS_E_UNSUPPORTED, ORIGIN,
                        "an element cannot be moved up in its own array: those behind it would move down");
    return 0;
}

static int exchange(struct sfs_bytes text, struct sfs_bytes a, struct sfs_bytes b,
                    struct sfs_buffer *out, struct sfs_error *error)
{
    struct sfs_bytes first = a.data < b.data ? a : b;
    struct sfs_bytes second = a.data < b.data ? b : a;
    const struct sfs_bytes parts[PARTS_MAX] = {second, between(end_of(first), second.data), first};
    return splice(text, first.data, end_of(second), parts, out, error);
}

/* How many members have the name: duplicates count. */
static size_t count_named(struct sfs_json object, struct sfs_bytes step)
{
    struct sfs_slots slots = sfs_slots_of(object);
    struct sfs_slot slot;
    size_t count = 0;
    while (sfs_slots_next(&slots, &slot))
        count += sfs_json_string_equals(slot.name, step);
    return count;
}

/* Whether a member gets just another name in its own object. */
static bool is_rename(const struct spot *spot, struct sfs_document_path from,
                      struct sfs_document_path to)
{
    size_t last = from.count - 1;
    return spot->container.type == SFS_JSON_OBJECT && from.count == to.count &&
           is_below(to, from, last) && count_named(spot->container, from.steps[last]) == 1 &&
           count_named(spot->container, to.steps[last]) == 0;
}

/* Only the bytes of the name change. */
static int rename_at(struct sfs_bytes text, const struct spot *spot, struct sfs_bytes step,
                     struct sfs_buffer *out, struct sfs_error *error)
{
    struct sfs_buffer name = {0};
    int code = encode_name(step, &name, error);
    const struct sfs_bytes parts[PARTS_MAX] = {sfs_buffer_bytes(&name)};
    if (code == 0)
        code = splice(text, spot->slot.name.text.data, end_of(spot->slot.name.text), parts, out,
                      error);
    sfs_buffer_free(&name);
    return code;
}

static int move_value(struct sfs_bytes text, struct sfs_document_path from,
                      struct sfs_document_path to, struct sfs_bytes value, unsigned flags,
                      struct sfs_buffer *out, struct sfs_error *error)
{
    struct sfs_buffer both = {0};
    int code = sfs_document_text_set(text, to, value, flags & (SFS_DOCUMENT_ADD | SFS_DOCUMENT_EMPTY),
                                     &both, error);
    if (code == 0)
        code = sfs_document_text_remove(sfs_buffer_bytes(&both), from, 0, out, error);
    sfs_buffer_free(&both);
    return code;
}

static int move_at(struct sfs_bytes text, struct sfs_json root, struct sfs_document_path from,
                   struct sfs_document_path to, unsigned flags, struct sfs_buffer *out,
                   struct sfs_error *error)
{
    struct spot outer, spot;
    struct sfs_bytes target = {0};
    size_t before = out->size;
    int code = walk(root, from, &outer, &spot, error);
    if (code == 0 && !spot.found)
        code = sfs_document_none(spot.container.type, from.steps[from.count - 1], error);
    if (code)
        return code;
    if (from.count == to.count && is_below(to, from, from.count))
        return sfs_buffer_add(out, text) ? sfs_fail_memory(error, ORIGIN) : 0;
    struct sfs_bytes value = spot.slot.value.text;
    code = check_move(&spot, from, to, flags, error);
    if (code == 0 && !(flags & SFS_DOCUMENT_EXCHANGE) && is_rename(&spot, from, to))
        return rename_at(text, &spot, to.steps[to.count - 1], out, error);
    if (code || !(flags & SFS_DOCUMENT_EXCHANGE))
        return code ? code : move_value(text, from, to, value, flags, out, error);
    code = sfs_document_text_get(text, to, &target, error);
    if (code == 0)
        code = exchange(text, value, target, out, error);
    if (code == 0)
        code = check_depth(SFS_LITERAL("["), sfs_bytes(out->data + before, out->size - before), error);
    if (code)
        out->size = before;
    return code;
}

int sfs_document_text_move(struct sfs_bytes text, struct sfs_document_path from,
                           struct sfs_document_path to, unsigned flags, struct sfs_buffer *out,
                           struct sfs_error *error)
{
    struct sfs_json root;
    if (from.count == 0 || to.count == 0)
        return sfs_fail(error, SFS_E_INVALID, ORIGIN, "the whole value is moved by renaming its key");
    int code = sfs_document_parse(text, &root, error);
    return code ? code : move_at(text, root, from, to, flags, out, error);
}
