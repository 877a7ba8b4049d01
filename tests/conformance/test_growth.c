/* SPDX-License-Identifier: MIT */
/*
 * What one request costs must not grow with the number of its neighbours: each is counted in a
 * directory of 500 keys, and in one of ten times as many (two hundred times with
 * STOREFS_TEST_SCALE=full). Searching a tree is allowed, looking at every name is not. A listing of
 * dir looks once at each file.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/conformance/counted.h"
#include "tests/conformance/short.h"

#define SMALL 500u
#define REPEATS 5
#define SPACE 1000u /* between the numbers in two names, for new ones */

struct place {
    struct fixture *f;
    struct sfs_storage *store;
    unsigned size;
    unsigned made; /* names that were made up so far */
};

static unsigned large(void)
{
    const char *scale = getenv("STOREFS_TEST_SCALE");
    return scale && strcmp(scale, "full") == 0 ? 200 * SMALL : 10 * SMALL;
}

/* --- names --- */

static struct sfs_bytes number_name(const char *form, unsigned number, char text[40])
{
    snprintf(text, 40, form, number);
    return sfs_string(text);
}

/* The name of the i-th file of the directory. */
static struct sfs_bytes old_name(unsigned i, char text[40])
{
    return number_name("d/f%09u", i * SPACE, text);
}

/* One in the middle that nobody has had. */
static struct sfs_bytes new_name(struct place *place, char text[40])
{
    unsigned number = place->size / 2 * SPACE + 1 + place->made++;
    return number_name("d/f%09u", number, text);
}

/* --- requests: run once for each repeat --- */

static int has_there(struct place *p, unsigned repeat)
{
    char name[40];
    return sfs_has(p->store, old_name(p->size / 3 + repeat, name), &p->f->error) == 1 ? 0 : -1;
}

static int has_absent(struct place *p, unsigned repeat)
{
    char name[40];
    (void)repeat;
    return sfs_has(p->store, new_name(p, name), &p->f->error);
}

static int get_value(struct place *p, unsigned repeat)
{
    char name[40];
    struct sfs_buffer value = {0};
    int code = sfs_get_value(p->store, old_name(p->size / 3 + repeat, name), &value, &p->f->error);
    sfs_buffer_free(&value);
    return code;
}

static int exists(struct place *p, unsigned repeat)
{
    (void)repeat;
    return sfs_exists(p->store, (struct sfs_range){L("d/"), L("d0")}, &p->f->error) == 1 ? 0 : -1;
}

static int create(struct place *p, unsigned repeat)
{
    char name[40];
    (void)repeat;
    return sfs_set(p->store, new_name(p, name), L("new"), &p->f->error);
}

static int create_absent(struct place *p, unsigned repeat)
{
    char name[40];
    (void)repeat;
    struct sfs_bytes key = new_name(p, name);
    int code = sfs_batch_put(p->f->batch, key, L("new"), NULL, 0, &p->f->error);
    if (code == 0)
        code = sfs_batch_require_absent(p->f->batch, key, &p->f->error);
    if (code == 0)
        code = sfs_apply(p->store, p->f->batch, NULL, NULL, &p->f->error);
    sfs_batch_clear(p->f->batch);
    return code;
}

static int overwrite(struct place *p, unsigned repeat)
{
    char name[40];
    return sfs_set(p->store, old_name(p->size / 4 + repeat, name), L("other"), &p->f->error);
}

static int delete_at(struct place *p, unsigned i)
{
    char name[40];
    return sfs_delete(p->store, old_name(i, name), &p->f->error) == 1 ? 0 : -1;
}

static int delete_first(struct place *p, unsigned repeat)
{
    return delete_at(p, repeat);
}

static int delete_middle(struct place *p, unsigned repeat)
{
    return delete_at(p, p->size / 2 + repeat);
}

static int delete_last(struct place *p, unsigned repeat)
{
    return delete_at(p, p->size - 1 - repeat);
}

static int move_to(struct place *p, struct sfs_bytes from, struct sfs_bytes to)
{
    int code = sfs_batch_rename(p->f->batch, from, to, 0, &p->f->error);
    if (code == 0)
        code = sfs_apply(p->store, p->f->batch, NULL, NULL, &p->f->error);
    sfs_batch_clear(p->f->batch);
    return code;
}

static int move_within(struct place *p, unsigned repeat)
{
    char from[40], to[40];
    return move_to(p, old_name(p->size * 2 / 3 + repeat, from), new_name(p, to));
}

static int move_out(struct place *p, unsigned repeat)
{
    char from[40], to[40];
    return move_to(p, old_name(p->size * 3 / 4 + repeat, from), number_name("e/f%u", repeat, to));
}

static int make_directory(struct place *p, unsigned repeat)
{
    char name[40];
    const struct sfs_attributes marker = {.kind = SFS_KIND_MARKER};
    struct sfs_bytes key = number_name("d/made%u/", repeat, name);
    key.size++; /* with its NUL */
    int code = sfs_batch_put(p->f->batch, key, L(""), &marker, SFS_ATTRIBUTE_KIND, &p->f->error);
    if (code == 0)
        code = sfs_apply(p->store, p->f->batch, NULL, NULL, &p->f->error);
    sfs_batch_clear(p->f->batch);
    return code;
}

/* The batch of rmdir(2). */
static int require_empty(struct place *p, unsigned repeat)
{
    (void)repeat;
    struct sfs_range range = {L("d/\1"), L("d0")};
    int code = sfs_batch_require_empty(p->f->batch, range, &p->f->error);
    if (code == 0)
        code = sfs_batch_delete(p->f->batch, L("d/\0"), 0, &p->f->error);
    if (code == 0)
        code = sfs_apply(p->store, p->f->batch, NULL, NULL, &p->f->error);
    sfs_batch_clear(p->f->batch);
    return code == SFS_E_NOT_EMPTY || code == SFS_E_EXISTS ? 0 : -1;
}

static int totals(struct place *p, unsigned repeat)
{
    struct sfs_totals found;
    (void)repeat;
    return sfs_totals(p->store, &found, &p->f->error);
}

static struct sfs_cursor *cursor; /* of the tests below: over the directory, in its middle */

static int seek_back(struct place *p, unsigned repeat)
{
    char name[40];
    const struct sfs_record *record = NULL;
    struct sfs_bytes wanted = old_name(p->size * 4 / 5 + 9 - repeat, name);
    int code = sfs_cursor_seek(cursor, wanted, &p->f->error);
    if (code == 0)
        code = sfs_cursor_next(cursor, &record, &p->f->error);
    return code == 1 && sfs_bytes_equal(record->name, wanted) ? 0 : -1;
}

static int scan_step(struct place *p, unsigned repeat)
{
    const struct sfs_record *record = NULL;
    (void)repeat;
    return sfs_cursor_next(cursor, &record, &p->f->error) == 1 ? 0 : -1;
}

static int scan_begin(struct place *p, unsigned repeat)
{
    char name[40];
    const struct sfs_record *record = NULL;
    (void)repeat;
    sfs_cursor_close(cursor);
    cursor = NULL;
    int code = sfs_scan(p->store, (struct sfs_range){L("d/"), L("d0")}, SFS_WANT_RECORD, &cursor,
                        &p->f->error);
    if (code == 0)
        code = sfs_cursor_seek(cursor, old_name(p->size * 4 / 5 + 20, name), &p->f->error);
    return code ? code : sfs_cursor_next(cursor, &record, &p->f->error) == 1 ? 0 : -1;
}

static const struct request {
    const char *name;
    int (*run)(struct place *p, unsigned repeat);
    /* In dir, where others may have made files, this is a listing: IN_TRANSACTIONS where a
     * transaction has to scan. */
    enum { NO_LISTING, IN_TRANSACTIONS, LISTING } lists;
} requests[] = {
    {"exists", exists, NO_LISTING},
    {"has", has_there, NO_LISTING},
    {"has, absent", has_absent, NO_LISTING},
    {"get", get_value, NO_LISTING},
    {"create", create, NO_LISTING},
    {"create, absent", create_absent, NO_LISTING},
    {"overwrite", overwrite, NO_LISTING},
    {"delete the first", delete_first, NO_LISTING},
    {"delete in the middle", delete_middle, NO_LISTING},
    {"delete the last", delete_last, NO_LISTING},
    {"rename within", move_within, NO_LISTING},
    {"rename out", move_out, NO_LISTING},
    {"make a directory", make_directory, NO_LISTING},
    {"require_empty", require_empty, IN_TRANSACTIONS},
    {"totals", totals, LISTING},
    {"begin a scan", scan_begin, LISTING},
    {"step of a scan", scan_step, NO_LISTING},
    {"seek back", seek_back, NO_LISTING},
};
#define REQUESTS (sizeof(requests) / sizeof(requests[0]))

/* --- counting --- */

struct cost {
    unsigned long long files, names, work;
};

static struct cost cost_now(void)
{
    struct counted *now = counted_calls();
    return (struct cost){now->files, now->names, now->compares + now->steps};
}

static int by_number(const void *a, const void *b)
{
    unsigned long long left = *(const unsigned long long *)a, right = *(const unsigned long long *)b;
    return (left > right) - (left < right);
}

/* The most of files and names. Of work the median, as a tree is rebuilt now and then. */
static struct cost cost_of(const struct request *request, struct place *place)
{
    struct cost most = {0};
    unsigned long long work[REPEATS];
    for (unsigned i = 0; i < REPEATS; i++) {
        struct cost before = cost_now();
        if (request->run(place, i))
            fail_msg("%s in %u: %s", request->name, place->size, place->f->error.message);
        struct cost after = cost_now();
        most.files = after.files - before.files > most.files ? after.files - before.files : most.files;
        most.names = after.names - before.names > most.names ? after.names - before.names : most.names;
        work[i] = after.work - before.work;
    }
    qsort(work, REPEATS, sizeof(*work), by_number);
    most.work = work[REPEATS / 2];
    return most;
}

/* --- filling --- */

#define FILL 500u /* in one batch */

static void fill(struct place *place)
{
    for (unsigned i = 0; i < place->size; i++) {
        char name[40];
        OK(sfs_batch_put(place->f->batch, old_name(i, name), L("value"), NULL, 0, NULL));
        if ((i + 1) % FILL == 0) {
            OK(sfs_apply(place->store, place->f->batch, NULL, NULL, &place->f->error));
            sfs_batch_clear(place->f->batch);
        }
    }
}

/* As another program does. */
static void fill_files(struct place *place)
{
    char path[600], name[40];
    snprintf(path, sizeof(path), "%s/store/d", place->f->directory);
    assert_int_equal(mkdir(path, 0700), 0);
    for (unsigned i = 0; i < place->size; i++) {
        snprintf(path, sizeof(path), "%s/store/%s", place->f->directory,
                 (const char *)old_name(i, name).data);
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, "value", 5), 5);
        close(fd);
    }
}

/* How the store comes to its keys, and is asked. */
enum way {
    BY_BATCHES,
    BY_FILES,      /* made by another program: nothing is known of them */
    BY_FILES_SEEN, /* the same, which were looked at once, before the store was opened again */
};

static void look_at_all(struct place *place)
{
    struct sfs_totals found;
    OK(sfs_totals(place->store, &found, NULL));
    assert_int_equal(found.keys, place->size);
}

static void begin_transaction(struct place *place)
{
    struct fixture *f = place->f;
    const struct sfs_transaction_options weak = {.isolation = SFS_READ_COMMITTED};
    OK(sfs_begin(f->base, fixture_can(f, SFS_CAN_SNAPSHOT) ? NULL : &weak, &f->transaction,
                 &f->error));
    place->store = sfs_transaction_storage(f->transaction);
}

static void measure(const struct stack *stack, enum way way, bool transaction, unsigned size,
                    struct cost costs[])
{
    struct place place = {.f = fixture_new(stack), .size = size};
    place.store = place.f->store;
    if (way == BY_BATCHES)
        fill(&place);
    else
        fill_files(&place);
    if (way == BY_FILES_SEEN)
        look_at_all(&place);
    if (fixture_can(place.f, SFS_CAN_PERSIST))
        fixture_reopen(place.f);
    place.store = place.f->store;
    if (transaction)
        begin_transaction(&place);
    for (size_t i = 0; i < REQUESTS; i++)
        costs[i] = cost_of(&requests[i], &place);
    sfs_cursor_close(cursor);
    cursor = NULL;
    fixture_free(place.f);
}

/* --- what must not grow --- */

/* Where a tree is searched, ten times as many names are a few comparisons more. */
static bool has_grown(unsigned long long small, unsigned long long big)
{
    return big > 2 * small + 40;
}

/* `listing`: calls on files for each name; 0: it is none. */
static int check(const char *where, const struct request *request, unsigned listing,
                 const struct cost *small, const struct cost *big)
{
    bool bad = listing ? big->files > listing * large() + large() / 10
                       : has_grown(small->files, big->files) ||
                             has_grown(small->names, big->names) || has_grown(small->work, big->work);
    print_message("%-26s %-20s files %llu -> %llu, names %llu -> %llu, work %llu -> %llu%s\n",
                  where, request->name, small->files, big->files, small->names, big->names,
                  small->work, big->work, bad ? "  GROWS" : "");
    return bad;
}

struct variant {
    const char *stack;
    enum way way;
    bool transaction;
};

static void requests_do_not_grow(void **state)
{
    const struct variant *variant = *state;
    const struct stack *stack = stack_table();
    struct cost small[REQUESTS], big[REQUESTS];
    static const char *const ways[] = {"", ", others' files", ", others' files seen"};
    char where[80];
    int bad = 0;
    while (strcmp(stack->name, variant->stack) != 0)
        stack++;
    snprintf(where, sizeof(where), "%s%s%s", stack->name, ways[variant->way],
             variant->transaction ? ", transaction" : "");
    measure(stack, variant->way, variant->transaction, SMALL, small);
    measure(stack, variant->way, variant->transaction, large(), big);
    bool dir = strncmp(stack->name, "dir", 3) == 0;
    for (size_t i = 0; i < REQUESTS; i++) {
        bool listing = dir && requests[i].lists >= (variant->transaction ? IN_TRANSACTIONS : LISTING);
        /* A file that is new is opened, read to its end, and closed. */
        unsigned calls = variant->way == BY_FILES ? 4 : 1;
        bad += check(where, &requests[i], listing ? calls : 0, &small[i], &big[i]);
    }
    assert_int_equal(bad, 0);
}

int main(void)
{
#define ON(stack, way, transaction)                                                                \
    {                                                                                              \
        stack, requests_do_not_grow, NULL, NULL,                                                   \
            &(struct variant) { stack, way, transaction }                                          \
    }
    const struct CMUnitTest tests[] = {
        ON("memory+metrics", BY_BATCHES, false),
        ON("memory", BY_BATCHES, true),
        ON("json-unsaved+metrics", BY_BATCHES, false),
        ON("sqlite+metrics", BY_BATCHES, false),
        ON("sqlite", BY_BATCHES, true),
        ON("dir", BY_BATCHES, true),
        ON("dir+metrics", BY_FILES, false),
        ON("dir+metrics", BY_FILES_SEEN, false),
    };
#undef ON
    return cmocka_run_group_tests(tests, NULL, NULL);
}
