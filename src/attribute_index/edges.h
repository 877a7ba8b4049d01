/* SPDX-License-Identifier: MIT */
#ifndef SFS_ATTRIBUTE_INDEX_EDGES_H
#define SFS_ATTRIBUTE_INDEX_EDGES_H

/* Edges between pairs and ids: found by both, and members of both's lists. */
#include "attribute_index/inverted.h"

void sfs_edges_free(struct sfs_edges *edges);
/* The edge's number, or 0. */
uint32_t sfs_edges_find(const struct sfs_edges *edges, uint32_t pair, uint32_t id);
/* The edge between two terms, made (neither posted nor listed) where there is none. NO_MEMORY,
 * TOO_LARGE. */
int sfs_edge_take(struct sfs_inverted *inverted, uint32_t pair, uint32_t id, uint32_t *ret_edge);
/* Says that the index has the id under the pair, or that the entity has the pair; at the end of the
 * list, where it was not said yet. */
void sfs_edge_post(struct sfs_inverted *inverted, uint32_t edge);
void sfs_edge_list(struct sfs_inverted *inverted, uint32_t edge);
/* Says that no more. Neither makes pairs or entities vanish that have become empty. */
void sfs_edge_unpost(struct sfs_inverted *inverted, uint32_t edge);
void sfs_edge_unlist(struct sfs_inverted *inverted, uint32_t edge);
/* Drops an edge of which nothing is said, and of its terms those that only it referred to. */
void sfs_edge_tidy(struct sfs_inverted *inverted, uint32_t edge);
/* Drops a term that nothing refers to and that is not in the index. 0 is allowed. */
void sfs_pair_tidy(struct sfs_inverted *inverted, uint32_t pair);
void sfs_id_tidy(struct sfs_inverted *inverted, uint32_t id);

#endif
