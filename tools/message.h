/* SPDX-License-Identifier: MIT */
#ifndef TOOLS_MESSAGE_H
#define TOOLS_MESSAGE_H

#include <stdbool.h>
#include <stdio.h>

#include "storefs/storage.h"

/*
 * What the command says: one sentence on standard error, "storefs NAME: …", and results on standard
 * output, whose failures are never overlooked. Control characters in sentences are shown as \xNN,
 * so that a key cannot drive the terminal.
 */
void tool_set_name(const char *name); /* borrowed */
void tool_say(const char *format, ...) SFS_PRINTF(1, 2);
/* A sentence about a line of a file, "FILE:LINE: …" as compilers say it; `rest` begins with the number. */
void tool_say_at(const char *file, const char *rest);
/* Says the sentence in `error` and returns the exit code for `code`. */
int tool_fail(int code, const struct sfs_error *error);
/* The same for a system call: "<sentence>: <the system's words>". */
int tool_fail_errno(int system_errno, const char *format, ...) SFS_PRINTF(2, 3);

/* Where `code` says that the store is damaged: how to get out what is whole. */
void tool_say_salvage(int code, const char *target);

/* Writes bytes to standard output; false on failure, which tool_output_end() then says. */
bool tool_output(struct sfs_bytes bytes);
/* A key on a line of its own: escaped (control characters, bytes that are not UTF-8, backslash)
 * where `escaped`. */
bool tool_output_key(struct sfs_bytes key, bool escaped);
/* Appends text as a JSON string. INVALID where it is not UTF-8, NO_MEMORY. */
int tool_json_string(struct sfs_bytes text, struct sfs_buffer *out, struct sfs_error *error);
/*
 * Flushes standard output and returns TOOL_OK or, after a sentence, TOOL_IO. Where the reader of a
 * pipe has gone it says nothing; tool_main_end() then ends the process as SIGPIPE would.
 */
int tool_output_end(void);
/* Whether the descriptor is a pipe or socket that nobody reads any more. */
bool tool_reader_gone(int descriptor);
/* Remembers that the process must end by SIGPIPE; returns an exit code to pass on. */
int tool_reader_left(void);
/* The last step of main(): `exit_code`, or the death by signal that was remembered. */
int tool_main_end(int exit_code);

#endif
