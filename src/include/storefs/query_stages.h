/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_QUERY_STAGES_H
#define STOREFS_QUERY_STAGES_H

#include "storefs/query.h"

/*
 * The stages of a query as data, for a backend that evaluates some of them itself (the override
 * push_down of storefs/backend_store.h). All that is got here is borrowed from the query and immutable;
 * any thread may look at it. What stages and tests mean, exactly, is in doc/query.md. (The idea of
 * offering the parts of a query and letting the engine say what it takes is SQLite's xBestIndex.)
 */
enum sfs_query_stage_kind {
    SFS_QUERY_WHERE,
    SFS_QUERY_BY,
    SFS_QUERY_ORDER,
    SFS_QUERY_LIMIT,
    SFS_QUERY_OFFSET,
    SFS_QUERY_SELECT,
    SFS_QUERY_GROUP,
    SFS_QUERY_AGGREGATE,
};

struct sfs_query_stage;
/* Stage number `index`, from 0; there are sfs_query_stages(). */
SFS_API const struct sfs_query_stage *sfs_query_stage_at(const struct sfs_query *query, size_t index);
SFS_API enum sfs_query_stage_kind sfs_query_stage_kind(const struct sfs_query_stage *stage);
/* The stage as it stands in a path: "where/n >= 1", "order/a:desc,b". Appends. NO_MEMORY. */
SFS_API int sfs_query_stage_print(const struct sfs_query_stage *stage, struct sfs_buffer *out);
/* LIMIT, OFFSET: how many. */
SFS_API uint64_t sfs_query_stage_count(const struct sfs_query_stage *stage);

/* --- fields --- */

enum sfs_property {
    SFS_PROPERTY_NONE,    /* a path into the document */
    SFS_PROPERTY_KEY,     /* a string; compared by its bytes */
    SFS_PROPERTY_SIZE,    /* bytes of the value */
    SFS_PROPERTY_TYPE,    /* "json", "text" or "bytes" */
    SFS_PROPERTY_CREATED, /* milliseconds since the epoch, rounded down */
    SFS_PROPERTY_UPDATED, /* of the value's last change */
    SFS_PROPERTY_COUNT,   /* a group's members */
};

struct sfs_field;
SFS_API enum sfs_property sfs_field_property(const struct sfs_field *field);
/* Step number `index` of a path, from 0: true and its name (.data NULL for an element) or the
 * element's index; false where there are no more. */
SFS_API bool sfs_field_step(const struct sfs_field *field, size_t index, struct sfs_bytes *ret_name,
                            size_t *ret_index);
/* Appends the field as it is written: a.b[0]."odd name". NO_MEMORY. */
SFS_API int sfs_field_print(const struct sfs_field *field, struct sfs_buffer *out);

/* ORDER, SELECT, GROUP, AGGREGATE: field number `index`, from 0, or NULL where there are no more.
 * ORDER: *ret_descending (may be NULL). An aggregate's `count` has no field: use the next call. */
SFS_API const struct sfs_field *sfs_query_stage_field(const struct sfs_query_stage *stage, size_t index,
                                                      bool *ret_descending);
/* AGGREGATE: function number `index`; false where there are no more. *ret_field is NULL for COUNT. */
SFS_API bool sfs_query_stage_function(const struct sfs_query_stage *stage, size_t index,
                                      enum sfs_function *ret_function,
                                      const struct sfs_field **ret_field);

/* --- expressions --- */

enum sfs_node_kind {
    SFS_NODE_OR, /* these have operands */
    SFS_NODE_AND,
    SFS_NODE_NOT,
    SFS_NODE_TRUE, /* these have a field, those from EQUAL on a literal, too */
    SFS_NODE_EXISTS,
    SFS_NODE_EQUAL,
    SFS_NODE_NOT_EQUAL,
    SFS_NODE_LESS,
    SFS_NODE_LESS_EQUAL,
    SFS_NODE_GREATER,
    SFS_NODE_GREATER_EQUAL,
    SFS_NODE_IN, /* an array */
    SFS_NODE_HAS,
    SFS_NODE_GLOB,  /* a string */
    SFS_NODE_REGEX, /* a string */
};

struct sfs_node;
/* WHERE, BY (FIELD = VALUE): the condition; NULL for other stages. */
SFS_API const struct sfs_node *sfs_query_stage_node(const struct sfs_query_stage *stage);
SFS_API enum sfs_node_kind sfs_node_kind(const struct sfs_node *node);
/* How an operator is written: ">=", "has". Static storage. */
SFS_API const char *sfs_node_symbol(enum sfs_node_kind kind);
/* The first operand of OR, AND, NOT; the operand behind one, or NULL. */
SFS_API const struct sfs_node *sfs_node_first(const struct sfs_node *node);
SFS_API const struct sfs_node *sfs_node_next(const struct sfs_node *node);
/* The field of a test; NULL for OR, AND, NOT. */
SFS_API const struct sfs_field *sfs_node_field(const struct sfs_node *node);
/* Appends a test's literal as compact JSON. INVALID where there is none, or where the bytes of a key
 * that was named are not UTF-8; NO_MEMORY. */
SFS_API int sfs_node_literal(const struct sfs_node *node, struct sfs_buffer *out);
/* Where the literal is a string: true and its own bytes. */
SFS_API bool sfs_node_text(const struct sfs_node *node, struct sfs_bytes *ret_text);

#endif
