# SPDX-License-Identifier: MIT
"""The file of figures: what they depend on, and a line a path. Reads, writes, compares and shows it."""
from count import COLUMNS

MARGIN = 0.03
HEAD = """# SPDX-License-Identifier: MIT
# What one operation costs, on each backend. "make cost-figures" makes this file; doc/modules/tests.md says what is
# counted. Sorted, a path a line.
"""
NAME_WIDTH = 38


def show(value):
    return "-" if value is None else f"{value:.2f}".rstrip("0").rstrip(".") if value % 1 else str(int(value))


def write(path, versions, counts):
    with open(path, "w") as file:
        file.write(HEAD)
        for name, text in sorted(versions.items()):
            file.write(f"#: {name} {text}\n")
        file.write("path".ljust(NAME_WIDTH) + "".join(f" {c:>12}" for c in COLUMNS) + "\n")
        for path_name, row in sorted(counts.items()):
            file.write(path_name.ljust(NAME_WIDTH) + "".join(f" {show(row.get(c)):>12}" for c in COLUMNS) + "\n")


def read(path):
    versions, counts, columns = {}, {}, None
    with open(path) as file:
        for line in file:
            words = line.split()
            if line.startswith("#: "):
                versions[words[1]] = " ".join(words[2:])
            elif line[0] != "#" and columns is None:
                columns = words[1:]
            elif line[0] != "#":
                values = words[-len(columns):]
                name = " ".join(words[:-len(columns)])
                counts[name] = {c: float(v) for c, v in zip(columns, values) if v != "-"}
    return versions, counts


def least(one, other):
    """Of each figure the lower one, of paths that both have."""
    return {path: {c: min(value, other[path].get(c, value)) for c, value in row.items()}
            for path, row in one.items() if path in other}


def compare(before, after, columns=COLUMNS):
    """Two lists of sentences: what costs over MARGIN more (or is there no longer), and what costs clearly less."""
    more, less = [], []
    for path in sorted(set(before) | set(after)):
        if path not in after:
            more.append((path, f"{path}: is no longer counted"))
            continue
        if path not in before:
            more.append((path, f"{path}: there is no figure"))
            continue
        for column in columns:
            old, new = before[path].get(column), after[path].get(column)
            if (old is None) != (new is None):
                more.append((path, f"{path}: {column} {show(old)} -> {show(new)}"))
            elif old is not None and new > old * (1 + MARGIN):
                more.append((path, sentence(path, column, old, new)))
            elif old is not None and new < old * (1 - MARGIN):
                less.append((path, sentence(path, column, old, new)))
    return more, less


def sentence(path, column, old, new):
    percent = f" ({100 * (new - old) / old:+.1f} %)" if old else ""
    return f"{path}: {column} {show(old)} -> {show(new)}{percent}"


def table(counts):
    """Markdown: a table a section."""
    lines = []
    for section in sorted({path.rpartition(" ")[0] for path in counts}):
        rows = {path.rpartition(" ")[2]: row for path, row in counts.items() if path.rpartition(" ")[0] == section}
        used = [c for c in COLUMNS if any(row.get(c) for row in rows.values())]
        lines += [f"**{section}**", "", "| path | " + " | ".join(used) + " |", "|---" * (len(used) + 1) + "|"]
        for name, row in sorted(rows.items()):
            cells = ["" if not row.get(c) else f"{row[c]:,.0f}" if row[c] >= 100 else show(row[c]) for c in used]
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines)


def put_table(document, counts, versions):
    """Replaces what stands in a document between the two marks."""
    begin, end = "<!-- counts -->\n", "<!-- end of counts -->\n"
    with open(document) as file:
        text = file.read()
    head, rest = text.split(begin)
    tail = rest.split(end)[1]
    made = ", ".join(f"{name} {versions[name]}" for name in ("compiler", "libc", "sqlite", "libfuse", "kernel"))
    with open(document, "w") as file:
        file.write(f"{head}{begin}\nWith {made}; `{versions['flags']}`.\n\n{table(counts)}\n{end}{tail}")
