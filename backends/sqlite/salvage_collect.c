/* SPDX-License-Identifier: MIT */
/*
 * Which rows a damaged store has. Each tree is walked from its root. Where a page of one is
 * damaged, what lies below it is found by looking at all pages that belong to no tree: a leaf is
 * known by the form of its rows. Where the schema is lost, roots are where a new store has them.
 * Freed pages keep old rows, so what is found without its tree must be in the index of names, if
 * that is whole.
 */
#include "backends/sqlite/salvage.h"

#include <stdlib.h>
#include <string.h>

#define TAKEN 1
#define FREED 2
#define NAME_RUN ((size_t)1 << 20)

enum form {
    FORM_NONE,
    FORM_RECORD,
    FORM_NAME,
    FORM_BLOCK,
    FORM_PART,
    FORM_STATE,
    FORM_INDEX,
    FORM_SCHEMA
};

struct tree {
    const char *name;
    enum form form;
    uint32_t root; /* where a new store has it; replaced by what the schema says */
    bool known;    /* by the schema */
    bool damaged;
};

struct walk {
    struct sfs_collection *collection;
    struct tree *trees;
    struct tree *tree; /* this one, or NULL in the sweep */
    struct sfs_payload payload;
    bool swept;
    uint64_t total; /* records there should be; UINT64_MAX: unknown */
    unsigned char page[65536];
};

/* The array with room for one more than `count`, doubled when it is full; NULL: no memory, and it
 * stays. */
static void *with_room(void *array, size_t count, size_t size)
{
    return count & (count - 1) ? array : realloc(array, (count ? count * 2 : 1) * size);
}

/* --- the forms of rows --- */

static bool has_type(const struct sfs_columns *row, unsigned at, int type)
{
    return at < row->count && (int)row->columns[at].type == type;
}

static bool are_integers(const struct sfs_columns *row, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        if (!has_type(row, i, SFS_COLUMN_INTEGER))
            return false;
    }
    return true;
}

static enum form form_of(const struct sfs_columns *row, bool table)
{
    if (!table && row->count == 2 && has_type(row, 0, SFS_COLUMN_BLOB) &&
        has_type(row, 1, SFS_COLUMN_INTEGER))
        return FORM_NAME;
    if (!table)
        return row->count == 5 && are_integers(row, 0, 5) ? FORM_PART : FORM_NONE;
    if (row->count == 5 && has_type(row, 0, SFS_COLUMN_TEXT))
        return FORM_SCHEMA;
    if (!has_type(row, 0, SFS_COLUMN_NULL))
        return FORM_NONE;
    if (row->count >= 18 && row->count <= 21 && has_type(row, 1, SFS_COLUMN_BLOB))
        return FORM_RECORD;
    if (row->count == 2 && has_type(row, 1, SFS_COLUMN_BLOB))
        return FORM_BLOCK;
    if (row->count == 10 && has_type(row, 1, SFS_COLUMN_TEXT))
        return FORM_INDEX;
    return row->count >= 10 && are_integers(row, 1, row->count) ? FORM_STATE : FORM_NONE;
}

static bool is_table(const struct sfs_page *page)
{
    return page->kind == SFS_PAGE_TABLE_LEAF || page->kind == SFS_PAGE_TABLE_INNER;
}

static bool is_inner(const struct sfs_page *page)
{
    return page->kind == SFS_PAGE_TABLE_INNER || page->kind == SFS_PAGE_INDEX_INNER;
}

/* What the beginning of the cell's payload, in its page, shows. */
static enum form form_of_cell(const struct sfs_page *page, const struct sfs_cell *cell)
{
    struct sfs_columns row;
    if (!sfs_columns_read(sfs_bytes(cell->local, cell->local_size), cell->size, &row))
        return FORM_NONE;
    return form_of(&row, is_table(page));
}

/* --- visits: one row each --- */

static const char *keep_name(struct sfs_collection *collection, struct sfs_bytes name)
{
    if (collection->name_left < name.size) {
        char **names = with_room(collection->names, collection->name_runs, sizeof(*names));
        collection->names = names ? names : collection->names;
        char *run = names ? malloc(NAME_RUN) : NULL;
        if (!run)
            return NULL;
        names[collection->name_runs++] = run;
        collection->name_left = NAME_RUN;
    }
    char *kept = collection->names[collection->name_runs - 1] + NAME_RUN - collection->name_left;
    memcpy(kept, name.data, name.size);
    collection->name_left -= name.size;
    return kept;
}

static int add_found(struct sfs_collection *collection, struct sfs_bytes name, enum sfs_find find,
                     struct sfs_spot spot, uint64_t revision)
{
    const char *kept = keep_name(collection, name);
    struct sfs_found *records =
        kept ? with_room(collection->records, collection->record_count, sizeof(*records)) : NULL;
    if (!records)
        return SFS_E_NO_MEMORY;
    collection->records = records;
    records[collection->record_count++] =
        (struct sfs_found){kept, (uint16_t)name.size, (uint8_t)find, spot, revision};
    return 0;
}

/* A name that a record can have. */
static bool is_name(struct sfs_bytes name)
{
    return name.data && sfs_name_check(name, NULL) == 0;
}

static int visit_record(struct walk *walk, const struct sfs_columns *row, struct sfs_spot spot,
                        bool broken)
{
    struct sfs_bytes name = row->columns[1].bytes;
    if (!is_name(name)) {
        walk->trees[0].damaged = true;
        return 0;
    }
    return add_found(walk->collection, name, broken ? SFS_FOUND_BROKEN : SFS_FOUND, spot,
                     broken ? 0 : (uint64_t)row->columns[2].integer);
}

static int visit_block(struct walk *walk, struct sfs_spot spot)
{
    struct sfs_collection *collection = walk->collection;
    struct sfs_spot *blocks =
        with_room(collection->blocks, collection->block_count, sizeof(*blocks));
    if (!blocks)
        return SFS_E_NO_MEMORY;
    collection->blocks = blocks;
    blocks[collection->block_count++] = spot;
    return 0;
}

static int visit_part(struct walk *walk, const struct sfs_columns *row, struct sfs_spot spot)
{
    struct sfs_collection *collection = walk->collection;
    const struct sfs_column *columns = row->columns;
    struct sfs_part_row *parts =
        with_room(collection->parts, collection->part_count, sizeof(*parts));
    if (!parts)
        return SFS_E_NO_MEMORY;
    collection->parts = parts;
    parts[collection->part_count++] = (struct sfs_part_row){
        columns[0].integer, columns[1].integer, columns[2].integer, columns[3].integer,
        columns[4].integer, spot.page,          spot.cell};
    return 0;
}

static void visit_schema(struct walk *walk, const struct sfs_columns *row)
{
    struct sfs_bytes name = row->columns[1].bytes;
    if (!name.data || !has_type(row, 3, SFS_COLUMN_INTEGER))
        return;
    for (struct tree *tree = walk->trees; tree->name; tree++) {
        if (!sfs_bytes_equal(name, sfs_string(tree->name)))
            continue;
        tree->root = (uint32_t)row->columns[3].integer;
        tree->known = true;
    }
}

static int visit_index(struct walk *walk, const struct sfs_columns *row)
{
    struct sfs_buffer *names = &walk->collection->indexes;
    if (has_type(row, 2, SFS_COLUMN_NULL) || !has_type(row, 3, SFS_COLUMN_NULL) ||
        !row->columns[1].bytes.data || row->columns[1].bytes.size == 0)
        return 0;
    return sfs_buffer_add(names, row->columns[1].bytes) || sfs_buffer_byte(names, '\0')
               ? SFS_E_NO_MEMORY
               : 0;
}

static int visit_row(struct walk *walk, enum form form, const struct sfs_columns *row,
                     struct sfs_spot spot, bool broken)
{
    if (form == FORM_RECORD)
        return visit_record(walk, row, spot, broken);
    if (broken)
        walk->tree->damaged = true;
    else if (form == FORM_NAME && is_name(row->columns[0].bytes)) {
        spot.id = row->columns[1].integer;
        return add_found(walk->collection, row->columns[0].bytes, SFS_FOUND_NAME, spot, 0);
    } else if (form == FORM_PART)
        return visit_part(walk, row, spot);
    else if (form == FORM_SCHEMA)
        visit_schema(walk, row);
    else if (form == FORM_INDEX)
        return visit_index(walk, row);
    else if (form == FORM_STATE)
        walk->total = (uint64_t)row->columns[6].integer;
    return 0;
}

/* A block is not read now: it may be large. */
static int visit_cell(struct walk *walk, const struct sfs_page *page, unsigned at)
{
    struct sfs_cell cell = sfs_page_cell(walk->collection->pages, page, at);
    struct sfs_spot spot = {cell.id, page->number, (uint16_t)at, walk->swept};
    enum form form = form_of_cell(page, &cell);
    struct sfs_columns row;
    if (form == FORM_NONE || form != walk->tree->form) {
        walk->tree->damaged = true;
        return 0;
    }
    if (form == FORM_BLOCK)
        return visit_block(walk, spot);
    int code =
        sfs_cell_payload(walk->collection->pages, &cell, walk->collection->taken, &walk->payload);
    if (code == SFS_E_NO_MEMORY)
        return code;
    bool broken =
        code != 0 || !sfs_columns_read(sfs_buffer_bytes(&walk->payload.bytes), cell.size, &row);
    if (broken)
        (void)sfs_columns_read(sfs_bytes(cell.local, cell.local_size), cell.size, &row);
    return visit_row(walk, form, &row, spot, broken);
}

static int visit_page(struct walk *walk, const struct sfs_page *page)
{
    int code = 0;
    for (unsigned i = 0; i < page->count && code == 0; i++)
        code = visit_cell(walk, page, i);
    return code;
}

/* --- walking a tree --- */

/* Whether its way down, at the left, ends at rows of its form. */
static bool leads_to_rows(struct walk *walk, const struct tree *tree)
{
    const struct sfs_pages *pages = walk->collection->pages;
    uint32_t number = tree->root;
    struct sfs_page page;
    for (int depth = 0; depth < 40; depth++) {
        if (!sfs_pages_read(pages, number, walk->page) ||
            !sfs_page_parse(pages, number, walk->page, &page))
            return false;
        struct sfs_cell cell = {0};
        if (page.count > 0)
            cell = sfs_page_cell(pages, &page, 0);
        if (!is_inner(&page))
            return page.count > 0 && form_of_cell(&page, &cell) == tree->form;
        number = page.count > 0 ? cell.child : page.last;
    }
    return false;
}

static int push_children(const struct sfs_pages *pages, const struct sfs_page *page,
                         struct sfs_buffer *stack)
{
    int code = sfs_buffer_append(stack, &page->last, sizeof(page->last));
    for (unsigned i = page->count; i > 0 && code == 0; i--) {
        struct sfs_cell cell = sfs_page_cell(pages, page, i - 1);
        code = sfs_buffer_append(stack, &cell.child, sizeof(cell.child));
    }
    return code;
}

static int walk_page(struct walk *walk, uint32_t number, struct sfs_buffer *stack)
{
    struct sfs_collection *collection = walk->collection;
    bool table = walk->tree->form != FORM_NAME && walk->tree->form != FORM_PART;
    struct sfs_page page;
    if (!sfs_pages_read(collection->pages, number, walk->page) || collection->taken[number] ||
        !sfs_page_parse(collection->pages, number, walk->page, &page) || is_table(&page) != table) {
        walk->tree->damaged = true;
        return 0;
    }
    collection->taken[number] = TAKEN;
    int code = is_inner(&page) ? push_children(collection->pages, &page, stack) : 0;
    bool rows = page.kind != SFS_PAGE_TABLE_INNER;
    return code == 0 && rows ? visit_page(walk, &page) : code;
}

static int walk_tree(struct walk *walk, struct tree *tree)
{
    struct sfs_buffer stack = {0};
    walk->tree = tree;
    if (!tree->known && !leads_to_rows(walk, tree)) {
        tree->damaged = true;
        return 0;
    }
    int code = sfs_buffer_append(&stack, &tree->root, sizeof(tree->root));
    while (code == 0 && stack.size > 0) {
        uint32_t number;
        stack.size -= sizeof(number);
        memcpy(&number, stack.data + stack.size, sizeof(number));
        code = walk_page(walk, number, &stack);
    }
    sfs_buffer_free(&stack);
    return code;
}

/* --- pages that belong to no tree --- */

/* The list of free pages: their old content is not the store's. */
static void walk_free(struct walk *walk)
{
    struct sfs_collection *collection = walk->collection;
    const struct sfs_pages *pages = collection->pages;
    if (!pages->headed || !sfs_pages_read(pages, 1, walk->page))
        return;
    uint32_t trunk = sfs_big_endian(walk->page + 32, 4);
    while (sfs_pages_read(pages, trunk, walk->page) && !collection->taken[trunk]) {
        uint32_t count = sfs_big_endian(walk->page + 4, 4);
        if (count > pages->usable / 4 - 2)
            return;
        collection->taken[trunk] = FREED;
        for (uint32_t i = 0; i < count; i++) {
            uint32_t leaf = sfs_big_endian(walk->page + 8 + i * 4, 4);
            if (leaf > 0 && leaf <= pages->count)
                collection->taken[leaf] = FREED;
        }
        trunk = sfs_big_endian(walk->page, 4);
    }
}

static struct tree *tree_of(struct walk *walk, enum form form)
{
    struct tree *tree = walk->trees;
    while (tree->name && tree->form != form)
        tree++;
    return tree;
}

/* The tree that a page without one is a part of: all of its rows have that tree's form. */
static struct tree *recognise(struct walk *walk, const struct sfs_page *page)
{
    enum form form = FORM_NONE;
    for (unsigned i = 0; i < page->count; i++) {
        struct sfs_cell cell = sfs_page_cell(walk->collection->pages, page, i);
        enum form each = form_of_cell(page, &cell);
        if (each == FORM_NONE || (i > 0 && each != form))
            return NULL;
        form = each;
    }
    if (form != FORM_RECORD && form != FORM_BLOCK && form != FORM_PART)
        return NULL;
    struct tree *tree = tree_of(walk, form);
    return tree->damaged ? tree : NULL;
}

static int sweep(struct walk *walk)
{
    struct sfs_collection *collection = walk->collection;
    int code = 0;
    walk->swept = true;
    for (uint32_t number = 2; number <= collection->pages->count && code == 0; number++) {
        struct sfs_page page;
        if (collection->taken[number] || !sfs_pages_read(collection->pages, number, walk->page) ||
            !sfs_page_parse(collection->pages, number, walk->page, &page) ||
            page.kind == SFS_PAGE_TABLE_INNER)
            continue;
        walk->tree = recognise(walk, &page);
        if (!walk->tree)
            continue;
        collection->taken[number] = TAKEN;
        code = visit_page(walk, &page);
    }
    return code;
}

/* --- in order --- */

static int compare_found(const void *left, const void *right)
{
    const struct sfs_found *a = left, *b = right;
    int order =
        sfs_bytes_compare(sfs_bytes(a->name, a->name_size), sfs_bytes(b->name, b->name_size));
    if (order != 0)
        return order;
    if (a->find != b->find)
        return a->find < b->find ? -1 : 1;
    if (a->spot.swept != b->spot.swept)
        return a->spot.swept ? 1 : -1;
    return (a->revision < b->revision) - (a->revision > b->revision);
}

static int compare_blocks(const void *left, const void *right)
{
    const struct sfs_spot *a = left, *b = right;
    if (a->id != b->id)
        return a->id < b->id ? -1 : 1;
    return a->swept - b->swept;
}

static int compare_parts(const void *left, const void *right)
{
    const struct sfs_part_row *a = left, *b = right;
    if (a->content != b->content)
        return a->content < b->content ? -1 : 1;
    if (a->part != b->part)
        return a->part < b->part ? -1 : 1;
    return (a->begun > b->begun) - (a->begun < b->begun);
}

/* Of several rows for one name the best; a swept one that the whole index of names does not have is
 * an old one. */
static void settle_names(struct sfs_collection *collection, bool names_whole)
{
    struct sfs_found *records = collection->records;
    size_t kept = 0;
    for (size_t i = 0; i < collection->record_count;) {
        struct sfs_bytes name = sfs_bytes(records[i].name, records[i].name_size);
        const struct sfs_found *best = NULL, *entry = NULL;
        size_t end = i;
        for (; end < collection->record_count &&
               sfs_bytes_equal(name, sfs_bytes(records[end].name, records[end].name_size));
             end++)
            entry = records[end].find == SFS_FOUND_NAME ? &records[end] : entry;
        for (size_t at = i; at < end && !best; at++) {
            bool stale = records[at].spot.swept && names_whole &&
                         (!entry || entry->spot.id != records[at].spot.id);
            best = stale ? NULL : &records[at];
        }
        if (best)
            records[kept++] = *best;
        i = end;
    }
    collection->record_count = kept;
}

/* Two rows of one block, both without their tree, are an old and a new one, and none knows which.
 */
static void settle_blocks(struct sfs_collection *collection)
{
    struct sfs_spot *blocks = collection->blocks;
    size_t kept = 0;
    for (size_t i = 0, end; i < collection->block_count; i = end) {
        for (end = i + 1; end < collection->block_count && blocks[end].id == blocks[i].id;)
            end++;
        if (end == i + 1 || !blocks[i].swept)
            blocks[kept++] = blocks[i];
    }
    collection->block_count = kept;
}

static void sort(void *array, size_t count, size_t size, int (*compare)(const void *, const void *))
{
    if (count > 1)
        qsort(array, count, size, compare);
}

/* --- what remains unnamed --- */

static int note_unnamed(struct walk *walk, bool names_whole)
{
    struct sfs_collection *collection = walk->collection;
    size_t swept = 0;
    for (size_t i = 0; i < collection->record_count; i++)
        swept += collection->records[i].spot.swept && collection->records[i].find == SFS_FOUND;
    bool certain = !walk->trees[0].damaged || names_whole;
    if (certain)
        return 0;
    uint64_t missing =
        walk->total > collection->record_count ? walk->total - collection->record_count : 0;
    int code = 0;
    if (walk->total == UINT64_MAX)
        code = sfs_notes_add(
            collection->notes, SFS_E_DOUBTFUL,
            "more records may be lost: neither their number nor all names can be read");
    else if (missing > 0)
        code = sfs_notes_add(collection->notes, SFS_E_DOUBTFUL,
                             "%llu more records are lost; their names cannot be read",
                             (unsigned long long)missing);
    if (code == 0 && swept > 0)
        code = sfs_notes_add(
            collection->notes, SFS_E_DOUBTFUL,
            "%zu records were found without their index of names: deleted ones may be "
            "among them",
            swept);
    return code;
}

static int collect(struct walk *walk)
{
    struct tree *trees = walk->trees;
    struct sfs_collection *collection = walk->collection;
    struct tree schema = {"", FORM_SCHEMA, 1, true, false};
    int code = walk_tree(walk, &schema);
    walk_free(walk);
    for (int i = 0; trees[i].name && code == 0; i++) {
        if (trees[i].form != FORM_NAME || trees[0].damaged)
            code = walk_tree(walk, &trees[i]);
    }
    struct tree *names = tree_of(walk, FORM_NAME), *parts = tree_of(walk, FORM_PART);
    if (code == 0 && (trees[0].damaged || tree_of(walk, FORM_BLOCK)->damaged || parts->damaged))
        code = sweep(walk);
    if (code != 0)
        return code;
    collection->parts_whole = !parts->damaged;
    sort(collection->records, collection->record_count, sizeof(*collection->records),
         compare_found);
    sort(collection->blocks, collection->block_count, sizeof(*collection->blocks), compare_blocks);
    sort(collection->parts, collection->part_count, sizeof(*collection->parts), compare_parts);
    settle_names(collection, trees[0].damaged && !names->damaged);
    settle_blocks(collection);
    return note_unnamed(walk, !names->damaged);
}

int sfs_collect(struct sfs_collection *collection, struct sfs_error *error)
{
    /* In this order: names are needed only where records are damaged. */
    struct tree trees[] = {
        {"record", FORM_RECORD, 4, false, false},
        {"sqlite_autoindex_record_1", FORM_NAME, 5, false, false},
        {"block", FORM_BLOCK, 6, false, false},
        {"chunk", FORM_PART, 7, false, false},
        {"state", FORM_STATE, 3, false, false},
        {"index_definition", FORM_INDEX, 13, false, false},
        {0},
    };
    const struct sfs_pages *pages = collection->pages;
    if (pages->headed && pages->application != SFS_SQLITE_APPLICATION)
        return sfs_fail(error, SFS_E_NOT_A_STORE, SFS_SQLITE_ORIGIN,
                        "%s is no store: it is another program's SQLite database", pages->path);
    if (pages->headed && pages->format > SFS_SQLITE_FORMAT)
        return sfs_fail(
            error, SFS_E_TOO_NEW, SFS_SQLITE_ORIGIN,
            "%s was written by a newer version: its format is %u, and this version reads up to %d",
            pages->path, pages->format, SFS_SQLITE_FORMAT);
    struct walk *walk = calloc(1, sizeof(*walk));
    collection->taken = calloc((size_t)pages->count + 1, 1);
    int code = walk && collection->taken ? 0 : SFS_E_NO_MEMORY;
    if (code == 0) {
        walk->collection = collection;
        walk->trees = trees;
        walk->total = UINT64_MAX;
        code = collect(walk);
        sfs_buffer_free(&walk->payload.bytes);
    }
    bool trace = trees[0].known || collection->record_count > 0;
    free(walk);
    if (code != 0)
        return sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
    if (!trace && pages->frames[0])
        return sfs_fail(error, SFS_E_IO, SFS_SQLITE_ORIGIN, "%s cannot be read: its disk fails",
                        pages->path);
    if (!trace)
        return sfs_fail(error, SFS_E_NOT_A_STORE, SFS_SQLITE_ORIGIN,
                        "%s is no store: it has no trace of a record", pages->path);
    return 0;
}

void sfs_collection_free(struct sfs_collection *collection)
{
    for (size_t i = 0; i < collection->name_runs; i++)
        free(collection->names[i]);
    free(collection->names);
    free(collection->taken);
    free(collection->records);
    free(collection->blocks);
    free(collection->parts);
    sfs_buffer_free(&collection->indexes);
    *collection = (struct sfs_collection){0};
}
