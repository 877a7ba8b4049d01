/* SPDX-License-Identifier: MIT */
#ifndef SFS_QUERY_SUM_H
#define SFS_QUERY_SUM_H

/*
 * Sums of JSON numbers, exact whatever their size: short numbers go to one wide integer that counts
 * billionths; all others to a row of digits in base 10^9 that is as long as the numbers need, where
 * adding is adding, since each has its place (a superaccumulator, as Kulisch has it, in decimal).
 * {0} is 0. Belongs to one thread.
 */
#include "query/value.h"

/* The digits that a sum may span, from its highest to its lowest: 1e999999 + 1 can be held. */
#define SFS_SUM_DIGITS 1000000

__extension__ typedef __int128 sfs_wide;

struct sfs_sum {
    sfs_wide billionths;
    uint64_t count; /* numbers added */
    int64_t *limbs; /* each base 10^9, signed, carries not done; owned */
    int64_t low;    /* the power of 10^9 that limbs[0] counts */
    size_t limb_count;
    uint32_t additions; /* to the limbs since carries were done */
};

/* Adds the text of a JSON number. NO_MEMORY; TOO_LARGE where the sum would span too many digits. */
int sfs_sum_add(struct sfs_sum *sum, struct sfs_bytes number);
int sfs_sum_add_integer(struct sfs_sum *sum, int64_t number);
/* Adds another sum. As sfs_sum_add. */
int sfs_sum_merge(struct sfs_sum *sum, const struct sfs_sum *other);
/* Appends the sum as bytes. NO_MEMORY. */
int sfs_sum_pack(const struct sfs_sum *sum, struct sfs_buffer *out);
/* Adds a sum from the bytes, which move behind it. As sfs_sum_add. */
int sfs_sum_merge_packed(struct sfs_sum *sum, struct sfs_bytes *bytes);
/* Appends the exact sum as text that is a JSON number, not in its shortest form. As sfs_sum_add. */
int sfs_sum_total(struct sfs_sum *sum, struct sfs_buffer *out);
/* The sum divided by the count, which must not be 0: exact where it ends within as many digits as
 * the sum has, or 34; else rounded to that many, half to even. As sfs_sum_total. */
int sfs_sum_average(struct sfs_sum *sum, struct sfs_buffer *out);
/* Bytes of memory besides the struct. */
size_t sfs_sum_held(const struct sfs_sum *sum);
void sfs_sum_free(struct sfs_sum *sum);

#endif
