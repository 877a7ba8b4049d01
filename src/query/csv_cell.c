/* SPDX-License-Identifier: MIT */
/* The cells of tables. */
#include "query/csv.h"
#include "util/utf8.h"

/* An empty text is written in quotes: without them nothing was there. */
static bool needs_quotes(struct sfs_bytes text)
{
    const char *data = text.data;
    if (text.size == 0 || data[0] == ' ' || data[text.size - 1] == ' ')
        return true;
    for (size_t i = 0; i < text.size; i++) {
        if (data[i] == '"' || data[i] == ',' || data[i] == '\n' || data[i] == '\r')
            return true;
    }
    return false;
}

int sfs_csv_text(struct sfs_buffer *out, struct sfs_bytes text)
{
    const char *data = text.data;
    if (!needs_quotes(text))
        return sfs_buffer_add(out, text);
    int result = sfs_buffer_byte(out, '"');
    for (size_t i = 0; i < text.size && result == 0; i++) {
        if (data[i] == '"')
            result = sfs_buffer_byte(out, '"');
        if (result == 0)
            result = sfs_buffer_byte(out, data[i]);
    }
    return result ? result : sfs_buffer_byte(out, '"');
}

int sfs_csv_value(struct sfs_buffer *out, const struct sfs_value *value)
{
    struct sfs_buffer scratch = {0};
    struct sfs_bytes text = {0};
    int result = 0;
    if (value->kind == SFS_VALUE_MISSING)
        return 0;
    bool string = sfs_value_type(value) == SFS_JSON_STRING;
    if (string)
        result = sfs_value_string(value, &scratch, &text);
    /* A lone surrogate has no text. */
    if (result == 0 && (!string || (value->kind == SFS_VALUE_JSON && !sfs_utf8_valid(text)))) {
        scratch.size = 0;
        result = sfs_value_json(value, &scratch);
        text = sfs_buffer_bytes(&scratch);
    }
    if (result == 0)
        result = sfs_csv_text(out, text);
    sfs_buffer_free(&scratch);
    return result;
}
