/* SPDX-License-Identifier: MIT */
/* Parses a subcommand's options as its row in the table says, prints its help, and runs it. */
#include "tools/command.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "tools/exit.h"
#include "tools/message.h"

#define HELP 1 /* no option has this number: letters are printable, other numbers above 255 */

static int usage_exit(const struct tool_command *command)
{
    return command->usage_exit ? command->usage_exit : TOOL_USAGE;
}

/* getopt's two forms of the table: "+:fo:h" and the array of long options, --help added. */
struct grammar {
    char letters[2 * TOOL_OPTIONS_MAX + 5];
    struct option names[TOOL_OPTIONS_MAX + 2];
};

static void grammar_build(const struct tool_command *command, struct grammar *ret_grammar)
{
    char *letters = ret_grammar->letters;
    struct option *names = ret_grammar->names;
    if (command->stops)
        *letters++ = '+';
    *letters++ = ':';
    for (const struct tool_option *option = command->options; option->letter; option++) {
        int wants = option->argument ? required_argument : no_argument;
        if (option->letter < 256) {
            *letters++ = (char)option->letter;
            if (option->argument)
                *letters++ = ':';
        }
        if (option->name)
            *names++ = (struct option){option->name, wants, NULL, option->letter};
    }
    *letters++ = 'h'; /* HELP too */
    *letters = '\0';
    *names++ = (struct option){"help", no_argument, NULL, HELP};
    *names = (struct option){NULL, 0, NULL, 0};
}

static int keep(struct tool_call *call, int letter, const char *argument)
{
    size_t at = 0;
    while (call->command->options[at].letter != letter)
        at++;
    const struct tool_option *option = &call->command->options[at];
    struct sfs_buffer *joined = &call->joined[at];
    if (!option->argument) {
        call->values[at] = "";
        return 0;
    }
    if (call->values[at] && !option->repeats) {
        tool_say("option '%s' is given twice", option->name ? option->name : "?");
        return usage_exit(call->command);
    }
    if ((joined->size && sfs_buffer_byte(joined, ',')) ||
        sfs_buffer_append(joined, argument, strlen(argument)) || sfs_buffer_text(joined)) {
        tool_say("out of memory");
        return TOOL_RESOURCE;
    }
    call->values[at] = joined->data;
    return 0;
}

static int refuse_option(const struct tool_command *command, int kind, char **argv)
{
    const char *given = argv[optind - 1];
    if (kind == ':')
        tool_say("option '%s' needs an argument", given);
    else if (optopt > ' ' && optopt < 256 && strncmp(given, "--", 2) != 0)
        tool_say("unknown option '-%c'; 'storefs %s --help' lists them, and '--' goes before words "
                 "that begin with '-'",
                 optopt, command->name);
    else
        tool_say("unknown option '%s'; 'storefs %s --help' lists them", given, command->name);
    return usage_exit(command);
}

/* 0, HELP, or the exit code negated. */
static int parse(struct tool_call *call, int argc, char **argv)
{
    struct grammar grammar;
    grammar_build(call->command, &grammar);
    opterr = 0;
    optind = 0;
    int letter;
    while ((letter = getopt_long(argc, argv, grammar.letters, grammar.names, NULL)) != -1) {
        if (letter == HELP || letter == 'h')
            return HELP;
        int result = letter == '?' || letter == ':' ? refuse_option(call->command, letter, argv)
                                                    : keep(call, letter, optarg);
        if (result)
            return -result;
    }
    call->count = argc - optind;
    call->words = argv + optind;
    return 0;
}

static int check_count(const struct tool_call *call)
{
    const struct tool_command *command = call->command;
    if (call->count >= command->words_min &&
        (command->words_max < 0 || call->count <= command->words_max))
        return 0;
    tool_say("%s; usage: storefs %s %s",
             call->count < command->words_min ? "arguments are missing" : "too many arguments",
             command->name, command->usage);
    return usage_exit(command);
}

int tool_command_run(const struct tool_command *command, int argc, char **argv)
{
    struct tool_call call = {.command = command};
    tool_set_name(command->name);
    int result = parse(&call, argc, argv);
    if (result == HELP) {
        tool_command_help(command, stdout);
        result = tool_output_end();
    } else if (result < 0) {
        result = -result;
    } else {
        result = check_count(&call);
        if (!result)
            result = command->run(&call);
    }
    for (size_t i = 0; i < TOOL_OPTIONS_MAX; i++)
        sfs_buffer_free(&call.joined[i]);
    return result;
}

static void option_help(const struct tool_option *option, FILE *out)
{
    char left[64] = "";
    size_t used = 0;
    if (option->letter < 256)
        used +=
            (size_t)snprintf(left, sizeof left, "-%c%s", option->letter, option->name ? ", " : "");
    if (option->name)
        used += (size_t)snprintf(left + used, sizeof left - used, "--%s", option->name);
    if (option->argument)
        snprintf(left + used, sizeof left - used, " %s", option->argument);
    int columns = 0; /* characters, not bytes */
    for (const char *at = left; *at; at++)
        columns += (*at & 0xc0) != 0x80;
    fprintf(out, "  %s%*s %s\n", left, columns < 22 ? 22 - columns : 0, "", option->summary);
}

void tool_command_help(const struct tool_command *command, FILE *out)
{
    fprintf(out, "usage: storefs %s %s\n\n%s.\n", command->name, command->usage, command->summary);
    if (command->details)
        fprintf(out, "\n%s", command->details);
    fputs("\nOptions:\n", out);
    for (const struct tool_option *option = command->options; option->letter; option++)
        option_help(option, out);
    option_help(&(struct tool_option){'h', "help", NULL, "print this text", false}, out);
}
