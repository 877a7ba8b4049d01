/* SPDX-License-Identifier: MIT */
/* The words of mount -o: one table, which `-o help` prints and the tests hold against the man page.
 */
#include "tools/mount_options.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define TIMEOUT_MAX 31536000 /* seconds: a year */

enum kind {
    SWITCH,    /* sets `member` to `value` */
    ISOLATION, /* NAME=LEVEL */
    SECONDS,   /* NAME=SECONDS, kept in `member` in milliseconds */
    KERNEL,    /* NAME=TEXT, handed on to the kernel */
    HELP,
    IGNORED,
    REFUSED,
};

#define FLAG(name) offsetof(struct fs_options, name)
#define NO_ATIMES "reading changes no times here"
#define BY_MOUNT "read by mount(8) and systemd"
#define NOT_CHANGED "a mount cannot be changed: unmount it, and mount it with the new options"
#define NO_BIND "mount(8) makes bind mounts itself, without the type storefs"
#define OWN_MODES "owners and modes are those of the keys: use chown and chmod in the mount"
#define NO_QUOTA "a store has no quotas"

/* A name that ends in '=' has a value, one that ends in '*' stands for all that begin so. */
static const struct word {
    const char *name;
    enum kind kind;
    size_t member; /* of struct fs_options */
    bool value;
    const char *text; /* what it does, or the reason */
} words_known[] = {
    {"ro", SWITCH, FLAG(read_only), true, "read-only; the store must exist"},
    {"rw", SWITCH, FLAG(read_only), false, "read-write, the default"},
    {"keys-only", SWITCH, FLAG(keys_only), true, "with ro: keys/ alone, right in DIR"},
    {"allow_other", SWITCH, FLAG(allow_other), true, "lets other users in"},
    {"nonempty", SWITCH, FLAG(nonempty), true, "mounts over a directory that has entries"},
    {"isolation=", ISOLATION, 0, true,
     "of new transactions: read-committed, snapshot or serializable"},
    {"tx-timeout=", SECONDS, FLAG(idle_ms), true, "after which an unused transaction has expired"},
    {"query-timeout=", SECONDS, FLAG(query_ms), true, "after which a query fails"},
    {"io_uring", SWITCH, FLAG(io_uring), true, "FUSE over io_uring, which this version has not"},
    {"debug", SWITCH, FLAG(debug), true, "with -f: prints every request"},
    {"help", HELP, 0, true, "prints this table"},
    {"exec", SWITCH, FLAG(noexec), false, "programs in the mount can be run, the default"},
    {"noexec", SWITCH, FLAG(noexec), true, "they cannot"},
    {"sync", SWITCH, FLAG(sync), true, "every write and change is on disk when it returns"},
    {"async", SWITCH, FLAG(sync), false, "fsync waits for the disk, the default"},
    {"dirsync", SWITCH, FLAG(dirsync), true, "every change is on disk when it returns"},
    {"noatime", SWITCH, FLAG(noatime), true, "shown among the options; " NO_ATIMES},
    {"context=", KERNEL, 0, true, "for SELinux"},
    {"fscontext=", KERNEL, 0, true, "for SELinux"},
    {"defcontext=", KERNEL, 0, true, "for SELinux"},
    {"rootcontext=", KERNEL, 0, true, "for SELinux"},
    {"defaults", IGNORED, 0, true, "the defaults hold"},
    {"default_permissions", IGNORED, 0, true, "always so"},
    {"nosuid", IGNORED, 0, true, "always so"},
    {"suid", IGNORED, 0, true, "a mount is always nosuid"},
    {"nodev", IGNORED, 0, true, "always so"},
    {"dev", IGNORED, 0, true, "a mount is always nodev"},
    {"atime", IGNORED, 0, true, NO_ATIMES},
    {"relatime", IGNORED, 0, true, NO_ATIMES},
    {"norelatime", IGNORED, 0, true, NO_ATIMES},
    {"strictatime", IGNORED, 0, true, NO_ATIMES},
    {"nostrictatime", IGNORED, 0, true, NO_ATIMES},
    {"diratime", IGNORED, 0, true, NO_ATIMES},
    {"nodiratime", IGNORED, 0, true, NO_ATIMES},
    {"lazytime", IGNORED, 0, true, NO_ATIMES},
    {"nolazytime", IGNORED, 0, true, NO_ATIMES},
    {"mand", IGNORED, 0, true, "Linux has no mandatory locks any more"},
    {"nomand", IGNORED, 0, true, "Linux has no mandatory locks any more"},
    {"iversion", IGNORED, 0, true, "revisions are always counted"},
    {"noiversion", IGNORED, 0, true, "revisions are always counted"},
    {"silent", IGNORED, 0, true, "the kernel says nothing of a FUSE mount"},
    {"loud", IGNORED, 0, true, "the kernel says nothing of a FUSE mount"},
    {"symfollow", IGNORED, 0, true, "the default"},
    {"auto", IGNORED, 0, true, BY_MOUNT},
    {"noauto", IGNORED, 0, true, BY_MOUNT},
    {"user", IGNORED, 0, true, BY_MOUNT},
    {"user=", IGNORED, 0, true, BY_MOUNT},
    {"users", IGNORED, 0, true, BY_MOUNT},
    {"nouser", IGNORED, 0, true, BY_MOUNT},
    {"nousers", IGNORED, 0, true, BY_MOUNT},
    {"owner", IGNORED, 0, true, BY_MOUNT},
    {"noowner", IGNORED, 0, true, BY_MOUNT},
    {"group", IGNORED, 0, true, BY_MOUNT},
    {"nogroup", IGNORED, 0, true, BY_MOUNT},
    {"nofail", IGNORED, 0, true, BY_MOUNT},
    {"_netdev", IGNORED, 0, true, BY_MOUNT},
    {"comment=", IGNORED, 0, true, BY_MOUNT},
    {"helper=", IGNORED, 0, true, BY_MOUNT},
    {"uhelper=", IGNORED, 0, true, BY_MOUNT},
    {"x-*", IGNORED, 0, true, BY_MOUNT},
    {"X-*", IGNORED, 0, true, BY_MOUNT},
    {"remount", REFUSED, 0, true, NOT_CHANGED},
    {"bind", REFUSED, 0, true, NO_BIND},
    {"rbind", REFUSED, 0, true, NO_BIND},
    {"move", REFUSED, 0, true, "mount --move DIR NEW does that"},
    {"nosymfollow", REFUSED, 0, true,
     "FUSE cannot mount so: 'mount -o remount,bind,nosymfollow DIR' later"},
    {"uid=", REFUSED, 0, true, OWN_MODES},
    {"gid=", REFUSED, 0, true, OWN_MODES},
    {"umask=", REFUSED, 0, true, OWN_MODES},
    {"allow_root", REFUSED, 0, true, "use allow_other: root is let in with the others"},
    {"auto_unmount", REFUSED, 0, true,
     "the next mount at DIR, or storefs unmount, clears a dead one"},
    {"fsname=", REFUSED, 0, true, "it is always the store's URI"},
    {"subtype=", REFUSED, 0, true, "it is always storefs"},
    {"quota", REFUSED, 0, true, NO_QUOTA},
    {"noquota", IGNORED, 0, true, NO_QUOTA},
    {"usrquota", REFUSED, 0, true, NO_QUOTA},
    {"grpquota", REFUSED, 0, true, NO_QUOTA},
};
#define KNOWN (sizeof words_known / sizeof words_known[0])

static bool is(const struct word *row, const char *word, size_t size)
{
    size_t length = strlen(row->name);
    char last = row->name[length - 1];
    if (last == '*')
        return size >= length && strncmp(row->name, word, length - 1) == 0;
    return (last == '=' ? size >= length : size == length) && strncmp(row->name, word, length) == 0;
}

static const struct word *find(const char *word, size_t size)
{
    for (size_t i = 0; i < KNOWN; i++)
        if (is(&words_known[i], word, size))
            return &words_known[i];
    return NULL;
}

/* A comma between double quotes ends no word: context="system_u:object_r:tmp_t:s0:c127,c456". */
static size_t word_size(const char *word)
{
    size_t size = 0;
    for (bool quoted = false; word[size] && (quoted || word[size] != ','); size++)
        quoted ^= word[size] == '"';
    return size;
}

static bool is_balanced(const char *word, size_t size)
{
    bool quoted = false;
    for (size_t i = 0; i < size; i++)
        quoted ^= word[i] == '"';
    return !quoted;
}

static int take_seconds(const struct word *row, struct sfs_bytes value, struct fs_options *options,
                        struct sfs_error *error)
{
    const char *text = value.data;
    uint64_t seconds = 0;
    size_t i = 0;
    for (; i < value.size && text[i] >= '0' && text[i] <= '9' && seconds <= TIMEOUT_MAX; i++)
        seconds = seconds * 10 + (uint64_t)(text[i] - '0');
    if (i < value.size || seconds == 0 || seconds > TIMEOUT_MAX)
        return sfs_fail(error, SFS_E_INVALID, "mount", "'%.*s' is no time limit: seconds, 1 to %d",
                        (int)(value.size < 64 ? value.size : 64), text, TIMEOUT_MAX);
    seconds *= 1000;
    memcpy((char *)options + row->member, &seconds, sizeof seconds);
    return 0;
}

/* libfuse ends an option at a comma that has no backslash before it. */
static int take_kernel(const char *word, size_t size, struct sfs_buffer *kernel,
                       struct sfs_error *error)
{
    int result = kernel->size ? sfs_buffer_byte(kernel, ',') : 0;
    for (size_t i = 0; !result && i < size; i++) {
        if (word[i] == ',' || word[i] == '\\')
            result = sfs_buffer_byte(kernel, '\\');
        if (!result)
            result = sfs_buffer_byte(kernel, word[i]);
    }
    return result ? sfs_fail_memory(error, "mount") : 0;
}

static int take(const struct word *row, const char *word, size_t size, struct fs_options *options,
                struct sfs_buffer *kernel, struct sfs_error *error)
{
    struct sfs_bytes value = sfs_bytes(word + strlen(row->name), size - strlen(row->name));
    switch (row->kind) {
    case SWITCH:
        memcpy((char *)options + row->member, &row->value, sizeof row->value);
        return 0;
    case ISOLATION:
        options->isolated = true;
        return fs_isolation_parse(value, &options->isolation, error);
    case SECONDS:
        return take_seconds(row, value, options, error);
    case KERNEL:
        return take_kernel(word, size, kernel, error);
    case REFUSED:
        return sfs_fail(error, SFS_E_INVALID, "mount", "mount option '%.*s' is refused: %s",
                        (int)size, word, row->text);
    case HELP:
    case IGNORED:
        break;
    }
    return 0;
}

int tool_mount_options(const char *words, struct fs_options *ret_options, struct sfs_buffer *kernel,
                       struct sfs_error *error)
{
    struct fs_options options = {0};
    size_t size;
    for (const char *word = words ? words : ""; *word; word += size + (word[size] == ',')) {
        size = word_size(word);
        if (!is_balanced(word, size))
            return sfs_fail(error, SFS_E_INVALID, "mount", "unbalanced quote in mount option '%s'",
                            word);
        const struct word *row = find(word, size);
        if (size && !row)
            return sfs_fail(error, SFS_E_INVALID, "mount",
                            "unknown mount option '%.*s'; 'storefs mount -o help' lists them",
                            (int)size, word);
        int result = size ? take(row, word, size, &options, kernel, error) : 0;
        if (result)
            return result;
    }
    if (kernel->size && sfs_buffer_text(kernel))
        return sfs_fail_memory(error, "mount");
    options.kernel = kernel->size ? kernel->data : NULL;
    *ret_options = options;
    return 0;
}

bool tool_mount_options_help(const char *words)
{
    size_t size;
    for (const char *word = words ? words : ""; *word; word += size + (word[size] == ',')) {
        size = word_size(word);
        if (size == 4 && strncmp(word, "help", size) == 0)
            return true;
    }
    return false;
}

void tool_mount_options_print(void)
{
    for (size_t i = 0; i < KNOWN; i++) {
        const struct word *row = &words_known[i];
        const char *what = row->kind == IGNORED   ? "ignored"
                           : row->kind == REFUSED ? "refused"
                                                  : "taken";
        printf("%s\t%s\t%s\n", row->name, what, row->text);
    }
}
