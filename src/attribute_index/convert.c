/* SPDX-License-Identifier: MIT */
/* Which layout the index at a key has, and giving it the other. */
#include "attribute_index/files.h"
#include "attribute_index/postings.h"
#include "util/clock.h"

int sfs_attribute_index_layout(struct sfs_storage *store, struct sfs_bytes key,
                               enum sfs_attribute_layout *ret_layout, struct sfs_error *error)
{
    struct sfs_buffer value = {0};
    struct sfs_json json, member;
    char shown[200];
    int result = sfs_get_value(store, key, &value, error);
    if (result)
        return result;
    bool parsed = sfs_json_parse(sfs_buffer_bytes(&value), &json, NULL);
    bool postings = parsed && sfs_json_member(json, SFS_LITERAL("layout"), &member) &&
                    sfs_json_string_equals(member, SFS_LITERAL("postings"));
    bool document = parsed && !postings && sfs_json_member(json, SFS_LITERAL("index"), &member);
    sfs_buffer_free(&value);
    if (!postings && !document)
        return sfs_fail(error, SFS_E_NOT_A_STORE, SFS_ATTRIBUTE_ORIGIN,
                        "the key '%s' holds no attribute index",
                        sfs_name_show(key, shown, sizeof(shown)));
    *ret_layout = postings ? SFS_ATTRIBUTES_POSTINGS : SFS_ATTRIBUTES_DOCUMENT;
    return 0;
}

static int to_postings(struct sfs_storage *store, struct sfs_bytes key, struct sfs_error *error)
{
    struct sfs_inverted inverted;
    uint64_t revision = 0;
    sfs_inverted_init(&inverted);
    int result = sfs_document_fetch(store, key, &inverted, &revision, error);
    if (!result)
        result = sfs_postings_put_all(store, key, &inverted, revision, true, error);
    sfs_inverted_free(&inverted);
    return result;
}

static int to_document(struct sfs_storage *store, struct sfs_bytes key, struct sfs_error *error)
{
    struct sfs_inverted inverted;
    struct sfs_batch *batch = NULL;
    uint64_t revision = 0;
    sfs_inverted_init(&inverted);
    int result = sfs_postings_get_all(store, key, &inverted, &revision, error);
    if (!result)
        result = sfs_batch_new(&batch, error);
    if (!result)
        result = sfs_batch_require_revision(batch, key, revision, error);
    if (!result)
        result = sfs_postings_clear(key, batch, error);
    if (!result)
        result = sfs_document_store(store, key, &inverted, sfs_clock_now(), batch, error);
    sfs_batch_free(batch);
    sfs_inverted_free(&inverted);
    return result;
}

int sfs_attribute_index_convert(struct sfs_storage *store, struct sfs_bytes key,
                                enum sfs_attribute_layout layout, struct sfs_error *error)
{
    enum sfs_attribute_layout old;
    if (layout != SFS_ATTRIBUTES_DOCUMENT && layout != SFS_ATTRIBUTES_POSTINGS)
        return sfs_fail(error, SFS_E_INVALID, SFS_ATTRIBUTE_ORIGIN, "there is no layout %d",
                        (int)layout);
    int result = sfs_attribute_index_layout(store, key, &old, error);
    if (result || old == layout)
        return result;
    return layout == SFS_ATTRIBUTES_POSTINGS ? to_postings(store, key, error)
                                             : to_document(store, key, error);
}
