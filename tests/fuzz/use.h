/* SPDX-License-Identifier: MIT */
#ifndef TESTS_FUZZ_USE_H
#define TESTS_FUZZ_USE_H

/* What the fuzzers of store files share: a directory in memory for the files, and a user of stores.
 */
#include "storefs/storefs.h"

/* Goes into a directory of this process, which is made the first time (below TMPDIR or in memory)
 * and removed at the end: true that time. */
bool fuzz_enter(void);
/* Goes back to where libFuzzer looks for its corpus, if the input did not take too long of the
 * processor. Returns 0. */
int fuzz_leave(void);
/* Replaces a file. */
void fuzz_write_file(const char *path, struct sfs_bytes content);
/* Removes a directory in the current one with everything in it. */
void fuzz_remove(const char *path);

/*
 * Opens a store as a salvager, as a reader and as a writer, and does everything with it that the
 * commands do. Whatever fails has to say so with a sentence, and what was written has to be read.
 */
void fuzz_use(const char *uri);

#endif
