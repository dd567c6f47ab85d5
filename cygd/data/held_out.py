"""The rows that a run has not trained on, as their source reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cygd.components import Components
from cygd.data.preparation import Preparation
from cygd.data.table import Table

if TYPE_CHECKING:
    from cygd.config import Experiment


def held_out_rows(experiment: Experiment, components: Components | None = None) -> tuple[str, Table]:
    """Return the test rows, else the validation rows, else all rows, with the name of the part."""
    preparation = Preparation(experiment, components)
    samples = preparation.load(None, keep_array=False)
    preparation.select(samples)
    samples = preparation.drop_missing(samples)
    rows = preparation.split(samples)
    for part in ("test", "validation"):
        if getattr(experiment.data, part):
            return part, preparation.drop_missing(preparation.load(part, keep_array=False)).table
        selected = None if rows is None else getattr(rows, part)
        if selected is not None and len(selected):
            return part, samples.table.take(selected)
    return "training", samples.table
