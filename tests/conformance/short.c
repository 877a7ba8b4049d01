/* SPDX-License-Identifier: MIT */
/* See short.h. */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "tests/conformance/short.h"

uint64_t apply(struct fixture *fixture, int expected)
{
    uint64_t sequence = 0;
    fixture->error = (struct sfs_error){0};
    int code = sfs_apply(fixture->store, fixture->batch, NULL, &sequence, &fixture->error);
    sfs_batch_clear(fixture->batch);
    if (code != expected)
        fail_msg("%s, expected %s: %s", sfs_code_name(code), sfs_code_name(expected),
                 fixture->error.message);
    assert_int_equal(fixture->error.code, expected);
    assert_int_equal(fixture->error.message[0] != '\0', expected != 0);
    if (expected)
        assert_int_equal(sequence, 0);
    return sequence;
}

uint64_t apply_affecting(struct fixture *fixture, const uint64_t *affected, size_t count)
{
    uint64_t sequence = 0, now = 0;
    struct sfs_error error = {0};
    assert_int_equal(sfs_batch_size(fixture->batch), count);
    if (sfs_apply(fixture->store, fixture->batch, NULL, &sequence, &error))
        fail_msg("%s: %s", sfs_code_name(error.code), error.message);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(sfs_batch_affected(fixture->batch, i), affected[i]);
    sfs_batch_clear(fixture->batch);
    OK(sfs_sequence(fixture->store, &now, NULL));
    assert_int_equal(now, sequence);
    return sequence;
}

void apply_fails(struct fixture *fixture, int expected)
{
    uint64_t before = 0, after = 0;
    char *content = dump(fixture->store);
    OK(sfs_sequence(fixture->store, &before, NULL));
    apply(fixture, expected);
    OK(sfs_sequence(fixture->store, &after, NULL));
    assert_int_equal(before, after);
    expect_dump(fixture->store, content);
    free(content);
}

uint64_t put(struct fixture *fixture, struct sfs_bytes name, struct sfs_bytes value)
{
    OK(sfs_batch_put(fixture->batch, name, value, NULL, 0, NULL));
    return APPLY_AFFECTING(fixture, 1);
}

uint64_t put_link(struct fixture *fixture, struct sfs_bytes name, struct sfs_bytes target)
{
    const struct sfs_attributes link = {.kind = SFS_KIND_SYMLINK};
    OK(sfs_batch_put(fixture->batch, name, target, &link, SFS_ATTRIBUTE_KIND, NULL));
    return APPLY_AFFECTING(fixture, 1);
}

const struct sfs_record *get(struct sfs_storage *store, struct sfs_bytes name)
{
    const struct sfs_record *record = NULL;
    struct sfs_error error = {0};
    char shown[100];
    if (sfs_get(store, name, SFS_WANT_VALUE, &record, &error))
        fail_msg("get %s: %s", sfs_name_show(name, shown, sizeof(shown)), error.message);
    assert_true(sfs_bytes_equal(record->name, name));
    assert_true(sfs_record_has_value(record));
    assert_int_equal(record->size, sfs_record_value(record).size);
    return record;
}

void expect_bytes(struct sfs_storage *store, struct sfs_bytes name, struct sfs_bytes value)
{
    const struct sfs_record *record = get(store, name);
    assert_int_equal(record->size, value.size);
    if (value.size)
        assert_memory_equal(sfs_record_value(record).data, value.data, value.size);
    sfs_record_unref(record);
}

void expect_none(struct sfs_storage *store, struct sfs_bytes name)
{
    const struct sfs_record *record = NULL;
    struct sfs_error error = {0};
    assert_int_equal(sfs_get(store, name, SFS_WANT_VALUE, &record, &error), SFS_E_NOT_FOUND);
    assert_int_equal(error.code, SFS_E_NOT_FOUND);
    assert_null(record);
}

void expect_names_in(struct sfs_storage *store, struct sfs_range range, unsigned want,
                     const char *names)
{
    struct sfs_cursor *cursor = NULL;
    const struct sfs_record *record = NULL;
    char found[4096] = "", shown[300];
    OK(sfs_scan(store, range, want, &cursor, NULL));
    int code;
    while ((code = sfs_cursor_next(cursor, &record, NULL)) == 1) {
        assert_true(strlen(found) + sizeof(shown) < sizeof(found));
        strcat(found, sfs_name_show(record->name, shown, sizeof(shown)));
        strcat(found, sfs_name_is_marker(record->name) ? "0 " : " ");
        if (want & SFS_WANT_VALUE)
            assert_true(sfs_record_has_value(record));
    }
    assert_int_equal(code, 0);
    sfs_cursor_close(cursor);
    assert_string_equal(found, names);
}

void expect_names(struct sfs_storage *store, const char *names)
{
    expect_names_in(store, everything(), 0, names);
}

static uint64_t hash(struct sfs_bytes bytes)
{
    uint64_t sum = 14695981039346656037u;
    for (size_t i = 0; i < bytes.size; i++)
        sum = (sum ^ ((const unsigned char *)bytes.data)[i]) * 1099511628211u;
    return sum;
}

static void dump_record(FILE *out, const struct sfs_record *record)
{
    char shown[64];
    const struct sfs_attributes *a = &record->attributes;
    fprintf(out, "%s#%zu#%016" PRIx64, sfs_name_show(record->name, shown, sizeof(shown)),
            record->name.size, hash(record->name));
    fprintf(out, " revision %" PRIu64 " value %" PRIu64 "#%016" PRIx64, record->revision,
            record->size, hash(sfs_record_value(record)));
    fprintf(out, " id %" PRIu64 " kind %d type %d%s mode %o owner %u:%u device %" PRIu64, a->id,
            (int)a->kind, (int)a->type, a->type_set ? "!" : "", a->mode, a->uid, a->gid, a->device);
    fprintf(out, " times %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64, a->created, a->accessed,
            a->modified, a->changed);
    fprintf(out, " xattrs %zu#%016" PRIx64 "\n", record->xattrs.size, hash(record->xattrs));
}

char *dump(struct sfs_storage *store)
{
    char *text = NULL;
    size_t size = 0;
    struct sfs_cursor *cursor = NULL;
    const struct sfs_record *record = NULL;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    OK(sfs_scan(store, everything(), SFS_WANT_VALUE, &cursor, NULL));
    int code;
    while ((code = sfs_cursor_next(cursor, &record, NULL)) == 1)
        dump_record(out, record);
    assert_int_equal(code, 0);
    sfs_cursor_close(cursor);
    assert_int_equal(fclose(out), 0);
    return text;
}

void expect_dump(struct sfs_storage *store, const char *expected)
{
    char *content = dump(store);
    assert_string_equal(content, expected);
    free(content);
}

struct sfs_range range_of(struct sfs_bytes from, struct sfs_bytes to)
{
    return (struct sfs_range){from, to};
}

struct sfs_range everything(void)
{
    return (struct sfs_range){{0}, {0}};
}

int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

char *pattern(size_t size, unsigned seed)
{
    char *bytes = malloc(size + 1);
    uint32_t state = seed * 2654435761u + 1;
    assert_non_null(bytes);
    for (size_t i = 0; i < size; i++) {
        state = state * 1664525u + 1013904223u;
        bytes[i] = (char)(state >> 24);
    }
    return bytes;
}
