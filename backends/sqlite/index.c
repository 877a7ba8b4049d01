/* SPDX-License-Identifier: MIT */
/*
 * Definitions of indexes and what is known of them, and the tables of operations of the store and
 * of its snapshots.
 */
#include "backends/sqlite/index.h"

#include <stdlib.h>

/* --- the set --- */

/* The definition that is known already: it counts its hits. */
static const struct sfs_index *find_known(const struct sfs_index_set *set, uint64_t id, bool ready)
{
    for (size_t i = 0; set && i < set->count; i++) {
        if (set->indexes[i]->id == id && set->indexes[i]->ready == ready)
            return sfs_index_ref(set->indexes[i]);
    }
    return NULL;
}

/* Adds the definition in the statement's row to *set. */
static int add_definition(const struct sfs_index_set *known, sqlite3_stmt *row,
                          struct sfs_index_set **set, struct sfs_error *error)
{
    uint64_t id = (uint64_t)sqlite3_column_int64(row, 0);
    bool ready = sqlite3_column_int(row, 2) != 0;
    struct sfs_index_set *larger = NULL;
    const struct sfs_index *index = find_known(known, id, ready);
    int code = index ? 0 : sfs_index_new(sfs_sqlite_column(row, 1), id, ready, &index, error);
    if (code == 0)
        code = sfs_index_set_change(*set, 0, index, &larger, error);
    sfs_index_unref(index);
    if (code)
        return code;
    sfs_index_set_unref(*set);
    *set = larger;
    return 0;
}

static int read_definitions(struct sfs_sqlite_connection *connection,
                            const struct sfs_index_set *known, int64_t sequence,
                            struct sfs_index_set **ret_set, struct sfs_error *error)
{
    sqlite3_stmt *statement;
    struct sfs_index_set *set = NULL;
    int code = sfs_sqlite_statement(connection, SFS_SQL_INDEX_DEFINITIONS, &statement, error);
    if (code)
        return code;
    sqlite3_bind_int64(statement, 1, sequence);
    while ((code = sfs_sqlite_step(connection, statement, error)) == 1) {
        code = add_definition(known, statement, &set, error);
        if (code)
            break;
    }
    sqlite3_reset(statement);
    if (code) {
        sfs_index_set_unref(set);
        return code;
    }
    *ret_set = set;
    return 0;
}

/* What is kept is the present set as of the change `version`; whoever finds a newer one puts it
 * there. */
static void keep(struct sfs_sqlite *store, struct sfs_index_set *set, int64_t version)
{
    struct sfs_index_set *old = set;
    pthread_mutex_lock(&store->indexes_mutex);
    if (version > store->indexes_version) {
        old = store->indexes;
        store->indexes = sfs_index_set_ref(set);
        store->indexes_version = version;
    } else {
        old = NULL;
    }
    pthread_mutex_unlock(&store->indexes_mutex);
    sfs_index_set_unref(old);
}

static struct sfs_index_set *known_set(struct sfs_sqlite *store, int64_t *ret_version)
{
    pthread_mutex_lock(&store->indexes_mutex);
    struct sfs_index_set *set = sfs_index_set_ref(store->indexes);
    *ret_version = store->indexes_version;
    pthread_mutex_unlock(&store->indexes_mutex);
    return set;
}

/* `version` is the last change of the set that the connection's transaction sees. */
static int set_of(struct sfs_sqlite_connection *connection, int64_t version, int64_t sequence,
                  struct sfs_index_set **ret_set, struct sfs_error *error)
{
    int64_t known_version;
    bool present = sequence >= version;
    *ret_set = NULL;
    if (version <= 0)
        return 0;
    struct sfs_index_set *known = known_set(connection->store, &known_version);
    if (present && known_version == version) {
        *ret_set = known;
        return 0;
    }
    int code = read_definitions(connection, known, present ? INT64_MAX : sequence, ret_set, error);
    if (code == 0 && present)
        keep(connection->store, *ret_set, version);
    sfs_index_set_unref(known);
    return code;
}

int sfs_sqlite_index_set_at(struct sfs_sqlite_connection *connection, int64_t sequence,
                            struct sfs_index_set **ret_set, struct sfs_error *error)
{
    sqlite3_stmt *statement;
    *ret_set = NULL;
    int code = sfs_sqlite_statement(connection, SFS_SQL_INDEXES_VERSION, &statement, error);
    if (code == 0)
        code = sfs_sqlite_step(connection, statement, error);
    if (code != 1)
        return code;
    /* It stays active: one read transaction. */
    code = set_of(connection, sqlite3_column_int64(statement, 0), sequence, ret_set, error);
    sqlite3_reset(statement);
    return code;
}

int sfs_sqlite_index_set_in(const struct sfs_sqlite_transaction *transaction,
                            struct sfs_index_set **ret_set, struct sfs_error *error)
{
    return set_of(transaction->connection, transaction->state.indexes, INT64_MAX, ret_set, error);
}

/* --- numbers --- */

int sfs_sqlite_index_gone(const struct sfs_index *index, struct sfs_error *error)
{
    return sfs_fail(error, SFS_E_NOT_FOUND, "index", "there is no index '%s' any more",
                    index->name);
}

int sfs_sqlite_index_row(struct sfs_sqlite_connection *connection, const struct sfs_index *index,
                         struct sfs_sqlite_index_row *ret_row, struct sfs_error *error)
{
    const int64_t id = (int64_t)index->id;
    int64_t row[8];
    int found = sfs_sqlite_integers(connection, SFS_SQL_INDEX_NUMBERS, &id, 1, row, 8, error);
    if (found < 0)
        return found;
    if (found == 0)
        return sfs_sqlite_index_gone(index, error);
    *ret_row = (struct sfs_sqlite_index_row){.entries = row[0],
                                             .bytes = row[1],
                                             .inexact = row[2],
                                             .seen = row[3],
                                             .ready = row[4] >= 0,
                                             .ended = row[5] >= 0,
                                             .keys = row[6],
                                             .records = row[7]};
    return 0;
}

static struct sfs_index_stats stats_of(const struct sfs_index *index,
                                       const struct sfs_sqlite_index_row *row)
{
    uint64_t total = (uint64_t)row->records, seen = (uint64_t)row->seen;
    return (struct sfs_index_stats){.entries = (uint64_t)row->entries,
                                    .bytes = (uint64_t)row->bytes,
                                    .inexact = (uint64_t)row->inexact,
                                    .done = index->ready || seen > total ? total : seen,
                                    .total = total};
}

/* --- of the store --- */

static int present_set(struct sfs_storage *base, struct sfs_index_set **ret_set,
                       struct sfs_error *error)
{
    struct sfs_sqlite_connection *connection;
    int code = sfs_sqlite_near_take(sfs_sqlite_of(base), 0, &connection, error);
    if (code)
        return code;
    code = sfs_sqlite_index_set_at(connection, INT64_MAX, ret_set, error);
    sfs_sqlite_reader_give(connection);
    return code;
}

static int present_stats(struct sfs_storage *base, const struct sfs_index *index,
                         struct sfs_index_stats *ret_stats, struct sfs_error *error)
{
    struct sfs_sqlite_connection *connection;
    struct sfs_sqlite_index_row row;
    int code = sfs_sqlite_near_take(sfs_sqlite_of(base), 0, &connection, error);
    if (code)
        return code;
    code = sfs_sqlite_index_row(connection, index, &row, error);
    sfs_sqlite_reader_give(connection);
    if (code == 0 && row.ended)
        code = sfs_sqlite_index_gone(index, error);
    if (code == 0)
        *ret_stats = stats_of(index, &row);
    return code;
}

static int present_scan(struct sfs_storage *base, const struct sfs_index *index,
                        struct sfs_range range, bool descending, unsigned want,
                        struct sfs_index_cursor **ret_cursor, struct sfs_error *error)
{
    struct sfs_sqlite_view view = {sfs_sqlite_of(base), NULL};
    return sfs_sqlite_index_scan(view, index, range, descending, want, ret_cursor, error);
}

static int present_count(struct sfs_storage *base, const struct sfs_index *index,
                         struct sfs_range range, uint64_t most, uint64_t *ret_count,
                         struct sfs_error *error)
{
    struct sfs_sqlite_view view = {sfs_sqlite_of(base), NULL};
    return sfs_sqlite_index_count(view, index, range, most, ret_count, error);
}

const struct sfs_index_operations sfs_sqlite_index_operations = {
    .set = present_set,
    .stats = present_stats,
    .create = sfs_sqlite_index_create,
    .drop = sfs_sqlite_index_drop,
    .scan = present_scan,
    .count = present_count,
};

/* --- of a snapshot --- */

void sfs_sqlite_snapshot_indexes_init(struct sfs_sqlite_snapshot_indexes *indexes)
{
    *indexes = (struct sfs_sqlite_snapshot_indexes){.known = false};
    pthread_mutex_init(&indexes->mutex, NULL);
}

void sfs_sqlite_snapshot_indexes_free(struct sfs_sqlite_snapshot_indexes *indexes)
{
    sfs_index_set_unref(indexes->set);
    free(indexes->stats);
    pthread_mutex_destroy(&indexes->mutex);
}

/* Adds the inexact ones among the entries that the snapshot sees and that have ended since. Those
 * that began since are counted too: it is an upper bound, and 0 only where there are none. */
static int add_inexact(struct sfs_sqlite_connection *connection, const struct sfs_index_set *set,
                       int64_t sequence, struct sfs_index_stats *stats, struct sfs_error *error)
{
    sqlite3_stmt *row;
    int code = sfs_sqlite_statement(connection, SFS_SQL_ENTRIES_ENDED, &row, error);
    if (code)
        return code;
    sqlite3_bind_int64(row, 8, sequence);
    while ((code = sfs_sqlite_step(connection, row, error)) == 1) {
        uint64_t id = (uint64_t)sqlite3_column_int64(row, 0);
        bool inexact = !sfs_index_key_is_exact(sfs_sqlite_column(row, 1));
        for (size_t i = 0; inexact && i < set->count; i++)
            stats[i].inexact += set->indexes[i]->id == id;
    }
    return code;
}

/* Makes the present numbers those of the snapshot, as far as they matter to queries. Each key has
 * an entry in each index. What was kept since is gone through once for all indexes. */
static int go_back(struct sfs_sqlite_connection *connection, const struct sfs_index_set *set,
                   int64_t sequence, struct sfs_index_stats *stats, struct sfs_error *error)
{
    const int64_t arguments[] = {0, 0, sequence};
    int64_t keys = 0;
    int found = sfs_sqlite_integers(connection, SFS_SQL_KEYS_AT, arguments, 3, &keys, 1, error);
    int code = found < 0 ? found : add_inexact(connection, set, sequence, stats, error);
    for (size_t i = 0; code == 0 && i < set->count; i++) {
        if (set->indexes[i]->ready)
            stats[i].entries = (uint64_t)keys;
        if (stats[i].inexact > stats[i].entries)
            stats[i].inexact = stats[i].entries;
    }
    return code;
}

static int read_all_stats(struct sfs_sqlite_connection *connection, const struct sfs_index_set *set,
                          int64_t sequence, bool present, struct sfs_index_stats **ret_stats,
                          struct sfs_error *error)
{
    struct sfs_index_stats *stats = calloc(set->count, sizeof(*stats));
    int code = stats ? 0 : sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
    for (size_t i = 0; code == 0 && i < set->count; i++) {
        struct sfs_sqlite_index_row row;
        code = sfs_sqlite_index_row(connection, set->indexes[i], &row, error);
        if (code == 0)
            stats[i] = stats_of(set->indexes[i], &row);
    }
    if (code == 0 && !present)
        code = go_back(connection, set, sequence, stats, error);
    if (code) {
        free(stats);
        return code;
    }
    *ret_stats = stats;
    return 0;
}

static int read_past_set(struct sfs_sqlite_view view, struct sfs_index_set **ret_set,
                         struct sfs_index_stats **ret_stats, struct sfs_error *error)
{
    struct sfs_sqlite_connection *connection;
    struct sfs_index_set *set = NULL;
    sqlite3_stmt *anchor = NULL;
    int64_t sequence = view.hold->sequence;
    bool present = false;
    int code = sfs_sqlite_reader_take(view.store, &connection, error);
    if (code)
        return code;
    code = sfs_sqlite_hold_anchor(view.hold, connection, &anchor, &present, error);
    if (code == 0)
        code = sfs_sqlite_index_set_at(connection, sequence, &set, error);
    if (code == 0 && set)
        code = read_all_stats(connection, set, sequence, present, ret_stats, error);
    sqlite3_reset(anchor);
    sfs_sqlite_reader_give(connection);
    if (code) {
        sfs_index_set_unref(set);
        return code;
    }
    *ret_set = set;
    return 0;
}

static struct sfs_index_stats *copy_stats(const struct sfs_index_stats *stats, size_t count)
{
    struct sfs_index_stats *copy = malloc(count * sizeof(*copy));
    if (copy)
        memcpy(copy, stats, count * sizeof(*copy));
    return copy;
}

/* The next snapshot of this very state need not read it. Where there is no memory it has to. */
static void note_known(struct sfs_sqlite *store, int64_t sequence, struct sfs_index_set *set,
                       const struct sfs_index_stats *stats)
{
    struct sfs_sqlite_known known = {sequence, sfs_index_set_ref(set),
                                     copy_stats(stats, set->count)};
    pthread_mutex_lock(&store->indexes_mutex);
    if (known.stats && (!store->known.set || store->known.sequence < sequence)) {
        struct sfs_sqlite_known old = store->known;
        store->known = known;
        known = old;
    }
    pthread_mutex_unlock(&store->indexes_mutex);
    sfs_sqlite_index_known_clear(&known);
}

void sfs_sqlite_index_known_clear(struct sfs_sqlite_known *known)
{
    sfs_index_set_unref(known->set);
    free(known->stats);
    *known = (struct sfs_sqlite_known){.set = NULL};
}

/* What is known of the state: NULL, nothing, or as read_past_set() gives it. */
static struct sfs_index_set *find_known_state(struct sfs_sqlite *store, int64_t sequence,
                                              struct sfs_index_stats **ret_stats)
{
    struct sfs_index_set *set = NULL;
    pthread_mutex_lock(&store->indexes_mutex);
    const struct sfs_sqlite_known *known = &store->known;
    if (known->set && known->sequence == sequence)
        *ret_stats = copy_stats(known->stats, known->set->count);
    if (*ret_stats)
        set = sfs_index_set_ref(known->set);
    pthread_mutex_unlock(&store->indexes_mutex);
    return set;
}

/* Finds it, and keeps it unless somebody else just did. */
static int learn_set(struct sfs_sqlite_view view, struct sfs_sqlite_snapshot_indexes *indexes,
                     struct sfs_error *error)
{
    struct sfs_index_stats *stats = NULL;
    struct sfs_index_set *set = find_known_state(view.store, view.hold->sequence, &stats);
    bool noted = set != NULL;
    int code = noted ? 0 : read_past_set(view, &set, &stats, error);
    if (code)
        return code;
    if (set && !noted)
        note_known(view.store, view.hold->sequence, set, stats);
    pthread_mutex_lock(&indexes->mutex);
    if (!indexes->known) {
        indexes->set = set;
        indexes->stats = stats;
        indexes->known = true;
        set = NULL;
        stats = NULL;
    }
    pthread_mutex_unlock(&indexes->mutex);
    sfs_index_set_unref(set);
    free(stats);
    return 0;
}

static int know_set(struct sfs_sqlite_view view, struct sfs_sqlite_snapshot_indexes *indexes,
                    struct sfs_error *error)
{
    int code = sfs_sqlite_hold_use(view.hold, error);
    if (code)
        return code;
    pthread_mutex_lock(&indexes->mutex);
    bool known = indexes->known;
    pthread_mutex_unlock(&indexes->mutex);
    return known ? 0 : learn_set(view, indexes, error);
}

/* What is known stays as it is: it needs no lock. */
static int snapshot_set(struct sfs_storage *base, struct sfs_index_set **ret_set,
                        struct sfs_error *error)
{
    struct sfs_sqlite_view view;
    struct sfs_sqlite_snapshot_indexes *indexes = sfs_sqlite_snapshot_indexes_of(base, &view);
    int code = know_set(view, indexes, error);
    if (code == 0)
        *ret_set = sfs_index_set_ref(indexes->set);
    return code;
}

static int snapshot_stats(struct sfs_storage *base, const struct sfs_index *index,
                          struct sfs_index_stats *ret_stats, struct sfs_error *error)
{
    struct sfs_sqlite_view view;
    struct sfs_sqlite_snapshot_indexes *indexes = sfs_sqlite_snapshot_indexes_of(base, &view);
    int code = know_set(view, indexes, error);
    if (code)
        return code;
    for (size_t i = 0; indexes->set && i < indexes->set->count; i++) {
        if (indexes->set->indexes[i]->id == index->id) {
            *ret_stats = indexes->stats[i];
            return 0;
        }
    }
    return sfs_sqlite_index_gone(index, error);
}

static int snapshot_scan(struct sfs_storage *base, const struct sfs_index *index,
                         struct sfs_range range, bool descending, unsigned want,
                         struct sfs_index_cursor **ret_cursor, struct sfs_error *error)
{
    struct sfs_sqlite_view view;
    (void)sfs_sqlite_snapshot_indexes_of(base, &view);
    return sfs_sqlite_index_scan(view, index, range, descending, want, ret_cursor, error);
}

static int snapshot_count(struct sfs_storage *base, const struct sfs_index *index,
                          struct sfs_range range, uint64_t most, uint64_t *ret_count,
                          struct sfs_error *error)
{
    struct sfs_sqlite_view view;
    (void)sfs_sqlite_snapshot_indexes_of(base, &view);
    return sfs_sqlite_index_count(view, index, range, most, ret_count, error);
}

const struct sfs_index_operations sfs_sqlite_snapshot_index_operations = {
    .set = snapshot_set,
    .stats = snapshot_stats,
    .scan = snapshot_scan,
    .count = snapshot_count,
};
