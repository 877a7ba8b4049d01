/* SPDX-License-Identifier: MIT */
/*
 * The options behind a URI's '?', read into a backend's own struct by its table of rules.
 */
#include <stdlib.h>

#include "storefs/backend.h"

static int parse_bool(const char *text, bool *ret_value)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {{"1", true},    {"0", false},     {"yes", true}, {"no", false},
                 {"true", true}, {"false", false}, {"on", true},  {"off", false}};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(text, words[i].word) == 0) {
            *ret_value = words[i].value;
            return 0;
        }
    }
    return SFS_E_INVALID;
}

static int parse_size(const char *text, uint64_t *ret_value)
{
    uint64_t value = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value))
            return SFS_E_INVALID;
    }
    if (at == text)
        return SFS_E_INVALID;
    static const char units[] = "KMG";
    const char *unit = *at ? strchr(units, *at) : NULL;
    unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;
    if ((*at && !unit) || (unit && at[1]) || value > UINT64_MAX >> shift)
        return SFS_E_INVALID;
    *ret_value = value << shift;
    return 0;
}

static int parse_choice(const char *text, const char *choices, int *ret_value)
{
    size_t size = strlen(text);
    for (int i = 0;; i++) {
        size_t length = strcspn(choices, "|");
        if (length == size && memcmp(choices, text, size) == 0) {
            *ret_value = i;
            return 0;
        }
        if (choices[length] == '\0')
            return SFS_E_INVALID;
        choices += length + 1;
    }
}

static const char *what_there_is(const struct sfs_option_rule *rule)
{
    switch (rule->type) {
    case SFS_OPTION_BOOL:
        return "yes or no";
    case SFS_OPTION_SIZE:
        return "a number, with K, M or G behind it for units of 1024";
    case SFS_OPTION_CHOICE:
        return rule->choices;
    case SFS_OPTION_TEXT:
        break;
    }
    return "text";
}

static int set_value(const struct sfs_option_rule *rule, const struct sfs_option *option,
                     void *values, struct sfs_error *error)
{
    void *at = (char *)values + rule->offset;
    int rc = 0;
    switch (rule->type) {
    case SFS_OPTION_BOOL:
        rc = parse_bool(option->value, at);
        break;
    case SFS_OPTION_SIZE:
        rc = parse_size(option->value, at);
        break;
    case SFS_OPTION_CHOICE:
        rc = parse_choice(option->value, rule->choices, at);
        break;
    case SFS_OPTION_TEXT:
        *(const char **)at = option->value;
        break;
    }
    if (rc)
        return sfs_fail(error, rc, "uri", "option %s: '%s' is not %s", option->name, option->value,
                        what_there_is(rule));
    return 0;
}

static int fail_unknown(const struct sfs_location *location, const struct sfs_option_rule *rules,
                        const char *name, struct sfs_error *error)
{
    struct sfs_buffer names = {0};
    int rc = 0;
    for (const struct sfs_option_rule *rule = rules; rc == 0 && rule->name; rule++)
        rc = sfs_buffer_printf(&names, "%s%s", rule == rules ? "" : ", ", rule->name);
    if (rc == 0)
        rc = sfs_buffer_text(&names);
    if (rc == 0)
        rc = sfs_fail(error, SFS_E_INVALID, "uri", "unknown option '%s': %s takes %s", name,
                      location->scheme, names.size ? names.data : "none");
    else
        rc = sfs_fail_memory(error, "uri");
    sfs_buffer_free(&names);
    return rc;
}

int sfs_options_parse(const struct sfs_location *location, const struct sfs_option_rule *rules,
                      void *values, struct sfs_error *error)
{
    for (size_t i = 0; i < location->option_count; i++) {
        const struct sfs_option *option = &location->options[i];
        const struct sfs_option_rule *rule = rules;
        while (rule->name && strcmp(rule->name, option->name) != 0)
            rule++;
        int rc = rule->name ? set_value(rule, option, values, error)
                            : fail_unknown(location, rules, option->name, error);
        if (rc)
            return rc;
    }
    return 0;
}
