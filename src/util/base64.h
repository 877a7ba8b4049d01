/* SPDX-License-Identifier: MIT */
#ifndef SFS_UTIL_BASE64_H
#define SFS_UTIL_BASE64_H

/*
 * Base64 with the standard alphabet and padding (RFC 4648, section 4), without line breaks.
 * Pure and thread-safe.
 */
#include "storefs/bytes.h"

/* Appends the base64 text of `bytes`. 0 or SFS_E_NO_MEMORY; `buffer` is as it was then. */
int sfs_base64_encode(struct sfs_bytes bytes, struct sfs_buffer *buffer) SFS_MUST_CHECK;

/* Appends the bytes that `text` stands for. Strict, so that bytes and text are a bijection: the
 * length is a multiple of four, padding is there and nowhere else, unused bits are zero, no white
 * space. SFS_E_INVALID or SFS_E_NO_MEMORY; `buffer` is as it was then. */
int sfs_base64_decode(struct sfs_bytes text, struct sfs_buffer *buffer) SFS_MUST_CHECK;

#endif
