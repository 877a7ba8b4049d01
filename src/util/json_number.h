/* SPDX-License-Identifier: MIT */
#ifndef SFS_UTIL_JSON_NUMBER_H
#define SFS_UTIL_JSON_NUMBER_H

/*
 * A JSON number's parts, for those who order or encode numbers exactly: it is 0.D x 10^(E + shift),
 * where D begins with a digit other than 0, E is the exponent as written, of any length, and shift
 * is how far the point had to move. Views of the number's text. Pure and thread-safe.
 */
#include "util/json.h"

struct sfs_json_number {
    bool negative;
    const char *digits; /* the first digit other than 0; `digits_end` if all are 0 */
    const char *digits_end;
    int64_t shift;
    bool exponent_negative;
    const char *exponent; /* digits of the exponent without leading zeros */
    const char *exponent_end;
};

/* Takes the text of a JSON number. There may be a point among the digits, and zeros at their end.
 */
struct sfs_json_number sfs_json_number_read(struct sfs_bytes text);

#endif
