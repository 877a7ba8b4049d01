/* SPDX-License-Identifier: MIT */
/*
 * calls FILE COMMAND [ARGUMENT...]: runs a command and counts its system calls in FILE, whose form
 * is in counters.h. All threads and children count. The command ends when this process does
 * (ptrace(2): PTRACE_O_EXITKILL).
 *
 * Not counted is what depends on when a thread is woken: locks and waits (futex, poll, sleep),
 * calls on what is no file (inotify, eventfd), and forgets and interrupts among the requests; nor
 * what libc asks for threads and memory, or for a free name (getrandom). A read or write of
 * /dev/fuse is a request or its answer, no call.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/cost/counters.h"

#define THREADS 256

/* The call that a thread is in. */
struct thread {
    pid_t id;
    uint64_t call;
    uint64_t arguments[6];
};

static struct counters *counters;
static struct thread threads[THREADS];

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "calls: %s: %s\n", what, strerror(errno));
    exit(125);
}

static struct thread *find_thread(pid_t id)
{
    for (size_t i = 0; i < THREADS; i++)
        if (threads[i].id == id)
            return &threads[i];
    return NULL;
}

static struct thread *thread_of(pid_t id)
{
    struct thread *thread = find_thread(id);
    if (!thread)
        thread = find_thread(0);
    if (!thread) {
        errno = EAGAIN;
        die("threads");
    }
    thread->id = id;
    return thread;
}

/* --- one call --- */

static bool is_one_of(uint64_t call, const long *list)
{
    for (; *list >= 0; list++)
        if ((uint64_t)*list == call)
            return true;
    return false;
}

static const long varying[] = {SYS_futex,
                               SYS_ppoll,
                               SYS_nanosleep,
                               SYS_clock_nanosleep,
                               SYS_sched_yield,
                               SYS_restart_syscall,
                               SYS_getrandom,
                               SYS_brk,
                               SYS_mmap,
                               SYS_munmap,
                               SYS_mremap,
                               SYS_mprotect,
                               SYS_madvise,
                               SYS_clone,
                               SYS_clone3,
                               SYS_set_robust_list,
                               SYS_rseq,
                               SYS_rt_sigprocmask,
                               SYS_exit,
#ifdef SYS_poll
                               SYS_poll,
#endif
                               -1};
static const long writes[] = {SYS_write, SYS_pwrite64, SYS_writev, SYS_pwritev, SYS_pwritev2, -1};
static const long reads[] = {SYS_read, SYS_readv, -1};
static const long syncs[] = {SYS_fsync, SYS_fdatasync, SYS_sync_file_range, SYS_syncfs, -1};

/* What the first argument, a descriptor, is open on. */
static const char *opened(const struct thread *thread)
{
    static char text[4096];
    char link[64];
    snprintf(link, sizeof(link), "/proc/%ld/fd/%d", (long)thread->id, (int)thread->arguments[0]);
    ssize_t size = readlink(link, text, sizeof(text) - 1);
    text[size > 0 ? size : 0] = '\0';
    return text;
}

static bool is_file(const char *path)
{
    return path[0] == '/' && strcmp(path, "/dev/fuse") != 0;
}

static void enter_call(struct thread *thread, const struct __ptrace_syscall_info *info)
{
    thread->call = info->entry.nr;
    memcpy(thread->arguments, info->entry.args, sizeof(thread->arguments));
    if (is_one_of(thread->call, varying))
        return;
    if (is_one_of(thread->call, reads) || is_one_of(thread->call, writes)) {
        const char *file = opened(thread);
        if (!is_file(file))
            return;
    }
    counters->of[CALLS]++;
    counters->of[SYNCS] += is_one_of(thread->call, syncs);
}

static void count_request(const struct thread *thread)
{
    struct fuse_in_header header;
    struct iovec own = {&header, sizeof(header)};
    struct iovec other = {(void *)(uintptr_t)thread->arguments[1], sizeof(header)};
    if (process_vm_readv(thread->id, &own, 1, &other, 1, 0) != (ssize_t)sizeof(header))
        return;
    counters->of[REQUESTS] += header.opcode != FUSE_FORGET && header.opcode != FUSE_BATCH_FORGET &&
                              header.opcode != FUSE_INTERRUPT;
}

static void count_bytes(const struct thread *thread, uint64_t size)
{
    const char *file = opened(thread);
    size_t length = strlen(file);
    if (!is_file(file))
        return;
    counters->of[BYTES] += size;
    if (length > 4 && strcmp(file + length - 4, "-wal") == 0)
        counters->of[LOG_BYTES] += size;
}

static void leave_call(const struct thread *thread, const struct __ptrace_syscall_info *info)
{
    if (info->exit.is_error || info->exit.rval <= 0)
        return;
    if (is_one_of(thread->call, writes))
        count_bytes(thread, (uint64_t)info->exit.rval);
    else if (thread->call == SYS_read && strcmp(opened(thread), "/dev/fuse") == 0)
        count_request(thread);
}

static void at_call(pid_t id)
{
    struct __ptrace_syscall_info info;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, id, sizeof(info), &info) <= 0)
        return;
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
        enter_call(thread_of(id), &info);
    else if (info.op == PTRACE_SYSCALL_INFO_EXIT)
        leave_call(thread_of(id), &info);
}

/* --- the command --- */

static pid_t start(char **words)
{
    int gate[2];
    char byte;
    if (pipe2(gate, O_CLOEXEC) != 0)
        die("pipe");
    pid_t child = fork();
    if (child < 0)
        die("fork");
    if (child == 0) {
        close(gate[1]);
        if (read(gate[0], &byte, 1) == 0)
            execvp(words[0], words);
        _exit(127);
    }
    const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |
                         PTRACE_O_TRACEVFORK | PTRACE_O_EXITKILL;
    if (ptrace(PTRACE_SEIZE, child, NULL, options) != 0)
        die("ptrace");
    if (ptrace(PTRACE_INTERRUPT, child, NULL, NULL) != 0)
        die("ptrace");
    close(gate[0]);
    close(gate[1]);
    return child;
}

static void go_on(pid_t id, int status)
{
    int event = status >> 16, signal = WSTOPSIG(status);
    if (signal == (SIGTRAP | 0x80))
        at_call(id);
    bool stays = event == PTRACE_EVENT_STOP && signal != SIGTRAP;
    bool passed = event == 0 && signal != (SIGTRAP | 0x80);
    ptrace(stays ? PTRACE_LISTEN : PTRACE_SYSCALL, id, NULL, passed ? (long)signal : 0L);
}

static int follow(pid_t child)
{
    int status, result = 1;
    for (;;) {
        pid_t id = waitpid(-1, &status, __WALL);
        if (id < 0 && errno == EINTR)
            continue;
        if (id < 0)
            return result;
        if (WIFSTOPPED(status)) {
            go_on(id, status);
            continue;
        }
        struct thread *thread = find_thread(id);
        if (thread)
            thread->id = 0;
        if (id == child)
            result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
}

int main(int count, char **words)
{
    if (count < 3) {
        fprintf(stderr, "usage: calls FILE COMMAND [ARGUMENT...]\n");
        return 125;
    }
    int fd = open(words[1], O_RDWR | O_CLOEXEC);
    if (fd < 0)
        die(words[1]);
    counters = mmap(NULL, sizeof(*counters), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (counters == MAP_FAILED)
        die(words[1]);
    close(fd);
    return follow(start(words + 2));
}
