/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_BYTES_H
#define STOREFS_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "storefs/export.h"

/*
 * Bytes: a borrowed run of bytes that somebody else owns, passed by value. Keys and values are such
 * runs; none is terminated by NUL. {NULL, 0} is the empty run.
 */
struct sfs_bytes {
    const void *data;
    size_t size;
};

/* The bytes of a string literal, without its NUL. */
#ifdef __cplusplus
#define SFS_LITERAL(text) sfs_bytes("" text, sizeof(text) - 1)
#else
#define SFS_LITERAL(text) ((struct sfs_bytes){"" text, sizeof(text) - 1})
#endif

/* The bytes of a C string, without its NUL; borrowed. */
static inline struct sfs_bytes sfs_string(const char *text)
{
    struct sfs_bytes bytes = {text, strlen(text)};
    return bytes;
}

/* A run of `size` bytes; borrowed. */
static inline struct sfs_bytes sfs_bytes(const void *data, size_t size)
{
    struct sfs_bytes bytes = {data, size};
    return bytes;
}

/* Byte order, shorter first where one is a prefix of the other: the order of keys. <0, 0 or >0. */
static inline int sfs_bytes_compare(struct sfs_bytes a, struct sfs_bytes b)
{
    size_t n = a.size < b.size ? a.size : b.size;
    int order = n ? memcmp(a.data, b.data, n) : 0;
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

/* The same bytes. */
static inline bool sfs_bytes_equal(struct sfs_bytes a, struct sfs_bytes b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* `whole` begins with `prefix`; everything begins with the empty run. */
static inline bool sfs_bytes_starts(struct sfs_bytes whole, struct sfs_bytes prefix)
{
    return whole.size >= prefix.size && (prefix.size == 0 || memcmp(whole.data, prefix.data, prefix.size) == 0);
}

/*
 * Buffer: bytes that its holder owns and that can grow. {0} is an empty buffer; sfs_buffer_free()
 * empties it and may be called on an empty one, or on NULL. After a failed append the buffer holds
 * what it held. What is appended is copied, and must not lie in the buffer itself. `data` may move
 * whenever the buffer grows. A buffer belongs to one thread at a time.
 */
struct sfs_buffer {
    char *data;
    size_t size;
    size_t capacity;
};

/*
 * Each returns 0 or SFS_E_NO_MEMORY. reserve makes room for `more` bytes behind the data; append, add,
 * byte and printf put theirs there; text puts a NUL behind the data that is not counted in `size`.
 */
SFS_API int sfs_buffer_reserve(struct sfs_buffer *buffer, size_t more) SFS_MUST_CHECK;
SFS_API int sfs_buffer_append(struct sfs_buffer *buffer, const void *data, size_t size) SFS_MUST_CHECK;
SFS_API int sfs_buffer_add(struct sfs_buffer *buffer, struct sfs_bytes bytes) SFS_MUST_CHECK;
SFS_API int sfs_buffer_byte(struct sfs_buffer *buffer, char byte) SFS_MUST_CHECK;
SFS_API int sfs_buffer_printf(struct sfs_buffer *buffer, const char *format, ...)
    SFS_PRINTF(2, 3) SFS_MUST_CHECK;
SFS_API int sfs_buffer_text(struct sfs_buffer *buffer) SFS_MUST_CHECK;
SFS_API void sfs_buffer_free(struct sfs_buffer *buffer);

/* What the buffer holds; borrowed, until the buffer changes. */
static inline struct sfs_bytes sfs_buffer_bytes(const struct sfs_buffer *buffer)
{
    struct sfs_bytes bytes = {buffer->data, buffer->size};
    return bytes;
}

#endif
