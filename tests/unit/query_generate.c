/* SPDX-License-Identifier: MIT */
/* Random documents, expressions and stages for the reference, and the texts that the library gets.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "query_model.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static uint64_t random_state;

void generate_seed(uint64_t seed)
{
    random_state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

uint64_t generate_below(uint64_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (random_state >> 11) % limit;
}

static bool chance(unsigned percent)
{
    return generate_below(100) < percent;
}

static void must(int result)
{
    if (result)
        abort();
}

static void put(struct sfs_buffer *out, const char *text)
{
    must(sfs_buffer_add(out, sfs_string(text)));
}

static void put_blanks(struct sfs_buffer *out)
{
    static const char *const blanks[] = {"", "", "", " ", "\n", "\t ", " \r\n"};
    put(out, blanks[generate_below(COUNT(blanks))]);
}

static struct sfs_bytes keep(struct sfs_buffer *buffer)
{
    char *data = model_alloc(buffer->size + 1);
    if (buffer->size > 0)
        memcpy(data, buffer->data, buffer->size);
    struct sfs_bytes bytes = {data, buffer->size};
    sfs_buffer_free(buffer);
    return bytes;
}

/* --- values --- */

static struct sfs_bytes random_string(void)
{
    static const struct sfs_bytes strings[] = {
        {"", 0},
        {"a", 1},
        {"ab", 2},
        {"b", 1},
        {"Jo", 2},
        {"x y", 3},
        {"\xc3\xa9", 2},
        {"\xf0\x9f\x98\x80", 4},
        {"\xef\xbf\xbd", 3},
        {"\n", 1},
        {"\"", 1},
        {"\\", 1},
        {"5", 1},
        {"true", 4},
        {"[1]", 3},
        {"a\0b", 3},
        {"%", 1},
        {"a/b", 3},
        {"\xed\xa0\x80", 3},
        {"json", 4},
        {"-", 1},
        {"%2F", 3},
        {"e\xcc\x81", 3},
        {"\"5\"", 3},
    };
    return strings[generate_below(COUNT(strings))];
}

static struct sfs_bytes random_name(void)
{
    static const struct sfs_bytes names[] = {
        {"a", 1},        {"b", 1}, {"c", 1},   {"n", 1},
        {"odd name", 8}, {"", 0},  {"and", 3}, {"\xc3\xa9", 2},
    };
    return names[generate_below(chance(70) ? 4 : COUNT(names))];
}

static model_number random_number(void)
{
    static const int64_t odd[] = {
        INT64_C(9007199254740992), INT64_C(9007199254740993), INT64_MAX, INT64_MIN, 1000000,
    };
    if (chance(70))
        return (model_number)((int64_t)generate_below(12) - 3) * 100;
    if (chance(50))
        return (int64_t)generate_below(800) - 300;
    model_number number = (model_number)odd[generate_below(COUNT(odd))];
    return (number + (int64_t)generate_below(3) - 1) * 100;
}

static bool has_name(const struct model_value *object, struct sfs_bytes name)
{
    for (size_t i = 0; i < object->count; i++) {
        if (sfs_bytes_equal(object->names[i], name))
            return true;
    }
    return false;
}

static struct model_value *random_value(unsigned depth);

static void fill(struct model_value *value, unsigned depth)
{
    size_t count = generate_below(value->type == M_OBJECT ? 9 : 4);
    value->items = model_alloc((count + 1) * sizeof(*value->items));
    value->names = model_alloc((count + 1) * sizeof(*value->names));
    for (size_t i = 0; i < count; i++) {
        struct sfs_bytes name = random_name();
        if (value->type == M_OBJECT && has_name(value, name))
            continue;
        value->names[value->count] = name;
        value->items[value->count++] = random_value(depth - 1);
    }
}

static struct model_value *random_value(unsigned depth)
{
    struct model_value *value = model_alloc(sizeof(*value));
    static const enum model_type types[] = {M_NULL,   M_FALSE,  M_TRUE,   M_NUMBER, M_NUMBER,
                                            M_NUMBER, M_STRING, M_STRING, M_ARRAY,  M_OBJECT};
    value->type = types[generate_below(depth ? COUNT(types) : COUNT(types) - 2)];
    value->hundredths = random_number();
    value->string = random_string();
    if (value->type == M_ARRAY || value->type == M_OBJECT)
        fill(value, depth);
    return value;
}

/* --- values as JSON text --- */

static void write_digits(struct sfs_buffer *out, model_number number)
{
    char digits[48];
    size_t at = sizeof(digits);
    bool negative = number < 0;
    __extension__ unsigned __int128 rest =
        negative ? -(unsigned __int128)number : (unsigned __int128)number;
    do {
        digits[--at] = (char)('0' + (int)(rest % 10));
        rest /= 10;
    } while (rest > 0);
    if (negative)
        digits[--at] = '-';
    must(sfs_buffer_append(out, digits + at, sizeof(digits) - at));
}

static void write_number(struct sfs_buffer *out, model_number hundredths)
{
    static const char *const whole_ends[] = {"", "", "", ".0", ".000", "e0", "E+00"};
    static const char *const ends[] = {"e-2", "E-02", ".0e-2"};
    if (hundredths % 100 == 0 && chance(80)) {
        if (hundredths == 0 && chance(20))
            put(out, "-");
        write_digits(out, hundredths / 100);
        put(out, whole_ends[generate_below(COUNT(whole_ends))]);
        return;
    }
    write_digits(out, hundredths);
    put(out, ends[generate_below(COUNT(ends))]);
}

/* The character at `at` of well-formed WTF-8, and its length. */
static uint32_t character_at(struct sfs_bytes text, size_t at, size_t *ret_length)
{
    const unsigned char *data = (const unsigned char *)text.data + at;
    size_t length = data[0] < 0x80 ? 1 : data[0] < 0xe0 ? 2 : data[0] < 0xf0 ? 3 : 4;
    uint32_t point = length == 1 ? data[0] : data[0] & (0xffU >> (length + 1));
    for (size_t i = 1; i < length; i++)
        point = point << 6 | (data[i] & 0x3f);
    *ret_length = length;
    return point;
}

static void write_escape(struct sfs_buffer *out, uint32_t point)
{
    if (point >= 0x10000) {
        must(sfs_buffer_printf(out, "\\u%04x", 0xd800 + ((point - 0x10000) >> 10)));
        point = 0xdc00 + ((point - 0x10000) & 0x3ff);
    }
    must(sfs_buffer_printf(out, chance(50) ? "\\u%04x" : "\\u%04X", point));
}

static void write_string(struct sfs_buffer *out, struct sfs_bytes text)
{
    put(out, "\"");
    for (size_t at = 0, length = 0; at < text.size; at += length) {
        uint32_t point = character_at(text, at, &length);
        bool needed =
            point < 0x20 || point == '"' || point == '\\' || (point >= 0xd800 && point < 0xe000);
        if (needed || chance(10))
            write_escape(out, point);
        else
            must(sfs_buffer_append(out, (const char *)text.data + at, length));
    }
    put(out, "\"");
}

void write_value(struct sfs_buffer *out, const struct model_value *value)
{
    static const char *const words[] = {"null", "false", "true"};
    if (value->type == M_NUMBER) {
        write_number(out, value->hundredths);
        return;
    }
    if (value->type == M_STRING) {
        write_string(out, value->string);
        return;
    }
    if (value->type < M_NUMBER) {
        put(out, words[value->type]);
        return;
    }
    bool object = value->type == M_OBJECT;
    put(out, object ? "{" : "[");
    if (object && value->count > 0 && chance(10)) {
        write_string(out, value->names[0]); /* a duplicate, which does not count */
        put(out, ":[\"old\"],");
    }
    for (size_t i = 0; i < value->count; i++) {
        put(out, i ? "," : "");
        put_blanks(out);
        if (object) {
            write_string(out, value->names[i]);
            put(out, ":");
        }
        write_value(out, value->items[i]);
    }
    put(out, object ? "}" : "]");
}

/* --- records --- */

static void generate_key(struct model_record *record, size_t number)
{
    static const char *const prefixes[] = {"k", "user/", "\xff\xfe", "\xc3\xa9", "a b%", "K"};
    struct sfs_buffer key = {0};
    must(sfs_buffer_printf(&key, "%s%zu", prefixes[generate_below(COUNT(prefixes))], number));
    record->key = keep(&key);
}

static void generate_content(struct model_record *record)
{
    static const struct {
        struct sfs_bytes bytes;
        const char *type;
    } others[] = {
        {{"", 0}, "text"},         {{"not json", 8}, "text"},
        {{"{\"a\":1", 6}, "text"}, {{"\xff\0\x01", 3}, "bytes"},
        {{"012", 3}, "text"},
    };
    size_t other = generate_below(COUNT(others));
    struct sfs_buffer text = {0};
    if (chance(12)) {
        record->bytes = others[other].bytes;
        record->type = others[other].type;
        return;
    }
    record->value = random_value(3);
    if (record->value->type != M_OBJECT && chance(80)) {
        record->value = model_alloc(sizeof(*record->value));
        record->value->type = M_OBJECT;
        fill(record->value, 3);
    }
    put_blanks(&text);
    write_value(&text, record->value);
    put_blanks(&text);
    record->bytes = keep(&text);
    record->type = "json";
}

void generate_record(struct model_record *record, size_t number)
{
    *record = (struct model_record){0};
    generate_key(record, number);
    generate_content(record);
    record->created = (int64_t)generate_below(5);
    record->updated = (int64_t)generate_below(5) - 2;
}

/* --- fields and expressions --- */

static bool without_size;

void generate_without_size(bool without)
{
    without_size = without;
}

static void random_field(struct model_field *field)
{
    *field = (struct model_field){0};
    if (chance(35)) {
        field->property = (enum model_property)(1 + generate_below(6));
        if (field->property != P_SIZE || !without_size)
            return;
        field->property = P_NONE;
    }
    do {
        field->steps[field->count].is_index = field->count > 0 && chance(40);
        field->steps[field->count].index = generate_below(3);
        field->steps[field->count].name = random_name();
        field->count++;
    } while (field->count < COUNT(field->steps) && chance(30));
}

static bool is_utf8_key(const struct model_record *record)
{
    return ((const unsigned char *)record->key.data)[0] != 0xff;
}

/* A literal that has a chance to be what the field is: often what it is in one record. */
static struct model_value *random_literal(const struct model_field *field,
                                          const struct model_record *record)
{
    struct model_value *value = chance(70) ? model_find(record, field) : NULL;
    if (!value || (field->property == P_KEY && !is_utf8_key(record)))
        return random_value(2);
    return value;
}

static struct model_expression *random_test(const struct model_record *record)
{
    struct model_expression *test = model_alloc(sizeof(*test));
    static const char *const globs[] = {"*", "a*", "*b", "*o*", "k1*", "*\xc3\xa9*", "*0"};
    test->kind = (enum model_kind)(E_TRUE + generate_below(E_REGEX - E_TRUE + 1));
    if (chance(30))
        test->kind = (enum model_kind)(E_EQ + generate_below(6));
    random_field(&test->field);
    test->literal = random_literal(&test->field, record);
    /* Of a pattern that has nothing in it, no more than of a glob can be said of bytes that are no
     * text. */
    bool regex = test->kind == E_REGEX;
    test->glob = sfs_string(globs[regex + generate_below(COUNT(globs) - regex)]);
    while (test->kind == E_IN && test->literal->type != M_ARRAY)
        test->literal = random_value(2);
    return test;
}

static struct model_expression *random_expression(unsigned depth, const struct model_record *record)
{
    if (depth == 0 || chance(40))
        return random_test(record);
    struct model_expression *node = model_alloc(sizeof(*node));
    node->kind = (enum model_kind)(E_OR + generate_below(3));
    node->left = random_expression(depth - 1, record);
    if (node->kind != E_NOT)
        node->right = random_expression(depth - 1, record);
    return node;
}

static struct model_expression *negated(struct model_expression *expression)
{
    struct model_expression *node = model_alloc(sizeof(*node));
    node->kind = E_NOT;
    node->left = expression;
    return node;
}

/* --- as text --- */

static bool is_plain(struct sfs_bytes name)
{
    return name.size > 0 && !sfs_bytes_equal(name, SFS_LITERAL("and")) &&
           !memchr(name.data, ' ', name.size);
}

static void write_field(struct sfs_buffer *out, const struct model_field *field)
{
    static const char *const names[] = {"",         "@key",     "@size", "@type",
                                        "@created", "@updated", "@count"};
    put(out, names[field->property]);
    for (size_t i = 0; field->property == P_NONE && i < field->count; i++) {
        if (field->steps[i].is_index) {
            must(sfs_buffer_printf(out, "[%zu]", field->steps[i].index));
            continue;
        }
        put(out, i ? "." : "");
        if (is_plain(field->steps[i].name) && chance(80))
            must(sfs_buffer_add(out, field->steps[i].name));
        else
            write_string(out, field->steps[i].name);
    }
}

/* The pattern that says what the glob says. */
static void write_regex(struct sfs_buffer *out, const struct model_expression *test)
{
    const char *glob = test->glob.data;
    bool open_start = glob[0] == '*';
    bool open_end = glob[test->glob.size - 1] == '*';
    struct sfs_buffer pattern = {0};
    put(&pattern, open_start ? "" : "^");
    must(sfs_buffer_append(&pattern, glob + open_start, test->glob.size - open_start - open_end));
    put(&pattern, open_end ? "" : "\\z");
    write_field(out, &test->field);
    put(out, " =~ ");
    write_string(out, sfs_buffer_bytes(&pattern));
    sfs_buffer_free(&pattern);
}

static void write_test(struct sfs_buffer *out, const struct model_expression *test)
{
    static const char *const symbols[] = {
        [E_EQ] = "=",  [E_NE] = "!=",   [E_LT] = "<",      [E_LE] = "<=",  [E_GT] = ">",
        [E_GE] = ">=", [E_IN] = " in ", [E_HAS] = " has ", [E_GLOB] = "~",
    };
    if (test->kind == E_REGEX) {
        write_regex(out, test);
        return;
    }
    write_field(out, &test->field);
    if (test->kind == E_TRUE)
        return;
    if (test->kind == E_EXISTS) {
        put(out, " exists");
        return;
    }
    put_blanks(out);
    put(out, symbols[test->kind]);
    put_blanks(out);
    if (test->kind == E_GLOB)
        write_string(out, test->glob);
    else
        write_value(out, test->literal);
}

static void write_expression(struct sfs_buffer *out, const struct model_expression *node,
                             enum model_kind loosest)
{
    bool parentheses = node->kind < loosest || chance(10);
    put(out, parentheses ? "(" : "");
    if (node->kind == E_NOT) {
        put(out, "not ");
        write_expression(out, node->left, E_NOT);
    } else if (node->kind < E_NOT) {
        write_expression(out, node->left, node->kind);
        put(out, node->kind == E_OR ? " or " : " and ");
        write_expression(out, node->right, node->kind);
    } else {
        write_test(out, node);
    }
    put(out, parentheses ? ")" : "");
}

/* --- stages --- */

static struct sfs_bytes name_of(const struct model_stage *stage, size_t at)
{
    if (stage->kind == S_AGGREGATE)
        return model_function_name(stage->functions[at], &stage->fields[at]);
    return model_field_name(&stage->fields[at]);
}

/* Members have different names. */
static bool is_repeated(const struct model_stage *stage)
{
    for (size_t i = 0; i < stage->keys; i++) {
        if (sfs_bytes_equal(name_of(stage, i), name_of(stage, stage->keys)))
            return true;
    }
    return false;
}

void generate_stage(struct model_stage *stage, const struct model_record *records, size_t count)
{
    const struct model_record *record = &records[generate_below(count)];
    *stage = (struct model_stage){.kind = (enum model_stage_kind)generate_below(8)};
    if (stage->kind == S_BY && chance(50)) /* equality leaves few rows for the stages behind it */
        stage->kind = S_ORDER;
    stage->expression = random_expression((unsigned)generate_below(4), record);
    if (!model_matches(stage->expression, record) &&
        chance(80)) /* let one pass, for the next stages */
        stage->expression = negated(stage->expression);
    if (stage->kind == S_BY) {
        stage->expression = random_test(record);
        stage->expression->kind = E_EQ;
        if (stage->expression->field.property == P_KEY)
            stage->expression->literal = model_find(record, &stage->expression->field);
    }
    size_t keys = 1 + generate_below(COUNT(stage->fields));
    for (size_t i = 0; i < keys; i++) {
        random_field(&stage->fields[stage->keys]);
        stage->descending[stage->keys] = chance(40);
        stage->functions[stage->keys] = (enum model_function)generate_below(5);
        stage->keys += !is_repeated(stage);
    }
    stage->count = generate_below(stage->kind == S_LIMIT ? count : count / 8 + 2);
}

static void write_escaped(struct sfs_buffer *path, struct sfs_buffer *element)
{
    put(path, "/");
    put(path, element->size == 0 ? "%empty" : "");
    bool dots =
        element->size <= 2 && element->size > 0 && memcmp(element->data, "..", element->size) == 0;
    for (size_t i = 0; i < element->size; i++) {
        unsigned char byte = (unsigned char)element->data[i];
        if (byte == '/' || byte == '%' || byte == '\0' || dots)
            must(sfs_buffer_printf(path, "%%%02X", byte));
        else
            must(sfs_buffer_byte(path, (char)byte));
    }
    sfs_buffer_free(element);
}

/* The VALUE of by/FIELD/VALUE: a string's own text unless that is JSON. */
static void write_form(struct sfs_buffer *out, const struct model_value *value)
{
    static const char *const json[] = {"5", "true", "[1]", "\"5\""};
    bool quoted = value->type != M_STRING;
    for (size_t i = 0; i < COUNT(json) && !quoted; i++)
        quoted = sfs_bytes_equal(value->string, sfs_string(json[i]));
    if (quoted)
        write_value(out, value);
    else
        must(sfs_buffer_add(out, value->string));
}

static void write_functions(struct sfs_buffer *out, const struct model_stage *stage)
{
    static const char *const names[] = {"count", "sum", "min", "max", "distinct"};
    for (size_t i = 0; i < stage->keys; i++) {
        put(out, i ? "," : "");
        put(out, names[stage->functions[i]]);
        if (stage->functions[i] == F_COUNT)
            continue;
        put(out, "(");
        write_field(out, &stage->fields[i]);
        put(out, ")");
    }
}

static void write_order(struct sfs_buffer *out, const struct model_stage *stage)
{
    for (size_t i = 0; i < stage->keys; i++) {
        put(out, i ? "," : "");
        write_field(out, &stage->fields[i]);
        if (stage->kind == S_ORDER)
            put(out, stage->descending[i] ? ":desc" : chance(20) ? ":asc" : "");
    }
}

void write_stage(struct sfs_buffer *path, const struct model_stage *stage)
{
    static const char *const names[] = {"where",  "by",     "order", "limit",
                                        "offset", "select", "group", "aggregate"};
    struct sfs_buffer element = {0};
    put(path, names[stage->kind]);
    if (stage->kind == S_WHERE) {
        write_expression(&element, stage->expression, E_OR);
    } else if (stage->kind == S_BY) {
        write_field(&element, &stage->expression->field);
        write_escaped(path, &element);
        write_form(&element, stage->expression->literal);
    } else if (stage->kind == S_AGGREGATE) {
        write_functions(&element, stage);
    } else if (stage->kind == S_ORDER || stage->kind >= S_SELECT) {
        write_order(&element, stage);
    } else {
        must(sfs_buffer_printf(&element, "%zu", stage->count));
    }
    write_escaped(path, &element);
}
