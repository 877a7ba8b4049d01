/* SPDX-License-Identifier: MIT */
/*
 * A page of a table's tree that is a leaf holds the next rows in their order; of a table without a
 * rowid inner pages hold rows too. A path of dbstat names the way to a page, and the cell whose
 * chain a page is in.
 */
#include "tests/fault/salvage_map.h"

#define CHAIN_MOST 80

sqlite3 *truth_open(const char *path)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    return db;
}

sqlite3_stmt *truth_prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    return statement;
}

/* The rows of one tree in order, each with its pages. */
struct tree {
    sqlite3 *db;
    const char *name;
    bool table; /* rows are in leaves only */
    int count;
    struct place {
        int64_t key[2]; /* id; or content and block */
        uint32_t pages[CHAIN_MOST];
        int page_count;
    } rows[RECORDS_MOST];
};

static void add_place(struct tree *tree, uint32_t page, const char *path, int cell)
{
    struct place *place = &tree->rows[tree->count++];
    assert_true(tree->count < RECORDS_MOST);
    char chain[128];
    snprintf(chain, sizeof(chain), "%s%03x+*", path, cell);
    sqlite3_stmt *statement =
        truth_prepare(tree->db, "SELECT pageno FROM dbstat WHERE name = ?1 AND path GLOB ?2");
    sqlite3_bind_text(statement, 1, tree->name, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 2, chain, -1, SQLITE_STATIC);
    place->pages[place->page_count++] = page;
    while (sqlite3_step(statement) == SQLITE_ROW) {
        assert_true(place->page_count < CHAIN_MOST);
        place->pages[place->page_count++] = (uint32_t)sqlite3_column_int(statement, 0);
    }
    sqlite3_finalize(statement);
}

static void walk(struct tree *tree, const char *path)
{
    sqlite3_stmt *statement = truth_prepare(
        tree->db, "SELECT pageno, pagetype, ncell FROM dbstat WHERE name = ?1 AND path = ?2");
    sqlite3_bind_text(statement, 1, tree->name, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 2, path, -1, SQLITE_STATIC);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    uint32_t page = (uint32_t)sqlite3_column_int(statement, 0);
    bool leaf = strcmp((const char *)sqlite3_column_text(statement, 1), "leaf") == 0;
    int cells = sqlite3_column_int(statement, 2);
    sqlite3_finalize(statement);
    for (int i = 0; i <= cells; i++) {
        char child[128];
        snprintf(child, sizeof(child), "%s%03x/", path, i);
        if (!leaf)
            walk(tree, child);
        if (i < cells && (leaf || !tree->table))
            add_place(tree, page, path, i);
    }
}

static struct tree *map_tree(sqlite3 *db, const char *name, bool table, const char *keys)
{
    struct tree *tree = calloc(1, sizeof(*tree));
    assert_non_null(tree);
    tree->db = db;
    tree->name = name;
    tree->table = table;
    walk(tree, "/");
    sqlite3_stmt *statement = truth_prepare(db, keys);
    int at = 0;
    while (sqlite3_step(statement) == SQLITE_ROW) {
        assert_true(at < tree->count);
        tree->rows[at].key[0] = sqlite3_column_int64(statement, 0);
        tree->rows[at++].key[1] = sqlite3_column_int64(statement, 1);
    }
    sqlite3_finalize(statement);
    assert_int_equal(at, tree->count);
    return tree;
}

static void need_rows(struct truth *truth, size_t record, const struct tree *tree, int64_t key)
{
    for (int i = 0; i < tree->count; i++) {
        for (int j = 0; tree->rows[i].key[0] == key && j < tree->rows[i].page_count; j++)
            truth->on[record][tree->rows[i].pages[j]] = 1;
    }
}

static void need_all(struct truth *truth, size_t record, const struct tree *tree)
{
    for (int i = 0; i < tree->count; i++)
        need_rows(truth, record, tree, tree->rows[i].key[0]);
}

static size_t find_record(const struct truth *truth, int64_t id)
{
    for (size_t i = 0; i < truth->count; i++) {
        if ((int64_t)truth->records[i]->attributes.id == id)
            return i;
    }
    fail_msg("no record %lld", (long long)id);
    return 0;
}

/* Where a value has holes, that they are holes says the whole list of parts. */
void truth_map_pages(struct truth *truth)
{
    sqlite3 *db = truth_open(truth->path);
    struct tree *records = map_tree(db, "record", true, "SELECT id, 0 FROM record ORDER BY id");
    struct tree *blocks = map_tree(db, "block", true, "SELECT block, 0 FROM block ORDER BY block");
    struct tree *parts =
        map_tree(db, "chunk", false,
                 "SELECT CASE WHEN ended = 9223372036854775807 THEN content END, block"
                 " FROM chunk ORDER BY content, part, begun");
    sqlite3_stmt *statement = truth_prepare(db, "SELECT id, content, chunked, size FROM record");
    memset(truth->on, 0, sizeof(truth->on));
    while (sqlite3_step(statement) == SQLITE_ROW) {
        int64_t id = sqlite3_column_int64(statement, 0),
                content = sqlite3_column_int64(statement, 1);
        size_t record = find_record(truth, id);
        int present = 0;
        need_rows(truth, record, records, id);
        if (content && !sqlite3_column_int(statement, 2))
            need_rows(truth, record, blocks, content);
        if (!sqlite3_column_int(statement, 2))
            continue;
        need_rows(truth, record, parts, content);
        for (int i = 0; i < parts->count; i++) {
            if (parts->rows[i].key[0] == content) {
                need_rows(truth, record, blocks, parts->rows[i].key[1]);
                present++;
            }
        }
        if (present < (sqlite3_column_int64(statement, 3) + 262143) / 262144)
            need_all(truth, record, parts);
    }
    sqlite3_finalize(statement);
    free(records);
    free(blocks);
    free(parts);
    sqlite3_close(db);
}
