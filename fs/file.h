/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_FS_FILE_H
#define STOREFS_FS_FILE_H

/*
 * An open file of a keys tree: what was written and is not yet committed, shared by all handles of one
 * node. Writes gather here and are seen at once by every reader of the node; a commit sends the
 * written pieces, so that writers of other mounts lose nothing, and is one batch. What is more than
 * memory shall hold goes to a stage of the store meanwhile.
 *
 * `lock` guards the members and is held for copying only; the atomic ones may be read without it. `busy`
 * marks the one call that is loading, committing or moving the file; others that need the same wait for
 * it, readers and writers do not.
 */
#include "fs/authors.h"
#include "fs/content.h"
#include "fs/node.h"

/* How much there is to commit: a flush commits what was written, only the release of a handle what
 * an open made or emptied (a shell opens, flushes and only then writes). */
enum fs_dirt { FS_CLEAN, FS_OPENED, FS_WRITTEN };

struct fs_dirty {
    enum fs_dirt level;
    bool whole;     /* the content replaces the value, whatever it is now */
    bool cut;       /* it was truncated: to `low` at the least, and ends where the content ends */
    bool appended;  /* all pieces were appended, none written elsewhere */
    uint64_t low;
    uint64_t end;   /* appended: where the value ended */
    struct fs_authors authors; /* while a commit has it */
};

struct fs_file {
    struct fs_node *node;   /* one look-up of it */
    struct fs_space *space; /* counted */
    struct fs_file *next;   /* in space->files; guarded by space->lock */
    struct fs_file **previous;
    unsigned opens;         /* guarded by space->lock: handles, and calls at work on it */
    _Atomic unsigned handles;
    _Atomic unsigned writers; /* those of them that were opened to write */

    pthread_mutex_t lock;
    pthread_cond_t settled;
    bool busy;
    _Atomic bool created;  /* never committed: only this mount sees it */
    _Atomic bool refused;  /* its last commit failed: it may well be gone with its last handle */
    _Atomic uint64_t made; /* by O_EXCL: revision of the empty record, until there is content; 0: not */
    _Atomic bool unlinked; /* its name is gone: nothing is committed any more */
    _Atomic bool stale;    /* what it was is undone, or others replaced it: every use is EXPIRED */
    bool other_pages; /* the kernel may keep some that are older than `content`: others wrote */
    bool other_size;  /* … and believe in another size */
    bool loaded;   /* `content` is what it shows; else the store's value is */
    bool spilling; /* who is busy reads `content` without the lock: writers wait */
    struct fs_content content;
    char first;       /* the byte at 0, where it was written here; else NUL */
    uint64_t counted; /* of content.memory, in fs->buffered … */
    uint64_t held;    /* … and for its writer, FS_WRITTEN_BYTES: */
    uid_t uid;
    struct sfs_stage *stage; /* of staged pieces; its user is busy */
    uint64_t staged;  /* where the next piece goes in it … */
    bool in_place;    /* … or each goes where it has its place in the value */
    const struct sfs_record *record; /* as last committed or seen; NULL while created */
    struct sfs_attributes pending;   /* set while dirty: committed with the content */
    unsigned pending_mask;
    int64_t written; /* time of the last write, ns */
    int64_t changed; /* … or change of attributes while dirty */
    struct fs_dirty dirty;
    struct fs_authors authors; /* of what is dirty */
};

/* The node's file, made if it is not open; one open more. NULL: no memory. */
struct fs_file *fs_file_acquire(struct fs_node *node);
/* One open less; the last one frees it. */
void fs_file_release(struct fs_file *file);
/* The node's file if it is open, with one open more; else NULL. */
struct fs_file *fs_file_peek(struct fs_node *node);

/* Waits until nobody else loads, commits or moves it, and keeps others from that. */
void fs_file_hold(struct fs_file *file);
void fs_file_let_go(struct fs_file *file);

/* Gives what was seen of the record (may be NULL); content that is clean and of another revision is
 * dropped. What is dirty stays with the revision that it was made from: its commit settles that. Where
 * others have put another record under the key, the file is stale. */
void fs_file_saw(struct fs_file *file, const struct sfs_record *record);
/* Makes it a new file, or empties it, as open does. `empty`: were there one after all, it would be
 * emptied; else what is written goes onto it. `privileged`: its set-id bits stay. */
void fs_file_create(struct fs_file *file, const struct sfs_attributes *attributes, bool empty,
                    struct fs_open *open);
void fs_file_empty(struct fs_file *file, bool privileged, struct fs_open *open);

/* Makes `content` what it shows, over the store's value; held or not (`held`). */
int fs_file_load(struct fs_call *call, struct fs_file *file, bool held);
/* 1 and bytes where `content` is what it shows, 0 where the store's value is, or a failure. */
int fs_file_read(struct fs_call *call, struct fs_file *file, char *data, size_t size, uint64_t offset,
                 size_t *ret_size);
int fs_file_write(struct fs_call *call, struct fs_file *file, struct sfs_bytes data, uint64_t offset,
                  bool append);
int fs_file_truncate(struct fs_call *call, struct fs_file *file, uint64_t size);
/* Makes it at least `size` long. */
int fs_file_grow(struct fs_call *call, struct fs_file *file, uint64_t size);
/* Zeros that take no room, up to the end at most. */
int fs_file_punch(struct fs_call *call, struct fs_file *file, uint64_t offset, uint64_t size);
/* The first byte from `offset` on that is data (`data`), or in a hole, or the end of the file. NOT_FOUND:
 * there is no more data. */
int fs_file_seek(struct fs_call *call, struct fs_file *file, uint64_t offset, bool data,
                 uint64_t *ret_offset);

/* --- what is more than memory shall hold: stage.c --- */

#define FS_LARGE (UINT64_C(1) << 20) /* values from this size on are kept in parts, bytes */
#define FS_PIECE ((size_t)1 << 20)   /* of a value that is copied, bytes */

/* Makes room for `size` bytes: where the file or the mount has too many in memory, they go to the
 * stage, while the call leaves the keys tree. EXPIRED: something else is in the file's place now.
 */
int fs_file_make_room(struct fs_call *call, struct fs_file *file, uint64_t size);
/* With the lock held, before `size` bytes are written: counts them for who writes. NO_SPACE. */
int fs_file_charge(struct fs_call *call, struct fs_file *file, uint64_t size);
/* Held, before the name of an open file goes: what shows of the store's value becomes its own. */
int fs_file_keep(struct fs_call *call, struct fs_file *file);
/* Held, writers waiting: all content lies in the stage, at its place, which is as long as the content. */
int fs_file_stage_whole(struct fs_call *call, struct fs_file *file);
/* Bytes of the store's value, and zeros behind its end. */
int fs_file_read_below(struct fs_call *call, struct fs_file *file, uint64_t offset, char *data,
                       size_t size);
/* Keeps account of what is in memory; with the lock held. */
void fs_file_count(struct fs_file *file);

/* What a commit may meet under the key. */
enum fs_onto {
    FS_ONTO_KNOWN,  /* only the revision that this mount knows, or nothing where it made the file */
    FS_ONTO_LATEST, /* whatever the value is now: parts go onto it */
    FS_ONTO_NAME,   /* before a rename, which replaces what is there: a file made here goes whole */
};
/* What is dirty as operations on `key`, added to a batch; held. *ret_taken is given back by
 * fs_file_committed, which tells how it went: 0, or the failure that puts it back. */
int fs_file_batch(struct fs_call *call, struct fs_file *file, struct sfs_bytes key, enum fs_onto onto,
                  struct sfs_batch *batch, struct fs_dirty *ret_taken);
void fs_file_committed(struct fs_file *file, const struct fs_dirty *taken, int code, uint64_t sequence,
                       const struct sfs_record *record);
/* Others wrote too: clean content is read anew by the next reader, and by the kernel. */
void fs_file_forget_content(struct fs_file *file);
/* Whether there is something dirty at `level` and above: of a handle that is closed (`open`), if it wrote some of it
 * or is the last one. With the lock held. */
bool fs_file_is_due(const struct fs_file *file, enum fs_dirt level, const struct fs_open *open);
/* Stages what a commit of the file will refer to, so that the commit itself, which keeps other
 * changers waiting, is short. Not in the keys tree. */
int fs_file_prepare(struct fs_call *call, struct fs_file *file, enum fs_dirt level,
                    const struct fs_open *open);
/* Commits what is due, all of it. With `ret_sequence` durably: the commit's number, 0 where there was
 * nothing to commit. */
int fs_file_commit(struct fs_call *call, struct fs_file *file, enum fs_dirt level, const struct fs_open *open,
                   uint64_t *ret_sequence);
/* When the content of the last writer was refused: the empty record that O_EXCL committed for the name alone
 * goes, where nobody has changed it since. */
void fs_file_withdraw(struct fs_call *call, struct fs_file *file);
/* The handle's writes were refused for good (NULL: those of nobody whose handle is known). If with so many other handles
 * that may write nobody is left whose writes they are, what is dirty goes: the file shows what the store has, or is
 * stale if it was never committed. Inside the space. */
void fs_file_refuse(struct fs_call *call, struct fs_file *file, struct fs_open *open, unsigned writers);
/* What the space's store shows has changed as a whole, alone in its keys tree: what is open is read anew,
 * or is stale where its key is not the same record's any more. Changes of names later than `since`
 * (fs_space.moves; UINT64_MAX: none) are undone: directories that they moved lose their names, which
 * are others' again. `files`: all, taken before the change. */
void fs_files_renew(struct fs_call *call, struct fs_space *space, uint64_t since, struct fs_file **files,
                    size_t count);
/* Whether the value that is known is empty: new content needs none of its bytes. */
static inline bool fs_file_was_empty(const struct fs_file *file)
{
    return file->record != NULL && file->record->size == 0;
}
/* 0, or EXPIRED of a stale file. */
int fs_file_check(struct fs_call *call, const struct fs_file *file);
/* Makes it stale: its node has no name any more, which the next look-up gives another one. */
void fs_file_part(struct fs_file *file);
/* The space's open files, each with one open more, so that they can be worked on without the lock.
 * NULL: no memory. */
struct fs_file **fs_files_take(struct fs_space *space, size_t *ret_count);
void fs_files_give_back(struct fs_file **files, size_t count);
/* Commits every dirty file of a space: before a transaction's commit, and at the end of a mount.
 * The first failure is returned, after all were tried. */
int fs_file_commit_all(struct fs_call *call, struct fs_space *space);

#endif
