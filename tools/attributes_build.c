/* SPDX-License-Identifier: MIT */
/* storefs attributes build: entities as lines of JSON, some thousand at a time. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storefs/document.h"
#include "tools/attributes.h"
#include "tools/message.h"
#include "tools/progress.h"

#define GROUP_BYTES ((size_t)1 << 20)

struct builder {
    struct sfs_attribute_index *index;
    struct sfs_buffer group; /* an array, not closed */
    uint64_t line;           /* the last that was read */
    uint64_t done;           /* bytes */
    struct tool_progress progress;
};

static int add_group(struct builder *builder, struct sfs_error *error)
{
    if (builder->group.size == 0)
        return 0;
    if (sfs_buffer_byte(&builder->group, ']'))
        return sfs_fail_memory(error, "attributes");
    int result = sfs_attribute_index_entities(builder->index, sfs_buffer_bytes(&builder->group),
                                              NULL, error);
    builder->group.size = 0;
    if (!result && tool_progress_step(&builder->progress, builder->done, 0))
        result = sfs_fail(error, SFS_E_CANCELLED, "attributes", "stopped at line %" PRIu64,
                          builder->line);
    return result;
}

/* A line is looked at alone, so that it can be named where it is wrong. */
static int add_line(struct builder *builder, struct sfs_bytes line, struct sfs_error *error)
{
    builder->line++;
    builder->done += line.size + 1;
    if (line.size > 0 && ((const char *)line.data)[line.size - 1] == '\r')
        line.size--;
    if (line.size == 0)
        return 0;
    if (sfs_type_of(line) != SFS_TYPE_JSON)
        return sfs_fail(error, SFS_E_INVALID, "attributes", "line %" PRIu64 " is not JSON",
                        builder->line);
    struct sfs_buffer *group = &builder->group;
    if (sfs_buffer_byte(group, group->size ? ',' : '[') || sfs_buffer_add(group, line))
        return sfs_fail_memory(error, "attributes");
    return group->size < GROUP_BYTES ? 0 : add_group(builder, error);
}

static int read_lines(struct builder *builder, FILE *file, struct sfs_error *error)
{
    char *line = NULL;
    size_t capacity = 0;
    ssize_t size;
    int result = 0;
    errno = 0;
    while (!result && (size = getline(&line, &capacity, file)) > 0) {
        size_t length = (size_t)size - (line[size - 1] == '\n');
        result = add_line(builder, sfs_bytes(line, length), error);
        errno = 0;
    }
    if (!result && ferror(file))
        result = sfs_fail_errno(error, errno, "attributes",
                                "the entities cannot be read behind line %" PRIu64, builder->line);
    free(line);
    return result ? result : add_group(builder, error);
}

int tool_attributes_build(struct tool_attributes *attributes, int count, char **words,
                          struct sfs_error *error)
{
    struct builder builder = {.index = attributes->index};
    bool standard = count == 0 || strcmp(words[0], "-") == 0;
    FILE *file = standard ? stdin : fopen(words[0], "re");
    if (!file)
        return sfs_fail_errno(error, errno, "attributes", "%s", words[0]);
    tool_progress_begin(&builder.progress, "bytes");
    int result = read_lines(&builder, file, error);
    tool_progress_end(&builder.progress);
    sfs_buffer_free(&builder.group);
    if (!standard)
        fclose(file);
    return result;
}
