/* SPDX-License-Identifier: MIT */
/*
 * Every way to make a file times every way to write it: the same random operations on files below a
 * mount and in an ordinary directory. Results, errnos, bytes, sizes and modes must agree at once, through
 * other handles, by name, after close, after another mount and, for stores with a file, in the store.
 *
 *   file_ops [-s SEED] [-n STEPS] [-t SECONDS] [-m MIB] [-u URI] [-x] [-v] MOUNT PLAIN
 *
 * Works in MOUNT/keys and, with -x, in transactions as well; PLAIN is an empty directory. With -u it mounts
 * URI again now and then, by $STOREFS. Each round has a seed of its own, the first one's is SEED: on a
 * difference the program prints the round's seed, with which it repeats at once, and ends with 1. Ends after STEPS
 * (3000) or, with -t, with the first round after SECONDS. -m: files end at MIB at the latest. -v prints every
 * operation.
 */
#include "tests/mount/file_ops.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOG_MAX 4096
#define SHOWN 40

const char *const file_names[NAMES] = {"a", "b", "c", "d e"};
struct side sides[2];
struct handle handles[HANDLES];
struct round current;
const char *mount_path, *scratch_path, *shared_uri;
bool can_zero_range, acting;

static const char *uri, *command;
static bool with_tx, verbose;
static uint64_t most = 40 * MIB; /* no file is larger, bytes */
static uint64_t state;
static unsigned long step_number;
static unsigned long remounts, commits, rollbacks;

/* --- random numbers, log, differences --- */

static uint64_t mix(uint64_t value)
{
    value += UINT64_C(0x9e3779b97f4a7c15);
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

uint64_t draw(uint64_t below)
{
    if (acting)
        abort();
    state++;
    return mix(state) % below;
}

static struct entry {
    unsigned long step;
    unsigned names;
    char text[160];
} entries[LOG_MAX];
static size_t entry_count;

void say(unsigned names, const char *format, ...)
{
    struct entry *entry = &entries[entry_count++ % LOG_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(entry->text, sizeof(entry->text), format, arguments);
    va_end(arguments);
    entry->step = step_number;
    entry->names = names;
    if (verbose)
        fprintf(stderr, "%lu %s\n", step_number, entry->text);
}

/* The last operations on the files of the last one: a rename adds the other name's. */
static void show_log(void)
{
    const struct entry *shown[SHOWN];
    size_t count = 0, oldest = entry_count > LOG_MAX ? entry_count - LOG_MAX : 0;
    unsigned names = 0;
    for (size_t i = entry_count; i > oldest && count < SHOWN; i--) {
        const struct entry *entry = &entries[(i - 1) % LOG_MAX];
        if (i == entry_count || (entry->names & names) != 0) {
            names |= entry->names;
            shown[count++] = entry;
        }
    }
    while (count > 0) {
        count--;
        printf("  %5lu %s\n", shown[count]->step, shown[count]->text);
    }
}

void differ(const char *format, ...)
{
    va_list arguments;
    printf("DIFFERENCE: ");
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\nseed %llu, step %lu of its round%s; again with -s %llu; the last operations on the file:\n",
           (unsigned long long)current.seed, step_number, current.in_tx ? " (in a transaction)" : "",
           (unsigned long long)current.seed);
    show_log();
    exit(1);
}

void settle(struct side *side, long result)
{
    side->result = result;
    side->error = result < 0 ? errno : 0;
}

void compare(void)
{
    if (sides[0].result != sides[1].result || sides[0].error != sides[1].error)
        differ("mounted gives %ld (%s), plain %ld (%s)", sides[0].result, strerror(sides[0].error),
               sides[1].result, strerror(sides[1].error));
}

/* --- comparing --- */

static void compare_stat(const struct stat *mounted, const struct stat *plain)
{
    if (mounted->st_mode != plain->st_mode || mounted->st_size != plain->st_size ||
        (mounted->st_nlink == 0) != (plain->st_nlink == 0))
        differ("mounted mode %o size %lld links %lu, plain mode %o size %lld links %lu",
               (unsigned)mounted->st_mode, (long long)mounted->st_size, (unsigned long)mounted->st_nlink,
               (unsigned)plain->st_mode, (long long)plain->st_size, (unsigned long)plain->st_nlink);
}

static size_t read_all(int file, char *data, size_t size, uint64_t offset)
{
    size_t done = 0;
    ssize_t got = 1;
    while (done < size && got > 0) {
        got = pread(file, data + done, size - done, (off_t)(offset + done));
        if (got < 0)
            differ("read at %llu: %s", (unsigned long long)(offset + done), strerror(errno));
        done += (size_t)got;
    }
    return done;
}

static void compare_files(const int files[2], uint64_t offset, uint64_t size)
{
    for (uint64_t done = 0, part = MIB; done < size && part == MIB; done += part) {
        part = size - done < MIB ? size - done : MIB;
        size_t got = read_all(files[0], sides[0].data, part, offset + done);
        size_t wanted = read_all(files[1], sides[1].data, part, offset + done);
        size_t at = 0;
        if (got != wanted || memcmp(sides[0].data, sides[1].data, got) != 0) {
            while (at < got && at < wanted && sides[0].data[at] == sides[1].data[at])
                at++;
            differ("first difference at %llu: mounted %s%02x, plain %s%02x",
                   (unsigned long long)(offset + done + at), at < got ? "" : "ended ",
                   (unsigned char)sides[0].data[at], at < wanted ? "" : "ended ", (unsigned char)sides[1].data[at]);
        }
        part = got < part ? got : part;
    }
}

void compare_bytes(const struct handle *handle, uint64_t offset, uint64_t size)
{
    if ((handle->flags & O_ACCMODE) != O_WRONLY)
        compare_files(handle->files, offset, size);
}

void compare_handle(const struct handle *handle)
{
    struct stat st[2];
    BOTH(fstat(handle->files[s - sides], &st[s - sides]));
    compare_stat(&st[0], &st[1]);
    compare_bytes(handle, 0, (uint64_t)st[1].st_size);
}

/* Now and then past the kernel's pages, or after it has dropped them. */
void compare_name(unsigned name)
{
    struct handle handle = {.flags = O_RDONLY, .name = name};
    struct stat st[2];
    uint64_t way = draw(4);
    int direct = way == 0 ? O_DIRECT : 0;
    bool drop = way > 1;
    say(1u << name, "compare %s%s%s", file_names[name], direct ? ", read directly" : "",
        drop ? ", pages dropped" : "");
    BOTH(fstatat(s->top, file_names[name], &st[s - sides], AT_SYMLINK_NOFOLLOW));
    if (sides[0].result < 0)
        return;
    compare_stat(&st[0], &st[1]);
    for (struct side *s = sides; s < sides + 2; s++) {
        int *file = &handle.files[s - sides];
        *file = openat(s->top, file_names[name], O_RDONLY | (s == sides ? direct : 0));
        settle(s, *file < 0 ? -1 : 0);
    }
    compare();
    if (drop && posix_fadvise(handle.files[0], 0, 0, POSIX_FADV_DONTNEED) != 0)
        differ("posix_fadvise failed");
    compare_handle(&handle);
    if (draw(3) == 0)
        compare_seek(&handle, draw(2) ? 0 : draw((uint64_t)st[1].st_size + 2), draw(2));
    BOTH(close(handle.files[s - sides]));
}

static void need_zeros(const struct handle *handle, uint64_t from, uint64_t to, const char *what)
{
    char *data = sides[1].data;
    while (from < to) {
        size_t part = to - from < MIB ? (size_t)(to - from) : MIB;
        size_t got = read_all(handle->files[1], data, part, from);
        for (size_t i = 0; i < got; i++)
            if (data[i] != 0)
                differ("%s passes over data at %llu", what, (unsigned long long)(from + i));
        from += part;
    }
}

void compare_seek(const struct handle *handle, uint64_t offset, bool data)
{
    struct stat st;
    const char *what = data ? "SEEK_DATA" : "SEEK_HOLE";
    off_t before = lseek(handle->files[0], 0, SEEK_CUR);
    off_t got = lseek(handle->files[0], (off_t)offset, data ? SEEK_DATA : SEEK_HOLE);
    int error = got < 0 ? errno : 0;
    if (fstat(handle->files[1], &st) != 0)
        differ("fstat: %s", strerror(errno));
    uint64_t size = (uint64_t)st.st_size, found = got < 0 ? size : (uint64_t)got;
    if (error != 0 && error != ENXIO)
        differ("%s at %llu: %s", what, (unsigned long long)offset, strerror(error));
    if ((offset >= size && error == 0) || (offset < size && !data && error != 0) || found > size)
        differ("%s at %llu of %llu bytes gives %lld", what, (unsigned long long)offset,
               (unsigned long long)size, (long long)got);
    if (data && offset < size) {
        need_zeros(handle, offset, found, what);
    } else if (!data && found < size) {
        off_t next = lseek(handle->files[0], got, SEEK_DATA);
        need_zeros(handle, found, next < 0 ? size : (uint64_t)next, what);
    }
    lseek(handle->files[0], before, SEEK_SET);
}

static size_t count_names(const struct side *side)
{
    size_t count = 0;
    DIR *stream = opendir(side->path);
    if (stream == NULL)
        differ("%s: %s", side->path, strerror(errno));
    while (readdir(stream) != NULL)
        count++;
    closedir(stream);
    return count;
}

static void compare_all(const char *when)
{
    say(~0u, "compare all files %s", when);
    for (unsigned i = 0; i < NAMES; i++)
        compare_name(i);
    size_t counts[2] = {count_names(&sides[0]), count_names(&sides[1])};
    if (counts[0] != counts[1])
        differ("%zu names mounted, %zu plain", counts[0], counts[1]);
}

/* --- rounds --- */

__attribute__((format(printf, 1, 2))) static void must_run(const char *format, ...)
{
    char text[3000];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (system(text) != 0)
        differ("failed: %s", text);
}

static void enter(struct side *side, const char *format, const char *path)
{
    snprintf(side->path, sizeof(side->path), format, path, current.number);
    side->top = open(side->path, O_RDONLY | O_DIRECTORY);
    if (side->top < 0)
        differ("%s: %s", side->path, strerror(errno));
}

static void make_directories(const char *plain)
{
    must_run("mkdir '%s/keys/r%lu' '%s/r%lu'", mount_path, current.number, plain, current.number);
    enter(&sides[0], "%s/keys/r%lu", mount_path);
    enter(&sides[1], "%s/r%lu", plain);
    for (unsigned i = 0; i < NAMES; i++) {
        char name[20];
        snprintf(name, sizeof(name), "to %s", file_names[i]);
        BOTH(symlinkat(file_names[i], s->top, name));
    }
}

/* Sizes around every edge that the mount knows; large ones are slow, and rarer. */
static void draw_round(void)
{
    static const struct {
        uint64_t limit, length;
        unsigned weight;
    } kinds[] = {{700, 400, 3},      {70000, 20000, 3},       {400000, 150000, 2},
                 {5 * MIB / 2, MIB + 70000, 6}, {11 * MIB, 3 * MIB, 5}, {40 * MIB, 3 * MIB / 2, 1}};
    size_t kind = 0;
    for (unsigned at = (unsigned)draw(20); at >= kinds[kind].weight; kind++)
        at -= kinds[kind].weight;
    current.limit = kinds[kind].limit < most ? kinds[kind].limit : most;
    current.length = kinds[kind].length;
    current.calm = draw(2);
}

static void close_all(void)
{
    for (size_t i = 0, first = draw(HANDLES); i < HANDLES; i++)
        close_handle(&handles[(first + i) % HANDLES]);
}

static void play(unsigned long steps)
{
    for (unsigned long i = 0; i < steps; i++) {
        step_number++;
        step();
    }
}

/* What is open of a transaction that has ended is nobody's. */
static void abandon_all(void)
{
    for (struct handle *handle = handles; handle < handles + HANDLES; handle++)
        for (int i = 0; i < 2; i++) {
            if (handle->files[i] >= 0)
                close(handle->files[i]);
            handle->files[i] = -1;
        }
}

static void end_transaction(const char *plain, bool commit)
{
    char path[600];
    say(~0u, "%s", commit ? "commit the transaction" : "roll the transaction back");
    snprintf(path, sizeof(path), "%s/tx/t%lu/%s", mount_path, current.number, commit ? "commit" : "rollback");
    close(sides[0].top);
    int file = open(path, O_WRONLY | O_TRUNC);
    if (file < 0 || close(file) != 0)
        differ("%s: %s", path, strerror(errno));
    abandon_all();
    if (!commit) {
        close(sides[1].top);
        must_run("rm -r '%s/r%lu' && mv '%s/before' '%s/r%lu'", plain, current.number, scratch_path, plain,
                 current.number);
        enter(&sides[1], "%s/r%lu", plain);
    }
    current.in_tx = false;
    enter(&sides[0], "%s/keys/r%lu", mount_path);
    compare_all(commit ? "after the commit" : "after the rollback");
    *(commit ? &commits : &rollbacks) += 1;
}

static void play_transaction(const char *plain, unsigned long steps)
{
    close_all();
    for (unsigned i = 0; i < NAMES; i++)
        settle_name(i); /* a transaction sees what is committed */
    compare_all("before the transaction");
    must_run("rm -rf '%s/before'; cp -a '%s/r%lu' '%s/before'", scratch_path, plain, current.number,
             scratch_path);
    must_run("mkdir '%s/tx/t%lu'", mount_path, current.number);
    close(sides[0].top);
    char keys[400];
    snprintf(keys, sizeof(keys), "%s/tx/t%lu", mount_path, current.number);
    enter(&sides[0], "%s/keys/r%lu", keys);
    current.in_tx = true;
    play(steps);
    if (draw(2) == 0) {
        close_all();
        compare_all("in the transaction");
    }
    end_transaction(plain, draw(3) != 0);
}

/* Away and mounted again; meanwhile what the library reads is compared, too. */
static void mount_again(void)
{
    say(~0u, "mount again");
    close(sides[0].top);
    must_run("'%s' unmount '%s' > /dev/null", command, mount_path);
    for (unsigned i = 0; i < NAMES; i++)
        if (faccessat(sides[1].top, file_names[i], F_OK, 0) == 0) {
            say(1u << i, "storefs get %s", file_names[i]);
            must_run("'%s' get '%s' 'r%lu/%s' | cmp - '%s/%s'", command, uri, current.number, file_names[i],
                     sides[1].path, file_names[i]);
        }
    must_run("'%s' mount '%s' '%s'", command, uri, mount_path);
    enter(&sides[0], "%s/keys/r%lu", mount_path);
    compare_all("after the new mount");
    remounts++;
}

static unsigned long play_round(const char *plain, unsigned long left)
{
    state = mix(current.seed);
    step_number = 0;
    entry_count = 0;
    draw_round();
    unsigned long steps = 100 + draw(200);
    steps = steps < left ? steps : left;
    make_directories(plain);
    bool tx = with_tx && draw(3) == 0;
    play(tx ? steps / 3 : steps);
    if (tx)
        play_transaction(plain, steps - steps / 3);
    close_all();
    compare_all("after close");
    if (uri != NULL && draw(3) == 0)
        mount_again();
    close(sides[0].top);
    close(sides[1].top);
    must_run("rm -r '%s' '%s'", sides[0].path, sides[1].path);
    return step_number;
}

static void prepare(const char *plain)
{
    static char scratch[500];
    umask(022);
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (struct handle *handle = handles; handle < handles + HANDLES; handle++)
        handle->files[0] = handle->files[1] = -1;
    for (int i = 0; i < 2; i++)
        sides[i].data = malloc(DATA_MAX);
    snprintf(scratch, sizeof(scratch), "%s/scratch", plain);
    scratch_path = scratch;
    must_run("mkdir -p '%s'", scratch);
    int directory = open(scratch, O_RDONLY | O_DIRECTORY);
    int file = openat(directory, "probe", O_RDWR | O_CREAT, 0600);
    can_zero_range = file >= 0 && fallocate(file, FALLOC_FL_ZERO_RANGE, 0, 4096) == 0;
    close(file);
    close(directory);
}

int main(int argc, char **argv)
{
    unsigned long last = 3000, steps = 0;
    long seconds = 0;
    current.seed = (uint64_t)time(NULL);
    for (int option; (option = getopt(argc, argv, "s:n:t:m:u:xv")) != -1;) {
        switch (option) {
        case 's': current.seed = strtoull(optarg, NULL, 10); break;
        case 'n': last = strtoul(optarg, NULL, 10); break;
        case 't': seconds = strtol(optarg, NULL, 10); last = UINT64_MAX; break;
        case 'm': most = strtoull(optarg, NULL, 10) * MIB; break;
        case 'u': uri = optarg; break;
        case 'x': with_tx = true; break;
        case 'v': verbose = true; break;
        default: return 2;
        }
    }
    command = getenv("STOREFS");
    if (argc - optind != 2 || command == NULL) {
        fprintf(stderr, "usage: STOREFS=COMMAND file_ops [-s SEED] [-n STEPS] [-t SECONDS] [-m MIB] [-u URI] [-x] [-v] "
                        "MOUNT PLAIN\n");
        return 2;
    }
    mount_path = argv[optind];
    if (uri != NULL && strncmp(uri, "sqlite:", 7) == 0)
        shared_uri = uri;
    prepare(argv[optind + 1]);
    printf("seed %llu%s\n", (unsigned long long)current.seed,
           can_zero_range ? "" : ", without FALLOC_FL_ZERO_RANGE, which the plain directory has not");
    time_t end = time(NULL) + seconds;
    for (; steps < last && (seconds == 0 || time(NULL) < end); current.number++) {
        steps += play_round(argv[optind + 1], last - steps);
        current.seed = mix(current.seed);
    }
    printf("%lu rounds, %lu steps agree; %lu commits, %lu rollbacks, %lu new mounts\n", current.number, steps,
           commits, rollbacks, remounts);
    return 0;
}
