/* SPDX-License-Identifier: MIT */
/* storefs index: lists, makes and drops indexes. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "storefs/index.h"
#include "storefs/path.h"
#include "tools/command.h"
#include "tools/exit.h"
#include "tools/message.h"
#include "tools/progress.h"
#include "tools/target.h"
#include "tools/tree.h"

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

static int fail(int result, const struct sfs_error *error)
{
    if (!tool_interrupted())
        return tool_fail(result, error);
    tool_say("stopped; there is no index");
    return TOOL_SIGNAL + tool_interrupted();
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
    return result ? fail(result, &error) : TOOL_OK;
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

/* --- through a mount: its directory indexes/ --- */

/* The number behind `"name": ` in the file of numbers. */
static uint64_t number_in(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    uint64_t number = 0;
    return at && sscanf(at + strlen(name), "%" SCNu64, &number) == 1 ? number : 0;
}

/* The numbers of the index of this file name: 1, 0 where there is none, or an error. */
static int read_stats(int directory, const char *name, struct sfs_index_stats *ret_stats,
                      struct sfs_error *error)
{
    char text[4096];
    struct sfs_buffer path = {0};
    ssize_t size = -1;
    if (sfs_buffer_printf(&path, "%s/stats", name) || sfs_buffer_text(&path)) {
        sfs_buffer_free(&path);
        return sfs_fail_memory(error, "index");
    }
    int file = openat(directory, path.data, O_RDONLY | O_CLOEXEC);
    sfs_buffer_free(&path);
    if (file >= 0) {
        size = read(file, text, sizeof text - 1);
        close(file);
    }
    if (size <= 0)
        return 0;
    text[size] = '\0';
    *ret_stats = (struct sfs_index_stats){
        .entries = number_in(text, "\"entries\": "),
        .bytes = number_in(text, "\"bytes\": "),
        .ready = strstr(text, "\"state\": \"ready\"") != NULL,
        .done = number_in(text, "\"done\": "),
        .total = number_in(text, "\"total\": "),
    };
    return 1;
}

static int show_mounted(int directory, const char *name, struct sfs_error *error)
{
    struct sfs_index_stats stats;
    struct sfs_buffer plain = {0};
    int result = sfs_path_unescape(sfs_string(name), &plain) || sfs_buffer_text(&plain)
                     ? sfs_fail_memory(error, "index")
                     : read_stats(directory, name, &stats, error);
    if (result > 0)
        result = show(NULL, plain.data, &stats);
    sfs_buffer_free(&plain);
    return result;
}

static int list_mounted(int directory, struct sfs_error *error)
{
    DIR *listing = fdopendir(openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const struct dirent *entry;
    int result = listing ? 0 : sfs_fail_errno(error, errno, "index", "cannot list the indexes");
    while (result == 0 && (errno = 0, entry = readdir(listing)) != NULL)
        if (entry->d_name[0] != '.')
            result = show_mounted(directory, entry->d_name, error);
    if (result == 0 && errno != 0)
        result = sfs_fail_errno(error, errno, "index", "cannot list the indexes");
    if (listing)
        closedir(listing);
    return result;
}

/* The mount goes on with the building when mkdir has returned; interrupted, it is to leave it. */
static int wait_until_ready(int directory, const char *name, struct sfs_error *error)
{
    struct tool_progress progress;
    struct sfs_index_stats stats = {.ready = false};
    int result = 1;
    tool_progress_begin(&progress, "records");
    while (result > 0 && !stats.ready) {
        result = read_stats(directory, name, &stats, error);
        if (result == 0) {
            result = sfs_fail(error, SFS_E_IO, "index",
                              "the index '%s' was not made: admin/errors of the mount has the reason", name);
        } else if (result > 0 && !stats.ready && tool_progress_step(&progress, stats.done, stats.total)) {
            (void)unlinkat(directory, name, AT_REMOVEDIR);
            result = sfs_fail(error, SFS_E_CANCELLED, "index", "stopped");
        } else if (result > 0 && !stats.ready) {
            nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
        }
    }
    tool_progress_end(&progress);
    return result < 0 ? result : 0;
}

static int add_mounted(int directory, const char *name, struct sfs_error *error)
{
    struct tool_place place = {.directory = directory, .name = (char[]){"."}};
    struct stat status;
    if (fstatat(directory, name, &status, 0) == 0)
        return sfs_fail(error, SFS_E_EXISTS, "index", "there is an index '%s'", name);
    if (mkdirat(directory, name, 0777) == 0)
        return wait_until_ready(directory, name, error);
    return errno == ENOENT ? sfs_fail(error, SFS_E_NOT_FOUND, "index", "there is no index '%s'", name)
                           : tool_tree_fail(error, errno, &place, "cannot make");
}

static int drop_mounted(int directory, const char *name, struct sfs_error *error)
{
    struct tool_place place = {.directory = directory, .name = (char[]){"."}};
    if (unlinkat(directory, name, AT_REMOVEDIR) == 0)
        return 0;
    return errno == ENOENT ? sfs_fail(error, SFS_E_NOT_FOUND, "index", "there is no index '%s'", name)
                           : tool_tree_fail(error, errno, &place, "cannot drop");
}

/* Makes or drops one; the mount's sentence is kept with indexes/ itself. */
static int change_mounted(int directory, const struct tool_call *call, struct sfs_error *error)
{
    bool adds = strcmp(call->words[1], "add") == 0;
    struct sfs_buffer name = {0};
    bool named = strncmp(call->words[2], "unique:", 7) == 0;
    int result;
    if ((tool_given(call, UNIQUE) && !named && sfs_buffer_printf(&name, "unique:")) ||
        sfs_path_escape(sfs_string(call->words[2]), &name) || sfs_buffer_text(&name))
        result = sfs_fail_memory(error, "index");
    else
        result = (adds ? add_mounted : drop_mounted)(directory, name.data, error);
    sfs_buffer_free(&name);
    return result;
}

static int work_mounted(const char *base, const struct tool_call *call, struct sfs_error *error)
{
    int directory = -1;
    int result = tool_tree_open(base, "indexes", &directory, error);
    if (result)
        return sfs_fail(error, SFS_E_UNSUPPORTED, "index",
                        "%s is in a transaction, which has the indexes of its mount", base);
    result = call->count == 3 ? change_mounted(directory, call, error) : list_mounted(directory, error);
    close(directory);
    return result;
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
    struct tool_target target;
    struct sfs_error error = {0};
    if (!is_call(call)) {
        tool_say("usage: storefs index TARGET [list | add FIELDS [--unique] | drop FIELDS]");
        return TOOL_USAGE;
    }
    int result = tool_target_open(&target, call->words[0], 0,
                                  call->count == 3 ? 0 : SFS_OPEN_READ_ONLY, &error);
    if (result)
        return tool_fail(result, &error);
    if (!target.base)
        return tool_target_close(&target, work(target.store, call));
    result = work_mounted(target.base, call, &error);
    return tool_target_close(&target, result ? fail(result, &error) : tool_output_end());
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
