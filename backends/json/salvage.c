/* SPDX-License-Identifier: MIT */
/*
 * Loading a damaged JSON object file. Members are read as long as they are whole; behind the byte
 * that makes no sense the next one begins at a line that begins with a quote. That may also be a
 * member of a value that had been laid out in lines: then its object ends before the file does, and
 * all that was read since is dropped.
 */
#include "load.h"

#include <stdlib.h>

#define NOTES_MOST 1000 /* places that are named */

struct chain {
    const struct sfs_record **records;
    size_t count;
    size_t loaded; /* of all chains */
};

enum chain_end {
    CHAIN_DAMAGED, /* at a member that is not whole */
    CHAIN_CLOSED,  /* its object ended, and the file goes on */
    CHAIN_WHOLE,   /* its object ended with the file */
};

static void drop(struct chain *chain)
{
    for (size_t i = 0; i < chain->count; i++)
        sfs_record_unref(chain->records[i]);
    chain->count = 0;
}

static int add(struct chain *chain, const struct sfs_record *record)
{
    size_t count = chain->count;
    if ((count & (count - 1)) == 0) {
        const struct sfs_record **records =
            realloc(chain->records, (count ? count * 2 : 1) * sizeof(*records));
        if (!records)
            return SFS_E_NO_MEMORY;
        chain->records = records;
    }
    chain->records[chain->count++] = record;
    return 0;
}

/* A value that is followed by neither may itself be cut off: 12 of 123. */
static bool is_followed(const struct sfs_json_loading *loading)
{
    return sfs_json_load_byte(loading) == ',' || sfs_json_load_byte(loading) == '}';
}

static int read_chain(struct sfs_json_loading *loading, struct chain *chain,
                      enum chain_end *ret_end)
{
    do {
        int code = sfs_json_load_member(loading);
        if (code == SFS_E_NO_MEMORY)
            return code;
        if (code || !is_followed(loading)) {
            if (!code)
                sfs_fail(loading->error, SFS_E_CORRUPT, SFS_JSON_ORIGIN,
                         "'%s' is damaged at byte %zu: a value is not whole", loading->store->path,
                         loading->failed_at = loading->at);
            *ret_end = CHAIN_DAMAGED;
            return 0;
        }
        const struct sfs_record *record = sfs_json_load_key(loading);
        if (!record || add(chain, record)) {
            sfs_record_unref(record);
            return SFS_E_NO_MEMORY;
        }
    } while (sfs_json_load_take(loading, ','));
    (void)sfs_json_load_take(loading, '}');
    sfs_json_load_space(loading);
    *ret_end = loading->at == loading->text.size ? CHAIN_WHOLE : CHAIN_CLOSED;
    return 0;
}

static int load_chain(struct sfs_json_loading *loading, struct chain *chain)
{
    int code = 0;
    for (size_t i = 0; i < chain->count && code == 0; i++)
        code =
            sfs_memory_engine_load(loading->store->base.engine, chain->records[i], loading->error);
    chain->loaded += chain->count;
    drop(chain);
    return code;
}

/* To the next line that begins with a quote; false: there is none. */
static bool find_member(struct sfs_json_loading *loading, size_t from)
{
    const char *data = loading->text.data;
    while (from + 1 < loading->text.size) {
        const char *line = memchr(data + from, '\n', loading->text.size - from - 1);
        if (!line)
            return false;
        from = (size_t)(line - data) + 1;
        loading->at = from;
        if (line[1] == '"')
            return true;
    }
    return false;
}

static int salvage_members(struct sfs_json_loading *loading, struct chain *chain,
                           size_t *ret_places)
{
    struct sfs_json_store *store = loading->store;
    enum chain_end end = CHAIN_DAMAGED;
    bool first = true;
    for (bool more = true; more; first = false) {
        int code = read_chain(loading, chain, &end);
        if (code == 0 && end == CHAIN_CLOSED && !first)
            drop(chain);
        if (code == 0)
            code = load_chain(loading, chain);
        if (code == 0 && end == CHAIN_DAMAGED && (*ret_places)++ < NOTES_MOST)
            code = sfs_notes_add(&store->notes, SFS_E_DOUBTFUL, "%s", loading->error->message);
        if (code)
            return code;
        size_t from = end == CHAIN_DAMAGED ? loading->failed_at : loading->at - 1;
        more = end != CHAIN_WHOLE && find_member(loading, from);
    }
    return 0;
}

static bool is_loaded(const struct sfs_json_loading *loading, struct sfs_bytes name)
{
    const struct sfs_record *record = NULL;
    if (sfs_memory_read_operations()->get(&loading->store->base.storage, name, SFS_WANT_RECORD,
                                          &record, NULL))
        return false;
    sfs_record_unref(record);
    return true;
}

/* PATH.attrs knows the names. */
static int name_lost(struct sfs_json_loading *loading)
{
    const struct sfs_record *known;
    char shown[200];
    if (!loading->attributes)
        return 0;
    struct sfs_tree_cursor cursor =
        sfs_tree_seek(&loading->attributes->records, (struct sfs_bytes){0});
    while ((known = sfs_tree_next(&cursor))) {
        if (sfs_record_is_key(known) && !is_loaded(loading, known->name) &&
            sfs_notes_add(&loading->store->notes, SFS_E_CORRUPT,
                          "'%s' is lost: its place in the file "
                          "is damaged",
                          sfs_name_show(known->name, shown, sizeof(shown))))
            return SFS_E_NO_MEMORY;
    }
    return 0;
}

int sfs_json_salvage(struct sfs_json_loading *loading)
{
    struct sfs_error unwanted = {0}, *error = loading->error;
    struct chain chain = {0};
    size_t places = 0;
    int code = 0;
    loading->error = &unwanted;
    loading->exact = loading->attributes != NULL; /* a hash that does not fit is the damage's */
    sfs_json_load_space(loading);
    (void)sfs_json_load_take(loading, '{');
    sfs_json_load_space(loading);
    bool empty = sfs_json_load_take(loading, '}');
    sfs_json_load_space(loading);
    if (!empty || loading->at < loading->text.size)
        code = salvage_members(loading, &chain, &places);
    if (code == 0 && places > 0)
        code = name_lost(loading);
    drop(&chain);
    free(chain.records);
    loading->error = error;
    if (code == 0 && places > 0 && chain.loaded == 0 && !loading->attributes)
        return sfs_fail(error, SFS_E_NOT_A_STORE, SFS_JSON_ORIGIN,
                        "'%s' is no store: it has no trace of a JSON object", loading->store->path);
    return code ? sfs_fail_memory(error, SFS_JSON_ORIGIN) : 0;
}
