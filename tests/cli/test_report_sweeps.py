"""`cygd report` of sweeps and of folders of runs: one file that fetches nothing and escapes everything."""

import json
import random
import re
from html.parser import HTMLParser

import pytest

from cygd.sweep import sweep
from tests.helpers.sweep_folders import EXPERIMENT, write_sweep

pytest.importorskip("matplotlib")

EVIL = "<script>alert(1)</script> & \"'\x1b[2J\u202e"
VOID = {"meta", "link", "br", "img", "input"}


class Page(HTMLParser):
    """Collects the elements of a page, and checks that they are nested."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.stack, self.text, self.attributes = [], [], [], []
        self.feed(text)
        assert self.stack == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture
def report(command, tmp_path, monkeypatch):
    """Return a function that writes the page of a folder and returns its text and its elements."""
    monkeypatch.chdir(tmp_path)

    def call(folder):
        code, out, err = command("report", folder, "-o", "page.html")
        assert (code, out, err) == (0, "page.html\n", "")
        text = (tmp_path / "page.html").read_text(encoding="utf-8")
        (tmp_path / "page.html").unlink()
        page = Page(text)
        assert "script" not in page.tags
        assert not re.search(r"@import|https?://(?!www\.w3\.org)", text)
        fetched = [value for name, value in page.attributes if name in ("src", "href", "xlink:href")]
        assert all(value.startswith(("#", "data:")) for value in fetched)
        assert not any(name.startswith("on") for name, _ in page.attributes)
        identifiers = [value for name, value in page.attributes if name == "id"]
        assert len(identifiers) == len(set(identifiers))
        assert {value[1:] for value in fetched if value.startswith("#")} <= set(identifiers)
        assert len(re.findall('<svg[^>]* role="img" aria-label="[^"]+"', text)) == page.tags.count("svg")
        assert not {c for c in text if c < " " and c != "\n"} | ({"\u202e"} & set(text))
        return text, page

    return call


def test_page_of_a_sweep(report, tmp_path):
    overrides = ["model.activation=tanh,relu", "optimizer.learning_rate=0.1,0.2", "sweep.repeat=2"]
    result = sweep(EXPERIMENT, overrides, out=tmp_path / "s", workers=1)
    text, page = report("s")
    assert "small: sweep of 8 runs" in page.text
    assert f"The best run is {result.best.run:04d} with validation_loss " in text
    headings = re.findall("<h2>([^<]*)</h2>", text)
    assert headings == [
        "Overview",
        "All parameters at once",
        "Each parameter",
        "Configurations over their seeds",
        "Is the best one better?",
        "The best run",
        "All runs",
    ]
    assert page.tags.count("svg") >= 5  # parallel, two parameters, groups, curves
    assert f"cygd report s/{result.best.folder}" in text
    for record in result.records:
        assert f">{record.run:04d}</td>" in text


def test_names_of_the_user_are_escaped(report, tmp_path):
    records = [
        (i, seed, {f"key {EVIL}": value}, 0.5 + i + seed / 7)
        for i, value in enumerate([EVIL, "شبكة", "漢字", {"formula": f"h < {EVIL}"}, 3])
        for seed in (1, 2, 3)
    ]
    records += [(9, 1, {f"key {EVIL}": "x"}, f"failed {EVIL}\nsecond {EVIL}")]
    write_sweep(tmp_path / "s", records, name=f"name {EVIL}")
    text, page = report("s")
    assert "<script" not in text
    assert "name <script>alert(1)</script>" in "".join(page.text)
    assert r"\x1b[2J\u202e" in text
    assert "شبكة" in text
    assert "second" in text


def test_two_hundred_runs_fit_into_a_page(report, tmp_path):
    draw = random.Random(1)
    records = [
        (i, 0, {f"k{key}": draw.random() for key in range(6)} | {"a": draw.choice("xyz")}, draw.random())
        for i in range(200)
    ]
    write_sweep(tmp_path / "s", records)
    text, page = report("s")
    assert len(text.encode()) < 1_500_000
    assert page.tags.count("tr") > 200


def test_sweep_of_thousands_of_runs_is_cut(report, tmp_path):
    draw = random.Random(1)
    write_sweep(tmp_path / "s", [(i, 0, {"a": draw.random()}, draw.random()) for i in range(5000)])
    text, _ = report("s")
    assert len(text.encode()) < 5_000_000
    assert "... and 4000 more" in text


@pytest.mark.parametrize("content", ["{", "[]", '{"version": 9}'])
def test_damaged_sweep_is_one_error(command, tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    write_sweep(tmp_path / "s", [])
    (tmp_path / "s" / "sweep.json").write_text(content)
    code, out, err = command("report", "s")
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert "sweep.json" in err
    assert "Traceback" not in err
    assert not list(tmp_path.glob("*.html"))


def test_best_run_whose_folder_is_damaged_is_said(report, tmp_path):
    result = sweep(EXPERIMENT, ["optimizer.learning_rate=0.1,0.2"], out=tmp_path / "s", workers=1)
    (tmp_path / "s" / result.best.folder / "config.yaml").write_text("a: [")
    assert "The best run cannot be read: " in report("s")[0]


def test_plugins_of_a_sweep_are_not_executed(report, tmp_path):
    (tmp_path / "evil.py").write_text("raise SystemExit('executed')")
    experiment = {**EXPERIMENT, "plugins": [str(tmp_path / "evil.py")], "sweep": {"repeat": 2}}
    write_sweep(tmp_path / "s", [(0, 0, {}, 0.5), (0, 1, {}, 0.6)], experiment=experiment)
    assert "sweep of 2 runs" in report("s")[0]


def test_overview_of_a_folder(report, tmp_path):
    write_sweep(tmp_path / "all", [])
    (tmp_path / "all").rename(tmp_path / "x")
    (tmp_path / "all").mkdir()
    (tmp_path / "x").rename(tmp_path / "all" / "20260101-000000-abcd")
    for number in range(4):
        run = tmp_path / "all" / f"name {number % 2}" / f"2026020{number + 1}-000000-abcd"
        run.mkdir(parents=True)
        (run / "config.yaml").write_text("name: x\n")
        (run / "result.json").write_text(json.dumps({"status": "completed", "metrics": {"loss": number}}))
    text, page = report("all")
    assert "4 runs, 1 sweep in " in text
    assert "name 1/20260204-000000-abcd" in page.text
    assert page.text.count("name 0") == 1
