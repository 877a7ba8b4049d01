/* SPDX-License-Identifier: MIT */
/* Distances between words, for "did you mean". */
#include "tools/suggest.h"

#include <string.h>

#define LETTERS_MAX 31

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Damerau and Levenshtein's: rows[i][j] is the distance of the first i letters from the first j. */
size_t tool_distance(const char *from, const char *to)
{
    size_t rows[LETTERS_MAX + 1][LETTERS_MAX + 1];
    size_t m = strlen(from);
    size_t n = strlen(to);
    if (m > LETTERS_MAX || n > LETTERS_MAX)
        return m > n ? m : n;
    for (size_t i = 0; i <= m; i++)
        rows[i][0] = i;
    for (size_t j = 0; j <= n; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= m; i++) {
        for (size_t j = 1; j <= n; j++) {
            size_t changed = rows[i - 1][j - 1] + (from[i - 1] != to[j - 1]);
            rows[i][j] = least(changed, least(rows[i - 1][j], rows[i][j - 1]) + 1);
            if (i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1])
                rows[i][j] = least(rows[i][j], rows[i - 2][j - 2] + 1);
        }
    }
    return rows[m][n];
}
