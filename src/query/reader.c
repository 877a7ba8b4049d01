/* SPDX-License-Identifier: MIT */
/* Characters, words and columns for the parsers of this directory. */
#include "query/reader.h"

#include <stdarg.h>
#include <stdio.h>

#include "util/utf8.h"

static size_t column_of(struct sfs_bytes text, size_t offset)
{
    const char *data = text.data;
    size_t column = 1;
    for (size_t at = 0; at < offset && at < text.size;) {
        uint32_t point = 0;
        size_t length = sfs_utf8_decode(data + at, text.size - at, &point);
        at += length ? length : 1;
        column++;
    }
    return column;
}

int sfs_reader_begin(struct sfs_reader *ret_reader, const char *what, struct sfs_bytes text,
                     struct sfs_error *error)
{
    struct sfs_reader reader = {.what = what, .text = text, .error = error};
    uint32_t point = 0;
    for (size_t at = 0, length = 0; at < text.size; at += length) {
        length = sfs_utf8_decode((const char *)text.data + at, text.size - at, &point);
        if (length == 0)
            return sfs_reader_fail(&reader, at, "a byte that is not UTF-8");
    }
    *ret_reader = reader;
    return 0;
}

int sfs_reader_fail(const struct sfs_reader *reader, size_t offset, const char *format, ...)
{
    char reason[160];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof(reason), format, arguments);
    va_end(arguments);
    size_t shown = sfs_utf8_cut(reader->text, 256);
    return sfs_fail(reader->error, SFS_E_INVALID, "query", "%s: %s at column %zu: %.*s",
                    reader->what, reason, column_of(reader->text, offset), (int)shown,
                    shown ? (const char *)reader->text.data : "");
}

int sfs_reader_memory(const struct sfs_reader *reader)
{
    return sfs_fail_memory(reader->error, "query");
}

bool sfs_reader_ended(const struct sfs_reader *reader)
{
    return reader->at >= reader->text.size;
}

char sfs_reader_peek(const struct sfs_reader *reader)
{
    return sfs_reader_ended(reader) ? '\0' : ((const char *)reader->text.data)[reader->at];
}

void sfs_reader_blanks(struct sfs_reader *reader)
{
    for (char byte = sfs_reader_peek(reader);
         byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
         byte = sfs_reader_peek(reader))
        reader->at++;
}

static struct sfs_bytes rest_of(const struct sfs_reader *reader)
{
    if (sfs_reader_ended(reader))
        return sfs_bytes(NULL, 0);
    return sfs_bytes((const char *)reader->text.data + reader->at, reader->text.size - reader->at);
}

bool sfs_reader_take(struct sfs_reader *reader, const char *symbol)
{
    struct sfs_bytes wanted = sfs_string(symbol);
    if (!sfs_bytes_starts(rest_of(reader), wanted))
        return false;
    reader->at += wanted.size;
    return true;
}

bool sfs_reader_take_word(struct sfs_reader *reader, const char *word)
{
    size_t start = reader->at;
    sfs_reader_blanks(reader);
    if (sfs_reader_take(reader, word) && !sfs_reader_in_name(sfs_reader_peek(reader)))
        return true;
    reader->at = start;
    return false;
}

bool sfs_reader_begins_name(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_' ||
           byte == '$' || (unsigned char)byte >= 0x80;
}

bool sfs_reader_in_name(char byte)
{
    return sfs_reader_begins_name(byte) || (byte >= '0' && byte <= '9') || byte == '-';
}
