/* SPDX-License-Identifier: MIT */
/* storefs backup: a consistent copy of a store that is in use. */
#include "tools/command.h"
#include "tools/exit.h"
#include "tools/message.h"
#include "tools/progress.h"
#include "tools/target.h"

static int run(const struct tool_call *call)
{
    struct sfs_storage *store;
    struct tool_progress progress;
    struct sfs_error error = {0};
    int result = tool_store_open(&store, NULL, call->words[0], SFS_OPEN_READ_ONLY, &error);
    if (result)
        return tool_fail(result, &error);
    tool_progress_begin(&progress, "records");
    result = sfs_backup(store, call->words[1], tool_progress_step, &progress, &error);
    tool_progress_end(&progress);
    int exit_code = TOOL_OK;
    if (result && tool_interrupted()) {
        tool_say("stopped; no file was written");
        exit_code = TOOL_SIGNAL + tool_interrupted();
    } else if (result) {
        exit_code = tool_fail(result, &error);
    }
    return tool_store_close(store, exit_code);
}

static const struct tool_option options[] = {{0}};

const struct tool_command tool_backup_command = {
    .name = "backup",
    .usage = "TARGET FILE",
    .summary = "Copy a store, also one in use, to a new file of the same kind",
    .details =
        "The copy shows one moment. FILE (mode 0600) must not be there yet; it can be opened\n"
        "like any store.\n",
    .options = options,
    .words_min = 2,
    .words_max = 2,
    .run = run,
};
