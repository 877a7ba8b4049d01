/* SPDX-License-Identifier: MIT */
/*
 * One part of a key as one file name, and back. All that is special about a name is decided here.
 */
#include "storefs/path.h"

#define CUT_MARK "%+"

/* The words that stand for something else behind a single '%'. */
static const struct {
    struct sfs_bytes word;
    struct sfs_bytes part;
} words[] = {
    {{"empty", 5}, {"", 0}},
    {{"dot", 3}, {".", 1}},
    {{"dotdot", 6}, {"..", 2}},
    {{"value", 5}, {NULL, 0}},
};
#define WORDS (sizeof(words) / sizeof(words[0]))
#define WORD_VALUE (WORDS - 1)

static struct sfs_bytes behind(struct sfs_bytes bytes, size_t size)
{
    return sfs_bytes(size ? (const char *)bytes.data + size : bytes.data, bytes.size - size);
}

/* How many '%' `text` begins with, and which of the words follows them to its end (WORDS: none). */
static size_t count_percents(struct sfs_bytes text, size_t *ret_word)
{
    size_t count = 0;
    while (count < text.size && ((const char *)text.data)[count] == '%')
        count++;
    *ret_word = 0;
    while (*ret_word < WORDS && !sfs_bytes_equal(behind(text, count), words[*ret_word].word))
        ++*ret_word;
    return count;
}

/* The word of a part that has no name of its own; WORDS where the part is an ordinary one. */
static size_t find_part(struct sfs_bytes part)
{
    size_t word = 0;
    while (word < WORD_VALUE && !sfs_bytes_equal(part, words[word].part))
        word++;
    return word < WORD_VALUE ? word : WORDS;
}

/* True for "%empty", "%%empty", … : the name of such a part has one more '%' in front. */
static bool needs_percent(struct sfs_bytes part)
{
    size_t word;
    return count_percents(part, &word) > 0 && word < WORDS;
}

static int append_escaped(struct sfs_buffer *name, struct sfs_bytes part)
{
    size_t word = find_part(part);
    size_t before = name->size;
    int rc = 0;
    if (word < WORDS || needs_percent(part))
        rc = sfs_buffer_byte(name, '%');
    if (rc == 0)
        rc = sfs_buffer_add(name, word < WORDS ? words[word].word : part);
    if (rc)
        name->size = before;
    return rc;
}

static bool ends_in_cut_mark(struct sfs_bytes text)
{
    return text.size >= 2 && memcmp((const char *)text.data + text.size - 2, CUT_MARK, 2) == 0;
}

/* A name that is one piece of a cut part and not its last. */
static bool is_piece(struct sfs_bytes name)
{
    return name.size == SFS_PATH_NAME_MAX && ends_in_cut_mark(name);
}

/* Whether the part that consists of two runs of bytes has too long a name to be one. */
static bool is_cut(struct sfs_bytes head, struct sfs_bytes tail)
{
    char whole[SFS_PATH_NAME_MAX];
    if (head.size > sizeof(whole) || tail.size > sizeof(whole) - head.size)
        return true;
    if (head.size)
        memcpy(whole, head.data, head.size);
    if (tail.size)
        memcpy(whole + head.size, tail.data, tail.size);
    struct sfs_bytes part = sfs_bytes(whole, head.size + tail.size);
    return part.size + needs_percent(part) > SFS_PATH_NAME_MAX || is_piece(part);
}

/* The beginning of the unfinished part in a piece directory; empty elsewhere. */
static struct sfs_bytes unfinished(struct sfs_place place)
{
    size_t size = place.pieces * SFS_PATH_PIECE;
    return size <= place.base.size ? behind(place.base, place.base.size - size) : place.base;
}

static int fail_name(struct sfs_error *error, struct sfs_bytes name, const char *why)
{
    char shown[300];
    sfs_fail(error, SFS_E_INVALID, "path", "'%s' is the name of no key: %s",
             sfs_name_show(name, shown, sizeof(shown)), why);
    return SFS_PATH_NONE;
}

static int append_text(struct sfs_buffer *text, struct sfs_bytes bytes, enum sfs_path_kind kind,
                       struct sfs_error *error)
{
    return sfs_buffer_add(text, bytes) ? sfs_fail_memory(error, "path") : (int)kind;
}

static int decode_piece(struct sfs_place place, struct sfs_bytes name, struct sfs_buffer *text,
                        struct sfs_error *error)
{
    /* At least one byte more must follow, or the part would not be cut here. */
    if (place.base.size + SFS_PATH_PIECE >= SFS_KEY_MAX) {
        sfs_fail(error, SFS_E_NAME_TOO_LONG, "path",
                 "the keys below this directory would have more than %d bytes", SFS_KEY_MAX);
        return SFS_PATH_NONE;
    }
    return append_text(text, sfs_bytes(name.data, SFS_PATH_PIECE), SFS_PATH_PIECE_DIRECTORY, error);
}

static int decode_value(struct sfs_place place, struct sfs_bytes name, struct sfs_error *error)
{
    if (place.pieces || place.base.size < 2)
        return fail_name(error, name, "no key has its own value in this directory");
    return SFS_PATH_OWN_VALUE;
}

/* The part, or the last piece of one, whose name this is. */
static int decode_part(struct sfs_place place, struct sfs_bytes name, struct sfs_buffer *text,
                       struct sfs_error *error)
{
    size_t word;
    size_t percents = count_percents(name, &word);
    struct sfs_bytes part = name;
    if (word < WORDS && percents > 1)
        part = behind(name, 1);
    else if (word < WORDS && percents == 1)
        part = words[word].part;
    if (place.pieces &&
        (part.size == 0 || part.size > SFS_PATH_PIECE || !is_cut(unfinished(place), part)))
        return fail_name(error, name, "a name is not cut here");
    if (place.base.size + part.size > SFS_KEY_MAX) {
        sfs_fail(error, SFS_E_NAME_TOO_LONG, "path", "the key would have more than %d bytes",
                 SFS_KEY_MAX);
        return SFS_PATH_NONE;
    }
    return append_text(text, part, SFS_PATH_PART, error);
}

int sfs_path_decode(struct sfs_place place, struct sfs_bytes name, struct sfs_buffer *text,
                    struct sfs_error *error)
{
    if (name.size > SFS_PATH_NAME_MAX) {
        sfs_fail(error, SFS_E_NAME_TOO_LONG, "path", "a file name has at most %d bytes",
                 SFS_PATH_NAME_MAX);
        return SFS_PATH_NONE;
    }
    if (name.size == 0 || memchr(name.data, '\0', name.size) || memchr(name.data, '/', name.size))
        return fail_name(error, name, "it is empty or holds '/' or NUL");
    if (find_part(name) < WORDS)
        return fail_name(error, name, "it leads elsewhere");
    if (is_piece(name))
        return decode_piece(place, name, text, error);
    if (sfs_bytes_equal(name, SFS_LITERAL(SFS_PATH_VALUE)))
        return decode_value(place, name, error);
    return decode_part(place, name, text, error);
}

int sfs_path_encode(struct sfs_place place, struct sfs_bytes rest, struct sfs_buffer *name)
{
    const char *slash = rest.size ? memchr(rest.data, '/', rest.size) : NULL;
    if (slash)
        rest.size = (size_t)(slash - (const char *)rest.data);
    bool cut = is_cut(unfinished(place), rest);
    if (place.pieces && (!cut || rest.size == 0))
        return SFS_E_NOT_FOUND;
    if (!cut || (place.pieces && rest.size <= SFS_PATH_PIECE))
        return append_escaped(name, rest);
    size_t before = name->size;
    int rc = sfs_buffer_append(name, rest.data, SFS_PATH_PIECE);
    if (rc == 0)
        rc = sfs_buffer_add(name, SFS_LITERAL(CUT_MARK));
    if (rc)
        name->size = before;
    return rc ? rc : 1;
}
