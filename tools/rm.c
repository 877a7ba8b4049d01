/* SPDX-License-Identifier: MIT */
/* storefs rm: keys, or every key that begins with a prefix. */
#include <errno.h>
#include <unistd.h>

#include "tools/command.h"
#include "tools/exit.h"
#include "tools/message.h"
#include "tools/target.h"
#include "tools/tree.h"

static int add_deletes(struct sfs_batch *batch, const struct tool_call *call,
                       struct sfs_error *error)
{
    unsigned flags = tool_given(call, 'f') ? 0 : SFS_BATCH_MUST_EXIST;
    int result = 0;
    for (int i = 1; !result && i < call->count; i++) {
        struct sfs_bytes key = sfs_string(call->words[i]);
        result = sfs_key_check(key, error);
        if (!result)
            result = sfs_batch_delete(batch, key, flags, error);
    }
    return result;
}

static int add_range(struct sfs_batch *batch, const char *prefix, struct sfs_error *error)
{
    struct sfs_range range;
    struct sfs_buffer end = {0};
    int result = sfs_range_prefix(sfs_string(prefix), &end, &range);
    if (result)
        return sfs_fail_memory(error, "rm");
    result = sfs_batch_clear_range(batch, range, error);
    sfs_buffer_free(&end);
    return result;
}

/* Whether anything begins with the prefix. */
static int check_range(struct sfs_storage *store, const char *prefix, struct sfs_error *error)
{
    struct sfs_cursor *cursor;
    const struct sfs_record *record;
    int result = sfs_keys(store, sfs_string(prefix), &cursor, error);
    if (result)
        return result;
    result = sfs_cursor_next(cursor, &record, error);
    sfs_cursor_close(cursor);
    if (result != 0)
        return result < 0 ? result : 0;
    return sfs_fail(error, SFS_E_NOT_FOUND, "rm", "no key begins with '%s'", prefix);
}

static int remove_from_store(struct sfs_storage *store, const struct tool_call *call,
                             struct sfs_error *error)
{
    struct sfs_batch *batch;
    const char *prefix = tool_value(call, 'r');
    int result = prefix && !tool_given(call, 'f') ? check_range(store, prefix, error) : 0;
    if (!result)
        result = sfs_batch_new(&batch, error);
    if (result)
        return result;
    result = add_deletes(batch, call, error);
    if (!result && prefix)
        result = add_range(batch, prefix, error);
    if (!result)
        result = sfs_apply(store, batch, NULL, NULL, error);
    sfs_batch_free(batch);
    return result;
}

static int remove_key(const char *base, struct sfs_bytes key, bool must_exist,
                      struct sfs_error *error)
{
    struct tool_place place;
    int result = tool_tree_find(base, key, &place, error);
    if (result == SFS_E_NOT_FOUND && !must_exist)
        return 0;
    if (result)
        return result;
    if (unlinkat(place.directory, place.name, 0) < 0 && (must_exist || errno != ENOENT))
        result = tool_tree_fail(error, errno, &place, "cannot remove");
    tool_place_free(&place);
    return result;
}

static int remove_below(const char *base, const char *prefix, bool must_exist,
                        struct sfs_error *error)
{
    struct tool_list list;
    int result = tool_tree_list(base, sfs_string(prefix), false, &list, error);
    if (result)
        return result;
    if (must_exist && !list.count)
        result = sfs_fail(error, SFS_E_NOT_FOUND, "rm", "no key begins with '%s'", prefix);
    for (size_t i = 0; !result && i < list.count; i++)
        result = remove_key(base, sfs_bytes(list.items[i].key, list.items[i].size), false, error);
    tool_list_free(&list);
    return result;
}

static int remove_from_mount(const char *base, const struct tool_call *call,
                             struct sfs_error *error)
{
    bool must_exist = !tool_given(call, 'f');
    const char *prefix = tool_value(call, 'r');
    int result = 0;
    for (int i = 1; !result && i < call->count; i++)
        result = remove_key(base, sfs_string(call->words[i]), must_exist, error);
    if (!result && prefix)
        result = remove_below(base, prefix, must_exist, error);
    return result;
}

static int run(const struct tool_call *call)
{
    struct tool_target target;
    struct sfs_error error = {0};
    if (call->count == 1 && !tool_given(call, 'r')) {
        tool_say("neither a key nor -r PREFIX is given");
        return TOOL_USAGE;
    }
    int result = tool_target_open(&target, call->words[0], 0, &error);
    if (result)
        return tool_fail(result, &error);
    result = target.base ? remove_from_mount(target.base, call, &error)
                         : remove_from_store(target.store, call, &error);
    return tool_target_close(&target, result ? tool_fail(result, &error) : TOOL_OK);
}

static const struct tool_option options[] = {
    {'r', "prefix", "PREFIX", "remove every key that begins with PREFIX ('' for all)", false},
    {'f', "force", NULL, "what is not there is no failure", false},
    {0},
};

const struct tool_command tool_rm_command = {
    .name = "rm",
    .usage = "TARGET [KEY…] [-r PREFIX] [-f]",
    .summary = "Remove keys",
    .details =
        "In a store named by its URI all go or none does. In a mount they go one after another;\n"
        "'storefs exec --tx' makes that one step too.\n",
    .options = options,
    .words_min = 1,
    .words_max = -1,
    .run = run,
};
