/* SPDX-License-Identifier: MIT */
#ifndef SFS_QUERY_SORT_KEY_H
#define SFS_QUERY_SORT_KEY_H

/*
 * Sort keys: values as bytes whose memcmp() order is the total order of sfs_value_compare(); equal
 * values, however they are written, are the same bytes. No key is the beginning of another one, so
 * keys of several fields written one behind the other are ordered field by field, and a key can be
 * turned round for descending order by inverting its bytes. (The idea is that of FoundationDB's
 * tuples and of SQLite4's key encoding.)
 *
 *   missing 01   null 02   false 03   true 04
 *   number       05, and all that follows inverted: negative; 06: zero; 07: positive. It is
 *                0.D x 10^X; X first (see sort_key_number.c), then D two digits P a byte: 2P+1,
 *                the last 2P
 *   string       08, its bytes with 00 as 01 01 and 01 as 01 02, 00
 *   array        09, the keys of its elements, 00
 *   object       0a, for each member by name: 01, the name as in a string, the value's key; 00
 *
 * Written to disk by indexes: the form is never changed. Pure and thread-safe.
 */
#include "query/value.h"

/* Appends the value's key. Allocates only for arrays and objects, and where `out` must grow.
 * NO_MEMORY; `out` is as it was then. */
int sfs_sort_key_add(const struct sfs_value *value, bool descending, struct sfs_buffer *out);

/*
 * Reads the key that `rest` begins with and moves `rest` behind it; *ret_missing true, and nothing
 * appended, where the value was missing. Else appends it as canonical JSON: no white space, members
 * by name, strings escaped as little as can be, numbers as their shortest exact form (100, 0.5,
 * 1e400). A byte of a string that is not UTF-8 becomes \udc80 to \udcff. INVALID where `rest` does
 * not begin with a key, NO_MEMORY; `rest` and `out` are as they were then.
 */
int sfs_sort_key_read(struct sfs_bytes *rest, bool descending, struct sfs_buffer *out,
                      bool *ret_missing);

/* Whether a key is that of a missing value. */
static inline bool sfs_sort_key_is_missing(struct sfs_bytes key)
{
    return *(const unsigned char *)key.data == 1;
}
/* How many bytes the key has that `rest` begins with; 0 where it begins with none. Looks only as
 * far as it must to find the end: what is inside may be no value. */
size_t sfs_sort_key_size(struct sfs_bytes rest);

/* Reads an integer of 64 bits; false, and nothing moved, where something else is next. */
bool sfs_sort_key_read_integer(struct sfs_bytes *rest, bool descending, int64_t *ret_integer);

/* Reads a string and appends its bytes as they are: 1; 0, and nothing moved, where something else
 * is next; INVALID, NO_MEMORY. */
int sfs_sort_key_read_text(struct sfs_bytes *rest, bool descending, struct sfs_buffer *out);

#endif
