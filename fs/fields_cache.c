/* SPDX-License-Identifier: MIT */
/*
 * Documents opened for reading, the last few of a space: whoever walks through a large one does not parse
 * it for each name. A document is of one revision, so that nothing kept can be out of date.
 */
#include <stdlib.h>

#include "fs/fields.h"

#define KEPT 16
#define COST_MAX ((size_t)64 << 20) /* bytes; the one used last may have more */

struct kept {
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

void fs_document_cache_clear(struct fs_document_cache *cache)
{
    pthread_mutex_lock(&cache->lock);
    for (size_t i = 0; i < KEPT; i++) {
        sfs_document_unref(cache->kept[i].document);
        cache->kept[i].document = NULL;
    }
    pthread_mutex_unlock(&cache->lock);
}

void fs_document_cache_free(struct fs_document_cache *cache)
{
    if (cache == NULL)
        return;
    fs_document_cache_clear(cache);
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

/* The document of its record's revision, if that is kept. */
static bool find(struct fs_document_cache *cache, struct fs_document *document)
{
    const struct sfs_record *record = document->record;
    pthread_mutex_lock(&cache->lock);
    for (size_t i = 0; i < KEPT && document->document == NULL; i++) {
        struct kept *kept = &cache->kept[i];
        if (kept->document != NULL && kept->id == record->attributes.id && kept->revision == record->revision) {
            kept->used = ++cache->clock;
            document->document = sfs_document_ref(kept->document);
            document->serial = kept->serial;
        }
    }
    pthread_mutex_unlock(&cache->lock);
    return document->document != NULL;
}

/* The place for another: a free one, or one with an older revision, or the one not used for longest. */
static struct kept *place_for(struct fs_document_cache *cache, const struct sfs_record *record)
{
    struct kept *best = &cache->kept[0];
    for (size_t i = 0; i < KEPT; i++) {
        struct kept *kept = &cache->kept[i];
        if (kept->document != NULL && kept->id == record->attributes.id)
            return kept;
        if (best->document != NULL && (kept->document == NULL || kept->used < best->used))
            best = kept;
    }
    return best;
}

/* Drops those not used for longest while all together are too large; but never `newest`. */
static void shrink(struct fs_document_cache *cache, const struct kept *newest)
{
    for (;;) {
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
            return;
        sfs_document_unref(oldest->document);
        oldest->document = NULL;
    }
}

static void keep(struct fs_document_cache *cache, struct fs_document *document)
{
    const struct sfs_record *record = document->record;
    pthread_mutex_lock(&cache->lock);
    struct kept *kept = place_for(cache, record);
    document->serial = ++cache->serials;
    sfs_document_unref(kept->document);
    *kept = (struct kept){record->attributes.id, record->revision, document->serial,
                          sfs_document_ref(document->document), ++cache->clock};
    shrink(cache, kept);
    pthread_mutex_unlock(&cache->lock);
}

static bool may_be_document(const struct sfs_record *record)
{
    return sfs_record_is_key(record) && record->attributes.type == SFS_TYPE_JSON &&
           record->size <= SFS_DOCUMENT_MAX;
}

/* With the value. What was said to be JSON and is not is shown like other text. */
static int read_document(struct fs_call *call, struct fs_space *space, struct sfs_bytes key,
                         struct fs_document *document)
{
    const struct sfs_record *record;
    int code = sfs_get(space->store, key, SFS_WANT_VALUE, &record, &call->error);
    if (code < 0)
        return code;
    sfs_record_unref(document->record);
    document->record = record;
    if (!may_be_document(record))
        return 0;
    struct sfs_error none;
    code = sfs_document_open(record->blob, &document->document, &none);
    if (code == 0)
        keep(space->documents, document);
    else if (code == SFS_E_UNSUPPORTED)
        code = 0;
    else
        call->error = none;
    return code;
}

int fs_document_open(struct fs_call *call, struct fs_space *space, struct sfs_bytes key,
                     struct fs_document *ret_document)
{
    int code = sfs_get(space->store, key, SFS_WANT_RECORD, &ret_document->record, &call->error);
    if (code < 0 || !may_be_document(ret_document->record))
        return code;
    return find(space->documents, ret_document) ? 0 : read_document(call, space, key, ret_document);
}

void fs_document_close(struct fs_document *document)
{
    sfs_record_unref(document->record);
    sfs_document_unref(document->document);
    *document = (struct fs_document){0};
}
