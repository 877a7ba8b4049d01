#!/bin/bash
# SPDX-License-Identifier: MIT
# Conditions built in C (storefs/condition.h): what is right compiles without a warning, each wrong
# line does not compile at all.
set -u

failures=0
compiles() {
    cat > "$TMPDIR/snippet.c" << END
#include "storefs/condition.h"
struct other { int member; };
int use(struct sfs_query *query, struct other other, const int *pointer, struct sfs_error *error);
int use(struct sfs_query *query, struct other other, const int *pointer, struct sfs_error *error)
{
    const char *name = "n";
    (void)name;
    (void)other;
    (void)pointer;
    return sfs_where(query, $1, error);
}
END
    # shellcheck disable=SC2086  # CC is a list of words
    $CC -std=gnu17 -Wall -Wextra -Werror -fsyntax-only -I"$srcdir/src/include" \
        "$TMPDIR/snippet.c" 2> "$TMPDIR/messages"
}

for right in 'sfs_ge("age", 21)' 'sfs_eq("a", name)' 'sfs_eq("a", NULL)' 'sfs_lt("a", 1.5f)' \
    'sfs_eq("a", SFS_TRUE)' 'sfs_ne("a", sfs_bytes("x", 1))' 'sfs_between("a", 1, 2.0)' \
    'sfs_in("a", sfs_literal(1), sfs_literal("x"))' 'sfs_eq("a", sfs_json_text("[]"))' \
    'sfs_and(sfs_eq("a", 1), sfs_not(sfs_or(sfs_is_true("b"), sfs_has_field("c"))))'; do
    compiles "$right" || { echo "FAIL: does not compile: $right"; cat "$TMPDIR/messages"; failures=1; }
done
for wrong in 'sfs_eq("a", other)' 'sfs_eq("a", pointer)' 'sfs_eq("a", sfs_eq("b", 1))' \
    'sfs_eq(1, 2)' 'sfs_glob("a", 5)' 'sfs_in("a", 1, 2)' 'sfs_and("a", "b")' 'sfs_not(1.5)' \
    'sfs_eq("a", 1.5L)' '"age >= 21"'; do
    compiles "$wrong" && { echo "FAIL: compiles: $wrong"; failures=1; }
done
exit $failures
