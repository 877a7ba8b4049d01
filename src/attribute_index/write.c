/* SPDX-License-Identifier: MIT */
/*
 * The document, as JSON.stringify(…, null, 2) writes it. It goes out in pieces, so that it need not
 * be in memory a second time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "attribute_index/index.h"
#include "util/clock.h"
#include "util/json.h"

struct writer {
    const struct sfs_inverted *inverted;
    const struct sfs_document_sink *sink;
    struct sfs_buffer *buffer;
    struct sfs_error *error;
};

static int put(struct writer *writer, struct sfs_bytes text)
{
    return sfs_buffer_add(writer->buffer, text);
}

static int flush(struct writer *writer)
{
    if (writer->buffer->size < writer->sink->piece)
        return 0;
    int result =
        writer->sink->take(writer->sink->context, sfs_buffer_bytes(writer->buffer), writer->error);
    writer->buffer->size = 0;
    return result;
}

/* A new line in the container of this depth, behind a comma if it is not the first. */
static int put_line(struct writer *writer, bool *first, int depth)
{
    static const char blanks[] = ",\n          ";
    bool comma = !*first;
    *first = false;
    return sfs_buffer_append(writer->buffer, blanks + !comma,
                             1 + (size_t)comma + (size_t)depth * 2);
}

/* A string literal. Nearly all text needs no other escapes than those of quotes. */
static int put_string(struct writer *writer, struct sfs_bytes text)
{
    struct sfs_buffer *buffer = writer->buffer;
    if (sfs_buffer_reserve(buffer, text.size * 2 + 2))
        return SFS_E_NO_MEMORY;
    const unsigned char *from = text.data;
    char *out = buffer->data + buffer->size;
    *out++ = '"';
    for (size_t i = 0; i < text.size; i++) {
        if (from[i] < 0x20 || from[i] == 0xed)
            return sfs_json_string_encode(text, buffer);
        if (from[i] == '"' || from[i] == '\\')
            *out++ = '\\';
        *out++ = (char)from[i];
    }
    *out++ = '"';
    buffer->size = (size_t)(out - buffer->data);
    return 0;
}

static int put_name(struct writer *writer, bool *first, int depth, struct sfs_bytes name)
{
    int result = flush(writer);
    if (!result)
        result = put_line(writer, first, depth);
    if (!result)
        result = put_string(writer, name);
    return result ? result : put(writer, SFS_LITERAL(": "));
}

static int put_element(struct writer *writer, bool *first, int depth, struct sfs_bytes text)
{
    int result = flush(writer);
    if (!result)
        result = put_line(writer, first, depth);
    return result ? result : put_string(writer, text);
}

/* The end of a container; an empty one has no line of its own. */
static int put_end(struct writer *writer, bool empty, int depth, const char *bracket)
{
    bool first = true;
    int result = empty ? 0 : put_line(writer, &first, depth);
    return result ? result : put(writer, sfs_string(bracket));
}

static int write_pair(struct writer *writer, uint32_t pair)
{
    const struct sfs_inverted *inverted = writer->inverted;
    bool empty = true;
    int result = put(writer, SFS_LITERAL("["));
    uint32_t edge = inverted->pairs.items[pair].members.first;
    for (; edge && !result; edge = inverted->edges.items[edge].after_id)
        result = put_element(writer, &empty, 4,
                             sfs_term_text(&inverted->ids, inverted->edges.items[edge].id));
    return result ? result : put_end(writer, empty, 3, "]");
}

static int write_attribute(struct writer *writer, uint32_t attribute)
{
    const struct sfs_inverted *inverted = writer->inverted;
    const struct sfs_term *term = &inverted->attributes.items[attribute];
    struct sfs_term_order order;
    bool empty = true;
    uint32_t pair;
    int result = sfs_terms_order(&inverted->pairs, &term->members, (size_t)term->size + 1, &order);
    if (result)
        return result;
    result = put(writer, SFS_LITERAL("{"));
    while (!result && (pair = sfs_terms_next(&inverted->pairs, &order)) != 0) {
        result = put_name(writer, &empty, 3, sfs_pair_value(inverted, pair));
        if (!result)
            result = write_pair(writer, pair);
    }
    free(order.indexes);
    return result ? result : put_end(writer, empty, 2, "}");
}

static int write_entity(struct writer *writer, uint32_t id)
{
    const struct sfs_inverted *inverted = writer->inverted;
    bool empty = true;
    int result = put(writer, SFS_LITERAL("["));
    uint32_t number = inverted->ids.items[id].members.first;
    for (; number && !result; number = inverted->edges.items[number].after_pair) {
        const struct sfs_edge *edge = &inverted->edges.items[number];
        if (edge->listed)
            result = put_element(writer, &empty, 3, sfs_term_text(&inverted->pairs, edge->pair));
    }
    return result ? result : put_end(writer, empty, 2, "]");
}

static int write_all(struct writer *writer, const struct sfs_terms *terms,
                     const struct sfs_list *list,
                     int (*write)(struct writer *writer, uint32_t number))
{
    struct sfs_term_order order;
    bool empty = true;
    uint32_t number;
    int result = sfs_terms_order(terms, list, 0, &order);
    if (result)
        return result;
    result = put(writer, SFS_LITERAL("{"));
    while (!result && (number = sfs_terms_next(terms, &order)) != 0) {
        result = put_name(writer, &empty, 2, sfs_term_text(terms, number));
        if (!result)
            result = write(writer, number);
    }
    free(order.indexes);
    return result ? result : put_end(writer, empty, 1, "}");
}

/* As Date.toISOString. */
static int write_metadata(struct writer *writer, int64_t time)
{
    char text[32];
    struct tm parts;
    int64_t rest = time % SFS_NS_PER_SECOND;
    time_t seconds = (time_t)(time / SFS_NS_PER_SECOND - (rest < 0));
    rest = (rest + SFS_NS_PER_SECOND) % SFS_NS_PER_SECOND;
    gmtime_r(&seconds, &parts);
    size_t size = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text + size, sizeof(text) - size, ".%03dZ", (int)(rest / SFS_NS_PER_MS));
    return sfs_buffer_printf(
        writer->buffer,
        ",\n  \"metadata\": {\n    \"createdAt\": \"%s\",\n    \"lastModified\": \"%s\",\n"
        "    \"entityCount\": %u\n  }\n}",
        text, text, writer->inverted->entity_list.count);
}

int sfs_document_write(const struct sfs_inverted *inverted, int64_t time,
                       const struct sfs_document_sink *sink, struct sfs_buffer *buffer,
                       struct sfs_error *error)
{
    struct sfs_error failure = {0};
    struct writer writer = {inverted, sink, buffer, &failure};
    int result = put(&writer, SFS_LITERAL("{\n  \"version\": \"1.0.0\",\n  \"index\": "));
    if (!result)
        result =
            write_all(&writer, &inverted->attributes, &inverted->attribute_list, write_attribute);
    if (!result)
        result = put(&writer, SFS_LITERAL(",\n  \"entityAttributes\": "));
    if (!result)
        result = write_all(&writer, &inverted->ids, &inverted->entity_list, write_entity);
    if (!result)
        result = write_metadata(&writer, time);
    if (result && failure.code == 0)
        return sfs_attribute_fail(error, result);
    if (result && error)
        *error = failure;
    return result;
}
