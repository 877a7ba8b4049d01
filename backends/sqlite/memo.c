/* SPDX-License-Identifier: MIT */
/*
 * What was read last, so that it need not be read again while nobody has committed. Whether
 * somebody has is seen in the header of the wal-index (sqlite.org/walformat.html), which all
 * processes that have the database open share as mapped memory, and which each commit rewrites
 * before it returns: 48 bytes, with a counter of commits and the running checksum of the log. To
 * compare them costs some nanoseconds, where a read transaction takes and gives back a lock of the
 * file.
 *
 * A stamp is the header as it was before a read. If it still is the same when the result is wanted,
 * no commit was completed since, and the result is what would be read now. Our own commits know
 * which names they change, and leave the rest as it is: where the counter has gone on by one,
 * between the begin of the write transaction and its end, it was this commit alone; and of a batch
 * that makes one record they know that as well. Who puts keys in order looks each up first, where
 * nothing is: up to which name that goes is remembered, too. What is read from the header
 * half-written is no stamp of anything, and at worst nothing is remembered.
 */
#include "backends/sqlite/sharing.h"

#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#define SLOTS 4096
#define VALUE_MOST 16384             /* of a value that is kept, bytes */
#define BYTES_MOST ((size_t)4 << 20) /* of all that is kept */
#define RECORD_BYTES 256             /* of a record without its name and value, about */
#define REGION_BYTES 32768           /* of the wal-index, which is mapped in such steps */
#define COUNTER 2                    /* the word that counts commits */
#define PAGES 5                      /* … and that of the pages of the database */

struct slot {
    uint64_t epoch; /* good while it is the memo's */
    uint64_t hash;
    size_t bytes;                    /* 0: nothing is here */
    const struct sfs_record *record; /* NULL: there is none of this name: */
    char *absent;
    size_t absent_size;
};

struct sfs_sqlite_memo {
    const volatile uint32_t *header;
    pthread_mutex_t lock; /* guards the rest; held for copying only */
    struct sfs_sqlite_stamp stamp;
    uint64_t epoch;
    uint64_t version;
    size_t bytes;
    size_t hand; /* the slot that is emptied next for want of room */
    struct sfs_buffer from; /* there is no record from here … */
    struct sfs_buffer to;   /* … to here, empty: to the end … */
    uint64_t empty_epoch;   /* … good while it is the memo's */
    struct sfs_buffer last; /* name that was put here */
    struct slot slots[SLOTS];
};

/*
 * The mapped header, NULL where there is none. SQLite unmaps only what its own use of the log has
 * mapped: a connection that has not opened the log yet (its first reads failed, say) would leave
 * behind what is mapped here. A read opens it, and then the file of the log is there.
 */
static const volatile uint32_t *map_header(struct sfs_sqlite_connection *connection)
{
    sqlite3_file *file = NULL, *log = NULL;
    void volatile *region = NULL;
    sqlite3 *db = connection->db;
    bool opened =
        sfs_sqlite_execute(connection, "SELECT sequence FROM state", NULL) == 0 &&
        sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log) == SQLITE_OK && log &&
        log->pMethods;
    if (!opened ||
        sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK || !file ||
        !file->pMethods || file->pMethods->iVersion < 2 || !file->pMethods->xShmMap ||
        file->pMethods->xShmMap(file, 0, REGION_BYTES, 0, &region) != SQLITE_OK)
        return NULL;
    return region;
}

void sfs_sqlite_memo_new(struct sfs_sqlite *store)
{
    struct sfs_sqlite_connection *lasting = store->writer ? store->writer : store->freezer;
    const volatile uint32_t *header = lasting ? map_header(lasting) : NULL;
    struct sfs_sqlite_memo *memo = header ? calloc(1, sizeof(*memo)) : NULL;
    if (!memo)
        return;
    memo->header = header;
    memo->epoch = 1;
    pthread_mutex_init(&memo->lock, NULL);
    store->memo = memo;
}

/* With the lock held, as all that follows but the doors. */
static void empty(struct sfs_sqlite_memo *memo, struct slot *slot)
{
    memo->bytes -= slot->bytes;
    sfs_record_unref(slot->record);
    free(slot->absent);
    *slot = (struct slot){0};
}

void sfs_sqlite_memo_free(struct sfs_sqlite *store)
{
    struct sfs_sqlite_memo *memo = store->memo;
    if (!memo)
        return;
    for (size_t i = 0; i < SLOTS; i++)
        empty(memo, &memo->slots[i]);
    sfs_buffer_free(&memo->from);
    sfs_buffer_free(&memo->to);
    sfs_buffer_free(&memo->last);
    pthread_mutex_destroy(&memo->lock);
    free(memo);
    store->memo = NULL;
}

struct sfs_sqlite_stamp sfs_sqlite_memo_stamp(const struct sfs_sqlite *store)
{
    struct sfs_sqlite_stamp stamp = {{0}};
    if (!store->memo)
        return stamp;
    atomic_thread_fence(memory_order_seq_cst);
    for (size_t i = 0; i < SFS_SQLITE_STAMP_WORDS; i++)
        stamp.words[i] = store->memo->header[i];
    atomic_thread_fence(memory_order_seq_cst);
    return stamp;
}

int64_t sfs_sqlite_memo_pages(const struct sfs_sqlite *store)
{
    return store->memo ? store->memo->header[PAGES] : 0;
}

static bool is_same(const struct sfs_sqlite_stamp *left, const struct sfs_sqlite_stamp *right)
{
    return memcmp(left, right, sizeof(*left)) == 0;
}

static void move_on(struct sfs_sqlite_memo *memo, const struct sfs_sqlite_stamp *stamp)
{
    if (is_same(&memo->stamp, stamp))
        return;
    memo->stamp = *stamp;
    memo->epoch++;
    memo->version++;
}

static struct slot *slot_of(struct sfs_sqlite_memo *memo, uint64_t hash)
{
    return &memo->slots[hash % SLOTS];
}

static bool holds(const struct sfs_sqlite_memo *memo, const struct slot *slot, uint64_t hash,
                  struct sfs_bytes name)
{
    if (slot->bytes == 0 || slot->epoch != memo->epoch || slot->hash != hash)
        return false;
    return sfs_bytes_equal(
        slot->record ? slot->record->name : sfs_bytes(slot->absent, slot->absent_size), name);
}

int sfs_sqlite_memo_get(struct sfs_sqlite *store, struct sfs_bytes name, unsigned want,
                        struct sfs_sqlite_stamp *ret_stamp, const struct sfs_record **ret_record)
{
    struct sfs_sqlite_memo *memo = store->memo;
    if (!memo)
        return 0;
    uint64_t hash = XXH3_64bits(name.data, name.size);
    int code = 0;
    pthread_mutex_lock(&memo->lock);
    *ret_stamp = sfs_sqlite_memo_stamp(store);
    move_on(memo, ret_stamp);
    const struct slot *slot = slot_of(memo, hash);
    if (holds(memo, slot, hash, name)) {
        bool enough =
            !slot->record || !(want & SFS_WANT_VALUE) || sfs_record_has_value(slot->record);
        if (enough && slot->record)
            *ret_record = sfs_record_ref(slot->record);
        if (enough)
            code = slot->record ? 1 : SFS_E_NOT_FOUND;
    }
    pthread_mutex_unlock(&memo->lock);
    return code;
}

static void make_room(struct sfs_sqlite_memo *memo)
{
    while (memo->bytes > BYTES_MOST)
        empty(memo, &memo->slots[memo->hand++ % SLOTS]);
}

static void fill(struct sfs_sqlite_memo *memo, struct slot *slot, uint64_t hash,
                 struct sfs_bytes name, const struct sfs_record *record)
{
    empty(memo, slot);
    if (!record) {
        slot->absent = malloc(name.size + 1);
        if (!slot->absent)
            return;
        memcpy(slot->absent, name.data, name.size);
        slot->absent_size = name.size;
    }
    slot->record = sfs_record_ref(record);
    slot->hash = hash;
    slot->epoch = memo->epoch;
    slot->bytes = RECORD_BYTES + name.size;
    if (record)
        slot->bytes += record->xattrs.size + sfs_record_value(record).size;
    memo->bytes += slot->bytes;
    make_room(memo);
}

void sfs_sqlite_memo_put(struct sfs_sqlite *store, const struct sfs_sqlite_stamp *stamp,
                         struct sfs_bytes name, const struct sfs_record *record)
{
    struct sfs_sqlite_memo *memo = store->memo;
    if (!memo || (record && sfs_record_has_value(record) && record->size > VALUE_MOST))
        return;
    uint64_t hash = XXH3_64bits(name.data, name.size);
    pthread_mutex_lock(&memo->lock);
    struct sfs_sqlite_stamp now = sfs_sqlite_memo_stamp(store);
    move_on(memo, &now);
    struct slot *slot = slot_of(memo, hash);
    /* A record with its value is not given up for one without. */
    bool has = holds(memo, slot, hash, name) && slot->record && sfs_record_has_value(slot->record);
    if (is_same(&memo->stamp, stamp) && !has)
        fill(memo, slot, hash, name, record);
    pthread_mutex_unlock(&memo->lock);
}

static void forget(struct sfs_sqlite_memo *memo, struct sfs_bytes name)
{
    uint64_t hash = XXH3_64bits(name.data, name.size);
    struct slot *slot = slot_of(memo, hash);
    if (slot->hash == hash)
        empty(memo, slot);
}

/* --- where there is nothing --- */

static bool set(struct sfs_buffer *buffer, struct sfs_bytes bytes)
{
    buffer->size = 0;
    return sfs_buffer_add(buffer, bytes) == 0;
}

static struct sfs_range empty_range(const struct sfs_sqlite_memo *memo)
{
    return (struct sfs_range){sfs_buffer_bytes(&memo->from), sfs_buffer_bytes(&memo->to)};
}

/* What is put in order is put behind the name. */
static void note_put(struct sfs_sqlite_memo *memo, struct sfs_bytes name)
{
    bool good = set(&memo->last, name);
    if (memo->empty_epoch == memo->epoch && sfs_range_has(empty_range(memo), name))
        good = good && set(&memo->from, name) && sfs_buffer_byte(&memo->from, '\0') == 0;
    if (!good)
        memo->empty_epoch = 0;
}

bool sfs_sqlite_memo_is_empty(struct sfs_sqlite *store, struct sfs_range range, bool *ret_next)
{
    struct sfs_sqlite_memo *memo = store->memo;
    *ret_next = false;
    if (!memo)
        return false;
    pthread_mutex_lock(&memo->lock);
    struct sfs_sqlite_stamp now = sfs_sqlite_memo_stamp(store);
    move_on(memo, &now);
    bool empty = memo->empty_epoch == memo->epoch && sfs_range_covers(empty_range(memo), range);
    *ret_next = !empty && sfs_bytes_compare(range.from, sfs_buffer_bytes(&memo->last)) > 0;
    pthread_mutex_unlock(&memo->lock);
    return empty;
}

void sfs_sqlite_memo_put_empty(struct sfs_sqlite *store, const struct sfs_sqlite_stamp *stamp,
                               struct sfs_range range)
{
    struct sfs_sqlite_memo *memo = store->memo;
    pthread_mutex_lock(&memo->lock);
    struct sfs_sqlite_stamp now = sfs_sqlite_memo_stamp(store);
    move_on(memo, &now);
    if (is_same(&memo->stamp, stamp))
        memo->empty_epoch = set(&memo->from, range.from) && set(&memo->to, range.to) ? memo->epoch : 0;
    pthread_mutex_unlock(&memo->lock);
}

/* --- commits of ours --- */

/* Whether the operation changes one name only. */
static bool is_plain(const struct sfs_operation *operation)
{
    switch (operation->kind) {
    case SFS_OPERATION_PUT:
    case SFS_OPERATION_WRITE:
    case SFS_OPERATION_APPEND:
    case SFS_OPERATION_TRUNCATE:
    case SFS_OPERATION_PATCH:
    case SFS_OPERATION_ATTRIBUTES:
    case SFS_OPERATION_XATTR:
    case SFS_OPERATION_DELETE:
        return true;
    default:
        return false;
    }
}

static void forget_changed(struct sfs_sqlite_memo *memo, struct sfs_batch *batch)
{
    size_t count;
    const struct sfs_operation *operations = sfs_batch_operations(batch, &count);
    for (size_t i = 0; i < count; i++) {
        if (!is_plain(&operations[i])) {
            memo->epoch++;
            continue;
        }
        forget(memo, operations[i].name);
        if (operations[i].kind != SFS_OPERATION_DELETE)
            note_put(memo, operations[i].name);
    }
}

/* Who has written a record is the next to ask for it. */
static void remember_made(struct sfs_sqlite_memo *memo, const struct sfs_record *record)
{
    if (sfs_record_has_value(record) && record->size > VALUE_MOST)
        return;
    uint64_t hash = XXH3_64bits(record->name.data, record->name.size);
    fill(memo, slot_of(memo, hash), hash, record->name, record);
}

void sfs_sqlite_memo_committed(struct sfs_sqlite *store, const struct sfs_sqlite_stamp *before,
                               const struct sfs_sqlite_made *made, size_t count)
{
    struct sfs_sqlite_memo *memo = store->memo;
    if (!memo)
        return;
    struct sfs_sqlite_stamp now = sfs_sqlite_memo_stamp(store);
    if (now.words[COUNTER] != before->words[COUNTER] + 1)
        return; /* somebody else has committed since: the next to ask sees that */
    pthread_mutex_lock(&memo->lock);
    if (is_same(&memo->stamp, before)) {
        for (size_t i = 0; i < count; i++) {
            if (made[i].batch)
                forget_changed(memo, made[i].batch);
            if (made[i].record)
                remember_made(memo, made[i].record);
        }
        memo->stamp = now;
        memo->version++;
    }
    pthread_mutex_unlock(&memo->lock);
}

int sfs_sqlite_version(struct sfs_storage *base, uint64_t *ret_version, struct sfs_error *error)
{
    struct sfs_sqlite *store = sfs_sqlite_of(base);
    if (!store->memo)
        return sfs_fail(error, SFS_E_UNSUPPORTED, SFS_SQLITE_ORIGIN,
                        "changes of %s cannot be seen without reading it", store->path);
    pthread_mutex_lock(&store->memo->lock);
    struct sfs_sqlite_stamp now = sfs_sqlite_memo_stamp(store);
    move_on(store->memo, &now);
    *ret_version = store->memo->version;
    pthread_mutex_unlock(&store->memo->lock);
    return 0;
}
