/* SPDX-License-Identifier: MIT */
/* The tables of a SQLite store: what the check finds in them, and what else a file from somebody
 * else may hold. */
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/unit/sqlite_fixture.h"

/* --- what the check finds --- */

static void expect_findings(struct sfs_storage *store, bool repair, uint64_t expected)
{
    struct sfs_error error = {0};
    uint64_t found = 0, repaired = 0;
    must(sfs_check(store, repair, print_finding, NULL, &found, &repaired, &error), &error);
    assert_int_equal(found, expected);
    assert_int_equal(repaired, repair ? expected : 0);
}

static void test_check(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_storage *snapshot = NULL;
    struct sfs_error error = {0};
    set(fixture->store, "a", longer("1"));
    set(fixture->store, "b", "1");
    must(sfs_snapshot(fixture->store, 0, &snapshot, &error), &error);
    set(fixture->store, "a", "2");
    expect_healthy(fixture->store);
    /* Rows and a value of commits that there were not: nothing would remove them. */
    run_in(fixture,
           "INSERT INTO history(sequence, name, existed) VALUES(400, x'63', 0), (500, x'63', 0);"
           "INSERT INTO block VALUES(70, 'x');"
           "INSERT INTO garbage(ended, content, part, begun) VALUES(300, 70, -1, 0);"
           "UPDATE state SET last_content = 70");
    expect_findings(fixture->store, false, 2);
    expect_findings(fixture->store, true, 2);
    set(fixture->store, "b", "2");
    assert_int_equal(number_in(fixture, "SELECT count(*) FROM block WHERE block = 70"), 0);
    expect_healthy(fixture->store);
    expect(snapshot, "a", longer("1"));
    /* What the snapshot needs is gone: nothing can bring it back. */
    run_in(fixture,
           "DELETE FROM block WHERE block = (SELECT content FROM history WHERE name = x'61')");
    uint64_t found = 0, repaired = 0;
    must(sfs_check(fixture->store, true, print_finding, NULL, &found, &repaired, &error), &error);
    assert_int_equal(found, 1);
    assert_int_equal(repaired, 0);
    close_store(snapshot);
    eventually(fixture, "SELECT count(*) FROM lease", 0);
    expect_healthy(fixture->store);
}

/* --- files of other formats --- */

static void close_and_run(struct fixture *fixture, const char *sql)
{
    close_store(fixture->store);
    fixture->store = NULL;
    run_in(fixture, sql);
}

static void expect_refused(struct fixture *fixture, unsigned flags, int code, const char *words)
{
    char uri[160];
    struct sfs_error error = {0};
    struct sfs_storage *store = NULL;
    snprintf(uri, sizeof(uri), "sqlite:%s", fixture->path);
    int found = sfs_open(&store, uri, flags, &error);
    if (found != code || !strstr(error.message, words))
        fail_msg("%s, '%s', for %s: %s", sfs_code_name(found), error.message, sfs_code_name(code),
                 words);
}

static void test_formats(void **state)
{
    struct fixture *fixture = *state;
    set(fixture->store, "a", "1");
    close_and_run(fixture, "PRAGMA user_version = 2");
    expect_refused(fixture, 0, SFS_E_UNSUPPORTED, "older version: its format is 2");
    /* The format before had no time of expiry; what is lost with it can be saved. */
    run_in(fixture, "ALTER TABLE record DROP COLUMN expires; PRAGMA user_version = 3");
    expect_refused(fixture, 0, SFS_E_UNSUPPORTED, "older version: its format is 3");
    struct sfs_storage *saved = open_with(fixture, "", SFS_OPEN_SALVAGE);
    expect(saved, "a", "1");
    close_store(saved);
    run_in(fixture, "ALTER TABLE record ADD COLUMN expires INTEGER");
    expect_refused(fixture, SFS_OPEN_READ_ONLY, SFS_E_UNSUPPORTED, "fsck --salvage");
    run_in(fixture, "PRAGMA user_version = 5");
    expect_refused(fixture, 0, SFS_E_TOO_NEW, "newer version: its format is 5");
    run_in(fixture, "PRAGMA application_id = 1");
    expect_refused(fixture, 0, SFS_E_NOT_A_STORE, "another program's");
    run_in(fixture, "PRAGMA application_id = 0x73746673; PRAGMA user_version = 4");
    fixture->store = open_again(fixture);
    expect(fixture->store, "a", "1");
}

/* --- an altered schema --- */

#define REWRITE(CHANGE)                                                                            \
    "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET " CHANGE                                \
    "; PRAGMA writable_schema = RESET; CREATE TABLE counted(x); DROP TABLE counted;"

/* What somebody may do to a file, and what undoes it. */
static const struct alteration {
    const char *sql, *undo, *words;
} alterations[] = {
    {"CREATE TRIGGER t AFTER INSERT ON record BEGIN INSERT INTO meta VALUES('ran', new.id); END",
     "DROP TRIGGER t", "its trigger 't' is none that storefs makes"},
    {"CREATE TRIGGER t AFTER UPDATE ON state BEGIN INSERT OR IGNORE INTO meta VALUES('ran', 1); "
     "END",
     "DROP TRIGGER t", "its trigger 't' is none"},
    {"CREATE VIEW v AS SELECT 1", "DROP VIEW v", "its view 'v' is none"},
    {"CREATE TABLE more(x)", "DROP TABLE more", "its table 'more' is none"},
    {"CREATE VIRTUAL TABLE words USING fts5(word)", "DROP TABLE words", "'words"},
    {"CREATE INDEX i ON record(size)", "DROP INDEX i", "its index 'i' is none"},
    {"CREATE INDEX i ON record(abs(size))", "DROP INDEX i", "its index 'i' is none"},
    {"ANALYZE", "DROP TABLE sqlite_stat1; DROP TABLE IF EXISTS sqlite_stat4", "'sqlite_stat"},
    {"DROP INDEX history_name", "CREATE INDEX history_name ON history(name)",
     "its index 'history_name' is missing"},
    {"DROP INDEX history_name; CREATE INDEX history_name ON history(name, id)",
     "DROP INDEX history_name; CREATE INDEX history_name ON history(name)",
     "its index 'history_name' is not as storefs makes it"},
    {"ALTER TABLE stage ADD COLUMN twice AS (content * 2)", "ALTER TABLE stage DROP COLUMN twice",
     "its table 'stage' is not as"},
    {REWRITE("sql = replace(sql, 'data BLOB NOT NULL', 'data BLOB CHECK(1)') WHERE name = 'block'"),
     REWRITE("sql = replace(sql, 'data BLOB CHECK(1)', 'data BLOB NOT NULL') WHERE name = 'block'"),
     "its table 'block' is not as"},
    {"ALTER TABLE stage RENAME TO other; CREATE VIEW stage AS SELECT * FROM other",
     "DROP VIEW stage; ALTER TABLE other RENAME TO stage;" REWRITE(
         "sql = replace(sql, '\"stage\"', 'stage') WHERE name = 'stage'"),
     "'other' is none"},
    {"ALTER TABLE meta RENAME TO sqlitemeta",
     "ALTER TABLE sqlitemeta RENAME TO meta;" REWRITE(
         "sql = replace(sql, '\"meta\"', 'meta') WHERE name = 'meta'"),
     "'sqlitemeta' is none"},
    {REWRITE("rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'meta')"
             " WHERE name = 'stage'"),
     NULL, "shares its pages"},
};

/* Refused when it is opened, in each way; nothing of it ran. */
static void test_altered_before(void **state)
{
    struct fixture *fixture = *state;
    static const unsigned ways[] = {0, SFS_OPEN_CREATE, SFS_OPEN_READ_ONLY, SFS_OPEN_FROZEN};
    set(fixture->store, "a", "1");
    close_store(fixture->store);
    for (size_t i = 0; i < sizeof(alterations) / sizeof(alterations[0]); i++) {
        const struct alteration *alteration = &alterations[i];
        run_in(fixture, alteration->sql);
        for (size_t way = 0; way < sizeof(ways) / sizeof(ways[0]); way++)
            expect_refused(fixture, ways[way], SFS_E_CORRUPT, alteration->words);
        if (!alteration->undo)
            break;
        run_in(fixture, alteration->undo);
        fixture->store = open_again(fixture);
        expect(fixture->store, "a", "1");
        expect_healthy(fixture->store);
        close_store(fixture->store);
    }
    fixture->store = NULL;
}

/* By another process, while the store is open: nothing is read or written then, until it is undone.
 */
static void test_altered_meanwhile(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_error error = {0};
    struct sfs_buffer read = {0};
    set(fixture->store, "a", "1");
    for (size_t i = 0; alterations[i].undo; i++) {
        run_in(fixture, alterations[i].sql);
        int code = sfs_get_value(fixture->store, SFS_LITERAL("b"), &read, &error);
        if (code != SFS_E_CORRUPT || !strstr(error.message, alterations[i].words))
            fail_msg("%s, '%s', after %s", sfs_code_name(code), error.message, alterations[i].sql);
        assert_int_equal(sfs_set(fixture->store, SFS_LITERAL("a"), SFS_LITERAL("2"), &error),
                         SFS_E_CORRUPT);
        assert_non_null(strstr(error.message, alterations[i].words));
        run_in(fixture, alterations[i].undo);
        assert_int_equal(sfs_get_value(fixture->store, SFS_LITERAL("b"), &read, &error),
                         SFS_E_NOT_FOUND);
        expect(fixture->store, "a", "1");
        set(fixture->store, "a", "1");
        assert_int_equal(number_in(fixture, "SELECT count(*) FROM meta WHERE name = 'ran'"), 0);
    }
    sfs_buffer_free(&read);
    expect_healthy(fixture->store);
}

/* What changes the schema's number and nothing else disturbs nobody. */
static void test_vacuum(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_storage *snapshot = NULL;
    struct sfs_error error = {0};
    set(fixture->store, "a", longer("1"));
    must(sfs_snapshot(fixture->store, 0, &snapshot, &error), &error);
    for (int i = 0; i < 3; i++) {
        run_in(fixture, "VACUUM");
        expect(fixture->store, "a", longer(i ? "2" : "1"));
        run_in(fixture, "VACUUM");
        set(fixture->store, "a", longer("2"));
        run_in(fixture, "VACUUM");
        expect(snapshot, "a", longer("1"));
        expect_healthy(fixture->store);
    }
    close_store(snapshot);
}

/* --- a rollback journal --- */

/* As another program leaves one that ends in the middle of a transaction. */
static void leave_journal(struct fixture *fixture)
{
    pid_t child = fork();
    if (child == 0) {
        sqlite3 *db = NULL;
        int result = sqlite3_open(fixture->path, &db);
        if (result == SQLITE_OK)
            result = sqlite3_exec(db,
                                  "PRAGMA journal_mode = DELETE; PRAGMA synchronous = OFF; BEGIN;"
                                  "UPDATE record SET size = size + 1",
                                  NULL, NULL, NULL);
        _exit(result != SQLITE_OK);
    }
    int status = 1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void expect_journal(const char *path, const char *bytes, size_t size)
{
    char found[64] = {0};
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fread(found, 1, size, file), size);
    assert_memory_equal(found, bytes, size);
    fclose(file);
}

static void test_journal(void **state)
{
    struct fixture *fixture = *state;
    char journal[120];
    static const char magic[] = {(char)0xd9, (char)0xd5, 0x05, (char)0xf9};
    snprintf(journal, sizeof(journal), "%s-journal", fixture->path);
    set(fixture->store, "a", "1");
    close_store(fixture->store);
    fixture->store = NULL;
    leave_journal(fixture);
    expect_journal(journal, magic, sizeof(magic));
    expect_refused(fixture, 0, SFS_E_CORRUPT, "-journal is a rollback journal");
    expect_refused(fixture, SFS_OPEN_CREATE, SFS_E_CORRUPT, "was not played back");
    expect_refused(fixture, SFS_OPEN_READ_ONLY, SFS_E_CORRUPT, ".tables");
    /* As long as its program lives. */
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(fixture->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "PRAGMA synchronous = OFF; BEGIN IMMEDIATE;"
                                  "UPDATE record SET size = size + 1",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    expect_refused(fixture, 0, SFS_E_BUSY, "is being changed by another SQLite program");
    assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    leave_journal(fixture);
    expect_journal(journal, magic, sizeof(magic));
    /* The way out. */
    assert_int_equal(number_in(fixture, "SELECT count(*) FROM record WHERE size = 1"), 1);
    assert_int_not_equal(access(journal, F_OK), 0);
    fixture->store = open_again(fixture);
    expect(fixture->store, "a", "1");
    /* While the store is open: connections that come later do not take part, and one that is no
     * journal any more is nothing. */
    FILE *file = fopen(journal, "w");
    assert_non_null(file);
    assert_int_equal(fwrite("\0\0\0\0", 1, 4, file), 4);
    fclose(file);
    close_store(fixture->store);
    fixture->store = open_again(fixture);
    set(fixture->store, "a", "2");
    expect_journal(journal, "\0\0\0\0", 4);
}

/* Somebody has cut the database off, and all that there was is in the log. */
static void test_empty_with_log(void **state)
{
    struct fixture *fixture = *state;
    char command[400], log[120];
    struct stat status;
    static const char *const copies[] = {"-wal", "-shm"};
    set(fixture->store, "a", "1");
    for (size_t i = 0; i < 2; i++) {
        snprintf(command, sizeof(command), "cp %s%s %s/copy%s; : > %s/copy", fixture->path,
                 copies[i], fixture->directory, copies[i], fixture->directory);
        assert_int_equal(system(command), 0);
    }
    close_store(fixture->store);
    fixture->store = NULL;
    snprintf(fixture->path, sizeof(fixture->path), "%s/copy", fixture->directory);
    snprintf(log, sizeof(log), "%s-wal", fixture->path);
    expect_refused(fixture, 0, SFS_E_CORRUPT, "is empty, but there is a log");
    expect_refused(fixture, SFS_OPEN_CREATE, SFS_E_CORRUPT, "was left alone");
    expect_refused(fixture, SFS_OPEN_READ_ONLY, SFS_E_CORRUPT, "was left alone");
    struct sfs_storage *saved = open_with(fixture, "", SFS_OPEN_SALVAGE);
    expect(saved, "a", "1");
    close_store(saved);
    assert_int_equal(stat(log, &status), 0);
    assert_true(status.st_size > 0);
}

/* A repair that fails lets go of the write lock. */
static void test_failed_repair(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_error error = {0};
    uint64_t found = 0, repaired = 0;
    set(fixture->store, "a", longer("1"));
    run_in(fixture, "CREATE TRIGGER t AFTER INSERT ON record BEGIN SELECT 1; END");
    assert_int_equal(
        sfs_check(fixture->store, true, print_finding, NULL, &found, &repaired, &error),
        SFS_E_CORRUPT);
    run_in(fixture, "BEGIN IMMEDIATE; DROP TRIGGER t; COMMIT");
    expect_healthy(fixture->store);
}

/* --- values in rows --- */

static void test_check_of_rows(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_storage *snapshot = NULL;
    struct sfs_error error = {0};
    set(fixture->store, "a", "1");
    set(fixture->store, "b", "22");
    set(fixture->store, "c", longer("3"));
    set(fixture->store, "d", "4");
    must(sfs_snapshot(fixture->store, 0, &snapshot, &error), &error);
    set(fixture->store, "d", "5");
    expect_healthy(fixture->store);
    /* What is in a row whose value lies elsewhere is not read, and goes. */
    run_in(fixture, "UPDATE record SET data = x'78' WHERE name = x'63'");
    expect(fixture->store, "c", longer("3"));
    expect_findings(fixture->store, false, 1);
    expect_findings(fixture->store, true, 1);
    expect_healthy(fixture->store);
    /* Too few bytes, none, and none that a snapshot needs: nothing can bring them back. */
    run_in(fixture, "UPDATE record SET data = NULL WHERE name = x'61';"
                    "UPDATE record SET data = x'32' WHERE name = x'62';"
                    "UPDATE history SET data = NULL WHERE name = x'64'");
    uint64_t found = 0, repaired = 0;
    must(sfs_check(fixture->store, true, print_finding, NULL, &found, &repaired, &error), &error);
    assert_int_equal(found, 3 + 2); /* reading finds the two keys again */
    assert_int_equal(repaired, 0);
    struct sfs_buffer read = {0};
    char byte;
    size_t size;
    assert_int_equal(sfs_get_value(fixture->store, SFS_LITERAL("b"), &read, &error), SFS_E_CORRUPT);
    assert_int_equal(sfs_read(fixture->store, SFS_LITERAL("a"), 0, 0, &byte, 1, &size, &error),
                     SFS_E_CORRUPT);
    assert_int_equal(sfs_get_value(snapshot, SFS_LITERAL("d"), &read, &error), SFS_E_CORRUPT);
    close_store(snapshot);
    set(fixture->store, "a", "1");
    set(fixture->store, "b", "2");
    eventually(fixture, "SELECT count(*) FROM lease", 0);
    expect_healthy(fixture->store);
}

/* --- what nothing sets yet --- */

#define EXPIRING "SELECT group_concat(CAST(name AS TEXT) || expires) FROM"

static void expect_text_in(const struct fixture *fixture, const char *sql, const char *wanted)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_open(fixture->path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 10000);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    const char *found = (const char *)sqlite3_column_text(statement, 0);
    assert_string_equal(found ? found : "", wanted);
    sqlite3_finalize(statement);
    sqlite3_close(db);
}

/* The time at which a record expires stays with it, and with what it was, whatever is changed. */
static void test_expiry(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_storage *snapshot = NULL;
    struct sfs_error error = {0};
    struct sfs_attributes attributes = {.mode = 0600};
    struct sfs_batch *batch = new_batch();
    set(fixture->store, "d/a", "1");
    set(fixture->store, "d/b", longer("1"));
    set(fixture->store, "c", "1");
    run_in(fixture, "UPDATE record SET expires = iif(name = x'63', NULL, id)");
    must(sfs_snapshot(fixture->store, 0, &snapshot, &error), &error);
    set(fixture->store, "d/a", longer("2"));
    assert_int_equal(sfs_batch_append(batch, SFS_LITERAL("d/b"), SFS_LITERAL("2"), NULL), 0);
    assert_int_equal(
        sfs_batch_attributes(batch, SFS_LITERAL("d/b"), &attributes, SFS_ATTRIBUTE_MODE, NULL), 0);
    apply_and_free(fixture->store, batch);
    batch = new_batch();
    assert_int_equal(sfs_batch_rename_prefix(batch, SFS_LITERAL("d/"), SFS_LITERAL("e/"), NULL), 0);
    apply_and_free(fixture->store, batch);
    batch = new_batch();
    assert_int_equal(sfs_batch_rename(batch, SFS_LITERAL("e/a"), SFS_LITERAL("c"), 0, NULL), 0);
    apply_and_free(fixture->store, batch);
    set(fixture->store, "new", "1");
    expect_text_in(fixture, EXPIRING "(SELECT * FROM record ORDER BY name)", "c1,e/b2");
    expect_text_in(fixture, EXPIRING "(SELECT * FROM history ORDER BY name)", "d/a1,d/b2");
    expect_healthy(fixture->store);
    run_in(fixture, "UPDATE record SET expires = 'soon' WHERE name = x'63';"
                    "UPDATE history SET expires = 0.5 WHERE name = CAST('d/a' AS BLOB)");
    /* Salvage loses no record for it. */
    struct sfs_storage *saved = open_with(fixture, "", SFS_OPEN_SALVAGE);
    expect(saved, "c", longer("2"));
    close_store(saved);
    expect_findings(fixture->store, true, 2);
    expect_healthy(fixture->store);
    expect_text_in(fixture, EXPIRING "(SELECT * FROM record ORDER BY name)", "e/b2");
    close_store(snapshot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_check, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_formats, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_altered_before, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_altered_meanwhile, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_vacuum, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_journal, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_empty_with_log, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failed_repair, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_check_of_rows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_expiry, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
