/* SPDX-License-Identifier: MIT */
/*
 * Loaded in front of libc (LD_PRELOAD): a disk that takes $SLOW_DISK_MS milliseconds more for each
 * sync and $SLOW_DISK_WRITE_MS more for each write of 100 KiB or more, of which one byte in the
 * file $SLOW_DISK_LOG tells. Where one of the two is not given nothing is done for its calls.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static void wait_and_tell(const char *text)
{
    const char *log = getenv("SLOW_DISK_LOG");
    if (text == NULL)
        return;
    long milliseconds = strtol(text, NULL, 10);
    struct timespec length = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    int file = log != NULL ? open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    if (file >= 0) {
        if (write(file, ".", 1) != 1)
            abort();
        close(file);
    }
    nanosleep(&length, NULL);
}

typedef int sync_function(int file);

int fsync(int file)
{
    sync_function *real = (sync_function *)dlsym(RTLD_NEXT, "fsync");
    wait_and_tell(getenv("SLOW_DISK_MS"));
    return real(file);
}

int fdatasync(int file)
{
    sync_function *real = (sync_function *)dlsym(RTLD_NEXT, "fdatasync");
    wait_and_tell(getenv("SLOW_DISK_MS"));
    return real(file);
}

typedef ssize_t write_function(int file, const void *data, size_t size, off_t offset);

ssize_t pwrite64(int file, const void *data, size_t size, off_t offset)
{
    write_function *real = (write_function *)dlsym(RTLD_NEXT, "pwrite64");
    if (size >= (size_t)100 << 10)
        wait_and_tell(getenv("SLOW_DISK_WRITE_MS"));
    return real(file, data, size, offset);
}
