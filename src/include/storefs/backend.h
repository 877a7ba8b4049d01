/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_BACKEND_H
#define STOREFS_BACKEND_H

/*
 * For those who implement a backend or a layer, in C. Programs that use a store need nothing of
 * this.
 *
 * The comment at each slot of a table of operations is its contract. What holds for all slots:
 *
 * Arguments are checked before the call (names are valid and not too long, ranges are ordered) and
 * borrowed until it returns. What a `ret_` output receives is the caller's; it is set on success
 * only. `error` may be NULL; a failed call fills it.
 *
 * Each slot names its own errors. Besides them every slot that returns an int may fail with
 * NO_MEMORY, IO, CORRUPT (the store is damaged), BUSY (another process holds a lock for longer than
 * the backend waits), UNREACHABLE, and on a snapshot or a transaction's store EXPIRED.
 *
 * The slots of a store may be called from several threads at once, except `close`. A cursor, stage,
 * feed or watch is used by one thread at a time, except `wake`; it is closed before its store. No
 * lock of core is held during a call.
 *
 * (Pass-through defaults of layers: curl's connection filters; comments that are the contract:
 * git's odb/source.h.)
 */
#include "storefs/backend_apply.h"
#include "storefs/backend_batch.h"
#include "storefs/backend_handle.h"
#include "storefs/backend_index.h"
#include "storefs/backend_memory.h"
#include "storefs/backend_open.h"
#include "storefs/backend_store.h"

#endif
