/* SPDX-License-Identifier: MIT */
/* storefs fsck: checks a store, and repairs what can be repaired. Exit codes as fsck(8). */
#include <inttypes.h>

#include "tools/command.h"
#include "tools/exit.h"
#include "tools/message.h"
#include "tools/target.h"

#define REPAIR 256

static void report(void *context, const char *sentence)
{
    (void)context;
    tool_output_key(sfs_string(sentence), true);
    putchar('\n');
}

static int verdict(bool repair, uint64_t found, uint64_t repaired)
{
    uint64_t left = found > repaired ? found - repaired : 0;
    if (!found) {
        puts("clean");
        return TOOL_FSCK_CLEAN;
    }
    printf("%" PRIu64 " found, %" PRIu64 " repaired, %" PRIu64 " left%s\n", found, repaired, left,
           left && !repair ? "; --repair mends what can be mended" : "");
    return left ? TOOL_FSCK_DAMAGED : TOOL_FSCK_REPAIRED;
}

static int check(struct sfs_storage *store, bool repair)
{
    struct sfs_error error = {0};
    uint64_t found = 0;
    uint64_t repaired = 0;
    int result = sfs_check(store, repair, report, NULL, &found, &repaired, &error);
    if (!result)
        return verdict(repair, found, repaired);
    tool_fail(result, &error);
    if (result != SFS_E_CORRUPT)
        return TOOL_FSCK_FAILED;
    tool_say("this cannot be repaired: restore a backup; 'storefs export' writes what can be read");
    return TOOL_FSCK_DAMAGED;
}

static int run(const struct tool_call *call)
{
    struct sfs_storage *store;
    struct sfs_error error = {0};
    bool repair = tool_given(call, REPAIR);
    int result = tool_store_open(&store, call->words[0], repair ? 0 : SFS_OPEN_READ_ONLY, &error);
    if (result) {
        tool_fail(result, &error);
        return result == SFS_E_CORRUPT   ? TOOL_FSCK_DAMAGED
               : result == SFS_E_INVALID ? TOOL_FSCK_USAGE
                                         : TOOL_FSCK_FAILED;
    }
    int exit_code = check(store, repair);
    int closed = tool_store_close(store, TOOL_OK);
    int output = tool_output_end();
    return closed || output ? exit_code | TOOL_FSCK_FAILED : exit_code;
}

static const struct tool_option options[] = {
    {REPAIR, "repair", NULL, "mend what can be mended", false},
    {0},
};

const struct tool_command tool_fsck_command = {
    .name = "fsck",
    .usage = "TARGET [--repair]",
    .summary = "Check a store, and repair it",
    .details = "Prints one sentence a finding. Exit codes as fsck(8): 0 clean, 1 all was repaired, "
               "4 damage\n"
               "is left, 8 the check could not be done, 16 wrong arguments.\n",
    .options = options,
    .words_min = 1,
    .words_max = 1,
    .usage_exit = TOOL_FSCK_USAGE,
    .run = run,
};
