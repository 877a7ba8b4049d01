#!/bin/bash
# SPDX-License-Identifier: MIT
# C++ programs can use the library: each public header compiles as C++, every function links, and a program
# runs. With g++ and with clang++, of which one must be there. backend.h and its parts are for C alone.
# stage: gcc
set -u
library=$builddir/.libs
failures=0
compilers=0

fail() {
    echo "FAIL: $*"
    cat "$TMPDIR/messages"
    failures=$((failures + 1))
}

# compile FILE FLAG…: as a careful user does.
compile() {
    "$cxx" -std=c++11 -Wall -Wextra -Wpedantic -Wconversion -Werror -I"$srcdir/src/include" -x c++ "$@" \
        2> "$TMPDIR/messages"
}

headers() {
    local path name
    for path in "$srcdir"/src/include/storefs/*.h; do
        name=$(basename "$path")
        printf '#include <storefs/%s>\n#include <storefs/%s>\n' "$name" "$name" > "$TMPDIR/one.cc"
        [[ $name = backend?(_*).h ]] || compile "$TMPDIR/one.cc" -fsyntax-only || fail "$cxx does not take $name"
    done
}

# The address of every function in the headers: each has the name that the library exports.
functions() {
    {
        echo '#include <storefs/storefs.h>'
        echo '#include <storefs/query_stages.h>'
        echo '#include <storefs/notes.h>'
        echo 'typedef void function(void);'
        echo 'function *functions[] = {'
        cat $(ls "$srcdir"/src/include/storefs/*.h | grep -Ev '/backend(_[a-z]+)?\.h$') | perl -0777 -ne '
            s{/\*.*?\*/|//[^\n]*|^\s*#[^\n]*(?:\\\n[^\n]*)*}{}gsm;
            print "    reinterpret_cast<function *>($1),\n" while /\bSFS_API\b[^;{]*?\b(sfs_\w+)\s*\(/g'
        echo '};'
        echo 'int main() { return functions[0] == nullptr; }'
    } > "$TMPDIR/all.cc"
    grep -c reinterpret_cast "$TMPDIR/all.cc" > "$TMPDIR/count"
    compile "$TMPDIR/all.cc" -o "$TMPDIR/all" -L"$library" -lstorefs || fail "$cxx cannot link every function"
    LD_LIBRARY_PATH=$library "$TMPDIR/all" || fail "the program of $cxx does not run"
}

program() {
    cat > "$TMPDIR/program.cc" << 'END'
#include <stdio.h>
#include <storefs/storefs.h>

static int fail(const struct sfs_error &error)
{
    fprintf(stderr, "%s\n", error.message);
    return 1;
}

int main()
{
    struct sfs_storage *store = nullptr;
    struct sfs_query *query = nullptr;
    struct sfs_buffer value = {};
    struct sfs_error error;
    uint64_t count = 0;
    const char *const fields[] = {"name"};
    struct sfs_field_list list = {fields, 1};
    if (sfs_open(&store, "memory:", SFS_OPEN_CREATE, &error) ||
        sfs_set(store, sfs_string("user/1"), SFS_LITERAL("{\"name\":\"Ada\"}"), &error) ||
        sfs_get_value(store, SFS_LITERAL("user/1"), &value, &error) ||
        sfs_query_new(&query, &error) ||
        sfs_where(query, sfs_condition_exists("name"), &error) ||
        sfs_query_by(query, SFS_LITERAL("name"), SFS_LITERAL("Ada"), &error) ||
        sfs_select(query, list, &error) ||
        sfs_query_count(store, query, &count, &error))
        return fail(error);
    printf("%.*s %d\n", static_cast<int>(value.size), value.data, static_cast<int>(count));
    sfs_query_free(query);
    sfs_buffer_free(&value);
    return sfs_close(store, &error) ? fail(error) : 0;
}
END
    compile "$TMPDIR/program.cc" -o "$TMPDIR/program" -L"$library" -lstorefs || fail "$cxx does not compile the program"
    LD_LIBRARY_PATH=$library "$TMPDIR/program" > "$TMPDIR/printed" 2> "$TMPDIR/messages"
    [ "$(cat "$TMPDIR/printed")" = '{"name":"Ada"} 1' ] || fail "the program of $cxx prints $(cat "$TMPDIR/printed")"
}

for cxx in g++ clang++; do
    command -v "$cxx" > "$TMPDIR/messages" || continue
    compilers=$((compilers + 1))
    headers
    functions
    program
done
echo "$compilers compilers, $(cat "$TMPDIR/count") functions, $failures failures"
[ "$compilers" -gt 0 ] && [ "$(cat "$TMPDIR/count")" -gt 100 ] && [ "$failures" -eq 0 ]
