/* SPDX-License-Identifier: MIT */
/*
 * The form of a value where JSON would be clumsy: VALUE in query paths, members shown as files. A
 * string is its own text, unless that would be taken for JSON.
 */
#include "util/json.h"

int sfs_json_text_form(struct sfs_bytes text, struct sfs_buffer *out)
{
    return sfs_json_check(text, NULL) ? sfs_json_string_encode(text, out) : sfs_buffer_add(out, text);
}

int sfs_json_form(struct sfs_json value, struct sfs_buffer *out)
{
    if (value.type != SFS_JSON_STRING)
        return sfs_buffer_add(out, value.text);
    struct sfs_buffer text = {0};
    int code = sfs_json_string_decode(value, &text);
    if (code == 0)
        code = sfs_json_text_form(sfs_buffer_bytes(&text), out);
    sfs_buffer_free(&text);
    return code;
}

int sfs_json_from_form(struct sfs_bytes form, struct sfs_buffer *out)
{
    struct sfs_json value;
    if (sfs_json_parse(form, &value, NULL))
        return sfs_buffer_add(out, value.text);
    return sfs_json_string_encode(form, out);
}
