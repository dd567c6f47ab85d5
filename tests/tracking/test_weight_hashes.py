"""hashes.csv: a hash of the weights per epoch."""

import zlib
from types import SimpleNamespace

import pytest

import cygd
from cygd.network.epoch_rows import EpochRows
from cygd.tracking.loggers import WeightHashLogger, read_weight_hashes

EXPERIMENT = {
    "data": {"source": "inline", "x": [[0, 0], [0, 1], [1, 0], [1, 1]], "y": [0, 1, 1, 0]},
    "model": {"layers": [3, 1]},
    "train": {"epochs": 5},
}


def test_one_row_per_epoch(tmp_path):
    result = cygd.run(EXPERIMENT, out=tmp_path / "run")
    found = read_weight_hashes(result.directory)
    assert list(found) == [0, 1, 2, 3, 4, 5]
    assert len(set(found.values())) == 6
    assert found[5] == f"{zlib.crc32(result.model.network.parameters.tobytes()):08x}"
    assert (result.directory / "hashes.csv").read_text().startswith("epoch,weights\n0,")


@pytest.mark.parametrize("log", [[], ["csv"], ["console", "jsonl"]])
def test_epochs_without_evaluation_have_a_row(tmp_path, log):
    result = cygd.run(EXPERIMENT, ["train.evaluate_every=0", f"log={log}"], out=tmp_path / "run")
    assert len(read_weight_hashes(result.directory)) == 6


def test_equal_runs_have_equal_hashes(tmp_path):
    first = read_weight_hashes(cygd.run(EXPERIMENT, out=tmp_path / "1").directory)
    assert first == read_weight_hashes(cygd.run(EXPERIMENT, out=tmp_path / "2", threads=2).directory)
    other = cygd.run(EXPERIMENT, ["optimizer.learning_rate=0.05"], out=tmp_path / "3")
    assert first[0] == read_weight_hashes(other.directory)[0]
    assert first[1] != read_weight_hashes(other.directory)[1]


def test_resumed_run_keeps_earlier_rows(tmp_path):
    (tmp_path / "hashes.csv").write_text("epoch,weights\n0,00000001\n1,00000002\n2,0000")
    run = SimpleNamespace(directory=tmp_path, resumed=1)
    logger = WeightHashLogger()
    logger.cygd_run_start(run)
    logger.cygd_epochs_end(run, EpochRows.of_epoch(1, {"seconds": 0.0}, 7))
    logger.cygd_run_end(run, None)
    assert read_weight_hashes(tmp_path) == {0: "00000001", 1: "00000007"}


@pytest.mark.parametrize(("resumed", "kept"), [(0, []), (1, [0]), (2, [0, 1]), (7, [0, 1])])
def test_kept_rows_are_not_rewritten(tmp_path, resumed, kept):
    (tmp_path / "hashes.csv").write_text("epoch,weights\n0,00000001\n1,00000002\n2,0000")
    # as if the process was killed before its first flush
    logger = WeightHashLogger()
    logger.cygd_run_start(SimpleNamespace(directory=tmp_path, resumed=resumed))
    assert list(read_weight_hashes(tmp_path)) == kept
    logger.cygd_run_error(None, None)


@pytest.mark.parametrize("text", ["", "epoch,wei", "\n0,00000001\n"])
def test_file_without_a_header_is_rewritten(tmp_path, text):
    (tmp_path / "hashes.csv").write_text(text)
    logger = WeightHashLogger()
    logger.cygd_run_start(SimpleNamespace(directory=tmp_path, resumed=1))
    logger.cygd_epochs_end(None, EpochRows.of_epoch(1, {"seconds": 0.0}, 7))
    logger.cygd_run_end(None, None)
    assert (tmp_path / "hashes.csv").read_text() == "epoch,weights\n1,00000007\n"


def test_truncated_rows_are_ignored(tmp_path):
    assert read_weight_hashes(tmp_path) == {}
    (tmp_path / "hashes.csv").write_text("epoch,weights\n0,00000001\n\n1,0000")
    assert read_weight_hashes(tmp_path) == {0: "00000001"}
