/* SPDX-License-Identifier: MIT */
#ifndef SFS_QUERY_EXPRESSION_H
#define SFS_QUERY_EXPRESSION_H

/*
 * Expression: a condition on one record, as a tree. From loosest to tightest: or, and, not, one
 * test.
 *
 *   FIELD OP LITERAL     = != < <= > >=; false where the field is missing; all but = and != also
 *                        where the types differ (true and false are one type)
 *   FIELD in [LITERAL…]  equal to one of these
 *   FIELD has LITERAL    an array with an equal element, an object with a member of that name, or a
 *                        string with that text in it
 *   FIELD ~ "GLOB"       a string that matches (util/glob.h)
 *   FIELD =~ "REGEX"     a string in which the regular expression is found (regex.h)
 *   FIELD exists         also where it is null
 *   FIELD                is true
 *
 * Equality is that of the total order: 1.0 = 1. Trees are at most SFS_EXPRESSION_DEPTH deep, so
 * that walking one cannot use up the stack; and and or take any number of operands. Immutable once
 * built.
 */
#include "query/field.h"

#define SFS_EXPRESSION_DEPTH 100

struct sfs_node {
    enum sfs_node_kind kind;
    struct sfs_node
        *first; /* OR, AND, NOT: the operands, a list; none is of OR in OR, AND in AND */
    struct sfs_node *last;
    struct sfs_node *next;
    struct sfs_field field; /* the tests */
    struct sfs_value value; /* the tests with a literal; IN: an array; GLOB, REGEX: TEXT */
    /* IN: the elements' sort keys, in order. REGEX: the compiled pattern. */
    const struct sfs_bytes *elements;
    size_t element_count;
    void *pattern;
};

/* Builds the tree in the arena, which must outlive it; `text` may go. Sentences begin with
 * "where:". INVALID, NO_MEMORY. */
int sfs_expression_parse(struct sfs_bytes text, struct sfs_arena *arena,
                         const struct sfs_node **ret_node, struct sfs_error *error);
/* Appends the expression in its plain form, which parses to the same tree. */
int sfs_expression_print(const struct sfs_node *node, struct sfs_buffer *out);
/* 1, 0, NO_MEMORY, or TOO_LARGE: a regular expression took too many steps. */
int sfs_expression_matches(const struct sfs_node *node, struct sfs_subject *subject);
/* Turns what sfs_expression_matches() answered, less than 0, into a sentence. Returns it. */
int sfs_expression_fail(int result, struct sfs_error *error);
/* Whether it looks at one of these properties; SFS_PROPERTY_NONE: into values. */
#define SFS_READS(PROPERTY) (1u << (PROPERTY))
bool sfs_expression_reads(const struct sfs_node *node, unsigned properties);

#endif
