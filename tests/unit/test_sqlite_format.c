/* SPDX-License-Identifier: MIT */
/* The tables of a SQLite store: what the check finds in them, and files of the formats before. */
#include "storefs/index.h"
#include "storefs/query.h"
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
    /* Behind an open lease everything is kept. */
    eventually(fixture, "SELECT count(*) FROM lease WHERE contents = 2", 0);
    /* A row and a value that no lease needs and no sweep would meet. */
    run_in(fixture,
           "INSERT INTO history(sequence, name, existed) VALUES(4, x'63', 0), (5, x'63', 0);"
           "INSERT INTO block VALUES(70, 'x');"
           "INSERT INTO garbage(ended, content, part, begun, since) VALUES(3, 70, -1, 0, 3);"
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

/* --- files of earlier formats --- */

/* Makes the store out of the text of one that the format's own program wrote. */
static void make_old_store(struct fixture *fixture, int format)
{
    char path[500], command[700];
    const char *source = getenv("srcdir");
    snprintf(path, sizeof(path), "%s/tests/unit/store_v%d.sql", source ? source : ".", format);
    snprintf(command, sizeof(command), "rm -f %s*", fixture->path);
    close_store(fixture->store);
    fixture->store = NULL;
    assert_int_equal(system(command), 0);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    static char sql[200000];
    size_t size = fread(sql, 1, sizeof(sql) - 1, file);
    fclose(file);
    assert_true(size < sizeof(sql) - 1);
    sql[size] = '\0';
    run_in(fixture, sql);
}

/* Nothing is kept for it afterwards. */
static void end_snapshot(struct fixture *fixture, struct sfs_storage *snapshot)
{
    close_store(snapshot);
    run_in(fixture, "DELETE FROM lease");
    close_store(fixture->store);
    fixture->store = open_again(fixture);
    assert_int_equal(number_in(fixture, "SELECT count(*) FROM history"), 0);
}

static void test_upgrade(void **state)
{
    struct fixture *fixture = *state;
    make_old_store(fixture, 1);
    assert_int_equal(number_in(fixture, "PRAGMA user_version"), 1);
    long long rows = number_in(fixture, "SELECT count(*) FROM history");
    fixture->store = open_again(fixture);
    assert_int_equal(number_in(fixture, "PRAGMA user_version"), 3);
    assert_int_equal(number_in(fixture, "SELECT value = '3' FROM meta WHERE name = 'schema'"), 1);
    expect(fixture->store, "a", "last");
    expect(fixture->store, "moved", "1");
    expect_healthy(fixture->store);
    struct sfs_error failure = {0};
    must(sfs_index_create(fixture->store, sfs_string("@size"), NULL, NULL, &failure), &failure);
    expect_healthy(fixture->store);
    must(sfs_index_drop(fixture->store, sfs_string("@size"), &failure), &failure);
    /* Opening swept what its two snapshots do not need, and kept what they do. */
    assert_true(number_in(fixture, "SELECT count(*) FROM history") < rows);
    assert_int_equal(number_in(fixture, "SELECT count(*) FROM history WHERE name = x'61'"), 2);
    assert_int_equal(
        number_in(fixture, "SELECT count(*) FROM history WHERE name = CAST('big' AS BLOB)"), 1);
    struct sfs_storage *snapshot = NULL;
    struct sfs_error error = {0};
    must(sfs_snapshot(fixture->store, 0, &snapshot, &error), &error);
    set(fixture->store, "a", "new");
    set(fixture->store, "moved", "new");
    struct sfs_batch *batch = new_batch();
    assert_int_equal(sfs_batch_write(batch, SFS_LITERAL("big"), 5, SFS_LITERAL("new"), NULL), 0);
    apply_and_free(fixture->store, batch);
    expect(snapshot, "a", "last");
    expect(snapshot, "moved", "1");
    expect_healthy(fixture->store);
    end_snapshot(fixture, snapshot);
    assert_int_equal(number_in(fixture, "SELECT count(*) FROM garbage"), 0);
    expect_healthy(fixture->store);
}

static const char *const letters[] = {"m", "n"};

/* The value of 2,000 equal letters. */
static const char *letters_of(int which)
{
    static char value[2001];
    memset(value, letters[which][0], 2000);
    return value;
}

/* What every opening of the store of format 2 shows. */
static void expect_old(struct sfs_storage *store)
{
    expect(store, "a", "3");
    expect(store, "doc/1", "{\"n\":3}");
    expect(store, "doc/2", NULL);
    expect(store, "empty", "");
    expect(store, "long", "short");
    expect(store, "moved", "1");
}

static uint64_t count_of(struct sfs_storage *store, const char *path)
{
    struct sfs_error error = {0};
    struct sfs_query *query = NULL;
    enum sfs_sink sink;
    uint64_t count = 0;
    must(sfs_query_parse(sfs_string(path), &query, &sink, &error), &error);
    must(sfs_query_count(store, query, &count, &error), &error);
    sfs_query_free(query);
    return count;
}

/* The upgrade leaves values where they are; each goes to its place when it is next written. */
static void test_upgrade_from_2(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_storage *snapshot = NULL;
    struct sfs_error error = {0};
    for (int leases = 1; leases >= 0; leases--) {
        make_old_store(fixture, 2);
        if (!leases)
            run_in(fixture, "DELETE FROM lease");
        fixture->store = open_again(fixture);
        assert_int_equal(number_in(fixture, "PRAGMA user_version"), 3);
        assert_int_equal(number_in(fixture, "SELECT value FROM meta WHERE name = 'schema'"), 3);
        assert_int_equal(number_in(fixture, "SELECT count(*) FROM record WHERE data NOT NULL"), 0);
        assert_int_equal(number_in(fixture, "SELECT count(*) FROM history"), leases ? 8 : 0);
        expect_old(fixture->store);
        expect_healthy(fixture->store);
        assert_int_equal(number_in(fixture, "SELECT count(*) FROM storage WHERE value = 'short'"),
                         1);
        must(sfs_snapshot(fixture->store, 0, &snapshot, &error), &error);
        set(fixture->store, "a", "4");
        set(fixture->store, "doc/1", "{\"n\":4}");
        set(fixture->store, "long", letters_of(1));
        assert_int_equal(number_in(fixture, "SELECT count(*) FROM record WHERE data NOT NULL"), 2);
        expect_old(snapshot);
        assert_int_equal(count_of(snapshot, "where/n = 3"), 1);
        assert_int_equal(count_of(fixture->store, "where/n = 4"), 1);
        expect(fixture->store, "long", letters_of(1));
        expect(fixture->store, "a", "4");
        expect_healthy(fixture->store);
        end_snapshot(fixture, snapshot);
        assert_int_equal(number_in(fixture, "SELECT count(*) FROM block"),
                         2); /* of "long", "moved" */
        expect_healthy(fixture->store);
    }
}

/* Who only reads leaves the file as it is; when somebody else brings it up to date meanwhile, what
 * is written then is read too. */
static void test_old_read_only(void **state)
{
    struct fixture *fixture = *state;
    make_old_store(fixture, 2);
    fixture->store = open_with(fixture, "", SFS_OPEN_READ_ONLY);
    expect_old(fixture->store);
    assert_int_equal(count_of(fixture->store, "where/n = 3"), 1);
    assert_int_equal(count_of(fixture->store, "where/@size > 0"), 4);
    expect_healthy(fixture->store);
    assert_int_equal(number_in(fixture, "PRAGMA user_version"), 2);
    struct sfs_storage *other = open_again(fixture);
    assert_int_equal(number_in(fixture, "PRAGMA user_version"), 3);
    set(other, "a", "small");
    set(other, "doc/9", "{\"n\":3}");
    set(other, "long", letters_of(0));
    expect(fixture->store, "a", "small");
    expect(fixture->store, "long", letters_of(0));
    expect(fixture->store, "moved", "1");
    assert_int_equal(count_of(fixture->store, "where/n = 3"), 2);
    close_store(other);
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
    eventually(fixture, "SELECT count(*) FROM lease WHERE contents = 2", 0);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_check, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_upgrade, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_upgrade_from_2, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_old_read_only, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_check_of_rows, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
