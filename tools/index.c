/* SPDX-License-Identifier: MIT */
/* storefs index: lists, makes and drops indexes. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "storefs/index.h"
#include "tools/command.h"
#include "tools/exit.h"
#include "tools/message.h"
#include "tools/progress.h"
#include "tools/target.h"

#define UNIQUE 'u'

static int show(void *context, const char *name, const struct sfs_index_stats *stats)
{
    (void)context;
    printf("%s\t%" PRIu64 "\t%" PRIu64 "\t", name, stats->entries, stats->bytes);
    if (stats->ready)
        puts("ready");
    else
        printf("building %" PRIu64 "/%" PRIu64 "\n", stats->done, stats->total);
    return 0;
}

static int list(struct sfs_storage *store)
{
    struct sfs_error error = {0};
    int result = sfs_index_list(store, show, NULL, &error);
    return result ? tool_fail(result, &error) : tool_output_end();
}

static int add(struct sfs_storage *store, const char *fields, bool unique)
{
    struct tool_progress progress;
    struct sfs_error error = {0};
    struct sfs_buffer name = {0};
    bool named = strncmp(fields, "unique:", 7) == 0;
    if (sfs_buffer_printf(&name, "%s%s", unique && !named ? "unique:" : "", fields))
        return tool_fail(sfs_fail_memory(&error, "index"), &error);
    tool_progress_begin(&progress, "records");
    int result =
        sfs_index_create(store, sfs_buffer_bytes(&name), tool_progress_step, &progress, &error);
    tool_progress_end(&progress);
    sfs_buffer_free(&name);
    if (result && tool_interrupted()) {
        tool_say("stopped; there is no index");
        return TOOL_SIGNAL + tool_interrupted();
    }
    return result ? tool_fail(result, &error) : TOOL_OK;
}

static int drop(struct sfs_storage *store, const char *fields)
{
    struct sfs_error error = {0};
    int result = sfs_index_drop(store, sfs_string(fields), &error);
    return result ? tool_fail(result, &error) : TOOL_OK;
}

static int work(struct sfs_storage *store, const struct tool_call *call)
{
    const char *fields = call->count > 2 ? call->words[2] : NULL;
    if (!fields)
        return list(store);
    return strcmp(call->words[1], "add") == 0 ? add(store, fields, tool_given(call, UNIQUE))
                                              : drop(store, fields);
}

/* Whether the words are a call: TARGET, TARGET list, TARGET add FIELDS or TARGET drop FIELDS. */
static bool is_call(const struct tool_call *call)
{
    const char *verb = call->count > 1 ? call->words[1] : "list";
    bool adds = strcmp(verb, "add") == 0;
    if (tool_given(call, UNIQUE) && !adds)
        return false;
    return call->count == 3 ? adds || strcmp(verb, "drop") == 0
                            : call->count < 3 && strcmp(verb, "list") == 0;
}

static int run(const struct tool_call *call)
{
    struct sfs_storage *store;
    struct sfs_error error = {0};
    if (!is_call(call)) {
        tool_say("usage: storefs index TARGET [list | add FIELDS [--unique] | drop FIELDS]");
        return TOOL_USAGE;
    }
    int result =
        tool_store_open(&store, call->words[0], call->count == 3 ? 0 : SFS_OPEN_READ_ONLY, &error);
    if (result)
        return tool_fail(result, &error);
    return tool_store_close(store, work(store, call));
}

static const struct tool_option options[] = {
    {UNIQUE, "unique", NULL, "add: no two keys may hold the same values", false},
    {0},
};

const struct tool_command tool_index_command = {
    .name = "index",
    .usage = "TARGET [list | add FIELDS [--unique] | drop FIELDS]",
    .summary = "List, make and drop indexes on the fields of documents",
    .details =
        "FIELDS is one field or several, as in 'order': type  a.b  type,n  @updated. Queries use "
        "an\n"
        "index by themselves; 'explain' tells. Each line of the list has the index, its entries,\n"
        "their bytes, and whether it is ready. Making one can be stopped with ^C.\n",
    .options = options,
    .words_min = 1,
    .words_max = 3,
    .run = run,
};
