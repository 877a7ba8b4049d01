/* SPDX-License-Identifier: MIT */
#ifndef SFS_UTIL_UTF8_H
#define SFS_UTIL_UTF8_H

/*
 * UTF-8, as RFC 3629 has it: no overlong forms, nothing above U+10FFFF. A lone surrogate, which
 * UTF-8 cannot hold, is met in JSON's \ud800 escapes; where a comment says WTF-8 it takes the three
 * bytes that the same bit pattern would give (the idea is Simon Sapin's WTF-8). All functions are
 * pure, allocate nothing and are thread-safe.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storefs/bytes.h"

/* Whether all of `bytes` is UTF-8; surrogates are not. */
bool sfs_utf8_valid(struct sfs_bytes bytes);

/* How many bytes from `data` on are ASCII. */
size_t sfs_utf8_ascii(const void *data, size_t size);

/* Decodes the character that begins at `data`, looking at no more than `size` bytes. Returns its
 * length, 1 to 4, or 0 where no UTF-8 character begins (also for size 0); `ret_point` is set on
 * success only. */
size_t sfs_utf8_decode(const void *data, size_t size, uint32_t *ret_point);

/* As sfs_utf8_decode, but takes surrogates too (WTF-8). */
size_t sfs_wtf8_decode(const void *data, size_t size, uint32_t *ret_point);

/* Writes `point` (at most 0x10FFFF; surrogates in their WTF-8 form) to `ret_bytes`, returns the
 * length, 1 to 4. */
size_t sfs_utf8_encode(uint32_t point, char ret_bytes[4]);

/* The largest size, at most `limit`, at which `bytes` can be cut without splitting a character.
 * Bytes that are no UTF-8 count as one character each. */
size_t sfs_utf8_cut(struct sfs_bytes bytes, size_t limit);

#endif
