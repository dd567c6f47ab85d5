"""`cygd report` of a run, of several runs and of folds, from real folders."""

import dataclasses
import json
import re
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

import cygd
from cygd.cli.main import main
from cygd.report.comparison_page import folds_page
from cygd.report.run_record import read_run

pytest.importorskip("matplotlib")

BLOBS = {
    "name": "blobs",
    "data": {
        "source": "synthetic",
        "kind": "moons",
        "samples": 60,
        "split": {"validation": 0.2, "test": 0.2},
    },
    "model": {"layers": [{"units": 4, "activation": "tanh"}, {"units": 1, "activation": "sigmoid"}]},
    "loss": "binary_cross_entropy",
    "optimizer": {"name": "adam", "learning_rate": 0.05},
    "train": {"epochs": 8},
    "metrics": ["accuracy"],
    "log": ["csv"],
}
LINE = {
    "name": "line",
    "data": {"source": "inline", "x": [[0.0], [1.0], [2.0]], "y": [[0.0], [2.0], [4.0]]},
    "model": {"layers": [{"units": 1, "bias": False, "weights": [[0.0]]}]},
    "loss": "sse",
    "optimizer": {"name": "sgd", "learning_rate": 0.1},
    "train": {"epochs": 3, "batch_size": "full"},
    "log": ["csv"],
}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def changed(base, **sections):
    return json.loads(json.dumps(base | sections))


def report(*arguments, code=0):
    assert main(["report", *map(str, arguments)]) == code


def page_of(run, *options):
    report(run, "-o", "page.html", *options)
    with open("page.html", encoding="utf-8") as file:  # noqa: PTH123
        return file.read()


def sections(page):
    return re.findall(r"<h2>(.*?)</h2>", page)


def test_page_of_a_classifier_has_all_sections(here):
    result = cygd.run(BLOBS, out="r")
    page = page_of("r")
    assert sections(page) == [
        "Result",
        "Training",
        "Predictions of the test rows",
        "Largest errors",
        "What it learned",
        "Network",
        "Activations",
        "Data",
        "Configuration",
        "Environment",
    ]
    for title in (
        "loss",
        "accuracy",
        "confusion matrix",
        "ROC curve",
        "precision and recall",
        "calibration",
        "decision regions",
    ):
        assert f"<h3>{title}</h3>" in page
    assert f"<dd>{result.metrics['test_loss']:.5g}</dd>" in page
    assert len(page) < 1_500_000
    assert "<script" not in page


def test_confusion_matrix_counts_the_test_rows(here):
    result = cygd.run(BLOBS, out="r")
    page = page_of("r")
    right = round(result.metrics["test_accuracy"] * 12)
    assert f"{right} of 12 test rows are classified right: {right / 12:.1%}." in page


def test_error_surface_of_one_weight_has_the_path_by_hand(here):
    # E = 1/2 sum (2 x - w x)^2 = 5/2 (2 - w)^2; one step of sgd: w += 0.1 * 5 (2 - w)
    cygd.run(LINE, out="r")
    page = page_of("r")
    assert "Error surface" in sections(page)
    table = page[page.index(">update<") :]
    cells = [float(text) for text in re.findall(r"<td[^>]*>([^<]*)</td>", table)[:12]]
    assert cells == pytest.approx([0, 0, 10, 1, 1, 2.5, 2, 1.5, 0.625, 3, 1.75, 0.15625])


def test_weights_of_the_surface_can_be_chosen(here, capsys):
    cygd.run(BLOBS, out="r")
    assert "E over w0[0,0] and w1[2,0]" in page_of("r", "-w", "w0[0,0]", "-w", "w1[2,0]")
    report("r", "-w", "w9[0,0]", code=2)
    assert "the network has no layer 9" in capsys.readouterr().err
    report("r", "-w", "a", "-w", "b", "-w", "c", code=2)
    assert "at most two" in capsys.readouterr().err


def test_page_of_a_regression(here):
    x = np.linspace(-1, 1, 40)[:, None]
    data = {"source": "inline", "x": x.tolist(), "y": (3 * x).tolist(), "split": {"test": 0.25}}
    cygd.run(changed(LINE, data=data, metrics=["rmse"]), out="r")
    page = page_of("r")
    for title in ("predicted against true", "residuals", "learned function"):
        assert f"<h3>{title}</h3>" in page
    assert "rmse" in page


def test_diverged_run_says_so(here):
    data = {"source": "inline", "x": [[1e200], [1.0]], "y": [[0.0], [1.0]]}
    cygd.run(changed(LINE, data=data, optimizer={"name": "sgd", "learning_rate": 1e9}), out="r")
    page = page_of("r")
    assert "diverged" in re.search(r"<h1>(.*?)</h1>", page)[1]
    assert "A smaller learning rate" in page


def test_outputs_that_overflow_are_shown(here):
    diverging = {"name": "sgd", "learning_rate": 1e9}
    cygd.run(changed(LINE, optimizer=diverging, train={"epochs": 99}), out="r")
    assert "Predictions of the training rows" in sections(page_of("r"))


def test_run_without_its_data_keeps_the_rest(here):
    (here / "d.csv").write_text("a,b\n" + "".join(f"{i},{2 * i}\n" for i in range(20)))
    data = {"source": "csv", "path": str(here / "d.csv"), "targets": ["b"], "scale": "standard"}
    cygd.run(changed(LINE, data=data), out="r")
    (here / "d.csv").unlink()
    page = page_of("r")
    assert "What follows from the network is left out" in page
    assert {"Result", "Training", "Configuration", "Environment"} <= set(sections(page))


@pytest.mark.parametrize("file", ["metrics.csv", "result.json", "environment.json", "weights.npz"])
@pytest.mark.parametrize("content", [b"", b"\x00\xff", None])
def test_damaged_files_are_named_and_the_rest_is_shown(file, content, here):
    cygd.run(BLOBS, out="r")
    if content is None:
        (here / "r" / file).unlink()
    else:
        (here / "r" / file).write_bytes(content)
    page = page_of("r")
    assert "Configuration" in sections(page)
    if content is not None:
        assert file in page


def test_run_without_evaluation_shows_the_running_loss(here):
    cygd.run(changed(BLOBS, train={"epochs": 3, "evaluate_every": 0}), out="r")
    assert "<h3>running loss</h3>" in page_of("r")


def test_names_of_the_data_cannot_break_the_page(here):
    names = ["<script>alert(1)</script>", "العمر", "年龄"]
    rows = "".join(f"{i % 7},{i % 5},{i % 3},{'<b>' if i % 2 else 'x & y'}\n" for i in range(40))
    (here / "d.csv").write_text(",".join(names) + ",</table>\n" + rows, encoding="utf-8")
    layers = [{"units": 2, "activation": "softmax"}]
    data = {"source": "csv", "path": "d.csv", "targets": ["</table>"], "split": {"test": 0.3}}
    experiment = {"name": "odd", "data": data, "model": {"layers": layers}, "loss": "cross_entropy"}
    cygd.run(experiment | {"train": {"epochs": 2}, "metrics": ["accuracy"], "log": ["csv"]}, out="r")
    page = page_of("r")
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "年龄" in page
    assert page.count("<table") == page.count("</table>")


def test_kept_epoch_of_early_stopping_is_marked(here):
    stop = {"monitor": "validation_loss", "patience": 1, "restore_best": True}
    result = cygd.run(changed(BLOBS, stop=stop, train={"epochs": 200}), out="r")
    assert result.best_epoch is not None
    assert f"The dashed line marks epoch {result.best_epoch}, whose weights were kept." in page_of("r")


def test_several_runs_are_compared(here):
    for rate in (0.01, 0.05, 0.1):
        cygd.run(changed(BLOBS, optimizer={"name": "adam", "learning_rate": rate}), out=f"r{rate}")
    report("r0.01", "r0.05", "r0.1", "-o", "page.html")
    page = (here / "page.html").read_text()
    assert sections(page) == ["Results", "Training", "Differences"]
    assert "optimizer.learning_rate" in page
    assert "<tr><td>mean</td>" in page
    report("r0.01", "r0.01", "-o", "page.html", code=2)


def test_runs_without_validation_rows_are_compared_on_training_rows(here):
    cygd.run(BLOBS, out="blobs")
    cygd.run(LINE, out="line")
    data = changed(LINE)["data"] | {"split": {"validation": 0.34}}
    cygd.run(changed(LINE, data=data), out="held")
    report("blobs", "line", "-o", "page.html")
    page = (here / "page.html").read_text()
    assert re.findall("<h3>(.*?)</h3>", page) == ["loss", "validation_loss", "validation_accuracy"]
    loss, validation, _ = re.findall("<svg.*?</svg>", page, re.DOTALL)
    assert re.findall(r">(blobs|line)</text>", loss) == ["blobs", "line"]
    assert re.findall(r">(blobs|line)</text>", validation) == ["blobs"]
    report("blobs", "line", "held", "-o", "page.html")
    assert "<tr><td>mean</td>" not in (here / "page.html").read_text()  # of different experiments
    report("blobs", "held", "-o", "page.html")
    assert "loss" not in re.findall("<h3>(.*?)</h3>", (here / "page.html").read_text())


def test_folds_have_means_and_a_section_each(here):
    data = BLOBS["data"] | {"split": {"folds": 3}}
    cygd.run(changed(BLOBS, data=data), out="r")
    page = page_of("r")
    assert {"Folds", "fold-1", "fold-2", "fold-3"} <= set(sections(page))
    assert "+-" in page
    assert "<dt>versions</dt>" in page


def test_folds_that_are_going_on_refresh_themselves(here):
    data = BLOBS["data"] | {"split": {"folds": 2}}
    cygd.run(changed(BLOBS, data=data), out="r")
    record = read_run(here / "r")
    running = dataclasses.replace(record, status="running")
    assert 'http-equiv="refresh"' in folds_page(running, live=True)
    assert 'http-equiv="refresh"' not in folds_page(running)
    assert 'http-equiv="refresh"' not in folds_page(record, live=True)


def test_columns_of_a_record_leave_out_what_was_not_measured(here):
    cygd.run(changed(BLOBS, train={"epochs": 5, "evaluate_every": 2}), out="r")
    record = read_run(here / "r")
    assert record.history["loss"].epochs.tolist() == [0, 2, 4, 5]
    assert record.history["running_loss"].epochs.tolist() == [1, 2, 3, 4, 5]
    assert record.last_epoch == 5


def test_default_name_and_wrong_arguments(here, capsys):
    cygd.run(BLOBS, out="runs/blobs/1")
    report("blobs")
    assert capsys.readouterr().out.strip().endswith("blobs-report.html")
    assert (here / "blobs-report.html").exists()
    for arguments, expected in (
        ([], "expected a run"),
        (["nothing"], "unknown run"),
        (["blobs", "-o", "page.pdf"], "expected a .html file"),
        (["blobs", "-o", "no/such/page.html"], "cannot write"),
        (["runs", "--live"], "--live needs one run"),
    ):
        report(*arguments, code=2)
        assert expected in capsys.readouterr().err
    (here / "empty").mkdir()
    report("empty", code=2)
    assert "neither runs nor sweeps" in capsys.readouterr().err


def test_live_page_refreshes_itself_until_the_run_ends(here):
    plugin = here / "slow.py"
    hook = "@hookimpl\ndef cygd_epoch_end(run, epoch, metrics):\n    time.sleep(0.3)\n"
    plugin.write_text(f"import time\nfrom cygd import hookimpl\n\n\n{hook}")
    experiment = changed(BLOBS, train={"epochs": 30})
    (here / "e.json").write_text(json.dumps(experiment))
    code = "import json, cygd; cygd.run(json.load(open('e.json')), out='r', plugins=['slow.py'])"
    with subprocess.Popen([sys.executable, "-c", code], cwd=here) as training:
        while not (here / "r" / "metrics.csv").exists():
            time.sleep(0.05)
            assert training.poll() is None
        time.sleep(0.5)
        command = [sys.executable, "-m", "cygd", "report", "r", "--live", "-o", "page.html"]
        with subprocess.Popen(command, cwd=here, stdout=subprocess.PIPE, text=True) as live:
            while not (here / "page.html").exists():
                time.sleep(0.05)
                assert live.poll() is None
            page = (here / "page.html").read_text()
            assert 'http-equiv="refresh"' in page
            assert "running" in re.search(r"<h1>(.*?)</h1>", page)[1]
            assert live.wait(60) == 0
        assert training.wait(60) == 0
    page = (here / "page.html").read_text()
    assert 'http-equiv="refresh"' not in page
    assert "completed after 30 epochs" in page


def test_missing_matplotlib_is_one_line(here, capsys, monkeypatch):
    cygd.run(BLOBS, out="r")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    report("r", code=2)
    err = capsys.readouterr().err
    assert 'pip install "cygd[report]"' in err
    assert "Traceback" not in err


def test_page_of_a_moved_run_is_written(here):
    cygd.run(BLOBS, out="r")
    shutil.move("r", "elsewhere")
    assert "Predictions of the test rows" in sections(page_of("elsewhere"))
