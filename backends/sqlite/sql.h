/* SPDX-License-Identifier: MIT */
#ifndef SFS_SQLITE_SQL_H
#define SFS_SQLITE_SQL_H

/*
 * The prepared statements by name; their text is in sql.c, at the same name. Each connection
 * prepares what it needs once and keeps it.
 */
enum sfs_sqlite_sql {
    /* state and transactions */
    SFS_SQL_BEGIN,
    SFS_SQL_COMMIT,
    SFS_SQL_ROLLBACK,
    SFS_SQL_SAVEPOINT,
    SFS_SQL_RELEASE,
    SFS_SQL_ROLLBACK_TO,
    SFS_SQL_NAME_NEXT,
    SFS_SQL_PAGES,
    SFS_SQL_PAGES_FREE,
    SFS_SQL_PAGE_SIZE,
    SFS_SQL_STATE_READ,
    SFS_SQL_STATE_WRITE,
    SFS_SQL_SEQUENCE,
    SFS_SQL_TOTALS,

    /* leases */
    SFS_SQL_LEASES,
    SFS_SQL_LEASE_ADD,
    SFS_SQL_LEASE_RENEW,
    SFS_SQL_LEASE_ANCHOR,
    SFS_SQL_LEASE_DROP,
    SFS_SQL_LEASE_DROP_OWNER,
    SFS_SQL_LEASE_DROP_LAPSED,
    SFS_SQL_LEASE_GIVE_UP,
    SFS_SQL_FEED_ANCHOR,

    /* records */
    SFS_SQL_GET,
    SFS_SQL_SCAN,
    SFS_SQL_HISTORY_GET,
    SFS_SQL_HISTORY_SCAN,
    SFS_SQL_RECORD_FIND,
    SFS_SQL_RECORD_PLACE,
    SFS_SQL_RECORD_VALUE,
    SFS_SQL_RECORD_ADD,
    SFS_SQL_RECORD_UPDATE,
    SFS_SQL_RECORD_RENUMBER,
    SFS_SQL_RECORD_MOVE,
    SFS_SQL_RECORD_REMOVE,
    SFS_SQL_RANGE_TOTALS,
    SFS_SQL_RANGE_MOVE,
    SFS_SQL_RANGE_REMOVE,
    SFS_SQL_RANGE_BLOCKS_REMOVE,
    SFS_SQL_RANGE_GARBAGE,
    SFS_SQL_RANGE_LONGEST,

    /* values */
    SFS_SQL_BLOCK_PART,
    SFS_SQL_BLOCK_ADD,
    SFS_SQL_BLOCK_SET,
    SFS_SQL_BLOCK_REMOVE,
    SFS_SQL_CHUNKS_READ,
    SFS_SQL_CHUNK_FIND,
    SFS_SQL_CHUNK_NEXT,
    SFS_SQL_CHUNKS_LIST,
    SFS_SQL_CHUNK_ADD,
    SFS_SQL_CHUNK_END,
    SFS_SQL_CHUNKS_NEW_BLOCKS_REMOVE,
    SFS_SQL_CHUNKS_NEW_REMOVE,
    SFS_SQL_CHUNKS_GARBAGE,
    SFS_SQL_CHUNKS_END,
    SFS_SQL_CHUNK_ANY,
    SFS_SQL_CHUNK_VERSION,
    SFS_SQL_CHUNK_REMOVE,

    /* history and what nobody needs any more */
    SFS_SQL_HISTORY_ADD_RECORD,
    SFS_SQL_HISTORY_ADD_ABSENT,
    SFS_SQL_HISTORY_ADD_RANGE,
    SFS_SQL_HISTORY_ADD_TARGETS,
    SFS_SQL_HISTORY_DROP_PASSING,
    SFS_SQL_HISTORY_DROP_ABSENT,
    SFS_SQL_HISTORY_DROP_ABSENT_RANGE,
    SFS_SQL_HISTORY_CHANGED,
    SFS_SQL_HISTORY_CHANGED_ALL,
    SFS_SQL_HISTORY_FEED,
    SFS_SQL_HISTORY_PRUNE_SOME,
    SFS_SQL_HISTORY_PRUNE_ALL,
    SFS_SQL_GARBAGE_ADD,
    SFS_SQL_GARBAGE_READ,
    SFS_SQL_GARBAGE_REMOVE,
    SFS_SQL_GARBAGE_REMOVE_FIRST,
    SFS_SQL_CHUNK_REMOVE_ODD,
    SFS_SQL_PRUNABLE,
    SFS_SQL_KEPT_BEHIND,

    /* owners and stages */
    SFS_SQL_OWNERS,
    SFS_SQL_STAGE_ADD,
    SFS_SQL_STAGE_GARBAGE,
    SFS_SQL_STAGE_DROP_OWNER,
    SFS_SQL_STAGE_RENEW,
    SFS_SQL_STAGE_THERE,
    SFS_SQL_STAGE_SPEND,
    SFS_SQL_STAGE_LAPSED,

    /* indexes */
    SFS_SQL_INDEXES_VERSION,
    SFS_SQL_INDEXES_CHANGED,
    SFS_SQL_INDEX_DEFINITIONS,
    SFS_SQL_INDEX_NUMBERS,
    SFS_SQL_INDEX_COUNTED,
    SFS_SQL_INDEX_UNCOUNTED,
    SFS_SQL_INDEX_BEGIN,
    SFS_SQL_INDEX_BUILT,
    SFS_SQL_INDEX_READY,
    SFS_SQL_INDEX_END,
    SFS_SQL_INDEX_ABANDON,
    SFS_SQL_INDEX_ENDED,
    SFS_SQL_INDEX_PRUNE_SOME,
    SFS_SQL_INDEX_PRUNE_ALL,
    SFS_SQL_INDEX_FORGET,
    SFS_SQL_ENTRY_ADD,
    SFS_SQL_ENTRY_REMOVE,
    SFS_SQL_ENTRY_END,
    SFS_SQL_ENTRY_MOVE,
    SFS_SQL_ENTRY_COPY,
    SFS_SQL_ENTRIES_REMOVE,
    SFS_SQL_ENTRIES_END,
    SFS_SQL_ENTRIES_PRUNE_SOME,
    SFS_SQL_ENTRIES_PRUNE_ALL,
    SFS_SQL_ENTRIES_ENDED,
    SFS_SQL_KEYS_AT,
    SFS_SQL_INDEX_NAMES,
    SFS_SQL_INDEX_GROUP_NAMES,
    SFS_SQL_INDEX_FETCH_GROUP,
    SFS_SQL_INDEX_FETCH,
    SFS_SQL_INDEX_FETCH_BARE_GROUP,
    SFS_SQL_INDEX_FETCH_BARE,
    SFS_SQL_INDEX_BACK_NAMES,
    SFS_SQL_INDEX_BACK_RECORDS,
    SFS_SQL_INDEX_COUNT,
    SFS_SQL_INDEX_COUNT_MOST,
    SFS_SQL_INDEX_WALK_GROUP,
    SFS_SQL_INDEX_WALK,

    SFS_SQLITE_STATEMENTS
};

/* In the file's head: "stfs", and the format that this version writes. */
#define SFS_SQLITE_APPLICATION 0x73746673
#define SFS_SQLITE_FORMAT 4

/* The columns of a record, in `record` and `history`, as row.c reads and binds them. */
#define SFS_SQLITE_COLUMNS "id, name, " SFS_SQLITE_ATTRIBUTES
#define SFS_SQLITE_ATTRIBUTES                                                                      \
    "revision, size, content, chunked, kind, type, type_set, mode, uid, gid, device, "             \
    "created, accessed, modified, changed, xattrs"
#define SFS_SQLITE_COLUMN_COUNT 18
#define SFS_SQLITE_COLUMN_ID 0
#define SFS_SQLITE_COLUMN_NAME 1
#define SFS_SQLITE_COLUMN_SIZE 3
#define SFS_SQLITE_COLUMN_KIND 6
/* Behind them, in statements that read: the value of a record that is in its row or in one block,
 * and in those over history whether the name existed and at which sequence number it changed. */
#define SFS_SQLITE_COLUMN_DATA 18
#define SFS_SQLITE_COLUMN_EXISTED 19
#define SFS_SQLITE_COLUMN_SEQUENCE 20
/* In those over an index K; the name is that of the entry, and the id NULL where its record has
 * changed since the version asked for. */
#define SFS_SQLITE_COLUMN_KEY 19
/* Of a bare record (SFS_WANT_BARE) they have less, with the size (NULL like the id) in place of the
 * id, and the name where it always is. */
#define SFS_SQLITE_BARE_SIZE 0
#define SFS_SQLITE_BARE_TYPE 2
#define SFS_SQLITE_BARE_TYPE_SET 3
#define SFS_SQLITE_BARE_DATA 4
#define SFS_SQLITE_BARE_KEY 5
#define SFS_SQLITE_BARE_COUNT 6
#define SFS_SQLITE_COLUMN_BEGUN 19 /* in SFS_SQL_RECORD_FIND */

const char *sfs_sqlite_sql_text(enum sfs_sqlite_sql sql);

#endif
