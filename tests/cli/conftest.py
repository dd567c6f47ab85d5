"""Fixtures of the tests of commands."""

import pytest
import yaml


@pytest.fixture
def written(command, tmp_path):
    """Write an experiment in the current folder, run it, and return its content and its text."""

    def call(*arguments):
        code, out, err = command("new", "experiment", "mine", *arguments)
        assert (code, out) == (0, "mine.yaml\n"), err
        assert command("check", "mine.yaml")[:2] == (0, "mine.yaml: ok\n")
        code, _, err = command("run", "mine.yaml", "train.epochs=2", "--quiet", "--out", "out")
        assert code == 0, err
        text = (tmp_path / "mine.yaml").read_text(encoding="utf-8")
        return yaml.safe_load(text), text

    return call
