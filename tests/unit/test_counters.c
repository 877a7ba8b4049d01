/* SPDX-License-Identifier: MIT */
/*
 * Stores whose files say that their counters are at an end: one is either refused or can be read,
 * and what could not be read again is not written.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <xxhash.h>

#include "storefs/storefs.h"
#include "util/binary.h"

#define OK(call) assert_int_equal(call, 0)

struct fixture {
    char directory[64];
    struct sfs_buffer file;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    snprintf(f->directory, sizeof(f->directory), "/tmp/sfs-counters-XXXXXX");
    *state = f;
    return mkdtemp(f->directory) && chdir(f->directory) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    char command[100];
    snprintf(command, sizeof(command), "rm -rf %s", f->directory);
    int result = chdir("/") == 0 ? system(command) : -1;
    sfs_buffer_free(&f->file);
    free(f);
    return result;
}

static void add(struct fixture *f, uint64_t number, size_t size)
{
    OK(sfs_binary_add(&f->file, number, size));
}

static void write_file(struct fixture *f, const char *path)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(f->file.data, 1, f->file.size, file), f->file.size);
    OK(fclose(file));
    f->file.size = 0;
}

static const uint64_t numbers[] = {
    UINT64_MAX,    UINT64_MAX - 1,      (uint64_t)INT64_MAX + 1, INT64_MAX,
    INT64_MAX - 1, SFS_COUNTER_MAX + 1, SFS_COUNTER_MAX,
};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Opens for writing and writes; what was opened once can be opened again. True: it was opened. */
static bool use(const char *uri)
{
    struct sfs_storage *store = NULL;
    struct sfs_buffer value = {0};
    struct sfs_error error = {0};
    int code = sfs_open(&store, uri, 0, &error);
    if (code) {
        assert_int_equal(code, SFS_E_CORRUPT);
        assert_int_not_equal(error.message[0], '\0');
        return false;
    }
    code = sfs_set(store, SFS_LITERAL("k"), SFS_LITERAL("1"), &error);
    assert_true(code == 0 || code == SFS_E_CORRUPT);
    int closed = sfs_close(store, &error);
    assert_true(closed == 0 || closed == SFS_E_CORRUPT);
    for (unsigned flags = 0; flags <= SFS_OPEN_READ_ONLY; flags += SFS_OPEN_READ_ONLY) {
        int opened = sfs_open(&store, uri, flags, &error);
        if (opened)
            fail_msg("opened once, and then: %s", error.message);
        if (code == 0) {
            OK(sfs_get_value(store, SFS_LITERAL("k"), &value, &error));
            assert_int_equal(value.size, 1);
            sfs_buffer_free(&value);
        }
        (void)sfs_close(store, NULL);
    }
    return true;
}

static void write_snapshot(struct fixture *f, uint64_t sequence, uint64_t last_id)
{
    OK(sfs_buffer_append(&f->file, "SFSMEM\r\n", 8));
    add(f, 3, 4);
    add(f, sequence, 8);
    add(f, last_id, 8);
    add(f, 0, 1);
    add(f, 0, 8);
    add(f, XXH3_64bits(f->file.data, f->file.size), 8);
    write_file(f, "snapshot");
}

static void test_snapshot(void **state)
{
    for (size_t i = 0; i < COUNT(numbers); i++) {
        write_snapshot(*state, 1, numbers[i]);
        assert_int_equal(use("memory:?snapshot=snapshot"), numbers[i] <= INT64_MAX);
        write_snapshot(*state, numbers[i], 1);
        assert_int_equal(use("memory:?snapshot=snapshot"), numbers[i] <= INT64_MAX);
    }
    write_snapshot(*state, 5, 5);
    assert_true(use("memory:?snapshot=snapshot"));
}

/* The hash of the attributes fits the content, or does not: then each key gets a new revision. */
static void write_json(struct fixture *f, uint64_t sequence, uint64_t last_id, bool fits)
{
    static const char content[] = "{\n\"a\": 1\n}\n";
    OK(sfs_buffer_add(&f->file, sfs_string(content)));
    uint64_t hash = XXH3_64bits(f->file.data, f->file.size);
    write_file(f, "json");
    OK(sfs_buffer_printf(&f->file,
                         "{\"format\": 1, \"hash\": \"%016llx\", \"sequence\": %llu, \"lastId\": "
                         "%llu, \"records\": {}}",
                         (unsigned long long)(fits ? hash : 1), (unsigned long long)sequence,
                         (unsigned long long)last_id));
    write_file(f, "json.attrs");
}

static void test_json(void **state)
{
    for (size_t i = 0; i < COUNT(numbers); i++) {
        for (unsigned fits = 0; fits < 2; fits++) {
            write_json(*state, 1, numbers[i], fits);
            (void)use("json:json");
            write_json(*state, numbers[i], 1, fits);
            (void)use("json:json");
        }
    }
    write_json(*state, 5, 5, false);
    assert_true(use("json:json"));
}

static void write_log(struct fixture *f, const uint64_t counters[3])
{
    struct sfs_buffer payload = {0};
    OK(sfs_binary_add(&payload, 2, 1));
    for (unsigned i = 0; i < 3; i++)
        OK(sfs_binary_add(&payload, counters[i], 8));
    OK(sfs_buffer_append(&f->file, "SFSDIR\r\n", 8));
    add(f, 1, 4);
    add(f, payload.size, 8);
    add(f, XXH3_64bits(payload.data, payload.size), 8);
    OK(sfs_buffer_add(&f->file, sfs_buffer_bytes(&payload)));
    sfs_buffer_free(&payload);
    write_file(f, "dir/%value/log");
}

static void test_dir(void **state)
{
    OK(mkdir("dir", 0700) || mkdir("dir/%value", 0700));
    for (size_t i = 0; i < COUNT(numbers); i++) {
        for (unsigned which = 0; which < 3; which++) {
            uint64_t counters[3] = {5, 5, 5};
            counters[which] = numbers[i];
            (void)unlink("dir/k");
            write_log(*state, counters);
            assert_int_equal(use("dir:dir"), numbers[i] <= INT64_MAX);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_snapshot, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_json, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_dir, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
