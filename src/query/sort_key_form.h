/* SPDX-License-Identifier: MIT */
#ifndef SFS_QUERY_SORT_KEY_FORM_H
#define SFS_QUERY_SORT_KEY_FORM_H

/* The form of sort keys, which their writer and their reader share. */
#include "query/sort_key.h"

enum sfs_sort_key_tag {
    SFS_SORT_KEY_END = 0x00,
    SFS_SORT_KEY_MISSING = 0x01,
    SFS_SORT_KEY_MEMBER = 0x01, /* in an object */
    SFS_SORT_KEY_NULL = 0x02,
    SFS_SORT_KEY_FALSE = 0x03,
    SFS_SORT_KEY_TRUE = 0x04,
    SFS_SORT_KEY_NEGATIVE = 0x05,
    SFS_SORT_KEY_ZERO = 0x06,
    SFS_SORT_KEY_POSITIVE = 0x07,
    SFS_SORT_KEY_STRING = 0x08,
    SFS_SORT_KEY_ARRAY = 0x09,
    SFS_SORT_KEY_OBJECT = 0x0a,
};

/*
 * Exponents: one byte 0x80 + X for X from -64 to 63; beyond, 0xc0 and |X| in 8 bytes, big-endian;
 * from 10^18 on 0xc1, the number of X's decimal digits in 8 bytes, and the digits. Of a negative X
 * all bytes of the two long forms are inverted.
 */
#define SFS_SORT_KEY_EXPONENT 0x80
#define SFS_SORT_KEY_EXPONENT_MIN (-64)
#define SFS_SORT_KEY_EXPONENT_MAX 63
#define SFS_SORT_KEY_LONG 0xc0
#define SFS_SORT_KEY_LONGER 0xc1
#define SFS_SORT_KEY_LONG_DIGITS 18

/* Appends the number's key, ascending. NO_MEMORY. */
int sfs_sort_key_add_number(struct sfs_bytes number, struct sfs_buffer *out);

/* Adds `delta`, which is less than 10^18 away from 0, to the `count` decimal digits (at least 18,
 * or the sum not negative) in front of `end`, in place; there must be room for one digit before
 * them. Returns how many digits the sum has. */
size_t sfs_sort_key_add_decimal(char *end, size_t count, int64_t delta);

/* What is left of the key that is read; bytes are taken through `mask`. */
struct sfs_sort_key_reader {
    const unsigned char *at;
    const unsigned char *end;
    unsigned char mask;
};

/* Appends the number whose tag, 05 or 07, was read. INVALID, NO_MEMORY. */
int sfs_sort_key_read_number(struct sfs_sort_key_reader *reader, bool negative,
                             struct sfs_buffer *out);

#endif
