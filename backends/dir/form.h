/* SPDX-License-Identifier: MIT */
#ifndef SFS_BACKENDS_DIR_FORM_H
#define SFS_BACKENDS_DIR_FORM_H

/*
 * The form of the log. A head: magic (8 bytes), version (4). Then entries: size of the payload (8),
 * its XXH3 (8), the payload. Payloads: type (1), sequence (8), last id (8), number of the last
 * temporary file (8), and in a commit the number of steps (8) and the steps. Numbers are
 * little-endian.
 */
#include "internal.h"

enum sfs_dir_entry_type { SFS_DIR_ENTRY_COMMIT = 1, SFS_DIR_ENTRY_DONE = 2 };

struct sfs_dir_entry {
    enum sfs_dir_entry_type type;
    uint64_t sequence;
    uint64_t last_id;
    uint64_t last_temporary;
};

/* Appends the head of the file. NO_MEMORY. */
int sfs_dir_form_head(struct sfs_buffer *out) SFS_MUST_CHECK;
#define SFS_DIR_HEAD_SIZE 12
#define SFS_DIR_ENTRY_HEAD 16
/* Appends an entry; `steps` NULL: of type DONE. NO_MEMORY. */
int sfs_dir_form_entry(const struct sfs_dir_entry *entry, const struct sfs_dir_steps *steps,
                       struct sfs_buffer *out) SFS_MUST_CHECK;

/* 0, NOT_A_STORE or TOO_NEW. */
int sfs_dir_form_check_head(struct sfs_bytes file, const char *path, struct sfs_error *error);
/* Reads the entry at the beginning of `rest`: 1 and its whole size, 0 where it is not all there
 * (the end of a log whose writer was killed), CORRUPT. Steps are appended. */
int sfs_dir_form_read(struct sfs_bytes rest, struct sfs_dir_entry *ret_entry,
                      struct sfs_dir_steps *steps, size_t *ret_size, struct sfs_error *error);

#endif
