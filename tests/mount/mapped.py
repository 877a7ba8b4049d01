# SPDX-License-Identifier: MIT
# Writes a file through a shared mapping: mapped.py FILE
import mmap
import sys

with open(sys.argv[1], "wb+") as file:
    file.truncate(8192)
    with mmap.mmap(file.fileno(), 8192) as memory:
        memory[0:7] = b"mapped!"
        memory.flush()
