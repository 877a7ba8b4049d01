/* SPDX-License-Identifier: MIT */
/*
 * Fuzzer of path names: bytes that can be a key have a path of names that a file system takes,
 * which names that key; bytes that are a path name a key whose path is these bytes; and what is
 * escaped into one name comes back.
 */
#include <stdlib.h>

#include "storefs/backend.h"
#include "storefs/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static bool equal(const struct sfs_buffer *buffer, struct sfs_bytes bytes)
{
    return sfs_bytes_equal(sfs_buffer_bytes(buffer), bytes);
}

/* No name is empty, "." or "..", or longer than file systems take. */
static void check_names(struct sfs_bytes path)
{
    const char *name = path.data;
    for (size_t left = path.size;;) {
        const char *slash = memchr(name, '/', left);
        size_t size = slash ? (size_t)(slash - name) : left;
        require(size > 0 && size <= SFS_PATH_NAME_MAX && !memchr(name, '\0', size));
        require(!(name[0] == '.' && (size == 1 || (size == 2 && name[1] == '.'))));
        if (!slash)
            return;
        left -= size + 1;
        name = slash + 1;
    }
}

static void from_key(struct sfs_bytes key, bool own_value)
{
    struct sfs_buffer path = {0};
    struct sfs_buffer again = {0};
    require(sfs_path_from_key(key, own_value, &path, NULL) == 0);
    check_names(sfs_buffer_bytes(&path));
    require(sfs_path_to_key(sfs_buffer_bytes(&path), &again, NULL) == 0);
    require(equal(&again, key));
    sfs_buffer_free(&path);
    sfs_buffer_free(&again);
}

static bool is_own_value(struct sfs_bytes path)
{
    struct sfs_bytes end = SFS_LITERAL("/" SFS_PATH_VALUE);
    return path.size >= end.size &&
           memcmp((const char *)path.data + path.size - end.size, end.data, end.size) == 0;
}

static void from_path(struct sfs_bytes path)
{
    struct sfs_buffer key = {0};
    struct sfs_buffer again = {0};
    struct sfs_error error;
    int code = sfs_path_to_key(path, &key, &error);
    if (code) {
        require(error.code == code && error.message[0]);
    } else {
        require(sfs_path_from_key(sfs_buffer_bytes(&key), is_own_value(path), &again, NULL) == 0);
        require(equal(&again, path));
    }
    sfs_buffer_free(&key);
    sfs_buffer_free(&again);
}

static void escaped(struct sfs_bytes text)
{
    struct sfs_buffer name = {0};
    struct sfs_buffer again = {0};
    require(sfs_path_escape(text, &name) == 0);
    require(name.size > 0 && !memchr(name.data, '/', name.size) &&
            !memchr(name.data, '\0', name.size));
    require(sfs_path_unescape(sfs_buffer_bytes(&name), &again) == 0);
    require(equal(&again, text));
    sfs_buffer_free(&name);
    sfs_buffer_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sfs_bytes bytes = sfs_bytes(data, size);
    if (sfs_key_check(bytes, NULL) == 0) {
        from_key(bytes, false);
        from_key(bytes, true);
    }
    from_path(bytes);
    escaped(bytes);
    return 0;
}
