/* SPDX-License-Identifier: MIT */
#ifndef SFS_BACKENDS_JSON_TEXT_H
#define SFS_BACKENDS_JSON_TEXT_H

/*
 * Names and values as JSON text and back. Pure, thread-safe.
 *
 * A name's bytes that are not UTF-8 are written as the lone surrogates \udc80 to \udcff, one for
 * each byte (Python's "surrogateescape"). A value that is JSON is written as it is; one that is
 * not, and an object that has a member `__type`, is written {"__type": "text" or "bytes",
 * "__value": "…"}.
 */
#include "storefs/backend.h"
#include "util/json.h"

/* Appends the literal of a name. 0 or NO_MEMORY. */
int sfs_json_name_write(struct sfs_bytes name, struct sfs_buffer *buffer);
/* Appends the name that a literal stands for. 0, NO_MEMORY, or INVALID: it holds a surrogate that
 * stands for no byte. */
int sfs_json_name_read(struct sfs_json literal, struct sfs_buffer *buffer);

/* Appends a value's text; `pretty`: laid out with 2 spaces, as the value of a member of the
 * outermost object. 0 or NO_MEMORY. */
int sfs_json_value_write(struct sfs_bytes value, bool pretty, struct sfs_buffer *buffer);
/* Appends the value that `value`, whose text with all white space around is `text`, stands for. 0
 * or NO_MEMORY. */
int sfs_json_value_read(struct sfs_json value, struct sfs_bytes text, struct sfs_buffer *buffer);

#endif
