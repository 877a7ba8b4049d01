/* SPDX-License-Identifier: MIT */
/* Stores and short forms for the tests of transactions. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "storefs/query.h"
#include "tests/unit/transaction_fixture.h"

int setup_memory(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    assert_int_equal(sfs_open(&fixture->store, "memory:", SFS_OPEN_CREATE, NULL), 0);
    fixture->other = fixture->store;
    *state = fixture;
    return 0;
}

int setup_sqlite(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    const char *directory = getenv("TMPDIR");
    assert_non_null(fixture);
    snprintf(fixture->path, sizeof(fixture->path), "sqlite:%s/transaction-%d.db",
             directory ? directory : "/tmp", (int)getpid());
    assert_int_equal(sfs_open(&fixture->store, fixture->path, SFS_OPEN_CREATE, NULL), 0);
    assert_int_equal(sfs_open(&fixture->other, fixture->path, 0, NULL), 0);
    *state = fixture;
    return 0;
}

int setup_json(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    const char *directory = getenv("TMPDIR");
    assert_non_null(fixture);
    snprintf(fixture->path, sizeof(fixture->path), "json:%s/transaction-%d.json?autosave=0",
             directory ? directory : "/tmp", (int)getpid());
    assert_int_equal(sfs_open(&fixture->store, fixture->path, SFS_OPEN_CREATE, NULL), 0);
    fixture->other = fixture->store;
    fixture->path[strlen(fixture->path) - strlen("?autosave=0")] = '\0';
    *state = fixture;
    return 0;
}

int teardown(void **state)
{
    struct fixture *fixture = *state;
    if (fixture->other != fixture->store)
        assert_int_equal(sfs_close(fixture->other, NULL), 0);
    assert_int_equal(sfs_close(fixture->store, NULL), 0);
    if (fixture->path[0]) {
        char name[320];
        const char *const ends[] = {"", "-wal", "-shm", ".attrs", ".storefs-lock"};
        for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
            snprintf(name, sizeof(name), "%s%s", strchr(fixture->path, ':') + 1, ends[i]);
            unlink(name);
        }
    }
    free(fixture);
    return 0;
}

void set(struct sfs_storage *store, const char *key, const char *value)
{
    assert_int_equal(sfs_set(store, sfs_string(key), sfs_string(value), NULL), 0);
}

/* The value of a key is `expected`; NULL: there is none. */
void check_value(struct sfs_storage *store, const char *key, const char *expected)
{
    struct sfs_buffer value = {0};
    assert_int_equal(sfs_get_value(store, sfs_string(key), &value, NULL),
                     expected ? 0 : SFS_E_NOT_FOUND);
    if (expected) {
        assert_int_equal(value.size, strlen(expected));
        assert_memory_equal(value.data, expected, value.size);
    }
    sfs_buffer_free(&value);
}

/* The names of the store, in order, with blanks between. */
void check_names(struct sfs_storage *store, const char *expected)
{
    struct sfs_cursor *cursor;
    const struct sfs_record *record;
    struct sfs_buffer names = {0};
    int code;
    assert_int_equal(sfs_scan(store, (struct sfs_range){0}, 0, &cursor, NULL), 0);
    while ((code = sfs_cursor_next(cursor, &record, NULL)) == 1) {
        char shown[64];
        assert_int_equal(sfs_buffer_printf(&names, "%s%s", names.size ? " " : "",
                                           sfs_name_show(record->name, shown, sizeof(shown))), 0);
    }
    assert_int_equal(code, 0);
    sfs_cursor_close(cursor);
    assert_int_equal(sfs_buffer_text(&names), 0);
    assert_string_equal(names.data, expected);
    sfs_buffer_free(&names);
}

struct sfs_transaction *begin(struct sfs_storage *store)
{
    struct sfs_transaction *transaction = NULL;
    struct sfs_error error = {0};
    if (sfs_begin(store, NULL, &transaction, &error))
        fail_msg("begin: %s", error.message);
    return transaction;
}

enum sfs_transaction_state state_of(struct sfs_transaction *transaction)
{
    struct sfs_transaction_status status;
    sfs_transaction_status(transaction, &status);
    return status.state;
}

void commit(struct sfs_transaction *transaction)
{
    struct sfs_error error = {0};
    if (sfs_commit(transaction, NULL, &error))
        fail_msg("commit: %s", error.message);
    assert_int_equal(state_of(transaction), SFS_COMMITTED);
    sfs_transaction_free(transaction);
}

struct sfs_transaction *begin_at(struct sfs_storage *store, enum sfs_isolation isolation)
{
    struct sfs_transaction_options options = {.isolation = isolation};
    struct sfs_transaction *transaction = NULL;
    assert_int_equal(sfs_begin(store, &options, &transaction, NULL), 0);
    return transaction;
}

struct sfs_storage *inside(struct sfs_transaction *transaction)
{
    return sfs_transaction_storage(transaction);
}

/* The commit is a conflict whose sentence has `part` in it; frees. */
void refuse(struct sfs_transaction *transaction, const char *part)
{
    struct sfs_error error = {0};
    assert_int_equal(sfs_commit(transaction, NULL, &error), SFS_E_CONFLICT);
    if (!strstr(error.message, part))
        fail_msg("'%s' does not say '%s'", error.message, part);
    assert_int_equal(sfs_commit(transaction, NULL, NULL), SFS_E_CONFLICT);
    sfs_transaction_free(transaction);
}

uint64_t count(struct sfs_storage *store, const char *path)
{
    struct sfs_query *query = NULL;
    enum sfs_sink sink;
    uint64_t number = 0;
    assert_int_equal(sfs_query_parse(sfs_string(path), &query, &sink, NULL), 0);
    assert_int_equal(sfs_query_count(store, query, &number, NULL), 0);
    sfs_query_free(query);
    return number;
}
