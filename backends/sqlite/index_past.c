/* SPDX-License-Identifier: MIT */
/*
 * What an index was at a snapshot. The first row of history behind the snapshot says what its name
 * was; the entry is made from that as it was made then. Each row is looked at once for each index
 * that is asked for, in bounded steps, and the snapshot keeps what was found: names and Ks in
 * memory, while the records are read from history when they are shown.
 */
#include "backends/sqlite/index.h"

#include <stdlib.h>

#define STEP 2048 /* rows of history looked at in one read transaction */

struct sfs_sqlite_past_of {
    struct sfs_sqlite_past_of *next;
    uint64_t id;
    struct sfs_sqlite_past past;
};

/* --- entries --- */

static void entry_ref(void *item)
{
    atomic_fetch_add_explicit(&((struct sfs_sqlite_index_entry *)item)->references, 1,
                              memory_order_relaxed);
}

static void entry_unref(void *item)
{
    struct sfs_sqlite_index_entry *entry = item;
    if (atomic_fetch_sub_explicit(&entry->references, 1, memory_order_acq_rel) == 1)
        free(entry);
}

static const struct sfs_tree_counting counting = {entry_ref, entry_unref};

static struct sfs_sqlite_index_entry *entry_new(struct sfs_bytes key, struct sfs_bytes name)
{
    struct sfs_sqlite_index_entry *entry = malloc(sizeof(*entry) + key.size + name.size);
    if (!entry)
        return NULL;
    atomic_init(&entry->references, 1);
    entry->key_size = key.size;
    entry->size = key.size + name.size;
    if (key.size)
        memcpy(entry->bytes, key.data, key.size);
    memcpy(entry->bytes + key.size, name.data, name.size);
    return entry;
}

static struct sfs_bytes bytes_of(const struct sfs_sqlite_index_entry *entry)
{
    return sfs_bytes(entry->bytes, entry->size);
}

/* --- what was found --- */

static void past_init(struct sfs_sqlite_past *past, int64_t sequence)
{
    *past = (struct sfs_sqlite_past){.sequence = sequence};
    sfs_tree_init(&past->changed, &counting);
    sfs_tree_init(&past->entries, &counting);
}

void sfs_sqlite_past_clear(struct sfs_sqlite_past *past)
{
    sfs_tree_clear(&past->changed);
    sfs_tree_clear(&past->entries);
    sfs_buffer_free(&past->name);
}

static int past_share(const struct sfs_sqlite_past *past, struct sfs_sqlite_past *ret_past)
{
    struct sfs_buffer name = {0};
    if (sfs_buffer_add(&name, sfs_buffer_bytes(&past->name)))
        return SFS_E_NO_MEMORY;
    *ret_past = *past;
    ret_past->name = name;
    sfs_tree_share(&past->changed, &ret_past->changed);
    sfs_tree_share(&past->entries, &ret_past->entries);
    return 0;
}

void sfs_sqlite_pasts_init(struct sfs_sqlite_pasts *pasts)
{
    *pasts = (struct sfs_sqlite_pasts){.keys = -1};
    pthread_mutex_init(&pasts->mutex, NULL);
}

void sfs_sqlite_pasts_free(struct sfs_sqlite_pasts *pasts)
{
    while (pasts->first) {
        struct sfs_sqlite_past_of *next = pasts->first->next;
        sfs_sqlite_past_clear(&pasts->first->past);
        free(pasts->first);
        pasts->first = next;
    }
    sfs_index_set_unref(pasts->set);
    free(pasts->stats);
    pthread_mutex_destroy(&pasts->mutex);
}

static struct sfs_sqlite_past_of *find_past(const struct sfs_sqlite_pasts *pasts, uint64_t id)
{
    struct sfs_sqlite_past_of *of = pasts->first;
    while (of && of->id != id)
        of = of->next;
    return of;
}

/* What is known of the index, or as good as nothing. */
static int past_take(struct sfs_sqlite_pasts *pasts, uint64_t id, int64_t sequence,
                     struct sfs_sqlite_past *ret_past)
{
    int code = 0;
    pthread_mutex_lock(&pasts->mutex);
    const struct sfs_sqlite_past_of *of = find_past(pasts, id);
    if (of)
        code = past_share(&of->past, ret_past);
    else
        past_init(ret_past, sequence);
    pthread_mutex_unlock(&pasts->mutex);
    return code;
}

static bool is_behind(const struct sfs_sqlite_past *past, const struct sfs_sqlite_past *other)
{
    if (past->sequence != other->sequence)
        return past->sequence < other->sequence;
    return sfs_bytes_compare(sfs_buffer_bytes(&past->name), sfs_buffer_bytes(&other->name)) < 0;
}

/* Keeps a share of it, unless others have come further. */
static int past_keep(struct sfs_sqlite_pasts *pasts, uint64_t id,
                     const struct sfs_sqlite_past *past)
{
    struct sfs_sqlite_past copy;
    struct sfs_sqlite_past_of *spare = calloc(1, sizeof(*spare));
    if (!spare)
        return SFS_E_NO_MEMORY;
    if (past_share(past, &copy)) {
        free(spare);
        return SFS_E_NO_MEMORY;
    }
    pthread_mutex_lock(&pasts->mutex);
    struct sfs_sqlite_past_of *of = find_past(pasts, id);
    if (!of) {
        *spare = (struct sfs_sqlite_past_of){.next = pasts->first, .id = id, .past = copy};
        pasts->first = spare;
        copy = (struct sfs_sqlite_past){.name = {0}};
        spare = NULL;
    } else if (is_behind(&of->past, &copy)) {
        struct sfs_sqlite_past old = of->past;
        of->past = copy;
        copy = old;
    }
    pthread_mutex_unlock(&pasts->mutex);
    sfs_sqlite_past_clear(&copy);
    free(spare);
    return 0;
}

/* --- looking at history --- */

/* The record in the row, with its value if the index needs that. */
static int read_row(struct sfs_sqlite_connection *connection, sqlite3_stmt *row,
                    const struct sfs_index *index, int64_t version,
                    const struct sfs_record **ret_record, struct sfs_error *error)
{
    struct sfs_sqlite_row found;
    int code = sfs_sqlite_row(connection, row, SFS_WANT_RECORD, version, &found, error);
    if (code || !sfs_index_needs_value(index, found.record)) {
        if (code == 0)
            *ret_record = found.record;
        return code;
    }
    sfs_record_unref(found.record);
    code = sfs_sqlite_row(connection, row, SFS_WANT_VALUE, version, &found, error);
    if (code == 0)
        *ret_record = found.record;
    return code;
}

static int insert(struct sfs_sqlite_past *past, struct sfs_bytes key, struct sfs_bytes name)
{
    struct sfs_sqlite_index_entry *entry = entry_new(key, name);
    if (!entry)
        return SFS_E_NO_MEMORY;
    int code = key.size ? sfs_tree_insert(&past->entries, bytes_of(entry), entry) : 0;
    if (code == 0)
        code = sfs_tree_insert(&past->changed, sfs_sqlite_entry_name(entry), entry);
    entry_unref(entry);
    if (code == 0 && key.size)
        past->inexact += !sfs_index_key_is_exact(key);
    return code;
}

/* The row is the first of its name: what it was then. */
static int add_row(const struct sfs_sqlite_index_look *look, struct sfs_sqlite_past *past,
                   sqlite3_stmt *row, const struct sfs_index *index, struct sfs_buffer *key,
                   struct sfs_error *error)
{
    const struct sfs_record *record = NULL;
    int code = 0;
    key->size = 0;
    if (sqlite3_column_int(row, SFS_SQLITE_COLUMN_EXISTED))
        code = read_row(look->connection, row, index, look->version, &record, error);
    if (code)
        return code;
    if (record && sfs_record_is_key(record))
        code = sfs_index_key(index, record, key);
    if (code == 0)
        code = insert(past, sfs_buffer_bytes(key), sfs_sqlite_column(row, SFS_SQLITE_COLUMN_NAME));
    sfs_record_unref(record);
    return code ? sfs_fail_memory(error, SFS_SQLITE_ORIGIN) : 0;
}

/* Goes through rows behind the last one looked at: 1 there may be more, 0 that was all. */
static int extend(const struct sfs_sqlite_index_look *look, struct sfs_sqlite_past *past,
                  const struct sfs_index *index, struct sfs_error *error)
{
    struct sfs_buffer key = {0}, name = {0};
    sqlite3_stmt *row;
    int rows = 0, found = 0;
    int code = sfs_sqlite_statement(look->connection, SFS_SQL_INDEX_HISTORY, &row, error);
    if (code == 0 && sfs_buffer_add(&name, sfs_buffer_bytes(&past->name)))
        code = sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
    if (code) {
        sfs_buffer_free(&name);
        return code;
    }
    sqlite3_bind_int64(row, 1, past->sequence);
    /* What has the snapshot's own number is of its state. */
    sfs_sqlite_bind(row, 2,
                    name.size ? sfs_buffer_bytes(&name)
                              : sfs_sqlite_range_end((struct sfs_range){{0}, {0}}));
    sqlite3_bind_int64(row, 3, STEP);
    sqlite3_bind_int64(row, 9, (index->depends & SFS_INDEX_OF_VALUE) != 0);
    while (code == 0 && (found = sfs_sqlite_step(look->connection, row, error)) == 1) {
        struct sfs_bytes changed = sfs_sqlite_column(row, SFS_SQLITE_COLUMN_NAME);
        if (!sfs_tree_find(&past->changed, changed))
            code = add_row(look, past, row, index, &key, error);
        past->sequence = sqlite3_column_int64(row, SFS_SQLITE_COLUMN_SEQUENCE);
        past->name.size = 0;
        if (code == 0 && sfs_buffer_add(&past->name, changed))
            code = sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
        rows++;
    }
    sqlite3_reset(row);
    sfs_buffer_free(&key);
    sfs_buffer_free(&name);
    code = code ? code : found;
    return code ? code : rows == STEP;
}

/* 1: not all of history has been seen yet, which goes on in another read transaction. */
static int look_once(struct sfs_sqlite_view view, struct sfs_sqlite_pasts *pasts,
                     const struct sfs_index *index, struct sfs_sqlite_index_look *look,
                     struct sfs_error *error)
{
    int code = sfs_sqlite_hold_use(view.hold, error);
    if (code == 0)
        code = sfs_sqlite_reader_take(view.store, &look->connection, error);
    if (code == 0)
        code = sfs_sqlite_hold_anchor(view.hold, look->connection, &look->anchor, &look->present,
                                      error);
    if (code || look->present)
        return code;
    int more = extend(look, &look->past, index, error);
    if (more >= 0 && past_keep(pasts, index->id, &look->past))
        return sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
    return more;
}

int sfs_sqlite_index_look(struct sfs_sqlite_view view, struct sfs_sqlite_pasts *pasts,
                          const struct sfs_index *index, struct sfs_sqlite_index_look *ret_look,
                          struct sfs_error *error)
{
    struct sfs_sqlite_index_look look = {.version = SFS_SQLITE_LATEST};
    int code;
    if (!view.hold) {
        past_init(&look.past, 0);
        code = sfs_sqlite_reader_take(view.store, &look.connection, error);
        if (code == 0)
            *ret_look = look;
        return code;
    }
    look.version = view.hold->sequence;
    do {
        if (past_take(pasts, index->id, look.version, &look.past))
            return sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
        code = look_once(view, pasts, index, &look, error);
        if (code)
            sfs_sqlite_index_look_end(&look);
    } while (code == 1);
    if (code == 0)
        *ret_look = look;
    return code;
}

void sfs_sqlite_index_look_end(struct sfs_sqlite_index_look *look)
{
    if (look->anchor)
        sqlite3_reset(look->anchor);
    if (look->connection)
        sfs_sqlite_reader_give(look->connection);
    look->anchor = NULL;
    look->connection = NULL;
    sfs_sqlite_past_clear(&look->past);
}

/* --- asking --- */

int sfs_sqlite_index_ended(const struct sfs_sqlite_index_look *look, const struct sfs_index *index,
                           bool snapshot, bool *ret_ended, struct sfs_error *error)
{
    struct sfs_sqlite_index_row row = {.ended = false};
    int code = look->present ? 0 : sfs_sqlite_index_row(look->connection, index, &row, error);
    if (code == 0 && row.ended && !snapshot)
        code = sfs_sqlite_index_gone(index, error);
    *ret_ended = row.ended;
    return code;
}

int sfs_sqlite_past_record(const struct sfs_sqlite_index_look *look, struct sfs_bytes name,
                           unsigned want, const struct sfs_record **ret_record,
                           struct sfs_error *error)
{
    sqlite3_stmt *row;
    struct sfs_sqlite_row found;
    int code = sfs_sqlite_statement(look->connection, SFS_SQL_HISTORY_GET, &row, error);
    if (code)
        return code;
    sfs_sqlite_bind(row, 1, name);
    sqlite3_bind_int64(row, 2, look->version);
    sqlite3_bind_int64(row, 9, (want & SFS_WANT_VALUE) != 0);
    code = sfs_sqlite_step(look->connection, row, error);
    if (code == 0)
        return sfs_fail(error, SFS_E_CORRUPT, SFS_SQLITE_ORIGIN,
                        "%s is damaged: history lacks a row", look->connection->store->path);
    if (code < 0)
        return code;
    code = sfs_sqlite_row(look->connection, row, want, look->version, &found, error);
    sqlite3_reset(row);
    if (code == 0)
        *ret_record = found.record;
    return code;
}

/* Whether a name is a key now and, with an index, its K in the range: 1, 0 or an error. */
static int is_present(const struct sfs_sqlite_index_look *look, const struct sfs_index *index,
                      struct sfs_range range, struct sfs_bytes name, struct sfs_buffer *key,
                      struct sfs_error *error)
{
    sqlite3_stmt *row;
    const struct sfs_record *record = NULL;
    int code = sfs_sqlite_statement(look->connection, SFS_SQL_GET, &row, error);
    if (code)
        return code;
    sfs_sqlite_bind(row, 1, name);
    sqlite3_bind_int64(row, 9, index && (index->depends & SFS_INDEX_OF_VALUE));
    int found = sfs_sqlite_step(look->connection, row, error);
    if (found <= 0)
        return found;
    if (!index) {
        found = sqlite3_column_int(row, SFS_SQLITE_COLUMN_KIND) == SFS_KIND_VALUE;
        sqlite3_reset(row);
        return found;
    }
    code = read_row(look->connection, row, index, SFS_SQLITE_LATEST, &record, error);
    sqlite3_reset(row);
    if (code)
        return code;
    key->size = 0;
    if (sfs_record_is_key(record) && sfs_index_key(index, record, key))
        code = sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
    sfs_record_unref(record);
    struct sfs_bytes made = sfs_buffer_bytes(key);
    return code ? code
                : made.size > 0 && sfs_bytes_compare(made, range.from) >= 0 &&
                      (range.to.size == 0 || sfs_bytes_compare(made, range.to) < 0);
}

int sfs_sqlite_past_present(const struct sfs_sqlite_index_look *look, const struct sfs_index *index,
                            struct sfs_range range, uint64_t *ret_count, struct sfs_error *error)
{
    struct sfs_tree_cursor cursor = sfs_tree_seek(&look->past.changed, (struct sfs_bytes){0});
    const struct sfs_sqlite_index_entry *entry;
    struct sfs_buffer key = {0};
    uint64_t count = 0;
    int found = 0;
    while (found >= 0 && (entry = sfs_tree_next(&cursor)) != NULL) {
        found = is_present(look, index, range, sfs_sqlite_entry_name(entry), &key, error);
        count += found > 0;
    }
    sfs_buffer_free(&key);
    if (found < 0)
        return found;
    *ret_count = count;
    return 0;
}
