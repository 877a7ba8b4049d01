/* SPDX-License-Identifier: MIT */
#ifndef SFS_TESTS_JSON_FIXTURE_H
#define SFS_TESTS_JSON_FIXTURE_H

/*
 * What the tests of the JSON backend share: a directory that json_make_directory() makes and
 * json_remove_directory() removes, one file in it, json_path, which json_use() names, and steps
 * that check their own results.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "storefs/backend.h"

#define TEXT SFS_LITERAL

extern char json_path[512];

void json_use(const char *name);
const char *json_beside(const char *suffix);
struct sfs_storage *json_open_with(const char *name, const char *value, unsigned flags,
                                   int expected, struct sfs_error *error);
struct sfs_storage *json_open_store(void);
void json_close_store(struct sfs_storage *store);
void json_set(struct sfs_storage *store, struct sfs_bytes key, struct sfs_bytes value);
void json_check_value(struct sfs_storage *store, struct sfs_bytes key, struct sfs_bytes expected);
void json_check_size(struct sfs_storage *store, uint64_t expected);
void json_write_file(struct sfs_bytes content);
void json_check_file(const char *file, struct sfs_bytes expected);
int json_make_directory(void **state);
int json_remove_directory(void **state);

#endif
