/* SPDX-License-Identifier: MIT */
/*
 * A SQLite store with one damaged page, each page in turn: every record that does not lie on it is
 * read, none is read wrong, and those that are lost are named. Which records lie on which pages is
 * asked of SQLite itself, through its table dbstat over the undamaged file.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "storefs/index.h"
#include "tests/fault/salvage_map.h"

#define IN_PARTS ((uint64_t)(1 << 20) + 3000) /* the last part is small */
/* --- a small store with everything in it --- */

static void put(struct sfs_storage *store, const char *key, size_t size, bool json, unsigned seed)
{
    struct sfs_error error = {0};
    char *value = malloc(size);
    assert_non_null(value);
    for (size_t i = 0; i < size; i++) {
        seed = seed * 1103515245 + 12345;
        value[i] = json ? (char)('a' + (seed >> 16) % 26) : (char)(seed >> 16 | 0x80);
    }
    if (json)
        value[0] = value[size - 1] = '"';
    must(sfs_set(store, sfs_string(key), sfs_bytes(value, size), &error), &error);
    free(value);
}

/* The parts from `first` on of a value that has five; the others are holes. */
static void put_parts(struct sfs_storage *store, const char *key, uint64_t first, int byte)
{
    struct sfs_error error = {0};
    struct sfs_stage *stage = NULL;
    struct sfs_batch *batch = new_batch();
    static char bytes[1 << 18];
    memset(bytes, byte, sizeof(bytes));
    must(sfs_stage_open(store, &stage, &error), &error);
    for (uint64_t at = first << 18; at < IN_PARTS; at += sizeof(bytes)) {
        size_t size = IN_PARTS - at < sizeof(bytes) ? (size_t)(IN_PARTS - at) : sizeof(bytes);
        must(sfs_stage_write(stage, at, sfs_bytes(bytes, size), &error), &error);
    }
    must(sfs_stage_truncate(stage, IN_PARTS, &error), &error);
    must(sfs_batch_put_stage(batch, sfs_string(key), stage, NULL, 0, &error), &error);
    apply_and_free(store, batch);
    sfs_stage_close(stage);
}

static void put_others(struct sfs_storage *store)
{
    static const char zeros[9000];
    struct sfs_error error = {0};
    struct sfs_batch *batch = new_batch();
    struct sfs_attributes link = {.kind = SFS_KIND_SYMLINK, .mode = 0777};
    struct sfs_attributes marker = {.kind = SFS_KIND_MARKER, .mode = 0700};
    struct sfs_attributes owned = {.mode = 0640, .uid = 7, .gid = 8};
    char large[5000];
    memset(large, 'x', sizeof(large));
    must(sfs_batch_put(batch, sfs_string("link"), sfs_string("k001"), &link,
                       SFS_ATTRIBUTE_KIND | SFS_ATTRIBUTE_MODE, &error),
         &error);
    must(sfs_batch_put(batch, sfs_bytes("d/\0", 3), SFS_LITERAL(""), &marker,
                       SFS_ATTRIBUTE_KIND | SFS_ATTRIBUTE_MODE, &error),
         &error);
    must(sfs_batch_put(batch, sfs_string("owned"), sfs_string("{\"a\": 1}"), &owned,
                       SFS_ATTRIBUTE_MODE | SFS_ATTRIBUTE_UID | SFS_ATTRIBUTE_GID, &error),
         &error);
    must(sfs_batch_xattr(batch, sfs_string("owned"), sfs_string("user.small"), sfs_string("1"), 0,
                         &error),
         &error);
    must(sfs_batch_xattr(batch, sfs_string("owned"), sfs_string("user.large"),
                         sfs_bytes(large, sizeof(large)), 0, &error),
         &error);
    must(
        sfs_batch_put(batch, sfs_string("zeros"), sfs_bytes(zeros, sizeof(zeros)), NULL, 0, &error),
        &error);
    must(sfs_batch_put(batch, sfs_string("empty"), SFS_LITERAL(""), NULL, 0, &error), &error);
    apply_and_free(store, batch);
}

/* Leaves a snapshot open, which keeps history, garbage and a lease. */
static struct sfs_storage *fill(struct sfs_storage *store, bool large)
{
    struct sfs_storage *snapshot = NULL;
    struct sfs_error error = {0};
    char key[32];
    for (unsigned i = 0; i < 150; i++) {
        static const size_t sizes[] = {20, 240, 600, 230, 1500};
        snprintf(key, sizeof(key), "k%03u", i);
        put(store, key, i % 30 == 7 ? 9000 : sizes[i % 5], i % 3 != 0, i);
    }
    put_others(store);
    if (large) {
        put_parts(store, "dense", 0, 'd');
        put_parts(store, "sparse", 4, 's');
    }
    put_parts(store, "hollow", 5, 'h');
    must(sfs_index_create(store, sfs_string("type"), NULL, NULL, &error), &error);
    must(sfs_snapshot(store, 0, &snapshot, &error), &error);
    for (unsigned i = 0; i < 40; i++) {
        snprintf(key, sizeof(key), "k%03u", i * 3);
        if (i % 4 == 0)
            must(sfs_delete(store, sfs_string(key), &error), &error);
        else
            put(store, key, 700, true, i + 1000);
    }
    if (large)
        put_parts(store, "sparse", 4, 't');
    return snapshot;
}

/* --- the file --- */

static void read_image(struct truth *truth)
{
    FILE *file = fopen(truth->path, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    truth->size = (size_t)ftell(file);
    rewind(file);
    truth->image = malloc(truth->size);
    assert_non_null(truth->image);
    assert_int_equal(fread(truth->image, 1, truth->size, file), truth->size);
    fclose(file);
    truth->page = (uint32_t)(unsigned char)truth->image[16] << 8 | (unsigned char)truth->image[17];
    truth->pages = (uint32_t)(truth->size / truth->page);
    assert_in_range(truth->pages, 60, PAGES_MOST);
}

static void write_file(const struct truth *truth, size_t size)
{
    char name[128];
    int fd = open(truth->path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, truth->image, size), size);
    close(fd);
    snprintf(name, sizeof(name), "%s-wal", truth->path);
    unlink(name);
    snprintf(name, sizeof(name), "%s-shm", truth->path);
    unlink(name);
}

static void write_page(const struct truth *truth, uint32_t number, const void *data)
{
    int fd = open(truth->path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, data, truth->page, (off_t)(number - 1) * truth->page), truth->page);
    close(fd);
}

static void mend(const struct truth *truth, uint32_t number)
{
    write_page(truth, number, truth->image + (size_t)(number - 1) * truth->page);
}

/* A list of parts that takes several small pages; each part has a few bytes, and zeros behind them.
 */
static const char many_parts[] =
    "WITH RECURSIVE s(v) AS (SELECT 0 UNION ALL SELECT v + 1 FROM s WHERE v < 16)"
    " INSERT INTO block SELECT 1125899906842624 + v, CAST('part ' || v AS BLOB) FROM s;"
    "WITH RECURSIVE s(v) AS (SELECT 0 UNION ALL SELECT v + 1 FROM s WHERE v < 16)"
    " INSERT INTO chunk SELECT (SELECT content FROM record WHERE name = x'686f6c6c6f77'), v,"
    " 8589934592, 9223372036854775807, 1125899906842624 + v FROM s;"
    "UPDATE record SET size = 17 * 262144 WHERE name = x'686f6c6c6f77'";

/* `page_size` 0: as it is. Else the file is made new with pages of that size, which gives deep
 * trees. */
static struct truth *make_truth(struct fixture *fixture, int page_size)
{
    struct truth *truth = calloc(1, sizeof(*truth));
    struct sfs_cursor *cursor = NULL;
    const struct sfs_record *record;
    struct sfs_error error = {0};
    char sql[256];
    assert_non_null(truth);
    struct sfs_storage *snapshot = fill(fixture->store, page_size == 0);
    if (page_size != 0)
        run_in(fixture, many_parts);
    must(sfs_scan(fixture->store, (struct sfs_range){0}, SFS_WANT_VALUE, &cursor, &error), &error);
    while (sfs_cursor_next(cursor, &record, &error) == 1) {
        assert_true(truth->count < RECORDS_MOST);
        truth->records[truth->count++] = sfs_record_ref(record);
    }
    sfs_cursor_close(cursor);
    snprintf(truth->path, sizeof(truth->path), "%s/damaged", fixture->directory);
    sqlite3 *db = truth_open(fixture->path);
    snprintf(sql, sizeof(sql), "VACUUM INTO '%s'", truth->path);
    if (page_size == 0)
        snprintf(sql, sizeof(sql), "PRAGMA wal_checkpoint(FULL)");
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    snprintf(sql, sizeof(sql), "cp %s %s", fixture->path, truth->path);
    if (page_size == 0)
        assert_int_equal(system(sql), 0);
    if (page_size != 0) {
        db = truth_open(truth->path);
        snprintf(sql, sizeof(sql), "PRAGMA journal_mode = DELETE; PRAGMA page_size = %d; VACUUM",
                 page_size);
        assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
    }
    close_store(snapshot);
    read_image(truth);
    truth_map_pages(truth);
    write_file(truth, truth->size);
    return truth;
}

static void free_truth(struct truth *truth)
{
    for (size_t i = 0; i < truth->count; i++)
        sfs_record_unref(truth->records[i]);
    free(truth->image);
    free(truth);
}

/* --- what is saved --- */

struct outcome {
    bool saved[RECORDS_MOST];
    bool exact[RECORDS_MOST];
    size_t saved_count;
    size_t lost;
    size_t doubtful;
};

static bool is_same(const struct sfs_record *a, const struct sfs_record *b)
{
    const struct sfs_attributes *x = &a->attributes, *y = &b->attributes;
    return a->revision == b->revision && a->size == b->size && x->id == y->id &&
           x->kind == y->kind && x->type == y->type && x->type_set == y->type_set &&
           x->mode == y->mode && x->uid == y->uid && x->gid == y->gid && x->device == y->device &&
           x->created == y->created && x->accessed == y->accessed && x->modified == y->modified &&
           x->changed == y->changed && sfs_bytes_equal(a->xattrs, b->xattrs) &&
           sfs_bytes_equal(sfs_record_value(a), sfs_record_value(b));
}

static void note(const struct truth *truth, const struct sfs_record *record,
                 struct outcome *outcome)
{
    for (size_t i = 0; i < truth->count; i++) {
        if (!sfs_bytes_equal(truth->records[i]->name, record->name))
            continue;
        assert_false(outcome->saved[i]);
        outcome->saved[i] = true;
        outcome->exact[i] = is_same(truth->records[i], record);
        outcome->saved_count++;
    }
}

/* What a scan of the damaged file gives; false: there is no trace of a store. */
static bool salvage(const struct truth *truth, struct outcome *outcome)
{
    struct sfs_storage *store = NULL;
    struct sfs_cursor *cursor = NULL;
    const struct sfs_record *record = NULL;
    struct sfs_error error = {0};
    char uri[128];
    *outcome = (struct outcome){0};
    snprintf(uri, sizeof(uri), "sqlite:%s", truth->path);
    int code = sfs_open(&store, uri, SFS_OPEN_SALVAGE, &error);
    if (code == SFS_E_NOT_A_STORE)
        return false;
    must(code, &error);
    must(sfs_scan(store, (struct sfs_range){0}, SFS_WANT_VALUE, &cursor, &error), &error);
    while ((code = sfs_cursor_next(cursor, &record, &error)) != 0) {
        if (code == 1)
            note(truth, record, outcome);
        else if (code == SFS_E_CORRUPT)
            outcome->lost++;
        else if (code == SFS_E_DOUBTFUL)
            outcome->doubtful++;
        else
            must(code, &error);
    }
    sfs_cursor_close(cursor);
    close_store(store);
    return true;
}

enum strictness {
    NEVER_WRONG = 1, /* what is saved is exact */
    ALL_NAMED = 2,   /* each record is saved or named as lost */
};

/* Pages from `first` to `last` are damaged. */
static void expect_saved(const struct truth *truth, uint32_t first, uint32_t last,
                         unsigned strictness)
{
    struct outcome outcome;
    assert_true(salvage(truth, &outcome));
    for (size_t i = 0; i < truth->count; i++) {
        bool needs = false;
        for (uint32_t page = first; page <= last; page++)
            needs |= truth->on[i][page];
        if (!needs && !outcome.saved[i])
            fail_msg("pages %u to %u of %u: '%.*s' is not saved", first, last, truth->pages,
                     (int)truth->records[i]->name.size, (const char *)truth->records[i]->name.data);
        if (outcome.saved[i] && !outcome.exact[i] && (!needs || (strictness & NEVER_WRONG)))
            fail_msg("pages %u to %u of %u: '%.*s' is wrong", first, last, truth->pages,
                     (int)truth->records[i]->name.size, (const char *)truth->records[i]->name.data);
    }
    if ((strictness & ALL_NAMED) && outcome.saved_count + outcome.lost != truth->count)
        fail_msg("pages %u to %u: %zu saved, %zu lost, and there were %zu", first, last,
                 outcome.saved_count, outcome.lost, truth->count);
}

/* --- tests --- */

static void test_whole(void **state)
{
    struct truth *truth = make_truth(*state, 0);
    struct outcome outcome;
    assert_true(salvage(truth, &outcome));
    assert_int_equal(outcome.saved_count, truth->count);
    assert_int_equal(outcome.lost, 0);
    /* The end of "zeros" cannot be told from a page that was wiped. */
    assert_int_equal(outcome.doubtful, 1);
    expect_saved(truth, 1, 0, NEVER_WRONG | ALL_NAMED);
    free_truth(truth);
}

/* A page of a large value alone, of which there are hundreds. */
static bool is_one_of_many(const struct truth *truth, uint32_t number)
{
    for (size_t i = 0; i < truth->count; i++) {
        if (truth->on[i][number])
            return sfs_bytes_equal(truth->records[i]->name, sfs_string("dense"));
    }
    return false;
}

static void damage_each(struct fixture *fixture, int page_size)
{
    struct truth *truth = make_truth(fixture, page_size);
    unsigned char *page = calloc(1, truth->page);
    assert_non_null(page);
    print_message("%u pages of %u bytes, %zu records\n", truth->pages, truth->page, truth->count);
    for (uint32_t number = 1; number <= truth->pages; number++) {
        if (is_one_of_many(truth, number) && number % 16 != 0)
            continue;
        memset(page, 0, truth->page);
        write_page(truth, number, page);
        expect_saved(truth, number, number, NEVER_WRONG | ALL_NAMED);
        for (uint32_t i = 0; i < truth->page; i++)
            page[i] = (unsigned char)random();
        write_page(truth, number, page);
        expect_saved(truth, number, number, NEVER_WRONG | ALL_NAMED);
        mend(truth, number);
    }
    free(page);
    free_truth(truth);
}

static void test_each_page(void **state)
{
    damage_each(*state, 0);
}

static void test_each_small_page(void **state)
{
    damage_each(*state, 512);
}

/* A bit of what SQLite keeps at the beginning of a page: counts, and where cells are. */
static void test_bits(void **state)
{
    struct truth *truth = make_truth(*state, 512);
    unsigned char *page = malloc(truth->page);
    assert_non_null(page);
    for (uint32_t number = 1; number <= truth->pages; number++) {
        for (int round = 0; round < 3; round++) {
            uint32_t from = number == 1 ? 100 : 0, at = from + (uint32_t)random() % 40;
            memcpy(page, truth->image + (size_t)(number - 1) * truth->page, truth->page);
            page[at] ^= (unsigned char)(1u << random() % 8);
            write_page(truth, number, page);
            expect_saved(truth, number, number, 0);
        }
        mend(truth, number);
    }
    free(page);
    free_truth(truth);
}

static void test_cut(void **state)
{
    struct truth *truth = make_truth(*state, 0);
    for (uint32_t pages = 1; pages < truth->pages; pages++) {
        size_t size = (size_t)pages * truth->page - (pages % 2 ? 0 : 100);
        write_file(truth, size);
        struct outcome outcome;
        if (pages > 3 || salvage(truth, &outcome))
            expect_saved(truth, pages + (pages % 2), truth->pages, NEVER_WRONG);
    }
    free_truth(truth);
}

/* Much is damaged: nothing crashes, and nothing is wrong. */
static void test_many(void **state)
{
    struct truth *truth = make_truth(*state, 0);
    unsigned char *page = calloc(1, truth->page);
    struct outcome outcome;
    assert_non_null(page);
    for (int round = 0; round < 60; round++) {
        write_file(truth, truth->size);
        for (int i = 0; i <= round; i++)
            write_page(truth, 1 + (uint32_t)random() % truth->pages, page);
        if (!salvage(truth, &outcome))
            continue;
        for (size_t i = 0; i < truth->count; i++)
            assert_true(!outcome.saved[i] || outcome.exact[i]);
    }
    free(page);
    free_truth(truth);
}

/* The present is read though a table that only writers need is damaged. */
static void test_present(void **state)
{
    struct truth *truth = make_truth(*state, 0);
    static const char auxiliary[] = "SELECT DISTINCT pageno FROM dbstat WHERE name IN ('state', "
                                    "'meta', 'history', 'history_name',"
                                    " 'lease', 'garbage', 'stage', 'index_definition', 'entry')";
    uint32_t pages[200];
    int count = 0;
    sqlite3 *db = truth_open(truth->path);
    sqlite3_stmt *statement = truth_prepare(db, auxiliary);
    while (sqlite3_step(statement) == SQLITE_ROW && count < 200)
        pages[count++] = (uint32_t)sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    assert_true(count >= 9);
    for (int i = 0; i < count; i++) {
        char uri[128];
        struct sfs_storage *store = NULL;
        struct sfs_error error = {0};
        static const char zeros[4096];
        write_file(truth, truth->size);
        write_page(truth, pages[i], zeros);
        snprintf(uri, sizeof(uri), "sqlite:%s", truth->path);
        must(sfs_open(&store, uri, SFS_OPEN_READ_ONLY, &error), &error);
        for (size_t at = 0; at < truth->count; at++) {
            const struct sfs_record *record = NULL;
            must(sfs_get(store, truth->records[at]->name, SFS_WANT_VALUE, &record, &error), &error);
            assert_true(is_same(record, truth->records[at]));
            sfs_record_unref(record);
        }
        close_store(store);
    }
    free_truth(truth);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_each_page, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_each_small_page, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cut, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_present, set_up, tear_down),
    };
    srandom(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
