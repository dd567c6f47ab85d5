"""The format of metrics.csv: its columns and rows, and how to read them back.

The columns follow from the experiment: one that the run does not have (no validation rows, no penalty) is
left out, and one that was not measured in an epoch is empty there. Numbers are written by `repr`, the
shortest text that reads back to the same bits.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cygd.core import csv_rows
from cygd.errors import CheckpointError
from cygd.network.epoch_rows import EpochRows
from cygd.tracking.stored_files import read_bytes


class Extent(NamedTuple):
    """The beginning of a file, identified by its size in bytes and CRC-32."""

    size: int = 0
    crc: int = 0

    def extend(self, data: bytes) -> Extent:
        """Return the extent that also covers the next bytes."""
        return Extent(self.size + len(data), zlib.crc32(data, self.crc))


def column_names(config: Mapping[str, Any]) -> list[str]:
    """Return the column names for a resolved experiment, `epoch` first and `seconds` last."""
    metrics = [spec if isinstance(spec, str) else spec["name"] for spec in config["metrics"]]
    names = ["loss", *(name.rpartition(":")[2] for name in metrics)]  # drop the plugin from plugin:name
    data, layers = config["data"], config["model"]["layers"]
    split = data.get("split") or {}
    if data.get("validation") or split.get("validation") or split.get("folds"):
        names = [column for name in names for column in (name, f"validation_{name}")]
    if any(isinstance(layer, Mapping) and (layer.get("l1") or layer.get("l2")) for layer in layers):
        names.append("penalty")
    return ["epoch", *dict.fromkeys(names), "running_loss", "learning_rate", "seconds"]


def format_header(columns: Sequence[str]) -> bytes:
    """Return the first line of the file."""
    return (",".join(columns) + "\n").encode()


def format_rows(columns: Sequence[str], rows: EpochRows) -> tuple[bytes, bytes]:
    r"""Return the lines of consecutive epochs: those before the last one, and the last one.

    >>> format_rows(["epoch", "loss", "running_loss"], EpochRows.of_epoch(3, {"running_loss": 0.5}))
    (b'', b'3,,0.5\n')
    """
    indices = _value_indices(tuple(columns), rows.names)
    flags = rows.measured.view(np.uint8)
    lines, last = csv_rows.format_rows(rows.first, rows.values, flags, indices, rows.n_measured)
    return lines[:last], lines[last:]


@lru_cache(64)
def _value_indices(columns: tuple[str, ...], names: tuple[str, ...]) -> NDArray[np.int32]:
    """Return which value of a row each column after the epoch has; -1 for none."""
    return np.array([names.index(name) if name in names else -1 for name in columns[1:]], np.int32)


def extent_before(file: IO[bytes], epoch: int) -> Extent:
    """Return the extent of the header and the rows before that of an epoch, read from an open file."""
    extent = Extent()
    for _ in range(1 + epoch):
        extent = extent.extend(file.readline())
    return extent


def read_rows(
    path: Path, extent: Extent | None = None, *, unfinished: bool = False
) -> list[dict[str, float]]:
    """Return the values of each row, beginning with epoch 0; empty cells are left out.

    With an extent, only that beginning of the file is read, and its bytes are checked. The last line of an
    unfinished file may end anywhere, even within a number: without its line break it is left out.
    """
    if not path.exists():
        raise CheckpointError(f"cannot read {path}: No such file or directory")
    data = read_bytes(path)
    if extent is not None:
        data = data[: extent.size]
    if unfinished:
        data = data[: data.rfind(b"\n") + 1]
        if not data:
            return []
    if extent is not None and Extent().extend(data) != extent:
        raise CheckpointError(f"{path} does not begin with the rows that the run wrote")
    try:
        header, *lines = data.decode().removesuffix("\n").split("\n")
        first, *names = header.removesuffix("\r").split(",")
        if first != "epoch" or len({*names}) != len(names):
            raise ValueError("expected a header of distinct names that begins with epoch")
        return [_read_row(names, epoch, line) for epoch, line in enumerate(lines)]
    except ValueError as error:
        raise CheckpointError(f"{path} is damaged: {error}") from None


def _read_row(names: Sequence[str], epoch: int, line: str) -> dict[str, float]:
    number, *cells = line.removesuffix("\r").split(",")
    if number != str(epoch) or len(cells) != len(names):
        expected = f"epoch {epoch} and {len(names)} values"
        raise ValueError(f"line {epoch + 2}: expected {expected}, got {line[:60]!r}")
    return {name: float(cell) for name, cell in zip(names, cells, strict=True) if cell}


def history_of(rows: Sequence[Mapping[str, float]]) -> dict[str, list[float]]:
    """Return the values of rows by column name, without gaps."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row[name] for row in rows if name in row] for name in names}
