/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_RECORD_H
#define STOREFS_RECORD_H

#include "storefs/bytes.h"
#include "storefs/error.h"

/*
 * Names. A store is an ordered map from names to records. A name is one of
 *
 *   a key:               1 to SFS_KEY_MAX bytes, none of them NUL;
 *   a directory marker:  PREFIX NUL, where PREFIX is empty (the root) or ends in '/', behind at most
 *                        SFS_KEY_MAX bytes, none of them NUL.
 *
 * Names are ordered byte by byte, so the marker of a directory is the first name of the directory's
 * range [PREFIX, PREFIX with its last '/' replaced by '0'). A marker is never confused with a key,
 * and moving a prefix moves its markers with it.
 */
#define SFS_KEY_MAX 4095

/* What a record is. Only SFS_KIND_VALUE records are keys: everything else exists for the mount,
 * and keys, size and queries do not see it. */
enum sfs_kind {
    SFS_KIND_VALUE = 0,
    SFS_KIND_MARKER = 1,  /* a directory that exists although nothing is below it; carries its attributes */
    SFS_KIND_SYMLINK = 2, /* the value is the target */
    SFS_KIND_FIFO = 3,
    SFS_KIND_SOCKET = 4,
    SFS_KIND_CHARACTER = 5, /* `device` is its number */
    SFS_KIND_BLOCK = 6,
};

/* What a value's bytes are: found from the content when it is written, unless set. */
enum sfs_type {
    SFS_TYPE_BYTES = 0, /* not UTF-8, or with a NUL byte, as a hole has */
    SFS_TYPE_TEXT = 1,  /* UTF-8 without NUL bytes that is not JSON; the empty value is text */
    SFS_TYPE_JSON = 2,  /* one JSON value (RFC 8259), white space around it allowed */
};

/* Attributes live in the record, so they commit, migrate and replicate with it. Times are
 * nanoseconds since the epoch. */
struct sfs_attributes {
    uint64_t id;        /* record id: unique in the store, never reused, survives rename; st_ino */
    enum sfs_kind kind;
    enum sfs_type type;
    bool type_set;      /* the type was set, not found from the content */
    uint32_t mode;      /* permission bits only (07777) */
    uint32_t uid;       /* SFS_OWNER_NONE: nobody gave one; a mount shows its own owner */
    uint32_t gid;
    uint64_t device;
    int64_t created;
    int64_t accessed;
    int64_t modified;   /* the value's last change: mtime */
    int64_t changed;    /* the record's last change: ctime */
};

/* Which attributes a put or an update gives. */
enum sfs_attribute_mask {
    SFS_ATTRIBUTE_KIND = 1 << 0,
    SFS_ATTRIBUTE_TYPE = 1 << 1,
    SFS_ATTRIBUTE_MODE = 1 << 2,
    SFS_ATTRIBUTE_UID = 1 << 3,
    SFS_ATTRIBUTE_GID = 1 << 4,
    SFS_ATTRIBUTE_DEVICE = 1 << 5,
    SFS_ATTRIBUTE_CREATED = 1 << 6,
    SFS_ATTRIBUTE_ACCESSED = 1 << 7,
    SFS_ATTRIBUTE_MODIFIED = 1 << 8,
    SFS_ATTRIBUTE_CHANGED = 1 << 9,
    SFS_ATTRIBUTE_ALL = (1 << 10) - 1,
    /* Of a put only, and not in ALL: the id of a record that is new, one of sfs_reserve_ids() that none has had. */
    SFS_ATTRIBUTE_ID = 1 << 10,
};

#define SFS_OWNER_NONE UINT32_MAX   /* the uid and gid of a record that nobody gave one */
#define SFS_MODE_DEFAULT 0644u        /* of a value that nobody gave a mode */
#define SFS_MODE_MARKER_DEFAULT 0755u /* of a marker that nobody gave a mode */

/*
 * A value's bytes, immutable and counted, so that a record whose attributes change, a snapshot and a
 * cache can share them. Thread-safe.
 */
struct sfs_blob;
/* A blob with a copy of the bytes; the caller has the one reference. NULL: no memory. */
SFS_API struct sfs_blob *sfs_blob_new(struct sfs_bytes bytes);
/* `size` uninitialised bytes that the creator fills through *ret_data before it shares the blob; the
 * caller has the one reference. NULL: no memory. */
SFS_API struct sfs_blob *sfs_blob_alloc(size_t size, void **ret_data);
/* One reference more; returns blob. */
SFS_API struct sfs_blob *sfs_blob_ref(struct sfs_blob *blob);
/* One reference less; the last one frees. NULL allowed. */
SFS_API void sfs_blob_unref(struct sfs_blob *blob);
/* The bytes, borrowed from the blob; the empty run for NULL. */
SFS_API struct sfs_bytes sfs_blob_bytes(const struct sfs_blob *blob);

/*
 * A record as it was at one revision: immutable and counted. Whoever receives one through a `ret_`
 * parameter owns a reference; one that a cursor shows is borrowed until the cursor's next step, and
 * may be kept with sfs_record_ref(). Thread-safe.
 */
struct sfs_record {
    struct sfs_bytes name;
    uint64_t revision; /* sequence number of its last write; never used again */
    uint64_t size;     /* bytes of the value, known even where the value is absent */
    struct sfs_attributes attributes;
    struct sfs_bytes xattrs; /* encoded: see sfs_xattr_* */
    struct sfs_blob *blob;   /* NULL: the value was not asked for (or is empty: size 0) */
};

/* One reference more; returns record. */
SFS_API const struct sfs_record *sfs_record_ref(const struct sfs_record *record);
/* One reference less; the last one frees. NULL allowed. */
SFS_API void sfs_record_unref(const struct sfs_record *record);
/* The value, borrowed from the record; the empty run where it is absent. */
static inline struct sfs_bytes sfs_record_value(const struct sfs_record *record)
{
    return sfs_blob_bytes(record->blob);
}
/* Whether the value is there, or is empty and so need not be. */
static inline bool sfs_record_has_value(const struct sfs_record *record)
{
    return record->blob != NULL || record->size == 0;
}
/* Whether the record is a key: not a marker, a link or a device. */
static inline bool sfs_record_is_key(const struct sfs_record *record)
{
    return record->attributes.kind == SFS_KIND_VALUE;
}

/* A store whose last sequence number or record id is larger is damaged, and is not changed any more. */
#define SFS_COUNTER_MAX ((uint64_t)INT64_MAX / 2)
/* Whether a record that was read from a file is one that a store can hold: its name, revision, size, id,
 * kind, type and extended attributes. Each backend asks this of what it reads. Pure, thread-safe. */
SFS_API bool sfs_record_is_sound(struct sfs_bytes name, uint64_t revision, uint64_t size,
                                 const struct sfs_attributes *attributes, struct sfs_bytes xattrs);

/* Makes a record, whose one reference is the caller's: copies name, attributes and xattrs, takes a
 * reference of its own to blob (may be NULL). `size` is in bytes. NULL: no memory. */
SFS_API const struct sfs_record *sfs_record_new(struct sfs_bytes name, uint64_t revision,
                                                uint64_t size,
                                                const struct sfs_attributes *attributes,
                                                struct sfs_bytes xattrs, struct sfs_blob *blob);
/* The same with a value of `size` bytes, above 0, in the same allocation, which the creator fills through
 * *ret_value before it shares the record. */
SFS_API const struct sfs_record *sfs_record_alloc(struct sfs_bytes name, uint64_t revision,
                                                  uint64_t size,
                                                  const struct sfs_attributes *attributes,
                                                  struct sfs_bytes xattrs, void **ret_value);

/* The type that the content shows. Reads all of it; pure, thread-safe. */
SFS_API enum sfs_type sfs_type_of(struct sfs_bytes value);
/* "bytes", "text", "json"; "unknown" for a number that is no type. Static storage. */
SFS_API const char *sfs_type_name(enum sfs_type type);

/* 0, or INVALID (empty, NUL) or NAME_TOO_LONG with a sentence that shows the beginning of the key. */
SFS_API int sfs_key_check(struct sfs_bytes key, struct sfs_error *error);
/* As sfs_key_check, and takes markers too. */
SFS_API int sfs_name_check(struct sfs_bytes name, struct sfs_error *error);
/* Whether a name is a directory marker: it ends in NUL. */
static inline bool sfs_name_is_marker(struct sfs_bytes name)
{
    return name.size > 0 && ((const char *)name.data)[name.size - 1] == '\0';
}
/* How long a name is as a key, which is what has a limit: of a marker the directory's own name, without
 * "/" and NUL. */
static inline size_t sfs_name_length(struct sfs_bytes name)
{
    size_t mark = sfs_name_is_marker(name) ? 2 : 0;
    return name.size > mark ? name.size - mark : 0;
}

/* A name for people: UTF-8 as it is, other bytes \xNN, a marker as "a/", cut at `size` bytes, the NUL
 * included. Returns out. */
SFS_API const char *sfs_name_show(struct sfs_bytes name, char *out, size_t size);

/*
 * Extended attributes are kept encoded in one run of bytes, sorted by name: for each, the name's
 * length (2 bytes, little-endian), the value's length (4 bytes), the name, the value. Limits: name
 * 255 bytes, one value 65,536 bytes, all together 1 MiB.
 */
/* True and *ret_value (borrowed from xattrs) if there is one of this name. */
SFS_API bool sfs_xattr_get(struct sfs_bytes xattrs, struct sfs_bytes name, struct sfs_bytes *ret_value);
/* Steps through: start with *position 0; false at the end. Name and value are borrowed from xattrs. */
SFS_API bool sfs_xattr_next(struct sfs_bytes xattrs, size_t *position, struct sfs_bytes *ret_name,
                            struct sfs_bytes *ret_value);
/* For sfs_xattr_change(): the name must be new; the name must be there already. */
enum sfs_xattr_flags { SFS_XATTR_CREATE = 1, SFS_XATTR_REPLACE = 2 };
/* Appends to `out` the set with `name` set to `value`, or removed where value.data is NULL. EXISTS
 * (CREATE), NO_ATTRIBUTE (REPLACE, removal), TOO_LARGE, INVALID, NO_MEMORY. */
SFS_API int sfs_xattr_change(struct sfs_bytes xattrs, struct sfs_bytes name, struct sfs_bytes value,
                             unsigned flags, struct sfs_buffer *out, struct sfs_error *error);
/* 0, or CORRUPT where the bytes are not such an encoding: for what was read from a file. */
SFS_API int sfs_xattr_check(struct sfs_bytes xattrs, struct sfs_error *error);

#endif
