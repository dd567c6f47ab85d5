"""The format of metrics.csv: rows, extents and errors."""

import math

import pytest

from cygd.errors import CheckpointError
from cygd.network.epoch_rows import EpochRows
from cygd.tracking.metrics_file import (
    Extent,
    extent_before,
    format_header,
    format_rows,
    history_of,
    read_rows,
)

COLUMNS = ["epoch", "loss", "running_loss"]
ROWS = [{"loss": 1 / 3}, {"running_loss": math.inf}, {"loss": 0.25, "running_loss": 0.5}]


@pytest.fixture
def file(tmp_path):
    rows = [EpochRows.of_epoch(epoch, row) for epoch, row in enumerate(ROWS)]
    lines = [line for row in rows for line in format_rows(COLUMNS, row)]
    path = tmp_path / "metrics.csv"
    path.write_bytes(format_header(COLUMNS) + b"".join(lines))
    return path


def test_rows_round_trip(file):
    assert read_rows(file) == ROWS


@pytest.mark.parametrize("epoch", [0, 1, 2, 3])
def test_extent_covers_the_rows_before_an_epoch(file, epoch):
    with file.open("rb") as stream:
        extent = extent_before(stream, epoch)
    assert read_rows(file, extent) == ROWS[:epoch]


def test_changed_bytes_do_not_match_the_extent(file):
    extent = Extent().extend(file.read_bytes())
    file.write_bytes(file.read_bytes().replace(b"0.25", b"0.26"))
    with pytest.raises(CheckpointError, match="does not begin with the rows that the run wrote"):
        read_rows(file, extent)


@pytest.mark.parametrize("content", [b"", b"epoch,loss\n0,x\n", b"epoch,loss\n0\n", b"\xff"])
def test_damaged_file_is_named(file, content):
    file.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"metrics\.csv is damaged"):
        read_rows(file)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"cannot read .*metrics\.csv: No such file"):
        read_rows(tmp_path / "metrics.csv")


def test_history_skips_empty_cells():
    assert history_of(ROWS) == {"loss": [1 / 3, 0.25], "running_loss": [math.inf, 0.5]}
