/* SPDX-License-Identifier: MIT */
/* The tables of a SQLite store: what the check finds in them, and files of the format before. */
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
    set(fixture->store, "a", "1");
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
    expect(snapshot, "a", "1");
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

/* --- files of format 1 --- */

/* Makes the store out of the text of one that format 1's program wrote. */
static void make_old_store(struct fixture *fixture)
{
    char path[500], command[700];
    const char *source = getenv("srcdir");
    snprintf(path, sizeof(path), "%s/tests/unit/store_v1.sql", source ? source : ".");
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

static void test_upgrade(void **state)
{
    struct fixture *fixture = *state;
    make_old_store(fixture);
    assert_int_equal(number_in(fixture, "PRAGMA user_version"), 1);
    long long rows = number_in(fixture, "SELECT count(*) FROM history");
    fixture->store = open_again(fixture);
    assert_int_equal(number_in(fixture, "PRAGMA user_version"), 2);
    assert_int_equal(number_in(fixture, "SELECT value = '2' FROM meta WHERE name = 'schema'"), 1);
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
    close_store(snapshot);
    run_in(fixture, "DELETE FROM lease");
    close_store(fixture->store);
    fixture->store = open_again(fixture);
    assert_int_equal(number_in(fixture, "SELECT count(*) FROM history"), 0);
    assert_int_equal(number_in(fixture, "SELECT count(*) FROM garbage"), 0);
    expect_healthy(fixture->store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_check, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_upgrade, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
