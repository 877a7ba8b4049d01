/* SPDX-License-Identifier: MIT */
#ifndef TESTS_FUZZ_INPUT_H
#define TESTS_FUZZ_INPUT_H

/*
 * Reads a fuzzer's input as a description: the harness takes numbers and texts from it and writes a
 * well-formed file around them. At the end of the input every number is 0 and every text is empty.
 */
#include <stdio.h>
#include <stdlib.h>

#include "storefs/bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *at;
    size_t left;
};

#define require(holds) ((holds) ? (void)0 : input_fail(__FILE__, __LINE__, #holds))
_Noreturn static inline void input_fail(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, what);
    abort();
}

static inline uint8_t input_byte(struct input *input)
{
    if (input->left == 0)
        return 0;
    input->left--;
    return *input->at++;
}

static inline struct sfs_bytes input_bytes(struct input *input, size_t size)
{
    struct sfs_bytes bytes = sfs_bytes(input->at, size < input->left ? size : input->left);
    input->at += bytes.size;
    input->left -= bytes.size;
    return bytes;
}

/* A text of up to 127 bytes. */
static inline struct sfs_bytes input_text(struct input *input)
{
    return input_bytes(input, input_byte(input) & 127u);
}

/* Small as a rule, else at a limit, else any. */
static inline uint64_t input_number(struct input *input)
{
    static const uint64_t limits[] = {
        UINT64_MAX,
        (uint64_t)INT64_MAX,
        (uint64_t)INT64_MAX + 1,
        UINT32_MAX,
        INT32_MAX,
        (uint64_t)UINT32_MAX + 1,
        UINT64_MAX - 1,
        UINT64_C(1) << 20,
        (UINT64_C(1) << 20) - 1,
        UINT16_MAX,
        UINT64_C(1) << 40,
        UINT64_C(1) << 18,
        262143,
        4095,
        4096,
    };
    uint8_t first = input_byte(input);
    uint64_t number = 0;
    if (first < 224)
        return first;
    if (first < 239)
        return limits[first - 224];
    struct sfs_bytes bytes = input_bytes(input, sizeof(number));
    if (bytes.size)
        memcpy(&number, bytes.data, bytes.size);
    return number;
}

/* The usual number unless the input says otherwise. */
static inline uint64_t input_number_or(struct input *input, bool other, uint64_t usual)
{
    return other ? input_number(input) : usual;
}

#endif
