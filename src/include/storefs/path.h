/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_PATH_H
#define STOREFS_PATH_H

#include "storefs/record.h"

/*
 * Keys as paths, paths as keys: the one mapping that the mount and the command share.
 *
 * '/' in a key separates directory levels; every other byte stands for itself, '%' too. Only whole
 * parts are special: an empty part is "%empty", "." is "%dot", ".." is "%dotdot"; a part that is one
 * or more '%' followed by empty, dot, dotdot or value gets one more '%' in front. A part whose file
 * name would be over 255 bytes, or is exactly 255 that end in "%+", is cut every 253 bytes, each piece but the last
 * followed by "%+"; the last piece is escaped as if it were a part. Where `a` is a key and also a
 * directory its own value is at a/%value. For a given state of the store paths and keys are a
 * bijection: a name that encoding would not give is no name.
 *
 * A place is where a walk has come to below keys/: `base` is the key bytes so far, empty, or ending in
 * '/', or (inside a cut part: `pieces` > 0) ending in pieces * 253 bytes of an unfinished part.
 *
 * All functions are pure and thread-safe. Those that append to a buffer of the caller's leave in it what
 * it held when they fail; all of these can return NO_MEMORY.
 */
#define SFS_PATH_NAME_MAX 255
#define SFS_PATH_PIECE 253
#define SFS_PATH_VALUE "%value"

struct sfs_place {
    struct sfs_bytes base; /* borrowed */
    size_t pieces;
};

enum sfs_path_kind {
    SFS_PATH_NONE,  /* no key has this name here: look-ups ENOENT, creation EINVAL */
    SFS_PATH_PART,  /* a whole part (or the last piece of one): the key `base + text`
                       (none where both are empty), and the directory `base + text + '/'` */
    SFS_PATH_PIECE_DIRECTORY, /* base + text is one piece further into a cut part: always a directory */
    SFS_PATH_OWN_VALUE, /* "%value": the value of the key `base` without its last '/' */
};

/*
 * Decodes one file name in a place: appends to `text` the key bytes that it stands for. Returns the
 * kind; NONE with a sentence in `error` (NAME_TOO_LONG over 255 bytes, else INVALID: escape wrong,
 * cut wrong) or NO_MEMORY as a negative number. "." and ".." are for the caller to handle.
 */
SFS_API int sfs_path_decode(struct sfs_place place, struct sfs_bytes name, struct sfs_buffer *text,
                            struct sfs_error *error);
/*
 * The file name under which the next part of a key shows in a place: `rest` is the key's bytes behind
 * `base`, up to the next '/' or its end. Appends it to `name`. Returns 1 when the name is a piece
 * directory, 0 when it is a whole part or a last piece, SFS_E_NOT_FOUND when no cut of this part lies in this place
 * (inside a piece directory: the part is too short to be cut), or NO_MEMORY.
 */
SFS_API int sfs_path_encode(struct sfs_place place, struct sfs_bytes rest, struct sfs_buffer *name);

/* A whole key to a path relative to keys/, appended; `own_value` adds "/%value". */
SFS_API int sfs_path_from_key(struct sfs_bytes key, bool own_value, struct sfs_buffer *path,
                              struct sfs_error *error);
/* A relative path ("a/b/%empty") to the key it names, appended; INVALID where no key has it. */
SFS_API int sfs_path_to_key(struct sfs_bytes path, struct sfs_buffer *key, struct sfs_error *error);

/*
 * The escape of names that must be one file name though they may hold '/': values under query/by, and
 * links under query keys/: '/' is %2F, '%' is %25, NUL is %00 (and "." and ".." %2E, %2E%2E; the
 * empty text is %empty). Decoding takes just these; any other '%' stands for itself. Appends.
 */
SFS_API int sfs_path_escape(struct sfs_bytes text, struct sfs_buffer *name);
SFS_API int sfs_path_unescape(struct sfs_bytes name, struct sfs_buffer *text);

#endif
