"""The memory of the machine, and the error for a table that does not fit into it.

A compressed file of a few megabytes can hold a table of any size, so its size is checked while it is read.
"""

from __future__ import annotations

import os
from pathlib import Path

from cygd.errors import DataError

CHECK_FROM = 1 << 26  # bytes of a table; a smaller one is never refused
RESERVE = 0.05  # of the memory, that a table leaves to everything else
MEMORY_HINT = "divide the file, leave out columns, or use source: npy, which is memory-mapped"
MEMINFO = Path("/proc/meminfo")


class TooLarge(DataError):
    """The data do not fit into memory."""


def physical_memory() -> int | None:
    """Return the bytes of memory of this machine, or None if the system does not report them."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def available_memory() -> int | None:
    """Return the bytes that can be used without swapping, or None if the system does not report them."""
    try:
        lines = MEMINFO.read_text().splitlines()
        line = next(line for line in lines if line.startswith("MemAvailable:"))
        return int(line.split()[1]) * 1024
    except (OSError, StopIteration, ValueError, IndexError):
        return None


def check_table_size(size: int, where: str, n_rows: int) -> None:
    """Raise a DataError if a table of `size` bytes, of which `n_rows` rows were read, fills the memory."""
    if size < CHECK_FROM:
        return
    memory, available = physical_memory(), available_memory()
    if memory is None or (size <= memory and (available is None or available >= RESERVE * memory)):
        return
    message = f"{where}: the table does not fit into the {memory / 1e9:.1f} GB of memory of this machine: "
    raise TooLarge(f"{message}the first {n_rows} rows take {size / 1e9:.1f} GB", hint=MEMORY_HINT)
