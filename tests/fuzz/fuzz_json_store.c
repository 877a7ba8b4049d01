/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer target for the two files of a json store, PATH and PATH.attrs. The first byte says what
 * the rest is: both files as they are, with a NUL between them, or a description of members and of
 * records that both are written of. An "@" in the hash of PATH.attrs stands for the right one.
 */
#include <inttypes.h>
#include <stdio.h>
#include <xxhash.h>

#include "tests/fuzz/input.h"
#include "tests/fuzz/use.h"

#define FILE_NAME "store"
#define HASH "\"hash\":\"@\""

static const char *const names[] = {"d/1",       "d/2",     "large",    "middle",
                                    "\\u0000d/", "\\u0000", "d\\udcff", "n"};
static const char *const values[] = {
    "{\"n\":1}",
    "{\"n\":2,\"m\":[1]}",
    "\"text\"",
    "12",
    "{\"__type\": \"bytes\", \"__value\": \"/wA=\"}",
    "{\"__type\": \"text\", \"__value\": \"a\\u0000\"}",
    "{\"__type\": \"bytes\", \"__value\": \"*\"}",
    " [1, 2] \n",
};
static const char *const attribute_names[] = {
    "id",     "revision", "modified", "created", "accessed", "changed", "mode",
    "uid",    "gid",      "device",   "kind",    "type",     "xattrs",  "value",
    "format", "sequence", "lastId",   "records", "indexes",  "hash",
};
static const char *const words[] = {
    "\"value\"", "\"marker\"", "\"symlink\"", "\"fifo\"", "\"block\"", "\"bytes\"",   "\"text\"",
    "\"json\"",  "\"AAEC\"",   "null",        "{}",       "[\"n\"]",   "\"0777\"",    "1e3",
    "-1",        "1.5",        "\"/wA=\"",    "[]",       "\"\"",      "[\"n,m\",1]",
};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void add(struct sfs_buffer *file, const char *text)
{
    require(sfs_buffer_add(file, sfs_string(text)) == 0);
}

static void add_name(struct input *input, struct sfs_buffer *file)
{
    uint8_t which = input_byte(input);
    add(file, "\"");
    if (which < 192)
        add(file, names[which % COUNT(names)]);
    else
        require(sfs_buffer_add(file, input_text(input)) == 0);
    add(file, "\": ");
}

static void add_value(struct input *input, struct sfs_buffer *file)
{
    uint8_t which = input_byte(input);
    if (which < 192)
        add(file, values[which % COUNT(values)]);
    else
        require(sfs_buffer_add(file, input_text(input)) == 0);
}

static void add_attribute(struct input *input, struct sfs_buffer *file)
{
    uint8_t which = input_byte(input), how = input_byte(input);
    require(sfs_buffer_printf(file,
                              ", \"%s\": ", attribute_names[which % COUNT(attribute_names)]) == 0);
    if (how < 96)
        add(file, words[how % COUNT(words)]);
    else if (how < 224)
        require(sfs_buffer_printf(file, "%" PRIu64, input_number(input)) == 0);
    else
        require(sfs_buffer_add(file, input_text(input)) == 0);
}

static void add_content(struct input *input, struct sfs_buffer *content)
{
    add(content, "{");
    for (unsigned i = 0, count = input_byte(input) % 8; i < count; i++) {
        add(content, i ? ",\n" : "\n");
        add_name(input, content);
        add_value(input, content);
    }
    add(content, "\n}\n");
}

static void add_record(struct input *input, struct sfs_buffer *file, unsigned index)
{
    add(file, index ? ",\n" : "\n");
    add_name(input, file);
    require(sfs_buffer_printf(file, "{\"id\": %u, \"revision\": %u, \"modified\": 5", index + 1,
                              index + 1) == 0);
    for (unsigned i = 0, count = input_byte(input) % 8; i < count; i++)
        add_attribute(input, file);
    add(file, "}");
}

static void add_attributes(struct input *input, struct sfs_buffer *file)
{
    uint8_t odd = input_byte(input);
    add(file, odd & 1 ? "{" : "{\"format\":1,");
    add(file, odd & 2 ? "\"hash\":\"0123456789abcdef\"" : HASH);
    add(file, odd & 4 ? "" : ",\"sequence\":100,\"lastId\":100");
    if (odd & 8)
        add(file, ",\"indexes\":[\"n\",\"unique:m\"]");
    for (unsigned i = 0, count = odd & 16 ? input_byte(input) % 4 : 0; i < count; i++)
        add_attribute(input, file);
    add(file, ",\"records\":{");
    for (unsigned i = 0, count = input_byte(input) % 8; i < count; i++)
        add_record(input, file, i);
    add(file, "\n}}\n");
}

static void split(struct input *input, struct sfs_buffer *content, struct sfs_buffer *attributes)
{
    const uint8_t *end = input->left ? memchr(input->at, 0, input->left) : NULL;
    size_t size = end ? (size_t)(end - input->at) : input->left;
    require(sfs_buffer_add(content, input_bytes(input, size)) == 0);
    (void)input_byte(input);
    require(sfs_buffer_add(attributes, sfs_bytes(input->at, input->left)) == 0);
}

/* Puts the hash of the content where it is wanted. */
static void write_attributes(const struct sfs_buffer *content, const struct sfs_buffer *attributes)
{
    struct sfs_buffer file = {0};
    const char *data = attributes->data;
    size_t size = attributes->size;
    const char *place = size ? memmem(data, size, HASH, strlen(HASH)) : NULL;
    size_t before = place ? (size_t)(place - data) : size;
    require(sfs_buffer_append(&file, data, before) == 0);
    if (place)
        require(sfs_buffer_printf(&file, "\"hash\":\"%016" PRIx64 "\"",
                                  (uint64_t)XXH3_64bits(content->data, content->size)) == 0 &&
                sfs_buffer_append(&file, place + strlen(HASH), size - before - strlen(HASH)) == 0);
    fuzz_write_file(FILE_NAME ".attrs", sfs_buffer_bytes(&file));
    sfs_buffer_free(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const uris[] = {"json:" FILE_NAME, "json:" FILE_NAME "?pretty=1",
                                       "json:" FILE_NAME "?recover=1", "json:" FILE_NAME};
    struct input input = {data, size};
    struct sfs_buffer content = {0}, attributes = {0};
    (void)fuzz_enter();
    uint8_t form = input_byte(&input);
    if (form & 1) {
        add_content(&input, &content);
        add_attributes(&input, &attributes);
    } else {
        split(&input, &content, &attributes);
    }
    fuzz_remove(FILE_NAME ".attrs~");
    fuzz_write_file(FILE_NAME, sfs_buffer_bytes(&content));
    if (attributes.size)
        write_attributes(&content, &attributes);
    else
        fuzz_remove(FILE_NAME ".attrs");
    sfs_buffer_free(&content);
    sfs_buffer_free(&attributes);
    fuzz_use(uris[(form >> 1) % 4]);
    for (unsigned i = 1; i < 3 && (form >> 1) % 4 == 2; i++) { /* what was set aside */
        char name[32];
        snprintf(name, sizeof(name), FILE_NAME ".corrupt-%u", i);
        fuzz_remove(name);
        snprintf(name, sizeof(name), FILE_NAME ".attrs.corrupt-%u", i);
        fuzz_remove(name);
    }
    return fuzz_leave();
}
