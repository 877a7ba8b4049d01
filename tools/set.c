/* SPDX-License-Identifier: MIT */
/* storefs set: one value, given as an argument or on standard input. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/command.h"
#include "tools/exit.h"
#include "tools/message.h"
#include "tools/target.h"
#include "tools/tree.h"

#define CHUNK 65536

/* Takes the value in parts, in order. */
struct taker {
    int (*take)(void *context, uint64_t offset, struct sfs_bytes part, struct sfs_error *error);
    void *context;
};

static int read_descriptor(int descriptor, const struct taker *taker, struct sfs_error *error)
{
    char chunk[CHUNK];
    uint64_t offset = 0;
    for (;;) {
        ssize_t got = read(descriptor, chunk, sizeof chunk);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return sfs_fail_errno(error, errno, "set", "cannot read the value");
        if (got == 0)
            return 0;
        int result = taker->take(taker->context, offset, sfs_bytes(chunk, (size_t)got), error);
        if (result)
            return result;
        offset += (uint64_t)got;
    }
}

static int stage_part(void *context, uint64_t offset, struct sfs_bytes part,
                      struct sfs_error *error)
{
    return sfs_stage_write(context, offset, part, error);
}

static int put_stage(struct sfs_storage *store, struct sfs_bytes key, struct sfs_stage *stage,
                     struct sfs_error *error)
{
    struct sfs_batch *batch;
    int result = sfs_batch_new(&batch, error);
    if (result)
        return result;
    result = sfs_batch_put_stage(batch, key, stage, NULL, 0, error);
    if (!result)
        result = sfs_apply(store, batch, NULL, NULL, error);
    sfs_batch_free(batch);
    return result;
}

static int set_from_input(struct sfs_storage *store, struct sfs_bytes key, struct sfs_error *error)
{
    struct sfs_stage *stage;
    int result = sfs_key_check(key, error);
    if (!result)
        result = sfs_stage_open(store, &stage, error);
    if (result)
        return result;
    struct taker taker = {stage_part, stage};
    result = read_descriptor(STDIN_FILENO, &taker, error);
    if (!result)
        result = put_stage(store, key, stage, error);
    sfs_stage_close(stage);
    return result;
}

static int write_part(void *context, uint64_t offset, struct sfs_bytes part,
                      struct sfs_error *error)
{
    const int *descriptor = context;
    (void)offset;
    for (const char *at = part.data; part.size;) {
        ssize_t done = write(*descriptor, at, part.size);
        if (done < 0 && errno != EINTR)
            return sfs_fail_errno(error, errno, "set", "cannot write the value");
        size_t step = done > 0 ? (size_t)done : 0;
        at += step;
        part.size -= step;
    }
    return 0;
}

/* Standard input, whole, in a file without a name, so that an input that breaks off changes
 * nothing. */
static int spool(FILE **ret_file, struct sfs_error *error)
{
    FILE *file = tmpfile();
    if (!file)
        return sfs_fail_errno(error, errno, "set", "cannot make a temporary file");
    int descriptor = fileno(file);
    struct taker taker = {write_part, &descriptor};
    int result = read_descriptor(STDIN_FILENO, &taker, error);
    if (!result && lseek(descriptor, 0, SEEK_SET) != 0)
        result = sfs_fail_errno(error, errno, "set", "cannot read the temporary file");
    if (result) {
        fclose(file);
        return result;
    }
    *ret_file = file;
    return 0;
}

static int write_place(const struct tool_place *place, const char *value, FILE *input,
                       struct sfs_error *error)
{
    int descriptor = openat(place->directory, place->name,
                            O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (descriptor < 0)
        return tool_tree_fail(error, errno, place, "cannot open");
    struct taker taker = {write_part, &descriptor};
    int result = input ? read_descriptor(fileno(input), &taker, error)
                       : write_part(&descriptor, 0, sfs_string(value), error);
    int closed = close(descriptor) < 0 ? errno : 0;
    if (!result && closed)
        result = tool_tree_fail(error, closed, place, "cannot commit");
    return result;
}

static int set_in_mount(const char *base, struct sfs_bytes key, const char *value,
                        struct sfs_error *error)
{
    struct tool_place place;
    FILE *input = NULL;
    int result = value ? 0 : spool(&input, error);
    if (!result)
        result = tool_tree_make(base, key, &place, error);
    if (!result) {
        result = write_place(&place, value, input, error);
        tool_place_free(&place);
    }
    if (input)
        fclose(input);
    return result;
}

static int run(const struct tool_call *call)
{
    struct tool_target target;
    struct sfs_error error = {0};
    struct sfs_bytes key = sfs_string(call->words[1]);
    const char *value =
        call->count == 3 && strcmp(call->words[2], "-") != 0 ? call->words[2] : NULL;
    int result =
        tool_target_open(&target, call->words[0], TOOL_TAKES_KEYS, SFS_OPEN_CREATE, &error);
    if (result)
        return tool_fail(result, &error);
    result = tool_target_check(&target, key, &error);
    if (result)
        return tool_target_close(&target, tool_fail(result, &error));
    if (target.base)
        result = set_in_mount(target.base, key, value, &error);
    else if (value)
        result = sfs_set(target.store, key, sfs_string(value), &error);
    else
        result = set_from_input(target.store, key, &error);
    return tool_target_close(&target, result ? tool_fail(result, &error) : TOOL_OK);
}

static const struct tool_option options[] = {{0}};

const struct tool_command tool_set_command = {
    .name = "set",
    .usage = "TARGET KEY [VALUE | -]",
    .summary = "Set a key's value, from the argument or from standard input",
    .details =
        "Without VALUE, or where it is '-', the value is what comes on standard input, byte for\n"
        "byte; if the input is cut short nothing is changed. Put '--' before a VALUE that\n"
        "begins with '-'. TARGET is a store's URI (made if there is none), a mount, or a path below "
        "its\n"
        "keys/, which KEY must lie in.\n",
    .options = options,
    .words_min = 2,
    .words_max = 3,
    .run = run,
};
