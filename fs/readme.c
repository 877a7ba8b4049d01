/* SPDX-License-Identifier: MIT */
/*
 * MOUNT/README: how to use this mount, true for this mount.
 */
#include <inttypes.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "fs/result.h"
#include "fs/node.h"

static const char where[] =
    "keys/    the store: key user/1 is keys/user/1%s\n"
    "         Where `a` is a key and a directory too, its value is keys/a/%%value. An empty part "
    "of a key\n"
    "         is %%empty, `.` is %%dot, `..` is %%dotdot; a part over 255 bytes is cut into "
    "directories.\n"
    "query/   each directory is a query (below)\n"
    "fields/  the same keys, JSON documents as trees: members are files and directories (below)\n"
    "views/   queries kept by name: ln -s ../query/by/type/doc/keys views/docs\n"
    "indexes/ mkdir indexes/FIELD (or FIELD,FIELD or unique:FIELD) makes an index, where the store "
    "has them;\n"
    "         rmdir drops it. indexes/FIELD/stats has its numbers, also while it is made\n"
    "tx/      transactions%s\n"
    "admin/   errors: the last 100, one JSON line each; stats.json: numbers; files: what is wrong "
    "with the\n"
    "         store's own files, empty if they are in place\n\n";

static const char writing[] =
    "Writing: what a program writes is committed whole when it closes the file, or at fsync(2), which\n"
    "also puts it on disk; the error of a commit is the error of close or fsync. Each close of a shared\n"
    "descriptor (fork, dup) may commit a prefix of what is being written. Until then only readers of that\n"
    "same path see it; query/ and tx/ show committed data. Not closed and not synced: lost in a crash,\n"
    "and the old value stays.\n\n";

static const char querying[] =
    "Queries: stages, left to right, each on the result of the one before; then a result. In a "
    "name\n"
    "under query/, `/` is written %%2F and `%%` %%25, and one that ends in %%+ goes on in the "
    "next. Example:\n"
    "  cat 'query/where/age >= 21 and tags has \"x\"/order/age:desc/limit/10/values.ndjson'\n"
    "ls shows what can stand where a field or value is waited for. Stages and results can be named "
    "in every\n"
    "query, but in one that ls itself shows, as query/by/type/doc, it lists none: find and grep -r "
    "come to an end.\n"
    "A list that is not complete has an entry %%incomplete, a file that says why: values are "
    "listed of the first\n"
    "10,000 keys; mkdir indexes/FIELD makes the list of its values complete.\n"
    "query/ itself lists no results, so that these two run no query.\n"
    "A result has size 0 until it is open: copy it with cp, tar or rsync; what stat(2) says before "
    "is no size.\n"
    "Interrupting a reader (^C) ends its query.%s\n";

static const char documenting[] =
    "\nDocuments: fields/KEY/a/b is member b of member a of key KEY, fields/KEY/a/0 the first element of an\n"
    "array. A file has a string's own text, unless that is itself JSON; then, and for other types, JSON: 5 is\n"
    "the number, \"5\" the string. Writing one changes its bytes of the document and no other; mkdir makes {},\n"
    "rm takes out, mv moves; JSON written to a file, as {\"x\":[]}, makes a directory of it. In names `/` is\n"
    "%%2F, `%%` %%25, NUL %%00, the empty name %%empty. An array is longer by its next number; what is behind a\n"
    "removed element moves up, and ls -U lists the last first. What is no JSON document can only be read.\n";

static const char transacting[] =
    "\nTransactions: mkdir tx/NAME begins one; tx/NAME/keys/ and tx/NAME/query/ show the store with its own\n"
    "changes, and of those of others %s. touch tx/NAME/commit commits all or, when\n"
    "somebody else was first in a way that its isolation does not allow, fails with \"Operation canceled\":\n"
    "then tx/NAME/error names the keys and only rollback is left. touch tx/NAME/rollback, or rmdir tx/NAME,\n"
    "gives up; so does being unused for %" PRIu64 " seconds. tx/NAME/changes lists what would be committed, status\n"
    "how it stands. Isolation here is %s; read-committed, snapshot or serializable written to\n"
    "tx/NAME/isolation before the first look into its keys/ or query/ changes that.\n"
    "mkdir tx/NAME/savepoints/S makes a savepoint: touch S/rollback undoes what came after it, S/release\n"
    "forgets it. mkdir tx/NAME/tx/INNER begins a transaction inside: its commit goes into tx/NAME.\n";

static const char failing[] =
    "\nErrors: next to errno there is a sentence, in admin/errors and of the last failure of a file in\n"
    "  getfattr -n user.storefs.error FILE\n";

static const char *yes(bool is)
{
    return is ? "yes" : "no";
}

static bool can_transact(struct fs_call *call)
{
    return !call->fs->read_only &&
           (sfs_storage_capabilities(call->fs->space->store) & SFS_CAN_SNAPSHOT) != 0;
}

static int add_store(struct fs_call *call, struct sfs_buffer *out)
{
    const struct sfs_storage *store = call->fs->space->store;
    unsigned can = sfs_storage_capabilities(store);
    return sfs_buffer_printf(out,
                             "This directory is a store, mounted by storefs: %s\n"
                             "Backend %s. Transactions: %s. Kept when unmounted: %s. Shared with other "
                             "processes: %s.\nWritable: %s. Longest key: %zu bytes.\n\n",
                             call->fs->uri, sfs_storage_name(store), yes(can_transact(call)),
                             yes(can & SFS_CAN_PERSIST), yes(can & SFS_CAN_SHARE),
                             yes(!call->fs->read_only), sfs_storage_key_max(store));
}

static int add_grammar(struct fs_call *call, struct sfs_buffer *out)
{
    char limit[80] = "";
    if (call->fs->query_ms > 0)
        snprintf(limit, sizeof(limit), " So does the limit of this mount: %" PRIu64 " seconds.",
                 call->fs->query_ms / 1000);
    int code = sfs_buffer_printf(out, querying, limit);
    for (const struct sfs_grammar *row = sfs_query_grammar(); code == 0 && row->name != NULL; row++)
        code = sfs_buffer_printf(out, "  %-34s %s\n", row->usage, row->summary);
    return code;
}

static int make_readme(struct fs_call *call, struct sfs_buffer *out)
{
    bool transactions = can_transact(call);
    enum sfs_isolation isolation = call->fs->isolation;
    int code = add_store(call, out);
    if (code == 0)
        code = sfs_buffer_printf(out, where,
                                 call->fs->read_only
                                     ? "; this mount is read-only."
                                     : ". Read, write, rename, remove as in any directory.",
                                 transactions ? " (below)" : ": not in this mount");
    if (code == 0 && !call->fs->read_only)
        code = sfs_buffer_printf(out, writing);
    if (code == 0)
        code = add_grammar(call, out);
    if (code == 0)
        code = sfs_buffer_printf(out, documenting);
    if (code == 0 && transactions)
        code = sfs_buffer_printf(out, transacting,
                                 isolation == SFS_READ_COMMITTED ? "what is committed, as it comes"
                                                                 : "what was committed before",
                                 call->fs->idle_ms / 1000, sfs_isolation_name(isolation));
    return code == 0 ? sfs_buffer_printf(out, failing) : code;
}

static int readme_stat(struct fs_call *call, struct fs_node *node, struct stat *st)
{
    fs_stat_generated(call->fs, node, S_IFREG | 0444, st);
    return 0;
}

static int readme_open(struct fs_call *call, struct fs_node *node, struct fs_open *open,
                       struct fuse_file_info *info)
{
    (void)node;
    if ((info->flags & O_ACCMODE) != O_RDONLY || info->flags & O_TRUNC)
        return sfs_fail(&call->error, SFS_E_PERMISSION, "mount", "README can only be read");
    struct sfs_buffer text = {0};
    if (make_readme(call, &text) == 0)
        return fs_open_text(call, open, &text, info);
    sfs_buffer_free(&text);
    return sfs_fail_memory(&call->error, "mount");
}

const struct fs_class fs_readme_class = {
    .name = "README",
    .stat = readme_stat,
    .open = readme_open,
    .read = fs_result_read,
    .seek = fs_result_seek,
    .generated = true,
};
