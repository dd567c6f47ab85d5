"""The overview of a folder of runs and sweeps."""

import json

import pytest

from cygd.display.html import Table
from cygd.report.folder_results import read_folder
from cygd.report.folder_sections import folder_sections
from cygd.report.page import Facts, Figure, Notice
from tests.helpers.sweep_folders import write_sweep

pytest.importorskip("matplotlib")


def write_run(path, status="completed", **metrics):
    path.mkdir(parents=True)
    (path / "config.yaml").write_text("name: x\n")
    result = {"status": status, "metrics": metrics, "epochs": 10, "seconds": 1.5}
    (path / "result.json").write_text(json.dumps(result))


def by_name(path):
    return {section.title: section for section in folder_sections(read_folder(path))}


def table(section):
    [found] = [part for part in section.parts if isinstance(part, Table)]
    return found


def test_runs_and_sweeps(tmp_path):
    for number, loss in enumerate([0.5, 0.25, 0.75]):
        write_run(tmp_path / "mine" / f"2026010{number + 1}-000000-abcd", validation_loss=loss, loss=0.1)
    write_run(tmp_path / "other" / "20260105-000000-abcd", "diverged", loss=None)
    (tmp_path / "swept").mkdir()
    records = [(0, 0, {"a": 1}, 0.5), (1, 0, {"a": 2}, "error")]
    write_sweep(tmp_path / "swept" / "20260106-000000-abcd", records, plugins=["absent"])
    results = read_folder(tmp_path)
    assert [entry.name for entry in results.entries] == [
        "swept/20260106-000000-abcd",
        "other/20260105-000000-abcd",
        "mine/20260103-000000-abcd",
        "mine/20260102-000000-abcd",
        "mine/20260101-000000-abcd",
    ]
    sections = by_name(tmp_path)
    assert list(sections) == ["Overview", "Best runs", "Runs over time", "Sweeps", "All runs"]
    facts = dict(
        pair for part in sections["Overview"].parts if isinstance(part, Facts) for pair in part.pairs
    )
    assert (facts["runs"], facts["sweeps"]) == ("4", "1")
    assert (facts["runs completed"], facts["runs diverged"]) == ("3", "1")
    assert facts["training time of the runs"] == "6 s"
    assert facts["newest"] == "swept/20260106-000000-abcd, 2026-01-06 00:00:00"
    assert table(sections["Best runs"]).rows == [
        ["mine", "3", "validation_loss", "0.25", "mine/20260102-000000-abcd", "0.75"]
    ]
    assert table(sections["Sweeps"]).rows == [
        ["swept/20260106-000000-abcd", "2026-01-06 00:00:00", "2", "1", "validation_loss", "0.5, run 0000"]
    ]
    runs = table(sections["All runs"])
    assert runs.head == ["run", "began", "status", "epochs", "time", "loss", "validation_loss"]
    assert runs.rows[0][2:] == ["diverged", "10", "1.5 s", "-", "-"]
    [figure] = [part for part in sections["Runs over time"].parts if isinstance(part, Figure)]
    assert figure.alt == (
        "validation_loss of 3 runs of mine in the order of their start, from 0.25 to 0.75; "
        "the newest has 0.75."
    )
    assert [row[2] for row in figure.table.rows] == ["0.5", "0.25", "0.75"]


def test_figure_of_runs(tmp_path):
    from matplotlib.figure import Figure as Canvas

    for number, loss in enumerate([1e-5, None, 0.25, 100.0]):
        write_run(tmp_path / "mine" / f"2026010{number + 1}-000000-abcd", loss=loss)
    [figure] = by_name(tmp_path)["Runs over time"].parts
    canvas = Canvas()
    axes = canvas.add_subplot()
    figure.draw(axes)
    canvas.draw_without_rendering()
    assert axes.get_yscale() == "log"
    assert list(axes.lines[-1].get_ydata()) == [100.0]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_runs_have_no_figure(tmp_path, count):
    for number in range(count):
        write_run(tmp_path / "mine" / f"2026010{number + 1}-000000-abcd", loss=0.5)
    assert "Runs over time" not in by_name(tmp_path)


def test_empty_folder_is_said(tmp_path):
    [part] = by_name(tmp_path)["Overview"].parts
    assert part == Notice(f"There is no run and no sweep below {tmp_path}.")


def test_damaged_folders_are_listed(tmp_path, caplog):
    write_run(tmp_path / "a" / "20260101-000000-abcd", loss=0.5)
    (tmp_path / "a" / "20260101-000000-abcd" / "result.json").write_text("{")
    write_run(tmp_path / "b" / "20260102-000000-abcd", loss=0.5)
    (tmp_path / "b" / "20260102-000000-abcd" / "result.json").unlink()
    write_run(tmp_path / "c" / "99999999-999999-abcd", loss=0.5)
    (tmp_path / "s").mkdir()
    write_sweep(tmp_path / "s" / "20260103-000000-abcd", [])
    (tmp_path / "s" / "20260103-000000-abcd" / "sweep.json").write_text("{")
    sections = by_name(tmp_path)
    statuses = {row[0]: row[2] for row in table(sections["All runs"]).rows}
    assert statuses["a/20260101-000000-abcd"] == "damaged"
    assert statuses["b/20260102-000000-abcd"] == "unfinished"
    assert "result.json is damaged" in caplog.text
    [notice] = [part for part in sections["Sweeps"].parts if isinstance(part, Notice)]
    assert "sweep.json is damaged" in notice.text
    assert table(sections["Sweeps"]).rows[0][2] == "damaged"


def test_links_and_hidden_folders_are_left_out(tmp_path):
    write_run(tmp_path / "a" / "20260101-000000-abcd", loss=0.5)
    write_run(tmp_path / ".hidden" / "20260101-000000-abcd", loss=0.5)
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert [entry.name for entry in read_folder(tmp_path).entries] == ["a/20260101-000000-abcd"]
