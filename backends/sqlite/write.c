/* SPDX-License-Identifier: MIT */
/*
 * Group commit. Callers of apply and sync queue up; the first becomes the leader, takes what is
 * queued, executes each batch in a savepoint of its own inside one transaction, commits, and tells
 * every caller its own result. With one batch there is no savepoint. Where the transaction as a
 * whole fails, each batch is tried again alone, so that no batch suffers from its neighbours.
 * Work that needs the write connection for itself waits in queues of its own (queue.h). Where the
 * disk is slow a leader waits a little for those who wrote durably a moment ago: the sync that
 * served them keeps them out of the next one. (PostgreSQL's commit_delay and commit_siblings.)
 */
#include "backends/sqlite/index.h"
#include "backends/sqlite/sharing.h"

#include <time.h>

#include "util/clock.h"

#define GROUP_MAX 256
#define WAIT_PART 8 /* of a durable turn: how long to wait for companions at the most */
#define WAIT_LEAST (SFS_NS_PER_MS / 10)
#define WAIT_MOST (20 * SFS_NS_PER_MS) /* a turn may have been long for another process's lock */

struct sfs_sqlite_request {
    struct sfs_batch *batch; /* NULL: a sync, or work that needs the write connection for itself */
    const struct sfs_apply_options *options; /* of the batch; may be NULL */
    bool durable;
    uint64_t released; /* the lease of a snapshot that is not read any more after the commit */
    bool done;
    bool leader;
    int code;
    int64_t sequence;
    struct sfs_error *error;
    const struct sfs_record *made; /* all that it has changed; NULL: more, or nothing */
    pthread_cond_t wake;
    struct sfs_sqlite_request *next;
};

static void append(struct sfs_sqlite_queue *queue, struct sfs_sqlite_request *request)
{
    if (queue->last)
        queue->last->next = request;
    else
        queue->first = request;
    queue->last = request;
    queue->count++;
}

static struct sfs_sqlite_request *take_first(struct sfs_sqlite_queue *queue)
{
    struct sfs_sqlite_request *first = queue->first;
    queue->first = first->next;
    if (!queue->first)
        queue->last = NULL;
    queue->count--;
    return first;
}

static void enqueue(struct sfs_sqlite *store, struct sfs_sqlite_request *request)
{
    struct sfs_sqlite_queue *queue = &store->queues[SFS_SQLITE_COMMITS];
    append(queue, request);
    if (store->awaiting && queue->count >= store->companions)
        pthread_cond_signal(&store->awaiting->wake);
}

/* Takes requests that can be committed together. */
static size_t take_group(struct sfs_sqlite *store, struct sfs_sqlite_request **group)
{
    struct sfs_sqlite_queue *queue = &store->queues[SFS_SQLITE_COMMITS];
    size_t count = 0;
    while (queue->first && count < GROUP_MAX)
        group[count++] = take_first(queue);
    return count;
}

/* The first in the queue, if it may have the write connection: the leader takes its group later. */
static struct sfs_sqlite_request *choose(struct sfs_sqlite *store, enum sfs_sqlite_queue_kind kind)
{
    struct sfs_sqlite_queue *queue = &store->queues[kind];
    if (kind == SFS_SQLITE_COMMITS || !queue->first)
        return queue->first;
    if (kind == SFS_SQLITE_STAGING && store->staging_held && !store->staging_admitted)
        return NULL;
    if (kind == SFS_SQLITE_STAGING)
        store->staging_admitted = false;
    return take_first(queue);
}

/* Gives the write connection to the next request, of the queues behind the one that had it first.
 */
static void pass_on(struct sfs_sqlite *store)
{
    struct sfs_sqlite_request *next = NULL;
    for (unsigned i = 1; i <= SFS_SQLITE_QUEUES && !next; i++) {
        store->holder = (store->holder + 1) % SFS_SQLITE_QUEUES;
        next = choose(store, store->holder);
    }
    store->writing = next != NULL;
    if (!next)
        return;
    next->leader = true;
    pthread_cond_signal(&next->wake);
}

void sfs_sqlite_writer_enter(struct sfs_sqlite *store, enum sfs_sqlite_queue_kind kind)
{
    struct sfs_sqlite_request request = {.wake = PTHREAD_COND_INITIALIZER};
    pthread_mutex_lock(&store->queue_mutex);
    append(&store->queues[kind], &request);
    if (!store->writing)
        pass_on(store);
    while (!request.leader)
        pthread_cond_wait(&request.wake, &store->queue_mutex);
    pthread_mutex_unlock(&store->queue_mutex);
    pthread_cond_destroy(&request.wake);
    sfs_sqlite_near_end(store);
}

void sfs_sqlite_writer_leave(struct sfs_sqlite *store)
{
    pthread_mutex_lock(&store->queue_mutex);
    pass_on(store);
    pthread_mutex_unlock(&store->queue_mutex);
}

void sfs_sqlite_staging_hold(struct sfs_sqlite *store)
{
    pthread_mutex_lock(&store->queue_mutex);
    store->staging_held = true;
    pthread_mutex_unlock(&store->queue_mutex);
}

void sfs_sqlite_staging_admit(struct sfs_sqlite *store)
{
    pthread_mutex_lock(&store->queue_mutex);
    store->staging_held = false;
    store->staging_admitted = true;
    if (!store->writing)
        pass_on(store);
    pthread_mutex_unlock(&store->queue_mutex);
}

/* --- one batch inside the transaction --- */

static void spend_stages(struct sfs_sqlite *store, struct sfs_batch *batch)
{
    size_t count;
    struct sfs_operation *operations = sfs_batch_operations(batch, &count);
    for (size_t i = 0; i < count; i++) {
        if (operations[i].stage)
            sfs_sqlite_stage_spend(store, operations[i].stage);
    }
}

/* Then the record that it puts under a name is what is there when it is committed. */
static bool makes_one_record(struct sfs_batch *batch)
{
    size_t count;
    const struct sfs_operation *operations = sfs_batch_operations(batch, &count);
    return count == 1 && operations->kind <= SFS_OPERATION_XATTR;
}

static int execute(struct sfs_sqlite_transaction *transaction, struct sfs_sqlite_request *request,
                   bool *changed)
{
    struct sfs_sqlite_run run;
    struct sfs_index_set *indexes = NULL;
    int code = sfs_sqlite_index_set_in(transaction, &indexes, request->error);
    if (code != 0)
        return code;
    sfs_sqlite_run_begin(transaction, &run);
    run.run.indexes = indexes;
    run.keeps = makes_one_record(request->batch);
    code = sfs_apply_run(&run.run, request->batch, request->error);
    if (code == 0)
        code = sfs_sqlite_index_flush(&run, request->error);
    sfs_record_unref(request->made);
    request->made = code == 0 ? sfs_record_ref(run.made) : NULL;
    sfs_sqlite_run_end(&run);
    sfs_index_set_unref(indexes);
    /* A name that was made and given up again in one batch, as those are under which records change
     * places, has not changed. */
    if (code == 0 && run.vacated && transaction->logged >= 0)
        code = sfs_sqlite_run(transaction->connection, SFS_SQL_HISTORY_DROP_PASSING, request->error,
                              1, (int64_t)run.run.sequence);
    if (code != 0)
        return code;
    struct sfs_sqlite_state *state = &transaction->state;
    if (run.changed) {
        *changed = true;
        state->sequence++;
        /* History that was not written must not be promised to a later batch of the same group. */
        if (transaction->logged < INT64_MAX)
            state->whole = state->sequence;
        if (transaction->newest < 0)
            state->kept = state->sequence;
    }
    request->sequence = state->sequence;
    return 0;
}

static int execute_saved(struct sfs_sqlite_transaction *transaction,
                         struct sfs_sqlite_request *request, bool *changed)
{
    struct sfs_sqlite_connection *connection = transaction->connection;
    struct sfs_sqlite_state before = transaction->state;
    int code = sfs_sqlite_run(connection, SFS_SQL_SAVEPOINT, request->error, 0);
    if (code != 0)
        return code;
    bool batch_changed = false;
    code = execute(transaction, request, &batch_changed);
    if (sqlite3_get_autocommit(connection->db))
        return code; /* the failure has rolled back everything */
    int ended = 0;
    if (code != 0) {
        transaction->state = before;
        ended = sfs_sqlite_run(connection, SFS_SQL_ROLLBACK_TO, NULL, 0);
    }
    if (ended == 0)
        ended = sfs_sqlite_run(connection, SFS_SQL_RELEASE, NULL, 0);
    if (ended != 0)
        sfs_sqlite_rollback(transaction); /* nothing half-done is committed: each is tried alone */
    *changed |= code == 0 && batch_changed;
    return code ? code : ended;
}

/* Whether the transaction still stands. */
static bool execute_all(struct sfs_sqlite_transaction *transaction,
                        struct sfs_sqlite_request **group, size_t count, bool *changed)
{
    for (size_t i = 0; i < count; i++) {
        struct sfs_sqlite_request *request = group[i];
        request->sequence = transaction->state.sequence;
        request->code = 0;
        if (request->batch && count == 1)
            request->code = execute(transaction, request, changed);
        else if (request->batch)
            request->code = execute_saved(transaction, request, changed);
        if (sqlite3_get_autocommit(transaction->connection->db))
            return false;
    }
    return true;
}

static void fail_all(struct sfs_sqlite_request **group, size_t count, int code,
                     const struct sfs_error *error)
{
    for (size_t i = 0; i < count; i++) {
        if (group[i]->code != 0 && group[i]->batch)
            continue; /* it has a reason of its own */
        group[i]->code = code;
        if (group[i]->error)
            *group[i]->error = *error;
    }
}

static void note_synced(struct sfs_sqlite *store, int64_t sequence)
{
    pthread_mutex_lock(&store->queue_mutex);
    store->synced = sequence;
    pthread_mutex_unlock(&store->queue_mutex);
}

/*
 * Where there is nothing to commit, as with a sync, or a durable batch that found nothing to do
 * since somebody has just done it. (A commit that changes no page writes nothing, and then SQLite
 * syncs nothing.) What is not in the log any more was synced when it was written into the file.
 */
static int sync_log(struct sfs_sqlite_transaction *transaction, struct sfs_error *error)
{
    struct sfs_sqlite_connection *connection = transaction->connection;
    int result = sfs_sqlite_file_sync(connection->db, SQLITE_FCNTL_JOURNAL_POINTER);
    if (result != SQLITE_OK)
        return sfs_sqlite_fail_at(NULL, connection->store->path, result, "write to disk", error);
    note_synced(connection->store, transaction->state.sequence);
    return 0;
}

static void note_changed(struct sfs_sqlite *store, const struct sfs_sqlite_stamp *before,
                         struct sfs_sqlite_request **group, size_t count)
{
    struct sfs_sqlite_made made[GROUP_MAX];
    for (size_t i = 0; i < count; i++)
        made[i] = group[i]->code == 0 ? (struct sfs_sqlite_made){group[i]->batch, group[i]->made}
                                      : (struct sfs_sqlite_made){0};
    sfs_sqlite_memo_committed(store, before, made, count);
}

struct members {
    struct sfs_sqlite_request **group;
    size_t count;
};

static bool is_published(struct sfs_sqlite_request **group, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (group[i]->batch && group[i]->options && group[i]->options->publish)
            return true;
    }
    return false;
}

static void publish(void *context)
{
    const struct members *members = context;
    for (size_t i = 0; i < members->count; i++) {
        if (members->group[i]->code == 0 && members->group[i]->batch)
            sfs_apply_publish(members->group[i]->options);
    }
}

static int commit_group(struct sfs_sqlite_transaction *transaction,
                        struct sfs_sqlite_request **group, size_t count, bool durable, bool changed,
                        struct sfs_error *error)
{
    struct sfs_sqlite *store = transaction->store;
    struct sfs_sqlite_stamp before = sfs_sqlite_memo_stamp(store); /* nobody else can commit now */
    bool failed_alone = count == 1 && group[0]->code != 0;
    bool strict = durable || store->options.synchronous || store->lost;
    int code = strict ? sfs_sqlite_files_check(store, error) : 0;
    if (code != 0) {
        sfs_sqlite_rollback(transaction);
        return code;
    }
    if (!changed || failed_alone) {
        sfs_sqlite_rollback(transaction);
        return durable && !failed_alone ? sync_log(transaction, error) : 0;
    }
    struct members members = {group, count};
    bool published = is_published(group, count);
    if (published)
        sfs_sqlite_before_commit(store->writer, publish, &members);
    code = sfs_sqlite_commit(transaction, error);
    if (published)
        sfs_sqlite_before_commit(store->writer, NULL, NULL);
    if (code != 0)
        return code;
    note_changed(store, &before, group, count);
    for (size_t i = 0; i < count; i++) {
        if (group[i]->code == 0 && group[i]->batch)
            spend_stages(store, group[i]->batch);
    }
    if (durable || store->options.synchronous)
        note_synced(store, transaction->state.sequence);
    int64_t now = sfs_clock_monotonic();
    pthread_mutex_lock(&store->queue_mutex);
    store->committed = true;
    store->committer = pthread_self();
    store->committed_at = now;
    pthread_mutex_unlock(&store->queue_mutex);
    atomic_fetch_add(&store->commits, 1);
    sfs_sqlite_feeds_notify(store);
    if (transaction->more_garbage) /* the next commits may not come */
        sfs_sqlite_keeper_note(store, SFS_NS_PER_SECOND);
    return 0;
}

/* True where each has its result, false where the transaction as a whole has failed. */
static bool process_together(struct sfs_sqlite *store, struct sfs_sqlite_request **group,
                             size_t count)
{
    struct sfs_sqlite_transaction transaction;
    struct sfs_error error = {0};
    bool durable = false;
    bool changed = false;
    for (size_t i = 0; i < count; i++)
        durable |= group[i]->durable;
    int code = sfs_sqlite_begin(store, durable, &transaction, &error);
    if (code != 0) {
        fail_all(group, count, code, &error);
        return true;
    }
    uint64_t released = count == 1 ? group[0]->released : 0;
    sfs_sqlite_pool_begin_commit(&transaction, released);
    bool stands = execute_all(&transaction, group, count, &changed);
    if (stands)
        code = commit_group(&transaction, group, count, durable, changed, &error);
    bool committed = stands && code == 0 && changed && !(count == 1 && group[0]->code != 0);
    sfs_sqlite_pool_end_commit(&transaction, released, committed);
    if (code != 0)
        fail_all(group, count, code, &error);
    return stands && code == 0;
}

/* A full disk may still take a change where the log can be begun anew. */
static void process_alone(struct sfs_sqlite *store, struct sfs_sqlite_request *request)
{
    (void)process_together(store, &request, 1);
    if (request->code == SFS_E_NO_SPACE && sfs_sqlite_make_room(store))
        (void)process_together(store, &request, 1);
}

static void process(struct sfs_sqlite *store, struct sfs_sqlite_request **group, size_t count)
{
    if (count > 1 && process_together(store, group, count))
        return;
    for (size_t i = 0; i < count; i++)
        process_alone(store, group[i]);
}

static bool waits_for_disk(const struct sfs_sqlite *store, const struct sfs_sqlite_request *request)
{
    return request->durable || (store->options.synchronous && request->batch);
}

static unsigned waiting_for_disk(const struct sfs_sqlite *store)
{
    unsigned count = 0;
    const struct sfs_sqlite_request *next = store->queues[SFS_SQLITE_COMMITS].first;
    for (; next; next = next->next)
        count += waits_for_disk(store, next);
    return count;
}

/* Under the mutex, by the leader, which is the first in the queue. */
static void await_companions(struct sfs_sqlite *store, struct sfs_sqlite_request *leader)
{
    int64_t most = store->durable_took / WAIT_PART;
    most = most < WAIT_MOST ? most : WAIT_MOST;
    if (most < WAIT_LEAST || waiting_for_disk(store) == 0)
        return;
    int64_t until = sfs_clock_monotonic() + most;
    struct timespec end = {.tv_sec = (time_t)(until / SFS_NS_PER_SECOND),
                           .tv_nsec = (long)(until % SFS_NS_PER_SECOND)};
    int code = 0;
    store->awaiting = leader;
    while (store->queues[SFS_SQLITE_COMMITS].count < store->companions && code == 0)
        code = pthread_cond_clockwait(&leader->wake, &store->queue_mutex, CLOCK_MONOTONIC, &end);
    store->awaiting = NULL;
}

/* Who was in a durable turn, and who came meanwhile, may be in the next. */
static void note_turn(struct sfs_sqlite *store, unsigned durable, int64_t took)
{
    if (durable == 0)
        return;
    store->durable_took = (3 * store->durable_took + took) / 4;
    store->companions = durable + waiting_for_disk(store);
}

static void lead(struct sfs_sqlite *store, struct sfs_sqlite_request *leader)
{
    struct sfs_sqlite_request *group[GROUP_MAX];
    unsigned durable = 0;
    await_companions(store, leader);
    size_t count = take_group(store, group);
    pthread_mutex_unlock(&store->queue_mutex);
    for (size_t i = 0; i < count; i++)
        durable += waits_for_disk(store, group[i]);
    int64_t began = durable > 0 ? sfs_clock_monotonic() : 0;
    sfs_sqlite_near_end(store);
    process(store, group, count);
    int64_t took = durable > 0 ? sfs_clock_monotonic() - began : 0;
    pthread_mutex_lock(&store->queue_mutex);
    note_turn(store, durable, took);
    for (size_t i = 0; i < count; i++) {
        group[i]->done = true;
        pthread_cond_signal(&group[i]->wake);
    }
    pass_on(store);
}

static int submit(struct sfs_sqlite *store, struct sfs_sqlite_request *request)
{
    pthread_cond_init(&request->wake, NULL);
    pthread_mutex_lock(&store->queue_mutex);
    enqueue(store, request);
    if (!store->writing) {
        store->writing = true;
        store->holder = SFS_SQLITE_COMMITS;
        request->leader = true;
    }
    while (!request->done) {
        if (request->leader)
            lead(store, request);
        else
            pthread_cond_wait(&request->wake, &store->queue_mutex);
    }
    pthread_mutex_unlock(&store->queue_mutex);
    pthread_cond_destroy(&request->wake);
    return request->code;
}

int sfs_sqlite_apply(struct sfs_storage *base, struct sfs_batch *batch,
                     const struct sfs_apply_options *options, uint64_t *ret_sequence,
                     struct sfs_error *error)
{
    struct sfs_sqlite_request request = {.batch = batch,
                                         .options = options,
                                         .durable = options && options->durable,
                                         .released = options ? options->released_lease : 0,
                                         .error = error};
    int code = submit(sfs_sqlite_of(base), &request);
    sfs_record_unref(request.made);
    if (code == 0 && ret_sequence)
        *ret_sequence = (uint64_t)request.sequence;
    return code;
}

int sfs_sqlite_sync(struct sfs_storage *base, uint64_t sequence, struct sfs_error *error)
{
    struct sfs_sqlite *store = sfs_sqlite_of(base);
    if (!store->writer)
        return 0;
    pthread_mutex_lock(&store->queue_mutex);
    bool synced = sequence != 0 && sequence <= (uint64_t)store->synced;
    pthread_mutex_unlock(&store->queue_mutex);
    if (synced)
        return sfs_sqlite_files_check(store, error);
    struct sfs_sqlite_request request = {.durable = true, .error = error};
    return submit(store, &request);
}
