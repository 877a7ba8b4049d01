/* SPDX-License-Identifier: MIT */
/*
 * Generated directories: numbers and listings.
 */
#include "fs/names.h"

#include <sys/stat.h>

#define FIRST 2 /* offset of "..": the names follow, each at the end of its text */

/* FNV-1a of the directory's number and the name, in the range of generated nodes: the same again when
 * the kernel has forgotten both. */
uint64_t fs_names_ino(const struct fs_node *dir, const char *name)
{
    uint64_t hash = UINT64_C(14695981039346656037) ^ (dir->ino != 0 ? dir->ino : dir->id);
    hash *= UINT64_C(1099511628211);
    for (const unsigned char *c = (const unsigned char *)name; *c != '\0'; c++)
        hash = (hash ^ *c) * UINT64_C(1099511628211);
    return hash | (UINT64_C(3) << 62);
}

struct fs_node *fs_names_node(struct fs *fs, struct fs_node *dir, const char *name,
                              const struct fs_class *class, struct fs_space *space,
                              struct sfs_bytes text)
{
    struct fs_node *node = fs_node_intern(fs, dir, name, class, space, FS_KIND_PLAIN, text);
    if (node == NULL)
        return NULL;
    fs_nodes_lock(fs->nodes);
    if (node->ino == 0)
        node->ino = fs_names_ino(dir, name);
    fs_nodes_unlock(fs->nodes);
    return node;
}

static int add_entry(struct sfs_buffer *names, char kind, struct sfs_bytes name)
{
    if (sfs_buffer_reserve(names, name.size + 2) != 0)
        return SFS_E_NO_MEMORY;
    int code = sfs_buffer_byte(names, kind);
    if (code == 0)
        code = sfs_buffer_add(names, name);
    return code == 0 ? sfs_buffer_byte(names, '\0') : code;
}

int fs_names_add(struct sfs_buffer *names, bool directory, struct sfs_bytes name)
{
    return add_entry(names, directory ? 'd' : 'f', name);
}

int fs_names_add_link(struct sfs_buffer *names, struct sfs_bytes name)
{
    return add_entry(names, 'l', name);
}

int fs_names_list_by(struct fs_call *call, struct fs_open *open, uint64_t offset, struct fs_list *list,
                     uint64_t (*ino)(const struct fs_open *open, const char *name))
{
    if (fs_list_dots(open->node, offset, list) == 1)
        return 0;
    size_t at = offset > FIRST ? (size_t)(offset - FIRST) : 0;
    while (at < open->text.size) {
        const char *entry = open->text.data + at;
        const char *name = entry + 1;
        at += strlen(entry) + 1;
        struct fs_dirent dirent = {.name = name, .next = at + FIRST};
        dirent.st.st_mode = *entry == 'd' ? S_IFDIR : *entry == 'l' ? S_IFLNK : S_IFREG;
        dirent.st.st_ino = (ino_t)fs_node_ino(call->fs, open->node, name, ino(open, name));
        if (fs_list_add(list, &dirent))
            break;
    }
    return 0;
}

static uint64_t number_of(const struct fs_open *open, const char *name)
{
    return fs_names_ino(open->node, name);
}

int fs_names_list(struct fs_call *call, struct fs_open *open, uint64_t offset, struct fs_list *list)
{
    return fs_names_list_by(call, open, offset, list, number_of);
}
