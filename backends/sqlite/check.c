/* SPDX-License-Identifier: MIT */
/*
 * What only this backend can see in its file: SQLite's own check, and whether the tables agree.
 * Reading every record is done by the caller. Repaired is what loses nothing: indexes, counters,
 * and data that nothing refers to.
 */
#include "backends/sqlite/sharing.h"

#include <stdio.h>

struct inspection {
    struct sfs_sqlite_connection *connection;
    bool repair;
    sfs_report_function *report;
    void *context;
    uint64_t found;
    uint64_t repaired;
};

/* A rule finds rows of (name, number); `sentence` takes them. `repair` makes all of them right. */
struct rule {
    const char *find;
    const char *sentence; /* %s the name, where the row has one, and %lld the number */
    bool named;
    const char *repair; /* NULL: there is no way without losing data */
};

#define REFERRED                                                                                   \
    "(SELECT content FROM record WHERE content IS NOT NULL UNION SELECT content FROM garbage"      \
    " UNION SELECT content FROM stage)"
#define UNREFERRED_CHUNKS "content NOT IN " REFERRED
#define UNREFERRED_BLOCKS                                                                          \
    "block NOT IN " REFERRED " AND block NOT IN (SELECT chunk.block FROM chunk)"

/* The oldest state that is leased is behind what the row shows, and before what came then. (Of what
 * is before `kept` no snapshot needs anything.) */
#define LEASED                                                                                     \
    "history.sequence > (SELECT kept FROM state) AND EXISTS(SELECT 1 FROM lease WHERE contents"    \
    " AND lease.sequence < history.sequence AND lease.sequence >= history.revision)"
/* From a commit that there was not: no snapshot needs it, and nothing would remove it. */
#define FORGOTTEN_HISTORY "sequence > (SELECT sequence FROM state)"
#define FORGOTTEN_GARBAGE "ended > (SELECT sequence FROM state)"

#define UNREFERRED_ENTRIES "index_id NOT IN (SELECT index_id FROM index_definition)"
#define LIVE_INDEXES "(SELECT index_id FROM index_definition WHERE ended IS NULL)"
#define CURRENT "ended = 9223372036854775807"
#define STRAY_ENTRIES                                                                              \
    CURRENT " AND index_id IN " LIVE_INDEXES " AND NOT EXISTS(SELECT 1 FROM record"                \
            " WHERE id = record_id AND name = entry_name AND kind = 0)"
#define ENTRIES_OF_IT                                                                              \
    "(SELECT count(*) FROM entry WHERE entry.index_id = index_definition.index_id"                 \
    " AND entry." CURRENT ")"
#define BYTES_OF_IT                                                                                \
    "(SELECT coalesce(sum(length(entry_key) + length(entry_name)), 0) FROM entry"                  \
    " WHERE entry.index_id = index_definition.index_id AND entry." CURRENT ")"
/* One that is being built has entries that begin with the next commit. */
#define LATE_ENTRIES CURRENT " AND begun > (SELECT sequence + 1 FROM state)"
/* In no state, or removed by nobody. */
#define ODD_ENTRIES                                                                                \
    "ended <> 9223372036854775807 AND (begun >= ended OR ended > (SELECT sequence FROM state))"
/* What is no number is above all numbers, and would set a counter back to 0. */
#define LAST_CONTENT                                                                               \
    "max((SELECT coalesce(max(block), 0) FROM block),"                                             \
    " (SELECT coalesce(max(content), 0) FROM chunk WHERE typeof(content) = 'integer'))"
#define LAST_REVISION                                                                              \
    "(SELECT coalesce(max(revision), 0) FROM record WHERE typeof(revision) = 'integer')"
#define ODD_EXPIRY "typeof(expires) NOT IN ('null', 'integer')"

/* In this order: what one repair leaves over, the next finds. */
static const struct rule rules[] = {
    {"SELECT name, 0 FROM record WHERE content IS NOT NULL AND NOT chunked"
     " AND NOT EXISTS(SELECT 1 FROM block WHERE block.block = content)",
     "key '%s': its value is missing (%lld bytes found)", true, NULL},
    {"SELECT name, length(block.data) FROM record JOIN block ON block.block = content"
     " WHERE NOT chunked AND length(block.data) <> size",
     "key '%s': %lld bytes of its value are there, which is not its size", true, NULL},
    {"SELECT name, size FROM record WHERE content IS NULL AND size <> 0 AND data IS NULL",
     "key '%s': it should have %lld bytes, and has no value", true, NULL},
    {"SELECT name, length(data) FROM record WHERE content IS NULL AND length(data) <> size",
     "key '%s': %lld bytes of its value are in its row, which is not its size", true, NULL},
    /* Whoever reads it follows `content`. */
    {"SELECT name, length(data) FROM record WHERE content IS NOT NULL AND data IS NOT NULL",
     "key '%s': %lld bytes in its row are not its value, which lies elsewhere", true,
     "UPDATE record SET data = NULL WHERE content IS NOT NULL AND data IS NOT NULL"},
    {"SELECT name, 0 FROM record WHERE " ODD_EXPIRY,
     "key '%s': the time at which it expires is none (%lld)", true,
     "UPDATE record SET expires = NULL WHERE " ODD_EXPIRY},
    {"SELECT NULL, count(*) FROM history WHERE " ODD_EXPIRY " HAVING count(*) > 0",
     "%lld earlier records have a time of expiry that is none", false,
     "UPDATE history SET expires = NULL WHERE " ODD_EXPIRY},
    {"SELECT name, part FROM record JOIN chunk USING (content) WHERE chunked"
     " AND NOT EXISTS(SELECT 1 FROM block WHERE block.block = chunk.block)",
     "key '%s': part %lld of its value is missing", true, NULL},
    {"SELECT name, sequence FROM history WHERE existed AND CASE WHEN content IS NULL"
     " THEN size <> coalesce(length(data), 0) WHEN NOT chunked"
     " THEN NOT EXISTS(SELECT 1 FROM block WHERE block.block = content) END"
     " AND " LEASED,
     "key '%s': its value before %lld, which a snapshot needs, is missing", true, NULL},
    {"SELECT NULL, count(*) FROM chunk WHERE content NOT IN (SELECT content FROM record WHERE"
     " content IS NOT NULL) AND NOT EXISTS(SELECT 1 FROM block WHERE block.block = chunk.block)"
     " HAVING count(*) > 0",
     "%lld parts of earlier values are missing", false, NULL},
    {"SELECT name, count(*) FROM record WHERE content IS NOT NULL GROUP BY content HAVING count(*) "
     "> 1",
     "key '%s': %lld records share its value", true, NULL},
    {"SELECT name, ended FROM record JOIN garbage USING (content) WHERE part < 0",
     "key '%s': its value is marked for removal since %lld", true,
     "DELETE FROM garbage WHERE part < 0 AND content IN"
     " (SELECT content FROM record WHERE content IS NOT NULL)"},
    {"SELECT NULL, count(*) FROM chunk WHERE " UNREFERRED_CHUNKS " HAVING count(*) > 0",
     "%lld parts of values belong to no record", false,
     "DELETE FROM chunk WHERE " UNREFERRED_CHUNKS},
    {"SELECT NULL, count(*) FROM block WHERE " UNREFERRED_BLOCKS " HAVING count(*) > 0",
     "%lld values belong to no record", false, "DELETE FROM block WHERE " UNREFERRED_BLOCKS},
    {"SELECT NULL, records FROM state WHERE records <> (SELECT count(*) FROM record)",
     "the count of records is wrong: it says %lld", false,
     "UPDATE state SET records = (SELECT count(*) FROM record)"},
    {"SELECT NULL, keys FROM state WHERE keys <> (SELECT count(*) FROM record WHERE kind = 0)",
     "the count of keys is wrong: it says %lld", false,
     "UPDATE state SET keys = (SELECT count(*) FROM record WHERE kind = 0)"},
    {"SELECT NULL, bytes FROM state WHERE bytes <> (SELECT coalesce(sum(size), 0) FROM record)",
     "the sum of all sizes is wrong: it says %lld", false,
     "UPDATE state SET bytes = (SELECT coalesce(sum(size), 0) FROM record)"},
    {"SELECT NULL, last_id FROM state WHERE last_id < (SELECT coalesce(max(id), 0) FROM record)",
     "the counter of record numbers is behind: it says %lld", false,
     "UPDATE state SET last_id = (SELECT max(id) FROM record)"},
    {"SELECT NULL, last_content FROM state WHERE last_content < " LAST_CONTENT,
     "the counter of values is behind: it says %lld", false,
     "UPDATE state SET last_content = " LAST_CONTENT},
    {"SELECT NULL, sequence FROM state WHERE sequence < " LAST_REVISION,
     "the counter of commits is behind: it says %lld", false,
     "UPDATE state SET sequence = " LAST_REVISION},
    {"SELECT NULL, count(*) FROM history WHERE " FORGOTTEN_HISTORY " HAVING count(*) > 0",
     "%lld earlier records are kept that nobody needs", false,
     "DELETE FROM history WHERE " FORGOTTEN_HISTORY},
    {"SELECT NULL, count(*) FROM garbage WHERE " FORGOTTEN_GARBAGE " HAVING count(*) > 0",
     "%lld earlier values are kept that nobody needs", false,
     "UPDATE OR REPLACE garbage SET ended = 0 WHERE " FORGOTTEN_GARBAGE},
    {"SELECT NULL, count(*) FROM entry WHERE " UNREFERRED_ENTRIES " HAVING count(*) > 0",
     "%lld entries belong to no index", false, "DELETE FROM entry WHERE " UNREFERRED_ENTRIES},
    {"SELECT NULL, count(*) FROM entry WHERE " LATE_ENTRIES " HAVING count(*) > 0",
     "%lld entries of indexes begin behind the last commit", false,
     "UPDATE entry SET begun = (SELECT sequence FROM state) WHERE " LATE_ENTRIES},
    {"SELECT NULL, count(*) FROM entry WHERE " ODD_ENTRIES " HAVING count(*) > 0",
     "%lld earlier entries of indexes are of no state", false,
     "DELETE FROM entry WHERE " ODD_ENTRIES},
    {"SELECT entry_name, index_id FROM entry WHERE " STRAY_ENTRIES,
     "key '%s': it is not there, but index %lld names it", true,
     "DELETE FROM entry WHERE " STRAY_ENTRIES},
    {"SELECT NULL, entries FROM index_definition WHERE ended IS NULL AND entries <> " ENTRIES_OF_IT,
     "the count of an index's entries is wrong: it says %lld", false,
     "UPDATE index_definition SET entries = " ENTRIES_OF_IT " WHERE ended IS NULL"},
    {"SELECT NULL, bytes FROM index_definition WHERE ended IS NULL AND bytes <> " BYTES_OF_IT,
     "the size of an index is wrong: it says %lld", false,
     "UPDATE index_definition SET bytes = " BYTES_OF_IT " WHERE ended IS NULL"},
    {"SELECT NULL, indexes FROM state WHERE indexes <"
     " (SELECT coalesce(max(max(index_id, coalesce(ready, 0), coalesce(ended, 0))), 0)"
     " FROM index_definition)",
     "the mark of the indexes' last change is behind: it says %lld", false,
     "UPDATE state SET indexes = sequence"},
};

static void say(struct inspection *inspection, const char *sentence)
{
    inspection->found++;
    if (inspection->report)
        inspection->report(inspection->context, sentence);
}

static void say_row(struct inspection *inspection, const struct rule *rule, sqlite3_stmt *row)
{
    char shown[300];
    char sentence[480];
    long long number = sqlite3_column_int64(row, 1);
    /* The formats are those of the table above. */
    if (rule->named)
        snprintf(sentence, sizeof(sentence), rule->sentence,
                 sfs_name_show(sfs_sqlite_column(row, 0), shown, sizeof(shown)), number);
    else
        snprintf(sentence, sizeof(sentence), rule->sentence, number);
    say(inspection, sentence);
}

static int apply_rule(struct inspection *inspection, const struct rule *rule,
                      struct sfs_error *error)
{
    struct sfs_sqlite_connection *connection = inspection->connection;
    sqlite3_stmt *statement;
    uint64_t before = inspection->found;
    int code = sfs_sqlite_guard_prepare(connection, rule->find, 0, &statement, NULL, error);
    if (code != 0)
        return code;
    while ((code = sfs_sqlite_step(connection, statement, error)) == 1)
        say_row(inspection, rule, statement);
    sqlite3_finalize(statement);
    if (code != 0 || inspection->found == before || !inspection->repair || !rule->repair)
        return code;
    code = sfs_sqlite_execute(connection, rule->repair, error);
    if (code == 0)
        inspection->repaired += inspection->found - before;
    return code;
}

/* SQLite takes a page for damaged that it had no memory to read. */
static bool is_for_memory(const char *words)
{
    static const char mark[] = "error code=7";
    const char *at = strstr(words, mark);
    return at && !(at[sizeof(mark) - 1] >= '0' && at[sizeof(mark) - 1] <= '9');
}

/* SQLite's own check: "ok", or a row a finding. */
static int integrity(struct inspection *inspection, uint64_t *ret_found, struct sfs_error *error)
{
    struct sfs_sqlite_connection *connection = inspection->connection;
    sqlite3_stmt *statement;
    uint64_t found = 0;
    int code = sfs_sqlite_guard_prepare(connection, "PRAGMA integrity_check(100)", 0, &statement,
                                        NULL, error);
    if (code != 0)
        return code;
    while ((code = sfs_sqlite_step(connection, statement, error)) == 1) {
        const char *words = (const char *)sqlite3_column_text(statement, 0);
        if (words && strcmp(words, "ok") == 0)
            continue;
        if (!words || is_for_memory(words)) {
            code = sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
            break;
        }
        char sentence[480];
        snprintf(sentence, sizeof(sentence), "the file is damaged: %s", words);
        for (char *end = strchr(sentence, '\n'); end; end = strchr(end, '\n'))
            *end = ' '; /* one finding, one line */
        found++;
        if (ret_found)
            continue;
        say(inspection, sentence);
    }
    sqlite3_finalize(statement);
    if (ret_found)
        *ret_found = found;
    return code;
}

/* Making the indexes anew mends those findings that come from an index. */
static int repair_integrity(struct inspection *inspection, uint64_t found, struct sfs_error *error)
{
    uint64_t left = 0;
    int code = sfs_sqlite_execute(inspection->connection, "REINDEX", error);
    if (code == 0)
        code = integrity(inspection, &left, error);
    if (code == 0 && left < found)
        inspection->repaired += found - left;
    return code;
}

static int inspect(struct inspection *inspection, struct sfs_error *error)
{
    int code = integrity(inspection, NULL, error);
    uint64_t damaged = inspection->found;
    if (code == 0 && damaged > 0 && inspection->repair)
        code = repair_integrity(inspection, damaged, error);
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]) && code == 0; i++)
        code = apply_rule(inspection, &rules[i], error);
    return code;
}

static int inspect_reading(struct sfs_sqlite *store, struct inspection *inspection,
                           struct sfs_error *error)
{
    int code = sfs_sqlite_reader_take(store, &inspection->connection, error);
    if (code != 0)
        return code;
    /* One state for all rules. */
    code = sfs_sqlite_execute(inspection->connection, "BEGIN", error);
    if (code == 0) {
        code = inspect(inspection, error);
        int ended = sfs_sqlite_execute(inspection->connection, "COMMIT", code ? NULL : error);
        code = code ? code : ended;
    }
    sfs_sqlite_reader_give(inspection->connection);
    return code;
}

static int inspect_repairing(struct sfs_sqlite *store, struct inspection *inspection,
                             struct sfs_error *error)
{
    sfs_sqlite_writer_enter(store, SFS_SQLITE_SINGLE);
    inspection->connection = store->writer;
    int code = sfs_sqlite_execute(inspection->connection, "BEGIN IMMEDIATE", error);
    if (code == 0) {
        code = inspect(inspection, error);
        if (code == 0)
            code = sfs_sqlite_execute(inspection->connection, "COMMIT", error);
        if (!sqlite3_get_autocommit(store->writer->db))
            (void)sfs_sqlite_guard_execute(store->writer, "ROLLBACK", NULL);
    }
    sfs_sqlite_writer_leave(store);
    return code;
}

int sfs_sqlite_check(struct sfs_storage *base, bool repair, sfs_report_function *report,
                     void *context, uint64_t *ret_found, uint64_t *ret_repaired,
                     struct sfs_error *error)
{
    struct sfs_sqlite *store = sfs_sqlite_of(base);
    struct inspection inspection = {.repair = repair, .report = report, .context = context};
    if (repair && !store->writer)
        return sfs_fail(error, SFS_E_READ_ONLY, SFS_SQLITE_ORIGIN, "%s was opened read-only",
                        store->path);
    bool removed;
    int code = repair ? sfs_sqlite_sweep(store, &removed, error) : 0;
    if (code == 0 && repair)
        code = sfs_sqlite_prune(store, 10000, error);
    if (code == 0)
        code = repair ? inspect_repairing(store, &inspection, error)
                      : inspect_reading(store, &inspection, error);
    if (code != 0)
        return code;
    *ret_found = inspection.found;
    *ret_repaired = inspection.repaired;
    return 0;
}
