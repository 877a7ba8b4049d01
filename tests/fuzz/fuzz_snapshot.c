/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer target for the snapshot files of memory stores. The first byte says what the rest is:
 * the file itself, the file but for its last checksum, or a description of records and indexes that
 * a file is written of, with right lengths and checksums unless the description says otherwise.
 */
#include <xxhash.h>

#include "tests/fuzz/input.h"
#include "tests/fuzz/use.h"
#include "util/binary.h"

#define FILE_NAME "snapshot"
#define URI "memory:?snapshot=" FILE_NAME

enum form { RAW, RAW_SUMMED, DESCRIBED };
/* What is not as usual in a record. */
enum odd {
    ODD_LENGTHS = 1,
    ODD_KIND = 2,
    ODD_ATTRIBUTES = 4,
    ODD_SUM = 8,
    ODD_NAME = 16,
    ODD_XATTRS = 32,
    ODD_VALUE = 64,
    ODD_ID = 128,
};

static const char *const names[] = {"d/1", "d/2", "large", "middle", "d/", "\0", "\0d/", "n"};
static const char *const values[] = {"{\"n\":1}", "{\"n\":2,\"m\":[1]}", "text", "\xff\x00"};

static void add(struct sfs_buffer *file, uint64_t number, unsigned size)
{
    require(sfs_binary_add(file, number, size) == 0);
}

static struct sfs_bytes name_of(struct input *input, unsigned odd)
{
    uint8_t which = input_byte(input) % 8;
    if (odd & ODD_NAME)
        return input_text(input);
    /* Those that begin with a NUL are markers. */
    const char *name = names[which];
    return name[0] ? sfs_string(name) : sfs_bytes(name, which == 5 ? 1 : 3);
}

static void add_record(struct input *input, struct sfs_buffer *file, uint64_t index)
{
    uint8_t odd = input_byte(input);
    size_t begin = file->size;
    struct sfs_bytes name = name_of(input, odd);
    struct sfs_bytes xattrs = odd & ODD_XATTRS ? input_text(input) : (struct sfs_bytes){0};
    struct sfs_bytes value =
        odd & ODD_VALUE ? input_text(input) : sfs_string(values[input_byte(input) % 4]);
    bool marker = sfs_name_is_marker(name), lengths = odd & ODD_LENGTHS;
    add(file, 1, 1);
    add(file, input_number_or(input, lengths, name.size), 4);
    add(file, input_number_or(input, lengths, xattrs.size), 4);
    add(file, input_number_or(input, lengths, value.size), 8);
    add(file, input_number_or(input, odd & ODD_ID, index + 1), 8);
    add(file, input_number_or(input, odd & ODD_ID, index + 1), 8);
    add(file, input_number_or(input, odd & ODD_KIND, marker ? SFS_KIND_MARKER : SFS_KIND_VALUE), 4);
    add(file, input_number_or(input, odd & ODD_KIND, (uint64_t)sfs_type_of(value)), 4);
    for (unsigned i = 0; i < 4; i++) /* type was set, mode, uid, gid */
        add(file, input_number_or(input, odd & ODD_ATTRIBUTES, i == 0 ? 0 : 0600), 4);
    for (unsigned i = 0; i < 5; i++) /* device and times */
        add(file, input_number_or(input, odd & ODD_ATTRIBUTES, 0), 8);
    require(sfs_buffer_add(file, name) == 0 && sfs_buffer_add(file, xattrs) == 0 &&
            sfs_buffer_add(file, value) == 0);
    uint64_t sum = XXH3_64bits_withSeed(file->data + begin, file->size - begin, begin);
    add(file, input_number_or(input, odd & ODD_SUM, sum), 8);
}

static void add_index(struct input *input, struct sfs_buffer *file)
{
    static const char *const fields[] = {"n", "unique:m", "n,m", "d"};
    uint8_t which = input_byte(input);
    struct sfs_bytes name = which < 4 ? sfs_string(fields[which]) : input_text(input);
    add(file, 2, 1);
    add(file, input_number_or(input, which > 128, name.size), 4);
    require(sfs_buffer_add(file, name) == 0);
}

static void describe(struct input *input, struct sfs_buffer *file)
{
    uint8_t odd = input_byte(input);
    uint64_t count = 0;
    require(sfs_buffer_append(file, "SFSMEM\r\n", 8) == 0);
    add(file, input_number_or(input, odd & 1, 3), 4);
    add(file, input_number_or(input, odd & 2, 100), 8);
    add(file, input_number_or(input, odd & 4, 100), 8);
    for (uint8_t tag; input->left > 0 && (tag = input_byte(input) % 8) != 0;) {
        if (tag == 7) {
            add_index(input, file);
        } else {
            add_record(input, file, count++);
        }
    }
    add(file, 0, 1);
    add(file, input_number_or(input, odd & 8, count), 8);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    struct sfs_buffer file = {0};
    (void)fuzz_enter();
    enum form form = (enum form)(input_byte(&input) % 3);
    if (form == DESCRIBED)
        describe(&input, &file);
    else
        require(sfs_buffer_append(&file, input.at, input.left) == 0);
    if (form != RAW)
        add(&file, XXH3_64bits(file.data, file.size), 8);
    fuzz_write_file(FILE_NAME, sfs_buffer_bytes(&file));
    sfs_buffer_free(&file);
    fuzz_use(URI);
    return fuzz_leave();
}
