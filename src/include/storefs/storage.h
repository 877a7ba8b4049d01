/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_STORAGE_H
#define STOREFS_STORAGE_H

#include "storefs/batch.h"

/*
 * Storage: a versioned, ordered map from names to records, over any backend or layer.
 *
 * The primitive calls (get, read, scan; apply, stage, sync; snapshot, changes) are what a backend
 * implements; everything below "Derived" is written once, in terms of them. A store may be used by
 * several threads at once, except in sfs_close(); cursors, batches, stages and feeds belong to one
 * thread at a time and must be closed before their store. A process must not fork while it has a
 * store open and use it in the child.
 *
 * Names, keys, values and ranges that are passed are borrowed for the call. Besides the errors that
 * each call names, every one can return NO_MEMORY, IO, CORRUPT (the store is damaged), BUSY (another
 * process holds a lock for longer than the backend waits), on a snapshot or a transaction's store
 * EXPIRED, and where it takes a name INVALID or NAME_TOO_LONG.
 */
struct sfs_storage;
struct sfs_cursor;
struct sfs_feed;

/* What the store can do beyond the primitives. */
enum sfs_capability {
    SFS_CAN_SNAPSHOT = 1 << 0,    /* snapshot() works: snapshot isolation can be given */
    SFS_CAN_CHANGES = 1 << 1,     /* changes() works */
    SFS_CAN_SHARE = 1 << 2,       /* other processes may have the same store open */
    SFS_CAN_PERSIST = 1 << 3,     /* content outlives the process */
    SFS_CAN_CHANGE_OUTSIDE = 1 << 4, /* programs that know nothing of the store can change its content */
};

enum sfs_open_flags {
    SFS_OPEN_CREATE = 1,    /* make the store where there is none (mode 0600) */
    SFS_OPEN_READ_ONLY = 2, /* every change is READ_ONLY */
    SFS_OPEN_FROZEN = 4, /* that, and no other process can change it either while it is open: theirs
                          * are BUSY. PERMISSION where that cannot be promised. */
    SFS_OPEN_SALVAGE = 8, /* read-only, and of a damaged store all that is whole; see below */
};

/*
 * A store opened with SFS_OPEN_SALVAGE may be damaged. Nothing is written to it, nor beside it. It
 * holds every record whose own bytes are whole. Its cursors go on after two errors: CORRUPT from
 * sfs_cursor_next() names a record that is lost, DOUBTFUL says what else may be missing or wrong.
 * It has neither snapshots nor a change feed. A file without a trace of a store is still
 * NOT_A_STORE or CORRUPT.
 */

/*
 * Opens the store that a URI names: "memory:", "json:PATH", "dir:PATH", "sqlite:PATH", or a bare path,
 * which is sqlite; "?name=value&name=value" behind it are options, an unknown one is refused by name
 * (INVALID). %XX escapes in PATH and in values. Errors: INVALID, NOT_FOUND (no CREATE), NOT_A_STORE,
 * TOO_NEW, CORRUPT, BUSY (another process holds it), PERMISSION, NO_SPACE, IO, UNSUPPORTED (unknown
 * scheme; the sentence lists those there are).
 */
SFS_API int sfs_open(struct sfs_storage **ret_store, const char *uri, unsigned flags,
                     struct sfs_error *error);
/* The file or directory that a URI names, decoded, as it was written: it need not be there. Owned
 * by the caller; NULL: none, a store in memory alone. INVALID as of sfs_open(). */
SFS_API int sfs_uri_path(const char *uri, char **ret_path, struct sfs_error *error);
/* Writes what is not yet written and frees the store, whatever it returns; an error tells that
 * something could not be written. NULL is allowed. Closes the layers below too. */
SFS_API int sfs_close(struct sfs_storage *store, struct sfs_error *error);

/* What a store is. Thread-safe, never fail; texts are borrowed from the store. */
SFS_API const char *sfs_storage_name(const struct sfs_storage *store);     /* the backend's: "sqlite" */
SFS_API const char *sfs_storage_location(const struct sfs_storage *store); /* path, or "" */
SFS_API unsigned sfs_storage_capabilities(const struct sfs_storage *store); /* enum sfs_capability */
SFS_API size_t sfs_storage_key_max(const struct sfs_storage *store);       /* bytes */

/* --- read --- */

enum sfs_want {
    SFS_WANT_RECORD = 0,     /* attributes, size, times, revision; a listing never reads values */
    SFS_WANT_VALUE = 1,      /* the value too */
    SFS_WANT_KEYS = 2,       /* scan: only records that are keys (kind VALUE) */
    SFS_WANT_DOCUMENTS = 32, /* a wanted value may be left out where it is no JSON document */
    SFS_WANT_SMALL = 64, /* a wanted value may be left out where it has SFS_LARGE bytes or more */
};
#define SFS_LARGE ((uint64_t)1 << 20)
/* Whether a wanted value of a type and size may be left out. */
static inline bool sfs_want_leaves_out(unsigned want, enum sfs_type type, uint64_t size)
{
    return ((want & SFS_WANT_DOCUMENTS) && type != SFS_TYPE_JSON) ||
           ((want & SFS_WANT_SMALL) && size >= SFS_LARGE);
}

/* The record of a name, owned by the caller (sfs_record_unref); NOT_FOUND. `want`: enum sfs_want. The
 * value may be there though it was not asked for. */
SFS_API int sfs_get(struct sfs_storage *store, struct sfs_bytes name, unsigned want,
                    const struct sfs_record **ret_record, struct sfs_error *error);
/*
 * Reads up to `size` bytes of a value from `offset` on; returns how many in *ret_size (0 at or past
 * the end). `revision` 0 reads the latest; another must be the record's present one (CONFLICT).
 * NOT_FOUND where there is no such record.
 */
SFS_API int sfs_read(struct sfs_storage *store, struct sfs_bytes name, uint64_t revision,
                     uint64_t offset, void *data, size_t size, size_t *ret_size,
                     struct sfs_error *error);
struct sfs_extent {
    uint64_t offset;
    uint64_t size;
};
/* 1 and the first run of a value's bytes from `offset` on for which the store keeps something, 0: there is
 * none; what lies between runs reads as zeros. A store that keeps no account of that has one run, the whole
 * value. NOT_FOUND. */
SFS_API int sfs_data(struct sfs_storage *store, struct sfs_bytes name, uint64_t offset,
                     struct sfs_extent *ret_extent, struct sfs_error *error);
/*
 * A cursor over the records of a range, ascending. Outside a snapshot it shows each record as it is
 * when reached: it holds no lock and pins nothing. The range is copied. INVALID where its bounds are
 * not in order. The caller closes the cursor.
 */
SFS_API int sfs_scan(struct sfs_storage *store, struct sfs_range range, unsigned want,
                     struct sfs_cursor **ret_cursor, struct sfs_error *error);
/* 1 and the next record (borrowed until the next step), 0 at the end, or an error. */
SFS_API int sfs_cursor_next(struct sfs_cursor *cursor, const struct sfs_record **ret_record,
                            struct sfs_error *error);
/* The next step will show the first record whose name is not below `name` (clipped to the range);
 * backwards too. UNSUPPORTED by the cursors of queries. */
SFS_API int sfs_cursor_seek(struct sfs_cursor *cursor, struct sfs_bytes name, struct sfs_error *error);
/* NULL allowed. */
SFS_API void sfs_cursor_close(struct sfs_cursor *cursor);

/* The smallest range that holds every name beginning with `prefix`, borrowed from prefix and from
 * `buffer` (the caller's; what it held is dropped), in which `to` is built. NO_MEMORY. Pure, thread-safe. */
SFS_API int sfs_range_prefix(struct sfs_bytes prefix, struct sfs_buffer *buffer,
                             struct sfs_range *ret_range);
/* Whether the range holds the name. Pure, thread-safe. */
SFS_API bool sfs_range_has(struct sfs_range range, struct sfs_bytes name);
/* Whether it holds every name of the other one. Pure, thread-safe. */
SFS_API bool sfs_range_covers(struct sfs_range range, struct sfs_range inner);

/* --- write --- */

struct sfs_apply_options {
    bool durable; /* on disk when apply returns, not only committed */
    /* The sfs_snapshot_lease() of a snapshot that nobody reads any more once the batch is committed
     * (0: none): it may be EXPIRED from then on, which spares a store history that only it would need.
     * If the batch fails, it stays as it is. */
    uint64_t released_lease;
    /* Called with `publish_context` (NULL: not called) before any reader can see the batch: until
     * it returns, reads show nothing of it. It may wait for readers of the store, which need
     * nothing that apply holds then; it may not use the store. Called from any thread, once or
     * several times if the batch changes something, and perhaps also if it fails. */
    void (*publish)(void *context);
    void *publish_context;
};
/* For those who implement apply: calls it. */
static inline void sfs_apply_publish(const struct sfs_apply_options *options)
{
    if (options && options->publish)
        options->publish(options->publish_context);
}
/* All or nothing. *ret_sequence (may be NULL): the commit's sequence number. `options` NULL: not
 * durable. The batch stays the caller's; its stages are spent. Errors: those of the operations and
 * preconditions (storefs/batch.h); INVALID where something could not be added to it; READ_ONLY,
 * NO_SPACE. */
SFS_API int sfs_apply(struct sfs_storage *store, struct sfs_batch *batch,
                      const struct sfs_apply_options *options, uint64_t *ret_sequence,
                      struct sfs_error *error);
/*
 * A large value on its way: nothing refers to it until a batch puts it, and what is written to it may
 * reach the disk before. Offsets and sizes are in bytes; a gap reads as zeros. Errors: READ_ONLY,
 * NO_SPACE, TOO_LARGE (over 2^63 - 1), EXPIRED (it was not used for so long that the store has removed
 * it). The caller closes it, before the store.
 */
SFS_API int sfs_stage_open(struct sfs_storage *store, struct sfs_stage **ret_stage,
                           struct sfs_error *error);
SFS_API int sfs_stage_write(struct sfs_stage *stage, uint64_t offset, struct sfs_bytes bytes,
                            struct sfs_error *error);
SFS_API int sfs_stage_truncate(struct sfs_stage *stage, uint64_t size, struct sfs_error *error);
/* Reads exactly `size` bytes of what was written; a stage that has less is an error (IO). */
SFS_API int sfs_stage_read(struct sfs_stage *stage, uint64_t offset, void *data, size_t size,
                           struct sfs_error *error);
/* What was written so far, in bytes. */
SFS_API uint64_t sfs_stage_size(const struct sfs_stage *stage);
/* The type of what was written so far. Text that was not written from the beginning on is read for
 * it, once. Content over 64 MiB is never taken for JSON, which takes all of it in memory to check.
 * Errors: those of reading. */
SFS_API int sfs_stage_type(struct sfs_stage *stage, enum sfs_type *ret_type,
                           struct sfs_error *error);
/* Abandons what no batch has put; NULL allowed. */
SFS_API void sfs_stage_close(struct sfs_stage *stage);
/* Returns when everything up to `sequence` is on disk. 0: everything committed so far. NO_SPACE. On a
 * read-only store there is nothing to do. */
SFS_API int sfs_sync(struct sfs_storage *store, uint64_t sequence, struct sfs_error *error);

/* --- time --- */

/* The sequence number of the last commit; of a snapshot: the one it shows. UNSUPPORTED where a store
 * has none. */
SFS_API int sfs_sequence(struct sfs_storage *store, uint64_t *ret_sequence, struct sfs_error *error);
/*
 * A read-only store as of now. It stops no writer: the store keeps what the snapshot still needs.
 * `lease_ms` (0: ten minutes) is how long it lives without being used; each use renews it; after
 * that every call is EXPIRED. Close it with sfs_close(). UNSUPPORTED without SFS_CAN_SNAPSHOT. Where the disk
 * is too full to note a lease: NO_SPACE, or with `lease_ms` 0 a snapshot that is EXPIRED when something is
 * committed.
 */
SFS_API int sfs_snapshot(struct sfs_storage *store, uint64_t lease_ms, struct sfs_storage **ret_snapshot,
                         struct sfs_error *error);
/* The id of a snapshot's lease, for sfs_batch_require_lease(); 0 where it has none. */
SFS_API uint64_t sfs_snapshot_lease(const struct sfs_storage *snapshot);

/* One name that one commit changed. `before` is the record before (no value), NULL where there was
 * none; `revision` the one after, 0 where it is gone. Borrowed until the feed's next step. */
struct sfs_change {
    uint64_t sequence;
    struct sfs_bytes name;
    const struct sfs_record *before;
    uint64_t revision;
};
/*
 * The change feed: what was committed after `since` (a sequence number; UINT64_MAX: from now on),
 * by this process or another, in order; names of one commit come together. An open feed is a lease:
 * the store keeps rows for it. TOO_OLD when `since` is no longer kept: follow from now and drop every
 * cache. UNSUPPORTED without SFS_CAN_CHANGES. The caller closes it.
 */
SFS_API int sfs_changes(struct sfs_storage *store, uint64_t since, struct sfs_feed **ret_feed,
                        struct sfs_error *error);
/* 1 and a change, 0 when there is none at present, or an error (TOO_OLD: the feed fell behind). */
SFS_API int sfs_feed_next(struct sfs_feed *feed, struct sfs_change *ret_change, struct sfs_error *error);
/* Waits for a commit: 1 something came, 0 `timeout_ms` passed, or CANCELLED after sfs_feed_wake(). */
SFS_API int sfs_feed_wait(struct sfs_feed *feed, uint64_t timeout_ms, struct sfs_error *error);
/* Makes a wait in another thread return CANCELLED, now and from then on. From any thread. */
SFS_API void sfs_feed_wake(struct sfs_feed *feed);
/* NULL allowed. */
SFS_API void sfs_feed_close(struct sfs_feed *feed);

/*
 * Whether others commit: other processes, and other openings of the store in this one. Unlike a feed it tells
 * nothing of what they changed, and costs the store nothing: it keeps no rows for it. So whoever caches what a
 * store has follows the feed only while there is somebody else. A watch belongs to one thread at a time, but for
 * sfs_watch_wake(); the caller closes it before the store.
 */
struct sfs_watch;
/* From now on. UNSUPPORTED where nobody else can have the store, or the backend cannot tell. */
SFS_API int sfs_watch_open(struct sfs_storage *store, struct sfs_watch **ret_watch, struct sfs_error *error);
/* Waits: 1 others have committed since it said so last (or since it was opened), usually within 10 ms of
 * the commit and a second later at the most; 0 `timeout_ms` passed; CANCELLED after sfs_watch_wake(). It may
 * say so once too often, of a commit of this opening whose outcome was not known, and never not at all. */
SFS_API int sfs_watch_wait(struct sfs_watch *watch, uint64_t timeout_ms, struct sfs_error *error);
/* Makes a wait in another thread return CANCELLED, now and from then on. From any thread. */
SFS_API void sfs_watch_wake(struct sfs_watch *watch);
/* NULL allowed. */
SFS_API void sfs_watch_close(struct sfs_watch *watch);

/* --- derived: written once over the calls above; of keys only, never markers or links --- */

/* The value, owned by the caller (sfs_buffer_free; what *ret_value held is not freed), with a NUL
 * behind it that is not counted. NOT_FOUND, also where the name is no key. */
SFS_API int sfs_get_value(struct sfs_storage *store, struct sfs_bytes key, struct sfs_buffer *ret_value,
                          struct sfs_error *error);
/* Sets one key's value: one commit, not durable. Errors: those of sfs_apply(). */
SFS_API int sfs_set(struct sfs_storage *store, struct sfs_bytes key, struct sfs_bytes value,
                    struct sfs_error *error);
/* Deletes one key, or looks for it: 1 it existed, 0 it did not. delete: READ_ONLY, NO_SPACE. */
SFS_API int sfs_delete(struct sfs_storage *store, struct sfs_bytes key, struct sfs_error *error);
SFS_API int sfs_has(struct sfs_storage *store, struct sfs_bytes key, struct sfs_error *error);
/* 1 some record, marker or link is in the range, 0 none. A serializable transaction that asks this has
 * read no more than the answer: records may come and change, if only the one that was found stays. */
SFS_API int sfs_exists(struct sfs_storage *store, struct sfs_range range, struct sfs_error *error);
/* As sfs_exists(), of `count` ranges together: 1 some record is in one of them. One call costs less
 * than several where the store has to look: it begins with the range of which it knows something.
 */
SFS_API int sfs_exists_any(struct sfs_storage *store, const struct sfs_range *ranges, size_t count,
                           struct sfs_error *error);
/* Deletes every record, markers and links too, in one commit. READ_ONLY, NO_SPACE. */
SFS_API int sfs_clear(struct sfs_storage *store, struct sfs_error *error);

struct sfs_entry {
    struct sfs_bytes key;
    struct sfs_bytes value;
};
/* ret_records[i] is the record of keys[i] with its value, or NULL; the array is the caller's and has
 * room for `count`; unref each. All from one state where the store has snapshots. */
SFS_API int sfs_get_many(struct sfs_storage *store, const struct sfs_bytes *keys, size_t count,
                         const struct sfs_record **ret_records, struct sfs_error *error);
/* All in one commit, the later of two entries of one key wins. Errors: those of sfs_apply(). */
SFS_API int sfs_set_many(struct sfs_storage *store, const struct sfs_entry *entries, size_t count,
                         struct sfs_error *error);
/* Deletes them in one commit; how many there were, in *ret_count. READ_ONLY, NO_SPACE. */
SFS_API int sfs_delete_many(struct sfs_storage *store, const struct sfs_bytes *keys, size_t count,
                            uint64_t *ret_count, struct sfs_error *error);

struct sfs_totals {
    uint64_t keys;    /* records that are keys */
    uint64_t records; /* all */
    uint64_t bytes;   /* of all values */
};
/* How much is in the store: at once where the backend keeps count, else by a scan. */
SFS_API int sfs_totals(struct sfs_storage *store, struct sfs_totals *ret_totals, struct sfs_error *error);
/* A number that is another one after any commit, of whatever process, that was completed before the call;
 * also after some that changed nothing. It says nothing of how many there were and is good for this opening
 * only. Cheaper than any read: who takes it before a read and finds it the same later need not read again.
 * UNSUPPORTED. (Linux' i_version; the wal-index of SQLite.) */
SFS_API int sfs_version(struct sfs_storage *store, uint64_t *ret_version, struct sfs_error *error);
/* Record ids *ret_first to *ret_first + count - 1 are the caller's: no other record gets one of them, whether it
 * uses them (SFS_ATTRIBUTE_ID) or not. For who must tell an id before there is a record, as a file system st_ino.
 * `count`: 1 to 2^20. INVALID, READ_ONLY, NO_SPACE; BUSY after 20 ms, not after the store's own time; UNSUPPORTED in
 * a transaction. (PostgreSQL: CACHE of a sequence.) */
SFS_API int sfs_reserve_ids(struct sfs_storage *store, uint64_t count, uint64_t *ret_first,
                            struct sfs_error *error);
/* The number of keys. */
SFS_API int sfs_size(struct sfs_storage *store, uint64_t *ret_size, struct sfs_error *error);
/* Cursors over keys whose name begins with `prefix` (empty: all; copied): without, and with their
 * values. The caller closes them. */
SFS_API int sfs_keys(struct sfs_storage *store, struct sfs_bytes prefix, struct sfs_cursor **ret_cursor,
                     struct sfs_error *error);
SFS_API int sfs_entries(struct sfs_storage *store, struct sfs_bytes prefix,
                        struct sfs_cursor **ret_cursor, struct sfs_error *error);

/* --- looking after a store --- */

/* Writes one consistent copy of a store in use to a new file (0600, EXISTS if it is there).
 * `progress` (may be NULL) is called now and then, from the same thread, with how much is done of how
 * much (0: unknown); anything but 0 stops with CANCELLED and leaves no file. UNSUPPORTED where the backend
 * has no such format; PERMISSION, NO_SPACE. */
typedef int sfs_progress_function(void *context, uint64_t done, uint64_t total);
SFS_API int sfs_backup(struct sfs_storage *store, const char *path, sfs_progress_function *progress,
                       void *context, struct sfs_error *error);
/* Checks the store, by reading all of it: `report` (may be NULL) gets one sentence a finding, from the same
 * thread. *ret_found and *ret_repaired count them. `repair` mends what loses nothing; READ_ONLY. Damage
 * is a finding, no error. */
typedef void sfs_report_function(void *context, const char *sentence);
SFS_API int sfs_check(struct sfs_storage *store, bool repair, sfs_report_function *report, void *context,
                      uint64_t *ret_found, uint64_t *ret_repaired, struct sfs_error *error);

/* Compares the store's own files with what was opened: 0, or LOST with a sentence if one was
 * removed, moved or replaced. `report` (may be NULL) gets one sentence for each thing that
 * endangers nothing yet, such as a second name (hard link). Durable commits and sfs_sync() make the
 * same comparison and fail with LOST, changing nothing; so does every commit after them, until the
 * file is back. 0 for stores without files. */
SFS_API int sfs_check_files(struct sfs_storage *store, sfs_report_function *report, void *context,
                            struct sfs_error *error);

/* The backends there are: one row each, ends with scheme NULL. */
struct sfs_backend_info {
    const char *scheme;  /* "sqlite" */
    const char *summary; /* one line */
    const char *options; /* "name=value (meaning); …" for help */
    bool shared;         /* its stores have SFS_CAN_SHARE */
};
SFS_API const struct sfs_backend_info *sfs_backends(void); /* static storage */

#endif
