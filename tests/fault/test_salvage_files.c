/* SPDX-License-Identifier: MIT */
/*
 * Damage in the other files of a store: the write-ahead log of SQLite, a JSON file and its
 * attributes, the file of a memory store, the log of a dir store. Each key is written with a value
 * that tells it, so that nothing wrong passes; and a copy of what is left is a whole store.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "storefs/bulk.h"
#include "storefs/index.h"
#include "tests/unit/sqlite_fixture.h"

#define KEYS 120

struct outcome {
    size_t exact;
    size_t older; /* a value that had been replaced */
    size_t lost;
    size_t doubtful;
    bool saved[KEYS];
};

struct image {
    char path[128];
    char *data;
    size_t size;
};

static struct image read_image(const char *path)
{
    struct image image = {.size = 0};
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    snprintf(image.path, sizeof(image.path), "%s", path);
    fseek(file, 0, SEEK_END);
    image.size = (size_t)ftell(file);
    rewind(file);
    image.data = malloc(image.size + 1);
    assert_non_null(image.data);
    assert_int_equal(fread(image.data, 1, image.size, file), image.size);
    fclose(file);
    return image;
}

static void write_image(const struct image *image, size_t size)
{
    int fd = open(image->path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, image->data, size), size);
    close(fd);
}

/* Writes the image with `size` bytes from `at` on replaced: by zeros, or by others. */
static void write_damaged(const struct image *image, size_t at, size_t size, bool zeros)
{
    char bytes[8192];
    size = size < image->size - at ? size : image->size - at;
    for (size_t i = 0; i < size; i++)
        bytes[i] = zeros ? 0 : (char)random();
    write_image(image, image->size);
    int fd = open(image->path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, size, (off_t)at), size);
    close(fd);
}

/* --- what is written --- */

static const char *name_of(unsigned number)
{
    static char name[16];
    snprintf(name, sizeof(name), "k%03u", number);
    return name;
}

/* JSON, laid out in lines for some, so that its members look like keys. */
static const char *value_of(unsigned number, unsigned round)
{
    static char value[700];
    const char *layout = number % 4 == 0 ? "{\n\"k001\": %u,\n\"n\": [%u],\n\"t\": \"%0*u\"\n}"
                                         : "{\"r\": %u, \"n\": %u, \"t\": \"%0*u\"}";
    snprintf(value, sizeof(value), layout, round, number, (int)(20 + number * 37 % 400), number);
    return value;
}

static void fill(struct sfs_storage *store, unsigned round)
{
    for (unsigned i = 0; i < KEYS; i++)
        set(store, name_of(i), value_of(i, round));
}

static void note(const struct sfs_record *record, unsigned round, struct outcome *outcome)
{
    unsigned number = KEYS;
    char name[16] = {0};
    struct sfs_bytes value = sfs_record_value(record);
    memcpy(name, record->name.data, record->name.size < 15 ? record->name.size : 15);
    if (sscanf(name, "k%u", &number) != 1 || number >= KEYS || strcmp(name, name_of(number)) != 0)
        fail_msg("there is '%s'", name);
    assert_false(outcome->saved[number]);
    outcome->saved[number] = true;
    if (sfs_bytes_equal(value, sfs_string(value_of(number, round))))
        outcome->exact++;
    else if (sfs_bytes_equal(value, sfs_string(value_of(number, round - 1))))
        outcome->older++;
    else
        fail_msg("'%s' is %.*s", name, (int)value.size, (const char *)value.data);
}

/* False: there is no trace of a store. */
static bool salvage(const char *uri, unsigned round, struct outcome *outcome)
{
    struct sfs_storage *store = NULL;
    struct sfs_cursor *cursor = NULL;
    const struct sfs_record *record = NULL;
    struct sfs_error error = {0};
    *outcome = (struct outcome){0};
    int code = sfs_open(&store, uri, SFS_OPEN_SALVAGE, &error);
    if (code == SFS_E_NOT_A_STORE)
        return false;
    must(code, &error);
    assert_int_equal(sfs_set(store, sfs_string("a"), sfs_string("b"), NULL), SFS_E_READ_ONLY);
    must(sfs_scan(store, (struct sfs_range){0}, SFS_WANT_VALUE, &cursor, &error), &error);
    while ((code = sfs_cursor_next(cursor, &record, &error)) != 0) {
        if (code == 1)
            note(record, round, outcome);
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

static struct sfs_storage *make(const char *uri, unsigned rounds)
{
    struct sfs_storage *store = NULL;
    struct sfs_error error = {0};
    must(sfs_open(&store, uri, SFS_OPEN_CREATE, &error), &error);
    for (unsigned i = 1; i <= rounds; i++)
        fill(store, i);
    return store;
}

/* --- the log of SQLite --- */

/* The first values are in the file, the second in the log; both are copied while the store is open.
 */
static struct image make_logged(struct fixture *fixture, char *uri, size_t size)
{
    char command[400], log[128];
    fill(fixture->store, 1);
    close_store(fixture->store);
    fixture->store = open_again(fixture);
    fill(fixture->store, 2);
    snprintf(command, sizeof(command), "cp %s %s/x && cp %s-wal %s/x-wal", fixture->path,
             fixture->directory, fixture->path, fixture->directory);
    assert_int_equal(system(command), 0);
    snprintf(uri, size, "sqlite:%s/x", fixture->directory);
    snprintf(log, sizeof(log), "%s/x-wal", fixture->directory);
    return read_image(log);
}

static void test_log(void **state)
{
    char uri[128];
    struct outcome outcome;
    struct image log = make_logged(*state, uri, sizeof(uri));
    assert_true(log.size > 32 + 20 * 4120);
    assert_true(salvage(uri, 2, &outcome));
    assert_int_equal(outcome.exact, KEYS);
    assert_int_equal(outcome.lost + outcome.doubtful, 0);
    /* The page of a frame: never an older one in its place. */
    for (size_t frame = 0; 32 + (frame + 1) * 4120 <= log.size; frame++) {
        write_damaged(&log, 32 + frame * 4120 + 24, 4096, frame % 2);
        assert_true(salvage(uri, 2, &outcome));
        /* The last one is that of a commit, as after a crash. */
        assert_int_equal(outcome.older, 32 + (frame + 2) * 4120 > log.size);
        bool all = outcome.exact == KEYS && outcome.lost == 0;
        if (!all && outcome.doubtful == 0)
            fail_msg("frame %zu: %zu read, %zu lost, no word", frame, outcome.exact, outcome.lost);
    }
    free(log.data);
}

static void test_log_head(void **state)
{
    char uri[128];
    struct outcome outcome;
    struct image log = make_logged(*state, uri, sizeof(uri));
    write_damaged(&log, 0, 32, true);
    assert_true(salvage(uri, 2, &outcome));
    assert_true(outcome.exact > KEYS / 2);
    assert_true(outcome.doubtful > 0);
    write_damaged(&log, 0, 4096, true);
    assert_true(salvage(uri, 2, &outcome));
    assert_true(outcome.exact > KEYS / 2);
    assert_true(outcome.doubtful > 0);
    /* A log that ends early is one that a crash left. */
    for (size_t size = 0; size < log.size; size += 3000) {
        write_image(&log, size);
        assert_true(salvage(uri, 2, &outcome));
        assert_int_equal(outcome.exact + outcome.older, KEYS);
    }
    free(log.data);
}

/* A store that others write is read in one state. */
static void test_in_use(void **state)
{
    struct fixture *fixture = *state;
    char uri[128];
    struct outcome outcome;
    fill(fixture->store, 1);
    snprintf(uri, sizeof(uri), "sqlite:%s", fixture->path);
    assert_true(salvage(uri, 1, &outcome));
    assert_int_equal(outcome.exact, KEYS);
    fill(fixture->store, 2);
    assert_true(salvage(uri, 2, &outcome));
    assert_int_equal(outcome.exact, KEYS);
    expect_healthy(fixture->store);
}

/* --- JSON --- */

static struct image make_json(struct fixture *fixture, const char *ending, char *uri, size_t size)
{
    char path[128];
    snprintf(uri, size, "json:%s/x.json", fixture->directory);
    close_store(make(uri, 1));
    snprintf(path, sizeof(path), "%s/x.json%s", fixture->directory, ending);
    return read_image(path);
}

static void test_json(void **state)
{
    char uri[128];
    struct outcome outcome;
    struct image file = make_json(*state, "", uri, sizeof(uri));
    for (size_t at = 0; at < file.size; at += 97) {
        write_damaged(&file, at, 150, true);
        assert_true(salvage(uri, 1, &outcome));
        assert_int_equal(outcome.exact + outcome.lost, KEYS);
        assert_true(outcome.lost <= 4);
        assert_true(outcome.doubtful > 0);
    }
    for (size_t size = 1; size < file.size; size += 501) {
        write_image(&file, size);
        assert_true(salvage(uri, 1, &outcome));
        assert_int_equal(outcome.exact + outcome.lost, KEYS);
        assert_true(outcome.exact + 2 >= KEYS * size / file.size / 2);
    }
    free(file.data);
}

/* Without attributes nothing knows the names. */
static void test_json_alone(void **state)
{
    struct fixture *fixture = *state;
    char uri[128], command[200];
    struct outcome outcome;
    struct image file = make_json(fixture, "", uri, sizeof(uri));
    snprintf(command, sizeof(command), "rm %s/x.json.attrs", fixture->directory);
    assert_int_equal(system(command), 0);
    for (size_t at = 0; at < file.size; at += 997) {
        write_damaged(&file, at, 100, true);
        assert_true(salvage(uri, 1, &outcome));
        assert_true(outcome.exact + 4 >= KEYS);
        assert_true(outcome.doubtful > 0);
    }
    memset(file.data, 0, file.size);
    write_image(&file, file.size);
    assert_false(salvage(uri, 1, &outcome));
    free(file.data);
}

static void test_json_attributes(void **state)
{
    char uri[128];
    struct outcome outcome;
    struct image file = make_json(*state, ".attrs", uri, sizeof(uri));
    write_damaged(&file, file.size / 2, 100, true);
    assert_true(salvage(uri, 1, &outcome));
    assert_int_equal(outcome.exact, KEYS);
    assert_int_equal(outcome.doubtful, 1);
    free(file.data);
}

/* --- memory --- */

static void test_memory(void **state)
{
    struct fixture *fixture = *state;
    char uri[160], path[128];
    struct outcome outcome;
    snprintf(path, sizeof(path), "%s/x.mem", fixture->directory);
    snprintf(uri, sizeof(uri), "memory:?snapshot=%s", path);
    close_store(make(uri, 1));
    struct image file = read_image(path);
    assert_true(salvage(uri, 1, &outcome));
    assert_int_equal(outcome.exact, KEYS);
    assert_int_equal(outcome.lost + outcome.doubtful, 0);
    for (size_t at = 0; at < file.size; at += 61) {
        write_damaged(&file, at, 90, at % 2);
        assert_true(salvage(uri, 1, &outcome));
        assert_true(outcome.exact + 3 >= KEYS);
        assert_true(outcome.doubtful > 0);
    }
    for (size_t size = 200; size < file.size; size += 501) {
        write_image(&file, size);
        if (salvage(uri, 1, &outcome))
            assert_true(outcome.doubtful > 0);
    }
    memset(file.data, 0, file.size);
    write_image(&file, file.size);
    assert_false(salvage(uri, 1, &outcome));
    free(file.data);
}

/* --- dir --- */

static void test_dir(void **state)
{
    struct fixture *fixture = *state;
    char uri[160], path[128];
    struct outcome outcome;
    snprintf(uri, sizeof(uri), "dir:%s/x.dir?fsync=0", fixture->directory);
    snprintf(path, sizeof(path), "%s/x.dir/%%value/log", fixture->directory);
    close_store(make(uri, 1));
    struct image file = read_image(path);
    for (size_t at = 0; at < file.size; at += file.size / 50) {
        write_damaged(&file, at, 40, true);
        assert_true(salvage(uri, 1, &outcome));
        assert_int_equal(outcome.exact, KEYS);
    }
    write_image(&file, 5);
    assert_true(salvage(uri, 1, &outcome));
    assert_int_equal(outcome.exact, KEYS);
    free(file.data);
}

/* --- copies --- */

static void count(void *context, const char *sentence)
{
    ++*(int *)context;
    print_message("%s\n", sentence);
}

static int count_index(void *context, const char *name, const struct sfs_index_stats *stats)
{
    (void)stats;
    assert_string_equal(name, "unique:n");
    ++*(int *)context;
    return 0;
}

static int stop(void *context, uint64_t done, uint64_t total)
{
    (void)context;
    (void)total;
    return done > 0;
}

static void put_large(struct sfs_storage *store)
{
    struct sfs_error error = {0};
    struct sfs_batch *batch = new_batch();
    size_t size = 3000000;
    char *value = malloc(size);
    assert_non_null(value);
    memset(value, 'x', size);
    memset(value + 500000, 0, 1000000);
    struct sfs_attributes attributes = {.mode = 0600, .modified = 5, .type = SFS_TYPE_BYTES};
    must(sfs_batch_put(batch, sfs_string("large"), sfs_bytes(value, size), &attributes,
                       SFS_ATTRIBUTE_MODE | SFS_ATTRIBUTE_MODIFIED | SFS_ATTRIBUTE_TYPE, &error),
         &error);
    must(sfs_batch_xattr(batch, sfs_string("large"), sfs_string("user.x"), SFS_LITERAL("1"), 0,
                         &error),
         &error);
    must(sfs_batch_xattr(batch, sfs_string("large"), sfs_string("user.y"), SFS_LITERAL(""), 0,
                         &error),
         &error);
    apply_and_free(store, batch);
    free(value);
}

static void expect_same(struct sfs_storage *a, struct sfs_storage *b, const char *key)
{
    const struct sfs_record *x = NULL, *y = NULL;
    struct sfs_error error = {0};
    must(sfs_get(a, sfs_string(key), SFS_WANT_VALUE, &x, &error), &error);
    must(sfs_get(b, sfs_string(key), SFS_WANT_VALUE, &y, &error), &error);
    assert_true(sfs_bytes_equal(sfs_record_value(x), sfs_record_value(y)));
    assert_true(sfs_bytes_equal(x->xattrs, y->xattrs));
    assert_int_equal(x->attributes.mode, y->attributes.mode);
    assert_int_equal(x->attributes.type, y->attributes.type);
    assert_int_equal(x->attributes.type_set, y->attributes.type_set);
    assert_int_equal(x->attributes.modified, y->attributes.modified);
    assert_int_equal(x->attributes.changed, y->attributes.changed);
    assert_int_equal(x->attributes.created, y->attributes.created);
    sfs_record_unref(x);
    sfs_record_unref(y);
}

static void test_copy(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_storage *from = fixture->store, *to = NULL, *again = NULL;
    struct sfs_error error = {0};
    struct sfs_bulk_result result;
    int indexes = 0;
    fill(from, 1);
    put_large(from);
    must(sfs_index_create(from, sfs_string("unique:n"), NULL, NULL, &error), &error);
    must(sfs_open(&to, "memory:", SFS_OPEN_CREATE, &error), &error);
    must(sfs_copy(from, to, NULL, &result, &error), &error);
    assert_int_equal(result.records, KEYS + 1);
    assert_int_equal(result.lost + result.doubtful, 0);
    expect_same(from, to, "large");
    expect_same(from, to, "k007");
    must(sfs_index_list(to, count_index, &indexes, &error), &error);
    assert_int_equal(indexes, 1);
    /* And back, through a stage of the other engine. */
    char uri[128];
    snprintf(uri, sizeof(uri), "sqlite:%s/again", fixture->directory);
    must(sfs_open(&again, uri, SFS_OPEN_CREATE, &error), &error);
    struct sfs_bulk_options options = {.progress = stop, .batch_bytes = 1000};
    assert_int_equal(sfs_copy(to, again, &options, &result, &error), SFS_E_CANCELLED);
    assert_true(result.records > 0 && result.records < KEYS);
    must(sfs_copy(to, again, NULL, NULL, &error), &error);
    expect_same(from, again, "large");
    expect_healthy(again);
    close_store(again);
    close_store(to);
}

/* A unique index that what is there contradicts is named, and the records are there. */
static void test_copy_contradiction(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_storage *to = NULL;
    struct sfs_error error = {0};
    struct sfs_bulk_result result;
    int reports = 0;
    fill(fixture->store, 1);
    must(sfs_index_create(fixture->store, sfs_string("unique:n"), NULL, NULL, &error), &error);
    must(sfs_open(&to, "memory:", SFS_OPEN_CREATE, &error), &error);
    set(to, "other", value_of(7, 1));
    struct sfs_bulk_options options = {.keep_going = true, .report = count, .context = &reports};
    must(sfs_copy(fixture->store, to, &options, &result, &error), &error);
    assert_int_equal(result.doubtful, 1);
    assert_int_equal(reports, 1);
    assert_int_equal(result.records, KEYS);
    assert_int_equal(sfs_copy(fixture->store, to, NULL, &result, &error), SFS_E_EXISTS);
    close_store(to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_log, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_log_head, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_in_use, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_json, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_json_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_json_attributes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_dir, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_copy, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_copy_contradiction, set_up, tear_down),
    };
    srandom(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
