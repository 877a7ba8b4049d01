/* SPDX-License-Identifier: MIT */
#ifndef TOOLS_EXIT_H
#define TOOLS_EXIT_H

/*
 * The exit codes of the storefs command: the one table, explained for users in doc/exit-codes.md.
 * fsck has the codes of fsck(8) instead, and exec passes on those of the command it runs.
 */
enum tool_exit {
    TOOL_OK = 0,
    TOOL_FALSE = 1,       /* not found; status: a mount is dead; import: lines were refused */
    TOOL_USAGE = 2,       /* wrong arguments, or a name, expression or URI that can never work */
    TOOL_CONFLICT = 3,    /* somebody else committed first, or the transaction has expired */
    TOOL_DAMAGED = 4,     /* the store is damaged */
    TOOL_REFUSED = 5,     /* the store or the system does not allow it: read-only, permission … */
    TOOL_RESOURCE = 6,    /* no space, no memory, held by another process, too slow */
    TOOL_UNREACHABLE = 7, /* the engine or the mount does not answer */
    TOOL_IO = 8,          /* the system failed in another way */
    TOOL_ELSEWHERE = 9,   /* unmount: done, but the store is still mounted in another namespace */

    TOOL_EXEC_FAILED = 125, /* exec: no transaction could be begun, committed or rolled back */
    TOOL_EXEC_CANNOT = 126, /* exec: the command is there but cannot be run */
    TOOL_EXEC_NONE = 127,   /* exec: there is no such command */
    TOOL_SIGNAL = 128,      /* plus the signal's number: stopped by it */
};

enum tool_fsck_exit {
    TOOL_FSCK_CLEAN = 0,
    TOOL_FSCK_REPAIRED = 1,
    TOOL_FSCK_DAMAGED = 4,
    TOOL_FSCK_FAILED = 8,
    TOOL_FSCK_USAGE = 16,
};

/* The exit code that stands for a library code. */
int tool_exit_of(int code);

#endif
