/* SPDX-License-Identifier: MIT */
/* Names and values as JSON text. */
#include "text.h"

#include "util/base64.h"
#include "util/utf8.h"

/* --- names --- */

#define BYTE_SURROGATE 0xdc00u /* U+DC80 to U+DCFF stand for the bytes 80 to FF */

/* The name in WTF-8, with each byte that is not UTF-8 as a surrogate. */
static int add_escaped(struct sfs_bytes name, struct sfs_buffer *buffer)
{
    const unsigned char *data = name.data;
    for (size_t at = 0; at < name.size;) {
        uint32_t point = 0;
        char encoded[4];
        size_t size = sfs_utf8_decode(data + at, name.size - at, &point);
        if (size == 0)
            point = BYTE_SURROGATE + data[at];
        if (sfs_buffer_append(buffer, encoded, sfs_utf8_encode(point, encoded)))
            return SFS_E_NO_MEMORY;
        at += size ? size : 1;
    }
    return 0;
}

int sfs_json_name_write(struct sfs_bytes name, struct sfs_buffer *buffer)
{
    struct sfs_buffer escaped = {0};
    if (sfs_utf8_valid(name))
        return sfs_json_string_encode(name, buffer);
    int result = add_escaped(name, &escaped);
    if (!result)
        result = sfs_json_string_encode(sfs_buffer_bytes(&escaped), buffer);
    sfs_buffer_free(&escaped);
    return result;
}

static int add_unescaped(struct sfs_bytes text, struct sfs_buffer *buffer)
{
    const char *data = text.data;
    for (size_t at = 0; at < text.size;) {
        uint32_t point = 0;
        size_t size = sfs_wtf8_decode(data + at, text.size - at, &point);
        bool surrogate = point >= 0xd800 && point <= 0xdfff;
        bool byte = point >= BYTE_SURROGATE + 0x80 && point <= BYTE_SURROGATE + 0xff;
        if (size == 0 || (surrogate && !byte))
            return SFS_E_INVALID;
        int result = byte ? sfs_buffer_byte(buffer, (char)(point & 0xff))
                          : sfs_buffer_append(buffer, data + at, size);
        if (result)
            return result;
        at += size;
    }
    return 0;
}

int sfs_json_name_read(struct sfs_json literal, struct sfs_buffer *buffer)
{
    struct sfs_buffer decoded = {0};
    int result = sfs_json_string_decode(literal, &decoded);
    if (!result)
        result = add_unescaped(sfs_buffer_bytes(&decoded), buffer);
    sfs_buffer_free(&decoded);
    return result;
}

/* --- pretty --- */

struct layout {
    const char *at;
    const char *end;
    size_t depth;
    struct sfs_buffer *buffer;
};

static bool is_space(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

static void skip_space(struct layout *layout)
{
    while (layout->at < layout->end && is_space(*layout->at))
        layout->at++;
}

static int add_line(struct layout *layout)
{
    size_t blanks = 2 * layout->depth;
    if (sfs_buffer_reserve(layout->buffer, blanks + 1))
        return SFS_E_NO_MEMORY;
    layout->buffer->data[layout->buffer->size++] = '\n';
    memset(layout->buffer->data + layout->buffer->size, ' ', blanks);
    layout->buffer->size += blanks;
    return 0;
}

/* A string literal, or everything else up to the next structural byte or white space. */
static int add_scalar(struct layout *layout)
{
    const char *begin = layout->at;
    if (*layout->at == '"') {
        for (layout->at++; layout->at < layout->end && *layout->at != '"'; layout->at++)
            layout->at += *layout->at == '\\' && layout->end - layout->at > 1;
        layout->at += layout->at < layout->end;
    } else {
        while (layout->at < layout->end && !is_space(*layout->at) && !strchr(",:]}", *layout->at))
            layout->at++;
    }
    return sfs_buffer_append(layout->buffer, begin, (size_t)(layout->at - begin));
}

static int add_open(struct layout *layout)
{
    if (sfs_buffer_byte(layout->buffer, *layout->at++))
        return SFS_E_NO_MEMORY;
    skip_space(layout);
    if (layout->at < layout->end && (*layout->at == '}' || *layout->at == ']'))
        return sfs_buffer_byte(layout->buffer, *layout->at++);
    layout->depth++;
    return add_line(layout);
}

static int add_token(struct layout *layout)
{
    char byte = *layout->at;
    switch (byte) {
    case '{':
    case '[':
        return add_open(layout);
    case '}':
    case ']':
        layout->at++;
        layout->depth--;
        return add_line(layout) ? SFS_E_NO_MEMORY : sfs_buffer_byte(layout->buffer, byte);
    case ',':
        layout->at++;
        return sfs_buffer_byte(layout->buffer, ',') ? SFS_E_NO_MEMORY : add_line(layout);
    case ':':
        layout->at++;
        return sfs_buffer_append(layout->buffer, ": ", 2);
    default:
        return add_scalar(layout);
    }
}

static int write_pretty(struct sfs_bytes text, struct sfs_buffer *buffer)
{
    struct layout layout = {text.data, (const char *)text.data + text.size, 1, buffer};
    int result = 0;
    skip_space(&layout);
    while (layout.at < layout.end && !result) {
        result = add_token(&layout);
        skip_space(&layout);
    }
    return result;
}

/* --- values --- */

static bool goes_verbatim(struct sfs_bytes value)
{
    struct sfs_json view;
    struct sfs_json type;
    return sfs_json_parse(value, &view, NULL) &&
           !sfs_json_member(view, SFS_LITERAL("__type"), &type);
}

static int wrap(struct sfs_bytes value, struct sfs_buffer *buffer)
{
    if (sfs_utf8_valid(value)) {
        if (sfs_buffer_add(buffer, SFS_LITERAL("{\"__type\": \"text\", \"__value\": ")) ||
            sfs_json_string_encode(value, buffer))
            return SFS_E_NO_MEMORY;
        return sfs_buffer_byte(buffer, '}');
    }
    if (sfs_buffer_add(buffer, SFS_LITERAL("{\"__type\": \"bytes\", \"__value\": \"")) ||
        sfs_base64_encode(value, buffer))
        return SFS_E_NO_MEMORY;
    return sfs_buffer_add(buffer, SFS_LITERAL("\"}"));
}

int sfs_json_value_write(struct sfs_bytes value, bool pretty, struct sfs_buffer *buffer)
{
    bool verbatim = goes_verbatim(value);
    if (!pretty)
        return verbatim ? sfs_buffer_add(buffer, value) : wrap(value, buffer);
    if (verbatim)
        return write_pretty(value, buffer);
    struct sfs_buffer wrapped = {0};
    int result = wrap(value, &wrapped);
    if (!result)
        result = write_pretty(sfs_buffer_bytes(&wrapped), buffer);
    sfs_buffer_free(&wrapped);
    return result;
}

/* Appends what a wrapping of ours holds; INVALID for every other object, which is plain JSON. */
static int unwrap(struct sfs_json value, struct sfs_buffer *buffer)
{
    struct sfs_json type;
    struct sfs_json content;
    if (value.type != SFS_JSON_OBJECT || sfs_json_count(value) != 2 ||
        !sfs_json_member(value, SFS_LITERAL("__type"), &type) ||
        !sfs_json_member(value, SFS_LITERAL("__value"), &content) || type.type != SFS_JSON_STRING ||
        content.type != SFS_JSON_STRING)
        return SFS_E_INVALID;
    struct sfs_buffer text = {0};
    int result = sfs_json_string_decode(content, &text);
    if (!result && sfs_json_string_equals(type, SFS_LITERAL("bytes")))
        result = sfs_base64_decode(sfs_buffer_bytes(&text), buffer);
    else if (!result && sfs_json_string_equals(type, SFS_LITERAL("text")) &&
             sfs_utf8_valid(sfs_buffer_bytes(&text)))
        result = sfs_buffer_add(buffer, sfs_buffer_bytes(&text));
    else if (!result)
        result = SFS_E_INVALID;
    sfs_buffer_free(&text);
    return result;
}

int sfs_json_value_read(struct sfs_json value, struct sfs_bytes text, struct sfs_buffer *buffer)
{
    int result = unwrap(value, buffer);
    return result == SFS_E_INVALID ? sfs_buffer_add(buffer, text) : result;
}
