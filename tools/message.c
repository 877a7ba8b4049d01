/* SPDX-License-Identifier: MIT */
/* Sentences on standard error, results on standard output. */
#include "tools/message.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "storefs/record.h"
#include "tools/exit.h"

static const char *own_name;
static bool reader_left;
static int output_errno; /* of the first write to standard output that failed */

void tool_set_name(const char *name)
{
    own_name = name;
}

static void put_safely(const char *text)
{
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte < 0x20 || byte == 0x7f)
            fprintf(stderr, "\\x%02x", byte);
        else
            fputc(byte, stderr);
    }
}

void tool_say(const char *format, ...)
{
    char text[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fprintf(stderr, own_name ? "storefs %s: " : "storefs: ", own_name);
    put_safely(text);
    fputc('\n', stderr);
}

void tool_say_at(const char *file, const char *rest)
{
    put_safely(file);
    fputc(':', stderr);
    put_safely(rest);
    fputc('\n', stderr);
}

int tool_fail(int code, const struct sfs_error *error)
{
    tool_say("%s", error->message[0] ? error->message : sfs_code_name(code));
    return tool_exit_of(code);
}

int tool_fail_errno(int system_errno, const char *format, ...)
{
    char text[400];
    struct sfs_error error = {0};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return tool_fail(sfs_fail_errno(&error, system_errno, "storefs", "%s", text), &error);
}

void tool_say_salvage(int code, const char *target)
{
    if (code == SFS_E_CORRUPT)
        tool_say("'storefs fsck --salvage NEWSTORE %s' saves every record that is whole, 'storefs "
                 "export "
                 "--keep-going %s' writes it as text",
                 target, target);
}

bool tool_output(struct sfs_bytes bytes)
{
    if (fwrite(bytes.data, 1, bytes.size, stdout) == bytes.size)
        return true;
    if (!output_errno)
        output_errno = errno;
    return false;
}

/* The length of the UTF-8 character at the beginning, 0 where there is none. */
static size_t character(const unsigned char *at, size_t left)
{
    size_t size = at[0] < 0x80 ? 1 : (at[0] & 0xe0) == 0xc0 ? 2 : (at[0] & 0xf0) == 0xe0 ? 3 : 4;
    unsigned long code = size == 1 ? at[0] : at[0] & (0xffu >> (size + 1));
    static const unsigned long least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (size > left || (size > 1 && at[0] < 0xc2) || at[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (at[i] & 0x3f);
    }
    bool control = code < 0x20 || (code >= 0x7f && code < 0xa0) || code == '\\';
    bool none = code < least[size] || (code >= 0xd800 && code < 0xe000) || code > 0x10ffff;
    return control || none ? 0 : size;
}

static bool put_escape(unsigned char byte)
{
    char text[8];
    int size = snprintf(text, sizeof text, byte == '\\' ? "\\\\" : "\\x%02x", byte);
    return tool_output(sfs_bytes(text, (size_t)size));
}

bool tool_output_key(struct sfs_bytes key, bool escaped)
{
    if (!escaped)
        return tool_output(key);
    const unsigned char *at = key.data;
    for (size_t left = key.size; left;) {
        size_t size = character(at, left);
        if (size ? !tool_output(sfs_bytes(at, size)) : !put_escape(*at))
            return false;
        size += size == 0;
        at += size;
        left -= size;
    }
    return true;
}

int tool_json_string(struct sfs_bytes text, struct sfs_buffer *out, struct sfs_error *error)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *at = text.data;
    if (sfs_type_of(text) == SFS_TYPE_BYTES)
        return sfs_fail(error, SFS_E_INVALID, "json", "the text is not UTF-8");
    int result = sfs_buffer_byte(out, '"');
    for (size_t i = 0; i < text.size && !result; i++) {
        if (at[i] < 0x20)
            result = sfs_buffer_printf(out, "\\u00%c%c", digits[at[i] >> 4], digits[at[i] & 15]);
        else if (at[i] == '"' || at[i] == '\\')
            result = sfs_buffer_printf(out, "\\%c", at[i]);
        else
            result = sfs_buffer_byte(out, (char)at[i]);
    }
    if (!result)
        result = sfs_buffer_byte(out, '"');
    return result ? sfs_fail_memory(error, "json") : 0;
}

bool tool_reader_gone(int descriptor)
{
    struct pollfd poller = {.fd = descriptor, .events = POLLOUT};
    return poll(&poller, 1, 0) == 1 && (poller.revents & POLLERR);
}

int tool_reader_left(void)
{
    reader_left = true;
    return TOOL_SIGNAL + SIGPIPE;
}

int tool_output_end(void)
{
    int system_errno = output_errno;
    bool failed = ferror(stdout) != 0;
    errno = EIO;
    if (fflush(stdout) == 0 && !failed)
        return TOOL_OK;
    if (!system_errno)
        system_errno = errno;
    if (system_errno == EPIPE || tool_reader_gone(STDOUT_FILENO))
        return tool_reader_left();
    return tool_fail_errno(system_errno, "cannot write to standard output");
}

int tool_main_end(int exit_code)
{
    if (!reader_left)
        return exit_code;
    signal(SIGPIPE, SIG_DFL);
    raise(SIGPIPE);
    return exit_code;
}
