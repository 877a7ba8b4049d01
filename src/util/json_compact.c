/* SPDX-License-Identifier: MIT */
/* JSON text without insignificant white space. */
#include "util/json.h"

#include "util/json_internal.h"

int sfs_json_compact(struct sfs_json value, struct sfs_buffer *buffer)
{
    if (value.text.size == 0)
        return 0;
    int result = sfs_buffer_reserve(buffer, value.text.size);
    if (result)
        return result;
    const char *at = value.text.data;
    const char *end = at + value.text.size;
    char *out = buffer->data + buffer->size;
    while ((at = sfs_json_skip_space(at, end)) < end) {
        const char *next = *at == '"' ? sfs_json_skip_string(at, end) : at + 1;
        memcpy(out, at, (size_t)(next - at));
        out += next - at;
        at = next;
    }
    buffer->size = (size_t)(out - buffer->data);
    return 0;
}
