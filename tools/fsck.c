/* SPDX-License-Identifier: MIT */
/* storefs fsck: checks a store, and repairs what can be repaired. Exit codes as fsck(8). */
#include <inttypes.h>

#include "storefs/bulk.h"
#include "tools/command.h"
#include "tools/exit.h"
#include "tools/message.h"
#include "tools/progress.h"
#include "tools/target.h"

#define REPAIR 256
#define SALVAGE 257

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

static int check(struct sfs_storage *store, const char *target, bool repair)
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
    tool_say("this cannot be repaired: restore a backup");
    tool_say_salvage(result, target);
    return TOOL_FSCK_DAMAGED;
}

static int fail_open(const char *target, int result, const struct sfs_error *error)
{
    tool_fail(result, error);
    tool_say_salvage(result, target);
    return result == SFS_E_CORRUPT   ? TOOL_FSCK_DAMAGED
           : result == SFS_E_INVALID ? TOOL_FSCK_USAGE
                                     : TOOL_FSCK_FAILED;
}

/* --- salvage --- */

static void report_loss(void *context, const char *sentence)
{
    tool_progress_end(context);
    report(NULL, sentence);
}

static int sum_up(int failed, const struct sfs_bulk_result *result, const struct sfs_error *error)
{
    if (failed && tool_interrupted())
        tool_say("stopped; %" PRIu64 " records were saved and stay", result->records);
    else if (failed)
        tool_fail(failed, error);
    printf("%" PRIu64 " saved, %" PRIu64 " lost, %" PRIu64 " doubtful\n", result->records,
           result->lost, result->doubtful);
    if (failed)
        return TOOL_FSCK_FAILED;
    return result->lost || result->doubtful ? TOOL_FSCK_DAMAGED : TOOL_FSCK_CLEAN;
}

/* The store to save to must hold nothing. It is looked at as one that may be damaged, which writes
 * nothing: it might be the damaged one. */
static int check_empty(const char *to, struct sfs_error *error)
{
    struct sfs_storage *store;
    struct sfs_cursor *cursor;
    const struct sfs_record *record;
    if (tool_store_open(&store, NULL, to, SFS_OPEN_SALVAGE, NULL))
        return 0; /* making it tells why */
    int result = sfs_scan(store, (struct sfs_range){0}, SFS_WANT_RECORD, &cursor, error);
    if (!result) {
        result = sfs_cursor_next(cursor, &record, error);
        sfs_cursor_close(cursor);
        if (result)
            result = sfs_fail(error, SFS_E_EXISTS, "fsck", "%s is not empty", to);
    }
    sfs_close(store, NULL);
    return result;
}

static int salvage(const char *target, const char *to)
{
    struct tool_progress progress;
    struct sfs_storage *from, *store;
    struct sfs_error error = {0};
    struct sfs_bulk_result result = {0};
    int failed = tool_store_open(&from, NULL, target, SFS_OPEN_SALVAGE, &error);
    if (!failed) {
        failed = check_empty(to, &error);
        if (!failed)
            failed = tool_store_open(&store, NULL, to, SFS_OPEN_CREATE, &error);
        if (failed)
            sfs_close(from, NULL);
    }
    if (failed) {
        tool_fail(failed, &error);
        return failed == SFS_E_INVALID ? TOOL_FSCK_USAGE : TOOL_FSCK_FAILED;
    }
    tool_progress_begin(&progress, "records");
    struct sfs_bulk_options options = {.progress = tool_progress_step,
                                       .context = &progress,
                                       .keep_going = true,
                                       .report = report_loss};
    failed = sfs_copy(from, store, &options, &result, &error);
    tool_progress_end(&progress);
    int exit_code = sum_up(failed, &result, &error);
    int closed = tool_store_close(store, TOOL_OK) | tool_store_close(from, TOOL_OK);
    return closed ? exit_code | TOOL_FSCK_FAILED : exit_code;
}

static int run(const struct tool_call *call)
{
    struct sfs_storage *store;
    struct sfs_error error = {0};
    bool repair = tool_given(call, REPAIR);
    const char *to = tool_value(call, SALVAGE);
    if (to && repair) {
        tool_say("--repair changes the store, and --salvage leaves it as it is: give one of them");
        return TOOL_FSCK_USAGE;
    }
    if (to)
        return salvage(call->words[0], to) | (tool_output_end() ? TOOL_FSCK_FAILED : 0);
    int result =
        tool_store_open(&store, NULL, call->words[0], repair ? 0 : SFS_OPEN_READ_ONLY, &error);
    if (result)
        return fail_open(call->words[0], result, &error);
    int exit_code = check(store, call->words[0], repair);
    int closed = tool_store_close(store, TOOL_OK);
    int output = tool_output_end();
    return closed || output ? exit_code | TOOL_FSCK_FAILED : exit_code;
}

static const struct tool_option options[] = {
    {REPAIR, "repair", NULL, "mend what can be mended", false},
    {SALVAGE, "salvage", "STORE", "save every record that is whole into a new store", false},
    {0},
};

const struct tool_command tool_fsck_command = {
    .name = "fsck",
    .usage = "TARGET [--repair | --salvage STORE]",
    .summary = "Check a store, and repair it",
    .details =
        "Prints one sentence a finding. Exit codes as fsck(8): 0 clean, 1 all was repaired, "
        "4 damage\n"
        "is left, 8 the check could not be done, 16 wrong arguments.\n"
        "--salvage writes nothing to TARGET. STORE is made, or is empty. Exit code 4: records are "
        "lost,\n"
        "or doubtful; each is named.\n",
    .options = options,
    .words_min = 1,
    .words_max = 1,
    .usage_exit = TOOL_FSCK_USAGE,
    .run = run,
};
