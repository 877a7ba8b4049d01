/* SPDX-License-Identifier: MIT */
#ifndef SFS_BACKENDS_JSON_ATTRIBUTES_H
#define SFS_BACKENDS_JSON_ATTRIBUTES_H

/*
 * PATH.attrs: what a JSON object file cannot say about its keys, and the records that are no keys
 * (markers, links, devices). It is JSON too:
 *
 *   {"format": 1, "hash": "XXH3 of PATH's content, 16 digits", "sequence": N, "lastId": N,
 *    "indexes": ["FIELD,FIELD", "unique:FIELD", …],
 *    "records": {"NAME": {"id": N, "revision": N, "modified": N, …}, …}}
 *
 * A record has the members id, revision, modified, and where they are not the default: kind, type
 * (only one that was set), mode, uid, gid, device, created, accessed, changed (default: as
 * modified), xattrs and, of what is no key, value (both base64 of the bytes). Times are
 * nanoseconds. The member indexes is there only where there are any.
 */
#include "storefs/backend.h"
#include "util/tree.h"

/* Of one file. {0} is none. */
struct sfs_json_attributes {
    bool found;
    uint64_t hash;
    uint64_t sequence;
    uint64_t last_id;
    struct sfs_buffer indexes; /* their names, a NUL behind each */
    struct sfs_tree records; /* struct sfs_record, by name; keys without their value */
};

/* Appends one record's member, with a comma before it unless it is the first. 0 or NO_MEMORY. */
int sfs_json_attributes_add(const struct sfs_record *record, bool first, struct sfs_buffer *body);
/* Makes the whole text around the members; `indexes` (NULL: none): those that are ready. 0 or
 * NO_MEMORY. */
int sfs_json_attributes_text(struct sfs_bytes body, uint64_t hash, uint64_t sequence,
                             uint64_t last_id, const struct sfs_index_set *indexes,
                             struct sfs_buffer *buffer);
/* Reads a file; one that is not there is no error (found is false). CORRUPT, TOO_NEW, …. */
int sfs_json_attributes_read(const char *path, struct sfs_json_attributes *ret_attributes,
                             struct sfs_error *error);
void sfs_json_attributes_free(struct sfs_json_attributes *attributes);

#endif
