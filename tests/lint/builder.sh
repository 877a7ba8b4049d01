#!/bin/bash
# SPDX-License-Identifier: MIT
# Queries built in C (storefs/builder.h): what is right compiles without a warning, and each wrong
# argument of each macro and call does not compile at all, even where warnings are off.
set -u

failures=0
cases=0

# compiles FLAGS STATEMENT
compiles() {
    cases=$((cases + 1))
    cat > "$TMPDIR/snippet.c" << END
#include "storefs/builder.h"
struct other { int member; };
int use(struct sfs_query *query, struct other other, const int *pointer, struct sfs_condition c,
        struct sfs_sort sort, struct sfs_call call, struct sfs_error *error);
int use(struct sfs_query *query, struct other other, const int *pointer, struct sfs_condition c,
        struct sfs_sort sort, struct sfs_call call, struct sfs_error *error)
{
    const char *name = "n";
    char array[] = "n";
    int64_t number = 1;
    size_t size = 1;
    bool yes = true;
    (void)name, (void)array, (void)number, (void)size, (void)yes, (void)other, (void)pointer, (void)c, (void)sort,
        (void)call, (void)query, (void)error;
    return $2;
}
END
    # shellcheck disable=SC2086  # CC and the flags are lists of words
    $CC -std=gnu17 $1 -fsyntax-only -I"$srcdir/src/include" "$TMPDIR/snippet.c" 2> "$TMPDIR/messages"
}

right() {
    local statement
    for statement; do
        compiles '-Wall -Wextra -Wshadow -Wconversion -Wpedantic -Werror' "$statement" ||
            { echo "FAIL: does not compile: $statement"; cat "$TMPDIR/messages"; failures=$((failures + 1)); }
    done
}

wrong() {
    local statement
    for statement; do
        compiles '-w' "$statement" && { echo "FAIL: compiles: $statement"; failures=$((failures + 1)); }
    done
}

# condition LINE…: as the condition of a stage
conditions() {
    local check=$1 one
    shift
    for one; do "$check" "sfs_where(query, $one, error)"; done
}

# Of every macro with a value, by the kinds of values.
values=(1 1.5 1.5f -1L 2u "'x'" '"text"' name array NULL true yes number size 'sfs_bytes("x", 1)' 'sfs_json_text("[]")'
    'sfs_literal(1)')
no_values=(other pointer c 1.5L query 'sfs_eq("b", 1)' '(char)1' sort)
for macro in sfs_eq sfs_ne sfs_lt sfs_le sfs_gt sfs_ge sfs_contains sfs_in; do
    [ "$macro" = sfs_eq ] || [ "$macro" = sfs_in ] || values=(1 '"text"')
    for value in "${values[@]}"; do conditions right "$macro(\"a\", $value)"; done
    for value in "${no_values[@]}"; do conditions wrong "$macro(\"a\", $value)"; done
    for field in 1 NULL c 1.5 "'a'" pointer; do conditions wrong "$macro($field, 1)"; done
    conditions wrong "$macro(\"a\")"
done
conditions right 'sfs_in("a", 1, 2)' 'sfs_in("a", 1, "x", NULL)' 'sfs_between("a", 1, 2.0)' \
    'sfs_glob("a", "J*")' 'sfs_glob(name, name)' 'sfs_regex("a", sfs_bytes("x", 1))' 'sfs_has_field(array)' \
    'sfs_is_true("a")' 'sfs_not(c)' 'sfs_and(c)' 'sfs_or(c, c, c)' \
    'sfs_and(sfs_eq("a", 1), sfs_not(sfs_or(sfs_is_true("b"), sfs_and(sfs_has_field("c"), sfs_in("d", 1)))))' \
    'sfs_condition_text(SFS_LITERAL("a = 1"))' 'sfs_condition_test("a", "=", sfs_literal(1))'
many=$(seq -s ', ' 33)
conditions wrong "sfs_in(\"a\", $many)" 'sfs_in("a", 1, other)' 'sfs_in(1, 1, 2)' 'sfs_between("a", 1)' \
    'sfs_between("a", 1, 2, 3)' 'sfs_between(1, 1, 2)' 'sfs_between("a", other, 2)' 'sfs_eq("a", 1, 2)' \
    'sfs_glob("n", 5)' 'sfs_glob("n", NULL)' 'sfs_glob(5, "n")' 'sfs_glob("n")' 'sfs_regex("n", true)' \
    'sfs_regex(1, "x")' 'sfs_has_field(1)' 'sfs_has_field(c)' 'sfs_is_true(5)' 'sfs_is_true()' 'sfs_not(1.5)' 'sfs_not(1)' \
    'sfs_not("a")' 'sfs_not(c, c)' 'sfs_and(1, c)' 'sfs_and(c, 1)' 'sfs_and("a", "b")' 'sfs_and()' 'sfs_or(c, NULL)' \
    'sfs_or(sort)' '"age >= 21"' '1' 'NULL' 'sfs_condition_text("a = 1")' 'sfs_condition_test("a", "=", 1)' \
    'sfs_eq("a", sfs_json_text(5))'
right 'sfs_order(query, sfs_sorts("a"), error)' 'sfs_order(query, sfs_sorts(sfs_desc("a"), name, sfs_asc(array), sort), error)' \
    'sfs_select(query, sfs_fields("a", name), error)' 'sfs_group(query, sfs_fields(array), error)' \
    'sfs_aggregate(query, sfs_calls(sfs_count(), sfs_sum("n"), sfs_avg(name), sfs_min("n"), sfs_max("n"), call), error)' \
    'sfs_aggregate(query, sfs_calls(sfs_distinct("n")), NULL)' 'sfs_query_limit(query, 5, error)' \
    'sfs_query_limit(query, size, error)' 'sfs_query_limit(query, number, error)' 'sfs_query_offset(query, 5u, error)' \
    'sfs_query_order(query, SFS_LITERAL("a"), error)' 'sfs_query_by(query, SFS_LITERAL("a"), sfs_string(name), error)'
for function in sfs_order sfs_select sfs_group sfs_aggregate; do
    for list in 1 NULL '"a"' c name 'sfs_literal(1)'; do wrong "$function(query, $list, error)"; done
    for query in 1 NULL error '"a"'; do
        wrong "$function($query, sfs_sorts(\"a\"), error)" "$function($query, sfs_fields(\"a\"), error)" \
            "$function($query, sfs_calls(sfs_count()), error)"
    done
done
wrong 'sfs_order(query, sfs_fields("a"), error)' 'sfs_select(query, sfs_sorts("a"), error)' \
    'sfs_group(query, sfs_calls(sfs_count()), error)' 'sfs_aggregate(query, sfs_fields("a"), error)' \
    'sfs_order(query, sfs_sorts(1), error)' 'sfs_order(query, sfs_sorts(), error)' 'sfs_order(query, sfs_sorts("a", c), error)' \
    'sfs_order(query, sfs_sorts(sfs_desc(1)), error)' 'sfs_order(query, sfs_sorts(sfs_asc(NULL)), error)' \
    'sfs_select(query, sfs_fields(1), error)' 'sfs_select(query, sfs_fields("a", sort), error)' \
    'sfs_select(query, sfs_fields(), error)' 'sfs_group(query, sfs_fields(NULL), error)' \
    'sfs_aggregate(query, sfs_calls("count"), error)' 'sfs_aggregate(query, sfs_calls(sfs_count("n")), error)' \
    'sfs_aggregate(query, sfs_calls(sfs_sum()), error)' 'sfs_aggregate(query, sfs_calls(sfs_sum(1)), error)' \
    'sfs_aggregate(query, sfs_calls(1), error)' 'sfs_where(1, c, error)' 'sfs_where(query, c)' 'sfs_where(error, c, error)'
for function in sfs_query_limit sfs_query_offset; do
    for count in 2.5 true '"5"' name NULL pointer c; do wrong "$function(query, $count, error)"; done
done
for function in sfs_query_where sfs_query_order sfs_query_select sfs_query_group sfs_query_aggregate; do
    for text in 1 '"a"' NULL name c; do wrong "$function(query, $text, error)"; done
done
wrong 'sfs_query_by(query, "a", "b", error)' 'sfs_query_by(query, SFS_LITERAL("a"), 5, error)'
echo "$cases cases, $failures failures"
[ "$failures" -eq 0 ] && [ "$cases" -gt 0 ]
