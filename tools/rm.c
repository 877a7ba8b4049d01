/* SPDX-License-Identifier: MIT */
/* storefs rm: keys, or every key that begins with a prefix. */
#include <errno.h>
#include <unistd.h>

#include "tools/command.h"
#include "tools/exit.h"
#include "tools/message.h"
#include "tools/target.h"
#include "tools/tree.h"

#define ALL 256

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

static int no_key(const char *prefix, struct sfs_error *error)
{
    return sfs_fail(error, SFS_E_NOT_FOUND, "rm", "no key begins with '%s'", prefix);
}

/* NULL: none. --all alone is -r ''. */
static const char *removed_prefix(const struct tool_call *call)
{
    const char *prefix = tool_value(call, 'r');
    return prefix || !tool_given(call, ALL) ? prefix : "";
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
    return no_key(prefix, error);
}

static int remove_from_store(struct sfs_storage *store, const struct tool_call *call,
                             struct sfs_error *error)
{
    struct sfs_batch *batch;
    const char *prefix = removed_prefix(call);
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

static int remove_below(const struct tool_target *target, const char *text, bool must_exist,
                        struct sfs_error *error)
{
    struct tool_list list = {0};
    struct sfs_bytes prefix;
    size_t found = 0;
    int result = tool_scope_prefix(&target->scope, sfs_string(text), &prefix)
                     ? tool_tree_list(target->base, prefix, false, &list, error)
                     : 0;
    for (size_t i = 0; !result && i < list.count; i++) {
        struct sfs_bytes key = sfs_bytes(list.items[i].key, list.items[i].size);
        if (tool_scope_has(&target->scope, key)) {
            result = remove_key(target->base, key, false, error);
            found++;
        }
    }
    tool_list_free(&list);
    if (!result && must_exist && !found)
        return no_key(text, error);
    return result;
}

static int remove_from_mount(const struct tool_target *target, const struct tool_call *call,
                             struct sfs_error *error)
{
    bool must_exist = !tool_given(call, 'f');
    const char *prefix = removed_prefix(call);
    int result = 0;
    for (int i = 1; !result && i < call->count; i++)
        result = tool_target_check(target, sfs_string(call->words[i]), error);
    for (int i = 1; !result && i < call->count; i++)
        result = remove_key(target->base, sfs_string(call->words[i]), must_exist, error);
    if (!result && prefix)
        result = remove_below(target, prefix, must_exist, error);
    else if (!result && call->count == 1)
        result = remove_key(target->base, sfs_buffer_bytes(&target->scope.text), must_exist, error);
    return result;
}

/* Whether the call says what is to go: nothing but a key's own file says it alone, and a whole
 * store wants to be named twice. */
static bool is_call(const struct tool_call *call, const struct tool_target *target)
{
    const char *prefix = removed_prefix(call);
    if (call->count == 1 && !prefix && target->scope.kind == TOOL_SCOPE_BELOW)
        tool_say("%s is a directory: -r '' removes every key in it", call->words[0]);
    else if (call->count == 1 && !prefix && target->scope.kind == TOOL_SCOPE_STORE)
        tool_say("neither a key nor -r PREFIX is given");
    else if (prefix && !*prefix && target->scope.kind == TOOL_SCOPE_STORE && !tool_given(call, ALL))
        tool_say("-r '' removes every key of %s: say --all if that is meant", call->words[0]);
    else
        return true;
    return false;
}

static int run(const struct tool_call *call)
{
    struct tool_target target;
    struct sfs_error error = {0};
    int result = tool_target_open(&target, call->words[0], TOOL_TAKES_KEYS, 0, &error);
    if (result)
        return tool_fail(result, &error);
    if (!is_call(call, &target))
        return tool_target_close(&target, TOOL_USAGE);
    result = target.base ? remove_from_mount(&target, call, &error)
                         : remove_from_store(target.store, call, &error);
    return tool_target_close(&target, result ? tool_fail(result, &error) : TOOL_OK);
}

static const struct tool_option options[] = {
    {'r', "prefix", "PREFIX", "remove every key that begins with PREFIX", false},
    {ALL, "all", NULL, "remove every key of TARGET", false},
    {'f', "force", NULL, "ignore keys that do not exist", false},
    {0},
};

const struct tool_command tool_rm_command = {
    .name = "rm",
    .usage = "TARGET [KEY…] [-r PREFIX | --all] [-f]",
    .summary = "Remove keys",
    .details =
        "TARGET is a store's URI, a mount, or a path below its keys/: a directory limits the\n"
        "command to the keys in it, a key's own file to that key, which then need not be named\n"
        "again. Keys and PREFIX are written in full. -r '' of a whole store needs --all.\n"
        "In a store named by its URI all keys are removed or none. In a mount they are removed\n"
        "one after another; 'storefs exec --tx' makes that one step too.\n",
    .options = options,
    .words_min = 1,
    .words_max = -1,
    .run = run,
};
