"""The experiment to inspect: read from a file, a mapping or a run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cygd.errors import ConfigError
from cygd.runner.assembly import Assembly, assemble
from cygd.tracking.results import Result

ExperimentOrRun = str | os.PathLike[str] | Mapping[str, Any] | Result


def assemble_experiment(
    source: ExperimentOrRun, overrides: Sequence[str] = (), plugins: Sequence[str] = ()
) -> Assembly:
    """Return the experiment of a file, a mapping, a run folder or a result, with an untrained network."""
    if isinstance(source, Result):
        source = source.directory
    if not isinstance(source, Mapping) and Path(source).is_dir():
        source = Path(source) / "config.yaml"
    return assemble(source, overrides, plugins)


def check_no_dropout(assembly: Assembly, reason: str) -> None:
    """Raise a ConfigError if a layer has dropout."""
    for index, layer in enumerate(assembly.experiment.model.layers):
        if layer.dropout:
            key = f"model.layers.{index}.dropout"
            raise ConfigError([assembly.experiment.problem(key, reason, f"set {key}=0")])
