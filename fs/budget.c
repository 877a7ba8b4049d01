/* SPDX-License-Identifier: MIT */
/*
 * Shares of memory and counts of what users keep: see budget.h.
 */
#include "fs/budget.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdlib.h>
#include <time.h>

#include "fs/loop.h"

#define MIB (UINT64_C(1) << 20)
#define LARGEST (FS_DOCUMENT_TIMES * (uint64_t)SFS_DOCUMENT_MAX)
#define ALWAYS_KEPT 4096    /* bytes of a value that a handle keeps and that is not counted */
#define TRIM_FROM (6 * MIB) /* bytes of a share: when it ends, free memory goes to the system … */
#define TRIM_EVERY 1000     /* … but not more often (ms) */
#define LOOK 100000000      /* ns between two looks for an interruption */
#define WAITING_MAX 512     /* requests, each with a thread … */
#define WAITING_USER_MAX 128 /* … and of one user */

/* What a thread's request has taken or waits for. */
struct share {
    struct share *next;
    uint64_t bytes;
    uint64_t subject; /* changed with it: one at a time has it; 0: none */
    uid_t uid;
    bool granted;
    pthread_cond_t changed;
};

/* An account. Requests of the next one may be larger. */
struct account {
    uint64_t need_max; /* of one request, bytes */
    uint64_t left;
    uid_t served;        /* last */
    struct share *first; /* that waits */
    struct share *taken;
};

struct user {
    struct user *next;
    uid_t uid;
    unsigned waiting;
    uint64_t counts[FS_COUNTED];
};

#define ACCOUNTS 3 /* medium and large documents, and queries */
#define QUERIES 4  /* that run at once: each may hold some of the largest values */

struct fs_budget {
    pthread_mutex_t lock; /* of all members; the innermost one */
    struct account accounts[ACCOUNTS];
    unsigned waiting;
    struct user *users; /* with something counted */
    uint64_t counts[FS_COUNTED];
    int64_t trimmed; /* when, monotonic ms */
};

/* With the shares, the documents that are kept, SQLite's pages and the process itself this is about
 * 512 MiB. */
static const struct limit {
    uint64_t user;
    uint64_t mount;
    uint64_t unit;
    const char *what; /* "%" PRIu64 of them */
} limits[FS_COUNTED] = {
    [FS_HANDLES] = {16384, 65536, 1, "open files and directories in this mount: close some"},
    [FS_RESULTS] = {128, 512, 1, "open results of queries in this mount: close some"},
    [FS_TRANSACTIONS] = {256, 1024, 1, "open transactions in this mount: end some"},
    [FS_SAVEPOINTS] = {4096, 16384, 1, "savepoints in this mount: release some"},
    [FS_WRITTEN_BYTES] = {64 * MIB, 96 * MIB, MIB,
                          "MiB in this mount that were written and are not committed: close files, "
                          "and commit transactions"},
    [FS_HELD_BYTES] = {32 * MIB, 48 * MIB, MIB,
                       "MiB of open files below fields/ in this mount: close some, and remove "
                       "temporary ones"},
    [FS_KEPT_BYTES] = {16 * MIB, 32 * MIB, MIB, "MiB of values that are being read"},
};

static _Thread_local struct account
    *from; /* NULL: this thread's request has taken nothing; else … */
static _Thread_local struct share share; /* … this */

struct fs_budget *fs_budget_new(void)
{
    struct fs_budget *budget = calloc(1, sizeof(*budget));
    if (budget == NULL)
        return NULL;
    pthread_mutex_init(&budget->lock, NULL);
    budget->accounts[0] = (struct account){.need_max = 6 * MIB, .left = 48 * MIB};
    budget->accounts[2].left = QUERIES;
    budget->accounts[1] = (struct account){.need_max = UINT64_MAX, .left = LARGEST};
    return budget;
}

void fs_budget_free(struct fs_budget *budget)
{
    if (budget == NULL)
        return;
    while (budget->users != NULL) {
        struct user *user = budget->users;
        budget->users = user->next;
        free(user);
    }
    pthread_mutex_destroy(&budget->lock);
    free(budget);
}

/* --- users: with the lock held --- */

static struct user *user_find(struct fs_budget *budget, uid_t uid)
{
    struct user *user = budget->users;
    while (user != NULL && user->uid != uid)
        user = user->next;
    return user;
}

/* NULL: no memory. */
static struct user *user_of(struct fs_budget *budget, uid_t uid)
{
    struct user *user = user_find(budget, uid);
    if (user != NULL || (user = calloc(1, sizeof(*user))) == NULL)
        return user;
    user->uid = uid;
    user->next = budget->users;
    budget->users = user;
    return user;
}

static void user_drop_idle(struct fs_budget *budget, struct user *user)
{
    struct user **place = &budget->users;
    for (size_t i = 0; i < FS_COUNTED; i++)
        if (user->counts[i] != 0)
            return;
    if (user->waiting != 0)
        return;
    while (*place != user)
        place = &(*place)->next;
    *place = user->next;
    free(user);
}

/* --- shares: with the lock held --- */

static void append(struct share **list, struct share *one)
{
    while (*list != NULL)
        list = &(*list)->next;
    one->next = NULL;
    *list = one;
}

static void take_out(struct share **list, const struct share *one)
{
    while (*list != one)
        list = &(*list)->next;
    *list = one->next;
}

static bool may_begin(const struct account *account, const struct share *one)
{
    if (one->subject != 0)
        for (const struct share *other = account->taken; other != NULL; other = other->next)
            if (other->subject == one->subject)
                return false;
    return true;
}

/* The first that waits, but after one of a user comes one of another: a user with many requests
 * stops no other. */
static struct share *next_of(const struct account *account)
{
    struct share *first = NULL;
    for (struct share *one = account->first; one != NULL; one = one->next) {
        if (!may_begin(account, one))
            continue;
        if (one->uid != account->served)
            return one;
        if (first == NULL)
            first = one;
    }
    return first;
}

static void serve(struct account *account)
{
    for (struct share *one; (one = next_of(account)) != NULL && one->bytes <= account->left;) {
        account->left -= one->bytes;
        account->served = one->uid;
        take_out(&account->first, one);
        append(&account->taken, one);
        one->granted = true;
        pthread_cond_signal(&one->changed);
    }
}

/* --- waiting --- */

static int fail_busy(struct fs_call *call)
{
    return sfs_fail(&call->error, SFS_E_BUSY, "mount",
                    "%d requests of one user already wait for memory to work on large documents: "
                    "use fewer programs at once",
                    WAITING_USER_MAX);
}

static void nap(struct share *waiter, pthread_mutex_t *lock)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += LOOK;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_cond_clockwait(&waiter->changed, lock, CLOCK_MONOTONIC, &until);
}

/* With the lock held, which is given back meanwhile. */
static void await_locked(struct fs_call *call, struct share *waiter, bool gives_up)
{
    struct fs_budget *budget = call->fs->budget;
    bool interrupted = false;
    while (!waiter->granted && !interrupted) {
        nap(waiter, &budget->lock);
        interrupted = gives_up && call->request != NULL && fuse_req_interrupted(call->request);
    }
}

static int await(struct fs_call *call, struct account *account, struct share *waiter, bool gives_up)
{
    struct fs_budget *budget = call->fs->budget;
    pthread_mutex_lock(&budget->lock);
    struct user *user = user_of(budget, call->uid);
    bool may = user != NULL && budget->waiting < WAITING_MAX && user->waiting < WAITING_USER_MAX;
    if (may) {
        budget->waiting++;
        user->waiting++;
        await_locked(call, waiter, gives_up);
        budget->waiting--;
        user->waiting--;
    }
    bool granted = waiter->granted;
    if (!granted)
        take_out(&account->first, waiter);
    serve(account); /* it may have been in the way */
    if (user != NULL)
        user_drop_idle(budget, user);
    pthread_mutex_unlock(&budget->lock);
    if (granted)
        return 0;
    return may ? sfs_fail(&call->error, SFS_E_CANCELLED, "mount", "interrupted") : fail_busy(call);
}

static bool has(uint64_t need, uint64_t subject)
{
    return from != NULL && need <= share.bytes && (subject == 0 || subject == share.subject);
}

static int take(struct fs_call *call, struct account *account, uint64_t need, uint64_t subject,
                bool gives_up)
{
    struct fs_budget *budget = call->fs->budget;
    fs_budget_give(call->fs);
    share = (struct share){
        .bytes = need, .subject = subject, .uid = call->uid, .changed = PTHREAD_COND_INITIALIZER};
    int code = 0;
    pthread_mutex_lock(&budget->lock);
    append(&account->first, &share);
    serve(account);
    bool waits = !share.granted;
    pthread_mutex_unlock(&budget->lock);
    if (waits) {
        fs_loop_wait(true);
        code = await(call, account, &share, gives_up);
        fs_loop_wait(false);
    }
    from = code == 0 ? account : NULL;
    return code;
}

int fs_budget_take(struct fs_call *call, uint64_t bytes, uint64_t subject, bool gives_up)
{
    uint64_t need = bytes < LARGEST ? bytes : LARGEST;
    struct account *account = call->fs->budget->accounts;
    while (need > account->need_max)
        account++;
    return need < FS_SHARE_LEAST || has(need, subject)
               ? 0
               : take(call, account, need, subject, gives_up);
}

int fs_budget_take_query(struct fs_call *call)
{
    return take(call, &call->fs->budget->accounts[ACCOUNTS - 1], 1, 0, true);
}

void fs_budget_give(struct fs *fs)
{
    struct account *account = from;
    if (account == NULL)
        return;
    from = NULL;
    int64_t now = fs_monotonic_ms();
    pthread_mutex_lock(&fs->budget->lock);
    take_out(&account->taken, &share);
    account->left += share.bytes;
    serve(account);
    bool trims = share.bytes >= TRIM_FROM && now - fs->budget->trimmed >= TRIM_EVERY;
    if (trims)
        fs->budget->trimmed = now;
    pthread_mutex_unlock(&fs->budget->lock);
    if (trims)
        malloc_trim(0);
}

/* --- counts --- */

static int fail_limit(enum fs_counted what, uint64_t most, const char *whose,
                      struct sfs_error *error)
{
    return sfs_fail(error, SFS_E_NO_SPACE, "mount", "%s at most %" PRIu64 " %s", whose,
                    most / limits[what].unit, limits[what].what);
}

/* With the lock held. Another user's fill does not keep anybody from a first, small amount. */
static int check(struct fs_budget *budget, const struct user *user, enum fs_counted what,
                 uint64_t amount, struct sfs_error *error)
{
    const struct limit *limit = &limits[what];
    uint64_t mine = user->counts[what], small = limit->user / 64;
    if (mine != 0 && mine + amount > limit->user)
        return fail_limit(what, limit->user, "a user has", error);
    if (budget->counts[what] != 0 && budget->counts[what] + amount > limit->mount &&
        mine + amount > small)
        return fail_limit(what, limit->mount, "all users together have", error);
    return 0;
}

/* What the owner of the mount writes is in the memory of his own process, as that of any program of
 * his. */
static bool is_free(const struct fs *fs, uid_t uid, enum fs_counted what)
{
    return what == FS_WRITTEN_BYTES && fs_sees_all(fs, uid);
}

int fs_budget_count(struct fs *fs, uid_t uid, enum fs_counted what, uint64_t amount,
                    struct sfs_error *error)
{
    struct fs_budget *budget = fs->budget;
    if (is_free(fs, uid, what))
        return 0;
    pthread_mutex_lock(&budget->lock);
    struct user *user = user_of(budget, uid);
    int code =
        user != NULL ? check(budget, user, what, amount, error) : sfs_fail_memory(error, "mount");
    if (code == 0) {
        user->counts[what] += amount;
        budget->counts[what] += amount;
    }
    if (user != NULL)
        user_drop_idle(budget, user);
    pthread_mutex_unlock(&budget->lock);
    return code;
}

void fs_budget_uncount(struct fs *fs, uid_t uid, enum fs_counted what, uint64_t amount)
{
    struct fs_budget *budget = fs->budget;
    if (is_free(fs, uid, what))
        return;
    pthread_mutex_lock(&budget->lock);
    struct user *user = user_find(budget, uid);
    if (user != NULL) {
        user->counts[what] -= amount;
        budget->counts[what] -= amount;
        user_drop_idle(budget, user);
    }
    pthread_mutex_unlock(&budget->lock);
}

uint64_t fs_budget_total(struct fs *fs, enum fs_counted what)
{
    pthread_mutex_lock(&fs->budget->lock);
    uint64_t total = fs->budget->counts[what];
    pthread_mutex_unlock(&fs->budget->lock);
    return total;
}

int fs_budget_hold(struct fs *fs, uid_t uid, enum fs_counted what, uint64_t *held, uint64_t wanted,
                   struct sfs_error *error)
{
    int code = 0;
    if (wanted > *held)
        code = fs_budget_count(fs, uid, what, wanted - *held, error);
    else if (wanted < *held)
        fs_budget_uncount(fs, uid, what, *held - wanted);
    if (code == 0)
        *held = wanted;
    return code;
}

int fs_open_hold(struct fs_call *call, struct fs_open *open, enum fs_counted what, uint64_t wanted)
{
    open->holds = (int)what;
    return fs_budget_hold(call->fs, open->uid, what, &open->held, wanted, &call->error);
}

void fs_open_keep(struct fs_call *call, struct fs_open *open, const struct sfs_record *record)
{
    struct fs_call quiet = *call;
    uint64_t held = record->size <= ALWAYS_KEPT ? 0 : record->size;
    pthread_mutex_lock(&open->lock);
    if (fs_open_hold(&quiet, open, FS_KEPT_BYTES, held) == 0) {
        sfs_record_unref(open->record);
        open->record = sfs_record_ref(record);
    }
    pthread_mutex_unlock(&open->lock);
}
