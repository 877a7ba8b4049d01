/* SPDX-License-Identifier: MIT */
/*
 * The change feed: rows of `history` in order. A feed holds a lease (of names and attributes, not
 * of values), which moves on as it reads. Commits of this process wake it through an event; those
 * of others show as writes to the -wal file, which the kernel reports (inotify on the directory, so
 * that it does not matter when that file comes and goes).
 */
#include "backends/sqlite/sharing.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "util/clock.h"

#define FETCH 256
#define ADVANCE_AFTER 1024 /* changes read, then the lease moves on */
#define LONGEST_SLEEP 1000 /* milliseconds: what is looked at anew even if no event came */

struct row {
    int64_t sequence;
    uint64_t revision;
    const struct sfs_record *before; /* NULL: there was none */
    struct sfs_buffer name;
};

struct sfs_sqlite_feed {
    struct sfs_feed feed;
    struct sfs_sqlite *store;
    struct sfs_sqlite_lease lease;
    int64_t sequence; /* everything up to here has been fetched … */
    struct sfs_buffer
        name; /* … and of the next commit the names up to this one, where it is not empty */
    uint64_t fetched; /* since the lease moved on */
    struct row rows[FETCH];
    size_t count;
    size_t at;
    int event;  /* commits of this process, and wake() */
    int notify; /* -1: none could be had; then commits of others are looked for each LONGEST_SLEEP
                 */
    _Atomic bool woken;
    struct sfs_sqlite_feed *next; /* of the store */
};

static struct sfs_sqlite_feed *feed_of(struct sfs_feed *base)
{
    return (struct sfs_sqlite_feed *)base;
}

static void drop_rows(struct sfs_sqlite_feed *feed)
{
    for (size_t i = 0; i < feed->count; i++) {
        sfs_record_unref(feed->rows[i].before);
        sfs_buffer_free(&feed->rows[i].name);
    }
    feed->count = 0;
    feed->at = 0;
}

/* --- fetching --- */

static int read_row(struct sfs_sqlite_connection *connection, sqlite3_stmt *statement,
                    struct row *row, struct sfs_error *error)
{
    struct sfs_sqlite_row before = {0};
    row->name = (struct sfs_buffer){0};
    /* Nobody is told of a temporary name. */
    if (sqlite3_column_int(statement, SFS_SQLITE_COLUMN_EXISTED) &&
        !sfs_name_is_temporary(sfs_sqlite_column(statement, 1))) {
        int code = sfs_sqlite_row(connection, statement, SFS_WANT_RECORD, SFS_SQLITE_LATEST,
                                  &before, error);
        if (code != 0)
            return code;
    }
    if (sfs_buffer_add(&row->name, sfs_sqlite_column(statement, 1)) != 0) {
        sfs_record_unref(before.record);
        return sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
    }
    row->before = before.record;
    row->sequence = sqlite3_column_int64(statement, SFS_SQLITE_COLUMN_SEQUENCE);
    /* A record that is there after a commit that changed it has the commit's number as revision. */
    bool exists = sqlite3_column_int(statement, SFS_SQLITE_COLUMN_SEQUENCE + 1) != 0;
    row->revision = exists ? (uint64_t)row->sequence : 0;
    return 0;
}

static int read_rows(struct sfs_sqlite_feed *feed, struct sfs_sqlite_connection *connection,
                     struct sfs_error *error)
{
    sqlite3_stmt *statement;
    int code = sfs_sqlite_statement(connection, SFS_SQL_HISTORY_FEED, &statement, error);
    if (code != 0)
        return code;
    /* Behind (sequence, all names) where the commit has been read whole, else behind the last name.
     */
    struct sfs_bytes behind = feed->name.size ? sfs_buffer_bytes(&feed->name)
                                              : sfs_sqlite_range_end((struct sfs_range){0});
    sqlite3_bind_int64(statement, 1, feed->name.size ? feed->sequence + 1 : feed->sequence);
    sfs_sqlite_bind(statement, 2, behind);
    sqlite3_bind_int64(statement, 3, FETCH);
    while ((code = sfs_sqlite_step(connection, statement, error)) == 1) {
        code = read_row(connection, statement, &feed->rows[feed->count], error);
        if (code != 0)
            break;
        feed->count++;
    }
    sqlite3_reset(statement);
    return code;
}

/* Moves the position behind what was read: `sequence` is the store's last commit. */
static int set_position(struct sfs_sqlite_feed *feed, int64_t sequence, struct sfs_error *error)
{
    feed->name.size = 0;
    if (feed->count < FETCH) {
        feed->sequence = sequence;
        return 0;
    }
    const struct row *last = &feed->rows[feed->count - 1];
    feed->sequence = last->sequence - 1;
    if (sfs_buffer_add(&feed->name, sfs_buffer_bytes(&last->name)) != 0)
        return sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
    return 0;
}

static int too_old(const struct sfs_sqlite_feed *feed, int64_t kept, struct sfs_error *error)
{
    return sfs_fail(error, SFS_E_TOO_OLD, SFS_SQLITE_ORIGIN,
                    "the feed of %s fell behind: it is at %lld, and changes are kept after %lld",
                    feed->store->path, (long long)feed->sequence, (long long)kept);
}

/* The state's marks and the rows, from one read transaction. */
static int fetch(struct sfs_sqlite_feed *feed, struct sfs_error *error)
{
    struct sfs_sqlite_connection *connection;
    sqlite3_stmt *anchor;
    drop_rows(feed);
    int code = sfs_sqlite_reader_take(feed->store, &connection, error);
    if (code != 0)
        return code;
    code = sfs_sqlite_statement(connection, SFS_SQL_FEED_ANCHOR, &anchor, error);
    if (code == 0)
        code = sfs_sqlite_step(connection, anchor, error);
    if (code == 1) {
        int64_t kept = sqlite3_column_int64(anchor, 0);
        int64_t sequence = sqlite3_column_int64(anchor, 1);
        code =
            feed->sequence < kept ? too_old(feed, kept, error) : read_rows(feed, connection, error);
        if (code == 0)
            code = set_position(feed, sequence, error);
        sqlite3_reset(anchor);
    }
    sfs_sqlite_reader_give(connection);
    if (code != 0)
        drop_rows(feed);
    return code;
}

/* Where everything fetched has been read. A lease that has lapsed is taken anew where nothing is
 * lost. */
static int move_lease(struct sfs_sqlite_feed *feed, struct sfs_error *error)
{
    if (!sfs_sqlite_lease_due(&feed->lease) && feed->fetched < ADVANCE_AFTER)
        return 0;
    int code = sfs_sqlite_lease_advance(&feed->lease, feed->sequence, error);
    if (code == SFS_E_EXPIRED)
        code = sfs_sqlite_lease_take(feed->store, feed->sequence, &feed->lease, error);
    if (code == SFS_E_BUSY)
        return 0; /* the next call tries again */
    if (code == 0)
        feed->fetched = 0;
    return code;
}

static int feed_next(struct sfs_feed *base, struct sfs_change *ret_change, struct sfs_error *error)
{
    struct sfs_sqlite_feed *feed = feed_of(base);
    if (feed->at == feed->count) {
        int code = move_lease(feed, error);
        if (code == 0)
            code = fetch(feed, error);
        if (code != 0)
            return code;
        feed->fetched += feed->count;
    }
    if (feed->count == 0)
        return 0;
    const struct row *row = &feed->rows[feed->at++];
    *ret_change = (struct sfs_change){.sequence = (uint64_t)row->sequence,
                                      .name = sfs_buffer_bytes(&row->name),
                                      .before = row->before,
                                      .revision = row->revision};
    return 1;
}

/* --- waiting --- */

static void drain(int fd)
{
    char events[4096];
    while (read(fd, events, sizeof(events)) > 0)
        continue;
}

/* 1 there is something behind the position, 0 there is not. */
static int has_news(struct sfs_sqlite_feed *feed, struct sfs_error *error)
{
    uint64_t sequence;
    int code = sfs_sqlite_sequence(&feed->store->storage, &sequence, error);
    if (code != 0)
        return code;
    return feed->at < feed->count || feed->name.size > 0 || (int64_t)sequence > feed->sequence;
}

/* Sleeps until an event or `milliseconds` have passed; true if the log was written to. */
static bool sleep_until_event(struct sfs_sqlite_feed *feed, int milliseconds)
{
    struct pollfd fds[2] = {{.fd = feed->event, .events = POLLIN},
                            {.fd = feed->notify, .events = POLLIN}};
    if (poll(fds, 2, milliseconds) <= 0)
        return false;
    if (fds[0].revents && !feed->woken)
        drain(feed->event);
    return fds[1].revents && sfs_sqlite_log_written(feed->store->path, feed->notify);
}

/*
 * The log is written before the commit can be seen, so after an event without news one looks again
 * soon, at growing intervals.
 */
static int feed_wait(struct sfs_feed *base, uint64_t timeout_ms, struct sfs_error *error)
{
    struct sfs_sqlite_feed *feed = feed_of(base);
    int64_t now = sfs_clock_monotonic() / SFS_NS_PER_MS;
    int64_t end = timeout_ms > (uint64_t)(INT64_MAX - now) ? INT64_MAX : now + (int64_t)timeout_ms;
    int pause = LONGEST_SLEEP;
    for (;;) {
        if (feed->woken)
            return sfs_fail(error, SFS_E_CANCELLED, SFS_SQLITE_ORIGIN, "the wait was ended");
        int code = has_news(feed, error);
        if (code != 0)
            return code;
        now = sfs_clock_monotonic() / SFS_NS_PER_MS;
        if (now >= end)
            return 0;
        /* Nothing came, so the lease may follow: waiting keeps it alive. */
        code = move_lease(feed, error);
        if (code != 0)
            return code;
        int sleep = end - now < pause ? (int)(end - now) : pause;
        if (sleep_until_event(feed, sleep))
            pause = 1;
        else
            pause = pause * 2 < LONGEST_SLEEP ? pause * 2 : LONGEST_SLEEP;
    }
}

static void signal_event(struct sfs_sqlite_feed *feed)
{
    uint64_t one = 1;
    ssize_t written;
    do {
        written = write(feed->event, &one, sizeof(one)); /* EAGAIN: it is signalled already */
    } while (written < 0 && errno == EINTR);
}

static void feed_wake(struct sfs_feed *base)
{
    struct sfs_sqlite_feed *feed = feed_of(base);
    feed->woken = true;
    signal_event(feed);
}

void sfs_sqlite_feeds_notify(struct sfs_sqlite *store)
{
    pthread_mutex_lock(&store->feed_mutex);
    for (struct sfs_sqlite_feed *feed = store->feeds; feed; feed = feed->next)
        signal_event(feed);
    pthread_mutex_unlock(&store->feed_mutex);
}

/* --- opening and closing --- */

static void unlist(struct sfs_sqlite_feed *feed)
{
    struct sfs_sqlite *store = feed->store;
    pthread_mutex_lock(&store->feed_mutex);
    struct sfs_sqlite_feed **link = &store->feeds;
    while (*link && *link != feed)
        link = &(*link)->next;
    if (*link)
        *link = feed->next;
    pthread_mutex_unlock(&store->feed_mutex);
}

static void feed_close(struct sfs_feed *base)
{
    struct sfs_sqlite_feed *feed = feed_of(base);
    unlist(feed);
    sfs_sqlite_lease_drop(&feed->lease);
    drop_rows(feed);
    sfs_buffer_free(&feed->name);
    if (feed->event >= 0)
        close(feed->event);
    if (feed->notify >= 0)
        close(feed->notify);
    free(feed);
}

static const struct sfs_feed_operations feed_operations = {
    .next = feed_next,
    .wait = feed_wait,
    .wake = feed_wake,
    .close = feed_close,
};

int sfs_sqlite_changes(struct sfs_storage *base, uint64_t since, struct sfs_feed **ret_feed,
                       struct sfs_error *error)
{
    struct sfs_sqlite *store = sfs_sqlite_of(base);
    struct sfs_sqlite_feed *feed = calloc(1, sizeof(*feed));
    if (!feed)
        return sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
    feed->feed.operations = &feed_operations;
    feed->store = store;
    feed->notify = sfs_sqlite_log_watch(store->path);
    feed->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    int code = 0;
    if (feed->event < 0)
        code = sfs_fail_errno(error, errno, SFS_SQLITE_ORIGIN, "cannot follow changes");
    int64_t from = since > INT64_MAX ? -1 : (int64_t)since;
    if (code == 0)
        code = sfs_sqlite_lease_take(store, from, &feed->lease, error);
    if (code != 0) {
        feed_close(&feed->feed);
        return code;
    }
    sfs_sqlite_keeper_start(store);
    feed->sequence = feed->lease.sequence;
    pthread_mutex_lock(&store->feed_mutex);
    feed->next = store->feeds;
    store->feeds = feed;
    pthread_mutex_unlock(&store->feed_mutex);
    *ret_feed = &feed->feed;
    return 0;
}
