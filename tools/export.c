/* SPDX-License-Identifier: MIT */
/* storefs export: a store as NDJSON lines. */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "storefs/bulk.h"
#include "tools/command.h"
#include "tools/exit.h"
#include "tools/message.h"
#include "tools/new_file.h"
#include "tools/progress.h"
#include "tools/target.h"

/* One export: what it works on, and how it went. */
struct job {
    const char *target; /* borrowed */
    struct sfs_storage *store;
    struct tool_scope scope;
    bool keep_going;
    struct sfs_bulk_result result;
};

static void report(void *context, const char *sentence)
{
    tool_progress_end(context);
    tool_say("%s", sentence);
}

static int export_to(struct job *job, int descriptor, struct sfs_error *error)
{
    struct tool_progress progress;
    struct sfs_buffer end = {0};
    struct sfs_bulk_options options = {.progress = tool_progress_step,
                                       .context = &progress,
                                       .keep_going = job->keep_going,
                                       .report = report};
    int failed = tool_scope_range(&job->scope, &end, &options.range, error);
    tool_progress_begin(&progress, "records");
    if (!failed)
        failed = sfs_export(job->store, descriptor, &options, &job->result, error);
    tool_progress_end(&progress);
    sfs_buffer_free(&end);
    return failed;
}

static int finish(const struct job *job)
{
    const struct sfs_bulk_result *result = &job->result;
    if (!job->keep_going || (result->lost == 0 && result->doubtful == 0))
        return TOOL_OK;
    tool_say("records written: %" PRIu64 ", lost: %" PRIu64 ", doubts: %" PRIu64, result->records,
             result->lost, result->doubtful);
    return TOOL_FALSE;
}

static int fail(const struct job *job, int failed, const struct sfs_error *error)
{
    int exit_code = tool_fail(failed, error);
    if (!job->keep_going)
        tool_say_salvage(failed, job->target);
    return exit_code;
}

static int stopped(const char *what)
{
    tool_say("stopped; %s", what);
    return TOOL_SIGNAL + tool_interrupted();
}

static int export_to_output(struct job *job)
{
    struct sfs_error error = {0};
    int failed = export_to(job, STDOUT_FILENO, &error);
    if (failed && tool_reader_gone(STDOUT_FILENO))
        return tool_reader_left();
    if (failed && tool_interrupted())
        return stopped("what was written is not the whole store");
    return failed ? fail(job, failed, &error) : finish(job);
}

static int export_to_file(struct job *job, const char *path)
{
    struct tool_new_file file;
    struct sfs_error error = {0};
    int failed = tool_new_file_open(&file, path, &error);
    if (failed)
        return tool_fail(failed, &error);
    failed = export_to(job, file.descriptor, &error);
    if (failed)
        sfs_error_context(&error, failed, "%s", path);
    if (!failed)
        failed = tool_new_file_commit(&file, &error);
    else
        tool_new_file_abandon(&file);
    if (failed && tool_interrupted())
        return stopped("no file was written");
    return failed ? fail(job, failed, &error) : finish(job);
}

static int run(const struct tool_call *call)
{
    struct job job = {.target = call->words[0], .keep_going = tool_given(call, 'k')};
    struct sfs_error error = {0};
    const char *file = call->count == 2 ? call->words[1] : "-";
    unsigned flags = job.keep_going ? SFS_OPEN_SALVAGE : SFS_OPEN_READ_ONLY;
    int result = tool_store_open(&job.store, &job.scope, job.target, flags, &error);
    if (result)
        return fail(&job, result, &error);
    int exit_code = strcmp(file, "-") == 0 ? export_to_output(&job) : export_to_file(&job, file);
    tool_scope_free(&job.scope);
    return tool_store_close(job.store, exit_code);
}

static const struct tool_option options[] = {
    {'k', "keep-going", NULL, "of a damaged store write all that is whole, and name what is lost",
     false},
    {0},
};

const struct tool_command tool_export_command = {
    .name = "export",
    .usage = "TARGET [FILE | -] [--keep-going]",
    .summary = "Write every record as NDJSON, one {\"key\":…,\"value\":…} a line",
    .details =
        "TARGET is a store's URI, a mount, or a path below its keys/, which limits the command.\n"
        "Everything is of one moment, and import restores it byte for byte, with attributes and\n"
        "(of a whole store) indexes; zeros and holes take next to nothing. FILE\n"
        "appears whole (mode 0600) or not at all; one that is there is replaced. What comes before "
        "damage\n"
        "is on standard output all the same. Exit code 1 if records were lost with --keep-going.\n",
    .options = options,
    .words_min = 1,
    .words_max = 2,
    .run = run,
};
