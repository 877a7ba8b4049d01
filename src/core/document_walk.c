/* SPDX-License-Identifier: MIT */
/* Walking into a document: members with the text around them, steps, what is wrong with them; and forms. */
#include "core/document.h"

#define ORIGIN "document"

struct sfs_slots sfs_slots_of(struct sfs_json container)
{
    return sfs_slots_over(container, NULL);
}

struct sfs_slots sfs_slots_over(struct sfs_json container, const struct sfs_json_skips *skips)
{
    struct sfs_slots slots = {sfs_json_begin(container), container.type == SFS_JSON_OBJECT};
    slots.cursor.skips = skips;
    return slots;
}

bool sfs_slots_next(struct sfs_slots *slots, struct sfs_slot *ret_slot)
{
    struct sfs_json name = {0};
    struct sfs_json value = {0};
    bool more = slots->object ? sfs_json_next_member(&slots->cursor, &name, &value)
                              : sfs_json_next_element(&slots->cursor, &value);
    if (!more)
        return false;
    const char *data = value.text.data;
    *ret_slot = (struct sfs_slot){
        .name = name,
        .value = value,
        .start = slots->object ? name.text.data : data,
        .end = data + value.text.size,
    };
    return true;
}

int sfs_document_parse(struct sfs_bytes text, struct sfs_json *ret_root, struct sfs_error *error)
{
    struct sfs_json_problem problem = {0};
    size_t line = 0;
    size_t column = 0;
    if (text.size > SFS_DOCUMENT_MAX)
        return sfs_fail(error, SFS_E_TOO_LARGE, ORIGIN,
                        "the document has %zu bytes: members are read and changed in one of at most %zu",
                        text.size, SFS_DOCUMENT_MAX);
    if (sfs_json_parse(text, ret_root, &problem))
        return 0;
    sfs_json_place(text, problem.offset, &line, &column);
    return sfs_fail(error, SFS_E_UNSUPPORTED, ORIGIN, "the value is not JSON (line %zu, column %zu: %s)",
                    line, column, problem.reason);
}

int sfs_document_index(struct sfs_bytes step, size_t *ret_index, struct sfs_error *error)
{
    const char *digits = step.data;
    char shown[100];
    size_t index = 0;
    /* Eighteen digits are more than any document has elements, and fit. */
    bool valid = step.size > 0 && step.size <= 18 && (digits[0] != '0' || step.size == 1);
    for (size_t i = 0; valid && i < step.size; i++) {
        valid = digits[i] >= '0' && digits[i] <= '9';
        index = index * 10 + (size_t)(digits[i] - '0');
    }
    if (!valid)
        return sfs_fail(error, SFS_E_INVALID, ORIGIN, "'%s' is no index of an array",
                        sfs_name_show(step, shown, sizeof(shown)));
    *ret_index = index;
    return 0;
}

int sfs_document_check_holds(struct sfs_json value, struct sfs_bytes step, struct sfs_error *error)
{
    char shown[100];
    if (value.type == SFS_JSON_ARRAY || value.type == SFS_JSON_OBJECT)
        return 0;
    return sfs_fail(error, SFS_E_NOT_DIRECTORY, ORIGIN, "there is no '%s' in a %s",
                    sfs_name_show(step, shown, sizeof(shown)), sfs_json_type_name(value.type));
}

int sfs_document_none(enum sfs_json_type type, struct sfs_bytes step, struct sfs_error *error)
{
    char shown[100];
    return sfs_fail(error, SFS_E_NOT_FOUND, ORIGIN,
                    type == SFS_JSON_ARRAY ? "the array has no element %s" : "there is no member '%s'",
                    sfs_name_show(step, shown, sizeof(shown)));
}

/* --- forms --- */

int sfs_document_form(struct sfs_bytes json, struct sfs_buffer *form, struct sfs_error *error)
{
    return sfs_json_form(sfs_json_view(json), form) ? sfs_fail_memory(error, ORIGIN) : 0;
}

int sfs_document_from_form(struct sfs_bytes form, struct sfs_buffer *json, struct sfs_error *error)
{
    int code = sfs_json_from_form(form, json);
    if (code == SFS_E_INVALID)
        return sfs_fail(error, code, ORIGIN, "this is not UTF-8, which a JSON string must be");
    return code ? sfs_fail_memory(error, ORIGIN) : 0;
}
