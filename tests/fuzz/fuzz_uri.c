/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer target for URIs of stores: what is refused says why; the path of one that is taken can
 * be written as a URI that names the same path; options are read into values of their type. Only
 * stores in memory without a file are opened.
 */
#include "storefs/backend.h"
#include "tests/fuzz/input.h"

struct values {
    bool flag;
    uint64_t size;
    const char *text;
    int choice;
};

static const struct sfs_option_rule rules[] = {
    {"flag", SFS_OPTION_BOOL, offsetof(struct values, flag), NULL, "a flag"},
    {"size", SFS_OPTION_SIZE, offsetof(struct values, size), NULL, "a size"},
    {"text", SFS_OPTION_TEXT, offsetof(struct values, text), NULL, "a text"},
    {"choice", SFS_OPTION_CHOICE, offsetof(struct values, choice), "one|two", "one of two"},
    {0},
};

/* Each option of the text, "name=value&name=value", not decoded. */
static void parse_options(char *text)
{
    struct sfs_option options[8];
    struct sfs_location location = {.scheme = "memory", .path = "", .options = options};
    struct values values = {.choice = 0};
    struct sfs_error error;
    for (char *part; text && location.option_count < 8 && (part = strsep(&text, "&"));) {
        char *value = strchr(part, '=');
        if (!value)
            continue;
        *value++ = '\0';
        options[location.option_count++] = (struct sfs_option){part, value};
    }
    int code = sfs_options_parse(&location, rules, &values, &error);
    require(code == 0 ? values.choice == 0 || values.choice == 1
                      : error.code == code && error.message[0]);
}

static void write_again(const char *path)
{
    struct sfs_buffer uri = {0};
    char *again = NULL;
    require(sfs_buffer_add(&uri, SFS_LITERAL("json:")) == 0);
    for (const char *at = path; *at; at++)
        require(sfs_buffer_printf(&uri, "%%%02x", (unsigned)(unsigned char)*at) == 0);
    require(sfs_buffer_text(&uri) == 0);
    require(sfs_uri_path(uri.data, &again, NULL) == 0);
    require(again && strcmp(again, path) == 0);
    free(again);
    sfs_buffer_free(&uri);
}

static void open_uri(const char *uri)
{
    struct sfs_storage *store;
    struct sfs_error error;
    int code = sfs_open(&store, uri, SFS_OPEN_CREATE, &error);
    if (code == 0)
        require(sfs_close(store, NULL) == 0);
    else
        require(error.code == code && error.message[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sfs_error error;
    char *path = NULL;
    char *uri = strndup((const char *)data, size);
    require(uri);
    int code = sfs_uri_path(uri, &path, &error);
    require(code == 0 || (error.code == code && error.message[0]));
    if (code == 0 && path)
        write_again(path);
    else if (code == 0 && strncmp(uri, "memory:", 7) == 0)
        open_uri(uri);
    char *options = strchr(uri, '?');
    parse_options(options ? options + 1 : uri);
    free(path);
    free(uri);
    return 0;
}
