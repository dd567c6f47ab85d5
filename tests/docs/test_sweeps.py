"""The experiments and the script of docs/sweeps.md."""

import re
from pathlib import Path

import pytest
import yaml

from cygd.sweep.plan import make_plan

PAGE = (Path(__file__).parents[2] / "docs" / "sweeps.md").read_text()
EXPERIMENTS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
COUNTS = [13, 3, 40, 27]
COMMANDS = re.findall(r"^\$ cygd sweep (experiments/.*)$", PAGE, re.MULTILINE)


def test_the_page_has_what_is_looked_at():
    assert len(EXPERIMENTS) == len(COUNTS)
    assert len(COMMANDS) == 4


@pytest.mark.parametrize(("text", "count"), [*zip(EXPERIMENTS, COUNTS, strict=True)], ids=COUNTS)
def test_an_experiment_has_as_many_runs_as_the_page_says(text, count, tmp_path):
    path = tmp_path / "experiment.yaml"
    path.write_text(text)
    plan = make_plan(path)
    assert plan.total == count
    assert "sweep" in yaml.safe_load(text)


@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_has_a_plan(words):
    file, *rest = words.split()
    overrides = [word for word in rest if "=" in word]
    assert make_plan(Path(__file__).parents[2] / file, overrides).total in (4, 6, 30)
