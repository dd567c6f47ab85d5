"""Pages of runs that are large or whose names are hard to show."""

import re
import time

import numpy as np
import pytest

import cygd
from cygd.cli.main import main

pytest.importorskip("matplotlib")

EPOCHS = 100_000
SPLIT = {"test": 0.25, "validation": 0.25, "stratify": True}
NAMES = [
    "<script>alert(1)</script>",
    "العمر",
    "年龄",
    "a\x07b",
    "$x^2$",
    "</style>",
    'it\'s "q"',
    "long " * 60,
]
LABELS = ["<b>bold</b>", "الأول", "第一", "c\x1b[2J", *(f"class {k}" for k in range(46))]


@pytest.fixture
def run(tmp_path):
    """A run of 500 inputs and 50 classes, whose metrics.csv is extended to 100 000 epochs."""
    rng = np.random.default_rng(0)
    names = [*NAMES, *(f"f{i}" for i in range(500 - len(NAMES)))]
    labels = [LABELS[k % 50] for k in range(200)]
    columns = {name: rng.normal(size=200) for name in names}
    experiment = {
        "name": "كبير",
        "data": {"source": "csv", "targets": ["target & <i>"], "split": SPLIT},
        "model": {"layers": [{"units": 8, "activation": "relu"}, {"units": 50, "activation": "softmax"}]},
        "loss": "cross_entropy",
        "train": {"epochs": 3},
        "metrics": ["accuracy"],
    }
    lines = [",".join('"' + name.replace('"', '""') + '"' for name in [*names, "target & <i>"])]
    for i, label in enumerate(labels):
        lines.append(",".join([*(f"{columns[name][i]:.3f}" for name in names), f'"{label}"']))
    (tmp_path / "d.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    experiment["data"]["path"] = str(tmp_path / "d.csv")
    cygd.run(experiment, out=tmp_path / "r", quiet=True)
    file = tmp_path / "r" / "metrics.csv"
    head, *rows = file.read_text().splitlines()
    last = rows[-1].split(",")
    more = [",".join([str(epoch), *last[1:]]) for epoch in range(len(rows), EPOCHS + 1)]
    file.write_text("\n".join([head, *rows, *more]) + "\n")
    return tmp_path / "r"


def test_large_page_is_small_fast_and_escaped(run, tmp_path):
    began = time.process_time()
    assert main(["report", str(run), "-o", str(tmp_path / "page.html")]) == 0
    assert time.process_time() - began < 10
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert len(page.encode()) < 5_000_000
    assert f"of {EPOCHS + 1} epochs" in page
    assert "<script" not in page
    assert page.count("</style>") == 1
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", page)
    for text in ("&lt;script&gt;", "العمر", "年龄", "&lt;b&gt;bold&lt;/b&gt;", "الأول", "第一", "c\\x1b[2J"):
        assert text in page
    assert "<bdi>كبير</bdi>" in page


def test_curve_of_many_epochs_keeps_a_single_spike(run, tmp_path):
    file = run / "metrics.csv"
    lines = file.read_text().splitlines()
    column = lines[0].split(",").index("loss")
    cells = lines[54_322].split(",")
    cells[column] = "1e6"
    lines[54_322] = ",".join(cells)
    file.write_text("\n".join(lines) + "\n")
    assert main(["report", str(run), "-o", str(tmp_path / "page.html")]) == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    labels = re.findall(r"<text[^>]*>([^<]*)</text>", page)
    assert "1e+06" in labels  # the logarithmic axis reaches it
