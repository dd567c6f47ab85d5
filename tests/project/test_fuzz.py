"""The fuzzers run: a few inputs of every target, and a fault is found, written and replayed."""

import random
from pathlib import Path

import pytest

from cygd.errors import DataError
from tools.fuzz import engine, mutations

CSV = sorted((Path(engine.__file__).parent / "corpus" / "csv").glob("*.csv"))


@pytest.mark.parametrize("target", engine.TARGETS)
def test_no_input_is_a_fault(target, tmp_path, capsys):
    assert engine.fuzz(target, 60.0, 15, seed=0, failures=tmp_path / "failures") == 0, capsys.readouterr().out
    assert "15 inputs" in capsys.readouterr().out
    assert not (tmp_path / "failures").exists()


class Target:
    """A target with faults."""

    @staticmethod
    def seeds():
        return [b"good"]

    @staticmethod
    def check(data, folder):
        if data == b"good":
            return True
        if len(data) % 3 == 0:
            raise DataError("refused")
        if len(data) % 3 == 1:
            raise TypeError("a fault")
        while True:  # hangs
            pass


def test_faults_are_written_and_replayed(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(engine, "load_target", lambda name: Target)
    monkeypatch.setattr(engine, "CPU_SECONDS", 0.05)
    assert engine.fuzz("csv", 60.0, 20, seed=0, failures=tmp_path) == 1
    out = capsys.readouterr().out
    assert "2 faults" in out
    assert len(list(tmp_path.iterdir())) == 2
    for file in tmp_path.iterdir():
        assert f"--replay {file}" in out
        assert engine.replay("csv", file) == 1
    (tmp_path / "fine").write_bytes(b"good")
    assert engine.replay("csv", tmp_path / "fine") == 0


def test_equal_seeds_make_equal_inputs():
    data = CSV[0].read_bytes()
    made = [[mutations.mutate_bytes(data, random.Random(f"{seed}/1")) for _ in "ab"] for seed in (0, 1)]
    assert made[0][0] == made[0][1] != made[1][0]


@pytest.mark.parametrize("file", CSV, ids=lambda file: file.stem)
def test_corpus_is_read(file, tmp_path):
    assert engine.load_target("csv").check(file.read_bytes(), tmp_path)
