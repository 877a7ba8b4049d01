/* SPDX-License-Identifier: MIT */
/* The example of README: opens a store, sets a key and reads it back. */
#include <stdio.h>
#include <storefs/storefs.h>

int main(void)
{
    struct sfs_storage *store = NULL;
    struct sfs_buffer value = {0};
    struct sfs_error error;
    int code = sfs_open(&store, "sqlite:library.sqlite", SFS_OPEN_CREATE, &error);
    if (code == 0)
        code = sfs_set(store, sfs_string("user/1"), sfs_string("{\"name\":\"Ada\"}"), &error);
    if (code == 0)
        code = sfs_get_value(store, sfs_string("user/1"), &value, &error);
    if (code == 0)
        printf("%.*s\n", (int)value.size, value.data);
    sfs_buffer_free(&value);
    int closed = sfs_close(store, code == 0 ? &error : NULL);
    if (code != 0 || closed != 0)
        fprintf(stderr, "%s\n", error.message);
    return code != 0 || closed != 0;
}
