/* SPDX-License-Identifier: MIT */
#ifndef TOOLS_COMPLETE_H
#define TOOLS_COMPLETE_H

#include "tools/target.h"

/*
 * Writes what the last element of a query path can be, one a line, as it stands in the path: the
 * names of stages and results, fields, or values of a field. What is typed of the element does not
 * matter, but for the fields of a list before its last comma. Errors: those of the query.
 */
int tool_complete(const struct tool_target *target, const char *path, struct sfs_error *error);

#endif
