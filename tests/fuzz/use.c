/* SPDX-License-Identifier: MIT */
/* Using a store whose files a fuzzer has made. */
#include "tests/fuzz/use.h"

#include <fcntl.h>
#include <ftw.h>
#include <sanitizer/common_interface_defs.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <unistd.h>

#include "storefs/builder.h"
#include "storefs/bulk.h"
#include "storefs/index.h"
#include "tests/fuzz/input.h"

#define ROWS_MOST 100000 /* no file that a fuzzer makes has so many */
#define KEYS_MOST 20     /* are read one by one */
#define PIECE 65536
#define MEMORY (UINT64_C(64) << 20)
#define TIME_MS 10000 /* of the processor for one input, with sanitizers on a busy machine */

static char directory[256];
static int inside = -1, outside = -1;

/* The machine seems small, so that a value which it holds fits below the fuzzer's limit. */
int sysinfo(struct sysinfo *info)
{
    *info = (struct sysinfo){.totalram = MEMORY, .freeram = MEMORY, .mem_unit = 1};
    return 0;
}

/* --- files --- */

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

void fuzz_remove(const char *path)
{
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void remove_directory(void)
{
    fuzz_remove(directory);
}

/* The stack of a thread that works, whichever that is. */
static void took_too_long(int number)
{
    (void)number;
    __sanitizer_print_stack_trace();
    abort();
}

static void limit_processor(int64_t ms)
{
    struct itimerval limit = {.it_value = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000}};
    require(setitimer(ITIMER_PROF, &limit, NULL) == 0);
}

bool fuzz_enter(void)
{
    bool first = inside < 0;
    if (first) {
        const char *named = getenv("TMPDIR");
        const char *place = named ? named : access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
        require(snprintf(directory, sizeof(directory), "%s/storefs-fuzz-XXXXXX", place) <
                (int)sizeof(directory));
        require(mkdtemp(directory));
        atexit(remove_directory);
        signal(SIGPROF, took_too_long);
        inside = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
        outside = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    }
    require(fchdir(inside) == 0);
    limit_processor(TIME_MS);
    return first;
}

int fuzz_leave(void)
{
    limit_processor(0);
    require(fchdir(outside) == 0);
    return 0;
}

void fuzz_write_file(const char *path, struct sfs_bytes content)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    require(fd >= 0);
    if (content.size)
        require(write(fd, content.data, content.size) == (ssize_t)content.size);
    close(fd);
}

/* --- what is expected of every call --- */

static int answer(int code, struct sfs_error *error)
{
    require(code >= 0 || (error->code == code && error->message[0]));
    return code;
}

#define TRY(call) answer(((error = (struct sfs_error){0}), (call)), &error)

static void ignore(void *context, const char *sentence)
{
    (void)context;
    require(sentence[0] != '\0');
}

/* --- reading --- */

/* A salvager's cursor goes on after what is lost. */
static bool goes_on(int code, bool salvage)
{
    return code == 1 || (salvage && (code == SFS_E_CORRUPT || code == SFS_E_DOUBTFUL));
}

static void read_cursor(struct sfs_cursor *cursor, unsigned want, bool salvage)
{
    const struct sfs_record *record = NULL;
    struct sfs_error error;
    unsigned rows = 0;
    for (int code; goes_on(code = TRY(sfs_cursor_next(cursor, &record, &error)), salvage);) {
        require(++rows < ROWS_MOST);
        if (code == 1 && (want & SFS_WANT_VALUE) && record->blob)
            require(sfs_record_value(record).size == record->size);
    }
    sfs_cursor_close(cursor);
}

static void read_all(struct sfs_storage *store, unsigned want, bool salvage)
{
    struct sfs_cursor *cursor;
    struct sfs_error error;
    if (TRY(sfs_scan(store, (struct sfs_range){0}, want, &cursor, &error)) == 0)
        read_cursor(cursor, want, salvage);
}

static void read_key(struct sfs_storage *store, struct sfs_bytes key)
{
    static char piece[PIECE];
    struct sfs_extent extent = {0};
    struct sfs_buffer value = {0};
    struct sfs_error error;
    size_t got = 0;
    if (TRY(sfs_get_value(store, key, &value, &error)) == 0)
        sfs_buffer_free(&value);
    (void)TRY(sfs_read(store, key, 0, 1, piece, sizeof(piece), &got, &error));
    for (unsigned i = 0; i < 8; i++) {
        if (TRY(sfs_data(store, key, extent.offset + extent.size, &extent, &error)) != 1)
            break;
        require(extent.size > 0);
        (void)TRY(sfs_read(store, key, 0, extent.offset, piece, sizeof(piece), &got, &error));
    }
}

static void read_keys(struct sfs_storage *store)
{
    const struct sfs_record *record = NULL;
    struct sfs_cursor *cursor;
    struct sfs_error error;
    if (TRY(sfs_scan(store, (struct sfs_range){0}, SFS_WANT_RECORD, &cursor, &error)))
        return;
    for (unsigned i = 0; i < KEYS_MOST; i++) {
        if (TRY(sfs_cursor_next(cursor, &record, &error)) != 1)
            break;
        read_key(store, record->name);
    }
    sfs_cursor_close(cursor);
}

static void read_text(struct sfs_storage *store, struct sfs_query *query, enum sfs_sink sink)
{
    static char piece[PIECE];
    struct sfs_text *text;
    struct sfs_error error;
    size_t got = 1;
    if (TRY(sfs_query_text(store, query, sink, &text, &error)))
        return;
    while (got > 0 && TRY(sfs_text_read(text, piece, sizeof(piece), &got, &error)) == 0)
        continue;
    sfs_text_close(text);
}

static void run_queries(struct sfs_storage *store)
{
    static const char *const paths[] = {
        "where/n >= 1/values.csv", "order/n:desc/limit/5/select/n,m/values.ndjson", "by/n/2/keys",
        "group/n/count",           "where/@size > 3 and @key ~ \"d*\"/count",
    };
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct sfs_query *query;
        enum sfs_sink sink;
        require(sfs_query_parse(sfs_string(paths[i]), &query, &sink, NULL) == 0);
        read_text(store, query, sink);
        sfs_query_free(query);
    }
}

static void check(struct sfs_storage *store, bool repair)
{
    uint64_t found, repaired;
    struct sfs_error error;
    (void)TRY(sfs_check(store, repair, ignore, NULL, &found, &repaired, &error));
}

static void export_all(struct sfs_storage *store)
{
    struct sfs_bulk_result result = {0};
    struct sfs_error error;
    const struct sfs_bulk_options options = {.keep_going = true, .report = ignore};
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    require(fd >= 0);
    (void)TRY(sfs_export(store, fd, &options, &result, &error));
    close(fd);
}

static void read_store(struct sfs_storage *store, bool salvage)
{
    struct sfs_totals totals;
    struct sfs_error error;
    read_all(store, SFS_WANT_RECORD, salvage);
    read_all(store, SFS_WANT_VALUE | SFS_WANT_SMALL, salvage);
    if (salvage) {
        export_all(store);
        return;
    }
    read_keys(store);
    run_queries(store);
    (void)TRY(sfs_totals(store, &totals, &error));
    check(store, false);
}

/* --- writing --- */

static void expect(struct sfs_storage *store, const char *key, const char *value)
{
    struct sfs_buffer read = {0};
    struct sfs_error error;
    require(TRY(sfs_get_value(store, sfs_string(key), &read, &error)) == 0);
    require(sfs_bytes_equal(sfs_buffer_bytes(&read), sfs_string(value)));
    sfs_buffer_free(&read);
}

static bool set(struct sfs_storage *store, const char *key, const char *value)
{
    struct sfs_error error;
    if (TRY(sfs_set(store, sfs_string(key), sfs_string(value), &error)))
        return false;
    expect(store, key, value);
    return true;
}

static void apply(struct sfs_storage *store, struct sfs_batch *batch)
{
    const struct sfs_apply_options options = {.durable = true};
    struct sfs_error error;
    (void)TRY(sfs_apply(store, batch, &options, NULL, &error));
    sfs_batch_free(batch);
}

static void change_parts(struct sfs_storage *store)
{
    struct sfs_batch *batch;
    require(sfs_batch_new(&batch, NULL) == 0);
    require(sfs_batch_write(batch, SFS_LITERAL("large"), 300000, SFS_LITERAL("part"), NULL) == 0);
    require(sfs_batch_append(batch, SFS_LITERAL("large"), SFS_LITERAL("end"), NULL) == 0);
    require(sfs_batch_truncate(batch, SFS_LITERAL("large"), 270000, NULL) == 0);
    apply(store, batch);
}

static void change_names(struct sfs_storage *store)
{
    struct sfs_batch *batch;
    require(sfs_batch_new(&batch, NULL) == 0);
    require(sfs_batch_rename_prefix(batch, SFS_LITERAL("d/"), SFS_LITERAL("e/"), NULL) == 0);
    require(sfs_batch_delete(batch, SFS_LITERAL("e/2"), 0, NULL) == 0);
    apply(store, batch);
}

static void follow(struct sfs_storage *store)
{
    struct sfs_storage *snapshot;
    struct sfs_change change;
    struct sfs_feed *feed;
    struct sfs_error error;
    unsigned rows = 0;
    if (TRY(sfs_changes(store, 0, &feed, &error)) == 0) {
        while (TRY(sfs_feed_next(feed, &change, &error)) == 1)
            require(++rows < ROWS_MOST);
        sfs_feed_close(feed);
    }
    if (TRY(sfs_snapshot(store, 0, &snapshot, &error)))
        return;
    (void)TRY(sfs_delete(store, SFS_LITERAL("middle"), &error));
    change_parts(store);
    read_all(snapshot, SFS_WANT_VALUE | SFS_WANT_SMALL, false);
    (void)TRY(sfs_close(snapshot, &error));
}

/* True: the store has the key "written". */
static bool change_store(struct sfs_storage *store)
{
    struct sfs_error error;
    follow(store);
    (void)set(store, "large", "small");
    bool written = set(store, "written", "9");
    (void)set(store, "d/1", "{\"n\":2}");
    change_names(store);
    (void)TRY(sfs_index_create(store, SFS_LITERAL("n,m"), NULL, NULL, &error));
    (void)TRY(sfs_index_drop(store, SFS_LITERAL("n"), &error));
    check(store, true);
    read_all(store, SFS_WANT_VALUE | SFS_WANT_SMALL, false);
    if (written)
        expect(store, "written", "9");
    return written;
}

void fuzz_use(const char *uri)
{
    static const unsigned flags[] = {SFS_OPEN_SALVAGE, SFS_OPEN_READ_ONLY, 0};
    struct sfs_storage *store;
    struct sfs_error error;
    bool written = false;
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        if (TRY(sfs_open(&store, uri, flags[i], &error)))
            continue;
        if (flags[i])
            read_store(store, flags[i] & SFS_OPEN_SALVAGE);
        else
            written = change_store(store);
        written = TRY(sfs_close(store, &error)) == 0 && written;
    }
    if (!written)
        return;
    if (TRY(sfs_open(&store, uri, SFS_OPEN_READ_ONLY, &error))) {
        fprintf(stderr, "%s\n", error.message);
        abort();
    }
    expect(store, "written", "9");
    (void)TRY(sfs_close(store, &error));
}
