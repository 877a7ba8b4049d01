/* SPDX-License-Identifier: MIT */
/* See batch_fixture.h. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "batch_fixture.h"

int batch_set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    *state = fixture;
    return !fixture || sfs_open(&fixture->store, "memory:", SFS_OPEN_CREATE, NULL) ||
           sfs_batch_new(&fixture->batch, NULL);
}

int batch_tear_down(void **state)
{
    struct fixture *fixture = *state;
    sfs_batch_free(fixture->batch);
    int rc = sfs_close(fixture->store, NULL);
    free(fixture);
    return rc;
}

uint64_t batch_apply(struct fixture *fixture, int expected)
{
    uint64_t sequence = 0;
    fixture->error = (struct sfs_error){0};
    int rc = sfs_apply(fixture->store, fixture->batch, NULL, &sequence, &fixture->error);
    if (rc != expected)
        print_message("%s: %s\n", sfs_code_name(rc), fixture->error.message);
    assert_int_equal(rc, expected);
    assert_int_equal(fixture->error.code, expected);
    if (expected)
        sfs_batch_clear(fixture->batch);
    return sequence;
}

uint64_t batch_apply_affecting(struct fixture *fixture, uint64_t affected)
{
    uint64_t sequence = batch_apply(fixture, 0);
    size_t size = sfs_batch_size(fixture->batch);
    assert_int_equal(sfs_batch_affected(fixture->batch, size - 1), affected);
    sfs_batch_clear(fixture->batch);
    return sequence;
}

uint64_t batch_put(struct fixture *fixture, const char *name, const char *value)
{
    assert_int_equal(
        sfs_batch_put(fixture->batch, sfs_string(name), sfs_string(value), NULL, 0, NULL), 0);
    return batch_apply_affecting(fixture, 1);
}

const struct sfs_record *batch_get(struct fixture *fixture, struct sfs_bytes name)
{
    const struct sfs_record *record = NULL;
    assert_int_equal(sfs_get(fixture->store, name, SFS_WANT_VALUE, &record, NULL), 0);
    return record;
}

void batch_expect(struct fixture *fixture, const char *name, const char *value)
{
    const struct sfs_record *record = batch_get(fixture, sfs_string(name));
    assert_int_equal(record->size, strlen(value));
    assert_true(sfs_bytes_equal(sfs_record_value(record), sfs_string(value)));
    sfs_record_unref(record);
}

void batch_expect_none(struct fixture *fixture, const char *name)
{
    const struct sfs_record *record = NULL;
    assert_int_equal(sfs_get(fixture->store, sfs_string(name), 0, &record, NULL), SFS_E_NOT_FOUND);
}

void batch_expect_names(struct fixture *fixture, const char *names)
{
    struct sfs_cursor *cursor;
    const struct sfs_record *record;
    char found[1024] = "", shown[300];
    assert_int_equal(sfs_scan(fixture->store, (struct sfs_range){0}, 0, &cursor, NULL), 0);
    while (sfs_cursor_next(cursor, &record, NULL) == 1) {
        strcat(found, sfs_name_show(record->name, shown, sizeof(shown)));
        strcat(found, " ");
    }
    sfs_cursor_close(cursor);
    assert_string_equal(found, names);
}
