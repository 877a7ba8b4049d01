/* SPDX-License-Identifier: MIT */
#ifndef TOOLS_SHEET_H
#define TOOLS_SHEET_H

#include "storefs/bytes.h"

/*
 * A table for spreadsheets: these take a cell that begins with = + - @, a tab or a line break for a
 * formula, also one from a stranger. Such a cell gets an apostrophe in front, which makes it text,
 * unless all of it is a JSON number. Works on RFC 4180 text as it comes, in pieces of any size.
 */
enum tool_sheet_place {
    TOOL_SHEET_BEGIN,  /* of a cell */
    TOOL_SHEET_NUMBER, /* in what may be a negative number; held back */
    TOOL_SHEET_PLAIN,
    TOOL_SHEET_OPENED, /* behind the quote that opens a cell */
    TOOL_SHEET_QUOTED,
    TOOL_SHEET_QUOTE, /* behind a quote in a quoted cell */
};
/* {0} before the first piece. */
struct tool_sheet {
    enum tool_sheet_place place;
    struct sfs_buffer held;
};

/* Writes the next piece to standard output, as tool_output(). */
bool tool_sheet_output(struct tool_sheet *sheet, struct sfs_bytes piece);
/* Writes what is held back, at the end of the table, and frees. */
bool tool_sheet_end(struct tool_sheet *sheet);

#endif
