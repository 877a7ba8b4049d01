/* SPDX-License-Identifier: MIT */
#ifndef TOOLS_ATTRIBUTES_H
#define TOOLS_ATTRIBUTES_H

/* What the files of 'storefs attributes' share: an index and where it is. */
#include "storefs/attribute_index.h"

enum tool_layout { TOOL_LAYOUT_ANY, TOOL_LAYOUT_DOCUMENT, TOOL_LAYOUT_POSTINGS };

struct tool_attributes {
    struct sfs_storage *store; /* NULL: a plain file, */
    struct sfs_buffer path;    /* this one */
    struct sfs_bytes key;
    enum tool_layout layout; /* that was asked for */
    bool postings;           /* the layout that it has */
    bool any;                /* find: any criterion */
    struct sfs_attribute_index *index;
};

/* Adds the entities in the file words[0] ("-" or none: standard input), one a line. */
int tool_attributes_build(struct tool_attributes *attributes, int count, char **words,
                          struct sfs_error *error);

#endif
