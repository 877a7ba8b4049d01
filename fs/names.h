/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_FS_NAMES_H
#define STOREFS_FS_NAMES_H

/*
 * Generated directories whose names are known when they are opened: open->text keeps each name behind
 * a letter, 'd' or 'f', and before a NUL.
 */
#include "fs/node.h"

/* st_ino of a generated node, from its place. */
uint64_t fs_names_ino(const struct fs_node *dir, const char *name);
/* Appends a name; NO_MEMORY. */
int fs_names_add(struct sfs_buffer *names, bool directory, struct sfs_bytes name);
int fs_names_add_link(struct sfs_buffer *names, struct sfs_bytes name);
/* Lists open->text behind the dots; `ino` gives the number of a name. */
int fs_names_list(struct fs_call *call, struct fs_open *open, uint64_t offset, struct fs_list *list);
int fs_names_list_by(struct fs_call *call, struct fs_open *open, uint64_t offset, struct fs_list *list,
                     uint64_t (*ino)(const struct fs_open *open, const char *name));
/* A node for a name of a generated directory, with st_ino given; NULL: no memory. */
struct fs_node *fs_names_node(struct fs *fs, struct fs_node *dir, const char *name,
                              const struct fs_class *class, struct fs_space *space,
                              struct sfs_bytes text);

/*
 * A listing that does not have all names ends with this one, a file that says which limit was met
 * and what to do; ls, find and completion do not fail. A name that is escaped has no '%' before an
 * 'i', so that it is no name's.
 */
#define FS_INCOMPLETE "%incomplete"
/* As fs_names_add(). */
int fs_incomplete_add(struct sfs_buffer *names);
/* Looks the file up, whose content is `sentence`. NO_MEMORY. */
int fs_incomplete_lookup(struct fs_call *call, struct fs_node *dir, const char *sentence,
                         struct fs_entry *entry);

#endif
