/* SPDX-License-Identifier: MIT */
/* See clock_machine.h. */
#include "tests/unit/clock_machine.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

/* --- clocks and files of /proc --- */

struct machine *machine;

int __real_clock_gettime(clockid_t id, struct timespec *time);
int __wrap_clock_gettime(clockid_t id, struct timespec *time);
int __wrap_clock_gettime(clockid_t id, struct timespec *time)
{
    int result = __real_clock_gettime(id, time);
    if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)
        time->tv_sec += machine->real;
    else if (id == CLOCK_BOOTTIME)
        time->tv_sec += machine->boot;
    else
        time->tv_sec += machine->monotonic;
    return result;
}

static int file_of(const char *text)
{
    int fd = memfd_create("proc", MFD_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || lseek(fd, 0, SEEK_SET))
        abort();
    return fd;
}

static bool is_hidden(const char *path)
{
    return machine->no_proc && strncmp(path, "/proc/", 6) == 0;
}

/* A descriptor of what is the test's own; -1: it is not there, -2: the path is none of these. */
static int open_own(const char *path)
{
    errno = ENOENT;
    if (is_hidden(path))
        return -1;
    if (*machine->boot_id && strcmp(path, "/proc/sys/kernel/random/boot_id") == 0)
        return file_of(machine->boot_id);
    if (*machine->offsets && strcmp(path, "/proc/self/timens_offsets") == 0)
        return file_of(machine->offsets);
    return -2;
}

/* Which of the two names the library's calls have depends on the size of a file's offset. */
#define WRAP_OPEN(NAME)                                                                            \
    int __real_##NAME(const char *path, int flags, ...);                                           \
    int __wrap_##NAME(const char *path, int flags, ...);                                           \
    int __wrap_##NAME(const char *path, int flags, ...)                                            \
    {                                                                                              \
        va_list arguments;                                                                         \
        va_start(arguments, flags);                                                                \
        int mode = flags & O_CREAT ? va_arg(arguments, int) : 0;                                   \
        va_end(arguments);                                                                         \
        int own = open_own(path);                                                                  \
        return own == -2 ? __real_##NAME(path, flags, mode) : own;                                 \
    }
WRAP_OPEN(open)
WRAP_OPEN(open64)

#define WRAP_STAT(NAME)                                                                            \
    int __real_##NAME(const char *path, struct stat *status);                                      \
    int __wrap_##NAME(const char *path, struct stat *status);                                      \
    int __wrap_##NAME(const char *path, struct stat *status)                                       \
    {                                                                                              \
        errno = ENOENT;                                                                            \
        return is_hidden(path) ? -1 : __real_##NAME(path, status);                                 \
    }
WRAP_STAT(stat)
WRAP_STAT(stat64)

struct machine *machine_new(void)
{
    struct machine *own =
        mmap(NULL, sizeof(*own), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(own, MAP_FAILED);
    return own;
}

int64_t machine_time(void)
{
    struct timespec now;
    __real_clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec;
}

/* --- what is held --- */

/* In a forked process, too: nothing is asserted. */
#define WORKS(CALL)                                                                                \
    do {                                                                                           \
        struct sfs_error error = {0};                                                              \
        if ((CALL) < 0) {                                                                          \
            print_error("%s: %s: %s\n", held->name, #CALL, error.message);                         \
            return false;                                                                          \
        }                                                                                          \
    } while (false)
#define IS(CONDITION)                                                                              \
    do {                                                                                           \
        if (!(CONDITION)) {                                                                        \
            print_error("%s: not %s\n", held->name, #CONDITION);                                   \
            return false;                                                                          \
        }                                                                                          \
    } while (false)

static bool has(struct held *held, struct sfs_storage *store, const char *key, const char *value)
{
    struct sfs_buffer read = {0};
    WORKS(sfs_get_value(store, sfs_string(key), &read, &error));
    IS(sfs_bytes_equal(sfs_buffer_bytes(&read), sfs_string(value)));
    sfs_buffer_free(&read);
    return true;
}

char *pattern(void)
{
    char *data = malloc(LARGE);
    for (size_t i = 0; data && i < LARGE; i++)
        data[i] = (char)('a' + i % 23);
    return data;
}

bool hold(struct held *held)
{
    unsigned can = sfs_storage_capabilities(held->store);
    char *data = pattern();
    for (int level = 0; level < (can & SFS_CAN_SNAPSHOT ? LEVELS : 1); level++) {
        char key[40];
        const struct sfs_transaction_options options = {.isolation = (enum sfs_isolation)level};
        snprintf(key, sizeof(key), "%s-%d", held->name, level);
        WORKS(sfs_begin(held->store, &options, &held->transactions[level], &error));
        WORKS(sfs_set(sfs_transaction_storage(held->transactions[level]), sfs_string(key),
                      sfs_string("before"), &error));
    }
    if (can & SFS_CAN_SNAPSHOT)
        WORKS(sfs_snapshot(held->store, 0, &held->snapshot, &error));
    if (can & SFS_CAN_CHANGES)
        WORKS(sfs_changes(held->store, UINT64_MAX, &held->feed, &error));
    WORKS(sfs_stage_open(held->store, &held->stage, &error));
    WORKS(sfs_stage_write(held->stage, 0, sfs_bytes(data, LARGE), &error));
    free(data);
    return true;
}

static bool put_stage(struct held *held)
{
    struct sfs_batch *batch = NULL;
    struct sfs_buffer read = {0};
    char *data = pattern(), *staged = calloc(1, LARGE);
    WORKS(sfs_stage_read(held->stage, 0, staged, LARGE, &error));
    IS(memcmp(data, staged, LARGE) == 0);
    WORKS(sfs_batch_new(&batch, &error));
    WORKS(sfs_batch_put_stage(batch, sfs_string(held->name), held->stage, NULL, 0, &error));
    WORKS(sfs_apply(held->store, batch, NULL, NULL, &error));
    WORKS(sfs_get_value(held->store, sfs_string(held->name), &read, &error));
    IS(sfs_bytes_equal(sfs_buffer_bytes(&read), sfs_bytes(data, LARGE)));
    sfs_batch_free(batch);
    sfs_stage_close(held->stage);
    sfs_buffer_free(&read);
    free(data);
    free(staged);
    return true;
}

/* The change of "a" that came after the feed was opened. */
static bool follows(struct held *held)
{
    struct sfs_change change = {0};
    WORKS(sfs_feed_wait(held->feed, 10000, &error));
    while (!sfs_bytes_equal(change.name, SFS_LITERAL("a"))) {
        int code = 0;
        WORKS(code = sfs_feed_next(held->feed, &change, &error));
        IS(code == 1);
    }
    sfs_feed_close(held->feed);
    return true;
}

bool is_held(struct held *held)
{
    if (held->snapshot && !has(held, held->snapshot, "a", "1"))
        return false;
    for (int level = 0; level < LEVELS && held->transactions[level]; level++) {
        struct sfs_storage *inside = sfs_transaction_storage(held->transactions[level]);
        char key[40];
        snprintf(key, sizeof(key), "%s-%d", held->name, level);
        if (!has(held, inside, key, "before"))
            return false;
        WORKS(sfs_set(inside, sfs_string(key), sfs_string("after"), &error));
        WORKS(sfs_commit(held->transactions[level], NULL, &error));
        sfs_transaction_free(held->transactions[level]);
        if (!has(held, held->store, key, "after"))
            return false;
    }
    WORKS(held->snapshot ? sfs_close(held->snapshot, &error) : 0);
    return (!held->feed || follows(held)) && put_stage(held);
}

bool check(struct held *held)
{
    uint64_t found = 0, repaired = 0;
    WORKS(sfs_check(held->store, true, NULL, NULL, &found, &repaired, &error));
    return true;
}

/* --- another process --- */

static bool obey(struct held *held, const char *uri, char what)
{
    switch (what) {
    case 'o':
        WORKS(sfs_open(&held->store, uri, 0, &error));
        return true;
    case 'h':
        return hold(held);
    case 'f':
        return check(held);
    case 'v':
        return is_held(held);
    default:
        WORKS(sfs_close(held->store, &error));
        return true;
    }
}

static void be_neighbour(const char *uri, const char *name, int commands, int answers)
{
    struct held held = {.name = name};
    char what;
    end_with_parent();
    while (read(commands, &what, 1) == 1) {
        if (!obey(&held, uri, what) || write(answers, &what, 1) != 1)
            _exit(1);
    }
    _exit(0);
}

struct neighbour start(const char *uri, const char *name, struct machine *own)
{
    int commands[2], answers[2];
    assert_int_equal(pipe(commands), 0);
    assert_int_equal(pipe(answers), 0);
    pid_t process = fork();
    assert_true(process >= 0);
    if (process == 0) {
        close(commands[1]);
        close(answers[0]);
        machine = own ? own : machine;
        be_neighbour(uri, name, commands[0], answers[1]);
    }
    close(commands[0]);
    close(answers[1]);
    return (struct neighbour){process, commands[1], answers[0]};
}

void ask(const struct neighbour *neighbour, const char *letters)
{
    for (; *letters; letters++) {
        char answer;
        assert_int_equal(write(neighbour->ask, letters, 1), 1);
        if (read(neighbour->hear, &answer, 1) != 1)
            fail_msg("the other process failed at '%c'", *letters);
    }
}

void end(const struct neighbour *neighbour, int signal)
{
    int status;
    if (signal)
        assert_int_equal(kill(neighbour->process, signal), 0);
    close(neighbour->ask);
    assert_int_equal(waitpid(neighbour->process, &status, 0), neighbour->process);
    assert_int_equal(status, signal);
    close(neighbour->hear);
}
