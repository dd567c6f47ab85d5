"""The how-to guides: commands print what the pages show, and examples run."""

import doctest
import shutil
from pathlib import Path

import pytest
import yaml

import cygd
from tests.helpers.console_blocks import Shell, blocks_of

CHECKOUT = Path(__file__).parents[2]


def page(name):
    return (CHECKOUT / "docs" / "how-to" / f"{name}.md").read_text()


def run_examples(text, folder, monkeypatch):
    monkeypatch.chdir(folder)
    code = "".join(blocks_of(text, "python"))
    report = []
    test = doctest.DocTestParser().get_doctest(code, {}, "page", None, 0)
    doctest.DocTestRunner().run(test, out=report.append)
    assert report == []
    return len(test.examples)


@pytest.fixture
def shell(tmp_path):
    here = tmp_path / "here"
    here.mkdir()
    shutil.copytree(CHECKOUT / "experiments", here / "experiments")
    return Shell(here, tmp_path / "programs")


def test_resume(shell, monkeypatch):
    [block] = blocks_of(page("resume"), "console")
    shell.run_block(block)
    assert run_examples(page("resume"), shell.folder, monkeypatch) == 3


def test_write_a_loss(shell, monkeypatch):
    [block] = blocks_of(page("write-a-loss"), "console")
    shell.run_block(block)
    assert run_examples(page("write-a-loss"), shell.folder, monkeypatch) > 5


def test_formula_of_the_page_is_a_loss_of_an_experiment():
    [text] = blocks_of(page("write-a-loss"), "yaml")
    experiment = {
        "data": {"source": "inline", "x": [[0.0], [1.0]], "y": [[1.0], [3.0]]},
        "model": {"layers": [1]},
        "train": {"epochs": 1},
        **yaml.safe_load(text),
    }
    from cygd.runner import assemble

    assert assemble(experiment) is not None
    assert cygd.Loss("l", formula=experiment["loss"]["formula"], parameters={"scale": 2.0}).elements(
        [0.0], [0.0]
    ) == pytest.approx(0)
