/* SPDX-License-Identifier: MIT */
/*
 * Loaded in front of libc (LD_PRELOAD): a disk that takes $SLOW_DISK_MS milliseconds more for each sync, of
 * which one byte in the file $SLOW_DISK_LOG tells.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static void wait_and_tell(void)
{
    const char *log = getenv("SLOW_DISK_LOG"), *text = getenv("SLOW_DISK_MS");
    long milliseconds = text != NULL ? strtol(text, NULL, 10) : 0;
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
    wait_and_tell();
    return real(file);
}

int fdatasync(int file)
{
    sync_function *real = (sync_function *)dlsym(RTLD_NEXT, "fdatasync");
    wait_and_tell();
    return real(file);
}
