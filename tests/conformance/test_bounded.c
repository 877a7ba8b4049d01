/* SPDX-License-Identifier: MIT */
/*
 * What a store keeps for old transactions stays bounded by what was written since the oldest began,
 * however long it all goes on: 5,000 writes a second (hot keys, new ones, deletes, renames, a
 * patched value of 4 MiB) with two serializable transactions of some seconds open at any time,
 * short ones and a feed beside them. Prints now and then what the store takes; fails where that is
 * more than the bound, or where an old transaction reads anything but what it saw first. Ten
 * seconds a store, ten minutes with STOREFS_TEST_SCALE=full.
 *
 * Usage: test_bounded [SCHEME]
 */
#include <malloc.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "storefs/transaction.h"

#define RATE 5000
#define TICK 50 /* writes between two looks at the clock */
#define HOT 32
#define STABLE 1000
#define LIVING 1000 /* new keys that are there at a time */
#define BIG_SIZE ((size_t)4 << 20)
#define SHORT 3 /* threads of short transactions */
#define SUM_OF_NOTHING 14695981039346656037u
#define OLD 4   /* seconds that an old transaction is open */
#define L(text) SFS_LITERAL(text)

/*
 * The bounds. A lease needs at most a row and a content for each name that was there when it began
 * or is there now: hot, stable, new and moved ones. There are at most two old positions and one of
 * each short transaction; rows more may wait for the feed to move on and for their removal. What
 * only a short transaction or the feed needed stays until the old ones end: two rows a write.
 */
#define NAMES (HOT + STABLE + 2 * LIVING + 100)
#define POSITIONS (2 + SHORT)
#define WAITING 5000
#define ROWS_MOST (2 * NAMES * POSITIONS + WAITING)
#define GARBAGE_MOST (2 * NAMES * POSITIONS + WAITING)
#define LOG_MOST ((int64_t)64 << 20)
#define FILE_MOST ((int64_t)128 << 20)
#define ALLOCATED_MOST ((size_t)512 << 20)

struct run {
    const char *scheme;
    const char *path;
    struct sfs_storage *store;
    atomic_bool ended;
    _Atomic uint64_t written;
    _Atomic uint64_t committed; /* short transactions */
    _Atomic uint64_t conflicts;
    _Atomic uint64_t told; /* by the feed */
    uint64_t before[2];    /* written when the old transactions began, and those before them */
};

static _Noreturn void fail(const char *what, const char *why)
{
    fprintf(stderr, "test_bounded: %s: %s\n", what, why);
    exit(1);
}

static void must(int code, const char *what, const struct sfs_error *error)
{
    if (code < 0)
        fail(what, error->message);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void pause_ms(long milliseconds)
{
    struct timespec time = {.tv_sec = milliseconds / 1000,
                            .tv_nsec = milliseconds % 1000 * 1000000};
    nanosleep(&time, NULL);
}

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

static void put(struct sfs_storage *store, const char *key, uint64_t number)
{
    char value[101];
    struct sfs_error error;
    snprintf(value, sizeof(value), "%0100llu", (unsigned long long)number);
    must(sfs_set(store, sfs_string(key), sfs_string(value), &error), "set", &error);
}

/* --- those who write --- */

static void apply(struct sfs_storage *store, struct sfs_batch *batch)
{
    struct sfs_error error;
    must(sfs_apply(store, batch, NULL, NULL, &error), "apply", &error);
    sfs_batch_clear(batch);
}

static void patch(struct run *run, struct sfs_batch *batch, uint64_t *random)
{
    char bytes[64];
    memset(bytes, (int)('a' + next_random(random) % 26), sizeof(bytes));
    uint64_t at = next_random(random) % (BIG_SIZE - sizeof(bytes));
    must(sfs_batch_write(batch, L("big"), at, sfs_bytes(bytes, sizeof(bytes)), NULL), "batch",
         NULL);
    apply(run->store, batch);
}

/* A new key is made, some writes later renamed, and deleted when LIVING more have come. */
static void turn_over(struct run *run, struct sfs_batch *batch, uint64_t *made)
{
    char from[32], to[32];
    snprintf(from, sizeof(from), "new/%09llu", (unsigned long long)*made);
    put(run->store, from, *made);
    if (*made >= LIVING / 2) {
        snprintf(from, sizeof(from), "new/%09llu", (unsigned long long)(*made - LIVING / 2));
        snprintf(to, sizeof(to), "moved/%09llu", (unsigned long long)(*made - LIVING / 2));
        must(sfs_batch_rename(batch, sfs_string(from), sfs_string(to), 0, NULL), "batch", NULL);
        apply(run->store, batch);
    }
    if (*made >= LIVING) {
        struct sfs_error error;
        snprintf(to, sizeof(to), "moved/%09llu", (unsigned long long)(*made - LIVING));
        must(sfs_delete(run->store, sfs_string(to), &error), "delete", &error);
    }
    ++*made;
}

/* Made and deleted: no state that anybody keeps shows it. */
static void pass_by(struct run *run, uint64_t number)
{
    char key[32];
    struct sfs_error error;
    snprintf(key, sizeof(key), "temp/%09llu", (unsigned long long)number);
    put(run->store, key, number);
    must(sfs_delete(run->store, sfs_string(key), &error), "delete", &error);
}

static unsigned write_some(struct run *run, struct sfs_batch *batch, uint64_t *random,
                           uint64_t *made)
{
    char key[32];
    uint64_t dice = next_random(random) % 100;
    if (dice < 1) {
        patch(run, batch, random);
        return 1;
    }
    if (dice < 15) {
        turn_over(run, batch, made);
        return 3;
    }
    if (dice < 17) {
        pass_by(run, next_random(random));
        return 2;
    }
    if (dice < 22)
        snprintf(key, sizeof(key), "stable/%04u", (unsigned)(next_random(random) % STABLE));
    else
        snprintf(key, sizeof(key), "hot/%02u", (unsigned)(next_random(random) % HOT));
    put(run->store, key, *random);
    return 1;
}

static void *write_all(void *context)
{
    struct run *run = context;
    struct sfs_batch *batch = NULL;
    uint64_t random = 7, made = 0;
    double due = seconds();
    must(sfs_batch_new(&batch, NULL), "batch", NULL);
    while (!atomic_load(&run->ended)) {
        unsigned written = 0;
        while (written < TICK)
            written += write_some(run, batch, &random, &made);
        atomic_fetch_add(&run->written, written);
        due += (double)written / RATE;
        double early = due - seconds();
        if (early > 0.001)
            pause_ms((long)(early * 1000));
        else if (early < -1)
            due = seconds(); /* what could not be done in time is not made up for */
    }
    sfs_batch_free(batch);
    return NULL;
}

static void *commit_short(void *context)
{
    struct run *run = context;
    struct sfs_transaction_options options = {.isolation = SFS_SERIALIZABLE};
    uint64_t random = (uint64_t)pthread_self();
    while (!atomic_load(&run->ended)) {
        struct sfs_transaction *transaction = NULL;
        struct sfs_buffer value = {0};
        struct sfs_error error;
        char key[32];
        must(sfs_begin(run->store, &options, &transaction, &error), "begin", &error);
        struct sfs_storage *store = sfs_transaction_storage(transaction);
        snprintf(key, sizeof(key), "stable/%04u", (unsigned)(next_random(&random) % STABLE));
        must(sfs_get_value(store, sfs_string(key), &value, &error), "get", &error);
        pause_ms(20);
        must(sfs_set(store, sfs_string(key), sfs_buffer_bytes(&value), &error), "set", &error);
        int code = sfs_commit(transaction, NULL, &error);
        if (code == SFS_E_CONFLICT)
            atomic_fetch_add(&run->conflicts, 1);
        else
            must(code, "commit", &error);
        atomic_fetch_add(&run->committed, code == 0);
        sfs_transaction_free(transaction);
        sfs_buffer_free(&value);
        pause_ms(20);
    }
    return NULL;
}

static void *follow(void *context)
{
    struct run *run = context;
    struct sfs_feed *feed = NULL;
    struct sfs_change change;
    struct sfs_error error;
    uint64_t last = 0;
    must(sfs_changes(run->store, UINT64_MAX, &feed, &error), "changes", &error);
    while (!atomic_load(&run->ended)) {
        int code;
        while ((code = sfs_feed_next(feed, &change, &error)) == 1) {
            if (change.sequence < last)
                fail("feed", "it went back");
            last = change.sequence;
            atomic_fetch_add(&run->told, 1);
        }
        must(code, "feed", &error);
        pause_ms(200);
    }
    sfs_feed_close(feed);
    return NULL;
}

/* --- the old transactions --- */

/* FNV-1a over all that a transaction sees of a range, values too. */
static uint64_t sum_of(struct sfs_storage *store, struct sfs_bytes from, struct sfs_bytes to)
{
    struct sfs_cursor *cursor = NULL;
    const struct sfs_record *record;
    struct sfs_error error;
    uint64_t sum = SUM_OF_NOTHING;
    int code = sfs_scan(store, (struct sfs_range){from, to}, SFS_WANT_VALUE, &cursor, &error);
    must(code, "scan", &error);
    while ((code = sfs_cursor_next(cursor, &record, &error)) == 1) {
        const struct sfs_bytes parts[] = {record->name, sfs_record_value(record)};
        for (int i = 0; i < 2; i++) {
            const unsigned char *data = parts[i].data;
            for (size_t at = 0; at < parts[i].size; at++)
                sum = (sum ^ data[at]) * 1099511628211u;
        }
        sum = (sum ^ record->revision) * 1099511628211u;
    }
    must(code, "scan", &error);
    sfs_cursor_close(cursor);
    return sum;
}

struct old {
    struct sfs_transaction *transaction;
    struct sfs_storage *store;
    struct sfs_bytes from;
    struct sfs_bytes to;
    uint64_t sum;
};

static struct old begin_old(struct run *run, struct sfs_bytes from, struct sfs_bytes to)
{
    struct sfs_transaction_options options = {.isolation = SFS_SERIALIZABLE};
    struct old old = {.from = from, .to = to};
    struct sfs_error error;
    must(sfs_begin(run->store, &options, &old.transaction, &error), "begin", &error);
    old.store = sfs_transaction_storage(old.transaction);
    old.sum = sum_of(old.store, from, to);
    return old;
}

static void read_again(const struct old *old)
{
    if (sum_of(old->store, old->from, old->to) != old->sum)
        fail("an old transaction", "it reads other things than it saw first");
}

static void end_old(struct old *old, const char *key, int expected)
{
    struct sfs_error error = {0};
    must(sfs_set(old->store, sfs_string(key), L("1"), &error), "set", &error);
    int code = sfs_commit(old->transaction, NULL, &error);
    if (code != expected)
        fail("the commit of an old transaction", code ? error.message : "there was no conflict");
    sfs_transaction_free(old->transaction);
}

/* --- what the store takes --- */

static int64_t size_of(const char *path, const char *ending)
{
    char name[400];
    struct stat status;
    snprintf(name, sizeof(name), "%s%s", path, ending);
    return stat(name, &status) == 0 ? status.st_size : 0;
}

static int64_t number_in(const struct run *run, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    int64_t number = -1;
    if (sqlite3_open_v2(run->path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
        sqlite3_busy_timeout(db, 10000) == SQLITE_OK &&
        sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return number;
}

static long resident_mib(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%*s %ld", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    return pages * sysconf(_SC_PAGESIZE) / (1 << 20);
}

static void at_most(const char *what, int64_t number, int64_t most)
{
    char why[100];
    if (number >= 0 && number <= most)
        return;
    snprintf(why, sizeof(why), "%lld, more than %lld", (long long)number, (long long)most);
    fail(what, why);
}

static void look(const struct run *run, double begun, uint64_t *written, double *last)
{
    double now = seconds();
    uint64_t count = atomic_load(&run->written);
    printf("%6.0f s  %5.0f writes/s", now - begun, (double)(count - *written) / (now - *last));
    *written = count;
    *last = now;
    if (run->path) {
        int64_t log = size_of(run->path, "-wal"), file = size_of(run->path, "");
        int64_t rows = number_in(run, "SELECT count(*) FROM history");
        int64_t garbage = number_in(run, "SELECT count(*) FROM garbage");
        printf("  log %5.1f MiB  file %5.1f MiB  history %6lld  garbage %6lld",
               (double)log / (1 << 20), (double)file / (1 << 20), (long long)rows,
               (long long)garbage);
        at_most("the log", log, LOG_MOST);
        at_most("the file", file, FILE_MOST);
        int64_t since = 2 * (int64_t)(atomic_load(&run->written) + TICK - run->before[1]);
        at_most("rows of history", rows, ROWS_MOST + since);
        at_most("garbage", garbage, GARBAGE_MOST + since);
    }
    size_t allocated = mallinfo2().uordblks; /* 0 under a sanitizer's own allocator */
    printf("  memory %4zu MiB (resident %ld)  short %llu (%llu conflicts)  told %llu\n",
           allocated >> 20, resident_mib(), (unsigned long long)run->committed,
           (unsigned long long)run->conflicts, (unsigned long long)run->told);
    fflush(stdout);
    at_most("memory", (int64_t)allocated, (int64_t)ALLOCATED_MOST);
}

static void fill(struct run *run)
{
    char key[32];
    struct sfs_error error;
    for (unsigned i = 0; i < HOT; i++) {
        snprintf(key, sizeof(key), "hot/%02u", i);
        put(run->store, key, i);
    }
    for (unsigned i = 0; i < STABLE; i++) {
        snprintf(key, sizeof(key), "stable/%04u", i);
        put(run->store, key, i);
    }
    put(run->store, "unchanged", 1);
    char *big = malloc(BIG_SIZE);
    if (!big)
        fail("memory", "there is none");
    memset(big, '0', BIG_SIZE);
    must(sfs_set(run->store, L("big"), sfs_bytes(big, BIG_SIZE), &error), "set", &error);
    free(big);
}

static void end_at_zero(const struct run *run, const char *what, const char *sql)
{
    int64_t number = number_in(run, sql);
    for (int i = 0; i < 6000 && number != 0; i++) { /* the store does that by the way */
        pause_ms(10);
        number = number_in(run, sql);
    }
    at_most(what, number, 0);
}

/* With no lease left nothing is left of history, and what is in blocks belongs to a record. */
static void check_end(struct run *run)
{
    struct sfs_error error;
    uint64_t found = 0, repaired = 0;
    must(sfs_check(run->store, false, NULL, NULL, &found, &repaired, &error), "check", &error);
    at_most("findings", (int64_t)found, 0);
    if (!run->path)
        return;
    end_at_zero(run, "leases at the end", "SELECT count(*) FROM lease");
    end_at_zero(run, "history at the end", "SELECT count(*) FROM history");
    end_at_zero(run, "garbage at the end", "SELECT count(*) FROM garbage");
    end_at_zero(run, "blocks of nobody",
                "SELECT count(*) FROM block WHERE block NOT IN (SELECT block FROM chunk)"
                " AND block NOT IN (SELECT content FROM record WHERE content NOT NULL)");
}

struct olds {
    struct old everything; /* which will be other than it was */
    struct old quiet;      /* which will not: what came is gone */
};

/* A key that is there at its beginning, and deleted afterwards, would be a conflict. */
static struct old begin_quiet(struct run *run)
{
    struct old quiet = begin_old(run, L("t"), L("v"));
    while (sum_of(quiet.store, L("temp/"), L("temp0")) != SUM_OF_NOTHING) {
        sfs_transaction_free(quiet.transaction);
        quiet = begin_old(run, L("t"), L("v"));
    }
    return quiet;
}

static struct olds begin_olds(struct run *run)
{
    run->before[1] = run->before[0];
    run->before[0] = atomic_load(&run->written);
    struct old everything = begin_old(run, L(""), L(""));
    return (struct olds){everything, begin_quiet(run)};
}

static void end_olds(struct olds *olds)
{
    end_old(&olds->everything, "hot/00", SFS_E_CONFLICT);
    end_old(&olds->quiet, "last", 0);
}

static void watch(struct run *run, struct olds *olds, int length)
{
    double begun = seconds(), last = begun;
    uint64_t written = 0;
    int every = length > 60 ? 15 : 2;
    for (int second = 1; second <= length; second++) {
        pause_ms(1000);
        read_again(&olds->quiet);
        if (second % 3 == 0)
            read_again(&olds->everything);
        if (second % every == 0)
            look(run, begun, &written, &last);
        if (second % OLD == 0) {
            end_olds(olds);
            *olds = begin_olds(run);
        }
    }
    printf("average %.0f writes/s\n", (double)atomic_load(&run->written) / (seconds() - begun));
}

static void remove_store(const char *path)
{
    static const char *const endings[] = {"", "-wal", "-shm"};
    char name[400];
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof(name), "%s%s", path, endings[i]);
        unlink(name);
    }
}

static void run_store(const char *scheme, int length)
{
    char uri[400], path[300];
    pthread_t threads[SHORT + 2];
    const char *directory = getenv("TMPDIR");
    bool file = strcmp(scheme, "sqlite") == 0;
    struct run run = {.scheme = scheme, .path = file ? path : NULL};
    struct sfs_error error;
    snprintf(path, sizeof(path), "%s/bounded.db", directory ? directory : "/tmp");
    snprintf(uri, sizeof(uri), "%s:%s", scheme, file ? path : "");
    remove_store(path); /* of a run that failed */
    must(sfs_open(&run.store, uri, SFS_OPEN_CREATE, &error), "open", &error);
    fill(&run);
    printf("%s\n", scheme);
    struct olds olds = begin_olds(&run);
    for (int i = 0; i < SHORT + 2; i++) {
        void *(*body)(void *) = i == 0 ? write_all : i == 1 ? follow : commit_short;
        if (pthread_create(&threads[i], NULL, body, &run) != 0)
            fail("thread", "it does not start");
    }
    watch(&run, &olds, length);
    atomic_store(&run.ended, true);
    for (int i = 0; i < SHORT + 2; i++)
        pthread_join(threads[i], NULL);
    end_olds(&olds);
    check_end(&run);
    must(sfs_close(run.store, &error), "close", &error);
    remove_store(path);
}

int main(int count, char **arguments)
{
    const char *scale = getenv("STOREFS_TEST_SCALE");
    int length = scale && strcmp(scale, "full") == 0 ? 600 : 10;
    static const char *const schemes[] = {"sqlite", "memory"};
    for (int i = 0; i < 2; i++) {
        if (count < 2 || strcmp(arguments[1], schemes[i]) == 0)
            run_store(schemes[i], length);
    }
    return 0;
}
