/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_TESTS_INDEX_FIXTURE_H
#define STOREFS_TESTS_INDEX_FIXTURE_H

/* What the tests of indexes share: stores in memory or SQLite, making indexes, and queries as text.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "storefs/backend.h"
#include "storefs/layers.h"
#include "storefs/query.h"
#include "storefs/transaction.h"
#include "tests/unit/query_text.h"

static struct sfs_error error;
static bool in_sqlite; /* else in memory */

/* An empty store. A file goes with the test's directory. */
static inline struct sfs_storage *open_new(void)
{
    static unsigned number;
    struct sfs_storage *store = NULL;
    char uri[500] = "memory:";
    if (in_sqlite)
        snprintf(uri, sizeof(uri), "sqlite:%s/%u.db", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp",
                 ++number);
    if (sfs_open(&store, uri, SFS_OPEN_CREATE, &error))
        fail_msg("%s: %s", uri, error.message);
    return store;
}

static inline int begin_sqlite(void **state)
{
    (void)state;
    in_sqlite = true;
    return 0;
}

static inline void set(struct sfs_storage *store, const char *key, const char *value)
{
    if (sfs_set(store, sfs_string(key), sfs_string(value), &error))
        fail_msg("%s: %s", key, error.message);
}

static inline int create(struct sfs_storage *store, const char *name)
{
    return sfs_index_create(store, sfs_string(name), NULL, NULL, &error);
}

static inline void must_create(struct sfs_storage *store, const char *name)
{
    if (create(store, name))
        fail_msg("%s: %s", name, error.message);
}

static inline struct sfs_index_stats stats_of(struct sfs_storage *store, const char *name)
{
    struct sfs_index_stats stats = {0};
    if (sfs_index_stats(store, sfs_string(name), &stats, &error))
        fail_msg("%s: %s", name, error.message);
    return stats;
}

static inline void check_clean(struct sfs_storage *store)
{
    uint64_t found = 1;
    assert_int_equal(sfs_index_check(store, NULL, NULL, &found, &error), 0);
    assert_int_equal(found, 0);
}

static inline int join_names(void *context, const char *name, const struct sfs_index_stats *stats)
{
    char *out = context;
    size_t used = strlen(out);
    snprintf(out + used, 200 - used, "%s%s%s", used ? " " : "", name, stats->ready ? "" : "*");
    return 0;
}

static inline const char *names(struct sfs_storage *store)
{
    static char out[200];
    out[0] = '\0';
    assert_int_equal(sfs_index_list(store, join_names, out, &error), 0);
    return out;
}

static inline struct sfs_storage *open_filled(unsigned count)
{
    struct sfs_storage *store = open_new();
    struct sfs_batch *batch = NULL;
    char key[32], value[64];
    assert_int_equal(sfs_batch_new(&batch, NULL), 0);
    for (unsigned i = 0; i < count; i++) {
        snprintf(key, sizeof(key), "%s%05u", i % 10 ? "k" : "p/", i);
        snprintf(value, sizeof(value), "{\"n\":%u,\"type\":\"t%u\"}", i, i % 7);
        assert_int_equal(sfs_batch_put(batch, sfs_string(key), sfs_string(value), NULL, 0, NULL),
                         0);
    }
    assert_int_equal(sfs_apply(store, batch, NULL, NULL, &error), 0);
    sfs_batch_free(batch);
    return store;
}

#endif
