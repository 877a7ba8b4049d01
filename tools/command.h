/* SPDX-License-Identifier: MIT */
#ifndef TOOLS_COMMAND_H
#define TOOLS_COMMAND_H

#include <stdbool.h>
#include <stdio.h>

#include "storefs/bytes.h"

/*
 * Subcommands as rows of one table (tools/main.c), which drives dispatch, --help and completion. A
 * row names the options; the dispatcher parses them before `run`, so that no subcommand has a
 * parser of its own and every option that is taken also stands in the help.
 */
#define TOOL_OPTIONS_MAX 8

struct tool_option {
    int letter;           /* 'f', or a number above 255 for an option without a letter */
    const char *name;     /* "foreground", or NULL for a letter alone */
    const char *argument; /* "NAME", or NULL */
    const char *summary;
    bool repeats; /* may be given again; the arguments are joined with commas */
};

struct tool_call;

struct tool_command {
    const char *name;
    const char *usage;                 /* what stands behind the name */
    const char *summary;               /* one line */
    const char *details;               /* for --help; whole lines; may be NULL */
    const struct tool_option *options; /* ends with letter 0 */
    int words_min;
    int words_max;                            /* -1: any number */
    bool stops;                               /* options end at the first word that is none */
    int usage_exit;                           /* exit code for wrong arguments; 0: TOOL_USAGE */
    int (*run)(const struct tool_call *call); /* returns the exit code */
};

/* One call: the words that are no options, borrowed from argv, and the options' arguments ("" for
 * one that takes none, NULL for one not given), in the order of the table. */
struct tool_call {
    const struct tool_command *command;
    int count;
    char **words;
    const char *values[TOOL_OPTIONS_MAX];
    struct sfs_buffer joined[TOOL_OPTIONS_MAX];
};

/* Parses `argv` (argv[0] is the subcommand's name) and runs it, or answers --help. */
int tool_command_run(const struct tool_command *command, int argc, char **argv);
/* Prints the help of one subcommand. */
void tool_command_help(const struct tool_command *command, FILE *out);

static inline bool tool_given(const struct tool_call *call, int letter)
{
    for (size_t i = 0; call->command->options[i].letter; i++)
        if (call->command->options[i].letter == letter)
            return call->values[i] != NULL;
    return false;
}
/* The option's argument, or NULL. */
static inline const char *tool_value(const struct tool_call *call, int letter)
{
    for (size_t i = 0; call->command->options[i].letter; i++)
        if (call->command->options[i].letter == letter)
            return call->values[i];
    return NULL;
}

extern const struct tool_command tool_mount_command;
extern const struct tool_command tool_unmount_command;
extern const struct tool_command tool_status_command;
extern const struct tool_command tool_get_command;
extern const struct tool_command tool_set_command;
extern const struct tool_command tool_rm_command;
extern const struct tool_command tool_ls_command;
extern const struct tool_command tool_query_command;
extern const struct tool_command tool_import_command;
extern const struct tool_command tool_export_command;
extern const struct tool_command tool_backup_command;
extern const struct tool_command tool_fsck_command;
extern const struct tool_command tool_exec_command;
extern const struct tool_command tool_index_command;
extern const struct tool_command tool_attributes_command;

#endif
