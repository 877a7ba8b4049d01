/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_TESTS_FILE_OPS_H
#define STOREFS_TESTS_FILE_OPS_H

/*
 * Shared by the parts of file_ops: file_ops.c plays rounds and compares, the others have the operations.
 * Everything is global and belongs to the main thread.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define NAMES 4
#define HANDLES 8
#define MIB (UINT64_C(1) << 20)
#define DATA_MAX (4 * MIB) /* of one operation, bytes */

/* One of the two sides: sides[0] is the mount's, sides[1] an ordinary directory. */
struct side {
    char path[500]; /* of the round's directory */
    int top;        /* … open */
    long result;
    int error;
    char *data; /* DATA_MAX bytes */
};

/* The same file open on both sides. */
struct handle {
    int files[2]; /* -1: not open */
    int flags;
    unsigned name; /* which of file_names it has, or had last */
};

/* What one round may do, drawn from its seed. */
struct round {
    uint64_t seed;
    unsigned long number;
    uint64_t limit;  /* files end here at the latest, bytes */
    uint64_t length; /* of one write at most */
    bool in_tx;      /* sides[0] is below tx/NAME/keys */
    bool calm;       /* commits are rare: much gathers in open files */
};

extern const char *const file_names[NAMES];
extern struct side sides[2];
extern struct handle handles[HANDLES];
extern struct round current;
extern const char *mount_path, *scratch_path; /* scratch_path: for sources, on the plain side */
extern const char *shared_uri;                /* of the mounted store, if others may open it as well; else NULL */
extern bool can_zero_range;                   /* the plain side's file system knows it */

extern bool acting; /* in BOTH: nothing may be drawn, or the sides would get different numbers */
/* A random number in [0, below), from the round's seed. */
uint64_t draw(uint64_t below);
/* Notes what is done next. `names`: a bit for each of file_names that it concerns. */
__attribute__((format(printf, 2, 3))) void say(unsigned names, const char *format, ...);
/* Prints the difference, the seed and the last operations on the file, and ends the program with 1. */
__attribute__((format(printf, 1, 2))) _Noreturn void differ(const char *format, ...);
/* What a call returned on this side. compare(): it must be the same on both. */
void settle(struct side *side, long result);
void compare(void);

/* Evaluates an expression on both sides (`s` is the side) and compares result and errno. */
#define BOTH(expression)                                                                            \
    do {                                                                                            \
        acting = true;                                                                              \
        for (struct side *s = sides; s < sides + 2; s++)                                            \
            settle(s, (expression));                                                                \
        acting = false;                                                                             \
        compare();                                                                                  \
    } while (0)

/* The file as a handle shows it: size, mode and, unless write-only, all bytes or some from `offset` on. */
void compare_handle(const struct handle *handle);
void compare_bytes(const struct handle *handle, uint64_t offset, uint64_t size);
/* The file as it is under its name, opened again. */
void compare_name(unsigned name);
/* SEEK_DATA or SEEK_HOLE: holes may be called data, but no byte is skipped. */
void compare_seek(const struct handle *handle, uint64_t offset, bool data);

/* --- file_ops_draw.c --- */

extern char filled[DATA_MAX];    /* what fill() has made, for the next write */
extern struct handle *latest;    /* opened to write, by open_as(); it may be closed */

unsigned draw_name(void);
/* An open handle, or NULL. */
struct handle *draw_handle(void);
/* A closed one; in calm rounds what is open stays so while there is another one. */
struct handle *draw_free(void);
void open_as(struct handle *handle, unsigned name, const char *path, int flags);
void close_handle(struct handle *handle);
/* On the plain side. */
uint64_t size_of(const struct handle *handle);
/* Up to `most`; all magnitudes are as likely. */
uint64_t draw_magnitude(uint64_t most);
/* Where something may be special in a file of `size` bytes; below the round's limit. */
uint64_t draw_offset(uint64_t size);
/* Of one operation at `offset`: at most DATA_MAX, and it ends below the limit. */
size_t draw_length(uint64_t offset);
/* Bytes of which no two places are alike; now and then zeros, or a document. */
void fill(size_t size);
/* Sizes, and bytes around what was changed; now and then. */
void look(const struct handle *handle, uint64_t offset, uint64_t size);

/* --- one random operation each: file_ops_make.c, file_ops_write.c --- */

void do_open(void);
void do_make(void);
void do_replace(void);
void do_program(void);
void do_library(void);
void do_merge(void);
/* Closes the name's handles, and returns when its content is committed. */
void settle_name(unsigned name);
/* Copies all of a range, in as many calls as it takes. */
long copy_range(int from, off_t from_offset, int to, off_t to_offset, size_t size);
/* One of all. */
void step(void);

#endif
