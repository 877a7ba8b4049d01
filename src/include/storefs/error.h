/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_ERROR_H
#define STOREFS_ERROR_H

#include <stddef.h>

#include "storefs/export.h"

/*
 * Errors: a code for the program, an origin and a sentence for the person.
 *
 * A function that can fail returns an int: 0 (or a positive answer, where its comment says so) on
 * success, one of the negative codes below on failure. Its last parameter is a `struct sfs_error *`
 * that the caller owns, usually on its stack, and that may be NULL. On failure it is overwritten
 * whole, so no message of an earlier failure can be left in it; on success it is not touched.
 * Recording an error never allocates. (The idea of the out-parameter that gains context on its way
 * up is crun's; that libraries do not log, systemd's.)
 */
enum sfs_code {
    SFS_OK = 0,

    /* validation: the caller passed something that can never work */
    SFS_E_INVALID = -1,       /* a bad argument, name, option or expression */
    SFS_E_NAME_TOO_LONG = -2, /* a key or a part of a path is longer than the store takes */
    SFS_E_NOT_A_STORE = -3,   /* the file belongs to another program */
    SFS_E_TOO_NEW = -4,       /* the file was written by a newer version */

    /* operation: it cannot be done to this record, or by this store */
    SFS_E_NOT_FOUND = -10,
    SFS_E_EXISTS = -11,
    SFS_E_NOT_EMPTY = -12,
    SFS_E_NOT_DIRECTORY = -13,
    SFS_E_IS_DIRECTORY = -14,
    SFS_E_READ_ONLY = -15,
    SFS_E_PERMISSION = -16,
    SFS_E_UNSUPPORTED = -17,  /* this backend, or this kind of record, cannot do it */
    SFS_E_CROSS = -18,        /* the two names lie in places that cannot be joined */
    SFS_E_NO_ATTRIBUTE = -19, /* no extended attribute of that name */

    /* transaction */
    SFS_E_CONFLICT = -30, /* a precondition does not hold: somebody else committed first */
    SFS_E_EXPIRED = -31,  /* its time limit passed, or it has ended: begin anew */

    /* consistency */
    SFS_E_CORRUPT = -40, /* the store is damaged */
    SFS_E_TOO_OLD = -41, /* a position in the change feed that is no longer kept: drop all caches */
    SFS_E_DOUBTFUL = -42, /* of a damaged store: what may be missing or wrong (SFS_OPEN_SALVAGE) */

    /* resource */
    SFS_E_NO_MEMORY = -50,
    SFS_E_NO_SPACE = -51,
    SFS_E_TOO_LARGE = -52, /* more than a limit allows: the sentence names the limit */
    SFS_E_BUSY = -53,      /* held by another process */
    SFS_E_CANCELLED = -54, /* the caller asked to stop */
    SFS_E_TIMED_OUT = -55,

    /* connection */
    SFS_E_UNREACHABLE = -60,

    /* the operating system or the engine failed in another way */
    SFS_E_IO = -70,
    SFS_E_LOST =
        -71, /* the store's file was removed, moved, replaced or rewritten while it was open */
};

/* The family of a code, for programs that handle a whole family alike. */
enum sfs_category {
    SFS_CATEGORY_NONE,
    SFS_CATEGORY_VALIDATION,
    SFS_CATEGORY_OPERATION,
    SFS_CATEGORY_TRANSACTION,
    SFS_CATEGORY_CONSISTENCY,
    SFS_CATEGORY_RESOURCE,
    SFS_CATEGORY_CONNECTION,
    SFS_CATEGORY_IO,
};

#define SFS_ERROR_ORIGIN 32
#define SFS_ERROR_MESSAGE 480

struct sfs_error {
    int code;                        /* enum sfs_code */
    char origin[SFS_ERROR_ORIGIN];   /* the module that failed: "sqlite", "query", "apply" … */
    char message[SFS_ERROR_MESSAGE]; /* one sentence, no newline; cut at a character boundary */
    size_t public_size;              /* bytes of it that name nothing but what the caller has named, for who
                                        shows it to somebody who may not see every key; 0: all of it does */
};

/*
 * Fills `error` (may be NULL) and returns `code`, so that a failure is one statement:
 * `return sfs_fail(error, SFS_E_INVALID, "uri", "unknown option '%s'", name);`
 * Thread-safe; never allocates; keeps errno.
 */
SFS_API int sfs_fail(struct sfs_error *error, int code, const char *origin, const char *format, ...)
    SFS_PRINTF(4, 5);

/* As sfs_fail, for a failed system call: picks the code from `system_errno` (ENOSPC: NO_SPACE, …)
 * and ends the sentence with the system's own words. */
SFS_API int sfs_fail_errno(struct sfs_error *error, int system_errno, const char *origin,
                           const char *format, ...) SFS_PRINTF(4, 5);

/* As sfs_fail, and `others` behind the sentence, which names keys that the caller did not. */
SFS_API int sfs_fail_others(struct sfs_error *error, int code, const char *origin,
                            const char *others, const char *format, ...) SFS_PRINTF(5, 6);

/* Puts "<context>: " before the message that is already in `error` (may be NULL); returns `code`
 * unchanged. */
SFS_API int sfs_error_context(struct sfs_error *error, int code, const char *format, ...)
    SFS_PRINTF(3, 4);

/* Shorthand for an allocation that failed: returns SFS_E_NO_MEMORY. */
SFS_API int sfs_fail_memory(struct sfs_error *error, const char *origin);

/* The code's name, "SFS_E_CONFLICT"; "SFS_E_UNKNOWN" for a number that is none. Static storage. */
SFS_API const char *sfs_code_name(int code);

/* The family that a code belongs to; SFS_CATEGORY_NONE for SFS_OK. */
SFS_API enum sfs_category sfs_code_category(int code);

/* The errno that stands for a code: the one table (doc/errors.md), used by the mount and the
 * command. Positive; 0 for SFS_OK; EIO for a number that is no code. */
SFS_API int sfs_code_errno(int code);

#endif
