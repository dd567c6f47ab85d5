"""The data that a run trains and evaluates on."""

from __future__ import annotations

from dataclasses import dataclass

from cygd.data.dataset import Label, Part
from cygd.data.preprocessing import Preprocessing

__all__ = ["PreparedData"]


@dataclass(frozen=True, eq=False)
class PreparedData:
    """The data of an experiment, ready for training.

    `inputs` are the names of the columns of x (`island=Dream` for a one-hot column), `targets` the names of
    the target columns, `classes` the labels in the order of y's one-hot columns, or the two labels that 0 and
    1 encode in a single column; empty for numeric targets.
    """

    train: Part
    validation: Part | None
    test: Part | None
    preprocessing: Preprocessing

    @property
    def inputs(self) -> tuple[str, ...]:  # noqa: D102
        return self.preprocessing.features

    @property
    def targets(self) -> tuple[str, ...]:  # noqa: D102
        return self.preprocessing.targets

    @property
    def classes(self) -> tuple[Label, ...]:  # noqa: D102
        return self.preprocessing.classes
