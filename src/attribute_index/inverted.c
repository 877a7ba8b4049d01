/* SPDX-License-Identifier: MIT */
/* Changes of the inverted index in memory: what can fail comes first, and then everything is
 * linked. */
#include "attribute_index/inverted.h"

#include "attribute_index/edges.h"
#include "util/clock.h"
#include "util/js_value.h"

void sfs_inverted_init(struct sfs_inverted *inverted)
{
    *inverted = (struct sfs_inverted){0};
    uint64_t seed = (uint64_t)sfs_clock_monotonic() ^ (uint64_t)(uintptr_t)inverted;
    inverted->attributes.seed = inverted->pairs.seed = inverted->ids.seed = seed;
}

void sfs_inverted_free(struct sfs_inverted *inverted)
{
    sfs_terms_free(&inverted->attributes);
    sfs_terms_free(&inverted->pairs);
    sfs_terms_free(&inverted->ids);
    sfs_edges_free(&inverted->edges);
    sfs_buffer_free(&inverted->scratch);
    *inverted = (struct sfs_inverted){0};
}

int sfs_entry_split(struct sfs_bytes entry, struct sfs_bytes *ret_attribute,
                    struct sfs_buffer *value)
{
    const char *text = entry.data;
    const char *end = text + entry.size;
    for (const char *at = text; (at = memchr(at, ':', (size_t)(end - at))) != NULL; at++) {
        struct sfs_json json;
        struct sfs_bytes rest = sfs_bytes(at + 1, (size_t)(end - at - 1));
        bool is_undefined = sfs_bytes_equal(rest, SFS_LITERAL("undefined"));
        if (!is_undefined && !sfs_json_parse(rest, &json, NULL))
            continue;
        int result = is_undefined ? sfs_buffer_add(value, rest) : sfs_js_canonical(json, value);
        *ret_attribute = sfs_bytes(text, (size_t)(at - text));
        return result ? result : 1;
    }
    return 0;
}

static int join_pair(struct sfs_inverted *inverted, struct sfs_bytes attribute,
                     struct sfs_bytes value)
{
    struct sfs_buffer *scratch = &inverted->scratch;
    scratch->size = 0;
    int result = sfs_buffer_add(scratch, attribute);
    if (!result)
        result = sfs_buffer_byte(scratch, ':');
    return result ? result : sfs_buffer_add(scratch, value);
}

int sfs_inverted_find(struct sfs_inverted *inverted, struct sfs_bytes attribute,
                      struct sfs_bytes value, uint32_t *ret_pair)
{
    int result = join_pair(inverted, attribute, value);
    if (result)
        return result;
    uint32_t pair = sfs_terms_find(&inverted->pairs, sfs_buffer_bytes(&inverted->scratch));
    *ret_pair = pair && inverted->pairs.items[pair].present ? pair : 0;
    return 0;
}

/* --- being in the index --- */

static void enter_attribute(struct sfs_inverted *inverted, uint32_t attribute)
{
    if (inverted->attributes.items[attribute].present)
        return;
    inverted->attributes.items[attribute].present = true;
    sfs_terms_link(&inverted->attributes, &inverted->attribute_list, attribute);
}

static void leave_attribute(struct sfs_inverted *inverted, uint32_t attribute)
{
    sfs_terms_unlink(&inverted->attributes, &inverted->attribute_list, attribute);
    sfs_terms_drop(&inverted->attributes, attribute);
}

static void enter_pair(struct sfs_inverted *inverted, uint32_t attribute, uint32_t pair)
{
    struct sfs_term *term = &inverted->pairs.items[pair];
    if (term->present)
        return;
    term->present = true;
    term->owner = attribute;
    sfs_terms_link(&inverted->pairs, &inverted->attributes.items[attribute].members, pair);
    inverted->values++;
}

static void leave_pair(struct sfs_inverted *inverted, uint32_t pair)
{
    struct sfs_term *term = &inverted->pairs.items[pair];
    term->present = false;
    sfs_terms_unlink(&inverted->pairs, &inverted->attributes.items[term->owner].members, pair);
    term->owner = 0;
    inverted->values--;
}

static void enter_entity(struct sfs_inverted *inverted, uint32_t id)
{
    if (inverted->ids.items[id].present)
        return;
    inverted->ids.items[id].present = true;
    sfs_terms_link(&inverted->ids, &inverted->entity_list, id);
}

static void leave_entity(struct sfs_inverted *inverted, uint32_t id)
{
    inverted->ids.items[id].present = false;
    sfs_terms_unlink(&inverted->ids, &inverted->entity_list, id);
}

static void tidy_attribute(struct sfs_inverted *inverted, uint32_t attribute)
{
    if (attribute && !inverted->attributes.items[attribute].present)
        sfs_terms_drop(&inverted->attributes, attribute);
}

/* --- adding --- */

int sfs_inverted_add(struct sfs_inverted *inverted, struct sfs_bytes id, struct sfs_bytes attribute,
                     struct sfs_bytes value)
{
    uint32_t a = 0, p = 0, i = 0, edge;
    int result = join_pair(inverted, attribute, value);
    if (!result)
        result = sfs_terms_intern(&inverted->attributes, attribute, &a);
    if (!result)
        result = sfs_terms_intern(&inverted->pairs, sfs_buffer_bytes(&inverted->scratch), &p);
    if (!result)
        result = sfs_terms_intern(&inverted->ids, id, &i);
    if (!result)
        result = sfs_edge_take(inverted, p, i, &edge);
    if (result) {
        tidy_attribute(inverted, a);
        sfs_pair_tidy(inverted, p);
        sfs_id_tidy(inverted, i);
        return result;
    }
    enter_attribute(inverted, a);
    enter_pair(inverted, a, p);
    enter_entity(inverted, i);
    sfs_edge_post(inverted, edge);
    sfs_edge_list(inverted, edge);
    return 0;
}

/* --- removing --- */

/* Empty sets vanish, then empty attributes. */
static void unpost(struct sfs_inverted *inverted, uint32_t edge)
{
    uint32_t pair = inverted->edges.items[edge].pair;
    uint32_t attribute = inverted->pairs.items[pair].owner;
    if (!inverted->edges.items[edge].posted)
        return;
    sfs_edge_unpost(inverted, edge);
    if (inverted->pairs.items[pair].members.count > 0)
        return;
    leave_pair(inverted, pair);
    if (inverted->attributes.items[attribute].members.count == 0)
        leave_attribute(inverted, attribute);
}

static void unlist(struct sfs_inverted *inverted, uint32_t edge)
{
    uint32_t id = inverted->edges.items[edge].id;
    if (!inverted->edges.items[edge].listed)
        return;
    sfs_edge_unlist(inverted, edge);
    if (inverted->ids.items[id].entries == 0)
        leave_entity(inverted, id);
}

static void remove_edge(struct sfs_inverted *inverted, uint32_t edge)
{
    unpost(inverted, edge);
    unlist(inverted, edge);
    sfs_edge_tidy(inverted, edge);
}

/* Whether a pair that is in no index, so that only its text says it, is of the attribute. */
static int is_of(struct sfs_bytes entry, struct sfs_bytes attribute)
{
    struct sfs_buffer value = {0};
    struct sfs_bytes name = {0};
    int result = sfs_entry_split(entry, &name, &value);
    sfs_buffer_free(&value);
    return result <= 0 ? result : sfs_bytes_equal(name, attribute);
}

/* Finds all before it removes any, since finding can fail. */
static int remove_all(struct sfs_inverted *inverted, uint32_t id, struct sfs_bytes attribute)
{
    uint32_t owner = sfs_terms_find(&inverted->attributes, attribute);
    struct sfs_buffer found = {0};
    int result = 0;
    uint32_t edge = inverted->ids.items[id].members.first;
    for (; edge && result >= 0; edge = inverted->edges.items[edge].after_pair) {
        uint32_t pair = inverted->edges.items[edge].pair;
        const struct sfs_term *term = &inverted->pairs.items[pair];
        result = term->present ? owner && term->owner == owner
                               : is_of(sfs_term_text(&inverted->pairs, pair), attribute);
        if (result == 1)
            result = sfs_buffer_append(&found, &edge, sizeof(edge));
    }
    for (size_t at = 0; result >= 0 && at < found.size; at += sizeof(edge)) {
        memcpy(&edge, found.data + at, sizeof(edge));
        remove_edge(inverted, edge);
    }
    sfs_buffer_free(&found);
    return result < 0 ? result : 0;
}

int sfs_inverted_remove(struct sfs_inverted *inverted, struct sfs_bytes id,
                        struct sfs_bytes attribute, struct sfs_bytes value)
{
    uint32_t i = sfs_terms_find(&inverted->ids, id);
    if (!i)
        return 0;
    if (value.size == 0)
        return remove_all(inverted, i, attribute);
    int result = join_pair(inverted, attribute, value);
    if (result)
        return result;
    uint32_t pair = sfs_terms_find(&inverted->pairs, sfs_buffer_bytes(&inverted->scratch));
    uint32_t edge = sfs_edges_find(&inverted->edges, pair, i);
    if (edge)
        remove_edge(inverted, edge);
    return 0;
}

/* The edge to the pair that an entry means, if that is another: a file may write values otherwise.
 */
static int meant_edge(struct sfs_inverted *inverted, uint32_t id, uint32_t pair, uint32_t *ret_edge)
{
    struct sfs_buffer value = {0};
    struct sfs_bytes name = {0};
    uint32_t meant = 0;
    int result = sfs_entry_split(sfs_term_text(&inverted->pairs, pair), &name, &value);
    if (result == 1)
        result = sfs_inverted_find(inverted, name, sfs_buffer_bytes(&value), &meant);
    sfs_buffer_free(&value);
    *ret_edge = result == 0 && meant ? sfs_edges_find(&inverted->edges, meant, id) : 0;
    return result < 0 ? result : 0;
}

/* The edges to take out of the index: those listed, and those that listed ones mean. */
static int find_edges(struct sfs_inverted *inverted, uint32_t id, struct sfs_buffer *found)
{
    int result = 0;
    uint32_t edge = inverted->ids.items[id].members.first;
    for (; edge && !result; edge = inverted->edges.items[edge].after_pair) {
        uint32_t pair = inverted->edges.items[edge].pair;
        uint32_t meant = 0;
        if (!inverted->edges.items[edge].listed)
            continue;
        if (!inverted->pairs.items[pair].present)
            result = meant_edge(inverted, id, pair, &meant);
        if (!result && meant && !inverted->edges.items[meant].listed)
            result = sfs_buffer_append(found, &meant, sizeof(meant));
        if (!result)
            result = sfs_buffer_append(found, &edge, sizeof(edge));
    }
    return result;
}

int sfs_inverted_remove_entity(struct sfs_inverted *inverted, struct sfs_bytes id)
{
    uint32_t i = sfs_terms_find(&inverted->ids, id);
    struct sfs_buffer found = {0};
    uint32_t edge;
    if (!i || !inverted->ids.items[i].present)
        return 0;
    int result = find_edges(inverted, i, &found);
    if (!result && found.size == 0) {
        leave_entity(inverted, i);
        sfs_id_tidy(inverted, i);
    }
    for (size_t at = 0; !result && at < found.size; at += sizeof(edge)) {
        memcpy(&edge, found.data + at, sizeof(edge));
        if (inverted->edges.items[edge].pair)
            remove_edge(inverted, edge);
    }
    sfs_buffer_free(&found);
    return result;
}

/* --- from a document --- */

static void clear_attribute(struct sfs_inverted *inverted, uint32_t attribute)
{
    uint32_t pair;
    while ((pair = inverted->attributes.items[attribute].members.first) != 0) {
        uint32_t edge;
        leave_pair(inverted, pair);
        if (inverted->pairs.items[pair].uses == 0)
            sfs_pair_tidy(inverted, pair);
        else
            while ((edge = inverted->pairs.items[pair].members.first) != 0) {
                sfs_edge_unpost(inverted, edge);
                sfs_edge_tidy(inverted, edge);
            }
    }
}

int sfs_inverted_attribute(struct sfs_inverted *inverted, struct sfs_bytes name, bool clear,
                           uint32_t *ret_attribute)
{
    uint32_t attribute = 0;
    int result = sfs_terms_intern(&inverted->attributes, name, &attribute);
    if (result)
        return result;
    enter_attribute(inverted, attribute);
    if (clear)
        clear_attribute(inverted, attribute);
    *ret_attribute = attribute;
    return 0;
}

int sfs_inverted_pair(struct sfs_inverted *inverted, uint32_t attribute, struct sfs_bytes value,
                      bool clear, uint32_t *ret_pair)
{
    uint32_t pair = 0, edge;
    int result = join_pair(inverted, sfs_term_text(&inverted->attributes, attribute), value);
    if (!result)
        result = sfs_terms_intern(&inverted->pairs, sfs_buffer_bytes(&inverted->scratch), &pair);
    if (result)
        return result;
    enter_pair(inverted, attribute, pair);
    while (clear && (edge = inverted->pairs.items[pair].members.first) != 0) {
        sfs_edge_unpost(inverted, edge);
        sfs_edge_tidy(inverted, edge);
    }
    *ret_pair = pair;
    return 0;
}

int sfs_inverted_post(struct sfs_inverted *inverted, uint32_t pair, struct sfs_bytes id)
{
    uint32_t i = 0, edge;
    int result = sfs_terms_intern(&inverted->ids, id, &i);
    if (!result)
        result = sfs_edge_take(inverted, pair, i, &edge);
    if (result) {
        sfs_id_tidy(inverted, i);
        return result;
    }
    sfs_edge_post(inverted, edge);
    return 0;
}

int sfs_inverted_entity(struct sfs_inverted *inverted, struct sfs_bytes id, bool clear,
                        uint32_t *ret_id)
{
    uint32_t i = 0;
    int result = sfs_terms_intern(&inverted->ids, id, &i);
    if (result)
        return result;
    enter_entity(inverted, i);
    uint32_t edge = inverted->ids.items[i].members.first;
    for (uint32_t after; clear && edge; edge = after) {
        after = inverted->edges.items[edge].after_pair;
        sfs_edge_unlist(inverted, edge);
        sfs_edge_tidy(inverted, edge);
    }
    *ret_id = i;
    return 0;
}

int sfs_inverted_list(struct sfs_inverted *inverted, uint32_t id, struct sfs_bytes entry)
{
    uint32_t pair = 0, edge;
    int result = sfs_terms_intern(&inverted->pairs, entry, &pair);
    if (!result)
        result = sfs_edge_take(inverted, pair, id, &edge);
    if (result) {
        sfs_pair_tidy(inverted, pair);
        return result;
    }
    sfs_edge_list(inverted, edge);
    return 0;
}
