/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SALVAGE_MAP_H
#define TESTS_SALVAGE_MAP_H

/* Which pages of a SQLite store each of its records needs, as SQLite's table dbstat tells it. */
#include "tests/unit/sqlite_fixture.h"

#define RECORDS_MOST 400
#define PAGES_MOST 2000

/* The undamaged store. */
struct truth {
    char path[96]; /* of the file that is damaged and mended again */
    char *image;
    size_t size;
    uint32_t page;
    uint32_t pages;
    const struct sfs_record *records[RECORDS_MOST]; /* with values */
    size_t count;
    unsigned char on[RECORDS_MOST][PAGES_MOST + 1]; /* the record needs the page */
};

sqlite3 *truth_open(const char *path);
sqlite3_stmt *truth_prepare(sqlite3 *db, const char *sql);
/* Fills `on` for the undamaged file at `path`. */
void truth_map_pages(struct truth *truth);

#endif
