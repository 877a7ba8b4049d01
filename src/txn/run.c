/* SPDX-License-Identifier: MIT */
/*
 * The primitives by which a batch is executed inside a transaction. Each changes the tree of the run's
 * view; values that are only moved or kept stay where they are.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "core/stage.h"
#include "txn/run.h"

#define PIECE ((size_t)256 << 10)
/* Values from this size on are changed in a stage, not in memory. */
#define LARGE (UINT64_C(1) << 20)

static struct sfs_txn_run *txn_run_of(struct sfs_apply_run *run)
{
    return (struct sfs_txn_run *)run;
}

int sfs_txn_run_put(struct sfs_txn_run *self, struct sfs_txn_entry *entry, struct sfs_error *error)
{
    struct sfs_tree *entries = &self->view.writes.entries;
    int code = entry ? sfs_tree_insert(entries, entry->name, entry) : SFS_E_NO_MEMORY;
    sfs_txn_entry_unref(entry);
    return code ? sfs_fail_memory(error, "transaction") : 0;
}

/* What the base has of what a name stands for; `before` is the record that the view shows. */
static uint64_t base_of(const struct sfs_txn_run *self, struct sfs_bytes name,
                        const struct sfs_record *before)
{
    const struct sfs_txn_entry *entry = sfs_tree_find(&self->view.writes.entries, name);
    if (entry)
        return entry->base;
    return before ? before->revision : 0;
}

/* Where the value of the record shown under a name is, if not in the record; `origin` is used where
 * that is another name of the base. */
static int source_of(const struct sfs_txn_run *self, struct sfs_bytes name,
                     struct sfs_buffer *origin, struct sfs_txn_source *ret_source,
                     struct sfs_error *error)
{
    const struct sfs_txn_entry *entry = sfs_tree_find(&self->view.writes.entries, name);
    if (entry && entry->state == SFS_TXN_PRESENT) {
        *ret_source = (struct sfs_txn_source){entry->content, entry->origin, entry->live};
        return 0;
    }
    if (sfs_txn_piece_base(sfs_txn_map_find(&self->view.writes.map, name), name, origin))
        return sfs_fail_memory(error, "transaction");
    *ret_source = (struct sfs_txn_source){.origin = sfs_buffer_bytes(origin),
                                          .live = self->view.live};
    return 0;
}

/* `record` with the blob that the entry under `name` holds, where it holds one; owned. What lies in
 * a live base is not kept: it may change there. */
static const struct sfs_record *with_kept_value(const struct sfs_txn_run *self,
                                                struct sfs_bytes name,
                                                const struct sfs_txn_source *source,
                                                const struct sfs_record *record)
{
    const struct sfs_txn_entry *entry = sfs_tree_find(&self->view.writes.entries, name);
    struct sfs_blob *blob = record->blob;
    if (!blob && entry && entry->state == SFS_TXN_PRESENT)
        blob = entry->record->blob;
    if (source->live && source->origin.size > 0)
        blob = NULL;
    return sfs_record_new(record->name, self->run.sequence, record->size,
                          &record->attributes, record->xattrs, blob);
}

/* Puts an entry whose value is the one that `name` shows now. */
static int put_kept(struct sfs_txn_run *self, struct sfs_bytes name, uint64_t base,
                    const struct sfs_record *record, struct sfs_error *error)
{
    struct sfs_buffer origin = {0};
    struct sfs_txn_source source;
    struct sfs_txn_entry *entry = NULL;
    int code = source_of(self, name, &origin, &source, error);
    if (code)
        return code;
    const struct sfs_record *kept = with_kept_value(self, name, &source, record);
    if (kept)
        entry = sfs_txn_entry_new(SFS_TXN_PRESENT, kept->name, base, kept->revision, kept, source);
    sfs_record_unref(kept);
    code = sfs_txn_run_put(self, entry, error);
    sfs_buffer_free(&origin);
    return code;
}

/* The revision of a record's absence. A name that was not there when the batch began was not changed
 * by being made and deleted in it. */
static int gone_revision(const struct sfs_txn_run *self, struct sfs_bytes name, uint64_t base,
                         uint64_t *ret_revision, struct sfs_error *error)
{
    const struct sfs_txn_entry *first = sfs_tree_find(&self->before.entries, name);
    bool was = base != 0;
    if (first && first->state != SFS_TXN_GUARDED) {
        was = first->state == SFS_TXN_PRESENT;
    } else if (self->ranged) {
        /* `base` is that of what the name stands for now, not then. */
        const struct sfs_record *record = NULL;
        struct sfs_txn_view before = {self->before, self->view.base, self->view.live};
        struct sfs_error failure;
        int code = sfs_txn_view_get(&before, name, SFS_WANT_RECORD, &record, &failure);
        if (code && code != SFS_E_NOT_FOUND) {
            if (error)
                *error = failure;
            return code;
        }
        was = record != NULL;
        sfs_record_unref(record);
    }
    *ret_revision = was ? self->run.sequence : first ? first->revision : 0;
    return 0;
}

static int put_gone(struct sfs_txn_run *self, struct sfs_bytes name, uint64_t base,
                    struct sfs_error *error)
{
    uint64_t revision;
    if (sfs_name_is_temporary(name))
        return sfs_tree_remove(&self->view.writes.entries, name) < 0
                   ? sfs_fail_memory(error, "transaction")
                   : 0;
    int code = gone_revision(self, name, base, &revision, error);
    return code ? code
                : sfs_txn_run_put(self,
                                  sfs_txn_entry_new(SFS_TXN_GONE, name, base, revision, NULL,
                                                    (struct sfs_txn_source){0}),
                                  error);
}

static int run_lookup(struct sfs_apply_run *run, struct sfs_bytes name, unsigned want,
                      const struct sfs_record **ret_record, struct sfs_error *error)
{
    return sfs_txn_view_get(&txn_run_of(run)->view, name, want, ret_record, error);
}

/* --- staged values --- */

static int copy_stage(struct sfs_txn_run *self, struct sfs_stage *stage,
                      struct sfs_txn_content **ret_content, struct sfs_error *error)
{
    struct sfs_txn_content *content;
    int code = sfs_txn_content_new(self->store, &content, error);
    if (code)
        return code;
    char *piece = malloc(PIECE);
    if (!piece)
        code = sfs_fail_memory(error, "transaction");
    for (uint64_t offset = 0; code == 0 && offset < stage->size;) {
        size_t got = 0;
        code = stage->operations->read(stage, offset, piece, PIECE, &got, error);
        if (code == 0 && got == 0)
            break;
        if (code == 0)
            code = sfs_txn_content_write(content, offset, sfs_bytes(piece, got), error);
        offset += got;
    }
    free(piece);
    if (code)
        sfs_txn_content_unref(content);
    else
        *ret_content = content;
    return code;
}

static bool is_put(const struct sfs_txn_run *self, const struct sfs_txn_content *content)
{
    for (size_t i = 0; i < self->content_count; i++) {
        if (self->contents[i] == content)
            return true;
    }
    return false;
}

/* The content of the stage that is being put: its own, or a copy where the stage is none of ours or
 * is put a second time. It is remembered in run->contents and borrowed from there. */
static int adopt_stage(struct sfs_txn_run *self, struct sfs_txn_content **ret_content,
                       struct sfs_error *error)
{
    struct sfs_stage *stage = self->run.stage;
    struct sfs_txn_content *content = sfs_txn_stage_content(stage);
    void *grown = reallocarray(self->contents, self->content_count + 1, sizeof(content));
    if (!grown)
        return sfs_fail_memory(error, "transaction");
    self->contents = grown;
    if (content && !is_put(self, content)) {
        sfs_txn_content_ref(content);
    } else {
        int code = copy_stage(self, stage, &content, error);
        if (code)
            return code;
    }
    self->contents[self->content_count++] = content;
    *ret_content = content;
    return 0;
}

/* --- storing --- */

static int put_new_value(struct sfs_txn_run *self, uint64_t base, const struct sfs_record *record,
                         struct sfs_txn_content *content, struct sfs_error *error)
{
    struct sfs_txn_entry *entry =
        sfs_txn_entry_new(SFS_TXN_PRESENT, record->name, base, self->run.sequence, record,
                          (struct sfs_txn_source){.content = content});
    return sfs_txn_run_put(self, entry, error);
}

static int store_record(struct sfs_txn_run *self, const struct sfs_record *before,
                        const struct sfs_record *record, enum sfs_value_change change,
                        struct sfs_error *error)
{
    struct sfs_txn_content *content = NULL;
    uint64_t base = base_of(self, record->name, before);
    if (change == SFS_VALUE_KEPT)
        return put_kept(self, record->name, base, record, error);
    int code = change == SFS_VALUE_STAGED ? adopt_stage(self, &content, error) : 0;
    return code ? code : put_new_value(self, base, record, content, error);
}

/* Keeps the totals: `after` in place of `before`; NULL: none. */
static void count(struct sfs_txn_run *self, const struct sfs_record *before,
                  const struct sfs_record *after)
{
    struct sfs_totals *more = &self->view.writes.more;
    if (before) {
        more->records--;
        more->keys -= sfs_record_is_key(before);
        more->bytes -= before->size;
    }
    if (after) {
        more->records++;
        more->keys += sfs_record_is_key(after);
        more->bytes += after->size;
    }
}

static int run_store(struct sfs_apply_run *run, const struct sfs_record *before,
                     const struct sfs_record *record, enum sfs_value_change change,
                     struct sfs_error *error)
{
    struct sfs_txn_run *self = txn_run_of(run);
    count(self, before, record);
    if (record->attributes.id)
        return store_record(self, before, record, change, error);
    struct sfs_attributes attributes = record->attributes;
    attributes.id = ++*self->last_id;
    const struct sfs_record *named = sfs_record_new(record->name, run->sequence, record->size,
                                                    &attributes, record->xattrs, record->blob);
    if (!named)
        return sfs_fail_memory(error, "transaction");
    int code = store_record(self, before, named, change, error);
    sfs_record_unref(named);
    return code;
}

static int run_remove(struct sfs_apply_run *run, const struct sfs_record *before,
                      struct sfs_error *error)
{
    struct sfs_txn_run *self = txn_run_of(run);
    count(self, before, NULL);
    return put_gone(self, before->name, base_of(self, before->name, before), error);
}

static int run_move(struct sfs_apply_run *run, const struct sfs_record *before,
                    const struct sfs_record *record, struct sfs_error *error)
{
    struct sfs_txn_run *self = txn_run_of(run);
    int code = put_kept(self, before->name, base_of(self, record->name, NULL), record, error);
    return code ? code
                : put_gone(self, before->name, base_of(self, before->name, before), error);
}

/* --- preconditions --- */

static int run_lease(struct sfs_apply_run *run, uint64_t lease, struct sfs_error *error)
{
    if (lease == sfs_snapshot_lease(txn_run_of(run)->view.base))
        return 0;
    return sfs_fail(error, SFS_E_EXPIRED, "transaction",
                    "lease %" PRIu64 " is not that of the transaction", lease);
}

/* --- changes of a part of a large value --- */

static int copy_value(struct sfs_txn_run *self, const struct sfs_record *before, uint64_t end,
                      struct sfs_txn_content *content, struct sfs_error *error)
{
    char *piece = malloc(PIECE);
    int code = piece ? 0 : sfs_fail_memory(error, "transaction");
    for (uint64_t offset = 0; code == 0 && offset < end;) {
        size_t got = 0;
        size_t wanted = end - offset < PIECE ? (size_t)(end - offset) : PIECE;
        code = sfs_txn_view_read(&self->view, before->name, 0, offset, piece, wanted, &got, error);
        if (code == 0 && got == 0)
            break;
        if (code == 0)
            code = sfs_txn_content_write(content, offset, sfs_bytes(piece, got), error);
        offset += got;
    }
    free(piece);
    return code;
}

static int write_part(void *context, uint64_t offset, struct sfs_bytes bytes, struct sfs_error *error)
{
    return sfs_txn_content_write(context, offset, bytes, error);
}

static int zero_part(void *context, uint64_t offset, uint64_t size, struct sfs_error *error)
{
    static const char zeros[65536];
    int code = 0;
    while (code == 0 && size > 0) {
        size_t piece = size < sizeof(zeros) ? (size_t)size : sizeof(zeros);
        code = sfs_txn_content_write(context, offset, sfs_bytes(zeros, piece), error);
        offset += piece;
        size -= piece;
    }
    return code;
}

/* The stage stays with the transaction, whose commit reads it again. */
static int patch_parts(struct sfs_txn_run *self, const struct sfs_record *before,
                       const struct sfs_operation *operation, struct sfs_txn_content *content,
                       struct sfs_error *error)
{
    struct sfs_patch_target target = {.write = write_part, .zero = zero_part, .context = content};
    struct sfs_txn_content *source;
    struct sfs_operation own = *operation;
    int code = operation->stage ? adopt_stage(self, &source, error) : 0;
    if (code)
        return code;
    if (operation->stage)
        own.stage = sfs_txn_content_stage(source);
    return sfs_patch_run(&own, before->size, &target, error);
}

static int patch_content(struct sfs_txn_run *self, const struct sfs_record *before,
                         const struct sfs_record *record, const struct sfs_operation *operation,
                         struct sfs_txn_content *content, struct sfs_error *error)
{
    uint64_t kept = before->size < record->size ? before->size : record->size;
    uint64_t offset = operation->kind == SFS_OPERATION_APPEND ? before->size : operation->offset;
    int code = copy_value(self, before, kept, content, error);
    if (code == 0 && operation->kind == SFS_OPERATION_PATCH)
        code = patch_parts(self, before, operation, content, error);
    else if (code == 0 && operation->kind != SFS_OPERATION_TRUNCATE)
        code = sfs_txn_content_write(content, offset, sfs_blob_bytes(operation->value), error);
    if (code == 0)
        code = sfs_txn_content_truncate(content, record->size, error);
    return code;
}

static int store_patched(struct sfs_txn_run *self, const struct sfs_record *before,
                         const struct sfs_record *record, struct sfs_txn_content *content,
                         struct sfs_error *error)
{
    struct sfs_attributes attributes = record->attributes;
    int code = attributes.type_set || record->size >= LARGE
                   ? 0
                   : sfs_stage_type(sfs_txn_content_stage(content), &attributes.type, error);
    if (code)
        return code;
    const struct sfs_record *patched = sfs_record_new(record->name, self->run.sequence, record->size,
                                                      &attributes, record->xattrs, NULL);
    if (!patched)
        return sfs_fail_memory(error, "transaction");
    code = put_new_value(self, base_of(self, record->name, before), patched, content, error);
    sfs_record_unref(patched);
    return code;
}

static int run_patch(struct sfs_apply_run *run, const struct sfs_record *before,
                     const struct sfs_record *record, const struct sfs_operation *operation,
                     struct sfs_error *error)
{
    struct sfs_txn_run *self = txn_run_of(run);
    struct sfs_txn_content *content;
    if (before->size < LARGE && record->size < LARGE && !operation->stage)
        return sfs_fail(error, SFS_E_UNSUPPORTED, "transaction", "small values are changed whole");
    int code = sfs_txn_content_new(self->store, &content, error);
    if (code)
        return code;
    code = patch_content(self, before, record, operation, content, error);
    if (code == 0)
        code = store_patched(self, before, record, content, error);
    if (code == 0)
        count(self, before, record);
    sfs_txn_content_unref(content);
    return code;
}

static const struct sfs_apply_operations run_operations = {
    .lookup = run_lookup,
    .store = run_store,
    .remove = run_remove,
    .move = run_move,
    .first = sfs_txn_run_first,
    .changed = sfs_txn_run_changed,
    .lease = run_lease,
    .patch = run_patch,
    .move_prefix = sfs_txn_run_move_prefix,
    .clear = sfs_txn_run_clear_range,
    .longest = sfs_txn_run_longest,
};

int sfs_txn_run(struct sfs_txn_run *run, struct sfs_batch *batch, struct sfs_error *error)
{
    run->run.operations = &run_operations;
    sfs_txn_writes_share(&run->view.writes, &run->before);
    return sfs_apply_run(&run->run, batch, error);
}

int sfs_txn_run_guard(struct sfs_txn_run *run, struct sfs_bytes name, struct sfs_error *error)
{
    const struct sfs_record *record = NULL;
    struct sfs_error failure = {0};
    /* What was moved or cleared must be unchanged as a whole. */
    if (sfs_tree_find(&run->view.writes.entries, name) ||
        sfs_txn_map_find(&run->view.writes.map, name))
        return 0;
    int code = sfs_get(run->view.base, name, SFS_WANT_RECORD, &record, &failure);
    if (code && code != SFS_E_NOT_FOUND) {
        if (error)
            *error = failure;
        return code;
    }
    uint64_t base = record ? record->revision : 0;
    sfs_record_unref(record);
    return sfs_txn_run_put(run,
                           sfs_txn_entry_new(SFS_TXN_GUARDED, name, base, 0, NULL,
                                       (struct sfs_txn_source){0}),
                     error);
}

void sfs_txn_run_clear(struct sfs_txn_run *run)
{
    sfs_txn_writes_clear(&run->view.writes);
    sfs_txn_writes_clear(&run->before);
    sfs_buffer_free(&run->counted);
    for (size_t i = 0; i < run->content_count; i++)
        sfs_txn_content_unref(run->contents[i]);
    free(run->contents);
}
