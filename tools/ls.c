/* SPDX-License-Identifier: MIT */
/* storefs ls: keys in byte order, one a line. */
#include <inttypes.h>
#include <time.h>
#include <unistd.h>

#include "tools/command.h"
#include "tools/exit.h"
#include "tools/message.h"
#include "tools/target.h"
#include "tools/tree.h"

#define SECOND 1000000000

struct style {
    bool details;
    bool zero;    /* NUL behind each key instead of a newline */
    bool escaped; /* a terminal reads it */
};

/* False when standard output has failed. */
static bool show(const struct style *style, struct sfs_bytes key, uint64_t bytes, int64_t modified)
{
    char when[32] = "";
    time_t seconds = (time_t)modified;
    struct tm parts;
    if (style->details) {
        char line[64];
        if (localtime_r(&seconds, &parts))
            strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", &parts);
        int size = snprintf(line, sizeof line, "%12" PRIu64 "  %s  ", bytes, when);
        if (!tool_output(sfs_bytes(line, (size_t)size)))
            return false;
    }
    return tool_output_key(key, style->escaped) &&
           tool_output(sfs_bytes(style->zero ? "" : "\n", 1));
}

static int list_store(struct sfs_storage *store, struct sfs_bytes prefix, const struct style *style,
                      struct sfs_error *error)
{
    struct sfs_cursor *cursor;
    const struct sfs_record *record;
    int result = sfs_keys(store, prefix, &cursor, error);
    if (result)
        return result;
    while ((result = sfs_cursor_next(cursor, &record, error)) > 0)
        if (!show(style, record->name, record->size, record->attributes.modified / SECOND))
            break;
    sfs_cursor_close(cursor);
    return result < 0 ? result : 0;
}

static int list_mount(const struct tool_target *target, struct sfs_bytes prefix,
                      const struct style *style, struct sfs_error *error)
{
    struct tool_list list;
    if (!tool_scope_prefix(&target->scope, prefix, &prefix))
        return 0;
    int result = tool_tree_list(target->base, prefix, style->details, &list, error);
    if (result)
        return result;
    for (size_t i = 0; i < list.count; i++) {
        const struct tool_found *found = &list.items[i];
        struct sfs_bytes key = sfs_bytes(found->key, found->size);
        if (tool_scope_has(&target->scope, key) && !show(style, key, found->bytes, found->modified))
            break;
    }
    tool_list_free(&list);
    return 0;
}

static int run(const struct tool_call *call)
{
    struct tool_target target;
    struct sfs_error error = {0};
    struct sfs_bytes prefix = sfs_string(call->count == 2 ? call->words[1] : "");
    struct style style = {
        .details = tool_given(call, 'l'),
        .zero = tool_given(call, '0'),
        .escaped = !tool_given(call, '0') && isatty(STDOUT_FILENO),
    };
    int result =
        tool_target_open(&target, call->words[0], TOOL_TAKES_KEYS, SFS_OPEN_READ_ONLY, &error);
    if (result)
        return tool_fail(result, &error);
    result = target.base ? list_mount(&target, prefix, &style, &error)
                         : list_store(target.store, prefix, &style, &error);
    int exit_code = result ? tool_fail(result, &error) : tool_output_end();
    return tool_target_close(&target, exit_code);
}

static const struct tool_option options[] = {
    {'l', "long", NULL, "with size in bytes and time of the last change", false},
    {'0', "null", NULL, "end each key with NUL, escape nothing", false},
    {0},
};

const struct tool_command tool_ls_command = {
    .name = "ls",
    .usage = "TARGET [PREFIX] [-l] [-0]",
    .summary = "List keys, all or those that begin with PREFIX, in byte order",
    .details =
        "TARGET is a store's URI, a mount, or a path below its keys/, which limits the command.\n"
        "On a terminal control characters, bytes that are not UTF-8 and backslashes are shown\n"
        "escaped (\\x0a, \\\\); into a pipe or a file keys go as they are.\n",
    .options = options,
    .words_min = 1,
    .words_max = 2,
    .run = run,
};
