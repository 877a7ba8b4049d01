# SPDX-License-Identifier: MIT
"""Counts what each path costs in a build: make_counts() gives {"library sqlite get": {"calls": 4.0, ...}, ...}, for
one operation each. All runs in a file system in memory, in a mount namespace of its own, under short fixed names and
with an empty environment, so that neither the disk nor a path's length changes a figure."""
import os, re, shlex, shutil, subprocess, sys, time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
LIBRARY = {"memory": "memory:", "json": "json:@", "sqlite": "sqlite:@", "dir": "dir:@"}
# The timer that saves a json store is off: when it fires depends on the machine. The store of memory has a file
# only so that it can be filled.
MOUNT = {"memory": "memory:?snapshot=@", "json": "json:@?autosave=0", "sqlite": "sqlite:@", "dir": "dir:@"}
BACKENDS = sorted(LIBRARY)
COLUMNS = ("instructions", "allocations", "calls", "statements", "rows", "steps", "frames", "bytes", "syncs",
           "requests")
# In the order of counters.h.
COUNTERS = ("files", "names", "compares", "steps", "allocations", "statements", "rows", "calls", "bytes", "log",
            "syncs", "requests")
LINKED = ("library", "plain_memory", "still_clock")
FRAME = 4096 + 24  # of SQLite's log
# libc has a memcpy for each kind of processor; all take the same one. What is freed goes to the thread's own lists,
# however many are there: else the cost of malloc would depend on all that was freed before.
TUNABLES = ("GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2,-AVX,-ERMS,-FSRM,-SSE4_2,-SSSE3,-BMI2"
            ":glibc.malloc.tcache_count=60000")


class Failure(Exception):
    pass


def run(*words, **options):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
    if done.returncode:
        raise Failure(f"{shlex.join(words)}: {(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout


def make_variable(build, name):
    with open(f"{build}/Makefile") as file:
        return re.search(rf"^{name} =(.*)$", file.read(), re.M).group(1).split()


def flags_of(build):
    return [flag for name in ("CFLAGS", "SFS_BUILD_FLAGS", "SFS_HARDEN_FLAGS")
            for flag in make_variable(build, name)]


# --- the programs that count ---

def compile_tools(build, source, tools):
    """Compiles them against the headers and the library of a build into the directory `tools`."""
    compiler = make_variable(build, "CC")
    compile_one = [*compiler, "-std=gnu17", "-D_GNU_SOURCE", "-D_FILE_OFFSET_BITS=64", "-O2", "-g", "-pthread",
                   f"-I{source}/src/include", f"-I{ROOT}"]
    run(*compile_one, "-o", f"{tools}/calls", f"{HERE}/calls.c")
    for name in LINKED:
        run(*compile_one, "-fno-builtin", "-c", "-o", f"{tools}/{name}.o", f"{HERE}/{name}.c")
    run("sh", f"{build}/libtool", "--quiet", "--tag=CC", "--mode=link", *compiler, "-static", "-pthread", *flags_of(build),
        "-o", f"{tools}/library", *(f"{tools}/{name}.o" for name in LINKED), "libstorefs.la", cwd=build)
    shared = [*compiler, "-D_GNU_SOURCE", "-O2", "-shared", "-fPIC", "-pthread", f"-I{ROOT}"]
    run(*shared, "-o", f"{tools}/still_clock.so", f"{HERE}/still_clock.c")
    run(*shared, "-DCOUNTED_ALLOCATIONS", "-o", f"{tools}/counted.so", f"{ROOT}/tests/conformance/counted.c", "-ldl")
    shutil.copy(f"{build}/storefs", f"{tools}/storefs")


# --- counting ---

def clean_environment(**more):
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "TMPDIR": os.getcwd(), **more}


def zero_counters():
    with open("counters", "wb") as file:
        file.write(bytes(8 * len(COUNTERS)))


def read_rows(text):
    """Of lines "NAME OPERATIONS COUNT...": {name: {column: count of one operation}}."""
    rows = {}
    for name, operations, *counts in (line.split() for line in text.splitlines()):
        found = dict(zip(COUNTERS, map(int, counts)))
        found["frames"] = found["log"] // FRAME
        rows[name] = {column: round(found[column] / int(operations), 2) for column in COLUMNS if column in found}
    return rows


def empty_directory(name):
    shutil.rmtree(name, ignore_errors=True)
    os.mkdir(name)


def count_instructions(uri):
    empty_directory("l")
    names = run("env", "-i", TUNABLES, "setarch", "-R", "valgrind", "-q", "--tool=callgrind", "--collect-atstart=no",
                "--toggle-collect=cost_measured", "--dump-after=cost_measured", "--callgrind-out-file=l/out",
                "./library", uri.replace("@", "l/@"))
    counts = {}
    for number, line in enumerate(names.splitlines(), 1):
        name, operations = line.split()[:2]
        with open(f"l/out.{number}") as file:
            total = re.search(r"^(?:summary|totals): (\d+)", file.read(), re.M).group(1)
        counts[name] = int(total) // int(operations)
    return counts


def count_library(backend):
    uri = LIBRARY[backend]
    zero_counters()
    empty_directory("l")
    rows = read_rows(run("./calls", "counters", "setarch", "-R", "./library", uri.replace("@", "l/@"),
                         env=clean_environment(COUNTED_CALLS="counters", LD_PRELOAD="./counted.so")))
    for name, count in count_instructions(uri).items():
        rows[name]["instructions"] = count
    for row in rows.values():
        del row["requests"]
    return rows


def await_mount(process):
    for _ in range(3000):
        if os.path.ismount("mnt"):
            return
        if process.poll() is not None:
            break
        time.sleep(0.01)
    raise Failure("the mount does not start")


def daemon_of_mount():
    with open("mnt/admin/stats.json") as file:
        return re.search(r'"pid": (\d+)', file.read()).group(1)


def count_mount(backend):
    empty_directory("l")
    empty_directory("mnt")
    zero_counters()
    uri = MOUNT[backend].replace("@", "l/s")
    if backend == "dir":
        os.mkdir("l/s")
    with open("lines", "w") as file:
        file.write(run(sys.executable, f"{HERE}/mount.py", "fill"))
    run("./storefs", "import", uri, "lines")
    process = subprocess.Popen(
        ["./calls", "counters", "env", "COUNTED_CALLS=counters", "LD_PRELOAD=./counted.so ./still_clock.so",
         "./storefs", "mount", "-f", uri, "mnt"],
        env=clean_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        await_mount(process)
        text = run(sys.executable, f"{HERE}/mount.py", "counters", daemon_of_mount(), "mnt",
                   env=clean_environment(PYTHONDONTWRITEBYTECODE="1"))
        run("./storefs", "unmount", "mnt", env=clean_environment())
    finally:
        subprocess.run(["umount", "-l", "mnt"], stderr=subprocess.DEVNULL, check=False)
        process.kill()
        process.wait()
    return read_rows(text)


def on_one_processor(function, *arguments):
    """How client and daemon hand over then does not depend on how many processors there are."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        return function(*arguments)
    finally:
        os.sched_setaffinity(0, before)


def make_counts(tools, sections):
    """Counts the sections ("library sqlite", "mount dir") with the programs in the directory `tools`."""
    before = os.getcwd()
    os.chdir(tools)
    try:
        counts = {}
        for section in sections:
            place, backend = section.split()
            rows = count_library(backend) if place == "library" else on_one_processor(count_mount, backend)
            counts.update({f"{section} {name}": row for name, row in rows.items()})
        return counts
    finally:
        os.chdir(before)


def all_sections():
    return [f"{place} {backend}" for place in ("library", "mount") for backend in BACKENDS]


# --- what figures depend on ---

def versions_of(build, tools):
    compiler = make_variable(build, "CC")
    name = run(*compiler, "--version").splitlines()[0]
    linked = run("ldd", f"{tools}/storefs")
    fuse = os.path.realpath(re.search(r"libfuse3\S* => (\S+)", linked).group(1)).rpartition(".so.")[2]
    return {
        "compiler": name,
        "cpu": cpu_name(),
        "flags": " ".join(flags_of(build)),
        "kernel": ".".join(os.uname().release.split(".")[:2]),
        "libc": run("getconf", "GNU_LIBC_VERSION").strip(),
        "libfuse": fuse,
        "machine": os.uname().machine,
        "sqlite": sqlite_version(linked),
        "valgrind": run("valgrind", "--version").strip(),
    }


def cpu_name():
    with open("/proc/cpuinfo") as file:
        return next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), "unknown")


def sqlite_version(linked):
    import ctypes
    library = ctypes.CDLL(re.search(r"libsqlite3\S* => (\S+)", linked).group(1))
    library.sqlite3_libversion.restype = ctypes.c_char_p
    return library.sqlite3_libversion().decode()
