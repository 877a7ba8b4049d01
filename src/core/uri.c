/* SPDX-License-Identifier: MIT */
/*
 * Opening a store by its URI: "scheme:PATH?name=value&…", or a bare path, which is sqlite.
 */
#include <pthread.h>
#include <stdlib.h>

#include "storefs/backend.h"

#define OPTIONS_MAX 64
#define BACKENDS_MAX 32

/* The parts of a URI; all strings lie in `text`, which is cut up and decoded in place. */
struct parsed {
    char *text;
    struct sfs_location location;
    struct sfs_option options[OPTIONS_MAX];
};

static bool is_scheme_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '+' ||
           byte == '-' || byte == '.';
}

/* The length of "scheme" where the text begins with "scheme:", else 0: it is a bare path. */
static size_t scheme_length(const char *text)
{
    size_t length = 0;
    if (text[0] < 'a' || text[0] > 'z')
        return 0;
    while (is_scheme_byte(text[length]))
        length++;
    return text[length] == ':' ? length : 0;
}

static int hex_digit(char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    if (byte >= 'a' && byte <= 'f')
        return byte - 'a' + 10;
    return byte >= 'A' && byte <= 'F' ? byte - 'A' + 10 : -1;
}

/* Decodes %XX in place: the result is never longer. */
static int decode(char *text, struct sfs_error *error)
{
    char *out = text;
    for (const char *at = text; *at; at++) {
        if (*at != '%') {
            *out++ = *at;
            continue;
        }
        int high = hex_digit(at[1]), low = high < 0 ? -1 : hex_digit(at[2]);
        if (low < 0 || high + low == 0)
            return sfs_fail(error, SFS_E_INVALID, "uri",
                            "'%.3s' is no escape: a '%%' itself is written %%25", at);
        *out++ = (char)(high << 4 | low);
        at += 2;
    }
    *out = '\0';
    return 0;
}

static int add_option(struct parsed *parsed, char *text, struct sfs_error *error)
{
    char *value = strchr(text, '=');
    size_t count = parsed->location.option_count;
    if (!value || value == text)
        return sfs_fail(error, SFS_E_INVALID, "uri", "option '%s' is not name=value", text);
    *value++ = '\0';
    int rc = decode(value, error);
    if (rc)
        return rc;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(parsed->options[i].name, text) == 0)
            return sfs_fail(error, SFS_E_INVALID, "uri", "option %s is given twice", text);
    }
    if (count == OPTIONS_MAX)
        return sfs_fail(error, SFS_E_INVALID, "uri", "more than %d options", OPTIONS_MAX);
    parsed->options[count] = (struct sfs_option){text, value};
    parsed->location.option_count++;
    return 0;
}

static int parse_options(struct parsed *parsed, char *text, struct sfs_error *error)
{
    int rc = 0;
    while (rc == 0 && text && *text) {
        char *next = strchr(text, '&');
        if (next)
            *next++ = '\0';
        rc = add_option(parsed, text, error);
        text = next;
    }
    return rc;
}

static int parse(struct parsed *parsed, struct sfs_error *error)
{
    size_t length = scheme_length(parsed->text);
    char *path = parsed->text + (length ? length + 1 : 0);
    parsed->location.scheme = length ? parsed->text : "sqlite";
    parsed->location.path = path;
    parsed->location.options = parsed->options;
    if (length)
        parsed->text[length] = '\0';
    char *options = strchr(path, '?');
    if (options)
        *options++ = '\0';
    if (!length && !*path)
        return sfs_fail(error, SFS_E_INVALID, "uri", "the URI names no store");
    int rc = parse_options(parsed, options, error);
    return rc ? rc : decode(path, error);
}

static void free_parsed(struct parsed *parsed)
{
    free(parsed->text);
    free(parsed);
}

/* The caller frees it. */
static int parse_copy(const char *uri, struct parsed **ret_parsed, struct sfs_error *error)
{
    struct parsed *parsed = calloc(1, sizeof(*parsed));
    if (!parsed || !(parsed->text = strdup(uri))) {
        free(parsed);
        return sfs_fail_memory(error, "uri");
    }
    int rc = parse(parsed, error);
    if (rc)
        free_parsed(parsed);
    else
        *ret_parsed = parsed;
    return rc;
}

static int fail_scheme(const char *scheme, struct sfs_error *error)
{
    struct sfs_buffer names = {0};
    int rc = 0;
    for (const struct sfs_backend *const *each = sfs_backend_registry; rc == 0 && *each; each++)
        rc = sfs_buffer_printf(&names, "%s%s", each == sfs_backend_registry ? "" : ", ",
                               (*each)->info.scheme);
    if (rc == 0)
        rc = sfs_buffer_text(&names);
    if (rc == 0)
        rc = sfs_fail(error, SFS_E_UNSUPPORTED, "uri",
                      "there is no backend '%s', only %s (a path with ':' in it is written ./%s:…)",
                      scheme, names.size ? names.data : "none", scheme);
    else
        rc = sfs_fail_memory(error, "uri");
    sfs_buffer_free(&names);
    return rc;
}

static int open_location(struct sfs_storage **ret_store, const struct sfs_location *location,
                         unsigned flags, struct sfs_error *error)
{
    const struct sfs_backend *const *backend = sfs_backend_registry;
    while (*backend && strcmp((*backend)->info.scheme, location->scheme) != 0)
        backend++;
    if (!*backend)
        return fail_scheme(location->scheme, error);
    struct sfs_storage *store;
    int rc = (*backend)->open(&store, location, flags, error);
    if (rc)
        return rc;
    if (flags & SFS_OPEN_READ_ONLY)
        store->read_only = true;
    *ret_store = store;
    return 0;
}

int sfs_open(struct sfs_storage **ret_store, const char *uri, unsigned flags,
             struct sfs_error *error)
{
    const unsigned known =
        SFS_OPEN_CREATE | SFS_OPEN_READ_ONLY | SFS_OPEN_FROZEN | SFS_OPEN_SALVAGE;
    if (!uri || (flags & ~known))
        return sfs_fail(error, SFS_E_INVALID, "uri", "no URI, or unknown flags %#x", flags);
    if ((flags & SFS_OPEN_FROZEN) && (flags & SFS_OPEN_SALVAGE))
        return sfs_fail(error, SFS_E_INVALID, "uri", "a damaged store cannot be frozen");
    if (flags & (SFS_OPEN_FROZEN | SFS_OPEN_SALVAGE))
        flags |= SFS_OPEN_READ_ONLY;
    struct parsed *parsed;
    int rc = parse_copy(uri, &parsed, error);
    if (rc)
        return rc;
    rc = open_location(ret_store, &parsed->location, flags, error);
    free_parsed(parsed);
    return rc;
}

/* A store in memory has its file as an option. */
static const char *path_of(const struct sfs_location *location)
{
    for (size_t i = 0; i < location->option_count && !location->path[0]; i++)
        if (strcmp(location->options[i].name, "snapshot") == 0)
            return location->options[i].value;
    return location->path;
}

int sfs_uri_path(const char *uri, char **ret_path, struct sfs_error *error)
{
    struct parsed *parsed;
    int rc = parse_copy(uri, &parsed, error);
    if (rc)
        return rc;
    const char *path = path_of(&parsed->location);
    char *copy = path[0] ? strdup(path) : NULL;
    if (path[0] && !copy)
        rc = sfs_fail_memory(error, "uri");
    else
        *ret_path = copy;
    free_parsed(parsed);
    return rc;
}

/* The registry's rows hold more than is public, so the public table is made from it, once. */
static struct sfs_backend_info infos[BACKENDS_MAX + 1];
static pthread_once_t infos_once = PTHREAD_ONCE_INIT;

static void make_infos(void)
{
    for (size_t i = 0; i < BACKENDS_MAX && sfs_backend_registry[i]; i++)
        infos[i] = sfs_backend_registry[i]->info;
}

const struct sfs_backend_info *sfs_backends(void)
{
    pthread_once(&infos_once, make_infos);
    return infos;
}
