/* SPDX-License-Identifier: MIT */
/*
 *   crash_writer write DIRECTORY ROUND   makes files and overwrites others until one fails; prints
 *                                        "NAME VERSION" after the close of each returned
 *   crash_writer check DIRECTORY         reads such lines: each file must be there, whole, and of the
 *                                        last version that was acknowledged or of a later one
 *
 * A file's content is its name and version, repeated to a length that these determine.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONTENT_MAX 70000
#define OVERWRITTEN 20 /* files of each round that are written again and again */
#define FILES_MAX 100000

static size_t make_content(char *out, const char *name, unsigned version)
{
    char line[64];
    int length = snprintf(line, sizeof(line), "%s version %u\n", name, version);
    size_t lines = 1 + (version * 7919u + (unsigned)strlen(name) * 31u) % 2500u;
    size_t size = 0;
    for (size_t i = 0; i < lines && size + (size_t)length <= CONTENT_MAX; i++) {
        memcpy(out + size, line, (size_t)length);
        size += (size_t)length;
    }
    return size;
}

static int write_file(const char *directory, const char *name, unsigned version)
{
    static char content[CONTENT_MAX];
    char path[4096];
    size_t size = make_content(content, name, version);
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (file < 0)
        return -1;
    size_t half = size / 2;
    if (write(file, content, half) != (ssize_t)half ||
        write(file, content + half, size - half) != (ssize_t)(size - half)) {
        close(file);
        return -1;
    }
    return close(file);
}

static int write_all(const char *directory, unsigned round)
{
    char name[64];
    if (mkdir(directory, 0755) != 0 && errno != EEXIST)
        return 1;
    for (unsigned i = 0; i < FILES_MAX; i++) {
        unsigned version = i / OVERWRITTEN;
        if (i % 2 == 0)
            snprintf(name, sizeof(name), "again-%u-%u", round, i % OVERWRITTEN);
        else
            snprintf(name, sizeof(name), "once-%u-%u", round, i);
        if (write_file(directory, name, version) != 0)
            return 0;
        printf("%s %u\n", name, version);
        fflush(stdout);
    }
    return 0;
}

static int check_file(const char *directory, const char *name, unsigned acknowledged)
{
    static char content[CONTENT_MAX], found[CONTENT_MAX + 1];
    char path[4096], text[64];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    int file = open(path, O_RDONLY);
    ssize_t size = file >= 0 ? 0 : -1, got;
    while (size >= 0 && (got = read(file, found + size, sizeof(found) - (size_t)size)) > 0)
        size += got;
    if (size < 0) {
        printf("%s is lost\n", name);
        return 1;
    }
    close(file);
    unsigned version = 0;
    memcpy(text, found, sizeof(text));
    text[sizeof(text) - 1] = '\0';
    const char *word = strstr(text, " version ");
    if (word == NULL || sscanf(word, " version %u", &version) != 1 || version < acknowledged) {
        printf("%s is of version %u, %u was acknowledged\n", name, version, acknowledged);
        return 1;
    }
    size_t wanted = make_content(content, name, version);
    if ((size_t)size != wanted || memcmp(content, found, wanted) != 0) {
        printf("%s is torn: %zd bytes of %zu\n", name, size, wanted);
        return 1;
    }
    return 0;
}

static int check_all(const char *directory)
{
    char name[64];
    unsigned version;
    int problems = 0;
    while (scanf("%63s %u", name, &version) == 2)
        problems += check_file(directory, name, version);
    return problems != 0;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "write") == 0)
        return write_all(argv[2], (unsigned)strtoul(argv[3], NULL, 10));
    if (argc == 3 && strcmp(argv[1], "check") == 0)
        return check_all(argv[2]);
    fprintf(stderr, "usage: crash_writer write DIRECTORY ROUND | check DIRECTORY\n");
    return 2;
}
