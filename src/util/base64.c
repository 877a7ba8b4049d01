/* SPDX-License-Identifier: MIT */
/* Base64 (RFC 4648, section 4), strict in both directions. */
#include "util/base64.h"

#include "storefs/error.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Four digits for one to three bytes. */
static void encode_group(const unsigned char *bytes, size_t count, char *ret_digits)
{
    uint32_t bits = (uint32_t)bytes[0] << 16;
    bits |= count > 1 ? (uint32_t)bytes[1] << 8 : 0;
    bits |= count > 2 ? bytes[2] : 0;
    ret_digits[0] = alphabet[bits >> 18];
    ret_digits[1] = alphabet[bits >> 12 & 63];
    ret_digits[2] = count > 1 ? alphabet[bits >> 6 & 63] : '=';
    ret_digits[3] = count > 2 ? alphabet[bits & 63] : '=';
}

int sfs_base64_encode(struct sfs_bytes bytes, struct sfs_buffer *buffer)
{
    size_t groups = bytes.size / 3 + (bytes.size % 3 != 0);
    if (groups > SIZE_MAX / 4)
        return SFS_E_NO_MEMORY;
    int result = sfs_buffer_reserve(buffer, groups * 4);
    if (result)
        return result;
    const unsigned char *data = bytes.data;
    for (size_t at = 0; at < bytes.size; at += 3) {
        size_t count = bytes.size - at < 3 ? bytes.size - at : 3;
        encode_group(data + at, count, buffer->data + buffer->size);
        buffer->size += 4;
    }
    return 0;
}

/* 0 to 63, or -1 for a byte that is no digit. */
static int digit_value(char digit)
{
    if (digit >= 'A' && digit <= 'Z')
        return digit - 'A';
    if (digit >= 'a' && digit <= 'z')
        return digit - 'a' + 26;
    if (digit >= '0' && digit <= '9')
        return digit - '0' + 52;
    return digit == '+' ? 62 : digit == '/' ? 63 : -1;
}

/* The bytes of one group that has `count` bytes (1 to 3); false if the digits are not exactly those
 * that encode_group gives. */
static bool decode_group(const char *digits, size_t count, char *ret_bytes)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < 4; i++) {
        int value = i <= count ? digit_value(digits[i]) : digits[i] == '=' ? 0 : -1;
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
    }
    if (bits & (0xffffffU >> (8 * count)))
        return false;
    for (size_t i = 0; i < count; i++)
        ret_bytes[i] = (char)(bits >> (16 - 8 * i) & 0xff);
    return true;
}

int sfs_base64_decode(struct sfs_bytes text, struct sfs_buffer *buffer)
{
    if (text.size % 4)
        return SFS_E_INVALID;
    int result = sfs_buffer_reserve(buffer, text.size / 4 * 3);
    if (result)
        return result;
    const char *data = text.data;
    size_t size = buffer->size;
    for (size_t at = 0; at < text.size; at += 4) {
        size_t count = 3;
        if (at + 4 == text.size)
            count -= (size_t)(data[at + 3] == '=') + (data[at + 2] == '=' && data[at + 3] == '=');
        if (!decode_group(data + at, count, buffer->data + size))
            return SFS_E_INVALID;
        size += count;
    }
    buffer->size = size;
    return 0;
}
