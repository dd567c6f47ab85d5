"""Reading metrics.csv back, and knowing it by its bytes."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cygd.errors import CheckpointError

if TYPE_CHECKING:
    pass

__all__ = ["Extent", "read_rows"]


class Extent(NamedTuple):
    """The beginning of a file: how many bytes, and their CRC-32."""

    size: int = 0
    crc: int = 0

    def and_then(self, data: bytes) -> Extent:
        """Return the extent with more bytes behind it."""
        return Extent(self.size + len(data), zlib.crc32(data, self.crc))


def read_rows(path: Path, extent: Extent) -> list[dict[str, float]]:
    """Return the numbers of the rows in the beginning of a file, row 0 in front; empty cells are left out.

    Raises
    ------
    CheckpointError
        The file no longer begins with these bytes.
    """
    try:
        with path.open("rb") as file:
            data = file.read(extent.size)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from None
    if Extent().and_then(data) != extent:
        raise CheckpointError(f"{path} does not begin with the rows that the run had written")
    head, *lines = data.decode().splitlines()
    names = head.split(",")[1:]
    return [
        {name: float(cell) for name, cell in zip(names, line.split(",")[1:], strict=True) if cell}
        for line in lines
    ]
