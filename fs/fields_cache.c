/* SPDX-License-Identifier: MIT */
/*
 * Documents opened for reading, the last few of the mount: a walk through a large one does not
 * parse it for each name. A document is of one revision, so that nothing kept can be out of date.
 */
#include <stdlib.h>

#include "fs/fields.h"
#include "fs/file.h"
#include "fs/tx.h"

#define KEPT 32
#define NAME 16 /* bytes of memory for the name of an element, as it is listed */
#define COST_MAX ((size_t)32 << 20) /* bytes; the one used last may have more */

struct kept {
    const struct fs_space *space;
    uint64_t id;
    uint64_t revision;
    uint64_t serial;
    struct sfs_document *document; /* NULL: free */
    uint64_t used;
};

struct fs_document_cache {
    pthread_mutex_t lock;
    struct kept kept[KEPT];
    uint64_t clock;
    uint64_t serials; /* given so far */
};

struct fs_document_cache *fs_document_cache_new(void)
{
    struct fs_document_cache *cache = calloc(1, sizeof(*cache));
    if (cache != NULL)
        pthread_mutex_init(&cache->lock, NULL);
    return cache;
}

void fs_document_cache_clear(struct fs_document_cache *cache, const struct fs_space *space)
{
    struct sfs_document *out[KEPT] = {0};
    if (cache == NULL)
        return;
    pthread_mutex_lock(&cache->lock);
    for (size_t i = 0; i < KEPT; i++) {
        struct kept *kept = &cache->kept[i];
        if (space != NULL && kept->space != space)
            continue;
        out[i] = kept->document;
        kept->document = NULL;
    }
    pthread_mutex_unlock(&cache->lock);
    for (size_t i = 0; i < KEPT; i++)
        sfs_document_unref(out[i]);
}

void fs_document_cache_free(struct fs_document_cache *cache)
{
    if (cache == NULL)
        return;
    fs_document_cache_clear(cache, NULL);
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

static bool is_of(const struct kept *kept, const struct fs_space *space,
                  const struct sfs_record *record)
{
    return kept->document != NULL && kept->space == space && kept->id == record->attributes.id;
}

/* The document of its record's revision, if that is kept. */
static bool find(const struct fs_space *space, struct fs_document *document)
{
    struct fs_document_cache *cache = space->fs->documents;
    const struct sfs_record *record = document->record;
    pthread_mutex_lock(&cache->lock);
    for (size_t i = 0; i < KEPT && document->document == NULL; i++) {
        struct kept *kept = &cache->kept[i];
        if (is_of(kept, space, record) && kept->revision == record->revision) {
            kept->used = ++cache->clock;
            document->document = sfs_document_ref(kept->document);
            document->serial = kept->serial;
        }
    }
    pthread_mutex_unlock(&cache->lock);
    return document->document != NULL;
}

/* The place for another: a free one, or one with an older revision, or the one not used for
 * longest. */
static struct kept *place_for(struct fs_document_cache *cache, const struct fs_space *space,
                              const struct sfs_record *record)
{
    struct kept *best = &cache->kept[0];
    for (size_t i = 0; i < KEPT; i++) {
        struct kept *kept = &cache->kept[i];
        if (is_of(kept, space, record))
            return kept;
        if (best->document != NULL && (kept->document == NULL || kept->used < best->used))
            best = kept;
    }
    return best;
}

/* Takes out those not used for longest while all together are too large; but never `newest`. */
static size_t shrink(struct fs_document_cache *cache, const struct kept *newest,
                     struct sfs_document **out)
{
    for (size_t count = 0;; count++) {
        size_t cost = 0;
        struct kept *oldest = NULL;
        for (size_t i = 0; i < KEPT; i++) {
            struct kept *kept = &cache->kept[i];
            if (kept->document == NULL)
                continue;
            cost += sfs_document_cost(kept->document);
            if (kept != newest && (oldest == NULL || kept->used < oldest->used))
                oldest = kept;
        }
        if (cost <= COST_MAX || oldest == NULL)
            return count;
        out[count] = oldest->document;
        oldest->document = NULL;
    }
}

/* Large memory is freed without the lock, which each request below fields/ needs. */
static void keep(const struct fs_space *space, struct fs_document *document)
{
    struct fs_document_cache *cache = space->fs->documents;
    const struct sfs_record *record = document->record;
    struct sfs_document *out[KEPT];
    pthread_mutex_lock(&cache->lock);
    struct kept *kept = place_for(cache, space, record);
    struct sfs_document *replaced = kept->document;
    document->serial = ++cache->serials;
    *kept = (struct kept){space,
                          record->attributes.id,
                          record->revision,
                          document->serial,
                          sfs_document_ref(document->document),
                          ++cache->clock};
    size_t count = shrink(cache, kept, out);
    pthread_mutex_unlock(&cache->lock);
    sfs_document_unref(replaced);
    for (size_t i = 0; i < count; i++)
        sfs_document_unref(out[i]);
}

static bool may_be_document(const struct sfs_record *record)
{
    return sfs_record_is_key(record) && record->attributes.type == SFS_TYPE_JSON &&
           record->size <= SFS_DOCUMENT_MAX;
}

static int renew(struct fs_call *call, struct fs_space *space, struct sfs_bytes key, unsigned want,
                 struct fs_document *document)
{
    const struct sfs_record *record;
    int code = sfs_get(space->store, key, want, &record, &call->error);
    if (code < 0)
        return code;
    sfs_record_unref(document->record);
    document->record = record;
    return 0;
}

/* With the value. What was said to be JSON and is not is shown like other text. */
static int read_document(struct fs_call *call, struct fs_space *space, struct sfs_bytes key,
                         struct fs_document *document)
{
    const struct sfs_record *record = NULL;
    int code = renew(call, space, key, SFS_WANT_VALUE, document);
    if (code < 0 || !may_be_document(document->record))
        return code;
    record = document->record;
    struct sfs_error none;
    code = sfs_document_open(record->blob, &document->document, &none);
    if (code == 0)
        keep(space, document);
    else if (code == SFS_E_UNSUPPORTED)
        code = 0;
    else
        call->error = none;
    return code;
}

int fs_document_open(struct fs_call *call, struct fs_space *space, struct sfs_bytes key,
                     struct fs_document *ret_document)
{
    int code = renew(call, space, key, SFS_WANT_RECORD, ret_document);
    if (code < 0 || !may_be_document(ret_document->record) || find(space, ret_document))
        return code;
    uint64_t need = FS_DOCUMENT_TIMES * ret_document->record->size;
    if (need < FS_SHARE_LEAST)
        return read_document(call, space, key, ret_document);
    code = fs_budget_take(call, need, 0, true);
    /* Others may have changed or read it meanwhile. */
    if (code == 0)
        code = renew(call, space, key, SFS_WANT_RECORD, ret_document);
    if (code < 0 || !may_be_document(ret_document->record) || find(space, ret_document))
        return code;
    return read_document(call, space, key, ret_document);
}

void fs_document_close(struct fs_document *document)
{
    sfs_record_unref(document->record);
    sfs_document_unref(document->document);
    *document = (struct fs_document){0};
}

/* For the names of all members, of which each takes two bytes of the document or more. */
static uint64_t names_of(uint64_t size)
{
    uint64_t most = size / 2 < SFS_DOCUMENT_CHILDREN_MAX ? size / 2 : SFS_DOCUMENT_CHILDREN_MAX;
    return most * NAME;
}

/* The share for a change of the key's document, whose size is returned as well; 0 for a new key. */
static int reserve(struct fs_call *call, struct fs_space *space, struct sfs_bytes key,
                   bool gives_up, bool names, uint64_t *ret_size)
{
    const struct sfs_record *record;
    *ret_size = 0;
    if (sfs_get(space->store, key, SFS_WANT_RECORD, &record, NULL) != 0)
        return 0; /* a new key; or the change itself fails, and says why */
    uint64_t subject = record->attributes.id ^ space->salt;
    *ret_size = record->size;
    sfs_record_unref(record);
    return fs_budget_take(call, FS_DOCUMENT_TIMES * *ret_size + (names ? names_of(*ret_size) : 0),
                          subject, gives_up);
}

int fs_document_reserve(struct fs_call *call, struct fs_space *space, struct sfs_bytes key,
                        bool gives_up)
{
    uint64_t size;
    return reserve(call, space, key, gives_up, false, &size);
}

int fs_document_reserve_names(struct fs_call *call, struct fs_space *space, struct sfs_bytes key)
{
    uint64_t size;
    return reserve(call, space, key, true, true, &size);
}

int fs_document_edit(struct fs_call *call, struct fs_space *space, struct sfs_bytes key,
                     bool gives_up, sfs_document_edit_function *function, void *context,
                     const struct sfs_document_options *options)
{
    uint64_t size;
    int code = reserve(call, space, key, gives_up, false, &size);
    /* The new text is about as long as the old one; a large one is staged. */
    if (code == 0)
        code = fs_tx_charge(call, space, FS_TX_CHANGE + (size < FS_LARGE ? size : 0));
    if (code == 0)
        code = sfs_document_edit(space->store, key, function, context, options, &call->error);
    fs_budget_give(call->fs);
    return code;
}
