/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer target for lines of NDJSON: whatever the reader takes, the writer writes so that reading
 * it again gives the same record and writing that the same line.
 */
#include <stdlib.h>

#include "storefs/backend.h"
#include "storefs/bulk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

/* The record that a line makes in an empty store, as a line again; false where it is refused. */
static bool line_of(struct sfs_bytes line, struct sfs_buffer *out)
{
    struct sfs_storage *store;
    struct sfs_batch *batch;
    struct sfs_cursor *cursor;
    const struct sfs_record *record;
    struct sfs_error error;
    require(sfs_open(&store, "memory:", SFS_OPEN_CREATE, NULL) == 0);
    require(sfs_batch_new(&batch, NULL) == 0);
    int code = sfs_line_read(line, batch, &error);
    require(code == 0 || (error.code == code && error.message[0]));
    if (code == 0) {
        code = sfs_apply(store, batch, NULL, NULL, NULL);
        require(code == 0 || code == SFS_E_TOO_LARGE); /* a hole can be larger than any memory */
    }
    if (code == 0) {
        require(sfs_scan(store, (struct sfs_range){0}, SFS_WANT_VALUE, &cursor, NULL) == 0);
        require(sfs_cursor_next(cursor, &record, NULL) == 1);
        require(sfs_line_write(out, record, true, NULL) == 0);
        require(sfs_cursor_next(cursor, &record, NULL) == 0);
        sfs_cursor_close(cursor);
    }
    sfs_batch_free(batch);
    sfs_close(store, NULL);
    return code == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sfs_buffer first = {0}, second = {0};
    if (line_of(sfs_bytes(data, size), &first)) {
        require(first.size > 0 && first.data[first.size - 1] == '\n');
        require(line_of(sfs_bytes(first.data, first.size - 1), &second));
        require(sfs_bytes_equal(sfs_buffer_bytes(&first), sfs_buffer_bytes(&second)));
    }
    sfs_buffer_free(&first);
    sfs_buffer_free(&second);
    return 0;
}
