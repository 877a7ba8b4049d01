/* SPDX-License-Identifier: MIT */
/* UTF-8 and WTF-8, one character at a time. */
#include <string.h>

#include "util/utf8.h"

/* The characters that one length of sequence is for: anything lower is an overlong form. */
static const uint32_t smallest[5] = {0, 0, 0x80, 0x800, 0x10000};

static size_t sequence_length(unsigned char lead)
{
    if (lead < 0x80)
        return 1;
    if (lead >= 0xc2 && lead <= 0xdf)
        return 2;
    if (lead >= 0xe0 && lead <= 0xef)
        return 3;
    return lead >= 0xf0 && lead <= 0xf4 ? 4 : 0;
}

size_t sfs_wtf8_decode(const void *data, size_t size, uint32_t *ret_point)
{
    const unsigned char *at = data;
    size_t length = size ? sequence_length(at[0]) : 0;
    if (length == 0 || length > size)
        return 0;
    if (length == 1) {
        *ret_point = at[0];
        return 1;
    }
    uint32_t point = at[0] & (0x7fU >> length);
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        point = point << 6 | (at[i] & 0x3fU);
    }
    if (point < smallest[length] || point > 0x10ffff)
        return 0;
    *ret_point = point;
    return length;
}

size_t sfs_utf8_decode(const void *data, size_t size, uint32_t *ret_point)
{
    uint32_t point = 0;
    size_t length = sfs_wtf8_decode(data, size, &point);
    if (length == 0 || (point >= 0xd800 && point <= 0xdfff))
        return 0;
    *ret_point = point;
    return length;
}

size_t sfs_utf8_ascii(const void *data, size_t size)
{
    const unsigned char *bytes = data;
    size_t at = 0;
    for (uint64_t words[4]; size - at >= sizeof(words); at += sizeof(words)) {
        memcpy(words, bytes + at, sizeof(words));
        if ((words[0] | words[1] | words[2] | words[3]) & UINT64_C(0x8080808080808080))
            break;
    }
    while (at < size && bytes[at] < 0x80)
        at++;
    return at;
}

bool sfs_utf8_valid(struct sfs_bytes bytes)
{
    const unsigned char *data = bytes.data;
    for (size_t at = 0; at < bytes.size;) {
        uint32_t point = 0;
        size_t length = sfs_utf8_ascii(data + at, bytes.size - at);
        if (length == 0)
            length = sfs_utf8_decode(data + at, bytes.size - at, &point);
        if (length == 0)
            return false;
        at += length;
    }
    return true;
}

size_t sfs_utf8_encode(uint32_t point, char ret_bytes[4])
{
    if (point < 0x80) {
        ret_bytes[0] = (char)point;
        return 1;
    }
    size_t length = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--) {
        ret_bytes[i] = (char)(0x80 | (point & 0x3f));
        point >>= 6;
    }
    static const unsigned char lead[5] = {0, 0, 0xc0, 0xe0, 0xf0};
    ret_bytes[0] = (char)(lead[length] | point);
    return length;
}

size_t sfs_utf8_cut(struct sfs_bytes bytes, size_t limit)
{
    if (bytes.size <= limit)
        return bytes.size;
    const unsigned char *data = bytes.data;

    /* Only a character that begins in the three bytes before the limit can reach over it. */
    for (size_t back = 1; back <= 3 && back <= limit; back++) {
        uint32_t point = 0;
        size_t start = limit - back;
        if (sfs_utf8_decode(data + start, bytes.size - start, &point) > back)
            return start;
    }
    return limit;
}
