/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer target for the log of a dir store. The first byte says what the rest is: the log
 * itself, or a description of entries and steps that one is written of, with right lengths and
 * checksums unless the description says otherwise. The steps may mean the files that are there.
 * Whatever the log says, a file outside of the store stays as it is.
 */
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "tests/fuzz/input.h"
#include "tests/fuzz/use.h"
#include "util/binary.h"

#define STORE "store"
#define CONTROL STORE "/%value"
#define OUTSIDE "outside"

static const char *const names[] = {"d/1", "d/2", "large", "middle", "d", "\0", "\0d/", "e/f/g"};
/* Those that the steps may mean: of keys, and temporary ones. */
static const char *const files[] = {STORE "/d/1", STORE "/large", CONTROL "/1", CONTROL "/2",
                                    OUTSIDE};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
static struct stat statuses[COUNT(files)];

static void add(struct sfs_buffer *out, uint64_t number, unsigned size)
{
    require(sfs_binary_add(out, number, size) == 0);
}

/* --- the files --- */

static void make_files(void)
{
    fuzz_remove(STORE);
    require(mkdir(STORE, 0700) == 0 && mkdir(CONTROL, 0700) == 0 && mkdir(STORE "/d", 0700) == 0);
    for (size_t i = 0; i < COUNT(files); i++) {
        if (strcmp(files[i], OUTSIDE) != 0)
            fuzz_write_file(files[i], SFS_LITERAL("{\"n\":1}"));
        require(stat(files[i], &statuses[i]) == 0);
    }
}

static void check_outside(void)
{
    const struct stat *before = &statuses[COUNT(files) - 1];
    struct stat now;
    require(stat(OUTSIDE, &now) == 0 && now.st_ino == before->st_ino &&
            now.st_size == before->st_size && now.st_mode == before->st_mode &&
            now.st_mtim.tv_nsec == before->st_mtim.tv_nsec);
}

/* --- the log --- */

static struct sfs_bytes name_of(struct input *input)
{
    uint8_t which = input_byte(input);
    if (which >= 192)
        return input_text(input);
    const char *name = names[which % COUNT(names)];
    return name[0] ? sfs_string(name) : sfs_bytes(name, name[1] ? 3 : 1);
}

/* An inode number: of a file that is there, or any. */
static uint64_t inode_of(struct input *input)
{
    uint8_t which = input_byte(input);
    return which < 192 ? statuses[which % COUNT(files)].st_ino : input_number(input);
}

static void add_record(struct input *input, struct sfs_buffer *out, uint8_t odd)
{
    struct sfs_bytes name = name_of(input);
    struct sfs_bytes xattrs = odd & 1 ? input_text(input) : (struct sfs_bytes){0};
    const struct stat *status = &statuses[input_byte(input) % COUNT(files)];
    bool other = odd & 2, marker = sfs_name_is_marker(name);
    add(out, input_number_or(input, odd & 4, name.size), 4);
    add(out, input_number_or(input, odd & 4, xattrs.size), 4);
    add(out, input_number_or(input, odd & 8, (uint64_t)status->st_size), 8);
    add(out, input_number_or(input, other, 1), 8);
    add(out, input_number_or(input, other, 1), 8);
    add(out, input_number_or(input, odd & 16, marker ? SFS_KIND_MARKER : SFS_KIND_VALUE), 1);
    add(out, input_number_or(input, odd & 16, SFS_TYPE_JSON), 1);
    add(out, input_number_or(input, odd & 16, 0), 1);
    for (unsigned i = 0; i < 3; i++) /* mode, uid, gid */
        add(out, input_number_or(input, other, 0600), 4);
    for (unsigned i = 0; i < 5; i++) /* device and times */
        add(out, input_number_or(input, other, 0), 8);
    add(out, inode_of(input), 8);
    add(out, input_number_or(input, odd & 8, (uint64_t)status->st_size), 8);
    add(out,
        input_number_or(input, odd & 8,
                        (uint64_t)status->st_mtim.tv_sec * 1000000000 +
                            (uint64_t)status->st_mtim.tv_nsec),
        8);
    add(out, status->st_mode & 07777u, 4);
    require(sfs_buffer_add(out, name) == 0 && sfs_buffer_add(out, xattrs) == 0);
}

static void add_step(struct input *input, struct sfs_buffer *out)
{
    uint8_t action = input_byte(input) % 8, odd = input_byte(input);
    struct sfs_bytes from = action == 2 || odd & 32 ? name_of(input) : (struct sfs_bytes){0};
    add(out, action, 1);
    add(out, input_byte(input) % 4, 8);
    add(out, inode_of(input), 8);
    add(out, odd & 64 ? inode_of(input) : 0, 8);
    add(out, input_number_or(input, odd & 128, from.size), 4);
    require(sfs_buffer_add(out, from) == 0);
    add_record(input, out, odd);
}

static void add_entry(struct input *input, struct sfs_buffer *out)
{
    struct sfs_buffer payload = {0};
    uint8_t odd = input_byte(input), count = odd % 8;
    bool commit = !(odd & 8);
    add(&payload, input_number_or(input, odd & 16, commit ? 1 : 2), 1);
    for (unsigned i = 0; i < 3; i++) /* sequence, last id, last temporary file */
        add(&payload, input_number_or(input, odd & 32, 10), 8);
    if (commit)
        add(&payload, input_number_or(input, odd & 64, count), 8);
    for (unsigned i = 0; commit && i < count; i++)
        add_step(input, &payload);
    bool wrong = odd & 128;
    add(out, input_number_or(input, wrong, payload.size), 8);
    add(out, input_number_or(input, wrong, XXH3_64bits(payload.data, payload.size)), 8);
    require(sfs_buffer_add(out, sfs_buffer_bytes(&payload)) == 0);
    sfs_buffer_free(&payload);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    struct sfs_buffer log = {0};
    if (fuzz_enter())
        fuzz_write_file(OUTSIDE, SFS_LITERAL("{\"n\":1}"));
    make_files();
    uint8_t form = input_byte(&input);
    if (form & 1) {
        require(sfs_buffer_append(&log, "SFSDIR\r\n", 8) == 0);
        add(&log, 1, 4);
        while (input.left > 0)
            add_entry(&input, &log);
    } else {
        require(sfs_buffer_append(&log, input.at, input.left) == 0);
    }
    fuzz_write_file(CONTROL "/log", sfs_buffer_bytes(&log));
    sfs_buffer_free(&log);
    fuzz_use(form & 2 ? "dir:" STORE "?recover=1" : "dir:" STORE);
    check_outside();
    return fuzz_leave();
}
