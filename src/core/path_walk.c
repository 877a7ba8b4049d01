/* SPDX-License-Identifier: MIT */
/*
 * Whole keys as paths and back, one name at a time; and the escape for names under query/.
 */
#include "storefs/path.h"

static struct sfs_bytes behind(struct sfs_bytes bytes, size_t size)
{
    return sfs_bytes((const char *)bytes.data + size, bytes.size - size);
}

/* Appends the names of one part, which begins at `start` of the key and ends before `end`. */
static int append_part(struct sfs_bytes key, size_t start, size_t end, struct sfs_buffer *path)
{
    struct sfs_place place = {sfs_bytes(key.data, start), 0};
    for (;;) {
        struct sfs_bytes rest =
            sfs_bytes((const char *)key.data + place.base.size, end - place.base.size);
        int rc = sfs_path_encode(place, rest, path);
        if (rc <= 0)
            return rc;
        rc = sfs_buffer_byte(path, '/');
        if (rc)
            return rc;
        place.base.size += SFS_PATH_PIECE;
        place.pieces++;
    }
}

static int append_parts(struct sfs_bytes key, struct sfs_buffer *path)
{
    size_t start = 0;
    for (;;) {
        struct sfs_bytes rest = behind(key, start);
        const char *slash = rest.size ? memchr(rest.data, '/', rest.size) : NULL;
        size_t end = slash ? (size_t)(slash - (const char *)key.data) : key.size;
        int rc = append_part(key, start, end, path);
        if (rc || !slash)
            return rc;
        rc = sfs_buffer_byte(path, '/');
        if (rc)
            return rc;
        start = end + 1;
    }
}

int sfs_path_from_key(struct sfs_bytes key, bool own_value, struct sfs_buffer *path,
                      struct sfs_error *error)
{
    size_t before = path->size;
    int rc = sfs_key_check(key, error);
    if (rc)
        return rc;
    rc = append_parts(key, path);
    if (rc == 0 && own_value)
        rc = sfs_buffer_add(path, SFS_LITERAL("/" SFS_PATH_VALUE));
    if (rc == 0)
        return 0;
    path->size = before;
    return sfs_fail_memory(error, "path");
}

static int fail_path(struct sfs_error *error, struct sfs_bytes path, const char *why)
{
    char shown[300];
    return sfs_fail(error, SFS_E_INVALID, "path", "no key has the path '%s': %s",
                    sfs_name_show(path, shown, sizeof(shown)), why);
}

/* Where a walk along a path has come to. */
struct walk {
    struct sfs_bytes path; /* for messages */
    size_t at;
    struct sfs_buffer key;
    size_t pieces;
    int kind; /* of the last name: enum sfs_path_kind */
};

/* Takes one more name into the key. */
static int step(struct walk *walk, struct sfs_bytes name, struct sfs_error *error)
{
    struct sfs_error problem = {0};
    struct sfs_buffer text = {0};
    if (walk->kind == SFS_PATH_OWN_VALUE)
        return fail_path(error, walk->path, "nothing is below " SFS_PATH_VALUE);
    if (walk->kind == SFS_PATH_PART) {
        walk->pieces = 0;
        if (sfs_buffer_byte(&walk->key, '/'))
            return sfs_fail_memory(error, "path");
    }
    struct sfs_place place = {sfs_buffer_bytes(&walk->key), walk->pieces};
    int kind = sfs_path_decode(place, name, &text, &problem);
    int rc = kind < 0 ? kind : 0;
    if (kind == SFS_PATH_NONE)
        rc = problem.code;
    else if (rc == 0 && sfs_buffer_add(&walk->key, sfs_buffer_bytes(&text)))
        rc = sfs_fail_memory(&problem, "path");
    sfs_buffer_free(&text);
    if (rc && error)
        *error = problem;
    walk->kind = kind;
    walk->pieces += kind == SFS_PATH_PIECE_DIRECTORY;
    return rc;
}

static int walk_path(struct walk *walk, struct sfs_error *error)
{
    for (;;) {
        struct sfs_bytes rest = behind(walk->path, walk->at);
        const char *slash = rest.size ? memchr(rest.data, '/', rest.size) : NULL;
        size_t size = slash ? (size_t)(slash - (const char *)rest.data) : rest.size;
        int rc = step(walk, sfs_bytes(rest.data, size), error);
        if (rc || !slash)
            return rc;
        walk->at += size + 1;
    }
}

int sfs_path_to_key(struct sfs_bytes path, struct sfs_buffer *key, struct sfs_error *error)
{
    if (path.size == 0)
        return sfs_fail(error, SFS_E_INVALID, "path", "an empty path is the name of no key");
    struct walk walk = {.path = path, .kind = SFS_PATH_NONE};
    int rc = walk_path(&walk, error);
    if (rc == 0 && walk.kind == SFS_PATH_PIECE_DIRECTORY)
        rc = fail_path(error, path, "it is a directory");
    if (rc == 0 && walk.kind == SFS_PATH_OWN_VALUE)
        walk.key.size--;
    if (rc == 0)
        rc = sfs_key_check(sfs_buffer_bytes(&walk.key), error);
    if (rc == 0 && sfs_buffer_add(key, sfs_buffer_bytes(&walk.key)))
        rc = sfs_fail_memory(error, "path");
    sfs_buffer_free(&walk.key);
    return rc;
}

/* --- names under query/ --- */

static const char *escape_of(char byte)
{
    return byte == '/' ? "%2F" : byte == '%' ? "%25" : byte == '\0' ? "%00" : NULL;
}

/* Texts that are escaped whole. */
static const struct {
    struct sfs_bytes text;
    struct sfs_bytes name;
} wholes[] = {{{"", 0}, {"%empty", 6}}, {{".", 1}, {"%2E", 3}}, {{"..", 2}, {"%2E%2E", 6}}};
#define WHOLES (sizeof(wholes) / sizeof(wholes[0]))

int sfs_path_escape(struct sfs_bytes text, struct sfs_buffer *name)
{
    size_t before = name->size;
    int rc = 0;
    for (size_t i = 0; i < WHOLES; i++) {
        if (sfs_bytes_equal(text, wholes[i].text))
            return sfs_buffer_add(name, wholes[i].name);
    }
    for (size_t i = 0; rc == 0 && i < text.size; i++) {
        char byte = ((const char *)text.data)[i];
        const char *escape = escape_of(byte);
        rc = escape ? sfs_buffer_append(name, escape, 3) : sfs_buffer_byte(name, byte);
    }
    if (rc)
        name->size = before;
    return rc;
}

/* The byte that an escape of three bytes stands for, -1 where it is none. */
static int escaped_byte(struct sfs_bytes at)
{
    static const char bytes[] = {'/', '%', '\0'};
    for (size_t i = 0; i < sizeof(bytes); i++) {
        if (sfs_bytes_starts(at, sfs_bytes(escape_of(bytes[i]), 3)))
            return bytes[i];
    }
    return -1;
}

int sfs_path_unescape(struct sfs_bytes name, struct sfs_buffer *text)
{
    size_t before = text->size;
    int rc = 0;
    for (size_t i = 0; i < WHOLES; i++) {
        if (sfs_bytes_equal(name, wholes[i].name))
            return sfs_buffer_add(text, wholes[i].text);
    }
    for (size_t at = 0; rc == 0 && at < name.size;) {
        int byte = escaped_byte(behind(name, at));
        rc = sfs_buffer_byte(text, byte < 0 ? ((const char *)name.data)[at] : (char)byte);
        at += byte < 0 ? 1 : 3;
    }
    if (rc)
        text->size = before;
    return rc;
}
