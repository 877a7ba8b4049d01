/* SPDX-License-Identifier: MIT */
/* storefs attributes: an attribute index in a store, in a mount or in a plain file. */
#include "storefs/attribute_index.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "storefs/document.h"
#include "storefs/path.h"
#include "tools/attributes.h"
#include "tools/command.h"
#include "tools/exit.h"
#include "tools/message.h"
#include "tools/target.h"

#define DEFAULT_KEY "attributes"

static int out_of_memory(struct sfs_error *error)
{
    return sfs_fail_memory(error, "attributes");
}

/* --- where the index is --- */

/* A plain file: "file:PATH", or a path that ends in .json. */
static const char *plain_file(const char *text)
{
    size_t size = strlen(text);
    if (strncmp(text, "file:", 5) == 0)
        return text + 5;
    return !strchr(text, ':') && size > 5 && strcmp(text + size - 5, ".json") == 0 ? text : NULL;
}

/* The file that holds a key in a mount. */
static int mounted_file(const char *base, struct sfs_bytes key, struct sfs_buffer *out,
                        struct sfs_error *error)
{
    if (sfs_buffer_printf(out, "%s/keys/", base))
        return out_of_memory(error);
    int result = sfs_path_from_key(key, false, out, error);
    return result || !sfs_buffer_text(out) ? result : out_of_memory(error);
}

/* Whether the file in a mount is the head of postings, which need the store itself. */
static bool is_head(const char *path)
{
    static const char head[] = "{\"layout\":\"postings\"";
    char text[sizeof(head)] = "";
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    size_t size = fread(text, 1, sizeof(head) - 1, file);
    fclose(file);
    return size == sizeof(head) - 1 && memcmp(text, head, size) == 0;
}

static int open_mounted(struct tool_attributes *attributes, const char *base, unsigned flags,
                        struct sfs_error *error)
{
    int result = mounted_file(base, attributes->key, &attributes->path, error);
    if (result)
        return result;
    if (attributes->layout != TOOL_LAYOUT_POSTINGS && !is_head(attributes->path.data))
        return 0;
    sfs_buffer_free(&attributes->path);
    return tool_store_open(&attributes->store, NULL, base, flags, error);
}

static int open_place(struct tool_attributes *attributes, const char *text, unsigned flags,
                      struct sfs_error *error)
{
    const char *file = plain_file(text);
    struct tool_target target;
    if (file)
        return sfs_buffer_printf(&attributes->path, "%s", file) ||
                       sfs_buffer_text(&attributes->path)
                   ? out_of_memory(error)
                   : 0;
    int result = tool_target_open(&target, text, 0, flags, error);
    if (result)
        return result;
    if (target.base)
        result = open_mounted(attributes, target.base, flags, error);
    attributes->store = target.base ? attributes->store : target.store;
    target.store = NULL;
    (void)tool_target_close(&target, TOOL_OK);
    return result;
}

/* The layout to use: the one that is there, else the one asked for. */
static int choose_layout(struct tool_attributes *attributes, struct sfs_error *error)
{
    enum sfs_attribute_layout found;
    bool wanted = attributes->layout == TOOL_LAYOUT_POSTINGS;
    if (!attributes->store)
        return wanted
                   ? sfs_fail(error, SFS_E_INVALID, "attributes",
                              "a plain file holds a document: the layout of postings needs a store")
                   : 0;
    int result = sfs_attribute_index_layout(attributes->store, attributes->key, &found, error);
    if (result == SFS_E_NOT_FOUND) {
        attributes->postings = wanted;
        return 0;
    }
    attributes->postings = !result && found == SFS_ATTRIBUTES_POSTINGS;
    if (!result && attributes->layout != TOOL_LAYOUT_ANY && wanted != attributes->postings)
        return sfs_fail(
            error, SFS_E_EXISTS, "attributes",
            "the index has the layout %s: 'storefs attributes TARGET convert' changes it",
            attributes->postings ? "postings" : "document");
    return result;
}

static struct sfs_bytes place_of(const struct tool_attributes *attributes)
{
    return attributes->store ? attributes->key : sfs_buffer_bytes(&attributes->path);
}

static int load(struct tool_attributes *attributes, bool must_exist, struct sfs_error *error)
{
    const struct sfs_attribute_options options = {
        .layout = attributes->postings ? SFS_ATTRIBUTES_POSTINGS : SFS_ATTRIBUTES_DOCUMENT,
        .key = attributes->key,
    };
    int result = sfs_attribute_index_new(&attributes->index, attributes->store, &options, error);
    if (result || attributes->postings)
        return result;
    result = sfs_attribute_index_load(attributes->index, place_of(attributes), error);
    return result == SFS_E_NOT_FOUND && !must_exist ? 0 : result;
}

static int save(struct tool_attributes *attributes, struct sfs_error *error)
{
    if (attributes->postings)
        return sfs_sync(attributes->store, 0, error);
    return sfs_attribute_index_save(attributes->index, place_of(attributes), error);
}

static int find_layout(const char *name, enum tool_layout *ret_layout, struct sfs_error *error)
{
    *ret_layout = !name                           ? TOOL_LAYOUT_ANY
                  : strcmp(name, "postings") == 0 ? TOOL_LAYOUT_POSTINGS
                                                  : TOOL_LAYOUT_DOCUMENT;
    if (!name || *ret_layout == TOOL_LAYOUT_POSTINGS || strcmp(name, "document") == 0)
        return 0;
    return sfs_fail(error, SFS_E_INVALID, "attributes",
                    "there is no layout '%s': document or postings", name);
}

/* --- what can be done --- */

static int print_set(int result, struct sfs_attribute_set *set)
{
    if (result)
        return result;
    bool escaped = isatty(STDOUT_FILENO);
    for (size_t i = 0; i < set->count; i++)
        if (!tool_output_key(set->items[i], escaped) || !tool_output(SFS_LITERAL("\n")))
            break;
    sfs_attribute_set_free(set);
    return 0;
}

/* A VALUE: `undefined`, or as everywhere JSON, and text that is none is a string. */
static int read_value(const char *word, struct sfs_buffer *out, struct sfs_error *error)
{
    if (strcmp(word, "undefined") == 0)
        return sfs_buffer_printf(out, "undefined") ? out_of_memory(error) : 0;
    return sfs_document_from_form(sfs_string(word), out, error);
}

static int add(struct tool_attributes *attributes, int count, char **words, struct sfs_error *error)
{
    struct sfs_buffer value = {0};
    (void)count;
    int result = read_value(words[2], &value, error);
    if (!result)
        result = sfs_attribute_index_add(attributes->index, sfs_string(words[0]),
                                         sfs_string(words[1]), sfs_buffer_bytes(&value), error);
    sfs_buffer_free(&value);
    return result;
}

static int take_away(struct tool_attributes *attributes, int count, char **words,
                     struct sfs_error *error)
{
    struct sfs_buffer value = {0};
    if (count == 1)
        return sfs_attribute_index_remove_entity(attributes->index, sfs_string(words[0]), error);
    int result = count == 3 ? read_value(words[2], &value, error) : 0;
    if (!result)
        result = sfs_attribute_index_remove(attributes->index, sfs_string(words[0]),
                                            sfs_string(words[1]), sfs_buffer_bytes(&value), error);
    sfs_buffer_free(&value);
    return result;
}

static int list(struct tool_attributes *attributes, int count, char **words,
                struct sfs_error *error)
{
    struct sfs_attribute_set set;
    return print_set(
        count ? sfs_attribute_index_values(attributes->index, sfs_string(words[0]), &set, error)
              : sfs_attribute_index_attributes(attributes->index, &set, error),
        &set);
}

static int statistics(struct tool_attributes *attributes, int count, char **words,
                      struct sfs_error *error)
{
    struct sfs_attribute_statistics all;
    (void)count;
    (void)words;
    int result = sfs_attribute_index_statistics(attributes->index, &all, error);
    if (!result)
        printf("entities\t%" PRIu64 "\nattributes\t%" PRIu64 "\nvalues\t%" PRIu64
               "\npairs\t%" PRIu64 "\npairs per entity\t%.6g\n",
               all.entities, all.attributes, all.values, all.pairs, all.pairs_per_entity);
    return result;
}

/* The word NAME, NAME=VALUE, NAME*=TEXT or NAME^=TEXT; in NAME a backslash keeps the next byte. */
static int read_criterion(const char *word, struct sfs_buffer own[2],
                          struct sfs_attribute_criterion *criterion, struct sfs_error *error)
{
    criterion->test = "exists";
    for (; *word && criterion->test[0] == 'e' && criterion->test[1] == 'x'; word++) {
        bool marked = (*word == '*' || *word == '^') && word[1] == '=';
        if (*word == '=' || marked)
            criterion->test = *word == '=' ? "equals" : *word == '*' ? "contains" : "startsWith";
        else if (sfs_buffer_byte(&own[0], *word == '\\' && word[1] ? *++word : *word))
            return out_of_memory(error);
        word += marked;
    }
    bool is_value = criterion->test[1] == 'q';
    bool is_text = criterion->test[1] != 'x' && !is_value;
    /* Text is given as the string that it is, though it may look like JSON. */
    int result = is_value  ? read_value(word, &own[1], error)
                 : is_text ? tool_json_string(sfs_string(word), &own[1], error)
                           : 0;
    criterion->attribute = sfs_buffer_bytes(&own[0]);
    criterion->value = sfs_buffer_bytes(&own[1]);
    return result;
}

static int find(struct tool_attributes *attributes, int count, char **words,
                struct sfs_error *error)
{
    struct sfs_attribute_set set;
    size_t number = (size_t)count;
    struct sfs_attribute_criterion *criteria = calloc(number, sizeof(*criteria));
    struct sfs_buffer *own = calloc(number * 2, sizeof(*own));
    int result = criteria && own ? 0 : out_of_memory(error);
    for (size_t i = 0; i < number && !result; i++)
        result = read_criterion(words[i], &own[i * 2], &criteria[i], error);
    if (!result)
        result = print_set(sfs_attribute_index_search(attributes->index, criteria, number,
                                                      attributes->any ? "OR" : "AND", &set, error),
                           &set);
    for (size_t i = 0; own && i < number * 2; i++)
        sfs_buffer_free(&own[i]);
    free(own);
    free(criteria);
    return result;
}

/* Its results are those of the layout's name; the index need not be loaded. */
static int convert(struct tool_attributes *attributes, const char *name, struct sfs_error *error)
{
    enum tool_layout layout;
    int result = find_layout(name, &layout, error);
    if (!result && !attributes->store)
        result =
            sfs_fail(error, SFS_E_UNSUPPORTED, "attributes",
                     "only the index in a store has another layout: name the store by its URI");
    if (!result)
        result = sfs_attribute_index_convert(
            attributes->store, attributes->key,
            layout == TOOL_LAYOUT_POSTINGS ? SFS_ATTRIBUTES_POSTINGS : SFS_ATTRIBUTES_DOCUMENT,
            error);
    return result;
}

static const struct verb {
    const char *name;
    int words_min;
    int words_max; /* -1: any number */
    bool changes;
    bool makes; /* makes an index where there is none */
    int (*run)(struct tool_attributes *attributes, int count, char **words,
               struct sfs_error *error);
} verbs[] = {
    {"statistics", 0, 0, false, false, statistics},
    {"build", 0, 1, true, true, tool_attributes_build},
    {"add", 3, 3, true, true, add},
    {"remove", 1, 3, true, false, take_away},
    {"find", 1, -1, false, false, find},
    {"list", 0, 1, false, false, list},
    {"convert", 1, 1, true, false, NULL},
};

static const struct verb *find_verb(const struct tool_call *call)
{
    const char *name = call->count > 1 ? call->words[1] : "statistics";
    int count = call->count > 2 ? call->count - 2 : 0;
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
        if (strcmp(verbs[i].name, name) == 0)
            return count >= verbs[i].words_min &&
                           (verbs[i].words_max < 0 || count <= verbs[i].words_max)
                       ? &verbs[i]
                       : NULL;
    return NULL;
}

static int work(struct tool_attributes *attributes, const struct verb *verb,
                const struct tool_call *call, struct sfs_error *error)
{
    int result;
    if (!verb->run) {
        /* what --layout says does not matter here */
        return convert(attributes, call->words[2], error);
    }
    result = choose_layout(attributes, error);
    if (!result)
        result = load(attributes, !verb->makes, error);
    if (!result)
        result =
            verb->run(attributes, call->count > 2 ? call->count - 2 : 0, call->words + 2, error);
    if (!result && verb->changes)
        result = save(attributes, error);
    return result;
}

static int run(const struct tool_call *call)
{
    struct sfs_error error = {0};
    const char *key = tool_value(call, 'k');
    struct tool_attributes attributes = {.key = sfs_string(key ? key : DEFAULT_KEY),
                                         .any = tool_given(call, 'a')};
    const struct verb *verb = find_verb(call);
    if (!verb) {
        tool_say("usage: storefs attributes %s", call->command->usage);
        return TOOL_USAGE;
    }
    int result = find_layout(tool_value(call, 'l'), &attributes.layout, &error);
    if (!result)
        result = open_place(&attributes, call->words[0],
                            verb->makes     ? SFS_OPEN_CREATE
                            : verb->changes ? 0
                                            : SFS_OPEN_READ_ONLY,
                            &error);
    if (!result)
        result = work(&attributes, verb, call, &error);
    sfs_attribute_index_free(attributes.index);
    sfs_buffer_free(&attributes.path);
    int exit_code = result ? tool_fail(result, &error) : tool_output_end();
    return tool_store_close(attributes.store, exit_code);
}

static const struct tool_option options[] = {
    {'k', "key", "KEY", "the key of the index in the store (attributes)", false},
    {'l', "layout", "LAYOUT", "of an index that is made: document (the default) or postings",
     false},
    {'a', "any", NULL, "find: entities that satisfy any criterion, not all", false},
    {0},
};

const struct tool_command tool_attributes_command = {
    .name = "attributes",
    .usage = "TARGET [statistics | build [FILE | -] | add ENTITY ATTRIBUTE VALUE | "
             "remove ENTITY [ATTRIBUTE [VALUE]] | find CRITERION... | list [ATTRIBUTE] | "
             "convert LAYOUT]",
    .summary = "Keep an index of entities by their attributes, and search it",
    .details = "TARGET is a store's URI, a mount, or a plain file that holds the index "
               "as one\n"
               "JSON document: file:PATH, or a path that ends in .json. A line that build reads is "
               "an entity,\n"
               "{\"id\":…,\"type\":…,\"name\":…,\"metadata\":{…}}. VALUE is JSON, text that is "
               "none is a string,\n"
               "and undefined is another value than null. A CRITERION is ATTRIBUTE (it exists),\n"
               "ATTRIBUTE=VALUE, ATTRIBUTE*=TEXT (contains) or ATTRIBUTE^=TEXT (starts with). "
               "convert gives\n"
               "the index of a store the other layout: one document, or postings that are read and "
               "changed\n"
               "one by one.\n",
    .options = options,
    .words_min = 1,
    .words_max = -1,
    .run = run,
};
