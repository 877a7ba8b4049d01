/* SPDX-License-Identifier: MIT */
/*
 * Listing a directory of the keys tree: one ascending scan that steps over what lies deeper. Of what was
 * given some bytes an entry are kept, for a reader that seeks back.
 */
#include <stdlib.h>
#include <sys/stat.h>

#include "fs/keys.h"
#include "fs/positions.h"

/* An entry found: its name, and where the scan goes on behind it. */
struct found {
    struct sfs_buffer name;
    struct sfs_buffer resume;
    struct fs_dirent entry;
};

struct fs_dir {
    struct found found;             /* one after the other */
    struct sfs_buffer base;
    struct sfs_place place;
    struct sfs_range range;
    struct sfs_buffer bound;
    struct sfs_cursor *cursor;
    const struct sfs_record *ahead; /* read and not yet used; NULL: none */
    uint64_t position;              /* offset of the last entry given */
    bool ended;
    struct sfs_buffer piece;        /* the piece directory shown last */
    struct sfs_buffer *shown;       /* leaves shown that begin the present name: each could be a
                                       directory too, which then has been shown already */
    size_t shown_count;
    size_t shown_capacity;
    bool went_back;                 /* `shown` may lack some: the store is asked as well */
    char **pending;                 /* files of this mount that are not committed, shown first */
    size_t pending_count;
    struct fs_positions positions;  /* where the scan goes on behind each entry that it gave */
};

static void dir_free(struct fs_dir *dir)
{
    if (dir == NULL)
        return;
    sfs_cursor_close(dir->cursor);
    sfs_record_unref(dir->ahead);
    sfs_buffer_free(&dir->found.name);
    sfs_buffer_free(&dir->found.resume);
    sfs_buffer_free(&dir->base);
    sfs_buffer_free(&dir->bound);
    sfs_buffer_free(&dir->piece);
    for (size_t i = 0; i < dir->shown_capacity; i++)
        sfs_buffer_free(&dir->shown[i]);
    free(dir->shown);
    for (size_t i = 0; i < dir->pending_count; i++)
        free(dir->pending[i]);
    free(dir->pending);
    fs_positions_free(&dir->positions);
    free(dir);
}

/* Whether a file that is not committed is listed. One that was refused when its last handle was closed goes any
 * moment, when the kernel tells so, for which the program does not wait. */
static bool is_listed(const struct fs_file *file)
{
    return file->created && !(file->refused && file->handles <= 1);
}

/* The uncommitted files right in this directory. */
static int collect_pending(struct fs_call *call, struct fs_node *node, struct fs_dir *dir)
{
    size_t count;
    struct fs_file **files = fs_files_take(node->space, &count);
    dir->pending = calloc(count + 1, sizeof(char *));
    bool failed = files == NULL || dir->pending == NULL;
    for (size_t i = 0; files != NULL && i < count; i++) {
        struct fs_file *file = files[i];
        fs_nodes_lock(call->fs->nodes);
        bool here = is_listed(file) && file->node->parent == node && file->node->name != NULL &&
                    file->node->kind != FS_KIND_OWN; /* that one has its own place */
        char *name = here && !failed ? strdup(file->node->name) : NULL;
        fs_nodes_unlock(call->fs->nodes);
        failed = failed || (here && name == NULL);
        if (name != NULL)
            dir->pending[dir->pending_count++] = name;
        fs_file_release(file);
    }
    free(files);
    return failed ? sfs_fail_memory(&call->error, "mount") : 0;
}

static int begin_scan(struct fs_call *call, struct fs_node *node, struct fs_dir *dir)
{
    if (sfs_range_prefix(dir->place.base, &dir->bound, &dir->range) != 0)
        return sfs_fail_memory(&call->error, "mount");
    return sfs_scan(node->space->store, dir->range, SFS_WANT_RECORD, &dir->cursor, &call->error);
}

static int dir_new(struct fs_call *call, struct fs_node *node, struct fs_dir **ret_dir)
{
    struct fs_dir *dir = calloc(1, sizeof(*dir));
    if (dir == NULL)
        return sfs_fail_memory(&call->error, "mount");
    int code = fs_keys_place(call, node, &dir->base, &dir->place);
    if (code == 0)
        code = collect_pending(call, node, dir);
    if (code == 0)
        code = begin_scan(call, node, dir);
    if (code < 0) {
        dir_free(dir);
        return code;
    }
    *ret_dir = dir;
    return 0;
}

/* The directory, or one above it, may have been renamed since the last reply, and its old name be
 * another's: the scan goes on where it is now. One that has been removed has nothing more. */
static int follow_move(struct fs_call *call, struct fs_node *node, struct fs_dir *dir)
{
    struct sfs_buffer base = {0};
    struct sfs_place place;
    int code = fs_keys_place(call, node, &base, &place);
    bool moved = code == 0 && (dir->cursor == NULL ||
                               !sfs_bytes_equal(place.base, sfs_buffer_bytes(&dir->base)));
    if (moved) {
        struct sfs_buffer old = dir->base;
        dir->base = base;
        base = old;
        dir->place = place;
        dir->bound.size = 0;
        sfs_cursor_close(dir->cursor);
        dir->cursor = NULL;
        sfs_record_unref(dir->ahead);
        dir->ahead = NULL;
        dir->position = UINT64_MAX; /* go_to() sets all else */
        code = begin_scan(call, node, dir);
    }
    sfs_buffer_free(&base);
    return code;
}

/* --- the scan --- */

static int step(struct fs_call *call, struct fs_dir *dir, const struct sfs_record **ret_record)
{
    if (dir->ahead != NULL) {
        *ret_record = dir->ahead;
        dir->ahead = NULL;
        return 1;
    }
    const struct sfs_record *record;
    int code = sfs_cursor_next(dir->cursor, &record, &call->error);
    if (code == 1)
        *ret_record = sfs_record_ref(record);
    return code;
}

static int seek(struct fs_call *call, struct fs_dir *dir, struct sfs_bytes name)
{
    sfs_record_unref(dir->ahead);
    dir->ahead = NULL;
    return sfs_cursor_seek(dir->cursor, name, &call->error);
}

/* What lies below a name: any record in [name '/', name '0')? Only asked where the scan cannot tell. */
static int below(struct fs_call *call, struct fs_node *node, struct sfs_bytes name)
{
    struct sfs_buffer bound = {0};
    struct sfs_range range;
    struct sfs_buffer prefix = {0};
    int code = sfs_buffer_add(&prefix, name) != 0 || sfs_buffer_byte(&prefix, '/') != 0 ||
                       sfs_range_prefix(sfs_buffer_bytes(&prefix), &bound, &range) != 0
                   ? sfs_fail_memory(&call->error, "mount")
                   : sfs_exists(node->space->store, range, &call->error);
    sfs_buffer_free(&bound);
    sfs_buffer_free(&prefix);
    return code;
}

/* Whether a leaf is a directory too; the record after it usually tells. */
static int also_directory(struct fs_call *call, struct fs_node *node, struct fs_dir *dir,
                          const struct sfs_record *leaf)
{
    const struct sfs_record *next = NULL;
    int code = step(call, dir, &next);
    if (code <= 0)
        return code;
    dir->ahead = next;
    if (!sfs_bytes_starts(next->name, leaf->name))
        return 0;
    char after = ((const char *)next->name.data)[leaf->name.size];
    if (after == '/')
        return 1;
    return (unsigned char)after > '/' ? 0 : below(call, node, leaf->name);
}

/* The marker of the directory whose first record was reached: that record, or the one behind the
 * key `a/`. */
static const struct sfs_record *marker_of(struct fs_node *node, const struct sfs_record *first,
                                          struct sfs_bytes prefix)
{
    const struct sfs_record *marker = NULL;
    struct sfs_buffer name = {0};
    if (sfs_name_is_marker(first->name) && first->name.size == prefix.size + 1)
        return sfs_record_ref(first);
    if (sfs_bytes_equal(first->name, prefix) && fs_keys_marker(prefix, &name) == 0)
        (void)sfs_get(node->space->store, sfs_buffer_bytes(&name), SFS_WANT_RECORD, &marker, NULL);
    sfs_buffer_free(&name);
    return marker;
}

static void describe_directory(struct fs_node *node, struct found *found, struct sfs_bytes prefix,
                               const struct sfs_record *marker)
{
    struct fs_dirent *entry = &found->entry;
    fs_keys_stat_directory(node->space, prefix, marker, &entry->st);
    entry->st.st_nlink = fs_keys_links(node, prefix);
    entry->class = &fs_keys_directory_class;
    entry->kind = FS_KIND_PART;
}

/* The part behind the base, up to the next '/'; the whole prefix of the directory it would be. */
static struct sfs_bytes part_of(const struct fs_dir *dir, struct sfs_bytes name, bool *ret_deeper)
{
    struct sfs_bytes rest = sfs_bytes((const char *)name.data + dir->base.size, name.size - dir->base.size);
    const char *slash = rest.size > 0 ? memchr(rest.data, '/', rest.size) : NULL;
    *ret_deeper = slash != NULL;
    if (slash != NULL)
        rest.size = (size_t)(slash - (const char *)rest.data);
    return rest;
}

/* Forgets the leaves that do not begin `name`: the scan has passed what could be below them. */
static void pass_shown(struct fs_dir *dir, struct sfs_bytes name)
{
    while (dir->shown_count > 0 &&
           !sfs_bytes_starts(name, sfs_buffer_bytes(&dir->shown[dir->shown_count - 1])))
        dir->shown_count--;
}

static int keep_shown(struct fs_dir *dir, struct sfs_bytes leaf)
{
    if (dir->shown_count == dir->shown_capacity) {
        size_t capacity = dir->shown_capacity + 4;
        struct sfs_buffer *shown = realloc(dir->shown, capacity * sizeof(*shown));
        if (shown == NULL)
            return SFS_E_NO_MEMORY;
        memset(shown + dir->shown_capacity, 0, 4 * sizeof(*shown));
        dir->shown = shown;
        dir->shown_capacity = capacity;
    }
    struct sfs_buffer *top = &dir->shown[dir->shown_count];
    top->size = 0;
    int code = sfs_buffer_add(top, leaf);
    if (code == 0)
        dir->shown_count++;
    return code;
}

/* It was not given after all. */
static void unkeep_shown(struct fs_dir *dir, struct sfs_bytes leaf)
{
    if (dir->shown_count > 0 &&
        sfs_bytes_equal(leaf, sfs_buffer_bytes(&dir->shown[dir->shown_count - 1])))
        dir->shown_count--;
}

static bool was_shown(struct fs_node *node, const struct fs_dir *dir, struct sfs_bytes leaf)
{
    const struct sfs_record *own = NULL;
    for (size_t i = 0; i < dir->shown_count; i++)
        if (sfs_bytes_equal(leaf, sfs_buffer_bytes(&dir->shown[i])))
            return true;
    if (!dir->went_back || leaf.size == 0)
        return false;
    int code = sfs_get(node->space->store, leaf, SFS_WANT_RECORD, &own, NULL);
    sfs_record_unref(own);
    return code == 0;
}

/* A name with something below it: shown as a directory unless its own record showed it before. */
static int take_directory(struct fs_call *call, struct fs_node *node, struct fs_dir *dir,
                          const struct sfs_record *record, struct sfs_bytes part, struct found *found)
{
    struct sfs_bytes leaf = sfs_bytes(record->name.data, dir->base.size + part.size);
    struct sfs_bytes prefix = sfs_bytes(record->name.data, leaf.size + 1);
    if (sfs_buffer_add(&found->resume, leaf) != 0 || sfs_buffer_byte(&found->resume, '0') != 0)
        return sfs_fail_memory(&call->error, "mount");
    bool shown = was_shown(node, dir, leaf);
    if (!shown) {
        const struct sfs_record *marker = marker_of(node, record, prefix);
        describe_directory(node, found, prefix, marker);
        sfs_record_unref(marker);
    }
    int code = seek(call, dir, sfs_buffer_bytes(&found->resume));
    return code < 0 ? code : !shown;
}

static int take_leaf(struct fs_call *call, struct fs_node *node, struct fs_dir *dir,
                     const struct sfs_record *record, struct found *found)
{
    struct sfs_buffer *resume = &found->resume;
    if (sfs_buffer_add(resume, record->name) != 0 || sfs_buffer_byte(resume, '\0') != 0 ||
        keep_shown(dir, record->name) != 0)
        return sfs_fail_memory(&call->error, "mount");
    int code = also_directory(call, node, dir, record);
    if (code < 0)
        return code;
    if (code == 1) {
        const struct sfs_record *marker = NULL;
        struct sfs_buffer name = {0};
        struct sfs_buffer prefix = {0};
        if (sfs_buffer_add(&prefix, record->name) == 0 && sfs_buffer_byte(&prefix, '/') == 0 &&
            fs_keys_marker(sfs_buffer_bytes(&prefix), &name) == 0)
            (void)sfs_get(node->space->store, sfs_buffer_bytes(&name), SFS_WANT_RECORD, &marker, NULL);
        describe_directory(node, found, sfs_buffer_bytes(&prefix), marker);
        sfs_record_unref(marker);
        sfs_buffer_free(&name);
        sfs_buffer_free(&prefix);
        return 1;
    }
    fs_keys_stat_record(node->space, record, &found->entry.st);
    fs_keys_stat_blocks(node->space, record, &found->entry.st);
    found->entry.class = &fs_keys_leaf_class;
    found->entry.kind = FS_KIND_PART;
    found->entry.revision = record->revision;
    return 1;
}

static int take_piece(struct fs_call *call, struct fs_node *node, struct fs_dir *dir,
                      const struct sfs_record *record, struct found *found)
{
    struct sfs_bytes name = sfs_buffer_bytes(&found->name);
    if (sfs_bytes_equal(name, sfs_buffer_bytes(&dir->piece)))
        return 0;
    dir->piece.size = 0;
    if (sfs_buffer_add(&dir->piece, name) != 0 || sfs_buffer_add(&found->resume, record->name) != 0 ||
        sfs_buffer_byte(&found->resume, '\0') != 0)
        return sfs_fail_memory(&call->error, "mount");
    struct sfs_bytes base = sfs_bytes(record->name.data, dir->base.size + SFS_PATH_PIECE);
    fs_keys_stat_directory(node->space, base, NULL, &found->entry.st);
    found->entry.class = &fs_keys_directory_class;
    found->entry.kind = FS_KIND_PIECE;
    return 1;
}

/* 1: an entry, 0: this record shows nothing here. */
static int take_record(struct fs_call *call, struct fs_node *node, struct fs_dir *dir,
                       const struct sfs_record *record, struct found *found)
{
    bool deeper;
    pass_shown(dir, record->name);
    struct sfs_bytes part = part_of(dir, record->name, &deeper);
    if (part.size == 1 && *(const char *)part.data == '\0')
        return 0; /* the directory's own marker */
    int code = sfs_path_encode(dir->place, part, &found->name);
    if (code == SFS_E_NOT_FOUND)
        return 0;
    if (code < 0)
        return sfs_fail_memory(&call->error, "mount");
    if (code == 1)
        return take_piece(call, node, dir, record, found);
    found->entry.text = sfs_bytes(part.data, part.size);
    return deeper ? take_directory(call, node, dir, record, part, found)
                  : take_leaf(call, node, dir, record, found);
}

/* --- replies --- */

static bool is_pending_name(const struct fs_dir *dir, const char *name)
{
    for (size_t i = 0; i < dir->pending_count; i++)
        if (strcmp(dir->pending[i], name) == 0)
            return true;
    return false;
}

/* The offset of the scan's first entry is one more: dots, own value, pending files come before. */
static uint64_t scan_begins(const struct fs_dir *dir)
{
    return 2 + 1 + dir->pending_count;
}

/* Where the scan goes on, without the directory's own name, which may change. */
static struct sfs_bytes behind_base(const struct fs_dir *dir, const struct sfs_buffer *resume)
{
    return sfs_bytes(resume->data + dir->base.size, resume->size - dir->base.size);
}

/* The offset behind an entry that is given now: one that it had before, at which a reader is to find it again, or one
 * that none had, where what was made or removed since has changed what comes here. */
static uint64_t offset_behind(struct fs_dir *dir, struct sfs_bytes resume)
{
    struct sfs_bytes before;
    uint64_t index = dir->position - scan_begins(dir);
    bool again = fs_positions_find(&dir->positions, index, &before) == 0 && sfs_bytes_equal(before, resume);
    return again ? dir->position + 1 : scan_begins(dir) + dir->positions.count + 1;
}

/* What this mount knows better than the record: the number, what open files hold, times of
 * directories. */
static void as_known_here(struct fs_call *call, struct fs_node *dir, struct fs_dirent *entry)
{
    struct fs_file *file = NULL;
    fs_nodes_lock(call->fs->nodes);
    struct fs_node *node = fs_node_peek_locked(call->fs, dir, entry->name);
    uint64_t ino = node != NULL && node->ino != 0 ? node->ino : entry->st.st_ino;
    if (node != NULL && node->class == &fs_keys_leaf_class && entry->class == node->class)
        file = fs_file_peek(node);
    if (node != NULL && file == NULL && entry->revision != 0 && fs_node_is_newer(node, entry->revision))
        entry->timeout = 0; /* the kernel is to ask again */
    if (node != NULL && S_ISDIR(entry->st.st_mode))
        fs_keys_show_time(node, &entry->st);
    fs_nodes_unlock(call->fs->nodes);
    if (file != NULL)
        fs_keys_stat_file(file, &entry->st);
    fs_file_release(file);
    entry->st.st_ino = (ino_t)ino;
}

/* Gives one entry to the reply: 1 full, 0 taken. */
static int give(struct fs_call *call, struct fs_node *node, struct fs_dir *dir, struct found *found,
                struct fs_list *list)
{
    struct fs_dirent *entry = &found->entry;
    if (sfs_buffer_text(&found->name) != 0)
        return sfs_fail_memory(&call->error, "mount");
    if (is_pending_name(dir, found->name.data))
        return 0;
    entry->name = found->name.data;
    entry->next = offset_behind(dir, behind_base(dir, &found->resume));
    entry->space = node->space;
    entry->timeout = node->space->timeout;
    if (entry->kind == FS_KIND_PIECE)
        entry->text = sfs_bytes(found->name.data, SFS_PATH_PIECE);
    if (node->class == &fs_keys_directory_class)
        as_known_here(call, node, entry);
    else
        fs_fields_as_listed(node, entry);
    if (fs_list_add(list, entry))
        return 1;
    if (entry->next - scan_begins(dir) > dir->positions.count &&
        fs_positions_add(&dir->positions, behind_base(dir, &found->resume)) != 0)
        return sfs_fail_memory(&call->error, "mount");
    dir->position = entry->next;
    return 0;
}

/* One step of the scan: 1 the reply is full, 0 go on, SFS_E_NOT_FOUND the end. */
static int advance(struct fs_call *call, struct fs_node *node, struct fs_dir *dir, struct fs_list *list)
{
    const struct sfs_record *record = NULL;
    struct found *found = &dir->found;
    int code = step(call, dir, &record);
    if (code == 0)
        return SFS_E_NOT_FOUND;
    if (code < 0)
        return code;
    found->name.size = found->resume.size = 0;
    found->entry = (struct fs_dirent){0};
    code = take_record(call, node, dir, record, found);
    if (code == 1) {
        code = give(call, node, dir, found, list);
        if (code == 1) { /* it comes first next time */
            int again = seek(call, dir, record->name);
            dir->piece.size = 0;
            unkeep_shown(dir, record->name);
            code = again < 0 ? again : 1;
        }
    }
    sfs_record_unref(record);
    return code;
}

/* Goes to just behind an entry that was given; an offset that is not known here, of another handle of a store that
 * does not change, is counted to. */
static int go_to(struct fs_call *call, struct fs_node *node, struct fs_dir *dir, uint64_t offset)
{
    struct sfs_bytes rest = {0};
    struct sfs_buffer *resume = &dir->found.resume;
    uint64_t begin = scan_begins(dir), index = offset - begin;
    if (index > dir->positions.count)
        index = dir->positions.count;
    if (index > 0 && index <= dir->positions.first)
        return sfs_fail(&call->error, SFS_E_INVALID, "mount", "this place in the directory was left too long ago");
    resume->size = 0;
    if ((index > 0 && fs_positions_find(&dir->positions, index - 1, &rest) != 0) ||
        sfs_buffer_add(resume, sfs_buffer_bytes(&dir->base)) != 0 ||
        sfs_buffer_add(resume, rest) != 0)
        return sfs_fail_memory(&call->error, "mount");
    int code = seek(call, dir, sfs_buffer_bytes(resume));
    dir->piece.size = 0;
    dir->shown_count = 0;
    dir->went_back = index > 0;
    dir->position = begin + index;
    while (code == 0 && dir->position < offset)
        code = advance(call, node, dir, NULL);
    dir->ended = false;
    return code == SFS_E_NOT_FOUND ? 0 : code;
}

/* An entry that is no result of the scan: the directory's own value, a pending file. */
static int give_named(struct fs_call *call, struct fs_node *node, const char *name, uint64_t offset,
                      struct fs_list *list)
{
    struct fs_entry entry = {0};
    int code = node->class->lookup(call, node, name, &entry);
    if (code == SFS_E_NOT_FOUND)
        return 0;
    if (code < 0)
        return code;
    struct fs_dirent dirent = {.name = name, .st = entry.st, .next = offset};
    code = fs_list_add(list, &dirent);
    fs_node_forget(call->fs, entry.node->id, 1);
    return code;
}

/* Offsets 1 and 2 are the dots, 3 the own value, then pending files, then the scan. */
static int list_head(struct fs_call *call, struct fs_node *node, struct fs_dir *dir, uint64_t *offset,
                     struct fs_list *list)
{
    int code = 0;
    if (*offset == 2) {
        if (dir->base.size > 0 && dir->place.pieces == 0)
            code = give_named(call, node, SFS_PATH_VALUE, 3, list);
        *offset += code == 0;
    }
    while (code == 0 && *offset >= 3 && *offset < 3 + dir->pending_count) {
        code = give_named(call, node, dir->pending[*offset - 3], *offset + 1, list);
        *offset += code == 0;
    }
    return code;
}

int fs_keys_list(struct fs_call *call, struct fs_open *open, uint64_t offset, struct fs_list *list)
{
    struct fs_node *node = open->node;
    if (offset == 0 && open->dir != NULL) { /* rewinddir(3): as it is now */
        dir_free(open->dir);
        open->dir = NULL;
    }
    int code =
        open->dir == NULL ? dir_new(call, node, &open->dir) : follow_move(call, node, open->dir);
    if (code == SFS_E_NOT_FOUND && open->dir != NULL)
        return 0;
    if (code < 0)
        return code;
    struct fs_dir *dir = open->dir;
    if (fs_list_dots(node, offset, list) == 1)
        return 0;
    if (offset < 2)
        offset = 2;
    code = list_head(call, node, dir, &offset, list);
    if (code != 0)
        return code < 0 ? code : 0;
    if (dir->position != offset)
        code = go_to(call, node, dir, offset);
    while (code == 0 && !dir->ended) {
        code = advance(call, node, dir, list);
        if (code == SFS_E_NOT_FOUND) {
            dir->ended = true;
            code = 0;
        }
    }
    return code < 0 ? code : 0;
}

void fs_keys_list_release(struct fs_call *call, struct fs_open *open)
{
    (void)call;
    dir_free(open->dir);
    open->dir = NULL;
}
