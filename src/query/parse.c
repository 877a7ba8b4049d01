/* SPDX-License-Identifier: MIT */
/* The parser of expressions: recursive descent, one function a level of precedence. */
#include "query/expression.h"

#include <stdlib.h>

#include "query/regex.h"
#include "query/sort_key.h"
#include "util/glob.h"

struct parser {
    struct sfs_reader reader;
    struct sfs_arena *arena;
    unsigned depth;
};

static int parse_or(struct parser *parser, struct sfs_node **ret_node);

static int new_node(struct parser *parser, enum sfs_node_kind kind, struct sfs_node **ret_node)
{
    struct sfs_node *node = sfs_arena_alloc(parser->arena, sizeof(*node));
    if (!node)
        return sfs_reader_memory(&parser->reader);
    node->kind = kind;
    *ret_node = node;
    return 0;
}

/* --- literals --- */

static bool begins_literal(const struct sfs_reader *reader)
{
    char byte = sfs_reader_peek(reader);
    return byte == '"' || byte == '[' || byte == '{' || byte == '-' || (byte >= '0' && byte <= '9');
}

static int parse_literal(struct parser *parser, struct sfs_node *node)
{
    struct sfs_reader *reader = &parser->reader;
    struct sfs_json_problem problem;
    struct sfs_json json;
    const char *symbol = sfs_node_symbol(node->kind);
    size_t expected_at = reader->at;
    sfs_reader_blanks(reader);
    if (sfs_reader_ended(reader))
        return sfs_reader_fail(reader, expected_at, "expected a value after '%s'", symbol);
    if (!sfs_json_scan(reader->text, reader->at, &json, &problem)) {
        if (begins_literal(reader))
            return sfs_reader_fail(reader, problem.offset, "the value is no JSON: %s",
                                   problem.reason);
        return sfs_reader_fail(reader, reader->at,
                               "expected a value after '%s' (texts need double quotes)", symbol);
    }
    struct sfs_buffer compact = {0};
    int result = sfs_json_compact(json, &compact);
    if (result == 0)
        result = sfs_value_from_json(sfs_json_view(sfs_buffer_bytes(&compact)), parser->arena,
                                     &node->value);
    sfs_buffer_free(&compact);
    if (result)
        return sfs_reader_memory(reader);
    reader->at += json.text.size;
    return 0;
}

/* The first offset behind blanks, for pointing at a literal once it was read. */
static size_t next_token(const struct sfs_reader *reader)
{
    struct sfs_reader copy = *reader;
    sfs_reader_blanks(&copy);
    return copy.at;
}

static int compare_bytes(const void *a, const void *b)
{
    return sfs_bytes_compare(*(const struct sfs_bytes *)a, *(const struct sfs_bytes *)b);
}

/* The sort keys of the elements of `in`, in order, so that one is found without looking at all. */
static int index_elements(struct parser *parser, struct sfs_node *node)
{
    size_t count = sfs_json_count(node->value.is.json);
    struct sfs_bytes *elements = sfs_arena_alloc(parser->arena, count * sizeof(*elements));
    struct sfs_json_cursor cursor = sfs_json_begin(node->value.is.json);
    struct sfs_value value = {.kind = SFS_VALUE_JSON};
    struct sfs_buffer key = {0};
    int result = elements ? 0 : SFS_E_NO_MEMORY;
    for (size_t i = 0; result == 0 && sfs_json_next_element(&cursor, &value.is.json); i++) {
        key.size = 0;
        result = sfs_sort_key_add(&value, false, &key);
        if (result == 0)
            result = sfs_arena_copy(parser->arena, sfs_buffer_bytes(&key), &elements[i]);
    }
    sfs_buffer_free(&key);
    if (result)
        return sfs_reader_memory(&parser->reader);
    qsort(elements, count, sizeof(*elements), compare_bytes);
    node->elements = elements;
    node->element_count = count;
    return 0;
}

/* `start` is where the literal's quote is. */
static int compile_regex(struct parser *parser, struct sfs_node *node, size_t start)
{
    struct sfs_reader *reader = &parser->reader;
    char reason[128];
    size_t offset = 0;
    int result =
        sfs_regex_compile(node->value.is.text, parser->arena, &node->pattern, &offset, reason);
    if (result == SFS_E_NO_MEMORY)
        return sfs_reader_memory(reader);
    /* Escapes in the literal would move the place. */
    size_t written = reader->at - start - 2;
    bool exact = written == node->value.is.text.size;
    if (result)
        return sfs_reader_fail(reader, exact ? start + 1 + offset : start,
                               "the regular expression is malformed: %s", reason);
    return 0;
}

static int parse_operand(struct parser *parser, struct sfs_node *node)
{
    size_t start = next_token(&parser->reader);
    const char *reason = NULL;
    int result = parse_literal(parser, node);
    if (result)
        return result;
    if (node->kind == SFS_NODE_IN && sfs_value_type(&node->value) != SFS_JSON_ARRAY)
        return sfs_reader_fail(&parser->reader, start, "'in' takes an array, such as [1, 2]");
    if (node->kind == SFS_NODE_IN)
        return index_elements(parser, node);
    if (node->kind != SFS_NODE_GLOB && node->kind != SFS_NODE_REGEX)
        return 0;
    if (node->value.kind != SFS_VALUE_TEXT)
        return sfs_reader_fail(&parser->reader, start, "'%s' takes a pattern in double quotes",
                               sfs_node_symbol(node->kind));
    if (node->kind == SFS_NODE_REGEX)
        return compile_regex(parser, node, start);
    if (!sfs_glob_check(node->value.is.text, NULL, &reason))
        return sfs_reader_fail(&parser->reader, start, "the pattern is malformed: %s", reason);
    return 0;
}

/* --- tests --- */

/* Longer symbols before those they begin with. */
static const enum sfs_node_kind symbols[] = {
    SFS_NODE_NOT_EQUAL, SFS_NODE_LESS_EQUAL, SFS_NODE_GREATER_EQUAL, SFS_NODE_REGEX,
    SFS_NODE_EQUAL,     SFS_NODE_LESS,       SFS_NODE_GREATER,       SFS_NODE_GLOB,
};
static const enum sfs_node_kind word_operators[] = {SFS_NODE_IN, SFS_NODE_HAS, SFS_NODE_EXISTS};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The operator that is next; TRUE, and nothing taken, where there is none. */
static enum sfs_node_kind take_operator(struct sfs_reader *reader)
{
    for (size_t i = 0; i < COUNT(word_operators); i++) {
        if (sfs_reader_take_word(reader, sfs_node_symbol(word_operators[i])))
            return word_operators[i];
    }
    size_t start = reader->at;
    sfs_reader_blanks(reader);
    for (size_t i = 0; i < COUNT(symbols); i++) {
        if (sfs_reader_take(reader, sfs_node_symbol(symbols[i])))
            return symbols[i];
    }
    reader->at = start;
    return SFS_NODE_TRUE;
}

static int parse_field(struct parser *parser, struct sfs_field *ret_field)
{
    struct sfs_reader *reader = &parser->reader;
    size_t start = reader->at;
    char byte = sfs_reader_peek(reader);
    if (byte != '@' && byte != '"' && !sfs_reader_begins_name(byte))
        return sfs_reader_fail(reader, start, "expected a field%s",
                               byte ? "" : ", but the expression ends");
    int result = sfs_field_read(reader, parser->arena, ret_field);
    if (result)
        return result;
    struct sfs_bytes first = {(const char *)reader->text.data + start, 0};
    while (start + first.size < reader->at &&
           sfs_reader_in_name(((const char *)first.data)[first.size]))
        first.size++;
    if (sfs_field_is_word(first))
        return sfs_reader_fail(reader, start, "expected a field ('%.*s' as a field needs quotes)",
                               (int)first.size, (const char *)first.data);
    return 0;
}

static int parse_test(struct parser *parser, struct sfs_node **ret_node)
{
    struct sfs_reader *reader = &parser->reader;
    struct sfs_node *node = NULL;
    int result = new_node(parser, SFS_NODE_TRUE, &node);
    if (result == 0)
        result = parse_field(parser, &node->field);
    if (result)
        return result;
    size_t at = next_token(reader);
    node->kind = take_operator(reader);
    if (node->kind == SFS_NODE_EQUAL && sfs_reader_peek(reader) == '=')
        return sfs_reader_fail(reader, at, "no operator '==' (it is written =)");
    if (node->kind != SFS_NODE_TRUE && node->kind != SFS_NODE_EXISTS)
        result = parse_operand(parser, node);
    if (result == 0)
        *ret_node = node;
    return result;
}

/* --- levels of precedence --- */

static int parse_group(struct parser *parser, struct sfs_node **ret_node)
{
    int result = parse_or(parser, ret_node);
    if (result)
        return result;
    sfs_reader_blanks(&parser->reader);
    if (!sfs_reader_take(&parser->reader, ")"))
        return sfs_reader_fail(&parser->reader, parser->reader.at, "expected ')'");
    return 0;
}

static int parse_not(struct parser *parser, struct sfs_node **ret_node)
{
    struct sfs_reader *reader = &parser->reader;
    struct sfs_node *node = NULL;
    sfs_reader_blanks(reader);
    size_t start = reader->at;
    bool negated = sfs_reader_take_word(reader, "not");
    if (!negated && !sfs_reader_take(reader, "("))
        return parse_test(parser, ret_node);
    if (++parser->depth > SFS_EXPRESSION_DEPTH)
        return sfs_reader_fail(reader, start, "nested deeper than %d levels", SFS_EXPRESSION_DEPTH);
    int result;
    if (negated) {
        result = new_node(parser, SFS_NODE_NOT, &node);
        if (result == 0)
            result = parse_not(parser, &node->first);
    } else {
        result = parse_group(parser, &node);
    }
    parser->depth--;
    if (result == 0)
        *ret_node = node;
    return result;
}

/* An operand of the same kind gives its own operands, so that a tree has one written form. */
static void append(struct sfs_node *node, struct sfs_node *operand)
{
    struct sfs_node *first = operand->kind == node->kind ? operand->first : operand;
    struct sfs_node *last = operand->kind == node->kind ? operand->last : operand;
    if (node->last)
        node->last->next = first;
    else
        node->first = first;
    node->last = last;
}

typedef int level(struct parser *parser, struct sfs_node **ret_node);

static int parse_chain(struct parser *parser, enum sfs_node_kind kind, level *next,
                       struct sfs_node **ret_node)
{
    struct sfs_node *operand = NULL;
    struct sfs_node *node = NULL;
    int result = next(parser, &operand);
    while (result == 0 && sfs_reader_take_word(&parser->reader, sfs_node_symbol(kind))) {
        if (!node) {
            result = new_node(parser, kind, &node);
            if (result)
                return result;
            append(node, operand);
        }
        result = next(parser, &operand);
        if (result == 0)
            append(node, operand);
    }
    if (result == 0)
        *ret_node = node ? node : operand;
    return result;
}

static int parse_and(struct parser *parser, struct sfs_node **ret_node)
{
    return parse_chain(parser, SFS_NODE_AND, parse_not, ret_node);
}

static int parse_or(struct parser *parser, struct sfs_node **ret_node)
{
    return parse_chain(parser, SFS_NODE_OR, parse_and, ret_node);
}

int sfs_expression_parse(struct sfs_bytes text, struct sfs_arena *arena,
                         const struct sfs_node **ret_node, struct sfs_error *error)
{
    struct parser parser = {.arena = arena};
    struct sfs_node *node = NULL;
    int result = sfs_reader_begin(&parser.reader, "where", text, error);
    if (result == 0)
        result = parse_or(&parser, &node);
    if (result)
        return result;
    sfs_reader_blanks(&parser.reader);
    if (!sfs_reader_ended(&parser.reader))
        return sfs_reader_fail(&parser.reader, parser.reader.at,
                               "expected an operator, 'and', 'or' or the end");
    *ret_node = node;
    return 0;
}
