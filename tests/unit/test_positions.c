/* SPDX-License-Identifier: MIT */
/*
 * The places of a listing: each is found as it was added, in any order, and of too many the old ones are forgotten.
 */
#include "storefs/storefs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fs/positions.h"

/* Texts that share more and less with the one before; every tenth is the same as that. */
static struct sfs_bytes text_of(unsigned index, char text[64])
{
    unsigned number = index % 10 == 9 ? index - 1 : index;
    int size = snprintf(text, 64, "%s/%0*u", number % 7 ? "directory" : "d", (int)(number % 5), number * 7919U);
    return sfs_bytes(text, (size_t)size);
}

static void expect(struct fs_positions *positions, unsigned index)
{
    char text[64];
    struct sfs_bytes found = {0};
    assert_int_equal(fs_positions_find(positions, index, &found), 0);
    assert_true(sfs_bytes_equal(found, text_of(index, text)));
}

static void places_are_found(void **unused)
{
    (void)unused;
    struct fs_positions positions = {0};
    struct sfs_bytes found;
    char text[64];
    assert_int_equal(fs_positions_find(&positions, 0, &found), SFS_E_NOT_FOUND);
    for (unsigned i = 0; i < 5000; i++) {
        assert_int_equal(fs_positions_add(&positions, text_of(i, text)), 0);
        expect(&positions, i);
        expect(&positions, (i * 48271U) % (i + 1));
    }
    for (unsigned i = 0; i < 5000; i++)
        expect(&positions, i);
    for (unsigned i = 5000; i-- > 0;)
        expect(&positions, i);
    assert_int_equal(fs_positions_find(&positions, 5000, &found), SFS_E_NOT_FOUND);
    fs_positions_free(&positions);
}

static void old_places_are_forgotten(void **unused)
{
    (void)unused;
    enum { SIZE = 4000, COUNT = 10000 };
    struct fs_positions positions = {0};
    struct sfs_bytes found = {0};
    static char text[SIZE];
    for (unsigned i = 0; i < COUNT; i++) {
        memset(text, 'a' + (int)(i % 26), sizeof(text));
        assert_int_equal(fs_positions_add(&positions, sfs_bytes(text, sizeof(text))), 0);
    }
    assert_int_equal(positions.count, COUNT);
    assert_true(positions.log.size < ((size_t)33 << 20));
    assert_int_equal(fs_positions_find(&positions, positions.first - 1, &found), SFS_E_NOT_FOUND);
    for (uint64_t i = positions.first; i < COUNT; i++) {
        memset(text, 'a' + (int)(i % 26), sizeof(text));
        assert_int_equal(fs_positions_find(&positions, i, &found), 0);
        assert_true(sfs_bytes_equal(found, sfs_bytes(text, sizeof(text))));
    }
    fs_positions_free(&positions);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_are_found),
        cmocka_unit_test(old_places_are_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
