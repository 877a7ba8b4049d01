/* SPDX-License-Identifier: MIT */
/* storefs get: a value to standard output, byte for byte. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "tools/command.h"
#include "tools/exit.h"
#include "tools/message.h"
#include "tools/target.h"
#include "tools/tree.h"

#define CHUNK 65536

/* Gives up quietly when standard output fails: tool_output_end() knows why. */
static int copy_out(int descriptor, const struct tool_place *place, struct sfs_error *error)
{
    char chunk[CHUNK];
    ssize_t got;
    while ((got = read(descriptor, chunk, sizeof chunk)) != 0) {
        if (got < 0 && errno != EINTR)
            return tool_tree_fail(error, errno, place, "cannot read");
        if (got > 0 && !tool_output(sfs_bytes(chunk, (size_t)got)))
            return 0;
    }
    return 0;
}

static int get_from_mount(const char *base, struct sfs_bytes key, struct sfs_error *error)
{
    struct tool_place place;
    int result = tool_tree_find(base, key, &place, error);
    if (result)
        return result;
    int descriptor = openat(place.directory, place.name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    result = descriptor < 0 ? tool_tree_fail(error, errno, &place, "cannot open")
                            : copy_out(descriptor, &place, error);
    if (descriptor >= 0)
        close(descriptor);
    tool_place_free(&place);
    return result;
}

/* Large values pass in parts, all of one revision. */
static int get_from_store(struct sfs_storage *store, struct sfs_bytes key, const char *name,
                          struct sfs_error *error)
{
    const struct sfs_record *record;
    char chunk[CHUNK];
    char shown[200];
    int result = sfs_key_check(key, error);
    if (!result)
        result = sfs_get(store, key, SFS_WANT_RECORD, &record, error);
    bool found = !result && sfs_record_is_key(record);
    if (result == SFS_E_NOT_FOUND || (!result && !found)) {
        if (!result)
            sfs_record_unref(record);
        return sfs_fail(error, SFS_E_NOT_FOUND, "get", "key '%s' not found in %s",
                        sfs_name_show(key, shown, sizeof shown), name);
    }
    if (result)
        return result;
    uint64_t revision = record->revision;
    sfs_record_unref(record);
    size_t got = 1;
    for (uint64_t offset = 0; !result && got; offset += got) {
        result = sfs_read(store, key, revision, offset, chunk, sizeof chunk, &got, error);
        if (!result && !tool_output(sfs_bytes(chunk, got)))
            break;
    }
    return result;
}

static int run(const struct tool_call *call)
{
    struct tool_target target;
    struct sfs_error error = {0};
    int result =
        tool_target_open(&target, call->words[0], TOOL_TAKES_KEYS, SFS_OPEN_READ_ONLY, &error);
    if (result)
        return tool_fail(result, &error);
    bool named = call->count == 1;
    struct sfs_bytes key =
        named ? sfs_buffer_bytes(&target.scope.text) : sfs_string(call->words[1]);
    if (named && target.scope.kind != TOOL_SCOPE_KEY) {
        tool_say("KEY is missing; usage: storefs get %s", call->command->usage);
        return tool_target_close(&target, TOOL_USAGE);
    }
    result = tool_target_check(&target, key, &error);
    if (!result)
        result = target.base ? get_from_mount(target.base, key, &error)
                             : get_from_store(target.store, key, target.uri, &error);
    int exit_code = result ? tool_fail(result, &error) : tool_output_end();
    return tool_target_close(&target, exit_code);
}

static const struct tool_option options[] = {{0}};

const struct tool_command tool_get_command = {
    .name = "get",
    .usage = "TARGET [KEY]",
    .summary = "Write a key's value to standard output, byte for byte",
    .details =
        "TARGET is a store's URI, a mount, or a path below its keys/, which KEY must lie in.\n"
        "KEY may be left out if TARGET is a key's own file. Exit code 1 if there is no such key.\n",
    .options = options,
    .words_min = 1,
    .words_max = 2,
    .run = run,
};
