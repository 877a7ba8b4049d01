# SPDX-License-Identifier: MIT
"""mapped_at_once.py ONE OTHER: what is written below OTHER can be mapped, shared and whole, below ONE at once."""
import mmap
import sys

one, other = sys.argv[1:]
for size in range(1, 3000, 97):
    with open(f"{other}/mapped", "wb") as file:
        file.write(bytes([size % 251]) * size)
    with open(f"{one}/mapped", "r+b") as file:
        try:
            with mmap.mmap(file.fileno(), 0, mmap.MAP_SHARED) as mapping:
                shown = bytes(mapping)
        except OSError as error:
            sys.exit(f"{size} bytes cannot be mapped: {error}")
    if shown != bytes([size % 251]) * size:
        sys.exit(f"of {size} bytes {len(shown)} are mapped, or others")
