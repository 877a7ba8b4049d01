/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_FS_FIELDS_H
#define STOREFS_FS_FIELDS_H

/*
 * fields/: the keys tree once more, with JSON documents as trees. Down to a key its nodes are like those
 * of keys/ (kind, text; see fs/keys.h). Below the node of a key whose value is an array or object its members are
 * nodes of kind PLAIN, whose text is the escaped name (sfs_path_escape), or an index; a name that is escaped
 * longer than 255 bytes is cut every 253, each piece but the last a directory (kind PIECE) whose name ends in
 * "%+", which no other name does. Nothing here is kept by the kernel: other parts of the mount, and others, change
 * documents.
 */
#include "fs/authors.h"
#include "fs/budget.h"
#include "fs/keys.h"
#include "fs/names.h"

/* --- documents, kept by revision: fields_cache.c --- */

/* What a key holds. */
struct fs_document {
    const struct sfs_record *record;
    struct sfs_document *document; /* NULL: not JSON, or too large to be shown as a tree */
    uint64_t serial;               /* of the document in its space; no other ever has it */
};
/* NOT_FOUND. fs_document_close whatever it returns. */
int fs_document_open(struct fs_call *call, struct fs_space *space, struct sfs_bytes key,
                     struct fs_document *ret_document);
void fs_document_close(struct fs_document *document);
/* Of the mount: the documents used last, of bounded size. NULL: no memory. */
struct fs_document_cache *fs_document_cache_new(void);
void fs_document_cache_free(struct fs_document_cache *cache);
/* Those of a space (NULL: all) go: it ends, or revisions may be given out in it a second time. */
void fs_document_cache_clear(struct fs_document_cache *cache, const struct fs_space *space);
/* sfs_document_edit, with a share of memory, which is given back afterwards. The caller holds no
 * document. `gives_up`: CANCELLED where the request is interrupted before its turn. */
int fs_document_edit(struct fs_call *call, struct fs_space *space, struct sfs_bytes key,
                     bool gives_up, sfs_document_edit_function *function, void *context,
                     const struct sfs_document_options *options);
/* The share alone, before a change of the key's document. */
int fs_document_reserve(struct fs_call *call, struct fs_space *space, struct sfs_bytes key,
                        bool gives_up);
/* The same before all of its members are listed. */
int fs_document_reserve_names(struct fs_call *call, struct fs_space *space, struct sfs_bytes key);

/* --- where a node stands: fields_path.c --- */

struct fs_field {
    struct sfs_buffer key;
    struct sfs_buffer names; /* decoded steps, one behind the other */
    struct sfs_buffer steps; /* struct sfs_bytes each, into names */
    struct sfs_buffer piece; /* escaped: of a name that goes on below */
};
/* Of a document's node, or a leaf's. NOT_FOUND once it, or what it is in, was removed. fs_field_free
 * whatever it returns. */
int fs_field_of(struct fs_call *call, struct fs_node *node, struct fs_field *field);
/* The key of it, and a path from a value that is known in `document`: *ret_from. The same errors.
 */
int fs_field_from(struct fs_call *call, struct fs_node *node, const struct fs_document *document,
                  struct fs_field *field, struct sfs_bytes *ret_from);
/* The key alone: field->key. */
int fs_field_key(struct fs_call *call, struct fs_node *node, struct fs_field *field);
/* Where in the document its value was found, so that the next look begins there. */
void fs_field_found(struct fs_call *call, struct fs_node *node, const struct fs_document *document,
                    struct sfs_bytes value);
/* Goes on to a name in it. PIECE or PLAIN; INVALID, NAME_TOO_LONG where no member has such a name. */
int fs_field_enter(struct fs_call *call, struct fs_field *field, enum sfs_document_kind kind,
                   const char *name, enum fs_kind *ret_kind);
struct sfs_document_path fs_field_path(const struct fs_field *field);
/* Its last step; empty of a key. */
struct sfs_bytes fs_field_last(const struct fs_field *field);
void fs_field_free(struct fs_field *field);
/* The file name that a member has in a directory: appended. 1: a piece directory, 0: a last or only piece,
 * NOT_FOUND: it is not in this one; NO_MEMORY. `piece` as in struct fs_field. */
int fs_field_name(struct sfs_bytes member, struct sfs_bytes piece, struct sfs_buffer *name);
/* st_ino, from the names alone. Among elements of an array it falls with the index, so that those who remove
 * files in its order come to the last element first. */
uint64_t fs_fields_ino(struct fs_node *node);
uint64_t fs_fields_ino_below(uint64_t dir, const char *name);

/* --- looks: fields_stat.c --- */

extern const struct fs_class fs_fields_directory_class; /* of keys */
extern const struct fs_class fs_fields_document_class;  /* an array or object */
extern const struct fs_class fs_fields_leaf_class;

/* What is at a node, or at a name in one. */
struct fs_member {
    struct fs_field field; /* of fs_member_locate whole, else from some value above */
    struct fs_document document;
    struct sfs_bytes value; /* of the document; data NULL: it is no document, or a piece directory */
    enum fs_kind kind;      /* PIECE or not */
    struct sfs_bytes above; /* the array or object that it is in, of fs_member_open_below */
    bool array;             /* that is an array */
};
/* NOT_FOUND. fs_member_close whatever they return. */
int fs_member_open(struct fs_call *call, struct fs_node *node, struct fs_member *member);
/* What the array or object `dir` holds under a name; NOT_FOUND where it is free, and the member has its path. EXPIRED:
 * `dir` is gone; NOT_DIRECTORY: it is another value now; INVALID and NAME_TOO_LONG as fs_field_enter. */
int fs_member_open_below(struct fs_call *call, struct fs_node *dir, const char *name,
                         struct fs_member *member);
/* The same, with the whole path. */
int fs_member_locate(struct fs_call *call, struct fs_node *dir, const char *name,
                     struct fs_member *member);
void fs_member_close(struct fs_member *member);
/* True for arrays, objects and pieces of names. */
bool fs_member_is_directory(const struct fs_member *member);
/* Of what a member is, owner and times from its record. `node` is its own. */
int fs_member_stat(struct fs_call *call, struct fs_node *node, const struct fs_member *member,
                   struct stat *st);
/* The time of change that a member keeps while it has this text; NULL: that of its document. */
void fs_member_set_time(struct fs *fs, struct fs_node *node, const struct sfs_buffer *text,
                        int64_t modified);
/* The entry of a name: a document's member, or a key's own. */
int fs_member_entry(struct fs_call *call, struct fs_node *dir, const char *name,
                    const struct fs_name *place, const struct fs_member *member,
                    struct fs_entry *entry);
int fs_fields_stat(struct fs_call *call, struct fs_node *node, struct stat *st);
/* fields_set.c */
int fs_fields_set(struct fs_call *call, struct fs_node *node, const struct stat *want, int mask,
                  struct stat *st);
int fs_fields_xattr_set(struct fs_call *call, struct fs_node *node, const char *name,
                        struct sfs_bytes value, unsigned flags);

/* --- listings: fields_list.c --- */

/* The names in an array or object, as fs_names_add makes them. */
int fs_fields_names(struct fs_call *call, struct fs_node *node, struct sfs_buffer *names);
int fs_fields_list(struct fs_call *call, struct fs_open *open, uint64_t offset, struct fs_list *list);

/* --- changes: fields_change.c --- */

/* The class of arrays and objects, and what fields_rename.c adds to it. */
int fs_fields_rename(struct fs_call *call, struct fs_node *dir, const char *name,
                     struct fs_node *to_dir, const char *to_name, unsigned flags);
/* Renames a key, or a directory of keys, as in keys/. */
int fs_fields_rename_key(struct fs_call *call, const struct fs_name *from, const struct fs_name *to,
                         unsigned flags);
/* Where a name leads that is a member or could be one, or a key: 0, or NOT_FOUND where it is free.
 * Also INVALID, and as fs_keys_find. fs_field_free whatever it returns. */
int fs_fields_locate(struct fs_call *call, struct fs_node *dir, const char *name,
                     struct fs_field *field);
/* Puts a new member, or the document of a new key: EXISTS. It goes before `before`, where that is
 * there. */
int fs_fields_put_new(struct fs_call *call, struct fs_node *dir, const struct fs_field *field,
                      mode_t mode, struct sfs_bytes json, struct sfs_bytes before,
                      uint64_t *ret_revision);
/* Takes away again what fs_fields_put_new has put for a leaf, if the document still has that revision. */
void fs_fields_withdraw(struct fs_call *call, struct fs_node *node, uint64_t revision);
/* mkdir and mknod of a regular file: what they put; PERMISSION of all else. */
int fs_fields_new_value(struct fs_call *call, const struct fs_make *make, struct sfs_bytes *ret_json);
/* The key's value has changed: what the kernel has of keys/ is out of date. `renewed`: it is new, or gone. */
void fs_fields_tell(struct fs_call *call, struct fs_space *space, struct sfs_bytes key, bool renewed);

/* Removes a key with a scalar, or an empty document; or an empty directory of keys. */
int fs_fields_remove_key(struct fs_call *call, struct fs_node *dir, const char *name, bool directory);

/* --- scratch files: fields_scratch.c --- */

/*
 * Files beside the members that are none: what editors and copy programs make on their way. They
 * are in the mount's memory until they are removed, or renamed to a member. In fields/ a new file
 * is one if its name is in the table of fields_scratch.c, or if it is made as mkstemp(3) does.
 */
#define FS_SCRATCH_MAX 1000 /* files of a space: of more, the oldest that nobody has open goes */
#define FS_SCRATCH_BYTES_MAX (UINT64_C(256) << 20) /* of all of them */

/* Whether a new file of this name is one, made with these flags and mode of open(2), or renamed to
 * (0). */
bool fs_scratch_takes(const char *name, int flags, mode_t mode);
/* Whether no member gets this name. */
bool fs_scratch_is_name(struct sfs_bytes name);
/* Makes one of a member that was taken out, with its text, whose buffer it takes over. Without
 * memory: none. */
void fs_scratch_make(struct fs_call *call, struct fs_node *dir, struct sfs_bytes member,
                     struct sfs_buffer *text);
/* PERMISSION for what an editor asks to learn whether it may rename files: it writes them in place
 * then. */
int fs_scratch_check(struct fs_call *call, const char *name, int flags);
/* The scratch file of a name, with one more look-up, or NULL. */
struct fs_node *fs_scratch_find(struct fs_call *call, struct fs_node *dir, const char *name);
/* It stays from now on, and not any more. NO_MEMORY, NO_SPACE. */
int fs_scratch_keep(struct fs_call *call, struct fs_node *node);
void fs_scratch_let_go(struct fs *fs, struct fs_node *node);
/* All that are below a directory, or with NULL all of the space, go. */
void fs_scratch_drop(struct fs *fs, struct fs_space *space, const struct fs_node *dir);
/* Their names in a directory, as fs_names_add makes them. */
int fs_scratch_names(struct fs_call *call, struct fs_node *dir, struct sfs_buffer *names);
struct fs_leaf;
/* The size has changed. With the leaf's lock held. */
void fs_scratch_count(struct fs_space *space, struct fs_leaf *leaf);
/* Renames a scratch file to another scratch name or to a member. 1: no scratch file has this name. */
int fs_scratch_rename(struct fs_call *call, const struct fs_name *from, const struct fs_name *to,
                      unsigned flags);

/* --- where members stood: fields_place.c --- */

/*
 * What a process has just taken out of an object or array, and what stood behind it: who removes a
 * member and makes it again, or makes it after it was renamed, puts it where it was; and who
 * removes an element finds nothing there for a while, and may not remove those behind it, which
 * have moved up.
 */
void fs_place_note(struct fs_call *call, struct fs_node *dir, struct sfs_bytes name,
                   struct sfs_bytes behind);
/* True: it was just there, before *before (appended), and is forgotten now. */
bool fs_place_take(struct fs_call *call, struct fs_node *dir, struct sfs_bytes name,
                   struct sfs_buffer *before);
/* Whether the caller has just removed this element. */
bool fs_place_hides(struct fs_call *call, struct fs_node *dir, const char *name);
/* CONFLICT for an element that has moved up. */
int fs_place_check(struct fs_call *call, struct fs_node *dir, const char *name);
void fs_place_forget(struct fs_call *call, struct fs_node *dir);
void fs_place_free(struct fs_node *dir);

/* --- files: fields_leaf.c, fields_commit.c --- */

/* The content of an open file, or of a scratch file, shared by all handles of a node; node->data.
 */
struct fs_leaf {
    pthread_mutex_t lock; /* of all members; may be taken inside the node table's lock */
    pthread_cond_t settled;
    bool busy;            /* one call commits it */
    unsigned opens;
    unsigned writers;     /* those of them that will commit */
    bool created;         /* never committed */
    bool exclusive;       /* … and nobody else may have made it */
    uint64_t made;        /* by O_EXCL: revision of the document with the empty text, until there is another; 0: not */
    bool scratch; /* it is beside the members: nothing is committed, and it stays when it is closed
                   */
    size_t counted;           /* bytes of it in space->scratch_bytes */
    uid_t uid;                /* who has opened it first … */
    uint64_t held;            /* … and the bytes that are counted for him: FS_HELD_BYTES */
    bool placed;              /* created: it goes before … */
    struct sfs_buffer before; /* … this member or index, where that is there */
    bool timed;               /* `written` was set by a program */
    bool unlinked;        /* its name is gone: nothing is committed any more */
    bool refused;         /* its last commit failed */
    bool whole;           /* was emptied: the content replaces whatever is there */
    bool patched;         /* written elsewhere than at its end */
    enum fs_dirt level;
    struct fs_authors authors;
    struct sfs_buffer content;
    struct sfs_buffer base; /* the text as it was when it was loaded or committed last */
    struct stat last;       /* as it was shown last, or was made */
    int64_t written;        /* ns */
};
/* The content of a node; made if need be. NULL: no memory. */
struct fs_leaf *fs_leaf_of(struct fs *fs, struct fs_node *node);
void fs_leaf_forget(struct fs_node *node);
/* The text of a value as a file: its form, and a newline. Appended. */
int fs_leaf_text(struct fs_call *call, struct sfs_bytes json, struct sfs_buffer *text);
/* As fs_file_is_due and fs_file_commit. */
bool fs_leaf_is_due(const struct fs_leaf *leaf, enum fs_dirt level, const struct fs_open *open);
int fs_leaf_commit(struct fs_call *call, struct fs_node *node, enum fs_dirt level, const struct fs_open *open,
                   uint64_t *ret_sequence);
/* Commits all of a space, as fs_file_commit_all. */
int fs_leaf_commit_all(struct fs_call *call, struct fs_space *space);
int fs_leaf_truncate(struct fs_call *call, struct fs_node *node, uint64_t size);
/* The leaf of a name that was made and is not committed: its node, with one look-up more; else NULL. */
struct fs_node *fs_leaf_pending(struct fs_call *call, struct fs_node *dir, const char *name);
/* The entry of a leaf that is apart from its document; takes over the look-up. */
int fs_leaf_entry(struct fs_call *call, struct fs_node *node, struct fs_entry *entry);
/* What an open file shows that its document does not have. `found`: *st is what the document has; else the file
 * is made and not committed, or removed: true where there is one, and *st is set. */
bool fs_leaf_stat(struct fs *fs, struct fs_node *node, bool found, struct stat *st);
/* A name goes: who has it open keeps the content, without the name. */
void fs_leaf_unlink(struct fs_call *call, struct fs_node *dir, const char *name);
int fs_leaf_open(struct fs_call *call, struct fs_node *node, struct fs_open *open,
                 struct fuse_file_info *info);
/* A file to be made: its name, the member that it would be, and how. */
struct fs_new {
    struct fs_name place;
    const struct fs_field *field;
    mode_t mode;
    bool scratch; /* as a scratch file */
};
/* Opens the file of a name, or makes it if the name is free. */
int fs_leaf_create(struct fs_call *call, const struct fs_new *what, struct fs_open *open,
                   struct fuse_file_info *info, struct fs_entry *entry);
/* Whether it is a scratch file now. */
bool fs_leaf_is_scratch(struct fs *fs, struct fs_node *node);
/* A scratch file's content becomes the value of a member of `dir`, or key: `field`, with
 * `exclusive` only if that is free. */
int fs_leaf_put(struct fs_call *call, struct fs_node *node, struct fs_node *dir,
                const struct fs_field *field, bool exclusive);
/* A scratch file is one no more; who has it open keeps it, without the name. */
void fs_leaf_abandon(struct fs *fs, struct fs_node *node);
/* Keeps attributes of a file that is scratch or being written; false: it is as its document has it.
 */
bool fs_leaf_set(struct fs *fs, struct fs_node *node, const struct stat *want, int mask);
int fs_fields_sync(struct fs_call *call, struct fs_node *node);

#endif
