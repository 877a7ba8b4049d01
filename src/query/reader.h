/* SPDX-License-Identifier: MIT */
#ifndef SFS_QUERY_READER_H
#define SFS_QUERY_READER_H

/*
 * Reader: a position in the text of an expression or a list of fields, and the sentence that tells
 * where it is wrong: "where: expected a value after '>=' at column 5: n >=". Columns count
 * characters from 1; the end of the text is one column behind its last.
 */
#include "storefs/bytes.h"
#include "storefs/error.h"

struct sfs_reader {
    const char *what; /* the stage's name, which begins each sentence */
    struct sfs_bytes text;
    size_t at;
    struct sfs_error *error;
};

/* Borrows all it is given. INVALID where the text is not UTF-8. */
int sfs_reader_begin(struct sfs_reader *ret_reader, const char *what, struct sfs_bytes text,
                     struct sfs_error *error);
/* Fails with INVALID and a sentence that points at byte `offset`. */
int sfs_reader_fail(const struct sfs_reader *reader, size_t offset, const char *format, ...)
    SFS_PRINTF(3, 4);
int sfs_reader_memory(const struct sfs_reader *reader);

/* The byte at the position, or '\0' at the end. */
char sfs_reader_peek(const struct sfs_reader *reader);
bool sfs_reader_ended(const struct sfs_reader *reader);
void sfs_reader_blanks(struct sfs_reader *reader);
/* Moves over `symbol` if it is next; blanks before it only count for words. */
bool sfs_reader_take(struct sfs_reader *reader, const char *symbol);
/* Moves over blanks and `word` if that word is next, whole. */
bool sfs_reader_take_word(struct sfs_reader *reader, const char *word);

/* Whether `byte` may begin, or stand in, a name without quotes: letters, '_', '$' and all beyond
 * ASCII; behind the first also digits and '-'. */
bool sfs_reader_begins_name(char byte);
bool sfs_reader_in_name(char byte);

#endif
