/* SPDX-License-Identifier: MIT */
/* Makes cells of a table text that a spreadsheet would run. */
#include "tools/sheet.h"

#include <string.h>

#include "tools/message.h"

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static const char *skip_digits(const char *at)
{
    while (is_digit(*at))
        at++;
    return at;
}

/* Whether a text that begins with "-" is a number of JSON. */
static bool is_number(const char *text)
{
    const char *at = text + 1;
    if (!is_digit(*at))
        return false;
    at = *at == '0' ? at + 1 : skip_digits(at);
    if (*at == '.') {
        if (!is_digit(at[1]))
            return false;
        at = skip_digits(at + 1);
    }
    if (*at == 'e' || *at == 'E') {
        at += at[1] == '+' || at[1] == '-' ? 2 : 1;
        if (!is_digit(*at))
            return false;
        at = skip_digits(at);
    }
    return *at == '\0';
}

static bool make(char byte)
{
    return tool_output(sfs_bytes(&byte, 1));
}

/* What was held back, as text or as a number. */
static bool release(struct tool_sheet *sheet, bool ended)
{
    struct sfs_buffer *held = &sheet->held;
    bool number = ended && sfs_buffer_text(held) == 0 && is_number(held->data);
    bool done = (number || make('\'')) && tool_output(sfs_buffer_bytes(held));
    held->size = 0;
    return done;
}

static bool is_formula(char byte, bool quoted)
{
    return byte && strchr(quoted ? "=+-@\t\r\n" : "=+@\t", byte);
}

static bool ends_cell(char byte)
{
    return byte == ',' || byte == '\r' || byte == '\n';
}

/* Without memory it counts as text. */
static bool hold(struct tool_sheet *sheet, char byte)
{
    if (sfs_buffer_byte(&sheet->held, byte) == 0)
        return true;
    sheet->place = TOOL_SHEET_PLAIN;
    return release(sheet, false) && make(byte);
}

/* The first byte of a cell. */
static bool begin(struct tool_sheet *sheet, char byte)
{
    if (byte == '-') {
        sheet->place = TOOL_SHEET_NUMBER;
        return hold(sheet, byte);
    }
    sheet->place = byte == '"'       ? TOOL_SHEET_OPENED
                   : ends_cell(byte) ? TOOL_SHEET_BEGIN
                                     : TOOL_SHEET_PLAIN;
    return (!is_formula(byte, false) || make('\'')) && make(byte);
}

static bool go_on(struct tool_sheet *sheet, char byte)
{
    if (byte && strchr("0123456789.eE+-", byte))
        return hold(sheet, byte);
    bool ended = ends_cell(byte);
    sheet->place = ended ? TOOL_SHEET_BEGIN : TOOL_SHEET_PLAIN;
    return release(sheet, ended) && make(byte);
}

/* Of a quoted cell: no number is written so. */
static bool open_quoted(struct tool_sheet *sheet, char byte)
{
    sheet->place = byte == '"' ? TOOL_SHEET_QUOTE : TOOL_SHEET_QUOTED;
    return (!is_formula(byte, true) || make('\'')) && make(byte);
}

static bool take(struct tool_sheet *sheet, char byte)
{
    switch (sheet->place) {
    case TOOL_SHEET_BEGIN:
        return begin(sheet, byte);
    case TOOL_SHEET_NUMBER:
        return go_on(sheet, byte);
    case TOOL_SHEET_OPENED:
        return open_quoted(sheet, byte);
    case TOOL_SHEET_PLAIN:
        if (ends_cell(byte))
            sheet->place = TOOL_SHEET_BEGIN;
        break;
    case TOOL_SHEET_QUOTED:
        if (byte == '"')
            sheet->place = TOOL_SHEET_QUOTE;
        break;
    case TOOL_SHEET_QUOTE:
        sheet->place = byte == '"' ? TOOL_SHEET_QUOTED : TOOL_SHEET_BEGIN;
        break;
    }
    return make(byte);
}

bool tool_sheet_output(struct tool_sheet *sheet, struct sfs_bytes piece)
{
    const char *data = piece.data;
    for (size_t i = 0; i < piece.size; i++)
        if (!take(sheet, data[i]))
            return false;
    return true;
}

bool tool_sheet_end(struct tool_sheet *sheet)
{
    bool done = sheet->held.size == 0 || release(sheet, true);
    sfs_buffer_free(&sheet->held);
    return done;
}
