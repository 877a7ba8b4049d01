/* SPDX-License-Identifier: MIT */
/* Searching: what criteria mean, and how their ids come together. Layouts only find those of one.
 */
#include <stdlib.h>

#include "attribute_index/index.h"
#include "util/js_value.h"

/* --- sets --- */

void sfs_attribute_set_free(struct sfs_attribute_set *set)
{
    if (!set)
        return;
    free(set->items);
    free(set->text);
    *set = (struct sfs_attribute_set){0};
}

int sfs_set_add(struct sfs_set_builder *builder, struct sfs_bytes text)
{
    int result = sfs_buffer_append(&builder->sizes, &text.size, sizeof(text.size));
    return result ? result : sfs_buffer_add(&builder->text, text);
}

int sfs_set_end(struct sfs_set_builder *builder, int code, struct sfs_attribute_set *ret_set,
                struct sfs_error *error)
{
    size_t count = builder->sizes.size / sizeof(size_t);
    struct sfs_bytes *items = code ? NULL : calloc(count ? count : 1, sizeof(*items));
    if (!code && !items)
        code = sfs_fail_memory(error, SFS_ATTRIBUTE_ORIGIN);
    if (!code) {
        const char *at = builder->text.data ? builder->text.data : "";
        for (size_t i = 0; i < count; i++) {
            size_t size;
            memcpy(&size, builder->sizes.data + i * sizeof(size), sizeof(size));
            items[i] = sfs_bytes(at, size);
            at += size;
        }
        *ret_set = (struct sfs_attribute_set){items, count, builder->text.data};
        builder->text = (struct sfs_buffer){0};
    }
    sfs_buffer_free(&builder->text);
    sfs_buffer_free(&builder->sizes);
    return code;
}

int sfs_found_add(struct sfs_found *found, uint32_t number)
{
    struct sfs_term *term = &found->terms->items[number];
    if (term->mark == found->mark)
        return 0;
    int result = sfs_buffer_append(&found->numbers, &number, sizeof(number));
    if (!result)
        term->mark = found->mark;
    return result;
}

/* A mark that no term has. */
static uint32_t new_mark(struct sfs_attribute_index *index, struct sfs_terms *terms)
{
    if (++index->inverted.mark == 0) {
        for (uint32_t i = 1; i < terms->used; i++)
            terms->items[i].mark = 0;
        index->inverted.mark = 1;
    }
    return index->inverted.mark;
}

/* --- criteria --- */

int sfs_criterion_test(const struct sfs_criterion *criterion, struct sfs_bytes value,
                       struct sfs_buffer *scratch)
{
    struct sfs_bytes part = sfs_buffer_bytes(&criterion->value);
    if (criterion->test == SFS_TEST_EXISTS)
        return 1;
    if (criterion->test == SFS_TEST_EQUALS)
        return sfs_bytes_equal(value, part);
    scratch->size = 0;
    int result = sfs_bytes_equal(value, SFS_UNDEFINED)
                     ? sfs_buffer_add(scratch, value)
                     : sfs_js_string(sfs_json_view(value), scratch);
    if (result)
        return result;
    struct sfs_bytes text = sfs_buffer_bytes(scratch);
    return criterion->test == SFS_TEST_CONTAINS ? sfs_js_includes(text, part)
                                                : sfs_js_starts(text, part);
}

static int find_test(const char *name, enum sfs_test *ret_test)
{
    static const char *const names[] = {"equals", "exists", "contains", "startsWith"};
    *ret_test = SFS_TEST_EQUALS;
    for (int i = 0; name && i < 4; i++)
        if (strcmp(name, names[i]) == 0) {
            *ret_test = (enum sfs_test)i;
            return 0;
        }
    return name ? SFS_E_INVALID : 0;
}

static int prepare(const struct sfs_attribute_criterion *given, size_t number,
                   struct sfs_criterion *criterion, struct sfs_error *error)
{
    struct sfs_buffer canonical = {0};
    if (given->attribute.size == 0)
        return sfs_fail(error, SFS_E_INVALID, SFS_ATTRIBUTE_ORIGIN,
                        "the attribute of criterion %zu is missing", number);
    if (find_test(given->test, &criterion->test))
        return sfs_fail(error, SFS_E_INVALID, SFS_ATTRIBUTE_ORIGIN,
                        "criterion %zu: there is no operator '%s': equals, exists, contains or "
                        "startsWith",
                        number, given->test);
    criterion->attribute = given->attribute;
    if (criterion->test == SFS_TEST_EXISTS)
        return 0;
    struct sfs_bytes value = given->value.size ? given->value : SFS_UNDEFINED;
    if (criterion->test == SFS_TEST_EQUALS)
        return sfs_attribute_value(value, &criterion->value, error);
    int result = sfs_attribute_value(value, &canonical, error);
    if (!result && sfs_bytes_equal(sfs_buffer_bytes(&canonical), SFS_UNDEFINED))
        result = sfs_attribute_fail(error, sfs_buffer_add(&criterion->value, SFS_UNDEFINED));
    else if (!result)
        result = sfs_attribute_fail(
            error, sfs_js_string(sfs_json_view(sfs_buffer_bytes(&canonical)), &criterion->value));
    sfs_buffer_free(&canonical);
    return result;
}

/* --- together --- */

struct search {
    struct sfs_attribute_index *index;
    const struct sfs_criterion *criteria;
    size_t count;
    bool any; /* OR */
};

/* Of the ids found so far those that this criterion finds too. */
static int keep_both(const struct search *search, const struct sfs_criterion *criterion,
                     struct sfs_found *found, struct sfs_error *error)
{
    struct sfs_found more = {.terms = found->terms};
    size_t kept = 0;
    more.mark = new_mark(search->index, found->terms);
    int result = search->index->layout->match(search->index, criterion, &more, error);
    for (size_t at = 0; !result && at < found->numbers.size; at += sizeof(uint32_t)) {
        uint32_t number;
        memcpy(&number, found->numbers.data + at, sizeof(number));
        if (found->terms->items[number].mark != more.mark)
            continue;
        memcpy(found->numbers.data + kept, &number, sizeof(number));
        kept += sizeof(number);
    }
    found->numbers.size = kept;
    sfs_buffer_free(&more.numbers);
    return result;
}

static int match_all(const struct search *search, struct sfs_found *found, struct sfs_error *error)
{
    int result = 0;
    for (size_t i = 0; i < search->count && !result; i++) {
        const struct sfs_criterion *criterion = &search->criteria[i];
        if (i > 0 && !search->any && found->numbers.size == 0)
            break;
        result = i == 0 || search->any
                     ? search->index->layout->match(search->index, criterion, found, error)
                     : keep_both(search, criterion, found, error);
    }
    return result;
}

static int gather(const struct sfs_found *found, struct sfs_attribute_set *ret_set,
                  struct sfs_error *error)
{
    struct sfs_set_builder builder = {0};
    int result = 0;
    for (size_t at = 0; !result && at < found->numbers.size; at += sizeof(uint32_t)) {
        uint32_t number;
        memcpy(&number, found->numbers.data + at, sizeof(number));
        result = sfs_set_add(&builder, sfs_term_text(found->terms, number));
    }
    return sfs_set_end(&builder, sfs_attribute_fail(error, result), ret_set, error);
}

static int run(const struct search *search, struct sfs_attribute_set *ret_set,
               struct sfs_error *error)
{
    const struct sfs_attribute_layout_operations *layout = search->index->layout;
    struct sfs_attribute_set set = {0};
    int result;
    do {
        struct sfs_found found = {0};
        sfs_attribute_set_free(&set);
        result = layout->begin(search->index, &found.terms, error);
        if (result)
            return result;
        found.mark = new_mark(search->index, found.terms);
        result = match_all(search, &found, error);
        if (!result)
            result = gather(&found, &set, error);
        sfs_buffer_free(&found.numbers);
        int ended = layout->end(search->index, result ? NULL : error);
        result = result ? result : ended;
    } while (result == 1);
    if (result)
        sfs_attribute_set_free(&set);
    else
        *ret_set = set;
    return result;
}

int sfs_attribute_index_find(struct sfs_attribute_index *index, struct sfs_bytes attribute,
                             struct sfs_bytes value, struct sfs_attribute_set *ret_ids,
                             struct sfs_error *error)
{
    struct sfs_criterion criterion = {.test = value.size ? SFS_TEST_EQUALS : SFS_TEST_EXISTS,
                                      .attribute = attribute};
    struct search search = {.index = index, .criteria = &criterion, .count = 1};
    int result = sfs_attribute_value(value, &criterion.value, error);
    if (!result)
        result = run(&search, ret_ids, error);
    sfs_buffer_free(&criterion.value);
    return result;
}

int sfs_attribute_index_search(struct sfs_attribute_index *index,
                               const struct sfs_attribute_criterion *criteria, size_t count,
                               const char *combinator, struct sfs_attribute_set *ret_ids,
                               struct sfs_error *error)
{
    bool any = combinator && strcmp(combinator, "OR") == 0;
    if (combinator && !any && strcmp(combinator, "AND") != 0)
        return sfs_fail(error, SFS_E_INVALID, SFS_ATTRIBUTE_ORIGIN,
                        "there is no combinator '%s': AND or OR", combinator);
    struct sfs_criterion *prepared = calloc(count ? count : 1, sizeof(*prepared));
    int result = prepared ? 0 : sfs_fail_memory(error, SFS_ATTRIBUTE_ORIGIN);
    for (size_t i = 0; i < count && !result; i++)
        result = prepare(&criteria[i], i + 1, &prepared[i], error);
    struct search search = {.index = index, .criteria = prepared, .count = count, .any = any};
    if (!result)
        result = run(&search, ret_ids, error);
    for (size_t i = 0; prepared && i < count; i++)
        sfs_buffer_free(&prepared[i].value);
    free(prepared);
    return result;
}
