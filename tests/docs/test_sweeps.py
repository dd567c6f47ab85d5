"""docs/sweeps.md: experiments and commands give plans of the stated size."""

import re
from pathlib import Path

import pytest
import yaml

from cygd.sweep.plan import make_plan

CHECKOUT = Path(__file__).parents[2]
PAGE = (CHECKOUT / "docs" / "sweeps.md").read_text()
EXPERIMENTS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
COUNTS = [13, 3, 40, 27]
COMMANDS = re.findall(r"^\$ cygd sweep (experiments/.*)$", PAGE, re.MULTILINE)


def test_page_has_four_experiments_and_four_commands():
    assert len(EXPERIMENTS) == len(COUNTS)
    assert len(COMMANDS) == 4


@pytest.mark.parametrize(("text", "count"), [*zip(EXPERIMENTS, COUNTS, strict=True)], ids=COUNTS)
def test_experiment_has_the_stated_number_of_runs(text, count, tmp_path):
    path = tmp_path / "experiment.yaml"
    path.write_text(text)
    assert make_plan(path).total == count
    assert "sweep" in yaml.safe_load(text)


@pytest.mark.parametrize("arguments", COMMANDS)
def test_command_gives_a_plan(arguments):
    file, *rest = arguments.split()
    overrides = [argument for argument in rest if "=" in argument]
    assert make_plan(CHECKOUT / file, overrides).total in (4, 6, 30)
