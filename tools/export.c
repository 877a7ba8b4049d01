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

static int export_to(struct sfs_storage *store, int descriptor, struct sfs_error *error)
{
    struct tool_progress progress;
    struct sfs_bulk_result result = {0};
    tool_progress_begin(&progress, "records");
    struct sfs_bulk_options options = {.progress = tool_progress_step, .context = &progress};
    int failed = sfs_export(store, descriptor, &options, &result, error);
    tool_progress_end(&progress);
    return failed;
}

static int stopped(const char *what)
{
    tool_say("stopped; %s", what);
    return TOOL_SIGNAL + tool_interrupted();
}

static int export_to_output(struct sfs_storage *store)
{
    struct sfs_error error = {0};
    int failed = export_to(store, STDOUT_FILENO, &error);
    if (failed && tool_reader_gone(STDOUT_FILENO))
        return tool_reader_left();
    if (failed && tool_interrupted())
        return stopped("what was written is not the whole store");
    return failed ? tool_fail(failed, &error) : TOOL_OK;
}

static int export_to_file(struct sfs_storage *store, const char *path)
{
    struct tool_new_file file;
    struct sfs_error error = {0};
    int failed = tool_new_file_open(&file, path, &error);
    if (failed)
        return tool_fail(failed, &error);
    failed = export_to(store, file.descriptor, &error);
    if (failed)
        sfs_error_context(&error, failed, "%s", path);
    if (!failed)
        failed = tool_new_file_commit(&file, &error);
    else
        tool_new_file_abandon(&file);
    if (failed && tool_interrupted())
        return stopped("no file was written");
    return failed ? tool_fail(failed, &error) : TOOL_OK;
}

static int run(const struct tool_call *call)
{
    struct sfs_storage *store;
    struct sfs_error error = {0};
    const char *file = call->count == 2 ? call->words[1] : "-";
    int result = tool_store_open(&store, call->words[0], SFS_OPEN_READ_ONLY, &error);
    if (result)
        return tool_fail(result, &error);
    int exit_code = strcmp(file, "-") == 0 ? export_to_output(store) : export_to_file(store, file);
    return tool_store_close(store, exit_code);
}

static const struct tool_option options[] = {{0}};

const struct tool_command tool_export_command = {
    .name = "export",
    .usage = "TARGET [FILE | -]",
    .summary = "Write every record as NDJSON, one {\"key\":…,\"value\":…} a line",
    .details =
        "Everything is of one moment, and import restores it byte for byte, attributes too. FILE\n"
        "appears whole (mode 0600) or not at all; one that is there is replaced.\n",
    .options = options,
    .words_min = 1,
    .words_max = 2,
    .run = run,
};
