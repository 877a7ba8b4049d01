/* SPDX-License-Identifier: MIT */
/*
 * What generated nodes share: fixed directories, and texts made at open.
 */
#include "fs/keys.h"
#include "fs/names.h"
#include "fs/operations.h"
#include "fs/result.h"

#include <sys/stat.h>

void fs_stat_generated(struct fs *fs, const struct fs_node *node, mode_t mode, struct stat *st)
{
    memset(st, 0, sizeof(*st));
    st->st_ino = (ino_t)(node->ino != 0 ? node->ino : node->id | (UINT64_C(3) << 62));
    st->st_mode = mode;
    /* GNU tar does not open a file of size 0 that everybody may read. */
    if (S_ISREG(mode) && !fs->many_users)
        st->st_mode &= ~(mode_t)S_IROTH;
    st->st_nlink = 1;
    st->st_uid = fs->uid;
    st->st_gid = fs->gid;
    st->st_blksize = 4096;
    st->st_atim = st->st_mtim = st->st_ctim = fs_time(fs->begun);
}

/* Of a tree of keys: its number is its record's. */
static bool has_own_number(const struct fs_fixed *row)
{
    return row->class == &fs_keys_directory_class || row->class == &fs_fields_directory_class;
}

int fs_fixed_lookup(struct fs_call *call, struct fs_node *dir, const struct fs_fixed *table,
                    const char *name, struct fs_entry *entry)
{
    for (const struct fs_fixed *row = table; row->name != NULL; row++) {
        if (strcmp(row->name, name) != 0)
            continue;
        struct fs_space *space = row->shared_space ? call->fs->space : dir->space;
        struct fs_node *node =
            has_own_number(row)
                ? fs_node_intern(call->fs, dir, name, row->class, space, FS_KIND_ROOT, sfs_bytes(NULL, 0))
                : fs_names_node(call->fs, dir, name, row->class, space, sfs_bytes(NULL, 0));
        if (node == NULL)
            return sfs_fail_memory(&call->error, "mount");
        entry->node = node;
        entry->timeout = 1;
        int code = row->class->stat(call, node, &entry->st);
        if (code < 0)
            fs_node_forget(call->fs, node->id, 1);
        return code;
    }
    return SFS_E_NOT_FOUND;
}

int fs_list_dots(struct fs_node *dir, uint64_t offset, struct fs_list *list)
{
    static const char *const names[] = {".", ".."};
    for (uint64_t i = offset; i < 2; i++) {
        struct fs_dirent entry = {.name = names[i], .next = i + 1};
        fs_nodes_lock(list->call->fs->nodes);
        const struct fs_node *node = i == 1 && dir->parent != NULL ? dir->parent : dir;
        entry.st.st_ino = (ino_t)(node->ino != 0 ? node->ino : node->id | (UINT64_C(3) << 62));
        fs_nodes_unlock(list->call->fs->nodes);
        entry.st.st_mode = S_IFDIR;
        if (fs_list_add(list, &entry))
            return 1;
    }
    return 0;
}

int fs_fixed_list(struct fs_open *open, const struct fs_fixed *table, uint64_t offset,
                  struct fs_list *list)
{
    if (fs_list_dots(open->node, offset, list) == 1)
        return 0;
    uint64_t next = 3;
    for (const struct fs_fixed *row = table; row->name != NULL; row++, next++) {
        /* A record's number is known only once it was looked up; any other than 0 will do. */
        uint64_t ino = has_own_number(row) ? next : fs_names_ino(open->node, row->name);
        struct fs_dirent entry = {.name = row->name, .next = next, .st = {.st_ino = ino, .st_mode = row->mode}};
        if (next > offset && fs_list_add(list, &entry))
            return 0;
    }
    return 0;
}

void fs_open_generated(struct fuse_file_info *info)
{
    info->direct_io = 1;
    info->noflush = (info->flags & O_ACCMODE) == O_RDONLY;
}

int fs_open_text(struct fs_call *call, struct fs_open *open, struct sfs_buffer *text,
                 struct fuse_file_info *info)
{
    fs_open_generated(info);
    return fs_result_open(call, open, text);
}

void fs_text_release(struct fs_call *call, struct fs_open *open)
{
    (void)call;
    sfs_buffer_free(&open->text);
}

int fs_add_string(struct sfs_buffer *out, const char *text)
{
    char shown[4096];
    int code = sfs_buffer_byte(out, '"');
    sfs_name_show(sfs_string(text), shown, sizeof(shown));
    for (const char *c = shown; code == 0 && *c != '\0'; c++) {
        if (*c == '"' || *c == '\\')
            code = sfs_buffer_byte(out, '\\');
        if (code == 0 && (unsigned char)*c < 0x20)
            code = sfs_buffer_printf(out, "\\u%04x", (unsigned)*c);
        else if (code == 0)
            code = sfs_buffer_byte(out, *c);
    }
    return code == 0 ? sfs_buffer_byte(out, '"') : code;
}
