/* SPDX-License-Identifier: MIT */
/*
 * Random edits of random documents, compared with a naive model: a tree built by parsing, edited, and
 * printed; and the bytes that an edit must have left as they were.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "storefs/document.h"
#include "util/json.h"

#define DEPTH_MAX 6
#define L(text) SFS_LITERAL(text)

static uint64_t seed = UINT64_C(0x9e3779b97f4a7c15);

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static size_t below(size_t limit)
{
    return (size_t)(next_random() % limit);
}

static size_t scaled(size_t count)
{
    const char *scale = getenv("STOREFS_TEST_SCALE");
    return scale && strcmp(scale, "full") == 0 ? count * 20 : count;
}

static void add(struct sfs_buffer *out, const char *text)
{
    assert_int_equal(sfs_buffer_add(out, sfs_string(text)), 0);
}

/* --- random documents --- */

/* Some spell the same name. */
static const char *const names[] = {"\"a\"", "\"\\u0061\"", "\"b\"", "\"\"", "\"c/d\"", "\"\\u0000\"", "\"0\"",
                                    "\"\xc3\xa9\"", "\"\\u00e9\""};
static const char *const scalars[] = {"null", "true", "false", "0", "-1.50e+3", "12345678901234567890",
                                      "\"\"", "\"a,b]}\"", "\"\\\"{[\\\\\"", "\"\\ud83d\\ude00\""};
static const char *const spaces[] = {"", "", "", " ", "\n", "\n  ", "\t", " \r\n "};

#define ONE_OF(array) ((array)[below(sizeof(array) / sizeof((array)[0]))])

static void add_value(struct sfs_buffer *out, int depth)
{
    size_t what = depth < DEPTH_MAX ? below(4) : 0;
    if (what < 2 && depth > 0) {
        add(out, ONE_OF(scalars));
        return;
    }
    bool object = what % 2 == 0;
    size_t count = below(5);
    add(out, object ? "{" : "[");
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            add(out, ",");
        add(out, ONE_OF(spaces));
        if (object) {
            add(out, ONE_OF(names));
            add(out, ONE_OF(spaces));
            add(out, ":");
            add(out, ONE_OF(spaces));
        }
        add_value(out, depth + 1);
        add(out, ONE_OF(spaces));
    }
    if (count == 0)
        add(out, ONE_OF(spaces));
    add(out, object ? "}" : "]");
}

static void random_document(struct sfs_buffer *out)
{
    add(out, ONE_OF(spaces));
    add_value(out, 0);
    add(out, ONE_OF(spaces));
}

/* --- the model --- */

struct node {
    enum sfs_json_type type;
    char *scalar;
    struct node **children;
    char **names; /* decoded, and their lengths */
    size_t *sizes;
    size_t count;
};

static char *copy(struct sfs_bytes bytes)
{
    char *text = calloc(1, bytes.size + 1);
    assert_non_null(text);
    if (bytes.size > 0)
        memcpy(text, bytes.data, bytes.size);
    return text;
}

static void node_free(struct node *node)
{
    if (node == NULL)
        return;
    for (size_t i = 0; i < node->count; i++) {
        node_free(node->children[i]);
        free(node->names[i]);
    }
    free(node->children);
    free(node->names);
    free(node->sizes);
    free(node->scalar);
    free(node);
}

static void insert(struct node *node, size_t at, struct sfs_bytes name, struct node *child)
{
    node->children = reallocarray(node->children, node->count + 1, sizeof(*node->children));
    node->names = reallocarray(node->names, node->count + 1, sizeof(*node->names));
    node->sizes = reallocarray(node->sizes, node->count + 1, sizeof(*node->sizes));
    assert_true(node->children != NULL && node->names != NULL && node->sizes != NULL);
    for (size_t i = node->count; i > at; i--) {
        node->children[i] = node->children[i - 1];
        node->names[i] = node->names[i - 1];
        node->sizes[i] = node->sizes[i - 1];
    }
    node->children[at] = child;
    node->names[at] = copy(name);
    node->sizes[at] = name.size;
    node->count++;
}

static void take_out(struct node *node, size_t at)
{
    node_free(node->children[at]);
    free(node->names[at]);
    node->count--;
    for (size_t i = at; i < node->count; i++) {
        node->children[i] = node->children[i + 1];
        node->names[i] = node->names[i + 1];
        node->sizes[i] = node->sizes[i + 1];
    }
}

static struct node *build(struct sfs_json json)
{
    struct node *node = calloc(1, sizeof(*node));
    assert_non_null(node);
    node->type = json.type;
    struct sfs_json_cursor cursor = sfs_json_begin(json);
    struct sfs_json name, value;
    if (json.type != SFS_JSON_ARRAY && json.type != SFS_JSON_OBJECT)
        node->scalar = copy(json.text);
    while (json.type == SFS_JSON_ARRAY && sfs_json_next_element(&cursor, &value))
        insert(node, node->count, L(""), build(value));
    while (json.type == SFS_JSON_OBJECT && sfs_json_next_member(&cursor, &name, &value)) {
        struct sfs_buffer decoded = {0};
        assert_int_equal(sfs_json_string_decode(name, &decoded), 0);
        insert(node, node->count, sfs_buffer_bytes(&decoded), build(value));
        sfs_buffer_free(&decoded);
    }
    return node;
}

static void print(const struct node *node, struct sfs_buffer *out)
{
    if (node->scalar != NULL) {
        add(out, node->scalar);
        return;
    }
    add(out, node->type == SFS_JSON_OBJECT ? "{" : "[");
    for (size_t i = 0; i < node->count; i++) {
        if (i > 0)
            add(out, ",");
        if (node->type == SFS_JSON_OBJECT) {
            assert_int_equal(sfs_json_string_encode(sfs_bytes(node->names[i], node->sizes[i]), out), 0);
            add(out, ":");
        }
        print(node->children[i], out);
    }
    add(out, node->type == SFS_JSON_OBJECT ? "}" : "]");
}

/* Prints a text as the model prints: names spelled one way. */
static void reprint(struct sfs_bytes text, struct sfs_buffer *out)
{
    struct sfs_json json;
    struct sfs_json_problem problem;
    if (!sfs_json_parse(text, &json, &problem))
        fail_msg("%.*s: %s", (int)text.size, (const char *)text.data, problem.reason);
    struct node *node = build(json);
    print(node, out);
    node_free(node);
}

/* The index of a step, the last of duplicates; count where there is none; SIZE_MAX for no index. */
static size_t position(const struct node *node, struct sfs_bytes step)
{
    size_t found = node->count;
    if (node->type == SFS_JSON_ARRAY) {
        char text[32] = "";
        memcpy(text, step.data, step.size < 31 ? step.size : 31);
        char *end;
        size_t index = strtoul(text, &end, 10);
        return *end != '\0' || step.size == 0 || step.size > 9 ? SIZE_MAX : index;
    }
    for (size_t i = 0; i < node->count; i++)
        if (sfs_bytes_equal(sfs_bytes(node->names[i], node->sizes[i]), step))
            found = i;
    return found;
}

/* --- random paths --- */

struct path {
    struct sfs_bytes steps[DEPTH_MAX + 3];
    char text[DEPTH_MAX + 3][32];
    size_t count;
};

static void add_step(struct path *path, struct sfs_bytes step)
{
    memcpy(path->text[path->count], step.data, step.size);
    path->steps[path->count] = sfs_bytes(path->text[path->count], step.size);
    path->count++;
}

/* A walk down, with a step now and then that leads nowhere. Gives the container of the last step. */
static struct node *random_path(struct node *root, struct path *path)
{
    static const struct sfs_bytes strange[] = {{"a", 1}, {"z", 1}, {"", 0}, {"0", 1}, {"9", 1}, {"\0", 1}};
    struct node *node = root;
    struct node *container = NULL;
    path->count = 0;
    while (node != NULL && path->count <= DEPTH_MAX && (path->count == 0 || below(3) > 0)) {
        char digits[32];
        size_t at = below(node->count + 1);
        container = node;
        if (at == node->count && node->type != SFS_JSON_ARRAY) {
            add_step(path, ONE_OF(strange));
        } else if (node->type == SFS_JSON_ARRAY) {
            snprintf(digits, sizeof(digits), "%zu", at + (below(20) == 0));
            add_step(path, sfs_string(digits));
        } else {
            add_step(path, sfs_bytes(node->names[at], node->sizes[at]));
        }
        at = container->scalar == NULL ? position(container, path->steps[path->count - 1]) : SIZE_MAX;
        node = at < container->count ? container->children[at] : NULL;
    }
    return container;
}

/* --- what stays --- */

static size_t common_start(struct sfs_bytes a, struct sfs_bytes b)
{
    const char *x = a.data, *y = b.data;
    size_t n = 0;
    while (n < a.size && n < b.size && x[n] == y[n])
        n++;
    return n;
}

static size_t common_end(struct sfs_bytes a, struct sfs_bytes b)
{
    const char *x = a.data, *y = b.data;
    size_t n = 0;
    while (n < a.size && n < b.size && x[a.size - 1 - n] == y[b.size - 1 - n])
        n++;
    return n;
}

/* `small` is `large` without one run of bytes. */
static void assert_run(struct sfs_bytes small, struct sfs_bytes large)
{
    if (common_start(small, large) + common_end(small, large) < small.size)
        fail_msg("more than one run changed:\n%.*s\n%.*s", (int)small.size, (const char *)small.data,
                 (int)large.size, (const char *)large.data);
}

static void assert_same_text(const struct node *wanted, struct sfs_bytes got)
{
    struct sfs_buffer left = {0}, right = {0};
    print(wanted, &left);
    reprint(got, &right);
    if (!sfs_bytes_equal(sfs_buffer_bytes(&left), sfs_buffer_bytes(&right)))
        fail_msg("got %.*s\nwanted %.*s", (int)right.size, right.data, (int)left.size, left.data);
    sfs_buffer_free(&left);
    sfs_buffer_free(&right);
}

/* --- the edits --- */

struct round {
    struct sfs_bytes text;
    struct node *root;
    struct path path;
    struct sfs_document_path given;
    struct node *container; /* of the last step; NULL: the path leads nowhere before that */
    size_t at;
    struct sfs_buffer out;
};

/* What the path should give: 0 where it is there, NOT_FOUND where it could be made, else refused. */
static bool reaches(struct round *round)
{
    struct node *node = round->root;
    for (size_t i = 0; i + 1 < round->path.count; i++) {
        size_t at = node->scalar != NULL ? SIZE_MAX : position(node, round->path.steps[i]);
        if (at >= node->count)
            return false;
        node = node->children[at];
    }
    round->container = node;
    round->at = node->scalar != NULL ? SIZE_MAX : position(node, round->path.steps[round->path.count - 1]);
    return round->at != SIZE_MAX;
}

static void try_set(struct round *round)
{
    struct sfs_buffer json = {0};
    struct sfs_bytes value;
    struct sfs_error error;
    bool insert_before = below(4) == 0;
    add_value(&json, 4);
    bool can = reaches(round);
    bool array = can && round->container->type == SFS_JSON_ARRAY;
    bool there = can && round->at < round->container->count;
    if (can && array)
        can = round->at <= round->container->count;
    if (can && !array && insert_before)
        can = !there;
    int code = sfs_document_text_set(round->text, round->given, sfs_buffer_bytes(&json),
                                     insert_before ? SFS_DOCUMENT_INSERT : 0, &round->out, &error);
    assert_int_equal(code == 0, can);
    if (code == 0) {
        struct sfs_bytes result = sfs_buffer_bytes(&round->out);
        struct sfs_json parsed;
        assert_true(sfs_json_parse(sfs_buffer_bytes(&json), &parsed, NULL));
        bool was_empty = round->container->count == 0;
        if (there && !insert_before) {
            node_free(round->container->children[round->at]);
            round->container->children[round->at] = build(parsed);
        } else {
            insert(round->container, round->at, round->path.steps[round->path.count - 1], build(parsed));
        }
        assert_same_text(round->root, result);
        assert_int_equal(sfs_document_text_get(result, round->given, &value, NULL), 0);
        assert_true(sfs_bytes_equal(value, parsed.text));
        if (!there || insert_before)
            assert_true(was_empty || common_start(round->text, result) + common_end(round->text, result) >=
                                         round->text.size);
    }
    sfs_buffer_free(&json);
}

/* The value of a member that is there, exchanged for another and back: the same bytes again. */
static void try_replace(struct round *round)
{
    struct sfs_bytes old, middle;
    struct sfs_buffer back = {0};
    if (sfs_document_text_get(round->text, round->given, &old, NULL))
        return;
    assert_int_equal(sfs_document_text_set(round->text, round->given, L("\"#\""), 0, &round->out, NULL), 0);
    middle = sfs_buffer_bytes(&round->out);
    size_t start = (size_t)((const char *)old.data - (const char *)round->text.data);
    assert_int_equal(middle.size, round->text.size - old.size + 3);
    assert_memory_equal(middle.data, round->text.data, start);
    assert_memory_equal((const char *)middle.data + start + 3, (const char *)old.data + old.size,
                        round->text.size - start - old.size);
    assert_int_equal(sfs_document_text_set(middle, round->given, old, 0, &back, NULL), 0);
    assert_true(sfs_bytes_equal(sfs_buffer_bytes(&back), round->text));
    sfs_buffer_free(&back);
}

static void take_out_all(struct node *container, struct sfs_bytes step, size_t at)
{
    if (container->type == SFS_JSON_ARRAY)
        take_out(container, at);
    for (; container->type == SFS_JSON_OBJECT; take_out(container, at))
        if ((at = position(container, step)) == container->count)
            break;
}

static void try_remove(struct round *round)
{
    bool can = reaches(round) && round->at < round->container->count;
    int code = sfs_document_text_remove(round->text, round->given, 0, &round->out, NULL);
    assert_int_equal(code == 0, can);
    if (code)
        return;
    struct sfs_bytes step = round->path.steps[round->path.count - 1];
    size_t removed = round->container->count;
    take_out_all(round->container, step, round->at);
    removed -= round->container->count;
    struct sfs_bytes result = sfs_buffer_bytes(&round->out);
    assert_same_text(round->root, result);
    if (removed == 1)
        assert_run(result, round->text);
    assert_int_not_equal(sfs_document_text_get(result, round->given, &step, NULL) == 0,
                         round->container->type != SFS_JSON_ARRAY || round->at >= round->container->count);
}

/* A member that has another name in its own object keeps its place there. */
static bool is_rename(const struct node *source, size_t at, const struct round *target)
{
    size_t named = 0;
    struct sfs_bytes name = sfs_bytes(source->names[at], source->sizes[at]);
    for (size_t i = 0; i < source->count; i++)
        named += sfs_bytes_equal(sfs_bytes(source->names[i], source->sizes[i]), name);
    return source == target->container && source->type == SFS_JSON_OBJECT && named == 1 &&
           target->at == source->count;
}

static void move_in_model(struct round *round, const struct path *to, struct sfs_bytes value)
{
    struct sfs_json parsed;
    struct round target = {.root = round->root, .path = *to};
    struct node *source;
    bool same = round->path.count == to->count;
    for (size_t i = 0; same && i < to->count; i++)
        same = sfs_bytes_equal(round->path.steps[i], sfs_bytes(to->text[i], to->steps[i].size));
    if (same)
        return;
    for (size_t i = 0; i < to->count; i++)
        target.path.steps[i].data = target.path.text[i];
    assert_true(reaches(round));
    source = round->container;
    assert_true(sfs_json_parse(value, &parsed, NULL));
    assert_true(reaches(&target));
    if (is_rename(source, round->at, &target)) {
        insert(source, round->at, target.path.steps[to->count - 1], build(parsed));
        take_out(source, round->at + 1);
        return;
    }
    if (target.at < target.container->count) {
        node_free(target.container->children[target.at]);
        target.container->children[target.at] = build(parsed);
    } else {
        insert(target.container, target.at, target.path.steps[to->count - 1], build(parsed));
    }
    take_out_all(source, round->path.steps[round->path.count - 1], round->at);
}

/* After a move the value is at its new place with the same bytes, and nowhere else. */
static void try_move(struct round *round)
{
    struct path to;
    struct sfs_bytes value, moved;
    random_path(round->root, &to);
    struct sfs_document_path target = {to.steps, to.count};
    bool there = sfs_document_text_get(round->text, round->given, &value, NULL) == 0;
    int code = sfs_document_text_move(round->text, round->given, target, 0, &round->out, NULL);
    if (code)
        return;
    assert_true(there);
    struct sfs_bytes result = sfs_buffer_bytes(&round->out);
    assert_int_equal(sfs_document_text_get(result, target, &moved, NULL), 0);
    assert_true(sfs_bytes_equal(moved, value));
    move_in_model(round, &to, value);
    assert_same_text(round->root, result);
}

static void test_random(void **state)
{
    size_t rounds = scaled(20000);
    void (*const tries[])(struct round *) = {try_set, try_replace, try_remove, try_move};
    (void)state;
    for (size_t i = 0; i < rounds; i++) {
        struct sfs_buffer text = {0};
        struct round round = {0};
        struct sfs_json json;
        random_document(&text);
        round.text = sfs_buffer_bytes(&text);
        assert_true(sfs_json_parse(round.text, &json, NULL));
        round.root = build(json);
        random_path(round.root, &round.path);
        round.given = (struct sfs_document_path){round.path.steps, round.path.count};
        tries[i % 4](&round);
        node_free(round.root);
        sfs_buffer_free(&round.out);
        sfs_buffer_free(&text);
    }
}

/* One document through many edits: the model is not made anew, so that nothing gets lost on the way. */
static void test_long(void **state)
{
    struct sfs_buffer text = {0};
    struct sfs_json json;
    (void)state;
    add(&text, "{ \"a\": [ ], \"b\": { } }");
    assert_true(sfs_json_parse(sfs_buffer_bytes(&text), &json, NULL));
    struct node *root = build(json);
    for (size_t i = 0; i < scaled(2000); i++) {
        struct round round = {.text = sfs_buffer_bytes(&text), .root = root};
        random_path(root, &round.path);
        round.given = (struct sfs_document_path){round.path.steps, round.path.count};
        if (i % 3 == 2)
            try_remove(&round);
        else
            try_set(&round);
        if (round.out.size > 0) {
            sfs_buffer_free(&text);
            text = round.out;
        } else {
            sfs_buffer_free(&round.out);
        }
    }
    assert_same_text(root, sfs_buffer_bytes(&text));
    node_free(root);
    sfs_buffer_free(&text);
}

/* The reader finds what a walk through the text finds. */
static void test_reader(void **state)
{
    (void)state;
    for (size_t i = 0; i < scaled(2000); i++) {
        struct sfs_buffer text = {0};
        struct sfs_json json;
        struct path path;
        struct sfs_document *document;
        struct sfs_bytes left, right;
        if (i % 10 == 0) { /* large enough for tables */
            add(&text, "[");
            for (int j = 0; j < 60; j++) {
                add_value(&text, 1);
                add(&text, ",");
            }
            add(&text, "0]");
        } else {
            random_document(&text);
        }
        struct sfs_blob *blob = sfs_blob_new(sfs_buffer_bytes(&text));
        assert_int_equal(sfs_document_open(blob, &document, NULL), 0);
        struct sfs_bytes own = sfs_blob_bytes(blob);
        assert_true(sfs_json_parse(own, &json, NULL));
        struct node *root = build(json);
        for (int j = 0; j < 10; j++) {
            random_path(root, &path);
            struct sfs_document_path given = {path.steps, path.count};
            int code = sfs_document_text_get(own, given, &left, NULL);
            assert_int_equal(sfs_document_find(document, given, &right, NULL), code);
            assert_true(code != 0 || left.data == right.data);
        }
        node_free(root);
        sfs_document_unref(document);
        sfs_blob_unref(blob);
        sfs_buffer_free(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_reader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
