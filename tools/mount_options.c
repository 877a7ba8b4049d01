/* SPDX-License-Identifier: MIT */
/* The words of mount -o. */
#include "tools/mount_options.h"

#include <stddef.h>
#include <string.h>

#define TIMEOUT_MAX 31536000 /* seconds: a year */

static const struct word {
    const char *name;
    size_t member; /* of struct fs_options; NONE: changes nothing */
    bool value;
} words_of_ours[] = {
#define NONE SIZE_MAX
    {"ro", offsetof(struct fs_options, read_only), true},
    {"rw", offsetof(struct fs_options, read_only), false},
    {"keys-only", offsetof(struct fs_options, keys_only), true},
    {"io_uring", offsetof(struct fs_options, io_uring), true},
    {"allow_other", offsetof(struct fs_options, allow_other), true},
    {"nonempty", offsetof(struct fs_options, nonempty), true},
    {"debug", offsetof(struct fs_options, debug), true},
    {"noexec", offsetof(struct fs_options, noexec), true},
    {"exec", offsetof(struct fs_options, noexec), false},
    {"noatime", offsetof(struct fs_options, noatime), true},
    {"relatime", NONE, true}, /* the kernel's default */
    {"nosuid", NONE, true}, /* every mount is */
    {"nodev", NONE, true},
};

static const char *const words_of_fstab[] = {
    "defaults", "auto", "noauto", "user", "users", "nouser", "owner", "group", "nofail", "_netdev",
};

static bool is(const char *name, const char *word, size_t size)
{
    return strlen(name) == size && strncmp(name, word, size) == 0;
}

static bool is_of_fstab(const char *word, size_t size)
{
    for (size_t i = 0; i < sizeof words_of_fstab / sizeof words_of_fstab[0]; i++)
        if (is(words_of_fstab[i], word, size))
            return true;
    return strncmp(word, "x-", 2) == 0 || strncmp(word, "comment=", 8) == 0;
}

/* isolation=LEVEL: 1 taken, 0 another word, or INVALID. */
static int take_isolation(const char *word, size_t size, struct fs_options *options,
                          struct sfs_error *error)
{
    const size_t prefix = sizeof "isolation=" - 1;
    if (size < prefix || strncmp(word, "isolation=", prefix) != 0)
        return 0;
    options->isolated = true;
    int result = fs_isolation_parse(sfs_bytes(word + prefix, size - prefix), &options->isolation, error);
    return result ? result : 1;
}

static const struct limit {
    const char *prefix;
    size_t member; /* of struct fs_options, in milliseconds */
} limits[] = {
    {"tx-timeout=", offsetof(struct fs_options, idle_ms)},
    {"query-timeout=", offsetof(struct fs_options, query_ms)},
};

/* NAME=SECONDS: likewise. */
static int take_limit(const char *word, size_t size, struct fs_options *options, struct sfs_error *error)
{
    const struct limit *limit = limits;
    const struct limit *end = limits + sizeof limits / sizeof limits[0];
    while (limit < end && strncmp(word, limit->prefix, strlen(limit->prefix)) != 0)
        limit++;
    size_t prefix = limit < end ? strlen(limit->prefix) : 0;
    if (limit == end || size < prefix)
        return 0;
    uint64_t seconds = 0;
    for (size_t i = prefix; i < size && word[i] >= '0' && word[i] <= '9' && seconds <= TIMEOUT_MAX; i++)
        seconds = seconds * 10 + (uint64_t)(word[i] - '0');
    if (strspn(word + prefix, "0123456789") != size - prefix || seconds == 0 || seconds > TIMEOUT_MAX)
        return sfs_fail(error, SFS_E_INVALID, "mount", "'%.*s' is no time limit: seconds, 1 to %d",
                        (int)(size - prefix < 64 ? size - prefix : 64), word + prefix, TIMEOUT_MAX);
    seconds *= 1000;
    memcpy((char *)options + limit->member, &seconds, sizeof seconds);
    return 1;
}

static bool take(const char *word, size_t size, struct fs_options *options)
{
    for (size_t i = 0; i < sizeof words_of_ours / sizeof words_of_ours[0]; i++) {
        const struct word *row = &words_of_ours[i];
        if (!is(row->name, word, size))
            continue;
        if (row->member != NONE)
            memcpy((char *)options + row->member, &row->value, sizeof row->value);
        return true;
    }
    return false;
}

int tool_mount_options(const char *words, bool fstab, struct fs_options *ret_options,
                       struct sfs_error *error)
{
    struct fs_options options = {0};
    for (const char *word = words ? words : ""; *word;) {
        size_t size = strcspn(word, ",");
        int taken = take_isolation(word, size, &options, error);
        if (taken == 0)
            taken = take_limit(word, size, &options, error);
        if (taken < 0)
            return taken;
        if (size && !taken && !take(word, size, &options) && !(fstab && is_of_fstab(word, size)))
            return sfs_fail(error, SFS_E_INVALID, "mount",
                            "unknown mount option '%.*s'; there are ro, rw, keys-only, allow_other, "
                            "nonempty, noexec, noatime, io_uring, debug, isolation=LEVEL, tx-timeout=SECONDS and "
                            "query-timeout=SECONDS",
                            (int)size, word);
        word += size + (word[size] == ',');
    }
    *ret_options = options;
    return 0;
}
