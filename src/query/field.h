/* SPDX-License-Identifier: MIT */
#ifndef SFS_QUERY_FIELD_H
#define SFS_QUERY_FIELD_H

/*
 * Field: a path into a JSON document, or a property that every record has. And the subject: one
 * record under evaluation, whose text is scanned only when a field is first asked for.
 */
#include "query/reader.h"
#include "query/value.h"
#include "storefs/query_stages.h"
#include "storefs/record.h"

struct sfs_field {
    enum sfs_property property;
    const struct sfs_json_step *steps;
    size_t count;
};

/* Reads the field at the reader's position, without blanks around. INVALID, NO_MEMORY. */
int sfs_field_read(struct sfs_reader *reader, struct sfs_arena *arena, struct sfs_field *ret_field);
/* Reads a text that is one field and nothing else. */
int sfs_field_parse(const char *what, struct sfs_bytes text, struct sfs_arena *arena,
                    struct sfs_field *ret_field, struct sfs_error *error);
/* Whether two fields are the same place in a record. */
bool sfs_field_equals(const struct sfs_field *a, const struct sfs_field *b);
/* Whether a name is a word of the language, which only quotes make a field. */
bool sfs_field_is_word(struct sfs_bytes name);

/* What evaluating needs again for each row; {0} at first. Belongs to one thread. */
struct sfs_scratch {
    struct sfs_buffer bytes;
    void *match; /* regex.c */
};
void sfs_scratch_free(struct sfs_scratch *scratch);

struct sfs_subject {
    const struct sfs_record *record; /* with its value, where a path is asked for */
    struct sfs_scratch *scratch;     /* NULL: made where it is needed */
    bool scanned;
    bool is_json;
    struct sfs_json root;
};

static inline struct sfs_subject sfs_subject(const struct sfs_record *record)
{
    return (struct sfs_subject){.record = record};
}

/* The root of the subject's document; false where it is no JSON. */
bool sfs_subject_root(struct sfs_subject *subject, struct sfs_json *ret_root);
/* The field's value, a view into the record. */
struct sfs_value sfs_field_value(const struct sfs_field *field, struct sfs_subject *subject);

#endif
