/* SPDX-License-Identifier: MIT */
/* Keys of the records of postings: readable where names are short, of bounded length where not. */
#include <inttypes.h>
#include <xxhash.h>

#include "attribute_index/postings.h"
#include "util/utf8.h"

#define PART_MAX ((size_t)170)
#define PART_BEGINNING ((size_t)100)

static bool is_plain(struct sfs_bytes rest, size_t *ret_size)
{
    uint32_t point;
    *ret_size = sfs_utf8_decode(rest.data, rest.size, &point);
    return *ret_size > 0 && point >= 0x20 && point != 0x7f && point != '/' && point != '%';
}

static int add_escaped(struct sfs_bytes text, size_t limit, struct sfs_buffer *out)
{
    const char *at = text.data;
    size_t begin = out->size;
    for (size_t left = text.size; left > 0 && out->size - begin <= limit;) {
        size_t size;
        bool plain = is_plain(sfs_bytes(at, left), &size);
        int result = plain ? sfs_buffer_append(out, at, size)
                           : sfs_buffer_printf(out, "%%%02X", (unsigned)(unsigned char)*at);
        if (result)
            return result;
        size = plain ? size : 1;
        at += size;
        left -= size;
    }
    return 0;
}

int sfs_part_add(struct sfs_bytes text, struct sfs_buffer *out)
{
    size_t begin = out->size;
    int result =
        text.size ? add_escaped(text, PART_MAX, out) : sfs_buffer_add(out, SFS_LITERAL("%."));
    if (result || out->size - begin <= PART_MAX)
        return result;
    XXH128_hash_t hash = XXH3_128bits(text.data, text.size);
    out->size = begin;
    result = add_escaped(text, PART_BEGINNING, out);
    return result ? result
                  : sfs_buffer_printf(out, "%%-%016" PRIx64 "%016" PRIx64, (uint64_t)hash.high64,
                                      (uint64_t)hash.low64);
}

int sfs_posting_key(struct sfs_bytes key, const char *folder, struct sfs_buffer *out)
{
    out->size = 0;
    int result = sfs_buffer_add(out, key);
    if (!result)
        result = sfs_buffer_add(out, SFS_LITERAL(".postings/"));
    return result ? result : sfs_buffer_add(out, sfs_string(folder));
}

int sfs_attribute_key(struct sfs_bytes key, struct sfs_bytes attribute, struct sfs_buffer *out)
{
    int result = sfs_posting_key(key, "a/", out);
    return result ? result : sfs_part_add(attribute, out);
}

int sfs_value_key(struct sfs_bytes key, struct sfs_bytes attribute, struct sfs_bytes value,
                  struct sfs_buffer *out)
{
    int result = sfs_posting_key(key, "v/", out);
    if (!result)
        result = sfs_part_add(attribute, out);
    if (!result)
        result = sfs_buffer_byte(out, '/');
    return result || value.size == 0 ? result : sfs_part_add(value, out);
}

int sfs_chunk_key(struct sfs_bytes key, uint64_t ordinal, uint64_t chunk, struct sfs_buffer *out)
{
    int result = sfs_posting_key(key, "p/", out);
    if (!result)
        result = sfs_buffer_printf(out, "%016" PRIx64 "/", ordinal);
    return result || chunk == UINT64_MAX ? result : sfs_buffer_printf(out, "%08" PRIx64, chunk);
}

int sfs_entity_key(struct sfs_bytes key, struct sfs_bytes entity, struct sfs_buffer *out)
{
    int result = sfs_posting_key(key, "e/", out);
    return result ? result : sfs_part_add(entity, out);
}

int sfs_postings_clear(struct sfs_bytes key, struct sfs_batch *batch, struct sfs_error *error)
{
    struct sfs_buffer prefix = {0}, end = {0};
    struct sfs_range range;
    int result = sfs_posting_key(key, "", &prefix);
    if (!result)
        result = sfs_range_prefix(sfs_buffer_bytes(&prefix), &end, &range);
    result =
        result ? sfs_attribute_fail(error, result) : sfs_batch_clear_range(batch, range, error);
    sfs_buffer_free(&prefix);
    sfs_buffer_free(&end);
    return result;
}
