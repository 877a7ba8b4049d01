/* SPDX-License-Identifier: MIT */
/*
 * Plays a script of operations on an attribute index and prints a line for each, as play.mjs does
 * with the reference in JavaScript.
 *
 * Usage: play file|document|postings DIRECTORY [URI] < SCRIPT
 *   file: plain files in DIRECTORY; document, postings: keys of the store, whose saved documents
 * are copied to DIRECTORY, where the reference saves its own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "storefs/attribute_index.h"
#include "util/file.h"
#include "util/js_value.h"

static const char *directory;
static struct sfs_storage *store;
static struct sfs_attribute_index *attributes;
static bool postings;

static void check(int code, const struct sfs_error *error)
{
    if (code == 0)
        return;
    fprintf(stderr, "play: %s\n", error->message);
    exit(1);
}

/* 2026-01-31T09:00:00.123Z */
static int64_t now(void *context)
{
    (void)context;
    return INT64_C(1769850000123456789);
}

static void open_index(void)
{
    struct sfs_error error;
    const struct sfs_attribute_options options = {
        .layout = postings ? SFS_ATTRIBUTES_POSTINGS : SFS_ATTRIBUTES_DOCUMENT,
        .key = SFS_LITERAL("index"),
        .now = now,
    };
    check(sfs_attribute_index_new(&attributes, store, &options, &error), &error);
}

/* A string member of an operation, decoded; {0} where there is none. */
static struct sfs_buffer text_of(struct sfs_json op, const char *name)
{
    struct sfs_json value;
    struct sfs_buffer text = {0};
    if (sfs_json_member(op, sfs_string(name), &value))
        check(sfs_json_string_decode(value, &text), &(struct sfs_error){.message = "decode"});
    return text;
}

static struct sfs_buffer path_of(struct sfs_buffer *name)
{
    struct sfs_buffer path = {0};
    int code = sfs_buffer_printf(&path, "%s/%.*s", directory, (int)name->size, name->data);
    check(code ? code : sfs_buffer_text(&path), &(struct sfs_error){.message = "path"});
    return path;
}

static int print_set(int code, struct sfs_attribute_set *set)
{
    struct sfs_buffer out = {0};
    if (code)
        return code;
    for (size_t i = 0; i < set->count; i++)
        check(sfs_buffer_byte(&out, i ? ',' : '[') || sfs_json_string_encode(set->items[i], &out),
              &(struct sfs_error){.message = "encode"});
    printf("%s%.*s]\n", set->count ? "" : "[", (int)out.size, out.data ? out.data : "");
    sfs_buffer_free(&out);
    sfs_attribute_set_free(set);
    return 1;
}

/* --- documents, beside those of the reference --- */

static int save(struct sfs_buffer *name, struct sfs_error *error)
{
    struct sfs_buffer path = path_of(name), value = {0};
    int code = sfs_attribute_index_save(
        attributes, store ? sfs_buffer_bytes(name) : sfs_buffer_bytes(&path), error);
    if (!code && store)
        code = sfs_get_value(store, sfs_buffer_bytes(name), &value, error);
    if (!code && store)
        code = sfs_file_replace(path.data, sfs_buffer_bytes(&value), error);
    sfs_buffer_free(&path);
    sfs_buffer_free(&value);
    return code;
}

static int load(struct sfs_buffer *name, struct sfs_error *error)
{
    struct sfs_buffer path = path_of(name);
    int code = sfs_attribute_index_load(
        attributes, store ? sfs_buffer_bytes(name) : sfs_buffer_bytes(&path), error);
    sfs_buffer_free(&path);
    return code;
}

static int write_text(struct sfs_buffer *name, struct sfs_buffer *text, struct sfs_error *error)
{
    struct sfs_buffer path = path_of(name);
    struct sfs_buffer raw = {0};
    int code = sfs_buffer_add(&raw, sfs_buffer_bytes(text));
    if (!code)
        code = store ? sfs_set(store, sfs_buffer_bytes(name), sfs_buffer_bytes(&raw), error)
                     : sfs_file_replace(path.data, sfs_buffer_bytes(&raw), error);
    if (!code && store)
        code = sfs_file_replace(path.data, sfs_buffer_bytes(&raw), error);
    sfs_buffer_free(&path);
    sfs_buffer_free(&raw);
    return code;
}

/* To a document and back. */
static int convert(struct sfs_error *error)
{
    struct sfs_buffer name = {0};
    check(sfs_buffer_printf(&name, "converted"), &(struct sfs_error){.message = "name"});
    int code = 0;
    if (postings) {
        sfs_attribute_index_free(attributes);
        attributes = NULL;
        code = sfs_attribute_index_convert(store, SFS_LITERAL("index"), SFS_ATTRIBUTES_DOCUMENT,
                                           error);
        if (!code)
            code = sfs_attribute_index_convert(store, SFS_LITERAL("index"), SFS_ATTRIBUTES_POSTINGS,
                                               error);
        open_index();
    } else {
        code = save(&name, error);
        if (!code)
            code = load(&name, error);
    }
    sfs_buffer_free(&name);
    return code == SFS_E_NOT_FOUND ? 0 : code; /* nothing was ever added */
}

/* --- operations --- */

struct operation {
    struct sfs_json json;
    struct sfs_buffer entity, attribute, value, name, text, combinator;
    struct sfs_error error;
};

static int search(struct operation *op)
{
    struct sfs_attribute_criterion criteria[8] = {0};
    struct sfs_buffer texts[24] = {0};
    struct sfs_attribute_set set;
    struct sfs_json list = {0}, item;
    size_t count = 0;
    sfs_json_member(op->json, SFS_LITERAL("criteria"), &list);
    struct sfs_json_cursor cursor = sfs_json_begin(list);
    for (; count < 8 && sfs_json_next_element(&cursor, &item); count++) {
        struct sfs_buffer *own = &texts[count * 3];
        struct sfs_json unused;
        own[0] = text_of(item, "attribute");
        own[1] = text_of(item, "json");
        own[2] = text_of(item, "operator");
        check(sfs_buffer_text(&own[2]), &(struct sfs_error){.message = "text"});
        bool named = sfs_json_member(item, SFS_LITERAL("operator"), &unused);
        criteria[count] = (struct sfs_attribute_criterion){
            sfs_buffer_bytes(&own[0]), sfs_buffer_bytes(&own[1]), named ? own[2].data : NULL};
    }
    check(sfs_buffer_text(&op->combinator), &(struct sfs_error){.message = "text"});
    int code = print_set(sfs_attribute_index_search(attributes, criteria, count,
                                                    op->combinator.data, &set, &op->error),
                         &set);
    for (size_t i = 0; i < 24; i++)
        sfs_buffer_free(&texts[i]);
    return code;
}

static int entities(struct operation *op)
{
    uint64_t count = 0;
    int code =
        sfs_attribute_index_entities(attributes, sfs_buffer_bytes(&op->value), &count, &op->error);
    if (!code)
        printf("%llu\n", (unsigned long long)count);
    return code ? code : 1;
}

static int statistics(struct operation *op)
{
    struct sfs_attribute_statistics all;
    char average[SFS_JS_NUMBER_MAX];
    int code = sfs_attribute_index_statistics(attributes, &all, &op->error);
    if (code)
        return code;
    size_t size = sfs_js_double(all.pairs_per_entity, average);
    printf("[%llu,%llu,%llu,%llu,%.*s]\n", (unsigned long long)all.entities,
           (unsigned long long)all.attributes, (unsigned long long)all.values,
           (unsigned long long)all.pairs, (int)size, average);
    return 1;
}

/* 0: done, 1: its result was printed, or an error. */
static int play(const char *kind, struct operation *op)
{
    struct sfs_attribute_set set;
    struct sfs_error *error = &op->error;
    struct sfs_bytes entity = sfs_buffer_bytes(&op->entity);
    struct sfs_bytes attribute = sfs_buffer_bytes(&op->attribute);
    struct sfs_bytes value = sfs_buffer_bytes(&op->value);
    if (strcmp(kind, "add") == 0)
        return sfs_attribute_index_add(attributes, entity, attribute, value, error);
    if (strcmp(kind, "remove") == 0)
        return sfs_attribute_index_remove(attributes, entity, attribute, value, error);
    if (strcmp(kind, "removeEntity") == 0)
        return sfs_attribute_index_remove_entity(attributes, entity, error);
    if (strcmp(kind, "find") == 0)
        return print_set(sfs_attribute_index_find(attributes, attribute, value, &set, error), &set);
    if (strcmp(kind, "attributes") == 0)
        return print_set(sfs_attribute_index_attributes(attributes, &set, error), &set);
    if (strcmp(kind, "values") == 0)
        return print_set(sfs_attribute_index_values(attributes, attribute, &set, error), &set);
    if (strcmp(kind, "search") == 0)
        return search(op);
    if (strcmp(kind, "entities") == 0)
        return entities(op);
    if (strcmp(kind, "statistics") == 0)
        return statistics(op);
    if (strcmp(kind, "save") == 0)
        return save(&op->name, error);
    if (strcmp(kind, "load") == 0)
        return load(&op->name, error);
    if (strcmp(kind, "text") == 0)
        return write_text(&op->name, &op->text, error);
    if (strcmp(kind, "convert") == 0)
        return convert(error);
    fprintf(stderr, "play: no operation '%s'\n", kind);
    exit(1);
}

static void play_line(const char *line, size_t size)
{
    struct operation op = {.json = sfs_json_view(sfs_bytes(line, size))};
    struct sfs_buffer kind = text_of(op.json, "op");
    op.entity = text_of(op.json, "entity");
    op.attribute = text_of(op.json, "attribute");
    op.value = text_of(op.json, "json");
    op.name = text_of(op.json, "name");
    op.text = text_of(op.json, "text");
    op.combinator = text_of(op.json, "combinator");
    check(sfs_buffer_text(&kind), &(struct sfs_error){.message = "text"});
    int code = play(kind.data, &op);
    if (code == 0)
        puts("done");
    if (code < 0)
        puts(sfs_code_name(code) + strlen("SFS_E_"));
    struct sfs_buffer *all[] = {&kind,    &op.entity, &op.attribute, &op.value,
                                &op.name, &op.text,   &op.combinator};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        sfs_buffer_free(all[i]);
}

int main(int argc, char **argv)
{
    struct sfs_error error;
    char *line = NULL;
    size_t capacity = 0;
    ssize_t size;
    if (argc < 3)
        return 2;
    directory = argv[2];
    postings = strcmp(argv[1], "postings") == 0;
    if (argc > 3)
        check(sfs_open(&store, argv[3], SFS_OPEN_CREATE, &error), &error);
    open_index();
    while ((size = getline(&line, &capacity, stdin)) > 1)
        play_line(line, (size_t)size - 1);
    free(line);
    sfs_attribute_index_free(attributes);
    check(sfs_close(store, &error), &error);
    return 0;
}
