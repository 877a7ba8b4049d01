/* SPDX-License-Identifier: MIT */
/*
 * Committing a file of fields/: its text becomes the value of one member, whatever the rest of the document
 * is by then.
 */
#include <stdlib.h>

#include "fs/fields.h"

/* What is committed: taken from the leaf, and put back where that fails. */
struct taken {
    struct sfs_document_path path;
    struct sfs_buffer content;
    struct sfs_buffer base;
    struct sfs_buffer before; /* placed */
    struct sfs_buffer backup; /* the text of `before`, where that is taken out */
    bool created;
    bool exclusive;
    bool placed;
    bool whole;
    bool patched;
    enum fs_dirt level;
    struct fs_authors authors;
};

static int gone(struct sfs_error *error)
{
    return sfs_fail(error, SFS_E_EXPIRED, "fields",
                    "the member was removed by somebody else while the file was open");
}

/* The newline at the end is what makes it a line; it is no part of the value. */
static int value_of(struct sfs_bytes text, struct sfs_buffer *json, struct sfs_error *error)
{
    if (text.size > 0 && ((const char *)text.data)[text.size - 1] == '\n')
        text.size--;
    return sfs_document_from_form(text, json, error);
}

/* What was read and changed must still be so; what was only added to is added to what is there now. */
static int merge(const struct taken *taken, struct sfs_bytes value, struct sfs_buffer *text,
                 struct sfs_error *error)
{
    struct sfs_bytes content = sfs_buffer_bytes(&taken->content);
    struct sfs_bytes base = sfs_buffer_bytes(&taken->base);
    struct sfs_buffer now = {0};
    int code = 0;
    if (!taken->whole)
        code = sfs_document_form(value, &now, error);
    if (code == 0 && !taken->whole && sfs_buffer_byte(&now, '\n') != 0)
        code = sfs_fail_memory(error, "fields");
    bool same = taken->whole || sfs_bytes_equal(sfs_buffer_bytes(&now), base);
    if (code == 0 && !same && (taken->patched || !sfs_bytes_starts(content, base)))
        code = sfs_fail(error, SFS_E_CONFLICT, "fields",
                        "the member was changed by somebody else while the file was open");
    if (code == 0 && !same) {
        content = sfs_bytes((const char *)content.data + base.size, content.size - base.size);
        code = sfs_buffer_add(text, sfs_buffer_bytes(&now));
    }
    if (code == 0 && sfs_buffer_add(text, content) != 0)
        code = SFS_E_NO_MEMORY;
    sfs_buffer_free(&now);
    return code == SFS_E_NO_MEMORY ? sfs_fail_memory(error, "fields") : code;
}

/* The value that is there, data NULL where the member is still to be made. */
static int look(const struct taken *taken, struct sfs_bytes text, struct sfs_bytes *ret_value,
                struct sfs_error *error)
{
    *ret_value = sfs_bytes(NULL, 0);
    if (text.data == NULL)
        return taken->created && taken->path.count == 0 ? 0 : gone(error);
    int code = sfs_document_text_get(text, taken->path, ret_value, error);
    if (code == SFS_E_NOT_FOUND)
        return taken->created ? 0 : gone(error);
    if (code == 0 && taken->created && taken->exclusive)
        return sfs_fail(error, SFS_E_EXISTS, "fields", "somebody else has made this member");
    if (code == 0 && sfs_document_kind(*ret_value) != SFS_DOCUMENT_SCALAR)
        return sfs_fail(error, SFS_E_IS_DIRECTORY, "fields", "the member is an array or object by now");
    return code;
}

/* Puts the value in the place of the backup, whose text is kept: the member gets its name back. */
static int put_back(struct taken *taken, struct sfs_bytes text, struct sfs_document_path backup,
                    struct sfs_bytes json, struct sfs_buffer *out, struct sfs_error *error)
{
    struct sfs_buffer back = {0};
    int code = sfs_document_text_move(text, backup, taken->path, 0, &back, error);
    if (code == 0)
        code = sfs_document_text_set(sfs_buffer_bytes(&back), taken->path, json, 0, out, error);
    sfs_buffer_free(&back);
    return code;
}

/*
 * Before an editor makes a file, it may rename the one of that name to a backup, "k" to "k~". That
 * was a member until now, so that nothing could be lost; it is a scratch file from here on. 1:
 * `before` is no such backup.
 */
static int put_over_backup(struct taken *taken, struct sfs_bytes text, struct sfs_bytes json,
                           struct sfs_buffer *out, struct sfs_error *error)
{
    struct sfs_document_path backup = taken->path;
    struct sfs_buffer steps = {0};
    struct sfs_bytes value;
    if (!fs_scratch_is_name(sfs_buffer_bytes(&taken->before)))
        return 1;
    if (sfs_buffer_append(&steps, backup.steps, backup.count * sizeof(*backup.steps)) != 0)
        return sfs_fail_memory(error, "fields");
    backup.steps = (struct sfs_bytes *)(void *)steps.data;
    ((struct sfs_bytes *)(void *)steps.data)[backup.count - 1] = sfs_buffer_bytes(&taken->before);
    taken->backup.size = 0;
    int code = sfs_document_text_get(text, backup, &value, error);
    if (code == SFS_E_NOT_FOUND || (code == 0 && sfs_document_kind(value) != SFS_DOCUMENT_SCALAR))
        code = 1;
    if (code == 0)
        code = sfs_document_form(value, &taken->backup, error);
    if (code == 0 && sfs_buffer_byte(&taken->backup, '\n') != 0)
        code = sfs_fail_memory(error, "fields");
    if (code == 0)
        code = put_back(taken, text, backup, json, out, error);
    sfs_buffer_free(&steps);
    return code;
}

/* Where a program took a member out and makes it again, it stays where it was. */
static int put_value(struct taken *taken, struct sfs_bytes text, bool there, struct sfs_bytes json,
                     struct sfs_buffer *out, struct sfs_error *error)
{
    if (text.data == NULL) /* a new key: its document is a line */
        return sfs_buffer_add(out, json) != 0 || sfs_buffer_byte(out, '\n') != 0
                   ? sfs_fail_memory(error, "fields")
                   : 0;
    if (!taken->placed || there)
        return sfs_document_text_set(text, taken->path, json, 0, out, error);
    int code = put_over_backup(taken, text, json, out, error);
    if (code == 1)
        code = sfs_document_text_insert(text, taken->path, sfs_buffer_bytes(&taken->before), json,
                                        out, error);
    return code;
}

/* Whether a new element goes before the one that has its index by now. */
static bool is_element(const struct taken *taken)
{
    return taken->placed && taken->path.count > 0 &&
           sfs_bytes_equal(taken->path.steps[taken->path.count - 1],
                           sfs_buffer_bytes(&taken->before));
}

static int edit(void *context, struct sfs_bytes text, struct sfs_buffer *out, struct sfs_error *error)
{
    struct taken *taken = context;
    struct sfs_buffer merged = {0}, json = {0};
    struct sfs_bytes value = sfs_bytes(NULL, 0);
    taken->backup.size = 0; /* of an attempt that met another change */
    int code = is_element(taken) && text.data != NULL ? 0 : look(taken, text, &value, error);
    if (code == 0)
        code = merge(taken, value, &merged, error);
    if (code == 0)
        code = value_of(sfs_buffer_bytes(&merged), &json, error);
    if (code == 0)
        code = put_value(taken, text, value.data != NULL, sfs_buffer_bytes(&json), out, error);
    sfs_buffer_free(&merged);
    sfs_buffer_free(&json);
    return code;
}

/* --- taking and giving back --- */

bool fs_leaf_is_due(const struct fs_leaf *leaf, enum fs_dirt level, const struct fs_open *open)
{
    return leaf->opens > 0 && leaf->level >= level && leaf->level != FS_CLEAN && !leaf->unlinked &&
           !leaf->scratch &&
           (open == NULL || leaf->writers == 1 || fs_authors_have(&leaf->authors, open));
}

/* 1: it was taken, and nobody else commits until it is given back; 0: nothing to commit. */
static int take(struct fs_call *call, struct fs_leaf *leaf, enum fs_dirt level, const struct fs_open *open,
                struct taken *taken)
{
    int code = 0;
    pthread_mutex_lock(&leaf->lock);
    while (leaf->busy)
        pthread_cond_wait(&leaf->settled, &leaf->lock);
    bool due = fs_leaf_is_due(leaf, level, open);
    if (due) {
        code = sfs_buffer_add(&taken->content, sfs_buffer_bytes(&leaf->content));
        if (code == 0)
            code = sfs_buffer_add(&taken->base, sfs_buffer_bytes(&leaf->base));
        if (code == 0)
            code = sfs_buffer_add(&taken->before, sfs_buffer_bytes(&leaf->before));
    }
    if (due && code == 0) {
        taken->created = leaf->created;
        taken->exclusive = leaf->exclusive;
        taken->placed = leaf->placed;
        taken->whole = leaf->whole;
        taken->patched = leaf->patched;
        taken->level = leaf->level;
        taken->authors = fs_authors_take(&leaf->authors);
        leaf->whole = leaf->patched = false;
        leaf->level = FS_CLEAN;
        leaf->busy = true;
    }
    pthread_mutex_unlock(&leaf->lock);
    if (code < 0)
        return sfs_fail_memory(&call->error, "fields");
    return due;
}

/* The text that a file with this content shows when it is opened anew. Without memory, what was written. */
static void renew_base(struct fs_call *call, struct taken *taken)
{
    struct sfs_buffer json = {0}, base = {0};
    struct fs_call quiet = *call;
    if (value_of(sfs_buffer_bytes(&taken->content), &json, NULL) == 0 &&
        fs_leaf_text(&quiet, sfs_buffer_bytes(&json), &base) == 0) {
        sfs_buffer_free(&taken->content);
        taken->content = base;
        base = (struct sfs_buffer){0};
    }
    sfs_buffer_free(&json);
    sfs_buffer_free(&base);
}

/* The time of a member that was committed: what a program has set, else that of its document. */
static void settle_time(struct fs *fs, struct fs_node *node, const struct taken *taken)
{
    struct fs_leaf *leaf = node->data;
    pthread_mutex_lock(&leaf->lock);
    bool timed = leaf->timed;
    int64_t written = leaf->written;
    leaf->timed = false;
    pthread_mutex_unlock(&leaf->lock);
    fs_member_set_time(fs, node, timed ? &taken->content : NULL, written);
}

static void give_back(struct fs_call *call, struct fs_node *node, struct taken *taken, bool done)
{
    struct fs_leaf *leaf = node->data;
    if (done) {
        renew_base(call, taken);
        settle_time(call->fs, node, taken);
    }
    pthread_mutex_lock(&leaf->lock);
    if (done) {
        struct sfs_buffer old = leaf->base;
        leaf->base = taken->content;
        taken->content = old;
        leaf->created = leaf->exclusive = leaf->placed = false;
        leaf->made = 0;
    } else {
        leaf->whole = leaf->whole || taken->whole;
        leaf->patched = leaf->patched || taken->patched;
        leaf->level = leaf->level < taken->level ? taken->level : leaf->level;
        fs_authors_put_back(&leaf->authors, &taken->authors);
    }
    leaf->refused = !done;
    leaf->busy = false;
    pthread_cond_broadcast(&leaf->settled);
    pthread_mutex_unlock(&leaf->lock);
}

static void taken_free(struct taken *taken)
{
    sfs_buffer_free(&taken->content);
    sfs_buffer_free(&taken->base);
    sfs_buffer_free(&taken->before);
    sfs_buffer_free(&taken->backup);
}

/* --- committing --- */

/* *ret_revision: that of the document, where it has changed. */
static int put_taken(struct fs_call *call, struct fs_node *node, const struct fs_field *field,
                     struct taken *taken, bool durable, uint64_t *ret_revision)
{
    struct sfs_attributes attributes = {0};
    struct sfs_document_options options = {
        .attributes = &attributes,
        .mask = SFS_ATTRIBUTE_MODE | SFS_ATTRIBUTE_UID | SFS_ATTRIBUTE_GID,
        .durable = durable || call->fs->sync,
        .ret_revision = ret_revision,
    };
    struct fs_leaf *leaf = node->data;
    pthread_mutex_lock(&leaf->lock);
    attributes.mode = leaf->last.st_mode & 0666;
    attributes.uid = leaf->last.st_uid;
    attributes.gid = leaf->last.st_gid;
    pthread_mutex_unlock(&leaf->lock);
    taken->path = fs_field_path(field);
    int code = fs_document_edit(call, node->space, sfs_buffer_bytes(&field->key), false, edit,
                                taken, &options);
    if (code == 0)
        fs_fields_tell(call, node->space, sfs_buffer_bytes(&field->key),
                       taken->created && taken->path.count == 0);
    return code;
}

static int commit(struct fs_call *call, struct fs_node *node, struct taken *taken,
                  uint64_t *ret_sequence)
{
    struct fs_field field = {0};
    uint64_t revision = 0;
    int code = fs_field_of(call, node, &field);
    if (code == 0)
        code = put_taken(call, node, &field, taken, ret_sequence != NULL, &revision);
    if (code == 0 && taken->backup.size > 0)
        fs_scratch_make(call, node->parent, sfs_buffer_bytes(&taken->before), &taken->backup);
    if (code == 0 && ret_sequence != NULL)
        *ret_sequence = revision;
    fs_field_free(&field);
    return code;
}

/* Before the leaf is busy: who waits for its commit does not see that this waits for memory. */
static int reserve(struct fs_call *call, struct fs_node *node, struct fs_leaf *leaf,
                   enum fs_dirt level, const struct fs_open *open)
{
    struct fs_call quiet = *call; /* a member that is gone fails when it is committed */
    struct fs_field field = {0};
    pthread_mutex_lock(&leaf->lock);
    bool due = fs_leaf_is_due(leaf, level, open);
    pthread_mutex_unlock(&leaf->lock);
    int code = 0;
    if (due && fs_field_key(&quiet, node, &field) == 0)
        code = fs_document_reserve(call, node->space, sfs_buffer_bytes(&field.key), false);
    fs_field_free(&field);
    return code;
}

int fs_leaf_commit(struct fs_call *call, struct fs_node *node, enum fs_dirt level, const struct fs_open *open,
                   uint64_t *ret_sequence)
{
    struct taken taken = {0};
    struct fs_leaf *leaf = fs_leaf_of(call->fs, node);
    if (leaf == NULL)
        return sfs_fail_memory(&call->error, "fields");
    int code = reserve(call, node, leaf, level, open);
    if (code == 0)
        code = take(call, leaf, level, open, &taken);
    if (code == 1) {
        code = commit(call, node, &taken, ret_sequence);
        give_back(call, node, &taken, code == 0);
    }
    taken_free(&taken);
    fs_budget_give(call->fs);
    return code;
}

/* --- scratch files --- */

/* What is written from now on is due after it. */
static int take_scratch(struct fs_call *call, struct fs_leaf *leaf, struct taken *taken)
{
    pthread_mutex_lock(&leaf->lock);
    int code = sfs_buffer_add(&taken->content, sfs_buffer_bytes(&leaf->content));
    taken->level = leaf->level;
    leaf->level = FS_CLEAN;
    leaf->whole = leaf->patched = false;
    pthread_mutex_unlock(&leaf->lock);
    return code == 0 ? 0 : sfs_fail_memory(&call->error, "fields");
}

static void give_scratch_back(struct fs_leaf *leaf, const struct taken *taken)
{
    pthread_mutex_lock(&leaf->lock);
    leaf->whole = true;
    leaf->level = leaf->level < taken->level ? taken->level : leaf->level;
    pthread_mutex_unlock(&leaf->lock);
}

/* It is a member's file from now on. */
static void settle(struct fs_node *node, struct fs_leaf *leaf, struct taken *taken)
{
    pthread_mutex_lock(&leaf->lock);
    leaf->scratch = false;
    if (leaf->opens == 0) {
        sfs_buffer_free(&leaf->content);
    } else {
        struct sfs_buffer old = leaf->base;
        leaf->base = taken->content;
        taken->content = old;
    }
    fs_scratch_count(node->space, leaf);
    pthread_mutex_unlock(&leaf->lock);
}

int fs_leaf_put(struct fs_call *call, struct fs_node *node, struct fs_node *dir,
                const struct fs_field *field, bool exclusive)
{
    struct fs_leaf *leaf = node->data;
    struct taken taken = {.created = true, .exclusive = exclusive, .whole = true};
    uint64_t revision = 0;
    int code = take_scratch(call, leaf, &taken);
    taken.placed = fs_place_take(call, dir, fs_field_last(field), &taken.before);
    if (code == 0)
        code = put_taken(call, node, field, &taken, false, &revision);
    if (code == 0 && taken.backup.size > 0)
        fs_scratch_make(call, dir, sfs_buffer_bytes(&taken.before), &taken.backup);
    if (code == 0) {
        renew_base(call, &taken);
        settle_time(call->fs, node, &taken);
        settle(node, leaf, &taken);
    } else {
        give_scratch_back(leaf, &taken);
    }
    taken_free(&taken);
    return code;
}

struct gathering {
    struct fs_space *space;
    struct sfs_buffer nodes; /* struct fs_node *, with one look-up more each */
    int code;
};

static void gather(void *context, struct fs_node *node)
{
    struct gathering *gathering = context;
    if (node->class != &fs_fields_leaf_class || node->space != gathering->space || node->data == NULL)
        return;
    int code = sfs_buffer_append(&gathering->nodes, &node, sizeof(node));
    if (code == 0)
        node->lookups++;
    else
        gathering->code = code;
}

int fs_leaf_commit_all(struct fs_call *call, struct fs_space *space)
{
    struct gathering gathering = {.space = space};
    fs_nodes_visit(call->fs, gather, &gathering);
    struct fs_node **nodes = (struct fs_node **)(void *)gathering.nodes.data;
    struct sfs_error first = {0};
    if (gathering.code < 0)
        sfs_fail_memory(&first, "fields");
    for (size_t i = 0; i < gathering.nodes.size / sizeof(*nodes); i++) {
        int code = fs_leaf_commit(call, nodes[i], FS_OPENED, NULL, NULL);
        if (code < 0 && first.code == 0)
            first = call->error;
        fs_node_forget(call->fs, nodes[i]->id, 1);
    }
    sfs_buffer_free(&gathering.nodes);
    if (first.code < 0)
        call->error = first;
    return first.code;
}
