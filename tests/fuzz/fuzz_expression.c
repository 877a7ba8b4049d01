/* SPDX-License-Identifier: MIT */
/*
 * Fuzzer of expressions: what parses is printed in a form that parses to the same form, and can be
 * evaluated on any document without a crash. A NUL byte parts the expression from the document.
 */
#include <stdlib.h>

#include "query/expression.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

/* The plain form of `text`; false where it is no expression. */
static bool plain_form(struct sfs_bytes text, struct sfs_arena *arena,
                       const struct sfs_node **ret_node, struct sfs_buffer *out)
{
    struct sfs_error error;
    int result = sfs_expression_parse(text, arena, ret_node, &error);
    if (result) {
        require(result == SFS_E_INVALID && error.code == result && error.message[0]);
        return false;
    }
    require(sfs_expression_print(*ret_node, out) == 0);
    return true;
}

static void evaluate(const struct sfs_node *node, struct sfs_bytes value)
{
    struct sfs_blob *blob = sfs_blob_new(value);
    struct sfs_attributes attributes = {.type = sfs_type_of(value)};
    const struct sfs_record *record =
        sfs_record_new(SFS_LITERAL("key"), 1, value.size, &attributes, sfs_bytes(NULL, 0), blob);
    struct sfs_subject subject = sfs_subject(record);
    int matches = sfs_expression_matches(node, &subject);
    require(matches == 0 || matches == 1);
    sfs_record_unref(record);
    sfs_blob_unref(blob);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sfs_arena arena = {0};
    struct sfs_buffer once = {0};
    struct sfs_buffer twice = {0};
    const struct sfs_node *node = NULL;
    const uint8_t *end = size ? memchr(data, 0, size) : NULL;
    size_t text_size = end ? (size_t)(end - data) : size;
    if (plain_form(sfs_bytes(data, text_size), &arena, &node, &once)) {
        const struct sfs_node *again = NULL;
        require(plain_form(sfs_buffer_bytes(&once), &arena, &again, &twice));
        require(sfs_bytes_equal(sfs_buffer_bytes(&once), sfs_buffer_bytes(&twice)));
        struct sfs_bytes value = {end ? end + 1 : data, end ? size - text_size - 1 : size};
        evaluate(node, value);
        evaluate(again, value);
    }
    sfs_buffer_free(&once);
    sfs_buffer_free(&twice);
    sfs_arena_free(&arena);
    return 0;
}
