/* SPDX-License-Identifier: MIT */
/*
 * Error codes, their errno and their sentences: everything that storefs/error.h declares. All that
 * is known about a code is in one table; a second one picks codes for the errno of failed system
 * calls.
 */
#include "storefs/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "util/utf8.h"

struct code_row {
    const char *name;
    int code;
    enum sfs_category category;
    int system_errno;
};

#define ROW(code, category, system_errno)                                                          \
    {                                                                                              \
#code, code, SFS_CATEGORY_##category, system_errno                                         \
    }

static const struct code_row codes[] = {
    ROW(SFS_OK, NONE, 0),
    ROW(SFS_E_INVALID, VALIDATION, EINVAL),
    ROW(SFS_E_NAME_TOO_LONG, VALIDATION, ENAMETOOLONG),
    ROW(SFS_E_NOT_A_STORE, VALIDATION, EINVAL),
    ROW(SFS_E_TOO_NEW, VALIDATION, EINVAL),
    ROW(SFS_E_NOT_FOUND, OPERATION, ENOENT),
    ROW(SFS_E_EXISTS, OPERATION, EEXIST),
    ROW(SFS_E_NOT_EMPTY, OPERATION, ENOTEMPTY),
    ROW(SFS_E_NOT_DIRECTORY, OPERATION, ENOTDIR),
    ROW(SFS_E_IS_DIRECTORY, OPERATION, EISDIR),
    ROW(SFS_E_READ_ONLY, OPERATION, EROFS),
    ROW(SFS_E_PERMISSION, OPERATION, EPERM),
    ROW(SFS_E_UNSUPPORTED, OPERATION, EOPNOTSUPP),
    ROW(SFS_E_CROSS, OPERATION, EXDEV),
    ROW(SFS_E_NO_ATTRIBUTE, OPERATION, ENODATA),
    ROW(SFS_E_CONFLICT, TRANSACTION, ECANCELED),
    ROW(SFS_E_EXPIRED, TRANSACTION, ESTALE),
    ROW(SFS_E_CORRUPT, CONSISTENCY, EUCLEAN),
    ROW(SFS_E_DOUBTFUL, CONSISTENCY, EUCLEAN),
    ROW(SFS_E_TOO_OLD, CONSISTENCY, ESTALE),
    ROW(SFS_E_NO_MEMORY, RESOURCE, ENOMEM),
    ROW(SFS_E_NO_SPACE, RESOURCE, ENOSPC),
    ROW(SFS_E_TOO_LARGE, RESOURCE, EFBIG),
    ROW(SFS_E_BUSY, RESOURCE, EBUSY),
    ROW(SFS_E_CANCELLED, RESOURCE, EINTR),
    ROW(SFS_E_TIMED_OUT, RESOURCE, ETIMEDOUT),
    ROW(SFS_E_UNREACHABLE, CONNECTION, EHOSTDOWN),
    ROW(SFS_E_IO, IO, EIO),
    ROW(SFS_E_LOST, IO, EIO),
};

/* What system calls report beyond the errno of the table above. */
static const struct {
    int system_errno;
    int code;
} more_errnos[] = {
    {EACCES, SFS_E_PERMISSION},
    {ENOTSUP, SFS_E_UNSUPPORTED},
    {ENOSYS, SFS_E_UNSUPPORTED},
    {EDQUOT, SFS_E_NO_SPACE},
    {EOVERFLOW, SFS_E_TOO_LARGE},
    {E2BIG, SFS_E_TOO_LARGE},
    {EAGAIN, SFS_E_BUSY},
    {ETXTBSY, SFS_E_BUSY},
    {EDEADLK, SFS_E_BUSY},
    {ECONNREFUSED, SFS_E_UNREACHABLE},
    {ECONNRESET, SFS_E_UNREACHABLE},
    {ECONNABORTED, SFS_E_UNREACHABLE},
    {ENOTCONN, SFS_E_UNREACHABLE},
    {EHOSTUNREACH, SFS_E_UNREACHABLE},
    {ENETUNREACH, SFS_E_UNREACHABLE},
    {ENETDOWN, SFS_E_UNREACHABLE},
    {ELOOP, SFS_E_INVALID},
    {EPIPE, SFS_E_UNREACHABLE},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct code_row *row_of(int code)
{
    for (size_t i = 0; i < COUNT(codes); i++) {
        if (codes[i].code == code)
            return &codes[i];
    }
    return NULL;
}

/* Where several codes share an errno, the first of the table is the one that a system call means.
 */
static int code_of_errno(int system_errno)
{
    for (size_t i = 1; i < COUNT(codes); i++) {
        if (codes[i].system_errno == system_errno)
            return codes[i].code;
    }
    for (size_t i = 0; i < COUNT(more_errnos); i++) {
        if (more_errnos[i].system_errno == system_errno)
            return more_errnos[i].code;
    }
    return SFS_E_IO;
}

const char *sfs_code_name(int code)
{
    const struct code_row *row = row_of(code);
    return row ? row->name : "SFS_E_UNKNOWN";
}

enum sfs_category sfs_code_category(int code)
{
    const struct code_row *row = row_of(code);
    return row ? row->category : SFS_CATEGORY_IO;
}

int sfs_code_errno(int code)
{
    const struct code_row *row = row_of(code);
    return row ? row->system_errno : EIO;
}

/*
 * Messages quote names that may hold any bytes, and they go into JSON lines and extended
 * attributes: control characters become blanks and what is no UTF-8 a question mark, each byte for
 * byte.
 */
static void make_printable(char *text)
{
    size_t size = strlen(text);
    for (size_t at = 0; at < size;) {
        uint32_t point = 0;
        size_t length = sfs_utf8_decode(text + at, size - at, &point);
        if (length == 0)
            text[at] = '?';
        else if (point < 0x20 || point == 0x7f)
            text[at] = ' ';
        at += length ? length : 1;
    }
}

/* Room for a whole message and more, so that cutting is left to the step that knows characters. */
struct draft {
    char text[SFS_ERROR_MESSAGE + 8];
};

SFS_PRINTF(2, 0)
static void draft_format(struct draft *draft, const char *format, va_list arguments)
{
    if (vsnprintf(draft->text, sizeof(draft->text), format, arguments) < 0)
        draft->text[0] = '\0';
    make_printable(draft->text);
}

/* Puts `head`, cut so that it and `tail` fit, and `tail` into the error. */
static void set_message(struct sfs_error *error, const char *head, const char *tail)
{
    size_t room = SFS_ERROR_MESSAGE - 1;
    size_t tail_size = sfs_utf8_cut(sfs_string(tail), room);
    size_t head_size = sfs_utf8_cut(sfs_string(head), room - tail_size);
    memcpy(error->message, head, head_size);
    memcpy(error->message + head_size, tail, tail_size);
    error->message[head_size + tail_size] = '\0';
    error->public_size = 0;
}

static void set_origin(struct sfs_error *error, int code, const char *origin)
{
    size_t size = sfs_utf8_cut(sfs_string(origin), SFS_ERROR_ORIGIN - 1);
    error->code = code;
    memmove(error->origin, origin, size);
    error->origin[size] = '\0';
}

int sfs_fail(struct sfs_error *error, int code, const char *origin, const char *format, ...)
{
    if (!error)
        return code;
    int saved_errno = errno;
    struct draft draft;
    va_list arguments;
    va_start(arguments, format);
    draft_format(&draft, format, arguments);
    va_end(arguments);
    set_message(error, draft.text, "");
    set_origin(error, code, origin);
    errno = saved_errno;
    return code;
}

int sfs_fail_others(struct sfs_error *error, int code, const char *origin, const char *others,
                    const char *format, ...)
{
    if (!error)
        return code;
    int saved_errno = errno;
    struct draft draft, tail;
    va_list arguments;
    va_start(arguments, format);
    draft_format(&draft, format, arguments);
    va_end(arguments);
    snprintf(tail.text, sizeof(tail.text), "%s", others);
    make_printable(tail.text);
    /* The sentence is what counts. */
    tail.text[sfs_utf8_cut(sfs_string(tail.text), SFS_ERROR_MESSAGE / 2)] = '\0';
    set_message(error, draft.text, tail.text);
    error->public_size = strlen(error->message) - strlen(tail.text);
    set_origin(error, code, origin);
    errno = saved_errno;
    return code;
}

int sfs_fail_errno(struct sfs_error *error, int system_errno, const char *origin,
                   const char *format, ...)
{
    int code = code_of_errno(system_errno);
    if (!error)
        return code;
    int saved_errno = errno;
    struct draft draft;
    va_list arguments;
    va_start(arguments, format);
    draft_format(&draft, format, arguments);
    va_end(arguments);

    /* strerror is thread-safe in the C libraries of Linux (glibc since 2.32, musl). */
    char words[128];
    snprintf(words, sizeof(words), ": %s", strerror(system_errno));
    set_message(error, draft.text, words);
    set_origin(error, code, origin);
    errno = saved_errno;
    return code;
}

int sfs_error_context(struct sfs_error *error, int code, const char *format, ...)
{
    if (!error)
        return code;
    int saved_errno = errno;
    struct draft draft;
    va_list arguments;
    va_start(arguments, format);
    draft_format(&draft, format, arguments);
    va_end(arguments);

    /* A context that takes more than half of the room would push out what it is the context of. */
    draft.text[sfs_utf8_cut(sfs_string(draft.text), SFS_ERROR_MESSAGE / 2)] = '\0';
    char tail[SFS_ERROR_MESSAGE + 2];
    snprintf(tail, sizeof(tail), ": %s", error->message);
    tail[sfs_utf8_cut(sfs_string(tail), SFS_ERROR_MESSAGE - 1 - strlen(draft.text))] = '\0';
    size_t public_size = error->public_size;
    set_message(error, draft.text, tail);
    if (public_size)
        error->public_size = strlen(draft.text) + strlen(": ") + public_size;
    if (error->public_size > strlen(error->message))
        error->public_size = strlen(error->message);
    errno = saved_errno;
    return code;
}

int sfs_fail_memory(struct sfs_error *error, const char *origin)
{
    return sfs_fail(error, SFS_E_NO_MEMORY, origin, "out of memory");
}
