/* SPDX-License-Identifier: MIT */
/* storefs import: NDJSON lines into a store. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "storefs/bulk.h"
#include "tools/command.h"
#include "tools/exit.h"
#include "tools/message.h"
#include "tools/progress.h"
#include "tools/target.h"

/* "line N: …" of the library, as FILE:N: for editors; of standard input as it is. */
static void say(const char *file, const char *sentence)
{
    size_t digits = strncmp(sentence, "line ", 5) == 0 ? strspn(sentence + 5, "0123456789") : 0;
    if (file && digits && sentence[5 + digits] == ':')
        tool_say_at(file, sentence + 5);
    else
        tool_say("%s", sentence);
}

/* What the library reports to. */
struct reader {
    const char *file; /* NULL: standard input */
    struct tool_progress progress;
};

static int step(void *context, uint64_t done, uint64_t total)
{
    return tool_progress_step(&((struct reader *)context)->progress, done, total);
}

static void report(void *context, const char *sentence)
{
    struct reader *reader = context;
    tool_progress_end(&reader->progress);
    say(reader->file, sentence);
}

static int say_stopped(const struct sfs_bulk_result *result)
{
    int number = tool_interrupted();
    tool_say("stopped; %" PRIu64 " record%s imported and stay%s", result->records,
             result->records == 1 ? " was" : "s were", result->records == 1 ? "s" : "");
    return TOOL_SIGNAL + number;
}

static int finish(const char *file, int failed, const struct sfs_bulk_result *result,
                  const struct sfs_error *error)
{
    if (failed && tool_interrupted())
        return say_stopped(result);
    if (failed) {
        say(file, error->message[0] ? error->message : sfs_code_name(failed));
        tool_say("%" PRIu64 " record%s before that %s imported", result->records,
                 result->records == 1 ? "" : "s", result->records == 1 ? "was" : "were");
        return tool_exit_of(failed);
    }
    if (result->refused) {
        tool_say("records imported: %" PRIu64 ", lines refused: %" PRIu64, result->records,
                 result->refused);
        return TOOL_FALSE;
    }
    if (isatty(STDERR_FILENO))
        tool_say("%" PRIu64 " records imported", result->records);
    return TOOL_OK;
}

static int import(struct sfs_storage *store, const struct tool_scope *scope, int descriptor,
                  const char *file, bool keep_going)
{
    struct reader reader = {.file = file};
    struct sfs_error error = {0};
    struct sfs_bulk_result result = {0};
    struct sfs_buffer end = {0};
    tool_progress_begin(&reader.progress, "bytes");
    tool_progress_cut(descriptor);
    struct sfs_bulk_options options = {
        .progress = step,
        .context = &reader,
        .keep_going = keep_going,
        .report = report,
    };
    int failed = tool_scope_range(scope, &end, &options.range, &error);
    if (!failed)
        failed = sfs_import(store, descriptor, &options, &result, &error);
    tool_progress_end(&reader.progress);
    sfs_buffer_free(&end);
    return finish(file, failed, &result, &error);
}

static int run(const struct tool_call *call)
{
    struct sfs_storage *store;
    struct tool_scope scope = {0};
    struct sfs_error error = {0};
    const char *file = call->count == 2 ? call->words[1] : "-";
    bool standard = strcmp(file, "-") == 0;
    int descriptor = standard ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return tool_fail_errno(errno, "%s", file);
    int result = tool_store_open(&store, &scope, call->words[0], SFS_OPEN_CREATE, &error);
    int exit_code = result ? tool_fail(result, &error)
                           : import(store, &scope, descriptor, standard ? NULL : file, tool_given(call, 'k'));
    if (!result)
        exit_code = tool_store_close(store, exit_code);
    tool_scope_free(&scope);
    if (!standard)
        close(descriptor);
    return exit_code;
}

static const struct tool_option options[] = {
    {'k', "keep-going", NULL, "report lines that are wrong and go on", false},
    {0},
};

const struct tool_command tool_import_command = {
    .name = "import",
    .usage = "TARGET [FILE | -] [--keep-going]",
    .summary = "Read records as NDJSON, one {\"key\":…,\"value\":…} a line",
    .details =
        "TARGET is a store's URI, a mount, or a path below its keys/, which the keys must lie in.\n"
        "The form is that of 'storefs export' and of values.ndjson. Whole lines are committed\n"
        "at a time; ^C, or a line that is wrong, leaves those before it. Exit code 1 if lines\n"
        "were refused with --keep-going. A line {\"index\":FIELDS} makes an index.\n",
    .options = options,
    .words_min = 1,
    .words_max = 2,
    .run = run,
};
