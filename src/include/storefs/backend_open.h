/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_BACKEND_OPEN_H
#define STOREFS_BACKEND_OPEN_H

#include "storefs/storage.h"

/* Opening by URI. */

/* One option of a URI: "?name=value". Values are decoded. */
struct sfs_option {
    const char *name;
    const char *value;
};
struct sfs_location {
    const char *scheme;
    const char *path; /* decoded; what is between "scheme:" and "?" */
    const struct sfs_option *options;
    size_t option_count;
};
enum sfs_option_type { SFS_OPTION_BOOL, SFS_OPTION_SIZE, SFS_OPTION_TEXT, SFS_OPTION_CHOICE };
/* A backend's table of options; ends with name NULL. `offset` is where the value lies in the
 * struct that sfs_options_parse() fills: bool, uint64_t, const char * (borrowed), int (index in
 * `choices`, parted by '|'). */
struct sfs_option_rule {
    const char *name;
    enum sfs_option_type type;
    size_t offset;
    const char *choices;
    const char *meaning; /* for help */
};
/* Unknown names and bad values are INVALID, and the sentence names them and what there is. Sizes
 * take K, M and G (1024). Bools: 1 0 yes no true false on off. */
SFS_API int sfs_options_parse(const struct sfs_location *location, const struct sfs_option_rule *rules,
                              void *values, struct sfs_error *error);

struct sfs_backend {
    struct sfs_backend_info info;
    /* Opens the store of a location (borrowed) with `flags`, enum sfs_open_flags in a combination
     * that sfs_open() allows: READ_ONLY is set with FROZEN and with SALVAGE. The caller closes the
     * store. May be called from several threads at once. Errors: those of sfs_open(). Never NULL.
     */
    int (*open)(struct sfs_storage **ret_store, const struct sfs_location *location, unsigned flags,
                struct sfs_error *error);
};
/* backends/registry.c: the one table that names the backends; ends with NULL. */
extern const struct sfs_backend *const sfs_backend_registry[];

#endif
