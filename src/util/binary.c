/* SPDX-License-Identifier: MIT */
/* Little-endian numbers in files. */
#include "util/binary.h"

int sfs_binary_add(struct sfs_buffer *buffer, uint64_t number, size_t width)
{
    unsigned char bytes[8];
    for (size_t i = 0; i < width; i++)
        bytes[i] = (unsigned char)(number >> (8 * i));
    return sfs_buffer_append(buffer, bytes, width);
}

int sfs_binary_add_fields(struct sfs_buffer *buffer, const struct sfs_binary_field *fields,
                          size_t count)
{
    int result = 0;
    for (size_t i = 0; i < count && !result; i++)
        result = sfs_binary_add(buffer, fields[i].number, fields[i].width);
    return result;
}

struct sfs_binary_reader sfs_binary_reader(struct sfs_bytes bytes)
{
    return (struct sfs_binary_reader){.at = (const unsigned char *)bytes.data, .left = bytes.size};
}

struct sfs_bytes sfs_binary_take(struct sfs_binary_reader *reader, uint64_t size)
{
    if (reader->failed || size > reader->left) {
        reader->failed = true;
        return (struct sfs_bytes){0};
    }
    struct sfs_bytes bytes = sfs_bytes(reader->at, (size_t)size);
    reader->at += size;
    reader->left -= (size_t)size;
    return bytes;
}

uint64_t sfs_binary_number(struct sfs_binary_reader *reader, size_t width)
{
    struct sfs_bytes bytes = sfs_binary_take(reader, width);
    uint64_t number = 0;
    for (size_t i = bytes.size; i-- > 0;)
        number = number << 8 | ((const unsigned char *)bytes.data)[i];
    return number;
}
