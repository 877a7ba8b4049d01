/* SPDX-License-Identifier: MIT */
/*
 * What a transaction changes: as text, and as notices to the kernel, which keeps attributes and pages of
 * keys/ that a commit makes out of date.
 */
#include <inttypes.h>

#include "fs/keys.h"
#include "fs/tx.h"

#define TELL_EACH 100000 /* with more names the kernel is told of all it knows instead */
#define CONFLICTS_MAX 100

/* --- as text --- */

/* A name on one line: control bytes and '\' as `printf %b` takes them; other bytes as they are. */
static int add_name(struct sfs_bytes name, struct sfs_buffer *out)
{
    const unsigned char *data = name.data;
    int code = 0;
    for (size_t i = 0; i < name.size && code == 0; i++) {
        if (data[i] == '\\')
            code = sfs_buffer_add(out, SFS_LITERAL("\\\\"));
        else if (data[i] < 0x20 || data[i] == 0x7f)
            code = sfs_buffer_printf(out, "\\x%02x", data[i]);
        else
            code = sfs_buffer_byte(out, (char)data[i]);
    }
    return code;
}

/* A marker stands for its directory. */
static struct sfs_bytes shown_name(struct sfs_bytes name, bool *ret_directory)
{
    *ret_directory = sfs_name_is_marker(name);
    return sfs_bytes(name.data, name.size - *ret_directory);
}

struct writer {
    struct sfs_buffer *out;
    struct sfs_error *error;
    size_t count;
    bool names_own; /* a key that others changed in what was listed or queried is not named */
};

static int write_change(void *context, struct sfs_bytes name, const struct sfs_record *before,
                        const struct sfs_record *after)
{
    struct writer *writer = context;
    const char *what = before == NULL ? "created" : after == NULL ? "deleted" : "changed";
    bool directory;
    struct sfs_bytes shown = shown_name(name, &directory);
    int code = sfs_buffer_printf(writer->out, "%s%s\t", what, directory ? " directory" : "");
    if (code == 0)
        code = add_name(shown, writer->out);
    if (code == 0)
        code = sfs_buffer_byte(writer->out, '\n');
    return code == 0 ? 0 : sfs_fail_memory(writer->error, "mount");
}

int fs_tx_changes_text(struct fs_call *call, struct fs_tx *tx, struct sfs_buffer *out)
{
    struct writer writer = {.out = out, .error = &call->error};
    return sfs_transaction_changes(tx->transaction, write_change, &writer, &call->error);
}

/* A bound of a range; none is written as nothing. */
static int add_range(const struct sfs_range *range, struct sfs_buffer *out)
{
    int code = sfs_buffer_byte(out, '\t');
    if (code == 0)
        code = add_name(range->from, out);
    if (code == 0)
        code = sfs_buffer_byte(out, '\t');
    return code == 0 ? add_name(range->to, out) : code;
}

static int add_query(struct sfs_bytes query, struct sfs_buffer *out)
{
    int code = sfs_buffer_byte(out, '\t');
    return code == 0 ? add_name(query, out) : code;
}

/* "WHAT\tNAME\trevision A then, B now", and behind it what was read, where that was no single name. */
static int write_conflict(void *context, const struct sfs_conflict *conflict)
{
    static const char *const kinds[] = {[SFS_DEPENDS_WRITE] = "conflict",
                                        [SFS_DEPENDS_READ] = "read",
                                        [SFS_DEPENDS_RANGE] = "listed",
                                        [SFS_DEPENDS_QUERY] = "queried"};
    struct writer *writer = context;
    struct sfs_buffer *out = writer->out;
    bool directory;
    struct sfs_bytes shown = shown_name(conflict->name, &directory);
    if (writer->names_own &&
        (conflict->kind == SFS_DEPENDS_RANGE || conflict->kind == SFS_DEPENDS_QUERY))
        shown = (struct sfs_bytes){0};
    if (++writer->count > CONFLICTS_MAX)
        return sfs_buffer_add(out, SFS_LITERAL("...\n")) == 0 ? 1 : SFS_E_NO_MEMORY;
    int code = sfs_buffer_printf(out, "%s%s\t", kinds[conflict->kind], directory ? " directory" : "");
    if (code == 0)
        code = add_name(shown, out);
    if (code == 0)
        code = sfs_buffer_printf(out, "\trevision %" PRIu64 " then, %" PRIu64 " now", conflict->expected,
                                 conflict->found);
    if (code == 0 && conflict->kind == SFS_DEPENDS_RANGE)
        code = add_range(&conflict->range, out);
    if (code == 0 && conflict->kind == SFS_DEPENDS_QUERY)
        code = add_query(conflict->query, out);
    return code == 0 ? sfs_buffer_byte(out, '\n') : code;
}

int fs_tx_conflicts(struct fs_tx *tx, struct sfs_buffer *out)
{
    struct writer writer = {.out = out, .names_own = !fs_sees_all(tx->fs, tx->uid)};
    int code = sfs_transaction_conflicts(tx->transaction, write_conflict, &writer, NULL);
    return code < 0 ? code : 0;
}

/* --- gathering --- */

/* One name in fs_tx_changes: this, then its bytes. */
struct header {
    uint32_t size;
    bool renewed; /* made, deleted, or another record: the kernel must look the name up again */
    bool deleted;
};

struct gatherer {
    struct fs_tx_changes *changes;
    struct sfs_error *error;
};

static int gather_name(void *context, struct sfs_bytes name, const struct sfs_record *before,
                       const struct sfs_record *after)
{
    struct gatherer *gatherer = context;
    struct fs_tx_changes *changes = gatherer->changes;
    struct header header = {.size = (uint32_t)name.size, .deleted = after == NULL};
    header.renewed = before == NULL || after == NULL || before->attributes.id != after->attributes.id ||
                     before->attributes.kind != after->attributes.kind;
    if (++changes->count > TELL_EACH)
        return 1;
    if (sfs_buffer_append(&changes->names, &header, sizeof(header)) != 0 ||
        sfs_buffer_add(&changes->names, name) != 0)
        return sfs_fail_memory(gatherer->error, "mount");
    return 0;
}

int fs_tx_changes_gather(struct fs_call *call, struct fs_tx *tx, struct fs_tx_changes *changes)
{
    struct gatherer gatherer = {changes, &call->error};
    int code = sfs_transaction_changes(tx->transaction, gather_name, &gatherer, &call->error);
    return code < 0 ? code : 0;
}

/* --- telling --- */

static void tell_each(struct fs *fs, const struct fs_tx_changes *changes)
{
    struct fs_teller teller = {.fs = fs};
    struct header header;
    for (size_t at = 0; at < changes->names.size; at += sizeof(header) + header.size) {
        memcpy(&header, changes->names.data + at, sizeof(header));
        struct sfs_bytes name = sfs_bytes(changes->names.data + at + sizeof(header), header.size);
        fs_keys_tell_name(&teller, name, header.renewed, header.deleted);
    }
    fs_keys_teller_free(&teller);
}

void fs_tx_changes_tell(struct fs_call *call, const struct fs_tx_changes *changes)
{
    if (changes->count > TELL_EACH)
        fs_keys_tell_all(call->fs);
    else
        tell_each(call->fs, changes);
}
