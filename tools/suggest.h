/* SPDX-License-Identifier: MIT */
#ifndef TOOLS_SUGGEST_H
#define TOOLS_SUGGEST_H

#include <stddef.h>

/* How many letters are left out, added, exchanged with a neighbour or other ones, from one word to
 * another; long words (over 31 letters) are as far away as they are long. */
size_t tool_distance(const char *from, const char *to);
/* Of two words with this distance: near enough that one can be a slip for the other. */
static inline int tool_is_slip(size_t distance, size_t length)
{
    return distance <= 2 && distance * 2 < length + 1;
}

#endif
