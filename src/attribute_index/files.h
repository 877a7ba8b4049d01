/* SPDX-License-Identifier: MIT */
#ifndef SFS_ATTRIBUTE_INDEX_FILES_H
#define SFS_ATTRIBUTE_INDEX_FILES_H

/* Documents at keys of a store. */
#include "attribute_index/index.h"

/* Adds the document to a batch and applies that, durably: the errors of both. */
int sfs_document_store(struct sfs_storage *store, struct sfs_bytes key,
                       const struct sfs_inverted *inverted, int64_t time, struct sfs_batch *batch,
                       struct sfs_error *error);
/* Reads the document at a key into an empty index; *ret_revision is that of the key. */
int sfs_document_fetch(struct sfs_storage *store, struct sfs_bytes key,
                       struct sfs_inverted *inverted, uint64_t *ret_revision,
                       struct sfs_error *error);

#endif
