/* SPDX-License-Identifier: MIT */
/* The growing buffer of storefs/bytes.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "storefs/bytes.h"
#include "storefs/error.h"

#define SMALLEST_CAPACITY ((size_t)64)

/* Objects larger than this have pointer differences that do not fit in a ptrdiff_t. */
#define LARGEST_CAPACITY ((size_t)PTRDIFF_MAX)

int sfs_buffer_reserve(struct sfs_buffer *buffer, size_t more)
{
    if (more <= buffer->capacity - buffer->size)
        return 0;
    if (more > LARGEST_CAPACITY - buffer->size)
        return SFS_E_NO_MEMORY;
    size_t needed = buffer->size + more;
    size_t capacity = buffer->capacity > LARGEST_CAPACITY / 2 ? needed : buffer->capacity * 2;
    if (capacity < SMALLEST_CAPACITY)
        capacity = SMALLEST_CAPACITY;
    if (capacity < needed)
        capacity = needed;
    char *data = realloc(buffer->data, capacity);
    if (!data)
        return SFS_E_NO_MEMORY;
    buffer->data = data;
    buffer->capacity = capacity;
    return 0;
}

int sfs_buffer_append(struct sfs_buffer *buffer, const void *data, size_t size)
{
    if (size == 0)
        return 0;
    int result = sfs_buffer_reserve(buffer, size);
    if (result)
        return result;
    memcpy(buffer->data + buffer->size, data, size);
    buffer->size += size;
    return 0;
}

int sfs_buffer_add(struct sfs_buffer *buffer, struct sfs_bytes bytes)
{
    return sfs_buffer_append(buffer, bytes.data, bytes.size);
}

int sfs_buffer_byte(struct sfs_buffer *buffer, char byte)
{
    return sfs_buffer_append(buffer, &byte, 1);
}

int sfs_buffer_printf(struct sfs_buffer *buffer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);

    /* vsnprintf fails where its result would not fit in an int, or memory for it ran out. */
    if (size < 0)
        return SFS_E_NO_MEMORY;
    int result = sfs_buffer_reserve(buffer, (size_t)size + 1);
    if (result)
        return result;
    va_start(arguments, format);
    vsnprintf(buffer->data + buffer->size, (size_t)size + 1, format, arguments);
    va_end(arguments);
    buffer->size += (size_t)size;
    return 0;
}

int sfs_buffer_text(struct sfs_buffer *buffer)
{
    int result = sfs_buffer_reserve(buffer, 1);
    if (result)
        return result;
    buffer->data[buffer->size] = '\0';
    return 0;
}

void sfs_buffer_free(struct sfs_buffer *buffer)
{
    if (!buffer)
        return;
    free(buffer->data);
    *buffer = (struct sfs_buffer){0};
}
