/* SPDX-License-Identifier: MIT */
/* What there is to complete a query with: the fields of its result, and values from its first
 * records. */
#include <stdlib.h>

#include "query/index_values.h"
#include "query/run.h"
#include "storefs/backend.h"
#include "storefs/path.h"

#define SAMPLE_RECORDS 10000
#define SAMPLE_BYTES (8 << 20) /* of their values, after which no further record is looked at */
#define SAMPLE_MS 1000         /* for filters that let little pass, and sorts */
#define SAMPLE_VALUES ((size_t)10000)
#define FIELDS_MS 5000 /* for the names of fields, of which no record is left out */
#define FIELDS ((size_t)100000)
#define FIELDS_BYTES ((size_t)64 << 20) /* of all names */
#define KNOWN 1024 /* slots for names that come in most records; a power of two */
#define INDEX_VALUES ((size_t)100000) /* of an index, which has them in order */
#define FORM_MAX 255                  /* bytes of a file name, escaped */

/* Distinct values in their total order; the names of fields are texts. */
struct sample {
    bool names;
    struct sfs_field field; /* whose values are wanted */
    struct sfs_arena arena;
    struct sfs_value **values; /* pointers, so that inserting one in the middle moves little */
    size_t count;
    size_t room;
    size_t bytes;                         /* of names */
    const struct sfs_value *known[KNOWN]; /* names, by the hash of their bytes */
    struct sfs_buffer form; /* the one that is being added */
    struct sfs_buffer escaped;
    bool complete;
};

static int grow(struct sample *sample)
{
    if (sample->count < sample->room)
        return 0;
    size_t room = sample->room ? 2 * sample->room : 64;
    struct sfs_value **values = realloc(sample->values, room * sizeof(*values));
    if (!values)
        return SFS_E_NO_MEMORY;
    sample->values = values;
    sample->room = room;
    return 0;
}

static void sample_free(struct sample *sample)
{
    sfs_arena_free(&sample->arena);
    free(sample->values);
    sfs_buffer_free(&sample->form);
    sfs_buffer_free(&sample->escaped);
}

/* Whether the form can be a file name: 1, 0, or NO_MEMORY. */
static int form_fits(struct sample *sample)
{
    sample->escaped.size = 0;
    if (sample->form.size > FORM_MAX)
        return 0;
    int result = sfs_path_escape(sfs_buffer_bytes(&sample->form), &sample->escaped);
    return result ? result : sample->escaped.size <= FORM_MAX;
}

/* The index of the first value that is not below `value`, and whether it equals it. */
static int find(const struct sample *sample, const struct sfs_value *value, size_t *ret_index,
                bool *ret_found)
{
    size_t low = 0;
    size_t high = sample->count;
    *ret_found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = 0;
        int result = sfs_value_compare(sample->values[middle], value, &order);
        if (result)
            return result;
        *ret_found |= order == 0;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_index = low;
    return 0;
}

/* The value that the form stands for, in the arena. */
static struct sfs_value *own_value(struct sample *sample)
{
    struct sfs_value *own = sfs_arena_alloc(&sample->arena, sizeof(*own));
    if (!own)
        return NULL;
    own->kind = SFS_VALUE_TEXT;
    struct sfs_bytes form = sfs_buffer_bytes(&sample->form);
    int result = sample->names ? sfs_arena_copy(&sample->arena, form, &own->is.text)
                               : sfs_value_from_form(form, &sample->arena, own);
    return result ? NULL : own;
}

/* Whether one more fits: 1, 0, or NO_MEMORY. */
static int has_room(struct sample *sample)
{
    if (!sample->names)
        return sample->count < SAMPLE_VALUES ? form_fits(sample) : 0;
    sample->bytes += sample->form.size;
    return sample->count < FIELDS && sample->bytes <= FIELDS_BYTES;
}

/* Inserts the value whose form is made, at the place that was found for it. What cannot be a name,
 * or is one too many, leaves the sample incomplete. */
static int insert(struct sample *sample, size_t index)
{
    int fits = has_room(sample);
    if (fits < 0)
        return fits;
    if (!fits) {
        sample->complete = false;
        return 0;
    }
    struct sfs_value *own = grow(sample) ? NULL : own_value(sample);
    if (!own)
        return SFS_E_NO_MEMORY;
    memmove(sample->values + index + 1, sample->values + index,
            (sample->count - index) * sizeof(own));
    sample->values[index] = own;
    sample->count++;
    return 0;
}

static int add_value(struct sample *sample, struct sfs_subject *subject)
{
    struct sfs_value value = sfs_field_value(&sample->field, subject);
    size_t index = 0;
    bool found = false;
    if (value.kind == SFS_VALUE_MISSING)
        return 0;
    int result = find(sample, &value, &index, &found);
    if (result || found)
        return result;
    sample->form.size = 0;
    result = sfs_value_form(&value, &sample->form);
    return result ? result : insert(sample, index);
}

/* FNV-1a. */
static size_t slot_of(struct sfs_bytes bytes)
{
    const unsigned char *data = bytes.data;
    uint32_t hash = UINT32_C(2166136261);
    for (size_t i = 0; i < bytes.size; i++)
        hash = (hash ^ data[i]) * UINT32_C(16777619);
    return hash % KNOWN;
}

/* The bytes of a name as it is written, which are its form where that is plain. */
static struct sfs_bytes written(struct sfs_json name)
{
    return sfs_bytes((const char *)name.text.data + 1, name.text.size - 2);
}

static bool is_known(const struct sample *sample, struct sfs_json name)
{
    const struct sfs_value *known = sample->known[slot_of(written(name))];
    return known && sfs_bytes_equal(known->is.text, written(name));
}

static int add_name(struct sample *sample, struct sfs_json name)
{
    struct sfs_buffer decoded = {0};
    struct sfs_json_step step = {.kind = SFS_JSON_STEP_NAME};
    struct sfs_field field = {.steps = &step, .count = 1};
    struct sfs_value text = {.kind = SFS_VALUE_TEXT};
    size_t index = 0;
    bool found = false;
    sample->form.size = 0;
    int result = sfs_json_string_decode(name, &decoded);
    step.name = sfs_buffer_bytes(&decoded);
    if (result == 0)
        result = sfs_field_print(&field, &sample->form);
    text.is.text = sfs_buffer_bytes(&sample->form);
    if (result == 0)
        result = find(sample, &text, &index, &found);
    if (result == 0 && !found)
        result = insert(sample, index);
    if (result == 0 && index < sample->count)
        sample->known[slot_of(written(name))] = sample->values[index];
    sfs_buffer_free(&decoded);
    return result;
}

static int add_names(struct sample *sample, struct sfs_subject *subject)
{
    struct sfs_json root;
    struct sfs_json name;
    struct sfs_json value;
    if (!sfs_subject_root(subject, &root) || root.type != SFS_JSON_OBJECT)
        return 0;
    struct sfs_json_cursor cursor = sfs_json_begin(root);
    int result = 0;
    while (result == 0 && sfs_json_next_member(&cursor, &name, &value))
        result = is_known(sample, name) ? 0 : add_name(sample, name);
    return result;
}

/* Whether it has to end before this record: 1, 0, or what a guard says, whom large values must not
 * keep waiting. */
static int has_enough(struct sample *sample, const struct sfs_guard *guard, size_t records,
                      uint64_t *bytes, struct sfs_error *error)
{
    if (*bytes < SAMPLE_BYTES && (sample->names || records < SAMPLE_RECORDS))
        return 0;
    *bytes = 0;
    return sample->names ? sfs_guard_ask(guard, error) : 1;
}

static int read_records(struct sample *sample, struct sfs_cursor *cursor,
                        const struct sfs_guard *guard, struct sfs_error *error)
{
    const struct sfs_record *record = NULL;
    int found;
    uint64_t bytes = 0;
    for (size_t i = 0; (found = sfs_cursor_next(cursor, &record, error)) > 0; i++) {
        int enough = has_enough(sample, guard, i, &bytes, error);
        if (enough < 0)
            return enough;
        if (enough) {
            sample->complete = false;
            return 0;
        }
        bytes += record->size;
        struct sfs_subject subject = sfs_subject(record);
        int result = sample->names ? add_names(sample, &subject) : add_value(sample, &subject);
        if (result)
            return sfs_fail_memory(error, "query");
    }
    return found;
}

static int visit_values(struct sample *sample, int (*visit)(void *context, struct sfs_bytes text),
                        void *context, struct sfs_error *error)
{
    for (size_t i = 0; i < sample->count; i++) {
        sample->form.size = 0;
        int result = sample->names ? sfs_buffer_add(&sample->form, sample->values[i]->is.text)
                                   : sfs_value_form(sample->values[i], &sample->form);
        if (result)
            return sfs_fail_memory(error, "query");
        result = visit(context, sfs_buffer_bytes(&sample->form));
        if (result)
            return result;
    }
    return 0;
}

/* When the time of the sample is over, what was found is shown; that of the query is an error. */
static int run_sample(struct sample *sample, struct sfs_storage *store,
                      const struct sfs_query *query, struct sfs_error *error)
{
    struct sfs_cursor *cursor = NULL;
    struct sfs_query *timed = NULL;
    struct sfs_guard guard;
    uint64_t most = sample->names ? FIELDS_MS : SAMPLE_MS;
    unsigned want = SFS_WANT_VALUE | (sample->names ? SFS_WANT_BARE : 0);
    int result = sfs_query_copy(&timed, query, error);
    if (result)
        return result;
    sample->complete = true;
    bool own = query->options.time_ms == 0 || query->options.time_ms > most;
    timed->options.time_ms = own ? most : query->options.time_ms;
    sfs_guard_begin(&guard, &timed->options);
    result = sfs_query_open(store, timed, want, &cursor, error);
    if (result == 0)
        result = read_records(sample, cursor, &guard, error);
    sfs_cursor_close(cursor);
    sfs_query_free(timed);
    if (result != SFS_E_TIMED_OUT || !own)
        return result;
    sample->complete = false;
    return 0;
}

int sfs_query_fields(struct sfs_storage *store, const struct sfs_query *query,
                     int (*visit)(void *context, struct sfs_bytes text), void *context,
                     bool *ret_complete, struct sfs_error *error)
{
    struct sample sample = {.names = true};
    int result = run_sample(&sample, store, query, error);
    if (result == 0)
        result = visit_values(&sample, visit, context, error);
    if (result == 0)
        *ret_complete = sample.complete;
    sample_free(&sample);
    return result;
}

/* --- from an index --- */

struct listing {
    struct sample sample; /* for the form, and what is complete */
    size_t shown;
    int (*visit)(void *context, struct sfs_bytes text);
    void *context;
    int ended; /* what the visit returned */
};

static int show_value(void *context, const struct sfs_value *value, struct sfs_error *error)
{
    struct listing *listing = context;
    struct sample *sample = &listing->sample;
    sample->form.size = 0;
    int fits = sfs_value_form(value, &sample->form);
    if (fits == 0)
        fits = form_fits(sample);
    if (fits < 0)
        return sfs_fail_memory(error, "query");
    if (!fits || listing->shown == INDEX_VALUES) {
        sample->complete = false;
        return fits; /* one too many ends it */
    }
    listing->shown++;
    listing->ended = listing->visit(listing->context, sfs_buffer_bytes(&sample->form));
    return listing->ended;
}

/* Shows all values from an index, if there is one for it: *ret_done. */
static int list_values(struct sample *sample, struct sfs_storage *store,
                       const struct sfs_query *query,
                       int (*visit)(void *context, struct sfs_bytes text), void *context,
                       bool *ret_done, struct sfs_error *error)
{
    struct listing listing = {.visit = visit, .context = context, .sample.complete = true};
    for (size_t i = 0; i < query->count; i++) {
        *ret_done = false;
        if (!query->stages[i]->node)
            return 0;
    }
    int result =
        sfs_index_values(store, query, &sample->field, show_value, &listing, ret_done, error);
    sample->complete = listing.sample.complete;
    sample_free(&listing.sample);
    bool cut = result > 0 && !listing.ended;
    return cut ? 0 : result;
}

int sfs_query_values(struct sfs_storage *store, const struct sfs_query *query,
                     struct sfs_bytes field, int (*visit)(void *context, struct sfs_bytes text),
                     void *context, bool *ret_complete, struct sfs_error *error)
{
    struct sample sample = {0};
    bool done = false;
    int result = sfs_field_parse("by", field, &sample.arena, &sample.field, error);
    if (result == 0)
        result = list_values(&sample, store, query, visit, context, &done, error);
    if (result == 0 && !done)
        result = run_sample(&sample, store, query, error);
    if (result == 0 && !done)
        result = visit_values(&sample, visit, context, error);
    if (result == 0)
        *ret_complete = sample.complete;
    sample_free(&sample);
    return result;
}
