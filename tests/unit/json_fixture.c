/* SPDX-License-Identifier: MIT */
/* See json_fixture.h. */
#include "json_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "backends/json/json.h"
#include "util/file.h"

static char directory[256];
char json_path[512];

/* Each test has a file of its own. */
void json_use(const char *name)
{
    snprintf(json_path, sizeof(json_path), "%s/%s", directory, name);
}

const char *json_beside(const char *suffix)
{
    static char name[600];
    snprintf(name, sizeof(name), "%s%s", json_path, suffix);
    return name;
}

/* Opens `path` with options "name=value", NULL for none. */
struct sfs_storage *json_open_with(const char *name, const char *value, unsigned flags,
                                   int expected, struct sfs_error *error)
{
    struct sfs_storage *store = NULL;
    struct sfs_option option = {name, value};
    struct sfs_location location = {"json", json_path, &option, name != NULL};
    struct sfs_error failure = {0};
    int result = sfs_json_backend.open(&store, &location, flags, &failure);
    if (result != expected)
        fail_msg("open gives %s, not %s: %s", sfs_code_name(result), sfs_code_name(expected),
                 failure.message);
    if (error)
        *error = failure;
    return store;
}

struct sfs_storage *json_open_store(void)
{
    return json_open_with(NULL, NULL, SFS_OPEN_CREATE, 0, NULL);
}

void json_close_store(struct sfs_storage *store)
{
    assert_int_equal(sfs_close(store, NULL), 0);
}

void json_set(struct sfs_storage *store, struct sfs_bytes key, struct sfs_bytes value)
{
    struct sfs_error error = {0};
    if (sfs_set(store, key, value, &error))
        fail_msg("%s", error.message);
}

void json_check_value(struct sfs_storage *store, struct sfs_bytes key, struct sfs_bytes expected)
{
    struct sfs_buffer value = {0};
    assert_int_equal(sfs_get_value(store, key, &value, NULL), 0);
    assert_int_equal(value.size, expected.size);
    assert_true(sfs_bytes_equal(sfs_buffer_bytes(&value), expected));
    sfs_buffer_free(&value);
}

void json_check_size(struct sfs_storage *store, uint64_t expected)
{
    uint64_t size = 0;
    assert_int_equal(sfs_size(store, &size, NULL), 0);
    assert_int_equal(size, expected);
}

void json_write_file(struct sfs_bytes content)
{
    assert_int_equal(sfs_file_replace(json_path, content, NULL), 0);
}

void json_check_file(const char *file, struct sfs_bytes expected)
{
    struct sfs_buffer content = {0};
    assert_int_equal(sfs_file_read(file, SIZE_MAX, &content, NULL), 0);
    if (content.size != expected.size || memcmp(content.data, expected.data, content.size) != 0)
        fail_msg("the file is: %.*s", (int)content.size, content.data);
    sfs_buffer_free(&content);
}

int json_make_directory(void **state)
{
    (void)state;
    const char *parent = getenv("TMPDIR");
    snprintf(directory, sizeof(directory), "%s/json.XXXXXX", parent ? parent : "/tmp");
    return mkdtemp(directory) ? 0 : -1;
}

int json_remove_directory(void **state)
{
    (void)state;
    char command[512];
    snprintf(command, sizeof(command), "rm -rf '%s'", directory);
    return system(command);
}
