/* SPDX-License-Identifier: MIT */
/* Fuzzer of the reader of sort keys: what it takes is JSON, whose own key is read to the same text.
 */
#include <stdlib.h>

#include "query/sort_key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void check(struct sfs_bytes text)
{
    struct sfs_value value = {.kind = SFS_VALUE_JSON};
    struct sfs_buffer key = {0};
    struct sfs_buffer again = {0};
    struct sfs_buffer final = {0};
    bool missing = true;
    /* A key can be nested deeper than JSON may be. */
    if (!sfs_json_parse(text, &value.is.json, NULL))
        return;
    require(sfs_sort_key_add(&value, true, &key) == 0);
    struct sfs_bytes rest = sfs_buffer_bytes(&key);
    require(sfs_sort_key_read(&rest, true, &again, &missing) == 0 && rest.size == 0 && !missing);
    value.is.json = sfs_json_view(sfs_buffer_bytes(&again));
    key.size = 0;
    require(sfs_sort_key_add(&value, false, &key) == 0);
    rest = sfs_buffer_bytes(&key);
    require(sfs_sort_key_read(&rest, false, &final, &missing) == 0 && rest.size == 0);
    require(sfs_bytes_equal(sfs_buffer_bytes(&again), sfs_buffer_bytes(&final)));
    sfs_buffer_free(&key);
    sfs_buffer_free(&again);
    sfs_buffer_free(&final);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sfs_buffer json = {0};
    struct sfs_bytes rest = {data, size};
    bool missing = true;
    int64_t integer;
    sfs_sort_key_read_integer(&rest, false, &integer);
    rest = sfs_bytes(data, size);
    int result = sfs_sort_key_read(&rest, false, &json, &missing);
    require(result == 0 || result == SFS_E_INVALID);
    if (result == 0 && !missing)
        check(sfs_buffer_bytes(&json));
    check(sfs_bytes(data, size));
    sfs_buffer_free(&json);
    return 0;
}
