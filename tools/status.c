/* SPDX-License-Identifier: MIT */
/* storefs status: which stores are mounted where, and whether the mounts answer. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/command.h"
#include "tools/exit.h"
#include "tools/message.h"
#include "tools/mounts.h"

#define JSON 256
#define PROBE_MS 2000

static const char *const states[] = {
    [TOOL_ALIVE] = "alive", [TOOL_DEAD] = "dead", [TOOL_SILENT] = "silent",
    [TOOL_CLOSED] = "no-access"};

static void put_json_string(const char *text)
{
    putchar('"');
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte == '"' || byte == '\\')
            printf("\\%c", byte);
        else if (byte < 0x20)
            printf("\\u%04x", byte);
        else
            putchar(byte);
    }
    putchar('"');
}

/* Each line of what is said of the store's files; true if one is lost. */
static bool show_files(char *files, bool json)
{
    bool lost = false;
    for (char *line, *rest = files; (line = strsep(&rest, "\n")) && *line;) {
        lost |= strncmp(line, TOOL_LOST, sizeof TOOL_LOST - 1) == 0;
        if (json && line != files)
            putchar(',');
        if (json)
            put_json_string(line);
        else { /* of a mount that may be another user's */
            fputs("    ", stdout);
            tool_output_key(sfs_string(line), true);
            putchar('\n');
        }
    }
    return lost;
}

static bool show_json(const struct tool_mount *mount, enum tool_probe state, char *files)
{
    char user[TOOL_USER_SIZE];
    fputs("{\"directory\":", stdout);
    put_json_string(mount->directory);
    fputs(",\"store\":", stdout);
    put_json_string(mount->store);
    fputs(",\"user\":", stdout);
    put_json_string(tool_user_name(mount->user, user));
    printf(",\"read_only\":%s,\"state\":\"%s\",\"files\":[", mount->read_only ? "true" : "false",
           states[state]);
    bool lost = show_files(files, true);
    fputs("]}\n", stdout);
    return lost;
}

/* Of one that is CLOSED, what is known. */
static const char *describe(const struct tool_mount *mount, enum tool_probe state,
                            char text[TOOL_USER_SIZE + 64])
{
    char user[TOOL_USER_SIZE];
    if (state != TOOL_CLOSED)
        return states[state];
    snprintf(text, TOOL_USER_SIZE + 64, "mounted by %s, may not be looked into",
             tool_user_name(mount->user, user));
    return text;
}

static bool show_text(const struct tool_mount *mount, enum tool_probe state, char *files)
{
    char text[TOOL_USER_SIZE + 64];
    tool_output_key(sfs_string(mount->directory), true);
    fputs("  ", stdout);
    tool_output_key(sfs_string(mount->store), true);
    printf("  %s  %s\n", mount->read_only ? "read-only" : "read-write",
           describe(mount, state, text));
    if (state == TOOL_ALIVE)
        return show_files(files, false);
    if (state == TOOL_CLOSED)
        return false;
    printf("    to clear it: storefs unmount %s", state == TOOL_SILENT ? "--lazy " : "");
    tool_output_key(sfs_string(mount->directory), true);
    putchar('\n');
    return false;
}

/* How many there are; *ret_ill counts those that are not alive, or have lost a file, but among all
 * mounts only the user's own. */
static size_t show_all(const struct tool_mounts *mounts, const char *directory, bool json,
                       size_t *ret_ill)
{
    size_t count = 0;
    size_t ill = 0;
    for (size_t i = 0; i < mounts->count; i++) {
        const struct tool_mount *mount = &mounts->items[i];
        if (!mount->is_storefs || (directory && strcmp(directory, mount->directory) != 0))
            continue;
        enum tool_probe state = tool_mount_probe(mount->directory, PROBE_MS);
        char files[TOOL_FILES_SIZE] = "";
        if (state == TOOL_ALIVE)
            tool_mount_files(mount->directory, PROBE_MS, files);
        bool lost = (json ? show_json : show_text)(mount, state, files);
        if (directory || mount->user == geteuid())
            ill += lost || state != TOOL_ALIVE;
        count++;
    }
    *ret_ill = ill;
    return count;
}

static int show(const char *directory, bool json)
{
    struct tool_mounts mounts;
    struct sfs_error error = {0};
    int result = tool_mounts_read(&mounts, &error);
    if (result)
        return tool_fail(result, &error);
    size_t ill;
    size_t count = show_all(&mounts, directory, json, &ill);
    if (directory && !count)
        (void)tool_mounts_fail(&mounts, directory, &error);
    tool_mounts_free(&mounts);
    int exit_code = tool_output_end();
    if (exit_code)
        return exit_code;
    if (directory && !count) {
        tool_say("%s", error.message);
        return TOOL_FALSE;
    }
    if (!count && !json)
        tool_say("no store is mounted");
    return ill ? TOOL_FALSE : TOOL_OK;
}

static int run(const struct tool_call *call)
{
    struct sfs_error error = {0};
    char *directory = NULL;
    int result = call->count ? tool_path_absolute(call->words[0], &directory, &error) : 0;
    if (result)
        return tool_fail(result, &error);
    int exit_code = show(directory, tool_given(call, JSON));
    free(directory);
    return exit_code;
}

static const struct tool_option options[] = {
    {JSON, "json", NULL, "one JSON object a line", false},
    {0},
};

const struct tool_command tool_status_command = {
    .name = "status",
    .usage = "[DIR] [--json]",
    .summary = "Show which stores are mounted, and whether they answer",
    .details =
        "Each line: directory, store, read-write or read-only, and alive, dead (its process was\n"
        "killed) or silent (no answer in two seconds), or who mounted it, if it may not be looked "
        "into;\n"
        "then what is wrong with the store's own files,\n"
        "such as one that was removed. Exit code 1 if DIR, or one of yours, is not\n"
        "known to be alive, or has lost a file.\n",
    .options = options,
    .words_min = 0,
    .words_max = 1,
    .run = run,
};
