/* SPDX-License-Identifier: MIT */
/* A second model that knows only what the change feed tells; see play.h. */
#include "tests/conformance/play.h"

/* Crosses a told change off the list. */
static bool cross_off(struct model_past *untold, const struct sfs_change *change)
{
    for (size_t i = 0; i < untold->count; i++) {
        struct model_change *wanted = &untold->changes[i];
        if (wanted->sequence != change->sequence ||
            !sfs_bytes_equal(sfs_buffer_bytes(&wanted->name), change->name))
            continue;
        sfs_buffer_free(&wanted->name);
        memmove(wanted, wanted + 1, (untold->count - i - 1) * sizeof(*wanted));
        untold->count--;
        return true;
    }
    return false;
}

/* What the replica has under the name must be what the feed says was there. */
static const char *before_differs(const struct model *replica, const struct sfs_change *change)
{
    const struct model_record *record = model_find(replica, change->name);
    if (!record || !change->before)
        return !record == !change->before ? NULL : "the record before is there only once";
    /* One that had changed again before it could be read is known by its revision only. */
    if (!record->id_known)
        return record->revision == change->before->revision ? NULL : "the revision before";
    return model_record_differs(record, change->before, false);
}

static void replay(struct play *play, const struct sfs_change *change)
{
    const struct sfs_record *present = NULL;
    if (model_find(&play->replica, change->name))
        model_remove(&play->replica, change->name);
    if (change->revision == 0)
        return;
    if (sfs_get(play->fixture->store, change->name, SFS_WANT_VALUE, &present, NULL) == 0 &&
        present->revision == change->revision)
        model_take(&play->replica, present);
    else
        model_insert(&play->replica, change->name)->revision = change->revision;
    sfs_record_unref(present);
}

bool play_follow(struct play *play)
{
    struct sfs_change change;
    uint64_t sequence = 0;
    int code;
    while ((code = sfs_feed_next(play->feed, &change, NULL)) == 1) {
        const char *differs = before_differs(&play->replica, &change);
        if (differs)
            return play_problem(play, "feed", differs);
        if (change.sequence < sequence)
            return play_problem(play, "feed", "commits are not in order");
        if (change.revision && change.revision != change.sequence)
            return play_problem(play, "feed", "the revision is not the commit's");
        sequence = change.sequence;
        if (!change.before && !change.revision)
            continue; /* made and deleted by one commit: need not be told */
        if (!cross_off(&play->untold, &change))
            return play_problem(play, "feed", "tells a change that was none, or twice");
        replay(play, &change);
    }
    if (code < 0)
        return play_problem(play, "feed", sfs_code_name(code));
    if (play->untold.count)
        return play_problem(play, "feed", "a change is missing");
    const char *differs = model_differs(&play->replica, play->fixture->store, true);
    return differs ? play_problem(play, "replica", differs) : true;
}
