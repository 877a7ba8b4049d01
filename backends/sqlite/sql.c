/* SPDX-License-Identifier: MIT */
/*
 * The text of every prepared statement. The tables are described in schema.c. Parameters are
 * numbered; ?9 asks for the value (else no block is read, and no value in its row by a listing),
 * and a range is [?1, ?2), ?2 being a bound above all names where it has no end.
 */
#include "backends/sqlite/internal.h"

#define COLUMNS SFS_SQLITE_COLUMNS
/* Of one row; what lies in it comes unasked. */
#define VALUE                                                                                      \
    "CASE WHEN content IS NULL THEN data WHEN ?9 THEN (SELECT block.data FROM block WHERE block"   \
    " = content) END"
/* Of a range, with the block joined once for all: a subquery would open its table anew for each. */
#define VALUES "CASE WHEN ?9 THEN iif(content IS NULL, record.data, block.data) END"
#define BLOCKS " LEFT JOIN block ON block = CASE WHEN ?9 THEN content END"
#define ALL_BUT_ID                                                                                 \
    "revision = ?3, size = ?4, content = ?5, chunked = ?6, kind = ?7, type = ?8, type_set = ?9,"   \
    " mode = ?10, uid = ?11, gid = ?12, device = ?13, created = ?14, accessed = ?15,"              \
    " modified = ?16, changed = ?17, xattrs = ?18, begun = ?19, data = iif(?22, ?20, data)"
#define FOREVER "9223372036854775807" /* the end of what is current */
/* Entries of index ?1 behind K ?2 and below ?4; of one K behind ?3; and from the last below ?4 on;
 * each as of version ?8. (With both in one, (K, name) > (?2, ?3), SQLite compares each row with
 * it.) */
#define ENTRY "entry_key, entry_name"
#define AS_OF " AND entry.ended > ?8 AND entry.begun <= ?8"
#define ENTRY_COLUMNS "id, entry_name, " SFS_SQLITE_ATTRIBUTES ", " VALUE ", entry_key"
/* A record that has changed since is read from history, by its name. */
#define JOINED " FROM entry LEFT JOIN record ON id = record_id AND revision <= ?8"
#define BEHIND "index_id = ?1 AND entry_key > ?2 AND entry_key < ?4" AS_OF
#define GROUP "index_id = ?1 AND entry_key = ?2 AND entry_name > ?3" AS_OF
#define IN_KEYS "index_id = ?1 AND entry_key >= ?2 AND entry_key < ?4" AS_OF
#define TAKEN " AND storefs_row(" ENTRY_COLUMNS ")"
#define TAKEN_BARE " AND storefs_row(size, entry_name, type, type_set, " VALUE ", entry_key)"
#define ASCENDING " ORDER BY entry_key, entry_name"
#define BACKWARD IN_KEYS " ORDER BY entry_key DESC, entry_name DESC"
/* By the index of those that are not current. */
#define ENDED_BY(COMMIT) "ended <= " COMMIT " AND ended < " FOREVER
#define THIS_ENTRY "index_id = ?1 AND entry_key = ?2 AND entry_name = ?3 AND ended = " FOREVER
/* A pre-image has its value only where a snapshot, of which ?N is the newest, sees it. */
#define HISTORY_ADD "INSERT OR IGNORE INTO history(sequence, existed, " COLUMNS ", expires, data)"
#define SEEN(NEWEST) "iif(revision <= " NEWEST ", data, NULL)"
#define IN_RANGE "name >= ?1 AND name < ?2"
/* Rows of history behind AT in the order of names. Those up to AT are passed over in the index
 * alone (in one statement over the table SQLite seeks each before it looks at its number). */
#define BY_NAME(AT)                                                                                \
    " FROM (SELECT name AS n, sequence AS s FROM history) CROSS JOIN history"                      \
    " ON sequence = s AND name = n WHERE n >= ?1 AND n < ?2 AND s > " AT " ORDER BY n, s"
#define IS_LAST(ROW)                                                                               \
    "NOT EXISTS(SELECT 1 FROM history AS n WHERE n.name = " ROW ".name"                            \
    " AND n.sequence > " ROW ".sequence)"
#define IS_FIRST                                                                                   \
    " AND NOT EXISTS(SELECT 1 FROM history AS p WHERE p.name = history.name"                       \
    " AND p.sequence > ?3 AND p.sequence < history.sequence)"

static const char *const texts[SFS_SQLITE_STATEMENTS] = {
    [SFS_SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SFS_SQL_COMMIT] = "COMMIT",
    [SFS_SQL_ROLLBACK] = "ROLLBACK",
    [SFS_SQL_SAVEPOINT] = "SAVEPOINT batch",
    [SFS_SQL_RELEASE] = "RELEASE batch",
    [SFS_SQL_ROLLBACK_TO] = "ROLLBACK TO batch",
    [SFS_SQL_NAME_NEXT] = "SELECT name FROM record WHERE name >= ?1 ORDER BY name LIMIT 1",
    /* (As tables, pragma_page_count and its like make SQLite compile each anew at every use.) */
    [SFS_SQL_PAGES] = "PRAGMA page_count",
    [SFS_SQL_PAGES_FREE] = "PRAGMA freelist_count",
    [SFS_SQL_PAGE_SIZE] = "PRAGMA page_size",
    [SFS_SQL_STATE_READ] =
        "SELECT sequence, last_id, last_content, last_lease, keys, records, bytes,"
        " kept, whole, indexes FROM state",
    [SFS_SQL_STATE_WRITE] =
        "UPDATE state SET sequence = ?1, last_id = ?2, last_content = ?3,"
        " last_lease = ?4, keys = ?5, records = ?6, bytes = ?7, kept = ?8, whole = ?9",
    [SFS_SQL_SEQUENCE] = "SELECT sequence FROM state",
    [SFS_SQL_TOTALS] = "SELECT keys, records, bytes FROM state",

    [SFS_SQL_LEASES] = "SELECT sequence, contents, expires > ?1, lease FROM lease",
    [SFS_SQL_LEASE_ADD] = "INSERT INTO lease(lease, sequence, contents, expires, owner)"
                          " VALUES(?1, ?2, ?3, ?4, ?5)",
    [SFS_SQL_LEASE_RENEW] = "UPDATE lease SET expires = ?2, sequence = max(sequence, ?3)"
                            " WHERE lease = ?1 AND expires > ?4 RETURNING 1",
    /* Of a snapshot at ?2. */
    [SFS_SQL_LEASE_ANCHOR] = "SELECT kept, state.sequence, expires FROM state LEFT JOIN lease"
                             " ON lease = ?1 AND contents AND lease.sequence <= ?2",
    [SFS_SQL_LEASE_DROP] = "DELETE FROM lease WHERE lease = ?1",
    [SFS_SQL_LEASE_DROP_OWNER] = "DELETE FROM lease WHERE owner = ?1",
    [SFS_SQL_LEASE_DROP_LAPSED] = "DELETE FROM lease WHERE expires <= ?1",
    [SFS_SQL_FEED_ANCHOR] = "SELECT whole, sequence FROM state",
    [SFS_SQL_LEASE_GIVE_UP] = "DELETE FROM lease WHERE NOT contents AND sequence < ?1",

    [SFS_SQL_GET] = "SELECT " COLUMNS ", " VALUE " FROM record WHERE name = ?1",
    [SFS_SQL_SCAN] = "SELECT " COLUMNS ", " VALUES " FROM record" BLOCKS " WHERE " IN_RANGE
                     " AND (kind = 0 OR NOT ?3) ORDER BY name LIMIT ?4",
    [SFS_SQL_HISTORY_GET] = "SELECT " COLUMNS ", " VALUE ", existed, sequence FROM history"
                            " WHERE name = ?1 AND sequence > ?2 ORDER BY sequence LIMIT 1",
    [SFS_SQL_HISTORY_SCAN] = "SELECT " COLUMNS ", " VALUE ", existed, sequence" BY_NAME("?5"),
    [SFS_SQL_RECORD_FIND] = "SELECT " COLUMNS ", " VALUE ", begun FROM record WHERE name = ?1",
    [SFS_SQL_RECORD_PLACE] = "SELECT content, chunked, begun FROM record WHERE id = ?1",
    [SFS_SQL_RECORD_VALUE] = "SELECT data FROM record WHERE id = ?1",
    [SFS_SQL_RECORD_ADD] = "INSERT INTO record(" COLUMNS ", begun, data) VALUES(?1, ?2, ?3, ?4,"
                           " ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19,"
                           " ?20)",
    [SFS_SQL_RECORD_UPDATE] = "UPDATE record SET " ALL_BUT_ID " WHERE id = ?21",
    /* Where the id is named, SQLite writes the index of names anew, even if it is the same. */
    [SFS_SQL_RECORD_RENUMBER] = "UPDATE record SET id = ?1, " ALL_BUT_ID " WHERE id = ?21",
    [SFS_SQL_RECORD_MOVE] =
        "UPDATE record SET name = ?2, revision = ?3, changed = ?4 WHERE id = ?1",
    [SFS_SQL_RECORD_REMOVE] = "DELETE FROM record WHERE id = ?1",
    [SFS_SQL_RANGE_TOTALS] = "SELECT count(*), count(iif(kind = 0, 1, NULL)),"
                             " coalesce(sum(size), 0), count(content), count(iif(chunked, 1, NULL))"
                             " FROM record WHERE " IN_RANGE,
    [SFS_SQL_RANGE_MOVE] = "UPDATE record SET name = CAST(?3 || substr(name, ?4) AS BLOB),"
                           " revision = ?5, changed = ?6 WHERE " IN_RANGE,
    [SFS_SQL_RANGE_REMOVE] = "DELETE FROM record WHERE " IN_RANGE,
    [SFS_SQL_RANGE_BLOCKS_REMOVE] = "DELETE FROM block WHERE block IN (SELECT content FROM record"
                                    " WHERE " IN_RANGE " AND NOT chunked AND content IS NOT NULL"
                                    " AND begun > ?3)",
    [SFS_SQL_RANGE_GARBAGE] = "INSERT INTO garbage(ended, content, part, begun)"
                              " SELECT iif(begun <= ?4, ?3, 0), content, -1, 0 FROM record"
                              " WHERE " IN_RANGE " AND content IS NOT NULL"
                              " AND (chunked OR begun <= ?4)",
    [SFS_SQL_RANGE_LONGEST] = "SELECT " COLUMNS ", NULL FROM record WHERE " IN_RANGE
                              " ORDER BY length(name) DESC LIMIT 1",

    [SFS_SQL_BLOCK_PART] = "SELECT substr(data, ?2, ?3) FROM block WHERE block = ?1",
    [SFS_SQL_BLOCK_ADD] = "INSERT INTO block(block, data) VALUES(?1, ?2)",
    [SFS_SQL_BLOCK_SET] = "UPDATE block SET data = ?2 WHERE block = ?1",
    [SFS_SQL_BLOCK_REMOVE] = "DELETE FROM block WHERE block = ?1",
    [SFS_SQL_CHUNKS_READ] = "SELECT part, block FROM chunk WHERE content = ?1 AND part BETWEEN ?2"
                            " AND ?3 AND begun <= ?4 AND ended > ?4 ORDER BY part",
    [SFS_SQL_CHUNK_FIND] =
        "SELECT block, begun, length(data) FROM chunk JOIN block USING (block)"
        " WHERE content = ?1 AND part = ?2 AND ended = " FOREVER " ORDER BY begun DESC LIMIT 1",
    [SFS_SQL_CHUNK_NEXT] =
        "SELECT part, block, begun, length(data) FROM chunk JOIN block USING (block)"
        " WHERE content = ?1 AND part BETWEEN ?2 AND ?3"
        " AND ended = 9223372036854775807 ORDER BY part LIMIT 1",
    [SFS_SQL_CHUNKS_LIST] = "SELECT part FROM chunk WHERE content = ?1 AND part >= ?2"
                            " AND begun <= ?3 AND ended > ?3 ORDER BY part",
    [SFS_SQL_CHUNK_ADD] = "INSERT INTO chunk(content, part, begun, ended, block)"
                          " VALUES(?1, ?2, ?3, 9223372036854775807, ?4)",
    [SFS_SQL_CHUNK_END] =
        "UPDATE chunk SET ended = ?4 WHERE content = ?1 AND part = ?2 AND begun = ?3",
    [SFS_SQL_CHUNKS_NEW_BLOCKS_REMOVE] =
        "DELETE FROM block WHERE block IN (SELECT chunk.block FROM chunk WHERE content = ?1"
        " AND part >= ?2 AND begun = ?3)",
    [SFS_SQL_CHUNKS_NEW_REMOVE] =
        "DELETE FROM chunk WHERE content = ?1 AND part >= ?2 AND begun = ?3",
    [SFS_SQL_CHUNKS_GARBAGE] =
        "INSERT INTO garbage(ended, content, part, begun)"
        " SELECT iif(max(begun, ?4) <= ?5, ?3, 0), content, part, begun FROM chunk"
        " WHERE content = ?1 AND part >= ?2 AND ended = " FOREVER,
    [SFS_SQL_CHUNKS_END] = "UPDATE chunk SET ended = ?3 WHERE content = ?1 AND part >= ?2"
                           " AND ended = " FOREVER,
    [SFS_SQL_CHUNK_ANY] = "SELECT part, begun, block FROM chunk WHERE content = ?1 LIMIT 1",
    [SFS_SQL_CHUNK_VERSION] = "SELECT part, begun, block FROM chunk"
                              " WHERE content = ?1 AND part = ?2 AND begun = ?3",
    [SFS_SQL_CHUNK_REMOVE] = "DELETE FROM chunk WHERE content = ?1 AND part = ?2 AND begun = ?3",

    [SFS_SQL_HISTORY_ADD_RECORD] =
        HISTORY_ADD " SELECT ?2, 1, " COLUMNS ", expires, " SEEN("?3") " FROM record WHERE id = ?1",
    /* A free name that has changed since the newest lease has its row for it already. */
    [SFS_SQL_HISTORY_ADD_ABSENT] =
        "INSERT OR IGNORE INTO history(sequence, existed, name) SELECT ?2, 0, ?1"
        " WHERE NOT EXISTS(SELECT 1 FROM history WHERE name = ?1 AND sequence > ?3)",
    [SFS_SQL_HISTORY_ADD_RANGE] = HISTORY_ADD " SELECT ?3, 1, " COLUMNS ", expires, " SEEN(
        "?5") " FROM record WHERE " IN_RANGE " AND revision <= ?4",
    [SFS_SQL_HISTORY_ADD_TARGETS] =
        "INSERT OR IGNORE INTO history(sequence, existed, name)"
        " SELECT ?5, 0, target FROM (SELECT CAST(?3 || substr(name, ?4) AS BLOB) AS target"
        " FROM record WHERE " IN_RANGE ") WHERE NOT EXISTS"
        "(SELECT 1 FROM history AS h WHERE h.name = target AND h.sequence > ?6)",
    [SFS_SQL_HISTORY_DROP_PASSING] =
        "DELETE FROM history WHERE sequence = ?1 AND NOT existed"
        " AND NOT EXISTS(SELECT 1 FROM record WHERE record.name = history.name)",
    /* The last row of a name that is gone again says that it was not there: so does its absence. */
    [SFS_SQL_HISTORY_DROP_ABSENT] =
        "DELETE FROM history WHERE name = ?1 AND NOT existed AND sequence ="
        " (SELECT max(p.sequence) FROM history AS p WHERE p.name = ?1)",
    [SFS_SQL_HISTORY_DROP_ABSENT_RANGE] =
        "DELETE FROM history WHERE " IN_RANGE " AND NOT existed"
        " AND EXISTS(SELECT 1 FROM record WHERE record.name = history.name AND revision > ?3)"
        " AND " IS_LAST("history"),
    /* Rows behind ?3, each name's first first: how it was then. */
    [SFS_SQL_HISTORY_CHANGED] = "SELECT " COLUMNS ", NULL, existed, sequence" BY_NAME("?3"),
    [SFS_SQL_HISTORY_CHANGED_ALL] = "SELECT " COLUMNS ", " VALUE ", existed, sequence FROM history"
                                    " WHERE sequence > ?3" IS_FIRST " ORDER BY sequence, name",
    [SFS_SQL_HISTORY_FEED] =
        "SELECT " COLUMNS ", NULL, existed, sequence, coalesce((SELECT n.existed FROM history AS n"
        " WHERE n.name = history.name AND n.sequence > history.sequence ORDER BY n.sequence LIMIT "
        "1),"
        " EXISTS(SELECT 1 FROM record WHERE record.name = history.name))"
        " FROM history WHERE (sequence, name) > (?1, ?2) ORDER BY sequence, name LIMIT ?3",
    /* Up to the ?2nd row; where there are not so many, nothing, and then all are removed. */
    [SFS_SQL_HISTORY_PRUNE_SOME] =
        "DELETE FROM history WHERE sequence <= ?1 AND (sequence, name) <= (SELECT sequence, name"
        " FROM history WHERE sequence <= ?1 ORDER BY sequence, name LIMIT 1 OFFSET ?2 - 1)",
    [SFS_SQL_HISTORY_PRUNE_ALL] = "DELETE FROM history WHERE sequence <= ?1",
    [SFS_SQL_GARBAGE_ADD] = "INSERT OR IGNORE INTO garbage(ended, content, part, begun)"
                            " VALUES(?1, ?2, ?3, ?4)",
    [SFS_SQL_GARBAGE_READ] = "SELECT ended, content, part, begun FROM garbage WHERE ended <= ?1"
                             " ORDER BY ended, content, part, begun LIMIT 1",
    [SFS_SQL_GARBAGE_REMOVE] = "DELETE FROM garbage WHERE ended = ?1 AND content = ?2 AND part = ?3"
                               " AND begun = ?4",
    [SFS_SQL_GARBAGE_REMOVE_FIRST] =
        "DELETE FROM garbage WHERE (ended, content, part, begun) = (SELECT ended, content, part, "
        "begun"
        " FROM garbage WHERE ended <= ?1 ORDER BY ended, content, part, begun LIMIT 1)",
    [SFS_SQL_CHUNK_REMOVE_ODD] = "DELETE FROM chunk WHERE content = ?1 AND"
                                 " (typeof(part) <> 'integer' OR typeof(begun) <> 'integer')",
    [SFS_SQL_PRUNABLE] = "SELECT EXISTS(SELECT 1 FROM history WHERE sequence <= ?1),"
                         " EXISTS(SELECT 1 FROM garbage WHERE ended <= ?2),"
                         " EXISTS(SELECT 1 FROM entry WHERE " ENDED_BY("?2") ")",
    [SFS_SQL_KEPT_BEHIND] =
        "SELECT EXISTS(SELECT 1 FROM history WHERE sequence > ?1)"
        " OR EXISTS(SELECT 1 FROM garbage WHERE ended > ?1)"
        " OR EXISTS(SELECT 1 FROM entry WHERE ended > ?1 AND ended < " FOREVER ")",

    /* Who owns rows beside ?2, and whether some of them are over. */
    [SFS_SQL_OWNERS] =
        "SELECT owner, max(expires <= ?1) FROM"
        " (SELECT owner, expires FROM lease UNION ALL SELECT owner, expires FROM"
        " stage UNION ALL SELECT owner, expires FROM index_definition WHERE owner IS NOT"
        " NULL) WHERE owner IS NOT ?2 GROUP BY owner",

    [SFS_SQL_STAGE_ADD] = "INSERT INTO stage(content, expires, owner) VALUES(?1, ?2, ?3)",
    [SFS_SQL_STAGE_GARBAGE] = "INSERT OR IGNORE INTO garbage(ended, content, part, begun)"
                              " SELECT 0, content, -1, 0 FROM stage WHERE owner = ?1",
    [SFS_SQL_STAGE_DROP_OWNER] = "DELETE FROM stage WHERE owner = ?1",
    [SFS_SQL_STAGE_RENEW] = "UPDATE stage SET expires = ?2 WHERE content = ?1 RETURNING 1",
    [SFS_SQL_STAGE_THERE] = "SELECT 1 FROM stage WHERE content = ?1",
    [SFS_SQL_STAGE_SPEND] = "DELETE FROM stage WHERE content = ?1 RETURNING 1",
    [SFS_SQL_STAGE_LAPSED] = "DELETE FROM stage WHERE content IN"
                             " (SELECT content FROM stage WHERE expires <= ?1 LIMIT 16)"
                             " RETURNING content",

    [SFS_SQL_INDEXES_VERSION] = "SELECT indexes FROM state",
    [SFS_SQL_INDEXES_CHANGED] = "UPDATE state SET indexes = ?1",
    [SFS_SQL_INDEX_DEFINITIONS] =
        "SELECT index_id, index_name, ready IS NOT NULL AND ready <= ?1 FROM index_definition"
        " WHERE index_id <= ?1 AND (ended IS NULL OR ended > ?1) ORDER BY index_id",
    [SFS_SQL_INDEX_NUMBERS] =
        "SELECT entries, index_definition.bytes, inexact, seen, ready, ended, keys, records"
        " FROM index_definition, state WHERE index_id = ?1",
    [SFS_SQL_INDEX_COUNTED] = "UPDATE index_definition SET entries = entries + ?2,"
                              " bytes = bytes + ?3, inexact = inexact + ?4 WHERE index_id = ?1",
    [SFS_SQL_INDEX_UNCOUNTED] = "UPDATE index_definition SET entries = 0, bytes = 0, inexact = 0"
                                " WHERE index_id = ?1",
    [SFS_SQL_INDEX_BEGIN] = "INSERT INTO index_definition(index_id, index_name, owner, expires)"
                            " VALUES(?1, ?2, ?3, ?4)",
    [SFS_SQL_INDEX_BUILT] =
        "UPDATE index_definition SET seen = ?2, expires = ?3 WHERE index_id = ?1",
    [SFS_SQL_INDEX_READY] = "UPDATE index_definition SET ready = ?2, owner = NULL, expires = NULL"
                            " WHERE index_id = ?1",
    [SFS_SQL_INDEX_END] = "UPDATE index_definition SET ended = ?2, owner = NULL, expires = NULL"
                          " WHERE index_id = ?1",
    [SFS_SQL_INDEX_ABANDON] = "UPDATE index_definition SET ended = ?1, owner = NULL, expires = NULL"
                              " WHERE ready IS NULL AND ended IS NULL"
                              " AND (owner = ?2 OR expires <= ?3)",
    [SFS_SQL_INDEX_ENDED] = "SELECT index_id FROM index_definition WHERE ended <= ?1 LIMIT 1",
    /* As with history. (With `IN` SQLite would go through all entries of the index.) */
    [SFS_SQL_INDEX_PRUNE_SOME] =
        "DELETE FROM entry WHERE index_id = ?1 AND (entry_key, entry_name, ended) <="
        " (SELECT entry_key, entry_name, ended FROM entry WHERE index_id = ?1"
        " ORDER BY entry_key, entry_name, ended LIMIT 1 OFFSET ?2 - 1)",
    [SFS_SQL_INDEX_PRUNE_ALL] = "DELETE FROM entry WHERE index_id = ?1",
    [SFS_SQL_INDEX_FORGET] = "DELETE FROM index_definition WHERE index_id = ?1",
    /* Of entries that are current: ?4 is the commit, and no snapshot needs what began after ?5. */
    [SFS_SQL_ENTRY_ADD] =
        "INSERT OR IGNORE INTO entry(index_id, entry_key, entry_name, ended, begun, record_id)"
        " SELECT ?1, ?2, ?3, " FOREVER ", ?4, id FROM record WHERE name = ?3",
    [SFS_SQL_ENTRY_REMOVE] = "DELETE FROM entry WHERE " THIS_ENTRY " AND begun > ?5",
    [SFS_SQL_ENTRY_END] = "UPDATE OR REPLACE entry SET ended = ?4 WHERE " THIS_ENTRY,
    [SFS_SQL_ENTRY_MOVE] =
        "UPDATE entry SET entry_name = ?6, begun = ?4 WHERE " THIS_ENTRY " AND begun > ?5",
    [SFS_SQL_ENTRY_COPY] =
        "INSERT OR IGNORE INTO entry(index_id, entry_key, entry_name, ended, begun, record_id)"
        " SELECT ?1, ?2, ?6, " FOREVER ", ?4, record_id FROM entry WHERE " THIS_ENTRY,
    [SFS_SQL_ENTRIES_REMOVE] =
        "DELETE FROM entry WHERE index_id = ?1 AND ended = " FOREVER " AND begun > ?2",
    [SFS_SQL_ENTRIES_END] =
        "UPDATE OR REPLACE entry SET ended = ?2 WHERE index_id = ?1 AND ended = " FOREVER,
    [SFS_SQL_ENTRIES_PRUNE_SOME] = "DELETE FROM entry WHERE " ENDED_BY(
        "?1") " AND (ended, index_id, entry_key, entry_name) <="
              " (SELECT ended, index_id, entry_key, entry_name FROM entry WHERE " ENDED_BY(
                  "?1") " ORDER BY ended, index_id, entry_key, entry_name LIMIT 1 OFFSET ?2 - 1)",
    [SFS_SQL_ENTRIES_PRUNE_ALL] = "DELETE FROM entry WHERE " ENDED_BY("?1"),
    [SFS_SQL_ENTRIES_ENDED] = "SELECT index_id, entry_key FROM entry WHERE ended > ?8"
                              " AND ended < " FOREVER " AND begun <= ?8",
    [SFS_SQL_KEYS_AT] =
        "SELECT keys + (SELECT coalesce(sum((existed AND kind = 0) - EXISTS(SELECT 1 FROM record"
        " WHERE record.name = history.name AND record.kind = 0)), 0) FROM history"
        " WHERE sequence > ?3" IS_FIRST ") FROM state",
    [SFS_SQL_INDEX_NAMES] = "SELECT " ENTRY " FROM entry WHERE " BEHIND ASCENDING,
    [SFS_SQL_INDEX_GROUP_NAMES] = "SELECT " ENTRY " FROM entry WHERE " GROUP ASCENDING,
    [SFS_SQL_INDEX_FETCH_GROUP] = "SELECT 1" JOINED " WHERE " GROUP TAKEN ASCENDING,
    [SFS_SQL_INDEX_FETCH] = "SELECT 1" JOINED " WHERE " BEHIND TAKEN ASCENDING,
    [SFS_SQL_INDEX_FETCH_BARE_GROUP] = "SELECT 1" JOINED " WHERE " GROUP TAKEN_BARE ASCENDING,
    [SFS_SQL_INDEX_FETCH_BARE] = "SELECT 1" JOINED " WHERE " BEHIND TAKEN_BARE ASCENDING,
    [SFS_SQL_INDEX_BACK_NAMES] = "SELECT " ENTRY " FROM entry WHERE " BACKWARD,
    [SFS_SQL_INDEX_BACK_RECORDS] = "SELECT " ENTRY_COLUMNS JOINED " WHERE " BACKWARD,
    [SFS_SQL_INDEX_COUNT] = "SELECT count(*) FROM entry WHERE " IN_KEYS,
    [SFS_SQL_INDEX_COUNT_MOST] =
        "SELECT count(*) FROM (SELECT 1 FROM entry WHERE " IN_KEYS " LIMIT ?5)",
    [SFS_SQL_INDEX_WALK_GROUP] =
        "SELECT " ENTRY " FROM entry WHERE " GROUP " AND storefs_entry(entry_key)" ASCENDING,
    [SFS_SQL_INDEX_WALK] =
        "SELECT " ENTRY " FROM entry WHERE index_id = ?1 AND entry_key > ?2" AS_OF
        " AND storefs_entry(entry_key)" ASCENDING,
};

const char *sfs_sqlite_sql_text(enum sfs_sqlite_sql sql)
{
    return texts[sql];
}
