/* SPDX-License-Identifier: MIT */
/*
 * Import of NDJSON from a file descriptor: lines are gathered into batches of a few MiB, each of which
 * commits whole. What is kept in memory is one batch and the longest line.
 */
#include <errno.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bulk/line.h"
#include "storefs/backend.h"
#include "storefs/index.h"

#define BLOCK ((size_t)256 << 10)
#define BATCH_BYTES ((size_t)4 << 20)
#define BATCH_RECORDS 1000

/* Lines of a descriptor. Those before `start` have been given; nothing between `start` and `scanned`
 * is a newline. */
struct source {
    int descriptor;
    bool ended;
    struct sfs_buffer input;
    size_t start;
    size_t scanned;
    uint64_t number; /* of the line given last, from 1 */
};

struct import {
    struct sfs_storage *store;
    const struct sfs_bulk_options *options;
    struct sfs_bulk_result *result;
    struct source source;
    struct sfs_batch *batch;
    struct sfs_batch *single; /* one line, so that a bad one does not spoil the batch */
    struct sfs_buffer lines;  /* keep_going: the lines in the batch, to try them one by one */
    uint64_t first_line;      /* of the batch */
    uint64_t records;         /* in the batch */
    uint64_t bytes;           /* in the batch */
    uint64_t done;            /* bytes read */
    uint64_t total;           /* bytes there are, 0: unknown */
};

static int fill(struct source *source, struct sfs_error *error)
{
    struct sfs_buffer *input = &source->input;
    if (source->start > 0) {
        memmove(input->data, input->data + source->start, input->size - source->start);
        input->size -= source->start;
        source->scanned -= source->start;
        source->start = 0;
    }
    if (input->size > SFS_LINE_MAX)
        return sfs_fail(error, SFS_E_TOO_LARGE, "import", "line %" PRIu64 " is longer than %zu bytes",
                        source->number + 1, SFS_LINE_MAX);
    if (sfs_buffer_reserve(input, BLOCK))
        return sfs_fail_memory(error, "import");
    ssize_t got;
    do {
        got = read(source->descriptor, input->data + input->size, BLOCK);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return sfs_fail_errno(error, errno, "import", "the input cannot be read behind line %" PRIu64,
                              source->number);
    source->ended = got == 0;
    input->size += (size_t)got;
    return 0;
}

/* A byte order mark before the first line, and the \r of a line that ends in CRLF, are no content. */
static struct sfs_bytes trim(const struct source *source, const char *data, size_t size)
{
    if (source->number == 1 && size >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0) {
        data += 3;
        size -= 3;
    }
    if (size > 0 && data[size - 1] == '\r')
        size--;
    return sfs_bytes(data, size);
}

/* 1 and the next line, borrowed until the next call; 0 at the end. *ret_size: with all that belongs
 * to it. */
static int next_line(struct source *source, struct sfs_bytes *ret_line, size_t *ret_size,
                     struct sfs_error *error)
{
    struct sfs_buffer *input = &source->input;
    const char *newline = NULL;
    while (!newline && !source->ended) {
        if (input->size > source->scanned)
            newline = memchr(input->data + source->scanned, '\n', input->size - source->scanned);
        if (newline)
            break;
        source->scanned = input->size;
        int code = fill(source, error);
        if (code)
            return code;
    }
    if (!newline && input->size > source->scanned)
        newline = memchr(input->data + source->scanned, '\n', input->size - source->scanned);
    size_t end = newline ? (size_t)(newline - input->data) : input->size;
    if (source->start == end && !newline)
        return 0;
    source->number++;
    *ret_line = trim(source, input->data + source->start, end - source->start);
    *ret_size = end + (newline ? 1 : 0) - source->start;
    source->start = source->scanned = end + (newline ? 1 : 0);
    return 1;
}

static void report(struct import *import, const struct sfs_error *failure)
{
    import->result->refused++;
    if (import->options->report)
        import->options->report(import->options->context, failure->message);
}

/* Whether a failure is about one line, so that the others can still be imported. */
static bool concerns_line(int code)
{
    enum sfs_category category = sfs_code_category(code);
    return category == SFS_CATEGORY_VALIDATION || category == SFS_CATEGORY_OPERATION;
}

static void start_batch(struct import *import)
{
    sfs_batch_clear(import->batch);
    import->lines.size = 0;
    import->records = import->bytes = 0;
    import->first_line = import->source.number + 1;
}

/* Commits the lines of a batch that failed as a whole one by one, and reports those that fail. */
static int commit_singly(struct import *import, struct sfs_error *error)
{
    uint64_t number = import->first_line;
    const char *at = import->lines.data;
    const char *end = at + import->lines.size;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t size = (size_t)(newline - at);
        struct sfs_error failure;
        sfs_batch_clear(import->single);
        int code = size ? sfs_line_read(sfs_bytes(at, size), import->single, &failure) : 0;
        if (code == 0 && size) {
            code = sfs_apply(import->store, import->single, NULL, NULL, &failure);
            import->result->records += code == 0;
        }
        if (code)
            sfs_error_context(&failure, code, "line %" PRIu64, number);
        if (code && !concerns_line(code)) {
            if (error)
                *error = failure;
            return code;
        }
        if (code)
            report(import, &failure);
        at = newline + 1;
        number++;
    }
    return 0;
}

static int commit(struct import *import, struct sfs_error *error)
{
    int code = 0;
    if (import->records > 0)
        code = sfs_apply(import->store, import->batch, NULL, NULL, error);
    if (code && import->options->keep_going && concerns_line(code)) {
        code = commit_singly(import, error);
        import->records = 0;
    } else if (code) {
        sfs_error_context(error, code, "lines %" PRIu64 " to %" PRIu64, import->first_line,
                          import->source.number);
    }
    if (code)
        return code;
    import->result->records += import->records;
    import->result->bytes += import->bytes;
    start_batch(import);
    return 0;
}

static bool is_blank(struct sfs_bytes line)
{
    const char *text = line.data;
    for (size_t i = 0; i < line.size; i++) {
        if (text[i] != ' ' && text[i] != '\t')
            return false;
    }
    return true;
}

/* In `lines` each line of the batch takes one line, an empty one where it holds no record. */
static int remember(struct import *import, struct sfs_bytes line, struct sfs_error *error)
{
    if (!import->options->keep_going)
        return 0;
    if (sfs_buffer_add(&import->lines, line) || sfs_buffer_byte(&import->lines, '\n'))
        return sfs_fail_memory(error, "import");
    return 0;
}

/* --- indexes --- */

/* Whether the store has this very index: one that is not unique is none that is. */
static bool has_index(struct sfs_storage *store, struct sfs_bytes name)
{
    static const char prefix[] = "unique:";
    struct sfs_index_stats stats;
    bool unique =
        name.size >= sizeof(prefix) - 1 && memcmp(name.data, prefix, sizeof(prefix) - 1) == 0;
    return sfs_index_stats(store, name, &stats, NULL) == 0 && stats.unique == unique;
}

/* What is wrong with a line: reported, 0, or the end. */
static int refuse(struct import *import, int code, struct sfs_error *failure,
                  struct sfs_error *error)
{
    sfs_error_context(failure, code, "line %" PRIu64, import->source.number);
    if (import->options->keep_going && concerns_line(code)) {
        report(import, failure);
        return 0;
    }
    if (error)
        *error = *failure;
    return code;
}

/* Of what was read before, which is committed. A store that can have no indexes is as good without.
 */
static int make_index(struct import *import, struct sfs_bytes name, struct sfs_error *error)
{
    const struct sfs_bulk_options *options = import->options;
    struct sfs_error failure = {0};
    int code = commit(import, error);
    if (code || has_index(import->store, name))
        return code;
    code = sfs_index_create(import->store, name, NULL, NULL, &failure);
    if (code == 0)
        return 0;
    sfs_error_context(&failure, code, "the index %.*s is not made", (int)name.size,
                      (const char *)name.data);
    if (code != SFS_E_UNSUPPORTED)
        return refuse(import, code, &failure, error);
    if (options->report)
        options->report(options->context, failure.message);
    return 0;
}

/* Takes the line if it is that of an index: 1, 0 if not, or an error. */
static int take_index(struct import *import, struct sfs_bytes line, struct sfs_error *error)
{
    struct sfs_buffer name = {0};
    struct sfs_error failure;
    int code = sfs_line_read_index(line, &name, &failure);
    if (code == 0)
        return 0;
    if (code > 0 && !sfs_range_covers(import->options->range, (struct sfs_range){0}))
        code = sfs_fail(&failure, SFS_E_INVALID, "import",
                        "an index belongs to the whole store: import it there");
    if (code < 0) {
        code = refuse(import, code, &failure, error);
        code = code ? code : remember(import, sfs_bytes(NULL, 0), error);
    } else {
        code = make_index(import, sfs_buffer_bytes(&name), error);
    }
    sfs_buffer_free(&name);
    return code ? code : 1;
}

/* INVALID for a line that was read into `single` and has a name outside the range. */
static int check_range(const struct import *import, struct sfs_error *error)
{
    char shown[128];
    size_t count;
    const struct sfs_operation *operations = sfs_batch_operations(import->single, &count);
    for (size_t i = 0; i < count; i++) {
        if (!sfs_range_has(import->options->range, operations[i].name))
            return sfs_fail(error, SFS_E_INVALID, "import", "'%s' is not among the keys to import",
                            sfs_name_show(operations[i].name, shown, sizeof(shown)));
    }
    return 0;
}

static int take_line(struct import *import, struct sfs_bytes line, struct sfs_error *error)
{
    struct sfs_error failure;
    if (is_blank(line))
        return remember(import, sfs_bytes(NULL, 0), error);
    int code = take_index(import, line, error);
    if (code)
        return code < 0 ? code : 0;
    sfs_batch_clear(import->single);
    code = sfs_line_read(line, import->single, &failure);
    if (code == 0)
        code = check_range(import, &failure);
    if (code) {
        code = refuse(import, code, &failure, error);
        return code ? code : remember(import, sfs_bytes(NULL, 0), error);
    }
    import->records++;
    code = sfs_batch_add_operations(import->batch, import->single, error);
    return code ? code : remember(import, line, error);
}

/* The lines before one that cannot be imported are. */
static int stop_at_line(struct import *import, int code, struct sfs_error *error)
{
    struct sfs_error failure;
    if (!concerns_line(code))
        return code;
    int committed = commit(import, &failure);
    if (committed && error)
        *error = failure;
    return committed ? committed : code;
}

static int tell_progress(struct import *import, struct sfs_error *error)
{
    const struct sfs_bulk_options *options = import->options;
    if (!options->progress || options->progress(options->context, import->done, import->total) == 0)
        return 0;
    return sfs_fail(error, SFS_E_CANCELLED, "import",
                    "the import was stopped; %" PRIu64 " records are committed and stay",
                    import->result->records);
}

/* Whoever shows progress sees the end of it. */
static int finish(struct import *import, struct sfs_error *error)
{
    int code = commit(import, error);
    return code ? code : tell_progress(import, error);
}

static int import_lines(struct import *import, struct sfs_error *error)
{
    size_t limit = import->options->batch_bytes ? import->options->batch_bytes : BATCH_BYTES;
    uint64_t told = 0;
    start_batch(import);
    for (;;) {
        struct sfs_bytes line = {0};
        size_t size = 0;
        int code = next_line(&import->source, &line, &size, error);
        if (code <= 0)
            return code ? code : finish(import, error);
        code = take_line(import, line, error);
        if (code)
            return stop_at_line(import, code, error);
        import->bytes += size;
        import->done += size;
        bool full = import->bytes >= limit || import->records >= BATCH_RECORDS;
        if (full)
            code = commit(import, error);
        if (code == 0 && (full || import->done - told >= BLOCK)) {
            told = import->done;
            code = tell_progress(import, error);
        }
        if (code)
            return code;
    }
}

/* The size of what is to come, where the descriptor is a file. */
static uint64_t bytes_ahead(int descriptor)
{
    struct stat status;
    if (fstat(descriptor, &status) || !S_ISREG(status.st_mode))
        return 0;
    off_t position = lseek(descriptor, 0, SEEK_CUR);
    return position >= 0 && status.st_size > position ? (uint64_t)(status.st_size - position) : 0;
}

int sfs_import(struct sfs_storage *store, int descriptor, const struct sfs_bulk_options *options,
               struct sfs_bulk_result *ret_result, struct sfs_error *error)
{
    static const struct sfs_bulk_options defaults;
    struct sfs_bulk_result unwanted;
    struct import import = {
        .store = store,
        .options = options ? options : &defaults,
        .result = ret_result ? ret_result : &unwanted,
        .source.descriptor = descriptor,
        .total = bytes_ahead(descriptor),
    };
    *import.result = (struct sfs_bulk_result){0};
    int code = sfs_batch_new(&import.batch, error);
    if (code == 0)
        code = sfs_batch_new(&import.single, error);
    if (code == 0)
        code = import_lines(&import, error);
    sfs_batch_free(import.batch);
    sfs_batch_free(import.single);
    sfs_buffer_free(&import.lines);
    sfs_buffer_free(&import.source.input);
    return code;
}
