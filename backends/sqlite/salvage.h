/* SPDX-License-Identifier: MIT */
#ifndef SFS_SQLITE_SALVAGE_H
#define SFS_SQLITE_SALVAGE_H

/*
 * Reading a damaged store without SQLite's own view of it: pages by number (salvage_pages.c), the
 * cells of a b-tree page and their rows (salvage_cells.c), which rows there are
 * (salvage_collect.c), and a read-only store over these (salvage.c). The layout is that of SQLite's
 * document "Database File Format".
 */
#include "backends/sqlite/internal.h"
#include "storefs/notes.h"

/* --- pages: of the file, or where the log has a newer one, of the log --- */

struct sfs_pages {
    const char *path; /* borrowed */
    struct sqlite3_file *file;
    struct sqlite3_file *log; /* NULL: none */
    sqlite3 *reader; /* holds a read transaction where others have the store open; may be NULL */
    uint32_t size;   /* bytes of a page */
    uint32_t usable; /* of these, for content */
    uint32_t count;
    /* By page: its newest frame in the log, 0: in the file, UINT32_MAX: damaged. The first, of no
     * page: whether the disk has failed to give one. */
    uint32_t *frames;
    bool headed; /* page 1 begins as it must; then: */
    uint32_t application;
    uint32_t format;
    bool log_damaged;
};

/* Opens the file and its log for reading; says in `notes` what is wrong with the log. IO, NO_MEMORY
 * …. */
int sfs_pages_open(struct sfs_pages *pages, const char *path, struct sfs_notes *notes,
                   struct sfs_error *error);
void sfs_pages_close(struct sfs_pages *pages);
/* Copies page `number` (from 1) to `data`; false: it cannot be read. */
bool sfs_pages_read(const struct sfs_pages *pages, uint32_t number, unsigned char *data);

static inline uint32_t sfs_big_endian(const unsigned char *data, size_t size)
{
    uint32_t number = 0;
    for (size_t i = 0; i < size; i++)
        number = number << 8 | data[i];
    return number;
}

/* --- cells --- */

enum sfs_page_kind {
    SFS_PAGE_INDEX_INNER = 2,
    SFS_PAGE_TABLE_INNER = 5,
    SFS_PAGE_INDEX_LEAF = 10,
    SFS_PAGE_TABLE_LEAF = 13,
};

/* A page of a b-tree that has been found whole. */
struct sfs_page {
    const unsigned char *data; /* borrowed */
    uint32_t number;
    enum sfs_page_kind kind;
    unsigned count; /* of cells */
    const unsigned char *pointers;
    uint32_t last; /* of an inner page: the child behind all cells */
};

struct sfs_cell {
    uint32_t child;             /* of an inner page */
    int64_t id;                 /* rowid, in a table */
    uint64_t size;              /* of the payload */
    const unsigned char *local; /* its beginning, borrowed from the page */
    uint32_t local_size;
    uint32_t overflow; /* the page where it goes on; 0: none */
    uint32_t bytes;    /* that the cell takes in its page */
};

/* Whether `data` is a b-tree page that is whole: every byte of it belongs to one cell or is
 * accounted for as free. */
bool sfs_page_parse(const struct sfs_pages *pages, uint32_t number, const unsigned char *data,
                    struct sfs_page *ret_page);
/* A cell of a parsed page. */
struct sfs_cell sfs_page_cell(const struct sfs_pages *pages, const struct sfs_page *page,
                              unsigned at);

/* What reading a payload came upon. */
struct sfs_payload {
    struct sfs_buffer bytes;
    /* The last page of its chain is all zeros, as an empty value's end is and a page that was
     * wiped; the zeros begin at this byte (0: no such page). */
    size_t wiped_from;
};
/* The whole payload. CORRUPT: its chain is broken (no sentence), or NO_MEMORY. */
int sfs_cell_payload(const struct sfs_pages *pages, const struct sfs_cell *cell,
                     const unsigned char *taken, struct sfs_payload *payload);

/* A row's columns, which point into its payload. */
#define SFS_ROW_COLUMNS 24
struct sfs_column {
    enum {
        SFS_COLUMN_NULL,
        SFS_COLUMN_INTEGER,
        SFS_COLUMN_REAL,
        SFS_COLUMN_BLOB,
        SFS_COLUMN_TEXT
    } type;
    int64_t integer;
    struct sfs_bytes bytes;
};
struct sfs_columns {
    unsigned count;
    struct sfs_column columns[SFS_ROW_COLUMNS];
};
/* Reads what `payload` (the first `size` bytes of one of `whole`) holds. Columns that lie behind
 * what is there have their type and length, and no data. False: it is no row. */
bool sfs_columns_read(struct sfs_bytes payload, uint64_t whole, struct sfs_columns *ret_columns);

/* --- rows --- */

/* Where a row lies. */
struct sfs_spot {
    int64_t id; /* of a record or block */
    uint32_t page;
    uint16_t cell;
    bool swept; /* found without its tree */
};

enum sfs_find {
    SFS_FOUND,        /* its row is there */
    SFS_FOUND_BROKEN, /* the row's name is there, not all of the row */
    SFS_FOUND_NAME,   /* only the index of names has it */
};
struct sfs_found {
    const char *name; /* in `names` */
    uint16_t name_size;
    uint8_t find; /* enum sfs_find */
    struct sfs_spot spot;
    uint64_t revision;
};

struct sfs_part_row {
    int64_t content;
    int64_t part;
    int64_t begun;
    int64_t ended;
    int64_t block;
    uint32_t page; /* rows side by side in one page have nothing between them */
    uint16_t cell;
};

/* All that is found: sorted by name, by id, and by content, part and begun. */
struct sfs_collection {
    struct sfs_pages *pages;
    struct sfs_notes *notes;
    unsigned char *taken; /* by page: 1 of a tree, 2 free */
    struct sfs_found *records;
    size_t record_count;
    struct sfs_spot *blocks;
    size_t block_count;
    struct sfs_part_row *parts;
    size_t part_count;
    bool parts_whole; /* a part that is not there was never there */
    char **names;     /* runs of memory for the names */
    size_t name_runs;
    size_t name_left;
    struct sfs_buffer indexes; /* the definitions that were ready: name, NUL */
};

/* CORRUPT: there is no trace of a store. NO_MEMORY. */
int sfs_collect(struct sfs_collection *collection, struct sfs_error *error);
void sfs_collection_free(struct sfs_collection *collection);
/* The block of a part of a large value, 0: a hole. CORRUPT: rows of the list are lost there.
 * (salvage_parts.c) */
int sfs_collection_part(const struct sfs_collection *collection, int64_t content, int64_t part,
                        int64_t *ret_block);
/* Whether a part from `part` on is stored, or lost, and the first such one. */
bool sfs_collection_next_part(const struct sfs_collection *collection, int64_t content,
                              int64_t part, int64_t *ret_part);

/* Opens what is left of the store at an absolute path. */
int sfs_sqlite_salvage(const char *path, struct sfs_storage **ret_store, struct sfs_error *error);

#endif
