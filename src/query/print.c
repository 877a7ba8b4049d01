/* SPDX-License-Identifier: MIT */
/* Writing expressions back, with the fewest parentheses. */
#include "query/expression.h"

static const char *const node_symbols[] = {
    [SFS_NODE_OR] = "or",        [SFS_NODE_AND] = "and",          [SFS_NODE_NOT] = "not",
    [SFS_NODE_TRUE] = "",        [SFS_NODE_EXISTS] = "exists",    [SFS_NODE_EQUAL] = "=",
    [SFS_NODE_NOT_EQUAL] = "!=", [SFS_NODE_LESS] = "<",           [SFS_NODE_LESS_EQUAL] = "<=",
    [SFS_NODE_GREATER] = ">",    [SFS_NODE_GREATER_EQUAL] = ">=", [SFS_NODE_IN] = "in",
    [SFS_NODE_HAS] = "has",      [SFS_NODE_GLOB] = "~",           [SFS_NODE_REGEX] = "=~",
};

const char *sfs_node_symbol(enum sfs_node_kind kind)
{
    return node_symbols[kind];
}

static int print_test(const struct sfs_node *node, struct sfs_buffer *out)
{
    int result = sfs_field_print(&node->field, out);
    if (result || node->kind == SFS_NODE_TRUE)
        return result;
    result = sfs_buffer_printf(out, " %s", sfs_node_symbol(node->kind));
    if (result || node->kind == SFS_NODE_EXISTS)
        return result;
    result = sfs_buffer_byte(out, ' ');
    return result ? result : sfs_value_json(&node->value, out);
}

static int print_node(const struct sfs_node *node, enum sfs_node_kind loosest,
                      struct sfs_buffer *out);

static int print_chain(const struct sfs_node *node, struct sfs_buffer *out)
{
    int result = 0;
    for (const struct sfs_node *operand = node->first; operand && result == 0;
         operand = operand->next) {
        if (operand != node->first)
            result = sfs_buffer_printf(out, " %s ", sfs_node_symbol(node->kind));
        if (result == 0)
            result = print_node(operand, node->kind + 1, out);
    }
    return result;
}

/* Kinds are declared from the loosest to the tightest: one looser than its place is put in ( ). */
static int print_node(const struct sfs_node *node, enum sfs_node_kind loosest,
                      struct sfs_buffer *out)
{
    if (node->kind > SFS_NODE_NOT)
        return print_test(node, out);
    bool parentheses = node->kind < loosest;
    int result = parentheses ? sfs_buffer_byte(out, '(') : 0;
    if (result == 0 && node->kind == SFS_NODE_NOT) {
        result = sfs_buffer_add(out, SFS_LITERAL("not "));
        if (result == 0)
            result = print_node(node->first, SFS_NODE_NOT, out);
    } else if (result == 0) {
        result = print_chain(node, out);
    }
    if (result == 0 && parentheses)
        result = sfs_buffer_byte(out, ')');
    return result;
}

int sfs_expression_print(const struct sfs_node *node, struct sfs_buffer *out)
{
    return print_node(node, SFS_NODE_OR, out);
}
