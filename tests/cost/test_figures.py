# SPDX-License-Identifier: MIT
"""Changes the figures of the tree, one at a time, and looks at what the comparison says."""
import copy, os, sys, tempfile

sys.dont_write_bytecode = True
import figures

FIGURES = f"{os.path.dirname(os.path.abspath(__file__))}/figures.txt"


def changed(counts, path, column, value):
    after = copy.deepcopy(counts)
    after[path][column] = value
    return figures.compare(counts, after)


def check_each(counts):
    """Returns how many figures were changed."""
    checked = 0
    for path, row in counts.items():
        for column, value in row.items():
            if not value:
                assert changed(counts, path, column, 1)[0], f"{path} {column}: 0 -> 1 is no alarm"
                continue
            more, less = changed(counts, path, column, value * 1.04)
            assert len(more) == 1 and more[0][0] == path and column in more[0][1], f"{path} {column}: +4 % is no alarm"
            assert changed(counts, path, column, value * 1.02) == ([], []), f"{path} {column}: +2 % is an alarm"
            assert not less
            more, less = changed(counts, path, column, value * 0.96)
            assert not more and len(less) == 1, f"{path} {column}: -4 % goes unnoticed"
            assert changed(counts, path, column, value * 0.98) == ([], [])
            checked += 1
    return checked


def check_paths(counts):
    for path in counts:
        after = {name: row for name, row in counts.items() if name != path}
        assert [one[0] for one in figures.compare(counts, after)[0]] == [path], f"{path}: its end is no alarm"
        assert [one[0] for one in figures.compare(after, counts)[0]] == [path], f"{path}: no figure is no alarm"


def check_file(versions, counts):
    """What is written is read again, with two digits of a fraction."""
    with tempfile.TemporaryDirectory() as directory:
        figures.write(f"{directory}/f", versions, counts)
        assert figures.read(f"{directory}/f") == (versions, counts)
        with open(f"{directory}/f") as one, open(FIGURES) as other:
            assert one.read() == other.read(), "figures.txt was not written by figures.py"


def main():
    versions, counts = figures.read(FIGURES)
    paths = {path.rpartition(" ")[0] for path in counts}
    assert len(paths) == 8 and all(versions.values()), "figures of the library and mounts, of four backends each"
    assert figures.compare(counts, counts) == ([], [])
    lower = copy.deepcopy(counts)
    for row in lower.values():
        row["calls"] = 0
    assert figures.least(counts, lower) == lower
    check_paths(counts)
    check_file(versions, counts)
    print(f"{check_each(counts)} figures, {len(counts)} paths")


main()
