/* SPDX-License-Identifier: MIT */
/* Objects and lines from values and sort keys. */
#include "query/document.h"

#include "query/sort_key.h"

int sfs_document_begin(struct sfs_buffer *out)
{
    return sfs_buffer_byte(out, '{');
}

int sfs_document_name(struct sfs_buffer *out, struct sfs_bytes literal)
{
    int result = out->data[out->size - 1] == '{' ? 0 : sfs_buffer_byte(out, ',');
    if (result == 0)
        result = sfs_buffer_add(out, literal);
    return result ? result : sfs_buffer_byte(out, ':');
}

int sfs_document_value(struct sfs_buffer *out, const struct sfs_value *value)
{
    int result = sfs_value_json(value, out);
    if (result != SFS_E_INVALID)
        return result;
    struct sfs_buffer key = {0};
    bool missing = false;
    result = sfs_sort_key_add(value, false, &key);
    struct sfs_bytes rest = sfs_buffer_bytes(&key);
    if (result == 0)
        result = sfs_sort_key_read(&rest, false, out, &missing);
    sfs_buffer_free(&key);
    return result;
}

int sfs_document_sorted(struct sfs_buffer *out, struct sfs_bytes *keys, size_t start)
{
    bool missing = false;
    int result = sfs_sort_key_read(keys, false, out, &missing);
    if (result == 0 && missing)
        out->size = start;
    return result;
}

int sfs_document_end(struct sfs_buffer *out)
{
    return sfs_buffer_byte(out, '}');
}

/* --- lines --- */

static int add_escaped(struct sfs_buffer *out, struct sfs_bytes text)
{
    static const char specials[] = "\t\n\r\\";
    static const char letters[] = "tnr\\";
    const char *data = text.data;
    int result = 0;
    for (size_t i = 0; i < text.size && result == 0; i++) {
        const char *special = data[i] ? strchr(specials, data[i]) : NULL;
        if (special)
            result = sfs_buffer_byte(out, '\\');
        if (result == 0)
            result = sfs_buffer_byte(out, special ? letters[special - specials] : data[i]);
    }
    return result;
}

int sfs_line_value(struct sfs_buffer *out, const struct sfs_value *value)
{
    struct sfs_buffer form = {0};
    if (value->kind == SFS_VALUE_MISSING)
        return sfs_buffer_add(out, SFS_LITERAL("\\N"));
    int result = sfs_value_form(value, &form);
    if (result == 0)
        result = add_escaped(out, sfs_buffer_bytes(&form));
    sfs_buffer_free(&form);
    return result;
}
