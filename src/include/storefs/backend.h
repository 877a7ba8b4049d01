/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_BACKEND_H
#define STOREFS_BACKEND_H

/*
 * For those who implement a backend or a layer, in C. Programs that use a store need nothing of this.
 *
 * The tables of operations are the contract. A backend fills the groups; a layer is a store over a store and
 * fills only the groups it intercepts, but those whole: an unset group is answered by the store below,
 * and a group with a hole is refused when the layer is put on (sfs_layer_init), so that a new write
 * call can never slip past an events or cache layer. (Pass-through defaults: curl's connection
 * filters; comments that are the contract: git's odb/source.h.)
 *
 * Every call may come from several threads at once, except those on one cursor, stage or feed.
 * Arguments have been checked (names are names, ranges are ordered); implementations need not again.
 * `ret_` outputs are set on success only. The public functions hold no lock while they call.
 */
#include "storefs/backend_apply.h"
#include "storefs/backend_batch.h"
#include "storefs/backend_handle.h"
#include "storefs/backend_index.h"
#include "storefs/backend_memory.h"
#include "storefs/backend_open.h"
#include "storefs/backend_store.h"

#endif
