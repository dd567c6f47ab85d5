"""Patterns of data files in an experiment."""

import pytest

import cygd
from cygd.runner import assembly


@pytest.fixture
def folder(tmp_path):
    inside = tmp_path / "odd [1] name"
    inside.mkdir()
    for name in "12":
        (inside / f"p{name}.csv").write_text("a,y\n1,2\n3,4\n")
    text = "data: {source: csv, path: 'p*.csv', targets: [y]}\nmodel: {layers: [1]}\ntrain: {epochs: 1}\n"
    (inside / "e.yaml").write_text(text)
    return inside


def test_data_files_match_the_pattern(folder):
    reading = assembly.read(folder / "e.yaml")
    assert [path.name for path in reading.experiment.data_files()] == ["p1.csv", "p2.csv"]
    assert [p.name for p in reading.experiment.data.component.files(folder)] == ["p1.csv", "p2.csv"]


def test_run_folder_keeps_the_pattern(folder, tmp_path):
    result = cygd.run(folder / "e.yaml", out=tmp_path / "run")
    again = cygd.run(result.directory / "config.yaml", out=tmp_path / "again")
    assert again.metrics == result.metrics
    hashes = (tmp_path / "run" / "environment.json").read_text()
    assert "p1.csv" in hashes
    assert "p2.csv" in hashes
