# SPDX-License-Identifier: MIT
"""Compares what a benchmark printed in several runs of two builds: ratios.py FILE... -- FILE... prints, for each line with
numbers, the medians of both, how far apart the runs were (the span, in per cent of the median) and the second median
as a multiple of the first. Lines are known by their words and by which of several such it is."""
import collections, re, statistics, sys

NUMBER = re.compile(r"(?<![\w.])-?\d+(?:,\d{3})*(?:\.\d+)?(?![\w.])")


def read_numbers(path):
    """{(words, which of such lines, which number): number}"""
    numbers, seen = {}, collections.Counter()
    with open(path) as file:
        for line in file:
            words = " ".join(NUMBER.sub(" ", line).split())
            seen[words] += 1
            for column, text in enumerate(NUMBER.findall(line), 1):
                numbers[words, seen[words], column] = float(text.replace(",", ""))
    return numbers


def summary(runs, key):
    values = [run[key] for run in runs if key in run]
    median = statistics.median(values)
    return median, 100 * (max(values) - min(values)) / abs(median) if median else 0


def main():
    split = sys.argv.index("--")
    before, after = ([read_numbers(path) for path in paths] for paths in (sys.argv[1:split], sys.argv[split + 1:]))
    print(f"{'':44} {'':>2} {'before':>12} {'span %':>7} {'after':>12} {'span %':>7} {'ratio':>7}")
    for key in before[0]:
        if not any(key in run for run in after):
            print(f"{key[0][:44]:44} is not printed any more")
            continue
        (old, old_span), (new, new_span) = summary(before, key), summary(after, key)
        ratio = f"{new / old:7.3f}" if old else "      -"
        print(f"{key[0][:44]:44} {key[2]:>2} {old:12.3f} {old_span:7.1f} {new:12.3f} {new_span:7.1f} {ratio}")


main()
