"""`cygd new experiment NAME`: a commented experiment that runs, from a file of data or from none."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from cygd.cli.commands.experiment_template import SAMPLE, Template, experiment_template
from cygd.cli.new_files import check_not_existing, write_new_files
from cygd.cli.output import DONE, UsageError, echo, redirect_stdout
from cygd.config.validators import safe_name
from cygd.config.yaml.nodes import Mark
from cygd.config.yaml.reader import read_yaml
from cygd.data.sniff import sniff_table
from cygd.errors import CygdError
from cygd.plugins.discovery import option_requests
from cygd.plugins.manager import Plugins
from cygd.runner.assembly import assemble

__all__ = ["run"]


def run(name: str, data: str | None, target: str | None, plugins: Sequence[str]) -> int:
    """Write NAME.yaml into the current folder."""
    stem = name.removesuffix(".yaml").removesuffix(".yml")
    if safe_name(stem) != stem or not re.fullmatch(r"[\w.+@-]+", stem):
        hint = "letters, digits, '_', '-' and '.', such as my-first"
        raise UsageError(f"{name!r} is no name for an experiment", hint)
    file = Path(f"{stem}.yaml")
    check_not_existing([file])
    if data is None:
        if target is not None:
            raise UsageError("--target is a column of --data, which is missing")
        text, said = (
            SAMPLE.replace("NAME", stem),
            "two half moons, drawn from a seed; --data FILE takes your own",
        )
    else:
        text, said = _from_data(stem, data, target, plugins)
    write_new_files([file], [text])
    print(file)
    echo(said)
    echo(f"now look into {file}, and try it:")
    echo(f"  cygd check {file}")
    echo(f"  cygd run {file}")
    echo(f"  cygd run {file} train.epochs=20 model.layers.0.units=32")
    return DONE


def _from_data(stem: str, data: str, target: str | None, plugins: Sequence[str]) -> tuple[str, str]:
    """Return an experiment for a file of data, and a sentence that says what it does."""
    with redirect_stdout():
        registry = Plugins.load(option_requests(plugins))
        guessed = sniff_table(data, registry)
        drawn = experiment_template(stem, guessed, target)
        try:
            _try(drawn, plugins)
        except CygdError:
            drawn = experiment_template(stem, guessed, target, only_frequent=True)
            _try(drawn, plugins)
    return drawn.text, drawn.summary


def _try(drawn: Template, plugins: Sequence[str]) -> None:
    """Raise whatever keeps an experiment from being run, before it is written."""
    root = read_yaml(drawn.text, Mark("experiment"), [])
    assert root is not None
    assemble(root.plain(), (), plugins)
