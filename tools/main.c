/* SPDX-License-Identifier: MIT */
/* The storefs command: finds the subcommand in the table and runs it. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storefs/storage.h"
#include "tools/command.h"
#include "tools/exit.h"
#include "tools/message.h"
#include "tools/suggest.h"

#ifndef PACKAGE_VERSION
#error "PACKAGE_VERSION comes from configure"
#endif

static const struct tool_command *const commands[] = {
    &tool_mount_command,  &tool_unmount_command,
    &tool_status_command, &tool_get_command,
    &tool_set_command,    &tool_rm_command,
    &tool_ls_command,     &tool_query_command,
    &tool_import_command, &tool_export_command,
    &tool_backup_command, &tool_fsck_command,
    &tool_exec_command,   &tool_index_command,
    &tool_attributes_command,
    NULL,
};

/* Names that other programs have for the same. */
static const struct alias {
    const char *name;
    const struct tool_command *command;
} aliases[] = {
    {"umount", &tool_unmount_command},
};

static const struct tool_command *find(const char *name)
{
    for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++)
        if (strcmp(aliases[i].name, name) == 0)
            return aliases[i].command;
    for (size_t i = 0; commands[i]; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

static int help(void)
{
    puts("usage: storefs COMMAND ...\n\n"
         "Mounts a store of keys and values as files, and works on stores.\n\nCommands:");
    for (size_t i = 0; commands[i]; i++)
        printf("  %-10s %s\n", commands[i]->name, commands[i]->summary);
    puts("\nStores (URI):");
    for (const struct sfs_backend_info *row = sfs_backends(); row->scheme; row++)
        printf("  %-10s %s\n", row->scheme, row->summary);
    puts("\nA path without a scheme is an sqlite store. 'storefs COMMAND --help' explains a "
         "command,\n"
         "'man storefs' everything. 'storefs --version' or -V prints the version.");
    return tool_output_end();
}

static int refuse(const char *name)
{
    const struct tool_command *nearest = commands[0];
    size_t distance = tool_distance(name, nearest->name);
    for (size_t i = 1; commands[i]; i++) {
        size_t other = tool_distance(name, commands[i]->name);
        if (other < distance) {
            distance = other;
            nearest = commands[i];
        }
    }
    if (tool_is_slip(distance, strlen(name)))
        tool_say("there is no command '%s'; did you mean '%s'?", name, nearest->name);
    else
        tool_say("there is no command '%s'; 'storefs --help' lists them", name);
    return TOOL_USAGE;
}

static bool asks_version(const char *word)
{
    static const char *const words[] = {"--version", "-V", "-v", "version"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(words[i], word) == 0)
            return true;
    return false;
}

static int list_commands(void)
{
    for (size_t i = 0; commands[i]; i++)
        puts(commands[i]->name);
    return tool_output_end();
}

/* A closed standard descriptor would be given to the next file opened, a store perhaps. */
static void fill_standard_descriptors(void)
{
    for (int descriptor = 0; descriptor <= STDERR_FILENO; descriptor++)
        if (fcntl(descriptor, F_GETFD) < 0 && open("/dev/null", O_RDWR) != descriptor)
            abort();
}

/* mount(8) calls "mount.storefs URI DIR [-sfnv] [-t TYPE] [-o OPTIONS]"; -f asks to do all but
 * mount. */
static int mount_helper(int argc, char **argv)
{
    char *words[8] = {(char *)"mount"};
    int count = 1;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (word[0] == '-' && word[1] && strspn(word + 1, "sfnv") == strlen(word + 1)) {
            if (strchr(word, 'f'))
                return TOOL_OK;
        } else if (strcmp(word, "-t") == 0) {
            i++;
        } else if (count < (int)(sizeof words / sizeof words[0]) - 1) {
            words[count++] = argv[i];
        } else {
            tool_say("too many arguments; usage: mount.storefs URI DIR [-o …]");
            return TOOL_USAGE;
        }
    }
    return tool_command_run(&tool_mount_command, count, words);
}

/* mount.fuse(8), which mount(8) calls for the type fuse.storefs, calls "storefs URI DIR -o
 * OPTIONS". A bare word is rather a command with a slip. */
static bool is_mount(int argc, char **argv)
{
    struct stat status;
    if (argc < 3 || !strpbrk(argv[1], ":/") || argv[1][0] == '-')
        return false;
    return stat(argv[2], &status) == 0 ? S_ISDIR(status.st_mode)
                                       : errno == ENOTCONN; /* a dead mount */
}

static int dispatch(int argc, char **argv)
{
    if (argc < 2) {
        tool_say("a command is missing; 'storefs --help' lists them");
        return TOOL_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return help();
    if (asks_version(argv[1])) {
        puts("storefs " PACKAGE_VERSION);
        return tool_output_end();
    }
    if (strcmp(argv[1], "--list-commands") == 0)
        return list_commands();
    bool asks = strcmp(argv[1], "help") == 0;
    if (asks && argc == 2)
        return help();
    const char *name = asks ? argv[2] : argv[1];
    const struct tool_command *command = find(name);
    if (!command && !asks && is_mount(argc, argv))
        return mount_helper(argc, argv);
    if (!command)
        return refuse(name);
    if (!asks)
        return tool_command_run(command, argc - 1, argv + 1);
    tool_command_help(command, stdout);
    return tool_output_end();
}

int main(int argc, char **argv)
{
    fill_standard_descriptors();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file that may grow no more is an error like a full disk */
    const char *slash = argc ? strrchr(argv[0], '/') : NULL;
    const char *name = argc ? (slash ? slash + 1 : argv[0]) : "";
    bool helper = strcmp(name, "mount.storefs") == 0;
    return tool_main_end(helper ? mount_helper(argc, argv) : dispatch(argc, argv));
}
