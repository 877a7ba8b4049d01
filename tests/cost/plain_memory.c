/* SPDX-License-Identifier: MIT */
/*
 * memcmp and strlen in place of libc's, for the program that it is linked to: how many instructions
 * they take depends on the bytes alone. Those of libc go another way near the end of a page, so
 * that a changed size of any frame or record would change each count.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static uint64_t load(const unsigned char *at)
{
    uint64_t word;
    __builtin_memcpy(&word, at, sizeof(word));
    return word;
}

int memcmp(const void *a, const void *b, size_t size)
{
    const unsigned char *left = a, *right = b;
    for (; size >= 8 && load(left) == load(right); size -= 8) {
        left += 8;
        right += 8;
    }
    for (; size > 0; size--, left++, right++)
        if (*left != *right)
            return *left < *right ? -1 : 1;
    return 0;
}

size_t strlen(const char *text)
{
    const char *at = text;
    while (*at != '\0')
        at++;
    return (size_t)(at - text);
}
