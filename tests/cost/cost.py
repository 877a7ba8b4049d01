#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Costs by counts.

usage: cost.py check BUILD     counts a build of this tree and compares with tests/cost/figures.txt
       cost.py update BUILD    writes the figures, and the table in doc/performance.md
       cost.py count BUILD SOURCE FILE   writes the figures of any build; SOURCE is the tree of its headers
       cost.py ratios FILE FILE          compares two files of figures, line by line
"""
import os, subprocess, sys, tempfile

sys.dont_write_bytecode = True

import count, figures
from count import Failure

FIGURES = f"{count.HERE}/figures.txt"
ATTEMPTS = 3
UPDATE = '"make cost-figures" in a build directory makes them for this machine'


# --- a place to count in ---

def place_of(paths):
    """A directory in which nothing is that is needed: its own file system is mounted there."""
    for place in ("/mnt", "/media", "/srv", "/opt"):
        if os.path.isdir(place) and not any(os.path.realpath(p).startswith(place + "/") for p in paths):
            return place
    raise Failure("no directory to count in: /mnt, /media, /srv and /opt are in use or missing")


def go_apart():
    """Starts this program anew in a mount namespace of its own."""
    if os.environ.get("COST_APART"):
        return
    os.environ["COST_APART"] = "1"
    words = ["unshare", "--mount", "--propagation", "private", *(["--map-root-user"] if os.geteuid() else [])]
    os.execvp("unshare", words + [sys.executable, *sys.argv])


def tools_for(build, source):
    """The directory of the tools for a build, in memory."""
    place = place_of([build, source, count.ROOT, tempfile.gettempdir(), sys.executable])
    if not os.path.ismount(place):
        count.run("mount", "-t", "tmpfs", "-o", "mode=755,size=256m", "cost", place)
    count.empty_directory(f"{place}/c")
    count.compile_tools(build, source, f"{place}/c")
    return f"{place}/c"


def count_build(build, source):
    tools = tools_for(build, source)
    return count.versions_of(build, tools), count.make_counts(tools, count.all_sections())


# --- comparing ---

def settle(before, after, tools, columns):
    """Counts again what costs more: a path that does so each time. Prints the findings; True: all is well."""
    for attempt in range(ATTEMPTS):
        more, less = figures.compare(before, after, columns)
        again = sorted({path.rpartition(" ")[0] for path, _ in more} & set(count.all_sections()))
        if not again or attempt == ATTEMPTS - 1:
            break
        print(f"counts again: {', '.join(again)}")
        counted = count.make_counts(tools, again)
        after.update(figures.least({p: row for p, row in after.items() if p in counted}, counted))
    for _, text in less:
        print(f"less: {text}")
    if less:
        print(f"Some figures can be lowered: {UPDATE.partition(' makes')[0]}.")
    for _, text in more:
        print(f"MORE: {text}")
    if more:
        print(f"What has to cost more is put down by: {UPDATE.partition(' makes')[0]}.")
    print(f"{len(after)} paths, {len(more)} figures over {100 * figures.MARGIN:.0f} % more, {len(less)} less")
    return not more


def parent_of(source):
    """The commit to compare with: of changed files the last one, else its parent. None without git."""
    git = ["git", "-c", "safe.directory=*", "-C", source]
    done = subprocess.run([*git, "diff", "--quiet", "HEAD"], stderr=subprocess.DEVNULL, check=False)
    if done.returncode > 1 or not os.path.exists(f"{source}/.git"):
        return None
    name = "HEAD" if done.returncode else "HEAD^"
    done = subprocess.run([*git, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}"], stdout=subprocess.PIPE,
                          text=True, check=False)
    return done.stdout.strip() or None


def build_commit(source, commit, top, build):
    """Builds a commit below the directory `top`, configured as `build` is, but for what changes no figure. Returns build
    and source."""
    tree = f"{top}/source"
    os.makedirs(f"{tree}/build")
    archive = subprocess.Popen(["git", "-c", "safe.directory=*", "-C", source, "archive", commit], stdout=subprocess.PIPE)
    count.run("tar", "-x", "-C", tree, stdin=archive.stdout)
    if archive.wait():
        raise Failure(f"git archive {commit} failed")
    count.run("autoreconf", "-fi", cwd=tree)
    arguments = count.run(f"{build}/config.status", "--config").strip()
    count.run("sh", "-c", f"../configure -q {arguments} --disable-shared --disable-werror", cwd=f"{tree}/build")
    count.run("make", "-s", "-j2", "libstorefs.la", "storefs", cwd=f"{tree}/build")
    return f"{tree}/build", tree


def check_against_parent(build, commit, after):
    print(f"comparing with a build of {commit}")
    with tempfile.TemporaryDirectory(prefix="cost.") as top:
        _, before = count_build(*build_commit(count.ROOT, commit, top, build))
    return settle(before, after, tools_for(build, count.ROOT), count.COLUMNS)


def check(build):
    flags = count.flags_of(build)
    if any(flag.startswith("-fsanitize") for flag in flags):
        print("A build with sanitizers is not counted: it does other work. Count one without.")
        return True
    named, before = figures.read(FIGURES)
    tools = tools_for(build, count.ROOT)
    versions = count.versions_of(build, tools)
    columns = list(count.COLUMNS)
    differing = sorted(name for name in versions if versions[name] != named.get(name))
    for name in differing:
        print(f"{name}: the figures are of {named.get(name)}, this is {versions[name]}")
    if "flags" in differing:
        print("instructions and allocations are not compared in a build with other flags")
        columns = [c for c in columns if c not in ("instructions", "allocations")]
        differing.remove("flags")
    commit = parent_of(count.ROOT)
    # Few of these make a difference: a build of the parent is needed only if one seems to.
    slight = set(differing) <= {"cpu", "kernel"}
    if not commit and not slight:
        print(f"FAIL: the figures are of another {' and '.join(differing)}, and there is no commit to compare with: {UPDATE}.")
        return False
    after = count.make_counts(tools, count.all_sections())
    if slight:
        well = settle(before, after, tools, columns)
        if well or not differing or not commit:
            return well
    return check_against_parent(build, commit, after)


def update(build):
    versions, counts = count_build(build, count.ROOT)
    # Twice, since a figure that is too high by chance would hide a loss.
    counts = figures.least(counts, count_build(build, count.ROOT)[1])
    figures.write(FIGURES, versions, counts)
    figures.put_table(f"{count.ROOT}/doc/performance.md", counts, versions)
    print(f"wrote {FIGURES} and the table in doc/performance.md")
    return True


def ratios(one, other):
    (_, before), (_, after) = figures.read(one), figures.read(other)
    more, less = figures.compare(before, after)
    for _, text in sorted(more + less):
        print(text)
    print(f"counts: {len(more)} more, {len(less)} less, of {len(after)} paths")
    return True


def main(words):
    if words[:1] == ["ratios"] and len(words) == 3:
        return ratios(*words[1:])
    if len(words) != {"check": 2, "update": 2, "count": 4}.get(words[0] if words else "", 0):
        print(__doc__.strip(), file=sys.stderr)
        return False
    go_apart()
    build = os.path.abspath(words[1])
    if words[0] == "count":
        figures.write(words[3], *count_build(build, os.path.abspath(words[2])))
        return True
    return check(build) if words[0] == "check" else update(build)


if __name__ == "__main__":
    try:
        sys.exit(0 if main(sys.argv[1:]) else 1)
    except Failure as failure:
        sys.exit(f"cost.py: {failure}")
