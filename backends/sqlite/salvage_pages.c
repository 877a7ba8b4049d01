/* SPDX-License-Identifier: MIT */
/*
 * The pages of a damaged store. The write-ahead log is read as SQLite does, frame by frame up to
 * the last commit, but goes on behind a frame whose checksum does not fit: each checksum continues
 * the one before, which stands in the frame before, so that later frames can still be told whole.
 * The page of a damaged frame is damaged: an older one in the file would be an old state.
 */
#include "backends/sqlite/salvage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOG_HEAD 32
#define FRAME_HEAD 24
#define DAMAGED UINT32_MAX
#define SAMPLE ((int64_t)1 << 20) /* bytes that are looked at for the size of a page */

/* Through SQLite's own file layer: closing a descriptor of our own would drop the locks that this
 * process may have on the file. */
static int open_one(const char *path, int kind, sqlite3_file **ret_file)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    sqlite3_file *file = calloc(1, (size_t)vfs->szOsFile);
    if (!file)
        return SQLITE_NOMEM;
    int result = vfs->xOpen(vfs, path, file, SQLITE_OPEN_READONLY | kind, NULL);
    if (result != SQLITE_OK) {
        if (file->pMethods)
            file->pMethods->xClose(file);
        free(file);
        return result;
    }
    *ret_file = file;
    return SQLITE_OK;
}

static void close_one(sqlite3_file *file)
{
    if (!file)
        return;
    file->pMethods->xClose(file);
    free(file);
}

static bool read_at(sqlite3_file *file, void *data, size_t size, int64_t offset)
{
    return file->pMethods->xRead(file, data, (int)size, offset) == SQLITE_OK;
}

bool sfs_pages_read(const struct sfs_pages *pages, uint32_t number, unsigned char *data)
{
    if (number == 0 || number > pages->count)
        return false;
    uint32_t frame = pages->frames[number];
    if (frame == DAMAGED)
        return false;
    if (frame == 0) {
        int result = pages->file->pMethods->xRead(pages->file, data, (int)pages->size,
                                                  (int64_t)(number - 1) * pages->size);
        pages->frames[0] |= result != SQLITE_OK && result != SQLITE_IOERR_SHORT_READ;
        return result == SQLITE_OK;
    }
    int64_t at = LOG_HEAD + (int64_t)(frame - 1) * (FRAME_HEAD + pages->size) + FRAME_HEAD;
    return read_at(pages->log, data, pages->size, at);
}

/* --- the log --- */

struct log {
    struct sfs_pages *pages;
    unsigned char *frame; /* head and page */
    unsigned char salts[8];
    bool big_endian;
    uint32_t sums[2];
    uint32_t frames;
    uint32_t *owners; /* by frame from 1: its page */
    uint8_t *bad;     /* by frame */
    bool torn;        /* one behind the last commit is damaged, which may have been the next */
    uint32_t last;    /* the last commit, 0: none */
    uint32_t size;    /* pages there were then */
};

static uint32_t word_at(const struct log *log, const unsigned char *data)
{
    if (log->big_endian)
        return sfs_big_endian(data, 4);
    return (uint32_t)data[3] << 24 | (uint32_t)data[2] << 16 | (uint32_t)data[1] << 8 | data[0];
}

static void add_sums(struct log *log, const unsigned char *data, size_t size)
{
    for (size_t i = 0; i < size; i += 8) {
        log->sums[0] += word_at(log, data + i) + log->sums[1];
        log->sums[1] += word_at(log, data + i + 4) + log->sums[0];
    }
}

static bool is_page_size(uint32_t size)
{
    return size >= 512 && size <= 65536 && (size & (size - 1)) == 0;
}

/* Where the head is damaged the salts are those of the second frame, which is on another part of
 * the disk. */
static bool begin_log(struct log *log, int64_t log_size)
{
    unsigned char head[LOG_HEAD] = {0};
    struct sfs_pages *pages = log->pages;
    bool whole = read_at(pages->log, head, sizeof(head), 0);
    uint32_t magic = sfs_big_endian(head, 4);
    log->big_endian = magic & 1;
    add_sums(log, head, 24);
    whole = whole && (magic & ~1u) == 0x377f0682 && log->sums[0] == sfs_big_endian(head + 24, 4) &&
            log->sums[1] == sfs_big_endian(head + 28, 4) &&
            is_page_size(sfs_big_endian(head + 8, 4));
    if (whole && !pages->headed)
        pages->size = pages->usable = sfs_big_endian(head + 8, 4);
    size_t step = FRAME_HEAD + pages->size;
    log->frames = log_size > LOG_HEAD ? (uint32_t)((log_size - LOG_HEAD) / (int64_t)step) : 0;
    memcpy(log->salts, head + 16, 8);
    if (whole || log->frames < 2)
        return whole && log->frames > 0;
    log->big_endian = false; /* as processors write it that this runs on */
    pages->log_damaged = true;
    return read_at(pages->log, head, FRAME_HEAD, LOG_HEAD + (int64_t)step) &&
           memcpy(log->salts, head + 8, 8);
}

/* Frames behind `frames` are of an earlier log: their salts are others. */
static bool read_frame(struct log *log, uint32_t number)
{
    struct sfs_pages *pages = log->pages;
    size_t step = FRAME_HEAD + pages->size;
    if (!read_at(pages->log, log->frame, step, LOG_HEAD + (int64_t)(number - 1) * (int64_t)step))
        memset(log->frame, 0, step);
    bool ours = memcmp(log->frame + 8, log->salts, 8) == 0;
    add_sums(log, log->frame, 8);
    add_sums(log, log->frame + FRAME_HEAD, pages->size);
    uint32_t sums[2] = {sfs_big_endian(log->frame + 16, 4), sfs_big_endian(log->frame + 20, 4)};
    log->owners[number] = sfs_big_endian(log->frame, 4);
    log->bad[number] = !ours || sums[0] != log->sums[0] || sums[1] != log->sums[1];
    log->torn |= ours && log->bad[number];
    memcpy(log->sums, sums, sizeof(sums));
    if (!log->bad[number] && sfs_big_endian(log->frame + 4, 4) != 0) {
        log->torn = false;
        log->last = number;
        log->size = sfs_big_endian(log->frame + 4, 4);
    }
    return ours;
}

/* A few frames that are not of this log may be damaged ones; many are its end. */
static void read_frames(struct log *log)
{
    uint32_t foreign = 0;
    for (uint32_t i = 1; i <= log->frames && foreign < 64; i++)
        foreign = read_frame(log, i) ? 0 : foreign + 1;
}

static int use_frames(struct log *log, struct sfs_notes *notes)
{
    struct sfs_pages *pages = log->pages;
    uint32_t damaged = 0;
    for (uint32_t i = 1; i <= log->last; i++) {
        uint32_t owner = log->owners[i];
        damaged += log->bad[i];
        if (owner > 0 && owner <= pages->count)
            pages->frames[owner] = log->bad[i] ? DAMAGED : i;
    }
    pages->log_damaged |= damaged > 0 || log->torn;
    if (!pages->log_damaged)
        return 0;
    return sfs_notes_add(
        notes, SFS_E_DOUBTFUL,
        "the log %s-wal is damaged (%u of %u pages in it): what was written last may be lost, or "
        "be there as it was before",
        pages->path, damaged, log->last);
}

static int read_log(struct sfs_pages *pages, int64_t size, struct sfs_notes *notes)
{
    struct log log = {.pages = pages};
    int code = 0;
    if (!begin_log(&log, size))
        return 0;
    log.frame = malloc(FRAME_HEAD + pages->size);
    log.owners = calloc((size_t)log.frames + 1, sizeof(*log.owners));
    log.bad = calloc((size_t)log.frames + 1, 1);
    if (log.frame && log.owners && log.bad) {
        read_frames(&log);
        /* No page can be behind those there were and those that were written since. */
        pages->count = log.size > pages->count ? log.size : pages->count;
        uint32_t *frames = realloc(pages->frames, ((size_t)pages->count + 1) * sizeof(*frames));
        if (frames) {
            memset(frames, 0, ((size_t)pages->count + 1) * sizeof(*frames));
            pages->frames = frames;
            code = use_frames(&log, notes);
        } else {
            code = SFS_E_NO_MEMORY;
        }
    } else {
        code = SFS_E_NO_MEMORY;
    }
    free(log.frame);
    free(log.owners);
    free(log.bad);
    return code;
}

/* --- the file --- */

/* Where others have the store open, a read transaction keeps what is read in its place. Without the
 * wal-index nobody has, and SQLite would make one. */
static void hold(struct sfs_pages *pages)
{
    char name[4096 + 16];
    struct stat status;
    snprintf(name, sizeof(name), "%s-shm", pages->path);
    /* Of an empty file SQLite would remove the log. */
    if (access(name, F_OK) != 0 || stat(pages->path, &status) != 0 || status.st_size == 0)
        return;
    if (sqlite3_open_v2(pages->path, &pages->reader, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX,
                        sfs_sqlite_vfs()) == SQLITE_OK)
        (void)sqlite3_exec(pages->reader, "BEGIN; SELECT count(*) FROM main.sqlite_master", NULL,
                           NULL, NULL);
}

/* The size with which most of the file's first pages make sense; the usual one if none does. */
static void guess_size(struct sfs_pages *pages, int64_t size)
{
    static const uint32_t sizes[] = {4096, 512, 1024, 2048, 8192, 16384, 32768, 65536};
    unsigned char data[65536];
    struct sfs_page page;
    int64_t best = -1;
    uint32_t chosen = 0;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        int64_t whole = 0;
        pages->size = pages->usable = sizes[i];
        for (int64_t at = sizes[i]; at + sizes[i] <= size && at < SAMPLE; at += sizes[i]) {
            if (read_at(pages->file, data, sizes[i], at) && sfs_page_parse(pages, 2, data, &page))
                whole += sizes[i];
        }
        if (whole > best) {
            best = whole;
            chosen = sizes[i];
        }
    }
    pages->size = pages->usable = chosen;
}

static void read_head(struct sfs_pages *pages, const unsigned char *head)
{
    pages->headed = false;
    if (memcmp(head, "SQLite format 3", 16) != 0)
        return;
    uint32_t size = sfs_big_endian(head + 16, 2);
    size = size == 1 ? 65536 : size;
    if (!is_page_size(size) || size - head[20] < 480)
        return;
    pages->headed = true;
    pages->format = sfs_big_endian(head + 60, 4);
    pages->application = sfs_big_endian(head + 68, 4);
    pages->size = size;
    pages->usable = size - head[20];
}

static int open_file(struct sfs_pages *pages, struct sfs_error *error)
{
    sqlite3_int64 size = 0;
    unsigned char head[100] = {0};
    int result = open_one(pages->path, SQLITE_OPEN_MAIN_DB, &pages->file);
    if (result == SQLITE_OK)
        result = pages->file->pMethods->xFileSize(pages->file, &size);
    if (result != SQLITE_OK)
        return sfs_sqlite_fail_at(NULL, pages->path, result, "read the file", error);
    if (read_at(pages->file, head, sizeof(head), 0))
        read_head(pages, head);
    if (!pages->headed)
        guess_size(pages, size);
    int64_t count = size / pages->size;
    pages->count = count < DAMAGED ? (uint32_t)count : DAMAGED - 1;
    pages->frames = calloc((size_t)pages->count + 1, sizeof(*pages->frames));
    return pages->frames ? 0 : sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
}

/* The first page may have changed in the log. */
static void read_newest_head(struct sfs_pages *pages)
{
    unsigned char page[65536];
    if (pages->frames[1] == 0)
        return;
    pages->headed = false;
    if (sfs_pages_read(pages, 1, page))
        read_head(pages, page);
}

/* A log that is there and cannot be read would make an old state the present one. */
static int open_log(struct sfs_pages *pages, struct sfs_notes *notes, struct sfs_error *error)
{
    char name[4096 + 16];
    sqlite3_int64 size = 0;
    snprintf(name, sizeof(name), "%s-wal", pages->path);
    if (access(name, F_OK) != 0)
        return 0;
    int result = open_one(name, SQLITE_OPEN_WAL, &pages->log);
    if (result == SQLITE_OK)
        result = pages->log->pMethods->xFileSize(pages->log, &size);
    if (result != SQLITE_OK)
        return sfs_sqlite_fail_at(NULL, name, result, "read the log", error);
    return size > 0 && read_log(pages, size, notes) ? sfs_fail_memory(error, SFS_SQLITE_ORIGIN) : 0;
}

int sfs_pages_open(struct sfs_pages *pages, const char *path, struct sfs_notes *notes,
                   struct sfs_error *error)
{
    *pages = (struct sfs_pages){.path = path};
    hold(pages);
    int code = open_file(pages, error);
    if (code == 0)
        code = open_log(pages, notes, error);
    if (code == 0 && pages->count > 0)
        read_newest_head(pages);
    if (code != 0)
        sfs_pages_close(pages);
    return code;
}

void sfs_pages_close(struct sfs_pages *pages)
{
    close_one(pages->file);
    close_one(pages->log);
    sqlite3_close(pages->reader);
    free(pages->frames);
    *pages = (struct sfs_pages){0};
}
