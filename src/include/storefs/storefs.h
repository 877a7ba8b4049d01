/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_STOREFS_H
#define STOREFS_STOREFS_H

/* Everything a program needs; include the single headers where less will do. */
#include "storefs/attribute_index.h"
#include "storefs/bulk.h"
#include "storefs/builder.h"
#include "storefs/index.h"
#include "storefs/document.h"
#include "storefs/layers.h"
#include "storefs/path.h"
#include "storefs/query.h"
#include "storefs/storage.h"
#include "storefs/transaction.h"

#endif
